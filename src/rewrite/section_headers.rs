//! The section header table of the patched file. Loaders don't read it; `strip` and
//! debuggers do, and drop or miss what it does not list.

use object::elf;
use sandbox_format::note;

use super::placement::{Placed, Placement};
use crate::elf::encoding::{FileHeader, Record, SectionHeader};
use crate::elf::{Chunk, FileOffset, FileRange, Image, Layout, Section, Source, VirtAddr};
use crate::rewrite::error::Error;

/// The new table, preceded by the section names.
pub(super) struct Table {
    /// Names and table.
    pub(super) chunk: Chunk,
    /// Where in the file the table starts.
    pub(super) offset: FileOffset,
    /// How many headers it has.
    pub(super) count: u16,
    /// The index of the section that holds the names.
    pub(super) names: u16,
}

/// Makes the table, to be placed at `offset` after its names; `None` if the file has no
/// section headers.
pub(super) fn make(
    image: &Image<impl Source>,
    placement: &Placement,
    offset: FileOffset,
) -> Result<Option<Table>, Error> {
    let mut names_index = usize::from(image.header.shstrndx.0);
    let Some(names) = image.sections.get(names_index) else {
        return Ok(None);
    };
    let range = names.range();
    let mut bytes = image.source.read_range(range)?;
    let mut headers: Vec<_> = image
        .sections
        .iter()
        .map(|section| moved(section, placement))
        .collect();
    let mut added = new(placement);
    if placement.in_front {
        added.extend(former(image, placement));
    } else {
        added.extend(left(image, placement));
    }
    // Names that the program has in memory, such as those in its dynamic
    // strings, stay as they are, and a section of its own gets the longer copy.
    if names.is_allocated() {
        names_index = headers.len() + added.len();
        let own = SectionHeader {
            flags: elf::SectionFlags(0),
            addr: VirtAddr(0),
            ..names.header
        };
        added.push((".shstrtab", own));
    }
    for (name, header) in added {
        let at = u32::try_from(bytes.len()).map_err(|_| Error::TooLarge)?;
        bytes.extend(name.as_bytes());
        bytes.push(0);
        headers.push(SectionHeader { name: at, ..header });
    }
    let names_size = bytes.len() as u64;
    headers[names_index].offset = offset;
    headers[names_index].size = names_size;
    if headers.len() >= usize::from(elf::SHN_LORESERVE) {
        return Err(crate::elf::Error::TooManySections.into());
    }
    let table = (offset + names_size).align_up(8).ok_or(Error::TooLarge)?;
    bytes.resize(
        usize::try_from(table - offset).map_err(|_| Error::TooLarge)?,
        0,
    );
    bytes.extend(SectionHeader::encode_all(&headers, image.encoding)?);
    Ok(Some(Table {
        chunk: Chunk { offset, bytes },
        offset: table,
        count: u16::try_from(headers.len()).map_err(|_| Error::TooLarge)?,
        names: u16::try_from(names_index).map_err(|_| Error::TooLarge)?,
    }))
}

/// A section's header, updated to where its content is now.
fn moved(section: &Section, placement: &Placement) -> SectionHeader {
    let mut header = section.header;
    if !section.is_allocated() {
        // Also where it is empty, so that all are in order.
        let range = FileRange::new(header.offset, section.range().size.max(1));
        let kept = placement
            .kept(&range)
            .filter(|_| header.kind != elf::SHT_NULL);
        header.offset = kept.map_or(header.offset, |kept| kept.start);
        return header;
    }
    let moved = placement
        .moved(header.offset)
        .filter(|_| section.range().size > 0);
    if let Some((offset, address)) = moved {
        (header.offset, header.addr) = (offset, address);
        // What grows, grows to the whole of its new place; a false size that is
        // larger stays false.
        if offset == placement.head.start && !placement.has_runtime {
            header.size = header.size.max(placement.head.size);
        } else if let Some(dynamic) = placement.dynamic.filter(|range| range.start == offset) {
            header.size = header.size.max(dynamic.size);
        }
    } else {
        header.offset = header.offset.saturating_add(placement.rise());
    }
    header
}

/// The program headers, if they moved: `eu-strip` clears what no section covers.
const PROGRAM_HEADERS: &str = ".sandbox.phdrs";

/// A runtime inside the program.
const RUNTIME: &str = ".sandbox.text";

