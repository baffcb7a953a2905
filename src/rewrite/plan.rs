//! The plan of a patch: which bytes change, which are added and where.
//! [`super::write()`] carries it out.

use std::io;

use super::Appended;
use super::hook::Start;
use super::runs::{self, Run};
use crate::elf::source::require_within;
use crate::elf::{Chunk, FileOffset, Source};

/// The changes. All that is not named stays as it is.
///
/// A patched file is put together from runs of the original. What is written over
/// them, between them and behind them has its place in the patched file.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is kept of the original, and where it is then, in the order of that. A
    /// run may be kept twice.
    pub runs: Vec<Run>,
    /// What changes within the runs.
    pub overwrites: Vec<Chunk>,
    /// What is put between and behind them, in ascending order.
    pub added: Vec<Chunk>,
    /// What was appended to the ELF file, if anything was.
    pub appended: Option<Appended>,
    /// The names of what moved, for people.
    pub moved: Vec<&'static str>,
    /// Whether the new segments stand behind the program's data, and so before its
    /// heap.
    pub moves_heap: bool,
    /// What kept the program header table from growing in place, if it moved for that.
    pub obstacle: Option<String>,
    /// Whether section headers that can't be read are left out.
    pub drops_sections: bool,
    /// Where a runtime within the program takes over.
    pub start: Option<Start>,
    /// Why it does so at the entry point, though later was asked for.
    pub why_at_entry: Option<&'static str>,
}

impl Plan {
    /// The length of the patched file in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        let runs = self.runs.last().map(|run| run.in_patched().end());
        let added = self.added.last().map(Chunk::end);
        runs.max(added).unwrap_or_default().0
    }

    /// All that is written over what was copied, and beside it.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.overwrites.iter().chain(&self.added)
    }

    /// The patched file, without writing it.
    #[must_use]
    pub fn applied_to<'a, S: Source + ?Sized>(&'a self, original: &'a S) -> Patched<'a, S> {
        Patched {
            plan: self,
            original,
        }
    }
}

/// A file as a plan will have it.
#[derive(Clone, Copy, Debug)]
pub struct Patched<'a, S: ?Sized> {
    plan: &'a Plan,
    original: &'a S,
}

impl<S: Source + ?Sized> Source for Patched<'_, S> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.plan.length())
    }

    fn read_exact_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<()> {
        require_within(self.plan.length(), offset, buffer)?;
        let runs = self.plan.runs.iter();
        let parts = runs.map(|run| (run.in_patched(), run.original));
        runs::read(parts, self.original, offset, buffer)?;
        let chunks = self.plan.chunks();
        chunks.for_each(|chunk| chunk.overlay(buffer, offset));
        Ok(())
    }
}
