//! Reading and writing memory.

use super::super::isa::{Memory, Operand};
use super::super::process::Pointer;
use super::super::state::State;
use super::super::value::{FEW, MANY, Value, mask};
use super::Flow;

/// Where an operand in memory is.
enum Place {
    Stack(i64),
    Exact(Vec<u64>),
    /// Somewhere behind these, by an index.
    Behind(Vec<u64>, Value, u64),
    Unknown,
}

/// The address of an operand, if it is known.
pub(super) fn address(of: &Memory, state: &State) -> Option<Value> {
    if of.elsewhere {
        return Some(Value::Any);
    }
    match place(of, state) {
        Place::Stack(at) => Some(Value::Stack(at)),
        Place::Exact(all) => Value::of(all, FEW),
        Place::Behind(..) | Place::Unknown => match (of.base, of.index, of.displacement) {
            // Adding what may be an entry of a table to the table.
            (Some(base), Some(index), 0) if of.scale == 1 => {
                let sum = Value::calculated(
                    super::super::isa::Arithmetic::Add,
                    state.get(base),
                    state.get(index),
                    8,
                );
                (sum != Value::Any).then_some(sum)
            }
            _ => None,
        },
    }
}

pub(super) fn on_stack(of: &Memory, state: &State) -> Option<i64> {
    match place(of, state) {
        Place::Stack(at) => Some(at),
        _ => None,
    }
}

fn place(of: &Memory, state: &State) -> Place {
    if of.elsewhere {
        return Place::Unknown;
    }
    let base = of
        .base
        .map_or(Value::One(0), |base| state.get(base).clone());
    let index = of
        .index
        .map_or(Value::One(0), |index| state.get(index).clone());
    if let (Value::Stack(at), Value::One(index)) = (&base, &index) {
        let more = index.wrapping_mul(of.scale).wrapping_add(of.displacement);
        return Place::Stack(at.wrapping_add_unsigned(more));
    }
    let add = |base: u64, index: u64| {
        base.wrapping_add(index.wrapping_mul(of.scale))
            .wrapping_add(of.displacement)
    };
    match (base.all(), index.all()) {
        (Some(bases), Some(indexes)) if bases.len() * indexes.len() <= FEW => {
            let pairs = bases
                .iter()
                .flat_map(|base| indexes.iter().map(|it| add(*base, *it)));
            Place::Exact(pairs.collect())
        }
        (Some(bases), _) => {
            let bases = bases.iter().map(|base| add(*base, 0));
            Place::Behind(bases.collect(), index, of.scale)
        }
        (None, Some(indexes)) if of.scale == 1 => {
            let bases = indexes.iter().map(|index| add(0, *index));
            Place::Behind(bases.collect(), base, 1)
        }
        _ => Place::Unknown,
    }
}

