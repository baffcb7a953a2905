//! Portable names: what C libraries call in place of the system call that a
//! policy names.
//!
//! A policy says `fstat`; whether the program then calls fstat, newfstatat or
//! statx is up to the C library, its version and the architecture. [`TABLE`]
//! says what else to permit, so that one policy works with glibc and with musl.
//!
//! # What a row may add
//!
//! Wherever the arguments tell, a row is restricted to calls that do what the
//! name does: `open` adds openat only for paths that start in the working
//! directory. Beyond the name's own authority a row may add queries and changes
//! that touch only the process's own bookkeeping (its signal mask, its robust
//! futexes, handlers of signals that the C library keeps for itself, its own
//! memory, never memory to be executed). Where a filter can't see the difference,
//! the wider call is in the table only when it is as harmless:
//!
//! * `fstat` adds newfstatat and statx for descriptors with AT_EMPTY_PATH; the
//!   path stands behind a pointer, and if it is not empty the kernel follows
//!   it. So the program can also ask for the attributes of files by path.
//! * `clone` adds clone3, whose flags stand behind a pointer. Beyond clone(2) it
//!   can choose process numbers and the control group of the child, each only
//!   with the privileges that the kernel asks for, and reset signal handlers.
//! * `read` adds lseek from the beginning and from where the file is, since stdio
//!   goes back by it over what it read ahead.
//! * `exit` adds exit_group, since the C function of that name ends all threads.
//!
//! # How rows apply
//!
//! A row applies on every architecture that has `by`, also on one that does
//! not have `name`: aarch64 has no open, and a policy that says `open` means
//! openat there. Rows are not chained: each name has all its rows. Rows of one
//! `name` and one `by` are alternatives.
//!
//! A call that goes by several names, such as `fstat64` on i386, is here under
//! the name that x86_64 has for it. The patcher applies a row to all of them,
//! and a row with conditions only where these mean the same.

use crate::bpf::Test;

#[cfg(target_arch = "x86_64")]
mod native;
mod table;
pub mod vdso;

#[cfg(target_arch = "x86_64")]
pub use native::{CONDITIONS, Native, VDSO};

/// A call that may stand in for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Substitute {
    /// The name in the policy.
    pub name: &'static str,
    /// The call that a C library makes in its place, or around it.
    pub by: &'static str,
    /// What must hold for its arguments.
    pub when: &'static [Test],
    /// Where the fact is from.
    pub source: &'static str,
}

/// All rows, of all architectures.
pub const TABLE: &[Substitute] = table::ROWS;

