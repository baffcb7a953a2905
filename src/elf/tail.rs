//! What was appended to an ELF file: archives of self-extracting programs,
//! bundled resources, signatures. Their readers look for them at the file's end,
//! or where the section headers end, and find them there in the patched file,
//! too.

use super::{Error, FileRange, Layout, Source};

/// Shorter runs of zeros are padding.
const PADDING: u64 = 4096;

/// The last bytes, where formats say how to find the rest.
const TRAILER: u64 = 64;

/// What was appended, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Its bytes; none where nothing was appended.
    pub(super) range: FileRange,
    /// Whether it stays where it is, and with it all that stands before it: what
    /// is new comes behind it.
    pub(super) stays: bool,
    /// Whether it is the last of the patched file, be it for the second time.
    pub(super) is_last: bool,
}

impl Tail {
    /// Nothing was appended to a file of `length` bytes.
    const fn none(length: u64) -> Self {
        Self {
            range: FileRange::new(length, 0),
            stays: false,
            is_last: false,
        }
    }

    /// The end of what is in front of all that is new, but for what a cut moves
    /// behind it.
    pub(super) const fn elf_end(&self) -> u64 {
        if self.stays {
            self.range.end()
        } else {
            self.range.start.0
        }
    }
}

/// The bytes behind the last one that the headers know of.
///
/// # Errors
///
/// They name their own offset, which patching would change, or can't be read.
pub(super) fn find(layout: &Layout, source: &(impl Source + ?Sized)) -> Result<Tail, Error> {
    let start = layout.known_end();
    let tail = FileRange::new(start, layout.length - start);
    if tail.size < PADDING
        && source
            .read_at(start, tail.size)?
            .iter()
            .all(|&byte| byte == 0)
    {
        return Ok(Tail::none(layout.length));
    }
    let trailer = tail.size.min(TRAILER);
    let trailer = source.read_at(layout.length - trailer, trailer)?;
    if names_offset(&trailer, start) {
        return Err(Error::TailNamesOffset(tail.size));
    }
    Ok(Tail {
        range: tail,
        stays: false,
        is_last: true,
    })
}

/// Whether a trailer has the offset as a number of four or eight bytes. Readers
/// of ZIP archives, whose trailer starts with PK\5\6, expect that something was
/// put in front (APPNOTE.TXT 4.3.16; unzip, zipfile of Python, archive/zip of Go).
fn names_offset(trailer: &[u8], offset: u64) -> bool {
    const ZIP: &[u8] = b"PK\x05\x06";
    if trailer.windows(ZIP.len()).any(|window| window == ZIP) {
        return false;
    }
    let has = |number: &[u8]| trailer.windows(number.len()).any(|window| window == number);
    has(&offset.to_le_bytes())
        || has(&offset.to_be_bytes())
        || u32::try_from(offset)
            .is_ok_and(|offset| has(&offset.to_le_bytes()) || has(&offset.to_be_bytes()))
}
