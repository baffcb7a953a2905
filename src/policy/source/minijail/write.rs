//! Policies for minijail: for `minijail0 -S` if that can say it, and else for
//! compile_seccomp_policy.py, which has more actions and a default.

use std::fmt::Write;

use sandbox_format::bpf::{Comparison, Test};

use super::super::output::{Output, Unsayable};
use crate::policy::{Action, Arch, ResolvedRule, alternatives, call_number, cubes, errno, is_call};

/// What happens to a call: actions, with the alternatives in which they are taken.
type Parts = Vec<(Action, Vec<String>)>;

/// Writes a policy for the program's own ABI.
pub(in super::super) fn write(output: &mut Output<'_>) -> Result<String, Unsayable> {
    let default = default(output)?;
    let resolved = output.resolved;
    let rules = resolved.rules();
    let of_calls: Vec<&[ResolvedRule]> = rules
        .chunk_by(|one, other| one.number == other.number)
        .collect();
    let is_plain = default == Action::KillThread && of_calls.iter().all(|rules| is_plain(rules));
    let mut text = match (default, is_plain) {
        (Action::Allow, _) => "# For compile_seccomp_policy.py --denylist\n@denylist\n".to_owned(),
        (_, true) => "# For minijail0 -S\n".to_owned(),
        (default, false) => format!("# For compile_seccomp_policy.py\n@default {default}\n"),
    };
    for rules in of_calls {
        let Some(first) = rules.first() else { continue };
        let Some(parts) = parts(output, rules, default)? else {
            continue;
        };
        let last = rules.last().filter(|last| last.when.is_empty());
        let said = match last.map(|last| last.action) {
            Some(action @ Action::Errno(_)) if is_plain => plain(&parts, Some(action)),
            _ if is_plain => plain(&parts, None),
            _ => compiled(&parts),
        };
        if let Some(said) = said {
            let name = written_name(&first.name, resolved.arch);
            // A text takes everything.
            let _ = writeln!(text, "{name}: {said}");
        }
    }
    Ok(text)
}

/// What unlisted calls get, after all has been said about what minijail can't have.
fn default(output: &mut Output<'_>) -> Result<Action, Unsayable> {
    let policy = &output.resolved.policy;
    let default = match policy.default {
        action @ (Action::Allow | Action::KillThread | Action::KillProcess | Action::Trap) => {
            action
        }
        other => {
            let why = "unlisted calls are permitted, trapped or end the thread or the process";
            output.leave_out(format!("default = {other}"), why)?;
            Action::KillThread
        }
    };
    for abi in output.resolved.abis.iter().skip(1) {
        output.leave_out(format!("calls of {}", abi.arch), "it ends these")?;
    }
    // Which kill it is, an option of the tools says.
    let foreign = policy.foreign_action();
    let is_foreign = match default {
        Action::Allow => foreign == Action::Errno(1),
        _ => matches!(foreign, Action::KillThread | Action::KillProcess),
    };
    if !is_foreign {
        let why = match default {
            Action::Allow => "with @denylist, calls of other ABIs fail with EPERM",
            _ => "it ends calls of other ABIs",
        };
        output.leave_out(format!("foreign = {foreign}"), why)?;
    }
    if let Some(unknown) = policy.unknown.filter(|unknown| *unknown != policy.default) {
        let why = "it has one action for what is unlisted";
        output.leave_out(format!("unknown = {unknown}"), why)?;
    }
    Ok(default)
}

/// Whether minijail0 can say the rules for a call: what is permitted, and besides the end of
/// the thread one error for all the rest.
fn is_plain(rules: &[ResolvedRule]) -> bool {
    let last = rules.last().filter(|last| last.when.is_empty());
    let rest = match last.map(|last| last.action) {
        Some(action @ Action::Errno(_)) => action,
        _ => Action::KillThread,
    };
    rules
        .iter()
        .all(|rule| rule.action == Action::Allow || rule.action == rest)
}

/// The actions for a call besides the default, and when they are taken. None if nothing can
/// be said.
fn parts(
    output: &mut Output<'_>,
    rules: &[ResolvedRule],
    default: Action,
) -> Result<Option<Parts>, Unsayable> {
    let name = rules.first().map_or("", |rule| &rule.name);
    let borrowed: Vec<(&[Test], Action)> = rules
        .iter()
        .map(|rule| (&rule.when[..], rule.action))
        .collect();
    let arch = output.resolved.arch;
    let too_many = "its conditions come to too many alternatives";
    let Ok(apart) = alternatives::apart(&borrowed) else {
        output.leave_out(name, too_many)?;
        return Ok(None);
    };
    let mut parts = Parts::new();
    for (action, alternatives) in apart {
        if action == default {
            continue;
        }
        if let Err(why) = sayable(action, default) {
            output.leave_out(format!("{name}={action}"), why)?;
            continue;
        }
        let texts: Result<Vec<_>, _> = alternatives
            .iter()
            .map(|tests| conjunctions(tests, arch))
            .collect();
        match texts {
            Ok(texts) => parts.push((action, texts.concat())),
            Err(cubes::TooMany) => output.leave_out(format!("{name}={action}"), too_many)?,
        }
    }
    Ok(Some(parts))
}

