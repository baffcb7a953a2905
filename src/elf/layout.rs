//! What the headers of a file say. Program headers are authoritative; section headers are
//! a courtesy to tools and may be absent or wrong.

mod dynamic;
mod loads;

use std::io;

use object::elf;

pub use dynamic::Dynamic;
use loads::Loads;

use super::encoding::{Encoding, FileHeader, ProgramHeader, Record, SectionHeader};
use super::ranges::Ranges;
use super::source::records;
use super::{Error, FileOffset, FileRange, SMALLEST_PAGE, Source, VirtAddr};

/// A file's headers, as read.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Class and byte order.
    pub encoding: Encoding,
    /// The ELF header.
    pub header: FileHeader,
    /// The program headers, in file order.
    pub segments: Vec<ProgramHeader>,
    loads: Loads,
    /// The section headers; empty if the file has none, or none that can be read.
    pub sections: Vec<Section>,
    pub(super) section_names: FileRange,
    allocated: Ranges,
    /// The dynamic section, if there is one.
    pub dynamic: Option<Dynamic>,
    /// The file's length in bytes.
    pub length: u64,
}

/// A section.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The header.
    pub header: SectionHeader,
}

impl Section {
    /// The bytes that the section has in the file.
    #[must_use]
    pub fn range(&self) -> FileRange {
        let size = match self.header.kind {
            elf::SHT_NULL | elf::SHT_NOBITS => 0,
            _ => self.header.size,
        };
        FileRange::new(self.header.offset, size)
    }

    /// Whether the program has the section in memory.
    #[must_use]
    pub fn is_allocated(&self) -> bool {
        self.header.flags.0 & elf::SHF_ALLOC.0 != 0
    }
}

/// The end of the address space of programs in ELF64 files: the lowest of any
/// architecture (x86_64 with four levels of page tables).
const USER_END: u64 = 1 << 47;

impl Layout {
    /// Reads the headers.
    ///
    /// # Errors
    ///
    /// The file is not ELF, it is cut off, or its program headers or dynamic section
    /// contradict themselves.
    pub fn read(source: &(impl Source + ?Sized)) -> Result<Self, Error> {
        let length = source.length()?;
        let start = source.read_at(FileOffset(0), length.min(64))?;
        let encoding = Encoding::of(&start)?;
        let header = FileHeader::decode(encoding, &start).ok_or(Error::Truncated("ELF header"))?;
        if u64::from(header.ehsize) != FileHeader::size(encoding) {
            return Err(Error::Malformed(
                "the ELF header states a wrong size of itself",
            ));
        }
        let segments = read_segments(source, encoding, &header, length)?;
        let (sections, section_names) = read_sections(source, encoding, &header, length)?;
        let allocated = sections.iter().filter(|section| section.is_allocated());
        let mut layout = Self {
            encoding,
            header,
            loads: Loads::of(&segments),
            segments,
            allocated: Ranges::of(allocated.map(Section::range)),
            sections,
            section_names,
            dynamic: None,
            length,
        };
        layout.dynamic = dynamic::read(&layout, source)?;
        Ok(layout)
    }

    /// The file ranges of the sections that the program has in memory.
    pub(crate) const fn allocated(&self) -> &Ranges {
        &self.allocated
    }

    /// The first program header of a type.
    #[must_use]
    pub fn segment(&self, kind: elf::ProgramType) -> Option<&ProgramHeader> {
        self.segments.iter().find(|segment| segment.kind == kind)
    }

    /// All program headers of a type, in file order.
    pub fn segments_of(&self, kind: elf::ProgramType) -> impl Iterator<Item = &ProgramHeader> {
        self.segments
            .iter()
            .filter(move |segment| segment.kind == kind)
    }

    /// The file offset of the byte at an address; `None` if no PT_LOAD maps it from the
    /// file.
    #[must_use]
    pub fn offset_of(&self, address: VirtAddr) -> Option<FileOffset> {
        let load = self.load_of(address)?;
        load.offset.checked_add(address - load.vaddr)
    }

    /// The PT_LOAD that maps the byte at an address from the file.
    #[must_use]
    pub fn load_of(&self, address: VirtAddr) -> Option<&ProgramHeader> {
        self.loads.bringing(address)
    }

