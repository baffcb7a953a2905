//! The plan of a patch: which bytes change, which are added and where.
//! [`super::write()`] carries it out.

use std::io;

use super::runs::{self, Run};
use crate::elf::source::require_within;
use crate::elf::{Chunk, FileOffset, Source};

/// The changes. Everything not listed stays as it is.
///
/// A patched file is assembled from runs of the original. What is written over, between
/// and after them is given by its place in the patched file.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is kept of the original, with its new place, sorted by that. A run may be
    /// kept twice.
    pub runs: Vec<Run>,
    /// What changes within the runs.
    pub overwrites: Vec<Chunk>,
    /// What is put between and after them, in ascending order.
    pub added: Vec<Chunk>,
}

impl Plan {
    /// The length of the patched file in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        let runs = self.runs.last().map(|run| run.in_patched().end());
        let added = self.added.last().map(Chunk::end);
        runs.max(added).unwrap_or_default().0
    }

    /// Everything that is written over and beside what was copied.
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

/// A file as it will be after a plan is carried out.
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
