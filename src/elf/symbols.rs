//! Symbols of the symbol table that name moved parts: the C library's start
//! files define `__abi_tag`, the address of the ABI note, linkers `_DYNAMIC`, and
//! old ones a symbol for each section. Loaders don't read them, tools do.

use object::elf;

use super::encoding::{Record, Symbol as Entry};
use super::room::Displaced;
use super::{Error, FileRange, Layout, Section, Source};

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

/// Finds them among the local symbols, which stand first (gABI chapter 4,
/// `sh_info` of a symbol table); nothing that moves has a global name.
///
/// # Errors
///
/// The file can't be read.
pub(super) fn of_moved_parts(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    displaced: &[Displaced],
    dynamic_moves: bool,
) -> Result<Vec<Symbol>, Error> {
    let moves = |section: &Section| {
        (dynamic_moves && section.header.kind == elf::SHT_DYNAMIC)
            || section.is_allocated()
                && displaced
                    .iter()
                    .any(|moved| moved.piece.range.contains(&section.range()))
    };
    let moving: Vec<bool> = layout.sections.iter().map(moves).collect();
    let mut symbols = Vec::new();
    for table in layout
        .sections
        .iter()
        .filter(|section| section.header.kind == elf::SHT_SYMTAB)
    {
        let size = Entry::size(layout.encoding);
        let count = (table.header.size / size).min(table.header.info.into());
        let mut first = 0;
        while first < count {
            let start = table.header.offset.saturating_add(first * size);
            // A table that is not in the file is no table.
            let Ok(bytes) = source.read_at(start, (count - first).min(BATCH) * size) else {
                break;
            };
            for (index, entry) in (0..).zip(Entry::decode_all(layout.encoding, &bytes)) {
                if moving.get(usize::from(entry.section.0)) == Some(&true) {
                    symbols.push(Symbol {
                        range: FileRange::new(start + index * size, size),
                        entry,
                    });
                }
            }
            first += BATCH;
        }
    }
    Ok(symbols)
}
