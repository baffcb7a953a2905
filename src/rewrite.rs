//! Rewriting ELF files: putting a policy into a program, and taking it out.
//!
//! The phases only look backwards: `pieces` finds the parts of a program that may move
//! (except those that are `pinned`), `references` checks what the loader follows, `room`
//! decides what moves, `cut` where the file is split, `placement` where everything goes,
//! and `assemble` makes the bytes. The result is a [`Plan`], a value made without
//! touching a file; [`write()`] carries it out, and [`undo`] reverts it. [`embedded`] and
//! [`inline`] read what a patched program carries.

mod assemble;
pub mod best_effort;
mod copy;
mod cut;
mod effects;
pub mod embedded;
mod error;
mod front;
mod heap;
mod hook;
pub mod inline;
mod original;
mod packed;
mod patching;
mod pieces;
mod pinned;
mod placement;
mod plan;
mod planner;
mod references;
mod room;
mod runs;
mod section_headers;
mod symbols;
mod tail;
#[cfg(test)]
mod tests;
pub mod undo;
mod write;

pub use effects::Effects;
pub use embedded::{Danger, Embedded};
pub use error::{Error, Lost, NotLater};
pub use heap::Heap;
pub use hook::{Start, first_under_policy};
pub use original::Original;
pub use patching::{Enforcement, Position, Request};
pub use plan::{Patched, Plan};
pub use runs::Run;
pub use tail::{Appended, Reader};
pub use write::write;
