//! The plan of a patch: which bytes change, which are added and where. Making
//! it reads the file and touches nothing; [`super::write()`] carries it out.

use object::elf;

use super::assemble::Assembly;
use super::placement::Placement;
use super::undo::Digest;
use super::{Chunk, Dynamic, Error, Layout, Source, pieces, pinned, references, room};
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

/// What to put into a program.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The DT_NEEDED value.
    pub library: &'a str,
    /// Its place among the others.
    pub position: Position,
    /// The notes.
    pub content: &'a Content,
    /// Of the whole file as it is.
    pub digest: Digest,
}

/// The changes. All that is not named stays as it is.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Bytes of the original that are kept, from its start on.
    pub kept: u64,
    /// What changes within them.
    pub overwrites: Vec<Chunk>,
    /// What is added behind them, in ascending order.
    pub appended: Vec<Chunk>,
    /// The names of what moved, for people.
    pub moved: Vec<&'static str>,
}

impl Plan {
    /// The length of the patched file in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.appended.last().map_or(self.kept, Chunk::end)
    }

    /// Plans the patch of a program.
    ///
    /// # Errors
    ///
    /// Not a program with a dynamic loader, or one that can't be patched
    /// without breaking it; says why.
    pub fn make(
        layout: &Layout,
        source: &(impl Source + ?Sized),
        request: &Request<'_>,
    ) -> Result<Self, Error> {
        let dynamic = layout.require_dynamic_program()?;
        refuse_appended_data(layout, source)?;
        refuse_ambiguous_entries(dynamic)?;
        let dynamic_stays = dynamic.has_room_for(ADDED_ENTRIES);
        // The segment, the policy's PT_NOTE, and a writable segment for a
        // dynamic section that moves.
        let headers = if dynamic_stays { 2 } else { 3 };
        let pieces = pieces::find(layout, source)?;
        references::check(layout, source, dynamic, &pieces)?;
        let pieces = pinned::leave_out(layout, source, dynamic, pieces)?;
        let displaced = room::make(layout, source, &pieces, headers)?;
        let placement = Placement::make(layout, source, request, dynamic, &displaced, headers)?;
        Assembly {
            layout,
            source,
            request,
            dynamic,
            placement: &placement,
        }
        .plan()
    }
}

/// Entries that lead to what may move.
pub(super) const MOVABLE_ENTRIES: [elf::DynamicTag; 4] = [
    elf::DT_STRTAB,
    elf::DT_SYMTAB,
    elf::DT_HASH,
    elf::DT_GNU_HASH,
];

/// DT_NEEDED and the tag that says that the program was patched.
pub(super) const ADDED_ENTRIES: usize = 2;

/// Of two entries with one tag loaders take the last (glibc's
/// `elf_get_dynamic_info`, musl's `decode_vec`), tools the first.
fn refuse_ambiguous_entries(dynamic: &Dynamic) -> Result<(), Error> {
    let repeated = |tag| {
        dynamic
            .entries
            .iter()
            .filter(|entry| entry.tag == tag)
            .count()
            > 1
    };
    if MOVABLE_ENTRIES
        .iter()
        .chain(&[elf::DT_STRSZ])
        .any(|&tag| repeated(tag))
    {
        return Err(Error::Malformed("its dynamic section names a table twice"));
    }
    Ok(())
}

/// Bytes behind the last thing that the headers know of may be what the program
/// looks for at its own end; zeros are padding.
fn refuse_appended_data(layout: &Layout, source: &(impl Source + ?Sized)) -> Result<(), Error> {
    let end = layout.known_end();
    let mut at = end;
    while at < layout.length {
        let bytes = source.read_at(at, (layout.length - at).min(1 << 16))?;
        if bytes.iter().any(|&byte| byte != 0) {
            return Err(Error::AppendedData(layout.length - end));
        }
        at += bytes.len() as u64;
    }
    Ok(())
}
