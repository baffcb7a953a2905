//! Parts of a program that may move: they are reached only through program
//! headers and dynamic entries, never by an address in code.

use object::elf;

use crate::elf::encoding::ProgramHeader;
use crate::elf::machine::Machine;
use crate::elf::{Dynamic, FileOffset, FileRange, Image, Layout, Source, VirtAddr, tables};
use crate::rewrite::error::Error;

/// Between two parts, linkers leave fewer bytes than this for alignment.
pub(super) const PADDING: u64 = 16;

/// The kind of a movable part; it determines which header or entry points to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// The program interpreter's name (PT_INTERP).
    Interpreter,
    /// All notes under one PT_NOTE, or several that overlap.
    Notes,
    /// The dynamic symbols (DT_SYMTAB).
    Symbols,
    /// The dynamic strings (DT_STRTAB).
    Strings,
    /// The GNU hash table (DT_GNU_HASH).
    GnuHash,
    /// The System V hash table (DT_HASH).
    Hash,
    /// Processor-specific information about the program (ABI flags and the like).
    Information,
}

impl PieceKind {
    /// Its name, for people.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Interpreter => ".interp",
            Self::Notes => "notes",
            Self::Symbols => ".dynsym",
            Self::Strings => ".dynstr",
            Self::GnuHash => ".gnu.hash",
            Self::Hash => ".hash",
            Self::Information => "ABI information",
        }
    }
}

/// A movable part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// What it is.
    pub(super) kind: PieceKind,
    /// Where it is in the file.
    pub(super) range: FileRange,
    /// Its link-time address.
    pub(super) address: VirtAddr,
    /// The alignment that it must keep, in bytes.
    pub(super) align: u64,
}

/// The movable parts of a program in file order. A part whose extent is uncertain, or
/// that overlaps something else, is left out: it stays.
///
/// # Errors
///
/// The file can't be read.
pub(super) fn find(image: &Image<impl Source>) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    if let Some(segment) = image.segment(elf::PT_INTERP) {
        pieces.extend(piece(
            image,
            PieceKind::Interpreter,
            segment.vaddr,
            segment.filesz,
            1,
        ));
    }
    for segment in image.segments_of(elf::PT_NOTE) {
        let address = if image.is_of_notes(segment) {
            Some(segment.vaddr)
        } else {
            left_without_address(image, segment)
        };
        let align = alignment(segment.align, 4);
        let notes = |address| piece(image, PieceKind::Notes, address, segment.filesz, align);
        pieces.extend(address.and_then(notes));
    }
    pieces.extend(information(image));
    pieces.extend(dynamic_pieces(image)?);
    pieces.sort_by_key(|piece| (piece.range.start, piece.range.size));
    Ok(separate(image, merge_notes(pieces)))
}

/// The address of notes whose header lost it to GNU strip, for tools, which go by its
/// offset.
fn left_without_address(layout: &Layout, segment: &ProgramHeader) -> Option<VirtAddr> {
    let range = segment.range();
    let behind_headers = range.start >= layout.program_headers().end();
    if segment.vaddr.0 == 0 && behind_headers {
        layout.address_of(&range)
    } else {
        None
    }
}

fn piece(
    layout: &Layout,
    kind: PieceKind,
    address: VirtAddr,
    size: u64,
    align: u64,
) -> Option<Piece> {
    let range = layout.range_at(address, size)?;
    (size > 0).then_some(Piece {
        kind,
        range,
        address,
        align,
    })
}

/// The alignment that a header asks for, limited to what a movable part can need: a
/// damaged header may say anything.
fn alignment(said: u64, least: u64) -> u64 {
    if said.is_power_of_two() {
        said.clamp(least, 16)
    } else {
        least
    }
}

/// Parts that only processor-specific program headers, or nothing at all, point to.
fn information(layout: &Layout) -> Vec<Piece> {
    let machine = Machine::of(layout);
    let segments = layout
        .segments
        .iter()
        .filter(|segment| machine.informative_segments.contains(&segment.kind))
        .map(|segment| (segment.vaddr, segment.filesz, segment.align));
    let sections = layout
        .sections
        .iter()
        .filter(|section| section.is_allocated())
        .map(|section| &section.header)
        .filter(|header| machine.informative_sections.contains(&header.kind))
        .filter(|header| layout.offset_of(header.addr) == Some(header.offset))
        .map(|header| (header.addr, header.size, header.addralign));
    let mut found: Vec<Piece> = segments
        .chain(sections)
        .filter_map(|(address, size, align)| {
            let align = alignment(align, 1);
            piece(layout, PieceKind::Information, address, size, align)
        })
        .collect();
    // A section and the segment that it has to itself are one piece.
    found.sort_by_key(|piece| piece.range);
    found.dedup_by_key(|piece| piece.range);
    // A program has one of each. What stays where it is does no harm.
    if found.len() > MOST_INFORMATION {
        found.clear();
    }
    found
}

