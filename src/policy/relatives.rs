//! Near relatives: calls with the same effect as a denied call.
//!
//! A deny-list covers no other calls than those it names; warnings about that are based
//! on these tables: denying `read` and not pread64 denies little. The families are
//! neither complete nor a recommendation. That a call is in none does not mean that
//! denying it is enough; only an allow-list is certain.

/// Calls with the same purpose.
struct Family {
    /// Calls that do the same thing, or part of it.
    calls: &'static [&'static str],
    /// Calls with another purpose that can also be used for this one; denying only these
    /// would not touch the family.
    detours: &'static [&'static str],
}

/// The calls that are still open if a filter denies only `name` and its variants. They
/// may not all exist on the target's architecture.
pub(super) fn of(name: &str) -> impl Iterator<Item = &str> {
    FAMILIES
        .iter()
        .filter(move |family| family.calls.contains(&name))
        .flat_map(|family| family.calls.iter().chain(family.detours))
        .copied()
        .filter(move |call| *call != name)
}

/// A ring takes requests for most calls on files and sockets from memory; the
/// filter sees only that it is entered (io_uring(7)).
const URING: &[&str] = &["io_uring_enter"];

const FAMILIES: &[Family] = &[
    Family {
        calls: &["read", "readv", "pread64", "preadv", "preadv2"],
        detours: &[
            "mmap",
            "recvfrom",
            "recvmsg",
            "recvmmsg",
            "splice",
            "tee",
            "sendfile",
            "copy_file_range",
            "io_submit",
            "io_uring_enter",
        ],
    },
    Family {
        calls: &["write", "writev", "pwrite64", "pwritev", "pwritev2"],
        detours: &[
            "mmap",
            "sendto",
            "sendmsg",
            "sendmmsg",
            "splice",
            "vmsplice",
            "tee",
            "sendfile",
            "copy_file_range",
            "io_submit",
            "io_uring_enter",
        ],
    },
    Family {
        calls: &["open", "openat", "openat2", "creat", "open_by_handle_at"],
        detours: &["open_tree", "open_tree_attr", "io_uring_enter"],
    },
    Family {
        calls: &["close", "close_range"],
        detours: &["dup2", "dup3", "io_uring_enter"],
    },
    Family {
        calls: &["dup", "dup2", "dup3"],
        detours: &["fcntl", "pidfd_getfd"],
    },
    Family {
        calls: &["stat", "fstat", "lstat", "newfstatat", "statx"],
        detours: URING,
    },
    Family {
        calls: &["access", "faccessat", "faccessat2"],
        detours: &[],
    },
    Family {
        calls: &["getdents", "getdents64", "readdir"],
        detours: &[],
    },
    Family {
        calls: &["readlink", "readlinkat"],
        detours: &[],
    },
    Family {
        calls: &["truncate", "ftruncate"],
        detours: &["open", "openat", "openat2", "creat", "io_uring_enter"],
    },
    Family {
        calls: &["mkdir", "mkdirat"],
        detours: URING,
    },
    Family {
        calls: &["mknod", "mknodat"],
        detours: &[],
    },
    Family {
        calls: &["unlink", "unlinkat", "rmdir"],
        detours: &["rename", "renameat", "renameat2", "io_uring_enter"],
    },
    Family {
        calls: &["rename", "renameat", "renameat2"],
        detours: &["link", "linkat", "io_uring_enter"],
    },
    Family {
        calls: &["link", "linkat"],
        detours: URING,
    },
    Family {
        calls: &["symlink", "symlinkat"],
        detours: URING,
    },
    Family {
        calls: &["chmod", "fchmod", "fchmodat", "fchmodat2"],
        detours: &[],
    },
    Family {
        calls: &["chown", "fchown", "lchown", "fchownat"],
        detours: &[],
    },
    Family {
        calls: &["utime", "utimes", "futimesat", "utimensat"],
        detours: &[],
    },
    Family {
        calls: &["setxattr", "lsetxattr", "fsetxattr", "setxattrat"],
        detours: URING,
    },
    Family {
        calls: &["getxattr", "lgetxattr", "fgetxattr", "getxattrat"],
        detours: URING,
    },
    Family {
        calls: &["chdir", "fchdir"],
        detours: &[],
    },
    Family {
        calls: &["chroot", "pivot_root"],
        detours: &["unshare", "setns", "clone", "clone3"],
    },
    Family {
        calls: &[
            "mount",
            "fsopen",
            "fsconfig",
            "fsmount",
            "fspick",
            "move_mount",
            "open_tree",
            "open_tree_attr",
            "mount_setattr",
        ],
        detours: &[],
    },
    Family {
        calls: &["execve", "execveat"],
        detours: &[],
    },
    Family {
        calls: &["fork", "vfork", "clone", "clone3"],
        detours: &[],
    },
    Family {
        calls: &["unshare", "setns"],
        detours: &["clone", "clone3"],
    },
    Family {
        calls: &["exit", "exit_group"],
        detours: &[],
    },
    Family {
        calls: &["wait4", "waitid", "waitpid"],
        detours: URING,
    },
    Family {
        calls: &[
            "kill",
            "tkill",
            "tgkill",
            "rt_sigqueueinfo",
            "rt_tgsigqueueinfo",
            "pidfd_send_signal",
        ],
        // F_SETOWN with F_SETSIG; SIGEV_SIGNAL to oneself.
        detours: &["fcntl", "timer_create"],
    },
    Family {
        calls: &[
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "pidfd_getfd",
            "process_madvise",
        ],
        // /proc/PID/mem.
        detours: &["open", "openat", "openat2"],
    },
    Family {
        calls: &["socket", "socketpair"],
        detours: URING,
    },
    Family {
        calls: &["connect"],
        detours: &["sendto", "sendmsg", "sendmmsg", "io_uring_enter"],
    },
    Family {
        calls: &["accept", "accept4"],
        detours: URING,
    },
    Family {
        calls: &["bind", "listen"],
        detours: URING,
    },
    Family {
        calls: &["send", "sendto", "sendmsg", "sendmmsg"],
        detours: &["write", "writev", "splice", "sendfile", "io_uring_enter"],
    },
    Family {
        calls: &["recv", "recvfrom", "recvmsg", "recvmmsg"],
        detours: &["read", "readv", "splice", "io_uring_enter"],
    },
    Family {
        calls: &["mprotect", "pkey_mprotect"],
        detours: &["mmap", "shmat"],
    },
    Family {
        calls: &["mmap", "mremap", "remap_file_pages", "shmat"],
        detours: &["brk"],
    },
    Family {
        calls: &["setuid", "setreuid", "setresuid", "setfsuid"],
        detours: &[],
    },
    Family {
        calls: &["setgid", "setregid", "setresgid", "setfsgid", "setgroups"],
        detours: &[],
    },
    Family {
        calls: &["setrlimit", "prlimit64"],
        detours: &[],
    },
    Family {
        calls: &[
            "settimeofday",
            "stime",
            "clock_settime",
            "adjtimex",
            "clock_adjtime",
        ],
        detours: &[],
    },
    Family {
        calls: &["nice", "setpriority"],
        detours: &["sched_setattr"],
    },
    Family {
        calls: &["rt_sigprocmask", "sgetmask", "ssetmask"],
        detours: &[],
    },
    Family {
        calls: &["umount", "umount2"],
        detours: &[],
    },
    Family {
        calls: &["semop", "semtimedop"],
        detours: &[],
    },
    Family {
        calls: &["init_module", "finit_module"],
        detours: &[],
    },
    Family {
        calls: &["kexec_load", "kexec_file_load"],
        detours: &[],
    },
    Family {
        calls: &["io_uring_setup", "io_uring_enter", "io_uring_register"],
        detours: &["io_setup", "io_submit"],
    },
];