    /// Whether the program has memory at an address, from the file or not.
    #[must_use]
    pub fn is_memory(&self, address: VirtAddr) -> bool {
        self.loads.holding(address).is_some()
    }

    /// The PT_LOADs that map `size` bytes of memory at `address` from one range of the
    /// file, usually a single one; `None` if they don't.
    #[must_use]
    pub fn loads_of(&self, address: VirtAddr, size: u64) -> Option<&[ProgramHeader]> {
        self.loads.spanning(address, size)
    }

    /// Where the dynamic string table is (DT_STRTAB, DT_STRSZ).
    ///
    /// # Errors
    ///
    /// There is none, or it is not in one range of the file.
    pub fn dynamic_strings(&self) -> Result<FileRange, Error> {
        let dynamic = self.dynamic.as_ref();
        let value = |tag| dynamic.and_then(|dynamic| dynamic.get(tag));
        let (Some(address), Some(size)) =
            (value(elf::DT_STRTAB).map(VirtAddr), value(elf::DT_STRSZ))
        else {
            return Err(Error::Malformed(
                "the dynamic section names no string table",
            ));
        };
        self.range_at(address, size).ok_or(Error::Malformed(
            "the dynamic string table is not in the file",
        ))
    }

    /// The file range that `size` bytes of memory at `address` are mapped from, if it is
    /// one range: from one PT_LOAD, or several, each of which continues the previous one.
    #[must_use]
    pub fn range_at(&self, address: VirtAddr, size: u64) -> Option<FileRange> {
        self.loads.range_at(address, size)
    }

    /// The file range of all memory from an address on that is mapped without a gap.
    #[must_use]
    pub fn rest_at(&self, address: VirtAddr) -> Option<FileRange> {
        self.loads.rest_at(address)
    }

    /// Whether a PT_NOTE leads to notes: the same bytes in memory as in the file. One
    /// that does not is unused. GNU strip leaves such headers, with a wrong address, when
    /// it removes some of several notes; nothing reads them at run time.
    #[must_use]
    pub fn is_of_notes(&self, segment: &ProgramHeader) -> bool {
        segment.kind == elf::PT_NOTE
            && segment.filesz > 0
            && self.range_at(segment.vaddr, segment.filesz) == Some(segment.range())
    }

    /// The address of a range of the file, if a PT_LOAD brings it.
    #[must_use]
    pub fn address_of(&self, range: &FileRange) -> Option<VirtAddr> {
        let load = self
            .segments_of(elf::PT_LOAD)
            .find(|load| load.range().contains(range))?;
        Some(load.vaddr + (range.start - load.offset))
    }

    /// Checks that no segment lies in the upper half of the address space, which is the
    /// kernel's.
    ///
    /// # Errors
    ///
    /// One does.
    pub fn require_user_addresses(&self) -> Result<(), Error> {
        let is_user = |load: &ProgramHeader| {
            load.vaddr
                .checked_add(load.memsz)
                .is_some_and(|end| end.0 <= USER_END)
        };
        if self.segments_of(elf::PT_LOAD).all(is_user) {
            Ok(())
        } else {
            Err(Error::Foreign)
        }
    }

    /// Where the program headers are in the file.
    #[must_use]
    pub fn program_headers(&self) -> FileRange {
        let size = ProgramHeader::size(self.encoding) * self.segments.len() as u64;
        FileRange::new(self.header.phoff, size)
    }

    /// The end of everything that the headers describe.
    #[must_use]
    pub fn known_end(&self) -> FileOffset {
        let table = |offset, size: u16, count: usize| {
            FileRange::new(offset, u64::from(size) * count as u64).end()
        };
        let header = &self.header;
        let segments = self.segments.iter().map(|segment| segment.range().end());
        // A section that ends behind the file is false: what was appended is not
        // its content.
        let sections = self
            .sections
            .iter()
            .map(|section| section.range())
            .filter(|range| range.size > 0 && range.end().0 <= self.length)
            .map(|range| range.end());
        let tables = [
            table(header.phoff, header.phentsize, self.segments.len()),
            // Also where it can't be read.
            table(header.shoff, header.shentsize, header.shnum.into()),
        ];
        let in_file = |end: &FileOffset| end.0 <= self.length;
        segments
            .chain(sections)
            .chain(tables)
            .filter(in_file)
            .max()
            .unwrap_or_default()
    }
}