/// The headers of new sections, with their names.
fn new(placement: &Placement) -> Vec<(&'static str, SectionHeader)> {
    let header = |kind, flags, range: FileRange, addralign| SectionHeader {
        name: 0,
        kind,
        flags,
        addr: placement.address(range.start),
        offset: range.start,
        size: range.size,
        link: 0,
        info: 0,
        addralign,
        entsize: 0,
    };
    let mut new = Vec::new();
    if placement.has_runtime {
        let flags = elf::SHF_ALLOC | elf::SHF_EXECINSTR;
        let align = sandbox_format::inline::ALIGN;
        let runtime = header(elf::SHT_PROGBITS, flags, placement.head, align);
        new.push((RUNTIME, runtime));
    }
    if placement.table_moves() && !placement.in_front {
        let table = header(elf::SHT_PROGBITS, elf::SHF_ALLOC, placement.table, 8);
        new.push((PROGRAM_HEADERS, table));
    }
    let align = placement.notes_align as u64;
    let notes = header(elf::SHT_NOTE, elf::SHF_ALLOC, placement.notes, align);
    new.push((note::SECTION, notes));
    new
}

/// What the program expects where it was, although the new segments have it in front: the
/// file header and the program headers, which a linker symbol refers to (`__ehdr_start`),
/// and the dynamic section (`_DYNAMIC`), if it moved. `strip` clears what no section
/// covers, or cuts it off.
fn former(layout: &Layout, placement: &Placement) -> Vec<(&'static str, SectionHeader)> {
    let end = FileOffset(FileHeader::size(layout.encoding)).max(layout.program_headers().end());
    let dynamic = placement.dynamic.map(|_| placement.dynamic_from);
    let section = |range: FileRange| {
        let mut loads = layout.segments_of(elf::PT_LOAD);
        let load = loads.find(|load| load.range().contains(&range))?;
        let is_there = |section: &Section| {
            section.header.kind != elf::SHT_DYNAMIC && section.range().overlaps(&range)
        };
        let writable = match load.is_writable() {
            false => elf::SectionFlags(0),
            true => elf::SHF_WRITE,
        };
        let header = SectionHeader {
            name: 0,
            kind: elf::SHT_PROGBITS,
            flags: elf::SHF_ALLOC | writable,
            addr: load.vaddr + (range.start - load.offset),
            offset: range.start + placement.rise(),
            size: range.size,
            link: 0,
            info: 0,
            addralign: 8,
            entsize: 0,
        };
        (!layout.sections.iter().any(is_there)).then_some((LEFT, header))
    };
    let ranges = [FileRange::between(FileOffset(0), end)]
        .into_iter()
        .chain(dynamic);
    ranges.filter_map(section).collect()
}

/// What remains of the first segment if the patch moved something, or put a new header in
/// front.
pub(super) const LEFT: &str = ".sandbox.left";

/// That section, for programs that are not position-independent. To make room in one,
/// patchelf uses the space of all sections after the program headers up to the first with
/// code or data (0.14.3, src/patchelf.cc, `rewriteSectionsExecutable`); without this one
/// it finds so much that it puts the dynamic section there, where loaders can't write to
/// it. It is not marked as loaded: GNU strip splits a segment whose sections are in a
/// different order from their headers.
fn left(layout: &Layout, placement: &Placement) -> Option<(&'static str, SectionHeader)> {
    let is_fixed = layout.header.kind == elf::ET_EXEC && layout.dynamic.is_some();
    if !is_fixed || placement.table_moves() {
        return None;
    }
    let moved = placement.placed.iter();
    let (gone, kept): (Vec<&Placed>, Vec<&Placed>) =
        moved.partition(|placed| placed.in_new_segment);
    let ends = kept
        .iter()
        .map(|placed| placed.offset + placed.piece.range.size);
    let used = ends.fold(placement.table.end(), FileOffset::max);
    let piece = gone
        .iter()
        .map(|placed| placed.piece)
        .find(|piece| piece.range.end() > used)?;
    let at = used.saturating_sub(piece.range.start);
    let header = SectionHeader {
        name: 0,
        kind: elf::SHT_PROGBITS,
        flags: elf::SectionFlags(0),
        addr: piece.address + at,
        offset: piece.range.start + at,
        size: piece.range.size - at,
        link: 0,
        info: 0,
        addralign: 1,
        entsize: 0,
    };
    Some((LEFT, header))
}
