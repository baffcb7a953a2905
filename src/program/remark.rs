//! What is worth knowing, and keeps nothing from being done.

use serde::{Serialize, Serializer};

use super::Problem;
use crate::policy;
use crate::rewrite::{Appended, NotLater, Reader};
use crate::runtime::moment::EarlyCode;

/// What is worth knowing of a program, or of what was done with it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Remark {
    /// The file is the runtime of this version, not a program.
    #[error("this is the runtime, version {0}")]
    Runtime(String),
    /// The runtime within the program is that of this earlier version.
    #[error("its runtime is that of version {0}; patch it again to have the present one")]
    OlderRuntime(&'static str),
    /// Without a record of the original the patch can't be taken out.
    #[error("it keeps no record of the original file")]
    NoRecord,
    /// The file has another length than patching gave it.
    #[error(
        "something was appended or stripped since it was patched, so the patch can only be taken \
         out with best effort"
    )]
    LengthChanged,
    /// This version wrote the policy, for which its names meant other rules.
    #[error("version {0} wrote the policy; today its names stand for other rules")]
    OldRules(String),
    /// Libraries stand where the runtime should.
    #[error("libraries were added after it was patched; the policy holds for their constructors")]
    LibrariesAdded,
    /// Why the policy is not put in force right before main, in a program that is there.
    #[error("the policy could not be put in force right before main: {0}")]
    NotBeforeMain(NotLater),
    /// The same, when patching.
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
    /// The caller may not see it.
    #[error(
        "{path} can't be looked at: {why}; the program will not start for anyone who can't reach it"
    )]
    LibraryHidden {
        /// The path.
        path: String,
        /// The reason.
        why: String,
    },
    /// What resolving the policy has to say.
    #[error("{0}")]
    Policy(policy::Warning),
    /// What `verify` will take for a problem.
    #[error("{0}; it does not pass verification")]
    Unaccepted(Problem),
    /// Another such: nothing is known of the order in which this loader initialises.
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
        /// Why it does.
        why: &'static str,
        /// What it calls.
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
    /// This stands behind the program header table, which had to move.
    #[error(
        "its program headers had to move, since {0} follows them; strip it before patching, not \
         afterwards"
    )]
    HeadersMoved(String),
    /// Section headers that can't be read are not kept.
    #[error("its section headers can't be read, and the result has none")]
    SectionsDropped,
    /// Where what was appended is now may not be where it is looked for.
    #[error("the {} bytes that are appended to the ELF file {}", .0.size, where_to(.0))]
    Appended(Appended),
    /// Signatures that no longer hold.
    #[error(
        "it is signed ({}), and the result no longer is; sign the result again",
        .0.join(", ")
    )]
    Unsigned(Vec<String>),
    /// A lock that was not waited for any longer.
    #[error(
        "another process holds a lock on it, as anyone can who may read it, and was not waited for \
         any longer; lslocks(8) shows which"
    )]
    Locked,
    /// Processes that run the file as it was.
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
    /// Where what was appended may not be found; nothing where its readers are known.
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

/// As the text.
impl Serialize for Remark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
