//! Planning a patch reads the file and touches nothing.

use super::assemble::Assembly;
use super::effects::Effects;
use super::heap::Heap;
use super::patching::{Enforcement, Mechanism, Patching, Request};
use super::pieces::Piece;
use super::placement::Placement;
use super::plan::Plan;
use super::{front, hook, packed, pieces, pinned, references, room, tail};
use crate::elf::{Dynamic, Image, Source};
use crate::rewrite::error::Error;

impl Plan {
    /// Plans the patch of a program, and says what else it does.
    ///
    /// # Errors
    ///
    /// The program can't put a policy in force this way, or can't be patched without
    /// breaking it; the error says why.
    pub fn make(
        image: &Image<impl Source>,
        request: &Request<'_>,
    ) -> Result<(Self, Effects), Error> {
        packed::refuse(image)?;
        image.require_user_addresses()?;
        let none = Dynamic::default();
        let (dynamic, mechanism) = match request.enforcement {
            Enforcement::Library { path, position } => {
                let dynamic = image.require_dynamic_program()?;
                (dynamic, Mechanism::Library { path, position })
            }
            Enforcement::Inline { runtime, start } => {
                let dynamic = image.require_program()?.unwrap_or(&none);
                let hook = hook::find(image, dynamic, start)?;
                (dynamic, Mechanism::Inline { runtime, hook })
            }
        };
        let patching = Patching {
            image,
            content: request.content,
            mechanism,
            dynamic,
            tail: tail::find(image)?,
        };
        let pieces = pieces::find(image)?;
        references::check(image, dynamic, &pieces)?;
        let pieces = pinned::leave_out(image, dynamic, pieces)?;
        let placement = place(&patching, &pieces)?;
        Assembly {
            patching: &patching,
            placement: &placement,
        }
        .plan()
    }
}

/// In front if possible, otherwise after everything else.
fn place<S: Source>(patching: &Patching<'_, S>, pieces: &[Piece]) -> Result<Placement, Error> {
    let image = patching.image;
    let needs = patching.needs();
    if let Some(room) = front::room(image, pieces, needs, &patching.tail)
        && room.check_size(image).is_ok()
    {
        match Placement::make(patching, &room) {
            Err(Error::NoRoomInFront) => {}
            placement => return placement,
        }
    }
    if Heap::of(image)? == Heap::Saved {
        return Err(Error::SavedHeap);
    }
    let room = room::make(image, pieces, needs)?;
    room.check_size(image)?;
    Placement::make(patching, &room)
}
