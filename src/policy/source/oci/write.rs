//! Policies as profiles of containers.
//!
//! A profile names calls for all its architectures at once, so the rules of all ABIs have to
//! agree. Its rules are given to libseccomp, which has an order of its own: they are brought
//! to ones that exclude each other, each with one comparison of an argument at most.

use std::collections::{BTreeMap, BTreeSet};

use sandbox_format::bpf::{Comparison, Test};
use serde::Serialize;

use super::super::{Format, Output, Unsayable};
use super::words::{self, Verb};
use crate::policy::{Action, Arch, Resolved, alternatives, cubes, names};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_errno_ret: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    architectures: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    arch_map: Vec<Mapped>,
    syscalls: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mapped {
    architecture: &'static str,
    sub_architectures: Vec<&'static str>,
}

#[derive(Clone, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Entry {
    names: Vec<String>,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno_ret: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<Argument>,
}

#[derive(Clone, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u8,
    value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_two: Option<u64>,
    op: &'static str,
}

/// What happens to a call: alternatives for each action.
type Decided = Vec<(Action, Vec<Vec<Test>>)>;

pub(in crate::policy::source) fn write(
    output: &mut Output<'_>,
    format: Format,
) -> Result<String, Unsayable> {
    require_sayable(output)?;
    let resolved = output.resolved;
    let (default_action, default_errno_ret) = said(unlisted(resolved));
    let names: Vec<_> = resolved.abis.iter().map(|abi| abi.arch).collect();
    let mut profile = Profile {
        default_action,
        default_errno_ret,
        architectures: names
            .iter()
            .copied()
            .map(words::architecture_name)
            .collect(),
        arch_map: Vec::new(),
        syscalls: entries(output)?,
    };
    if format == Format::Docker && names.len() > 1 {
        let mut named = std::mem::take(&mut profile.architectures).into_iter();
        profile.arch_map = vec![Mapped {
            architecture: named.next().unwrap_or_default(),
            sub_architectures: named.collect(),
        }];
    }
    if format == Format::Spo {
        return of_operator(output, &profile);
    }
    let text = serde_json::to_string_pretty(&profile).unwrap_or_default();
    Ok(text + "\n")
}

fn require_sayable(output: &mut Output<'_>) -> Result<(), Unsayable> {
    let policy = &output.resolved.policy;
    let foreign = policy.foreign_action();
    if foreign != Action::KillThread {
        let why = "runtimes have such calls end the thread; only foreign = kill-thread is the same";
        output.leave_out(format!("foreign = {foreign}"), why)?;
    }
    if let (Some(unknown), Err(why)) = (policy.unknown, newer(output.resolved)) {
        output.leave_out(format!("unknown = {unknown}"), why)?;
    }
    Ok(())
}

/// What a profile says of calls that it does not list.
fn unlisted(resolved: &Resolved) -> Action {
    newer(resolved).unwrap_or(resolved.policy.default)
}

/// What calls get that are newer than all that were known, as far as a profile can say it:
/// they are then those that it does not list. All others are listed, as in podman's own.
fn newer(resolved: &Resolved) -> Result<Action, &'static str> {
    let policy = &resolved.policy;
    let Some(unknown) = policy.unknown.filter(|unknown| *unknown != policy.default) else {
        return Ok(policy.default);
    };
    if unknown.permits() && !policy.default.permits() {
        return Err("a runtime whose libseccomp knows fewer calls would permit those as well");
    }
    let has_multiplexer = |arch| names::number("socketcall", arch).is_some();
    if resolved.abis.iter().any(|abi| has_multiplexer(abi.arch)) {
        return Err(
            "all other calls would have to be listed, and libseccomp would have that be about \
             socketcall and ipc as well",
        );
    }
    Ok(unknown)
}

/// An action, and its number.
fn said(action: Action) -> (&'static str, Option<u16>) {
    let (verb, number) = match action {
        Action::KillProcess => (Verb::KillProcess, None),
        Action::KillThread => (Verb::KillThread, None),
        Action::Trap => (Verb::Trap, None),
        Action::Errno(number) => (Verb::Errno, Some(number)),
        Action::Trace(number) => (Verb::Trace, Some(number)),
        Action::Log => (Verb::Log, None),
        Action::Allow => (Verb::Allow, None),
    };
    (words::verb_name(verb), number)
}

