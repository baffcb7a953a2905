//! The rows of [`TABLE`](super::TABLE).
//!
//! Constants are the generic ones of the kernel's uapi headers.

use super::Substitute;
use crate::bpf::Test;

/// An argument that the kernel takes as 32 bits: an `int`, a flag word.
const fn int(arg: u8, value: u32) -> Test {
    bits(arg, u32::MAX, value)
}

/// Some bits of a 32-bit argument.
const fn bits(arg: u8, mask: u32, value: u32) -> Test {
    Test::equal(arg, mask as u64, value as u64)
}

/// A pointer that is NULL, or a length that is 0.
const fn null(arg: u8) -> Test {
    Test::equal(arg, u64::MAX, 0)
}

/// A descriptor, which AT_FDCWD is not: not negative.
const fn descriptor(arg: u8) -> Test {
    bits(arg, 1 << 31, 0)
}

/// AT_FDCWD (-100): a path is taken from the working directory, as by the call
/// without `at`.
const fn cwd(arg: u8) -> Test {
    int(arg, 0xffff_ff9c)
}

const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const AT_REMOVEDIR: u32 = 0x200;
const AT_NO_AUTOMOUNT: u32 = 0x800;
const AT_EMPTY_PATH: u32 = 0x1000;

/// O_WRONLY, O_CREAT and O_TRUNC are what creat means. The three bits left
/// out of the comparison are O_LARGEFILE, which libcs add, where some
/// architecture has it; elsewhere they only restrict (O_DIRECT, O_DIRECTORY,
/// O_NOFOLLOW).
const fn creat_flags(arg: u8) -> Test {
    bits(arg, !0x0003_8000, 0x241)
}

const SEEK_SET: u32 = 0;
const SEEK_CUR: u32 = 1;
const SEEK_END: u32 = 2;

const F_GETFD: u32 = 1;
const F_GETFL: u32 = 3;
const F_SETFD: u32 = 2;
const FD_CLOEXEC: u32 = 1;

const TCGETS: u32 = 0x5401;
const TIOCGWINSZ: u32 = 0x5413;
const TCGETS2: u32 = 0x802c_542a;

const SIGCHLD: u32 = 17;
/// CLONE_VM | CLONE_VFORK | SIGCHLD.
const VFORK: u32 = 0x4100 | SIGCHLD;
/// CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD.
const FORK: u32 = 0x0120_0000 | SIGCHLD;

/// The signals that glibc keeps for itself (nptl/pthreadP.h).
const SIGCANCEL: u32 = 32;
const SIGSETXID: u32 = 33;

const P_PID: u32 = 1;
const WEXITED: u32 = 4;
const O_CLOEXEC: u32 = 0x8_0000;

const CLOCK_REALTIME: u32 = 0;
const CLOCK_REALTIME_COARSE: u32 = 5;
const ITIMER_REAL: u32 = 0;
const GRND_NONBLOCK: u32 = 1;
const MADV_FREE: u32 = 8;
const MADV_DONTNEED: u32 = 4;
/// Linux 6.13.
const MADV_GUARD_INSTALL: u32 = 102;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: u32 = 16;
const PROT_READ_WRITE: u32 = 3;
/// MAP_PRIVATE | MAP_ANONYMOUS.
const PRIVATE_MEMORY: u32 = 0x22;
const MAP_FIXED: u32 = 0x10;
/// MAP_STACK and MAP_NORESERVE, which give no more than memory.
const MAP_HINTS: u32 = 0x2_4000;
/// MAP_DROPPABLE | MAP_ANONYMOUS: memory that the kernel may empty, always
/// private (Linux 6.11).
const DROPPABLE_MEMORY: u32 = 0x28;

