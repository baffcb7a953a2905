//! The program before it was patched: the file itself, or what is restored from a patched
//! file.

use std::borrow::Cow;
use std::fs::File;
use std::io;

use super::copy::copy;
use super::runs::{self, Run};
use super::undo::Undo;
use crate::elf::source::require_within;
use crate::elf::{Chunk, FileOffset, FileRange, Source};

/// The original of a program.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Original<'a> {
    /// Not patched.
    Whole(&'a File),
    /// Patched; the note tells what the original was.
    Restored(&'a File, &'a Undo),
}

impl<'a> Original<'a> {
    /// Writes the whole original to an empty file.
    ///
    /// # Errors
    ///
    /// Reading or writing failed; `output` must then be discarded.
    pub fn copy_to(&self, output: &File) -> io::Result<()> {
        let length = self.length()?;
        self.copy(FileRange::new(FileOffset(0), length), output, FileOffset(0))?;
        // A hole at the end is not copied.
        output.set_len(length)
    }

    /// Copies a range of the original to `place` in the output, where nothing has been
    /// written yet.
    ///
    /// # Errors
    ///
    /// Reading or writing failed; `output` must then be discarded.
    pub fn copy(&self, range: FileRange, output: &File, place: FileOffset) -> io::Result<()> {
        for run in runs::without_copies(&self.runs()?) {
            let part = run.in_original().intersection(&range);
            let from = run.patched + part.start.saturating_sub(run.original);
            let to = place + part.start.saturating_sub(range.start);
            copy(self.file(), FileRange::new(from, part.size), output, to)?;
        }
        if let Self::Restored(_, undo) = self {
            let copied = undo
                .originals
                .iter()
                .filter_map(|chunk| chunk.within(&range));
            let mut placed = copied.map(|chunk| Chunk {
                offset: place + (chunk.offset - range.start),
                ..chunk
            });
            placed.try_for_each(|chunk| chunk.write_to(output))?;
        }
        Ok(())
    }

    fn file(&self) -> &'a File {
        match self {
            Self::Whole(file) | Self::Restored(file, _) => file,
        }
    }

    /// The parts of the file that belong to the original, ignoring overwritten bytes.
    fn runs(&self) -> io::Result<Cow<'a, [Run]>> {
        Ok(match self {
            Self::Whole(file) => Cow::Owned(vec![Run {
                original: FileOffset(0),
                patched: FileOffset(0),
                size: file.length()?,
            }]),
            Self::Restored(_, undo) => Cow::Borrowed(&undo.runs),
        })
    }
}

impl Source for Original<'_> {
    fn length(&self) -> io::Result<u64> {
        match self {
            Self::Whole(file) => file.length(),
            Self::Restored(_, undo) => Ok(undo.length),
        }
    }

    fn read_exact_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<()> {
        require_within(self.length()?, offset, buffer)?;
        let runs = self.runs()?;
        let runs = runs::without_copies(&runs);
        let parts = runs.map(|run| (run.in_original(), run.patched));
        runs::read(parts, self.file(), offset, buffer)?;
        if let Self::Restored(_, undo) = self {
            undo.originals
                .iter()
                .for_each(|chunk| chunk.overlay(buffer, offset));
        }
        Ok(())
    }
}
