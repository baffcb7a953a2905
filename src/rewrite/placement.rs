//! Where everything will be in the patched file.

mod base;

use super::patching::{ADDED_ENTRIES, Mechanism, Patching};
use super::pieces::{Piece, PieceKind};
use super::room::{self, Destination, Displaced, Room};
use super::runs::{self, Run};
use super::undo::{self, Undo};
use super::{inline, symbols};
use crate::elf::encoding::{Dyn, FileHeader, Record};
use crate::elf::machine::Machine;
use crate::elf::notes::LONGEST_UNDO;
use crate::elf::symbols::Symbol;
use crate::elf::{Dynamic, FileOffset, FileRange, Layout, Source, VirtAddr, align_up};
use crate::rewrite::error::Error;
use base::Base;

/// A moved piece and its new place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) piece: Piece,
    /// The new file offset.
    pub(super) offset: FileOffset,
    /// The new link-time address.
    pub(super) address: VirtAddr,
    /// Whether it is in the new segment; if not, it is where another piece was.
    pub(super) in_new_segment: bool,
}

/// Where everything will be.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    /// The program header table.
    pub(super) table: FileRange,
    /// What keeps the table from growing in place, if that is why it is in the new
    /// segment.
    pub(super) obstacle: Option<String>,
    /// The moved pieces, in the order of their old offsets.
    pub(super) placed: Vec<Placed>,
    /// The dynamic strings with the library's name, or the runtime. The new segment
    /// starts with them if it comes after everything else.
    pub(super) head: FileRange,
    /// Whether `head` is a runtime.
    pub(super) has_runtime: bool,
    /// The policy notes.
    pub(super) notes: FileRange,
    /// Their padding, in bytes.
    pub(super) notes_align: usize,
    /// The piece whose PT_NOTE also covers them, by its old file offset.
    pub(super) shared_note: Option<FileOffset>,
    /// The new read-only segment.
    pub(super) segment: FileRange,
    /// Whether it comes before everything else, starting with the file header and the
    /// program headers.
    pub(super) in_front: bool,
    /// The dynamic section, if it moves.
    pub(super) dynamic: Option<FileRange>,
    /// Where the dynamic section was.
    pub(super) dynamic_from: FileRange,
    /// Symbols that refer to moved addresses.
    pub(super) symbols: Vec<Symbol>,
    /// What the UNDO note records.
    pub(super) recorded: Vec<FileRange>,
    /// The difference between address and offset in the new segments.
    bias: u64,
    /// What is kept of the ELF file: what comes before the new segments, if anything, and
    /// what moves up to make room for them.
    pub(super) runs: Vec<Run>,
}

impl Placement {
    pub(super) fn make<S: Source>(patching: &Patching<'_, S>, room: &Room) -> Result<Self, Error> {
        let Patching { image, dynamic, .. } = *patching;
        let page = Machine::of(image).max_page_size;
        let up = |offset: FileOffset| offset.align_up(page).ok_or(Error::TooLarge);
        let elf_end = patching.tail.elf_end();
        let base = match room.in_front {
            true => None,
            false => Some(Base::find(image, room, patching.tail)?),
        };
        let Beginning {
            table,
            head,
            mut placed,
            end,
        } = match &base {
            Some(base) => Beginning::behind(patching, room, base.start)?,
            None => Beginning::in_front(patching, room)?,
        };
        let moves = patching.dynamic_moves();
        let symbols = symbols::of_moved_parts(image, &room.displaced, moves);
        let mut recorded = recorded(patching, &placed, &table);
        recorded.extend(symbols.iter().map(|symbol| symbol.range));
        let is_cut = base.as_ref().is_some_and(|base| base.cut < elf_end);
        let runs = 1 + usize::from(is_cut) + usize::from(patching.tail.last.size > 0);
        let undo = undo_size(runs, &recorded, placed.len())?;
        let (notes, notes_align) = notes(patching, end, undo, shared(&placed, room))?;
        let start = base.as_ref().map_or(FileOffset(0), |base| base.start);
        let segment = FileRange::between(start, notes.end());
        let dynamic_from = dynamic.range;
        let dynamic = match moves {
            true => Some(moved_dynamic(image, dynamic, up(segment.end())?)?),
            false => None,
        };
        let end = dynamic.unwrap_or(segment).end();
        let (runs, bias) = match base {
            Some(base) => base.around(image, elf_end, end)?,
            None => base::in_front(image, elf_end, end)?,
        };
        // Within one segment offsets and addresses have one distance.
        for placed in placed.iter_mut().filter(|placed| placed.in_new_segment) {
            placed.address = placed.offset.biased(bias);
        }
        Ok(Self {
            runs,
            in_front: room.in_front,
            table,
            placed,
            head,
            has_runtime: patching.hook().is_some(),
            obstacle: room.obstacle.clone(),
            notes,
            notes_align,
            shared_note: room.shared_note,
            segment,
            dynamic,
            dynamic_from,
            symbols,
            recorded,
            bias,
        })
    }

