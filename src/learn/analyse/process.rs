//! A program with all that it loads, each at an address of its own.

use std::cell::RefCell;
use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};
use std::path::{Path, PathBuf};

use goblin::elf::sym::STT_GNU_IFUNC;

use super::calls::Calls;
use super::isa::Op;
use super::object::{Object, Symbol, Word};
use super::search::Tree;
use super::{Error, Gap};

/// The program is the first.
pub(super) struct Process {
    pub(super) objects: Vec<Object>,
    pub(super) calls: Calls,
    /// What symbols were resolved to, by object and index.
    resolved: RefCell<FxHashMap<(usize, usize), Pointer>>,
}

/// Each object has so many bits of addresses for itself.
const BITS: u32 = 40;

/// What stands at an address that the loader writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pointer {
    To(u64),
    /// To what a function returns that is here.
    Chosen(u64),
    /// What is found there.
    Copy(u64),
    Nothing,
}

impl Process {
    /// Reads a program and what it needs. What is not found is a gap.
    pub(super) fn load(
        path: &Path,
        tree: &Tree<'_>,
        with: &[String],
        gaps: &mut Vec<Gap>,
    ) -> Result<Self, Error> {
        let mut program = Object::open(path)?;
        program.path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut seen: FxHashSet<PathBuf> = FxHashSet::from_iter([program.path.clone()]);
        let mut wanted: VecDeque<(String, usize)> = VecDeque::new();
        wanted.extend(program.needed.iter().map(|name| (name.clone(), 0)));
        wanted.extend(with.iter().map(|name| (name.clone(), 0)));
        let mut objects = vec![program];
        // Only so many fit into the numbers that stand for addresses.
        while let Some((name, of)) = wanted.pop_front().filter(|_| objects.len() < 1 << 12) {
            let mut known = objects.iter();
            if known.any(|object| object.soname.as_ref() == Some(&name)) {
                continue;
            }
            let Some(found) = tree.library(&name, &objects[of], &objects[0]) else {
                gaps.push(Gap::Library(name));
                continue;
            };
            if !seen.insert(found.clone()) {
                continue;
            }
            let library = Object::open(&found)?;
            let index = objects.len();
            wanted.extend(library.needed.iter().map(|name| (name.clone(), index)));
            objects.push(library);
        }
        Ok(Self {
            objects,
            calls: Calls::default(),
            resolved: RefCell::default(),
        })
    }

    /// What is added to the addresses of an object's file.
    pub(super) fn base(&self, object: usize) -> u64 {
        if self.objects[object].is_fixed {
            return 0;
        }
        (object as u64 + 1) << BITS
    }

    /// The object that an address belongs to, and the address in its file.
    pub(super) fn locate(&self, address: u64) -> Option<(usize, u64)> {
        let object = match usize::try_from(address >> BITS).ok()? {
            0 => self.objects.iter().position(|object| object.is_fixed)?,
            number => number - 1,
        };
        let found = self.objects.get(object)?;
        let own = address.wrapping_sub(self.base(object));
        found.segment(own).map(|_| (object, own))
    }

    /// Decodes the instruction at an address; the address behind it.
    pub(super) fn decode(&self, address: u64, ops: &mut Vec<Op>) -> Option<u64> {
        let (index, own) = self.locate(address)?;
        let object = &self.objects[index];
        let code = Some(object.rest(own)).filter(|_| object.is_code(own))?;
        let code = code.get(..object.machine.longest).unwrap_or(code);
        let length = (object.machine.decode)(code, address, ops)?;
        Some(address + length as u64)
    }

    pub(super) fn is_code(&self, address: u64) -> bool {
        self.locate(address)
            .is_some_and(|(object, own)| self.objects[object].is_code(own))
    }

    /// What the loader puts at an address; `None` if nothing.
    pub(super) fn pointer(&self, address: u64) -> Option<Pointer> {
        let (object, own) = self.locate(address)?;
        let word = self.objects[object].word(own)?;
        Some(self.resolved(object, word))
    }

