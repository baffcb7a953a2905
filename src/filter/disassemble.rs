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
        let states = states(self.program);
        for (index, (instruction, state)) in self.program.iter().zip(states).enumerate() {
            let line = Line {
                index,
                instruction: *instruction,
                held: state.held,
                arch: state.arch.unwrap_or(self.arch),
            };
            writeln!(f, "{index:4}  {line}")?;
        }
        Ok(())
    }
}

/// What is known before an instruction, on whichever path it is reached.
#[derive(Clone, Copy, Debug)]
struct State {
    held: Held,
    /// The architecture of the calls that come here, where that was asked.
    arch: Option<Arch>,
}

/// What the accumulator holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// A word of the system call's data, as it is or with bits masked out.
    Word { offset: u32, mask: u32 },
    /// Something else, or different things on different paths.
    Unknown,
}

impl State {
    const UNKNOWN: Self = Self {
        held: Held::Unknown,
        arch: None,
    };

    fn join(self, other: Self) -> Self {
        Self {
            held: match self.held == other.held {
                true => self.held,
                false => Held::Unknown,
            },
            arch: self.arch.filter(|arch| other.arch == Some(*arch)),
        }
    }

    /// The state where the accumulator was found to equal `k`.
    fn equal_to(self, k: u32) -> Self {
        let is_arch = Held::Word {
            offset: data::ARCH,
            mask: u32::MAX,
        };
        Self {
            arch: match self.held == is_arch {
                true => Arch::from_audit(k),
                false => self.arch,
            },
            ..self
        }
    }
}

/// What is known before each instruction. One pass is enough, since jumps only go forwards.
fn states(program: &[Instruction]) -> Vec<State> {
    let mut before = vec![None; program.len()];
    if let Some(first) = before.first_mut() {
        *first = Some(State::UNKNOWN);
    }
    for (index, &Instruction { code, jt, jf, k }) in program.iter().enumerate() {
        // What no path comes to leads nowhere.
        let state: Option<State> = before[index];
        let Some(state) = state else { continue };
        let mut flow = |distance: usize, state: State| {
            if let Some(target) = before.get_mut((index + 1).saturating_add(distance)) {
                *target = Some(target.map_or(state, |other| state.join(other)));
            }
        };
        match Operation::of(code) {
            Some(Operation::Return | Operation::ReturnA) => {}
            Some(Operation::Jump) => flow(k as usize, state),
            Some(Operation::Branch(comparison)) => {
                let is_equal = matches!(comparison, Comparison::Equal) && code & code::X == 0;
                let taken = if is_equal { state.equal_to(k) } else { state };
                flow(usize::from(jt), taken);
                flow(usize::from(jf), state);
            }
            Some(operation) => {
                let held = after(operation, state.held, code, k);
                flow(0, State { held, ..state });
            }
            None => flow(
                0,
                State {
                    held: Held::Unknown,
                    ..state
                },
            ),
        }
    }
    let known = |state: Option<State>| state.unwrap_or(State::UNKNOWN);
    before.into_iter().map(known).collect()
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

    /// The name of a call, which may be of another ABI with the same audit architecture.
    fn call(&self, number: u32) -> Option<String> {
        let own = call_name(number, self.arch);
        let others = Arch::all().filter(|arch| arch.audit() == self.arch.audit());
        own.or_else(|| others.into_iter().find_map(|arch| call_name(number, arch)))
    }

    fn accumulator(&self) -> String {
        match self.held {
            Held::Word {
                offset,
                mask: u32::MAX,
            } => self.word(offset),
            Held::Word { offset, mask } => format!("({} & {mask:#x})", self.word(offset)),
            Held::Unknown => "A".to_owned(),
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
            data::NUMBER => self.call(k),
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
