//! What an ELF file says, read from its bytes alone: neither with the reader
//! under test, nor with the record definitions that it uses, so that the two
//! can't agree on a mistake. Field offsets are those of gABI chapters 4 and 5.

use std::ops::Range;

use super::overlap;

/// Types of program headers.
pub(crate) mod pt {
    pub(crate) const NULL: u32 = 0;
    pub(crate) const LOAD: u32 = 1;
    pub(crate) const DYNAMIC: u32 = 2;
    pub(crate) const NOTE: u32 = 4;
    pub(crate) const PHDR: u32 = 6;
    pub(crate) const GNU_STACK: u32 = 0x6474_e551;
    pub(crate) const GNU_RELRO: u32 = 0x6474_e552;
}

/// Permissions of segments.
pub(crate) mod pf {
    pub(crate) const X: u32 = 1;
    pub(crate) const W: u32 = 2;
    pub(crate) const R: u32 = 4;
}

/// Types of sections.
pub(crate) mod sht {
    pub(crate) const NULL: u32 = 0;
    pub(crate) const SYMTAB: u32 = 2;
    pub(crate) const STRTAB: u32 = 3;
    pub(crate) const RELA: u32 = 4;
    pub(crate) const NOBITS: u32 = 8;
    pub(crate) const DYNSYM: u32 = 11;
    pub(crate) const INIT_ARRAY: u32 = 14;
}

/// A program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) vaddr: u64,
    pub(crate) filesz: u64,
    pub(crate) memsz: u64,
    pub(crate) align: u64,
}

impl Segment {
    /// The file range.
    pub(crate) fn file(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.filesz)
    }

    /// The addresses.
    pub(crate) fn memory(&self) -> Range<u64> {
        self.vaddr..self.vaddr.saturating_add(self.memsz)
    }
}

/// A section header.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// Empty where it is not in the table of names.
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) addr: u64,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) align: u64,
    pub(crate) entry_size: u64,
}

impl Section {
    /// The file range; empty where the section has no bytes there.
    pub(crate) fn file(&self) -> Range<u64> {
        let size = match self.kind {
            sht::NULL | sht::NOBITS => 0,
            _ => self.size,
        };
        self.offset..self.offset.saturating_add(size)
    }

    pub(crate) fn is_allocated(&self) -> bool {
        self.flags & 2 != 0
    }
}

/// A file and its headers.
pub(crate) struct Image<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) is_64: bool,
    pub(crate) big_endian: bool,
    pub(crate) machine: u16,
    pub(crate) entry: u64,
    pub(crate) phoff: u64,
    pub(crate) shoff: u64,
    pub(crate) header_size: u64,
    /// The index of the section of section names.
    pub(crate) names: usize,
    pub(crate) segments: Vec<Segment>,
    /// None where the file has none, or none with names that can be read.
    pub(crate) sections: Vec<Section>,
}

