//! The runtime's form of the table: the rows of one architecture, resolved when
//! compiling to numbers. Small, since the runtime is to be small, and free of
//! pointers, each of which would be a relocation.

use super::{TABLE, vdso};
use crate::bpf::Test;
use crate::syscall;

/// How many conditions the rows have.
pub const CONDITIONS: usize = RESOLVED.conditions;

/// The rows that apply on the architecture that this code is compiled for.
#[derive(Debug)]
pub struct Native<'a> {
    conditions: &'a [Test; CONDITIONS],
}

impl<'a> Native<'a> {
    /// The rows, with their conditions unpacked to memory of the caller's.
    #[must_use]
    pub fn new(conditions: &'a mut [Test; CONDITIONS]) -> Self {
        for (condition, packed) in conditions.iter_mut().zip(&PACKED) {
            *condition = packed.unpack();
        }
        Self { conditions }
    }

    /// The rows of the system call `number`, as the numbers of what may stand
    /// in for it and what must hold for the arguments of that.
    pub fn of(&self, number: u32) -> impl Iterator<Item = (u32, &[Test])> {
        ROWS.iter().filter_map(move |row| {
            let (name, by, first, count) = row.parts();
            let when = self.conditions.get(first..first + count)?;
            (name == number).then_some((by, when))
        })
    }
}

/// The numbers of the calls that the vDSO answers.
pub static VDSO: [u16; vdso::NATIVE.len()] = {
    let mut numbers = [0; vdso::NATIVE.len()];
    let mut i = 0;
    while i < numbers.len() {
        let number = syscall::NATIVE.number(vdso::NATIVE[i].as_bytes());
        numbers[i] = short(number.expect("a call of this architecture"));
        i += 1;
    }
    numbers
};

static ROWS: [Row; RESOLVED.rows] = shorten(&RESOLVED.table);
static PACKED: [Packed; RESOLVED.conditions] = shorten(&RESOLVED.pool);
static MASKS: [u64; RESOLVED.masks] = shorten(&RESOLVED.mask_pool);

/// A row: nine bits each for the numbers of the call and of its substitute,
/// three for how many conditions there are, and the rest for where in
/// [`PACKED`] these stand. Rows with the same conditions share them.
#[derive(Clone, Copy)]
struct Row(u32);

impl Row {
    const fn new(name: u32, by: u32, first: usize, count: usize) -> Self {
        assert!(name < 1 << 9 && by < 1 << 9 && count <= MAX_COUNT);
        Self(name | by << 9 | (byte(count) as u32) << 18 | (byte(first) as u32) << 21)
    }

    /// The arguments of [`Row::new`].
    const fn parts(self) -> (u32, u32, usize, usize) {
        let Self(bits) = self;
        let (first, count) = (bits >> 21, bits >> 18 & 7);
        (
            bits & 0x1ff,
            bits >> 9 & 0x1ff,
            first as usize,
            count as usize,
        )
    }
}

/// A [`Test`] in a quarter of its size: no row compares with more than 32
/// bits, and all make do with a few masks.
#[derive(Clone, Copy)]
struct Packed {
    arg: u8,
    /// Index into [`MASKS`].
    mask: u8,
    /// In the machine's byte order. (An `u32` would be padded for.)
    value: [u8; 4],
}

impl Packed {
    fn unpack(&self) -> Test {
        let mask = MASKS.get(usize::from(self.mask));
        // Every index is one of the array; were it not, the strictest mask would do no
        // harm.
        let mask = mask.copied().unwrap_or(u64::MAX);
        Test::equal(self.arg, mask, u32::from_ne_bytes(self.value).into())
    }
}

const RESOLVED: Resolution = Resolution::new();

/// [`ROWS`], [`PACKED`] and [`MASKS`] before their lengths are known.
struct Resolution {
    table: [Row; TABLE.len()],
    rows: usize,
    pool: [Packed; MAX],
    conditions: usize,
    mask_pool: [u64; MAX],
    masks: usize,
}

/// What a byte can reach.
const MAX: usize = 256;

/// What three bits can say.
const MAX_COUNT: usize = 7;

