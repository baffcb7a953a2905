//! The way back: what the UNDO note records, and restoring the original.
//!
//! A patched file is the original with some bytes overwritten and more behind
//! it. The note keeps the overwritten bytes, the original's length and a
//! checksum of all of it, so that restoring can prove that it got the very file
//! back: what another tool changed in between shows in the checksum.

use std::fs::File;
use std::io;

use sandbox_format::note::{self, ByteOrder};
use xxhash_rust::xxh3::Xxh3;

use super::write::{copy, write_chunks};
use super::{Chunk, Error, FileRange, Source};

/// XXH3-128 of a file. It guards against accidents, not against attackers: who
/// can write the file can write the note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub u128);

const BLOCK: usize = 1 << 18;

/// Bytes before the ranges: version, number of ranges, number of moves, a word
/// that is 0, length before and after, checksum.
const HEADER: usize = 4 * 4 + 2 * 8 + 16;

/// Bytes before each range's content: offset, length.
const RANGE_HEADER: usize = 8 + 4;

/// Bytes of a move: old address, new address, size.
const MOVE: usize = 3 * 8;

/// A part of the program that the patch moved, by link-time addresses, which
/// survive `strip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where it was.
    pub from: u64,
    /// Where it is.
    pub to: u64,
    /// Its size in bytes, as it was.
    pub size: u64,
}

impl Digest {
    /// The digest of a whole file.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn of(source: &(impl Source + ?Sized)) -> io::Result<Self> {
        Self::with_overwrites(source, source.length()?, &[])
    }

    /// The digest that the first `length` bytes of a file would have with some
    /// of them overwritten.
    fn with_overwrites(
        source: &(impl Source + ?Sized),
        length: u64,
        overwrites: &[Chunk],
    ) -> io::Result<Self> {
        let mut hasher = Xxh3::new();
        let mut buffer = vec![0; BLOCK];
        let mut at = 0;
        while at < length {
            let size = usize::try_from(length - at).map_or(BLOCK, |left| left.min(BLOCK));
            let block = &mut buffer[..size];
            source.read_exact_at(at, block)?;
            for chunk in overwrites {
                overlay(block, at, chunk);
            }
            hasher.update(block);
            at += size as u64;
        }
        Ok(Self(hasher.digest128()))
    }
}

/// Puts those bytes of `chunk` that lie in `block`, which starts at `at`.
fn overlay(block: &mut [u8], at: u64, chunk: &Chunk) {
    let start = chunk.offset.max(at);
    let end = (chunk.offset + chunk.bytes.len() as u64).min(at + block.len() as u64);
    if start < end {
        let into = usize::try_from(start - at).unwrap_or(usize::MAX)
            ..usize::try_from(end - at).unwrap_or(usize::MAX);
        let from = usize::try_from(start - chunk.offset).unwrap_or(usize::MAX);
        let size = into.len();
        block[into].copy_from_slice(&chunk.bytes[from..from + size]);
    }
}

/// What the UNDO note says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The original's length in bytes.
    pub length: u64,
    /// The patched file's length in bytes.
    pub patched_length: u64,
    /// The original's digest.
    pub digest: Digest,
    /// The bytes that stood where the patch wrote.
    pub originals: Vec<Chunk>,
    /// What moved.
    pub moves: Vec<Move>,
}

impl Undo {
    /// Bytes of a descriptor that keeps these ranges and this many moves.
    #[must_use]
    pub fn size(ranges: &[FileRange], moves: usize) -> usize {
        let content = |range: &FileRange| {
            usize::try_from(range.size)
                .unwrap_or(usize::MAX / 4)
                .next_multiple_of(4)
        };
        HEADER
            + moves * MOVE
            + ranges
                .iter()
                .map(|range| RANGE_HEADER + content(range))
                .sum::<usize>()
    }

