//! Where the arguments of calls are, and what their constants are: whether a condition
//! that is written for the common case means the same elsewhere.
//!
//! The common case is the prototypes of include/linux/syscalls.h with every argument in
//! one register, and the constants of include/uapi/asm-generic.

use super::Arch;

/// Whether a condition on the arguments of `call` means on `arch` what it means
/// in the common case.
pub(super) fn are_common(call: &str, arch: Arch) -> bool {
    let differ = match arch {
        Arch::X86_64 | Arch::X32 | Arch::Aarch64 | Arch::Arm | Arch::Riscv64 => &[],
        Arch::X86 => X86,
        Arch::S390 => S390_31,
        Arch::S390x => S390,
        Arch::Ppc => PPC_32,
        Arch::Ppc64 | Arch::Ppc64le => PPC,
        Arch::Mips
        | Arch::Mipsel
        | Arch::Mips64
        | Arch::Mipsel64
        | Arch::Mips64n32
        | Arch::Mipsel64n32 => MIPS,
    };
    let is_split = || arch.has_32_bit_registers() && SPLIT.contains(&call);
    let has_short_ids =
        || matches!(arch, Arch::X86 | Arch::Arm | Arch::S390) && SHORT_IDS.contains(&call);
    !differ.contains(&call) && !is_split() && !has_short_ids()
}

/// Whether one argument of a call is where it is in the common case: of the last two of
/// clone, only x86_64 has the address that is cleared before that of the thread's
/// variables (`CONFIG_CLONE_BACKWARDS`, kernel/fork.c).
pub(super) fn is_common(call: &str, position: u8, arch: Arch) -> bool {
    call != "clone" || position < 3 || matches!(arch, Arch::X86_64 | Arch::X32)
}

/// Whether two variants of a call take their arguments in the same order.
pub(super) fn have_one_order(one: &str, other: &str) -> bool {
    one == other || !(REORDERED.contains(&one) || REORDERED.contains(&other))
}

/// i386: the only argument points to a structure with all of them (`sys_old_mmap` in
/// mm/mmap.c, `sys_old_select` in fs/select.c). The same is true of m68k and of the old
/// ABI of arm, whose numbers are not in the tables.
const X86: &[&str] = &["mmap", "select"];

/// s390 and s390x: mmap as on i386; the first two arguments of clone are swapped
/// (`CONFIG_CLONE_BACKWARDS2`, kernel/fork.c).
const S390: &[&str] = &["mmap", "clone"];

/// 31-bit s390: as above, and mmap2 likewise (arch/s390/kernel/compat_linux.c).
const S390_31: &[&str] = &["mmap", "mmap2", "clone"];

/// The kernel looks at 16 bits of each id where there is a variant for 32
/// (`CONFIG_UID16`, kernel/uid16.c).
const SHORT_IDS: &[&str] = &[
    "chown",
    "fchown",
    "lchown",
    "setfsgid",
    "setfsuid",
    "setgid",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setuid",
];

/// powerpc: terminal requests have other numbers
/// (arch/powerpc/include/uapi/asm/ioctls.h).
const PPC: &[&str] = &["ioctl"];

/// 32-bit powerpc: as above, select as on i386, and the mask of sigsuspend comes first.
const PPC_32: &[&str] = &["ioctl", "select", "sigsuspend"];

/// mips: different numbers for requests, `MAP_ANONYMOUS` and others, `O_CREAT` and
/// others, `SIGCHLD`, and socket types (arch/mips/include/uapi/asm: ioctls.h, mman.h,
/// fcntl.h, signal.h; socket.h in arch/mips/include/asm).
const MIPS: &[&str] = &[
    "ioctl",
    "mmap",
    "mmap2",
    "open",
    "openat",
    "clone",
    "socket",
    "socketpair",
    "rt_sigprocmask",
    "sigprocmask",
    "fcntl",
    "fcntl64",
    "sigsuspend",
];

/// Variants whose arguments are in a different order, or that have an extra one in
/// between.
const REORDERED: &[&str] = &[
    "_llseek",
    "arm_fadvise64_64",
    "arm_sync_file_range",
    "sync_file_range2",
];

/// With 32-bit registers, a 64-bit argument takes two of them, on some architectures
/// starting at an even one, and the following arguments move up (syscall(2),
/// "Architecture-specific requirements"). preadv and its relatives are not among these:
/// their offset is in two halves everywhere.
const SPLIT: &[&str] = &[
    "fadvise64",
    "fadvise64_64",
    "fallocate",
    "fanotify_mark",
    "ftruncate64",
    "lookup_dcookie",
    "pread64",
    "pwrite64",
    "readahead",
    "sync_file_range",
    "truncate64",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_pointer_or_elsewhere_is_not_judged() {
        for (call, arch) in [
            ("mmap", Arch::X86),
            ("select", Arch::X86),
            ("mmap", Arch::S390x),
            ("mmap", Arch::S390),
            ("clone", Arch::S390x),
            ("mmap", Arch::Mips64n32),
            ("ioctl", Arch::Ppc64le),
            ("fallocate", Arch::Arm),
        ] {
            assert!(!are_common(call, arch), "{call} {arch}");
        }
        assert!(!have_one_order("lseek", "_llseek"));
        assert!(!have_one_order("arm_sync_file_range", "sync_file_range"));
        assert!(have_one_order("mmap", "mmap2") && have_one_order("_llseek", "_llseek"));
    }

    #[test]
    fn what_is_in_registers_is_judged() {
        for (call, arch) in [
            ("mmap", Arch::X86_64),
            ("mmap2", Arch::X86),
            ("mmap2", Arch::Arm),
            ("mmap", Arch::Ppc),
            ("ioctl", Arch::S390x),
            ("openat", Arch::Ppc64),
            ("fallocate", Arch::Mips64),
            ("fallocate", Arch::Mips64n32),
        ] {
            assert!(are_common(call, arch), "{call} {arch}");
        }
    }
}
