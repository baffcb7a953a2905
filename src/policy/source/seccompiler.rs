//! The JSON of the crate seccompiler (rust-vmm; `docs/json_format.md` there), as Firecracker
//! and other monitors of virtual machines use it.
//!
//! A file has a filter for each kind of thread. All calls that one of a filter's entries is
//! about get `match_action`, all others `mismatch_action`.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use sandbox_format::bpf::{Comparison, Test};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::json::{self, Entries, offset_of};
use super::{Input, Misread, Output, Unsayable};
use crate::policy::condition::{Condition, Operand, Value};
use crate::policy::item::Item;
use crate::policy::{Action, Arch, Draft, Subject, alternatives, cubes};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter<'a> {
    #[serde(alias = "default_action")]
    mismatch_action: Written,
    #[serde(alias = "filter_action")]
    match_action: Written,
    #[serde(borrow)]
    filter: Vec<&'a RawValue>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    syscall: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Vec<Argument>>,
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "it is for people")]
    comment: Comment,
}

/// Any text, which is for people.
#[derive(Clone, Copy, Default)]
struct Comment;

impl<'de> Deserialize<'de> for Comment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Self)
    }
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Argument {
    index: u8,
    #[serde(rename = "type")]
    width: Width,
    op: Operator,
    val: u64,
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "it is for people")]
    comment: Comment,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Width {
    Dword,
    Qword,
}

impl Width {
    fn all(self) -> u64 {
        match self {
            Self::Dword => u32::MAX.into(),
            Self::Qword => u64::MAX,
        }
    }
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Operator {
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
    MaskedEq(u64),
    Ne,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Allow,
    Errno(u32),
    KillThread,
    KillProcess,
    Log,
    Trace(u32),
    Trap,
}

impl Written {
    fn action(self, offset: usize) -> Result<Action, Misread> {
        let wrong = |problem: String| Misread { offset, problem };
        Ok(match self {
            Self::Allow => Action::Allow,
            Self::KillThread => Action::KillThread,
            Self::KillProcess => Action::KillProcess,
            Self::Log => Action::Log,
            Self::Trap => Action::Trap,
            // seccompiler cuts both numbers to 16 bits, and the kernel the error to 4095.
            Self::Errno(number) => match u16::try_from(number) {
                Ok(number @ 1..=4095) => Action::Errno(number),
                _ => {
                    return Err(wrong(format!(
                        "{number} is no error; give one from 1 to 4095"
                    )));
                }
            },
            Self::Trace(number) => Action::Trace(u16::try_from(number).map_err(|_| {
                wrong(format!(
                    "{number} is no number for a tracer; give one up to 65535"
                ))
            })?),
        })
    }

