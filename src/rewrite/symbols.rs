//! Symbols that refer to moved parts: the C library's start files define `__abi_tag`, the
//! address of the ABI note, linkers define `_DYNAMIC`, and old ones a symbol for each
//! section.

use object::elf;

use super::room::Displaced;
use crate::elf::symbols::{Symbol, Which, each};
use crate::elf::{FileOffset, FileRange, Image, Section, Source};

/// Finds the symbols that refer to what moves, among the local ones: nothing that moves
/// has a global name.
pub(super) fn of_moved_parts(
    image: &Image<impl Source>,
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
    let moving: Vec<bool> = image.sections.iter().map(moves).collect();
    // A false size has a table reach beyond what the headers know of.
    let known = FileRange::between(FileOffset(0), image.known_end());
    let mut found = Vec::new();
    each(image, Which::Local, |_, symbol| {
        let moves = moving.get(usize::from(symbol.entry.section.0)) == Some(&true);
        if moves && known.contains(&symbol.range) {
            found.push(symbol);
        }
    });
    found
}
