//! What is known of calls before anything is interpreted.
//!
//! Some functions never return, as `abort` and those that end in it: what stands behind a call
//! of one is not run after it. Others are stubs that jump to a function of a library.

use std::cell::RefCell;

use rustc_hash::{FxHashMap, FxHashSet};

use super::isa::{Op, Operand};
use super::process::{Pointer, Process};

/// What is known of functions, by their address.
#[derive(Default)]
pub(super) struct Calls {
    returns: RefCell<FxHashMap<u64, bool>>,
    targets: RefCell<FxHashMap<u64, u64>>,
}

/// Functions with more instructions are taken to return.
const INSTRUCTIONS: usize = 400;
/// How far calls are followed.
const DEPTH: u32 = 12;

impl Calls {
    /// Where a call ends up: a stub is passed.
    pub(super) fn target(&self, process: &Process, function: u64) -> u64 {
        if let Some(known) = self.targets.borrow().get(&function) {
            return *known;
        }
        let target = stub(process, function).unwrap_or(function);
        self.targets.borrow_mut().insert(function, target);
        target
    }

    /// Whether a function may return.
    pub(super) fn may_return_from(&self, process: &Process, function: u64) -> bool {
        self.may_return(process, function, 0)
    }

    fn may_return(&self, process: &Process, function: u64, depth: u32) -> bool {
        if let Some(known) = self.returns.borrow().get(&function) {
            return *known;
        }
        if depth > DEPTH {
            return true;
        }
        // Until more is known; it also ends recursions, and is right for them.
        self.returns.borrow_mut().insert(function, true);
        let found = self.look(process, function, depth);
        self.returns.borrow_mut().insert(function, found);
        found
    }

    /// Follows the code of a function from its beginning.
    fn look(&self, process: &Process, function: u64, depth: u32) -> bool {
        let mut seen = FxHashSet::default();
        let mut work = vec![function];
        let mut ops = Vec::new();
        while let Some(mut address) = work.pop() {
            while seen.insert(address) {
                if seen.len() > INSTRUCTIONS {
                    return true;
                }
                ops.clear();
                let Some(next) = process.decode(address, &mut ops) else {
                    return true;
                };
                match ops.last() {
                    Some(Op::Return) => return true,
                    Some(Op::Stop) => break,
                    Some(Op::Jump(to)) => match destination(process, *to) {
                        Some(to) => {
                            work.push(to);
                            break;
                        }
                        None => return true,
                    },
                    Some(Op::Branch(_, to)) => work.push(*to),
                    Some(Op::Call(to)) => {
                        let to = destination(process, *to);
                        if to.is_some_and(|to| !self.may_return(process, to, depth + 1)) {
                            break;
                        }
                    }
                    _ => {}
                }
                address = next;
            }
        }
        false
    }
}

/// Where a function goes that consists of a jump.
fn stub(process: &Process, function: u64) -> Option<u64> {
    let mut ops = Vec::new();
    let mut address = function;
    // Before it, there may be a mark for indirect calls (`endbr64`).
    for _ in 0..2 {
        address = process.decode(address, &mut ops)?;
        match ops[..] {
            [] => {}
            [Op::Jump(Operand::Memory(memory))] => {
                return destination(process, Operand::Memory(memory));
            }
            _ => return None,
        }
    }
    None
}

/// Where a call or a jump goes, if that is one place, known before anything runs.
fn destination(process: &Process, to: Operand) -> Option<u64> {
    match to {
        Operand::Immediate(to) => Some(to),
        Operand::Memory(memory) if memory.base.is_none() && memory.index.is_none() => {
            let (index, own) = process.locate(memory.displacement)?;
            match process.pointer(memory.displacement) {
                Some(Pointer::To(to)) if process.objects[index].is_linked(own) => Some(to),
                _ => None,
            }
        }
        _ => None,
    }
}
