//! The section header table of the patched file. Loaders don't read it; `strip`
//! and debuggers do, and drop or miss what it does not tell.

use object::elf;
use sandbox_format::note;

use super::encoding::{Record, SectionHeader};
use super::placement::Placement;
use super::{Chunk, Error, FileRange, Layout, Section, Source, align_up};

/// The new table with the section names in front of it.
pub(super) struct Table {
    /// Names and table.
    pub(super) chunk: Chunk,
    /// Where in the file the table starts.
    pub(super) offset: u64,
}

/// Makes the table, to stand at `offset` behind its names; nothing where the
/// file has no section headers.
pub(super) fn make(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    placement: &Placement,
    offset: u64,
) -> Result<Option<Table>, Error> {
    let names_index = usize::from(layout.header.shstrndx.0);
    let Some(names) = layout.sections.get(names_index) else {
        return Ok(None);
    };
    let names = names.range();
    let mut bytes = source.read_at(names.start.0, names.size)?;
    let name = u32::try_from(bytes.len()).map_err(|_| Error::TooLarge)?;
    bytes.extend(note::SECTION.as_bytes());
    bytes.push(0);
    let names_size = bytes.len() as u64;

    let mut headers: Vec<_> = layout
        .sections
        .iter()
        .map(|section| moved(section, placement))
        .collect();
    headers[names_index].offset = offset;
    headers[names_index].size = names_size;
    headers.push(of_notes(name, placement));
    if headers.len() >= usize::from(elf::SHN_LORESERVE) {
        return Err(Error::Malformed("it has too many sections"));
    }
    let table = align_up(offset + names_size, 8).ok_or(Error::TooLarge)?;
    bytes.resize(
        usize::try_from(table - offset).map_err(|_| Error::TooLarge)?,
        0,
    );
    bytes.extend(SectionHeader::encode_all(&headers, layout.encoding)?);
    Ok(Some(Table {
        chunk: Chunk { offset, bytes },
        offset: table,
    }))
}

/// A section's header, true to where its content is now.
fn moved(section: &Section, placement: &Placement) -> SectionHeader {
    let mut header = section.header;
    if !section.is_allocated() || section.range().size == 0 {
        return header;
    }
    if let Some((offset, address)) = placement.moved(header.offset) {
        (header.offset, header.addr) = (offset, address);
        // What grows, grows to the whole of its new place.
        if offset == placement.segment.start.0 {
            header.size = placement.strings_size;
        } else if let Some(dynamic) = placement.dynamic.filter(|range| range.start.0 == offset) {
            header.size = dynamic.size;
        }
    }
    header
}

fn of_notes(name: u32, placement: &Placement) -> SectionHeader {
    let FileRange { start, size } = placement.notes;
    SectionHeader {
        name,
        kind: elf::SHT_NOTE,
        flags: elf::SHF_ALLOC,
        addr: placement.address(start.0),
        offset: start.0,
        size,
        link: 0,
        info: 0,
        addralign: 4,
        entsize: 0,
    }
}