    /// Whether the program header table moves to the new segment.
    pub(super) fn table_moves(&self) -> bool {
        self.in_front || self.obstacle.is_some()
    }

    /// How many bytes everything loaded moves up in the file: none if the new segments
    /// come after it.
    pub(super) fn rise(&self) -> u64 {
        self.runs.first().map_or(0, |run| run.patched.0)
    }

    /// The address of an offset in the new segments.
    pub(super) fn address(&self, offset: FileOffset) -> VirtAddr {
        offset.biased(self.bias)
    }

    /// The end of everything in the ELF file that is loaded or kept.
    pub(super) fn end(&self) -> FileOffset {
        let segments = self.dynamic.unwrap_or(self.segment).end();
        let runs = self.runs.iter().map(|run| run.in_patched().end());
        runs.fold(segments, FileOffset::max)
    }

    /// Where a part of the ELF file that is not loaded is now; `None` if it is no longer
    /// in one piece.
    pub(super) fn kept(&self, range: &FileRange) -> Option<FileRange> {
        runs::patched_range(&self.runs, range)
    }

    /// For something of `size` bytes that starts within what moves: how many of them move
    /// together with its start.
    pub(super) fn size_from(&self, offset: FileOffset, size: u64) -> u64 {
        let placed = self.placed_at(offset);
        placed.map_or(size, |placed| size.min(placed.piece.range.end() - offset))
    }

    /// The new offset and address of something that starts within what moves.
    pub(super) fn moved(&self, offset: FileOffset) -> Option<(FileOffset, VirtAddr)> {
        if let Some(dynamic) = self.dynamic
            && self.dynamic_from.contains(&FileRange::new(offset, 1))
        {
            let offset = dynamic.start + (offset - self.dynamic_from.start);
            return Some((offset, self.address(offset)));
        }
        let placed = self.placed_at(offset)?;
        let delta = offset - placed.piece.range.start;
        Some((placed.offset + delta, placed.address.wrapping_add(delta)))
    }

    /// The moved piece that contained a byte.
    fn placed_at(&self, offset: FileOffset) -> Option<&Placed> {
        let byte = FileRange::new(offset, 1);
        let mut placed = self.placed.iter();
        placed.find(|placed| placed.piece.range.contains(&byte))
    }
}

/// What the new segment holds before the policy notes.
struct Beginning {
    table: FileRange,
    head: FileRange,
    placed: Vec<Placed>,
    end: FileOffset,
}

impl Beginning {
    /// After everything else: the strings or the runtime, the table if it moves, and
    /// everything else that moves.
    ///
    /// The first bytes of the segment belong to the strings or to the runtime, which no
    /// program header points to: llvm-objcopy takes a header of the same offset that
    /// comes earlier in the table for the segment's parent, and lays it out with that
    /// header's alignment.
    fn behind<S: Source>(
        patching: &Patching<'_, S>,
        room: &Room,
        start: FileOffset,
    ) -> Result<Self, Error> {
        let head = FileRange::new(start, head_size(patching, &room.displaced)?);
        let mut end = head.end();
        let mut table = table(patching.image, room);
        if room.obstacle.is_some() {
            table.start = end.align_up(TABLE_ALIGN).ok_or(Error::TooLarge)?;
            end = table.end();
        }
        let strings = patching.library().map(|_| start);
        let (placed, end) = place(&room.displaced, strings, end)?;
        Ok(Self {
            table,
            head,
            placed,
            end,
        })
    }

    /// In front: the file header, the table, the build-id, and only then the strings or
    /// the runtime, so that the build-id is in the first page.
    fn in_front<S: Source>(patching: &Patching<'_, S>, room: &Room) -> Result<Self, Error> {
        let mut table = table(patching.image, room);
        table.start = FileOffset(FileHeader::size(patching.image.encoding));
        let (_, end) = place(&room.displaced, Some(FileOffset(0)), table.end())?;
        let align = match patching.mechanism {
            Mechanism::Library { .. } => TABLE_ALIGN,
            Mechanism::Inline { .. } => inline::PAGE as u64,
        };
        let start = end.align_up(align).ok_or(Error::TooLarge)?;
        let head = FileRange::new(start, head_size(patching, &room.displaced)?);
        let (placed, _) = place(&room.displaced, Some(start), table.end())?;
        Ok(Self {
            table,
            head,
            placed,
            end: head.end(),
        })
    }
}

/// The alignment of tables for the loader, in bytes.
const TABLE_ALIGN: u64 = 8;

/// The program header table, including the added headers, at its current place.
fn table(layout: &Layout, room: &Room) -> FileRange {
    let size = room::table_size(layout, layout.segments.len() + room.headers);
    FileRange::new(layout.header.phoff, size)
}

