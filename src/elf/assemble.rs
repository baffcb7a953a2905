//! The bytes of a patch: headers, dynamic entries, and the new segments.

use object::elf;
use sandbox_format::note;

use super::encoding::{Dyn, FileHeader, ProgramHeader, Record, Symbol as Entry};
use super::hook::{Hook, Start};
use super::machine::Machine;
use super::pieces::{self, Kind};
use super::placement::{Placed, Placement};
use super::plan::{Means, Plan, Position, Subject};
use super::runs::Run;
use super::section_headers::Table;
use super::symbols::Symbol;
use super::undo::{Digest, Move, Undo};
use super::{Chunk, Error, FileRange, Source, VirtAddr, inline, references, room, section_headers};
use crate::note::MovedDynamic;

/// Turns a placement into bytes.
pub(super) struct Assembly<'a, S: ?Sized> {
    pub(super) subject: &'a Subject<'a, S>,
    pub(super) placement: &'a Placement,
}

impl<S: Source + ?Sized> Assembly<'_, S> {
    pub(super) fn plan(&self) -> Result<Plan, Error> {
        let encoding = self.subject.layout.encoding;
        let segments = self.segments();
        let entries = Dyn::encode_all(&self.entries()?, encoding)?;
        let mut header = self.subject.layout.header;
        header.phnum = u16::try_from(segments.len()).map_err(|_| Error::TooLarge)?;
        header.phoff = self.placement.table.start.0;
        if self.subject.hook().map(Hook::start) == Some(Start::Entry) {
            header.entry = self.runtime_address();
        }

        let end = self.placement.end();
        let Subject { layout, source, .. } = *self.subject;
        let sections = self.section_headers(end)?;
        let elf_end = sections.as_ref().map_or(end, |table| table.chunk.end());
        let last = self.last(elf_end);
        let runs = [&self.placement.runs[..], last.as_slice()].concat();
        let patched_length = last.map_or(elf_end, |last| last.in_patched().end());
        let undo = self.undo(patched_length, runs.clone())?;
        // A table that can't be read is false already, and may seem to fit the
        // longer file.
        header.shoff = sections.as_ref().map_or(0, |table| table.offset);
        header.shnum = sections.as_ref().map_or(0, |table| table.count);
        let names = sections
            .as_ref()
            .map(|table| elf::SymbolSection(table.names));
        header.shstrndx = names.unwrap_or(elf::SHN_UNDEF);
        let mut added = vec![self.segment(header, &segments, &undo)?];
        added.extend(self.placement.dynamic.map(|range| Chunk {
            offset: range.start.0,
            bytes: entries.clone(),
        }));
        added.extend(sections.map(|table| table.chunk));
        let mut plan = Plan {
            runs,
            overwrites: self.overwrites(header, &segments, entries)?,
            added,
            appended: self.subject.tail.appended(patched_length),
            moved: self.names_of_moved(),
            moves_heap: !self.placement.in_front,
            obstacle: self.placement.obstacle.clone(),
            drops_sections: layout.header.shoff != 0 && header.shoff == 0,
            start: self.subject.hook().map(Hook::start),
            why_at_entry: self.subject.hook().and_then(|hook| hook.why_not_later),
        };
        plan.overwrites.extend(self.renumbered(last)?);
        let digest = Chunk {
            offset: undo.place_of_digest(),
            bytes: undo
                .digest_of(&plan.applied_to(source))?
                .to_bytes()
                .to_vec(),
        };
        let segment = &mut plan.added[0];
        digest.overlay(&mut segment.bytes, segment.offset);
        Ok(plan)
    }

    /// The section headers, behind what ends at `end`.
    ///
    /// Where they end, what was appended may begin, to which they leave its place
    /// within a page: file systems share the blocks of two copies only then, and
    /// readers can map it as before.
    fn section_headers(&self, end: u64) -> Result<Option<Table>, Error> {
        const PAGE: u64 = 4096;
        const ALIGN: u64 = 8;
        let Subject { layout, source, .. } = *self.subject;
        let make = |offset| section_headers::make(layout, source, self.placement, offset);
        let last = self.subject.tail.last;
        let Some(table) = make(end)? else {
            return Ok(None);
        };
        let shift = last.start.0.wrapping_sub(table.chunk.end()) % PAGE;
        if last.size == 0 || shift == 0 || !shift.is_multiple_of(ALIGN) {
            return Ok(Some(table));
        }
        make(end + shift)
    }

    /// What of the appended data comes last.
    fn last(&self, elf_end: u64) -> Option<Run> {
        let last = self.subject.tail.last;
        (last.size > 0).then_some(Run {
            original: last.start.0,
            patched: elf_end,
            size: last.size,
        })
    }

    /// The number in the last bytes that names the place of the rest.
    fn renumbered(&self, last: Option<Run>) -> Result<Option<Chunk>, Error> {
        let tail = self.subject.tail;
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
        let encoding = self.subject.layout.encoding;
        let mut chunks = Vec::new();
        if !self.placement.in_front {
            chunks.push(Chunk {
                offset: 0,
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
                offset: self.subject.dynamic.range.start.0 + self.placement.rise(),
                bytes: entries,
            });
        }
        let hooks = self.subject.hook();
        let hooks = hooks.map(|hook| hook.chunks(encoding, self.runtime_address()));
        chunks.extend(hooks.into_iter().flatten().map(|chunk| Chunk {
            offset: chunk.offset + self.placement.rise(),
            ..chunk
        }));
        chunks.extend(self.symbols()?);
        Ok(chunks)
    }

    /// Symbol table entries that name moved addresses.
    fn symbols(&self) -> Result<Vec<Chunk>, Error> {
        let chunk = |symbol: &Symbol| {
            let mut entry = symbol.entry;
            let offset = self.subject.layout.offset_of(VirtAddr(entry.value));
            if let Some((_, address)) = offset.and_then(|offset| self.placement.moved(offset)) {
                entry.value = address;
            }
            let bytes = Entry::encode_all(&[entry], self.subject.layout.encoding)?;
            let place = self.placement.kept(&symbol.range);
            let offset = place.unwrap_or(symbol.range).start.0;
            Ok(Chunk { offset, bytes })
        };
        self.placement.symbols.iter().map(chunk).collect()
    }

    fn original(&self, range: FileRange) -> Result<Vec<u8>, Error> {
        Ok(self.subject.source.read_at(range.start.0, range.size)?)
    }

    /// The new segment that is not writable.
    fn segment(
        &self,
        header: FileHeader,
        segments: &[ProgramHeader],
        undo: &Undo,
    ) -> Result<Chunk, Error> {
        let placement = self.placement;
        let encoding = self.subject.layout.encoding;
        let part = |offset, bytes| Chunk { offset, bytes };
        let mut parts = vec![
            part(placement.head.start.0, self.head()?),
            part(placement.notes.start.0, self.notes(undo)?),
        ];
        if placement.in_front {
            parts.push(part(0, FileHeader::encode_all(&[header], encoding)?));
        }
        if placement.table_moves() {
            let table = ProgramHeader::encode_all(segments, encoding)?;
            parts.push(part(placement.table.start.0, table));
        }
        let is_part =
            |placed: &&Placed| placed.in_new_segment && placed.offset != placement.head.start.0;
        for placed in placement.placed.iter().filter(is_part) {
            parts.push(part(placed.offset, self.original(placed.piece.range)?));
        }
        let size = usize::try_from(placement.segment.size).map_err(|_| Error::TooLarge)?;
        let mut segment = part(placement.segment.start.0, vec![0; size]);
        for part in parts {
            part.overlay(&mut segment.bytes, segment.offset);
        }
        Ok(segment)
    }

    /// The policy notes.
    fn notes(&self, undo: &Undo) -> Result<Vec<u8>, Error> {
        let placement = self.placement;
        let order = self.subject.layout.encoding.note_order();
        let segment = self.subject.layout.segment(elf::PT_DYNAMIC);
        let moved = placement
            .dynamic
            .filter(|_| self.dynamic_is_writable())
            .zip(segment)
            .map(|(range, old)| MovedDynamic {
                from: old.vaddr,
                to: placement.address(range.start.0),
                size: range.size,
            });
        let undo = undo.to_bytes(order)?;
        Ok(self
            .subject
            .content
            .to_bytes(order, placement.notes_align, moved, &undo)?)
    }

    /// The dynamic strings with the library's name, or the runtime.
    fn head(&self) -> Result<Vec<u8>, Error> {
        match &self.subject.means {
            Means::Library { path, .. } => {
                let mut bytes = self.original(self.strings()?)?;
                bytes.extend(path.as_bytes());
                bytes.push(0);
                Ok(bytes)
            }
            Means::Inline { runtime, hook } => self.runtime(runtime, hook),
        }
    }

    /// The dynamic strings as they are.
    fn strings(&self) -> Result<FileRange, Error> {
        let mut placed = self.placement.placed.iter();
        let strings = placed.find(|placed| placed.piece.kind == Kind::Strings);
        let strings = strings.ok_or(Error::Malformed("it has no dynamic string table"))?;
        Ok(strings.piece.range)
    }

    /// The runtime's link-time address.
    fn runtime_address(&self) -> u64 {
        self.placement.address(self.placement.head.start.0)
    }

    /// The runtime, told where to go on and where the notes are.
    fn runtime(&self, code: &[u8], hook: &Hook) -> Result<Vec<u8>, Error> {
        let placement = self.placement;
        let start = placement.head.start.0;
        let notes = FileRange::new(placement.notes.start.0 - start, placement.notes.size);
        let next = hook.original.wrapping_sub(self.runtime_address());
        let mut bytes = code.to_vec();
        let align = placement.notes_align as u64;
        inline::link(&mut bytes, next.cast_signed(), notes, align)?;
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
            .map(|range| Undo::keep(self.subject.source, range));
        let before = self
            .subject
            .content
            .size_before_undo(self.placement.notes_align);
        let place = self.placement.notes.start.0 + before as u64;
        Ok(Undo {
            length: self.subject.layout.length,
            patched_length,
            place,
            digest: Digest::default(),
            runs,
            originals: originals.collect::<Result<_, _>>()?,
            moves: moves.collect(),
        })
    }

    /// The program headers: those there were, and those of the new segments.
    fn segments(&self) -> Vec<ProgramHeader> {
        let placement = self.placement;
        let grows = if placement.table_moves() {
            None
        } else {
            room::growing_load(self.subject.layout, &placement.table)
        };
        let old = self.subject.layout.segments.iter();
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

    /// A program header, after what it leads to has moved.
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
                        && !self.subject.layout.is_of_notes(segment) =>
                {
                    ProgramHeader { offset, ..*segment }
                }
                Some((offset, address)) => {
                    let moved = ProgramHeader {
                        offset,
                        vaddr: address,
                        paddr: address,
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
                        offset: kept.start.0,
                        ..*segment
                    },
                    None => *segment,
                },
            },
        }
    }

    /// A program header whose bytes are where they were in memory.
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
            && !self.placement.rise().is_multiple_of(segment.align.max(1))
        {
            risen.align = self.page();
        }
        risen
    }

    /// The headers of the new segments.
    fn loads(&self) -> impl Iterator<Item = ProgramHeader> {
        let rights = match self.subject.hook() {
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

    fn page(&self) -> u64 {
        Machine::of(self.subject.layout).max_page_size
    }

    /// Whether the loader may write to the dynamic section; where it may not,
    /// it does not try (`-z rodynamic`, and all of MIPS).
    fn dynamic_is_writable(&self) -> bool {
        let segment = self.subject.layout.segment(elf::PT_DYNAMIC);
        let load = segment.and_then(|segment| self.subject.layout.load_of(VirtAddr(segment.vaddr)));
        load.is_some_and(|load| load.flags.0 & elf::PF_W.0 != 0)
    }

    fn header(
        &self,
        kind: elf::ProgramType,
        flags: elf::ProgramFlags,
        range: FileRange,
        align: u64,
    ) -> ProgramHeader {
        let address = self.placement.address(range.start.0);
        ProgramHeader {
            kind,
            flags,
            offset: range.start.0,
            vaddr: address,
            paddr: address,
            filesz: range.size,
            memsz: range.size,
            align,
        }
    }

    fn entries(&self) -> Result<Vec<Dyn>, Error> {
        let mut entries = self.subject.dynamic.entries.clone();
        for entry in &mut entries {
            match entry.tag {
                elf::DT_STRSZ if self.subject.library().is_some() => {
                    entry.value = self.placement.head.size;
                }
                tag if pieces::leads_to_piece(tag) => {
                    let offset = self.subject.layout.offset_of(VirtAddr(entry.value));
                    if let Some((_, address)) =
                        offset.and_then(|offset| self.placement.moved(offset))
                    {
                        entry.value = address;
                    }
                }
                _ => {}
            }
        }
        if let Some((_, position)) = self.subject.library() {
            self.add_library(&mut entries, position)?;
        }
        let end = Dyn {
            tag: elf::DT_NULL,
            value: 0,
        };
        let slots = match self.placement.dynamic {
            Some(range) => usize::try_from(range.size / Dyn::size(self.subject.layout.encoding))
                .map_err(|_| Error::TooLarge)?,
            None => self.subject.dynamic.slots,
        };
        if self.subject.library().is_some() && slots <= entries.len() {
            return Err(Error::Malformed("the dynamic section has no room"));
        }
        let segment = self.subject.layout.segment(elf::PT_DYNAMIC);
        let from = segment.map_or(0, |segment| segment.vaddr);
        let to = self
            .placement
            .dynamic
            .map_or(from, |range| self.placement.address(range.start.0));
        Machine::of(self.subject.layout).keep_targets(
            self.subject.layout.encoding,
            (&self.subject.dynamic.entries, from),
            (&mut entries, to),
        );
        entries.resize(slots, end);
        Ok(entries)
    }

    /// Adds what has the loader load the runtime.
    fn add_library(&self, entries: &mut Vec<Dyn>, position: Position) -> Result<(), Error> {
        let needed = Dyn {
            tag: elf::DT_NEEDED,
            value: self.strings()?.size,
        };
        let at = match position {
            Position::First => 0,
            Position::Last => entries
                .iter()
                .rposition(|entry| entry.tag == elf::DT_NEEDED)
                .map_or(0, |last| last + 1),
        };
        entries.insert(at, needed);
        entries.push(Dyn {
            tag: elf::DynamicTag(i64::from(note::DYNAMIC_TAG)),
            value: note::VERSION.into(),
        });
        Ok(())
    }
}

/// Whether a program header says only that it is there.
pub(super) fn leads_nowhere(segment: &ProgramHeader) -> bool {
    [elf::PT_NULL, elf::PT_GNU_STACK].contains(&segment.kind) && segment.filesz == 0
}

fn resized(segment: &ProgramHeader, size: u64) -> ProgramHeader {
    ProgramHeader {
        filesz: size,
        memsz: size,
        ..*segment
    }
}
