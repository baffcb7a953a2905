//! The plan of a patch: which bytes change, which are added and where. Making
//! it reads the file and touches nothing; [`super::write()`] carries it out.

use std::io;

use super::assemble::Assembly;
use super::hook::{self, Hook, Start};
use super::pieces::Piece;
use super::placement::Placement;
use super::room::{self, Needs};
use super::runs::{self, Run};
use super::source::require_within;
use super::tail::{self, Tail};
use super::{
    Appended, Chunk, Dynamic, Error, Heap, Layout, Source, front, packed, pieces, pinned,
    references,
};
use crate::note::Content;

/// Where in the list of needed libraries the runtime stands, which decides
/// when it is initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Before all others: initialised last by glibc.
    First,
    /// Behind all others: initialised last by musl.
    Last,
}

/// What puts a policy in force.
#[derive(Clone, Copy, Debug)]
pub enum Enforcement<'a> {
    /// A library that the program loads.
    Library {
        /// The DT_NEEDED value.
        path: &'a str,
        /// Its place among the others.
        position: Position,
    },
    /// Code that is put into the program.
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

/// The changes. All that is not named stays as it is.
///
/// A patched file is put together from runs of the original. What is written over
/// them, between them and behind them has its place in the patched file.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is kept of the original, and where it is then, in the order of that. A
    /// run may be kept twice.
    pub runs: Vec<Run>,
    /// What changes within the runs.
    pub overwrites: Vec<Chunk>,
    /// What is put between and behind them, in ascending order.
    pub added: Vec<Chunk>,
    /// What was appended to the ELF file, if anything was.
    pub appended: Option<Appended>,
    /// The names of what moved, for people.
    pub moved: Vec<&'static str>,
    /// Whether the new segments stand behind the program's data, and so before its
    /// heap.
    pub moves_heap: bool,
    /// What kept the program header table from growing in place, if it moved for that.
    pub obstacle: Option<String>,
    /// Whether section headers that can't be read are left out.
    pub drops_sections: bool,
    /// Where a runtime within the program takes over.
    pub start: Option<Start>,
    /// Why it does so at the entry point, though later was asked for.
    pub why_at_entry: Option<&'static str>,
}

impl Plan {
    /// The length of the patched file in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        let runs = self.runs.last().map(|run| run.in_patched().end());
        let added = self.added.last().map(Chunk::end);
        runs.max(added).unwrap_or_default()
    }

    /// All that is written over what was copied, and beside it.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.overwrites.iter().chain(&self.added)
    }

    /// The patched file, without writing it.
    #[must_use]
    pub fn applied_to<'a, S: Source + ?Sized>(&'a self, original: &'a S) -> Patched<'a, S> {
        Patched {
            plan: self,
            original,
        }
    }

    /// Plans the patch of a program.
    ///
    /// # Errors
    ///
    /// Not a program that can put a policy in force so, or one that can't be
    /// patched without breaking it; says why.
    pub fn make(
        layout: &Layout,
        source: &(impl Source + ?Sized),
        request: &Request<'_>,
    ) -> Result<Self, Error> {
        packed::refuse(layout, source)?;
        layout.require_user_addresses()?;
        let none = Dynamic::default();
        let (dynamic, means) = match request.enforcement {
            Enforcement::Library { path, position } => {
                let dynamic = layout.require_dynamic_program()?;
                (dynamic, Means::Library { path, position })
            }
            Enforcement::Inline { runtime, start } => {
                let dynamic = layout.require_program()?.unwrap_or(&none);
                let hook = hook::find(layout, source, dynamic, start)?;
                (dynamic, Means::Inline { runtime, hook })
            }
        };
        let subject = Subject {
            layout,
            source,
            content: request.content,
            means,
            dynamic,
            tail: tail::find(layout, source)?,
        };
        let pieces = pieces::find(layout, source)?;
        references::check(layout, source, dynamic, &pieces)?;
        let pieces = pinned::leave_out(layout, source, dynamic, pieces)?;
        let placement = subject.placement(&pieces)?;
        Assembly {
            subject: &subject,
            placement: &placement,
        }
        .plan()
    }
}

/// What puts a policy in force, with its place in this program.
pub(super) enum Means<'a> {
    Library { path: &'a str, position: Position },
    Inline { runtime: &'a [u8], hook: Hook },
}

/// What is planned for.
pub(super) struct Subject<'a, S: ?Sized> {
    pub(super) layout: &'a Layout,
    pub(super) source: &'a S,
    /// The notes.
    pub(super) content: &'a Content,
    pub(super) means: Means<'a>,
    /// Empty for a program that has none.
    pub(super) dynamic: &'a Dynamic,
    /// What was appended to the ELF file.
    pub(super) tail: Tail,
}

impl<S: ?Sized> Subject<'_, S> {
    /// Whether the dynamic section has to move.
    pub(super) fn dynamic_moves(&self) -> bool {
        self.library().is_some() && !self.dynamic.has_room_for(ADDED_ENTRIES)
    }

    /// In front where that can be, else behind everything.
    fn placement(&self, pieces: &[Piece]) -> Result<Placement, Error>
    where
        S: Source,
    {
        let Self { layout, source, .. } = *self;
        let needs = self.needs();
        if let Some(room) = front::room(layout, source, pieces, needs, &self.tail)
            && room.check_size(layout).is_ok()
        {
            match Placement::make(self, &room) {
                Err(Error::NoRoomInFront) => {}
                placement => return placement,
            }
        }
        if Heap::of(layout, source)? == Heap::Saved {
            return Err(Error::SavedHeap);
        }
        let room = room::make(layout, source, pieces, needs)?;
        room.check_size(layout)?;
        Placement::make(self, &room)
    }

    /// The library that the program is to load.
    pub(super) fn library(&self) -> Option<(&str, Position)> {
        match self.means {
            Means::Library { path, position } => Some((path, position)),
            Means::Inline { .. } => None,
        }
    }

    /// Where the program is made to call the runtime, if that is in it.
    pub(super) fn hook(&self) -> Option<&Hook> {
        match &self.means {
            Means::Library { .. } => None,
            Means::Inline { hook, .. } => Some(hook),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            // The new one, and a writable one for a dynamic section that moves.
            loads: if self.dynamic_moves() { 2 } else { 1 },
            strings_move: self.library().is_some(),
        }
    }
}

/// DT_NEEDED and the tag that says that the program was patched.
pub(super) const ADDED_ENTRIES: usize = 2;

/// A file as a plan will have it.
#[derive(Clone, Copy, Debug)]
pub struct Patched<'a, S: ?Sized> {
    plan: &'a Plan,
    original: &'a S,
}

impl<S: Source + ?Sized> Source for Patched<'_, S> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.plan.length())
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        require_within(self.plan.length(), offset, buffer)?;
        let runs = self.plan.runs.iter();
        let parts = runs.map(|run| (run.in_patched(), run.original));
        runs::read(parts, self.original, offset, buffer)?;
        let chunks = self.plan.chunks();
        chunks.for_each(|chunk| chunk.overlay(buffer, offset));
        Ok(())
    }
}
