//! What was appended to an ELF file: archives of self-extracting programs,
//! bundled resources, signatures.
//! Their readers look for them at the end of the file, or where the section headers end,
//! and find them there in the patched file, too. Other readers know the offset from the
//! start of the file: for them, what was appended stays where it is, and anything new
//! comes after it. If it can't be told which applies, both will work.

mod formats;
mod named;
#[cfg(test)]
mod tests;

use crate::elf::{FileOffset, FileRange, Image, Source};
use crate::rewrite::error::Error;
use formats::Format;
use named::Number;

/// Shorter runs of zeros count as padding.
const PADDING: u64 = 4096;

/// What was appended, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Its bytes; empty if nothing was appended.
    pub(super) range: FileRange,
    /// Whether it stays where it is, along with everything before it: anything new comes
    /// after it.
    pub(super) stays: bool,
    /// The part of it at the very end of the patched file, possibly as a second copy; may
    /// be empty.
    pub(super) last: FileRange,
    /// The number by which its last bytes give the offset where it starts; in the second
    /// copy, it must give that copy's start.
    pub(super) renumbered: Option<Number>,
    /// How it is found.
    pub(super) reader: Reader,
}

/// How the readers of what was appended find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reader {
    /// From the end of the file, as far as can be told.
    FromEnd,
    /// As is usual for this format, whose readers are known.
    Known(&'static str),
    /// Perhaps by its offset, for this reason.
    ByOffset(&'static str),
    /// By its offset, given in its last bytes: those at the end refer to the copy there.
    ByTrailer,
}

/// What was appended to a program, and where it is in the patched file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// How many bytes.
    pub size: u64,
    /// Whether it is where it was.
    pub in_place: bool,
    /// How many bytes it was moved up, if all of it is at the end.
    pub shift: Option<u64>,
    /// How it is found.
    pub reader: Reader,
}

impl Reader {
    /// Why its readers may know the offset, for people; `None` if they do not, or are
    /// known.
    #[must_use]
    pub const fn why(self) -> Option<&'static str> {
        match self {
            Self::FromEnd | Self::Known(_) => None,
            Self::ByOffset(why) => Some(why),
            Self::ByTrailer => Some("their last bytes name the place where they start"),
        }
    }
}

impl Tail {
    /// For a file of `length` bytes that nothing was appended to.
    const fn none(length: u64) -> Self {
        let nothing = FileRange::new(FileOffset(length), 0);
        Self::at_end(nothing, Reader::FromEnd)
    }

    const fn at_end(range: FileRange, reader: Reader) -> Self {
        Self {
            range,
            stays: false,
            last: range,
            renumbered: None,
            reader,
        }
    }

    /// It stays in place, and anything new comes before a second copy of its last bytes.
    const fn in_place(range: FileRange, trailer: u64, reader: Reader) -> Self {
        Self {
            stays: true,
            last: FileRange::new(range.end().saturating_back(trailer), trailer),
            ..Self::at_end(range, reader)
        }
    }

    const fn twice(range: FileRange, reader: Reader) -> Self {
        Self::in_place(range, range.size, reader)
    }

    /// The end of what comes before everything new, except for what a cut moves after it.
    pub(super) const fn elf_end(&self) -> FileOffset {
        if self.stays {
            self.range.end()
        } else {
            self.range.start
        }
    }

    /// A description for people, given the length of the patched file; `None` if nothing
    /// was appended.
    pub(super) fn appended(&self, patched_length: u64) -> Option<Appended> {
        let is_whole = self.last == self.range;
        (self.range.size > 0).then(|| Appended {
            size: self.range.size,
            in_place: self.stays,
            shift: is_whole.then(|| patched_length - self.range.end().0),
            reader: self.reader,
        })
    }
}

/// The bytes after the last one that the headers describe, and where they go.
///
/// # Errors
///
/// Their readers would not find them anywhere in the patched file, or they can't be read.
pub(super) fn find(image: &Image<impl Source>) -> Result<Tail, Error> {
    let start = image.known_end();
    let range = FileRange::between(start, FileOffset(image.length));
    if range.size < PADDING
        && image
            .source
            .read_at(start, range.size)?
            .iter()
            .all(|&byte| byte == 0)
    {
        return Ok(Tail::none(image.length));
    }
    let format = formats::recognize(&image.source, &range)?;
    match format {
        Some(Format::AppImage) => return Ok(Tail::at_end(range, Reader::Known("an AppImage"))),
        Some(Format::Lisp { name, trailer }) => {
            return Ok(Tail::in_place(range, trailer, Reader::Known(name)));
        }
        Some(Format::OldDeno) => return Err(Error::TailNamesOffset(range.size)),
        Some(Format::Zip { .. }) | None => {}
    }
    let starts = starts(&image.source, &range)?;
    let loaded = named::in_loaded(image, &range, &starts)?;
    let known = |name| Ok(Tail::in_place(range, 0, Reader::Known(name)));
    let twice = |why| Ok(Tail::twice(range, Reader::ByOffset(why)));
    match format {
        _ if loaded.is_dotnet => known("a .NET bundle"),
        _ if loaded.is_pkg => known("a pkg archive"),
        Some(Format::Zip { is_absolute: true }) => {
            twice("the archive's directory counts from the start of the file")
        }
        None if let Some(number) = named::in_trailer(&image.source, &range, &starts)? => Ok(Tail {
            renumbered: Some(number),
            ..Tail::twice(range, Reader::ByTrailer)
        }),
        _ if loaded.name_start => twice("the program names the place where they start"),
        Some(_) => Ok(Tail::at_end(range, Reader::Known("a ZIP archive"))),
        None if loaded.lead_into => twice("the program seems to name a place in them"),
        None if named::by_itself(&image.source, &range, &starts)? => {
            twice("they seem to name a place in themselves")
        }
        None => Ok(Tail::at_end(range, Reader::FromEnd)),
    }
}

/// The offsets at which it may start: its first byte, and the first byte after zeros that
/// align it.
fn starts(source: &(impl Source + ?Sized), range: &FileRange) -> Result<Vec<FileOffset>, Error> {
    /// No format aligns what it appends to more than this.
    const MAX_ALIGNMENT: u64 = 1 << 20;
    let first = range.start;
    let head = source.read_at(first, range.size.min(MAX_ALIGNMENT))?;
    let zeros = head.iter().take_while(|&&byte| byte == 0).count() as u64;
    let mut starts = vec![first];
    if 0 < zeros && zeros < head.len() as u64 {
        starts.push(first + zeros);
    }
    Ok(starts)
}
