//! From conditions to what a filter can test: alternatives, in each of which all tests
//! have to hold.
//!
//! A filter sees registers and compares them without sign. What the kernel looks at is
//! the argument's type, so that the tests leave out the upper half of an `int`, and an
//! order with sign becomes one or two ranges without.

use std::collections::BTreeMap;

use sandbox_format::bpf::Test;

use super::{Comparison, Condition, Operand, Value};
use crate::policy::signatures::{self, Type};
use crate::policy::{Arch, arguments, constants, names};

/// The most alternatives that a condition may come to.
const MAX_ALTERNATIVES: usize = 512;

/// The most tests in all alternatives together: half of what a filter has room for.
const MAX_TESTS: usize = 2048;

/// Why a condition can't be tested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The call has no argument of this name or number.
    #[error("{call} has no argument {name:?}; {}", .has.as_str())]
    NoArgument {
        /// The call.
        call: String,
        /// The name as given.
        name: String,
        /// What it has.
        has: String,
    },
    /// The argument is elsewhere, or its constants are others.
    #[error(
        "on {arch} the arguments of {call} are not where they are elsewhere, or their constants differ; leave the condition out"
    )]
    Elsewhere {
        /// The call.
        call: String,
        /// The architecture.
        arch: Arch,
    },
    /// A name that is no constant.
    #[error("{name:?} is no known value of {parameter}; {}", .instead.as_str())]
    NoConstant {
        /// The name as given.
        name: String,
        /// The argument.
        parameter: String,
        /// What to write.
        instead: String,
    },
    /// An address says nothing about what is there.
    #[error(
        "{0} points to memory, which a filter can't read; it can be compared with 0 (NULL) only, by == and !="
    )]
    Pointer(String),
    /// More bits than the kernel looks at.
    #[error("{value} does not fit {parameter}, of which the kernel takes {bits} bits")]
    Range {
        /// The value as written.
        value: String,
        /// The argument.
        parameter: String,
        /// Its width.
        bits: u32,
    },
    /// An order of a negative number and an argument without sign.
    #[error(
        "{0} has no sign, so that nothing is less than 0; compare with a number that is not negative"
    )]
    Negative(String),
    /// Too many alternatives.
    #[error(
        "the condition comes to more than {MAX_ALTERNATIVES} alternatives or {MAX_TESTS} tests; split it into several, or compare with fewer values"
    )]
    TooComplex,
}

/// Tests that must all hold.
type Alternative = Vec<Test>;

/// The alternatives of a condition on the arguments of a call: none if it never holds, one
/// without tests if it always does.
///
/// # Errors
///
/// See [`Problem`].
pub(in crate::policy) fn normal(
    condition: &Condition,
    call: &str,
    arch: Arch,
) -> Result<Vec<Alternative>, Problem> {
    if !arguments::are_common(call, arch) && !condition.is_of_registers() {
        let call = call.to_owned();
        return Err(Problem::Elsewhere { call, arch });
    }
    let found = Normaliser { call, arch }.alternatives(condition, false)?;
    Ok(without_implied(found))
}

struct Normaliser<'a> {
    call: &'a str,
    arch: Arch,
}

