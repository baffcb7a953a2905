//! Signals that end this process, held back while a new file has a temporary
//! name.
//!
//! Blocking them in one thread would not do: a signal to the process goes to
//! any thread that does not block it (signal(7)). So that they end the process
//! only through a thread of their own, which waits for the names to be gone.

use std::fs;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Read-locked while there is a temporary name; write-locked to end.
static NAMES: RwLock<()> = RwLock::new(());

/// As long as it lives, the process does not end by a signal of those that
/// [`hold_for_names`] knows of.
pub(super) struct Held(
    #[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'static, ()>,
);

/// A thread that holds one already must not ask for another.
pub(super) fn hold() -> Held {
    Held(NAMES.read().unwrap_or_else(PoisonError::into_inner))
}

/// From now on the usual signals end the process only while no new file has a
/// temporary name.
///
/// # Errors
///
/// The system gives no handlers, pipe or thread for it.
pub fn hold_for_names() -> io::Result<()> {
    survive_size_limit()?;
    let ignored = ignored_signals();
    // What is ignored (nohup(1), a shell's background job) stays so.
    let held = [SIGHUP, SIGINT, SIGQUIT, SIGTERM]
        .into_iter()
        .filter(|signal| (ignored >> (signal - 1)) & 1 == 0);
    let mut signals = Signals::new(held)?;
    thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            let _names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
            // Fails for signals that no handler can be set for: none of these.
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// From now on a file that would grow beyond the limit (setrlimit(2),
/// RLIMIT_FSIZE) is an error of the call, and not the end of the process. What a
/// child has by execve(2) is as it was: unlike an ignored signal, a handler is
/// not inherited.
///
/// # Errors
///
/// The system gives no handler for it.
pub fn survive_size_limit() -> io::Result<()> {
    if (ignored_signals() >> (SIGXFSZ - 1)) & 1 == 1 {
        return Ok(());
    }
    let nobody = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGXFSZ, nobody).map(|_| ())
}

/// The set of ignored signals (proc(5), "SigIgn"): bit 0 is signal 1. None can
/// be seen without /proc.
#[must_use]
pub fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}
