//! Comparing the program headers of a patched file with those of the original, to find
//! what the patch added and another tool kept.

use std::collections::HashMap;

use object::elf;

use crate::elf::encoding::{Dyn, FileHeader, ProgramHeader, Record};
use crate::elf::layout::LONGEST_TABLE;
use crate::elf::{FileOffset, FileRange, Layout, VirtAddr};
use crate::rewrite::error::{Error, Lost};
use crate::rewrite::undo::Undo;

/// Headers and dynamic section as they were, from the UNDO note.
pub(super) struct OriginalHeaders {
    /// Where the program headers are in the file.
    pub(super) phoff: FileOffset,
    pub(super) segments: Vec<ProgramHeader>,
    /// Empty if the program has none.
    pub(super) dynamic: Vec<Dyn>,
    /// The first value of each tag.
    pub(super) values: HashMap<elf::DynamicTag, u64>,
    pub(super) entry: VirtAddr,
}

impl OriginalHeaders {
    pub(super) fn decode(layout: &Layout, undo: &Undo) -> Result<Self, Error> {
        let encoding = layout.encoding;
        let lost = || Error::CannotUndo(Lost::RecordIncomplete);
        let at = |offset: FileOffset| {
            undo.originals
                .iter()
                .find(|chunk| chunk.offset == offset)
                .ok_or_else(lost)
        };
        let header = FileHeader::decode(encoding, &at(FileOffset(0))?.bytes).ok_or_else(lost)?;
        let table = &at(header.phoff)?.bytes;
        if table.len() as u64 > LONGEST_TABLE {
            return Err(lost());
        }
        let mut segments = ProgramHeader::decode_all(encoding, table);
        segments.truncate(usize::from(header.phnum));
        let dynamic = match segments.iter().find(|it| it.kind == elf::PT_DYNAMIC) {
            Some(dynamic) => Dyn::decode_all(encoding, &at(dynamic.offset)?.bytes),
            None => Vec::new(),
        };
        let tags = dynamic.iter().rev().map(|entry| (entry.tag, entry.value));
        Ok(Self {
            phoff: header.phoff,
            segments,
            values: tags.collect(),
            dynamic,
            entry: header.entry,
        })
    }

    pub(super) fn get(&self, tag: elf::DynamicTag) -> Option<u64> {
        self.values.get(&tag).copied()
    }
}

/// What the patch added to the program headers.
pub(super) struct Added {
    /// The loadable segments.
    pub(super) loads: Vec<ProgramHeader>,
    /// The remaining headers, one for each header of the original.
    pub(super) others: Vec<ProgramHeader>,
}

impl Added {
    pub(super) fn find(layout: &Layout, original: &OriginalHeaders) -> Result<Self, Error> {
        let is_load = |segment: &&ProgramHeader| segment.kind == elf::PT_LOAD;
        let known = |load: &ProgramHeader| {
            original
                .segments
                .iter()
                .any(|old| old.kind == elf::PT_LOAD && old.vaddr == load.vaddr)
        };
        let loads: Vec<_> = layout
            .segments
            .iter()
            .filter(is_load)
            .filter(|load| !known(load))
            .copied()
            .collect();
        let mut others: Vec<_> = layout
            .segments
            .iter()
            .filter(|segment| !loads.contains(segment))
            .copied()
            .collect();
        let moved_by_patch = loads.iter().any(|load| {
            load.range()
                .contains(&FileRange::new(layout.header.phoff, 1))
        });
        if layout.header.phoff != original.phoff && !moved_by_patch {
            return Err(Error::CannotUndo(Lost::HeadersMoved));
        }
        // The policy's PT_NOTE was put last, unless another covers its notes.
        let note = others
            .iter()
            .rposition(|segment| segment.kind == elf::PT_NOTE && within(&loads, segment.vaddr));
        let added = others.len() > original.segments.len();
        note.filter(|_| added).map(|note| others.remove(note));
        let alike = |(one, other): (&ProgramHeader, &ProgramHeader)| {
            one.kind == other.kind && (one.kind != elf::PT_LOAD || one.vaddr == other.vaddr)
        };
        if others.len() != original.segments.len()
            || !others.iter().zip(&original.segments).all(alike)
        {
            return Err(Error::CannotUndo(Lost::HeadersChanged));
        }
        Ok(Self { loads, others })
    }
}

pub(super) fn within(loads: &[ProgramHeader], address: VirtAddr) -> bool {
    loads.iter().any(|load| {
        address
            .checked_sub(load.vaddr)
            .is_some_and(|at| at < load.memsz)
    })
}
