//! What can be wrong with a policy.

use super::condition::Problem;
use super::{Arch, Origin};

/// Why a policy could not be read or resolved. The messages say what is wrong
/// and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an action.
    #[error(
        "unknown action {0:?}; use kill-process, kill-thread, trap, errno:NAME, trace, trace:NUMBER, log or allow"
    )]
    UnknownAction(String),
    /// The action that asks another process.
    #[error(
        "notify needs a process that answers, and nobody would hold the listener of a patched program; use errno:NAME, trap or log"
    )]
    Notify,
    /// An item of a list that can't be read.
    #[error("{item:?}: {problem}")]
    Item {
        /// The item as given, perhaps cut.
        item: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A condition that no filter can test.
    #[error("{0}")]
    Condition(Box<Untestable>),
    /// Groups that don't exist.
    #[error("{}unknown group \"@{name}\"{}", at(.origin.as_ref()), or_instead(.suggestions))]
    UnknownGroup {
        /// The name as given, without the @.
        name: String,
        /// Where it is written.
        origin: Option<Origin>,
        /// The nearest groups that exist, the best first.
        suggestions: Vec<String>,
    },
    /// A policy file that can't be used.
    #[error("{0}")]
    File(Box<super::source::Error>),
    /// Of what a lenient policy denies, nothing is known: the first that is left out.
    #[error("nothing would be denied: {0}")]
    NothingKnown(String),
    /// A policy too large for a filter.
    #[error("the policy stands for more than {0} rules, which no policy needs")]
    TooManyRules(usize),
    /// Rules for single calls, and nothing about the others.
    #[error(
        "the policy does not say what happens to calls that it does not name; give it a list to allow or to deny, or a default"
    )]
    NoDefault,
    /// Not an error number.
    #[error("unknown error {0:?}; use a name like EPERM or a number from 1 to 4095")]
    UnknownErrno(String),
    /// Names that no architecture has.
    #[error("{}", list_unknown(.0))]
    UnknownNames(Vec<UnknownName>),
    /// A number that belongs to no call on the architecture.
    #[error("{arch} has no system call {number}; give the name of the call")]
    UnknownNumber {
        /// The number as given.
        number: String,
        /// The target's architecture.
        arch: Arch,
    },
    /// A name that exists elsewhere, in an exact policy.
    #[error("{arch} has no system call {name}")]
    NotHere {
        /// The name.
        name: String,
        /// The target's architecture.
        arch: Arch,
    },
    /// An architecture for which no filter can be made.
    #[error("programs for {0} are not supported; build for x86_64 instead")]
    UnsupportedArch(Arch),
    /// The recorded policy is longer than any that was ever written.
    #[error("the recorded policy has {0} bytes, more than any policy; the file is damaged")]
    TooLarge(usize),
    /// The recorded policy has another format.
    #[error("the recorded policy has format {0}, this program reads format {format}; use the version that wrote it", format = super::FORMAT)]
    UnknownFormat(u64),
    /// The recorded policy is not JSON, or its structure is wrong.
    #[error("the recorded policy cannot be read: {0}; the file is damaged")]
    Syntax(#[from] serde_json::Error),
    /// The recorded policy has a field with an impossible value.
    #[error("the recorded policy has a bad {0}; the file is damaged")]
    BadField(&'static str),
    /// The recorded policy is not written in the canonical way.
    #[error("the recorded policy is not in canonical form; the file is damaged")]
    NotCanonical,
}

/// The place, before what is said of it.
pub(super) fn at(origin: Option<&Origin>) -> String {
    origin.map_or_else(String::new, |origin| format!("{origin}: "))
}

/// What was perhaps meant.
pub(super) fn or_instead(suggestions: &[String]) -> String {
    match either(suggestions) {
        Some(names) => format!("; did you mean {names}?"),
        None => String::new(),
    }
}

/// A condition that no filter can test.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}\"{rule}\": {problem}", at(.origin.as_ref()))]
pub struct Untestable {
    /// The rule.
    pub rule: String,
    /// Where it is written.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub problem: Problem,
}

/// A name that no architecture has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// The name as given.
    pub name: String,
    /// Where it is written.
    pub origin: Option<Origin>,
    /// The nearest names that exist, the best first.
    pub suggestions: Vec<String>,
}

/// So many unknown names are told, and that there are others.
pub(super) const TOLD: usize = 10;

fn list_unknown(unknown: &[UnknownName]) -> String {
    match unknown {
        [only] => {
            let place = at(only.origin.as_ref());
            let name = &only.name;
            match either(&only.suggestions) {
                Some(names) => {
                    format!("{place}unknown system call {name:?}; did you mean {names}?")
                }
                None => format!("{place}unknown system call {name:?}; syscalls(2) lists the names"),
            }
        }
        several => {
            let one = |unknown: &UnknownName| {
                let (place, name) = (at(unknown.origin.as_ref()), &unknown.name);
                match either(&unknown.suggestions) {
                    Some(names) => format!("{place}{name:?} (did you mean {names}?)"),
                    None => format!("{place}{name:?}"),
                }
            };
            let told = several.len().min(TOLD);
            let list: Vec<_> = several[..told].iter().map(one).collect();
            let others = if several.len() > told {
                " and others"
            } else {
                ""
            };
            format!(
                "unknown system calls {}{others}; syscalls(2) lists the names",
                list.join(", ")
            )
        }
    }
}

/// `a, b or c`
pub(super) fn either(names: &[String]) -> Option<String> {
    let (last, others) = names.split_last()?;
    if others.is_empty() {
        return Some(last.clone());
    }
    Some(format!("{} or {last}", others.join(", ")))
}
