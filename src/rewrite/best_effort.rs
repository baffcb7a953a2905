//! Taking a patch out of a file that another tool, such as `strip`, changed afterwards:
//! what the patch moved goes back to where it was, and the headers that it added are
//! removed. The space that they took remains, without content; anything put before the
//! original segments is removed with them.

mod headers;

use object::elf;
use sandbox_format::note;

use headers::{Added, OriginalHeaders, within};

use super::assemble::leads_nowhere;
use super::plan::Plan;
use super::runs::Run;
use super::undo::{Move, Undo};
use super::{inline, pieces, references, section_headers};
use crate::elf::encoding::{Dyn, FileHeader, ProgramHeader, Record, SectionHeader};
use crate::elf::machine::Machine;
use crate::elf::ranges::Ranges;
use crate::elf::{Chunk, Dynamic, FileOffset, FileRange, Image, Layout, Section, Source, VirtAddr};
use crate::rewrite::error::{Error, Lost};

/// Plans the removal.
///
/// # Errors
///
/// The other tool moved something that has to be put back.
pub fn plan(image: &Image<impl Source>, undo: &Undo) -> Result<Plan, Error> {
    let original = OriginalHeaders::decode(image, undo)?;
    let added = Added::find(image, &original)?;
    check_sizes(image, undo, &added)?;
    let mut moves = undo.moves.clone();
    moves.sort_by_key(|moved| moved.to);
    let remover = Remover {
        rise: rise(&original, &added)?,
        image,
        undo,
        moves,
        cut_off: cut_off(image, &original, &added),
        original,
        added,
    };
    let plan = remover.plan()?;
    check(&plan.applied_to(&image.source))?;
    Ok(plan)
}

/// How many bytes further up in the file the original's segments are, after what the
/// patch put before them.
fn rise(original: &OriginalHeaders, added: &Added) -> Result<u64, Error> {
    let mut pairs = added.others.iter().zip(&original.segments);
    let first = pairs.find(|(_, old)| old.kind == elf::PT_LOAD);
    let rise = first.and_then(|(now, old)| now.offset.checked_sub(old.offset));
    let rise = rise.filter(|rise| rise.is_multiple_of(inline::PAGE as u64));
    rise.ok_or(Lost::Segments.into())
}

/// Moved parts and added segments are parts of the file: together they can't be longer
/// than the file.
fn check_sizes(layout: &Layout, undo: &Undo, added: &Added) -> Result<(), Error> {
    let moved = undo.moves.iter().map(|moved| moved.size);
    let loaded = added.loads.iter().map(|load| load.filesz);
    let is_within = |mut sizes: Box<dyn Iterator<Item = u64> + '_>| {
        let total = sizes.try_fold(0_u64, u64::checked_add);
        total.is_some_and(|total| total <= layout.length)
    };
    if is_within(Box::new(moved)) && is_within(Box::new(loaded)) {
        Ok(())
    } else {
        Err(Lost::RecordFalse.into())
    }
}

/// For each of the original's segments, where its end was in the file, if a tool cut it
/// off: GNU strip cuts off what no section covers, for example if the patch took the
/// segment's last part. `None` if something else is there now.
fn cut_off(layout: &Layout, original: &OriginalHeaders, added: &Added) -> Vec<Option<FileRange>> {
    let sections = layout.sections.iter().map(Section::range);
    let segments = layout.segments.iter().map(ProgramHeader::range);
    let taken = Ranges::of(sections.chain(segments));
    let of = |(now, old): (&ProgramHeader, &ProgramHeader)| {
        let size = old.filesz.checked_sub(now.filesz)?;
        let range = FileRange::new(now.offset.checked_add(now.filesz)?, size);
        (now.kind == elf::PT_LOAD && size > 0 && !taken.overlap(&range)).then_some(range)
    };
    added
        .others
        .iter()
        .zip(&original.segments)
        .map(of)
        .collect()
}

/// Checks that the result is as sound as a file must be for patching. The record may be
/// wrong, and another tool may have put something of its own where moved parts would go
/// back to.
fn check(result: &(impl Source + ?Sized)) -> Result<(), Error> {
    let is_sound = || {
        let image = Image::read(result)?;
        image.interpreter()?;
        let pieces = pieces::find(&image)?;
        let none = Dynamic::default();
        references::check(&image, image.dynamic.as_ref().unwrap_or(&none), &pieces)
    };
    is_sound().map_err(|_: Error| Lost::RecordFalse.into())
}

