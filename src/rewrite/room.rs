//! Room for more program headers: the table grows where it is, since only there do all
//! kernels find it (before Linux 5.18 AT_PHDR is computed from the first segment's
//! address and `e_phoff`), and what followed it moves.

mod shared;

use object::elf;
use sandbox_format::note::{Note, Notes};

use super::pieces::{PADDING, Piece, PieceKind};
use crate::elf::encoding::{ProgramHeader, Record};
use crate::elf::layout::LONGEST_TABLE;
use crate::elf::{FileOffset, FileRange, Image, Layout, SMALLEST_PAGE, Source, tables};
use crate::rewrite::error::Error;

/// The kernel writes the first page of each ELF mapping into core dumps
/// (fs/coredump.c, `FILTER(ELF_HEADERS)`); debuggers find the build-id there.
const FIRST_PAGE: FileOffset = FileOffset(SMALLEST_PAGE);

/// A larger table, in bytes, is not moved just to keep the order.
const MAX_FOR_ORDER: u64 = 1 << 20;

/// Where a displaced piece goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// Into the new segment.
    NewSegment,
    /// To this file offset, where another displaced piece was.
    Vacated(FileOffset),
}

/// A piece that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Displaced {
    /// The piece.
    pub(super) piece: Piece,
    /// Where it goes.
    pub(super) to: Destination,
}

/// What a patch needs in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// Additional loadable segments, not counting the policy's PT_NOTE.
    pub(super) loads: usize,
    /// Whether the dynamic strings move because they grow.
    pub(super) strings_move: bool,
}

/// Where the program header table will be, and which pieces move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// How many program headers are added.
    pub(super) headers: usize,
    /// The piece whose PT_NOTE will also cover the policy's notes, by its file offset;
    /// the notes that share it are at the end of the new segment.
    pub(super) shared_note: Option<FileOffset>,
    /// What keeps the table from growing in place, so that it moves to the new segment.
    pub(super) obstacle: Option<String>,
    /// Whether the table and the new segment come before everything else.
    pub(super) in_front: bool,
    /// The pieces that move.
    pub(super) displaced: Vec<Displaced>,
}

impl Room {
    /// Refuses a table that the kernel would refuse.
    ///
    /// # Errors
    ///
    /// The table would be too large.
    pub(super) fn check_size(&self, layout: &Layout) -> Result<(), Error> {
        let count = layout.segments.len();
        if table_size(layout, count + self.headers) > LONGEST_TABLE {
            return Err(Error::TooManyHeaders {
                count,
                added: self.headers,
            });
        }
        Ok(())
    }
}

/// Finds room for the program headers that a patch needs.
///
/// # Errors
///
/// The file contradicts itself.
pub(super) fn make(
    image: &Image<impl Source>,
    pieces: &[Piece],
    needs: Needs,
) -> Result<Room, Error> {
    let strings = pieces.iter().find(|piece| piece.kind == PieceKind::Strings);
    if needs.strings_move && strings.is_none() {
        return Err(Error::malformed(
            "its dynamic string table shares bytes with something else",
        ));
    }
    let headers = needs.loads + 1;
    let grown = match grow(image, pieces, needs) {
        Ok(displaced) => Ok(Room {
            headers,
            shared_note: None,
            obstacle: None,
            in_front: false,
            displaced,
        }),
        Err(Error::NoRoom(obstacle)) => Err(obstacle),
        Err(error) => return Err(error),
    };
    let keeps_build_id = |room: &Room| {
        let mut displaced = room.displaced.iter();
        !displaced.any(|moved| loses_build_id(image, moved))
    };
    if let Ok(room) = &grown
        && keeps_build_id(room)
    {
        return Ok(room.clone());
    }
    if let Some(room) = shared::make(image, pieces, needs)? {
        return Ok(room);
    }
    let obstacle = match grown {
        Ok(room) => return Ok(room),
        Err(obstacle) => obstacle,
    };
    let strings = strings.filter(|_| needs.strings_move);
    Ok(Room {
        headers,
        shared_note: None,
        obstacle: Some(obstacle),
        in_front: false,
        displaced: strings.into_iter().map(to_new_segment).collect(),
    })
}

