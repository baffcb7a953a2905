//! The runtime's form of the groups: numbers of one architecture, in bytes, found by the
//! hashes of the groups' names. Small, since the runtime is to be small, and free of
//! pointers, each of which would be a relocation.
//!
//! For each group there are: how many bytes of calls follow; for each call, ascending, how
//! much its number exceeds the one before (-1 at first), where [`FAR`] goes on with the next
//! byte; how many groups follow; and which ones.

use super::{Group, KNOWN, PLEDGE, SYSTEMD};
use crate::syscall::{self, distinct, hash};

/// What the runtime knows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// It has all calls.
    All,
    /// It has those that [`numbers`](Native::numbers) tells.
    Some(usize),
    /// It has conditions on arguments.
    Conditional,
}

/// The group of this name, which is given without the `@`.
#[must_use]
pub fn native(name: &[u8]) -> Option<Native> {
    let hash = hash(name);
    let at = HASHES.iter().position(|other| *other == hash)?;
    Some(match at {
        ALL => Native::All,
        _ if CONDITIONAL >> at & 1 == 1 => Native::Conditional,
        _ => Native::Some(at),
    })
}

impl Native {
    /// Calls `take` with the number of each call.
    pub fn numbers(self, mut take: impl FnMut(u32)) {
        // A bit for each group that is to be looked at: sets are in no circle.
        let mut left = match self {
            Self::All => return syscall::native_numbers().for_each(take),
            Self::Some(group) => 1u64 << group,
            Self::Conditional => 0,
        };
        while left != 0 {
            let group = left.trailing_zeros();
            left &= left - 1;
            let mut bytes = &BYTES[..];
            for _ in 0..group {
                part(&mut bytes);
                part(&mut bytes);
            }
            let mut number = u32::MAX;
            for step in part(&mut bytes) {
                number = number.wrapping_add(u32::from(*step));
                if *step != FAR {
                    take(number);
                }
            }
            for inner in part(&mut bytes) {
                left |= 1 << (inner & 63);
            }
        }
    }
}

/// Takes a length and so many bytes.
fn part<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let (length, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let (part, rest) = rest.split_at_checked((*length).into()).unwrap_or_default();
    *bytes = rest;
    part
}

/// A step that is not the last to a number.
const FAR: u8 = u8::MAX;

const COUNT: usize = SYSTEMD.len() + PLEDGE.len();

const _: () = assert!(COUNT <= 64, "a word has no bit for each group");

static HASHES: [u32; COUNT] = {
    let mut hashes = [0; COUNT];
    let mut i = 0;
    while i < COUNT {
        hashes[i] = hash(group(i).name.as_bytes());
        i += 1;
    }
    distinct(hashes)
};

/// Which group has all calls.
const ALL: usize = index(KNOWN.as_bytes());

/// A bit for each group that has conditions.
const CONDITIONAL: u64 = {
    let mut bits = 0;
    let mut i = 0;
    while i < COUNT {
        bits |= (is_conditional(group(i)) as u64) << i;
        i += 1;
    }
    bits
};

static BYTES: [u8; ENCODED.length] = ENCODED.shortened();

const ENCODED: Encoded = Encoded::new();

// All below runs only when compiling.

/// [`BYTES`] before their length is known.
struct Encoded {
    bytes: [u8; 4096],
    length: usize,
}

impl Encoded {
    const fn new() -> Self {
        let mut all = Self {
            bytes: [0; 4096],
            length: 0,
        };
        let mut i = 0;
        while i < COUNT {
            all.calls(group(i));
            all.groups(group(i));
            i += 1;
        }
        all
    }

    const fn calls(&mut self, group: Group) {
        let start = self.length;
        self.push(0);
        if is_conditional(group) {
            return;
        }
        // One more than the number before.
        let mut before = 0;
        let (numbers, count) = numbers(group);
        let mut i = 0;
        while i < count {
            let mut step = (numbers[i] + 1) as usize - before;
            while step >= FAR as usize {
                self.push(FAR);
                step -= FAR as usize;
            }
            assert!(step > 0, "a call is named twice, or after a whole step");
            self.push(byte(step));
            before = numbers[i] as usize + 1;
            i += 1;
        }
        self.close(start);
    }