impl<'a> Image<'a> {
    /// Reads the headers; nothing where they are not in the file.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let is_64 = match (bytes.get(..4)?, *bytes.get(4)?) {
            (b"\x7fELF", 1) => false,
            (b"\x7fELF", 2) => true,
            _ => return None,
        };
        let mut image = Self {
            bytes,
            is_64,
            big_endian: *bytes.get(5)? == 2,
            machine: 0,
            entry: 0,
            phoff: 0,
            shoff: 0,
            header_size: if is_64 { 64 } else { 52 },
            names: 0,
            segments: Vec::new(),
            sections: Vec::new(),
        };
        image.machine = image.half(18)?;
        image.entry = image.word(24)?;
        image.phoff = image.word(if is_64 { 32 } else { 28 })?;
        image.shoff = image.word(if is_64 { 40 } else { 32 })?;
        let count = image.half(if is_64 { 56 } else { 44 })?;
        image.segments = (0..count.into())
            .map(|index| image.segment(index))
            .collect::<Option<_>>()?;
        if image.shoff != 0 {
            image.sections = image.sections().unwrap_or_default();
        }
        Some(image)
    }

    fn segment(&self, index: u64) -> Option<Segment> {
        let at = self.phoff.checked_add(index * self.segment_size())?;
        self.slice(at..at.checked_add(self.segment_size())?)?;
        let word = |index| self.word(at + index);
        let fields = |flags, [offset, vaddr, filesz, memsz, align]: [u64; 5]| {
            Some(Segment {
                kind: self.four(at)?,
                flags: self.four(at + flags)?,
                offset: word(offset)?,
                vaddr: word(vaddr)?,
                filesz: word(filesz)?,
                memsz: word(memsz)?,
                align: word(align)?,
            })
        };
        if self.is_64 {
            fields(4, [8, 16, 32, 40, 48])
        } else {
            fields(24, [4, 8, 16, 20, 28])
        }
    }

    fn sections(&mut self) -> Option<Vec<Section>> {
        let at = |offset: u64| if self.is_64 { 58 + offset } else { 46 + offset };
        let size: u64 = if self.is_64 { 64 } else { 40 };
        self.slice(self.shoff..self.shoff.checked_add(size)?)?;
        let size_of_entry = u64::from(self.half(at(0))?);
        // A number that does not fit stands in the first header.
        let count = match self.half(at(2))? {
            0 => self.word(self.shoff + if self.is_64 { 32 } else { 20 })?,
            count => count.into(),
        };
        let names = u64::from(self.half(at(4))?);
        let end = count.checked_mul(size)?.checked_add(self.shoff)?;
        if size_of_entry != size || end > self.bytes.len() as u64 || names >= count {
            return None;
        }
        let header = |index| self.section(self.shoff + index * size);
        let (_, table) = header(names)?;
        let table = (table.kind == sht::STRTAB).then_some(table)?;
        let text = self.slice(table.file())?;
        let named = |index| {
            let (name, section) = header(index)?;
            let name = text.get(name as usize..).unwrap_or_default();
            let end = name.iter().position(|&byte| byte == 0);
            // Names of a hostile file, which may overlap, fill no memory.
            let name = &name[..end.unwrap_or(0).min(64)];
            let name = String::from_utf8_lossy(name).into_owned();
            Some(Section { name, ..section })
        };
        let sections = (0..count).map(named).collect();
        self.names = usize::try_from(names).ok()?;
        sections
    }

    /// A section header without its name, and the name's offset.
    fn section(&self, at: u64) -> Option<(u32, Section)> {
        let width = if self.is_64 { 8 } else { 4 };
        // Words of either width stand between the 4-byte ones.
        let word = |four: u64, wide: u64| self.word(at + four * 4 + wide * width);
        let four = |four: u64, wide: u64| self.four(at + four * 4 + wide * width);
        let section = Section {
            name: String::new(),
            kind: four(1, 0)?,
            flags: word(2, 0)?,
            addr: word(2, 1)?,
            offset: word(2, 2)?,
            size: word(2, 3)?,
            link: four(2, 4)?,
            info: four(3, 4)?,
            align: word(4, 4)?,
            entry_size: word(4, 5)?,
        };
        Some((four(0, 0)?, section))
    }

    /// Size in bytes of a program header.
    pub(crate) fn segment_size(&self) -> u64 {
        if self.is_64 { 56 } else { 32 }
    }

    /// The file range of the program header table.
    pub(crate) fn table(&self) -> Range<u64> {
        let size = self.segments.len() as u64 * self.segment_size();
        self.phoff..self.phoff.saturating_add(size)
    }

    /// The file range of the section header table, also if it can't be read.
    pub(crate) fn section_table(&self) -> Range<u64> {
        let half = |wide, narrow| self.half(if self.is_64 { wide } else { narrow });
        let (size, count) = (half(58, 46), half(60, 48));
        let size = u64::from(size.unwrap_or(0)) * u64::from(count.unwrap_or(0));
        self.shoff..self.shoff.saturating_add(size)
    }

    /// The file ranges of the ELF header and of both tables, as far as they can
    /// be read.
    pub(crate) fn tables(&self) -> [Range<u64>; 3] {
        let sections = match self.sections.is_empty() {
            true => 0..0,
            false => self.section_table(),
        };
        [0..self.header_size, self.table(), sections]
    }

    pub(crate) fn loads(&self) -> impl Iterator<Item = &Segment> {
        self.segments_of(pt::LOAD)
    }

    pub(crate) fn segments_of(&self, kind: u32) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(move |it| it.kind == kind)
    }

    /// The bytes that a program finds at an address.
    pub(crate) fn memory(&self, address: u64, size: u64) -> Option<&'a [u8]> {
        self.slice(self.file_range(address, size)?)
    }

    /// Where those bytes are in the file: what a segment has, or several of which
    /// each goes on in both where the former ends.
    pub(crate) fn file_range(&self, address: u64, size: u64) -> Option<Range<u64>> {
        let end = address.checked_add(size)?;
        let first = self
            .loads()
            .find(|load| (load.vaddr..load.vaddr.saturating_add(load.filesz)).contains(&address))?;
        let start = first.offset + (address - first.vaddr);
        let mut load = first;
        while end > load.vaddr.saturating_add(load.filesz) {
            let goes_on = |next: &&Segment| {
                next.filesz > 0 && (next.vaddr, next.offset) == (load.memory().end, load.file().end)
            };
            load = self
                .loads()
                .find(goes_on)
                .filter(|_| load.filesz == load.memsz)?;
        }
        Some(start..start + size)
    }

    /// The address of a range of the file, if a segment brings it.
    pub(crate) fn address_of(&self, file: &Range<u64>) -> Option<u64> {
        let has = |load: &&Segment| {
            let all = load.file();
            all.start <= file.start && file.end <= all.end
        };
        let load = self.loads().find(has)?;
        Some(load.vaddr + (file.start - load.offset))
    }

    /// Whether a section has symbols for tools; what is loaded is for programs,
    /// whatever its header says.
    pub(crate) fn has_symbols(&self, section: &Section) -> bool {
        let loads = self.loads().map(Segment::file);
        let mut others = loads.chain([0..self.header_size, self.table()]);
        section.kind == sht::SYMTAB && !others.any(|other| overlap(&other, &section.file()))
    }

    /// Whether a section is in memory, where both its address and its offset
    /// say.
    pub(crate) fn is_loaded(&self, section: &Section) -> bool {
        let range = section.file();
        section.is_allocated()
            && !range.is_empty()
            && self.file_range(section.addr, section.size) == Some(range)
    }

    /// The bytes of a file range.
    pub(crate) fn slice(&self, range: Range<u64>) -> Option<&'a [u8]> {
        let start = usize::try_from(range.start).ok()?;
        self.bytes.get(start..usize::try_from(range.end).ok()?)
    }

    pub(crate) fn half(&self, at: u64) -> Option<u16> {
        let bytes = self.slice(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    pub(crate) fn four(&self, at: u64) -> Option<u32> {
        let bytes = self.slice(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    /// A word of the file's class.
    pub(crate) fn word(&self, at: u64) -> Option<u64> {
        if !self.is_64 {
            return self.four(at).map(u64::from);
        }
        let bytes = self.slice(at..at.checked_add(8)?)?.try_into().ok()?;
        Some(if self.big_endian {
            u64::from_be_bytes(bytes)
        } else {
            u64::from_le_bytes(bytes)
        })
    }
}
