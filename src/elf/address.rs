//! Where a byte is: in the file or in memory. Mixing the two up is the classic
//! ELF mistake, so they are types of their own.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Add, AddAssign, Sub};
use std::os::unix::fs::FileExt;

/// Distance in bytes from the start of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileOffset(pub u64);

/// A link-time virtual address; the load bias is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtAddr(pub u64);

/// The operations common to both; the two can't be mixed.
macro_rules! place {
    ($place:ident) => {
        impl $place {
            /// The place `distance` bytes on; `None` if there is none.
            #[must_use]
            pub const fn checked_add(self, distance: u64) -> Option<Self> {
                match self.0.checked_add(distance) {
                    Some(place) => Some(Self(place)),
                    None => None,
                }
            }

            /// The place `distance` bytes on, or the last one there is.
            #[must_use]
            pub const fn saturating_add(self, distance: u64) -> Self {
                Self(self.0.saturating_add(distance))
            }

            /// The place `distance` bytes back, or the first one.
            #[must_use]
            pub const fn saturating_back(self, distance: u64) -> Self {
                Self(self.0.saturating_sub(distance))
            }

            /// The distance from an earlier place, in bytes; `None` if it is a later one.
            #[must_use]
            pub const fn checked_sub(self, earlier: Self) -> Option<u64> {
                self.0.checked_sub(earlier.0)
            }

            /// The distance from an earlier place, in bytes; 0 if it is a later one.
            #[must_use]
            pub const fn saturating_sub(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }

            /// The first multiple of `alignment` at or after this place; `None` if there
            /// is none. An alignment of 0 or 1 means none.
            #[must_use]
            pub fn align_up(self, alignment: u64) -> Option<Self> {
                align_up(self.0, alignment).map(Self)
            }

            /// The last multiple of `alignment`, which must not be 0, at or before this
            /// place.
            #[must_use]
            pub const fn align_down(self, alignment: u64) -> Self {
                Self(self.0 / alignment * alignment)
            }

            /// The place `distance` bytes back; `None` if there is none.
            #[must_use]
            pub const fn checked_back(self, distance: u64) -> Option<Self> {
                match self.0.checked_sub(distance) {
                    Some(place) => Some(Self(place)),
                    None => None,
                }
            }

            /// The place a distance away; the sum wraps around.
            #[must_use]
            pub const fn wrapping_add(self, distance: u64) -> Self {
                Self(self.0.wrapping_add(distance))
            }

            /// Whether it is a multiple of an alignment.
            #[must_use]
            pub const fn is_aligned(self, alignment: u64) -> bool {
                self.0.is_multiple_of(alignment)
            }
        }

        impl Add<u64> for $place {
            type Output = Self;

            fn add(self, distance: u64) -> Self {
                Self(self.0 + distance)
            }
        }

        impl AddAssign<u64> for $place {
            fn add_assign(&mut self, distance: u64) {
                self.0 += distance;
            }
        }

        impl Sub for $place {
            type Output = u64;

            fn sub(self, earlier: Self) -> u64 {
                self.0 - earlier.0
            }
        }

        impl From<u64> for $place {
            fn from(place: u64) -> Self {
                Self(place)
            }
        }

        impl From<$place> for u64 {
            fn from(place: $place) -> Self {
                place.0
            }
        }

        impl fmt::Display for $place {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

place!(FileOffset);
place!(VirtAddr);

impl FileOffset {
    /// The address of the byte at this offset, in a segment whose addresses and offsets
    /// differ by `bias`.
    #[must_use]
    pub const fn biased(self, bias: u64) -> VirtAddr {
        VirtAddr(self.0.wrapping_add(bias))
    }
}

impl VirtAddr {
    /// The difference between the address and the offset of a byte; a negative one wraps
    /// around.
    #[must_use]
    pub const fn bias_over(self, offset: FileOffset) -> u64 {
        self.0.wrapping_sub(offset.0)
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
    /// The range of `size` bytes starting at `start`.
    #[must_use]
    pub const fn new(start: FileOffset, size: u64) -> Self {
        Self { start, size }
    }

    /// The range from `start` up to, not including, `end`; empty if `end` is not after
    /// `start`.
    #[must_use]
    pub const fn between(start: FileOffset, end: FileOffset) -> Self {
        Self::new(start, end.saturating_sub(start))
    }

    /// The offset after the last byte.
    #[must_use]
    pub const fn end(&self) -> FileOffset {
        self.start.saturating_add(self.size)
    }

    /// Whether the two share a byte.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.start.0 < other.end().0 && other.start.0 < self.end().0
    }

    /// The bytes that are in both; empty if the ranges don't overlap.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self::between(self.start.max(other.start), self.end().min(other.end()))
    }

    /// Whether all of `other` lies in this range.
    #[must_use]
    pub const fn contains(&self, other: &Self) -> bool {
        self.start.0 <= other.start.0 && other.end().0 <= self.end().0
    }
}

/// The smallest page size of any processor that Linux runs on, in bytes; mappings are
/// whole pages.
pub(crate) const SMALLEST_PAGE: u64 = 4096;

/// `value` rounded up to a multiple of `alignment`; 0 or 1 means no alignment.
///
/// `None` if the result does not fit.
#[must_use]
pub fn align_up(value: u64, alignment: u64) -> Option<u64> {
    value.checked_next_multiple_of(alignment.max(1))
}

/// Bytes for a place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where they go.
    pub offset: FileOffset,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// The offset after the last byte.
    #[must_use]
    pub fn end(&self) -> FileOffset {
        self.range().end()
    }

    /// Where it goes.
    #[must_use]
    pub fn range(&self) -> FileRange {
        FileRange::new(self.offset, self.bytes.len() as u64)
    }

    /// The part of it that lies in a range; `None` if that is empty.
    #[must_use]
    pub fn within(&self, range: &FileRange) -> Option<Self> {
        let part = self.range().intersection(range);
        let start = usize::try_from(part.start - self.offset).ok()?;
        let bytes = self
            .bytes
            .get(start..)?
            .get(..usize::try_from(part.size).ok()?)?;
        (part.size > 0).then(|| Self {
            offset: part.start,
            bytes: bytes.to_vec(),
        })
    }

    /// Writes the bytes to their place in a file.
    pub(crate) fn write_to(&self, output: &File) -> io::Result<()> {
        output.write_all_at(&self.bytes, self.offset.0)
    }

    /// Copies the bytes that lie in `buffer`, which starts at `at`, into it.
    pub fn overlay(&self, buffer: &mut [u8], at: FileOffset) {
        let part = self
            .range()
            .intersection(&FileRange::new(at, buffer.len() as u64));
        let place = |base| usize::try_from(part.start - base).unwrap_or(usize::MAX);
        let size = usize::try_from(part.size).unwrap_or(usize::MAX);
        if size > 0 {
            buffer[place(at)..][..size].copy_from_slice(&self.bytes[place(self.offset)..][..size]);
        }
    }
}
