//! Names and numbers of system calls: one [`Table`] an architecture, one file
//! a table.
//!
//! A table is rows of number and name, for the patcher. The runtime has those
//! of its architecture in another form (`hashed`) and looks names up with
//! [`native_number`].
//!
//! To check or extend a table, compare it with the kernel's own list: the
//! header asm/unistd*.h of the architecture for what is in a release, the
//! syscall table beside it in the kernel's sources (such as
//! arch/x86/entry/syscalls/syscall_64.tbl) for what is new. The tests do the
//! first against the headers installed on the machine.

mod hashed;
mod x86_64;

pub(crate) use hashed::{distinct, hash};
pub use x86_64::{X32_NUMBERS, X86_64};

/// The table of the architecture that this code is compiled for.
#[cfg(target_arch = "x86_64")]
pub const NATIVE: Table = X86_64;

/// The numbers of another ABI that come by the same entry there.
#[cfg(target_arch = "x86_64")]
pub use x86_64::X32_NUMBERS as NATIVE_FOREIGN;

/// The number of the system call `name` on the architecture that this code is
/// compiled for: `NATIVE.number(name)` for the runtime.
#[cfg(target_arch = "x86_64")]
#[must_use]
pub fn native_number(name: &[u8]) -> Option<u32> {
    static HASHES: [u32; NATIVE.rows.len()] = hashed::hashes(NATIVE.rows);
    let hash = hash(name);
    let at = HASHES.iter().position(|other| *other == hash)?;
    number_of_row(at)
}

/// The numbers of all system calls on the architecture that this code is compiled for.
#[cfg(target_arch = "x86_64")]
pub fn native_numbers() -> impl Iterator<Item = u32> {
    (0..NATIVE.rows.len()).filter_map(number_of_row)
}

#[cfg(target_arch = "x86_64")]
fn number_of_row(at: usize) -> Option<u32> {
    const GAP: (usize, usize) = hashed::gap(NATIVE.rows);
    let left_out = if at < GAP.0 { 0 } else { GAP.1 };
    u32::try_from(at + left_out).ok()
}

/// Number and name, ascending.
type Rows = &'static [(u16, &'static str)];

/// The system calls of one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    rows: Rows,
}

impl Table {
    /// The number of the system call `name`.
    #[must_use]
    pub const fn number(self, name: &[u8]) -> Option<u32> {
        let mut i = 0;
        while i < self.rows.len() {
            let (number, other) = self.rows[i];
            if same(other.as_bytes(), name) {
                return Some(number as u32);
            }
            i += 1;
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
        let rows = self.rows.iter();
        rows.map(|(number, name)| (u32::from(*number), *name))
    }
}

/// `==` for bytes, callable when compiling.
pub(crate) const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut i = 0;
    while i < left.len() {
        if left[i] != right[i] {
            return false;
        }
        i += 1;
    }
    true
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

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_runtime_finds_the_same_numbers() {
        for (number, name) in X86_64.iter() {
            assert_eq!(native_number(name.as_bytes()), Some(number), "{name}");
        }
        let absent = [
            "", "rea", "readx", "openx", "READ", "re-d", "read ", "stat64", "chown32",
        ];
        for absent in absent {
            assert_eq!(native_number(absent.as_bytes()), None, "{absent}");
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
