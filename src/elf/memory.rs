//! A running program: what the kernel maps from the file, and what a dynamic loader then
//! finds in memory. Everything else in this crate reads the file; this module tells
//! whether the two agree.

mod mapping;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use object::elf;

use self::mapping::Mappings;
use super::encoding::{Dyn, ProgramHeader, Record, Symbol};
use super::loaders::is_glibc;
use super::{Dynamic, Error, FileRange, Image, Layout, Source, VirtAddr, relocations, tables};

/// How what runs differs, or may differ, from what the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Divergence {
    /// More program headers than the kernel accepts.
    TooManyHeaders,
    /// Memory at the address of a segment holds something else.
    Covered,
    /// The program headers whose address the kernel passes to the loader (AT_PHDR) are
    /// not those of the file.
    HeadersElsewhere,
    /// As `HeadersElsewhere`, but only with kernels before 5.18.
    HeadersFormerlyElsewhere,
    /// PT_PHDR, from which loaders compute the load bias, has a different address, or is
    /// missing.
    WrongBias,
    /// Two PT_INTERP: the kernel uses the first, loaders the last.
    TwoInterpreters,
    /// The name of the interpreter is different in memory, where loaders read it.
    InterpreterElsewhere,
    /// There is no dynamic section, or not all of it is in memory.
    NoDynamic,
    /// Two entries with the same tag: for most tags, the loader takes the last.
    RepeatedEntry(elf::DynamicTag),
    /// An entry that makes glibc load something that is not listed as a needed library.
    LoadsMore(elf::DynamicTag),
    /// A relocation changes something that is read later: program headers, dynamic
    /// section, notes.
    Relocated,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::TooManyHeaders => "it has more program headers than the kernel takes",
            Self::Covered => {
                "its segments overlap in memory, where whole pages count, so it is not what \
                 the file says"
            }
            Self::HeadersElsewhere => {
                "its program headers are not where the kernel tells the loader to look for them"
            }
            Self::HeadersFormerlyElsewhere => {
                "its program headers are not where kernels before Linux 5.18 tell the loader to \
                 look for them"
            }
            Self::WrongBias => {
                "its program headers do not say where they are (PT_PHDR), so the loader reads \
                 something else"
            }
            Self::TwoInterpreters => "it names two loaders",
            Self::InterpreterElsewhere => {
                "the name of its loader is not in memory where its header says"
            }
            Self::NoDynamic => "the loader sees another dynamic section than the file has",
            Self::RepeatedEntry(tag) => {
                return write!(
                    f,
                    "its dynamic section has two entries of type {:#x}, of which loaders and tools \
                     may take different ones",
                    tag.0
                );
            }
            Self::LoadsMore(tag) => {
                return write!(
                    f,
                    "its dynamic section loads more than its list of libraries says (entry of type \
                     {:#x})",
                    tag.0
                );
            }
            Self::Relocated => {
                "a relocation changes its headers, its dynamic section or its notes before they are \
                 read"
            }
        };
        f.write_str(what)
    }
}

/// Looks for differences between what runs and what the file says. Only with a dynamic
/// loader is more than the segments checked.
///
/// # Errors
///
/// A table is not in the file, or it can't be read.
pub fn divergences(image: &Image<impl Source>) -> Result<Vec<Divergence>, Error> {
    // `load_elf_phdrs`, fs/binfmt_elf.c.
    if image.program_headers().size > 0x1_0000 {
        return Ok(vec![Divergence::TooManyHeaders]);
    }
    let loads: Vec<_> = image.segments_of(elf::PT_LOAD).copied().collect();
    let memory = Memory {
        layout: image,
        mappings: Mappings::of(&loads, may_reclaim_gaps(image)),
    };
    let mut found = Vec::new();
    found.extend(memory.covered());
    if image.segment(elf::PT_INTERP).is_some() {
        found.extend(memory.headers_elsewhere());
        found.extend(memory.wrong_bias());
        found.extend(memory.interpreter());
        found.extend(memory.no_dynamic());
        found.extend(entries(image));
        found.extend(relocated(image)?);
    }
    Ok(found)
}

