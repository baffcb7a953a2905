//! Waiting for others who are at the same file, but not for ever: anybody who may
//! read a file can hold a lock on it, and its owner a lease.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How long others may keep a file from being opened or replaced.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks at whether they still do.
const PAUSE: Duration = Duration::from_millis(5);

/// Whether somebody kept a file all that time in this run: who does so with one
/// can do so with thousands.
static WAITED_IN_VAIN: AtomicBool = AtomicBool::new(false);

/// Takes the lock of a file (flock(2)) as soon as nobody else has it. Tells
/// whether nobody else does: some file systems have no such locks.
///
/// The lock spares work: whoever comes second waits, and sees what the first has
/// made. That nothing is lost without it is seen to by the last step, so that it
/// may have this weakness.
pub(super) fn lock(file: &File) -> bool {
    let lock = || flock(file, FlockOperation::NonBlockingLockExclusive);
    patiently(lock) != Err(Errno::WOULDBLOCK)
}

/// Tries again for a while what can't be done yet.
pub(super) fn patiently<T>(act: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    let start = Instant::now();
    loop {
        match act() {
            Err(Errno::WOULDBLOCK) if !is_over(start) => thread::sleep(PAUSE),
            done => return done,
        }
    }
}

fn is_over(start: Instant) -> bool {
    if WAITED_IN_VAIN.load(Ordering::Relaxed) {
        return true;
    }
    let is_over = start.elapsed() >= PATIENCE;
    WAITED_IN_VAIN.fetch_or(is_over, Ordering::Relaxed);
    is_over
}