impl Flow<'_> {
    /// What is read from memory.
    pub(super) fn load(&mut self, from: &Memory, size: u8, state: &mut State) -> Value {
        match place(from, state) {
            Place::Stack(at) => state.load(at, size),
            Place::Exact(all) => {
                let values = all.iter().map(|at| self.load_exactly(*at, size, 0));
                let values: Vec<Value> = values.collect();
                let mut lost = Vec::new();
                let joined = values
                    .into_iter()
                    .reduce(|all, it| all.or(&it, FEW, &mut lost));
                lost.into_iter().for_each(|address| self.take(address));
                joined.unwrap_or(Value::Any)
            }
            Place::Behind(bases, index, scale) => {
                if let (&[base], 4) = (&bases[..], size)
                    && self.is_constant(base)
                {
                    // The index of a table may have been multiplied before.
                    let count = index.bounds().filter(|_| scale == 4);
                    let count = count.and_then(|(_, high)| high.checked_add(1));
                    if let Some(numbers) = self.numbers(base, count) {
                        return numbers;
                    }
                    if !self.function.tables.contains(&base) {
                        self.function.tables.push(base);
                    }
                    return Value::Entry(base, count);
                }
                bases.into_iter().for_each(|base| self.take(base));
                Value::Any
            }
            Place::Unknown => {
                self.lose(from, state);
                Value::Any
            }
        }
    }

    /// The numbers of a small table.
    fn numbers(&self, table: u64, count: Option<u64>) -> Option<Value> {
        let (object, own) = self.process.locate(table)?;
        let count = count.filter(|count| *count <= MANY as u64)?;
        let object = &self.process.objects[object];
        let numbers = (0..count).map(|index| object.number(own + index * 4, 4));
        Value::of(numbers.collect::<Option<Vec<u64>>>()?, MANY)
    }

    fn is_constant(&self, address: u64) -> bool {
        self.process
            .locate(address)
            .is_some_and(|(object, own)| self.process.objects[object].is_constant(own))
    }

    fn load_exactly(&mut self, at: u64, size: u8, depth: u32) -> Value {
        let Some((object, own)) = self.process.locate(at) else {
            return Value::Any;
        };
        let object = &self.process.objects[object];
        if size > 8 {
            for more in (0..size).step_by(8) {
                if let Some(Pointer::To(to) | Pointer::Chosen(to)) =
                    self.process.pointer(at.wrapping_add(more.into()))
                {
                    self.take(to);
                }
            }
            return Value::Any;
        }
        match self.process.pointer(at) {
            Some(Pointer::To(to)) if size == 8 && object.is_linked(own) => Value::One(to),
            Some(Pointer::To(to) | Pointer::Chosen(to)) => {
                self.take(to);
                Value::Any
            }
            Some(Pointer::Copy(of)) if depth == 0 => {
                self.load_exactly(of, size, 1);
                Value::Any
            }
            Some(Pointer::Nothing) if size == 8 && object.is_settled(own) => Value::One(0),
            None if object.is_constant(own) => {
                object.number(own, size).map_or(Value::Any, Value::One)
            }
            _ => Value::Any,
        }
    }

    /// What an address is calculated from is gone.
    fn lose(&mut self, memory: &Memory, state: &mut State) {
        for register in [memory.base, memory.index].into_iter().flatten() {
            let value = state.get(register).clone();
            if !matches!(value, Value::Stack(_)) {
                self.leak(&value, state);
            }
        }
        if !memory.elsewhere && (memory.base.is_some() || memory.index.is_some()) {
            self.take(memory.displacement);
        }
    }

    pub(super) fn store(&mut self, to: &Memory, size: u8, from: Operand, state: &mut State) {
        let value = match from {
            Operand::Memory(_) => Value::Any,
            from => self.value(from, size, state),
        };
        self.leak(&value, state);
        match place(to, state) {
            Place::Stack(at) => state.store(at, size, value),
            Place::Exact(_) | Place::Behind(..) => {}
            Place::Unknown => {
                let through = [to.base, to.index].into_iter().flatten();
                let own = through
                    .map(|it| state.get(it))
                    .any(|it| matches!(it, Value::Stack(_)));
                if own {
                    state.clear_stack();
                } else if !to.elsewhere {
                    state.forget_stack();
                }
            }
        }
    }

    /// Where a table of distances leads to.
    pub(super) fn targets(&self, table: u64, count: Option<u64>) -> Vec<u64> {
        const MOST: u64 = 1 << 16;
        let Some((object, own)) = self.process.locate(table) else {
            return Vec::new();
        };
        let object = &self.process.objects[object];
        let borders = &object.borders;
        let next = borders.partition_point(|border| *border <= own);
        let end = borders.get(next).copied().unwrap_or(u64::MAX);
        let mut targets = Vec::new();
        for index in 0..count.unwrap_or(MOST).min(MOST) {
            let at = own + index * 4;
            let Some(distance) = object.number(at, 4) else {
                break;
            };
            let distance = i64::from(i32::from_le_bytes(
                u32::try_from(distance).unwrap_or_default().to_le_bytes(),
            ));
            let target = table.wrapping_add_signed(distance);
            let fits = if count.is_some() {
                self.process.is_code(target)
            } else {
                at < end && self.function.contains(target)
            };
            if !fits {
                break;
            }
            targets.push(target);
        }
        targets
    }

    /// The addresses that a table of them leads to, from which one is jumped to by an index.
    pub(super) fn table(&mut self, of: &Memory, state: &State) -> Option<Vec<u64>> {
        let Place::Behind(bases, index, 8) = place(of, state) else {
            return None;
        };
        let &[base] = &bases[..] else {
            return None;
        };
        let (object, own) = self.process.locate(base)?;
        let object = &self.process.objects[object];
        let (_, high) = index.bounds()?;
        if high > 1 << 12 || !object.is_settled(own) {
            return None;
        }
        let word = |index: u64| match self.process.pointer(base + index * 8) {
            Some(Pointer::To(to)) => Some(to),
            _ => object.number(own + index * 8, 8),
        };
        let targets: Vec<u64> = (0..=high).filter_map(word).collect();
        Some(targets)
    }

    /// A register of which only a part is written.
    pub(super) fn merged(old: &Value, new: &Value, size: u8) -> Value {
        match size {
            8 => new.clone(),
            4 => new.truncated(4),
            _ => match (old, new.values()) {
                (Value::One(old), Some(values)) => {
                    let kept = old & !mask(size);
                    let values = values.iter().map(|value| kept | (value & mask(size)));
                    Value::of(values.collect(), FEW).unwrap_or(Value::Any)
                }
                _ => Value::Any,
            },
        }
    }
}
