//! Filters as text, one instruction per line.

use std::fmt;

use sandbox_format::bpf::{Instruction, data, identity, ret};

use super::operation::{Arithmetic, Comparison, Operation, code};
use crate::policy::{Arch, call_name, errno_name};

/// A program to be shown; see [`disassemble`].
#[derive(Clone, Copy, Debug)]
pub struct Disassembly<'a> {
    program: &'a [Instruction],
    arch: Arch,
}

/// Returns a program in readable form, with the names of system calls, actions and
/// errors. It accepts any instructions, even those that the kernel would refuse.
#[must_use]
pub fn disassemble(program: &[Instruction], arch: Arch) -> Disassembly<'_> {
    Disassembly { program, arch }
}

impl fmt::Display for Disassembly<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = accumulators(self.program);
        for (index, (instruction, held)) in self.program.iter().zip(held).enumerate() {
            let line = Line {
                index,
                instruction: *instruction,
                held,
                arch: self.arch,
            };
            writeln!(f, "{index:4}  {line}")?;
        }
        Ok(())
    }
}

/// What is known about the accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// No path has come here yet.
    Unreached,
    /// A word of the system call's data, as it is or with bits masked out.
    Word { offset: u32, mask: u32 },
    /// Something else, or different things on different paths.
    Unknown,
}

impl Held {
    fn join(self, other: Held) -> Held {
        match (self, other) {
            (Held::Unreached, held) | (held, Held::Unreached) => held,
            (one, two) if one == two => one,
            _ => Held::Unknown,
        }
    }
}

/// What the accumulator holds before each instruction. One pass is enough,
/// since jumps only go forwards.
fn accumulators(program: &[Instruction]) -> Vec<Held> {
    let mut before = vec![Held::Unreached; program.len()];
    if let Some(first) = before.first_mut() {
        *first = Held::Unknown;
    }
    for (index, &Instruction { code, jt, jf, k }) in program.iter().enumerate() {
        let held = before[index];
        let mut flow = |distance: usize, held: Held| {
            if let Some(target) = before.get_mut((index + 1).saturating_add(distance)) {
                *target = target.join(held);
            }
        };
        match Operation::of(code) {
            Some(Operation::Return | Operation::ReturnA) => {}
            Some(Operation::Jump) => flow(k as usize, held),
            Some(Operation::Branch(_)) => {
                flow(usize::from(jt), held);
                flow(usize::from(jf), held);
            }
            Some(operation) => flow(0, after(operation, held, code, k)),
            None => flow(0, Held::Unknown),
        }
    }
    before
}

/// What the accumulator holds after an operation that does not jump.
fn after(operation: Operation, held: Held, code: u16, k: u32) -> Held {
    match (operation, held) {
        (Operation::Load, _) => Held::Word {
            offset: k,
            mask: u32::MAX,
        },
        (Operation::Arithmetic(Arithmetic::And), Held::Word { offset, mask })
            if code & code::X == 0 =>
        {
            Held::Word {
                offset,
                mask: mask & k,
            }
        }
        (
            Operation::ImmediateX
            | Operation::LengthX
            | Operation::FetchX
            | Operation::Store
            | Operation::StoreX
            | Operation::ToX,
            held,
        ) => held,
        _ => Held::Unknown,
    }
}

struct Line {
    index: usize,
    instruction: Instruction,
    held: Held,
    arch: Arch,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instruction { code, jt, jf, k } = self.instruction;
        let Some(operation) = Operation::of(code) else {
            return write!(f, "invalid: code {code:#06x}, jt {jt}, jf {jf}, k {k:#x}");
        };
        let operand = if code & code::X == 0 {
            format!("{k:#x}")
        } else {
            "X".to_owned()
        };
        match operation {
            Operation::Load => write!(f, "load {}", self.word(k)),
            Operation::Length => f.write_str("A = size of data"),
            Operation::LengthX => f.write_str("X = size of data"),
            Operation::Immediate => write!(f, "A = {k:#x}"),
            Operation::ImmediateX => write!(f, "X = {k:#x}"),
            Operation::Fetch => write!(f, "A = memory[{k}]"),
            Operation::FetchX => write!(f, "X = memory[{k}]"),
            Operation::Store => write!(f, "memory[{k}] = A"),
            Operation::StoreX => write!(f, "memory[{k}] = X"),
            Operation::ToX => f.write_str("X = A"),
            Operation::FromX => f.write_str("A = X"),
            Operation::Return => write!(f, "return {}", Verdict(k)),
            Operation::ReturnA => f.write_str("return A"),
            Operation::Jump => write!(f, "goto {}", self.target(k)),
            Operation::Negate => f.write_str("A = -A"),
            Operation::Arithmetic(arithmetic) => {
                write!(f, "A {}= {operand}", arithmetic_sign(arithmetic))
            }
            Operation::Branch(comparison) => write!(
                f,
                "if {} {} {operand}{} goto {} else {}",
                self.accumulator(),
                comparison_sign(comparison),
                self.meaning(k, code),
                self.target(jt.into()),
                self.target(jf.into()),
            ),
        }
    }
}