fn to_new_segment(piece: &Piece) -> Displaced {
    Displaced {
        piece: *piece,
        to: Destination::NewSegment,
    }
}

/// Decides which pieces move so that the table can grow in place; the space that the
/// strings leave is used as well.
///
/// # Errors
///
/// Something that can't move follows the table.
fn grow(
    image: &Image<impl Source>,
    pieces: &[Piece],
    needs: Needs,
) -> Result<Vec<Displaced>, Error> {
    let growth = growth(image, pieces, needs.loads + 1)?;
    let displaced = |piece: &Piece| {
        (needs.strings_move && piece.kind == PieceKind::Strings) || piece.range.overlaps(&growth)
    };
    let (mut moving, mut staying): (Vec<Piece>, Vec<Piece>) =
        pieces.iter().partition(|piece| displaced(piece));
    if let Some(settled) = in_order(image, &moving, &staying, growth.end())? {
        return Ok(settled);
    }
    loop {
        let settled = settle(image, &moving, growth.end())?;
        if settled.iter().all(|moved| !loses_build_id(image, moved)) {
            return Ok(settled);
        }
        // Make more room in the first page, one piece after the other.
        let next = staying
            .iter()
            .position(|piece| piece.range.end() <= FIRST_PAGE && piece.kind != PieceKind::Notes);
        match next {
            Some(next) => moving.push(staying.remove(next)),
            None => return Ok(settled),
        }
    }
}

/// The range after the table that it takes when it grows in place.
///
/// # Errors
///
/// Something that can't move is there.
fn growth(image: &Image<impl Source>, pieces: &[Piece], extra: usize) -> Result<FileRange, Error> {
    let table = image.program_headers();
    if pieces.iter().any(|piece| piece.range.overlaps(&table)) {
        return Err(Error::malformed(
            "its program headers share bytes with something else",
        ));
    }
    let grown = FileRange::new(table.start, table_size(image, image.segments.len() + extra));
    let growth = FileRange::new(table.end(), grown.size - table.size);
    check_mapped(image, &grown)?;
    check_growth(image, pieces, &growth)?;
    Ok(growth)
}

/// Tries to keep all notes right after the table, before anything else in their segment,
/// by moving what is there: if a segment begins differently, `objcopy --only-keep-debug`
/// makes a file that it complains about.
fn in_order(
    image: &Image<impl Source>,
    moving: &[Piece],
    staying: &[Piece],
    from: FileOffset,
) -> Result<Option<Vec<Displaced>>, Error> {
    let (mut moving, mut staying) = (moving.to_vec(), staying.to_vec());
    loop {
        let settled = settle(image, &moving, from)?;
        let holes = holes(image, &moving, from)?;
        let first = holes.iter().find(|hole| hole.start < from + PADDING);
        let end = first.map_or(from, FileRange::end);
        let behind_table = |moved: &Displaced| match moved.to {
            Destination::Vacated(offset) => offset + moved.piece.range.size <= end,
            Destination::NewSegment => moved.piece.kind != PieceKind::Notes,
        };
        if settled.iter().all(behind_table) {
            return Ok(Some(settled));
        }
        let next = staying.iter().position(|piece| {
            (end..end + PADDING).contains(&piece.range.start)
                && piece.kind != PieceKind::Notes
                && piece.range.size <= MAX_FOR_ORDER
        });
        match next {
            Some(next) => moving.push(staying.remove(next)),
            None => return Ok(None),
        }
    }
}

/// Size in bytes of a program header table.
pub(super) fn table_size(layout: &Layout, count: usize) -> u64 {
    ProgramHeader::size(layout.encoding) * count as u64
}

