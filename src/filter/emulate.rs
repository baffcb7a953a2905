//! Running a filter as the kernel would, instruction by instruction.
//!
//! Programs are checked in the same way as by `seccomp_check_filter` (kernel/seccomp.c)
//! and `bpf_check_classic` (net/core/filter.c).

use sandbox_format::bpf::{Instruction, MAX_INSTRUCTIONS, data};

use super::operation::{Arithmetic, Operation, code};

/// `struct seccomp_data`: a system call, as a filter sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// The number.
    pub nr: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// The address of the instruction after the call.
    pub ip: u64,
    /// The arguments.
    pub args: [u64; 6],
}

/// The size of `struct seccomp_data`.
const DATA_SIZE: u32 = 64;

/// Words of scratch memory (`BPF_MEMWORDS`, include/uapi/linux/bpf_common.h).
const MEMORY: usize = 16;

impl Data {
    /// The 32-bit word at a byte offset, which must be a multiple of 4 below 64.
    fn word(&self, offset: u32, big_endian: bool) -> u32 {
        let quad = match offset {
            data::NUMBER => return self.nr,
            data::ARCH => return self.arch,
            8..data::ARGS => self.ip,
            _ => {
                let index = (offset - data::ARGS) / 8;
                self.args.get(index as usize).copied().unwrap_or(0)
            }
        };
        let is_high = (offset % 8 == 4) != big_endian;
        let [low, high] = [quad & u64::from(u32::MAX), quad >> 32];
        u32::try_from(if is_high { high } else { low }).unwrap_or(u32::MAX)
    }
}

/// Why the kernel would refuse a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// No instruction, or more than the kernel accepts.
    #[error("a filter has 1 to 4096 instructions, not {0}")]
    Length(usize),
    /// An instruction that seccomp does not permit.
    #[error("instruction {0} is not one that a seccomp filter may have")]
    Operation(usize),
    /// An operand out of range.
    #[error("instruction {0} has an operand out of range")]
    Operand(usize),
    /// A jump beyond the end of the program.
    #[error("instruction {0} jumps out of the program")]
    Jump(usize),
    /// Scratch memory is read that may not have been written.
    #[error("instruction {0} reads memory that may not have been written")]
    Memory(usize),
    /// The last instruction is not a return.
    #[error("the last instruction is not a return")]
    NoReturn,
}

/// A program that the kernel would accept.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    instructions: &'a [Instruction],
    big_endian: bool,
}

impl<'a> Program<'a> {
    /// Checks a program, for a machine of the given byte order.
    ///
    /// # Errors
    ///
    /// The error says why the kernel would refuse it.
    pub fn new(instructions: &'a [Instruction], big_endian: bool) -> Result<Self, Invalid> {
        let length = instructions.len();
        let Some(last) = instructions.last().filter(|_| length <= MAX_INSTRUCTIONS) else {
            return Err(Invalid::Length(length));
        };
        for (index, instruction) in instructions.iter().enumerate() {
            check(*instruction, index, length)?;
        }
        if !matches!(last.code, code::RET_K | code::RET_A) {
            return Err(Invalid::NoReturn);
        }
        check_memory(instructions)?;
        Ok(Self {
            instructions,
            big_endian,
        })
    }

