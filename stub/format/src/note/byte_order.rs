//! Byte order.

/// Byte order of the notes: that of the file they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// Big-endian or not.
    #[must_use]
    pub const fn of(big_endian: bool) -> Self {
        if big_endian { Self::Big } else { Self::Little }
    }

    /// The byte order of the machine that this code was compiled for.
    pub const NATIVE: Self = Self::of(cfg!(target_endian = "big"));

    /// Four bytes as a number.
    #[must_use]
    pub fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Eight bytes as a number.
    #[must_use]
    pub fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// A number as four bytes.
    #[must_use]
    pub fn bytes32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    /// A number as eight bytes.
    #[must_use]
    pub fn bytes64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    /// The 4-byte word at `at`, or nothing where the bytes end before it does.
    #[must_use]
    pub fn read32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = bytes.get(at..at.checked_add(4)?)?;
        Some(self.u32(word.try_into().ok()?))
    }

    /// The 8-byte word at `at`, or nothing where the bytes end before it does.
    #[must_use]
    pub fn read64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let word = bytes.get(at..at.checked_add(8)?)?;
        Some(self.u64(word.try_into().ok()?))
    }
}
