//! Writing a policy as seccompiler's JSON.

use sandbox_format::bpf::{Comparison, Test};
use serde::Serialize;

use super::super::{Output, Unsayable};
use super::{Argument, Comment, Entry, Operator, Width, Written};
use crate::policy::{Action, Arch, Resolved, alternatives, cubes};

#[derive(Serialize)]
struct WrittenFile {
    main: WrittenFilter,
}

#[derive(Serialize)]
struct WrittenFilter {
    mismatch_action: Written,
    match_action: Written,
    filter: Vec<Entry>,
}

const TOO_MANY: &str = "its conditions come to too many alternatives";

/// Writes a filter for the program's own ABI.
pub(in crate::policy::source) fn write(output: &mut Output<'_>) -> Result<String, Unsayable> {
    require_sayable(output)?;
    let matched = matched(output.resolved);
    let filter = entries(output, matched)?;
    let file = WrittenFile {
        main: WrittenFilter {
            mismatch_action: Written::of(output.resolved.policy.default),
            match_action: Written::of(matched),
            filter,
        },
    };
    let text = serde_json::to_string_pretty(&file).unwrap_or_default();
    Ok(text + "\n")
}

fn require_sayable(output: &mut Output<'_>) -> Result<(), Unsayable> {
    let resolved = output.resolved;
    let policy = &resolved.policy;
    if !matches!(resolved.arch, Arch::X86_64 | Arch::Aarch64 | Arch::Riscv64) {
        let why = "the crate knows x86_64, aarch64 and riscv64 only";
        output.leave_out(format!("a program for {}", resolved.arch), why)?;
    }
    for abi in resolved.abis.iter().skip(1) {
        output.leave_out(format!("calls of {}", abi.arch), "it ends these")?;
    }
    let foreign = policy.foreign_action();
    if foreign != Action::KillProcess {
        output.leave_out(
            format!("foreign = {foreign}"),
            "it ends calls of other ABIs",
        )?;
    }
    if let Some(unknown) = policy.unknown.filter(|unknown| *unknown != policy.default) {
        let why = "it has one action for what is unlisted";
        output.leave_out(format!("unknown = {unknown}"), why)?;
    }
    Ok(())
}

/// The one action that a filter has besides the default.
fn matched(resolved: &Resolved) -> Action {
    let default = resolved.policy.default;
    let mut actions = resolved.rules().iter().map(|rule| rule.action);
    let other = actions.find(|action| *action != default);
    other.unwrap_or(match default {
        Action::Allow => Action::KillProcess,
        _ => Action::Allow,
    })
}

fn entries(output: &mut Output<'_>, matched: Action) -> Result<Vec<Entry>, Unsayable> {
    let resolved = output.resolved;
    let mut entries = Vec::new();
    let by_call = resolved.rules();
    for rules in by_call.chunk_by(|one, other| one.number == other.number) {
        let name = &rules[0].name;
        let tests = rules.iter().map(|rule| (&rule.when[..], rule.action));
        let Ok(apart) = alternatives::apart(&tests.collect::<Vec<_>>()) else {
            output.leave_out(name, TOO_MANY)?;
            continue;
        };
        for (action, alternatives) in apart {
            if action == matched {
                let found = alternatives.iter().map(|tests| arguments(tests));
                let Ok(found) = found.collect::<Result<Vec<_>, _>>() else {
                    output.leave_out(name, TOO_MANY)?;
                    continue;
                };
                let found = found.concat().into_iter();
                entries.extend(found.map(|arguments| entry(name, arguments)));
            } else if action != resolved.policy.default {
                let why = format!("besides the default it has one action, here {matched}");
                output.leave_out(format!("{name}={action}"), why)?;
            }
        }
    }
    Ok(entries)
}

fn entry(name: &str, arguments: Vec<Argument>) -> Entry {
    Entry {
        syscall: name.to_owned(),
        args: (!arguments.is_empty()).then_some(arguments),
        comment: Comment,
    }
}

/// Tests that must all hold, as one or several entries: there is no word for an order of
/// some bits, which are compared one by one.
fn arguments(tests: &[Test]) -> Result<Vec<Vec<Argument>>, cubes::TooMany> {
    let (plain, others): (Vec<&Test>, Vec<&Test>) = tests.iter().partition(|test| {
        test.comparison == Comparison::Equal || [u32::MAX.into(), u64::MAX].contains(&test.mask)
    });
    let others: Vec<Test> = others.into_iter().copied().collect();
    let plain: Vec<Argument> = plain.into_iter().map(argument).collect();
    let cubes = cubes::of_tests(&others)?;
    let with = |cube: &cubes::Cube| {
        let demands = cube.demands();
        let demands = demands.map(|(arg, bits)| argument(&Test::equal(arg, bits.mask, bits.value)));
        plain.iter().copied().chain(demands).collect()
    };
    Ok(cubes.iter().map(with).collect())
}

fn argument(test: &Test) -> Argument {
    let width = match (test.mask | test.value) >> 32 {
        0 => Width::Dword,
        _ => Width::Qword,
    };
    let op = match test.comparison {
        Comparison::Equal if test.mask == width.all() => Operator::Eq,
        Comparison::Equal => Operator::MaskedEq(test.mask),
        Comparison::NotEqual => Operator::Ne,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::Le,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::Ge,
    };
    Argument {
        index: test.arg,
        width,
        op,
        val: test.value,
        comment: Comment,
    }
}