/// The rows of `name`, for any architecture.
pub fn of(name: &str) -> impl Iterator<Item = &'static Substitute> {
    TABLE.iter().filter(move |row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscall::X86_64;
    use std::collections::BTreeSet;

    /// Calls that x86_64 lacks: `_llseek`, whose arguments have another order than
    /// lseek's; send and recv, which are system calls on arm, mips and powerpc, and
    /// waitpid, which is one on i386, mips and powerpc.
    const ELSEWHERE: &[&str] = &["_llseek", "recv", "send", "waitpid"];

    /// Would a call of `by` with these arguments pass under a policy that
    /// names `name`?
    fn permits(name: &str, by: &str, arguments: [u64; 6]) -> bool {
        of(name).filter(|row| row.by == by).any(|row| {
            row.when
                .iter()
                .all(|c| arguments[usize::from(c.arg)] & c.mask == c.value)
        })
    }

    #[test]
    fn every_name_is_known_on_some_architecture() {
        for row in TABLE {
            for name in [row.name, row.by] {
                let here = X86_64.number(name.as_bytes()).is_some();
                assert!(here != ELSEWHERE.contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn no_row_is_written_twice_or_about_itself() {
        let mut seen = BTreeSet::new();
        for row in TABLE {
            assert_ne!(row.name, row.by);
            assert!(!row.source.is_empty());
            assert!(seen.insert((row.name, row.by, row.when)), "{row:?}");
        }
    }

    #[test]
    fn a_row_without_conditions_has_no_alternatives() {
        for row in TABLE.iter().filter(|row| row.when.is_empty()) {
            let alternatives = of(row.name).filter(|other| other.by == row.by).count();
            assert_eq!(alternatives, 1, "{row:?}");
        }
    }

    #[test]
    fn conditions_can_hold_and_name_each_argument_once() {
        for row in TABLE {
            let arguments: BTreeSet<_> = row.when.iter().map(|c| c.arg).collect();
            assert_eq!(arguments.len(), row.when.len(), "{row:?}");
            for condition in row.when {
                assert!(condition.arg <= 5);
                assert_eq!(condition.value & !condition.mask, 0);
                assert_ne!(condition.mask, 0);
            }
        }
    }

    /// Calls seen with strace on Debian 12: what glibc 2.36 or musl 1.2.3 made
    /// of the function of that name.
    #[test]
    fn calls_observed_of_glibc_and_musl_pass() {
        const CWD: u64 = 0xffff_ff9c;
        // A libc may sign-extend an int, the kernel does not mind.
        const CWD_EXTENDED: u64 = u64::MAX - 99;
        for (name, by, arguments) in [
            ("fstat", "newfstatat", [1, 0x1234, 0x1234, 0x1000, 0, 0]),
            ("stat", "newfstatat", [CWD, 0x1234, 0x1234, 0, 0, 0]),
            ("lstat", "newfstatat", [CWD, 0x1234, 0x1234, 0x100, 0, 0]),
            ("fstat", "statx", [1, 0x1234, 0x1800, 0x7ff, 0x1234, 0]),
            ("open", "openat", [CWD, 0x1234, 0x42, 0o600, 0, 0]),
            ("open", "openat", [CWD_EXTENDED, 0x1234, 0x42, 0o600, 0, 0]),
            ("open", "fcntl", [6, 2, 1, 0, 0, 0]),
            ("creat", "open", [0x1234, 0x8241, 0o600, 0, 0, 0]),
            ("write", "writev", [1, 0x1234, 2, 0, 0, 0]),
            ("write", "ioctl", [1, 0x5401, 0x1234, 0, 0, 0]),
            ("write", "ioctl", [1, 0x5413, 0x1234, 0, 0, 0]),
            ("read", "ioctl", [0, 0x5401, 0x1234, 0, 0, 0]),
            ("mknod", "mknodat", [CWD, 0x1234, 0o100_600, 0, 0, 0]),
            ("utimes", "utimensat", [CWD, 0x1234, 0, 0, 0, 0]),
            ("pipe", "pipe2", [0x1234, 0, 0, 0, 0, 0]),
            ("eventfd", "eventfd2", [0, 0, 0, 0, 0, 0]),
            ("signalfd", "signalfd4", [u64::MAX, 0x1234, 8, 0, 0, 0]),
            ("epoll_wait", "epoll_pwait", [13, 0x1234, 1, 0, 0, 8]),
            ("send", "sendto", [19, 0x1234, 1, 0, 0, 0]),
            ("recv", "recvfrom", [22, 0x1234, 1, 0, 0, 0]),
            ("fork", "clone", [0x120_0011, 0, 0, 0x1234, 0, 0]),
            ("vfork", "clone", [0x4111, 0x1234, 0, 0, 0, 0]),
            ("getpgrp", "getpgid", [0, 0, 0, 0, 0, 0]),
            ("alarm", "setitimer", [0, 0x1234, 0x1234, 0, 0, 0]),
            ("nanosleep", "clock_nanosleep", [0, 0, 0x1234, 0, 0, 0]),
            ("getrlimit", "prlimit64", [0, 7, 0, 0x1234, 0, 0]),
            ("setrlimit", "prlimit64", [0, 7, 0x1234, 0, 0, 0]),
            ("brk", "mmap", [0, 4096, 3, 0x22, u64::from(u32::MAX), 0]),
            ("brk", "getrandom", [0x1234, 8, 1, 0, 0, 0]),
            ("clone", "membarrier", [0x10, 0, 0, 0, 0, 0]),
            // glibc 2.41 on Linux 6.18, of Debian 13.
            ("getrandom", "rt_sigprocmask", [0, 0x1234, 0x1234, 8, 0, 0]),
            (
                "getrandom",
                "mmap",
                [0, 4096, 3, 0x28, u64::from(u32::MAX), 0],
            ),
            (
                "getrandom",
                "mmap",
                [0, 4096, 3, 0x22, u64::from(u32::MAX), 0],
            ),
            ("wait4", "waitid", [1, 0x1234, 0, 4, 0, 0]),
            ("clone", "rt_sigaction", [33, 0x1234, 0, 8, 0, 0]),
            (
                "clone",
                "mmap",
                [0, 36864, 3, 0x2_0022, u64::from(u32::MAX), 0],
            ),
            // glibc 2.43.
            ("clone3", "madvise", [0x1234, 4096, 102, 0, 0, 0]),
            ("read", "lseek", [5, 0, 1, 0, 0, 0]),
            ("read", "lseek", [5, 1, 0, 0, 0, 0]),
            ("chmod", "fchmodat2", [CWD, 0x1234, 0o644, 0x100, 0, 0]),
        ] {
            assert!(permits(name, by, arguments), "{name} by {by}");
        }
    }

    #[test]
    fn calls_that_would_widen_the_name_do_not_pass() {
        const CWD: u64 = 0xffff_ff9c;
        for (name, by, arguments) in [
            // A path that starts at another directory than the working directory.
            ("open", "openat", [3, 0x1234, 0, 0, 0, 0]),
            ("rename", "renameat", [CWD, 0x1234, 3, 0x1234, 0, 0]),
            // RENAME_EXCHANGE.
            ("rename", "renameat2", [CWD, 0x1234, CWD, 0x1234, 2, 0]),
            ("fstat", "newfstatat", [CWD, 0x1234, 0x1234, 0x1000, 0, 0]),
            ("fstat", "newfstatat", [3, 0x1234, 0x1234, 0, 0, 0]),
            // TIOCSTI puts characters into the terminal's input.
            ("write", "ioctl", [0, 0x5412, 0x1234, 0, 0, 0]),
            // CLONE_NEWUSER.
            ("fork", "clone", [0x1000_0011, 0, 0, 0, 0, 0]),
            ("fork", "clone3", [0x1234, 88, 0, 0, 0, 0]),
            ("unlink", "unlinkat", [CWD, 0x1234, 0x200, 0, 0, 0]),
            // O_RDWR.
            ("creat", "open", [0x1234, 0x242, 0o600, 0, 0, 0]),
            // Another process's limits.
            ("setrlimit", "prlimit64", [1, 7, 0x1234, 0, 0, 0]),
            // PROT_EXEC.
            ("brk", "mmap", [0, 4096, 7, 0x22, 0, 0]),
            // Memory to execute, and memory of others.
            ("getrandom", "mmap", [0, 4096, 7, 0x28, 0, 0]),
            ("getrandom", "mmap", [0, 4096, 3, 1, 3, 0]),
            ("clone", "mprotect", [0x1234, 4096, 5, 0, 0, 0]),
            ("clone3", "mprotect", [0x1234, 4096, 7, 0, 0, 0]),
            // MADV_DONTFORK.
            ("clone", "madvise", [0x1234, 4096, 10, 0, 0, 0]),
            // A signal that is the program's own.
            ("clone", "rt_sigaction", [15, 0x1234, 0, 8, 0, 0]),
            // Any child of the process group, and without taking it.
            ("wait4", "waitid", [2, 0x1234, 0, 4, 0, 0]),
            // A destination.
            ("send", "sendto", [3, 0x1234, 1, 0, 0x1234, 16]),
        ] {
            assert!(!permits(name, by, arguments), "{name} by {by}");
        }
    }
}
