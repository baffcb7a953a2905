//! The constants that arguments of system calls are written with, by the architecture.
//!
//! The numbers are those that the kernel takes: of the headers in include/uapi and
//! arch/*/include/uapi of Linux 7.2, compiled for each architecture, and where these have
//! none, of the kernel's own include/linux of Linux 6.12. A C library's may differ: a flag
//! that it takes care of itself is not here. A number that depends on the C library, as
//! those of `SO_TIMESTAMP` and `SIOCGSTAMP` on 32 bits do, is not either.
//!
//! Not here are the commands of quotactl, which is called with two numbers in one, and what
//! the kernel finds in memory.

use super::Arch;

mod exceptions;
mod files;
mod memory;
mod mounts;
mod processes;
mod requests;
mod sockets;
mod system;
mod time;

#[cfg(test)]
mod tests;

/// A set of constants: those that the values of a parameter are named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    clippy::enum_variant_names,
    reason = "an address family is called that"
)]
pub(crate) enum Family {
    /// `AF_`: what a socket talks to.
    AddressFamily,
    /// `SOCK_`: a type, to which flags are added.
    SocketType,
    /// `IPPROTO_`, and for one kind of sockets `NETLINK_`.
    Protocol,
    /// `SOL_`, and the protocols that have options.
    SocketLevel,
    /// `SO_`, and for other levels `IP_`, `IPV6_`, `TCP_` and `UDP_`.
    SocketOption,
    /// `MSG_`: how to send or receive.
    SendFlags,
    /// `SHUT_`.
    ShutdownHow,
    /// `SYS_`: what `socketcall` is to do.
    SocketCall,
    /// `SEMOP` and others: what `ipc` is to do.
    IpcCall,
    /// what `ioctl` is to do.
    Request,
    /// `O_`.
    OpenFlags,
    /// `S_I`: permissions and the kind of a file.
    Mode,
    /// `R_OK` and others.
    AccessMode,
    /// `AT_FDCWD`.
    AtDirectory,
    /// `AT_` of most calls.
    AtFlags,
    /// `AT_REMOVEDIR`.
    UnlinkFlags,
    /// `AT_` of `faccessat2`.
    AccessFlags,
    /// `AT_` of `name_to_handle_at`.
    HandleFlags,
    /// `AT_` of `execveat`.
    ExecFlags,
    /// `SEEK_`.
    Whence,
    /// `F_`: what `fcntl` is to do.
    FcntlCommand,
    /// `LOCK_`: what `flock` is to do.
    LockOperation,
    /// `FALLOC_FL_`.
    FallocateMode,
    /// `POSIX_FADV_`.
    FileAdvice,
    /// `SYNC_FILE_RANGE_`.
    SyncFileRangeFlags,
    /// `RWF_`.
    ReadWriteFlags,
    /// `SPLICE_F_`.
    SpliceFlags,
    /// `RENAME_`.
    RenameFlags,
    /// `STATX_`: what is asked for.
    StatxMask,
    /// `XATTR_`.
    XattrFlags,
    /// `CLOSE_RANGE_`.
    CloseRangeFlags,
    /// `MFD_`.
    MemfdFlags,
    /// `PROT_`.
    Protection,
    /// `MAP_`.
    MapFlags,
    /// `MREMAP_`.
    RemapFlags,
    /// `MADV_`.
    Advice,
    /// `MLOCK_`.
    MlockFlags,
    /// `MCL_`.
    MlockallFlags,
    /// `MS_` of `msync`.
    MsyncFlags,
    /// `PKEY_`.
    PkeyRights,
    /// `SHADOW_STACK_`.
    ShadowStackFlags,
    /// `MPOL_`: a policy, to which flags are added.
    MemoryPolicy,
    /// `MPOL_MF_`.
    MbindFlags,
    /// `MPOL_F_`.
    GetMempolicyFlags,
    /// `UFFD_`, and some of `O_`.
    UserfaultFlags,
    /// `CLONE_`.
    CloneFlags,
    /// `PR_`: what `prctl` is to do.
    PrctlOption,
    /// `ARCH_`: what `arch_prctl` is to do.
    ArchPrctl,
    /// `PER_`, and what is added to it.
    Personality,
    /// `SCHED_`.
    SchedulingPolicy,
    /// `PRIO_`: whose priority.
    Priority,
    /// `IOPRIO_WHO_`.
    IoprioWho,
    /// `RLIMIT_`.
    Resource,
    /// `RUSAGE_`.
    RusageWho,
    /// `WNOHANG` and others.
    WaitOptions,
    /// `P_`: what a number is the id of.
    IdType,
    /// `PIDFD_` of `pidfd_open`.
    PidfdFlags,
    /// `PIDFD_SIGNAL_`.
    PidfdSignalFlags,
    /// `KCMP_`.
    KcmpType,
    /// `PTRACE_`: what `ptrace` is to do.
    PtraceRequest,
    /// `SIG`.
    Signal,
    /// `SIG_BLOCK` and others.
    SignalHow,
    /// `SFD_`.
    SignalFdFlags,
    /// `RSEQ_FLAG_`.
    RseqFlags,
    /// `MEMBARRIER_CMD_`.
    MembarrierCommand,
    /// `MEMBARRIER_CMD_FLAG_`.
    MembarrierFlags,
    /// `FUTEX_`: an operation, to which flags are added.
    FutexOperation,
    /// `FUTEX2_`.
    Futex2Flags,
    /// `CLOCK_`.
    Clock,
    /// `ITIMER_`.
    IntervalTimer,
    /// `TIMER_ABSTIME`.
    TimerFlags,
    /// `TFD_` of `timerfd_create`.
    TimerFdFlags,
    /// `TFD_TIMER_`.
    TimerFdSetFlags,
    /// `EPOLL_CTL_`: what `epoll_ctl` is to do.
    EpollOperation,
    /// `EPOLL_` of `epoll_create1`.
    EpollFlags,
    /// `EFD_`.
    EventFdFlags,
    /// `IN_` of `inotify_init1`.
    InotifyFlags,
    /// `IN_`: what is watched for.
    InotifyMask,
    /// `FAN_` of `fanotify_init`.
    FanotifyFlags,
    /// `FAN_MARK_`.
    FanotifyMarkFlags,
    /// `FAN_`: what is watched for.
    FanotifyMask,
    /// `IPC_PRIVATE`.
    IpcKey,
    /// `IPC_`.
    IpcFlags,
    /// `SHM_` and `IPC_` of `shmget`.
    SharedMemoryFlags,
    /// `SHM_` of `shmat`.
    SharedMemoryAttachFlags,
    /// `SHM_` and `IPC_`: what `shmctl` is to do.
    SharedMemoryCommand,
    /// `SEM_` and others: what `semctl` is to do.
    SemaphoreCommand,
    /// `MSG_` and `IPC_`: what `msgctl` is to do.
    MessageCommand,
    /// `MSG_` and `IPC_` of `msgsnd` and `msgrcv`.
    MessageFlags,
    /// `MS_` of `mount`.
    MountFlags,
    /// `MNT_` and `UMOUNT_`.
    UmountFlags,
    /// `MOUNT_ATTR_`.
    MountAttributes,
    /// `OPEN_TREE_`, and some of `AT_`.
    OpenTreeFlags,
    /// `MOVE_MOUNT_`.
    MoveMountFlags,
    /// `FSOPEN_`.
    FsOpenFlags,
    /// `FSCONFIG_`: what `fsconfig` is to do.
    FsConfigCommand,
    /// `FSMOUNT_`.
    FsMountFlags,
    /// `FSPICK_`.
    FsPickFlags,
    /// `STATMOUNT_` of the call, not of the request.
    StatMountFlags,
    /// `LISTMOUNT_`.
    ListMountFlags,
    /// `SWAP_FLAG_`.
    SwapFlags,
    /// `IORING_ENTER_`.
    UringEnterFlags,
    /// `IORING_REGISTER_` and `IORING_UNREGISTER_`.
    UringRegister,
    /// `GRND_`.
    RandomFlags,
    /// `SECCOMP_SET_` and `SECCOMP_GET_`.
    SeccompOperation,
    /// `SECCOMP_FILTER_FLAG_`.
    SeccompFlags,
    /// `BPF_`: what `bpf` is to do.
    BpfCommand,
    /// `PERF_FLAG_`.
    PerfFlags,
    /// `KEYCTL_`: what `keyctl` is to do.
    KeyctlOperation,
    /// `KEY_SPEC_`.
    Keyring,
    /// `LANDLOCK_RULE_`.
    LandlockRule,
    /// `LANDLOCK_CREATE_RULESET_`.
    LandlockCreateFlags,
    /// `LANDLOCK_ADD_RULE_`.
    LandlockAddRuleFlags,
    /// `LANDLOCK_RESTRICT_SELF_`.
    LandlockRestrictFlags,
    /// `LSM_ATTR_`.
    LsmAttribute,
    /// `LSM_FLAG_`.
    LsmFlags,
    /// `MODULE_INIT_`.
    ModuleFlags,
    /// `KEXEC_` of `kexec_load`.
    KexecFlags,
    /// `KEXEC_FILE_`.
    KexecFileFlags,
    /// `SYSLOG_ACTION_`.
    SyslogAction,
    /// `LINUX_REBOOT_MAGIC`.
    RebootMagic,
    /// `LINUX_REBOOT_CMD_`.
    RebootCommand,
}

