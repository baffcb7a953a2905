//! Reading a few ranges of a file without holding all of it in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::encoding::{Encoding, Record};
use super::{FileOffset, FileRange};

/// The most that is read at once, in bytes.
const LIMIT: u64 = 256 << 20;

/// Bytes that can be read at an offset: a file, or a buffer.
pub trait Source {
    /// The length in bytes.
    ///
    /// # Errors
    ///
    /// The file can't be examined.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// # Errors
    ///
    /// The bytes are not there, or can't be read.
    fn read_exact_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<()>;

    /// The `size` bytes at `offset`.
    ///
    /// # Errors
    ///
    /// The bytes are not there, can't be read, or are more than any table of a program
    /// has: a sparse file can claim more than memory can hold.
    fn read_at(&self, offset: FileOffset, size: u64) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(size);
        if end.is_none_or(|end| self.length().is_ok_and(|length| end.0 > length)) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if size > LIMIT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = vec![0; size];
        self.read_exact_at(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of a range.
    ///
    /// # Errors
    ///
    /// See [`Source::read_at`].
    fn read_range(&self, range: FileRange) -> io::Result<Vec<u8>> {
        self.read_at(range.start, range.size)
    }
}

/// The size of the blocks in which tables are read, in bytes: a table takes no more
/// memory than this, however long it is.
const BLOCK: u64 = 1 << 16;

/// The bytes of a range, in blocks of whole records of `record` bytes, each with its
/// position.
///
/// # Errors
///
/// The range is larger than any table of a program.
pub(crate) fn blocks<S: Source + ?Sized>(
    source: &S,
    range: FileRange,
    record: u64,
) -> io::Result<impl Iterator<Item = io::Result<(FileOffset, Vec<u8>)>>> {
    if range.size > LIMIT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let step = (BLOCK / record).max(1) * record;
    let starts =
        (range.start.0..range.end().0).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    let read = move |at| Ok((at, source.read_at(at, step.min(range.end() - at))?));
    Ok(starts.map(FileOffset).map(read))
}

/// The records of a range.
///
/// # Errors
///
/// The range is larger than any table of a program.
pub(crate) fn records<R: Record, S: Source + ?Sized>(
    source: &S,
    encoding: Encoding,
    range: FileRange,
) -> io::Result<impl Iterator<Item = io::Result<R>>> {
    let decoded = move |block: io::Result<(FileOffset, Vec<u8>)>| match block {
        Ok((_, bytes)) => R::decode_all(encoding, &bytes)
            .into_iter()
            .map(Ok)
            .collect(),
        Err(error) => vec![Err(error)],
    };
    Ok(blocks(source, range, R::size(encoding))?.flat_map(decoded))
}

/// The numbers of a range, of `width` bytes each: 2, 4 or 8.
///
/// # Errors
///
/// The range is larger than any table of a program.
pub(crate) fn numbers<S: Source + ?Sized>(
    source: &S,
    encoding: Encoding,
    range: FileRange,
    width: u64,
) -> io::Result<impl Iterator<Item = io::Result<u64>>> {
    let order = encoding.note_order();
    let size = usize::try_from(width).unwrap_or(usize::MAX);
    let number = move |bytes: &[u8]| match *bytes {
        [one, two] if encoding.is_big_endian() => u16::from_be_bytes([one, two]).into(),
        [one, two] => u16::from_le_bytes([one, two]).into(),
        [_, _, _, _] => order.read32(bytes, 0).unwrap_or_default().into(),
        _ => order.read64(bytes, 0).unwrap_or_default(),
    };
    let decoded = move |block: io::Result<(FileOffset, Vec<u8>)>| match block {
        Ok((_, bytes)) => bytes.chunks_exact(size).map(|it| Ok(number(it))).collect(),
        Err(error) => vec![Err(error)],
    };
    Ok(blocks(source, range, width)?.flat_map(decoded))
}

impl Source for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset.0)
    }
}

impl Source for Vec<u8> {
    fn length(&self) -> io::Result<u64> {
        self[..].length()
    }

    fn read_exact_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<()> {
        self[..].read_exact_at(offset, buffer)
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }

    fn read_exact_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(offset, buffer)
    }
}

impl Source for [u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset.0).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let bytes = start
            .checked_add(buffer.len())
            .and_then(|end| self.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// Refuses to read beyond the end of a file.
pub(crate) fn require_within(length: u64, offset: FileOffset, buffer: &[u8]) -> io::Result<()> {
    if FileRange::new(offset, buffer.len() as u64).end().0 > length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