fn head_size<S>(patching: &Patching<'_, S>, displaced: &[Displaced]) -> Result<u64, Error> {
    match &patching.mechanism {
        Mechanism::Library { path, .. } => {
            let strings = displaced
                .iter()
                .find(|moved| moved.piece.kind == PieceKind::Strings);
            let strings = strings.ok_or(Error::malformed("it has no dynamic string table"))?;
            Ok(strings.piece.range.size + path.len() as u64 + 1)
        }
        Mechanism::Inline { runtime, .. } => Ok(runtime.len() as u64),
    }
}

/// Places the pieces in the new segment, starting at `end`, and returns its new end. The
/// strings are already placed if they grow; addresses in the new segment are not known
/// yet.
fn place(
    displaced: &[Displaced],
    strings: Option<FileOffset>,
    mut end: FileOffset,
) -> Result<(Vec<Placed>, FileOffset), Error> {
    let mut placed = Vec::new();
    for &Displaced { piece, to } in displaced {
        let strings = strings.filter(|_| piece.kind == PieceKind::Strings);
        let offset = match (to, strings) {
            (Destination::Vacated(offset), _) => offset,
            (Destination::NewSegment, Some(start)) => start,
            (Destination::NewSegment, None) => {
                let offset = end.align_up(piece.align).ok_or(Error::TooLarge)?;
                end = offset + piece.range.size;
                offset
            }
        };
        let bias = piece.address.bias_over(piece.range.start);
        placed.push(Placed {
            piece,
            offset,
            address: offset.biased(bias),
            in_new_segment: to == Destination::NewSegment,
        });
    }
    Ok((placed, end))
}

/// The size of the descriptor of the UNDO note, in bytes.
fn undo_size(runs: usize, recorded: &[FileRange], moves: usize) -> Result<usize, Error> {
    let size = Undo::size(runs, recorded, moves);
    if recorded.len().max(moves) > undo::MOST || size as u64 > LONGEST_UNDO {
        return Err(Error::malformed(
            "more of it would have to be recorded than of any program",
        ));
    }
    Ok(size)
}

/// The alignment of the notes whose header the policy's notes share, if they do.
fn shared(placed: &[Placed], room: &Room) -> Option<u64> {
    let is_shared = |placed: &&Placed| Some(placed.piece.range.start) == room.shared_note;
    let shared = placed.iter().find(is_shared)?;
    Some(shared.piece.align)
}

/// The place of the policy notes, after `end`, and their padding.
fn notes<S>(
    patching: &Patching<'_, S>,
    end: FileOffset,
    undo: usize,
    shared: Option<u64>,
) -> Result<(FileRange, usize), Error> {
    let align = if shared == Some(8) { 8 } else { 4 };
    // Under a header of their own they start where all may start.
    let start = end.align_up(shared.map_or(8, |_| align as u64));
    let size = patching.content.size(undo, align) as u64;
    Ok((FileRange::new(start.ok_or(Error::TooLarge)?, size), align))
}

/// A dynamic section with room for the new entries, filling whole pages: the runtime
/// makes them read-only, and musl gives the unused rest of a writable segment's last page
/// to malloc (ldso/dynlink.c, `reclaim_gaps`).
fn moved_dynamic(
    layout: &Layout,
    dynamic: &Dynamic,
    start: FileOffset,
) -> Result<FileRange, Error> {
    let page = Machine::of(layout).max_page_size;
    let entries = (dynamic.entries.len() + ADDED_ENTRIES + 1) as u64;
    let size = align_up(entries * Dyn::size(layout.encoding), page).ok_or(Error::TooLarge)?;
    Ok(FileRange::new(start, size))
}

/// What is overwritten in place, and the dynamic section even if it moves: `strip` clears
/// what no section covers, and if another tool changed the file, the section is put
/// together from its old and new content.
fn recorded<S>(patching: &Patching<'_, S>, placed: &[Placed], table: &FileRange) -> Vec<FileRange> {
    let image = patching.image;
    // A table that moves is recorded as well, for the same reason.
    let count = image.segments.len();
    let in_place = table.start == image.header.phoff;
    let own = FileRange::new(image.header.phoff, room::table_size(image, count));
    let mut ranges = vec![
        FileRange::new(FileOffset(0), FileHeader::size(image.encoding)),
        if in_place { *table } else { own },
    ];
    let vacated = placed.iter().filter(|placed| !placed.in_new_segment);
    ranges.extend(vacated.map(|placed| FileRange::new(placed.offset, placed.piece.range.size)));
    ranges.extend(Some(patching.dynamic.range).filter(|range| range.size > 0));
    ranges.extend(patching.hook().into_iter().flat_map(|hook| &hook.words));
    ranges
}