/// Whether the loader may be one that gives the unused rest of segments' pages to malloc:
/// musl's, or an unknown one.
fn may_reclaim_gaps(image: &Image<impl Source>) -> bool {
    let interpreter = image.interpreter().ok().flatten();
    interpreter.is_some_and(|name| !is_glibc(&name))
}

/// A program and its memory.
struct Memory<'a> {
    layout: &'a Layout,
    mappings: Mappings,
}

impl Memory<'_> {
    fn covered(&self) -> Option<Divergence> {
        let mut loads = self.layout.segments_of(elf::PT_LOAD);
        let is_there = |load: &ProgramHeader| self.mappings.shows(load.vaddr, load.range());
        (!loads.all(is_there)).then_some(Divergence::Covered)
    }

    /// Since Linux 5.18, AT_PHDR is an address in the last segment that contains the
    /// start of the table; before, it was computed from the first segment, wherever the
    /// table was (`load_elf_binary` and `create_elf_tables`, fs/binfmt_elf.c).
    fn headers_elsewhere(&self) -> Option<Divergence> {
        let table = self.layout.program_headers();
        let first = self.layout.segment(elf::PT_LOAD)?;
        let former = table.start.biased(first.vaddr.bias_over(first.offset));
        let Some(address) = self.headers() else {
            return Some(Divergence::HeadersElsewhere);
        };
        if !self.mappings.shows(address, table) {
            return Some(Divergence::HeadersElsewhere);
        }
        let was_found = former == address || self.mappings.is_unmapped(former, table.size);
        (!was_found).then_some(Divergence::HeadersFormerlyElsewhere)
    }

    /// The link-time address of the program headers; `None` if no segment contains them.
    fn headers(&self) -> Option<VirtAddr> {
        let table = self.layout.program_headers();
        let start = FileRange::new(table.start, 1);
        let mut loads = self.layout.segments.iter().rev();
        let load = loads.find(|it| it.kind == elf::PT_LOAD && it.range().contains(&start))?;
        load.vaddr.checked_add(table.start - load.offset)
    }

    /// glibc and musl compute the load bias from AT_PHDR and the last PT_PHDR, and assume
    /// 0 if there is none (elf/rtld.c, `rtld_setup_main_map`; ldso/dynlink.c, `__dls3`).
    fn wrong_bias(&self) -> Option<Divergence> {
        let address = self.headers();
        let mut headers = self.layout.segments_of(elf::PT_PHDR).peekable();
        let may_be_absent = self.layout.header.kind == elf::ET_EXEC;
        let is_right = (may_be_absent || headers.peek().is_some())
            && headers.all(|header| Some(header.vaddr) == address);
        (!is_right).then_some(Divergence::WrongBias)
    }

    /// The kernel uses the offset in the first PT_INTERP. Loaders take the string at the
    /// address in the last one as their own library name (glibc, elf/rtld.c,
    /// `rtld_setup_main_map`; musl, ldso/dynlink.c, `__dls3` and `load_library`).
    fn interpreter(&self) -> Option<Divergence> {
        let mut named = self.layout.segments_of(elf::PT_INTERP);
        let interpreter = named.next()?;
        if named.next().is_some() {
            return Some(Divergence::TwoInterpreters);
        }
        let is_there = self.mappings.shows(interpreter.vaddr, interpreter.range());
        (!is_there).then_some(Divergence::InterpreterElsewhere)
    }

    /// Loaders read up to DT_NULL, whatever size the header gives.
    fn no_dynamic(&self) -> Option<Divergence> {
        let dynamic = self.layout.dynamic.as_ref();
        let header = self.layout.segment(elf::PT_DYNAMIC);
        let Some((dynamic, header)) = dynamic.zip(header) else {
            return Some(Divergence::NoDynamic);
        };
        let entry = Dyn::size(self.layout.encoding);
        let size = entry * dynamic.entries.len() as u64;
        let start = dynamic.range.start;
        let end = header.vaddr.saturating_add(size);
        let is_there = self
            .mappings
            .shows(header.vaddr, FileRange::new(start, size))
            && (self
                .mappings
                .shows(end, FileRange::new(start + size, entry))
                || self.mappings.is_zero(end, entry));
        (!is_there).then_some(Divergence::NoDynamic)
    }
}

