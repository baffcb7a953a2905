//! What instructions do, as far as the analysis wants to know it, whatever the processor.
//!
//! A processor is one file that translates its machine code into [`Op`]s, and a
//! [`Machine`] that says which registers its conventions use.

pub(super) mod x86_64;

/// A general register, by its number in machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Register(pub(super) u8);

/// How many general registers are told apart.
pub(super) const REGISTERS: usize = 16;

/// All of them.
pub(super) const ALL: &[Register] = &{
    let mut all = [Register(0); REGISTERS];
    let mut number = 0;
    while number < 16 {
        all[number as usize] = Register(number);
        number += 1;
    }
    all
};

/// What the conventions of a processor and its system say.
pub(super) struct Machine {
    /// Translates one instruction; `None` if it is none, or its bytes are missing.
    pub(super) decode: fn(code: &[u8], address: u64, ops: &mut Vec<Op>) -> Option<usize>,
    /// The most bytes that an instruction has.
    pub(super) longest: usize,
    /// The addresses that code refers to by an instruction of its own, found by their
    /// pattern in bytes without decoding: some more does no harm.
    pub(super) references: fn(code: &[u8], address: u64, found: &mut dyn FnMut(u64)),
    /// Where arguments are passed to functions.
    pub(super) arguments: &'static [Register],
    /// What functions don't preserve.
    pub(super) scratch: &'static [Register],
    /// Where functions leave what they return.
    pub(super) results: &'static [Register],
    /// The stack pointer.
    pub(super) stack: Register,
    /// Where the kernel takes arguments from.
    pub(super) kernel: &'static [Register],
    /// Where the kernel takes the number of a call from.
    pub(super) number: Register,
    /// What a system call does not preserve.
    pub(super) lost: &'static [Register],
}

/// An operand in memory: base + index × scale + displacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) base: Option<Register>,
    pub(super) index: Option<Register>,
    pub(super) scale: u64,
    /// The address itself where there is neither base nor index.
    pub(super) displacement: u64,
    /// Relative to what is not known, as thread-local storage is.
    pub(super) elsewhere: bool,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Register(Register),
    Immediate(u64),
    Memory(Memory),
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
    Multiply,
}

/// When a branch is taken, after a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Equal,
    NotEqual,
    Below,
    BelowOrEqual,
    Above,
    AboveOrEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Negative,
    NotNegative,
    /// One that is not looked at.
    Other,
}

/// A part of what an instruction does. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Writing less than 4 bytes leaves the rest of the register; 4 bytes clear it.
    Move {
        to: Register,
        size: u8,
        from: Operand,
    },
    /// A value of `size` bytes is extended to `to_size`.
    Extend {
        to: Register,
        to_size: u8,
        from: Operand,
        size: u8,
        signed: bool,
    },
    Arithmetic {
        what: Arithmetic,
        to: Register,
        size: u8,
        left: Operand,
        right: Operand,
    },
    /// The address of an operand.
    Address {
        to: Register,
        size: u8,
        of: Memory,
    },
    /// It may keep what it has, or be overwritten.
    Select {
        to: Register,
        size: u8,
        from: Operand,
    },
    /// 0 or 1, in one byte.
    Truth {
        to: Register,
    },
    Store {
        to: Memory,
        size: u8,
        from: Operand,
    },
    /// Reads memory into what is not followed.
    Read {
        from: Memory,
        size: u8,
    },
    /// The value goes where it is not followed.
    Leak(Register),
    Clobber(Register),
    Push(Operand),
    Pop(Register),
    Compare {
        size: u8,
        left: Operand,
        right: Operand,
        /// Of the bits that both have, with zero.
        bits: bool,
    },
    /// The outcome of the last comparison is gone.
    Flags,
    Call(Operand),
    Jump(Operand),
    Branch(Condition, u64),
    Return,
    SystemCall,
    /// A system call by an entry that takes another ABI's numbers.
    OtherEntry,
    Stop,
}
