//! Signals and times.
//!
//! From include/uapi/linux: signal.h, signalfd.h, time.h, timerfd.h;
//! asm-generic/signal.h.

use super::{ABSENT, Family, Set, flags, numbers};

#[rustfmt::skip]
pub(super) const SETS: &[Set] = &[
    numbers(Family::Signal, &[
        ("SIGHUP", 1), ("SIGINT", 2), ("SIGQUIT", 3), ("SIGILL", 4), ("SIGTRAP", 5),
        ("SIGABRT", 6), ("SIGBUS", 7), ("SIGFPE", 8), ("SIGKILL", 9), ("SIGUSR1", 10),
        ("SIGSEGV", 11), ("SIGUSR2", 12), ("SIGPIPE", 13), ("SIGALRM", 14), ("SIGTERM", 15),
        ("SIGSTKFLT", 16), ("SIGCHLD", 17), ("SIGCONT", 18), ("SIGSTOP", 19), ("SIGTSTP", 20),
        ("SIGTTIN", 21), ("SIGTTOU", 22), ("SIGURG", 23), ("SIGXCPU", 24), ("SIGXFSZ", 25),
        ("SIGVTALRM", 26), ("SIGPROF", 27), ("SIGWINCH", 28), ("SIGIO", 29), ("SIGPWR", 30),
        ("SIGSYS", 31), ("SIGEMT", ABSENT), ("SIGIOT", 6), ("SIGPOLL", 29), ("SIGCLD", ABSENT),
        ("SIGUNUSED", 31),
    ]),
    numbers(Family::SignalHow, &[("SIG_BLOCK", 0), ("SIG_UNBLOCK", 1), ("SIG_SETMASK", 2)]),
    flags(Family::SignalFdFlags, &[("SFD_CLOEXEC", 0x0008_0000), ("SFD_NONBLOCK", 0x800)]),
    numbers(Family::Clock, &[
        ("CLOCK_REALTIME", 0), ("CLOCK_MONOTONIC", 1), ("CLOCK_PROCESS_CPUTIME_ID", 2),
        ("CLOCK_THREAD_CPUTIME_ID", 3), ("CLOCK_MONOTONIC_RAW", 4), ("CLOCK_REALTIME_COARSE", 5),
        ("CLOCK_MONOTONIC_COARSE", 6), ("CLOCK_BOOTTIME", 7), ("CLOCK_REALTIME_ALARM", 8),
        ("CLOCK_BOOTTIME_ALARM", 9), ("CLOCK_SGI_CYCLE", 10), ("CLOCK_TAI", 11),
        ("CLOCK_AUX", 16),
    ]),
    numbers(Family::IntervalTimer, &[
        ("ITIMER_REAL", 0), ("ITIMER_VIRTUAL", 1), ("ITIMER_PROF", 2),
    ]),
    flags(Family::TimerFlags, &[("TIMER_ABSTIME", 1)]),
    flags(Family::TimerFdFlags, &[("TFD_CLOEXEC", 0x0008_0000), ("TFD_NONBLOCK", 0x800)]),
    flags(Family::TimerFdSetFlags, &[("TFD_TIMER_ABSTIME", 1), ("TFD_TIMER_CANCEL_ON_SET", 2)]),
];
