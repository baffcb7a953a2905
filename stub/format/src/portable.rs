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
//! folder. Beyond the name's own authority a row may add queries and changes
//! that touch only the calling thread's bookkeeping (its signal mask, its
//! robust futexes, its own memory). Where a filter can't see the difference,
//! the wider call is in the table only when it is as harmless:
//!
//! * `fstat` adds newfstatat and statx for descriptors with AT_EMPTY_PATH; the
//!   path stands behind a pointer, and if it is not empty the kernel follows
//!   it. So the program can also ask for the attributes of files by path.
//! * `clone` adds clone3, whose flags stand behind a pointer.
//!
//! # How rows apply
//!
//! A row applies on every architecture that has `by`, also on one that does
//! not have `name`: aarch64 has no open, and a policy that says `open` means
//! openat there. Rows are not chained: each name has all its rows. Rows of one
//! `name` and one `by` are alternatives.

use crate::bpf::Condition;
use crate::syscall::Table;

mod table;

/// A call that may stand in for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Substitute {
    /// The name in the policy.
    pub name: &'static str,
    /// The call that a C library makes in its place, or around it.
    pub by: &'static str,
    /// What must hold for its arguments.
    pub when: &'static [Condition],
    /// Where the fact is from.
    pub source: &'static str,
}

/// All rows, of all architectures.
pub const TABLE: &[Substitute] = table::ROWS;

/// The rows of `name`, for any architecture.
pub fn of(name: &str) -> impl Iterator<Item = &'static Substitute> {
    TABLE.iter().filter(move |row| row.name == name)
}

/// The rows of the native system call `number` whose substitute exists here,
/// as number and conditions. The runtime's form of [`of`]: resolved when
/// compiling, and free of pointers.
#[cfg(target_arch = "x86_64")]
pub fn native(number: u32) -> impl Iterator<Item = (u32, &'static [Condition])> {
    NATIVE.iter().filter_map(move |row| {
        let first = usize::from(row.first);
        let when = CONDITIONS.get(first..first + usize::from(row.count))?;
        (u32::from(row.name) == number).then_some((u32::from(row.by), when))
    })
}

/// A row in numbers, with its `count` conditions at `first` of [`CONDITIONS`].
/// Small, and rows with the same conditions share them: the runtime is to be
/// small.
#[derive(Clone, Copy)]
struct Resolved {
    name: u16,
    by: u16,
    first: u8,
    count: u8,
}

#[cfg(target_arch = "x86_64")]
static NATIVE: [Resolved; RESOLVED.rows] = shorten(&RESOLVED.table);

#[cfg(target_arch = "x86_64")]
static CONDITIONS: [Condition; RESOLVED.conditions] = shorten(&RESOLVED.pool);

#[cfg(target_arch = "x86_64")]
const RESOLVED: Resolution = resolve(crate::syscall::NATIVE);

/// [`NATIVE`] and [`CONDITIONS`] before their lengths are known.
struct Resolution {
    table: [Resolved; TABLE.len()],
    rows: usize,
    pool: [Condition; MAX_CONDITIONS],
    conditions: usize,
}

/// What `first` and `count` can reach.
const MAX_CONDITIONS: usize = 256;

const fn resolve(table: Table) -> Resolution {
    let mut resolution = Resolution {
        table: [Resolved {
            name: 0,
            by: 0,
            first: 0,
            count: 0,
        }; TABLE.len()],
        rows: 0,
        pool: [Condition {
            arg: 0,
            mask: 0,
            value: 0,
        }; MAX_CONDITIONS],
        conditions: 0,
    };
    let mut i = 0;
    while i < TABLE.len() {
        let row = TABLE[i];
        let name = table.number(row.name.as_bytes());
        let by = table.number(row.by.as_bytes());
        if let (Some(name), Some(by)) = (name, by) {
            let first = place(&mut resolution, row.when);
            resolution.table[resolution.rows] = Resolved {
                name: narrow(name as usize),
                by: narrow(by as usize),
                first: narrow(first).to_le_bytes()[0],
                count: narrow(row.when.len()).to_le_bytes()[0],
            };
            resolution.rows += 1;
        }
        i += 1;
    }
    resolution
}

