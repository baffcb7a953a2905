//! Files: how to open them and what to do with them.
//!
//! From include/uapi/linux: fcntl.h, stat.h, fs.h, falloc.h, fadvise.h, xattr.h,
//! close_range.h, memfd.h, inotify.h, fanotify.h, eventpoll.h, eventfd.h, io_uring.h;
//! asm-generic/fcntl.h; `SPLICE_F_` is in include/linux/splice.h.

use super::{Family, Set, flags, minus, numbers};

#[rustfmt::skip]
pub(super) const SETS: &[Set] = &[
    flags(Family::OpenFlags, &[
        ("O_RDONLY", 0), ("O_WRONLY", 0o1), ("O_RDWR", 0o2), ("O_ACCMODE", 0o3),
        ("O_CREAT", 0o100), ("O_EXCL", 0o200), ("O_NOCTTY", 0o400), ("O_TRUNC", 0o1000),
        ("O_APPEND", 0o2000), ("O_NONBLOCK", 0o4000), ("O_SYNC", 0o4010000), ("O_DSYNC", 0o10000),
        ("O_ASYNC", 0o20000), ("O_DIRECT", 0o40000), ("O_LARGEFILE", 0o100000),
        ("O_TMPFILE", 0o20200000), ("O_DIRECTORY", 0o200000), ("O_NOFOLLOW", 0o400000),
        ("O_NOATIME", 0o1000000), ("O_CLOEXEC", 0o2000000), ("O_PATH", 0o10000000),
        ("O_EMPTYPATH", 0o400000000), ("O_NDELAY", 0o4000), ("O_RSYNC", 0o4010000),
    ]),
    flags(Family::Mode, &[
        ("S_IFMT", 0o170000), ("S_IFSOCK", 0o140000), ("S_IFLNK", 0o120000),
        ("S_IFREG", 0o100000), ("S_IFBLK", 0o60000), ("S_IFDIR", 0o40000), ("S_IFCHR", 0o20000),
        ("S_IFIFO", 0o10000), ("S_ISUID", 0o4000), ("S_ISGID", 0o2000), ("S_ISVTX", 0o1000),
        ("S_IRWXU", 0o700), ("S_IRUSR", 0o400), ("S_IWUSR", 0o200), ("S_IXUSR", 0o100),
        ("S_IRWXG", 0o70), ("S_IRGRP", 0o40), ("S_IWGRP", 0o20), ("S_IXGRP", 0o10),
        ("S_IRWXO", 0o7), ("S_IROTH", 0o4), ("S_IWOTH", 0o2), ("S_IXOTH", 0o1),
    ]),
    flags(Family::AccessMode, &[("F_OK", 0), ("R_OK", 4), ("W_OK", 2), ("X_OK", 1)]),
    numbers(Family::AtDirectory, &[("AT_FDCWD", minus(100))]),
    flags(Family::AtFlags, &[
        ("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_SYMLINK_FOLLOW", 0x400), ("AT_NO_AUTOMOUNT", 0x800),
        ("AT_EMPTY_PATH", 0x1000), ("AT_STATX_FORCE_SYNC", 0x2000),
        ("AT_STATX_DONT_SYNC", 0x4000), ("AT_STATX_SYNC_TYPE", 0x6000), ("AT_RECURSIVE", 0x8000),
    ]).and(&[
        ("AT_STATX_SYNC_AS_STAT", 0),
    ]),
    flags(Family::UnlinkFlags, &[("AT_REMOVEDIR", 0x200)]),
    flags(Family::AccessFlags, &[
        ("AT_EACCESS", 0x200), ("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_EMPTY_PATH", 0x1000),
    ]),
    flags(Family::HandleFlags, &[
        ("AT_HANDLE_FID", 0x200), ("AT_HANDLE_MNT_ID_UNIQUE", 1), ("AT_HANDLE_CONNECTABLE", 2),
        ("AT_SYMLINK_FOLLOW", 0x400), ("AT_EMPTY_PATH", 0x1000),
    ]),
    flags(Family::ExecFlags, &[
        ("AT_EMPTY_PATH", 0x1000), ("AT_SYMLINK_NOFOLLOW", 0x100),
        ("AT_EXECVE_CHECK", 0x0001_0000),
    ]),
    numbers(Family::Whence, &[
        ("SEEK_SET", 0), ("SEEK_CUR", 1), ("SEEK_END", 2), ("SEEK_DATA", 3), ("SEEK_HOLE", 4),
    ]),
    numbers(Family::FcntlCommand, &[
        ("F_DUPFD", 0), ("F_GETFD", 1), ("F_SETFD", 2), ("F_GETFL", 3), ("F_SETFL", 4),
        ("F_GETLK", 5), ("F_SETLK", 6), ("F_SETLKW", 7), ("F_SETOWN", 8), ("F_GETOWN", 9),
        ("F_SETSIG", 10), ("F_GETSIG", 11), ("F_GETLK64", 12), ("F_SETLK64", 13),
        ("F_SETLKW64", 14), ("F_SETOWN_EX", 15), ("F_GETOWN_EX", 16), ("F_GETOWNER_UIDS", 17),
        ("F_OFD_GETLK", 36), ("F_OFD_SETLK", 37), ("F_OFD_SETLKW", 38), ("F_SETLEASE", 0x400),
        ("F_GETLEASE", 0x401), ("F_NOTIFY", 0x402), ("F_DUPFD_QUERY", 0x403),
        ("F_CREATED_QUERY", 0x404), ("F_CANCELLK", 0x405), ("F_DUPFD_CLOEXEC", 0x406),
        ("F_SETPIPE_SZ", 0x407), ("F_GETPIPE_SZ", 0x408), ("F_ADD_SEALS", 0x409),
        ("F_GET_SEALS", 0x40a), ("F_GET_RW_HINT", 0x40b), ("F_SET_RW_HINT", 0x40c),
        ("F_GET_FILE_RW_HINT", 0x40d), ("F_SET_FILE_RW_HINT", 0x40e), ("F_GETDELEG", 0x40f),
        ("F_SETDELEG", 0x410),
    ]),
    flags(Family::LockOperation, &[
        ("LOCK_SH", 1), ("LOCK_EX", 2), ("LOCK_NB", 4), ("LOCK_UN", 8), ("LOCK_MAND", 0x20),
        ("LOCK_READ", 0x40), ("LOCK_WRITE", 0x80), ("LOCK_RW", 0xc0),
    ]),
    flags(Family::FallocateMode, &[
        ("FALLOC_FL_KEEP_SIZE", 1), ("FALLOC_FL_PUNCH_HOLE", 2), ("FALLOC_FL_NO_HIDE_STALE", 4),
        ("FALLOC_FL_COLLAPSE_RANGE", 8), ("FALLOC_FL_ZERO_RANGE", 0x10),
        ("FALLOC_FL_INSERT_RANGE", 0x20), ("FALLOC_FL_UNSHARE_RANGE", 0x40),
        ("FALLOC_FL_WRITE_ZEROES", 0x80),
    ]).and(&[
        ("FALLOC_FL_ALLOCATE_RANGE", 0),
    ]),
    numbers(Family::FileAdvice, &[
        ("POSIX_FADV_NORMAL", 0), ("POSIX_FADV_RANDOM", 1), ("POSIX_FADV_SEQUENTIAL", 2),
        ("POSIX_FADV_WILLNEED", 3), ("POSIX_FADV_DONTNEED", 4), ("POSIX_FADV_NOREUSE", 5),
    ]),
    flags(Family::SyncFileRangeFlags, &[
        ("SYNC_FILE_RANGE_WAIT_BEFORE", 1), ("SYNC_FILE_RANGE_WRITE", 2),
        ("SYNC_FILE_RANGE_WAIT_AFTER", 4), ("SYNC_FILE_RANGE_WRITE_AND_WAIT", 7),
    ]),
    flags(Family::ReadWriteFlags, &[
        ("RWF_HIPRI", 1), ("RWF_DSYNC", 2), ("RWF_SYNC", 4), ("RWF_NOWAIT", 8),
        ("RWF_APPEND", 0x10), ("RWF_NOAPPEND", 0x20), ("RWF_ATOMIC", 0x40),
        ("RWF_DONTCACHE", 0x80), ("RWF_NOSIGNAL", 0x100),
    ]),
    flags(Family::SpliceFlags, &[
        ("SPLICE_F_MOVE", 1), ("SPLICE_F_NONBLOCK", 2), ("SPLICE_F_MORE", 4),
        ("SPLICE_F_GIFT", 8),
    ]),
    flags(Family::RenameFlags, &[
        ("RENAME_NOREPLACE", 1), ("RENAME_EXCHANGE", 2), ("RENAME_WHITEOUT", 4),
    ]),
    flags(Family::StatxMask, &[
        ("STATX_TYPE", 1), ("STATX_MODE", 2), ("STATX_NLINK", 4), ("STATX_UID", 8),
        ("STATX_GID", 0x10), ("STATX_ATIME", 0x20), ("STATX_MTIME", 0x40), ("STATX_CTIME", 0x80),
        ("STATX_INO", 0x100), ("STATX_SIZE", 0x200), ("STATX_BLOCKS", 0x400),
        ("STATX_BASIC_STATS", 0x7ff), ("STATX_BTIME", 0x800), ("STATX_MNT_ID", 0x1000),
        ("STATX_DIOALIGN", 0x2000), ("STATX_MNT_ID_UNIQUE", 0x4000), ("STATX_SUBVOL", 0x8000),
        ("STATX_WRITE_ATOMIC", 0x0001_0000), ("STATX_DIO_READ_ALIGN", 0x0002_0000),
        ("STATX_ALL", 0xfff),
    ]),
    flags(Family::XattrFlags, &[("XATTR_CREATE", 1), ("XATTR_REPLACE", 2)]),
    flags(Family::CloseRangeFlags, &[("CLOSE_RANGE_UNSHARE", 2), ("CLOSE_RANGE_CLOEXEC", 4)]),
    flags(Family::MemfdFlags, &[
        ("MFD_CLOEXEC", 1), ("MFD_ALLOW_SEALING", 2), ("MFD_HUGETLB", 4), ("MFD_NOEXEC_SEAL", 8),
        ("MFD_EXEC", 0x10), ("MFD_HUGE_64KB", 0x4000_0000), ("MFD_HUGE_512KB", 0x4c00_0000),
        ("MFD_HUGE_1MB", 0x5000_0000), ("MFD_HUGE_2MB", 0x5400_0000),
        ("MFD_HUGE_8MB", 0x5c00_0000), ("MFD_HUGE_16MB", 0x6000_0000),
        ("MFD_HUGE_32MB", 0x6400_0000), ("MFD_HUGE_256MB", 0x7000_0000),
        ("MFD_HUGE_512MB", 0x7400_0000), ("MFD_HUGE_1GB", 0x7800_0000),
        ("MFD_HUGE_2GB", 0x7c00_0000), ("MFD_HUGE_16GB", 0x8800_0000),
    ]),
    numbers(Family::EpollOperation, &[
        ("EPOLL_CTL_ADD", 1), ("EPOLL_CTL_DEL", 2), ("EPOLL_CTL_MOD", 3),
    ]),
    flags(Family::EpollFlags, &[("EPOLL_CLOEXEC", 0x0008_0000)]),
    flags(Family::EventFdFlags, &[
        ("EFD_SEMAPHORE", 1), ("EFD_CLOEXEC", 0x0008_0000), ("EFD_NONBLOCK", 0x800),
    ]),
    flags(Family::InotifyFlags, &[("IN_CLOEXEC", 0x0008_0000), ("IN_NONBLOCK", 0x800)]),
    flags(Family::InotifyMask, &[
        ("IN_ACCESS", 1), ("IN_MODIFY", 2), ("IN_ATTRIB", 4), ("IN_CLOSE_WRITE", 8),
        ("IN_CLOSE_NOWRITE", 0x10), ("IN_OPEN", 0x20), ("IN_MOVED_FROM", 0x40),
        ("IN_MOVED_TO", 0x80), ("IN_CREATE", 0x100), ("IN_DELETE", 0x200),
        ("IN_DELETE_SELF", 0x400), ("IN_MOVE_SELF", 0x800), ("IN_CLOSE", 0x18), ("IN_MOVE", 0xc0),
        ("IN_ONLYDIR", 0x0100_0000), ("IN_DONT_FOLLOW", 0x0200_0000),
        ("IN_EXCL_UNLINK", 0x0400_0000), ("IN_MASK_CREATE", 0x1000_0000),
        ("IN_MASK_ADD", 0x2000_0000), ("IN_ONESHOT", 0x8000_0000), ("IN_ALL_EVENTS", 0xfff),
    ]),
    flags(Family::FanotifyFlags, &[
        ("FAN_CLASS_CONTENT", 4), ("FAN_CLASS_PRE_CONTENT", 8), ("FAN_CLOEXEC", 1),
        ("FAN_NONBLOCK", 2), ("FAN_UNLIMITED_QUEUE", 0x10), ("FAN_UNLIMITED_MARKS", 0x20),
        ("FAN_ENABLE_AUDIT", 0x40), ("FAN_REPORT_PIDFD", 0x80), ("FAN_REPORT_TID", 0x100),
        ("FAN_REPORT_FID", 0x200), ("FAN_REPORT_DIR_FID", 0x400), ("FAN_REPORT_NAME", 0x800),
        ("FAN_REPORT_TARGET_FID", 0x1000), ("FAN_REPORT_FD_ERROR", 0x2000),
        ("FAN_REPORT_MNT", 0x4000), ("FAN_REPORT_DFID_NAME", 0xc00),
        ("FAN_REPORT_DFID_NAME_TARGET", 0x1e00),
    ]).and(&[
        ("FAN_CLASS_NOTIF", 0),
    ]),
    flags(Family::FanotifyMarkFlags, &[
        ("FAN_MARK_ADD", 1), ("FAN_MARK_REMOVE", 2), ("FAN_MARK_DONT_FOLLOW", 4),
        ("FAN_MARK_ONLYDIR", 8), ("FAN_MARK_IGNORED_MASK", 0x20),
        ("FAN_MARK_IGNORED_SURV_MODIFY", 0x40), ("FAN_MARK_FLUSH", 0x80),
        ("FAN_MARK_EVICTABLE", 0x200), ("FAN_MARK_IGNORE", 0x400), ("FAN_MARK_MOUNT", 0x10),
        ("FAN_MARK_FILESYSTEM", 0x100), ("FAN_MARK_MNTNS", 0x110),
        ("FAN_MARK_IGNORE_SURV", 0x440),
    ]).and(&[
        ("FAN_MARK_INODE", 0),
    ]),
    flags(Family::FanotifyMask, &[
        ("FAN_ACCESS", 1), ("FAN_MODIFY", 2), ("FAN_ATTRIB", 4), ("FAN_CLOSE_WRITE", 8),
        ("FAN_CLOSE_NOWRITE", 0x10), ("FAN_OPEN", 0x20), ("FAN_MOVED_FROM", 0x40),
        ("FAN_MOVED_TO", 0x80), ("FAN_CREATE", 0x100), ("FAN_DELETE", 0x200),
        ("FAN_DELETE_SELF", 0x400), ("FAN_MOVE_SELF", 0x800), ("FAN_OPEN_EXEC", 0x1000),
        ("FAN_FS_ERROR", 0x8000), ("FAN_OPEN_PERM", 0x0001_0000),
        ("FAN_ACCESS_PERM", 0x0002_0000), ("FAN_OPEN_EXEC_PERM", 0x0004_0000),
        ("FAN_PRE_ACCESS", 0x0010_0000), ("FAN_MNT_ATTACH", 0x0100_0000),
        ("FAN_MNT_DETACH", 0x0200_0000), ("FAN_EVENT_ON_CHILD", 0x0800_0000),
        ("FAN_RENAME", 0x1000_0000), ("FAN_ONDIR", 0x4000_0000), ("FAN_CLOSE", 0x18),
        ("FAN_MOVE", 0xc0),
    ]),
    flags(Family::UringEnterFlags, &[
        ("IORING_ENTER_GETEVENTS", 1), ("IORING_ENTER_SQ_WAKEUP", 2), ("IORING_ENTER_SQ_WAIT", 4),
        ("IORING_ENTER_EXT_ARG", 8), ("IORING_ENTER_REGISTERED_RING", 0x10),
        ("IORING_ENTER_ABS_TIMER", 0x20), ("IORING_ENTER_EXT_ARG_REG", 0x40),
        ("IORING_ENTER_NO_IOWAIT", 0x80),
    ]),
    numbers(Family::UringRegister, &[
        ("IORING_REGISTER_BUFFERS", 0), ("IORING_UNREGISTER_BUFFERS", 1),
        ("IORING_REGISTER_FILES", 2), ("IORING_UNREGISTER_FILES", 3),
        ("IORING_REGISTER_EVENTFD", 4), ("IORING_UNREGISTER_EVENTFD", 5),
        ("IORING_REGISTER_FILES_UPDATE", 6), ("IORING_REGISTER_EVENTFD_ASYNC", 7),
        ("IORING_REGISTER_PROBE", 8), ("IORING_REGISTER_PERSONALITY", 9),
        ("IORING_UNREGISTER_PERSONALITY", 10), ("IORING_REGISTER_RESTRICTIONS", 11),
        ("IORING_REGISTER_ENABLE_RINGS", 12), ("IORING_REGISTER_FILES2", 13),
        ("IORING_REGISTER_FILES_UPDATE2", 14), ("IORING_REGISTER_BUFFERS2", 15),
        ("IORING_REGISTER_BUFFERS_UPDATE", 16), ("IORING_REGISTER_IOWQ_AFF", 17),
        ("IORING_UNREGISTER_IOWQ_AFF", 18), ("IORING_REGISTER_IOWQ_MAX_WORKERS", 19),
        ("IORING_REGISTER_RING_FDS", 20), ("IORING_UNREGISTER_RING_FDS", 21),
        ("IORING_REGISTER_PBUF_RING", 22), ("IORING_UNREGISTER_PBUF_RING", 23),
        ("IORING_REGISTER_SYNC_CANCEL", 24), ("IORING_REGISTER_FILE_ALLOC_RANGE", 25),
        ("IORING_REGISTER_PBUF_STATUS", 26), ("IORING_REGISTER_NAPI", 27),
        ("IORING_UNREGISTER_NAPI", 28), ("IORING_REGISTER_CLOCK", 29),
        ("IORING_REGISTER_CLONE_BUFFERS", 30), ("IORING_REGISTER_SEND_MSG_RING", 31),
        ("IORING_REGISTER_ZCRX_IFQ", 32), ("IORING_REGISTER_RESIZE_RINGS", 33),
        ("IORING_REGISTER_MEM_REGION", 34), ("IORING_REGISTER_QUERY", 35),
        ("IORING_REGISTER_ZCRX_CTRL", 36), ("IORING_REGISTER_BPF_FILTER", 37),
        ("IORING_REGISTER_USE_REGISTERED_RING", 0x8000_0000),
    ]),
];
