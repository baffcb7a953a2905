//! Starting a program under a filter that may forbid execve(2), without
//! privileges and without a second process.
//!
//! * `program`: which file it is, and what can be known to keep it from
//!   starting;
//! * `sys`: what is not safe Rust.
//!
//! Everything is prepared before the filter is in force: afterwards this process
//! makes the one execve(2) that the filter lets through ([`Pass`]), and if that
//! fails ends by the one exit_group(2) that it lets through as well.

mod program;
mod sys;

use std::ffi::CStr;
use std::fmt::Write;
use std::io;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::thread::{no_new_privs, set_no_new_privs};
use sandbox_format::bpf::ret;

use crate::filter::{self, Compiled, Data, Instruction, Pass, emulate};
use crate::policy::{self, Arch};

pub use program::{EM_486, Machine, Program, Unfit};
pub use sys::Vectors;

use sys::{Pointers, Secret};

/// What shells and env(1) exit with where the program is there and can't be
/// started.
pub const NOT_RUN: u8 = 126;
/// Likewise where a file is missing.
pub const NOT_FOUND: u8 = 127;

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The filter has no room left.
    #[error(transparent)]
    Filter(#[from] filter::Error),
    /// No way to make a secret.
    #[error("the kernel gives no random numbers: {0}")]
    Random(io::Error),
    /// prctl(2).
    #[error("the kernel refused no_new_privs: {0}")]
    NoNewPrivs(io::Error),
    /// An outer filter answers in the kernel's place.
    #[error("the kernel's answer can't be trusted: a filter claims success for it")]
    Pretence,
    /// seccomp(2).
    #[error("the kernel refused the filter: {0}")]
    Seccomp(io::Error),
    /// A machine whose kernel is not known to clear the registers of a new program.
    #[error("programs can be started under a policy on x86_64 only")]
    Machine,
    /// execve(2) of a program that is to run without a filter.
    #[error("it can't be started: {0}")]
    Execve(Errno),
}

impl Error {
    /// The exit status that tells of it; none where the program is not at
    /// fault.
    #[must_use]
    pub fn status(&self) -> Option<u8> {
        match self {
            Self::Execve(errno) => Some(status_of(*errno)),
            _ => None,
        }
    }
}

/// The exit status of env(1) for a failed execve(2).
fn status_of(errno: Errno) -> u8 {
    if errno == Errno::NOENT {
        NOT_FOUND
    } else {
        NOT_RUN
    }
}

/// The architecture that this program is compiled for.
#[must_use]
pub fn native() -> Option<Arch> {
    Arch::from_name(std::env::consts::ARCH)
}

/// What is to be started.
pub struct Launch<'a> {
    /// The file.
    pub path: &'a CStr,
    /// Its arguments, the first of which it takes for its name.
    pub arguments: &'a [&'a CStr],
    /// Its environment.
    pub environment: &'a [&'a CStr],
}

/// Puts the filter in force, if there is one and the process is not under it
/// already, and replaces this process by the program.
///
/// Returns only if the program was not started and the filter is not in force.
/// Should the kernel refuse the program later, then the process ends with the
/// exit status of a shell; if the filter permits that, it says why, behind
/// `complaint`.
pub fn launch(it: &Launch<'_>, filter: Option<&Compiled>, complaint: &str) -> Error {
    let arguments = Pointers::to(it.arguments);
    let environment = Pointers::to(it.environment);
    // A filter for another architecture answers none of this one's calls.
    let identity = filter.filter(|filter| native() == Some(filter.arch));
    let identity = identity.map(|filter| filter.identity);
    let is_present = !sys::secure_execution() && identity.is_some_and(sys::is_in_force);
    let Some(filter) = filter.filter(|_| !is_present) else {
        return Error::Execve(sys::execve(it.path, &arguments, &environment, [0; 2]));
    };
    let ready = match Ready::new(&filter.program, complaint) {
        Ok(ready) => ready,
        Err(error) => return error,
    };
    if let Err(errno) = sys::install(&ready.filter) {
        return Error::Seccomp(errno.into());
    }
    if identity.is_some_and(|identity| !sys::is_in_force(identity)) {
        return Error::Pretence;
    }
    let errno = sys::execve(it.path, &arguments, &environment, ready.secret);
    ready.give_up(errno)
}

