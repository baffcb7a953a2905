//! The program headers of the patched file.

use object::elf;

use super::Assembly;
use crate::elf::encoding::ProgramHeader;
use crate::elf::machine::Machine;
use crate::elf::{FileRange, Source};
use crate::rewrite::{references, room};

impl<S: Source> Assembly<'_, S> {
    /// The program headers: the existing ones, and those of the new segments.
    pub(super) fn segments(&self) -> Vec<ProgramHeader> {
        let placement = self.placement;
        let grows = if placement.table_moves() {
            None
        } else {
            room::growing_load(self.patching.image, &placement.table)
        };
        let old = self.patching.image.segments.iter();
        let mut segments: Vec<ProgramHeader> = old
            .map(|segment| match segment.kind {
                elf::PT_LOAD if grows == Some(segment) => {
                    let size = placement.table.end() - segment.offset;
                    resized(segment, size)
                }
                _ => self.changed(segment),
            })
            .collect();
        // Loaders want the loadable segments in ascending order of address
        // (gABI chapter 5, PT_LOAD).
        let is_load = |segment: &ProgramHeader| segment.kind == elf::PT_LOAD;
        let place = match placement.in_front {
            true => segments.iter().position(is_load),
            false => segments.iter().rposition(is_load).map(|last| last + 1),
        };
        let place = place.unwrap_or_default();
        segments.splice(place..place, self.loads());
        if placement.shared_note.is_none() {
            segments.push(self.header(elf::PT_NOTE, elf::PF_R, placement.notes, 4));
        }
        segments
    }

    /// A program header, updated after what it points to has moved.
    fn changed(&self, segment: &ProgramHeader) -> ProgramHeader {
        let placement = self.placement;
        let leads_to = |range, align| self.header(segment.kind, segment.flags, range, align);
        match segment.kind {
            // PT_GNU_RELRO begins where it does, also if the dynamic section
            // moves from there.
            kind if references::OF_NO_PIECE.contains(&kind) => self.risen(segment),
            elf::PT_PHDR if placement.table_moves() => leads_to(placement.table, segment.align),
            elf::PT_PHDR => resized(segment, placement.table.size),
            // Whether it may be written to, glibc sees here (elf/rtld.c,
            // `l_ld_readonly`). The alignment is its PT_LOAD's: where that
            // stands behind it in the table, llvm-objcopy lays both out by this
            // header (ELF/ELFObject.cpp, `compareSegmentsByOffset`).
            elf::PT_DYNAMIC => match placement.dynamic {
                Some(range) => leads_to(range, self.page()),
                None => self.risen(segment),
            },
            // An empty one may begin where something else does.
            _ if segment.filesz == 0 => self.risen(segment),
            _ => match placement.moved(segment.offset) {
                Some((offset, _))
                    if segment.kind == elf::PT_NOTE
                        && Some(segment.offset) == placement.shared_note =>
                {
                    let notes = FileRange::new(offset, placement.notes.end() - offset);
                    leads_to(notes, segment.align)
                }
                // Its address leads to something else, and goes on doing so.
                Some((offset, _))
                    if segment.kind == elf::PT_NOTE
                        && !self.patching.image.is_of_notes(segment) =>
                {
                    ProgramHeader { offset, ..*segment }
                }
                Some((offset, address)) => {
                    let moved = ProgramHeader {
                        offset,
                        vaddr: address,
                        paddr: address.0,
                        ..*segment
                    };
                    // Of notes, only the first may have stayed together.
                    let size = placement.size_from(segment.offset, segment.filesz);
                    if size < segment.filesz {
                        resized(&moved, size)
                    } else {
                        moved
                    }
                }
                // Such as PT_RISCV_ATTRIBUTES, which leads to what is not loaded.
                None => match placement.kept(&segment.range()) {
                    Some(kept) => ProgramHeader {
                        offset: kept.start,
                        ..*segment
                    },
                    None => self.risen(segment),
                },
            },
        }
    }

    /// A program header whose bytes stay where they were in memory.
    fn risen(&self, segment: &ProgramHeader) -> ProgramHeader {
        if self.placement.rise() == 0 || leads_nowhere(segment) {
            return *segment;
        }
        let mut risen = ProgramHeader {
            offset: segment.offset.saturating_add(self.placement.rise()),
            ..*segment
        };
        // glibc maps no segment whose address and offset differ in a page of this size
        // (elf/dl-load.c, `_dl_map_object_from_fd`). Older linkers give 2 MiB.
        if segment.kind == elf::PT_LOAD
            && segment.align > self.page()
            && !self.placement.rise().is_multiple_of(segment.align)
        {
            risen.align = self.page();
        }
        risen
    }

    /// The headers of the new segments.
    fn loads(&self) -> impl Iterator<Item = ProgramHeader> {
        let rights = match self.patching.hook() {
            Some(_) => elf::PF_R | elf::PF_X,
            None => elf::PF_R,
        };
        let load = |rights, range| self.header(elf::PT_LOAD, rights, range, self.page());
        let segment = load(rights, self.placement.segment);
        let rights = if self.dynamic_is_writable() {
            elf::PF_R | elf::PF_W
        } else {
            elf::PF_R
        };
        let dynamic = self.placement.dynamic.map(|range| load(rights, range));
        std::iter::once(segment).chain(dynamic)
    }

    pub(super) fn page(&self) -> u64 {
        Machine::of(self.patching.image).max_page_size
    }

    /// Whether the loader may write to the dynamic section; if it may not, it does not
    /// try (`-z rodynamic`, and all of MIPS).
    pub(super) fn dynamic_is_writable(&self) -> bool {
        let segment = self.patching.image.segment(elf::PT_DYNAMIC);
        let load = segment.and_then(|segment| self.patching.image.load_of(segment.vaddr));
        load.is_some_and(|load| load.is_writable())
    }

    fn header(
        &self,
        kind: elf::ProgramType,
        flags: elf::ProgramFlags,
        range: FileRange,
        align: u64,
    ) -> ProgramHeader {
        let address = self.placement.address(range.start);
        ProgramHeader {
            kind,
            flags,
            offset: range.start,
            vaddr: address,
            paddr: address.0,
            filesz: range.size,
            memsz: range.size,
            align,
        }
    }
}

/// Whether a program header is a mere flag and points to nothing.
pub(in crate::rewrite) fn leads_nowhere(segment: &ProgramHeader) -> bool {
    [elf::PT_NULL, elf::PT_GNU_STACK].contains(&segment.kind) && segment.filesz == 0
}

fn resized(segment: &ProgramHeader, size: u64) -> ProgramHeader {
    ProgramHeader {
        filesz: size,
        memsz: size,
        ..*segment
    }
}