impl Normaliser<'_> {
    /// The alternatives of a condition, or of its opposite.
    fn alternatives(
        &self,
        condition: &Condition,
        negated: bool,
    ) -> Result<Vec<Alternative>, Problem> {
        match (condition, negated) {
            (Condition::Not(part), _) => self.alternatives(part, !negated),
            (Condition::All(parts), false) | (Condition::Any(parts), true) => {
                product(parts.iter().map(|part| self.alternatives(part, negated)))
            }
            (Condition::Any(parts), false) | (Condition::All(parts), true) => {
                sum(parts.iter().map(|part| self.alternatives(part, negated)))
            }
            (Condition::Compare(operand, comparison, value), false) => {
                self.compare(operand, *comparison, value)
            }
            (Condition::Compare(operand, comparison, value), true) => {
                self.compare(operand, comparison.opposite(), value)
            }
            (Condition::In(operand, values), false) => sum(values
                .iter()
                .map(|value| self.compare(operand, Comparison::Equal, value))),
            (Condition::In(operand, values), true) => {
                let one = |value| self.compare(operand, Comparison::NotEqual, value);
                product(values.iter().map(one))
            }
        }
    }

    fn compare(
        &self,
        operand: &Operand,
        comparison: Comparison,
        value: &Value,
    ) -> Result<Vec<Alternative>, Problem> {
        let argument = self.argument(operand)?;
        let value_of = |value| self.value(value, &argument);
        if argument.kind == Type::Pointer {
            let is_null = operand.mask.is_none() && value_of(value)? == 0;
            if !is_null || !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
                return Err(Problem::Pointer(argument.name));
            }
        }
        let all = argument.all();
        let mask = match &operand.mask {
            Some(mask) => argument.pattern(value_of(mask)?, mask)?,
            None => all,
        } & argument.seen;
        let found = match comparison {
            Comparison::Equal | Comparison::NotEqual => {
                let value = argument.pattern(value_of(value)?, value)?;
                vec![vec![Test {
                    arg: argument.position,
                    mask,
                    value,
                    comparison,
                }]]
            }
            _ if operand.mask.is_none() && argument.is_signed() => {
                argument.signed_order(comparison, value_of(value)?, value)?
            }
            _ => {
                let number = value_of(value)?;
                if number < 0 {
                    return Err(Problem::Negative(argument.name));
                }
                let value = argument.pattern(number, value)?;
                let ranges = unsigned_range(comparison, value, mask);
                let tests = |(low, high)| within(argument.position, mask, low, high);
                ranges.map(tests).into_iter().collect()
            }
        };
        Ok(found.into_iter().filter_map(tidy).collect())
    }

    /// The argument that an operand names.
    fn argument(&self, operand: &Operand) -> Result<Argument, Problem> {
        let name = operand.parameter.as_str();
        let parameters = signatures::of(self.call).unwrap_or_default();
        let numbered = operand.number();
        let position = numbered.or_else(|| signatures::position(self.call, name));
        let parameter = position.and_then(|at| parameters.get(usize::from(at)));
        if let Some(position @ 0..=5) = numbered.filter(|_| operand.raw) {
            return Ok(Argument {
                name: name.to_owned(),
                position,
                kind: Type::UnsignedWide,
                family: parameter.and_then(|parameter| parameter.family),
                bits: u64::BITS,
                seen: self.register(),
            });
        }
        let (Some(position), Some(parameter)) = (position, parameter) else {
            let names: Vec<_> = parameters.iter().map(|it| it.name).collect();
            let has = match names.as_slice() {
                [] => "it has none".to_owned(),
                names => format!("it has {}", names.join(", ")),
            };
            return Err(Problem::NoArgument {
                call: self.call.to_owned(),
                name: name.to_owned(),
                has,
            });
        };
        if !arguments::is_common(self.call, position, self.arch) {
            return Err(Problem::Elsewhere {
                call: self.call.to_owned(),
                arch: self.arch,
            });
        }
        let kind = match operand.raw {
            true => Type::UnsignedWide,
            false => parameter.looked_at(),
        };
        Ok(Argument {
            name: name.to_owned(),
            position,
            kind,
            family: parameter.family,
            bits: width(kind, self.arch),
            seen: match operand.raw {
                true => self.register(),
                false => u64::MAX,
            },
        })
    }

    /// What other tools compare of a register: libseccomp sees 32 bits of those of an ABI
    /// whose addresses have 32 (`ARCH_SIZE_32` of x32 in its src/arch-x32.c), whatever else
    /// is in them.
    fn register(&self) -> u64 {
        match self.arch.has_32_bit_addresses() {
            true => u32::MAX.into(),
            false => u64::MAX,
        }
    }

    fn value(&self, value: &Value, argument: &Argument) -> Result<i128, Problem> {
        Ok(match value {
            Value::Number(number) => *number,
            Value::Name(name) => self.constant(name, argument)?.into(),
            Value::Union(values) => {
                let mut all = 0;
                for value in values {
                    all |= self.value(value, argument)?;
                }
                all
            }
            Value::Complement(value) => !self.value(value, argument)?,
        })
    }

    /// A constant of the argument's; where none are known for it, any.
    fn constant(&self, name: &str, argument: &Argument) -> Result<i64, Problem> {
        if name == "NULL" && argument.kind == Type::Pointer {
            return Ok(0);
        }
        let of = |family| constants::value(family, name, self.arch);
        let found = match argument.family {
            Some(family) => of(family),
            None => constants::families(name).find_map(of),
        };
        found
            .map(u64::cast_signed)
            .ok_or_else(|| Problem::NoConstant {
                name: name.to_owned(),
                parameter: argument.name.clone(),
                instead: self.instead(name, argument),
            })
    }

    /// What to write in place of an unknown constant.
    fn instead(&self, name: &str, argument: &Argument) -> String {
        let families: Vec<_> = constants::families(name).collect();
        if argument.family.is_some_and(|own| families.contains(&own)) {
            return format!("its value on {} is not known, give the number", self.arch);
        }
        let Some(family) = argument.family else {
            return "give the number".to_owned();
        };
        let alike = names::alike(name, constants::names(family));
        match (alike.first(), constants::names(family).next()) {
            (Some(name), _) => format!("did you mean {name}?"),
            (None, Some(example)) => format!("give a constant such as {example}, or the number"),
            (None, None) => "give the number".to_owned(),
        }
    }
}

