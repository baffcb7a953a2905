//! Opening a program, and putting a file in its place in one step: readers see
//! the old file or the new one, whatever happens in between.
//!
//! Of several who replace one file at the same time each sees what the former
//! made: they take turns by a lock, and whoever does not know of it (a
//! compiler, a package manager) is noticed by the file's stamp.
//!
//! A path is walked once, to the directory that the file is in; from then on
//! everything is done in that directory, so that who can rename its parents, or
//! exchange files for links, leads nobody elsewhere.

mod attributes;
mod directory;
mod ending;
mod input;
mod links;
mod open;
mod patience;
mod pending;
mod place;
mod replace;
mod resolve;
mod seals;
mod status;
mod target;

use std::io;
use std::path::PathBuf;

pub use directory::Directory;
pub use ending::{hold_for_names, ignored_signals, survive_size_limit};
pub use input::Input;
pub use links::join_again;
pub use open::{begins_with, open, reopen};
pub use pending::Pending;
pub use place::Place;
pub use resolve::{Purpose, open_directory};
pub use status::{Identity, Stamp, Status};
pub use target::{Target, is_directory};

/// Why a file can't be opened or replaced; the caller puts its name in front.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Opening failed.
    #[error("it can't be read: {0}")]
    Open(io::Error),
    /// The open file of another process, which is asked before others may open it.
    #[error(
        "another process holds a lease on it (fcntl(2), F_SETLEASE) and does not give it up; \
         lslocks(8) shows which"
    )]
    Leased,
    /// A directory.
    #[error("it is a directory")]
    Directory,
    /// A pipe, socket or device.
    #[error("it is not a regular file; copy the program into one")]
    NotRegular,
    /// Nothing that could be replaced leads to it.
    #[error("it has no name; copy the program into a file")]
    NoName,
    /// No write permission.
    #[error("{} may not be written", .0.display())]
    ReadOnly(PathBuf),
    /// The output is something else than a file.
    #[error("{} is not a regular file", .0.display())]
    OutputNotRegular(PathBuf),
    /// The output can't be looked at.
    #[error("the output {} can't be reached: {error}", path.display())]
    OutputNotReached {
        /// The output.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Somebody else changed what is to be replaced.
    #[error("{} was changed meanwhile; nothing was done, run this again", .0.display())]
    Changed(PathBuf),
    /// The directory of the result.
    #[error("no file can be written in {}: {error}", directory.display())]
    NotCreated {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The last step.
    #[error("{} can't be replaced: {error}", path.display())]
    NotReplaced {
        /// The file that was to be replaced.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Mode, owner or extended attributes.
    #[error("its {what} can't be kept: {error}")]
    Attributes {
        /// Which of them.
        what: String,
        /// What the system said.
        error: io::Error,
    },
    /// Another name of a file that was replaced.
    #[error(
        "it can't be made the same file as {} again: {error}; it keeps the old content",
        first.display()
    )]
    NotJoined {
        /// The name under which the file was replaced.
        first: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Writing the new content.
    #[error("the result can't be written: {0}; nothing was changed")]
    Write(io::Error),
    /// The lock of a file, on a file system where it is needed.
    #[error(
        "another process holds a lock on it (anyone who may read it can), and it can't be replaced \
         safely without; see lslocks(8), end that process, and run this again"
    )]
    Locked,
    /// The old file, which has a temporary name by now.
    #[error(
        "the file was replaced, but the old one can't be deleted: {error}; delete {}",
        path.display()
    )]
    NotTakenAway {
        /// The temporary name.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Writing the directory's entry.
    #[error(
        "the file was replaced, but its directory can't be synced: {0}; \
         after a crash the old file may be there again"
    )]
    NotSynced(io::Error),
}

/// What the result takes over from the input besides mode, owner and extended
/// attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Times of last access and change.
    pub times: bool,
}
