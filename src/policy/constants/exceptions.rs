//! Where architectures do not have the number that most have.
//!
//! From arch/*/include/uapi/asm: ioctls.h, socket.h, fcntl.h, mman.h, signal.h, resource.h,
//! ptrace.h, prctl.h. The socket types of mips are in its asm/socket.h, which is not among
//! them. 31-bit s390 has no headers of its own: its numbers are those of s390x, save where
//! the headers tell 32 bits from 64.

use super::requests::{Encoding, Request, both, none, read, write};
use super::{ABSENT, Arch};

/// Constants that differ on these architectures.
pub(super) struct Exceptions {
    pub(super) architectures: &'static [Arch],
    /// Each with its number there, [`ABSENT`] if there is none or it depends on the
    /// C library.
    pub(super) constants: &'static [(&'static str, u64)],
}

/// The number of a request of mips or powerpc.
const fn thirteen(request: Request) -> u64 {
    request.number(Encoding::Thirteen, false)
}

/// The number of a request elsewhere.
const fn fourteen(request: Request) -> u64 {
    request.number(Encoding::Fourteen, false)
}

/// No architecture has a constant in more than one of them.
#[rustfmt::skip]
pub(super) const EXCEPTIONS: &[Exceptions] = &[
    Exceptions {
        architectures: &[
            Arch::Mips, Arch::Mipsel, Arch::Mips64, Arch::Mipsel64, Arch::Mips64n32,
            Arch::Mipsel64n32,
        ],
        constants: &[
            ("SOCK_STREAM", 2), ("SOCK_DGRAM", 1), ("SOCK_NONBLOCK", 0x80),
            ("SOL_SOCKET", 0xffff), ("SO_REUSEADDR", 4), ("SO_TYPE", 0x1008),
            ("SO_ERROR", 0x1007), ("SO_DONTROUTE", 16), ("SO_BROADCAST", 32),
            ("SO_SNDBUF", 0x1001), ("SO_RCVBUF", 0x1002), ("SO_SNDBUFFORCE", 31),
            ("SO_KEEPALIVE", 8), ("SO_OOBINLINE", 256), ("SO_LINGER", 128), ("SO_REUSEPORT", 512),
            ("SO_PASSCRED", 17), ("SO_PEERCRED", 18), ("SO_RCVLOWAT", 0x1004),
            ("SO_SNDLOWAT", 0x1003), ("SO_ACCEPTCONN", 0x1009), ("SO_PEERSEC", 30),
            ("SO_PROTOCOL", 0x1028), ("SO_DOMAIN", 0x1029), ("SO_RCVTIMEO_OLD", 0x1006),
            ("SO_SNDTIMEO_OLD", 0x1005), ("O_CREAT", 0o400), ("O_EXCL", 0o2000),
            ("O_NOCTTY", 0o4000), ("O_APPEND", 0o10), ("O_NONBLOCK", 0o200), ("O_SYNC", 0o40020),
            ("O_DSYNC", 0o20), ("O_ASYNC", 0o10000), ("O_DIRECT", 0o100000),
            ("O_LARGEFILE", 0o20000), ("O_NDELAY", 0o200), ("O_RSYNC", 0o40020), ("F_GETLK", 14),
            ("F_SETOWN", 24), ("F_GETOWN", 23), ("PROT_SEM", 0x10), ("MAP_ANONYMOUS", 0x800),
            ("MAP_ANON", 0x800), ("MAP_POPULATE", 0x0001_0000), ("MAP_NONBLOCK", 0x0002_0000),
            ("MAP_STACK", 0x0004_0000), ("MAP_HUGETLB", 0x0008_0000), ("MAP_SYNC", ABSENT),
            ("MAP_UNINITIALIZED", ABSENT), ("MAP_GROWSDOWN", 0x1000), ("MAP_DENYWRITE", 0x2000),
            ("MAP_EXECUTABLE", 0x4000), ("MAP_LOCKED", 0x8000), ("MAP_NORESERVE", 0x400),
            ("MADV_SOFT_OFFLINE", ABSENT), ("PKEY_UNRESTRICTED", ABSENT), ("RLIMIT_RSS", 7),
            ("RLIMIT_NPROC", 8), ("RLIMIT_NOFILE", 5), ("RLIMIT_MEMLOCK", 9), ("RLIMIT_AS", 6),
            ("RLIMIT_OFILE", 5), ("PIDFD_NONBLOCK", 0x80), ("PIDFD_THREAD", 0x400),
            ("PTRACE_PEEKTEXT_3264", 192), ("PTRACE_PEEKDATA_3264", 193),
            ("PTRACE_POKETEXT_3264", 194), ("PTRACE_POKEDATA_3264", 195),
            ("PTRACE_GET_THREAD_AREA_3264", 196), ("PTRACE_GET_WATCH_REGS", 208),
            ("PTRACE_SET_WATCH_REGS", 209), ("SIGBUS", 10), ("SIGUSR1", 16), ("SIGUSR2", 17),
            ("SIGSTKFLT", ABSENT), ("SIGCHLD", 18), ("SIGCONT", 25), ("SIGSTOP", 23),
            ("SIGTSTP", 24), ("SIGTTIN", 26), ("SIGTTOU", 27), ("SIGURG", 21), ("SIGXCPU", 30),
            ("SIGXFSZ", 31), ("SIGVTALRM", 28), ("SIGPROF", 29), ("SIGWINCH", 20), ("SIGIO", 22),
            ("SIGPWR", 19), ("SIGSYS", 12), ("SIGEMT", 7), ("SIGPOLL", 22), ("SIGCLD", 18),
            ("SIGUNUSED", ABSENT), ("SIG_BLOCK", 1), ("SIG_UNBLOCK", 2), ("SIG_SETMASK", 3),
            ("SFD_NONBLOCK", 0x80), ("TFD_NONBLOCK", 0x80), ("EFD_NONBLOCK", 0x80),
            ("IN_NONBLOCK", 0x80), ("TCGETS", 0x540d), ("TCSETS", 0x540e), ("TCSETSW", 0x540f),
            ("TCSETSF", 0x5410), ("TCGETA", 0x5401), ("TCSETA", 0x5402), ("TCSETAW", 0x5403),
            ("TCSETAF", 0x5404), ("TCSBRK", 0x5405), ("TCXONC", 0x5406), ("TCFLSH", 0x5407),
            ("TIOCEXCL", 0x740d), ("TIOCNXCL", 0x740e), ("TIOCSCTTY", 0x5480),
            ("TIOCOUTQ", 0x7472), ("TIOCSTI", 0x5472), ("TIOCMGET", 0x741d), ("TIOCMBIS", 0x741b),
            ("TIOCMBIC", 0x741c), ("TIOCMSET", 0x741a), ("TIOCGSOFTCAR", 0x5481),
            ("TIOCSSOFTCAR", 0x5482), ("FIONREAD", 0x467f), ("TIOCINQ", 0x467f),
            ("TIOCLINUX", 0x5483), ("TIOCCONS", thirteen(write(b't', 0x78, 4))),
            ("TIOCGSERIAL", 0x5484), ("TIOCSSERIAL", 0x5485), ("TIOCPKT", 0x5470),
            ("FIONBIO", 0x667e), ("TIOCNOTTY", 0x5471), ("TIOCSETD", 0x7401),
            ("TIOCGETD", 0x7400), ("TCSBRKP", 0x5486), ("TIOCGSID", 0x7416),
            ("TCGETS2", thirteen(read(b'T', 0x2a, 48))),
            ("TCSETS2", thirteen(write(b'T', 0x2b, 48))),
            ("TCSETSW2", thirteen(write(b'T', 0x2c, 48))),
            ("TCSETSF2", thirteen(write(b'T', 0x2d, 48))),
            ("TIOCGRS485", thirteen(read(b'T', 0x2e, 32))),
            ("TIOCSRS485", thirteen(both(b'T', 0x2f, 32))), ("FIONCLEX", 0x6602),
            ("FIOCLEX", 0x6601), ("FIOASYNC", 0x667d), ("TIOCSERCONFIG", 0x5488),
            ("TIOCSERGWILD", 0x5489), ("TIOCSERSWILD", 0x548a), ("TIOCGLCKTRMIOS", 0x548b),
            ("TIOCSLCKTRMIOS", 0x548c), ("TIOCSERGSTRUCT", 0x548d), ("TIOCSERGETLSR", 0x548e),
            ("TIOCSERGETMULTI", 0x548f), ("TIOCSERSETMULTI", 0x5490), ("TIOCMIWAIT", 0x5491),
            ("TIOCGICOUNT", 0x5492), ("FIOQSIZE", 0x667f),
            ("FIOSETOWN", thirteen(write(b'f', 0x7c, 4))),
            ("SIOCSPGRP", thirteen(write(b's', 0x08, 4))),
            ("FIOGETOWN", thirteen(read(b'f', 0x7b, 4))),
            ("SIOCGPGRP", thirteen(read(b's', 0x09, 4))),
            ("SIOCATMARK", thirteen(read(b's', 0x07, 4))), ("SIOCINQ", 0x467f),
            ("SIOCOUTQ", 0x7472),
        ],
    },
    Exceptions {
        architectures: &[Arch::X86_64, Arch::X32],
        constants: &[
            ("PTRACE_ARCH_PRCTL", 30),
        ],
    },
    Exceptions {
        architectures: &[Arch::X86_64, Arch::X32, Arch::X86],
        constants: &[
            ("MAP_32BIT", 0x40), ("MAP_ABOVE4G", 0x80), ("ARCH_SET_GS", 0x1001),
            ("ARCH_SET_FS", 0x1002), ("ARCH_GET_FS", 0x1003), ("ARCH_GET_GS", 0x1004),
            ("ARCH_GET_CPUID", 0x1011), ("ARCH_SET_CPUID", 0x1012),
            ("ARCH_GET_XCOMP_SUPP", 0x1021), ("ARCH_GET_XCOMP_PERM", 0x1022),
            ("ARCH_REQ_XCOMP_PERM", 0x1023), ("ARCH_GET_XCOMP_GUEST_PERM", 0x1024),
            ("ARCH_REQ_XCOMP_GUEST_PERM", 0x1025), ("ARCH_MAP_VDSO_X32", 0x2001),
            ("ARCH_MAP_VDSO_32", 0x2002), ("ARCH_MAP_VDSO_64", 0x2003),
            ("ARCH_GET_UNTAG_MASK", 0x4001), ("ARCH_ENABLE_TAGGED_ADDR", 0x4002),
            ("ARCH_GET_MAX_TAG_BITS", 0x4003), ("ARCH_FORCE_TAGGED_SVA", 0x4004),
            ("ARCH_SHSTK_ENABLE", 0x5001), ("ARCH_SHSTK_DISABLE", 0x5002),
            ("ARCH_SHSTK_LOCK", 0x5003), ("ARCH_SHSTK_UNLOCK", 0x5004),
            ("ARCH_SHSTK_STATUS", 0x5005), ("PTRACE_GETFPXREGS", 18), ("PTRACE_SETFPXREGS", 19),
            ("PTRACE_SINGLEBLOCK", 33),
        ],
    },
    Exceptions {
        architectures: &[
            Arch::X86_64, Arch::X32, Arch::X86, Arch::Aarch64, Arch::Arm, Arch::Riscv64,
            Arch::S390x, Arch::S390,
        ],
        constants: &[
            ("MAP_RENAME", ABSENT), ("SHADOW_STACK_SET_TOKEN", 1), ("SHADOW_STACK_SET_MARKER", 2),
            ("TCGETX", 0x5432), ("TCSETX", 0x5433), ("TCSETXF", 0x5434), ("TCSETXW", 0x5435),
            ("TIOCGLTC", ABSENT), ("TIOCSLTC", ABSENT), ("TIOCGETP", ABSENT),
            ("TIOCSETP", ABSENT), ("TIOCSETN", ABSENT),
        ],
    },
    Exceptions {
        architectures: &[
            Arch::X86_64, Arch::X32, Arch::X86, Arch::Aarch64, Arch::Arm, Arch::Riscv64,
            Arch::S390x, Arch::S390, Arch::Mips, Arch::Mipsel, Arch::Mips64, Arch::Mipsel64,
            Arch::Mips64n32, Arch::Mipsel64n32,
        ],
        constants: &[
            ("TIOCSETC", ABSENT), ("TIOCGETC", ABSENT), ("TIOCSTART", ABSENT),
            ("TIOCSTOP", ABSENT),
        ],
    },
    Exceptions {
        architectures: &[
            Arch::X86_64, Arch::Aarch64, Arch::Riscv64, Arch::Ppc64le, Arch::Ppc64, Arch::S390x,
            Arch::Mips64, Arch::Mipsel64,
        ],
        constants: &[
            ("F_GETLK64", ABSENT), ("F_SETLK64", ABSENT), ("F_SETLKW64", ABSENT),
        ],
    },
    Exceptions {
        architectures: &[Arch::X32],
        constants: &[
            ("VFAT_IOCTL_READDIR_BOTH", fourteen(read(b'r', 0x01, 560))),
            ("VFAT_IOCTL_READDIR_SHORT", fourteen(read(b'r', 0x02, 560))),
            ("PPPIOCGIDLE", fourteen(read(b't', 0x3f, 16))),
        ],
    },
    Exceptions {
        architectures: &[Arch::X86],
        constants: &[
            ("BLKTRACESETUP", fourteen(both(0x12, 0x73, 64))),
            ("NVME_IOCTL_SUBMIT_IO", fourteen(write(b'N', 0x42, 44))),
            ("DRM_IOCTL_UPDATE_DRAW", fourteen(write(b'd', 0x3f, 20))),
            ("DRM_IOCTL_MODE_GETPLANERESOURCES", fourteen(both(b'd', 0xb5, 12))),
            ("DRM_IOCTL_MODE_ADDFB2", fourteen(both(b'd', 0xb8, 100))),
            ("DRM_IOCTL_MODE_OBJ_GETPROPERTIES", fourteen(both(b'd', 0xb9, 28))),
            ("DRM_IOCTL_MODE_OBJ_SETPROPERTY", fourteen(both(b'd', 0xba, 20))),
            ("DRM_IOCTL_MODE_GETFB2", fourteen(both(b'd', 0xce, 100))),
        ],
    },
    Exceptions {
        architectures: &[
            Arch::X86, Arch::Arm, Arch::Ppc, Arch::S390, Arch::Mips, Arch::Mipsel,
            Arch::Mips64n32, Arch::Mipsel64n32,
        ],
        constants: &[
            ("SO_TIMESTAMP", ABSENT), ("SO_TIMESTAMPNS", ABSENT), ("SO_TIMESTAMPING", ABSENT),
            ("SO_RCVTIMEO", ABSENT), ("SO_SNDTIMEO", ABSENT), ("SIOCGSTAMP", ABSENT),
            ("SIOCGSTAMPNS", ABSENT),
        ],
    },
    Exceptions {
        architectures: &[Arch::Aarch64],
        constants: &[
            ("PROT_BTI", 0x10), ("PROT_MTE", 0x20), ("PKEY_DISABLE_READ", 8),
            ("PTRACE_PEEKMTETAGS", 33), ("PTRACE_POKEMTETAGS", 34),
        ],
    },
    Exceptions {
        architectures: &[Arch::Aarch64, Arch::Arm],
        constants: &[
            ("O_DIRECT", 0o200000), ("O_LARGEFILE", 0o400000),
        ],
    },
    Exceptions {
        architectures: &[
            Arch::Aarch64, Arch::Arm, Arch::Riscv64, Arch::Ppc64le, Arch::Ppc64, Arch::Ppc,
            Arch::S390x, Arch::S390,
        ],
        constants: &[
            ("PTRACE_SET_THREAD_AREA", ABSENT),
        ],
    },
    Exceptions {
        architectures: &[Arch::Aarch64, Arch::Arm, Arch::Ppc64le, Arch::Ppc64, Arch::Ppc],
        constants: &[
            ("O_TMPFILE", 0o20040000), ("O_DIRECTORY", 0o40000), ("O_NOFOLLOW", 0o100000),
        ],
    },
    Exceptions {
        architectures: &[Arch::Aarch64, Arch::Riscv64, Arch::Ppc64le, Arch::Ppc64, Arch::Ppc],
        constants: &[
            ("PTRACE_OLDSETOPTIONS", ABSENT),
        ],
    },
    Exceptions {
        architectures: &[
            Arch::Aarch64, Arch::Riscv64, Arch::Ppc64le, Arch::Ppc64, Arch::Ppc, Arch::S390x,
            Arch::S390,
        ],
        constants: &[
            ("PTRACE_GET_THREAD_AREA", ABSENT),
        ],
    },
    Exceptions {
        architectures: &[Arch::Aarch64, Arch::Riscv64, Arch::S390x, Arch::S390],
        constants: &[
            ("PTRACE_GETREGS", ABSENT), ("PTRACE_SETREGS", ABSENT), ("PTRACE_GETFPREGS", ABSENT),
            ("PTRACE_SETFPREGS", ABSENT),
        ],
    },
    Exceptions {
        architectures: &[Arch::Aarch64, Arch::Ppc64le, Arch::Ppc64, Arch::Ppc],
        constants: &[
            ("PKEY_DISABLE_EXECUTE", 4),
        ],
    },
    Exceptions {
        architectures: &[Arch::Arm],
        constants: &[
            ("PTRACE_GET_THREAD_AREA", 22), ("PTRACE_GETWMMXREGS", 18),
            ("PTRACE_SETWMMXREGS", 19), ("PTRACE_SET_SYSCALL", 23), ("PTRACE_GETCRUNCHREGS", 25),
            ("PTRACE_SETCRUNCHREGS", 26), ("PTRACE_GETVFPREGS", 27), ("PTRACE_SETVFPREGS", 28),
            ("PTRACE_GETHBPREGS", 29), ("PTRACE_SETHBPREGS", 30), ("PTRACE_GETFDPIC", 31),
        ],
    },
    Exceptions {
        architectures: &[
            Arch::Arm, Arch::Riscv64, Arch::Mips, Arch::Mipsel, Arch::Mips64, Arch::Mipsel64,
            Arch::Mips64n32, Arch::Mipsel64n32,
        ],
        constants: &[
            ("PTRACE_SYSEMU", ABSENT), ("PTRACE_SYSEMU_SINGLESTEP", ABSENT),
        ],
    },
    Exceptions {
        architectures: &[Arch::Arm, Arch::S390x, Arch::S390],
        constants: &[
            ("FIOQSIZE", 0x545e),
        ],
    },
    Exceptions {
        architectures: &[Arch::Riscv64],
        constants: &[
            ("PTRACE_GETFDPIC", 33),
        ],
    },
    Exceptions {
        architectures: &[Arch::Ppc64le, Arch::Ppc64],
        constants: &[
            ("SO_RCVTIMEO", 18), ("SO_SNDTIMEO", 19),
        ],
    },
    Exceptions {
        architectures: &[Arch::Ppc64le, Arch::Ppc64, Arch::Ppc],
        constants: &[
            ("SO_PASSCRED", 20), ("SO_PEERCRED", 21), ("SO_RCVLOWAT", 16), ("SO_SNDLOWAT", 17),
            ("SO_RCVTIMEO_OLD", 18), ("SO_SNDTIMEO_OLD", 19), ("O_DIRECT", 0o400000),
            ("O_LARGEFILE", 0o200000), ("PROT_SAO", 0x10), ("MAP_LOCKED", 0x80),
            ("MAP_NORESERVE", 0x40), ("MCL_CURRENT", 0x2000), ("MCL_FUTURE", 0x4000),
            ("MCL_ONFAULT", 0x8000), ("PTRACE_SYSEMU", 29), ("PTRACE_SYSEMU_SINGLESTEP", 30),
            ("PTRACE_SINGLEBLOCK", 256), ("PTRACE_GETVRREGS", 18), ("PTRACE_SETVRREGS", 19),
            ("PTRACE_GETEVRREGS", 20), ("PTRACE_SETEVRREGS", 21), ("PTRACE_GETVSRREGS", 27),
            ("PTRACE_SETVSRREGS", 28), ("PTRACE_GET_DEBUGREG", 25), ("PTRACE_SET_DEBUGREG", 26),
            ("PTRACE_GETREGS64", 22), ("PTRACE_SETREGS64", 23),
            ("TCGETS", thirteen(read(b't', 0x13, 44))),
            ("TCSETS", thirteen(write(b't', 0x14, 44))),
            ("TCSETSW", thirteen(write(b't', 0x15, 44))),
            ("TCSETSF", thirteen(write(b't', 0x16, 44))),
            ("TCGETA", thirteen(read(b't', 0x17, 20))),
            ("TCSETA", thirteen(write(b't', 0x18, 20))),
            ("TCSETAW", thirteen(write(b't', 0x19, 20))),
            ("TCSETAF", thirteen(write(b't', 0x1c, 20))), ("TCSBRK", thirteen(none(b't', 0x1d))),
            ("TCXONC", thirteen(none(b't', 0x1e))), ("TCFLSH", thirteen(none(b't', 0x1f))),
            ("TIOCOUTQ", thirteen(read(b't', 0x73, 4))),
            ("FIONREAD", thirteen(read(b'f', 0x7f, 4))),
            ("TIOCINQ", thirteen(read(b'f', 0x7f, 4))),
            ("FIONBIO", thirteen(write(b'f', 0x7e, 4))), ("TCGETS2", ABSENT), ("TCSETS2", ABSENT),
            ("TCSETSW2", ABSENT), ("TCSETSF2", ABSENT), ("FIONCLEX", thirteen(none(b'f', 0x02))),
            ("FIOCLEX", thirteen(none(b'f', 0x01))), ("FIOASYNC", thirteen(write(b'f', 0x7d, 4))),
            ("FIOQSIZE", thirteen(read(b'f', 0x80, 8))),
            ("TIOCGLTC", thirteen(read(b't', 0x74, 6))),
            ("TIOCSLTC", thirteen(write(b't', 0x75, 6))),
            ("TIOCGETP", thirteen(read(b't', 0x08, 6))),
            ("TIOCSETP", thirteen(write(b't', 0x09, 6))),
            ("TIOCSETN", thirteen(write(b't', 0x0a, 6))),
            ("SIOCINQ", thirteen(read(b'f', 0x7f, 4))),
            ("SIOCOUTQ", thirteen(read(b't', 0x73, 4))),
        ],
    },
    Exceptions {
        architectures: &[
            Arch::Ppc64le, Arch::Ppc64, Arch::Ppc, Arch::Mips, Arch::Mipsel, Arch::Mips64,
            Arch::Mipsel64, Arch::Mips64n32, Arch::Mipsel64n32,
        ],
        constants: &[
            ("TIOCGPGRP", thirteen(read(b't', 0x77, 4))),
            ("TIOCSPGRP", thirteen(write(b't', 0x76, 4))),
            ("TIOCGWINSZ", thirteen(read(b't', 0x68, 8))),
            ("TIOCSWINSZ", thirteen(write(b't', 0x67, 8))),
        ],
    },
    Exceptions {
        architectures: &[Arch::S390x],
        constants: &[
            ("POSIX_FADV_DONTNEED", 6), ("POSIX_FADV_NOREUSE", 7),
        ],
    },
    Exceptions {
        architectures: &[Arch::S390x, Arch::S390],
        constants: &[
            ("PTRACE_SINGLEBLOCK", 12), ("PTRACE_PEEKUSR_AREA", 0x5000),
            ("PTRACE_POKEUSR_AREA", 0x5001), ("PTRACE_PEEKTEXT_AREA", 0x5002),
            ("PTRACE_PEEKDATA_AREA", 0x5003), ("PTRACE_POKETEXT_AREA", 0x5004),
            ("PTRACE_POKEDATA_AREA", 0x5005), ("PTRACE_GET_LAST_BREAK", 0x5006),
            ("PTRACE_PEEK_SYSTEM_CALL", 0x5007), ("PTRACE_POKE_SYSTEM_CALL", 0x5008),
            ("PTRACE_ENABLE_TE", 0x5009), ("PTRACE_DISABLE_TE", 0x5010),
        ],
    },
    Exceptions {
        architectures: &[Arch::Mips, Arch::Mipsel, Arch::Mips64n32, Arch::Mipsel64n32],
        constants: &[
            ("F_GETLK64", 33), ("F_SETLK64", 34), ("F_SETLKW64", 35),
        ],
    },
    Exceptions {
        architectures: &[Arch::Mips64, Arch::Mipsel64],
        constants: &[
            ("SO_RCVTIMEO", 0x1006), ("SO_SNDTIMEO", 0x1005),
        ],
    },
];