/// An argument, as a call has it on an architecture.
struct Argument {
    name: String,
    position: u8,
    kind: Type,
    family: Option<constants::Family>,
    /// How many bits the kernel looks at.
    bits: u32,
    /// The bits that can be compared: of a raw register fewer than values may have, which
    /// are then never met.
    seen: u64,
}

impl Argument {
    fn is_signed(&self) -> bool {
        matches!(self.kind, Type::Int | Type::Long | Type::Wide)
    }

    /// All bits that the kernel looks at.
    fn all(&self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    fn out_of_range(&self, value: &Value) -> Problem {
        Problem::Range {
            value: value.to_string(),
            parameter: self.name.clone(),
            bits: self.bits,
        }
    }

    /// The bits of a number, which may be negative whatever the type is: ~0 and -1 are
    /// common ways to write all bits.
    fn pattern(&self, number: i128, value: &Value) -> Result<u64, Problem> {
        let least = -(1_i128 << (self.bits - 1));
        if !(least..=self.all().into()).contains(&number) {
            return Err(self.out_of_range(value));
        }
        Ok(low_bits(number) & self.all())
    }

    /// An order with sign, by ranges without.
    fn signed_order(
        &self,
        comparison: Comparison,
        number: i128,
        value: &Value,
    ) -> Result<Vec<Alternative>, Problem> {
        let most = i128::from(self.all() >> 1);
        let least = -most - 1;
        if !(least..=most).contains(&number) {
            return Err(self.out_of_range(value));
        }
        let (low, high) = match comparison {
            Comparison::Less => (least, number - 1),
            Comparison::LessOrEqual => (least, number),
            Comparison::Greater => (number + 1, most),
            _ => (number, most),
        };
        let tests = |low: i128, high: i128| {
            let [low, high] = [low, high].map(|it| low_bits(it) & self.all());
            within(self.position, self.all(), low, high)
        };
        Ok(match (low, high) {
            _ if low > high => Vec::new(),
            (..0, 0..) => vec![tests(0, high), tests(low, -1)],
            _ => vec![tests(low, high)],
        })
    }
}

/// How many bits of an argument the kernel looks at.
pub(in crate::policy) fn width(kind: Type, arch: Arch) -> u32 {
    match kind {
        Type::UnsignedShort => 16,
        Type::Int | Type::UnsignedInt => 32,
        Type::Wide | Type::UnsignedWide => 64,
        Type::Long | Type::UnsignedLong | Type::Pointer => {
            if arch.has_32_bit_registers() {
                32
            } else {
                64
            }
        }
    }
}

/// Two's complement.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "that is what it is for"
)]
fn low_bits(number: i128) -> u64 {
    number as u64
}

/// Which values of up to `most` an order lets through: the least and the greatest.
fn unsigned_range(comparison: Comparison, value: u64, most: u64) -> Option<(u64, u64)> {
    let (low, high) = match comparison {
        Comparison::Less => (0, value.checked_sub(1)?),
        Comparison::LessOrEqual => (0, value),
        Comparison::Greater => (value.checked_add(1)?, most),
        _ => (value, most),
    };
    (low <= most && low <= high).then_some((low, high.min(most)))
}

/// Tests that the bits of a mask are a number in this range, which ends at the mask or
/// below it.
fn within(arg: u8, mask: u64, low: u64, high: u64) -> Alternative {
    let test = |comparison, value| Test {
        arg,
        mask,
        value,
        comparison,
    };
    // All bits from one on are clear, or the highest one is set: a single test of those.
    let is_low_bits = (high.wrapping_add(1)) & high == 0 && (mask.wrapping_add(1)) & mask == 0;
    match (low == 0, high == mask) {
        (true, true) => Vec::new(),
        _ if low == high => vec![test(Comparison::Equal, low)],
        (true, false) if is_low_bits => vec![Test::equal(arg, mask & !high, 0)],
        (true, false) => vec![test(Comparison::LessOrEqual, high)],
        (false, true) if low == mask ^ mask >> 1 => vec![Test::equal(arg, low, low)],
        (false, true) => vec![test(Comparison::GreaterOrEqual, low)],
        (false, false) => vec![
            test(Comparison::GreaterOrEqual, low),
            test(Comparison::LessOrEqual, high),
        ],
    }
}

/// One alternative of each part, in all combinations that can hold.
fn product(
    parts: impl Iterator<Item = Result<Vec<Alternative>, Problem>>,
) -> Result<Vec<Alternative>, Problem> {
    let mut all = vec![Vec::new()];
    for part in parts {
        let part = part?;
        if all.len().saturating_mul(part.len()) > MAX_ALTERNATIVES {
            return Err(Problem::TooComplex);
        }
        let both = |one: &Alternative, other: &Alternative| tidy([&one[..], other].concat());
        all = all
            .iter()
            .flat_map(|one| part.iter().filter_map(move |other| both(one, other)))
            .collect();
        require_few(&all)?;
    }
    Ok(all)
}