/// More such parts than any program has.
const MOST_INFORMATION: usize = 8;

fn dynamic_pieces(image: &Image<impl Source>) -> Result<Vec<Piece>, Error> {
    let Some(dynamic) = &image.dynamic else {
        return Ok(Vec::new());
    };
    let word = image.encoding.word();
    let mut pieces = Vec::new();
    if let (Some(address), Some(size)) =
        (dynamic.address(elf::DT_STRTAB), dynamic.get(elf::DT_STRSZ))
    {
        let size = extent(image, dynamic, address, size);
        pieces.extend(size.and_then(|size| piece(image, PieceKind::Strings, address, size, 1)));
    }
    if let Some(address) = dynamic.address(elf::DT_HASH)
        && let Some((size, _)) = tables::hash_extent(image, address)?
    {
        pieces.extend(piece(image, PieceKind::Hash, address, size, 8));
    }
    if let Some(address) = dynamic.address(elf::DT_GNU_HASH)
        && let Some(table) = tables::gnu_hash(image, address)?
    {
        pieces.extend(piece(image, PieceKind::GnuHash, address, table.size, 8));
    }
    if let Some((address, size)) = tables::symbol_table(image, dynamic)? {
        let size = extent(image, dynamic, address, size);
        pieces.extend(size.and_then(|size| piece(image, PieceKind::Symbols, address, size, word)));
    }
    Ok(pieces)
}

/// The kind of movable table that a dynamic entry points to, if any.
pub(super) fn table_of(tag: elf::DynamicTag) -> Option<PieceKind> {
    match tag {
        elf::DT_STRTAB => Some(PieceKind::Strings),
        elf::DT_SYMTAB => Some(PieceKind::Symbols),
        elf::DT_HASH => Some(PieceKind::Hash),
        elf::DT_GNU_HASH => Some(PieceKind::GnuHash),
        _ => None,
    }
}

/// The bytes from a table's start to the next known item, if the table is said to end
/// there. Loaders ignore the sizes of symbols and strings, so that a wrong size does no
/// harm until the table is moved in part. If a section gives the same size, that is the
/// size: what follows may be something that is not loaded (Go's linker puts its
/// `.shstrtab` there).
fn extent(layout: &Layout, dynamic: &Dynamic, address: VirtAddr, size: u64) -> Option<u64> {
    let end = address.checked_add(size)?;
    match tables::next_start(layout, dynamic, address) {
        Some(next) if (end..end.saturating_add(PADDING)).contains(&next) => Some(next - address),
        Some(_) => is_section(layout, address, size).then_some(size),
        None => Some(size),
    }
}

fn is_section(layout: &Layout, address: VirtAddr, size: u64) -> bool {
    let mut sections = layout.sections.iter();
    sections.any(|section| (section.header.addr, section.header.size) == (address, size))
}

/// Merges overlapping PT_NOTE segments, which move as one.
fn merge_notes(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::new();
    for piece in pieces {
        match merged.last_mut() {
            Some(last)
                if last.kind == PieceKind::Notes
                    && piece.kind == PieceKind::Notes
                    && last.range.overlaps(&piece.range) =>
            {
                let end = last.range.end().max(piece.range.end());
                last.range.size = end - last.range.start;
                last.align = last.align.max(piece.align);
            }
            _ => merged.push(piece),
        }
    }
    merged
}

/// Leaves out pieces that overlap another piece, or part of an allocated section that
/// extends beyond the piece.
fn separate(layout: &Layout, pieces: Vec<Piece>) -> Vec<Piece> {
    // In the order of their starts.
    let mut reach = FileOffset(0);
    let shared: Vec<bool> = (1..)
        .zip(&pieces)
        .map(|(next, piece)| {
            let before = reach > piece.range.start;
            reach = reach.max(piece.range.end());
            let next = pieces.get(next);
            before || next.is_some_and(|next| next.range.start < piece.range.end())
        })
        .collect();
    let is_shared =
        |(piece, shared): &(Piece, bool)| *shared || layout.allocated().cross(&piece.range);
    let all = pieces.into_iter().zip(shared);
    all.filter(|piece| !is_shared(piece))
        .map(|(piece, _)| piece)
        .collect()
}

/// The index of the piece that contains a byte of the file; the pieces must be in order
/// and must not overlap.
pub(super) fn holding(pieces: &[Piece], offset: FileOffset) -> Option<usize> {
    let behind = pieces.partition_point(|piece| piece.range.start <= offset);
    let index = behind.checked_sub(1)?;
    (offset < pieces[index].range.end()).then_some(index)
}
