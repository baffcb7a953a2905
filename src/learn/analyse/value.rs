//! What is known of a register.

use std::rc::Rc;

use super::isa::{Arithmetic, Condition};

/// The values that a register can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Any,
    One(u64),
    /// Sorted, two or more.
    Many(Rc<[u64]>),
    /// Both included.
    Range(u64, u64),
    /// A distance from what the stack pointer was at the beginning of the function.
    Stack(i64),
    /// An entry of a table of distances of 4 bytes; of so many, if that is known.
    Entry(u64, Option<u64>),
    /// The address that the table is at, plus such an entry.
    Target(u64, Option<u64>),
}

/// How many values are told apart, but for numbers of calls.
pub(super) const FEW: usize = 64;
/// How many at most.
pub(super) const MANY: usize = 512;

impl Value {
    /// One of some values, if they are not too many.
    pub(super) fn of(mut values: Vec<u64>, most: usize) -> Option<Self> {
        values.sort_unstable();
        values.dedup();
        match values.len() {
            0 => None,
            1 => Some(Self::One(values[0])),
            count if count <= most => Some(Self::Many(values.into())),
            _ => None,
        }
    }

    /// All values, if they are counted.
    pub(super) fn values(&self) -> Option<&[u64]> {
        match self {
            Self::One(value) => Some(std::slice::from_ref(value)),
            Self::Many(values) => Some(values),
            _ => None,
        }
    }

    /// All values, those of a small range too.
    pub(super) fn all(&self) -> Option<Vec<u64>> {
        match self {
            Self::Range(low, high) if high - low < 64 => Some((*low..=*high).collect()),
            _ => self.values().map(<[u64]>::to_vec),
        }
    }

    /// Either of two; `lost` gets those that can't be told apart any more.
    pub(super) fn or(&self, other: &Self, most: usize, lost: &mut Vec<u64>) -> Self {
        if self == other {
            return self.clone();
        }
        if let (Some(one), Some(two)) = (self.values(), other.values())
            && let Some(both) = Self::of([one, two].concat(), most)
        {
            return both;
        }
        self.forget(lost);
        other.forget(lost);
        match (self.bounds(), other.bounds()) {
            (Some(one), Some(two)) if self.is_range() || other.is_range() => {
                // In few steps, so that counters come to an end.
                let high = one.1.max(two.1).checked_add(1);
                let high = high.and_then(u64::checked_next_power_of_two);
                Self::Range(0, high.map_or(u64::MAX, |high| high - 1))
            }
            _ => Self::Any,
        }
    }

    fn is_range(&self) -> bool {
        matches!(self, Self::Range(..))
    }

    /// Adds what it may be to what is lost.
    pub(super) fn forget(&self, lost: &mut Vec<u64>) {
        match self {
            Self::Entry(table, _) | Self::Target(table, _) => lost.push(*table),
            _ => lost.extend(self.values().unwrap_or_default()),
        }
    }

    pub(super) fn bounds(&self) -> Option<(u64, u64)> {
        match self {
            Self::Range(low, high) => Some((*low, *high)),
            _ => {
                let values = self.values()?;
                Some((*values.first()?, *values.last()?))
            }
        }
    }

    fn map(&self, with: impl Fn(u64) -> u64) -> Option<Self> {
        Self::of(
            self.values()?.iter().map(|value| with(*value)).collect(),
            MANY,
        )
    }

    /// Its lower bytes.
    pub(super) fn truncated(&self, size: u8) -> Self {
        let mask = mask(size);
        if let Some(found) = self.map(|value| value & mask) {
            return found;
        }
        match self {
            Self::Range(_, high) if *high <= mask => self.clone(),
            _ if size >= 8 => self.clone(),
            _ if size < 4 => Self::Range(0, mask),
            _ => Self::Any,
        }
    }

    /// Its lower bytes as a signed number.
    pub(super) fn sign_extended(&self, size: u8, to: u8) -> Self {
        let limit = mask(size) >> 1;
        match self.truncated(size) {
            Self::Range(low, high) if high <= limit => Self::Range(low, high),
            truncated => truncated
                .map(|value| sign_extended(value, size) & mask(to))
                .unwrap_or(Self::Any),
        }
    }

    pub(super) fn calculated(what: Arithmetic, left: &Self, right: &Self, size: u8) -> Self {
        if let (Some(one), Some(two)) = (left.values(), right.values())
            && one.len() * two.len() <= MANY
        {
            let pairs = one
                .iter()
                .flat_map(|one| two.iter().map(|two| (*one, *two)));
            let values = pairs.map(|(one, two)| calculate(what, one, two, size) & mask(size));
            if let Some(found) = Self::of(values.collect(), FEW.max(one.len())) {
                return found;
            }
        }
        Self::with_bounds(what, left, right, size)
    }

