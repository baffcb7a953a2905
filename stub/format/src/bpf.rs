//! Classic BPF for seccomp(2): the instructions, and a generator that turns a
//! list of rules into the shortest shallow program it can.
//!
//! The kernel runs a new filter once for every system call number, to fill its
//! always-allow bitmap (`seccomp_cache_prepare` in kernel/seccomp.c, Linux
//! 5.11), so the *depth* of the program costs at start-up and its length costs
//! when it is compiled. Neighbouring numbers of one verdict are therefore
//! merged into intervals, and a binary search leads to a short run of them.

mod compile;
mod error;
pub mod identity;
#[cfg(test)]
mod tests;
mod writer;

pub use compile::{MAX_RUNS, Run, Scratch};
pub use error::Error;

/// `struct sock_filter` of include/uapi/linux/filter.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Instruction {
    /// Operation code: class, size, mode or operation, source.
    pub code: u16,
    /// Instructions to skip when the comparison is true.
    pub jt: u8,
    /// Instructions to skip when the comparison is false.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl Instruction {
    /// What is about to be overwritten.
    pub const NONE: Self = Self {
        code: 0,
        jt: 0,
        jf: 0,
        k: 0,
    };
}

/// The longest program that the kernel takes (`BPF_MAXINSNS`,
/// include/uapi/linux/bpf_common.h).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// Operation codes that the generator uses; all are on the list that
/// `seccomp_check_filter` (kernel/seccomp.c) lets pass.
pub mod op {
    /// `BPF_LD | BPF_W | BPF_ABS`: load a 32-bit word of `struct seccomp_data`.
    pub const LOAD: u16 = 0x20;
    /// `BPF_ALU | BPF_AND | BPF_K`.
    pub const AND: u16 = 0x54;
    /// `BPF_JMP | BPF_JA`: jump by `k`.
    pub const JUMP: u16 = 0x05;
    /// `BPF_JMP | BPF_JEQ | BPF_K`.
    pub const JUMP_EQ: u16 = 0x15;
    /// `BPF_JMP | BPF_JGT | BPF_K` (unsigned).
    pub const JUMP_GT: u16 = 0x25;
    /// `BPF_JMP | BPF_JGE | BPF_K` (unsigned).
    pub const JUMP_GE: u16 = 0x35;
    /// `BPF_RET | BPF_K`.
    pub const RETURN: u16 = 0x06;
}

/// Offsets in `struct seccomp_data` (include/uapi/linux/seccomp.h):
///
/// ```c
/// struct seccomp_data {
///     int nr;
///     __u32 arch;
///     __u64 instruction_pointer;
///     __u64 args[6];
/// };
/// ```
pub mod data {
    /// The system call number.
    pub const NUMBER: u32 = 0;
    /// The audit architecture (`AUDIT_ARCH_*`).
    pub const ARCH: u32 = 4;
    /// The first argument; each is eight bytes, in the machine's byte order.
    pub const ARGS: u32 = 16;
}

/// Return values (include/uapi/linux/seccomp.h); the low 16 bits are data.
pub mod ret {
    /// `SECCOMP_RET_KILL_PROCESS`.
    pub const KILL_PROCESS: u32 = 0x8000_0000;
    /// `SECCOMP_RET_KILL_THREAD`.
    pub const KILL_THREAD: u32 = 0x0000_0000;
    /// `SECCOMP_RET_TRAP`: SIGSYS.
    pub const TRAP: u32 = 0x0003_0000;
    /// `SECCOMP_RET_ERRNO`: the data is the errno.
    pub const ERRNO: u32 = 0x0005_0000;
    /// `SECCOMP_RET_USER_NOTIF`.
    pub const USER_NOTIF: u32 = 0x7fc0_0000;
    /// `SECCOMP_RET_TRACE`: the data is handed to the tracer.
    pub const TRACE: u32 = 0x7ff0_0000;
    /// `SECCOMP_RET_LOG`: allow, and log.
    pub const LOG: u32 = 0x7ffc_0000;
    /// `SECCOMP_RET_ALLOW`.
    pub const ALLOW: u32 = 0x7fff_0000;
    /// `SECCOMP_RET_ACTION_FULL`: the bits of the action.
    pub const ACTION_MASK: u32 = 0xffff_0000;
}

