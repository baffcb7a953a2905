//! The bytes of a patch: headers, dynamic entries, and the new segments.

mod dynamic;
mod program_headers;

use object::elf;
use sandbox_format::inline::Place;

use super::effects::Effects;
use super::hook::{Hook, Start};
use super::patching::{Mechanism, Patching};
use super::pieces::PieceKind;
use super::placement::{Placed, Placement};
use super::plan::Plan;
use super::runs::Run;
use super::section_headers::Table;
use super::undo::{Digest, Move, Undo};
use super::{inline, section_headers};
use crate::elf::encoding::{Dyn, FileHeader, ProgramHeader, Record, Symbol as Entry};
use crate::elf::symbols::Symbol;
use crate::elf::{Chunk, FileOffset, FileRange, SMALLEST_PAGE, Source, VirtAddr};
use crate::note::MovedDynamic;
use crate::rewrite::error::Error;

pub(super) use program_headers::leads_nowhere;

/// Turns a placement into bytes.
pub(super) struct Assembly<'a, S> {
    pub(super) patching: &'a Patching<'a, S>,
    pub(super) placement: &'a Placement,
}

impl<S: Source> Assembly<'_, S> {
    pub(super) fn plan(&self) -> Result<(Plan, Effects), Error> {
        let encoding = self.patching.image.encoding;
        let segments = self.segments();
        let entries = Dyn::encode_all(&self.entries()?, encoding)?;
        let mut header = self.patching.image.header;
        header.phnum = u16::try_from(segments.len()).map_err(|_| Error::TooLarge)?;
        header.phoff = self.placement.table.start;
        if self.patching.hook().map(Hook::start) == Some(Start::Entry) {
            header.entry = self.runtime_address();
        }

        let end = self.placement.end();
        let image = self.patching.image;
        let sections = self.section_headers(end)?;
        let elf_end = sections.as_ref().map_or(end, |table| table.chunk.end());
        let last = self.last(elf_end);
        let runs = [&self.placement.runs[..], last.as_slice()].concat();
        let patched_length = last.map_or(elf_end, |last| last.in_patched().end()).0;
        let undo = self.undo(patched_length, runs.clone())?;
        // A table that can't be read is false already, and may seem to fit the
        // longer file.
        header.shoff = sections
            .as_ref()
            .map_or(FileOffset(0), |table| table.offset);
        header.shnum = sections.as_ref().map_or(0, |table| table.count);
        let names = sections
            .as_ref()
            .map(|table| elf::SymbolSection(table.names));
        header.shstrndx = names.unwrap_or(elf::SHN_UNDEF);
        let mut added = vec![self.segment(header, &segments, &undo)?];
        added.extend(self.placement.dynamic.map(|range| Chunk {
            offset: range.start,
            bytes: entries.clone(),
        }));
        added.extend(sections.map(|table| table.chunk));
        let mut plan = Plan {
            runs,
            overwrites: self.overwrites(header, &segments, entries)?,
            added,
        };
        plan.overwrites.extend(self.renumbered(last)?);
        let digest = Chunk {
            offset: undo.place_of_digest(),
            bytes: undo
                .digest_of(&plan.applied_to(&image.source))?
                .to_bytes()
                .to_vec(),
        };
        let segment = &mut plan.added[0];
        digest.overlay(&mut segment.bytes, segment.offset);
        let effects = self.effects(header, patched_length);
        Ok((plan, effects))
    }

    /// Other effects of the patch, given this file header and length.
    fn effects(&self, header: FileHeader, patched_length: u64) -> Effects {
        let Patching { image, tail, .. } = self.patching;
        let hook = self.patching.hook();
        Effects {
            appended: tail.appended(patched_length),
            moved: self.names_of_moved(),
            moves_heap: !self.placement.in_front,
            obstacle: self.placement.obstacle.clone(),
            drops_sections: image.header.shoff.0 != 0 && header.shoff.0 == 0,
            start: hook.map(Hook::start),
            why_at_entry: hook.and_then(|hook| hook.why_not_later),
        }
    }

    /// The section headers, after what ends at `end`.
    ///
    /// Appended data may begin where they end, so they keep its position within a page:
    /// only then can file systems share the blocks of the two copies, and readers map it
    /// as before.
    fn section_headers(&self, end: FileOffset) -> Result<Option<Table>, Error> {
        const ALIGN: u64 = 8;
        let image = self.patching.image;
        let make = |offset| section_headers::make(image, self.placement, offset);
        let last = self.patching.tail.last;
        let Some(table) = make(end)? else {
            return Ok(None);
        };
        let shift = last.start.0.wrapping_sub(table.chunk.end().0) % SMALLEST_PAGE;
        if last.size == 0 || shift == 0 || !shift.is_multiple_of(ALIGN) {
            return Ok(Some(table));
        }
        make(end + shift)
    }

    /// The part of the appended data that comes last.
    fn last(&self, elf_end: FileOffset) -> Option<Run> {
        let last = self.patching.tail.last;
        (last.size > 0).then_some(Run {
            original: last.start,
            patched: elf_end,
            size: last.size,
        })
    }

    /// The number in the last bytes that gives the position of the rest.
    fn renumbered(&self, last: Option<Run>) -> Result<Option<Chunk>, Error> {
        let tail = self.patching.tail;
        let Some((number, last)) = tail.renumbered.zip(last) else {
            return Ok(None);
        };
        let shift = last.patched - last.original;
        let bytes = number.with(number.value + shift);
        Ok(Some(Chunk {
            offset: number.at + shift,
            bytes: bytes.ok_or(Error::TailNamesOffset(tail.range.size))?,
        }))
    }

    fn names_of_moved(&self) -> Vec<&'static str> {
        let placed = self
            .placement
            .placed
            .iter()
            .map(|placed| placed.piece.kind.name());
        let table = self.placement.table_moves().then_some("program headers");
        let dynamic = self.placement.dynamic.map(|_| ".dynamic");
        placed.chain(dynamic).chain(table).collect()
    }

    /// What changes in place.
    fn overwrites(
        &self,
        header: FileHeader,
        segments: &[ProgramHeader],
        entries: Vec<u8>,
    ) -> Result<Vec<Chunk>, Error> {
        let encoding = self.patching.image.encoding;
        let mut chunks = Vec::new();
        if !self.placement.in_front {
            chunks.push(Chunk {
                offset: FileOffset(0),
                bytes: FileHeader::encode_all(&[header], encoding)?,
            });
        }
        if !self.placement.table_moves() {
            chunks.push(Chunk {
                offset: header.phoff,
                bytes: ProgramHeader::encode_all(segments, encoding)?,
            });
        }
        for placed in self
            .placement
            .placed
            .iter()
            .filter(|placed| !placed.in_new_segment)
        {
            chunks.push(Chunk {
                offset: placed.offset,
                bytes: self.original(placed.piece.range)?,
            });
        }
        if self.placement.dynamic.is_none() && !entries.is_empty() {
            chunks.push(Chunk {
                offset: self.patching.dynamic.range.start + self.placement.rise(),
                bytes: entries,
            });
        }
        let hooks = self.patching.hook();
        let hooks = hooks.map(|hook| hook.chunks(encoding, self.runtime_address()));
        chunks.extend(hooks.into_iter().flatten().map(|chunk| Chunk {
            offset: chunk.offset + self.placement.rise(),
            ..chunk
        }));
        chunks.extend(self.symbols()?);
        Ok(chunks)
    }

    /// Symbol table entries that refer to moved addresses.
    fn symbols(&self) -> Result<Vec<Chunk>, Error> {
        let chunk = |symbol: &Symbol| {
            let mut entry = symbol.entry;
            let offset = self.patching.image.offset_of(VirtAddr(entry.value));
            if let Some((_, address)) = offset.and_then(|offset| self.placement.moved(offset)) {
                entry.value = address.0;
            }
            let bytes = Entry::encode_all(&[entry], self.patching.image.encoding)?;
            let place = self.placement.kept(&symbol.range);
            let offset = place.unwrap_or(symbol.range).start;
            Ok(Chunk { offset, bytes })
        };
        self.placement.symbols.iter().map(chunk).collect()
    }

    fn original(&self, range: FileRange) -> Result<Vec<u8>, Error> {
        Ok(self.patching.image.source.read_range(range)?)
    }

    /// The new read-only segment.
    fn segment(
        &self,
        header: FileHeader,
        segments: &[ProgramHeader],
        undo: &Undo,
    ) -> Result<Chunk, Error> {
        let placement = self.placement;
        let encoding = self.patching.image.encoding;
        let part = |offset, bytes| Chunk { offset, bytes };
        let mut parts = vec![
            part(placement.head.start, self.head()?),
            part(placement.notes.start, self.notes(undo)?),
        ];
        if placement.in_front {
            parts.push(part(
                FileOffset(0),
                FileHeader::encode_all(&[header], encoding)?,
            ));
        }
        if placement.table_moves() {
            let table = ProgramHeader::encode_all(segments, encoding)?;
            parts.push(part(placement.table.start, table));
        }
        let is_part =
            |placed: &&Placed| placed.in_new_segment && placed.offset != placement.head.start;
        for placed in placement.placed.iter().filter(is_part) {
            parts.push(part(placed.offset, self.original(placed.piece.range)?));
        }
        let size = usize::try_from(placement.segment.size).map_err(|_| Error::TooLarge)?;
        let mut segment = part(placement.segment.start, vec![0; size]);
        for part in parts {
            part.overlay(&mut segment.bytes, segment.offset);
        }
        Ok(segment)
    }

    /// The policy notes.
    fn notes(&self, undo: &Undo) -> Result<Vec<u8>, Error> {
        let placement = self.placement;
        let order = self.patching.image.encoding.note_order();
        let segment = self.patching.image.segment(elf::PT_DYNAMIC);
        let moved = placement
            .dynamic
            .filter(|_| self.dynamic_is_writable())
            .zip(segment)
            .map(|(range, old)| MovedDynamic {
                from: old.vaddr.0,
                to: placement.address(range.start).0,
                size: range.size,
            });
        let undo = undo.to_bytes(order)?;
        Ok(self
            .patching
            .content
            .to_bytes(order, placement.notes_align, moved, &undo)?)
    }

    /// The dynamic strings with the library's name, or the runtime.
    fn head(&self) -> Result<Vec<u8>, Error> {
        match &self.patching.mechanism {
            Mechanism::Library { path, .. } => {
                let mut bytes = self.original(self.strings()?)?;
                bytes.extend(path.as_bytes());
                bytes.push(0);
                Ok(bytes)
            }
            Mechanism::Inline { runtime, hook } => self.runtime(runtime, hook),
        }
    }

    /// The dynamic strings, unchanged.
    fn strings(&self) -> Result<FileRange, Error> {
        let mut placed = self.placement.placed.iter();
        let strings = placed.find(|placed| placed.piece.kind == PieceKind::Strings);
        let strings = strings.ok_or(Error::malformed("it has no dynamic string table"))?;
        Ok(strings.piece.range)
    }

    /// The runtime's link-time address.
    fn runtime_address(&self) -> VirtAddr {
        self.placement.address(self.placement.head.start)
    }

    /// The runtime, with the places where it continues and where the notes are filled in.
    fn runtime(&self, code: &[u8], hook: &Hook) -> Result<Vec<u8>, Error> {
        let placement = self.placement;
        let start = placement.head.start;
        let notes = Place {
            offset: placement.notes.start - start,
            size: placement.notes.size,
            align: placement.notes_align as u64,
            reserved: 0,
        };
        let next = hook.original.0.wrapping_sub(self.runtime_address().0);
        let mut bytes = code.to_vec();
        inline::link(&mut bytes, next.cast_signed(), notes)?;
        Ok(bytes)
    }

    fn undo(&self, patched_length: u64, runs: Vec<Run>) -> Result<Undo, Error> {
        let moves = self.placement.placed.iter().map(|placed| Move {
            from: placed.piece.address,
            to: placed.address,
            size: placed.piece.range.size,
        });
        let originals = self
            .placement
            .recorded
            .iter()
            .map(|range| Undo::keep(&self.patching.image.source, range));
        let before = self
            .patching
            .content
            .size_before_undo(self.placement.notes_align);
        let place = self.placement.notes.start + before as u64;
        Ok(Undo {
            length: self.patching.image.length,
            patched_length,
            place,
            digest: Digest::default(),
            runs,
            originals: originals.collect::<Result<_, _>>()?,
            moves: moves.collect(),
        })
    }
}
