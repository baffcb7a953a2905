//! What a function does with what is known when it is entered: an abstract interpretation
//! of its code, to a fixed point.

use rustc_hash::FxHashMap;

use super::function::Function;
use super::isa::{Condition, Memory, Op, Operand, Register};
use super::process::Process;
use super::state::State;
use super::value::{FEW, Value};

mod memory;
mod transfer;

/// What is found in a function.
#[derive(Default)]
pub(super) struct Found {
    pub(super) calls: Vec<Call>,
    /// Addresses that go where they are not followed, and the instruction.
    pub(super) taken: Vec<(u64, u64)>,
    /// System calls with their numbers, if these are known.
    pub(super) system: Vec<(u64, Option<Vec<u64>>)>,
    /// System calls by entries of another ABI.
    pub(super) other: Vec<u64>,
}

/// A call, or a jump, to another function.
pub(super) struct Call {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) state: State,
}

/// A comparison that a branch can look at.
#[derive(Clone)]
struct Compared {
    size: u8,
    left: Value,
    right: Value,
    /// Where the left value still is.
    place: Option<Operand>,
    bits: bool,
    /// Only whether it is zero or negative is known, of a result.
    is_result: bool,
}

/// An interpretation.
pub(super) struct Flow<'a> {
    process: &'a Process,
    function: &'a mut Function,
    states: FxHashMap<u64, (State, u32)>,
    work: Vec<u64>,
    compared: Option<Compared>,
    found: Found,
    /// How many instructions may still be interpreted.
    left: &'a mut u64,
    /// The instruction that is interpreted.
    at: u64,
}

/// What comes after an instruction.
enum Next {
    Here,
    Nowhere,
}

/// How often a loop may add values before they are given up.
const LOOPS: u32 = 3;

impl<'a> Flow<'a> {
    /// Interprets a function with all that it is entered with, or with one of these only.
    pub(super) fn run(
        process: &'a Process,
        function: &'a mut Function,
        only: Option<&(u64, State)>,
        left: &'a mut u64,
    ) -> Found {
        let mut flow = Self {
            process,
            states: FxHashMap::default(),
            work: Vec::new(),
            compared: None,
            found: Found::default(),
            left,
            at: function.start,
            function,
        };
        let entries: Vec<_> = match only {
            Some(entry) => vec![entry.clone()],
            None => {
                let entries = flow.function.entries.iter();
                entries.map(|(at, state, _)| (*at, state.clone())).collect()
            }
        };
        for (address, state) in entries {
            flow.go(address, &state);
        }
        let unknown = State::unknown(flow.function.machine);
        for pad in flow.function.pads.clone() {
            if flow.function.contains(pad) {
                flow.go(pad, &unknown);
            } else {
                flow.leave(pad, &unknown);
            }
        }
        while let Some(address) = flow.work.pop() {
            flow.block(address);
        }
        flow.found
    }

    /// Adds a state in which an instruction is reached.
    fn go(&mut self, to: u64, state: &State) {
        let mut lost = Vec::new();
        let is_loop = to <= self.at;
        match self.states.get_mut(&to) {
            Some((known, loops)) => {
                *loops += u32::from(is_loop);
                let most = if *loops > LOOPS { 1 } else { FEW };
                if known.join(state, most, &mut lost) {
                    self.work.push(to);
                }
            }
            None => {
                self.states.insert(to, (state.clone(), 0));
                self.work.push(to);
            }
        }
        lost.into_iter().for_each(|address| self.take(address));
    }

    fn block(&mut self, mut address: u64) {
        let Some((state, _)) = self.states.get(&address) else {
            return;
        };
        let mut state = state.clone();
        self.compared = None;
        loop {
            let Some(instruction) = self.function.at(self.process, address) else {
                // What is executed behind the end belongs to another.
                if address >= self.function.end {
                    self.leave(address, &state);
                }
                return;
            };
            let Some(left) = self.left.checked_sub(1) else {
                return;
            };
            *self.left = left;
            self.at = address;
            let mut index = 0;
            let mut calls = false;
            while let Some(op) = self.function.op(instruction, index) {
                calls = matches!(op, Op::Call(_));
                if let Next::Nowhere = self.op(op, &mut state) {
                    return;
                }
                index += 1;
            }
            address = instruction.next;
            // Behind the last call, if that does not return.
            if calls && !self.function.contains(address) {
                return;
            }
            if self.states.contains_key(&address) {
                self.go(address, &state);
                return;
            }
        }
    }

