//! Where a program is made to call a runtime inside it.

mod called;
pub(super) mod initialiser;
mod start_code;
#[cfg(test)]
mod tests;

use object::elf;

use crate::elf::encoding::Encoding;
use crate::elf::{Chunk, Dynamic, FileRange, Image, Layout, Source, VirtAddr};
use crate::rewrite::error::{Error, NotLater};

/// When the policy comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// At the program's entry point: before the C library's own start-up in a static
    /// program, after the constructors of all libraries in a dynamic one.
    Entry,
    /// At the last of the program's initialisers (DT_INIT_ARRAY), which is the last step
    /// before `main`.
    Main,
    /// [`Start::Main`] in a static program, if possible; otherwise [`Start::Entry`]. A
    /// dynamic program starts with code of libraries, and a preloaded one can keep
    /// initialisers from being called, but not the entry point.
    Best,
}

/// The place that leads to the runtime, and what it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    /// The address at which the runtime continues.
    pub(super) original: VirtAddr,
    /// The words of the file that will hold the runtime's address; empty for the entry
    /// point in the file header.
    pub(super) words: Vec<FileRange>,
    /// Why it is at the entry point, if a later start was requested.
    pub(super) why_not_later: Option<NotLater>,
}

impl Hook {
    pub(super) fn start(&self) -> Start {
        if self.words.is_empty() {
            Start::Entry
        } else {
            Start::Main
        }
    }

    /// The words, with the runtime's address in them.
    pub(super) fn chunks(&self, encoding: Encoding, runtime: VirtAddr) -> Vec<Chunk> {
        let order = encoding.note_order();
        let bytes = |range: &FileRange| match range.size {
            4 => order
                .bytes32(u32::try_from(runtime.0).unwrap_or(u32::MAX))
                .to_vec(),
            _ => order.bytes64(runtime.0).to_vec(),
        };
        let chunk = |range: &FileRange| Chunk {
            offset: range.start,
            bytes: bytes(range),
        };
        self.words.iter().map(chunk).collect()
    }
}

/// Finds the place.
///
/// # Errors
///
/// There is none, or the file can't be read.
pub(super) fn find(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    start: Start,
) -> Result<Hook, Error> {
    let is_dynamic = image.segment(elf::PT_INTERP).is_some();
    if start == Start::Entry || (start == Start::Best && is_dynamic) {
        return at_entry(image, None);
    }
    match initialiser::last(image, dynamic, image.header.entry) {
        Err(Error::NoInitialiser(why)) if start != Start::Main => at_entry(image, Some(why)),
        found => found,
    }
}

/// The address of the code that is the first to run under a policy which a runtime inside the
/// program puts in force.
///
/// # Errors
///
/// There is no such place, or the file can't be read.
pub fn first_under_policy(image: &Image<impl Source>, start: Start) -> Result<VirtAddr, Error> {
    let none = Dynamic::default();
    let dynamic = image.dynamic.as_ref().unwrap_or(&none);
    Ok(find(image, dynamic, start)?.original)
}

fn at_entry(layout: &Layout, why_not_later: Option<NotLater>) -> Result<Hook, Error> {
    let entry = layout.header.entry;
    if !is_code(layout, entry) {
        return Err(Error::malformed("its entry point leads to no code"));
    }
    Ok(Hook {
        original: entry,
        words: Vec::new(),
        why_not_later,
    })
}

/// Whether an address points to code.
pub(super) fn is_code(layout: &Layout, address: VirtAddr) -> bool {
    let load = layout.load_of(address);
    load.is_some_and(|load| load.is_executable())
}
