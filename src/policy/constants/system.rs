//! What is left: communication between processes, and the kernel itself.
//!
//! From include/uapi/linux: ipc.h, shm.h, sem.h, msg.h, random.h, seccomp.h, bpf.h,
//! perf_event.h, keyctl.h, landlock.h, lsm.h, module.h, kexec.h, reboot.h;
//! `SYSLOG_ACTION_` is in include/linux/syslog.h.

use super::{Family, Set, flags, minus, numbers};

#[rustfmt::skip]
pub(super) const SETS: &[Set] = &[
    numbers(Family::IpcKey, &[("IPC_PRIVATE", 0)]),
    flags(Family::IpcFlags, &[("IPC_CREAT", 0x200), ("IPC_EXCL", 0x400), ("IPC_NOWAIT", 0x800)]),
    flags(Family::SharedMemoryFlags, &[
        ("IPC_CREAT", 0x200), ("IPC_EXCL", 0x400), ("SHM_HUGETLB", 0x800),
        ("SHM_NORESERVE", 0x1000), ("SHM_HUGE_64KB", 0x4000_0000),
        ("SHM_HUGE_512KB", 0x4c00_0000), ("SHM_HUGE_1MB", 0x5000_0000),
        ("SHM_HUGE_2MB", 0x5400_0000), ("SHM_HUGE_8MB", 0x5c00_0000),
        ("SHM_HUGE_16MB", 0x6000_0000), ("SHM_HUGE_32MB", 0x6400_0000),
        ("SHM_HUGE_256MB", 0x7000_0000), ("SHM_HUGE_512MB", 0x7400_0000),
        ("SHM_HUGE_1GB", 0x7800_0000), ("SHM_HUGE_2GB", 0x7c00_0000),
        ("SHM_HUGE_16GB", 0x8800_0000),
    ]),
    flags(Family::SharedMemoryAttachFlags, &[
        ("SHM_RDONLY", 0x1000), ("SHM_RND", 0x2000), ("SHM_REMAP", 0x4000), ("SHM_EXEC", 0x8000),
    ]),
    numbers(Family::SharedMemoryCommand, &[
        ("IPC_RMID", 0), ("IPC_SET", 1), ("IPC_STAT", 2), ("IPC_INFO", 3), ("SHM_LOCK", 11),
        ("SHM_UNLOCK", 12), ("SHM_STAT", 13), ("SHM_INFO", 14), ("SHM_STAT_ANY", 15),
    ]),
    numbers(Family::SemaphoreCommand, &[
        ("IPC_RMID", 0), ("IPC_SET", 1), ("IPC_STAT", 2), ("IPC_INFO", 3), ("GETPID", 11),
        ("GETVAL", 12), ("GETALL", 13), ("GETNCNT", 14), ("GETZCNT", 15), ("SETVAL", 16),
        ("SETALL", 17), ("SEM_STAT", 18), ("SEM_INFO", 19), ("SEM_STAT_ANY", 20),
    ]),
    numbers(Family::MessageCommand, &[
        ("IPC_RMID", 0), ("IPC_SET", 1), ("IPC_STAT", 2), ("IPC_INFO", 3), ("MSG_STAT", 11),
        ("MSG_INFO", 12), ("MSG_STAT_ANY", 13),
    ]),
    flags(Family::MessageFlags, &[
        ("IPC_NOWAIT", 0x800), ("MSG_NOERROR", 0x1000), ("MSG_EXCEPT", 0x2000),
        ("MSG_COPY", 0x4000),
    ]),
    flags(Family::RandomFlags, &[("GRND_NONBLOCK", 1), ("GRND_RANDOM", 2), ("GRND_INSECURE", 4)]),
    numbers(Family::SeccompOperation, &[
        ("SECCOMP_SET_MODE_STRICT", 0), ("SECCOMP_SET_MODE_FILTER", 1),
        ("SECCOMP_GET_ACTION_AVAIL", 2), ("SECCOMP_GET_NOTIF_SIZES", 3),
    ]),
    flags(Family::SeccompFlags, &[
        ("SECCOMP_FILTER_FLAG_TSYNC", 1), ("SECCOMP_FILTER_FLAG_LOG", 2),
        ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4), ("SECCOMP_FILTER_FLAG_NEW_LISTENER", 8),
        ("SECCOMP_FILTER_FLAG_TSYNC_ESRCH", 0x10),
        ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 0x20),
    ]),
    numbers(Family::BpfCommand, &[
        ("BPF_MAP_CREATE", 0), ("BPF_MAP_LOOKUP_ELEM", 1), ("BPF_MAP_UPDATE_ELEM", 2),
        ("BPF_MAP_DELETE_ELEM", 3), ("BPF_MAP_GET_NEXT_KEY", 4), ("BPF_PROG_LOAD", 5),
        ("BPF_OBJ_PIN", 6), ("BPF_OBJ_GET", 7), ("BPF_PROG_ATTACH", 8), ("BPF_PROG_DETACH", 9),
        ("BPF_PROG_TEST_RUN", 10), ("BPF_PROG_RUN", 10), ("BPF_PROG_GET_NEXT_ID", 11),
        ("BPF_MAP_GET_NEXT_ID", 12), ("BPF_PROG_GET_FD_BY_ID", 13), ("BPF_MAP_GET_FD_BY_ID", 14),
        ("BPF_OBJ_GET_INFO_BY_FD", 15), ("BPF_PROG_QUERY", 16), ("BPF_RAW_TRACEPOINT_OPEN", 17),
        ("BPF_BTF_LOAD", 18), ("BPF_BTF_GET_FD_BY_ID", 19), ("BPF_TASK_FD_QUERY", 20),
        ("BPF_MAP_LOOKUP_AND_DELETE_ELEM", 21), ("BPF_MAP_FREEZE", 22),
        ("BPF_BTF_GET_NEXT_ID", 23), ("BPF_MAP_LOOKUP_BATCH", 24),
        ("BPF_MAP_LOOKUP_AND_DELETE_BATCH", 25), ("BPF_MAP_UPDATE_BATCH", 26),
        ("BPF_MAP_DELETE_BATCH", 27), ("BPF_LINK_CREATE", 28), ("BPF_LINK_UPDATE", 29),
        ("BPF_LINK_GET_FD_BY_ID", 30), ("BPF_LINK_GET_NEXT_ID", 31), ("BPF_ENABLE_STATS", 32),
        ("BPF_ITER_CREATE", 33), ("BPF_LINK_DETACH", 34), ("BPF_PROG_BIND_MAP", 35),
        ("BPF_TOKEN_CREATE", 36), ("BPF_PROG_STREAM_READ_BY_FD", 37),
        ("BPF_PROG_ASSOC_STRUCT_OPS", 38),
    ]),
    flags(Family::PerfFlags, &[
        ("PERF_FLAG_FD_NO_GROUP", 1), ("PERF_FLAG_FD_OUTPUT", 2), ("PERF_FLAG_PID_CGROUP", 4),
        ("PERF_FLAG_FD_CLOEXEC", 8),
    ]),
    numbers(Family::KeyctlOperation, &[
        ("KEYCTL_GET_KEYRING_ID", 0), ("KEYCTL_JOIN_SESSION_KEYRING", 1), ("KEYCTL_UPDATE", 2),
        ("KEYCTL_REVOKE", 3), ("KEYCTL_CHOWN", 4), ("KEYCTL_SETPERM", 5), ("KEYCTL_DESCRIBE", 6),
        ("KEYCTL_CLEAR", 7), ("KEYCTL_LINK", 8), ("KEYCTL_UNLINK", 9), ("KEYCTL_SEARCH", 10),
        ("KEYCTL_READ", 11), ("KEYCTL_INSTANTIATE", 12), ("KEYCTL_NEGATE", 13),
        ("KEYCTL_SET_REQKEY_KEYRING", 14), ("KEYCTL_SET_TIMEOUT", 15),
        ("KEYCTL_ASSUME_AUTHORITY", 16), ("KEYCTL_GET_SECURITY", 17),
        ("KEYCTL_SESSION_TO_PARENT", 18), ("KEYCTL_REJECT", 19), ("KEYCTL_INSTANTIATE_IOV", 20),
        ("KEYCTL_INVALIDATE", 21), ("KEYCTL_GET_PERSISTENT", 22), ("KEYCTL_DH_COMPUTE", 23),
        ("KEYCTL_PKEY_QUERY", 24), ("KEYCTL_PKEY_ENCRYPT", 25), ("KEYCTL_PKEY_DECRYPT", 26),
        ("KEYCTL_PKEY_SIGN", 27), ("KEYCTL_PKEY_VERIFY", 28), ("KEYCTL_RESTRICT_KEYRING", 29),
        ("KEYCTL_MOVE", 30), ("KEYCTL_CAPABILITIES", 31), ("KEYCTL_WATCH_KEY", 32),
    ]),
    numbers(Family::Keyring, &[
        ("KEY_SPEC_THREAD_KEYRING", minus(1)), ("KEY_SPEC_PROCESS_KEYRING", minus(2)),
        ("KEY_SPEC_SESSION_KEYRING", minus(3)), ("KEY_SPEC_USER_KEYRING", minus(4)),
        ("KEY_SPEC_USER_SESSION_KEYRING", minus(5)), ("KEY_SPEC_GROUP_KEYRING", minus(6)),
        ("KEY_SPEC_REQKEY_AUTH_KEY", minus(7)), ("KEY_SPEC_REQUESTOR_KEYRING", minus(8)),
    ]),
    numbers(Family::LandlockRule, &[
        ("LANDLOCK_RULE_PATH_BENEATH", 1), ("LANDLOCK_RULE_NET_PORT", 2),
    ]),
    flags(Family::LandlockCreateFlags, &[
        ("LANDLOCK_CREATE_RULESET_VERSION", 1), ("LANDLOCK_CREATE_RULESET_ERRATA", 2),
    ]),
    flags(Family::LandlockAddRuleFlags, &[("LANDLOCK_ADD_RULE_QUIET", 1)]),
    flags(Family::LandlockRestrictFlags, &[
        ("LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF", 1),
        ("LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON", 2),
        ("LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF", 4), ("LANDLOCK_RESTRICT_SELF_TSYNC", 8),
    ]),
    numbers(Family::LsmAttribute, &[
        ("LSM_ATTR_UNDEF", 0), ("LSM_ATTR_CURRENT", 100), ("LSM_ATTR_EXEC", 101),
        ("LSM_ATTR_FSCREATE", 102), ("LSM_ATTR_KEYCREATE", 103), ("LSM_ATTR_PREV", 104),
        ("LSM_ATTR_SOCKCREATE", 105),
    ]),
    flags(Family::LsmFlags, &[("LSM_FLAG_SINGLE", 1)]),
    flags(Family::ModuleFlags, &[
        ("MODULE_INIT_IGNORE_MODVERSIONS", 1), ("MODULE_INIT_IGNORE_VERMAGIC", 2),
        ("MODULE_INIT_COMPRESSED_FILE", 4),
    ]),
    flags(Family::KexecFlags, &[
        ("KEXEC_ON_CRASH", 1), ("KEXEC_PRESERVE_CONTEXT", 2), ("KEXEC_UPDATE_ELFCOREHDR", 4),
        ("KEXEC_CRASH_HOTPLUG_SUPPORT", 8), ("KEXEC_ARCH_MASK", 0xffff_0000),
        ("KEXEC_ARCH_386", 0x0003_0000), ("KEXEC_ARCH_68K", 0x0004_0000),
        ("KEXEC_ARCH_PARISC", 0x000f_0000), ("KEXEC_ARCH_X86_64", 0x003e_0000),
        ("KEXEC_ARCH_PPC", 0x0014_0000), ("KEXEC_ARCH_PPC64", 0x0015_0000),
        ("KEXEC_ARCH_IA_64", 0x0032_0000), ("KEXEC_ARCH_ARM", 0x0028_0000),
        ("KEXEC_ARCH_S390", 0x0016_0000), ("KEXEC_ARCH_SH", 0x002a_0000),
        ("KEXEC_ARCH_MIPS_LE", 0x000a_0000), ("KEXEC_ARCH_MIPS", 0x0008_0000),
        ("KEXEC_ARCH_AARCH64", 0x00b7_0000), ("KEXEC_ARCH_RISCV", 0x00f3_0000),
        ("KEXEC_ARCH_LOONGARCH", 0x0102_0000),
    ]).and(&[
        ("KEXEC_ARCH_DEFAULT", 0),
    ]),
    flags(Family::KexecFileFlags, &[
        ("KEXEC_FILE_UNLOAD", 1), ("KEXEC_FILE_ON_CRASH", 2), ("KEXEC_FILE_NO_INITRAMFS", 4),
        ("KEXEC_FILE_DEBUG", 8), ("KEXEC_FILE_NO_CMA", 0x10), ("KEXEC_FILE_FORCE_DTB", 0x20),
    ]),
    numbers(Family::SyslogAction, &[
        ("SYSLOG_ACTION_CLOSE", 0), ("SYSLOG_ACTION_OPEN", 1), ("SYSLOG_ACTION_READ", 2),
        ("SYSLOG_ACTION_READ_ALL", 3), ("SYSLOG_ACTION_READ_CLEAR", 4),
        ("SYSLOG_ACTION_CLEAR", 5), ("SYSLOG_ACTION_CONSOLE_OFF", 6),
        ("SYSLOG_ACTION_CONSOLE_ON", 7), ("SYSLOG_ACTION_CONSOLE_LEVEL", 8),
        ("SYSLOG_ACTION_SIZE_UNREAD", 9), ("SYSLOG_ACTION_SIZE_BUFFER", 10),
    ]),
    numbers(Family::RebootMagic, &[
        ("LINUX_REBOOT_MAGIC1", 0xfee1_dead), ("LINUX_REBOOT_MAGIC2", 0x2812_1969),
        ("LINUX_REBOOT_MAGIC2A", 0x0512_1996), ("LINUX_REBOOT_MAGIC2B", 0x1604_1998),
        ("LINUX_REBOOT_MAGIC2C", 0x2011_2000),
    ]),
    numbers(Family::RebootCommand, &[
        ("LINUX_REBOOT_CMD_RESTART", 0x0123_4567), ("LINUX_REBOOT_CMD_HALT", 0xcdef_0123),
        ("LINUX_REBOOT_CMD_CAD_ON", 0x89ab_cdef), ("LINUX_REBOOT_CMD_CAD_OFF", 0),
        ("LINUX_REBOOT_CMD_POWER_OFF", 0x4321_fedc), ("LINUX_REBOOT_CMD_RESTART2", 0xa1b2_c3d4),
        ("LINUX_REBOOT_CMD_SW_SUSPEND", 0xd000_fce2), ("LINUX_REBOOT_CMD_KEXEC", 0x4558_4543),
    ]),
];
