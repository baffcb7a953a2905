//! Conditions on arguments.
//!
//! Numbers have 64 bits and no sign. An argument that is 4 bytes wide is compared with
//! 32 bits, unless a number in the comparison has more (src/codegen.c, `is_64bit`), and so is
//! no argument that the policy gives a name.

use super::super::Misread;
use super::{Kind, Reader, names};
use crate::policy::condition::{Comparison, Condition, Operand, Value, width};
use crate::policy::{Arch, arguments, signatures};

/// How deep parts may be in each other.
const MAX_DEPTH: usize = 100;

/// What the arguments of a call are called.
pub(super) struct Arguments<'a> {
    /// The call, if it is given by name.
    pub(super) call: Option<&'a str>,
    /// The names that the policy gives them.
    pub(super) declared: Option<Vec<String>>,
}

impl Arguments<'_> {
    /// The number of an argument, and whether it is 8 bytes wide.
    fn find(&self, name: &str, arch: Arch) -> Option<(u8, bool)> {
        if let Some(declared) = &self.declared {
            let at = declared.iter().position(|it| it == name)?;
            return Some((u8::try_from(at).ok()?, true));
        }
        let call = self.call?;
        let own = names::ARGUMENTS
            .iter()
            .find(|row| row.0 == call && row.1 == name);
        let at = own
            .map(|row| row.2)
            .or_else(|| signatures::position(call, name))?;
        if !arguments::is_common(call, at, arch) {
            return None;
        }
        let other = names::WIDTHS
            .iter()
            .find(|row| row.0 == call && row.1 == at);
        if let Some(row) = other.filter(|_| !arch.has_32_bit_registers()) {
            return Some((at, row.2 == 8));
        }
        let parameter = signatures::of(call)?.get(usize::from(at))?;
        Some((at, width(parameter.kind, arch) == 64))
    }
}

/// A part of an expression.
enum Part {
    Truth(Condition),
    Bits(Bits),
}

/// A number, or `(argument & mask) | set`, where the mask has none of the bits that are set.
#[derive(Clone, Copy)]
enum Bits {
    Number(u64),
    Argument {
        number: u8,
        /// Whether it, or a number that it is combined with, has more than 32 bits.
        is_wide: bool,
        mask: u64,
        set: u64,
    },
}

fn is_wide(number: u64) -> bool {
    number > u32::MAX.into()
}

impl Bits {
    /// Simplified as by `expr_simplify` of src/expression.c: what is left out of the
    /// expression does not make it wider.
    fn and(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Number(one), Self::Number(other)) => Self::Number(one & other),
            (Self::Number(number), argument) | (argument, Self::Number(number)) => {
                match (argument, number) {
                    (_, 0) => Self::Number(0),
                    (_, u64::MAX) => argument,
                    (
                        Self::Argument {
                            number: at,
                            is_wide: wide,
                            mask,
                            set,
                        },
                        _,
                    ) => Self::Argument {
                        number: at,
                        is_wide: wide || is_wide(number),
                        mask: mask & number,
                        set: set & number,
                    },
                    _ => argument,
                }
            }
            _ => return None,
        })
    }

    fn or(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Number(one), Self::Number(other)) => Self::Number(one | other),
            (Self::Number(number), argument) | (argument, Self::Number(number)) => {
                match (argument, number) {
                    (_, 0) => argument,
                    (_, u64::MAX) => Self::Number(u64::MAX),
                    (
                        Self::Argument {
                            number: at,
                            is_wide: wide,
                            mask,
                            set,
                        },
                        _,
                    ) => Self::Argument {
                        number: at,
                        is_wide: wide || is_wide(number),
                        mask: mask & !number,
                        set: set | number,
                    },
                    _ => argument,
                }
            }
            _ => return None,
        })
    }

    fn compare(self, comparison: Comparison, other: Self) -> Option<Condition> {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => Some(always(holds(comparison, one, other))),
            (Self::Number(_), Self::Argument { .. }) => other.compare(turned(comparison), self),
            (
                Self::Argument {
                    number,
                    is_wide: wide,
                    mask,
                    set,
                },
                Self::Number(value),
            ) => {
                let all = match wide || is_wide(value) {
                    true => u64::MAX,
                    false => u32::MAX.into(),
                };
                let (mask, set) = (mask & all, set & all);
                // No bit of the mask is set, so that the two are a sum.
                let Some(rest) = value.checked_sub(set) else {
                    return Some(always(holds(comparison, set, value)));
                };
                let operand = Operand {
                    parameter: format!("arg{number}"),
                    raw: true,
                    mask: (mask != u64::MAX).then(|| Value::Number(mask.into())),
                };
                Some(Condition::Compare(
                    operand,
                    comparison,
                    Value::Number(rest.into()),
                ))
            }
            _ => None,
        }
    }
}

/// What holds for all arguments or for none, in words that a policy file has: no bit is set
/// where none is looked at.
fn always(holds: bool) -> Condition {
    let none = Operand {
        parameter: "arg0".to_owned(),
        raw: true,
        mask: Some(Value::Number(0)),
    };
    let comparison = match holds {
        true => Comparison::Equal,
        false => Comparison::NotEqual,
    };
    Condition::Compare(none, comparison, Value::Number(0))
}

fn holds(comparison: Comparison, one: u64, other: u64) -> bool {
    match comparison {
        Comparison::Equal => one == other,
        Comparison::NotEqual => one != other,
        Comparison::Less => one < other,
        Comparison::LessOrEqual => one <= other,
        Comparison::Greater => one > other,
        Comparison::GreaterOrEqual => one >= other,
    }
}