/// Checks that the grown table is in memory, in a segment that holds it or can grow.
fn check_mapped(layout: &Layout, grown: &FileRange) -> Result<(), Error> {
    if is_held(layout, grown) || growing_load(layout, grown).is_some() {
        return Ok(());
    }
    Err(Error::NoRoom(
        "the end of the segment that holds them".to_owned(),
    ))
}

fn is_held(layout: &Layout, grown: &FileRange) -> bool {
    let mut loads = layout.segments_of(elf::PT_LOAD);
    loads.any(|load| load.range().contains(grown))
}

/// The segment that grows with the table: one that ends with the table, as in static
/// programs that have nothing else there, and that nothing follows in the file or in
/// memory. `None` if a segment already holds the grown table.
pub(super) fn growing_load<'l>(layout: &'l Layout, grown: &FileRange) -> Option<&'l ProgramHeader> {
    let own = FileRange::new(grown.start, table_size(layout, layout.segments.len()));
    let can_grow = |load: &&ProgramHeader| {
        let holds_own = load.range().contains(&own) && load.filesz == load.memsz;
        let size = grown.end().saturating_sub(load.offset);
        let is_free = |other: &ProgramHeader| {
            let apart = |own: u64, other: u64| other <= own || other - own >= size;
            other == *load
                || (apart(load.offset.0, other.offset.0) && apart(load.vaddr.0, other.vaddr.0))
        };
        holds_own && layout.segments_of(elf::PT_LOAD).all(is_free)
    };
    if is_held(layout, grown) {
        return None;
    }
    layout.segments_of(elf::PT_LOAD).find(can_grow)
}

/// Checks that every byte that the table will grow over belongs to a piece, or is padding
/// between two of them.
fn check_growth(
    image: &Image<impl Source>,
    pieces: &[Piece],
    growth: &FileRange,
) -> Result<(), Error> {
    // Go's linker puts the section headers there; they are written anew.
    let count = image.sections.len() as u64;
    let section_headers = FileRange::new(
        image.header.shoff,
        count * u64::from(image.header.shentsize),
    );
    let near: Vec<&Piece> = pieces
        .iter()
        .filter(|piece| piece.range.overlaps(growth))
        .collect();
    let covered = |range: &FileRange| {
        section_headers.contains(range) || near.iter().any(|piece| piece.range.contains(range))
    };
    // A table of unknown length, which may begin with zeros.
    let tables = image.dynamic.iter().flat_map(tables::starts);
    for offset in tables.filter_map(|address| image.offset_of(address)) {
        let start = FileRange::new(offset, 1);
        if growth.contains(&start) && !covered(&start) {
            return Err(Error::NoRoom("a table for the loader".to_owned()));
        }
    }
    for section in &image.sections {
        if section.is_allocated() && section.range().overlaps(growth) && !covered(&section.range())
        {
            return Err(Error::NoRoom(image.section_name(section)));
        }
    }
    for segment in &image.segments {
        let range = segment.range();
        let container = [elf::PT_LOAD, elf::PT_PHDR, elf::PT_GNU_STACK].contains(&segment.kind);
        if !container && range.overlaps(growth) && !covered(&range) {
            return Err(Error::NoRoom("a segment of its own".to_owned()));
        }
    }
    if growth.end().0 > image.length {
        return Err(Error::NoRoom("the end of the file".to_owned()));
    }
    let bytes = image.source.read_range(*growth)?;
    let mut padding = 0;
    for (offset, byte) in (growth.start.0..).map(FileOffset).zip(bytes) {
        if covered(&FileRange::new(offset, 1)) {
            padding = 0;
            continue;
        }
        padding += 1;
        // Section headers tell that nothing is there; patchelf fills what it
        // moved away with 'X'. Without them a long run may be data.
        let has_sections = !image.sections.is_empty();
        let unused = byte == 0 || (byte == b'X' && has_sections);
        if !unused || (padding >= PADDING && !has_sections) {
            return Err(Error::NoRoom(format!("unknown data at offset {offset}")));
        }
    }
    Ok(())
}