/// Entries with side effects. glibc loads the libraries of DT_AUDIT and DT_DEPAUDIT
/// before all others (elf/rtld.c, `process_dl_audit`) and those of DT_AUXILIARY and
/// DT_FILTER along with the others (elf/dl-deps.c).
fn entries(layout: &Layout) -> Vec<Divergence> {
    const LOAD: [elf::DynamicTag; 4] = [
        elf::DT_AUDIT,
        elf::DT_DEPAUDIT,
        elf::DT_AUXILIARY,
        elf::DT_FILTER,
    ];
    // Each counts, or how many there are does not.
    const MANY: [elf::DynamicTag; 5] = [
        elf::DT_NEEDED,
        elf::DT_DEBUG,
        elf::DT_TEXTREL,
        elf::DT_SYMBOLIC,
        elf::DT_BIND_NOW,
    ];
    let entries = layout.dynamic.iter().flat_map(|dynamic| &dynamic.entries);
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for tag in entries.map(|entry| entry.tag) {
        let is_new = seen.insert(tag.0);
        if LOAD.contains(&tag) {
            found.push(Divergence::LoadsMore(tag));
        } else if !is_new && !MANY.contains(&tag) {
            found.push(Divergence::RepeatedEntry(tag));
        }
    }
    found
}

/// Relocations of anything that is read after relocation, for example by constructors of
/// libraries.
fn relocated(image: &Image<impl Source>) -> Result<Option<Divergence>, Error> {
    let read_late = [elf::PT_DYNAMIC, elf::PT_NOTE, elf::PT_PHDR];
    let memory = |it: &ProgramHeader| it.vaddr..it.vaddr.saturating_add(it.memsz.max(it.filesz));
    let mut ranges: Vec<Range<VirtAddr>> = image
        .segments
        .iter()
        .filter(|it| read_late.contains(&it.kind))
        .map(memory)
        .collect();
    let table = image.program_headers();
    let of_table = |load: &ProgramHeader| {
        let start = load.vaddr.saturating_add(table.start - load.offset);
        start..start.saturating_add(table.size)
    };
    let loads = image.segments_of(elf::PT_LOAD);
    ranges.extend(loads.filter(|it| it.range().contains(&table)).map(of_table));
    let is_changed = relocations::write_to(image, &few(ranges))?;
    Ok(is_changed.then_some(Divergence::Relocated))
}

/// A few ranges that cover all of these: the same ones, or a single one from the first to
/// the last if a hostile file has so many that comparing each relocation with all of them
/// would take too long.
fn few(ranges: Vec<Range<VirtAddr>>) -> Vec<Range<VirtAddr>> {
    const MOST: usize = 16;
    if ranges.len() <= MOST {
        return ranges;
    }
    let start = ranges.iter().map(|range| range.start).min();
    let end = ranges.iter().map(|range| range.end).max();
    std::iter::once(start.unwrap_or_default()..end.unwrap_or_default()).collect()
}

/// Whether relocating the program calls its code: resolvers of indirect functions
/// (R_*_IRELATIVE, STT_GNU_IFUNC).
///
/// # Errors
///
/// A table is not in the file, or it can't be read.
pub fn has_resolvers(image: &Image<impl Source>) -> Result<bool, Error> {
    let Some(dynamic) = &image.dynamic else {
        return Ok(false);
    };
    Ok(relocations::call_resolvers(image, dynamic)? || defines_resolvers(image, dynamic)?)
}

/// Symbols read at a time.
const BATCH: u64 = 4096;

fn defines_resolvers(image: &Image<impl Source>, dynamic: &Dynamic) -> Result<bool, Error> {
    let table = tables::symbol_table(image, dynamic)?;
    let Some(range) = table.and_then(|(address, size)| image.range_at(address, size)) else {
        return Ok(false);
    };
    let is_resolver =
        |symbol: &Symbol| symbol.section.0 != 0 && symbol.info.st_type() == elf::STT_GNU_IFUNC;
    let mut rest = range;
    while rest.size > 0 {
        let size = rest.size.min(BATCH * Symbol::size(image.encoding));
        let bytes = image.source.read_at(rest.start, size)?;
        if Symbol::decode_all(image.encoding, &bytes)
            .iter()
            .any(is_resolver)
        {
            return Ok(true);
        }
        rest = FileRange::new(rest.start + size, rest.size - size);
    }
    Ok(false)
}
