//! Planning a patch reads the file and touches nothing.

use super::assemble::Assembly;
use super::patching::{Enforcement, Mechanism, Patching, Request};
use super::pieces::Piece;
use super::placement::Placement;
use super::plan::Plan;
use super::{Heap, front, hook, packed, pieces, pinned, references, room, tail};
use crate::elf::{Dynamic, Error, Layout, Source};

impl Plan {
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
        let (dynamic, mechanism) = match request.enforcement {
            Enforcement::Library { path, position } => {
                let dynamic = layout.require_dynamic_program()?;
                (dynamic, Mechanism::Library { path, position })
            }
            Enforcement::Inline { runtime, start } => {
                let dynamic = layout.require_program()?.unwrap_or(&none);
                let hook = hook::find(layout, source, dynamic, start)?;
                (dynamic, Mechanism::Inline { runtime, hook })
            }
        };
        let patching = Patching {
            layout,
            source,
            content: request.content,
            mechanism,
            dynamic,
            tail: tail::find(layout, source)?,
        };
        let pieces = pieces::find(layout, source)?;
        references::check(layout, source, dynamic, &pieces)?;
        let pieces = pinned::leave_out(layout, source, dynamic, pieces)?;
        let placement = place(&patching, &pieces)?;
        Assembly {
            patching: &patching,
            placement: &placement,
        }
        .plan()
    }
}

/// In front where that can be, else behind everything.
fn place<S: Source + ?Sized>(
    patching: &Patching<'_, S>,
    pieces: &[Piece],
) -> Result<Placement, Error> {
    let Patching { layout, source, .. } = *patching;
    let needs = patching.needs();
    if let Some(room) = front::room(layout, source, pieces, needs, &patching.tail)
        && room.check_size(layout).is_ok()
    {
        match Placement::make(patching, &room) {
            Err(Error::NoRoomInFront) => {}
            placement => return placement,
        }
    }
    if Heap::of(layout, source)? == Heap::Saved {
        return Err(Error::SavedHeap);
    }
    let room = room::make(layout, source, pieces, needs)?;
    room.check_size(layout)?;
    Placement::make(patching, &room)
}