/// Entries for all calls, those of one action without comparisons in one.
fn entries(output: &mut Output<'_>) -> Result<Vec<Entry>, Unsayable> {
    let resolved = output.resolved;
    let unlisted = unlisted(resolved);
    let mut calls: BTreeSet<String> = BTreeSet::new();
    for abi in &resolved.abis {
        calls.extend(abi.rules.iter().map(|rule| rule.name.clone()));
        if unlisted != resolved.policy.default {
            let numbers = names::numbers(abi.arch);
            calls.extend(numbers.filter_map(|number| names::name(number, abi.arch)));
        }
    }
    let mut whole: BTreeMap<Action, Vec<String>> = BTreeMap::new();
    let mut compared = Vec::new();
    for name in &calls {
        let Some(decided) = decided(output, name)? else {
            continue;
        };
        for (action, alternatives) in decided {
            if action == unlisted {
                continue;
            }
            for tests in alternatives {
                let args: Vec<_> = tests.iter().map(argument).collect();
                if args.is_empty() {
                    whole.entry(action).or_default().push(name.clone());
                } else {
                    compared.push(entry(vec![name.clone()], action, args));
                }
            }
        }
    }
    let whole = whole.into_iter();
    let whole = whole.map(|(action, names)| entry(names, action, Vec::new()));
    Ok(whole.chain(compared).collect())
}

fn entry(names: Vec<String>, action: Action, args: Vec<Argument>) -> Entry {
    let (action, errno_ret) = said(action);
    Entry {
        names,
        action,
        errno_ret,
        args,
    }
}

fn argument(test: &Test) -> Argument {
    let op = match test.comparison {
        Comparison::Equal if test.mask == u64::MAX => "SCMP_CMP_EQ",
        Comparison::Equal => {
            return Argument {
                index: test.arg,
                value: test.mask,
                value_two: Some(test.value),
                op: "SCMP_CMP_MASKED_EQ",
            };
        }
        Comparison::NotEqual => "SCMP_CMP_NE",
        Comparison::Less => "SCMP_CMP_LT",
        Comparison::LessOrEqual => "SCMP_CMP_LE",
        Comparison::Greater => "SCMP_CMP_GT",
        Comparison::GreaterOrEqual => "SCMP_CMP_GE",
    };
    Argument {
        index: test.arg,
        value: test.value,
        value_two: None,
        op,
    }
}

/// What happens to the calls of a name on all ABIs that have it; `None` if that was left out.
fn decided(output: &mut Output<'_>, name: &str) -> Result<Option<Decided>, Unsayable> {
    let resolved = output.resolved;
    let mut found: Option<(Arch, Decided)> = None;
    for abi in &resolved.abis {
        if names::number(name, abi.arch).is_none() {
            continue;
        }
        let rules = abi.rules.iter().filter(|rule| rule.name == name);
        let mut rules: Vec<(&[Test], Action)> =
            rules.map(|rule| (&rule.when[..], rule.action)).collect();
        if unlisted(resolved) != resolved.policy.default {
            rules.push((&[], resolved.policy.default));
        }
        let Some(mut here) = sayable(&rules, abi.arch) else {
            output.leave_out(name, "its conditions come to too many alternatives")?;
            return Ok(None);
        };
        if abi.arch.has_32_bit_registers() {
            without_long(&mut here);
        } else if abi.arch.has_32_bit_addresses() && is_wide(&here) {
            let why = format!("libseccomp compares 32 bits only on {}", abi.arch);
            output.leave_out(name, why)?;
            return Ok(None);
        }
        match &found {
            Some((arch, other)) if !agree(other, &here, abi.arch) => {
                let why = format!(
                    "it is judged differently on {arch} and {}, and a profile has one rule for both",
                    abi.arch
                );
                output.leave_out(name, why)?;
                return Ok(None);
            }
            Some(_) => {}
            None => found = Some((abi.arch, here)),
        }
    }
    Ok(found.map(|(_, decided)| decided))
}

/// Rules in order as rules that exclude each other, which libseccomp can be given.
fn sayable(rules: &[(&[Test], Action)], arch: Arch) -> Option<Decided> {
    let whole = match arch.has_32_bit_addresses() {
        true => LOW,
        false => u64::MAX,
    };
    let apart = alternatives::apart(rules).ok();
    let is_plain = |decided: &Decided| {
        let mut all = decided.iter().flat_map(|(_, them)| them);
        all.all(|tests| is_plain(tests, whole))
    };
    if let Some(apart) = apart.filter(is_plain) {
        return Some(apart);
    }
    let of_cube = |cube: &cubes::Cube| {
        let demands = cube.demands();
        demands
            .map(|(arg, bits)| Test::equal(arg, bits.mask, bits.value))
            .collect()
    };
    let apart = cubes::apart(rules).ok()?.into_iter();
    let of_action =
        |(action, cubes): (Action, Vec<cubes::Cube>)| (action, cubes.iter().map(of_cube).collect());
    Some(apart.map(of_action).collect())
}

/// Whether libseccomp keeps to what its manual says of such a rule: one comparison of an
/// argument at most, and where it is one of order or difference, no other beside it.
fn is_plain(alternative: &[Test], whole: u64) -> bool {
    let is_mask = |test: &Test| test.comparison == Comparison::Equal;
    match alternative {
        [only] => is_mask(only) || only.mask == whole,
        tests => {
            let args: BTreeSet<_> = tests.iter().map(|test| test.arg).collect();
            args.len() == tests.len() && tests.iter().all(is_mask)
        }
    }
}

