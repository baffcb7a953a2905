//! Finding out which system calls a program can make by reading it: it, and all that it loads.
//!
//! From `main` on, and from all else that runs after the policy is in force, an abstract
//! interpretation follows the code (`flow`) and what it refers to (`reach`), with the
//! constants that registers have. It finds the numbers of system calls that way, also where
//! they are the argument of a function, and leaves out code behind conditions that can't
//! hold.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::learned::{UNKNOWN, item};
use crate::policy::{Arch, call_name};

mod calls;
mod extent;
mod flow;
mod function;
mod isa;
mod object;
mod process;
mod reach;
mod relocations;
mod search;
mod state;
mod unwind;
mod value;

use process::Process;
use reach::{Cause, Reach};
use search::Tree;

/// What is to be read, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// The tree in which libraries are looked for; `/` for this system.
    pub root: PathBuf,
    /// Libraries that it loads besides: names or paths.
    pub with: Vec<String>,
    /// Whether the policy is in force from the entry point on.
    pub from_entry: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The calls by their names, each with one way to it.
    pub calls: BTreeMap<String, Vec<Step>>,
    /// What could not be found out.
    pub gaps: Vec<Gap>,
    /// The program and its libraries.
    pub files: Vec<PathBuf>,
    /// How many functions can be reached.
    pub functions: usize,
}

/// A place in the code or the data of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The program or library.
    pub file: PathBuf,
    /// The function, if it has a name.
    pub function: Option<String>,
    /// The address in the file.
    pub address: u64,
}

/// A step of the way from a root to a system call; the call comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An instruction.
    Code(Place),
    /// Data that refer to the function.
    Data(Place),
    /// Where it begins.
    Root(&'static str),
}

/// What is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// A library that is not there.
    Library(String),
    /// A system call with a number that was not found.
    Number(Place),
    /// A number without a name.
    Unnamed(u64, Place),
    /// A system call by the entry of another ABI.
    OtherEntry(Place),
    /// It loads libraries while it runs.
    Loads(Vec<Step>),
    /// It executes other programs.
    Executes(Vec<Step>),
}

/// Why a program can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is no program or library that is understood.
    #[error("{}: {what}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It would take too long.
    #[error("it is too large to be read in bounded time")]
    TooLarge,
}

/// Reads a program.
///
/// # Errors
///
/// See [`Error`].
pub fn analyse(path: &Path, request: &Request) -> Result<Analysis, Error> {
    let tree = Tree::new(&request.root);
    let mut gaps = Vec::new();
    let process = Process::load(path, &tree, &request.with, &mut gaps)?;
    let start = process.named("__libc_start_main");
    let skipped = start.filter(|_| !request.from_entry);
    let mut reach = Reach::new(&process, skipped);
    roots(&process, skipped.is_some(), &mut reach);
    if !reach.run() {
        return Err(Error::TooLarge);
    }
    let mut analysis = Analysis {
        calls: BTreeMap::new(),
        gaps,
        files: process
            .objects
            .iter()
            .map(|object| object.path.clone())
            .collect(),
        functions: reach.functions(),
    };
    report(&process, &reach, &mut analysis);
    Ok(analysis)
}

fn roots(process: &Process, skips_start: bool, reach: &mut Reach<'_>) {
    for (index, object) in process.objects.iter().enumerate() {
        let base = process.base(index);
        let mut take = |address: u64, why| reach.take(base.wrapping_add(address), Cause::Root(why));
        if index == 0 {
            take(object.entry, "the entry point");
            let initialisers = object.initialisers.iter();
            initialisers.for_each(|address| take(*address, "an initialiser"));
        }
        let finalisers = object.finalisers.iter();
        finalisers.for_each(|address| take(*address, "a finaliser"));
    }
    if skips_start && let Some(exit) = process.named("exit") {
        reach.take(exit, Cause::Root("the end of main"));
    }
}

fn report(process: &Process, reach: &Reach<'_>, analysis: &mut Analysis) {
    let step = |cause: Cause| match cause {
        Cause::Root(why) => Step::Root(why),
        Cause::Code(at) => Step::Code(process.place(at)),
        Cause::Data(at) => Step::Data(process.place(at)),
    };
    let way = |at: u64| -> Vec<Step> { reach.chain(at).into_iter().map(step).collect() };
    for (number, at) in &reach.numbers {
        let name = u32::try_from(*number)
            .ok()
            .and_then(|number| call_name(number, Arch::X86_64));
        match name {
            Some(name) => {
                analysis.calls.insert(name, way(*at));
            }
            None => analysis
                .gaps
                .push(Gap::Unnamed(*number, process.place(*at))),
        }
    }
    restarts(&mut analysis.calls);
    let unknown = reach
        .unknown
        .iter()
        .map(|at| Gap::Number(process.place(*at)));
    analysis.gaps.extend(unknown);
    let other = reach
        .other
        .iter()
        .map(|at| Gap::OtherEntry(process.place(*at)));
    analysis.gaps.extend(other);
    let loads = reach.loads().map(|at| Gap::Loads(way(at)));
    analysis.gaps.extend(loads);
    for name in ["execve", "execveat"] {
        let executes = analysis.calls.get(name).cloned();
        analysis.gaps.extend(executes.map(Gap::Executes));
    }
}

/// After a stop, the kernel goes on with a call that waits for a time by having the process
/// make another (`set_restart_fn` in kernel/futex, fs/select.c and kernel/time).
fn restarts(calls: &mut BTreeMap<String, Vec<Step>>) {
    let waiting = ["nanosleep", "clock_nanosleep", "futex", "poll"];
    if waiting.iter().any(|name| calls.contains_key(*name)) {
        let why = Step::Root("the kernel, which restarts calls that were interrupted");
        calls.insert("restart_syscall".to_owned(), vec![why]);
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        let (name, address) = (name.to_string_lossy(), self.address);
        match &self.function {
            Some(function) => write!(f, "{name}: {function} ({address:#x})"),
            None => write!(f, "{name}: {address:#x}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(place) => write!(f, "{place}"),
            Self::Data(place) => write!(f, "{place}, which is data"),
            Self::Root(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(name) => write!(f, "{name}, which it needs, is not found"),
            Self::Number(place) => write!(f, "the number of a call was not found, at {place}"),
            Self::Unnamed(number, place) => {
                write!(f, "call number {number} has no name, at {place}")
            }
            Self::OtherEntry(place) => write!(f, "calls by another ABI, at {place}"),
            Self::Loads(_) => f.write_str("it may load libraries that are not read"),
            Self::Executes(_) => {
                f.write_str("it may execute other programs, which inherit the filter")
            }
        }
    }
}

impl Analysis {
    /// A policy file that permits the calls, with a comment in front.
    #[must_use]
    pub fn to_toml(&self, comment: &str) -> String {
        let comment = comment.lines().map(|line| format!("# {line}\n"));
        let mut text: String = comment.collect();
        text += &format!("unknown = \"{UNKNOWN}\"\nallow = [\n");
        for (name, way) in &self.calls {
            let by = way.first().map(ToString::to_string).unwrap_or_default();
            // What a file says is no comment of its own.
            let by: String = by.chars().filter(|c| !c.is_control()).collect();
            text += &item(name, &by);
            text.push('\n');
        }
        text + "]\n"
    }
}
