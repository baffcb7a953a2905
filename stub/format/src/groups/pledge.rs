//! The promises of pledge(2): what a program needs for a purpose, with conditions on
//! arguments. Names and purposes are OpenBSD's, the calls and conditions those of the Linux
//! port in Cosmopolitan Libc (libc/calls/pledge-linux.c, 2024).
//!
//! * The promise `chown` has the name of a set of systemd's, which is the same.
//! * Cosmopolitan fails clone3, memfd_create, openat2, rseq, statx and what is newer with
//!   ENOSYS, so that C libraries fall back. A policy says so itself:
//!   `--deny clone3=errno:ENOSYS`, `unknown = "errno:ENOSYS"`.
//! * `execnative` and `anet` are not in the port.

use super::{Group, Source};

const fn promise(
    name: &'static str,
    description: &'static str,
    items: &'static [&'static str],
) -> Group {
    Group {
        name,
        source: Source::Pledge,
        description,
        items,
    }
}

/// Those socket options that the port lets through, whatever the level: TCP_NODELAY,
/// SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_KEEPALIVE, IP_RECVERR, IP_RECVTTL,
/// SO_REUSEPORT, SO_SNDLOWAT, SO_RCVTIMEO, SO_SNDTIMEO, TCP_FASTOPEN and
/// TCP_FASTOPEN_CONNECT are among them, and what has their numbers at another level.
const SETSOCKOPT: &str = "setsockopt(level in {SOL_IP, SOL_SOCKET, IPPROTO_TCP} && \
                          optname in {1, 2, 3, 4, 5, 9, 11, 12, 15, 19, 20, 21, 23, 30})";
const GETSOCKOPT: &str = "getsockopt(level in {SOL_SOCKET, IPPROTO_TCP} && \
                          optname in {2, 3, 9, 15, 20, 21})";

const SOCKET_INET: &str = "socket(domain in {AF_INET, AF_INET6} && \
                           type & ~(SOCK_CLOEXEC|SOCK_NONBLOCK) in {SOCK_STREAM, SOCK_DGRAM} && \
                           protocol in {0, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP})";
const SOCKET_UNIX: &str = "socket(domain == AF_UNIX && \
                           type & ~(SOCK_CLOEXEC|SOCK_NONBLOCK) in {SOCK_STREAM, SOCK_DGRAM} && \
                           protocol == 0)";

const OPEN_TO_READ: [&str; 2] = [
    "open(flags & O_ACCMODE == O_RDONLY && flags & (O_CREAT|O_TRUNC|0x400000) == 0)",
    "openat(flags & O_ACCMODE == O_RDONLY && flags & (O_CREAT|O_TRUNC|0x400000) == 0)",
];
const OPEN_TO_WRITE: [&str; 2] = [
    "open(flags & O_ACCMODE in {O_WRONLY, O_RDWR} && flags & (O_CREAT|0x400000) == 0)",
    "openat(flags & O_ACCMODE in {O_WRONLY, O_RDWR} && flags & (O_CREAT|0x400000) == 0)",
];
const OPEN_TO_CREATE: [&str; 2] = [
    "open((flags & O_CREAT || flags & O_TMPFILE == O_TMPFILE) && \
     mode & (S_ISUID|S_ISGID|S_ISVTX) == 0)",
    "openat((flags & O_CREAT || flags & O_TMPFILE == O_TMPFILE) && \
     mode & (S_ISUID|S_ISGID|S_ISVTX) == 0)",
];

/// Without set-user-ID, set-group-ID and the sticky bit.
const CHMOD: [&str; 3] = [
    "chmod(mode & (S_ISUID|S_ISGID|S_ISVTX) == 0)",
    "fchmod(mode & (S_ISUID|S_ISGID|S_ISVTX) == 0)",
    "fchmodat(mode & (S_ISUID|S_ISGID|S_ISVTX) == 0)",
];

