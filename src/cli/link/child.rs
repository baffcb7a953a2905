//! Running a command so that neither it nor whoever waits for this process
//! sees a difference.
//!
//! The command stays in this process group: signals from the terminal reach
//! both. As system(3) does, this process outlives SIGINT and SIGQUIT and lets
//! the command decide. SIGTERM and SIGHUP often come to this process alone, and
//! are handed on. All four are held until the end, so that none of them comes
//! between linking and patching and leaves an unprotected program.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};
use std::thread;

use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, Resource, Signal, WaitId, WaitIdOptions, getrlimit, kill_process, setrlimit, waitid,
};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::file::ignored_signals;

/// Runs the command to its end.
///
/// # Errors
///
/// It can't be started.
pub(super) fn run(command: &[OsString]) -> io::Result<ExitStatus> {
    let ignored = ignored_signals();
    // What is ignored (nohup(1), a shell's background job) is so for the
    // command as well, which a handler would undo: execve(2) resets handlers.
    let held = [SIGHUP, SIGINT, SIGQUIT, SIGTERM]
        .into_iter()
        .filter(|signal| (ignored >> (signal - 1)) & 1 == 0);
    // Where SIGCHLD is ignored there is nobody to wait for (wait(2), NOTES).
    // The handlers outlive this value: no signal restores the default action.
    let mut signals = Signals::new(held.chain([SIGCHLD]))?;
    let handle = signals.handle();
    let mut child = Command::new(&command[0]).args(&command[1..]).spawn()?;
    let pid = Pid::from_child(&child);
    thread::scope(|scope| {
        scope.spawn(|| {
            for signal in signals.forever() {
                let signal = match signal {
                    SIGTERM => Signal::TERM,
                    SIGHUP => Signal::HUP,
                    _ => continue,
                };
                // It may have ended by itself in this moment.
                let _ = kill_process(pid, signal);
            }
        });
        // Its number is not given to another process before it was waited for,
        // which NOWAIT leaves to the time when no signal is handed on any more.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let ended = retry_on_intr(|| waitid(WaitId::Pid(pid), options));
        handle.close();
        ended
    })?;
    child.wait()
}

/// Whether the command ended as the default action of a filter ends a program:
/// by SIGSYS, which shells and the like tell by an exit status.
pub(super) fn is_stopped_by_a_policy(status: ExitStatus) -> bool {
    let signal = Signal::SYS.as_raw();
    status.signal() == Some(signal) || status.code() == Some(128 + signal)
}

/// Ends this process as the command ended.
pub(super) fn end_likewise(status: ExitStatus) -> ExitCode {
    let code = match (status.code(), status.signal()) {
        (None, Some(signal)) => {
            die_by(signal);
            // A shell's way to tell of a signal that can't be died by.
            signal.saturating_add(128)
        }
        (code, _) => code.unwrap_or(1),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn die_by(signal: i32) {
    // The core that tells something is that of the command.
    let mut limit = getrlimit(Resource::Core);
    limit.current = Some(0);
    // Failing here leaves a core more, or the exit status of a shell.
    let _ = setrlimit(Resource::Core, limit);
    let _ = emulate_default_handler(signal);
}
