//! Why a file can't be read.

use std::io;

/// What is wrong with a file, and what to do about it; the caller prefixes the file's
/// name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// More sections than any program has.
    #[error("it has more than 65279 sections; strip it, or link it again")]
    TooManySections,
    /// A number does not fit the file's class.
    #[error("a number would be too large for its ELF class")]
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
    #[error("a static program, which does not load libraries")]
    Static,
    /// Dynamic section without interpreter.
    #[error("a static position-independent program, which does not load libraries")]
    StaticPie,
    /// A kernel, firmware, or a program for another system.
    #[error("a program that Linux does not start")]
    Foreign,
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}
