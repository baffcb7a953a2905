//! Reading a few ranges of a file without holding the whole of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::FileRange;

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
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// The `size` bytes at `offset`.
    ///
    /// # Errors
    ///
    /// The bytes are not there, can't be read, or are more than any table of a
    /// program has: a sparse file can claim what no memory holds.
    fn read_at(&self, offset: u64, size: u64) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(size);
        if end.is_none_or(|end| self.length().is_ok_and(|length| end > length)) {
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
}

impl Source for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl Source for [u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let bytes = start
            .checked_add(buffer.len())
            .and_then(|end| self.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// Refuses to read what reaches beyond the end of a file.
pub(super) fn require_within(length: u64, offset: u64, buffer: &[u8]) -> io::Result<()> {
    if FileRange::new(offset, buffer.len() as u64).end() > length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
