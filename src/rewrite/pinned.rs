//! Pieces that only seem movable: a program may put its own data into `.interp` or a note
//! section, and refer to it by address. They stay.

use object::elf;
use sandbox_format::note::{Note, Notes};

use super::pieces::{self, Piece, PieceKind};
use crate::elf::encoding::Symbol;
use crate::elf::machine::Machine;
use crate::elf::source::records;
use crate::elf::{Dynamic, Image, Source, VirtAddr, relocations, symbols};
use crate::rewrite::error::Error;

/// Leaves out the pieces that something refers to by address, if the file shows it: by a
/// symbol or a relocation. Notes are known to be read only through program headers if
/// their owners guarantee it.
///
/// # Errors
///
/// The file can't be read.
pub(super) fn leave_out(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    pieces: Vec<Piece>,
) -> Result<Vec<Piece>, Error> {
    let mut pinned = pieces
        .iter()
        .map(|piece| Ok(piece.kind == PieceKind::Notes && !has_known_notes(image, piece)?))
        .collect::<Result<Vec<bool>, Error>>()?;
    let holding = |address: VirtAddr| {
        let piece = pieces::holding(&pieces, image.offset_of(address)?)?;
        let of_program = [
            PieceKind::Notes,
            PieceKind::Interpreter,
            PieceKind::Information,
        ];
        of_program.contains(&pieces[piece].kind).then_some(piece)
    };
    relocations::each(image, dynamic, |relocation| {
        // With a symbol, the addend is a distance.
        let address = relocation.addend.filter(|_| relocation.symbol == 0);
        if let Some(piece) = address.map(VirtAddr).and_then(holding) {
            pinned[piece] = true;
        }
        Ok(())
    })?;
    let mapping = Machine::of(image).has_mapping_symbols;
    symbols::each(image, symbols::Which::All, |table, symbol| {
        if let Some(piece) = holding(VirtAddr(symbol.entry.value))
            && !is_of_toolchain(table, &image.source, &symbol.entry)
            && !(mapping && is_mapping_symbol(table, &image.source, &symbol.entry))
        {
            pinned[piece] = true;
        }
    });
    if let Some(symbols) = pieces.iter().find(|piece| piece.kind == PieceKind::Symbols) {
        for symbol in records::<Symbol, _>(&image.source, image.encoding, symbols.range)? {
            let symbol = symbol?;
            if let Some(piece) = holding(VirtAddr(symbol.value)).filter(|_| symbol.section.0 != 0) {
                pinned[piece] = true;
            }
        }
    }
    let kept = pieces.iter().zip(pinned).filter(|(_, pinned)| !pinned);
    Ok(kept.map(|(piece, _)| *piece).collect())
}

/// Section symbols, undefined ones, and those of the C library's start files
/// (`__abi_tag`, which nothing refers to).
fn is_of_toolchain(
    table: &symbols::Table,
    source: &(impl Source + ?Sized),
    symbol: &Symbol,
) -> bool {
    let kind = symbol.info.0 & 0xf;
    kind == elf::STT_SECTION.0
        || kind == elf::STT_FILE.0
        || symbol.section.0 == 0
        || table.name_starts_with(source, symbol.name, b"__abi_tag\0")
}

/// `$d` at the start of data, `$a`, `$t` or `$x` at the start of code, possibly with a
/// period and more; they say what is there, and nothing refers to them.
fn is_mapping_symbol(
    table: &symbols::Table,
    source: &(impl Source + ?Sized),
    symbol: &Symbol,
) -> bool {
    const NAMES: [&[u8]; 8] = [
        b"$a\0", b"$a.", b"$d\0", b"$d.", b"$t\0", b"$t.", b"$x\0", b"$x.",
    ];
    NAMES
        .iter()
        .any(|name| table.name_starts_with(source, symbol.name, name))
}

/// Whether the notes are those of the linker, the C library and the language runtimes, or
/// those required by the FDO package metadata specification.
fn has_known_notes(image: &Image<impl Source>, piece: &Piece) -> Result<bool, Error> {
    const OWNERS: [&[u8]; 5] = [b"GNU\0", b"Go\0\0", b"FDO\0", b"stapsdt\0", b"LLVM\0"];
    let bytes = image.source.read_at(piece.range.start, piece.range.size)?;
    let order = image.encoding.note_order();
    let is_known = |note: Result<Note<'_>, _>| note.is_ok_and(|note| OWNERS.contains(&note.owner));
    // mold puts notes of both paddings under one header.
    Ok([4, 8]
        .into_iter()
        .any(|align| Notes::new(&bytes, order, align).all(is_known)))
}
