//! New segments in front: in programs at fixed addresses they come before all others, in
//! the file and in memory, with a new file header and program header table. The kernel
//! puts the heap after the last segment (fs/binfmt_elf.c, `load_elf_binary`, `elf_brk`),
//! so it still begins where it did, which programs saved with their heap rely on. Nothing
//! else has to move: the old header and table stay where they were in memory.
//!
//! The difference between address and offset is the same in all segments, so that kernels
//! before 5.18, which compute the address of the program headers (AT_PHDR) from that of
//! the first segment, find them.

use object::elf;

use super::pieces::{Piece, PieceKind};
use super::room::{self, Destination, Displaced, Needs, Room};
use super::tail::Tail;
use crate::elf::encoding::ProgramHeader;
use crate::elf::machine::Machine;
use crate::elf::{Image, Layout, Source};

/// The lowest address that every system allows a program (Debian's `vm.mmap_min_addr`;
/// proc(5)).
const LOWEST_ADDRESS: u64 = 0x1_0000;

/// What has to move if the new segments are in front: the strings, which grow, and the
/// build-id. `None` if they can't be in front.
pub(super) fn room(
    image: &Image<impl Source>,
    pieces: &[Piece],
    needs: Needs,
    tail: &Tail,
) -> Option<Room> {
    if tail.stays || !is_possible(image) {
        return None;
    }
    let moves = |piece: &&Piece| match piece.kind {
        PieceKind::Strings => needs.strings_move,
        // The kernel writes the first page of the file into core dumps, where it is
        // mapped; debuggers find the build-id there.
        PieceKind::Notes => room::has_build_id(image, piece),
        _ => false,
    };
    let displaced = pieces.iter().filter(moves).map(|&piece| Displaced {
        piece,
        to: Destination::NewSegment,
    });
    Some(Room {
        headers: needs.loads + 1,
        shared_note: None,
        obstacle: None,
        in_front: true,
        displaced: displaced.collect(),
    })
}

/// Whether all segments can keep their addresses while they move in the file.
fn is_possible(layout: &Layout) -> bool {
    let page = Machine::of(layout).max_page_size;
    let mut loads = layout.segments_of(elf::PT_LOAD);
    let is_even = |load: &ProgramHeader| load.vaddr.bias_over(load.offset).is_multiple_of(page);
    let first = layout.segment(elf::PT_LOAD);
    layout.header.kind == elf::ET_EXEC
        && first.is_some_and(|first| loads.all(|load| load.vaddr >= first.vaddr && is_even(load)))
}

/// The difference between address and offset after everything has moved up by `shift`
/// bytes in the file; `None` if the new segments would be too low in memory.
pub(super) fn bias(layout: &Layout, shift: u64) -> Option<u64> {
    let first = layout.segment(elf::PT_LOAD)?;
    let bias = first
        .vaddr
        .0
        .checked_sub(first.offset.0)?
        .checked_sub(shift)?;
    (bias >= LOWEST_ADDRESS).then_some(bias)
}