/// Architectures that came after Linux 2.6.32 or so lack the older calls:
/// include/uapi/asm-generic/unistd.h. Their C libraries call the successor.
const GENERIC: &str = "no such call in asm-generic/unistd.h (aarch64, riscv, loongarch)";
/// glibc, seen with strace.
const GLIBC: &str = "glibc 2.36 on x86_64, observed";
/// musl, seen with strace.
const MUSL: &str = "musl 1.2.3 on x86_64, observed";
/// Both.
const BOTH: &str = "glibc 2.36 and musl 1.2.3 on x86_64, observed";
/// These and the following: as `make libcs` shows (docs/libcs.md).
const OLD: &str = "glibc 2.31, observed";
const STDIO: &str = "stdio of glibc, observed";
const VGETRANDOM: &str = "glibc 2.41+ getrandom(3) makes its state for the vDSO, observed";
const STACKS: &str = "glibc: the stack of a new thread and its end, observed";
const GUARDS: &str = "glibc 2.42+: guard pages of a new thread's stack, observed";
const HANDLERS: &str =
    "glibc 2.34+ with the first thread, before with the first of setxid or cancel, observed";
const STATX32: &str = "glibc 2.33+ fstatat64.c on 32-bit, musl fstatat.c, Rust's std::fs";
const TERMIOS2: &str = "glibc 2.42+ sysdeps/unix/sysv/linux/tcgetattr.c";

/// The C library's code behind a signal handler.
const RETURN: &str = "the way back from a signal handler, sigreturn(2)";
/// The kernel does so by itself, and asks the filter.
const RESTART: &str = "how the kernel resumes the call after a stop, restart_syscall(2)";

macro_rules! rows {
    ($($name:literal => $by:literal [$($when:expr),*] $source:expr;)*) => {
        &[$(Substitute { name: $name, by: $by, when: &[$($when),*], source: $source }),*]
    };
}

