//! Where a byte is: in the file or in memory. Mixing the two up is the classic
//! ELF mistake, so they are types of their own.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Distance in bytes from the start of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileOffset(pub u64);

/// A link-time virtual address; the load bias is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtAddr(pub u64);

impl fmt::Display for FileOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A half-open range of file offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileRange {
    /// The first byte.
    pub start: FileOffset,
    /// How many bytes.
    pub size: u64,
}

impl FileRange {
    /// The range of `size` bytes from `start` on.
    #[must_use]
    pub const fn new(start: u64, size: u64) -> Self {
        Self {
            start: FileOffset(start),
            size,
        }
    }

    /// The offset behind the last byte.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.start.0.saturating_add(self.size)
    }

    /// Whether the two share a byte.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.start.0 < other.end() && other.start.0 < self.end()
    }

    /// The bytes that are in both; none where they are apart.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let start = self.start.0.max(other.start.0);
        let end = self.end().min(other.end());
        Self::new(start, end.saturating_sub(start))
    }

    /// Whether all of `other` lies in this range.
    #[must_use]
    pub const fn contains(&self, other: &Self) -> bool {
        self.start.0 <= other.start.0 && other.end() <= self.end()
    }
}

/// `value` rounded up to a multiple of `alignment`, which may be 0 or 1 for
/// none.
///
/// # Errors
///
/// Nothing where the result does not fit.
#[must_use]
pub fn align_up(value: u64, alignment: u64) -> Option<u64> {
    value.checked_next_multiple_of(alignment.max(1))
}

/// Bytes for a place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where they go.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// The offset behind the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }

    /// Where it goes.
    #[must_use]
    pub fn range(&self) -> FileRange {
        FileRange::new(self.offset, self.bytes.len() as u64)
    }

    /// The part of it that lies in a range; nothing where that is empty.
    #[must_use]
    pub fn within(&self, range: &FileRange) -> Option<Self> {
        let part = self.range().intersection(range);
        let start = usize::try_from(part.start.0 - self.offset).ok()?;
        let bytes = self
            .bytes
            .get(start..)?
            .get(..usize::try_from(part.size).ok()?)?;
        (part.size > 0).then(|| Self {
            offset: part.start.0,
            bytes: bytes.to_vec(),
        })
    }

    /// Writes the bytes to their place in a file.
    pub(crate) fn write_to(&self, output: &File) -> io::Result<()> {
        output.write_all_at(&self.bytes, self.offset)
    }

    /// Puts those of the bytes into `buffer`, which starts at `at`, that lie in
    /// it.
    pub fn overlay(&self, buffer: &mut [u8], at: u64) {
        let part = self
            .range()
            .intersection(&FileRange::new(at, buffer.len() as u64));
        let place = |base: u64| usize::try_from(part.start.0 - base).unwrap_or(usize::MAX);
        let size = usize::try_from(part.size).unwrap_or(usize::MAX);
        if size > 0 {
            buffer[place(at)..][..size].copy_from_slice(&self.bytes[place(self.offset)..][..size]);
        }
    }
}
