//! Why a file can't be read, changed or restored.

use std::io;

/// What is wrong with a file, and what to do about it; the caller puts the
/// file's name in front.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of no bytes.
    #[error("the file is empty; give it an ELF program")]
    Empty,
    /// No ELF magic number.
    #[error("not an ELF file; give it a program, not a script or an archive")]
    NotElf,
    /// The file ends too early.
    #[error(
        "the {0} reaches beyond the end of the file; the file is truncated, build or copy it again"
    )]
    Truncated(&'static str),
    /// The file contradicts itself.
    #[error("malformed ELF file: {0}; build it again")]
    Malformed(&'static str),
    /// A number of sections that no program has.
    #[error("it has more than 65279 sections; strip it, or link it again")]
    TooManySections,
    /// A number does not fit the file's class.
    #[error("the patched file would be too large for its ELF class")]
    TooLarge,
    /// `ET_REL`.
    #[error("a relocatable object, not a program; link it first")]
    Relocatable,
    /// `ET_CORE`.
    #[error("a core dump, not a program")]
    Core,
    /// Another `e_type`.
    #[error("an ELF file of unknown type, not a program")]
    UnknownType,
    /// A library.
    #[error("a shared library, not a program; patch the programs that use it")]
    SharedLibrary,
    /// No dynamic section.
    #[error(
        "a static program, which does not load libraries; leave out --lib to put the runtime into it"
    )]
    Static,
    /// Dynamic section without interpreter.
    #[error(
        "a static position-independent program, which does not load libraries; \
         leave out --lib to put the runtime into it"
    )]
    StaticPie,
    /// The kernel would refuse it with more.
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
        /// What stands behind the table.
        obstacle: String,
        /// How many bytes the file would grow by.
        hole: u64,
    },
    /// No initialiser can be replaced by the runtime.
    #[error("the policy can't be put in force right before main: {0}; use --from entry")]
    NoInitialiser(&'static str),
    /// UPX.
    #[error(
        "it is packed by UPX, whose code finds its data by the program headers; unpack it \
         ('upx -d') and patch that"
    )]
    Packed,
    /// A process that was saved.
    #[error(
        "it is a saved heap (unexec), which does not start where its heap does not begin right \
         behind its data, and patching puts a segment there; start it with sandboxify"
    )]
    SavedHeap,
    /// The new segments would stand too low in memory in front of the program.
    #[error("there is no room in memory before its segments")]
    NoRoomInFront,
    /// The runtime can't jump that far.
    #[error("the program is too large for a runtime within it")]
    TooFar,
    /// A kernel, firmware, or a program for another system.
    #[error("a program that Linux does not start")]
    Foreign,
    /// Appended data that would be lost.
    #[error(
        "the {0} bytes that are appended to the ELF file name the place where they start, which \
         patching would change; patch the program before they are appended"
    )]
    TailNamesOffset(u64),
    /// No policy in the file.
    #[error("it carries no sandbox policy; there is nothing to remove")]
    NotPatched,
    /// Policy without undo note.
    #[error(
        "it carries a policy but no record of the original file; build it again from its source"
    )]
    NoUndo,
    /// The restored bytes are not those of the original.
    #[error(
        "another tool changed what the patch wrote, so it can't be taken out byte for byte; \
         'sandbox-patch remove --best-effort' takes it out and keeps the other changes"
    )]
    Changed,
    /// Best effort was not enough.
    #[error("the patch can't be taken out: {0}; build the program again")]
    CannotUndo(&'static str),
    /// The notes are wrong.
    #[error("{0}; build and patch the program again")]
    Note(#[from] sandbox_format::note::Problem),
    /// Marked as patched, but without notes.
    #[error(
        "its sandbox note was removed, so it will not start; build and patch the program again"
    )]
    NoteGone,
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<crate::note::TooLarge> for Error {
    fn from(_: crate::note::TooLarge) -> Self {
        Self::TooLarge
    }
}