impl Resolution {
    const fn new() -> Self {
        let mut all = Self {
            table: [Row(0); TABLE.len()],
            rows: 0,
            pool: [Packed {
                arg: 0,
                mask: 0,
                value: [0; 4],
            }; MAX],
            conditions: 0,
            mask_pool: [0; MAX],
            masks: 0,
        };
        // Long lists go first, since short ones may be parts of them.
        let mut length = MAX_COUNT;
        while length > 0 {
            let mut i = 0;
            while i < TABLE.len() {
                if TABLE[i].when.len() == length && numbers(i).is_some() {
                    all.place(TABLE[i].when);
                }
                i += 1;
            }
            length -= 1;
        }
        let mut i = 0;
        while i < TABLE.len() {
            if let Some((name, by)) = numbers(i) {
                let when = TABLE[i].when;
                all.table[all.rows] = Row::new(name, by, all.place(when), when.len());
                all.rows += 1;
            }
            i += 1;
        }
        all
    }

    /// Where in the pool these conditions stand; adds them if nowhere yet.
    const fn place(&mut self, when: &[Test]) -> usize {
        let mut first = 0;
        while first < self.conditions {
            let mut same = 0;
            while same < when.len()
                && first + same < self.conditions
                && self.is_at(first + same, when[same])
            {
                same += 1;
            }
            if same == when.len() {
                return first;
            }
            first += 1;
        }
        let mut i = 0;
        while i < when.len() {
            self.pool[self.conditions] = Packed {
                arg: when[i].arg,
                mask: byte(self.place_mask(when[i].mask)),
                value: half(when[i].value).to_ne_bytes(),
            };
            self.conditions += 1;
            i += 1;
        }
        first
    }

    /// Where in the pool the mask stands; adds it if nowhere yet.
    const fn place_mask(&mut self, mask: u64) -> usize {
        let mut at = 0;
        while at < self.masks && self.mask_pool[at] != mask {
            at += 1;
        }
        if at == self.masks {
            self.mask_pool[at] = mask;
            self.masks += 1;
        }
        at
    }

    /// Whether the pool has that condition there.
    const fn is_at(&self, at: usize, condition: Test) -> bool {
        let packed = self.pool[at];
        packed.arg == condition.arg
            && self.mask_pool[packed.mask as usize] == condition.mask
            && u32::from_ne_bytes(packed.value) as u64 == condition.value
    }
}

/// The numbers in a row of [`TABLE`], if both calls exist here.
const fn numbers(row: usize) -> Option<(u32, u32)> {
    let name = syscall::NATIVE.number(TABLE[row].name.as_bytes());
    let by = syscall::NATIVE.number(TABLE[row].by.as_bytes());
    match (name, by) {
        (Some(name), Some(by)) => Some((name, by)),
        _ => None,
    }
}

// These run only when compiling, so that a table too large does not compile.

#[expect(clippy::cast_possible_truncation, reason = "checked")]
const fn byte(value: usize) -> u8 {
    assert!(value <= u8::MAX as usize);
    value as u8
}

#[expect(clippy::cast_possible_truncation, reason = "checked")]
const fn short(value: u32) -> u16 {
    assert!(value <= u16::MAX as u32);
    value as u16
}

#[expect(clippy::cast_possible_truncation, reason = "checked")]
const fn half(value: u64) -> u32 {
    assert!(value <= u32::MAX as u64, "values have 32 bits");
    value as u32
}

/// The first `N` elements.
const fn shorten<T: Copy, const N: usize>(all: &[T]) -> [T; N] {
    let mut short = [all[0]; N];
    let mut i = 0;
    while i < N {
        short[i] = all[i];
        i += 1;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::super::of;
    use super::*;
    use crate::syscall::NATIVE;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    #[test]
    fn the_native_rows_are_those_of_the_table() {
        let names: BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
        let mut conditions = [Test::NONE; CONDITIONS];
        let native = Native::new(&mut conditions);
        let mut native_rows = 0;
        for name in names {
            let Some(number) = NATIVE.number(name.as_bytes()) else {
                continue;
            };
            let expected: Vec<_> = of(name)
                .filter_map(|row| Some((NATIVE.number(row.by.as_bytes())?, row.when)))
                .collect();
            native_rows += expected.len();
            assert_eq!(native.of(number).collect::<Vec<_>>(), expected, "{name}");
        }
        assert_eq!(native_rows, ROWS.len());
        assert_eq!(native.of(u32::MAX).count(), 0);
    }
}
