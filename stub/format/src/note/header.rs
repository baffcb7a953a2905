//! The HEADER descriptor: what holds the notes together, and what the runtime is to do
//! besides handing restrictions to the kernel.

use super::{ByteOrder, Problem, VERSION};
use crate::digest::Digest;

/// Flags of a HEADER. A reader refuses flags that it does not know, since each may ask for
/// a protection.
pub mod flags {
    /// The program has a runtime in itself: libsandbox.so leaves it alone.
    pub const INLINE: u32 = 1;
    /// All flags of this version.
    pub const KNOWN: u32 = INLINE;
}

/// A HEADER, as it stands in the note, but for the digest:
///
/// | offset | size | what |
/// | --- | --- | --- |
/// | 0 | 4 | [`VERSION`] |
/// | 4 | 4 | flags |
/// | 8 | 4 | number of restrictions |
/// | 12 | 4 | 0 |
/// | 16 | 8 | digest: XXH3-64, seed 0, of the POLICY descriptor, this one without these 8 bytes, and the RESTRICTION descriptors in their order |
/// | 24 | 8 | address of the range to make read-only |
/// | 32 | 8 | its size |
/// | 40 | 8 | where the dynamic section in that range was before |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// See [`flags`].
    pub flags: u32,
    /// How many restrictions there are.
    pub restrictions: u32,
    /// Link-time address of the page-aligned range that the runtime makes
    /// read-only; meaningless where `protect_size` is 0.
    pub protect_address: u64,
    /// Size of that range in bytes; 0: there is none.
    pub protect_size: u64,
    /// Link-time address of the place that the dynamic section had before it
    /// moved to that range. Code that refers to `_DYNAMIC` looks there.
    pub dynamic_address: u64,
}

impl Header {
    /// Bytes of the descriptor.
    pub const SIZE: usize = 48;

    /// Where the digest begins, and where it ends.
    const DIGEST: [usize; 2] = [16, 24];

    /// Whether the program has a runtime in itself.
    #[must_use]
    pub const fn is_inline(&self) -> bool {
        self.flags & flags::INLINE != 0
    }

    /// The descriptor, with the digest that ties it to the others. Of less than there always is
    /// ([`MIN_POLICY`](super::MIN_POLICY)) there is none, and readers refuse what says 0.
    #[must_use]
    pub fn to_bytes(
        &self,
        order: ByteOrder,
        policy: &[u8],
        restrictions: &[&[u8]],
    ) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0..4].copy_from_slice(&order.bytes32(VERSION));
        bytes[4..8].copy_from_slice(&order.bytes32(self.flags));
        bytes[8..12].copy_from_slice(&order.bytes32(self.restrictions));
        bytes[24..32].copy_from_slice(&order.bytes64(self.protect_address));
        bytes[32..40].copy_from_slice(&order.bytes64(self.protect_size));
        bytes[40..48].copy_from_slice(&order.bytes64(self.dynamic_address));
        let digest = digest(policy, &bytes, restrictions).unwrap_or_default();
        bytes[16..24].copy_from_slice(&order.bytes64(digest));
        bytes
    }

    pub(super) fn parse(descriptor: &[u8], order: ByteOrder) -> Result<Self, Problem> {
        let word32 = |at| order.read32(descriptor, at).ok_or(Problem::Truncated);
        let word64 = |at| order.read64(descriptor, at).ok_or(Problem::Truncated);
        if word32(0)? != VERSION {
            return Err(Problem::UnknownVersion);
        }
        if descriptor.len() != Self::SIZE {
            return Err(Problem::Truncated);
        }
        let header = Self {
            flags: word32(4)?,
            restrictions: word32(8)?,
            protect_address: word64(24)?,
            protect_size: word64(32)?,
            dynamic_address: word64(40)?,
        };
        if header.flags & !flags::KNOWN != 0 || word32(12)? != 0 {
            return Err(Problem::UnknownFlags);
        }
        Ok(header)
    }
}

/// Whether the digest in a HEADER descriptor is that of it and of the others.
pub(super) fn is_sealed(
    header: &[u8],
    order: ByteOrder,
    policy: &[u8],
    restrictions: &[&[u8]],
) -> bool {
    let found = order.read64(header, Header::DIGEST[0]);
    found.is_some() && found == digest(policy, header, restrictions)
}

/// Nothing where there is too little for one.
fn digest(policy: &[u8], header: &[u8], restrictions: &[&[u8]]) -> Option<u64> {
    let [start, end] = Header::DIGEST;
    let mut digest = Digest::new();
    digest.add(policy);
    digest.add(header.get(..start)?);
    digest.add(header.get(end..)?);
    for restriction in restrictions {
        digest.add(restriction);
    }
    digest.finish()
}