/// What is needed when the filter is in force.
struct Ready {
    filter: Vec<Instruction>,
    secret: Secret,
    complaint: Complaint,
}

impl Ready {
    fn new(filter: &[Instruction], complaint: &str) -> Result<Self, Error> {
        // Other kernels may leave the secret in registers (riscv and s390 do).
        let native = native().filter(|arch| *arch == Arch::X86_64);
        let native = native.ok_or(Error::Machine)?;
        let secret = secret()?;
        let pass = Pass {
            arch: native.audit(),
            big_endian: native.big_endian(),
            calls: sys::CALLS.map(|number| u32::try_from(number).unwrap_or(u32::MAX)),
            secret: secret.map(|word| word as u64),
        };
        let filter = pass.before(filter)?;
        // An unprivileged process may install no filter without it (seccomp(2)).
        set_no_new_privs(true).map_err(|errno| Error::NoNewPrivs(errno.into()))?;
        let is_set = no_new_privs().map_err(|errno| Error::NoNewPrivs(errno.into()))?;
        if !is_set || sys::seccomp_pretends() {
            return Err(Error::Pretence);
        }
        Ok(Self {
            complaint: Complaint::new(complaint, &filter, native),
            filter,
            secret,
        })
    }

    /// Ends the process, which only the calls that the filter permits may do.
    fn give_up(mut self, errno: Errno) -> ! {
        self.complaint.send(errno);
        sys::exit(status_of(errno), self.secret)
    }
}

fn secret() -> Result<Secret, Error> {
    let mut secret = [0; 2];
    for word in &mut secret {
        let mut bytes = [0; size_of::<usize>()];
        // As many are never cut short (getrandom(2)). None means that a filter
        // answers in the kernel's place, with an error number of 0.
        let written = getrandom(&mut bytes, GetRandomFlags::empty())
            .map_err(|errno| Error::Random(errno.into()))?;
        if written != bytes.len() {
            return Err(Error::Pretence);
        }
        *word = usize::from_ne_bytes(bytes);
    }
    Ok(secret)
}

/// Whether somebody reads standard error. Where nobody does, writing to a pipe would
/// end this process, and that signal is not to be touched: what is done with it is
/// passed on to the program.
#[must_use]
pub fn is_heard() -> bool {
    let stderr = rustix::stdio::stderr();
    let mut poll = [PollFd::new(&stderr, PollFlags::OUT)];
    let at_once = Timespec::default();
    rustix::event::poll(&mut poll, Some(&at_once)).is_ok()
        && !poll[0]
            .revents()
            .intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
}

/// The line that says why the program can't be started after all.
struct Complaint {
    line: String,
    /// Whether the filter permits that it is written.
    is_permitted: bool,
}

impl Complaint {
    /// Room for an error's name or number and the end of the line, so that
    /// nothing is allocated under the filter.
    const ROOM: usize = 32;

    fn new(text: &str, filter: &[Instruction], native: Arch) -> Self {
        let mut line = format!("{text}: ");
        line.reserve(Self::ROOM);
        let write = Data {
            nr: u32::try_from(libc::SYS_write).unwrap_or(u32::MAX),
            arch: native.audit(),
            ip: 0,
            args: [
                2,
                line.as_ptr().addr() as u64,
                line.capacity() as u64,
                0,
                0,
                0,
            ],
        };
        let verdict = emulate(filter, &write, native.big_endian());
        Self {
            line,
            is_permitted: matches!(verdict, Ok(ret::ALLOW | ret::LOG)) && is_heard(),
        }
    }

    fn send(&mut self, errno: Errno) {
        if !self.is_permitted {
            return;
        }
        let number = errno.raw_os_error();
        let known = u16::try_from(number).ok().and_then(policy::errno_name);
        let written = match known {
            Some(name) => writeln!(self.line, "{name}"),
            None => writeln!(self.line, "error {number}"),
        };
        if written.is_ok() {
            // Where standard error is closed there is nobody to tell.
            let _ = rustix::io::write(rustix::stdio::stderr(), self.line.as_bytes());
        }
    }
}