/// Whether upper halves of registers are compared.
fn is_wide(decided: &Decided) -> bool {
    let mut tests = decided.iter().flat_map(|(_, them)| them).flatten();
    tests.any(|test| test.mask >> 32 != 0)
}

/// Leaves out what demands more than a register of 32 bits has.
fn without_long(decided: &mut Decided) {
    let is_long = |test: &Test| test.comparison == Comparison::Equal && test.value >> 32 != 0;
    for (_, alternatives) in decided.iter_mut() {
        alternatives.retain(|tests| !tests.iter().any(is_long));
    }
    decided.retain(|(_, alternatives)| !alternatives.is_empty());
}

/// Whether what happens to a call on one ABI is what happens on another one too.
fn agree(decided: &Decided, here: &Decided, arch: Arch) -> bool {
    if !arch.has_32_bit_addresses() {
        return decided == here;
    }
    // Upper halves are 0 here, or libseccomp does not compare them.
    let mut tests = decided.iter().flat_map(|(_, them)| them).flatten();
    let is_long = |test: &Test| test.value >> 32 != 0 || test.mask & LOW == 0;
    let is_cut = |test: &Test| test.comparison != Comparison::Equal && test.mask >> 32 == 0;
    !tests.any(|test| is_long(test) || is_cut(test)) && lower(decided) == lower(here)
}

const LOW: u64 = 0xffff_ffff;

/// What is demanded of the lower halves.
fn lower(decided: &Decided) -> Decided {
    let of_test = |test: &Test| Test {
        mask: test.mask & LOW,
        value: test.value & LOW,
        ..*test
    };
    let of_action = |(action, them): &(Action, Vec<Vec<Test>>)| {
        let mut them: Vec<Vec<_>> = them
            .iter()
            .map(|tests| tests.iter().map(of_test).collect())
            .collect();
        them.sort();
        (*action, them)
    };
    decided.iter().map(of_action).collect()
}

/// YAML by hand: nothing in it but names of fixed forms and numbers.
fn of_operator(output: &mut Output<'_>, profile: &Profile) -> Result<String, Unsayable> {
    let mut lines = vec![
        "apiVersion: security-profiles-operator.x-k8s.io/v1".to_owned(),
        "kind: SeccompProfile".to_owned(),
        "metadata:".to_owned(),
        "  name: profile".to_owned(),
        "spec:".to_owned(),
        format!("  defaultAction: {}", profile.default_action),
    ];
    // The operator has no number for it, and runtimes give EPERM.
    if profile.default_errno_ret.is_some_and(|number| number != 1) {
        let why = "the operator's default action has no number of its own";
        let unlisted = unlisted(output.resolved);
        let key = match unlisted == output.resolved.policy.default {
            true => "default",
            false => "unknown",
        };
        output.leave_out(format!("{key} = {unlisted}"), why)?;
    }
    list(&mut lines, "  architectures", &profile.architectures, "  ");
    if !profile.syscalls.is_empty() {
        lines.push("  syscalls:".to_owned());
    }
    for entry in &profile.syscalls {
        // Numbers are an int64, and 0 is as good as none.
        let is_small = |number: u64| i64::try_from(number).is_ok();
        let fits = |argument: &Argument| {
            is_small(argument.value) && argument.value_two.is_none_or(is_small)
        };
        if !entry.args.iter().all(fits) {
            let why = "the operator's numbers have 63 bits";
            output.leave_out(entry.names.join(", "), why)?;
            continue;
        }
        if entry.errno_ret == Some(0) {
            let why = "the operator takes the number 0 for none";
            output.leave_out(entry.names.join(", "), why)?;
            continue;
        }
        lines.push(format!("  - action: {}", entry.action));
        if let Some(number) = entry.errno_ret {
            lines.push(format!("    errnoRet: {number}"));
        }
        list(&mut lines, "    names", &entry.names, "    ");
        if !entry.args.is_empty() {
            lines.push("    args:".to_owned());
        }
        for argument in &entry.args {
            lines.push(format!("    - index: {}", argument.index));
            lines.push(format!("      value: {}", argument.value));
            if let Some(second) = argument.value_two {
                lines.push(format!("      valueTwo: {second}"));
            }
            lines.push(format!("      op: {}", argument.op));
        }
    }
    Ok(lines.join("\n") + "\n")
}

fn list(lines: &mut Vec<String>, key: &str, members: &[impl std::fmt::Display], indent: &str) {
    if !members.is_empty() {
        lines.push(format!("{key}:"));
    }
    lines.extend(members.iter().map(|member| format!("{indent}- {member}")));
}