/// How an argument is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// How it is written.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// What holds where this does not.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::GreaterOrEqual => Self::Less,
            Self::Greater => Self::LessOrEqual,
            Self::LessOrEqual => Self::Greater,
        }
    }
}

/// A comparison of `argument & mask` with a value. A mask without high half compares only
/// the low 32 bits, which is all that the kernel looks at for an `int` argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Test {
    /// Which argument, 0 to 5; the generator does not look.
    pub arg: u8,
    /// The bits that count.
    pub mask: u64,
    /// What they are compared with.
    pub value: u64,
    /// How.
    pub comparison: Comparison,
}

impl Test {
    /// What is about to be overwritten; it always holds.
    pub const NONE: Self = Self::equal(0, 0, 0);

    /// That the bits of the mask have this value.
    #[must_use]
    pub const fn equal(arg: u8, mask: u64, value: u64) -> Self {
        Self {
            arg,
            mask,
            value,
            comparison: Comparison::Equal,
        }
    }

    /// Whether it holds for an argument.
    #[must_use]
    pub const fn holds(&self, argument: u64) -> bool {
        let masked = argument & self.mask;
        match self.comparison {
            Comparison::Equal => masked == self.value,
            Comparison::NotEqual => masked != self.value,
            Comparison::Less => masked < self.value,
            Comparison::LessOrEqual => masked <= self.value,
            Comparison::Greater => masked > self.value,
            Comparison::GreaterOrEqual => masked >= self.value,
        }
    }

    /// Whether it holds for all arguments, or for none; `None` where the argument decides.
    #[must_use]
    pub const fn constant(&self) -> Option<bool> {
        let Self { mask, value, .. } = *self;
        // What is left of arguments is between 0 and the mask.
        match self.comparison {
            Comparison::Equal if value & !mask != 0 => Some(false),
            Comparison::Equal if mask == 0 => Some(true),
            Comparison::NotEqual if value & !mask != 0 => Some(true),
            Comparison::NotEqual if mask == 0 => Some(false),
            Comparison::Less if value == 0 => Some(false),
            Comparison::Less if value > mask => Some(true),
            Comparison::LessOrEqual if value >= mask => Some(true),
            Comparison::Greater if value >= mask => Some(false),
            Comparison::GreaterOrEqual if value == 0 => Some(true),
            Comparison::GreaterOrEqual if value > mask => Some(false),
            _ => None,
        }
    }
}

/// A verdict for a system call number when all conditions hold (an empty list
/// always holds). Of the rules for a number, the first that holds decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule<'a> {
    /// The system call number.
    pub number: u32,
    /// What the call gets (see [`ret`]).
    pub verdict: u32,
    /// Conditions that must all hold.
    pub when: &'a [Test],
}

/// What to compile. Verdicts are seccomp return values (see [`ret`]).
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// The machine's byte order, which decides where an argument's halves are.
    pub big_endian: bool,
    /// Verdict for calls of all other architectures.
    pub foreign: u32,
    /// What applies to the calls of which architecture; the most frequent first.
    pub entries: &'a [Entry<'a>],
}

/// What applies to the calls of an audit architecture, which may be of several ABIs.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The audit architecture.
    pub arch: u32,
    /// Verdicts for ranges of numbers for which no rule holds; ascending, and apart from each
    /// other.
    pub ranges: &'a [Range],
    /// Verdict for all other calls for which no rule holds.
    pub unmatched: u32,
    /// The rules, sorted by number.
    pub rules: &'a [Rule<'a>],
}

/// A verdict for numbers from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first number.
    pub first: u32,
    /// The last number.
    pub last: u32,
    /// What the calls get.
    pub verdict: u32,
}

impl Entry<'_> {
    /// The verdict for a number for which no rule holds.
    #[must_use]
    pub fn otherwise(&self, number: u32) -> u32 {
        let holds = |range: &&Range| (range.first..=range.last).contains(&number);
        let range = self.ranges.iter().find(holds);
        range.map_or(self.unmatched, |range| range.verdict)
    }
}
