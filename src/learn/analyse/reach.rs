//! What can be reached: functions and data, from the roots on, to a fixed point.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rustc_hash::{FxHashMap, FxHashSet};

use super::extent;
use super::flow::{Flow, Found};
use super::function::Function;
use super::process::{Pointer, Process};
use super::state::State;

/// Why something is reached: the instruction or the data that refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    Root(&'static str),
    Code(u64),
    Data(u64),
}

/// What was found.
pub(super) struct Reach<'a> {
    process: &'a Process,
    functions: FxHashMap<u64, Function>,
    /// Why each function is reached, by where it begins.
    causes: FxHashMap<u64, Cause>,
    data: FxHashSet<(usize, u64)>,
    data_causes: FxHashMap<u64, Cause>,
    work: VecDeque<u64>,
    waiting: FxHashSet<u64>,
    /// Functions that are not followed.
    skipped: Option<u64>,
    /// Numbers of system calls, with the instruction.
    pub(super) numbers: BTreeMap<u64, u64>,
    /// System calls whose number is not known.
    pub(super) unknown: BTreeSet<u64>,
    /// System calls by the entry of another ABI.
    pub(super) other: BTreeSet<u64>,
    /// Where files are opened.
    opens: BTreeSet<u64>,
    /// How many instructions may still be interpreted.
    left: u64,
}

/// After so many ways in, a function that makes no system call is taken to make none.
const FIRST: usize = 8;

/// The numbers of open and openat (arch/x86/entry/syscalls/syscall_64.tbl).
const OPENING: [u64; 2] = [2, 257];

/// So many instructions are interpreted at most.
const LIMIT: u64 = 400_000_000;

impl<'a> Reach<'a> {
    pub(super) fn new(process: &'a Process, skipped: Option<u64>) -> Self {
        Self {
            process,
            functions: FxHashMap::default(),
            causes: FxHashMap::default(),
            data: FxHashSet::default(),
            data_causes: FxHashMap::default(),
            work: VecDeque::new(),
            waiting: FxHashSet::default(),
            skipped,
            numbers: BTreeMap::new(),
            unknown: BTreeSet::new(),
            other: BTreeSet::new(),
            opens: BTreeSet::new(),
            left: LIMIT,
        }
    }

    /// Follows everything; whether it came to an end.
    pub(super) fn run(&mut self) -> bool {
        while let Some(start) = self.work.pop_front() {
            self.waiting.remove(&start);
            let Some(function) = self.functions.get_mut(&start) else {
                continue;
            };
            let found = Flow::run(self.process, function, None, &mut self.left);
            if found.system.is_empty() && function.passed.len() > FIRST {
                function.may_call = false;
                function.passed = Vec::new();
            }
            self.take_in(found);
            if self.left == 0 {
                return false;
            }
        }
        self.wrappers();
        true
    }

    /// A function that makes any call for others is entered with numbers that are known, too.
    fn wrappers(&mut self) {
        let mut calls = Vec::new();
        for at in &self.unknown {
            let start = self.start(*at);
            let Some(function) = start.and_then(|start| self.functions.get_mut(&start)) else {
                continue;
            };
            for entry in function.passed.clone() {
                let found = Flow::run(self.process, function, Some(&entry), &mut self.left);
                calls.extend(found.system);
            }
        }
        for (at, numbers) in calls {
            for number in numbers.into_iter().flatten() {
                self.call(number, at);
            }
        }
    }

    /// A system call can be made by an instruction.
    fn call(&mut self, number: u64, at: u64) {
        self.numbers.entry(number).or_insert(at);
        if OPENING.contains(&number) {
            self.opens.insert(at);
        }
    }

    fn take_in(&mut self, found: Found) {
        for call in found.calls {
            if Some(self.process.calls.target(self.process, call.to)) == self.skipped {
                let machine = self.process.objects[0].machine;
                for register in machine.arguments {
                    for value in call.state.get(*register).values().unwrap_or_default() {
                        self.take(*value, Cause::Root("main"));
                    }
                }
                continue;
            }
            self.enter(call.to, &call.state, Cause::Code(call.from));
        }
        for (address, from) in found.taken {
            self.take(address, Cause::Code(from));
        }
        for (at, numbers) in found.system {
            match numbers {
                Some(numbers) => {
                    for number in numbers {
                        self.call(number, at);
                    }
                }
                None => {
                    self.unknown.insert(at);
                }
            }
        }
        self.other.extend(found.other);
    }