    fn with_bounds(what: Arithmetic, left: &Self, right: &Self, size: u8) -> Self {
        match (what, left, right) {
            (Arithmetic::Add, Self::Stack(at), Self::One(more))
            | (Arithmetic::Add, Self::One(more), Self::Stack(at)) => {
                Self::Stack(at.wrapping_add_unsigned(*more))
            }
            (Arithmetic::Subtract, Self::Stack(at), Self::One(less)) => {
                Self::Stack(at.wrapping_sub_unsigned(*less))
            }
            (Arithmetic::Add, Self::Entry(table, count), Self::One(base))
            | (Arithmetic::Add, Self::One(base), Self::Entry(table, count))
                if table == base =>
            {
                Self::Target(*table, *count)
            }
            (Arithmetic::And, _, Self::One(bits)) if bits & !(mask(size) >> 1) == 0 => {
                Self::Range(0, *bits)
            }
            (Arithmetic::Add, Self::Range(low, high), Self::One(more)) => {
                let ends = (low.checked_add(*more), high.checked_add(*more));
                match ends {
                    (Some(low), Some(high)) if high <= mask(size) => Self::Range(low, high),
                    _ => Self::Any,
                }
            }
            (Arithmetic::Subtract, Self::Range(low, high), Self::One(less)) if low >= less => {
                Self::Range(low - less, high - less)
            }
            (Arithmetic::ShiftRight, Self::Range(low, high), Self::One(by)) if *by < 64 => {
                Self::Range(low >> by, high >> by)
            }
            _ => Self::Any,
        }
    }

    /// What is left of it if a comparison with another value has this outcome; `None` if it
    /// can't have it.
    pub(super) fn restricted(
        &self,
        condition: Condition,
        other: &Self,
        outcome: bool,
        size: u8,
    ) -> Option<Self> {
        let Some(others) = other.values() else {
            return Some(self.clone());
        };
        let fits = |value: u64| {
            let mut others = others.iter();
            others.any(|other| holds(condition, value, *other, size).is_none_or(|it| it == outcome))
        };
        if let Some(values) = self.values() {
            let left = values.iter().copied().filter(|value| fits(*value));
            return Self::of(left.collect(), MANY);
        }
        let &[other] = others else {
            return Some(self.clone());
        };
        let (low, high) = self.bounds().unwrap_or((0, mask(size)));
        let condition = if outcome {
            condition
        } else {
            condition.opposite()
        };
        let other = other & mask(size);
        let range = |low: u64, high: u64| (low <= high).then_some(Self::Range(low, high));
        match condition {
            Condition::Equal if low <= other && other <= high => Some(Self::One(other)),
            Condition::Equal => None,
            Condition::Below => range(low, high.min(other.checked_sub(1)?)),
            Condition::BelowOrEqual => range(low, high.min(other)),
            Condition::Above if self.is_range() => range(low.max(other.checked_add(1)?), high),
            Condition::AboveOrEqual if self.is_range() => range(low.max(other), high),
            _ => Some(self.clone()),
        }
    }
}

impl Condition {
    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Below => Self::AboveOrEqual,
            Self::BelowOrEqual => Self::Above,
            Self::Above => Self::BelowOrEqual,
            Self::AboveOrEqual => Self::Below,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
            Self::Negative => Self::NotNegative,
            Self::NotNegative => Self::Negative,
            Self::Other => Self::Other,
        }
    }
}

/// The bits of a value of so many bytes.
pub(super) fn mask(size: u8) -> u64 {
    match size {
        0..8 => (1 << (8 * u32::from(size))) - 1,
        _ => u64::MAX,
    }
}

fn sign_extended(value: u64, size: u8) -> u64 {
    let value = value & mask(size);
    if size < 8 && value & !(mask(size) >> 1) != 0 {
        value | !mask(size)
    } else {
        value
    }
}

fn calculate(what: Arithmetic, one: u64, two: u64, size: u8) -> u64 {
    let shift = u32::try_from(two & if size == 8 { 63 } else { 31 }).unwrap_or_default();
    match what {
        Arithmetic::Add => one.wrapping_add(two),
        Arithmetic::Subtract => one.wrapping_sub(two),
        Arithmetic::And => one & two,
        Arithmetic::Or => one | two,
        Arithmetic::Xor => one ^ two,
        Arithmetic::ShiftLeft => one << shift,
        Arithmetic::ShiftRight => (one & mask(size)) >> shift,
        Arithmetic::Multiply => one.wrapping_mul(two),
    }
}

/// Whether a condition holds after a comparison of two values.
fn holds(condition: Condition, one: u64, two: u64, size: u8) -> Option<bool> {
    let (one, two) = (one & mask(size), two & mask(size));
    let signed = |value| sign_extended(value, size).cast_signed();
    Some(match condition {
        Condition::Equal => one == two,
        Condition::NotEqual => one != two,
        Condition::Below => one < two,
        Condition::BelowOrEqual => one <= two,
        Condition::Above => one > two,
        Condition::AboveOrEqual => one >= two,
        Condition::Less => signed(one) < signed(two),
        Condition::LessOrEqual => signed(one) <= signed(two),
        Condition::Greater => signed(one) > signed(two),
        Condition::GreaterOrEqual => signed(one) >= signed(two),
        Condition::Negative => signed(one.wrapping_sub(two)) < 0,
        Condition::NotNegative => signed(one.wrapping_sub(two)) >= 0,
        Condition::Other => return None,
    })
}