#[rustfmt::skip]
pub(super) const ROWS: &[Substitute] = rows! {
    // Reading and writing, and what stdio asks a terminal first.
    "read" => "readv" [] "musl src/stdio/__stdio_read.c";
    "readv" => "read" [] "glibc stdio reads with read";
    "write" => "writev" [] "musl src/stdio/__stdio_write.c";
    "writev" => "write" [] "glibc stdio writes with write";
    "read" => "ioctl" [int(1, TCGETS)] GLIBC;
    "readv" => "ioctl" [int(1, TCGETS)] GLIBC;
    "write" => "ioctl" [int(1, TCGETS)] GLIBC;
    "writev" => "ioctl" [int(1, TCGETS)] GLIBC;
    "read" => "ioctl" [int(1, TCGETS2)] TERMIOS2;
    "readv" => "ioctl" [int(1, TCGETS2)] TERMIOS2;
    "write" => "ioctl" [int(1, TCGETS2)] TERMIOS2;
    "writev" => "ioctl" [int(1, TCGETS2)] TERMIOS2;
    "read" => "ioctl" [int(1, TIOCGWINSZ)] "musl src/stdio/__fdopen.c, for streams that are written too";
    "readv" => "ioctl" [int(1, TIOCGWINSZ)] "musl src/stdio/__fdopen.c, for streams that are written too";
    "write" => "ioctl" [int(1, TIOCGWINSZ)] "musl src/stdio/__stdout_write.c";
    "writev" => "ioctl" [int(1, TIOCGWINSZ)] "musl src/stdio/__stdout_write.c";
    "read" => "lseek" [int(2, SEEK_CUR)] "glibc 2.43+ fclose(3) and fflush(3), musl, after reading ahead";
    "read" => "lseek" [int(2, SEEK_SET)] "glibc 2.43+ fclose(3) and fflush(3), after reading ahead";
    "readv" => "lseek" [int(2, SEEK_CUR)] "glibc 2.43+ fclose(3) and fflush(3), musl, after reading ahead";
    "readv" => "lseek" [int(2, SEEK_SET)] "glibc 2.43+ fclose(3) and fflush(3), after reading ahead";
    "write" => "lseek" [int(2, SEEK_END)] "glibc fopen(3) to append, observed";
    "writev" => "lseek" [int(2, SEEK_END)] "glibc fopen(3) to append, observed";
    "read" => "_llseek" [int(4, SEEK_CUR)] "the same on 32-bit";
    "read" => "_llseek" [int(4, SEEK_SET)] "the same on 32-bit";
    "readv" => "_llseek" [int(4, SEEK_CUR)] "the same on 32-bit";
    "readv" => "_llseek" [int(4, SEEK_SET)] "the same on 32-bit";
    "write" => "_llseek" [int(4, SEEK_END)] "the same on 32-bit";
    "writev" => "_llseek" [int(4, SEEK_END)] "the same on 32-bit";
    "read" => "fcntl" [int(1, F_GETFL)] STDIO;
    "readv" => "fcntl" [int(1, F_GETFL)] STDIO;
    "write" => "fcntl" [int(1, F_GETFL)] STDIO;
    "writev" => "fcntl" [int(1, F_GETFL)] STDIO;

    // Opening.
    "open" => "openat" [cwd(0)] "glibc 2.26+ sysdeps/unix/sysv/linux/open64.c";
    "openat" => "open" [] MUSL;
    "creat" => "open" [creat_flags(1)] "musl src/fcntl/creat.c";
    "creat" => "openat" [cwd(0), creat_flags(2)] GENERIC;
    "open" => "creat" [] "glibc 2.36 creat(3) on x86_64, where musl calls open, observed";
    "openat" => "creat" [] "glibc 2.36 creat(3) on x86_64, observed";
    "open" => "fcntl" [int(1, F_SETFD), int(2, FD_CLOEXEC)] "musl src/fcntl/open.c, with O_CLOEXEC";
    "openat" => "fcntl" [int(1, F_SETFD), int(2, FD_CLOEXEC)] "musl src/fcntl/open.c, with O_CLOEXEC";

    // Asking about files.
    "fstat" => "newfstatat" [descriptor(0), int(3, AT_EMPTY_PATH)] "glibc 2.33 to 2.38 sysdeps/unix/sysv/linux/fstat64.c";
    "fstat" => "statx" [descriptor(0), bits(2, !AT_NO_AUTOMOUNT, AT_EMPTY_PATH)] STATX32;
    "stat" => "newfstatat" [cwd(0), int(3, 0)] GLIBC;
    "stat" => "statx" [cwd(0), bits(2, !AT_NO_AUTOMOUNT, 0)] STATX32;
    "lstat" => "newfstatat" [cwd(0), int(3, AT_SYMLINK_NOFOLLOW)] GLIBC;
    "lstat" => "statx" [cwd(0), bits(2, !AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW)] STATX32;
    "newfstatat" => "fstat" [] MUSL;
    "newfstatat" => "stat" [] MUSL;
    "newfstatat" => "lstat" [] MUSL;
    "newfstatat" => "statx" [] STATX32;
    "access" => "faccessat" [cwd(0)] GENERIC;
    "access" => "faccessat2" [cwd(0), int(3, 0)] GENERIC;
    "faccessat" => "faccessat2" [] BOTH;
    "faccessat2" => "faccessat" [] OLD;
    "readlink" => "readlinkat" [cwd(0)] GENERIC;
    "readlink" => "lstat" [] "glibc 2.31 realpath(3), observed";
    "lstat" => "readlink" [] "glibc 2.33+ and musl realpath(3), observed";
    "getdents" => "getdents64" [] BOTH;
    "getdents64" => "fstat" [] "glibc opendir(3), observed";
    "getdents64" => "newfstatat" [descriptor(0), int(3, AT_EMPTY_PATH)] "glibc 2.33 to 2.38 opendir(3), observed";
    "getdents64" => "fcntl" [int(1, F_GETFL)] "musl fdopendir(3), observed";

    // Changing the tree of files.
    "unlink" => "unlinkat" [cwd(0), int(2, 0)] GENERIC;
    "rmdir" => "unlinkat" [cwd(0), int(2, AT_REMOVEDIR)] GENERIC;
    "mkdir" => "mkdirat" [cwd(0)] GENERIC;
    "rename" => "renameat" [cwd(0), cwd(2)] GENERIC;
    "rename" => "renameat2" [cwd(0), cwd(2), int(4, 0)] "riscv has no other; musl src/stdio/rename.c";
    "renameat" => "renameat2" [int(4, 0)] "riscv has no other; glibc sysdeps/unix/sysv/linux/renameat.c";
    "renameat2" => "renameat" [] GLIBC;
    "link" => "linkat" [cwd(0), cwd(2), int(4, 0)] GENERIC;
    "symlink" => "symlinkat" [cwd(1)] GENERIC;
    "mknod" => "mknodat" [cwd(0)] GLIBC;
    "mknodat" => "mknod" [] MUSL;
    "chmod" => "fchmodat" [cwd(0)] GENERIC;
    "fchmodat" => "fchmodat2" [bits(3, !AT_SYMLINK_NOFOLLOW, 0)] "musl 1.2.5 src/stat/fchmodat.c";
    "fchmodat2" => "fchmodat" [] "glibc before 2.39";
    "chmod" => "fchmodat2" [cwd(0), bits(3, !AT_SYMLINK_NOFOLLOW, 0)] "glibc 2.39+ fchmodat(3) and lchmod(3), which went by /proc, observed";
    "chown" => "fchownat" [cwd(0), int(4, 0)] GENERIC;
    "lchown" => "fchownat" [cwd(0), int(4, AT_SYMLINK_NOFOLLOW)] GENERIC;
    "utime" => "utimensat" [cwd(0), int(3, 0)] BOTH;
    "utimes" => "utimensat" [cwd(0), int(3, 0)] BOTH;
    "futimesat" => "utimensat" [int(3, 0)] BOTH;
    "utimensat" => "utime" [] OLD;
    "utimensat" => "utimes" [] OLD;

    // Descriptors.
    "pipe" => "pipe2" [int(1, 0)] GLIBC;
    "pipe2" => "pipe" [] MUSL;
    "dup2" => "dup3" [int(2, 0)] GENERIC;
    "dup2" => "fcntl" [int(1, F_GETFD)] "aarch64: musl src/unistd/dup2.c, for two equal descriptors";
    "dup3" => "dup2" [] MUSL;
    "poll" => "ppoll" [null(3)] GENERIC;
    // The signal mask stands behind a pointer that musl passes always.
    "select" => "pselect6" [] GLIBC;
    "pselect6" => "select" [] "musl 1.2.3 select(3) on x86_64, where glibc 2.36 calls pselect6, observed";
    "epoll_create" => "epoll_create1" [int(0, 0)] MUSL;
    "epoll_create1" => "epoll_create" [] GLIBC;
    "epoll_wait" => "epoll_pwait" [null(4)] MUSL;
    "epoll_pwait" => "epoll_wait" [] GLIBC;
    "eventfd" => "eventfd2" [int(1, 0)] BOTH;
    "signalfd" => "signalfd4" [int(3, 0)] BOTH;
    "inotify_init" => "inotify_init1" [int(0, 0)] MUSL;
    "inotify_init1" => "inotify_init" [] GLIBC;

    // Sockets.
    "accept" => "accept4" [int(3, 0)] "i386: glibc sysdeps/unix/sysv/linux/accept.c";
    "accept4" => "accept" [] "musl src/network/accept4.c, observed";
    "send" => "sendto" [null(4), int(5, 0)] BOTH;
    "recv" => "recvfrom" [null(4), null(5)] BOTH;
    "recvmsg" => "recvfrom" [null(4), null(5)] "musl getifaddrs(3), observed";
    "sendmmsg" => "sendmsg" [] MUSL;
    "sendmsg" => "sendmmsg" [] GLIBC;
    "semop" => "semtimedop" [null(3)] GLIBC;
    "semtimedop" => "semop" [] MUSL;

    // Processes and threads, with what the C library does around them.
    "fork" => "clone" [int(0, FORK)] GLIBC;
    "fork" => "clone" [int(0, SIGCHLD)] "aarch64: musl src/process/_Fork.c";
    "fork" => "set_robust_list" [] GLIBC;
    "fork" => "set_tid_address" [] "musl 1.2.5 src/process/_Fork.c";
    "fork" => "gettid" [] MUSL;
    "fork" => "rt_sigprocmask" [] MUSL;
    "vfork" => "clone" [int(0, VFORK)] "aarch64: glibc vfork.S; posix_spawn(3) of glibc before 2.34 and of musl";
    "vfork" => "clone" [int(0, SIGCHLD)] "aarch64: musl src/process/vfork.c";
    // The flags of clone3 stand behind a pointer; those of an unrestricted
    // clone are as mighty.
    "clone" => "clone3" [] "glibc 2.34+ sysdeps/unix/sysv/linux/clone-internal.c";
    "clone3" => "clone" [] MUSL;
    "clone" => "fork" [] MUSL;
    "clone" => "vfork" [] BOTH;
    "clone" => "set_robust_list" [] GLIBC;
    "clone" => "set_tid_address" [] "musl 1.2.5 src/process/_Fork.c";
    "clone" => "rseq" [] "glibc 2.35+, a new thread registers itself, observed";
    "clone3" => "rseq" [] "glibc 2.35+, a new thread registers itself, observed";
    "clone3" => "set_robust_list" [] GLIBC;
    "clone3" => "rt_sigprocmask" [] BOTH;
    "clone" => "gettid" [] MUSL;
    "clone" => "rt_sigprocmask" [] BOTH;
    "clone" => "membarrier" [int(0, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)] MUSL;
    "clone3" => "membarrier" [int(0, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)] MUSL;
    "clone" => "rt_sigaction" [int(0, SIGSETXID)] HANDLERS;
    "clone3" => "rt_sigaction" [int(0, SIGSETXID)] HANDLERS;
    "clone" => "rt_sigaction" [int(0, SIGCANCEL)] HANDLERS;
    "clone3" => "rt_sigaction" [int(0, SIGCANCEL)] HANDLERS;
    "clone" => "mmap" [int(2, PROT_READ_WRITE), bits(3, !MAP_HINTS, PRIVATE_MEMORY)] "glibc posix_spawn(3), observed";
    "clone" => "mprotect" [int(2, PROT_READ_WRITE)] STACKS;
    "clone3" => "mprotect" [int(2, PROT_READ_WRITE)] STACKS;
    "clone" => "madvise" [int(2, MADV_GUARD_INSTALL)] GUARDS;
    "clone3" => "madvise" [int(2, MADV_GUARD_INSTALL)] GUARDS;
    "clone" => "madvise" [int(2, MADV_DONTNEED)] STACKS;
    "clone3" => "madvise" [int(2, MADV_DONTNEED)] STACKS;
    "clone" => "munmap" [] MUSL;
    "clone3" => "munmap" [] MUSL;
    "clone" => "exit" [] STACKS;
    "clone3" => "exit" [] STACKS;
    "clone" => "futex" [] "musl: the list of threads is locked, observed";
    "clone3" => "futex" [] "musl: the list of threads is locked, observed";
    "clone" => "pipe2" [int(1, O_CLOEXEC)] "musl posix_spawn(3), observed";
    "clone3" => "pipe2" [int(1, O_CLOEXEC)] "musl posix_spawn(3), observed";
    "wait4" => "waitid" [int(0, P_PID), int(3, WEXITED)] "glibc 2.41+ posix_spawn(3), observed";
    "exit" => "exit_group" [] "exit(3) and _exit(2) of glibc 2.3+ and musl";
    "waitpid" => "wait4" [null(3)] BOTH;
    "getpgrp" => "getpgid" [int(0, 0)] MUSL;
    "getpgid" => "getpgrp" [] GLIBC;
    "tgkill" => "tkill" [] MUSL;
    "tgkill" => "rt_sigprocmask" [] MUSL;
    "tgkill" => "getpid" [] GLIBC;
    "tgkill" => "gettid" [] GLIBC;
    "tkill" => "rt_sigprocmask" [] MUSL;
    "tkill" => "tgkill" [] GLIBC;
    "tkill" => "getpid" [] GLIBC;
    "tkill" => "gettid" [] GLIBC;
    "rt_sigqueueinfo" => "rt_sigprocmask" [] MUSL;
    "pause" => "ppoll" [null(0), int(1, 0), null(2), null(3)] "aarch64: glibc sysdeps/unix/sysv/linux/pause.c";

    // Signals.
    "rt_sigaction" => "rt_sigreturn" [] RETURN;
    "rt_sigaction" => "rt_sigprocmask" [] MUSL;

    // Identity. musl keeps signals out while it changes all threads.
    "setuid" => "rt_sigprocmask" [] MUSL;
    "setgid" => "rt_sigprocmask" [] MUSL;
    "setreuid" => "rt_sigprocmask" [] MUSL;
    "setregid" => "rt_sigprocmask" [] "musl src/unistd/setxid.c";
    "setresuid" => "rt_sigprocmask" [] MUSL;
    "setresgid" => "rt_sigprocmask" [] MUSL;
    "setgroups" => "rt_sigprocmask" [] MUSL;
    "sched_setscheduler" => "rt_sigprocmask" [] MUSL;

    // Time.
    "time" => "clock_gettime" [int(0, CLOCK_REALTIME)] "musl src/time/time.c, where there is no vDSO";
    "time" => "clock_gettime" [int(0, CLOCK_REALTIME_COARSE)] "aarch64: glibc time/time.c, where there is no vDSO";
    "gettimeofday" => "clock_gettime" [int(0, CLOCK_REALTIME)] "musl src/time/gettimeofday.c, where there is no vDSO";
    "nanosleep" => "clock_nanosleep" [int(0, CLOCK_REALTIME), int(1, 0)] GLIBC;
    "clock_nanosleep" => "nanosleep" [] MUSL;
    "nanosleep" => "restart_syscall" [] RESTART;
    "clock_nanosleep" => "restart_syscall" [] RESTART;
    "poll" => "restart_syscall" [] RESTART;
    "futex" => "restart_syscall" [] RESTART;
    "alarm" => "setitimer" [int(0, ITIMER_REAL)] MUSL;
    "setitimer" => "alarm" [] GLIBC;

    // Limits and memory.
    "getrlimit" => "prlimit64" [int(0, 0), null(2)] BOTH;
    "setrlimit" => "prlimit64" [int(0, 0), null(3)] BOTH;
    "brk" => "mmap" [int(2, PROT_READ_WRITE), bits(3, !MAP_HINTS, PRIVATE_MEMORY)] "malloc(3): glibc when brk fails or much is asked for, musl mostly";
    "brk" => "mmap" [int(2, 0), int(3, PRIVATE_MEMORY | MAP_FIXED)] "musl src/malloc/mallocng/malloc.c, a guard page";
    "brk" => "munmap" [] BOTH;
    "brk" => "madvise" [int(2, MADV_FREE)] "musl src/malloc/mallocng/free.c";
    "brk" => "getrandom" [int(2, GRND_NONBLOCK)] "glibc 2.36 malloc(3), once, observed";
    "mmap" => "brk" [] GLIBC;
    "mmap" => "getrandom" [int(2, GRND_NONBLOCK)] "glibc 2.36 malloc(3), once, observed";
    "getrandom" => "rt_sigprocmask" [] VGETRANDOM;
    "getrandom" => "mmap" [int(2, PROT_READ_WRITE), int(3, DROPPABLE_MEMORY)] VGETRANDOM;
    "getrandom" => "mmap" [int(2, PROT_READ_WRITE), int(3, PRIVATE_MEMORY)] VGETRANDOM;
    "getrandom" => "munmap" [] VGETRANDOM;
    "getrandom" => "getpid" [] "glibc 2.31 mkstemp(3), observed";
};
