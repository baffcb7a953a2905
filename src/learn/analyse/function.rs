//! The code of a function, decoded as far as something reaches it.

use rustc_hash::FxHashMap;

use super::isa::{ALL, Machine, Op, Register};
use super::process::Process;
use super::state::State;
use super::unwind;
use super::value::MANY;

/// Addresses are those of the process.
pub(super) struct Function {
    pub(super) machine: &'static Machine,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Whether those that it calls preserve what the convention says.
    preserves: bool,
    /// Where it is entered, and with what.
    pub(super) entries: Vec<(u64, State, u32)>,
    /// All that it is entered with, one by one, while that is not much.
    pub(super) passed: Vec<(u64, State)>,
    /// Whether it may make system calls itself.
    pub(super) may_call: bool,
    /// What catches exceptions.
    pub(super) pads: Vec<u64>,
    /// Tables of distances that it reads.
    pub(super) tables: Vec<u64>,
    instructions: FxHashMap<u64, Instruction>,
    ops: Vec<Op>,
}

#[derive(Clone, Copy)]
pub(super) struct Instruction {
    first: usize,
    count: usize,
    pub(super) next: u64,
}

/// The size that is looked at where nothing says where a function ends.
const SIZE: u64 = 1 << 16;

/// The size of a stub in a procedure linkage table, in bytes.
const STUB: u64 = 16;

/// The most bytes of a function that does little more than make a call for others.
const WRAPPER: u64 = 512;

/// How often an entry may get more values before they are given up: those of a recursion
/// may not end.
const CHANGES: u32 = 64;

impl Function {
    /// Where the function begins and ends that an address lies in.
    pub(super) fn extent(process: &Process, address: u64) -> Option<(u64, u64)> {
        let (index, own) = process.locate(address)?;
        let object = &process.objects[index];
        let segment = object.segment(own).filter(|segment| segment.is_code)?;
        // One entry for all of them covers the stubs of a procedure linkage table.
        let (start, end) = match object.frames.around(own) {
            _ if object.is_stub(own) => (own, own.saturating_add(STUB)),
            Some(frame) => (frame.start, frame.end),
            None => {
                let next = object.frames.after(own).map_or(u64::MAX, |next| next.start);
                (own, next.min(segment.end).min(own.saturating_add(SIZE)))
            }
        };
        let base = process.base(index);
        Some((base.wrapping_add(start), base.wrapping_add(end)))
    }

    /// The function that an address lies in.
    pub(super) fn around(process: &Process, address: u64) -> Option<Self> {
        let (start, end) = Self::extent(process, address)?;
        let (index, own) = process.locate(address)?;
        let object = &process.objects[index];
        let base = process.base(index);
        let frame = object.frames.around(own).filter(|_| !object.is_stub(own));
        let read = |address, size| object.read(address, size);
        let pads = frame.map(|frame| unwind::landing_pads(&frame, &read));
        let pads = pads.unwrap_or_default().into_iter();
        Some(Self {
            machine: object.machine,
            start,
            end,
            preserves: object.preserves,
            entries: Vec::new(),
            passed: Vec::new(),
            may_call: true,
            pads: pads.map(|pad| base.wrapping_add(pad)).collect(),
            tables: Vec::new(),
            instructions: FxHashMap::default(),
            ops: Vec::new(),
        })
    }

    /// Adds a way in; whether that is more than was known.
    pub(super) fn enter(&mut self, address: u64, state: &State, lost: &mut Vec<u64>) -> bool {
        let is_small =
            self.may_call && self.end - self.start <= WRAPPER && self.passed.len() < MANY;
        if is_small
            && !self
                .passed
                .iter()
                .any(|(at, known)| *at == address && known == state)
        {
            self.passed.push((address, state.clone()));
        }
        let mut entries = self.entries.iter_mut();
        match entries.find(|(at, ..)| *at == address) {
            Some((_, known, changes)) => {
                let most = if *changes > CHANGES { 1 } else { MANY };
                let more = known.join(state, most, lost);
                *changes += u32::from(more);
                more
            }
            None => {
                self.entries.push((address, state.clone(), 0));
                true
            }
        }
    }

    /// The registers to which a part of the convention applies: those that it names, or all
    /// where functions don't keep to it.
    pub(super) fn registers(&self, named: &'static [Register]) -> &'static [Register] {
        if self.preserves { named } else { ALL }
    }

    pub(super) fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// The instruction at an address, which is decoded when it is first asked for.
    pub(super) fn at(&mut self, process: &Process, address: u64) -> Option<Instruction> {
        if let Some(found) = self.instructions.get(&address) {
            return Some(*found);
        }
        if !self.contains(address) {
            return None;
        }
        let first = self.ops.len();
        let next = process.decode(address, &mut self.ops)?;
        let instruction = Instruction {
            first,
            count: self.ops.len() - first,
            next,
        };
        self.instructions.insert(address, instruction);
        Some(instruction)
    }

    pub(super) fn op(&self, of: Instruction, index: usize) -> Option<Op> {
        (index < of.count).then(|| self.ops[of.first + index])
    }
}