fn sayable(action: Action, default: Action) -> Result<(), &'static str> {
    match action {
        Action::Errno(_) => Ok(()),
        _ if default == Action::Allow => Err("with @denylist, calls are permitted or fail"),
        Action::Trace(1..) => Err("there is no number for a tracer"),
        _ => Ok(()),
    }
}

/// `arg0 == 1; return EPERM` as minijail0 has it.
fn plain(parts: &Parts, otherwise: Option<Action>) -> Option<String> {
    let allowed = parts.iter().find(|(action, _)| *action == Action::Allow);
    let allowed = allowed.map(|(_, alternatives)| alternatives);
    match (allowed, otherwise) {
        (Some(any), _) if any.iter().any(String::is_empty) => Some("1".to_owned()),
        (Some(any), None) => Some(any.join(" || ")),
        (Some(any), Some(other)) => Some(format!("{}; {}", any.join(" || "), written(other))),
        (None, Some(other)) => Some(written(other)),
        (None, None) => None,
    }
}

/// `{ arg0 == 1; return EPERM, arg0 == 2; allow }` as the compiler has it.
fn compiled(parts: &Parts) -> Option<String> {
    let filters: Vec<String> = parts
        .iter()
        .map(|(action, any)| match any.iter().any(String::is_empty) {
            true => written(*action),
            false => format!("{}; {}", any.join(" || "), written(*action)),
        })
        .collect();
    match &filters[..] {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("{{ {} }}", several.join(", "))),
    }
}

fn written(action: Action) -> String {
    match action {
        Action::Errno(number) => match errno::name(number) {
            Some(name) if number <= errno::LAST_COMMON => format!("return {name}"),
            _ => format!("return {number}"),
        },
        // Others are called the same here and there, but for a tracer's number.
        Action::Trace(_) => "trace".to_owned(),
        other => other.to_string(),
    }
}

/// The name that minijail has for a call; some of arm's have a prefix (gen_syscalls.sh).
fn written_name(name: &str, arch: Arch) -> String {
    let is_macro = arch == Arch::Arm && call_number(name, arch).is_some_and(|it| it >= 0x000f_0000);
    match is_macro && is_call(name) {
        true => format!("ARM_{name}"),
        false => name.to_owned(),
    }
}

/// Tests that must all hold, in one or several conjunctions.
fn conjunctions(tests: &[Test], arch: Arch) -> Result<Vec<String>, cubes::TooMany> {
    let mut plain = Vec::new();
    let mut others = Vec::new();
    for test in tests {
        match atoms(test, arch) {
            Some(atoms) => plain.extend(atoms),
            None => others.push(*test),
        }
    }
    let with = |cube: &cubes::Cube| {
        let demands = cube.demands();
        let demands = demands.flat_map(|(arg, bits)| of_bits(arg, bits.mask, bits.value));
        let all: Vec<String> = plain.iter().cloned().chain(demands).collect();
        all.join(" && ")
    };
    Ok(cubes::of_tests(&others)?.iter().map(with).collect())
}

/// A test in conditions that must all hold; none if it takes alternatives.
fn atoms(test: &Test, arch: Arch) -> Option<Vec<String>> {
    let Test {
        arg,
        mask,
        value,
        comparison,
    } = *test;
    let all = match arch.has_32_bit_registers() {
        true => u32::MAX.into(),
        false => u64::MAX,
    };
    if mask & all == all && value <= all {
        return Some(vec![format!("arg{arg} {} {value:#x}", comparison.sign())]);
    }
    match comparison {
        Comparison::Equal => Some(of_bits(arg, mask, value)),
        Comparison::NotEqual if value == 0 => Some(vec![format!("arg{arg} & {mask:#x}")]),
        _ => None,
    }
}

/// That some bits have a value: each that is set by itself, and those that are not together.
fn of_bits(arg: u8, mask: u64, value: u64) -> Vec<String> {
    if mask == u64::MAX {
        return vec![format!("arg{arg} == {value:#x}")];
    }
    let bits = (0..u64::BITS).map(|at| 1_u64 << at);
    let mut atoms: Vec<String> = bits
        .filter(|bit| value & bit != 0)
        .map(|bit| format!("arg{arg} & {bit:#x}"))
        .collect();
    let clear = mask & !value;
    if clear != 0 {
        atoms.push(format!("arg{arg} in ~{clear:#x}"));
    }
    atoms
}
