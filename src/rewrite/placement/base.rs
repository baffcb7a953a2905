//! Where the new segments start, in the file and in memory.

use object::elf;

use crate::elf::machine::Machine;
use crate::elf::{FileOffset, Layout, VirtAddr, align_up};
use crate::rewrite::error::Error;
use crate::rewrite::room::Room;
use crate::rewrite::runs::Run;
use crate::rewrite::tail::Tail;
use crate::rewrite::{cut, front};

/// Where the new segments start.
pub(super) struct Base {
    /// Where the file is cut for them.
    pub(super) cut: FileOffset,
    /// The file offset.
    pub(super) start: FileOffset,
    /// The difference between address and offset.
    bias: u64,
}

/// A larger hole in the file is refused: not every tool that copies files preserves
/// holes.
const MAX_HOLE: u64 = 16 << 20;

impl Base {
    pub(super) fn find(layout: &Layout, room: &Room, tail: Tail) -> Result<Self, Error> {
        let cut = cut::find(layout, &tail);
        let Some(obstacle) = &room.obstacle else {
            return Self::behind(layout, cut);
        };
        match Self::congruent(layout, cut, obstacle) {
            // Behind what is not loaded the hole is smaller.
            Err(Error::NoCongruentRoom { .. }) => Self::congruent(layout, tail.elf_end(), obstacle),
            base => base,
        }
    }

    /// What is kept of an ELF file that ends at `elf_end`, around new segments that end
    /// at `end`, and the difference between their addresses and offsets.
    pub(super) fn around(
        self,
        layout: &Layout,
        elf_end: FileOffset,
        end: FileOffset,
    ) -> Result<(Vec<Run>, u64), Error> {
        let page = Machine::of(layout).max_page_size;
        let shift = align_up(end - self.cut, page).ok_or(Error::TooLarge)?;
        Ok((runs_around(self.cut, elf_end, shift), self.bias))
    }

    /// After everything else, in the file and in memory.
    fn behind(layout: &Layout, cut: FileOffset) -> Result<Self, Error> {
        let page = Machine::of(layout).max_page_size;
        let start = cut.align_up(page).ok_or(Error::TooLarge)?;
        let address = memory_end(layout).align_up(page).ok_or(Error::TooLarge)?;
        Ok(Self {
            cut,
            start,
            bias: address.bias_over(start),
        })
    }

    /// After everything else, with the first segment's difference between address and
    /// offset: before Linux 5.18 the kernel used that to compute the address of the
    /// program headers (AT_PHDR), wherever they were (fs/binfmt_elf.c,
    /// `create_elf_tables`; since 0da1d5002745 it looks for their segment).
    fn congruent(layout: &Layout, cut: FileOffset, obstacle: &str) -> Result<Self, Error> {
        let page = Machine::of(layout).max_page_size;
        let first = layout.segment(elf::PT_LOAD);
        let bias = first.map_or(0, |first| first.vaddr.bias_over(first.offset));
        if !bias.is_multiple_of(page) {
            return Err(Error::NoRoom(obstacle.to_owned()));
        }
        let address = memory_end(layout).align_up(page).ok_or(Error::TooLarge)?;
        let start = cut.align_up(page).ok_or(Error::TooLarge)?;
        let congruent = FileOffset(address.0.wrapping_sub(bias)).max(start);
        if congruent - start > MAX_HOLE {
            return Err(Error::NoCongruentRoom {
                obstacle: obstacle.to_owned(),
                hole: congruent - start,
            });
        }
        if congruent.checked_add(bias).is_none() {
            return Err(Error::TooLarge);
        }
        Ok(Self {
            cut,
            start: congruent,
            bias,
        })
    }
}

fn memory_end(layout: &Layout) -> VirtAddr {
    let loads = layout.segments_of(elf::PT_LOAD);
    loads
        .map(|load| load.vaddr + load.memsz)
        .max()
        .unwrap_or_default()
}

/// The start if the new segments come before everything else.
pub(super) fn in_front(
    layout: &Layout,
    elf_end: FileOffset,
    end: FileOffset,
) -> Result<(Vec<Run>, u64), Error> {
    let page = Machine::of(layout).max_page_size;
    let shift = align_up(end - FileOffset(0), page).ok_or(Error::TooLarge)?;
    let bias = front::bias(layout, shift).ok_or(Error::NoRoomInFront)?;
    Ok((runs_around(FileOffset(0), elf_end, shift), bias))
}

/// The runs of an ELF file of `end` bytes whose part from `cut` on moves up.
///
/// It moves by whole pages, so that no section loses alignment, and file systems can
/// share the blocks (`FICLONERANGE` requires whole ones).
fn runs_around(cut: FileOffset, end: FileOffset, shift: u64) -> Vec<Run> {
    let run = |start: FileOffset, end: FileOffset, shift: u64| Run {
        original: start,
        patched: start + shift,
        size: end - start,
    };
    let runs = [run(FileOffset(0), cut, 0), run(cut, end, shift)];
    runs.into_iter().filter(|run| run.size > 0).collect()
}
