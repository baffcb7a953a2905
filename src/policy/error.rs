//! What can be wrong with a policy.

use super::Arch;

/// Why a policy could not be read or resolved. The messages say what is wrong
/// and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an action.
    #[error(
        "unknown action {0:?}; use kill-process, kill-thread, trap, errno:NAME, trace, trace:NUMBER or log"
    )]
    UnknownAction(String),
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

/// A name that no architecture has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// The name as given.
    pub name: String,
    /// The nearest names that exist, the best first.
    pub suggestions: Vec<String>,
}

fn list_unknown(unknown: &[UnknownName]) -> String {
    match unknown {
        [UnknownName { name, suggestions }] => match either(suggestions) {
            Some(names) => format!("unknown system call {name:?}; did you mean {names}?"),
            None => format!("unknown system call {name:?}; syscalls(2) lists the names"),
        },
        several => {
            let one = |UnknownName { name, suggestions }: &UnknownName| match either(suggestions) {
                Some(names) => format!("{name:?} (did you mean {names}?)"),
                None => format!("{name:?}"),
            };
            let list: Vec<_> = several.iter().map(one).collect();
            format!(
                "unknown system calls {}; syscalls(2) lists the names",
                list.join(", ")
            )
        }
    }
}

/// `a, b or c`
fn either(names: &[String]) -> Option<String> {
    let (last, others) = names.split_last()?;
    if others.is_empty() {
        return Some(last.clone());
    }
    Some(format!("{} or {last}", others.join(", ")))
}
