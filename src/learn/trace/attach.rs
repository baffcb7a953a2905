//! Processes that run already.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::process::Process;
use super::ptrace::{Clock, Status, Thread};
use super::{Command, Ended, Error, Recording, Tracer};

/// Records what a running process and its descendants call, until it ends, or the time is
/// over, or this process gets SIGINT, SIGTERM or SIGHUP. They then go on as before.
///
/// No filter is put in force, which they could not get rid of: each call stops them.
///
/// # Errors
///
/// There is no such process, or it may not be traced.
pub fn record_running(process: i32, time: Option<Duration>) -> Result<Recording, Error> {
    if !cfg!(target_arch = "x86_64") {
        return Err(Error::Machine);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut signals = Vec::new();
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        signals.push(signal_hook::flag::register(signal, Arc::clone(&stop))?);
    }
    let command = Command {
        path: c"",
        arguments: &[],
        moment: &|_| None,
        children: true,
        only_stops: false,
    };
    let root = Thread(process);
    let mut tracer = Tracer::new(&command);
    let recorded = tracer.attach(root).and_then(|()| {
        let end = time.and_then(|time| Instant::now().checked_add(time));
        let is_over =
            || stop.load(Ordering::Relaxed) || end.is_some_and(|end| Instant::now() >= end);
        tracer.follow(root, &is_over)
    });
    signals.into_iter().for_each(|signal| {
        signal_hook::low_level::unregister(signal);
    });
    let ended = recorded?;
    Ok(Recording {
        programs: tracer.programs.all,
        ended,
    })
}

impl Tracer<'_> {
    /// Traces a process, its threads and its descendants.
    fn attach(&mut self, root: Thread) -> Result<(), Error> {
        let mut left = vec![(root, None)];
        let mut seen = BTreeSet::from([root]);
        while let Some((process, parent)) = left.pop() {
            let path = path_of(process);
            let path = match path {
                Err(error) if process == root => return Err(Error::NoProcess(error)),
                Err(_) => continue,
                Ok(path) => path,
            };
            let program = self.programs.of(&path);
            let mut copy: Process = parent.unwrap_or_default();
            if copy.program() != Some(program) {
                copy.become_program(program);
            }
            copy.begins_at_once();
            copy.is_left_alone = true;
            self.programs.begin(program);
            self.processes.insert(process, copy.clone());
            if let Err(error) = self.attach_threads(process) {
                match process == root {
                    true => return Err(Error::Refused(error)),
                    false => continue,
                }
            }
            for child in children(process) {
                if seen.insert(child) {
                    left.push((child, Some(copy.clone())));
                }
            }
        }
        Ok(())
    }

    /// Until there are no others: those that are traced tell of theirs by themselves.
    fn attach_threads(&mut self, process: Thread) -> io::Result<()> {
        loop {
            let mut is_new = false;
            for thread in numbers(&format!("/proc/{}/task", process.0)) {
                if self.threads.contains_key(&thread) {
                    continue;
                }
                match thread.attach() {
                    Ok(()) => {}
                    // It is gone, or told of by the one that made it.
                    Err(error)
                        if thread != process && error.raw_os_error() != Some(libc::EACCES) =>
                    {
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                self.threads.insert(thread, process);
                is_new = true;
            }
            if !is_new {
                return Ok(());
            }
        }
    }

    /// Records until that is over.
    fn follow(&mut self, root: Thread, is_over: &dyn Fn() -> bool) -> Result<Ended, Error> {
        let _clock = Clock::start()?;
        loop {
            if is_over() {
                self.leave()?;
                return Ok(Ended::Left);
            }
            match Thread::ANY.wait_or_signal() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
                Ok(None) => return Ok(Ended::Left),
                Ok(Some((thread, status))) => {
                    let ended = self.stopped(thread, status)?;
                    if let Some(ended) = ended.filter(|_| thread == root) {
                        self.leave()?;
                        return Ok(ended);
                    }
                }
            }
        }
    }

    /// Leaves all threads alone, each at its next stop.
    fn leave(&mut self) -> io::Result<()> {
        for thread in self.threads.keys() {
            // It may be gone.
            let _ = thread.interrupt();
        }
        while let Some((thread, status)) = Thread::ANY.wait()? {
            let signal = match status {
                Status::Signal(signal) if signal != libc::SIGTRAP => signal,
                Status::Event(libc::PTRACE_EVENT_STOP, signal) if signal != libc::SIGTRAP => signal,
                _ => 0,
            };
            let _ = thread.detach(signal);
        }
        Ok(())
    }
}

fn path_of(process: Thread) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{}/exe", process.0))
}

/// The processes that the threads of one made (proc_pid_task_tid_children(5)).
fn children(process: Thread) -> Vec<Thread> {
    let threads = numbers(&format!("/proc/{}/task", process.0));
    let lists = threads.iter().filter_map(|thread| {
        let path = format!("/proc/{}/task/{}/children", process.0, thread.0);
        std::fs::read_to_string(path).ok()
    });
    let numbers = lists.flat_map(|list| {
        let numbers: Vec<_> = list
            .split_whitespace()
            .filter_map(|it| it.parse().ok())
            .collect();
        numbers
    });
    numbers.map(Thread).collect()
}

/// The numbers that are names in a directory.
fn numbers(directory: &str) -> Vec<Thread> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    names.map(Thread).collect()
}
