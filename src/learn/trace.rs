//! What a program calls while it runs, by ptrace(2).
//!
//! Each call stops the program once or twice, until it has made many that were all seen
//! before. It is then put under a filter that stops only at others (SECCOMP_RET_TRACE), and
//! what was seen costs nothing any more. A filter can't be loosened: what is seen for the
//! first time later goes on to stop the program.

mod attach;
mod inject;
mod process;
mod ptrace;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::policy::Arch;
pub use attach::record_running;
use inject::Outcome;
use process::{Process, Programs};
use ptrace::{Signals, Status, Thread, Until};

/// What is to be run.
pub struct Command<'a> {
    /// The file, for execve(2).
    pub path: &'a CStr,
    /// Its arguments, the first of which it takes for its name.
    pub arguments: &'a [CString],
    /// The address, in an executable file, of the code that is the first to run under a
    /// policy; `None` for all of it.
    pub moment: &'a dyn Fn(&File) -> Option<u64>,
    /// Whether what others do that the program executes counts as well.
    pub children: bool,
    /// Whether to record only what a filter stops at that the program itself puts in force
    /// (SECCOMP_RET_TRACE).
    pub only_stops: bool,
}

/// What was recorded.
#[derive(Debug)]
pub struct Recording {
    /// The programs that were executed, first the one that was started.
    pub programs: Vec<Program>,
    /// How that one ended.
    pub ended: Ended,
}

/// An executable, and what it called.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// What it called from the moment on at which its policy comes into force, and what
    /// others called that it executed.
    pub calls: BTreeMap<Call, By>,
    /// Whether that moment came. If not, nothing of its own was recorded.
    pub has_begun: bool,
}

/// A system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The ABI.
    pub arch: Arch,
    /// The number, as the kernel gets it.
    pub number: u32,
}

/// Who makes a call under the policy of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// The program itself.
    pub itself: bool,
    /// Programs that it executes, which inherit its filter.
    pub others: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With an exit status.
    Exited(i32),
    /// By a signal.
    Killed(i32),
    /// Not at all: it was left alone.
    Left,
}

/// Why nothing could be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// ptrace(2) is not permitted.
    #[error(
        "the kernel does not let a process be traced: {0}; in a container, permit ptrace \
         (--cap-add SYS_PTRACE); elsewhere see /proc/sys/kernel/yama/ptrace_scope"
    )]
    Refused(io::Error),
    /// There is none to be traced.
    #[error("there is no such process, or it is another user's: {0}")]
    NoProcess(io::Error),
    /// execve(2).
    #[error("it can't be started: {0}")]
    Execve(io::Error),
    /// Anything else that the kernel says no to.
    #[error("its recording failed: {0}")]
    System(#[from] io::Error),
    /// Another processor.
    #[error("programs are recorded on x86_64 only")]
    Machine,
}

/// Runs a program to its end, and to that of all processes that it starts.
///
/// # Errors
///
/// It can't be started, or not be traced.
pub fn record(command: &Command<'_>) -> Result<Recording, Error> {
    if !cfg!(target_arch = "x86_64") {
        return Err(Error::Machine);
    }
    let root = ptrace::start(command.path, command.arguments).map_err(|error| {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => Error::Refused(error),
            _ => Error::System(error),
        }
    })?;
    let _signals = Signals::pass_on(root)?;
    let mut tracer = Tracer::new(command);
    tracer.processes.insert(root, Process::default());
    tracer.threads.insert(root, root);
    let mut ended = None;
    while let Some((thread, status)) = Thread::ANY.wait()? {
        if let Some(how) = tracer.stopped(thread, status)?
            && thread == root
        {
            ended = Some(how);
        }
    }
    match ended {
        Some(Ended::Exited(error)) if tracer.programs.all.is_empty() => {
            Err(Error::Execve(io::Error::from_raw_os_error(error)))
        }
        Some(ended) => Ok(Recording {
            programs: tracer.programs.all,
            ended,
        }),
        None => Err(io::Error::other("it was lost").into()),
    }
}

struct Tracer<'a> {
    command: &'a Command<'a>,
    programs: Programs,
    processes: BTreeMap<Thread, Process>,
    /// Of each thread its process, by its first thread.
    threads: BTreeMap<Thread, Thread>,
    /// Threads that stopped before the one that made them told of it.
    early: Vec<Thread>,
}

impl<'a> Tracer<'a> {
    fn new(command: &'a Command<'a>) -> Self {
        Self {
            command,
            programs: Programs::default(),
            processes: BTreeMap::new(),
            threads: BTreeMap::new(),
            early: Vec::new(),
        }
    }

