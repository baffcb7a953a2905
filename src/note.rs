//! What `.note.sandbox` will hold, and its bytes.
//!
//! The layout is defined once, in `sandbox_format::note`; this is the writer.

use sandbox_format::bpf::Instruction;
use sandbox_format::note::restriction::{self, INSTRUCTION_SIZE, SECCOMP_FIXED};
use sandbox_format::note::{self, ByteOrder, Header, Seccomp, header, kind};

/// A descriptor is larger than the format can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is too large for a note")]
pub struct TooLarge;

/// A policy and its compiled filter, ready to be put into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The POLICY descriptor: canonical JSON.
    pub policy: Vec<u8>,
    /// Whether the runtime is in the program.
    pub inline: bool,
    /// The audit architecture.
    pub arch: u32,
    /// The program for it.
    pub program: Vec<Instruction>,
    /// What the program is known by in a process.
    pub identity: u64,
}

/// A dynamic section that moved to pages of its own, by link-time addresses:
/// the runtime makes them read-only, and the old place a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovedDynamic {
    /// Where it was.
    pub from: u64,
    /// Where it is.
    pub to: u64,
    /// Size of the pages in bytes.
    pub size: u64,
}

impl Content {
    /// Bytes that the notes will take, each padded to `align`, with an UNDO
    /// descriptor of `undo` bytes.
    #[must_use]
    pub fn size(&self, undo: usize, align: usize) -> usize {
        let filter = SECCOMP_FIXED + self.program.len() * INSTRUCTION_SIZE;
        [self.policy.len(), Header::SIZE, filter, undo]
            .map(|descriptor| size(descriptor, align))
            .iter()
            .sum()
    }

    /// Bytes of the notes before the UNDO descriptor.
    #[must_use]
    pub fn size_before_undo(&self, align: usize) -> usize {
        self.size(0, align)
    }

    /// The notes, each padded to `align`, which is 4 or 8.
    ///
    /// # Errors
    ///
    /// A descriptor is larger than the format allows.
    pub fn to_bytes(
        &self,
        order: ByteOrder,
        align: usize,
        moved: Option<MovedDynamic>,
        undo: &[u8],
    ) -> Result<Vec<u8>, TooLarge> {
        let seccomp = Seccomp {
            arch: self.arch,
            log: false,
            identity: self.identity,
            instructions: &[],
        };
        let mut filter = seccomp.fixed(order).to_vec();
        let instructions = self.program.iter();
        filter.extend(instructions.flat_map(|it| restriction::encode(*it, order)));
        let header = Header {
            flags: if self.inline {
                header::flags::INLINE
            } else {
                0
            },
            restrictions: 1,
            protect_address: moved.map_or(0, |moved| moved.to),
            protect_size: moved.map_or(0, |moved| moved.size),
            dynamic_address: moved.map_or(0, |moved| moved.from),
        };
        let header = header.to_bytes(order, &self.policy, &[&filter]);
        let mut bytes = Vec::with_capacity(self.size(undo.len(), align));
        for (kind, descriptor) in [
            (kind::POLICY, &self.policy[..]),
            (kind::HEADER, &header),
            (kind::RESTRICTION, &filter),
            (kind::UNDO, undo),
        ] {
            let length = u32::try_from(descriptor.len()).map_err(|_| TooLarge)?;
            bytes.extend(note::record(order, kind, length));
            bytes.resize(bytes.len().next_multiple_of(align), 0);
            bytes.extend(descriptor);
            bytes.resize(bytes.len().next_multiple_of(align), 0);
        }
        Ok(bytes)
    }
}

/// Bytes of a note with a descriptor of that many.
fn size(descriptor: usize, align: usize) -> usize {
    note::RECORD.next_multiple_of(align) + descriptor.next_multiple_of(align)
}

/// The instructions of a filter.
#[must_use]
pub fn decode_program(bytes: &[u8], order: ByteOrder) -> Vec<Instruction> {
    let decode = |bytes: &[u8]| Instruction {
        code: match order {
            ByteOrder::Little => u16::from_le_bytes([bytes[0], bytes[1]]),
            ByteOrder::Big => u16::from_be_bytes([bytes[0], bytes[1]]),
        },
        jt: bytes[2],
        jf: bytes[3],
        k: order.u32([bytes[4], bytes[5], bytes[6], bytes[7]]),
    };
    bytes.chunks_exact(INSTRUCTION_SIZE).map(decode).collect()
}