struct Remover<'a, S> {
    image: &'a Image<S>,
    undo: &'a Undo,
    /// How much further up in the file than in the original the segments are.
    rise: u64,
    /// What moved, sorted by the new place.
    moves: Vec<Move>,
    /// For each of the original's segments, what was cut off its end.
    cut_off: Vec<Option<FileRange>>,
    original: OriginalHeaders,
    added: Added,
}

impl<S: Source> Remover<'_, S> {
    fn plan(&self) -> Result<Plan, Error> {
        let start = FileOffset(self.rise);
        let kept = FileRange::between(start, FileOffset(self.image.length));
        let overwrites = self.overwrites()?;
        let overwrites = overwrites.iter().filter_map(|chunk| chunk.within(&kept));
        Ok(Plan {
            runs: vec![Run {
                original: start,
                patched: FileOffset(0),
                size: kept.size,
            }],
            overwrites: overwrites
                .map(|chunk| Chunk {
                    offset: chunk.offset.saturating_back(self.rise),
                    ..chunk
                })
                .collect(),
            added: Vec::new(),
        })
    }

    /// What changes in this file; later chunks take precedence over earlier ones: first
    /// the bytes that the patch overwrote in the segment of the headers, whose offsets no
    /// tool changes, then what moved, then the headers.
    fn overwrites(&self) -> Result<Vec<Chunk>, Error> {
        let encoding = self.image.encoding;
        let dynamic = self.image.dynamic.as_ref();
        if dynamic.is_none() && !self.original.dynamic.is_empty() {
            return Err(Lost::NoDynamic.into());
        }
        let mut overwrites = self.in_first_segment()?;
        for load in &self.added.loads {
            let size = usize::try_from(load.filesz).map_err(|_| Error::TooLarge)?;
            overwrites.push(Chunk {
                offset: load.offset,
                bytes: vec![0; size],
            });
        }
        overwrites.extend(self.moved_back()?);
        overwrites.push(Chunk {
            offset: self.original.phoff.saturating_add(self.rise),
            bytes: ProgramHeader::encode_all(&self.segments()?, encoding)?,
        });
        overwrites.extend(self.elsewhere()?);
        overwrites.extend(dynamic.map(|dynamic| self.dynamic(dynamic)).transpose()?);
        overwrites.extend(self.sections()?);
        overwrites.push(Chunk {
            offset: FileOffset(self.rise),
            bytes: FileHeader::encode_all(&[self.file_header()?], encoding)?,
        });
        Ok(overwrites)
    }

    /// What the patch overwrote in the segment of the headers.
    fn in_first_segment(&self) -> Result<Vec<Chunk>, Error> {
        let mut loads = self.image.segments_of(elf::PT_LOAD);
        let first = loads.find(|load| load.offset.0 == self.rise);
        let end = FileOffset(first.ok_or(Lost::Segments)?.filesz);
        let originals = self.undo.originals.iter();
        let inside = originals.filter(|chunk| chunk.offset.0 > 0 && chunk.end() <= end);
        let risen = inside.map(|chunk| Chunk {
            offset: chunk.offset + self.rise,
            bytes: chunk.bytes.clone(),
        });
        Ok(risen.collect())
    }

    fn file_header(&self) -> Result<FileHeader, Error> {
        let mut header = self.image.header;
        if within(&self.added.loads, header.entry) {
            header.entry = self.original.entry;
        }
        header.phoff = self.original.phoff;
        header.shoff = header.shoff.saturating_back(self.rise);
        header.phnum = u16::try_from(self.original.segments.len()).map_err(|_| Error::TooLarge)?;
        Ok(header)
    }

    /// Where a byte of the original's memory is in this file.
    fn offset_of(&self, address: VirtAddr) -> Result<FileOffset, Error> {
        let in_cut_off = || {
            let pairs = self.added.others.iter().zip(&self.original.segments);
            let mut pairs = pairs.zip(&self.cut_off);
            pairs.find_map(|((now, old), cut_off)| {
                let cut_off = cut_off.as_ref()?;
                let offset = now.offset.checked_add(address.checked_sub(old.vaddr)?)?;
                cut_off
                    .contains(&FileRange::new(offset, 1))
                    .then_some(offset)
            })
        };
        let offset = self.image.offset_of(address);
        let offset = offset.or_else(in_cut_off);
        offset.ok_or(Lost::Segments.into())
    }

    /// The words in other segments that pointed to a runtime in the program, with their
    /// original content, at their current place.
    fn elsewhere(&self) -> Result<Vec<Chunk>, Error> {
        let word = self.image.encoding.word();
        let mut chunks = Vec::new();
        for original in &self.undo.originals {
            let holds = |load: &&ProgramHeader| {
                let file = load.range();
                load.kind == elf::PT_LOAD && load.offset.0 > 0 && file.contains(&original.range())
            };
            let is_dynamic = self.is_dynamic(original);
            let load = self.original.segments.iter().find(holds);
            let Some(load) = load.filter(|_| original.range().size == word && !is_dynamic) else {
                continue;
            };
            chunks.push(Chunk {
                offset: self.offset_of(load.vaddr + (original.offset - load.offset))?,
                bytes: original.bytes.clone(),
            });
        }
        Ok(chunks)
    }

    fn is_dynamic(&self, chunk: &Chunk) -> bool {
        let mut segments = self.original.segments.iter();
        segments.any(|segment| segment.kind == elf::PT_DYNAMIC && segment.offset == chunk.offset)
    }

    /// Puts the moved parts back, from where they are now.
    fn moved_back(&self) -> Result<Vec<Chunk>, Error> {
        let back = |moved: &Move| {
            let range = self.range_of(moved)?;
            let bytes = self.image.source.read_range(range)?;
            Ok(Chunk {
                offset: self.offset_of(moved.from)?,
                bytes,
            })
        };
        self.undo.moves.iter().map(back).collect()
    }

    /// Where the target of a PT_NOTE with a wrong address goes back to, if it had moved.
    fn back_from(&self, now: &ProgramHeader) -> Option<FileOffset> {
        let is_nobodys = now.kind == elf::PT_NOTE && !self.image.is_of_notes(now);
        let address = self.image.address_of(&now.range()).filter(|_| is_nobodys)?;
        let moved = self.moved_to(address)?;
        let from = moved.from.checked_add(address - moved.to)?;
        self.offset_of(from).ok()
    }

    /// The moved part that contains an address now.
    fn moved_to(&self, address: VirtAddr) -> Option<&Move> {
        let behind = self.moves.partition_point(|moved| moved.to <= address);
        let moved = &self.moves[behind.checked_sub(1)?];
        (address - moved.to < moved.size).then_some(moved)
    }

    fn range_of(&self, moved: &Move) -> Result<FileRange, Error> {
        let range = self.image.range_at(moved.to, moved.size);
        range.ok_or(Lost::Segments.into())
    }

    fn segments(&self) -> Result<Vec<ProgramHeader>, Error> {
        let mut segments = Vec::new();
        let pairs = self.added.others.iter().zip(&self.original.segments);
        for ((now, old), cut_off) in pairs.zip(&self.cut_off) {
            let mut segment = *now;
            if now.kind != elf::PT_LOAD && now.vaddr != old.vaddr {
                segment = ProgramHeader {
                    offset: self.offset_of(old.vaddr)?,
                    ..*old
                };
            } else if now.kind == elf::PT_PHDR || cut_off.is_some() {
                (segment.filesz, segment.memsz) = (old.filesz, old.memsz);
            } else if let Some(offset) = self.back_from(now) {
                segment.offset = offset;
            }
            if self.rise > 0 && !leads_nowhere(&segment) {
                segment.offset = segment.offset.saturating_back(self.rise);
                segment.align = old.align;
            }
            segments.push(segment);
        }
        Ok(segments)
    }

    /// The dynamic section at its old place, with what other tools added.
    fn dynamic(&self, now: &Dynamic) -> Result<Chunk, Error> {
        let tag = elf::DynamicTag(i64::from(note::DYNAMIC_TAG));
        // The library's name was put behind the original's strings.
        let strings = self.original.get(elf::DT_STRTAB).map(VirtAddr);
        let strings = self
            .undo
            .moves
            .iter()
            .find(|moved| Some(moved.from) == strings);
        let name = strings.map(|moved| moved.size);
        let ours = |entry: &Dyn| {
            entry.tag == tag || (entry.tag == elf::DT_NEEDED && Some(entry.value) == name)
        };
        let mut entries: Vec<Dyn> = now
            .entries
            .iter()
            .filter(|entry| !ours(entry))
            .copied()
            .collect();
        let strings_moved = now
            .address(elf::DT_STRTAB)
            .is_some_and(|address| within(&self.added.loads, address));
        for entry in &mut entries {
            let moved =
                within(&self.added.loads, VirtAddr(entry.value)) && entry.tag != elf::DT_NEEDED;
            if moved || (entry.tag == elf::DT_STRSZ && strings_moved) {
                entry.value = self.original.get(entry.tag).unwrap_or(entry.value);
            }
        }
        let place = self
            .original
            .segments
            .iter()
            .find(|segment| segment.kind == elf::PT_DYNAMIC);
        let place = place.ok_or(Lost::RecordIncomplete)?;
        let segment = self.image.segment(elf::PT_DYNAMIC);
        let address = segment.map_or(place.vaddr, |segment| segment.vaddr);
        Machine::of(self.image).keep_targets(
            self.image.encoding,
            (&now.entries, address),
            (&mut entries, place.vaddr),
        );
        let slots = self.original.dynamic.len();
        let had_end = self
            .original
            .dynamic
            .iter()
            .any(|entry| entry.tag == elf::DT_NULL);
        if entries.len() + usize::from(had_end) > slots {
            return Err(Lost::DynamicLonger.into());
        }
        entries.resize(
            slots,
            Dyn {
                tag: elf::DT_NULL,
                value: 0,
            },
        );
        Ok(Chunk {
            offset: self.offset_of(place.vaddr)?,
            bytes: Dyn::encode_all(&entries, self.image.encoding)?,
        })
    }

    /// Whether it covers what the patch left where something was, or moved away.
    fn is_left(&self, section: &Section) -> bool {
        let name = || self.image.section_name(section);
        section.header.addr.0 != 0 && name() == section_headers::LEFT
    }

    /// The section headers, if there are any: moved parts get their old place, and the
    /// headers that the patch added are emptied.
    fn sections(&self) -> Result<Option<Chunk>, Error> {
        if self.image.sections.is_empty() {
            return Ok(None);
        }
        let old_dynamic = self
            .original
            .segments
            .iter()
            .find(|segment| segment.kind == elf::PT_DYNAMIC);
        let mut headers = Vec::new();
        for section in &self.image.sections {
            let mut header = section.header;
            let moved = self.moved_to(header.addr);
            if let Some(moved) = moved.filter(|_| section.is_allocated()) {
                header.addr = moved.from.saturating_add(header.addr - moved.to);
                header.offset = self.offset_of(header.addr)?;
                header.size = header.size.min(moved.size);
            } else if let (elf::SHT_DYNAMIC, Some(old)) = (header.kind, old_dynamic) {
                (header.addr, header.offset, header.size) =
                    (old.vaddr, self.offset_of(old.vaddr)?, old.filesz);
            } else if self.is_left(section)
                || (section.is_allocated() && within(&self.added.loads, header.addr))
            {
                header = SectionHeader {
                    name: header.name,
                    ..EMPTY
                };
            }
            header.offset = header.offset.saturating_back(self.rise);
            headers.push(header);
        }
        let bytes = SectionHeader::encode_all(&headers, self.image.encoding)?;
        Ok(Some(Chunk {
            offset: self.image.header.shoff,
            bytes,
        }))
    }
}

const EMPTY: SectionHeader = SectionHeader {
    name: 0,
    kind: elf::SHT_NULL,
    flags: elf::SectionFlags(0),
    addr: VirtAddr(0),
    offset: FileOffset(0),
    size: 0,
    link: 0,
    info: 0,
    addralign: 0,
    entsize: 0,
};