    /// What the filter returns for a system call.
    #[must_use]
    pub fn run(&self, call: &Data) -> u32 {
        let (mut a, mut x, mut memory) = (0_u32, 0_u32, [0_u32; MEMORY]);
        let mut at = 0_usize;
        // Jumps go forwards only and `new` has seen that they stay inside, so
        // that this ends with a return.
        while let Some(&Instruction { code, jt, jf, k }) = self.instructions.get(at) {
            at += 1;
            let slot = k as usize;
            let operand = if code & code::X == 0 { k } else { x };
            let Some(operation) = Operation::of(code) else {
                break;
            };
            match operation {
                Operation::Load => a = call.word(k, self.big_endian),
                Operation::Length => a = DATA_SIZE,
                Operation::LengthX => x = DATA_SIZE,
                Operation::Immediate => a = k,
                Operation::ImmediateX => x = k,
                Operation::Fetch => a = memory.get(slot).copied().unwrap_or(0),
                Operation::FetchX => x = memory.get(slot).copied().unwrap_or(0),
                Operation::Store => memory[slot % MEMORY] = a,
                Operation::StoreX => memory[slot % MEMORY] = x,
                Operation::ToX => x = a,
                Operation::FromX => a = x,
                Operation::Return => return k,
                Operation::ReturnA => return a,
                Operation::Jump => at = at.saturating_add(slot),
                Operation::Negate => a = a.wrapping_neg(),
                // The kernel ends the program with 0 (bpf_convert_filter).
                Operation::Arithmetic(Arithmetic::Divide) if operand == 0 => return 0,
                Operation::Arithmetic(arithmetic) => a = arithmetic.apply(a, operand),
                Operation::Branch(comparison) => {
                    at += usize::from(if comparison.holds(a, operand) { jt } else { jf });
                }
            }
        }
        // SECCOMP_RET_KILL_THREAD, the kernel's answer to a filter that failed.
        0
    }
}

/// Checks one instruction on its own.
fn check(instruction: Instruction, index: usize, length: usize) -> Result<(), Invalid> {
    let Instruction { code, jt, jf, k } = instruction;
    let operation = Operation::of(code).ok_or(Invalid::Operation(index))?;
    let by_constant = code & code::X == 0;
    let next = index + 1;
    let in_range = match operation {
        Operation::Load => k < DATA_SIZE && k.is_multiple_of(4),
        Operation::Fetch | Operation::FetchX | Operation::Store | Operation::StoreX => {
            (k as usize) < MEMORY
        }
        Operation::Arithmetic(Arithmetic::Divide) => !by_constant || k != 0,
        Operation::Arithmetic(Arithmetic::ShiftLeft | Arithmetic::ShiftRight) => {
            !by_constant || k < 32
        }
        Operation::Jump if k as usize >= length - next => return Err(Invalid::Jump(index)),
        Operation::Branch(_) if next + usize::from(jt.max(jf)) >= length => {
            return Err(Invalid::Jump(index));
        }
        _ => true,
    };
    if in_range {
        Ok(())
    } else {
        Err(Invalid::Operand(index))
    }
}

/// Checks that memory is written before it is read on every path
/// (`check_load_and_stores`, net/core/filter.c).
fn check_memory(instructions: &[Instruction]) -> Result<(), Invalid> {
    // The words that are written on every path that comes to an instruction by
    // a jump; a set has a bit for each.
    let mut on_arrival = vec![u16::MAX; instructions.len()];
    let mut written = 0_u16;
    for (index, &Instruction { code, jt, jf, k }) in instructions.iter().enumerate() {
        written &= on_arrival[index];
        let mut arrive = |distance: usize, written: u16| {
            if let Some(set) = on_arrival.get_mut((index + 1).saturating_add(distance)) {
                *set &= written;
            }
        };
        match Operation::of(code) {
            Some(Operation::Store | Operation::StoreX) => written |= 1 << (k % 16),
            Some(Operation::Fetch | Operation::FetchX) if written & (1 << (k % 16)) == 0 => {
                return Err(Invalid::Memory(index));
            }
            Some(Operation::Jump) => {
                arrive(k as usize, written);
                written = u16::MAX;
            }
            Some(Operation::Branch(_)) => {
                arrive(usize::from(jt), written);
                arrive(usize::from(jf), written);
                written = u16::MAX;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Checks and runs a program once.
///
/// # Errors
///
/// The error says why the kernel would refuse it.
pub fn emulate(program: &[Instruction], call: &Data, big_endian: bool) -> Result<u32, Invalid> {
    Ok(Program::new(program, big_endian)?.run(call))
}
