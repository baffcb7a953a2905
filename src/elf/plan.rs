//! The plan of a patch: which bytes change, which are added and where. Making
//! it reads the file and touches nothing; [`super::write()`] carries it out.

use object::elf;
use sandbox_format::note;

use super::encoding::{Dyn, FileHeader, ProgramHeader, Record, SectionHeader};
use super::machine::max_page_size;
use super::pieces::{self, Kind};
use super::room::{self, Destination, Displaced};
use super::undo::{Digest, Move, Undo};
use super::{Chunk, Dynamic, Error, FileRange, Layout, Section, Source, align_up};
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
    /// How many program headers were added.
    pub headers: usize,
}

impl Plan {
    /// The length of the patched file in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.appended
            .last()
            .map_or(self.kept, |chunk| chunk.offset + chunk.bytes.len() as u64)
    }

    /// Bytes that the patch adds to the file.
    #[must_use]
    pub fn added(&self) -> u64 {
        self.length() - self.kept
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
        let stays = dynamic.slots > dynamic.entries.len() + ADDED_ENTRIES;
        let headers = if stays { 2 } else { 3 };
        let pieces = pieces::find(layout, source)?;
        let displaced = room::make(layout, source, &pieces, headers)?;
        let placement = Placement::make(layout, request, dynamic, &displaced, headers, stays)?;
        Writer {
            layout,
            source,
            request,
            dynamic,
            displaced: &displaced,
            placement: &placement,
        }
        .plan()
    }
}

/// DT_NEEDED and the tag that says that the program was patched.
const ADDED_ENTRIES: usize = 2;

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

/// Where everything will be.
#[derive(Clone, Debug)]
struct Placement {
    /// Difference of address and offset in the new segments.
    address_of_file_start: u64,
    /// Offsets of the displaced pieces, in their order.
    pieces: Vec<u64>,
    /// The policy notes.
    notes: FileRange,
    /// The read-only segment.
    segment: FileRange,
    /// The dynamic section, if it moves.
    dynamic: Option<FileRange>,
    /// What the UNDO note keeps.
    recorded: Vec<FileRange>,
    /// Size of the dynamic strings with the library's name.
    strings_size: u64,
}

impl Placement {
    fn make(
        layout: &Layout,
        request: &Request<'_>,
        dynamic: &Dynamic,
        displaced: &[Displaced],
        headers: usize,
        dynamic_stays: bool,
    ) -> Result<Self, Error> {
        let page = max_page_size(layout.header.machine);
        let up = |value, alignment| align_up(value, alignment).ok_or(Error::TooLarge);
        let loads = layout.segments_of(elf::PT_LOAD);
        let memory_end = loads
            .map(|load| load.vaddr + load.memsz)
            .max()
            .unwrap_or_default();
        let start = up(layout.length, page)?;
        let address = up(memory_end, page)?;

        // The first bytes of the segment belong to the strings, which no
        // program header points at: llvm-objcopy takes a header of the same
        // offset that stands earlier in the table for the segment's parent, and
        // lays it out with that header's alignment.
        let old = layout.dynamic_strings()?;
        let strings_size = old.size + request.library.len() as u64 + 1;
        let mut end = start + strings_size;
        let mut pieces = Vec::new();
        for moved in displaced {
            pieces.push(match (moved.to, moved.piece.kind) {
                (Destination::Vacated(offset), _) => offset,
                (Destination::NewSegment, Kind::Strings) => start,
                (Destination::NewSegment, _) => {
                    let offset = up(end, moved.piece.align)?;
                    end = offset + moved.piece.range.size;
                    offset
                }
            });
        }
        let recorded = recorded(layout, dynamic, displaced, headers);
        let undo = Undo::size(&recorded, displaced.len());
        let notes = FileRange::new(up(end, 8)?, request.content.size(undo) as u64);
        let segment = FileRange::new(start, notes.end() - start);
        let entries = (dynamic.entries.len() + ADDED_ENTRIES + 1) as u64;
        let moved_dynamic = || {
            Ok::<_, Error>(FileRange::new(
                up(segment.end(), page)?,
                entries * Dyn::size(layout.encoding),
            ))
        };
        let dynamic = (!dynamic_stays).then(moved_dynamic).transpose()?;
        let address_of_file_start = address.wrapping_sub(start);
        Ok(Self {
            address_of_file_start,
            pieces,
            notes,
            segment,
            dynamic,
            recorded,
            strings_size,
        })
    }

