//! Taking turns with others who replace the same file.
//!
//! The lock (flock(2)) spares work: whoever comes second waits, and sees what
//! the first has made. That nothing is lost without it is seen to by the last step.
//! So it may have the weakness that anybody can hold it who may read the file: it is
//! not waited for longer than a replacement takes.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::place::{PATIENCE, PAUSE};

/// Whether somebody held a lock all the time in this run: who does so with one
/// file can do so with thousands.
static WAITED_IN_VAIN: AtomicBool = AtomicBool::new(false);

/// Takes the lock of a file as soon as nobody else has it. Tells whether nobody
/// else does: some file systems have no such locks.
pub(super) fn lock(file: &File) -> bool {
    let patience = if WAITED_IN_VAIN.load(Ordering::Relaxed) {
        Duration::ZERO
    } else {
        PATIENCE
    };
    let start = Instant::now();
    while let Err(Errno::WOULDBLOCK) = flock(file, FlockOperation::NonBlockingLockExclusive) {
        if start.elapsed() >= patience {
            WAITED_IN_VAIN.store(true, Ordering::Relaxed);
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}
