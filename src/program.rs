//! The verbs, for callers other than the command line: [`patch`], [`mod@inspect`] and
//! [`remove`].
//!
//! Nothing is printed here: each verb returns its findings as values; their text is for
//! people and may change.
//! text is for people and need not stay.

pub mod inspect;
pub mod learn;
pub mod patch;
pub mod remove;
pub mod startable;

mod error;
mod problem;
mod remark;
mod running;

pub use error::Error;
pub use inspect::{Inspection, Surroundings, inspect};
pub use problem::Problem;
pub use remark::Remark;

use crate::elf::Layout;
use crate::policy::Arch;

/// The architecture of a file, if seccomp filters for it are known.
#[must_use]
pub fn arch(layout: &Layout) -> Option<Arch> {
    let (header, encoding) = (&layout.header, layout.encoding);
    Arch::from_elf(
        header.machine.0,
        encoding.is_64,
        encoding.is_big_endian(),
        header.flags.0,
    )
}