/// All alternatives of all parts.
fn sum(
    parts: impl Iterator<Item = Result<Vec<Alternative>, Problem>>,
) -> Result<Vec<Alternative>, Problem> {
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
        require_few(&all)?;
    }
    Ok(all)
}

fn require_few(alternatives: &[Alternative]) -> Result<(), Problem> {
    let tests: usize = alternatives.iter().map(Vec::len).sum();
    if alternatives.len() > MAX_ALTERNATIVES || tests > MAX_TESTS {
        return Err(Problem::TooComplex);
    }
    Ok(())
}

/// The tests of both; `None` if they contradict each other.
pub(in crate::policy) fn combine(some: &[Test], others: &[Test]) -> Option<Vec<Test>> {
    tidy([some, others].concat())
}

/// The fewest tests that mean the same as these together; `None` if they contradict each
/// other.
fn tidy(tests: Vec<Test>) -> Option<Alternative> {
    let mut bits: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
    let mut ranges: BTreeMap<(u8, u64), Range> = BTreeMap::new();
    for test in tests {
        let Test {
            arg, mask, value, ..
        } = test;
        match (test.constant(), test.comparison) {
            (Some(true), _) => {}
            (Some(false), _) => return None,
            (None, Comparison::Equal) => {
                let (known, values) = bits.entry(arg).or_default();
                if *known & mask & (*values ^ value) != 0 {
                    return None;
                }
                *known |= mask;
                *values |= value;
            }
            (None, comparison) => {
                let range = ranges.entry((arg, mask)).or_insert_with(|| Range::of(mask));
                range.restrict(comparison, value)?;
            }
        }
    }
    let mut tidy = Vec::new();
    for ((arg, mask), range) in ranges {
        let (known, values) = bits.get(&arg).copied().unwrap_or_default();
        if known & mask == mask {
            range.contains(values & mask).then_some(())?;
            continue;
        }
        tidy.extend(range.tests(arg, mask)?);
    }
    tidy.extend(
        bits.into_iter()
            .map(|(arg, (mask, value))| Test::equal(arg, mask, value)),
    );
    tidy.sort();
    tidy.dedup();
    Some(tidy)
}

/// What is left of the values of a masked argument.
struct Range {
    low: u64,
    high: u64,
    /// Values in between that are left out.
    without: Vec<u64>,
}

impl Range {
    fn of(mask: u64) -> Self {
        Self {
            low: 0,
            high: mask,
            without: Vec::new(),
        }
    }

    /// `None` if nothing is left.
    fn restrict(&mut self, comparison: Comparison, value: u64) -> Option<()> {
        match comparison {
            Comparison::Equal => {
                (self.low, self.high) = (self.low.max(value), self.high.min(value));
            }
            Comparison::NotEqual => self.without.push(value),
            Comparison::Less => self.high = self.high.min(value.checked_sub(1)?),
            Comparison::LessOrEqual => self.high = self.high.min(value),
            Comparison::Greater => self.low = self.low.max(value.checked_add(1)?),
            Comparison::GreaterOrEqual => self.low = self.low.max(value),
        }
        (self.low <= self.high).then_some(())
    }

    fn contains(&self, value: u64) -> bool {
        (self.low..=self.high).contains(&value) && !self.without.contains(&value)
    }

    /// `None` if nothing is left.
    fn tests(mut self, arg: u8, mask: u64) -> Option<Alternative> {
        self.without.sort_unstable();
        self.without.dedup();
        if self.low == self.high && !self.contains(self.low) {
            return None;
        }
        let mut tests = within(arg, mask, self.low, self.high);
        let inside = self.without.into_iter();
        let inside = inside.filter(|value| (self.low..=self.high).contains(value));
        tests.extend(inside.map(|value| Test {
            arg,
            mask,
            value,
            comparison: Comparison::NotEqual,
        }));
        Some(tests)
    }
}

/// The alternatives without those that hold only where another one does, in order.
fn without_implied(mut alternatives: Vec<Alternative>) -> Vec<Alternative> {
    alternatives.sort();
    alternatives.dedup();
    let is_implied = |one: &Alternative| {
        let is_wider = |other: &&Alternative| {
            other.len() < one.len() && other.iter().all(|test| one.contains(test))
        };
        alternatives.iter().any(|other| is_wider(&other))
    };
    let kept: Vec<bool> = alternatives.iter().map(|one| !is_implied(one)).collect();
    let mut kept = kept.into_iter();
    alternatives.retain(|_| kept.next().unwrap_or(true));
    alternatives
}