    /// An address is known to those that are reached.
    pub(super) fn take(&mut self, address: u64, cause: Cause) {
        let mut work = vec![(address, cause)];
        while let Some((address, cause)) = work.pop() {
            let Some((index, own)) = self.process.locate(address) else {
                continue;
            };
            let object = &self.process.objects[index];
            if object.is_code(own) {
                let unknown = State::unknown(object.machine);
                self.enter(address, &unknown, cause);
                continue;
            }
            if !self.data.insert((index, own)) {
                continue;
            }
            self.data_causes.insert(address, cause);
            let (start, end) = extent::of(object, own);
            if start != own && !self.data.insert((index, start)) {
                continue;
            }
            self.data_causes
                .entry(self.process.base(index).wrapping_add(start))
                .or_insert(cause);
            for (_, word) in object.words_in(start, end) {
                let to = self.process.resolved(index, word);
                if let Pointer::To(to) | Pointer::Chosen(to) | Pointer::Copy(to) = to {
                    work.push((to, Cause::Data(address)));
                }
            }
        }
    }

    fn enter(&mut self, address: u64, state: &State, cause: Cause) {
        let address = self.process.calls.target(self.process, address);
        let Some(start) = self.made(address) else {
            return;
        };
        let Some(function) = self.functions.get_mut(&start) else {
            return;
        };
        self.causes.entry(start).or_insert(cause);
        let mut lost = Vec::new();
        if function.enter(address, state, &mut lost) && self.waiting.insert(start) {
            self.work.push_back(start);
        }
        let lost = lost
            .into_iter()
            .filter(|address| self.process.locate(*address).is_some());
        for address in lost.collect::<Vec<_>>() {
            self.take(address, cause);
        }
    }

    /// Where the function around an address begins, which is made if it is new.
    fn made(&mut self, address: u64) -> Option<u64> {
        if self.functions.contains_key(&address) {
            return Some(address);
        }
        let (start, _) = Function::extent(self.process, address)?;
        if !self.functions.contains_key(&start) {
            let function = Function::around(self.process, address)?;
            self.functions.insert(start, function);
        }
        Some(start)
    }

    /// Where the loader opens files, if it can be asked to while the program runs.
    pub(super) fn loads(&self) -> Option<u64> {
        let is_loader = |at: &u64| {
            let object = self
                .process
                .locate(*at)
                .map(|(index, _)| &self.process.objects[index]);
            let name = object.and_then(|object| object.soname.as_deref());
            name.is_some_and(|name| name.starts_with("ld-"))
        };
        let mut opens = self.opens.iter().copied();
        opens.find(is_loader)
    }

    pub(super) fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Where the function begins that an instruction belongs to.
    fn start(&self, at: u64) -> Option<u64> {
        let around = Function::extent(self.process, at)?.0;
        if self.functions.contains_key(&around) {
            return Some(around);
        }
        let functions = self.functions.values();
        let around = functions.filter(|function| function.contains(at));
        around.map(|function| function.start).max()
    }

    /// From an instruction to a root.
    pub(super) fn chain(&self, at: u64) -> Vec<Cause> {
        let mut chain = vec![Cause::Code(at)];
        let mut seen = BTreeSet::new();
        let mut last = Cause::Code(at);
        loop {
            let next = match last {
                Cause::Root(_) => break,
                Cause::Code(at) => {
                    let start = self.start(at);
                    let own = self.causes.get(&at);
                    own.or_else(|| self.causes.get(&start?))
                }
                Cause::Data(at) => self.data_causes.get(&at),
            };
            let Some(next) = next.filter(|next| seen.insert(**next)) else {
                break;
            };
            chain.push(*next);
            last = *next;
        }
        chain
    }
}
