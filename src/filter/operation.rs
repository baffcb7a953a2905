//! The operations of classic BPF that seccomp permits (`seccomp_check_filter`,
//! kernel/seccomp.c): more than our own generator emits, so that filters from elsewhere
//! can be read and run as well.

/// Operation codes of include/uapi/linux/bpf_common.h that seccomp permits.
pub(super) mod code {
    pub(in crate::filter) const LD_ABS: u16 = 0x20;
    pub(in crate::filter) const LD_LEN: u16 = 0x80;
    pub(in crate::filter) const LDX_LEN: u16 = 0x81;
    pub(in crate::filter) const LD_IMM: u16 = 0x00;
    pub(in crate::filter) const LDX_IMM: u16 = 0x01;
    pub(in crate::filter) const LD_MEM: u16 = 0x60;
    pub(in crate::filter) const LDX_MEM: u16 = 0x61;
    pub(in crate::filter) const ST: u16 = 0x02;
    pub(in crate::filter) const STX: u16 = 0x03;
    pub(in crate::filter) const TAX: u16 = 0x07;
    pub(in crate::filter) const TXA: u16 = 0x87;
    pub(in crate::filter) const RET_K: u16 = 0x06;
    pub(in crate::filter) const RET_A: u16 = 0x16;
    pub(in crate::filter) const JA: u16 = 0x05;
    pub(in crate::filter) const NEG: u16 = 0x84;
    /// The bit that makes the operand X instead of K.
    pub(in crate::filter) const X: u16 = 0x08;
}

/// What an instruction does.
#[derive(Clone, Copy)]
pub(super) enum Operation {
    Load,
    Length,
    LengthX,
    Immediate,
    ImmediateX,
    Fetch,
    FetchX,
    Store,
    StoreX,
    ToX,
    FromX,
    Return,
    ReturnA,
    Jump,
    Negate,
    Arithmetic(Arithmetic),
    Branch(Comparison),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Or,
    And,
    ShiftLeft,
    ShiftRight,
    Xor,
}

#[derive(Clone, Copy)]
pub(super) enum Comparison {
    Equal,
    Greater,
    GreaterEqual,
    AnyBit,
}

impl Operation {
    pub(super) fn of(code: u16) -> Option<Self> {
        Some(match code {
            code::LD_ABS => Self::Load,
            code::LD_LEN => Self::Length,
            code::LDX_LEN => Self::LengthX,
            code::LD_IMM => Self::Immediate,
            code::LDX_IMM => Self::ImmediateX,
            code::LD_MEM => Self::Fetch,
            code::LDX_MEM => Self::FetchX,
            code::ST => Self::Store,
            code::STX => Self::StoreX,
            code::TAX => Self::ToX,
            code::TXA => Self::FromX,
            code::RET_K => Self::Return,
            code::RET_A => Self::ReturnA,
            code::JA => Self::Jump,
            code::NEG => Self::Negate,
            _ => match code & !code::X {
                0x04 => Self::Arithmetic(Arithmetic::Add),
                0x14 => Self::Arithmetic(Arithmetic::Subtract),
                0x24 => Self::Arithmetic(Arithmetic::Multiply),
                0x34 => Self::Arithmetic(Arithmetic::Divide),
                0x44 => Self::Arithmetic(Arithmetic::Or),
                0x54 => Self::Arithmetic(Arithmetic::And),
                0x64 => Self::Arithmetic(Arithmetic::ShiftLeft),
                0x74 => Self::Arithmetic(Arithmetic::ShiftRight),
                0xa4 => Self::Arithmetic(Arithmetic::Xor),
                0x15 => Self::Branch(Comparison::Equal),
                0x25 => Self::Branch(Comparison::Greater),
                0x35 => Self::Branch(Comparison::GreaterEqual),
                0x45 => Self::Branch(Comparison::AnyBit),
                _ => return None,
            },
        })
    }
}

impl Arithmetic {
    pub(super) fn apply(self, a: u32, operand: u32) -> u32 {
        match self {
            Self::Add => a.wrapping_add(operand),
            Self::Subtract => a.wrapping_sub(operand),
            Self::Multiply => a.wrapping_mul(operand),
            Self::Divide => a.checked_div(operand).unwrap_or(0),
            Self::Or => a | operand,
            Self::And => a & operand,
            // The distance is taken modulo 32, as eBPF defines it.
            Self::ShiftLeft => a.wrapping_shl(operand),
            Self::ShiftRight => a.wrapping_shr(operand),
            Self::Xor => a ^ operand,
        }
    }
}

impl Comparison {
    pub(super) fn holds(self, a: u32, operand: u32) -> bool {
        match self {
            Self::Equal => a == operand,
            Self::Greater => a > operand,
            Self::GreaterEqual => a >= operand,
            Self::AnyBit => a & operand != 0,
        }
    }
}
