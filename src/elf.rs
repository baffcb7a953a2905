//! Reading ELF files: [`Layout`] is what the headers say, [`memory`] what the kernel and
//! the loaders make of it, `tables` the tables that the dynamic section points to.
//!
//! All of it works for both classes and byte orders: [`encoding`] is the only
//! place that knows how wide a field is.

mod address;
#[cfg(test)]
pub(crate) mod build;
pub mod encoding;
mod error;
mod image;
pub(crate) mod imports;
mod kind;
pub(crate) mod layout;
pub mod loaders;
pub(crate) mod machine;
pub mod memory;
pub(crate) mod notes;
pub(crate) mod ranges;
pub(crate) mod relocations;
mod signatures;
pub(crate) mod source;
pub(crate) mod symbols;
pub(crate) mod tables;
#[cfg(test)]
mod tests;

pub(crate) use address::SMALLEST_PAGE;
pub use address::{Chunk, FileOffset, FileRange, VirtAddr, align_up};
pub use encoding::Encoding;
pub use error::Error;
pub use image::Image;
pub use kind::Kind;
pub use layout::{Dynamic, Layout, Section};
pub use signatures::signatures;
pub use source::Source;
pub use symbols::defines;
