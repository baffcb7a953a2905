//! Variants: one call under several names, which differ in the width of their arguments
//! (ids, offsets or times), or in their order.
//!
//! A C library picks one by architecture and version, so a list that names one of them,
//! whether an allow-list or a deny-list, means all that the architecture has.
//!
//! Two names that both exist on x86_64 are not variants but
//! [relatives](super::relatives).

/// The names of the call that `name` is one of, in no particular order; only `name` if it
/// has no variants.
pub(super) fn of(name: &str) -> impl Iterator<Item = &str> {
    let group = GROUPS.iter().find(|group| group.contains(&name));
    let others = group.into_iter().flat_map(|group| group.iter().copied());
    std::iter::once(name).chain(others.filter(move |other| *other != name))
}

/// From the 16-bit ids, 32-bit offsets and 32-bit times of the first kernels to today's
/// (asm/unistd_32.h and the system call tables of arm, mips, powerpc and s390). Their
/// arguments are the same, except for those that [`super::arguments`] names.
#[rustfmt::skip]
const GROUPS: &[&[&str]] = &[
    // Ids.
    &["chown", "chown32"],
    &["fchown", "fchown32"],
    &["lchown", "lchown32"],
    &["getegid", "getegid32"],
    &["geteuid", "geteuid32"],
    &["getgid", "getgid32"],
    &["getgroups", "getgroups32"],
    &["getresgid", "getresgid32"],
    &["getresuid", "getresuid32"],
    &["getuid", "getuid32"],
    &["setfsgid", "setfsgid32"],
    &["setfsuid", "setfsuid32"],
    &["setgid", "setgid32"],
    &["setgroups", "setgroups32"],
    &["setregid", "setregid32"],
    &["setresgid", "setresgid32"],
    &["setresuid", "setresuid32"],
    &["setreuid", "setreuid32"],
    &["setuid", "setuid32"],

    // Sizes and offsets.
    &["stat", "stat64", "oldstat"],
    &["fstat", "fstat64", "oldfstat"],
    &["lstat", "lstat64", "oldlstat"],
    &["newfstatat", "fstatat64"],
    &["statfs", "statfs64"],
    &["fstatfs", "fstatfs64"],
    &["truncate", "truncate64"],
    &["ftruncate", "ftruncate64"],
    &["lseek", "_llseek"],
    &["sendfile", "sendfile64"],
    &["fcntl", "fcntl64"],
    &["mmap", "mmap2"],
    &["fadvise64", "fadvise64_64", "arm_fadvise64_64"],
    &["sync_file_range", "sync_file_range2", "arm_sync_file_range"],
    &["getrlimit", "ugetrlimit"],

    // Times.
    &["clock_adjtime", "clock_adjtime64"],
    &["clock_getres", "clock_getres_time64"],
    &["clock_gettime", "clock_gettime64"],
    &["clock_nanosleep", "clock_nanosleep_time64"],
    &["clock_settime", "clock_settime64"],
    &["futex", "futex_time64"],
    &["io_pgetevents", "io_pgetevents_time64"],
    &["mq_timedreceive", "mq_timedreceive_time64"],
    &["mq_timedsend", "mq_timedsend_time64"],
    &["ppoll", "ppoll_time64"],
    &["pselect6", "pselect6_time64"],
    &["recvmmsg", "recvmmsg_time64"],
    &["rt_sigtimedwait", "rt_sigtimedwait_time64"],
    &["sched_rr_get_interval", "sched_rr_get_interval_time64"],
    &["semtimedop", "semtimedop_time64"],
    &["timer_gettime", "timer_gettime64"],
    &["timer_settime", "timer_settime64"],
    &["timerfd_gettime", "timerfd_gettime64"],
    &["timerfd_settime", "timerfd_settime64"],
    &["utimensat", "utimensat_time64"],

    // Signal masks and structures: Linux 2.2 made room for more signals.
    &["rt_sigaction", "sigaction", "signal"],
    &["rt_sigpending", "sigpending"],
    &["rt_sigprocmask", "sigprocmask"],
    &["rt_sigreturn", "sigreturn"],
    &["rt_sigsuspend", "sigsuspend"],

    &["select", "_newselect"],
    &["uname", "olduname", "oldolduname"],
];

#[cfg(test)]
mod tests {
    use super::super::Arch;
    use super::super::names::{self, Lookup};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_name_is_in_two_groups_and_each_is_a_system_call() {
        let all: Vec<_> = GROUPS.iter().flat_map(|group| group.iter()).collect();
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        for name in all {
            let exists = |arch| matches!(names::look_up(name, arch), Lookup::Number(_));
            assert!(Arch::all().any(exists), "{name}");
        }
    }

    #[test]
    fn x86_64_has_one_of_each_group() {
        for group in GROUPS {
            let here = |name: &&&str| names::is_known(name, Arch::X86_64);
            assert_eq!(group.iter().filter(here).count(), 1, "{group:?}");
        }
    }

    #[test]
    fn a_name_is_its_own_first_variant() {
        assert_eq!(of("chown32").collect::<Vec<_>>(), ["chown32", "chown"]);
        assert_eq!(of("getpid").collect::<Vec<_>>(), ["getpid"]);
    }
}
