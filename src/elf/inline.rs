//! The runtime within a program: fitting it in, and finding it again.
//! [`sandbox_format::inline`] says what it looks like.

use object::elf;
use sandbox_format::inline::{Header, Place, SIZE};

use super::encoding::ProgramHeader;
use super::{Dynamic, Error, FileRange, Layout, Source, Start, VirtAddr, hook};

/// Gives a runtime the distance to where it goes on, and where its notes are.
///
/// # Errors
///
/// It does not reach that far.
pub(super) fn link(runtime: &mut [u8], header: Header) -> Result<(), Error> {
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
    let none = Dynamic::default();
    let dynamic = layout.dynamic.as_ref().unwrap_or(&none);
    let last = hook::last_initialiser(layout, source, dynamic)?;
    let at_entry = layout.header.entry == load.vaddr;
    let is_dynamic = layout.segment(elf::PT_INTERP).is_some();
    let start = match &last {
        _ if !is_code(layout, next, load) => None,
        _ if at_entry => Some(Start::Entry),
        Ok(hook) if hook.original == load.vaddr => Some(Start::Main),
        _ => None,
    };
    Ok(Some(Found {
        start,
        why_not_later: last.err().filter(|_| at_entry && !is_dynamic),
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

/// Whether an address leads to code of the program outside of the runtime.
fn is_code(layout: &Layout, address: u64, runtime: &ProgramHeader) -> bool {
    let load = layout.load_of(VirtAddr(address));
    load.is_some_and(|load| load != runtime && load.flags.0 & elf::PF_X.0 != 0)
}

/// The header of a runtime in a program.
pub(super) fn header(next: u64, notes: FileRange, align: u64) -> Header {
    Header {
        next: next.cast_signed(),
        notes: Place {
            offset: notes.start.0,
            size: notes.size,
            align,
            reserved: 0,
        },
    }
}
