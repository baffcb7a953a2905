//! What is worth knowing, and keeps nothing from being done.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Problem;
use crate::policy;
use crate::rewrite::{Appended, NotLater, Reader};
use crate::runtime::moment::EarlyCode;

/// What is worth knowing of a program, or of what was done with it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Remark {
    /// The file is the runtime of this version, not a program.
    Runtime(String),
    /// The runtime within the program is that of this earlier version.
    OlderRuntime(&'static str),
    /// Without a record of the original the patch can't be taken out.
    NoRecord,
    /// The file has another length than patching gave it.
    LengthChanged,
    /// This version wrote the policy, for which its names meant other rules.
    OldRules(String),
    /// Libraries stand where the runtime should.
    LibrariesAdded,
    /// Why the policy is not put in force right before main, in a program that is there.
    NotBeforeMain(NotLater),
    /// The same, when patching.
    AtEntry(NotLater),
    /// The program's code that runs before the policy is in force.
    EarlyCode(EarlyCode),
    /// There is no library at the path that the program will name.
    LibraryMissing(String),
    /// The caller may not see it.
    LibraryHidden {
        /// The path.
        path: String,
        /// The reason.
        why: String,
    },
    /// What resolving the policy has to say.
    Policy(policy::Warning),
    /// What `verify` will take for a problem.
    Unaccepted(Problem),
    /// Likewise: nothing is known of the order in which this loader initialises.
    UnknownLoader(String),
    /// The allow-list lacks calls of an allocator that starts under the policy.
    Memory {
        /// Why it does.
        why: &'static str,
        /// What it calls.
        missing: Vec<&'static str>,
    },
    /// This library ends the program unless it is the first.
    RefusesCompany(String),
    /// The new segments are where the heap was, and the program asks where that is.
    HeapMoves,
    /// This stands behind the program header table, which had to move.
    HeadersMoved(String),
    /// Section headers that can't be read are not kept.
    SectionsDropped,
    /// Where what was appended is now may not be where it is looked for.
    Appended(Appended),
    /// Signatures that no longer hold.
    Unsigned(Vec<String>),
    /// A lock that was not waited for any longer.
    Locked,
    /// Processes that run the file as it was.
    Running(Vec<u32>),
    /// How many other names keep the old content.
    OtherNames(u64),
}

impl Remark {
    /// Where what was appended may not be found; nothing where its readers are known.
    pub(super) fn of_appended(appended: Appended) -> Option<Self> {
        let is_known = matches!(appended.reader, Reader::Known(_));
        (!is_known).then_some(Self::Appended(appended))
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime(version) => write!(f, "this is the runtime, version {version}"),
            Self::OlderRuntime(version) => write!(
                f,
                "its runtime is that of version {version}; patch it again to have the present one"
            ),
            Self::NoRecord => f.write_str("it keeps no record of the original file"),
            Self::LengthChanged => f.write_str(
                "something was appended or stripped since it was patched, so the patch can only be \
                 taken out with best effort",
            ),
            Self::OldRules(version) => write!(
                f,
                "version {version} wrote the policy; today its names stand for other rules"
            ),
            Self::LibrariesAdded => f.write_str(
                "libraries were added after it was patched; the policy holds for their constructors",
            ),
            Self::NotBeforeMain(why) => write!(
                f,
                "the policy could not be put in force right before main: {why}"
            ),
            Self::AtEntry(why) => write!(
                f,
                "the policy is in force from the entry point on, since {why}; what runs before \
                 main must be permitted"
            ),
            Self::EarlyCode(code) => code.fmt(f),
            Self::LibraryMissing(path) => write!(
                f,
                "{path} does not exist here; the program will not start where it is missing"
            ),
            Self::LibraryHidden { path, why } => write!(
                f,
                "{path} can't be looked at: {why}; the program will not start for anyone who can't \
                 reach it"
            ),
            Self::Policy(warning) => warning.fmt(f),
            Self::Unaccepted(problem) => {
                write!(f, "{problem}; it does not pass verification")
            }
            Self::UnknownLoader(path) => write!(
                f,
                "the loader {path} is not known; the policy may be in force before or after the \
                 constructors of other libraries and of the program; it does not pass verification"
            ),
            Self::Memory { why, missing } => write!(
                f,
                "{why}, so it asks for its first memory under the policy; if it dies then, \
                 permit {}",
                missing.join(", ")
            ),
            Self::RefusesCompany(library) => write!(
                f,
                "its library {library} ends it where another library is loaded first, as \
                 libsandbox.so is; put the runtime into it, or start it with \
                 ASAN_OPTIONS=verify_asan_link_order=0"
            ),
            Self::HeapMoves => f.write_str(
                "it asks for the place of its heap (sbrk), which begins after the new segment \
                 from now on; a program that counts on its heap right behind its data does not \
                 work: start it with sandboxify",
            ),
            Self::HeadersMoved(obstacle) => write!(
                f,
                "its program headers had to move, since {obstacle} follows them; strip it \
                 before patching, not afterwards"
            ),
            Self::SectionsDropped => {
                f.write_str("its section headers can't be read, and the result has none")
            }
            Self::Appended(appended) => of_appended(f, appended),
            Self::Unsigned(places) => write!(
                f,
                "it is signed ({}), and the result no longer is; sign the result again",
                places.join(", ")
            ),
            Self::Locked => f.write_str(
                "another process holds a lock on it, as anyone can who may read it, and was not \
                 waited for any longer; lslocks(8) shows which",
            ),
            Self::Running(processes) => of_running(f, processes),
            Self::OtherNames(count) => {
                let keep = match count {
                    1 => "one other name keeps".to_owned(),
                    _ => format!("{count} other names keep"),
                };
                write!(
                    f,
                    "replacing the file breaks a hard link: its {keep} the old content"
                )
            }
        }
    }
}

fn of_appended(f: &mut fmt::Formatter<'_>, appended: &Appended) -> fmt::Result {
    let size = appended.size;
    write!(f, "the {size} bytes that are appended to the ELF file ")?;
    let Some(why) = appended.reader.why() else {
        return write!(
            f,
            "stay at its end, {} bytes further on; what looks for them at a fixed place will not \
             find them",
            appended.shift.unwrap_or_default()
        );
    };
    let then = match appended.reader {
        Reader::ByTrailer => "at the end they name the place where they start there",
        _ => "what reads from that place to the end of the file reads more now",
    };
    write!(
        f,
        "are kept both in place and at its end, since {why}; {then}"
    )
}

fn of_running(f: &mut fmt::Formatter<'_>, processes: &[u32]) -> fmt::Result {
    const SHOWN: usize = 5;
    let shown = processes.iter().take(SHOWN).map(ToString::to_string);
    let shown: Vec<_> = shown.collect();
    let more = if processes.len() > SHOWN { ", …" } else { "" };
    write!(
        f,
        "it is running (process {}{more}) and goes on without this change until it is started again",
        shown.join(", ")
    )
}

/// As the text.
impl Serialize for Remark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
