//! How the data of some known formats is found.

use std::io;

use crate::elf::{FileOffset, FileRange, Source};

/// A format, recognised by the start and the end of what is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A file system that is mounted from where the section headers end.
    AppImage,
    /// An archive whose directory counts from the start of the archive, or of the file.
    Zip { is_absolute: bool },
    /// A saved Lisp system, whose last bytes give its offset.
    Lisp { name: &'static str, trailer: u64 },
    /// Modules that follow an offset given in the last bytes, and whose size is computed
    /// from that of the file.
    OldDeno,
}

/// The format of what is appended, if it is known here.
pub(super) fn recognize(
    source: &(impl Source + ?Sized),
    tail: &FileRange,
) -> io::Result<Option<Format>> {
    // Set by AppImage's tools in the padding of e_ident (AppImageSpec, "Type 2
    // image format").
    if source.read_at(FileOffset(8), 3)? == *b"AI\x02" {
        return Ok(Some(Format::AppImage));
    }
    let last = Last { source, tail };
    Ok(match () {
        () if last.is_sbcl()? => Some(Format::Lisp {
            name: "a saved SBCL system",
            trailer: 16,
        }),
        () if last.is_clisp()? => Some(Format::Lisp {
            name: "a saved CLISP system",
            trailer: 8,
        }),
        () if last.is_old_deno()? => Some(Format::OldDeno),
        () => last.zip()?,
    })
}

/// The last bytes of what is appended, which lead to the rest.
struct Last<'a, S: ?Sized> {
    source: &'a S,
    tail: &'a FileRange,
}

impl<S: Source + ?Sized> Last<'_, S> {
    /// The `N` bytes that end `before` bytes before the end; zeros if there are not
    /// enough.
    fn bytes<const N: usize>(&self, before: u64) -> io::Result<[u8; N]> {
        let start = self.tail.end().checked_back(before + N as u64);
        self.at(start.unwrap_or(FileOffset(u64::MAX)))
    }

    /// The `N` bytes at an offset; zeros if they are not in what is appended.
    fn at<const N: usize>(&self, offset: FileOffset) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        if self.tail.contains(&FileRange::new(offset, N as u64)) {
            self.source.read_exact_at(offset, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// The core's offset and its magic number, which is also at its start
    /// (src/runtime/coreparse.c, `search_for_embedded_core`).
    fn is_sbcl(&self) -> io::Result<bool> {
        const MAGIC: [u8; 8] = *b"LCBS\0\0\0\0";
        Ok(self.bytes(0)? == MAGIC
            && self.at(FileOffset(u64::from_le_bytes(self.bytes(8)?)))? == MAGIC)
    }

    /// The offset of the memory image, which starts with a magic number
    /// (src/spvw_memfile.d, `find_memdump`, `memdump_magic`).
    fn is_clisp(&self) -> io::Result<bool> {
        const MAGIC: [u8; 4] = 0x7076_8bd2_u32.to_le_bytes();
        Ok(self.at(FileOffset(u64::from_le_bytes(self.bytes(0)?)))? == MAGIC)
    }

    /// The offsets of bundle and metadata, after a magic number, as in early versions.
    /// What follows the second offset, up to the trailer, is the metadata.
    fn is_old_deno(&self) -> io::Result<bool> {
        Ok(self.bytes(16)? == *b"d3n0l4nd")
    }

    /// The record at the end of an archive (APPNOTE.TXT 4.3.16), which a comment may
    /// follow.
    fn zip(&self) -> io::Result<Option<Format>> {
        const RECORD: usize = 22;
        const MAX_COMMENT: usize = 0xffff;
        let size = self.tail.size.min((RECORD + MAX_COMMENT) as u64);
        let start = self.tail.end().saturating_back(size);
        let bytes = self.source.read_at(start, size)?;
        let found = memchr::memmem::rfind_iter(&bytes, b"PK\x05\x06").find_map(|at| {
            let record = bytes[at..].first_chunk::<RECORD>()?;
            let comment = usize::from(u16::from_le_bytes([record[20], record[21]]));
            (at + record.len() + comment == bytes.len()).then_some((at, record))
        });
        let Some((at, record)) = found else {
            return Ok(None);
        };
        let number = |at| u32::from_le_bytes([0, 1, 2, 3].map(|byte: usize| record[at + byte]));
        let (directory, offset) = (number(12), number(16));
        let end = start + at as u64;
        let is_absolute = if offset == u32::MAX {
            self.zip64_is_absolute(end)?
        } else {
            u64::from(directory) + u64::from(offset) == end.0
        };
        Ok(Some(Format::Zip { is_absolute }))
    }

    /// The same for an archive of more than 4 GiB, whose record is followed by a locator
    /// and the old record (4.3.14, 4.3.15).
    fn zip64_is_absolute(&self, end: FileOffset) -> io::Result<bool> {
        const LOCATOR: u64 = 20;
        let Some(locator) = end.checked_back(LOCATOR) else {
            return Ok(false);
        };
        let record = FileOffset(u64::from_le_bytes(self.at(locator + 8)?));
        Ok(self.at(record)? == *b"PK\x06\x06")
    }
}
