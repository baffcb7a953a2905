//! The notes of owner `sandbox` under a program header, without those of other owners: a
//! hostile file may consist of notes.

use std::io;

use sandbox_format::note::OWNER;

use super::{Error, FileOffset, FileRange, Image, Source};

/// The size of the words before a note's owner, in bytes.
const WORDS: usize = 12;

/// More than all notes of a program take, in bytes: policy and filter have their own
/// limits.
const LONGEST: u64 = LONGEST_UNDO + (1 << 20);

/// The longest UNDO descriptor, in bytes: most of it is headers and the dynamic section.
pub(crate) const LONGEST_UNDO: u64 = 4 << 20;

/// Bytes that are read at a time.
const WINDOW: u64 = 1 << 16;

/// The notes, in the order of the file, each with its padding. The last may be cut off if
/// the file is damaged.
pub(crate) struct SandboxNotes {
    pub(crate) bytes: Vec<u8>,
    /// The position of each note in these bytes, and in the file.
    places: Vec<(usize, FileOffset)>,
    /// Whether all notes of the range could be read, up to its end.
    pub(crate) is_whole: bool,
}

impl SandboxNotes {
    /// Reads those in a range of notes, padded according to the alignment in the program
    /// header.
    ///
    /// # Errors
    ///
    /// The file can't be read, or the notes are too long.
    pub(crate) fn read(
        image: &Image<impl Source>,
        range: &FileRange,
        align: u64,
    ) -> Result<Self, Error> {
        let order = image.encoding.note_order();
        let align = if align == 8 { 8 } else { 4 };
        let mut window = Window::of(&image.source, *range);
        let mut found = Self {
            bytes: Vec::new(),
            places: Vec::new(),
            is_whole: true,
        };
        let mut at = range.start;
        while at < range.end() {
            let left = range.end() - at;
            let start = window.at(at)?;
            let word = |index: usize| order.read32(start, index * 4).map(u64::from);
            let padded = |size: u64| size.next_multiple_of(align);
            let extent = word(0).zip(word(1)).map(|(owner, descriptor)| {
                let end = padded(WORDS as u64 + owner) + descriptor;
                (
                    end,
                    owner == OWNER.len() as u64
                        && start
                            .get(WORDS..)
                            .is_some_and(|rest| rest.starts_with(OWNER)),
                )
            });
            let Some((end, is_own)) = extent.filter(|&(end, _)| end <= left) else {
                // Cut off, and so it is in the copy: whoever reads that is to see it.
                found.bytes.extend(&start[..WORDS.min(start.len())]);
                found.is_whole = false;
                break;
            };
            if is_own {
                found.keep(&image.source, FileRange::new(at, padded(end).min(left)))?;
            }
            at += padded(end);
        }
        Ok(found)
    }

    /// Copies a note.
    fn keep(&mut self, source: &(impl Source + ?Sized), note: FileRange) -> Result<(), Error> {
        if note.size + self.bytes.len() as u64 > LONGEST {
            return Err(Error::Malformed("its notes are too large"));
        }
        self.places.push((self.bytes.len(), note.start));
        self.bytes.extend(source.read_range(note)?);
        Ok(())
    }

    /// The file range of a part of the bytes, which must lie within one note.
    pub(crate) fn place(&self, part: &[u8]) -> Option<FileRange> {
        let own = self.bytes.as_ptr().addr();
        let at = part.as_ptr().addr().checked_sub(own)?;
        if at + part.len() > self.bytes.len() {
            return None;
        }
        let behind = self.places.partition_point(|&(start, _)| start <= at);
        let (start, offset) = self.places[behind.checked_sub(1)?];
        Some(FileRange::new(
            offset + (at - start) as u64,
            part.len() as u64,
        ))
    }
}

/// The part of a range being looked at, and some bytes that follow.
struct Window<'s, S: ?Sized> {
    source: &'s S,
    range: FileRange,
    /// Where the bytes are in the file.
    start: FileOffset,
    bytes: Vec<u8>,
}

impl<'s, S: Source + ?Sized> Window<'s, S> {
    fn of(source: &'s S, range: FileRange) -> Self {
        Self {
            source,
            range,
            start: range.start,
            bytes: Vec::new(),
        }
    }

    /// The bytes available at an offset: enough for the words and the owner `sandbox`,
    /// except at the end of the range.
    fn at(&mut self, offset: FileOffset) -> io::Result<&[u8]> {
        let wanted = FileRange::new(offset, (WORDS + OWNER.len()) as u64);
        let wanted = wanted.intersection(&self.range);
        let held = FileRange::new(self.start, self.bytes.len() as u64);
        if !held.contains(&wanted) {
            let window = FileRange::new(offset, WINDOW).intersection(&self.range);
            self.bytes = self.source.read_range(window)?;
            self.start = offset;
        }
        let at = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(at..).unwrap_or_default())
    }
}
