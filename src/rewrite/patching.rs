//! The input of planning: a program, and what to put into it.

use super::hook::{Hook, Start};
use super::room::Needs;
use super::tail::Tail;
use crate::elf::{Dynamic, Image};
use crate::note::Content;

/// Position of the runtime in the list of needed libraries, which decides when it is
/// initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Before all others: initialised last by glibc.
    First,
    /// After all others: initialised last by musl.
    Last,
}

/// How a policy is put in force.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Enforcement<'a> {
    /// A library that the program loads.
    Library {
        /// The DT_NEEDED value.
        path: &'a str,
        /// Its place among the others.
        position: Position,
    },
    /// Code inside the program.
    Inline {
        /// The code, as `sandbox_format::inline` describes it.
        runtime: &'a [u8],
        /// Where it takes over.
        start: Start,
    },
}

/// What to put into a program.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What puts the policy in force.
    pub enforcement: Enforcement<'a>,
    /// The notes.
    pub content: &'a Content,
}

/// How a policy is put in force, with the place in this program.
pub(super) enum Mechanism<'a> {
    Library { path: &'a str, position: Position },
    Inline { runtime: &'a [u8], hook: Hook },
}

/// The input of planning.
pub(super) struct Patching<'a, S> {
    pub(super) image: &'a Image<S>,
    /// The notes.
    pub(super) content: &'a Content,
    pub(super) mechanism: Mechanism<'a>,
    /// Empty for a program that has none.
    pub(super) dynamic: &'a Dynamic,
    /// What was appended to the ELF file.
    pub(super) tail: Tail,
}

impl<S> Patching<'_, S> {
    /// Whether the dynamic section has to move.
    pub(super) fn dynamic_moves(&self) -> bool {
        self.library().is_some() && !self.dynamic.has_room_for(ADDED_ENTRIES)
    }

    /// The library that the program is to load.
    pub(super) fn library(&self) -> Option<(&str, Position)> {
        match self.mechanism {
            Mechanism::Library { path, position } => Some((path, position)),
            Mechanism::Inline { .. } => None,
        }
    }

    /// Where the program is made to call the runtime, if that is inside it.
    pub(super) fn hook(&self) -> Option<&Hook> {
        match &self.mechanism {
            Mechanism::Library { .. } => None,
            Mechanism::Inline { hook, .. } => Some(hook),
        }
    }

    pub(super) fn needs(&self) -> Needs {
        Needs {
            // The new one, and a writable one for a dynamic section that moves.
            loads: if self.dynamic_moves() { 2 } else { 1 },
            strings_move: self.library().is_some(),
        }
    }
}

/// DT_NEEDED and the tag that says that the program was patched.
pub(super) const ADDED_ENTRIES: usize = 2;
