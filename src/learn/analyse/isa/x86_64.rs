//! x86-64 (Intel's Software Developer's Manual, volume 2; System V ABI, AMD64 supplement, 3.2).

use iced_x86::{
    Code, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind,
    Register as Name,
};

use super::{Arithmetic, Condition, Machine, Memory, Op, Operand, Register};

const RAX: Register = Register(0);
const RCX: Register = Register(1);
const RDX: Register = Register(2);
const RSP: Register = Register(4);
const RBP: Register = Register(5);
const RSI: Register = Register(6);
const RDI: Register = Register(7);
const R8: Register = Register(8);
const R9: Register = Register(9);
const R10: Register = Register(10);
const R11: Register = Register(11);

pub(in crate::learn::analyse) const MACHINE: Machine = Machine {
    decode,
    // Intel SDM, volume 2, 2.3.11.
    longest: 15,
    references,
    arguments: &[RDI, RSI, RDX, RCX, R8, R9],
    scratch: &[RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11],
    results: &[RAX, RDX],
    stack: RSP,
    kernel: &[RDI, RSI, RDX, R10, R8, R9],
    number: RAX,
    // Intel SDM, SYSCALL: RCX and R11 hold the return address and the flags.
    lost: &[RAX, RCX, R11],
};

fn decode(code: &[u8], address: u64, ops: &mut Vec<Op>) -> Option<usize> {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if instruction.is_invalid() {
        return None;
    }
    translate(&instruction, ops);
    Some(instruction.len())
}

/// `lea` relative to the instruction pointer. The constants of programs that are not
/// position-independent can't be told from numbers that way: their objects are taken for
/// larger than they are.
fn references(code: &[u8], address: u64, found: &mut dyn FnMut(u64)) {
    let word = |at: usize| {
        let bytes = code.get(at..at + 4)?;
        bytes.try_into().ok().map(i32::from_le_bytes)
    };
    for at in memchr::memchr_iter(0x8d, code) {
        let rex = at.checked_sub(1).map(|before| code[before] & 0xfb);
        let form = code.get(at + 1).map(|byte| byte & 0xc7);
        if (rex, form) == (Some(0x48), Some(0x05))
            && let Some(distance) = word(at + 2)
        {
            let next = address.wrapping_add(at as u64 + 6);
            found(next.wrapping_add_signed(distance.into()));
        }
    }
}

fn register(name: Name) -> Option<Register> {
    let full = name.full_register();
    if !full.is_gpr64() {
        return None;
    }
    u8::try_from(full.number()).ok().map(Register)
}

/// The second bytes of the first four registers (`ah`), which are never followed.
fn is_high_byte(name: Name) -> bool {
    matches!(name, Name::AH | Name::BH | Name::CH | Name::DH)
}

fn memory(of: &Instruction) -> Memory {
    let base = of.memory_base();
    let relative = of.is_ip_rel_memory_operand();
    let index = of.memory_index();
    Memory {
        base: register(base).filter(|_| !relative),
        index: register(index),
        scale: of.memory_index_scale().into(),
        displacement: if relative {
            of.ip_rel_memory_address()
        } else {
            of.memory_displacement64()
        },
        elsewhere: matches!(of.segment_prefix(), Name::FS | Name::GS)
            || (index != Name::None && register(index).is_none()),
    }
}

fn operand(of: &Instruction, index: u32) -> Operand {
    match of.op_kind(index) {
        OpKind::Register => match register(of.op_register(index)) {
            Some(found) if !is_high_byte(of.op_register(index)) => Operand::Register(found),
            _ => Operand::Unknown,
        },
        OpKind::Memory => Operand::Memory(memory(of)),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
            Operand::Immediate(of.near_branch_target())
        }
        _ => of
            .try_immediate(index)
            .map_or(Operand::Unknown, Operand::Immediate),
    }
}

/// The size of an operand in bytes.
fn size(of: &Instruction, index: u32) -> u8 {
    let bytes = match of.op_kind(index) {
        OpKind::Register => of.op_register(index).size(),
        _ => of.memory_size().size(),
    };
    u8::try_from(bytes).unwrap_or(u8::MAX)
}

fn translate(of: &Instruction, ops: &mut Vec<Op>) {
    let first = (of.op_count() > 0 && of.op0_kind() == OpKind::Register)
        .then(|| of.op0_register())
        .filter(|name| !is_high_byte(*name))
        .and_then(register);
    if transfers(of, ops) || moves(of, first, ops) || calculates(of, first, ops) {
        return;
    }
    anything(of, ops);
}

