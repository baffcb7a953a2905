//! The runtime inside a program: adapting it, and finding it again.
//! [`sandbox_format::inline`] says what it looks like.

use object::elf;
use sandbox_format::inline::{Header, Place, SIZE};
use sandbox_format::note::Collector;

use super::embedded::{Embedded, Filter, read_padded};
use super::hook::{Hook, Start, initialiser};
use super::{hook, runs};
use crate::elf::encoding::ProgramHeader;
use crate::elf::{Chunk, Dynamic, FileRange, Image, Layout, Source, VirtAddr};
use crate::rewrite::error::{Error, NotLater};

/// Gives a runtime the distance to where it continues, and the place of its notes.
///
/// # Errors
///
/// The distance is too large.
pub(super) fn link(runtime: &mut [u8], next: i64, notes: Place) -> Result<(), Error> {
    let header = Header { next, notes };
    header.write(runtime).map_err(|_| Error::TooFar)
}

/// A runtime found in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it takes over; `None` if the program never reaches it.
    pub start: Option<Start>,
    /// Why that is not later than at the entry point, if a static program made it
    /// impossible.
    pub why_not_later: Option<NotLater>,
    /// Its code as it is in any program, followed by more of the segment.
    pub code: Vec<u8>,
}

/// No runtime is this long, in bytes.
const LONGEST: u64 = 1 << 16;

/// The alignment of a runtime within its segment, in bytes.
pub(super) const PAGE: usize = 4096;

/// Looks for the runtime that belongs to the policy of a program, in the segment of its
/// notes: at the start, or after the headers of the file. On its own, it must find
/// exactly that policy.
///
/// # Errors
///
/// The file can't be read.
pub fn find(image: &Image<impl Source>, embedded: &Embedded) -> Result<Option<Found>, Error> {
    let Some(load) = embedded.segment(image) else {
        return Ok(None);
    };
    if load.flags != elf::PF_R | elf::PF_X {
        return Ok(None);
    }
    let policy = embedded.places.first().map_or(load.offset, |it| it.start);
    let before = policy - load.offset;
    let mut code = image.source.read_at(load.offset, before.min(LONGEST))?;
    let mut pages = (0..code.len()).step_by(PAGE);
    let Some((at, header)) = pages.find_map(|at| Some((at, Header::read(&code[at..])?))) else {
        return Ok(None);
    };
    code.drain(..at);
    let runtime = FileRange::new(load.offset + at as u64, code.len() as u64);
    if !leads_to_policy(image, (load, runtime), header.notes, embedded)? {
        return Ok(None);
    }
    code[..SIZE].fill(0);
    let address = load.vaddr.wrapping_add(at as u64);
    let next = VirtAddr(address.0.wrapping_add_signed(header.next));
    let own = |address| image.load_of(address) == Some(load);
    if own(next) || !hook::is_code(image, next) {
        return Ok(Some(Found {
            start: None,
            why_not_later: None,
            code,
        }));
    }
    let at_entry = image.header.entry == address;
    let is_dynamic = image.segment(elf::PT_INTERP).is_some();
    let none = Dynamic::default();
    let dynamic = image.dynamic.as_ref().unwrap_or(&none);
    let (start, why_not_later) = if at_entry && is_dynamic {
        (Some(Start::Entry), None)
    } else {
        let entry = if at_entry { next } else { image.header.entry };
        match initialiser::last(image, dynamic, entry) {
            Err(Error::NoInitialiser(why)) if at_entry => (Some(Start::Entry), Some(why)),
            Err(Error::NoInitialiser(_)) => (None, None),
            Err(error) => return Err(error),
            Ok(_) if at_entry => (Some(Start::Entry), None),
            Ok(hook) if hook.original == address && is_recorded(&hook, image, embedded) => {
                (Some(Start::Main), None)
            }
            Ok(_) => (None, None),
        }
    };
    Ok(Some(Found {
        start,
        why_not_later,
        code,
    }))
}

/// Whether patching changed what seems to be the last initialiser: in a static program
/// only a section header says where it is, which may be wrong. If the length of the file
/// has changed since, the record can't tell.
fn is_recorded(hook: &Hook, layout: &Layout, embedded: &Embedded) -> bool {
    let record = embedded.undo.as_ref();
    let Some(undo) = record.filter(|undo| undo.patched_length == layout.length) else {
        return true;
    };
    let overwritten = |it: &Chunk| runs::patched_range(&undo.runs, &it.range());
    let kept = |word: &FileRange| {
        let mut ranges = undo.originals.iter().filter_map(overwritten);
        ranges.any(|range| range.contains(word))
    };
    hook.words.iter().all(kept)
}

/// Whether the notes that a runtime reads are those of the policy.
fn leads_to_policy(
    image: &Image<impl Source>,
    (load, runtime): (&ProgramHeader, FileRange),
    place: Place,
    embedded: &Embedded,
) -> Result<bool, Error> {
    let notes = FileRange::new(runtime.start.saturating_add(place.offset), place.size);
    let is_placed =
        load.range().contains(&notes) && [4, 8].contains(&place.align) && place.reserved == 0;
    if !is_placed {
        return Ok(false);
    }
    let Ok((notes, align)) = read_padded(image, &notes, place.align) else {
        return Ok(false);
    };
    let mut collector = Collector::new(image.encoding.note_order());
    if collector.padded(&notes.bytes, align).is_err() {
        return Ok(false);
    }
    let Ok(Some(found)) = collector.finish() else {
        return Ok(false);
    };
    let filter = Filter::of(&found.seccomp, image.encoding.note_order());
    let same_header = found.header == embedded.header;
    Ok(same_header && found.policy == embedded.policy && filter == embedded.filter)
}

/// The code of a runtime, in the form used by [`Found`].
#[must_use]
pub fn comparable(runtime: &[u8]) -> Vec<u8> {
    let mut code = runtime.to_vec();
    code[..SIZE.min(runtime.len())].fill(0);
    code
}