    /// Takes the bytes of a range from a file.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn keep(source: &(impl Source + ?Sized), range: &FileRange) -> io::Result<Chunk> {
        let bytes = source.read_at(range.start.0, range.size)?;
        Ok(Chunk {
            offset: range.start.0,
            bytes,
        })
    }

    /// The descriptor: version, number of ranges, number of moves, 0, length
    /// before and after, digest (always most significant byte first); for each range its offset,
    /// its length and its bytes, padded to four; for each move old address, new
    /// address and size.
    ///
    /// # Errors
    ///
    /// A range is too long for the format.
    pub fn to_bytes(&self, order: ByteOrder) -> Result<Vec<u8>, Error> {
        let word = |size: usize| {
            u32::try_from(size)
                .map(|size| order.bytes32(size))
                .map_err(|_| Error::TooLarge)
        };
        let mut bytes = order.bytes32(note::VERSION).to_vec();
        bytes.extend(word(self.originals.len())?);
        bytes.extend(word(self.moves.len())?);
        bytes.extend(word(0)?);
        bytes.extend(order.bytes64(self.length));
        bytes.extend(order.bytes64(self.patched_length));
        bytes.extend(self.digest.0.to_be_bytes());
        for chunk in &self.originals {
            bytes.extend(order.bytes64(chunk.offset));
            bytes.extend(word(chunk.bytes.len())?);
            bytes.extend(&chunk.bytes);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        for moved in &self.moves {
            bytes.extend(
                [moved.from, moved.to, moved.size]
                    .map(|value| order.bytes64(value))
                    .concat(),
            );
        }
        Ok(bytes)
    }

    /// Reads a descriptor.
    ///
    /// # Errors
    ///
    /// It is cut off, of another version, or its ranges lie outside the
    /// original.
    pub fn parse(bytes: &[u8], order: ByteOrder) -> Result<Self, Error> {
        let truncated = || Error::Note(note::Problem::Truncated);
        let word = |at| order.read32(bytes, at).ok_or_else(truncated);
        let wide = |at| order.read64(bytes, at).ok_or_else(truncated);
        if word(0)? != note::VERSION {
            return Err(Error::Note(note::Problem::UnknownVersion));
        }
        let (ranges, moved) = (word(4)?, word(8)?);
        let (length, patched_length) = (wide(16)?, wide(24)?);
        let digest = bytes
            .get(32..HEADER)
            .and_then(|digest| digest.try_into().ok())
            .ok_or_else(truncated)?;
        let mut originals = Vec::new();
        let mut at = HEADER;
        for _ in 0..ranges {
            let offset = wide(at)?;
            let size = word(at + 8)? as usize;
            let start = at + RANGE_HEADER;
            let content = bytes
                .get(start..start.saturating_add(size))
                .ok_or_else(truncated)?;
            if offset
                .checked_add(size as u64)
                .is_none_or(|end| end > length)
            {
                return Err(truncated());
            }
            originals.push(Chunk {
                offset,
                bytes: content.to_vec(),
            });
            at = (start + size).next_multiple_of(4);
        }
        let mut moves = Vec::new();
        for _ in 0..moved {
            moves.push(Move {
                from: wide(at)?,
                to: wide(at + 8)?,
                size: wide(at + 16)?,
            });
            at += MOVE;
        }
        Ok(Self {
            length,
            patched_length,
            digest: Digest(u128::from_be_bytes(digest)),
            originals,
            moves,
        })
    }

    /// Whether undoing the patch of this file gives the very original, and
    /// loses nothing that was appended to it since.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn is_exact(&self, patched: &(impl Source + ?Sized)) -> io::Result<bool> {
        if patched.length()? != self.patched_length || self.patched_length < self.length {
            return Ok(false);
        }
        Ok(Digest::with_overwrites(patched, self.length, &self.originals)? == self.digest)
    }
}

/// The original of a program: the file itself, or what a patched file yields.
#[derive(Clone, Copy, Debug)]
pub enum Original<'a> {
    /// Not patched.
    Whole(&'a File),
    /// Patched; the note tells what the original was.
    Restored(&'a File, &'a Undo),
}

impl Original<'_> {
    /// Writes the original to an empty file.
    ///
    /// # Errors
    ///
    /// Reading or writing failed; `output` is then to be thrown away.
    pub fn copy_to(&self, output: &File) -> io::Result<()> {
        match self {
            Self::Whole(file) => copy(file, output, file.length()?),
            Self::Restored(patched, undo) => {
                copy(patched, output, undo.length)?;
                write_chunks(output, &undo.originals)
            }
        }
    }
}

impl Source for Original<'_> {
    fn length(&self) -> io::Result<u64> {
        match self {
            Self::Whole(file) => file.length(),
            Self::Restored(_, undo) => Ok(undo.length),
        }
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Whole(file) => Source::read_exact_at(*file, offset, buffer),
            Self::Restored(patched, undo) => {
                Source::read_exact_at(*patched, offset, buffer)?;
                undo.originals
                    .iter()
                    .for_each(|chunk| overlay(buffer, offset, chunk));
                Ok(())
            }
        }
    }
}
