//! The way back: what the UNDO note records, and whether it can be trusted.
//!
//! A patched file consists of parts of the original, some bytes of which were
//! overwritten, and of what was put between and after them. The note keeps the
//! overwritten bytes, the places of the parts, and a checksum of everything that patching
//! wrote. The rest of the file was copied and is not checked, so that patching need not
//! read it: a tool that changed only bytes there has changed the original, not the patch.

use std::io;

use sandbox_format::note::{self, ByteOrder};
use xxhash_rust::xxh3::Xxh3;

use super::runs::{self, Run};
use crate::elf::notes::LONGEST_UNDO;
use crate::elf::{Chunk, FileOffset, FileRange, Source, VirtAddr};
use crate::rewrite::error::Error;

/// XXH3-128 of what patching wrote. It protects against accidents, not against attackers:
/// anyone who can write the file can write the note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u128);

impl Digest {
    /// The bytes in the descriptor: most significant byte first, in every file.
    #[must_use]
    pub fn to_bytes(self) -> [u8; DIGEST_SIZE] {
        self.0.to_be_bytes()
    }
}

/// Bytes read at a time.
const BLOCK: u64 = 1 << 18;

/// Where the digest is in a descriptor.
const DIGEST: usize = 4 * 4 + 3 * 8;

const DIGEST_SIZE: usize = 16;

/// Bytes before the runs: version, number of runs, number of ranges, number of
/// moves, length before and after, place, digest.
const HEADER: usize = DIGEST + DIGEST_SIZE;

/// Bytes of a run: offset before, offset after, length.
const RUN: usize = 3 * 8;

/// Bytes before each range's content: offset, length.
const RANGE_HEADER: usize = 2 * 8;

/// Bytes of a move: old address, new address, size.
const MOVE: usize = 3 * 8;

/// More runs than any patch makes: each range is searched for in all of them.
const MAX_RUNS: u32 = 16;

/// The padding of the content of a range, so that all descriptors are padded: tools that
/// round the size of a note, to 4 or to 8, then change nothing.
const PADDING: usize = 8;

/// More ranges, or moves, than any patch has: a handful of each, and a range for each
/// symbol that refers to what moves.
pub(super) const MOST: usize = 1 << 12;

/// A part of the program that the patch moved, by link-time addresses, which
/// survive `strip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where it was.
    pub from: VirtAddr,
    /// Where it is.
    pub to: VirtAddr,
    /// Its original size in bytes.
    pub size: u64,
}

/// What the UNDO note says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The original's length in bytes.
    pub length: u64,
    /// The patched file's length in bytes.
    pub patched_length: u64,
    /// The file offset of this descriptor.
    pub place: FileOffset,
    /// The checksum of what patching wrote.
    pub digest: Digest,
    /// The parts of the original in the patched file, in the order of the patched file.
    pub runs: Vec<Run>,
    /// The bytes that were where the patch wrote.
    pub originals: Vec<Chunk>,
    /// What moved.
    pub moves: Vec<Move>,
}

impl Undo {
    /// The size of a descriptor with this many runs, these ranges and this many moves, in
    /// bytes.
    #[must_use]
    pub fn size(runs: usize, ranges: &[FileRange], moves: usize) -> usize {
        let content = |range: &FileRange| {
            usize::try_from(range.size)
                .unwrap_or(usize::MAX / 4)
                .next_multiple_of(PADDING)
        };
        let ranges = ranges.iter().map(|range| RANGE_HEADER + content(range));
        HEADER + runs * RUN + ranges.sum::<usize>() + moves * MOVE
    }

