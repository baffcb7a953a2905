//! What has no filter.

#[cfg(doc)]
use super::{MAX_INSTRUCTIONS, MAX_RUNS};

/// Why a filter could not be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The program would exceed [`MAX_INSTRUCTIONS`], or the rules [`MAX_RUNS`].
    TooLong,
    /// The rules are not sorted by number.
    Unsorted,
    /// A comparison that is not for equality, where there may be none.
    Comparison,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Error::TooLong => "the rules need more instructions than the kernel takes",
            Error::Unsorted => "the rules are not sorted by number",
            Error::Comparison => "a condition is not a comparison for equality",
        })
    }
}

impl core::error::Error for Error {}
