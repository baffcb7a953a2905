//! Calculations, and what leaves the function.

use super::super::isa::{ALL, Arithmetic, Op, Operand, Register};
use super::super::process::Pointer;
use super::super::state::State;
use super::super::value::{FEW, Value};
use super::{Call, Compared, Flow, Next};

impl Flow<'_> {
    pub(super) fn calculation(&mut self, op: Op, state: &mut State) {
        match op {
            Op::Move { to, size, from } => {
                let value = self.value(from, size, state);
                self.write(to, &value, size, state);
            }
            Op::Extend {
                to,
                to_size,
                from,
                size,
                signed,
            } => {
                let value = self.value(from, size, state);
                let value = match value {
                    Value::Entry(..) if signed => value,
                    value if signed => value.sign_extended(size, to_size),
                    value => value.truncated(size),
                };
                self.write(to, &value, to_size, state);
            }
            Op::Arithmetic {
                what,
                to,
                size,
                left,
                right,
            } => self.arithmetic(what, to, size, (left, right), state),
            Op::Address { to, size, of } => {
                let value = self.address(&of, state);
                self.write(to, &value, size, state);
            }
            Op::Select { to, size, from } => {
                let other = self.value(from, size, state);
                let mut lost = Vec::new();
                let own = state.get(to).truncated(size);
                let value = own.or(&other, FEW, &mut lost);
                lost.into_iter().for_each(|address| self.take(address));
                self.write(to, &value, size, state);
            }
            Op::Truth { to } => {
                let truth = Value::of(vec![0, 1], 2).unwrap_or(Value::Any);
                self.write(to, &truth, 1, state);
            }
            Op::Clobber(register) => self.set(state, register, Value::Any),
            op => self.movement(op, state),
        }
    }

    /// Gives a register, or its lower bytes, a value.
    fn write(&mut self, to: Register, value: &Value, size: u8, state: &mut State) {
        let value = Self::merged(state.get(to), value, size);
        self.set(state, to, value);
    }

    fn movement(&mut self, op: Op, state: &mut State) {
        match op {
            Op::Store { to, size, from } => {
                if let Some(compared) = &mut self.compared
                    && matches!(compared.place, Some(Operand::Memory(_)))
                {
                    compared.place = None;
                }
                self.store(&to, size, from, state);
            }
            Op::Read { from, size } => {
                let value = self.load(&from, size, state);
                self.leak(&value, state);
            }
            Op::Leak(register) => {
                let value = state.get(register).clone();
                self.leak(&value, state);
            }
            Op::Push(from) => {
                let value = self.value(from, 8, state);
                self.leak(&value, state);
                self.adjust(-8, state);
                if let Value::Stack(at) = state.get(self.function.machine.stack) {
                    state.store(*at, 8, value);
                }
            }
            Op::Pop(to) => {
                let value = match state.get(self.function.machine.stack) {
                    Value::Stack(at) => state.load(*at, 8),
                    _ => Value::Any,
                };
                self.adjust(8, state);
                self.set(state, to, value);
            }
            Op::Compare {
                size,
                left,
                right,
                bits,
            } => self.compare(size, left, right, bits, state),
            _ => {}
        }
    }

    fn adjust(&mut self, by: i64, state: &mut State) {
        let stack = self.function.machine.stack;
        let value = match state.get(stack) {
            Value::Stack(at) => Value::Stack(at.wrapping_add(by)),
            _ => Value::Any,
        };
        self.set(state, stack, value);
    }

    fn compare(&mut self, size: u8, left: Operand, right: Operand, bits: bool, state: &mut State) {
        let values = (
            self.value(left, size, state),
            self.value(right, size, state),
        );
        // With itself: whether it is zero.
        let itself = bits && left == right;
        self.compared = Some(Compared {
            size,
            left: values.0,
            right: if itself { Value::One(0) } else { values.1 },
            place: Some(left),
            bits: bits && !itself,
            is_result: false,
        });
    }

    fn arithmetic(
        &mut self,
        what: Arithmetic,
        to: Register,
        size: u8,
        (left, right): (Operand, Operand),
        state: &mut State,
    ) {
        let stack = self.function.machine.stack;
        let value = if left == right && matches!(what, Arithmetic::Xor | Arithmetic::Subtract) {
            Value::One(0)
        } else {
            let one = self.value(left, size, state);
            let two = self.value(right, size, state);
            let value = Value::calculated(what, &one, &two, size);
            if value.values().is_none() && !matches!(value, Value::Target(..)) {
                for part in [&one, &two] {
                    if !matches!(part, Value::Entry(..)) {
                        self.leak(part, state);
                    }
                }
            }
            match (&one, what) {
                // Alignment: far from all that is there.
                (Value::Stack(at), Arithmetic::And) if to == stack => {
                    state.clear_stack();
                    Value::Stack(at.wrapping_sub(1 << 20))
                }
                _ => value,
            }
        };
        self.compared = Some(Compared {
            size,
            left: value.truncated(size),
            right: Value::One(0),
            place: None,
            bits: false,
            is_result: true,
        });
        let value = Self::merged(state.get(to), &value, size);
        state.set(to, value);
    }

    pub(super) fn call(&mut self, to: Operand, state: &mut State) -> Next {
        let to = self.destination(to, state);
        match to.as_ref().and_then(Value::values) {
            Some(targets) => {
                let arguments = self.function.machine.arguments;
                let passed = self.passed(self.function.registers(arguments), state);
                for to in targets {
                    self.send(*to, passed.clone());
                }
                let calls = &self.process.calls;
                if !targets
                    .iter()
                    .any(|to| calls.may_return_from(self.process, *to))
                {
                    return Next::Nowhere;
                }
            }
            None => self.leak_arguments(state),
        }
        let machine = self.function.machine;
        let shares = machine.arguments.iter();
        state.is_shared |= shares
            .map(|register| state.get(*register))
            .any(|value| matches!(value, Value::Stack(_)));
        state.forget_stack();
        for register in self.function.registers(machine.scratch) {
            if *register != machine.stack {
                state.set(*register, Value::Any);
            }
        }
        self.compared = None;
        Next::Here
    }

    /// Where a call or jump goes.
    fn destination(&mut self, to: Operand, state: &mut State) -> Option<Value> {
        let value = match to {
            Operand::Immediate(to) => Value::One(to),
            Operand::Register(register) => state.get(register).clone(),
            Operand::Memory(memory) => {
                if let Some(targets) = self.table(&memory, state) {
                    return Value::of(targets, 1 << 12);
                }
                self.load(&memory, 8, state)
            }
            Operand::Unknown => Value::Any,
        };
        (value != Value::Any).then_some(value)
    }

    pub(super) fn jump(&mut self, to: Operand, state: &mut State) {
        match self.destination(to, state) {
            Some(Value::Target(table, count)) => {
                for target in self.targets(table, count) {
                    self.go_or_leave(target, state);
                }
            }
            Some(value) if value.values().is_some() => {
                for target in value.values().unwrap_or_default() {
                    self.go_or_leave(*target, state);
                }
            }
            _ => {
                self.leak_arguments(state);
                // It may be one of the tables that it has.
                let unknown = State::unknown(self.function.machine);
                for table in self.function.tables.clone() {
                    for target in self.targets(table, None) {
                        self.go_or_leave(target, &unknown);
                    }
                }
            }
        }
    }

    fn go_or_leave(&mut self, to: u64, state: &State) {
        if self.function.contains(to) {
            self.go(to, state);
        } else {
            self.leave(to, state);
        }
    }

    /// Goes on in another function, or in a part of this one that lies elsewhere.
    pub(super) fn leave(&mut self, to: u64, state: &State) {
        let passed = self.passed(ALL, state);
        self.send(to, passed);
    }

    /// What of these registers another function gets to see.
    fn passed(&self, registers: &[Register], state: &State) -> State {
        let mut passed = State::unknown(self.function.machine);
        for register in registers {
            let value = state.get(*register);
            if !matches!(value, Value::Stack(_)) {
                passed.set(*register, value.clone());
            }
        }
        passed
    }

    fn send(&mut self, to: u64, state: State) {
        let from = self.at;
        // What a function returns that chooses among others is not known.
        if let Some(Pointer::Chosen(to)) = self.process.pointer(to) {
            self.found.taken.push((to, from));
        }
        self.found.calls.push(Call { from, to, state });
    }

    fn leak_arguments(&mut self, state: &mut State) {
        let arguments = self.function.machine.arguments;
        self.leak_all(self.function.registers(arguments), state);
    }
}
