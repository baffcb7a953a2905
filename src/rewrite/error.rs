//! Why a program can't be changed or restored.

use std::io;

use crate::elf;

/// Why a patch can't be made or taken out; the caller prefixes the file's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file can't be read, or is not of the expected kind.
    #[error(transparent)]
    Elf(elf::Error),
    /// The patched file would need numbers that do not fit its class, or any file.
    #[error("the patched file would be too large for its ELF class")]
    TooLarge,
    /// The kernel would refuse a program with more.
    #[error(
        "it has {count} program headers and needs {added} more, but the kernel starts no program \
         with so many; link it with fewer segments"
    )]
    TooManyHeaders {
        /// How many it has.
        count: usize,
        /// How many a policy needs.
        added: usize,
    },
    /// The program header table can't be made longer where it is.
    #[error("there is no room for more program headers: {0} follows them and can't be moved")]
    NoRoom(String),
    /// Nor can it move to where all kernels find it.
    #[error(
        "there is no room for more program headers: {obstacle} follows them and can't be \
         moved; elsewhere kernels before Linux 5.18 would find them only behind a hole of {hole} \
         bytes in the file; link the program without that"
    )]
    NoCongruentRoom {
        /// What follows the table.
        obstacle: String,
        /// How many bytes the file would grow by.
        hole: u64,
    },
    /// No initialiser can be replaced by the runtime.
    #[error("the policy can't be put in force right before main: {0}")]
    NoInitialiser(NotLater),
    /// UPX.
    #[error(
        "it is packed by UPX, whose code finds its data by the program headers; unpack it \
         ('upx -d') and patch that"
    )]
    Packed,
    /// A process that was saved to a file.
    #[error(
        "it is a saved heap (unexec), which does not start where its heap does not begin right \
         behind its data, and patching puts a segment there"
    )]
    SavedHeap,
    /// The new segments would be too low in memory before the program.
    #[error("there is no room in memory before its segments")]
    NoRoomInFront,
    /// The runtime can't jump that far.
    #[error("the program is too large for a runtime within it")]
    TooFar,
    /// Appended data that would be lost.
    #[error(
        "the {0} bytes that are appended to the ELF file name the place where they start, which \
         patching would change; patch the program before they are appended"
    )]
    TailNamesOffset(u64),
    /// Best effort was not enough.
    #[error("the patch can't be taken out: {0}; build the program again")]
    CannotUndo(Lost),
    /// The notes are wrong.
    #[error("{0}; build and patch the program again")]
    Note(#[from] sandbox_format::note::Problem),
    /// Marked as patched, but without notes.
    #[error(
        "its sandbox note was removed, so it will not start; build and patch the program again"
    )]
    NoteGone,
}

impl Error {
    /// The file contradicts itself.
    pub(super) const fn malformed(what: &'static str) -> Self {
        Self::Elf(elf::Error::Malformed(what))
    }
}

impl From<elf::Error> for Error {
    fn from(error: elf::Error) -> Self {
        match error {
            elf::Error::TooLarge => Self::TooLarge,
            error => Self::Elf(error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Elf(error.into())
    }
}

impl From<crate::note::TooLarge> for Error {
    fn from(_: crate::note::TooLarge) -> Self {
        Self::TooLarge
    }
}

/// Why a runtime can't take over at the last initialiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotLater {
    /// No list of them in the file, or an empty one.
    #[error("it has no initialisers")]
    NoInitialisers,
    /// Loaders count whole words only.
    #[error("its list of initialisers is not one of whole words")]
    NotWords,
    /// Patching would change the list.
    #[error("its list of initialisers shares bytes with something else")]
    SharesBytes,
    /// One of another name may never come to the list.
    #[error("it does not begin with the start-up code of a C library")]
    OtherStartUp,
    /// The start-up code does not go through the list.
    #[error("nothing in it calls its initialisers")]
    NotCalled,
    /// The loader would look elsewhere for the list.
    #[error("a relocation changes its dynamic section")]
    DynamicChanges,
    /// A symbol, or several relocations, decide.
    #[error("its last initialiser is known only when it runs")]
    KnownWhenRun,
    /// No relocation, or two.
    #[error("its last initialiser is not relocated as usual")]
    UnusualRelocation,
    /// Two segments have the word.
    #[error("its last initialiser is in memory twice")]
    InMemoryTwice,
    /// The word leads elsewhere.
    #[error("its last initialiser leads to no code")]
    NoCode,
}

impl From<NotLater> for Error {
    fn from(why: NotLater) -> Self {
        Self::NoInitialiser(why)
    }
}

/// Why the original can't be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// A segment is somewhere else, or has another size.
    #[error("another tool changed its segments")]
    Segments,
    /// The program headers are somewhere else.
    #[error("another tool moved its program headers")]
    HeadersMoved,
    /// There are others than the original's and the patch's.
    #[error("another tool changed its program headers")]
    HeadersChanged,
    /// The dynamic section is gone.
    #[error("it has no dynamic section any more")]
    NoDynamic,
    /// It has no room where it was.
    #[error("another tool made its dynamic section longer")]
    DynamicLonger,
    /// Headers or dynamic section are not in the record.
    #[error("its record of the original is incomplete")]
    RecordIncomplete,
    /// The record leads to something else.
    #[error("its record of the original is false, or no longer fits the file")]
    RecordFalse,
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::CannotUndo(lost)
    }
}
