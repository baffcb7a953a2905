//! What is wrong with notes.

use core::fmt;

/// Why the notes of a program can't be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A record or descriptor ends before its sizes say.
    Truncated,
    /// The policy is larger than [`MAX_POLICY`](super::MAX_POLICY).
    PolicyTooLarge,
    /// No instruction, or more than the kernel takes.
    InstructionCount,
    /// Two notes of one type.
    Duplicate,
    /// A note of owner `sandbox` that this version does not know.
    UnknownKind,
    /// A layout that this version does not know.
    UnknownVersion,
    /// A flag that this version does not know.
    UnknownFlags,
    /// More restrictions than [`MAX_RESTRICTIONS`](super::MAX_RESTRICTIONS).
    TooManyRestrictions,
    /// A kind of restriction that this version does not know, and may not pass over.
    UnknownRestriction,
    /// The digest is not that of these notes.
    HashMismatch,
    /// A policy, a header or a restriction is missing.
    Unpaired,
}

impl Problem {
    /// What is wrong, as the end of "the sandbox note …".
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Truncated => "is truncated",
            Self::PolicyTooLarge => "holds an oversized policy",
            Self::InstructionCount => "holds a filter of impossible length",
            Self::Duplicate => "is there twice",
            Self::UnknownKind => "is of an unknown type",
            Self::UnknownVersion => "is of an unknown version",
            Self::UnknownFlags => "has unknown flags",
            Self::TooManyRestrictions => "has too many restrictions",
            Self::UnknownRestriction => "has a restriction that this version does not know",
            Self::HashMismatch => "does not match its digest",
            Self::Unpaired => "lacks its policy or a restriction",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sandbox note {}", self.message())
    }
}

impl core::error::Error for Problem {}