/// The same with its sides exchanged.
fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same => same,
    }
}

/// What is read, and where names are not looked up since it is for other architectures.
struct Context<'a, 'b> {
    arguments: &'a Arguments<'b>,
    is_here: bool,
}

const TWO: &str =
    "two arguments can't be compared or combined with each other; compare with numbers";

impl Reader<'_> {
    pub(super) fn condition(
        &mut self,
        arguments: &Arguments<'_>,
        is_here: bool,
    ) -> Result<Condition, Misread> {
        self.depth = 0;
        let context = Context { arguments, is_here };
        let part = self.alternatives(&context)?;
        self.truth(part)
    }

    fn truth(&self, part: Part) -> Result<Condition, Misread> {
        match part {
            Part::Truth(condition) => Ok(condition),
            Part::Bits(_) => Err(self.expected("a comparison")),
        }
    }

    fn bits(&self, part: Part) -> Result<Bits, Misread> {
        match part {
            Part::Bits(bits) => Ok(bits),
            Part::Truth(_) => Err(self.wrong("numbers are combined and compared, not comparisons")),
        }
    }

    /// Alternatives with commas, which bind less tightly than `||` and mean the same.
    fn alternatives(&mut self, context: &Context<'_, '_>) -> Result<Part, Misread> {
        self.chain(context, &[",", "||"], Condition::Any, |reader, context| {
            reader.chain(context, &["&&"], Condition::All, Self::primary)
        })
    }

    fn chain(
        &mut self,
        context: &Context<'_, '_>,
        signs: &[&str],
        several: fn(Vec<Condition>) -> Condition,
        part: fn(&mut Self, &Context<'_, '_>) -> Result<Part, Misread>,
    ) -> Result<Part, Misread> {
        let first = part(self, context)?;
        let is_sign = |reader: &mut Self| signs.iter().any(|sign| reader.take(sign));
        if !is_sign(self) {
            return Ok(first);
        }
        self.at -= 1;
        let mut parts = vec![self.truth(first)?];
        while is_sign(self) {
            let next = part(self, context)?;
            parts.push(self.truth(next)?);
        }
        Ok(Part::Truth(several(parts)))
    }

    fn primary(&mut self, context: &Context<'_, '_>) -> Result<Part, Misread> {
        if self.take("!") {
            self.deeper()?;
            let part = self.primary(context)?;
            self.depth -= 1;
            return Ok(Part::Truth(Condition::Not(Box::new(self.truth(part)?))));
        }
        let left = self.union(context)?;
        let comparisons = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<", Comparison::Less),
            ("<=", Comparison::LessOrEqual),
            (">", Comparison::Greater),
            (">=", Comparison::GreaterOrEqual),
        ];
        let place = self.place();
        for (sign, comparison) in comparisons {
            if self.take(sign) {
                let left = self.bits(left)?;
                let right = self.union(context)?;
                let right = self.bits(right)?;
                let found = left.compare(comparison, right);
                let found = found.ok_or_else(|| self.texts.wrong(place, TWO))?;
                return Ok(Part::Truth(found));
            }
        }
        Ok(left)
    }

    fn union(&mut self, context: &Context<'_, '_>) -> Result<Part, Misread> {
        self.combined(context, "|", Bits::or, |reader, context| {
            reader.combined(context, "&", Bits::and, Self::operand)
        })
    }

    fn combined(
        &mut self,
        context: &Context<'_, '_>,
        sign: &str,
        combine: fn(Bits, Bits) -> Option<Bits>,
        part: fn(&mut Self, &Context<'_, '_>) -> Result<Part, Misread>,
    ) -> Result<Part, Misread> {
        let mut all = part(self, context)?;
        loop {
            let place = self.place();
            if !self.take(sign) {
                return Ok(all);
            }
            let left = self.bits(all)?;
            let right = part(self, context)?;
            let both = combine(left, self.bits(right)?);
            all = Part::Bits(both.ok_or_else(|| self.texts.wrong(place, TWO))?);
        }
    }

    fn operand(&mut self, context: &Context<'_, '_>) -> Result<Part, Misread> {
        if self.take("(") {
            self.deeper()?;
            let part = self.alternatives(context)?;
            self.expect(")")?;
            self.depth -= 1;
            return Ok(part);
        }
        if let Some(Kind::Number(number)) = self.peek().map(|token| token.kind) {
            self.at += 1;
            return Ok(Part::Bits(Bits::Number(number)));
        }
        let token = self.identifier("an argument or a number")?;
        if let Some(number) = self.constants.get(&token.text) {
            return Ok(Part::Bits(Bits::Number(*number)));
        }
        // Elsewhere, a call may have arguments that are not known here.
        let found = match context.is_here {
            true => context.arguments.find(&token.text, self.arch),
            false => Some((0, true)),
        };
        let Some((number, is_wide)) = found else {
            let problem = format!(
                "{:?} is neither a constant nor a known argument; name the arguments behind the call: (fd, buf)",
                token.text
            );
            return Err(self.texts.wrong(token.place, problem));
        };
        Ok(Part::Bits(Bits::Argument {
            number,
            is_wide,
            mask: u64::MAX,
            set: 0,
        }))
    }

    fn deeper(&mut self) -> Result<(), Misread> {
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => Err(self.wrong("this is too deep in parentheses and negations")),
            false => Ok(()),
        }
    }
}
