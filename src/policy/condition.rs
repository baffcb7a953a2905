//! Conditions on the arguments of a call, as people write them:
//! `domain == AF_UNIX && type & SOCK_NONBLOCK != 0`.
//!
//! | | |
//! | --- | --- |
//! | `fd == 1` | `==` `!=` `<` `<=` `>` `>=`, with the sign of the argument's type |
//! | `request in {TCGETS, TIOCGWINSZ}` | one of these |
//! | `prot & PROT_EXEC == 0` | bits of the argument; the mask binds more tightly than in C |
//! | `flags & O_CREAT` | some of these bits are set |
//! | `raw(fd) == 1` | all 64 bits of the register, and not the argument's type |
//! | `a && b`, <code>a \|\| b</code>, `!a`, `(a)` | both, one of them, not, grouping |
//!
//! An argument is named as in the manual, or `arg0` to `arg5`. A value is a number
//! (decimal, `0x`, `0o` or a leading 0 for octal, `0b`), a constant of the kernel's
//! headers, several of these with `|` between them, or the complement (`~`) of one.
//!
//! [`Condition::parse`] reads the text, [`Display`](fmt::Display) writes it in one form,
//! and resolving a policy turns it into what a filter can test.

mod describe;
mod normal;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

pub use sandbox_format::bpf::Comparison;

pub use describe::describe;
pub use normal::Problem;
pub(super) use normal::{combine, normal, width};
pub use parse::Misread;
pub(super) use parse::parse_in;

use super::signatures;

/// A condition on the arguments of a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// A comparison of an argument with a value.
    Compare(Operand, Comparison, Value),
    /// That an argument is one of several values.
    In(Operand, Vec<Value>),
    /// All of these hold.
    All(Vec<Condition>),
    /// One of these holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
}

/// An argument or its register, or some of the bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operand {
    /// Its name in the manual, or `arg0` to `arg5`.
    pub parameter: String,
    /// All 64 bits of the register count, whatever the kernel takes the argument for.
    pub raw: bool,
    /// The bits that count; all of them where there is none.
    pub mask: Option<Value>,
}

/// What an argument is compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Value {
    /// A number, negative or not.
    Number(i128),
    /// A constant of the kernel's headers.
    Name(String),
    /// The bits of all of these.
    Union(Vec<Value>),
    /// All other bits.
    Complement(Box<Value>),
}

impl Operand {
    /// The number of the argument, where it is called by that: `arg0`.
    fn number(&self) -> Option<u8> {
        let digits = self.parameter.strip_prefix("arg")?;
        digits.parse().ok()
    }
}

impl Condition {
    /// Whether it is about registers only, whatever arguments are in them: it means the same
    /// for every call.
    fn is_of_registers(&self) -> bool {
        match self {
            Self::Compare(operand, ..) | Self::In(operand, _) => {
                operand.raw && operand.number().is_some()
            }
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::is_of_registers),
            Self::Not(part) => part.is_of_registers(),
        }
    }

    /// How many comparisons it has.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Compare(..) => 1,
            Self::In(_, values) => values.len(),
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::size).sum(),
            Self::Not(part) => part.size(),
        }
    }

    /// The condition with the arguments of `call` by name, also where it has their
    /// numbers; `None` if the call has no such argument.
    pub(super) fn with_names(&self, call: &str) -> Option<Self> {
        let operand = |operand: &Operand| {
            let parameter = match operand.number() {
                Some(number) => signatures::of(call)?
                    .get(usize::from(number))?
                    .name
                    .to_owned(),
                None => operand.parameter.clone(),
            };
            Some(Operand {
                parameter,
                ..operand.clone()
            })
        };
        let all = |parts: &[Self]| -> Option<Vec<Self>> {
            parts.iter().map(|part| part.with_names(call)).collect()
        };
        Some(match self {
            Self::Compare(of, operator, value) => {
                Self::Compare(operand(of)?, *operator, value.clone())
            }
            Self::In(of, values) => Self::In(operand(of)?, values.clone()),
            Self::All(parts) => Self::All(all(parts)?),
            Self::Any(parts) => Self::Any(all(parts)?),
            Self::Not(part) => Self::Not(Box::new(part.with_names(call)?)),
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(operand, comparison, value) => {
                write!(f, "{operand} {} {value}", comparison.sign())
            }
            Self::In(operand, values) => write!(f, "{operand} in {{{}}}", Joined(values, ", ")),
            Self::All(parts) => write!(f, "{}", Joined(&grouped(parts), " && ")),
            Self::Any(parts) => write!(f, "{}", Joined(&grouped(parts), " || ")),
            Self::Not(part) => write!(f, "!({part})"),
        }
    }
}

/// Alternatives in parentheses, also where they need none: not everyone knows which of
/// the two binds more tightly.
fn grouped(parts: &[Condition]) -> Vec<String> {
    let text = |part: &Condition| match part {
        Condition::All(_) | Condition::Any(_) => format!("({part})"),
        _ => part.to_string(),
    };
    parts.iter().map(text).collect()
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.raw {
            true => write!(f, "raw({})", self.parameter)?,
            false => f.write_str(&self.parameter)?,
        }
        match &self.mask {
            Some(mask @ Value::Union(_)) => write!(f, " & ({mask})"),
            Some(mask) => write!(f, " & {mask}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// From here on, numbers are easier to read in hexadecimal.
        const LARGE: i128 = 1 << 14;
        match self {
            Self::Number(number) if *number < LARGE => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number:#x}"),
            Self::Name(name) => f.write_str(name),
            Self::Union(values) => write!(f, "{}", Joined(values, "|")),
            Self::Complement(value) if matches!(**value, Self::Union(_)) => write!(f, "~({value})"),
            Self::Complement(value) => write!(f, "~{value}"),
        }
    }
}

/// Values with something between them.
struct Joined<'a, T>(&'a [T], &'static str);

impl<T: fmt::Display> fmt::Display for Joined<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(self.1)?;
            }
            part.fmt(f)?;
        }
        Ok(())
    }
}