/// Notes go to vacated places in the first page if they fit, so that they stay in core
/// dumps; everything else goes to the new segment. They keep their order, for objcopy's
/// sake, unless that would leave no place for the build-id.
fn settle(
    image: &Image<impl Source>,
    moving: &[Piece],
    from: FileOffset,
) -> Result<Vec<Displaced>, Error> {
    let holes = holes(image, moving, from)?;
    let mut order: Vec<&Piece> = moving.iter().collect();
    order.sort_by_key(|piece| piece.range.start);
    let mut displaced = place(&holes, &order);
    if displaced.iter().any(|moved| loses_build_id(image, moved)) {
        order.sort_by_key(|piece| !has_build_id(image, piece));
        displaced = place(&holes, &order);
    }
    displaced.sort_by_key(|moved| moved.piece.range.start);
    Ok(displaced)
}

fn place(holes: &[FileRange], order: &[&Piece]) -> Vec<Displaced> {
    let mut holes = holes.to_vec();
    let mut place = |piece: &&Piece| {
        let vacated = if piece.kind == PieceKind::Notes {
            take(&mut holes, piece)
        } else {
            None
        };
        Displaced {
            piece: **piece,
            to: vacated.map_or(Destination::NewSegment, Destination::Vacated),
        }
    };
    order.iter().map(&mut place).collect()
}

/// The places that the moving pieces leave in the table's segment, after the grown table;
/// neighbours separated only by padding are merged.
fn holes(
    image: &Image<impl Source>,
    moving: &[Piece],
    from: FileOffset,
) -> Result<Vec<FileRange>, Error> {
    let table = FileRange::new(image.header.phoff, 1);
    let mut loads = image.segments_of(elf::PT_LOAD).map(|load| load.range());
    let Some(own) = loads.find(|load| load.contains(&table)) else {
        return Ok(Vec::new());
    };
    let ranges = moving.iter().map(|piece| piece.range);
    let mut ranges: Vec<FileRange> = ranges.filter(|range| own.contains(range)).collect();
    ranges.sort();
    let mut holes: Vec<FileRange> = Vec::new();
    for range in ranges {
        let start = range.start.max(from);
        if range.end() <= start {
            continue;
        }
        if let Some(last) = holes.last_mut() {
            let gap = FileRange::between(last.end(), start);
            if gap.size < PADDING
                && !image.allocated().overlap(&gap)
                && image.source.read_range(gap)?.iter().all(|&byte| byte == 0)
            {
                last.size = range.end() - last.start;
                continue;
            }
        }
        holes.push(FileRange::between(start, range.end()));
    }
    Ok(holes)
}

/// Takes room for a piece from the first hole in the first page that is large enough.
fn take(holes: &mut [FileRange], piece: &Piece) -> Option<FileOffset> {
    for hole in holes {
        let place = hole.start.align_up(piece.align)?;
        let end = place.checked_add(piece.range.size)?;
        if end <= hole.end().min(FIRST_PAGE) {
            *hole = FileRange::between(end, hole.end());
            return Some(place);
        }
    }
    None
}

fn loses_build_id(image: &Image<impl Source>, moved: &Displaced) -> bool {
    moved.to == Destination::NewSegment && has_build_id(image, &moved.piece)
}

/// Whether a piece has a build-id in the first page.
pub(super) fn has_build_id(image: &Image<impl Source>, piece: &Piece) -> bool {
    if piece.kind != PieceKind::Notes || piece.range.end() > FIRST_PAGE {
        return false;
    }
    let Ok(bytes) = image.source.read_at(piece.range.start, piece.range.size) else {
        return false;
    };
    // mold puts notes of both paddings under one header.
    let is_build_id =
        |note: Note<'_>| note.owner == b"GNU\0" && note.kind == elf::NT_GNU_BUILD_ID.0;
    let notes = |align| Notes::new(&bytes, image.encoding.note_order(), align).flatten();
    notes(4).chain(notes(8)).any(is_build_id)
}
