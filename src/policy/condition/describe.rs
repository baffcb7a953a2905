//! From what a filter tests back to a condition that people read.

use sandbox_format::bpf::Test;

use super::normal::width;
use super::{Comparison, Condition, Operand, Value};
use crate::policy::signatures::{self, Parameter, Type};
use crate::policy::{Arch, constants};

/// The tests of a rule for a call, as a condition of the policy language that means the
/// same; `None` where there are none.
#[must_use]
pub fn describe(call: &str, tests: &[Test], arch: Arch) -> Option<Condition> {
    let mut parts: Vec<_> = tests.iter().map(|test| one(call, test, arch)).collect();
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(Condition::All(parts)),
    }
}

fn one(call: &str, test: &Test, arch: Arch) -> Condition {
    let parameters = signatures::of(call).unwrap_or_default();
    let parameter = parameters.get(usize::from(test.arg));
    let kind = parameter.map_or(Type::UnsignedWide, Parameter::looked_at);
    let all = u64::MAX >> (64 - width(kind, arch));
    let is_null = test.value == 0 && test.mask == all;
    let fits = test.mask & !all == 0 && (kind != Type::Pointer || is_null);
    let all = if fits { all } else { u64::MAX };
    let words = Words {
        family: parameter.and_then(|parameter| parameter.family),
        bits: all,
        is_signed: fits && matches!(kind, Type::Int | Type::Long | Type::Wide),
        arch,
    };
    let operand = |mask| Operand {
        parameter: parameter.map_or_else(
            || format!("arg{}", test.arg),
            |parameter| parameter.name.to_owned(),
        ),
        raw: !fits,
        mask,
    };
    let sign = all ^ all >> 1;
    if words.is_signed && test.mask == sign && test.comparison == Comparison::Equal {
        let comparison = match test.value {
            0 => Comparison::GreaterOrEqual,
            _ => Comparison::Less,
        };
        return Condition::Compare(operand(None), comparison, Value::Number(0));
    }
    let comparison = test.comparison;
    let is_order = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if is_order && words.is_signed && test.mask == all {
        // One of the ranges that an order with sign consists of.
        let operand = operand(Some(Value::Complement(Box::new(Value::Number(0)))));
        return Condition::Compare(operand, comparison, Value::Number(test.value.into()));
    }
    let mask = (test.mask != all).then(|| words.mask(test.mask));
    let value = words.value(test.value, test.mask);
    Condition::Compare(operand(mask), comparison, value)
}

/// The words for the values of an argument.
struct Words {
    family: Option<constants::Family>,
    /// The bits that the kernel looks at.
    bits: u64,
    is_signed: bool,
    arch: Arch,
}

impl Words {
    /// The bits that count, or all but a few; many are a number.
    fn mask(&self, mask: u64) -> Value {
        /// So many flags can still be read.
        const MANY: u32 = 16;
        let without = self.bits & !mask;
        if without.count_ones() < mask.count_ones() {
            return Value::Complement(Box::new(self.flags(without)));
        }
        if mask.count_ones() > MANY {
            return Value::Number(mask.into());
        }
        self.flags(mask)
    }

    fn value(&self, value: u64, mask: u64) -> Value {
        let is_flags = self.family.is_some_and(constants::is_flags);
        // No flag has a name only where the flags are a number: reading, writing or both.
        if value == 0 && is_flags && self.name(mask) != Some("O_ACCMODE") {
            return Value::Number(0);
        }
        if let Some(name) = self.name(value) {
            return Value::Name(name.to_owned());
        }
        if is_flags && value != 0 {
            return self.flags(value);
        }
        let sign = self.bits ^ self.bits >> 1;
        if self.is_signed && mask == self.bits && value & sign != 0 {
            return Value::Number(i128::from(value) - i128::from(self.bits) - 1);
        }
        Value::Number(value.into())
    }

    fn name(&self, value: u64) -> Option<&'static str> {
        constants::name(self.family?, value, self.arch)
    }

    /// A combination of flags, and what is left as a number.
    fn flags(&self, bits: u64) -> Value {
        if let Some(name) = self.name(bits).filter(|_| bits != 0) {
            return Value::Name(name.to_owned());
        }
        let single = (0..64).map(|bit| 1 << bit).filter(|bit| bits & bit != 0);
        let (mut names, mut rest) = (Vec::new(), 0);
        for bit in single {
            match self.name(bit) {
                Some(name) => names.push(Value::Name(name.to_owned())),
                None => rest |= bit,
            }
        }
        if rest != 0 || names.is_empty() {
            names.push(Value::Number(rest.into()));
        }
        match names.pop() {
            Some(only) if names.is_empty() => only,
            last => {
                names.extend(last);
                Value::Union(names)
            }
        }
    }
}