impl Line {
    /// The number of the instruction that a jump goes to.
    fn target(&self, distance: u32) -> u64 {
        self.index as u64 + 1 + u64::from(distance)
    }

    /// A word of `struct seccomp_data`.
    fn word(&self, offset: u32) -> String {
        let half = if (offset % 8 == 4) == self.arch.big_endian() {
            "low"
        } else {
            "high"
        };
        match offset {
            data::NUMBER => "nr".to_owned(),
            data::ARCH => "arch".to_owned(),
            8 | 12 => format!("ip.{half}"),
            data::ARGS..64 if offset.is_multiple_of(4) => {
                format!("args[{}].{half}", (offset - data::ARGS) / 8)
            }
            _ => format!("data[{offset}]"),
        }
    }

    fn accumulator(&self) -> String {
        match self.held {
            Held::Word {
                offset,
                mask: u32::MAX,
            } => self.word(offset),
            Held::Word { offset, mask } => format!("({} & {mask:#x})", self.word(offset)),
            Held::Unreached | Held::Unknown => "A".to_owned(),
        }
    }

    /// The meaning of a number that the accumulator is compared with.
    fn meaning(&self, k: u32, code: u16) -> String {
        let Held::Word {
            offset,
            mask: u32::MAX,
        } = self.held
        else {
            return String::new();
        };
        let name = match offset {
            _ if code & code::X != 0 => None,
            data::NUMBER => call_name(k, self.arch),
            data::ARCH => Arch::from_audit(k).map(|arch| arch.name().to_owned()),
            data::ARGS.. if identity::OPERATIONS.contains(&k) => {
                Some("asks for a filter by its identity".to_owned())
            }
            _ => None,
        };
        name.map_or_else(String::new, |name| format!(" ({name})"))
    }
}

fn arithmetic_sign(arithmetic: Arithmetic) -> &'static str {
    match arithmetic {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
        Arithmetic::Or => "|",
        Arithmetic::And => "&",
        Arithmetic::ShiftLeft => "<<",
        Arithmetic::ShiftRight => ">>",
        Arithmetic::Xor => "^",
    }
}

fn comparison_sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "==",
        Comparison::Greater => ">",
        Comparison::GreaterEqual => ">=",
        Comparison::AnyBit => "&",
    }
}

/// A value that a filter returns.
struct Verdict(u32);

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.0 & ret::ACTION_MASK {
            ret::KILL_PROCESS => "KILL_PROCESS",
            ret::KILL_THREAD => "KILL_THREAD",
            ret::TRAP => "TRAP",
            ret::ERRNO => "ERRNO",
            ret::USER_NOTIF => "USER_NOTIF",
            ret::TRACE => "TRACE",
            ret::LOG => "LOG",
            ret::ALLOW => "ALLOW",
            _ => return write!(f, "{:#x}", self.0),
        };
        let [_, _, high, low] = self.0.to_be_bytes();
        let value = u16::from_be_bytes([high, low]);
        match (action, errno_name(value)) {
            ("ERRNO", Some(name)) => write!(f, "ERRNO({value} {name})"),
            ("ERRNO", None) if identity::ANSWERS.contains(&value) => {
                write!(f, "ERRNO({value} this filter is in force)")
            }
            (_, _) if value != 0 || action == "ERRNO" => write!(f, "{action}({value})"),
            _ => f.write_str(action),
        }
    }
}