/// What goes elsewhere than to the next instruction.
fn transfers(of: &Instruction, ops: &mut Vec<Op>) -> bool {
    let op = match of.mnemonic() {
        Mnemonic::Call => Op::Call(operand(of, 0)),
        Mnemonic::Jmp => Op::Jump(operand(of, 0)),
        Mnemonic::Ret | Mnemonic::Iretq | Mnemonic::Iretd | Mnemonic::Retf => Op::Return,
        Mnemonic::Syscall => Op::SystemCall,
        Mnemonic::Sysenter => Op::OtherEntry,
        Mnemonic::Int if of.immediate8() == 0x80 => Op::OtherEntry,
        Mnemonic::Hlt | Mnemonic::Ud2 | Mnemonic::Int3 => Op::Stop,
        Mnemonic::Xbegin | Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne => {
            ops.push(Op::Clobber(RCX));
            Op::Branch(Condition::Other, of.near_branch_target())
        }
        _ if of.is_jcc_short_or_near() || of.is_jcx_short() => {
            Op::Branch(condition(of.mnemonic()), of.near_branch_target())
        }
        _ => return false,
    };
    ops.push(op);
    true
}

fn condition(mnemonic: Mnemonic) -> Condition {
    match mnemonic {
        Mnemonic::Je => Condition::Equal,
        Mnemonic::Jne => Condition::NotEqual,
        Mnemonic::Jb => Condition::Below,
        Mnemonic::Jbe => Condition::BelowOrEqual,
        Mnemonic::Ja => Condition::Above,
        Mnemonic::Jae => Condition::AboveOrEqual,
        Mnemonic::Jl => Condition::Less,
        Mnemonic::Jle => Condition::LessOrEqual,
        Mnemonic::Jg => Condition::Greater,
        Mnemonic::Jge => Condition::GreaterOrEqual,
        Mnemonic::Js => Condition::Negative,
        Mnemonic::Jns => Condition::NotNegative,
        _ => Condition::Other,
    }
}

fn is_select(mnemonic: Mnemonic) -> bool {
    use Mnemonic::{
        Cmova, Cmovae, Cmovb, Cmovbe, Cmove, Cmovg, Cmovge, Cmovl, Cmovle, Cmovne, Cmovno, Cmovnp,
        Cmovns, Cmovo, Cmovp, Cmovs,
    };
    matches!(
        mnemonic,
        Cmova
            | Cmovae
            | Cmovb
            | Cmovbe
            | Cmove
            | Cmovg
            | Cmovge
            | Cmovl
            | Cmovle
            | Cmovne
            | Cmovno
            | Cmovnp
            | Cmovns
            | Cmovo
            | Cmovp
            | Cmovs
    )
}

fn is_truth(mnemonic: Mnemonic) -> bool {
    use Mnemonic::{
        Seta, Setae, Setb, Setbe, Sete, Setg, Setge, Setl, Setle, Setne, Setno, Setnp, Setns, Seto,
        Setp, Sets,
    };
    matches!(
        mnemonic,
        Seta | Setae
            | Setb
            | Setbe
            | Sete
            | Setg
            | Setge
            | Setl
            | Setle
            | Setne
            | Setno
            | Setnp
            | Setns
            | Seto
            | Setp
            | Sets
    )
}

fn does_nothing(mnemonic: Mnemonic) -> bool {
    matches!(
        mnemonic,
        Mnemonic::Nop
            | Mnemonic::Endbr64
            | Mnemonic::Pause
            | Mnemonic::Prefetcht0
            | Mnemonic::Prefetcht1
            | Mnemonic::Prefetchnta
            | Mnemonic::Prefetchw
    )
}

/// What copies values.
fn moves(of: &Instruction, first: Option<Register>, ops: &mut Vec<Op>) -> bool {
    let mnemonic = of.mnemonic();
    match (mnemonic, first) {
        (Mnemonic::Mov, Some(to)) => ops.push(Op::Move {
            to,
            size: size(of, 0),
            from: operand(of, 1),
        }),
        (Mnemonic::Mov, None) if of.op0_kind() == OpKind::Memory => ops.push(Op::Store {
            to: memory(of),
            size: size(of, 0),
            from: operand(of, 1),
        }),
        (Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd, Some(to)) => ops.push(Op::Extend {
            to,
            to_size: size(of, 0),
            from: operand(of, 1),
            size: size(of, 1),
            signed: mnemonic != Mnemonic::Movzx,
        }),
        (Mnemonic::Cdqe | Mnemonic::Cwde, _) => ops.push(Op::Extend {
            to: RAX,
            to_size: if mnemonic == Mnemonic::Cdqe { 8 } else { 4 },
            from: Operand::Register(RAX),
            size: if mnemonic == Mnemonic::Cdqe { 4 } else { 2 },
            signed: true,
        }),
        (Mnemonic::Cdq | Mnemonic::Cqo, _) => ops.push(Op::Clobber(RDX)),
        (Mnemonic::Lea, Some(to)) => ops.push(Op::Address {
            to,
            size: size(of, 0),
            of: memory(of),
        }),
        (Mnemonic::Push, _) => ops.push(Op::Push(operand(of, 0))),
        (Mnemonic::Pop, Some(to)) => ops.push(Op::Pop(to)),
        (Mnemonic::Leave, _) => ops.extend([
            Op::Move {
                to: RSP,
                size: 8,
                from: Operand::Register(RBP),
            },
            Op::Pop(RBP),
        ]),
        (_, Some(to)) if is_select(mnemonic) => ops.push(Op::Select {
            to,
            size: size(of, 0),
            from: operand(of, 1),
        }),
        (_, Some(to)) if is_truth(mnemonic) => ops.push(Op::Truth { to }),
        _ if does_nothing(mnemonic) => {}
        _ => return false,
    }
    true
}