    fn of(action: Action) -> Self {
        match action {
            Action::Allow => Self::Allow,
            Action::KillThread => Self::KillThread,
            Action::KillProcess => Self::KillProcess,
            Action::Log => Self::Log,
            Action::Trap => Self::Trap,
            Action::Errno(number) => Self::Errno(number.into()),
            Action::Trace(number) => Self::Trace(number.into()),
        }
    }
}

/// Reads the only filter of a file, or the one that the options name.
pub(super) fn read(input: &Input<'_>) -> Result<Draft, Misread> {
    let Entries(filters) = json::read(input.text, input.text)?;
    let raw = choose(input, &filters)?;
    let start = offset_of(input.text, raw);
    let filter: Filter<'_> = json::read(input.text, raw)?;
    let matched = filter.match_action.action(start)?;
    let default = filter.mismatch_action.action(start)?;
    if matched == default {
        return Err(Misread {
            offset: start,
            problem: "match_action and mismatch_action are the same, so it decides nothing"
                .to_owned(),
        });
    }
    let mut entries = Vec::new();
    for raw in filter.filter {
        let entry: Entry = json::read(input.text, raw.get())?;
        entries.push((offset_of(input.text, raw.get()), entry));
    }
    // seccompiler collects conditions by call, and one without any adds none: it counts
    // only where no other entry of the call has some (src/frontend/json.rs).
    let conditional: BTreeSet<_> = entries
        .iter()
        .filter(|(_, entry)| entry.args.is_some())
        .map(|(_, entry)| entry.syscall.clone())
        .collect();
    let mut items = Vec::new();
    for (offset, entry) in entries {
        if entry.args.is_none() && conditional.contains(&entry.syscall) {
            continue;
        }
        items.push(Item {
            when: condition(&entry, offset)?,
            subject: Subject::Call(entry.syscall),
            action: Some(matched),
            origin: Some((input.origin)(offset)),
        });
    }
    Ok(Draft {
        allow: Some(items),
        default: Some(default),
        // Another architecture ends the process (build_arch_validation_sequence in
        // src/backend/bpf.rs).
        foreign: Some(Action::KillProcess),
        architectures: Some(Vec::new()),
        exact: Some(true),
        lenient: Some(false),
        ..Draft::default()
    })
}

/// The text of the filter that is meant.
fn choose<'a>(input: &Input<'_>, filters: &[(String, &'a RawValue)]) -> Result<&'a str, Misread> {
    let names: Vec<_> = filters.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(", ");
    let problem = match (&input.options.filter, filters) {
        (Some(wanted), _) => match filters.iter().find(|(name, _)| name == wanted) {
            Some((_, raw)) => return Ok(raw.get()),
            None => format!("there is no filter {wanted:?}; there are {names}"),
        },
        (None, [(_, raw)]) => return Ok(raw.get()),
        (None, []) => "there is no filter in it".to_owned(),
        (None, _) => format!("there are several filters; choose one of {names}"),
    };
    Err(Misread { offset: 0, problem })
}

fn condition(entry: &Entry, offset: usize) -> Result<Option<Condition>, Misread> {
    let Some(arguments) = &entry.args else {
        return Ok(None);
    };
    let wrong = |problem: &str| Misread {
        offset,
        problem: problem.to_owned(),
    };
    if arguments.is_empty() {
        return Err(wrong(
            "args is empty; leave it out for a call with any arguments",
        ));
    }
    let mut parts = Vec::new();
    for argument in arguments {
        if argument.index > 5 {
            return Err(wrong(
                "index is more than 5; calls have six arguments, from 0 on",
            ));
        }
        parts.push(comparison(argument));
    }
    Ok(Some(Condition::All(parts)))
}

/// A comparison of a register, or of its lower half (src/backend/condition.rs).
fn comparison(argument: &Argument) -> Condition {
    let all = argument.width.all();
    let (comparison, mask) = match argument.op {
        Operator::Eq => (Comparison::Equal, all),
        Operator::Ge => (Comparison::GreaterOrEqual, all),
        Operator::Gt => (Comparison::Greater, all),
        Operator::Le => (Comparison::LessOrEqual, all),
        Operator::Lt => (Comparison::Less, all),
        Operator::Ne => (Comparison::NotEqual, all),
        Operator::MaskedEq(mask) => (Comparison::Equal, mask & all),
    };
    let operand = Operand {
        parameter: format!("arg{}", argument.index),
        raw: true,
        mask: (mask != u64::MAX).then(|| Value::Number(mask.into())),
    };
    let value = Value::Number((argument.val & mask).into());
    Condition::Compare(operand, comparison, value)
}

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
pub(super) fn write(output: &mut Output<'_>) -> Result<String, Unsayable> {
    let resolved = output.resolved;
    let default = resolved.policy.default;
    if !matches!(resolved.arch, Arch::X86_64 | Arch::Aarch64 | Arch::Riscv64) {
        let why = "the crate knows x86_64, aarch64 and riscv64 only";
        output.leave_out(format!("a program for {}", resolved.arch), why)?;
    }
    for abi in resolved.abis.iter().skip(1) {
        output.leave_out(format!("calls of {}", abi.arch), "it ends these")?;
    }
    if resolved.policy.foreign_action() != Action::KillProcess {
        output.leave_out("foreign", "it ends calls of other ABIs")?;
    }
    if let Some(action) = resolved
        .policy
        .unknown
        .filter(|unknown| *unknown != default)
    {
        output.leave_out(
            format!("unknown = {action}"),
            "it has one action for what is unlisted",
        )?;
    }
    let matched = resolved.rules().iter().map(|rule| rule.action);
    let matched = matched.into_iter().find(|action| *action != default);
    let matched = matched.unwrap_or(match default {
        Action::Allow => Action::KillProcess,
        _ => Action::Allow,
    });
    let mut entries = Vec::new();
    for rules in resolved
        .rules()
        .chunk_by(|one, other| one.number == other.number)
    {
        let parts: Vec<(&[Test], Action)> = rules
            .iter()
            .map(|rule| (&rule.when[..], rule.action))
            .collect();
        let Ok(parts) = alternatives::apart(&parts) else {
            output.leave_out(
                &rules[0].name,
                "its conditions come to too many alternatives",
            )?;
            continue;
        };
        for (action, alternatives) in parts {
            if action == matched {
                for alternative in alternatives {
                    match arguments(&alternative) {
                        Ok(found) => {
                            entries.extend(found.into_iter().map(|it| entry(&rules[0].name, it)))
                        }
                        Err(cubes::TooMany) => output.leave_out(&rules[0].name, TOO_MANY)?,
                    }
                }
            } else if action != default {
                let why = format!("besides the default it has one action, here {matched}");
                output.leave_out(format!("{}={action}", rules[0].name), why)?;
            }
        }
    }
    let file = WrittenFile {
        main: WrittenFilter {
            mismatch_action: Written::of(default),
            match_action: Written::of(matched),
            filter: entries,
        },
    };
    let text = serde_json::to_string_pretty(&file).unwrap_or_default();
    Ok(text + "\n")
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