/// By name.
#[rustfmt::skip]
pub(super) const GROUPS: &[Group] = &[
    promise("cpath", "creating and removing files and directories", &[
        OPEN_TO_CREATE[0], OPEN_TO_CREATE[1], "creat(mode & (S_ISUID|S_ISGID|S_ISVTX) == 0)",
        "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "rmdir",
        "unlink", "unlinkat", "mkdir", "mkdirat",
    ]),
    promise("dns", "looking up names over the network", &[
        SOCKET_INET, "bind", "sendto", "connect", "recvfrom", "newfstatat", OPEN_TO_READ[1],
        "read", "close",
    ]),
    promise("dpath", "creating special files", &["mknod", "mknodat"]),
    promise("exec", "executing programs", &["execve", "execveat"]),
    promise("fattr", "changing the mode and the times of files", &[
        CHMOD[0], CHMOD[1], CHMOD[2], "utime", "utimes", "futimesat", "utimensat",
    ]),
    promise("flock", "locking files", &[
        "flock", "fcntl(cmd in {F_GETLK, F_SETLK, F_SETLKW})",
    ]),
    promise("id", "changing the user, the groups and the limits of a process", &[
        "setuid", "setreuid", "setresuid", "setgid", "setregid", "setresgid", "setgroups",
        "prlimit64", "setrlimit", "getpriority", "setpriority", "setfsuid", "setfsgid",
    ]),
    promise("inet", "sockets of IPv4 and IPv6", &[
        SOCKET_INET, "listen", "bind", "sendto", "connect", "accept", "accept4", GETSOCKOPT,
        SETSOCKOPT, "getpeername", "getsockname",
    ]),
    promise("proc", "creating processes, and controlling them", &[
        "fork", "vfork", "clone(flags & (CLONE_NEWNS|CLONE_PTRACE|CLONE_UNTRACED) == 0)", "kill",
        "setsid", "setpgid", "prlimit64", "setrlimit", "getpriority", "setpriority",
        "ioprio_get", "ioprio_set", "sched_getscheduler", "sched_setscheduler",
        "sched_get_priority_min", "sched_get_priority_max", "sched_getaffinity",
        "sched_setaffinity", "sched_getparam", "sched_setparam", "tkill", "tgkill",
    ]),
    promise("prot_exec", "memory that can be executed", &[
        "mmap(flags & (MAP_LOCKED|MAP_NONBLOCK|MAP_HUGETLB) == 0)", "mprotect",
    ]),
    promise("recvfd", "receiving messages with descriptors", &["recvmsg", "recvmmsg"]),
    promise("rpath", "reading the tree of files", &[
        "chdir", "getcwd", OPEN_TO_READ[0], OPEN_TO_READ[1], "stat", "lstat", "fstat",
        "newfstatat", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "statfs",
        "fstatfs",
    ]),
    promise("sendfd", "sending messages with descriptors", &["sendmsg", "sendmmsg"]),
    promise("settime", "setting the clock of the system", &["settimeofday", "clock_adjtime"]),
    promise("stdio", "what every program needs: open files, memory, threads, time", &[
        "exit", "rt_sigreturn", "restart_syscall", "exit_group", "sched_yield",
        "sched_getaffinity", "clock_getres", "clock_gettime", "clock_nanosleep", "close_range",
        "close", "write", "writev", "pwrite64", "pwritev", "pwritev2", "read", "readv",
        "pread64", "preadv", "preadv2", "dup", "dup2", "dup3", "fchdir",
        "fcntl(cmd in {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL})",
        "fstat", "fsync", "sysinfo", "fdatasync", "ftruncate", "getdents64", "getrandom",
        "getgroups", "getpgid", "getpgrp", "getpid", "gettid", "getuid", "getgid", "getsid",
        "getppid", "geteuid", "getegid", "getrlimit", "getresgid", "getresuid", "getitimer",
        "setitimer", "timerfd_create", "timerfd_settime", "timerfd_gettime", "copy_file_range",
        "gettimeofday", "sendfile", "vmsplice", "splice", "lseek", "tee", "brk", "msync",
        "mmap(prot & ~(PROT_READ|PROT_WRITE) == 0 && \
         flags & (MAP_LOCKED|MAP_POPULATE|MAP_NONBLOCK|MAP_HUGETLB) == 0)",
        "mremap", "munmap", "mincore", "madvise", "fadvise64",
        "mprotect(prot & ~(PROT_READ|PROT_WRITE) == 0)", "arch_prctl", "migrate_pages",
        "sync_file_range", "set_tid_address", "nanosleep", "pipe", "pipe2", "poll", "ppoll",
        "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait",
        "epoll_pwait", "epoll_pwait2", "recvfrom", "sendto(dest_addr == NULL)",
        "ioctl(request in {FIONREAD, FIONBIO, FIOCLEX, FIONCLEX})", "alarm", "pause",
        "shutdown", "eventfd", "eventfd2", "signalfd", "signalfd4",
        "rt_sigaction(signum != SIGSYS)", "sigaltstack", "rt_sigprocmask", "rt_sigsuspend",
        "rt_sigpending", "socketpair", "getrusage", "times", "umask", "wait4", "uname",
        "prctl(option in {PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_SET_SECCOMP, \
         PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS})",
        "clone(flags & (CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD) == \
         CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD && \
         flags & (CLONE_NEWNS|CLONE_PTRACE|CLONE_UNTRACED) == 0)",
        "futex", "set_robust_list", "get_robust_list", "prlimit64(new_limit == NULL)",
    ]),
    promise("tmppath", "removing temporary files", &["lstat", "unlink", "unlinkat"]),
    promise("tty", "settings of the terminal, not putting words into its mouth", &[
        "ioctl(request in {TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ, TIOCSPGRP, TIOCGPGRP, \
         TIOCSWINSZ, TCFLSH, TCXONC, TCSBRK, TIOCSBRK})",
    ]),
    promise("unix", "local sockets", &[
        SOCKET_UNIX, "listen", "bind", "connect", "sendto", "accept", "accept4", GETSOCKOPT,
        SETSOCKOPT, "getpeername", "getsockname",
    ]),
    promise("unveil", "restricting oneself to parts of the tree of files", &[
        "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
    ]),
    promise("vminfo", "what programs like top(1) ask; nothing of its own here", &["sched_yield"]),
    promise("wpath", "writing to existing files", &[
        "getcwd", OPEN_TO_WRITE[0], OPEN_TO_WRITE[1], "stat", "fstat", "lstat", "newfstatat",
        "access", "faccessat", "faccessat2", "readlinkat", CHMOD[0], CHMOD[1], CHMOD[2],
    ]),
];