    /// The address of an offset in the new segments.
    fn address(&self, offset: u64) -> u64 {
        self.address_of_file_start.wrapping_add(offset)
    }
}

/// What is overwritten in place, and the dynamic section even if it moves:
/// `strip` clears what no section covers, and where another tool changed the
/// file the section is put together from its old and new content.
fn recorded(
    layout: &Layout,
    dynamic: &Dynamic,
    displaced: &[Displaced],
    headers: usize,
) -> Vec<FileRange> {
    let table = room::table_size(layout, layout.segments.len() + headers);
    let mut ranges = vec![
        FileRange::new(0, FileHeader::size(layout.encoding)),
        FileRange::new(layout.header.phoff, table),
    ];
    ranges.extend(displaced.iter().filter_map(|moved| match moved.to {
        Destination::Vacated(offset) => Some(FileRange::new(offset, moved.piece.range.size)),
        Destination::NewSegment => None,
    }));
    ranges.push(dynamic.range);
    ranges
}

/// Turns placements into bytes.
struct Writer<'a, S: ?Sized> {
    layout: &'a Layout,
    source: &'a S,
    request: &'a Request<'a>,
    dynamic: &'a Dynamic,
    displaced: &'a [Displaced],
    placement: &'a Placement,
}

impl<S: Source + ?Sized> Writer<'_, S> {
    fn plan(&self) -> Result<Plan, Error> {
        let encoding = self.layout.encoding;
        let segments = self.segments();
        let entries = Dyn::encode_all(&self.entries()?, encoding)?;
        let mut header = self.layout.header;
        header.phnum = u16::try_from(segments.len()).map_err(|_| Error::TooLarge)?;

        let mut appended = vec![self.segment()?];
        if let Some(range) = self.placement.dynamic {
            appended.push(Chunk {
                offset: range.start.0,
                bytes: entries.clone(),
            });
        }
        if let Some((chunk, table)) = self.sections(&appended)? {
            header.shoff = table;
            header.shnum += 1;
            appended.push(chunk);
        }
        let mut overwrites = vec![
            Chunk {
                offset: 0,
                bytes: FileHeader::encode_all(&[header], encoding)?,
            },
            Chunk {
                offset: header.phoff,
                bytes: ProgramHeader::encode_all(&segments, encoding)?,
            },
        ];
        for (moved, &offset) in self.displaced.iter().zip(&self.placement.pieces) {
            if let Destination::Vacated(_) = moved.to {
                overwrites.push(Chunk {
                    offset,
                    bytes: self.original(moved.piece.range)?,
                });
            }
        }
        if self.placement.dynamic.is_none() {
            overwrites.push(Chunk {
                offset: self.dynamic.range.start.0,
                bytes: entries,
            });
        }
        let mut moved: Vec<_> = self
            .displaced
            .iter()
            .map(|moved| moved.piece.kind.name())
            .collect();
        if self.placement.dynamic.is_some() {
            moved.push(".dynamic");
        }
        let headers = segments.len() - self.layout.segments.len();
        Ok(Plan {
            kept: self.layout.length,
            overwrites,
            appended,
            moved,
            headers,
        })
    }

    fn original(&self, range: FileRange) -> Result<Vec<u8>, Error> {
        Ok(self.source.read_at(range.start.0, range.size)?)
    }

    /// The new read-only segment.
    fn segment(&self) -> Result<Chunk, Error> {
        let placement = self.placement;
        let start = placement.segment.start.0;
        let mut bytes = self.original(self.layout.dynamic_strings()?)?;
        bytes.extend(self.request.library.as_bytes());
        bytes.push(0);
        let mut append = |offset: u64, part: &[u8]| -> Result<(), Error> {
            bytes.resize(
                usize::try_from(offset - start).map_err(|_| Error::TooLarge)?,
                0,
            );
            bytes.extend(part);
            Ok(())
        };
        for (moved, &offset) in self.displaced.iter().zip(&placement.pieces) {
            if moved.to == Destination::NewSegment && moved.piece.kind != Kind::Strings {
                append(offset, &self.original(moved.piece.range)?)?;
            }
        }
        let undo = self.undo()?;
        let order = self.layout.encoding.note_order();
        let protect = placement.dynamic.map_or(Ok((0, 0)), |range| {
            let page = max_page_size(self.layout.header.machine);
            let size = align_up(range.size, page).ok_or(Error::TooLarge)?;
            Ok::<_, Error>((placement.address(range.start.0), size))
        })?;
        append(
            placement.notes.start.0,
            &self
                .request
                .content
                .to_bytes(order, protect, &undo.to_bytes(order)?)?,
        )?;
        Ok(Chunk {
            offset: start,
            bytes,
        })
    }

    fn undo(&self) -> Result<Undo, Error> {
        let moves = self.displaced.iter().map(|Displaced { piece, .. }| {
            let to = self
                .moved(piece.range.start.0)
                .map_or(piece.address, |(_, address)| address);
            Move {
                from: piece.address,
                to,
                size: piece.range.size,
            }
        });
        let originals = self
            .placement
            .recorded
            .iter()
            .map(|range| Undo::keep(self.source, range));
        Ok(Undo {
            length: self.layout.length,
            digest: self.request.digest,
            originals: originals.collect::<Result<_, _>>()?,
            moves: moves.collect(),
        })
    }

    /// The new offset and address of something that starts within a displaced
    /// piece.
    fn moved(&self, offset: u64) -> Option<(u64, u64)> {
        let within = |moved: &Displaced| moved.piece.range.contains(&FileRange::new(offset, 1));
        let index = self.displaced.iter().position(within)?;
        let Displaced { piece, to } = self.displaced[index];
        let place = self.placement.pieces[index];
        let address = match to {
            Destination::NewSegment => self.placement.address(place),
            // Within one segment offsets and addresses have one distance.
            Destination::Vacated(_) => piece
                .address
                .wrapping_add(place)
                .wrapping_sub(piece.range.start.0),
        };
        let delta = offset - piece.range.start.0;
        Some((place + delta, address + delta))
    }

    fn segments(&self) -> Vec<ProgramHeader> {
        let placement = self.placement;
        let added = if placement.dynamic.is_some() { 3 } else { 2 };
        let table = room::table_size(self.layout, self.layout.segments.len() + added);
        let mut segments = self.layout.segments.clone();
        for segment in &mut segments {
            match segment.kind {
                elf::PT_LOAD => {}
                elf::PT_PHDR => (segment.filesz, segment.memsz) = (table, table),
                elf::PT_DYNAMIC => {
                    if let Some(range) = placement.dynamic {
                        *segment = self.header(
                            elf::PT_DYNAMIC,
                            elf::PF_R | elf::PF_W,
                            range,
                            segment.align,
                        );
                    }
                }
                _ if segment.filesz > 0 => {
                    if let Some((offset, address)) = self.moved(segment.offset) {
                        (segment.offset, segment.vaddr, segment.paddr) = (offset, address, address);
                    }
                }
                _ => {}
            }
        }
        // Loaders want the loadable segments in ascending order of address
        // (gABI chapter 5, PT_LOAD).
        let last = segments
            .iter()
            .rposition(|segment| segment.kind == elf::PT_LOAD)
            .map_or(0, |last| last + 1);
        let page = max_page_size(self.layout.header.machine);
        let mut loads = vec![self.header(elf::PT_LOAD, elf::PF_R, placement.segment, page)];
        loads.extend(
            placement
                .dynamic
                .map(|range| self.header(elf::PT_LOAD, elf::PF_R | elf::PF_W, range, page)),
        );
        segments.splice(last..last, loads);
        segments.push(self.header(elf::PT_NOTE, elf::PF_R, placement.notes, 4));
        segments
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
        let mut entries = self.dynamic.entries.clone();
        for entry in &mut entries {
            match entry.tag {
                elf::DT_STRSZ => entry.value = self.placement.strings_size,
                elf::DT_STRTAB | elf::DT_SYMTAB | elf::DT_HASH | elf::DT_GNU_HASH => {
                    let offset = self.layout.offset_of(super::VirtAddr(entry.value));
                    if let Some((_, address)) = offset.and_then(|offset| self.moved(offset)) {
                        entry.value = address;
                    }
                }
                _ => {}
            }
        }
        let name = self.placement.strings_size - self.request.library.len() as u64 - 1;
        let needed = Dyn {
            tag: elf::DT_NEEDED,
            value: name,
        };
        let at = match self.request.position {
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
        let end = Dyn {
            tag: elf::DT_NULL,
            value: 0,
        };
        let slots = if self.placement.dynamic.is_some() {
            entries.len() + 1
        } else {
            self.dynamic.slots
        };
        if slots <= entries.len() {
            return Err(Error::Malformed("the dynamic section has no room"));
        }
        entries.resize(slots, end);
        Ok(entries)
    }

    /// The new section names and section header table in one chunk, and the
    /// table's offset; nothing where the file has no section headers.
    fn sections(&self, appended: &[Chunk]) -> Result<Option<(Chunk, u64)>, Error> {
        let sections = &self.layout.sections;
        let names_index = usize::from(self.layout.header.shstrndx.0);
        let Some(names) = sections.get(names_index) else {
            return Ok(None);
        };
        let encoding = self.layout.encoding;
        let offset = appended.last().map_or(self.layout.length, |chunk| {
            chunk.offset + chunk.bytes.len() as u64
        });

        let mut bytes = self.original(names.range())?;
        let name = u32::try_from(bytes.len()).map_err(|_| Error::TooLarge)?;
        bytes.extend(note::SECTION.as_bytes());
        bytes.push(0);
        let names_size = bytes.len() as u64;

        let mut headers: Vec<SectionHeader> = sections
            .iter()
            .map(|section| self.section(section))
            .collect();
        headers[names_index].offset = offset;
        headers[names_index].size = names_size;
        headers.push(self.note_section(name));
        if headers.len() >= usize::from(elf::SHN_LORESERVE) {
            return Err(Error::Malformed("it has too many sections"));
        }
        let table = align_up(offset + names_size, 8).ok_or(Error::TooLarge)?;
        bytes.resize(
            usize::try_from(table - offset).map_err(|_| Error::TooLarge)?,
            0,
        );
        bytes.extend(SectionHeader::encode_all(&headers, encoding)?);
        Ok(Some((Chunk { offset, bytes }, table)))
    }

    /// A section header, true to where its content is now.
    fn section(&self, section: &Section) -> SectionHeader {
        let mut header = section.header;
        if !section.is_allocated() || section.range().size == 0 {
            return header;
        }
        if header.kind == elf::SHT_DYNAMIC {
            if let Some(range) = self.placement.dynamic {
                (header.offset, header.size) = (range.start.0, range.size);
                header.addr = self.placement.address(range.start.0);
            }
        } else if let Some((offset, address)) = self.moved(header.offset) {
            (header.offset, header.addr) = (offset, address);
            if offset == self.placement.segment.start.0 {
                header.size = self.placement.strings_size;
            }
        }
        header
    }

    fn note_section(&self, name: u32) -> SectionHeader {
        let range = self.placement.notes;
        SectionHeader {
            name,
            kind: elf::SHT_NOTE,
            flags: elf::SHF_ALLOC,
            addr: self.placement.address(range.start.0),
            offset: range.start.0,
            size: range.size,
            link: 0,
            info: 0,
            addralign: 4,
            entsize: 0,
        }
    }
}