#[cfg(test)]
mod tests {
    use super::super::{Arch, names};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_relative_is_a_system_call_and_named_once() {
        for family in FAMILIES {
            let all: Vec<_> = family.calls.iter().chain(family.detours).collect();
            let distinct: BTreeSet<_> = all.iter().collect();
            assert_eq!(distinct.len(), all.len(), "{all:?}");
            for name in all {
                let exists = |arch| names::is_known(name, arch);
                assert!(Arch::all().any(exists), "{name}");
            }
        }
    }

    #[test]
    fn every_call_belongs_to_one_family() {
        let calls: Vec<_> = FAMILIES.iter().flat_map(|family| family.calls).collect();
        let distinct: BTreeSet<_> = calls.iter().collect();
        assert_eq!(distinct.len(), calls.len());
    }

    #[test]
    fn a_denied_read_leaves_pread64_readv_and_the_ring() {
        let relatives: Vec<_> = of("read").collect();
        for name in ["pread64", "readv", "io_uring_enter"] {
            assert!(relatives.contains(&name), "{name}");
        }
    }

    #[test]
    fn a_call_without_substitute_has_no_relatives() {
        for name in ["uname", "getpid", "no such call"] {
            assert_eq!(of(name).count(), 0, "{name}");
        }
    }

    #[test]
    fn nobody_is_its_own_relative_and_a_detour_does_not_lead_back() {
        assert!(!of("read").any(|name| name == "read"));
        assert!(of("unlink").any(|name| name == "rename"));
        assert!(!of("rename").any(|name| name == "unlink"));
    }
}