    fn op(&mut self, op: Op, state: &mut State) -> Next {
        match op {
            Op::Call(to) => return self.call(to, state),
            Op::Jump(to) => {
                self.jump(to, state);
                return Next::Nowhere;
            }
            Op::Branch(condition, to) => return self.branch(condition, to, state),
            Op::Return => {
                let results = self.function.machine.results;
                self.leak_all(self.function.registers(results), state);
                return Next::Nowhere;
            }
            Op::Stop => return Next::Nowhere,
            Op::SystemCall => self.system_call(state),
            Op::OtherEntry => {
                self.found.other.push(self.at);
                self.set(state, self.function.machine.number, Value::Any);
            }
            Op::Flags => self.compared = None,
            _ => self.calculation(op, state),
        }
        Next::Here
    }

    /// Gives a register a value, after which a comparison with its former one says nothing
    /// of it.
    fn set(&mut self, state: &mut State, register: Register, value: Value) {
        if let Some(compared) = &mut self.compared
            && compared.place == Some(Operand::Register(register))
        {
            compared.place = None;
        }
        state.set(register, value);
    }

    fn system_call(&mut self, state: &mut State) {
        let machine = self.function.machine;
        let numbers = state.get(machine.number).all();
        self.found.system.push((self.at, numbers));
        self.leak_all(machine.kernel, state);
        for register in machine.lost {
            self.set(state, *register, Value::Any);
        }
        state.forget_stack();
    }

    /// What goes where it is not followed: who has an address may use it.
    fn leak(&mut self, value: &Value, state: &mut State) {
        match value {
            Value::Stack(_) => state.is_shared = true,
            value => {
                let mut lost = Vec::new();
                value.forget(&mut lost);
                lost.into_iter().for_each(|address| self.take(address));
            }
        }
    }

    fn leak_all(&mut self, registers: &[Register], state: &mut State) {
        for register in registers {
            let value = state.get(*register).clone();
            self.leak(&value, state);
        }
    }

    fn take(&mut self, address: u64) {
        if self.process.locate(address).is_some() {
            self.found.taken.push((address, self.at));
        }
    }

    fn branch(&mut self, condition: Condition, to: u64, state: &mut State) -> Next {
        let taken = self.outcome(condition, true, state);
        let not_taken = self.outcome(condition, false, state);
        if let Some(taken) = taken {
            if self.function.contains(to) {
                self.go(to, &taken);
            } else {
                self.leave(to, &taken);
            }
        }
        match not_taken {
            Some(after) => {
                *state = after;
                Next::Here
            }
            None => Next::Nowhere,
        }
    }

    /// The state if a branch is taken or not; `None` if that can't be.
    fn outcome(&self, condition: Condition, outcome: bool, state: &State) -> Option<State> {
        let mut state = state.clone();
        let Some(compared) = &self.compared else {
            return Some(state);
        };
        if condition == Condition::Other || (compared.is_result && !tells_result(condition)) {
            return Some(state);
        }
        let Compared {
            size, left, right, ..
        } = compared;
        if compared.bits {
            let both = Value::calculated(super::isa::Arithmetic::And, left, right, *size);
            both.restricted(condition, &Value::One(0), outcome, *size)?;
            return Some(state);
        }
        let left = left.restricted(condition, right, outcome, *size)?;
        match &compared.place {
            Some(Operand::Register(register)) if *size >= 4 => state.set(*register, left),
            Some(Operand::Memory(memory)) if *size >= 4 => {
                if let Some(at) = memory::on_stack(memory, &state) {
                    state.store(at, *size, left);
                }
            }
            _ => {}
        }
        Some(state)
    }

    /// The value of an operand.
    fn value(&mut self, operand: Operand, size: u8, state: &mut State) -> Value {
        match operand {
            Operand::Register(register) => state.get(register).truncated(size),
            Operand::Immediate(value) => Value::One(value & super::value::mask(size)),
            Operand::Memory(memory) => self.load(&memory, size, state),
            Operand::Unknown => Value::Any,
        }
    }

    /// The value of an address that is not read.
    fn address(&mut self, of: &Memory, state: &mut State) -> Value {
        memory::address(of, state).unwrap_or_else(|| {
            for register in [of.base, of.index].into_iter().flatten() {
                let value = state.get(register).clone();
                self.leak(&value, state);
            }
            // A distance from the displacement, if that is an address.
            self.take(of.displacement);
            Value::Any
        })
    }
}

/// What the zero and sign flags say.
fn tells_result(condition: Condition) -> bool {
    matches!(
        condition,
        Condition::Equal | Condition::NotEqual | Condition::Negative | Condition::NotNegative
    )
}
