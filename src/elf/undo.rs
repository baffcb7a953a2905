//! The way back: what the UNDO note records, and whether it can be trusted.
//!
//! A patched file is the original with some bytes overwritten and more put
//! behind it, in front of what was appended to the ELF file (its tail). The note
//! keeps the overwritten bytes, the lengths, and a checksum of everything that
//! patching wrote. The rest of the file was copied and is not looked at, so that
//! patching need not read it: a tool that changed bytes there, and nothing else,
//! has changed the original, not the patch.

use std::io;

use sandbox_format::note::{self, ByteOrder};
use xxhash_rust::xxh3::Xxh3;

use super::{Chunk, Error, FileRange, Source};

/// XXH3-128 of what patching wrote. It guards against accidents, not against
/// attackers: who can write the file can write the note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u128);

impl Digest {
    /// As it stands in the descriptor: most significant byte first, in every
    /// file.
    #[must_use]
    pub fn to_bytes(self) -> [u8; DIGEST_SIZE] {
        self.0.to_be_bytes()
    }
}

/// Bytes that are read at a time.
const BLOCK: u64 = 1 << 18;

/// Where the digest is in a descriptor.
const DIGEST: usize = 4 * 4 + 4 * 8;

const DIGEST_SIZE: usize = 16;

/// Bytes before the ranges: version, number of ranges, number of moves, a word
/// that is 0, length before and after, length of the tail, place, digest.
const HEADER: usize = DIGEST + DIGEST_SIZE;

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

/// What the UNDO note says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The original's length in bytes.
    pub length: u64,
    /// The patched file's length in bytes.
    pub patched_length: u64,
    /// How many bytes at the end of both are appended data.
    pub tail: u64,
    /// The file offset of this descriptor.
    pub place: u64,
    /// Of what patching wrote.
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
    /// before and after, length of the tail, place, digest; for each range its
    /// offset, its length and its bytes, padded to four; for each move old
    /// address, new address and size.
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
        for value in [self.length, self.patched_length, self.tail, self.place] {
            bytes.extend(order.bytes64(value));
        }
        bytes.extend(self.digest.to_bytes());
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
        let (length, patched_length, tail, place) = (wide(16)?, wide(24)?, wide(32)?, wide(40)?);
        let digest = bytes
            .get(DIGEST..HEADER)
            .and_then(|digest| digest.try_into().ok())
            .ok_or_else(truncated)?;
        let kept = length.checked_sub(tail).ok_or_else(truncated)?;
        let mut originals = Vec::new();
        let mut at = HEADER;
        for _ in 0..ranges {
            let offset = wide(at)?;
            let size = word(at + 8)? as usize;
            let start = at + RANGE_HEADER;
            let content = bytes
                .get(start..start.saturating_add(size))
                .ok_or_else(truncated)?;
            if offset.checked_add(size as u64).is_none_or(|end| end > kept) {
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
            tail,
            place,
            digest: Digest(u128::from_be_bytes(digest)),
            originals,
            moves,
        })
    }

    /// How many bytes the patched file has in common with the start of the
    /// original, but for those that were overwritten.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.length.saturating_sub(self.tail)
    }

    /// Where the descriptor's digest is in the patched file.
    #[must_use]
    pub fn place_of_digest(&self) -> u64 {
        self.place.saturating_add(DIGEST as u64)
    }

    /// Whether everything that patching wrote is in this file as it was written,
    /// so that undoing the patch loses nothing that another tool did since.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn is_exact(&self, patched: &(impl Source + ?Sized)) -> io::Result<bool> {
        let possible = patched.length()? == self.patched_length
            && self.patched_length >= self.length
            && self.tail <= self.length;
        Ok(possible && self.digest_of(patched)? == self.digest)
    }

    /// The digest of what patching wrote into a file: the ranges that it has
    /// overwritten, and what it put behind them.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn digest_of(&self, patched: &(impl Source + ?Sized)) -> io::Result<Digest> {
        let overwritten = self
            .originals
            .iter()
            .map(|chunk| FileRange::new(chunk.offset, chunk.bytes.len() as u64));
        let added = FileRange::new(self.kept(), self.patched_length - self.length);
        // A digest can't cover itself.
        let own = Chunk {
            offset: self.place_of_digest(),
            bytes: vec![0; DIGEST_SIZE],
        };
        let mut hasher = Xxh3::new();
        for range in overwritten.chain([added]) {
            let mut at = range.start.0;
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
