//! Rewriting ELF files.
//!
//! Phases that only look backwards: [`Layout`] is what the headers say, `pieces`
//! are the parts that may move (but for those that are `pinned`), `references`
//! checks what the loader follows, `room` decides what moves, `cut` where the file
//! gives way, `placement` where all of it goes, `assemble` makes the bytes. The result is a [`Plan`], a value made without
//! touching a file; [`write()`] carries it out, and [`undo`] is the way back.
//!
//! All of it works for both classes and byte orders: [`encoding`] is the only
//! place that knows how wide a field is.

mod address;
mod assemble;
pub mod best_effort;
mod copy;
mod cut;
pub mod embedded;
pub mod encoding;
mod error;
mod front;
mod heap;
mod hook;
mod imports;
pub mod inline;
mod layout;
pub mod loaders;
mod machine;
pub mod memory;
mod notes;
mod original;
mod packed;
mod patching;
mod pieces;
mod pinned;
mod placement;
mod plan;
mod planner;
mod ranges;
mod references;
mod relocations;
mod room;
mod runs;
mod section_headers;
mod signatures;
mod source;
mod symbols;
mod tail;
pub mod undo;
mod write;

pub use address::{Chunk, FileOffset, FileRange, VirtAddr, align_up};
pub use embedded::Embedded;
pub use encoding::Encoding;
pub use error::Error;
pub use heap::Heap;
pub use hook::Start;
pub use layout::{Dynamic, Layout, Section};
pub use original::Original;
pub use patching::{Enforcement, Position, Request};
pub use plan::{Patched, Plan};
pub use runs::Run;
pub use signatures::signatures;
pub use source::Source;
pub use symbols::defines;
pub use tail::{Appended, Reader};
pub use write::write;