/// What calculates, and compares.
fn calculates(of: &Instruction, first: Option<Register>, ops: &mut Vec<Op>) -> bool {
    let mnemonic = of.mnemonic();
    if matches!(mnemonic, Mnemonic::Cmp | Mnemonic::Test) {
        ops.push(Op::Compare {
            size: size(of, 0),
            left: operand(of, 0),
            right: operand(of, 1),
            bits: mnemonic == Mnemonic::Test,
        });
        return true;
    }
    let Some(to) = first else {
        return false;
    };
    // With itself it is 0 or all ones.
    if mnemonic == Mnemonic::Sbb && operand(of, 0) == operand(of, 1) {
        let size = size(of, 0);
        let [zero, ones] = [0, u64::MAX].map(Operand::Immediate);
        ops.extend([
            Op::Move {
                to,
                size,
                from: zero,
            },
            Op::Select {
                to,
                size,
                from: ones,
            },
            Op::Flags,
        ]);
        return true;
    }
    calculation(of, to, ops)
}

fn calculation(of: &Instruction, to: Register, ops: &mut Vec<Op>) -> bool {
    let (what, left, right) = match of.mnemonic() {
        Mnemonic::Add => (Arithmetic::Add, operand(of, 0), operand(of, 1)),
        Mnemonic::Sub => (Arithmetic::Subtract, operand(of, 0), operand(of, 1)),
        Mnemonic::And => (Arithmetic::And, operand(of, 0), operand(of, 1)),
        Mnemonic::Or => (Arithmetic::Or, operand(of, 0), operand(of, 1)),
        Mnemonic::Xor => (Arithmetic::Xor, operand(of, 0), operand(of, 1)),
        Mnemonic::Shl => (Arithmetic::ShiftLeft, operand(of, 0), operand(of, 1)),
        Mnemonic::Shr => (Arithmetic::ShiftRight, operand(of, 0), operand(of, 1)),
        Mnemonic::Inc => (Arithmetic::Add, operand(of, 0), Operand::Immediate(1)),
        Mnemonic::Dec => (Arithmetic::Subtract, operand(of, 0), Operand::Immediate(1)),
        Mnemonic::Neg => (Arithmetic::Subtract, Operand::Immediate(0), operand(of, 0)),
        Mnemonic::Not => (
            Arithmetic::Xor,
            operand(of, 0),
            Operand::Immediate(u64::MAX),
        ),
        Mnemonic::Imul if of.op_count() == 3 => {
            (Arithmetic::Multiply, operand(of, 1), operand(of, 2))
        }
        Mnemonic::Imul if of.op_count() == 2 => {
            (Arithmetic::Multiply, operand(of, 0), operand(of, 1))
        }
        _ => return false,
    };
    ops.push(Op::Arithmetic {
        what,
        to,
        size: size(of, 0),
        left,
        right,
    });
    true
}

/// Any other instruction: what it reads goes where it is not followed, what it writes is
/// not known.
fn anything(of: &Instruction, ops: &mut Vec<Op>) {
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(of);
    let is_read = |access| {
        matches!(
            access,
            OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        )
    };
    let is_written = |access| {
        matches!(
            access,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        )
    };
    for index in 0..of.op_count() {
        let access = info.op_access(index);
        match of.op_kind(index) {
            OpKind::Register if is_read(access) => {
                ops.extend(register(of.op_register(index)).map(Op::Leak));
            }
            OpKind::Memory if is_read(access) || is_written(access) => {
                let (memory, size) = (memory(of), size(of, index));
                if is_read(access) {
                    ops.push(Op::Read { from: memory, size });
                }
                if is_written(access) {
                    ops.push(Op::Store {
                        to: memory,
                        size,
                        from: Operand::Unknown,
                    });
                }
            }
            // Those that the string instructions read are implied.
            OpKind::MemorySegRSI | OpKind::MemoryESRDI => {
                let used = info.used_registers().iter();
                let read = used.filter(|used| is_read(used.access()));
                ops.extend(
                    read.filter_map(|used| register(used.register()))
                        .map(Op::Leak),
                );
            }
            _ => {}
        }
    }
    for used in info.used_registers() {
        if is_written(used.access()) {
            ops.extend(register(used.register()).map(Op::Clobber));
        }
    }
    if of.rflags_modified() != 0 || of.code() == Code::Popfq {
        ops.push(Op::Flags);
    }
}
