//! File systems, and how they are mounted.
//!
//! From include/uapi/linux/mount.h; `MNT_` is in include/linux/fs.h, `SWAP_FLAG_` in
//! include/linux/swap.h.

use super::{Family, Set, flags, numbers};

#[rustfmt::skip]
pub(super) const SETS: &[Set] = &[
    flags(Family::MountFlags, &[
        ("MS_RDONLY", 1), ("MS_NOSUID", 2), ("MS_NODEV", 4), ("MS_NOEXEC", 8),
        ("MS_SYNCHRONOUS", 0x10), ("MS_REMOUNT", 0x20), ("MS_MANDLOCK", 0x40),
        ("MS_DIRSYNC", 0x80), ("MS_NOSYMFOLLOW", 0x100), ("MS_NOATIME", 0x400),
        ("MS_NODIRATIME", 0x800), ("MS_BIND", 0x1000), ("MS_MOVE", 0x2000), ("MS_REC", 0x4000),
        ("MS_SILENT", 0x8000), ("MS_POSIXACL", 0x0001_0000), ("MS_UNBINDABLE", 0x0002_0000),
        ("MS_PRIVATE", 0x0004_0000), ("MS_SLAVE", 0x0008_0000), ("MS_SHARED", 0x0010_0000),
        ("MS_RELATIME", 0x0020_0000), ("MS_I_VERSION", 0x0080_0000),
        ("MS_STRICTATIME", 0x0100_0000), ("MS_LAZYTIME", 0x0200_0000),
        ("MS_MGC_VAL", 0xc0ed_0000), ("MS_MGC_MSK", 0xffff_0000), ("MS_VERBOSE", 0x8000),
    ]),
    flags(Family::UmountFlags, &[
        ("MNT_FORCE", 1), ("MNT_DETACH", 2), ("MNT_EXPIRE", 4), ("UMOUNT_NOFOLLOW", 8),
    ]),
    flags(Family::MountAttributes, &[
        ("MOUNT_ATTR_RDONLY", 1), ("MOUNT_ATTR_NOSUID", 2), ("MOUNT_ATTR_NODEV", 4),
        ("MOUNT_ATTR_NOEXEC", 8), ("MOUNT_ATTR__ATIME", 0x70), ("MOUNT_ATTR_RELATIME", 0),
        ("MOUNT_ATTR_NOATIME", 0x10), ("MOUNT_ATTR_STRICTATIME", 0x20),
        ("MOUNT_ATTR_NODIRATIME", 0x80), ("MOUNT_ATTR_IDMAP", 0x0010_0000),
        ("MOUNT_ATTR_NOSYMFOLLOW", 0x0020_0000),
    ]),
    flags(Family::OpenTreeFlags, &[
        ("OPEN_TREE_CLONE", 1), ("OPEN_TREE_NAMESPACE", 2), ("OPEN_TREE_CLOEXEC", 0x0008_0000),
        ("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_NO_AUTOMOUNT", 0x800), ("AT_EMPTY_PATH", 0x1000),
        ("AT_RECURSIVE", 0x8000),
    ]),
    flags(Family::MoveMountFlags, &[
        ("MOVE_MOUNT_F_SYMLINKS", 1), ("MOVE_MOUNT_F_AUTOMOUNTS", 2),
        ("MOVE_MOUNT_F_EMPTY_PATH", 4), ("MOVE_MOUNT_T_SYMLINKS", 0x10),
        ("MOVE_MOUNT_T_AUTOMOUNTS", 0x20), ("MOVE_MOUNT_T_EMPTY_PATH", 0x40),
        ("MOVE_MOUNT_SET_GROUP", 0x100), ("MOVE_MOUNT_BENEATH", 0x200),
    ]),
    flags(Family::FsOpenFlags, &[("FSOPEN_CLOEXEC", 1)]),
    numbers(Family::FsConfigCommand, &[
        ("FSCONFIG_SET_FLAG", 0), ("FSCONFIG_SET_STRING", 1), ("FSCONFIG_SET_BINARY", 2),
        ("FSCONFIG_SET_PATH", 3), ("FSCONFIG_SET_PATH_EMPTY", 4), ("FSCONFIG_SET_FD", 5),
        ("FSCONFIG_CMD_CREATE", 6), ("FSCONFIG_CMD_RECONFIGURE", 7),
        ("FSCONFIG_CMD_CREATE_EXCL", 8),
    ]),
    flags(Family::FsMountFlags, &[("FSMOUNT_CLOEXEC", 1), ("FSMOUNT_NAMESPACE", 2)]),
    flags(Family::FsPickFlags, &[
        ("FSPICK_CLOEXEC", 1), ("FSPICK_SYMLINK_NOFOLLOW", 2), ("FSPICK_NO_AUTOMOUNT", 4),
        ("FSPICK_EMPTY_PATH", 8),
    ]),
    flags(Family::StatMountFlags, &[("STATMOUNT_BY_FD", 1)]),
    flags(Family::ListMountFlags, &[("LISTMOUNT_REVERSE", 1)]),
    flags(Family::SwapFlags, &[
        ("SWAP_FLAG_PREFER", 0x8000), ("SWAP_FLAG_DISCARD", 0x0001_0000),
        ("SWAP_FLAG_DISCARD_ONCE", 0x0002_0000), ("SWAP_FLAG_DISCARD_PAGES", 0x0004_0000),
        ("SWAP_FLAG_PRIO_MASK", 0x7fff),
    ]),
];