    const fn groups(&mut self, group: Group) {
        let start = self.length;
        self.push(0);
        let mut i = 0;
        while i < group.items.len() {
            if let Some((b'@', name)) = group.items[i].as_bytes().split_first() {
                let inner = index(name);
                assert!(!is_conditional(SYSTEMD[inner]), "what it has would be lost");
                self.push(byte(inner));
            }
            i += 1;
        }
        self.close(start);
    }

    const fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    /// Says how long the part is that begins here.
    const fn close(&mut self, start: usize) {
        self.bytes[start] = byte(self.length - start - 1);
    }

    const fn shortened<const N: usize>(&self) -> [u8; N] {
        let mut short = [0; N];
        let mut i = 0;
        while i < N {
            short[i] = self.bytes[i];
            i += 1;
        }
        short
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked")]
const fn byte(value: usize) -> u8 {
    assert!(value <= u8::MAX as usize);
    value as u8
}

/// The numbers of a group's calls, ascending, and how many there are.
const fn numbers(group: Group) -> ([u32; 256], usize) {
    let mut numbers = [0; 256];
    let mut count = 0;
    let mut i = 0;
    while i < group.items.len() {
        if let Some(number) = syscall::NATIVE.number(group.items[i].as_bytes()) {
            let mut at = count;
            while at > 0 && numbers[at - 1] > number {
                numbers[at] = numbers[at - 1];
                at -= 1;
            }
            numbers[at] = number;
            count += 1;
        }
        i += 1;
    }
    (numbers, count)
}

const fn group(at: usize) -> Group {
    if at < SYSTEMD.len() {
        SYSTEMD[at]
    } else {
        PLEDGE[at - SYSTEMD.len()]
    }
}

/// Which of systemd's sets has this name.
const fn index(name: &[u8]) -> usize {
    let mut i = 0;
    while !syscall::same(SYSTEMD[i].name.as_bytes(), name) {
        i += 1;
    }
    i
}

const fn is_conditional(group: Group) -> bool {
    let mut i = 0;
    while i < group.items.len() {
        let item = group.items[i].as_bytes();
        if item[item.len() - 1] == b')' {
            return true;
        }
        i += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::syscall::NATIVE;

    /// The numbers of all calls in a group, and in those that it has.
    fn expected(group: &Group, numbers: &mut BTreeSet<u32>) {
        for item in group.items {
            match item.strip_prefix('@') {
                Some(name) => {
                    let inner = SYSTEMD.iter().find(|group| group.name == name);
                    expected(inner.unwrap(), numbers);
                }
                None => numbers.extend(NATIVE.number(item.as_bytes())),
            }
        }
        if group.name == KNOWN {
            numbers.extend(NATIVE.iter().map(|(number, _)| number));
        }
    }

    #[test]
    fn each_group_has_the_calls_that_it_names_or_conditions() {
        let mut conditional = BTreeSet::new();
        for group in SYSTEMD.iter().chain(PLEDGE) {
            let found = native(group.name.as_bytes()).unwrap();
            let mut numbers = BTreeSet::new();
            found.numbers(|number| {
                numbers.insert(number);
            });
            if group.items.iter().any(|item| item.contains('(')) {
                assert_eq!(found, Native::Conditional, "{}", group.name);
                assert!(numbers.is_empty());
                conditional.insert(group.name);
                continue;
            }
            let mut all = BTreeSet::new();
            expected(group, &mut all);
            assert!(!all.is_empty(), "{}", group.name);
            assert_eq!(numbers, all, "{}", group.name);
        }
        assert!(conditional.contains("stdio") && !conditional.contains("exec"));
        for absent in ["", "@exec", "exe", "Default", "read"] {
            assert_eq!(native(absent.as_bytes()), None, "{absent}");
        }
    }
}