    /// Takes the bytes of a range from a file.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn keep(source: &(impl Source + ?Sized), range: &FileRange) -> io::Result<Chunk> {
        let bytes = source.read_range(*range)?;
        Ok(Chunk {
            offset: range.start,
            bytes,
        })
    }

    /// The descriptor: version, number of runs, number of ranges, number of moves,
    /// length before and after, place, digest; for each run its offset before and
    /// after and its length; for each range its offset, its length and its bytes,
    /// padded; for each move old address, new address and size.
    /// # Errors
    ///
    /// There are more of them than the format allows.
    pub fn to_bytes(&self, order: ByteOrder) -> Result<Vec<u8>, Error> {
        let word = |size: usize| {
            u32::try_from(size)
                .map(|size| order.bytes32(size))
                .map_err(|_| Error::TooLarge)
        };
        let wide = |values: [u64; 3]| values.map(|value| order.bytes64(value)).concat();
        let mut bytes = order.bytes32(note::VERSION).to_vec();
        bytes.extend(word(self.runs.len())?);
        bytes.extend(word(self.originals.len())?);
        bytes.extend(word(self.moves.len())?);
        bytes.extend(wide([self.length, self.patched_length, self.place.0]));
        bytes.extend(self.digest.to_bytes());
        for run in &self.runs {
            bytes.extend(wide([run.original.0, run.patched.0, run.size]));
        }
        for chunk in &self.originals {
            bytes.extend(order.bytes64(chunk.offset.0));
            bytes.extend(order.bytes64(chunk.bytes.len() as u64));
            bytes.extend(&chunk.bytes);
            bytes.resize(bytes.len().next_multiple_of(PADDING), 0);
        }
        for moved in &self.moves {
            bytes.extend(wide([moved.from.0, moved.to.0, moved.size]));
        }
        Ok(bytes)
    }

    /// Reads a descriptor.
    ///
    /// # Errors
    ///
    /// It is cut off, has another version, or its runs or ranges contradict its lengths
    /// or each other.
    pub fn parse(bytes: &[u8], order: ByteOrder) -> Result<Self, Error> {
        let mut fields = Fields {
            bytes,
            at: 0,
            order,
        };
        if fields.word()? != note::VERSION {
            return Err(Error::Note(note::Problem::UnknownVersion));
        }
        let [runs, ranges, moves] = [fields.word()?, fields.word()?, fields.word()?];
        if ranges.max(moves) as usize > MOST || bytes.len() as u64 > LONGEST_UNDO {
            return Err(Error::malformed(
                "its record of the original is longer than any patch's",
            ));
        }
        if runs > MAX_RUNS {
            return Err(truncated());
        }
        let [length, patched_length, place] = fields.three()?;
        let digest = fields.take(DIGEST_SIZE)?.try_into();
        let digest = Digest(u128::from_be_bytes(digest.map_err(|_| truncated())?));
        let run = |fields: &mut Fields<'_>| {
            let [original, patched, size] = fields.three()?;
            Ok(Run {
                original: FileOffset(original),
                patched: FileOffset(patched),
                size,
            })
        };
        let range = |fields: &mut Fields<'_>| {
            let (offset, size) = (FileOffset(fields.wide()?), fields.wide()?);
            let size = usize::try_from(size).map_err(|_| truncated())?;
            let bytes = fields.take(size)?.to_vec();
            fields.take(size.next_multiple_of(PADDING) - size)?;
            Ok(Chunk { offset, bytes })
        };
        let moved = |fields: &mut Fields<'_>| {
            let [from, to, size] = fields.three()?;
            Ok(Move {
                from: VirtAddr(from),
                to: VirtAddr(to),
                size,
            })
        };
        let undo = Self {
            length,
            patched_length,
            place: FileOffset(place),
            digest,
            runs: fields.each(runs, run)?,
            originals: fields.each(ranges, range)?,
            moves: fields.each(moves, moved)?,
        };
        if undo.is_possible() {
            Ok(undo)
        } else {
            Err(truncated())
        }
    }

    /// Whether runs and ranges fit within the lengths, with the runs in order.
    fn is_possible(&self) -> bool {
        let mut end = FileOffset(0);
        for run in &self.runs {
            let in_order = run.patched >= end;
            end = run.patched.saturating_add(run.size);
            if !in_order || end.0 > self.patched_length || run.in_original().end().0 > self.length {
                return false;
            }
        }
        let holds = |chunk: &Chunk| runs::patched_range(&self.runs, &chunk.range()).is_some();
        self.originals.iter().all(holds)
    }

    /// The place of the descriptor's digest in the patched file.
    #[must_use]
    pub fn place_of_digest(&self) -> FileOffset {
        self.place.saturating_add(DIGEST as u64)
    }

    /// Whether everything that patching wrote is still in this file unchanged, so that
    /// undoing the patch loses nothing that another tool has done since.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn is_exact(&self, patched: &(impl Source + ?Sized)) -> io::Result<bool> {
        let possible =
            patched.length()? == self.patched_length && self.patched_length >= self.length;
        Ok(possible && self.digest_of(patched)? == self.digest)
    }

    /// The digest of what patching wrote into a file: the overwritten ranges, and what
    /// was put between and after the runs.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn digest_of(&self, patched: &(impl Source + ?Sized)) -> io::Result<Digest> {
        let overwritten = self.originals.iter();
        let overwritten =
            overwritten.filter_map(|chunk| runs::patched_range(&self.runs, &chunk.range()));
        let added = runs::between(&self.runs, self.patched_length);
        // A digest can't cover itself.
        let own = Chunk {
            offset: self.place_of_digest(),
            bytes: vec![0; DIGEST_SIZE],
        };
        let mut hasher = Xxh3::new();
        for range in overwritten.chain(added) {
            let mut at = range.start;
            while at < range.end() {
                let mut block = patched.read_at(at, BLOCK.min(range.end() - at))?;
                own.overlay(&mut block, at);
                hasher.update(&block);
                at += block.len() as u64;
            }
        }
        Ok(Digest(hasher.digest128()))
    }
}

fn truncated() -> Error {
    Error::Note(note::Problem::Truncated)
}

/// A descriptor being read from the start.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    order: ByteOrder,
}

impl<'a> Fields<'a> {
    fn take(&mut self, size: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(size).ok_or_else(truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or_else(truncated)?;
        self.at = end;
        Ok(taken)
    }

    fn word(&mut self) -> Result<u32, Error> {
        let word = self.take(4)?;
        self.order.read32(word, 0).ok_or_else(truncated)
    }

    fn wide(&mut self) -> Result<u64, Error> {
        let wide = self.take(8)?;
        self.order.read64(wide, 0).ok_or_else(truncated)
    }

    fn three(&mut self) -> Result<[u64; 3], Error> {
        Ok([self.wide()?, self.wide()?, self.wide()?])
    }

    /// Reads as many as announced, as long as there are bytes for them.
    fn each<T>(
        &mut self,
        count: u32,
        read: impl Fn(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        (0..count).map(|_| read(self)).collect()
    }
}
