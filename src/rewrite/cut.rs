//! Where the file is cut for the new segments: after what is loaded, and before what is
//! not, such as debug sections and symbol tables. A linker would have put them there, and
//! tools rely on it: dwz refuses or breaks a program that has loaded sections after
//! others.

use object::elf;

use super::references;
use super::tail::Tail;
use crate::elf::encoding::{FileHeader, Record};
use crate::elf::{FileOffset, FileRange, Layout, Section};

/// The offset at which the new segments may be inserted. What is there moves up; nothing
/// does if the cut is at the end.
///
/// It is at the end if something that is not loaded begins before the cut and ends after
/// it.
pub(super) fn find(layout: &Layout, tail: &Tail) -> FileOffset {
    let end = tail.elf_end();
    if tail.stays {
        return end;
    }
    let loaded = loaded_end(layout).min(end);
    let is_apart = |range: FileRange| range.end() <= loaded || range.start >= loaded;
    if unloaded(layout).all(is_apart) {
        loaded
    } else {
        end
    }
}

/// The end of what is loaded, or claimed to be.
fn loaded_end(layout: &Layout) -> FileOffset {
    let loads = layout.segments_of(elf::PT_LOAD).map(|load| load.range());
    let sections = layout.sections.iter();
    let sections = sections.filter(|section| section.is_allocated());
    let sections = sections.map(Section::range).filter(|range| range.size > 0);
    let headers = [
        FileRange::new(FileOffset(0), FileHeader::size(layout.encoding)),
        layout.program_headers(),
    ];
    let ranges = loads.chain(sections).chain(headers);
    let ends = ranges.map(|range| range.end());
    // A false section may end anywhere.
    let in_file = ends.filter(|&end| end.0 <= layout.length);
    in_file.max().unwrap_or_default()
}

/// What sections and program headers point to that is not loaded, or not known to be. The
/// section headers themselves are written anew.
fn unloaded(layout: &Layout) -> impl Iterator<Item = FileRange> {
    let sections = layout.sections.iter();
    let sections = sections.filter(|section| !section.is_allocated());
    let segments = layout.segments.iter();
    let segments = segments.filter(|segment| !references::OF_NO_PIECE.contains(&segment.kind));
    let ranges = sections
        .map(Section::range)
        .chain(segments.map(|segment| segment.range()));
    ranges.filter(|range| range.size > 0 && range.start.0 < layout.length)
}
