//! The RESTRICTION descriptors: what the kernel is given.

use super::{ByteOrder, Problem};
use crate::bpf::{Instruction, MAX_INSTRUCTIONS};

/// The kind of a filter of system calls, for seccomp(2).
pub const SECCOMP: u32 = 1;

/// Bytes of one instruction (`struct sock_filter`).
pub const INSTRUCTION_SIZE: usize = 8;

/// Bytes of a SECCOMP descriptor before its instructions.
pub const SECCOMP_FIXED: usize = 24;

/// Flags of a restriction. A reader refuses those that it does not know.
pub mod flags {
    /// A runtime that does not know the kind may pass over it.
    pub const OPTIONAL: u32 = 1;
}

/// Log every action but allow (`SECCOMP_FILTER_FLAG_LOG` of seccomp(2)).
pub const LOG: u32 = 2;

/// An instruction as it stands in a note.
#[must_use]
pub fn encode(instruction: Instruction, order: ByteOrder) -> [u8; INSTRUCTION_SIZE] {
    let Instruction { code, jt, jf, k } = instruction;
    let [code_0, code_1] = match order {
        ByteOrder::Little => code.to_le_bytes(),
        ByteOrder::Big => code.to_be_bytes(),
    };
    let [k_0, k_1, k_2, k_3] = order.bytes32(k);
    [code_0, code_1, jt, jf, k_0, k_1, k_2, k_3]
}

/// A filter of system calls:
///
/// | offset | size | what |
/// | --- | --- | --- |
/// | 0 | 4 | kind: 1 |
/// | 4 | 4 | flags: 0 |
/// | 8 | 4 | audit architecture |
/// | 12 | 4 | flags for seccomp(2), of which [`LOG`] is known |
/// | 16 | 8 | identity |
/// | 24 | 8 each | the instructions, 1 to 4096 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seccomp<'a> {
    /// The audit architecture (`AUDIT_ARCH_*`) of the processes that it is for.
    pub arch: u32,
    /// Whether every action but allow is logged.
    pub log: bool,
    /// What the filter answers to (see [`crate::bpf::identity`]).
    pub identity: u64,
    /// The instructions, each [`INSTRUCTION_SIZE`] bytes in the file's byte order; in
    /// memory they stand 4-aligned.
    pub instructions: &'a [u8],
}

impl<'a> Seccomp<'a> {
    /// The bytes before the instructions.
    #[must_use]
    pub fn fixed(&self, order: ByteOrder) -> [u8; SECCOMP_FIXED] {
        let mut bytes = [0; SECCOMP_FIXED];
        let log = if self.log { LOG } else { 0 };
        bytes[0..4].copy_from_slice(&order.bytes32(SECCOMP));
        bytes[8..12].copy_from_slice(&order.bytes32(self.arch));
        bytes[12..16].copy_from_slice(&order.bytes32(log));
        bytes[16..24].copy_from_slice(&order.bytes64(self.identity));
        bytes
    }

    /// Reads a descriptor; nothing where it is of another kind, which may be passed over.
    pub(super) fn parse(descriptor: &'a [u8], order: ByteOrder) -> Result<Option<Self>, Problem> {
        let word = |at| order.read32(descriptor, at).ok_or(Problem::Truncated);
        let [kind, flags] = [word(0)?, word(4)?];
        if kind != SECCOMP {
            return match flags {
                flags::OPTIONAL => Ok(None),
                _ => Err(Problem::UnknownRestriction),
            };
        }
        let (fixed, instructions) = descriptor
            .split_at_checked(SECCOMP_FIXED)
            .ok_or(Problem::Truncated)?;
        let [arch, for_call] = [word(8)?, word(12)?];
        if flags != 0 || for_call & !LOG != 0 {
            return Err(Problem::UnknownFlags);
        }
        let count = instructions.len() / INSTRUCTION_SIZE;
        if count == 0 || count > MAX_INSTRUCTIONS {
            return Err(Problem::InstructionCount);
        }
        Ok(Some(Self {
            arch,
            log: for_call & LOG != 0,
            identity: order.read64(fixed, 16).ok_or(Problem::Truncated)?,
            instructions,
        }))
    }
}
