//! Names and numbers of system calls: one [`Table`] an architecture, one file
//! a table.
//!
//! A table is written down as rows of number and name, but compiled to one
//! string of bytes: a table of `&str` would be a table of pointers, and each of
//! them a relocation that the runtime can't have.
//!
//! To check or extend a table, compare it with the kernel's own list: the
//! header asm/unistd*.h of the architecture for what is in a release, the
//! syscall table beside it in the kernel's sources (such as
//! arch/x86/entry/syscalls/syscall_64.tbl) for what is new. The tests do the
//! first against the headers installed on the machine.

mod x86_64;

pub use x86_64::X86_64;

/// The table of the architecture that this code is compiled for.
#[cfg(target_arch = "x86_64")]
pub const NATIVE: Table = X86_64;

/// The system calls of one architecture.
///
/// Packed: the names in the order of their numbers, each behind a byte that
/// holds its length. A zero in place of a length stands for a gap, and the next
/// two bytes, low one first, are the number of the name that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    packed: &'static [u8],
}

/// Marks a gap in the numbers.
const GAP: u8 = 0;

impl Table {
    /// The number of the system call `name`.
    #[must_use]
    pub const fn number(self, name: &[u8]) -> Option<u32> {
        let mut entries = self.entries();
        while let Some((number, entry)) = entries.advance() {
            if same(entry, name) {
                return Some(number);
            }
        }
        None
    }

    /// The name of system call `number`.
    #[must_use]
    pub fn name(self, number: u32) -> Option<&'static str> {
        self.iter().find(|row| row.0 == number).map(|row| row.1)
    }

    /// Every system call, by ascending number.
    pub fn iter(self) -> impl Iterator<Item = (u32, &'static str)> {
        self.entries()
            .map_while(|(number, name)| Some((number, core::str::from_utf8(name).ok()?)))
    }

    const fn entries(self) -> Entries {
        Entries {
            rest: self.packed,
            number: 0,
        }
    }
}

/// What of a table is still to be read. Written without indexing: a path that
/// can panic would bring its message, and with it relocations, to the runtime.
struct Entries {
    rest: &'static [u8],
    number: u32,
}

impl Entries {
    /// `next`, callable when compiling.
    const fn advance(&mut self) -> Option<(u32, &'static [u8])> {
        if let [GAP, low, high, rest @ ..] = self.rest {
            self.number = u16::from_le_bytes([*low, *high]) as u32;
            self.rest = rest;
        }
        let Some((length, rest)) = self.rest.split_first() else {
            return None;
        };
        let Some((name, rest)) = rest.split_at_checked(*length as usize) else {
            return None;
        };
        let number = self.number;
        self.rest = rest;
        self.number = number.wrapping_add(1);
        Some((number, name))
    }
}

impl Iterator for Entries {
    type Item = (u32, &'static [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.advance()
    }
}

/// `==` for bytes, callable when compiling.
const fn same(mut left: &[u8], mut right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
        if *a != *b {
            return false;
        }
        left = left_rest;
        right = right_rest;
    }
    true
}

/// The size of [`pack`]'s result.
const fn packed_len(rows: &[(u16, &str)]) -> usize {
    let mut length = 0;
    let mut expected = 0;
    let mut i = 0;
    while i < rows.len() {
        let (number, name) = rows[i];
        if number != expected {
            length += 3;
        }
        length += 1 + name.len();
        expected = number + 1;
        i += 1;
    }
    length
}

/// Packs rows as [`Table`] says. Runs only when compiling, so that rows out of
/// order do not compile.
const fn pack<const N: usize>(rows: &[(u16, &str)]) -> [u8; N] {
    let mut packed = [0; N];
    let mut at = 0;
    let mut expected = 0;
    let mut i = 0;
    while i < rows.len() {
        let (number, name) = rows[i];
        let name = name.as_bytes();
        assert!(number >= expected, "numbers must ascend");
        assert!(
            !name.is_empty() && name.len() < 256,
            "the length is one byte"
        );
        if number != expected {
            [packed[at + 1], packed[at + 2]] = number.to_le_bytes();
            packed[at] = GAP;
            at += 3;
        }
        packed[at] = name.len().to_le_bytes()[0];
        at += 1;
        let mut j = 0;
        while j < name.len() {
            packed[at] = name[j];
            at += 1;
            j += 1;
        }
        expected = number + 1;
        i += 1;
    }
    assert!(at == N, "packed_len and pack differ");
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn numbers_ascend_and_names_are_unique() {
        let rows: Vec<_> = X86_64.iter().collect();
        assert!(rows.len() > 380);
        assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
        let names: BTreeSet<_> = rows.iter().map(|row| row.1).collect();
        assert_eq!(names.len(), rows.len());
    }

    #[test]
    fn names_and_numbers_are_found_both_ways() {
        for (number, name) in X86_64.iter() {
            assert_eq!(X86_64.number(name.as_bytes()), Some(number));
            assert_eq!(X86_64.name(number), Some(name));
        }
    }

    #[test]
    fn known_rows_stand_on_both_sides_of_the_gap() {
        for (number, name) in [
            (0, "read"),
            (59, "execve"),
            (262, "newfstatat"),
            (334, "rseq"),
            (424, "pidfd_send_signal"),
            (435, "clone3"),
            (469, "file_setattr"),
        ] {
            assert_eq!(X86_64.name(number), Some(name));
        }
        for absent in [337, 423, 512, 0x4000_0000, u32::MAX] {
            assert_eq!(X86_64.name(absent), None);
        }
        for absent in ["", "rea", "readx", "openx", "READ"] {
            assert_eq!(X86_64.number(absent.as_bytes()), None);
        }
    }

    /// The kernel's header, which Debian's linux-libc-dev installs, is the
    /// authority on every number that it has.
    #[test]
    fn the_table_agrees_with_the_header_of_the_kernel() {
        let header = std::fs::read_to_string("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
            .expect("linux-libc-dev is installed");
        let rows: Vec<(String, u32)> = header
            .lines()
            .filter_map(|line| line.strip_prefix("#define __NR_")?.split_once(' '))
            .map(|(name, number)| (name.into(), number.trim().parse().expect("a number")))
            .collect();
        assert!(rows.len() > 300);
        for (name, number) in rows {
            assert_eq!(X86_64.number(name.as_bytes()), Some(number), "{name}");
        }
    }
}
