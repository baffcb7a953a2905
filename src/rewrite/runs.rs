//! Runs: bytes that a program and its patched file have in common, each with an offset in
//! both.

use std::io;

use crate::elf::{FileOffset, FileRange, Source};

/// Bytes that both files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where they are in the original.
    pub original: FileOffset,
    /// Where they are in the patched file.
    pub patched: FileOffset,
    /// How many there are.
    pub size: u64,
}

impl Run {
    /// Their place in the original.
    #[must_use]
    pub const fn in_original(&self) -> FileRange {
        FileRange::new(self.original, self.size)
    }

    /// Their place in the patched file.
    #[must_use]
    pub const fn in_patched(&self) -> FileRange {
        FileRange::new(self.patched, self.size)
    }

    /// Where the patched file has a part of the original; `None` if the run does not
    /// contain all of it.
    #[must_use]
    pub fn patched_range(&self, original: &FileRange) -> Option<FileRange> {
        let at = original.start.checked_sub(self.original)?;
        let holds = self.in_original().contains(original);
        holds.then(|| FileRange::new(self.patched + at, original.size))
    }
}

/// Where the patched file has a part of the original, in the first run that contains all
/// of it.
pub(super) fn patched_range(runs: &[Run], original: &FileRange) -> Option<FileRange> {
    runs.iter().find_map(|run| run.patched_range(original))
}

/// The runs, except for those that repeat what an earlier one contains.
pub(super) fn without_copies(runs: &[Run]) -> impl Iterator<Item = &Run> {
    let is_copy = |at: usize| {
        let mut earlier = runs[..at].iter();
        earlier.any(|run| run.in_original().contains(&runs[at].in_original()))
    };
    let all = runs.iter().enumerate();
    all.filter_map(move |(at, run)| (!is_copy(at)).then_some(run))
}

/// The parts of the patched file that are in no run; `runs` must be in the order of the
/// patched file.
pub(super) fn between(runs: &[Run], length: u64) -> impl Iterator<Item = FileRange> {
    let starts = runs
        .iter()
        .map(|run| run.patched)
        .chain([FileOffset(length)]);
    let ends = runs.iter().map(|run| run.in_patched().end());
    let gaps = [FileOffset(0)].into_iter().chain(ends).zip(starts);
    gaps.map(|(end, start)| FileRange::between(end, start))
}

/// Fills `buffer` with the bytes at `offset` of a file that is assembled from parts of
/// another: `parts` says where they are in the first file, and where in the other.
/// Between them are zeros.
pub(super) fn read(
    parts: impl IntoIterator<Item = (FileRange, FileOffset)>,
    source: &(impl Source + ?Sized),
    offset: FileOffset,
    buffer: &mut [u8],
) -> io::Result<()> {
    buffer.fill(0);
    let wanted = FileRange::new(offset, buffer.len() as u64);
    for (range, from) in parts {
        let part = range.intersection(&wanted);
        if part.size > 0 {
            let at = usize::try_from(part.start - offset).unwrap_or(usize::MAX);
            let size = usize::try_from(part.size).unwrap_or(usize::MAX);
            let from = from + (part.start - range.start);
            source.read_exact_at(from, &mut buffer[at..][..size])?;
        }
    }
    Ok(())
}
