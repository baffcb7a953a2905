//! What is known at a place in a function.

use super::isa::{Machine, REGISTERS, Register};
use super::value::Value;

/// Registers, and numbers on the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    registers: [Value; REGISTERS],
    /// By their distance, with their size in bytes.
    slots: Vec<(i64, u8, Value)>,
    /// Whether others may know where the stack is.
    pub(super) is_shared: bool,
}

/// More numbers on the stack are not remembered.
const SLOTS: usize = 24;

impl State {
    /// Where nothing is known.
    pub(super) fn unknown(machine: &Machine) -> Self {
        let mut registers = [const { Value::Any }; REGISTERS];
        registers[usize::from(machine.stack.0)] = Value::Stack(0);
        Self {
            registers,
            slots: Vec::new(),
            is_shared: false,
        }
    }

    pub(super) fn get(&self, register: Register) -> &Value {
        &self.registers[usize::from(register.0) % REGISTERS]
    }

    pub(super) fn set(&mut self, register: Register, value: Value) {
        self.registers[usize::from(register.0) % REGISTERS] = value;
    }

    /// What stands on the stack.
    pub(super) fn load(&self, at: i64, size: u8) -> Value {
        let mut slots = self.slots.iter();
        let found = slots.find(|(slot, width, _)| *slot == at && *width >= size);
        found.map_or(Value::Any, |(_, width, value)| {
            if *width == size {
                value.clone()
            } else {
                value.truncated(size)
            }
        })
    }

    pub(super) fn store(&mut self, at: i64, size: u8, value: Value) {
        let end = at.saturating_add(size.into());
        self.slots
            .retain(|(slot, width, _)| *slot >= end || slot.saturating_add((*width).into()) <= at);
        if value != Value::Any && size <= 8 && self.slots.len() < SLOTS {
            let place = self.slots.partition_point(|(slot, ..)| *slot < at);
            self.slots.insert(place, (at, size, value));
        }
    }

    /// Somebody wrote to what may be the stack.
    pub(super) fn forget_stack(&mut self) {
        if self.is_shared {
            self.slots.clear();
        }
    }

    pub(super) fn clear_stack(&mut self) {
        self.slots.clear();
    }

    /// Adds what else is possible here; whether that is more. `lost` gets values that can't
    /// be told apart any more.
    pub(super) fn join(&mut self, other: &Self, most: usize, lost: &mut Vec<u64>) -> bool {
        let mut more = false;
        for (value, other) in self.registers.iter_mut().zip(&other.registers) {
            if value != other && *value != Value::Any {
                let both = value.or(other, most, lost);
                more |= both != *value;
                *value = both;
            } else if value != other {
                other.forget(lost);
            }
        }
        let before = self.slots.len();
        self.slots.retain_mut(|(at, size, value)| {
            let both = value.or(&other.load(*at, *size), most, lost);
            more |= both != *value;
            *value = both;
            *value != Value::Any
        });
        more |= self.slots.len() != before || (other.is_shared && !self.is_shared);
        self.is_shared |= other.is_shared;
        more
    }
}