/// The number of a constant that an architecture does not have; no constant has it.
const ABSENT: u64 = 1 << 63;

/// The constants of a family; the requests of ioctl are elsewhere.
struct Set {
    family: Family,
    /// Whether values are combinations of bits.
    is_flags: bool,
    /// Each with the number that most architectures have, the better known ones first.
    constants: &'static [(&'static str, u64)],
    /// Those that no value is called by, since it means something else more often.
    further: &'static [(&'static str, u64)],
}

const fn numbers(family: Family, constants: &'static [(&'static str, u64)]) -> Set {
    Set {
        family,
        is_flags: false,
        constants,
        further: &[],
    }
}

const fn flags(family: Family, constants: &'static [(&'static str, u64)]) -> Set {
    Set {
        is_flags: true,
        ..numbers(family, constants)
    }
}

impl Set {
    /// The same with constants that no value is called by.
    const fn and(self, further: &'static [(&'static str, u64)]) -> Set {
        Set { further, ..self }
    }
}

/// A negative number, as 64 bits.
const fn minus(number: u64) -> u64 {
    number.wrapping_neg()
}

/// The number of a constant; a negative one as 64 bits. None if the architecture does not
/// have it.
pub(crate) fn value(family: Family, name: &str, arch: Arch) -> Option<u64> {
    let (_, number) = match set(family) {
        Some(set) => *set.all().find(|(constant, _)| *constant == name)?,
        None => requests::rows(arch).find(|(constant, _)| *constant == name)?,
    };
    on(arch, name, number)
}

