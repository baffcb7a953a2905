//! The JSON of the crate seccompiler (rust-vmm; `docs/json_format.md` there), as Firecracker
//! and other monitors of virtual machines use it.
//!
//! A file has a filter for each kind of thread. All calls that one of a filter's entries is
//! about get `match_action`, all others `mismatch_action`.

#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeSet;

use sandbox_format::bpf::Comparison;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub(super) use write::write;

use super::json::{self, Entries, offset_of};
use super::{Input, Misread};
use crate::policy::condition::{Condition, Operand, Value};
use crate::policy::item::Item;
use crate::policy::{Action, Draft, Subject};

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

impl Argument {
    /// A value that is wider than its type.
    fn cut(&self) -> Option<u64> {
        let mask = match self.op {
            Operator::MaskedEq(mask) => mask,
            _ => 0,
        };
        let all = self.width.all();
        [self.val, mask].into_iter().find(|value| *value > all)
    }
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
    let mut warnings = Vec::new();
    for (offset, entry) in entries {
        if entry.args.is_none() && conditional.contains(&entry.syscall) {
            let problem = format!(
                "seccompiler passes over this entry, since others of {} have args",
                entry.syscall
            );
            warnings.push(input.lost(offset, problem));
            continue;
        }
        if let Some(value) = entry.args.iter().flatten().find_map(Argument::cut) {
            let problem = format!(
                "of {value:#x} seccompiler compares the lower 32 bits, its type being dword"
            );
            warnings.push(input.lost(offset, problem));
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
        warnings,
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