    pub(super) fn resolved(&self, object: usize, word: &Word) -> Pointer {
        let base = self.base(object);
        let symbol = |index: usize| self.objects[object].symbols.get(index);
        let nothing = Pointer::Nothing;
        match word {
            Word::Own(address) => Pointer::To(base.wrapping_add(*address)),
            Word::Chosen(address) => Pointer::Chosen(base.wrapping_add(*address)),
            Word::Symbol(index, more) => match self.symbol(object, *index) {
                Pointer::To(address) => Pointer::To(address.wrapping_add(*more)),
                other => other,
            },
            Word::Linked(index) => self.symbol(object, *index),
            Word::Copy(index) => {
                let found = symbol(*index).and_then(|symbol| {
                    let others = 1..self.objects.len();
                    let mut others = others.filter_map(|other| self.defined_in(other, symbol));
                    others.next()
                });
                match found {
                    Some(Pointer::To(address)) => Pointer::Copy(address),
                    _ => nothing,
                }
            }
            Word::ThreadLocal => self.named("__tls_get_addr").map_or(nothing, Pointer::To),
        }
    }

    fn symbol(&self, object: usize, index: usize) -> Pointer {
        if let Some(known) = self.resolved.borrow().get(&(object, index)) {
            return *known;
        }
        let symbol = self.objects[object].symbols.get(index);
        let found = symbol.and_then(|symbol| self.definition(object, symbol));
        let found = found.unwrap_or(Pointer::Nothing);
        self.resolved.borrow_mut().insert((object, index), found);
        found
    }

    /// Where a symbol is defined: by the first that does (gABI, "Shared Object
    /// Dependencies"), in the version that is asked for.
    fn definition(&self, object: usize, symbol: &Symbol) -> Option<Pointer> {
        if symbol.is_local {
            return self.value(object, symbol);
        }
        let mut all = 0..self.objects.len();
        all.find_map(|object| self.defined_in(object, symbol))
    }

    fn defined_in(&self, object: usize, symbol: &Symbol) -> Option<Pointer> {
        let found = self.objects[object].exports.get(&symbol.name)?;
        let candidates = || {
            found
                .iter()
                .map(|index| &self.objects[object].symbols[*index])
        };
        let exact = candidates().find(|found| match (&symbol.version, &found.version) {
            (Some(wanted), Some(version)) => wanted == version,
            (None, _) => found.is_default,
            (Some(_), None) => true,
        });
        self.value(object, exact?)
    }

    fn value(&self, object: usize, symbol: &Symbol) -> Option<Pointer> {
        if !symbol.is_defined {
            return None;
        }
        let address = self.base(object).wrapping_add(symbol.address);
        Some(if symbol.kind == STT_GNU_IFUNC {
            Pointer::Chosen(address)
        } else {
            Pointer::To(address)
        })
    }

    /// The address of a function that a library exports, or that has a name in the program.
    pub(super) fn named(&self, name: &str) -> Option<u64> {
        let exported = (0..self.objects.len()).find_map(|object| {
            let indexes = self.objects[object].exports.get(name)?;
            let symbols = indexes
                .iter()
                .map(|index| &self.objects[object].symbols[*index]);
            let mut symbols = symbols.filter(|symbol| symbol.is_default);
            let symbol = symbols.next()?;
            Some(self.base(object).wrapping_add(symbol.address))
        });
        exported.or_else(|| {
            let mut names = self.objects[0].names.iter();
            let (address, _) = names.find(|(_, own)| own == name)?;
            Some(self.base(0).wrapping_add(*address))
        })
    }

    /// How an address is told: the object, its function if it has a name, and the address
    /// in the file.
    pub(super) fn place(&self, address: u64) -> super::Place {
        let (object, own) = self.locate(address).unwrap_or((0, address));
        let found = &self.objects[object];
        super::Place {
            file: found.path.clone(),
            function: found.name(own).map(str::to_owned),
            address: own,
        }
    }
}
