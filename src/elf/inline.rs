//! The runtime within a program: fitting it in, and finding it again.
//! [`sandbox_format::inline`] says what it looks like.

use object::elf;
use sandbox_format::inline::{Header, Place, SIZE};

use super::encoding::ProgramHeader;
use super::{Dynamic, Error, FileRange, Layout, Source, Start, VirtAddr, hook};

/// Gives a runtime the distance to where it goes on, and where its notes are,
/// seen from its first byte, and what they are padded to.
///
/// # Errors
///
/// It does not reach that far.
pub(super) fn link(
    runtime: &mut [u8],
    next: i64,
    notes: FileRange,
    align: u64,
) -> Result<(), Error> {
    let notes = Place {
        offset: notes.start.0,
        size: notes.size,
        align,
        reserved: 0,
    };
    let header = Header { next, notes };
    header.write(runtime).map_err(|_| Error::TooFar)
}

/// A runtime that was found in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it takes over; nothing where the program does not come by.
    pub start: Option<Start>,
    /// Why that is not later than at the entry point, if it could not be in a
    /// static program.
    pub why_not_later: Option<&'static str>,
    /// Its code as it is in any program, and more that is in the segment.
    pub code: Vec<u8>,
}

/// Looks for the runtime that belongs to the policy notes of a program, at the
/// start of their segment.
///
/// # Errors
///
/// The file can't be read.
pub fn find(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    notes: FileRange,
) -> Result<Option<Found>, Error> {
    let holds = |load: &&ProgramHeader| {
        let range = FileRange::new(load.offset, load.filesz);
        range.contains(&notes) && load.flags == elf::PF_R | elf::PF_X
    };
    let Some(load) = layout.segments_of(elf::PT_LOAD).find(holds) else {
        return Ok(None);
    };
    let mut code = source.read_at(load.offset, notes.start.0 - load.offset)?;
    let Some(header) = Header::read(&code) else {
        return Ok(None);
    };
    let own = header.notes;
    let place = FileRange::new(load.offset.saturating_add(own.offset), own.size);
    if !place.contains(&notes) {
        return Ok(None);
    }
    code[..SIZE].fill(0);
    let next = load.vaddr.wrapping_add_signed(header.next);
    let own = |address| layout.load_of(VirtAddr(address)) == Some(load);
    if own(next) || !hook::is_code(layout, next) {
        return Ok(Some(Found {
            start: None,
            why_not_later: None,
            code,
        }));
    }
    let at_entry = layout.header.entry == load.vaddr;
    let is_dynamic = layout.segment(elf::PT_INTERP).is_some();
    let none = Dynamic::default();
    let dynamic = layout.dynamic.as_ref().unwrap_or(&none);
    let (start, why_not_later) = if at_entry && is_dynamic {
        (Some(Start::Entry), None)
    } else {
        match hook::last_initialiser(layout, source, dynamic)? {
            last if at_entry => (Some(Start::Entry), last.err()),
            Ok(hook) if hook.original == load.vaddr => (Some(Start::Main), None),
            _ => (None, None),
        }
    };
    Ok(Some(Found {
        start,
        why_not_later,
        code,
    }))
}

/// The code of a runtime as [`Found`] has it.
#[must_use]
pub fn comparable(runtime: &[u8]) -> Vec<u8> {
    let mut code = runtime.to_vec();
    code[..SIZE.min(runtime.len())].fill(0);
    code
}