/// Where in the pool these conditions stand; adds them if nowhere yet.
const fn place(resolution: &mut Resolution, when: &[Condition]) -> usize {
    let mut first = 0;
    while first < resolution.conditions {
        let mut same = 0;
        while same < when.len()
            && first + same < resolution.conditions
            && equal(when[same], resolution.pool[first + same])
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
        resolution.pool[resolution.conditions] = when[i];
        resolution.conditions += 1;
        i += 1;
    }
    first
}

/// `==` for conditions, callable when compiling.
const fn equal(a: Condition, b: Condition) -> bool {
    a.arg == b.arg && a.mask == b.mask && a.value == b.value
}

/// Runs only when compiling, so that a table too large does not compile.
#[expect(clippy::cast_possible_truncation, reason = "checked")]
const fn narrow(value: usize) -> u16 {
    assert!(value <= u16::MAX as usize);
    value as u16
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
    use super::*;
    use crate::syscall::X86_64;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    /// Calls that x86_64 lacks: those of i386 and arm (asm/unistd_32.h), and
    /// send and recv, which are system calls on arm, mips and sparc.
    const ELSEWHERE: &[&str] = &[
        "_llseek",
        "_newselect",
        "chown32",
        "clock_adjtime64",
        "clock_getres_time64",
        "clock_gettime64",
        "clock_nanosleep_time64",
        "clock_settime64",
        "fchown32",
        "fcntl64",
        "fstat64",
        "fstatat64",
        "fstatfs64",
        "ftruncate64",
        "futex_time64",
        "getegid32",
        "geteuid32",
        "getgid32",
        "getgroups32",
        "getresgid32",
        "getresuid32",
        "getuid32",
        "lchown32",
        "lstat64",
        "mmap2",
        "ppoll_time64",
        "pselect6_time64",
        "recv",
        "recvmmsg_time64",
        "rt_sigtimedwait_time64",
        "send",
        "sendfile64",
        "setgid32",
        "setgroups32",
        "setregid32",
        "setresgid32",
        "setresuid32",
        "setreuid32",
        "setuid32",
        "sigaction",
        "signal",
        "sigpending",
        "sigprocmask",
        "sigreturn",
        "sigsuspend",
        "stat64",
        "statfs64",
        "timer_gettime64",
        "timer_settime64",
        "timerfd_gettime64",
        "timerfd_settime64",
        "truncate64",
        "utimensat_time64",
        "waitpid",
    ];

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

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_native_rows_are_those_of_the_table() {
        let names: BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
        let mut native_rows = 0;
        for name in names {
            let Some(number) = X86_64.number(name.as_bytes()) else {
                continue;
            };
            let expected: Vec<_> = of(name)
                .filter_map(|row| Some((X86_64.number(row.by.as_bytes())?, row.when)))
                .collect();
            native_rows += expected.len();
            assert_eq!(native(number).collect::<Vec<_>>(), expected, "{name}");
        }
        assert_eq!(native_rows, NATIVE.len());
        assert_eq!(native(u32::MAX).count(), 0);
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
        ] {
            assert!(permits(name, by, arguments), "{name} by {by}");
        }
    }

    #[test]
    fn calls_that_would_widen_the_name_do_not_pass() {
        const CWD: u64 = 0xffff_ff9c;
        for (name, by, arguments) in [
            // A path that starts at another folder than the working folder.
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
            // A destination.
            ("send", "sendto", [3, 0x1234, 1, 0, 0x1234, 16]),
        ] {
            assert!(!permits(name, by, arguments), "{name} by {by}");
        }
    }
}