/// The name of exactly this value, the best known if there are several. A negative one may
/// have 64 bits or 32.
pub(crate) fn name(family: Family, value: u64, arch: Arch) -> Option<&'static str> {
    let is_it = |(name, number): &(&'static str, u64)| {
        on(arch, name, *number).is_some_and(|number| {
            let is_negative = number >> 32 == 0xffff_ffff;
            number == value || is_negative && number & 0xffff_ffff == value
        })
    };
    let row = match set(family) {
        Some(set) => set.constants.iter().copied().find(is_it),
        None => requests::rows(arch).find(is_it),
    };
    row.map(|(name, _)| name)
}

/// Whether the values are combinations of bits. In some of these families, a part of the
/// bits is one number: the type of a socket, the operation of futex, the lowest two bits of
/// `O_`, the lowest eight of `CLONE_` and of `PER_`, the kind of a file, `MAP_TYPE`.
pub(crate) fn is_flags(family: Family) -> bool {
    set(family).is_some_and(|set| set.is_flags)
}

/// All names, of whichever architecture.
pub(crate) fn names(family: Family) -> impl Iterator<Item = &'static str> {
    let set = set(family);
    let constants = set.into_iter().flat_map(Set::all).map(|(name, _)| *name);
    let requests = set
        .is_none()
        .then(|| requests::rows(Arch::X86_64).map(|(name, _)| name));
    constants.chain(requests.into_iter().flatten())
}

/// All names of all families.
pub(crate) fn all_names() -> impl Iterator<Item = &'static str> {
    let families = sets().map(|set| set.family).chain([Family::Request]);
    families.flat_map(names)
}

/// The families that have a constant of this name.
pub(crate) fn families(name: &str) -> impl Iterator<Item = Family> {
    let families = sets().map(|set| set.family).chain([Family::Request]);
    families.filter(move |family| names(*family).any(|constant| constant == name))
}

impl Set {
    fn all(&'static self) -> impl Iterator<Item = &'static (&'static str, u64)> {
        self.constants.iter().chain(self.further)
    }
}

fn sets() -> impl Iterator<Item = &'static Set> {
    let files = [
        sockets::SETS,
        files::SETS,
        mounts::SETS,
        memory::SETS,
        processes::SETS,
        time::SETS,
        system::SETS,
    ];
    files.into_iter().flatten()
}

/// The constants of a family; there is no such set for the requests of ioctl.
fn set(family: Family) -> Option<&'static Set> {
    sets().find(|set| set.family == family)
}

/// What a constant that is `number` on most architectures is on this one.
fn on(arch: Arch, name: &str, number: u64) -> Option<u64> {
    let exception = exceptions::EXCEPTIONS
        .iter()
        .filter(|exceptions| exceptions.architectures.contains(&arch))
        .find_map(|exceptions| exceptions.constants.iter().find(|row| row.0 == name));
    let number = exception.map_or(number, |row| row.1);
    (number != ABSENT).then_some(number)
}
