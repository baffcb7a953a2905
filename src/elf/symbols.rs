//! The symbol table, which tools read and loaders do not, and the symbols that a program
//! offers to its libraries.

use std::cell::OnceCell;

use object::elf;

use super::encoding::{FileHeader, Record, Symbol as Entry};
use super::source::records;
use super::{FileOffset, FileRange, Image, Layout, Section, Source};

/// A symbol whose value is the address of something that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// Where the entry is in the file.
    pub(crate) range: FileRange,
    /// The entry as it is.
    pub(crate) entry: Entry,
}

/// Which symbols of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The local ones, which stand first (gABI chapter 4, `sh_info`).
    Local,
    /// All.
    All,
}

/// The names of a symbol table.
pub(crate) struct Table {
    range: FileRange,
    /// Read on demand; many symbols may have to be looked at.
    names: OnceCell<Vec<u8>>,
}

impl Table {
    /// Whether a symbol's name starts with this; if it ends with a NUL, whether it is the
    /// name.
    pub(crate) fn name_starts_with(
        &self,
        source: &(impl Source + ?Sized),
        offset: u32,
        with: &[u8],
    ) -> bool {
        let read = || source.read_range(self.range);
        let names = self.names.get_or_init(|| read().unwrap_or_default());
        let name = names.get(offset as usize..);
        name.is_some_and(|name| name.starts_with(with))
    }
}

/// Calls `visit` for the symbols of the file. A table that is not in the file is ignored.
pub(crate) fn each(
    image: &Image<impl Source>,
    which: Which,
    mut visit: impl FnMut(&Table, Symbol),
) {
    // A file has one such table (gABI chapter 4, SHT_SYMTAB). A hostile one has
    // as many as it has sections, each with all of the file for symbols.
    let section = image
        .sections
        .iter()
        .find(|section| section.header.kind == elf::SHT_SYMTAB)
        .filter(|section| !is_loaded(image, section));
    let Some(section) = section else {
        return;
    };
    let names = image.sections.get(section.header.link as usize);
    let table = Table {
        range: names.map(Section::range).unwrap_or_default(),
        names: OnceCell::new(),
    };
    let size = Entry::size(image.encoding);
    let all = section.header.size / size;
    let count = match which {
        Which::Local => all.min(section.header.info.into()),
        Which::All => all,
    };
    let range = FileRange::new(section.header.offset, count * size);
    let Ok(entries) = records(&image.source, image.encoding, range) else {
        return;
    };
    let places = (range.start.0..).step_by(usize::try_from(size).unwrap_or(usize::MAX));
    let places = places.map(FileOffset);
    for (start, entry) in places.zip(entries.map_while(Result::ok)) {
        let range = FileRange::new(start, size);
        visit(&table, Symbol { range, entry });
    }
}

/// More symbols than a program offers to its libraries; the rest of a hostile
/// table is not read.
const MAX_DYNAMIC: u64 = 1 << 18;

/// Whether a program defines functions with all these names, each given with its NUL, for
/// its libraries to use; always false without section headers.
#[must_use]
pub fn defines(image: &Image<impl Source>, names: &[&[u8]]) -> bool {
    let of_kind = |section: &&Section| section.header.kind == elf::SHT_DYNSYM;
    let Some(section) = image.sections.iter().find(of_kind) else {
        return false;
    };
    let Some(strings) = image.sections.get(section.header.link as usize) else {
        return false;
    };
    let size = Entry::size(image.encoding);
    let count = (section.header.size / size).min(MAX_DYNAMIC);
    let table = Table {
        range: strings.range(),
        names: OnceCell::new(),
    };
    let range = FileRange::new(section.header.offset, count * size);
    let mut missing = names.to_vec();
    if let Ok(entries) = records::<Entry, _>(&image.source, image.encoding, range) {
        for entry in entries.map_while(Result::ok) {
            if entry.section != elf::SHN_UNDEF && entry.info.st_type() == elf::STT_FUNC {
                missing.retain(|name| !table.name_starts_with(&image.source, entry.name, name));
            }
        }
    }
    missing.is_empty()
}

/// Whether a section overlaps a segment or headers: its content is then not symbols for
/// tools, which may be changed.
fn is_loaded(layout: &Layout, section: &Section) -> bool {
    let loads = layout.segments_of(elf::PT_LOAD);
    let loads = loads.map(|load| load.range());
    let headers = [
        FileRange::new(FileOffset(0), FileHeader::size(layout.encoding)),
        layout.program_headers(),
    ];
    let mut others = loads.chain(headers);
    others.any(|other| other.overlaps(&section.range()))
}