    /// Takes what waitpid(2) tells of a thread, and lets it go on. How it ended, if it did.
    fn stopped(&mut self, thread: Thread, status: Status) -> io::Result<Option<Ended>> {
        let ended = match status {
            Status::Exited(status) => Ended::Exited(status),
            Status::Killed(signal) => Ended::Killed(signal),
            _ => {
                // It may be killed at any moment, of which the next wait tells; then it has no
                // files in /proc either.
                let is_gone = |error: &io::Error| {
                    matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT))
                };
                match self.handle(thread, status) {
                    Err(error) if is_gone(&error) => {}
                    handled => handled?,
                }
                return Ok(None);
            }
        };
        self.threads.remove(&thread);
        self.processes.remove(&thread);
        Ok(Some(ended))
    }

    fn handle(&mut self, thread: Thread, status: Status) -> io::Result<()> {
        if !self.threads.contains_key(&thread) {
            self.early.push(thread);
            return Ok(());
        }
        match status {
            Status::Call => self.at_call(thread),
            Status::Signal(libc::SIGTRAP) if self.begins(thread)? => self.go_on(thread, 0),
            Status::Signal(signal) => self.go_on(thread, signal),
            Status::Event(libc::PTRACE_EVENT_SECCOMP, _) => {
                self.seen(thread)?;
                self.go_on(thread, 0)
            }
            Status::Event(libc::PTRACE_EVENT_EXEC, _) => {
                self.executed(thread)?;
                self.go_on(thread, 0)
            }
            Status::Event(
                libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE,
                _,
            ) => {
                self.made(thread, Thread(thread.message()?))?;
                self.go_on(thread, 0)
            }
            // Of a stopped group, until it is to continue (ptrace(2)).
            Status::Event(libc::PTRACE_EVENT_STOP, signal) if signal != libc::SIGTRAP => {
                thread.stay_stopped()
            }
            _ => self.go_on(thread, 0),
        }
    }

    fn go_on(&mut self, thread: Thread, signal: i32) -> io::Result<()> {
        let (children, only_stops) = (self.command.children, self.command.only_stops);
        let until = match self.process(thread) {
            Some(process) if !only_stops => process.until(children),
            _ => Until::Event,
        };
        thread.go_on(until, signal)
    }

    fn process(&mut self, thread: Thread) -> Option<&mut Process> {
        self.processes.get_mut(self.threads.get(&thread)?)
    }

    fn at_call(&mut self, thread: Thread) -> io::Result<()> {
        let is_new = self.seen(thread)?;
        if let (Some(is_new), Some(process)) = (is_new, self.process(thread))
            && process.counts(is_new)
        {
            self.restrict(thread)?;
        }
        self.go_on(thread, 0)
    }

    /// Records the call that a thread begins: whether it was not seen before; `None` if it
    /// ends one.
    fn seen(&mut self, thread: Thread) -> io::Result<Option<bool>> {
        let Some(call) = thread.call()? else {
            return Ok(None);
        };
        let process = self.threads.get(&thread);
        let Some(process) = process.and_then(|process| self.processes.get(process)) else {
            return Ok(None);
        };
        let children = self.command.children;
        Ok(Some(self.programs.record(process, &call, children)))
    }

    /// Puts a process under a filter that stops at calls only that it has not made yet.
    fn restrict(&mut self, thread: Thread) -> io::Result<()> {
        let process = self.threads.get(&thread);
        let Some(process) = process.and_then(|process| self.processes.get_mut(process)) else {
            return Ok(());
        };
        let calls = self.programs.calls_of(process);
        let outcome = inject::restrict(thread, calls)?;
        process.is_restricted = outcome == Outcome::Restricted;
        process.is_left_alone = outcome != Outcome::Prepared;
        Ok(())
    }

    /// A thread or a process was made by another.
    fn made(&mut self, by: Thread, new: Thread) -> io::Result<()> {
        let Some(process) = self.threads.get(&by).copied() else {
            return Ok(());
        };
        let process = if process::is_thread_of(new, process) {
            process
        } else {
            let copy = self.processes.get(&process).cloned().unwrap_or_default();
            self.processes.insert(new, copy);
            new
        };
        self.threads.insert(new, process);
        if let Some(at) = self.early.iter().position(|early| *early == new) {
            self.early.swap_remove(at);
            self.go_on(new, 0)?;
        }
        Ok(())
    }

    /// A process has become another program. Its other threads are gone, and the one that
    /// executed has the first one's number.
    fn executed(&mut self, thread: Thread) -> io::Result<()> {
        let former = Thread(thread.message()?);
        if former != thread {
            self.threads.remove(&former);
        }
        self.threads.insert(thread, thread);
        let path = std::fs::read_link(format!("/proc/{}/exe", thread.0))?;
        let program = self.programs.of(&path);
        let process = self.processes.entry(thread).or_default();
        process.become_program(program);
        let moment = self.command.moment;
        let begins = match self.command.only_stops {
            true => process.begins_at_once(),
            false => process.awaits(thread, &path, moment)?,
        };
        if begins {
            self.programs.begin(program);
        }
        Ok(())
    }

    /// Whether a thread has come to where the policy would come into force.
    fn begins(&mut self, thread: Thread) -> io::Result<bool> {
        let Some(process) = self.process(thread) else {
            return Ok(false);
        };
        let has_come = process.has_come(thread)?;
        let program = process.program();
        if let (true, Some(program)) = (has_come, program) {
            self.programs.begin(program);
        }
        Ok(has_come)
    }
}

/// The file of a program that a process of this one runs.
fn open(thread: Thread, path: &Path) -> io::Result<File> {
    // The path may have another file by now.
    File::open(format!("/proc/{}/exe", thread.0)).or_else(|_| File::open(path))
}
