//! Things worth knowing that do not prevent anything.

use serde::{Serialize, Serializer};

use super::Problem;
use crate::policy;
use crate::rewrite::{Appended, NotLater, Reader};
use crate::runtime::moment::EarlyCode;

/// Something worth knowing about a program, or about what was done with it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Remark {
    /// The file is the runtime of this version, not a program.
    #[error("this is the runtime, version {0}")]
    Runtime(String),
    /// The runtime inside the program is that of this earlier version.
    #[error("its runtime is that of version {0}; patch it again to have the present one")]
    OlderRuntime(&'static str),
    /// Without a record of the original the patch can't be taken out.
    #[error("it keeps no record of the original file")]
    NoRecord,
    /// The length of the file is not what patching made it.
    #[error(
        "something was appended or stripped since it was patched, so the patch can only be taken \
         out with best effort"
    )]
    LengthChanged,
    /// This version wrote the policy, and its names meant other rules then.
    #[error("version {0} wrote the policy; today its names stand for other rules")]
    OldRules(String),
    /// Libraries have the position where the runtime should be.
    #[error("libraries were added after it was patched; the policy holds for their constructors")]
    LibrariesAdded,
    /// Why the policy of an already patched program is not put in force right before
    /// main.
    #[error("the policy could not be put in force right before main: {0}")]
    NotBeforeMain(NotLater),
    /// The same for a program being patched.
    #[error(
        "the policy is in force from the entry point on, since {0}; what runs before main must be \
         permitted"
    )]
    AtEntry(NotLater),
    /// The program's code that runs before the policy is in force.
    #[error("{0}")]
    EarlyCode(EarlyCode),
    /// There is no library at the path that the program will name.
    #[error("{0} does not exist here; the program will not start where it is missing")]
    LibraryMissing(String),
    /// The user may not see it.
    #[error(
        "{path} can't be looked at: {why}; the program will not start for anyone who can't reach it"
    )]
    LibraryHidden {
        /// The path.
        path: String,
        /// The reason.
        why: String,
    },
    /// A warning from resolving the policy.
    #[error("{0}")]
    Policy(policy::Warning),
    /// A problem that `verify` will report.
    #[error("{0}; it does not pass verification")]
    Unaccepted(Problem),
    /// Another one: the order in which this loader initialises libraries is unknown.
    #[error(
        "the loader {0} is not known; the policy may be in force before or after the constructors \
         of other libraries and of the program; it does not pass verification"
    )]
    UnknownLoader(String),
    /// The allow-list lacks calls of an allocator that starts under the policy.
    #[error(
        "{why}, so it asks for its first memory under the policy; if it dies then, permit {}",
        missing.join(", ")
    )]
    Memory {
        /// Why it starts under the policy.
        why: &'static str,
        /// The missing calls.
        missing: Vec<&'static str>,
    },
    /// This library ends the program unless it is the first.
    #[error(
        "its library {0} ends it where another library is loaded first, as libsandbox.so is; put \
         the runtime into it, or start it with ASAN_OPTIONS=verify_asan_link_order=0"
    )]
    RefusesCompany(String),
    /// The new segments are where the heap was, and the program asks where that is.
    #[error(
        "it asks for the place of its heap (sbrk), which begins after the new segment from now on; \
         a program that counts on its heap right behind its data does not work: start it with \
         sandboxify"
    )]
    HeapMoves,
    /// This follows the program header table, which had to move.
    #[error(
        "its program headers had to move, since {0} follows them; strip it before patching, not \
         afterwards"
    )]
    HeadersMoved(String),
    /// Section headers that can't be read are not kept.
    #[error("its section headers can't be read, and the result has none")]
    SectionsDropped,
    /// What was appended may no longer be where readers look for it.
    #[error("the {} bytes that are appended to the ELF file {}", .0.size, where_to(.0))]
    Appended(Appended),
    /// Signatures that are no longer valid.
    #[error(
        "it is signed ({}), and the result no longer is; sign the result again",
        .0.join(", ")
    )]
    Unsigned(Vec<String>),
    /// A lock was still held when waiting for it was given up.
    #[error(
        "another process holds a lock on it, as anyone can who may read it, and was not waited for \
         any longer; lslocks(8) shows which"
    )]
    Locked,
    /// Processes that are running the old file.
    #[error(
        "it is running (process {}) and goes on without this change until it is started again",
        some_of(.0)
    )]
    Running(Vec<u32>),
    /// How many other names keep the old content.
    #[error("replacing the file breaks a hard link: its {} the old content", keepers(*.0))]
    OtherNames(u64),
}

impl Remark {
    /// A remark if appended data may not be found; `None` if its readers are known.
    pub(super) fn of_appended(appended: Appended) -> Option<Self> {
        let is_known = matches!(appended.reader, Reader::Known(_));
        (!is_known).then_some(Self::Appended(appended))
    }
}

fn where_to(appended: &Appended) -> String {
    let Some(why) = appended.reader.why() else {
        return format!(
            "stay at its end, {} bytes further on; what looks for them at a fixed place will not \
             find them",
            appended.shift.unwrap_or_default()
        );
    };
    let then = match appended.reader {
        Reader::ByTrailer => "at the end they name the place where they start there",
        _ => "what reads from that place to the end of the file reads more now",
    };
    format!("are kept both in place and at its end, since {why}; {then}")
}

fn some_of(processes: &[u32]) -> String {
    const SHOWN: usize = 5;
    let shown = processes.iter().take(SHOWN).map(ToString::to_string);
    let shown: Vec<_> = shown.collect();
    let more = if processes.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn keepers(count: u64) -> String {
    match count {
        1 => "one other name keeps".to_owned(),
        _ => format!("{count} other names keep"),
    }
}

/// Serialised as its text.
impl Serialize for Remark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
