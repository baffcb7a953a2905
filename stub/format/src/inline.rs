//! The runtime that a program carries inside of it: what its code, the blob,
//! begins with.
//!
//! | offset | size | what |
//! | --- | --- | --- |
//! | 0 | 8 | [`ENTRY`]: where the program is made to come by |
//! | 8 | 8 | [`EXIT`]: a jump to where it would have gone instead |
//! | 16 | 32 | [`Place`]: where its notes are |
//! | 48 | | the rest of the code |
//!
//! It is the first loadable segment of the file `sandbox-inline`, whose RUNTIME
//! note tells its version, and works at any address that is a multiple of
//! [`ALIGN`], in memory that is only read and executed. Nothing in it is
//! relocated. What `sandbox-patch` changes is what [`Header`] holds.
//!
//! The blob is entered at its start, as the process is by the kernel or the
//! loader, or like a function of the C library's. It leaves all registers,
//! the flags and the stack as they were.

use core::fmt;

use crate::note::ByteOrder;

/// The name of the file that holds the blob.
pub const FILE: &str = "sandbox-inline";

/// Where the blob is entered.
pub const ENTRY: usize = 0;

/// Where the jump is that ends it.
pub const EXIT: usize = 8;

/// Where [`Place`] is.
pub const PLACE: usize = 16;

/// Bytes before code that is nobody else's business.
pub const SIZE: usize = 48;

/// What the blob's address is a multiple of.
pub const ALIGN: u64 = 16;

/// `endbr64`, for processors that let indirect jumps and calls go nowhere else
/// (Intel SDM, volume 1, chapter 18), and a jump over the header.
const START: [u8; 6] = [0xf3, 0x0f, 0x1e, 0xfa, 0xeb, 42];

/// `jmp rel32`: the distance counts from the instruction's end.
const JUMP: u8 = 0xe9;
const JUMP_END: usize = EXIT + 5;

/// Where the notes are, as the runtime reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the blob's start to the notes.
    pub offset: u64,
    /// Size of the notes in bytes.
    pub size: u64,
    /// What each note is padded to, as `p_align` says it: 4 or 8.
    pub align: u64,
    /// 0.
    pub reserved: u64,
}

/// What makes a blob that of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes from the blob's start to where it ends up.
    pub next: i64,
    /// The program's notes.
    pub notes: Place,
}

/// The target of a jump lies more than 2 GiB off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfReach;

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a jump to the program's own entry would exceed 2 GiB")
    }
}

impl core::error::Error for OutOfReach {}

impl Header {
    /// The header of a blob; nothing if the bytes are none. One that is nobody's
    /// yet has notes of size 0.
    #[must_use]
    pub fn read(blob: &[u8]) -> Option<Self> {
        const ORDER: ByteOrder = ByteOrder::Little;
        if !blob.starts_with(&START) || *blob.get(EXIT)? != JUMP {
            return None;
        }
        let word = |index: usize| ORDER.read64(blob, PLACE + 8 * index);
        let distance = ORDER.read32(blob, EXIT + 1)?.cast_signed();
        Some(Self {
            next: i64::from(distance) + JUMP_END as i64,
            notes: Place {
                offset: word(0)?,
                size: word(1)?,
                align: word(2)?,
                reserved: word(3)?,
            },
        })
    }

    /// Puts the header into a blob.
    ///
    /// # Errors
    ///
    /// The jump does not reach that far.
    ///
    /// # Panics
    ///
    /// If the blob is shorter than its header.
    pub fn write(&self, blob: &mut [u8]) -> Result<(), OutOfReach> {
        let distance = self.next.checked_sub(JUMP_END as i64).ok_or(OutOfReach)?;
        let distance = i32::try_from(distance).map_err(|_| OutOfReach)?;
        blob[EXIT + 1..JUMP_END].copy_from_slice(&distance.to_le_bytes());
        let Place {
            offset,
            size,
            align,
            reserved,
        } = self.notes;
        let words = blob[PLACE..SIZE].as_chunks_mut().0;
        for (to, word) in words.iter_mut().zip([offset, size, align, reserved]) {
            *to = word.to_le_bytes();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unused() -> [u8; SIZE] {
        let mut blob = [0; SIZE];
        blob[..START.len()].copy_from_slice(&START);
        blob[EXIT] = JUMP;
        blob
    }

    fn leading_to(next: i64) -> Header {
        Header {
            next,
            notes: Place {
                offset: 0x1234,
                size: 0x5678,
                align: 8,
                reserved: 0,
            },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for next in [0, -1, 13, 0x7fff_ffff + 13, 13 - 0x8000_0000] {
            let mut blob = unused();
            assert_eq!(leading_to(next).write(&mut blob), Ok(()));
            assert_eq!(Header::read(&blob), Some(leading_to(next)));
        }
    }

    #[test]
    fn jumps_that_do_not_reach_their_target_are_not_written() {
        for next in [0x7fff_ffff + 14, 12 - 0x8000_0000, i64::MIN, i64::MAX] {
            let mut blob = unused();
            assert_eq!(leading_to(next).write(&mut blob), Err(OutOfReach));
            assert_eq!(blob, unused());
        }
    }

    #[test]
    fn other_bytes_are_no_blob() {
        let blob = unused();
        assert!(Header::read(&blob).is_some());
        assert_eq!(Header::read(&blob[..SIZE - 1]), None);
        for other in [0, 3, 4, 5, EXIT] {
            let mut changed = blob;
            changed[other] ^= 1;
            assert_eq!(Header::read(&changed), None, "{other}");
        }
    }
}
