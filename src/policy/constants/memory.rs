//! Memory.
//!
//! From include/uapi/linux: mman.h, mempolicy.h, userfaultfd.h; asm-generic: mman.h,
//! mman-common.h.

use super::{ABSENT, Family, Set, flags, numbers};

#[rustfmt::skip]
pub(super) const SETS: &[Set] = &[
    flags(Family::Protection, &[
        ("PROT_NONE", 0), ("PROT_READ", 1), ("PROT_WRITE", 2), ("PROT_EXEC", 4), ("PROT_SEM", 8),
        ("PROT_GROWSDOWN", 0x0100_0000), ("PROT_GROWSUP", 0x0200_0000), ("PROT_SAO", ABSENT),
        ("PROT_BTI", ABSENT), ("PROT_MTE", ABSENT),
    ]),
    flags(Family::MapFlags, &[
        ("MAP_SHARED", 1), ("MAP_PRIVATE", 2), ("MAP_SHARED_VALIDATE", 3), ("MAP_DROPPABLE", 8),
        ("MAP_TYPE", 0xf), ("MAP_FIXED", 0x10), ("MAP_ANONYMOUS", 0x20), ("MAP_ANON", 0x20),
        ("MAP_32BIT", ABSENT), ("MAP_ABOVE4G", ABSENT), ("MAP_POPULATE", 0x8000),
        ("MAP_NONBLOCK", 0x0001_0000), ("MAP_STACK", 0x0002_0000), ("MAP_HUGETLB", 0x0004_0000),
        ("MAP_SYNC", 0x0008_0000), ("MAP_FIXED_NOREPLACE", 0x0010_0000),
        ("MAP_UNINITIALIZED", 0x0400_0000), ("MAP_GROWSDOWN", 0x100), ("MAP_DENYWRITE", 0x800),
        ("MAP_EXECUTABLE", 0x1000), ("MAP_LOCKED", 0x2000), ("MAP_NORESERVE", 0x4000),
        ("MAP_HUGE_16KB", 0x3800_0000), ("MAP_HUGE_64KB", 0x4000_0000),
        ("MAP_HUGE_512KB", 0x4c00_0000), ("MAP_HUGE_1MB", 0x5000_0000),
        ("MAP_HUGE_2MB", 0x5400_0000), ("MAP_HUGE_8MB", 0x5c00_0000),
        ("MAP_HUGE_16MB", 0x6000_0000), ("MAP_HUGE_32MB", 0x6400_0000),
        ("MAP_HUGE_256MB", 0x7000_0000), ("MAP_HUGE_512MB", 0x7400_0000),
        ("MAP_HUGE_1GB", 0x7800_0000), ("MAP_HUGE_2GB", 0x7c00_0000),
        ("MAP_HUGE_16GB", 0x8800_0000), ("MAP_RENAME", 0x20),
    ]).and(&[
        ("MAP_FILE", 0),
    ]),
    flags(Family::RemapFlags, &[
        ("MREMAP_MAYMOVE", 1), ("MREMAP_FIXED", 2), ("MREMAP_DONTUNMAP", 4),
    ]),
    numbers(Family::Advice, &[
        ("MADV_NORMAL", 0), ("MADV_RANDOM", 1), ("MADV_SEQUENTIAL", 2), ("MADV_WILLNEED", 3),
        ("MADV_DONTNEED", 4), ("MADV_FREE", 8), ("MADV_REMOVE", 9), ("MADV_DONTFORK", 10),
        ("MADV_DOFORK", 11), ("MADV_HWPOISON", 100), ("MADV_SOFT_OFFLINE", 101),
        ("MADV_MERGEABLE", 12), ("MADV_UNMERGEABLE", 13), ("MADV_HUGEPAGE", 14),
        ("MADV_NOHUGEPAGE", 15), ("MADV_DONTDUMP", 16), ("MADV_DODUMP", 17),
        ("MADV_WIPEONFORK", 18), ("MADV_KEEPONFORK", 19), ("MADV_COLD", 20), ("MADV_PAGEOUT", 21),
        ("MADV_POPULATE_READ", 22), ("MADV_POPULATE_WRITE", 23), ("MADV_DONTNEED_LOCKED", 24),
        ("MADV_COLLAPSE", 25), ("MADV_GUARD_INSTALL", 102), ("MADV_GUARD_REMOVE", 103),
    ]),
    flags(Family::MlockFlags, &[("MLOCK_ONFAULT", 1)]),
    flags(Family::MlockallFlags, &[("MCL_CURRENT", 1), ("MCL_FUTURE", 2), ("MCL_ONFAULT", 4)]),
    flags(Family::MsyncFlags, &[("MS_ASYNC", 1), ("MS_INVALIDATE", 2), ("MS_SYNC", 4)]),
    flags(Family::PkeyRights, &[
        ("PKEY_UNRESTRICTED", 0), ("PKEY_DISABLE_ACCESS", 1), ("PKEY_DISABLE_WRITE", 2),
        ("PKEY_DISABLE_EXECUTE", ABSENT), ("PKEY_DISABLE_READ", ABSENT),
    ]),
    flags(Family::ShadowStackFlags, &[
        ("SHADOW_STACK_SET_TOKEN", ABSENT), ("SHADOW_STACK_SET_MARKER", ABSENT),
    ]),
    flags(Family::MemoryPolicy, &[
        ("MPOL_DEFAULT", 0), ("MPOL_PREFERRED", 1), ("MPOL_BIND", 2), ("MPOL_INTERLEAVE", 3),
        ("MPOL_LOCAL", 4), ("MPOL_PREFERRED_MANY", 5), ("MPOL_WEIGHTED_INTERLEAVE", 6),
        ("MPOL_F_STATIC_NODES", 0x8000), ("MPOL_F_RELATIVE_NODES", 0x4000),
        ("MPOL_F_NUMA_BALANCING", 0x2000),
    ]),
    flags(Family::MbindFlags, &[
        ("MPOL_MF_STRICT", 1), ("MPOL_MF_MOVE", 2), ("MPOL_MF_MOVE_ALL", 4), ("MPOL_MF_LAZY", 8),
    ]),
    flags(Family::GetMempolicyFlags, &[
        ("MPOL_F_NODE", 1), ("MPOL_F_ADDR", 2), ("MPOL_F_MEMS_ALLOWED", 4),
    ]),
    flags(Family::UserfaultFlags, &[
        ("UFFD_USER_MODE_ONLY", 1), ("O_CLOEXEC", 0x0008_0000), ("O_NONBLOCK", 0x800),
    ]),
];