/// The longest program header table that the kernel reads, in bytes, whatever the
/// size of a page (fs/binfmt_elf.c, `load_elf_phdrs`).
pub(crate) const LONGEST_TABLE: u64 = 65536;

fn read_segments(
    source: &(impl Source + ?Sized),
    encoding: Encoding,
    header: &FileHeader,
    length: u64,
) -> Result<Vec<ProgramHeader>, Error> {
    // A core dump has one for each part of memory.
    let is_started = [elf::ET_EXEC, elf::ET_DYN].contains(&header.kind);
    if header.phnum == 0 || !is_started {
        return Ok(Vec::new());
    }
    let size = ProgramHeader::size(encoding);
    if u64::from(header.phentsize) != size {
        return Err(Error::Malformed(
            "the program headers are of an unknown size",
        ));
    }
    let size = size * u64::from(header.phnum);
    if size > LONGEST_TABLE {
        return Err(Error::Malformed(
            "it has more program headers than the kernel reads",
        ));
    }
    let bytes = source
        .read_at(header.phoff, size)
        .map_err(|_| Error::Truncated("program header table"))?;
    let segments = ProgramHeader::decode_all(encoding, &bytes);
    // Whole pages are mapped, so that of two segments in one page the first is not
    // there where the file has them in different pages.
    let (mut end, mut last_bias) = (VirtAddr(0), 0);
    for load in segments
        .iter()
        .filter(|segment| segment.kind == elf::PT_LOAD)
    {
        let malformed = |what| Err(Error::Malformed(what));
        if load
            .offset
            .checked_add(load.filesz)
            .is_none_or(|end| end.0 > length)
        {
            return Err(Error::Truncated("content of a loadable segment"));
        }
        if load.filesz > load.memsz {
            return malformed("a loadable segment is larger in the file than in memory");
        }
        let bias = load.vaddr.bias_over(load.offset);
        let hides = load.filesz > 0
            && load.vaddr.0 / SMALLEST_PAGE < end.0.div_ceil(SMALLEST_PAGE)
            && bias != last_bias;
        if load.vaddr < end || hides {
            return malformed("the loadable segments overlap or are out of order");
        }
        last_bias = bias;
        end = match load.vaddr.checked_add(load.memsz) {
            Some(end) => end,
            None => return malformed("a loadable segment reaches beyond the address space"),
        };
    }
    Ok(segments)
}

/// The section headers and the file range of their names; empty if the table is absent or
/// wrong.
fn read_sections(
    source: &(impl Source + ?Sized),
    encoding: Encoding,
    header: &FileHeader,
    length: u64,
) -> Result<(Vec<Section>, FileRange), Error> {
    let none = (Vec::new(), FileRange::default());
    let size = SectionHeader::size(encoding);
    if header.shoff.0 == 0 || u64::from(header.shentsize) != size {
        return Ok(none);
    }
    let first = || SectionHeader::decode(encoding, &source.read_at(header.shoff, size).ok()?);
    // A number that does not fit stands in the first header (gABI chapter 4,
    // `e_shnum`).
    let count = match header.shnum {
        0 => first().map_or(0, |first| first.size),
        count => count.into(),
    };
    let table = FileRange::new(header.shoff, size.saturating_mul(count));
    if table.size == u64::MAX || table.end().0 > length {
        return Ok(none);
    }
    if count >= elf::SHN_LORESERVE.into() {
        return Err(Error::TooManySections);
    }
    let section = |header: io::Result<SectionHeader>| Ok(Section { header: header? });
    let sections: io::Result<Vec<Section>> =
        records(source, encoding, table)?.map(section).collect();
    let sections = sections.unwrap_or_default();
    let names = sections
        .get(usize::from(header.shstrndx.0))
        .filter(|names| names.header.kind == elf::SHT_STRTAB)
        .map(|names| FileRange::new(names.header.offset, names.header.size))
        .filter(|names| names.end().0 <= length);
    Ok(names.map_or(none, |names| (sections, names)))
}
