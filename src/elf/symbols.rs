//! Symbols of the symbol table that name moved parts: the C library's start
//! files define `__abi_tag`, the address of the ABI note, linkers `_DYNAMIC`, and
//! old ones a symbol for each section. Loaders don't read them, tools do.

use object::elf;

use super::encoding::{FileHeader, Record, Symbol as Entry};
use super::room::Displaced;
use super::{FileRange, Layout, Section, Source};

/// A symbol whose value is the address of something that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Where the entry is in the file.
    pub(super) range: FileRange,
    /// The entry as it is.
    pub(super) entry: Entry,
}

/// Entries read at a time.
const BATCH: u64 = 4096;

/// Which symbols of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The local ones, which stand first (gABI chapter 4, `sh_info`).
    Local,
    /// All.
    All,
}

/// A symbol table and the place of its names.
pub(super) struct Table {
    names: FileRange,
}

impl Table {
    /// Whether a symbol's name starts so; with a NUL at the end, is this one.
    pub(super) fn name_starts_with(
        &self,
        source: &(impl Source + ?Sized),
        offset: u32,
        with: &[u8],
    ) -> bool {
        let start = self.names.start.0.saturating_add(offset.into());
        source
            .read_at(start, with.len() as u64)
            .is_ok_and(|found| found == with)
    }
}

/// Calls `visit` for the symbols of the file. A table that is not in the file is
/// no table.
pub(super) fn each(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    which: Which,
    mut visit: impl FnMut(&Table, Symbol),
) {
    let size = Entry::size(layout.encoding);
    // A file has one such table (gABI chapter 4, SHT_SYMTAB). A hostile one has
    // as many as it has sections, each with all of the file for symbols.
    let section = layout
        .sections
        .iter()
        .find(|section| section.header.kind == elf::SHT_SYMTAB);
    if let Some(section) = section.filter(|section| !is_loaded(layout, section)) {
        let names = layout
            .sections
            .get(section.header.link as usize)
            .map(Section::range);
        let table = Table {
            names: names.unwrap_or(FileRange::new(0, 0)),
        };
        let all = section.header.size / size;
        let count = if which == Which::Local {
            all.min(section.header.info.into())
        } else {
            all
        };
        let mut first = 0;
        while first < count {
            let start = section.header.offset.saturating_add(first * size);
            let Ok(bytes) = source.read_at(start, (count - first).min(BATCH) * size) else {
                break;
            };
            for (index, entry) in (0..).zip(Entry::decode_all(layout.encoding, &bytes)) {
                visit(
                    &table,
                    Symbol {
                        range: FileRange::new(start + index * size, size),
                        entry,
                    },
                );
            }
            first += BATCH;
        }
    }
}

/// Whether a section shares bytes with a segment, or with headers: what stands
/// there are no symbols of tools, which may change.
fn is_loaded(layout: &Layout, section: &Section) -> bool {
    let loads = layout.segments_of(elf::PT_LOAD);
    let loads = loads.map(|load| load.range());
    let headers = [
        FileRange::new(0, FileHeader::size(layout.encoding)),
        layout.program_headers(),
    ];
    let mut others = loads.chain(headers);
    others.any(|other| other.overlaps(&section.range()))
}

/// Finds those that name what moves, among the local symbols: nothing that moves
/// has a global name.
pub(super) fn of_moved_parts(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    displaced: &[Displaced],
    dynamic_moves: bool,
) -> Vec<Symbol> {
    let in_piece = |section: &Section| {
        displaced
            .iter()
            .any(|moved| moved.piece.range.contains(&section.range()))
    };
    let moves = |section: &Section| match section.header.kind {
        elf::SHT_DYNAMIC => dynamic_moves,
        _ => section.is_allocated() && in_piece(section),
    };
    let moving: Vec<bool> = layout.sections.iter().map(moves).collect();
    // A false size has a table reach beyond what the headers know of.
    let known = FileRange::new(0, layout.known_end());
    let mut found = Vec::new();
    each(layout, source, Which::Local, |_, symbol| {
        let moves = moving.get(usize::from(symbol.entry.section.0)) == Some(&true);
        if moves && known.contains(&symbol.range) {
            found.push(symbol);
        }
    });
    found
}
