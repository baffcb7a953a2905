//! Parts of a program that may move: they are reached only through program
//! headers and dynamic entries, never by an address in code.

use std::io;

use object::elf;

use super::encoding::ProgramHeader;
use super::machine::Machine;
use super::source::numbers;
use super::{Dynamic, Error, FileRange, Layout, Source, VirtAddr};

/// Linkers leave fewer bytes than this between two parts, for alignment.
pub(super) const PADDING: u64 = 16;

/// What a movable part is; it tells which header or entry leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The program interpreter's name (PT_INTERP).
    Interpreter,
    /// All notes under one PT_NOTE, or several that overlap.
    Notes,
    /// The dynamic symbols (DT_SYMTAB).
    Symbols,
    /// The dynamic strings (DT_STRTAB).
    Strings,
    /// The GNU hash table (DT_GNU_HASH).
    GnuHash,
    /// The System V hash table (DT_HASH).
    Hash,
    /// What a processor's ABI has programs tell of themselves.
    Information,
}

impl Kind {
    /// How people call it.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Interpreter => ".interp",
            Self::Notes => "notes",
            Self::Symbols => ".dynsym",
            Self::Strings => ".dynstr",
            Self::GnuHash => ".gnu.hash",
            Self::Hash => ".hash",
            Self::Information => "ABI information",
        }
    }
}

/// A movable part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// What it is.
    pub(super) kind: Kind,
    /// Where it is in the file.
    pub(super) range: FileRange,
    /// Its link-time address.
    pub(super) address: u64,
    /// The alignment that it must keep, in bytes.
    pub(super) align: u64,
}

/// The movable parts of a program in file order. A part whose extent is not
/// certain, or that shares bytes with something else, is left out: it stays.
///
/// # Errors
///
/// The file can't be read.
pub(super) fn find(layout: &Layout, source: &(impl Source + ?Sized)) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    if let Some(segment) = layout.segment(elf::PT_INTERP) {
        pieces.extend(piece(
            layout,
            Kind::Interpreter,
            segment.vaddr,
            segment.filesz,
            1,
        ));
    }
    for segment in layout.segments_of(elf::PT_NOTE) {
        let address = if layout.is_of_notes(segment) {
            Some(segment.vaddr)
        } else {
            left_without_address(layout, segment)
        };
        let align = alignment(segment.align, 4);
        let notes = |address| piece(layout, Kind::Notes, address, segment.filesz, align);
        pieces.extend(address.and_then(notes));
    }
    pieces.extend(information(layout));
    pieces.extend(dynamic_pieces(layout, source)?);
    pieces.sort_by_key(|piece| (piece.range.start, piece.range.size));
    Ok(separate(layout, merge_notes(pieces)))
}

/// The address of notes whose header GNU strip left without one, for tools, which go
/// by its offset.
fn left_without_address(layout: &Layout, segment: &ProgramHeader) -> Option<u64> {
    let range = segment.range();
    let behind_headers = range.start.0 >= layout.program_headers().end();
    if segment.vaddr == 0 && behind_headers {
        layout.address_of(&range)
    } else {
        None
    }
}

fn piece(layout: &Layout, kind: Kind, address: u64, size: u64, align: u64) -> Option<Piece> {
    let range = layout.range_at(address, size)?;
    (size > 0).then_some(Piece {
        kind,
        range,
        address,
        align,
    })
}

/// The alignment that a header asks for, as far as a movable part can need it: a
/// damaged header may say anything.
fn alignment(said: u64, least: u64) -> u64 {
    if said.is_power_of_two() {
        said.clamp(least, 16)
    } else {
        least
    }
}

/// What only the processor's own program headers, or nothing at all, lead to.
fn information(layout: &Layout) -> Vec<Piece> {
    let machine = Machine::of(layout);
    let segments = layout
        .segments
        .iter()
        .filter(|segment| machine.informative_segments.contains(&segment.kind))
        .map(|segment| (segment.vaddr, segment.filesz, segment.align));
    let sections = layout
        .sections
        .iter()
        .filter(|section| section.is_allocated())
        .map(|section| &section.header)
        .filter(|header| machine.informative_sections.contains(&header.kind))
        .filter(|header| layout.offset_of(VirtAddr(header.addr)) == Some(header.offset))
        .map(|header| (header.addr, header.size, header.addralign));
    let mut found: Vec<Piece> = segments
        .chain(sections)
        .filter_map(|(address, size, align)| {
            let align = alignment(align, 1);
            piece(layout, Kind::Information, address, size, align)
        })
        .collect();
    // A section and the segment that it has to itself are one piece.
    found.sort_by_key(|piece| piece.range);
    found.dedup_by_key(|piece| piece.range);
    // A program has one of each. What stays where it is does no harm.
    if found.len() > MOST_INFORMATION {
        found.clear();
    }
    found
}

/// More parts that tell of themselves than any program has.
const MOST_INFORMATION: usize = 8;

fn dynamic_pieces(layout: &Layout, source: &(impl Source + ?Sized)) -> Result<Vec<Piece>, Error> {
    let Some(dynamic) = &layout.dynamic else {
        return Ok(Vec::new());
    };
    let word = if layout.encoding.is_64 { 8 } else { 4 };
    let mut pieces = Vec::new();
    if let (Some(address), Some(size)) = (dynamic.get(elf::DT_STRTAB), dynamic.get(elf::DT_STRSZ)) {
        let size = extent(layout, dynamic, address, size);
        pieces.extend(size.and_then(|size| piece(layout, Kind::Strings, address, size, 1)));
    }
    if let Some(address) = dynamic.get(elf::DT_HASH)
        && let Some((size, _)) = hash_extent(layout, source, address)?
    {
        pieces.extend(piece(layout, Kind::Hash, address, size, 8));
    }
    if let Some(address) = dynamic.get(elf::DT_GNU_HASH)
        && let Some(table) = gnu_hash(layout, source, address)?
    {
        pieces.extend(piece(layout, Kind::GnuHash, address, table.size, 8));
    }
    if let Some((address, size)) = symbol_table(layout, source, dynamic)? {
        let size = extent(layout, dynamic, address, size);
        pieces.extend(size.and_then(|size| piece(layout, Kind::Symbols, address, size, word)));
    }
    Ok(pieces)
}

/// Address and size in bytes of the dynamic symbols, as the hash tables tell
/// it, else the section headers.
pub(super) fn symbol_table(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    dynamic: &Dynamic,
) -> Result<Option<(u64, u64)>, Error> {
    let (Some(address), Some(entry)) = (dynamic.get(elf::DT_SYMTAB), dynamic.get(elf::DT_SYMENT))
    else {
        return Ok(None);
    };
    let mut count = None;
    if let Some(address) = dynamic.get(elf::DT_HASH) {
        count = hash_extent(layout, source, address)?.map(|(_, count)| count);
    }
    if let (None, Some(address)) = (count, dynamic.get(elf::DT_GNU_HASH)) {
        count = gnu_hash(layout, source, address)?.and_then(|table| table.symbols());
    }
    let counted = count.and_then(|count| count.checked_mul(entry));
    let size = counted.or_else(|| symbol_section_size(layout, address));
    // Where nothing tells, the table can at most reach to the next one.
    let room = || next_start(layout, dynamic, address).map(|next| next - address);
    let size = size.or_else(|| Some(room()? / entry.max(1) * entry));
    // Where there is no room for a symbol, there is no table.
    Ok(size.filter(|&size| size > 0).map(|size| (address, size)))
}

/// The size that the section headers give for the dynamic symbols, for files
/// whose hash tables don't tell.
fn symbol_section_size(layout: &Layout, address: u64) -> Option<u64> {
    let mut sections = layout.sections.iter().map(|section| &section.header);
    let found = sections.find(|header| header.kind == elf::SHT_DYNSYM)?;
    (found.addr == address).then_some(found.size)
}

/// The dynamic entries that lead to tables, and what of them may move.
pub(super) const TABLES: [(elf::DynamicTag, Option<Kind>); 11] = [
    (elf::DT_STRTAB, Some(Kind::Strings)),
    (elf::DT_SYMTAB, Some(Kind::Symbols)),
    (elf::DT_HASH, Some(Kind::Hash)),
    (elf::DT_GNU_HASH, Some(Kind::GnuHash)),
    (elf::DT_VERSYM, None),
    (elf::DT_VERNEED, None),
    (elf::DT_VERDEF, None),
    (elf::DT_RELA, None),
    (elf::DT_REL, None),
    (elf::DT_RELR, None),
    (elf::DT_JMPREL, None),
];

/// Whether a dynamic entry leads to a table that may move.
pub(super) fn leads_to_piece(tag: elf::DynamicTag) -> bool {
    let is_it = |&(other, kind): &(elf::DynamicTag, Option<Kind>)| other == tag && kind.is_some();
    TABLES.iter().any(is_it)
}

/// The addresses of the tables that the dynamic section leads to.
pub(super) fn tables(dynamic: &Dynamic) -> impl Iterator<Item = u64> {
    TABLES.iter().filter_map(|&(tag, _)| dynamic.get(tag))
}

/// The next address behind `address` at which a table or a section starts. What
/// is empty tells nothing of where something ends.
pub(super) fn next_start(layout: &Layout, dynamic: &Dynamic, address: u64) -> Option<u64> {
    let sections = layout
        .sections
        .iter()
        .filter(|section| section.is_allocated() && section.header.size > 0);
    let starts = tables(dynamic).chain(sections.map(|section| section.header.addr));
    let next = starts.filter(|&start| start > address).min()?;
    (layout.load_of(VirtAddr(next)) == layout.load_of(VirtAddr(address))).then_some(next)
}

/// The bytes from a table's start to the next thing that is known, if that is
/// where the table is said to end. Loaders take no notice of the sizes of
/// symbols and strings, so that a false one does no harm until the table is
/// moved in part. Where a section says the same, that is the size: what follows
/// may be something that is not loaded (Go's linker puts its `.shstrtab` there).
fn extent(layout: &Layout, dynamic: &Dynamic, address: u64, size: u64) -> Option<u64> {
    let end = address.checked_add(size)?;
    match next_start(layout, dynamic, address) {
        Some(next) if (end..end.saturating_add(PADDING)).contains(&next) => Some(next - address),
        Some(_) => is_section(layout, address, size).then_some(size),
        None => Some(size),
    }
}

fn is_section(layout: &Layout, address: u64, size: u64) -> bool {
    let mut sections = layout.sections.iter();
    sections.any(|section| (section.header.addr, section.header.size) == (address, size))
}

/// Where `count` words of `width` bytes are in the file.
fn words_at(layout: &Layout, address: u64, count: u64, width: u64) -> Option<FileRange> {
    layout.range_at(address, count.checked_mul(width)?)
}

/// The first numbers at an address, of `width` bytes each; nothing where they are
/// not in the file.
fn first<const COUNT: usize>(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    address: u64,
    width: u64,
) -> Result<Option<[u64; COUNT]>, Error> {
    let Some(range) = words_at(layout, address, COUNT as u64, width) else {
        return Ok(None);
    };
    let found: io::Result<Vec<u64>> = numbers(source, layout.encoding, range, width)?.collect();
    Ok(found?.try_into().ok())
}

/// Size in bytes and number of symbols of a System V hash table (gABI chapter
/// 5, "Hash Table"): numbers of buckets and of chain words, and those.
fn hash_extent(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    address: u64,
) -> Result<Option<(u64, u64)>, Error> {
    let width = hash_word(layout);
    let size = |[buckets, chains]: [u64; 2]| {
        let words = buckets.checked_add(chains)?.checked_add(2)?;
        Some((words.checked_mul(width)?, chains))
    };
    Ok(first(layout, source, address, width)?.and_then(size))
}

/// Whether all buckets and chains of a System V hash table lead to symbols that it
/// has; not where it is not wholly in the file.
pub(super) fn hash_is_closed(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    address: u64,
) -> Result<bool, Error> {
    let Some((size, symbols)) = hash_extent(layout, source, address)? else {
        return Ok(false);
    };
    let Some(range) = layout.range_at(address, size) else {
        return Ok(false);
    };
    let words = numbers(source, layout.encoding, range, hash_word(layout))?;
    for word in words.skip(2) {
        if word? >= symbols.max(1) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn hash_word(layout: &Layout) -> u64 {
    if layout.encoding.is_64 {
        Machine::of(layout).hash_word
    } else {
        4
    }
}

/// A GNU hash table: four words (buckets, first symbol, Bloom filter words,
/// shift), the Bloom filter, the buckets, then a chain word for each symbol from
/// the first on; the lowest bit marks a chain's end (glibc, elf/dl-lookup.c,
/// `_dl_setup_hash`).
pub(super) struct GnuHash {
    /// The first symbol that is in the table.
    pub(super) first: u64,
    /// For each hash, the first symbol of its chain; 0 for none.
    pub(super) buckets: FileRange,
    /// The chain words.
    pub(super) chains: FileRange,
    /// Size of the table in bytes.
    pub(super) size: u64,
}

impl GnuHash {
    /// How many chain words there are.
    pub(super) fn count(&self) -> u64 {
        self.chains.size / 4
    }

    /// How many symbols there are; a table without any does not tell.
    fn symbols(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.first + self.count())
    }
}

/// Finds the parts of a GNU hash table; nothing where it is not wholly in the file.
pub(super) fn gnu_hash(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    address: u64,
) -> Result<Option<GnuHash>, Error> {
    let Some([bucket_count, first, bloom]) = first(layout, source, address, 4)? else {
        return Ok(None);
    };
    let word = if layout.encoding.is_64 { 8 } else { 4 };
    let buckets_at = 16 + bloom * word;
    let chains_at = buckets_at + bucket_count * 4;
    let buckets = words_at(layout, address.saturating_add(buckets_at), bucket_count, 4);
    let Some(buckets) = buckets else {
        return Ok(None);
    };
    // The chain of the last bucket in use ends the table.
    let mut last = 0;
    for bucket in numbers(source, layout.encoding, buckets, 4)? {
        last = last.max(bucket?);
    }
    let mut table = GnuHash {
        first,
        buckets,
        chains: FileRange::default(),
        size: chains_at,
    };
    if last < first {
        return Ok(Some(table));
    }
    let chain_at = address.saturating_add(chains_at + (last - first) * 4);
    let Some(last_chain) = chain_length(layout, source, chain_at)? else {
        return Ok(None);
    };
    let count = last - first + last_chain;
    let chains = words_at(layout, address.saturating_add(chains_at), count, 4);
    Ok(chains.map(|chains| {
        table.size += chains.size;
        GnuHash { chains, ..table }
    }))
}

/// How many words a chain of a GNU hash table has; nothing where its end is not in
/// the file.
fn chain_length(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    address: u64,
) -> Result<Option<u64>, Error> {
    /// A chain of more bytes is none.
    const LONGEST: u64 = 64 << 20;
    let Some(mut rest) = layout.rest_at(address) else {
        return Ok(None);
    };
    rest.size = rest.size.min(LONGEST);
    for (length, word) in (1..).zip(numbers(source, layout.encoding, rest, 4)?) {
        if word? & 1 == 1 {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// PT_NOTE segments that overlap move as one.
fn merge_notes(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::new();
    for piece in pieces {
        match merged.last_mut() {
            Some(last)
                if last.kind == Kind::Notes
                    && piece.kind == Kind::Notes
                    && last.range.overlaps(&piece.range) =>
            {
                let end = last.range.end().max(piece.range.end());
                last.range.size = end - last.range.start.0;
                last.align = last.align.max(piece.align);
            }
            _ => merged.push(piece),
        }
    }
    merged
}

/// Leaves out what shares bytes with another piece, or with a part of an
/// allocated section that reaches beyond it.
fn separate(layout: &Layout, pieces: Vec<Piece>) -> Vec<Piece> {
    // In the order of their starts.
    let mut reach = 0;
    let shared: Vec<bool> = (1..)
        .zip(&pieces)
        .map(|(next, piece)| {
            let before = reach > piece.range.start.0;
            reach = reach.max(piece.range.end());
            let next = pieces.get(next);
            before || next.is_some_and(|next| next.range.start.0 < piece.range.end())
        })
        .collect();
    let is_shared =
        |(piece, shared): &(Piece, bool)| *shared || layout.allocated().cross(&piece.range);
    let all = pieces.into_iter().zip(shared);
    all.filter(|piece| !is_shared(piece))
        .map(|(piece, _)| piece)
        .collect()
}

/// The piece that has a byte of the file, among pieces that are apart and in order.
pub(super) fn holding(pieces: &[Piece], offset: u64) -> Option<usize> {
    let behind = pieces.partition_point(|piece| piece.range.start.0 <= offset);
    let index = behind.checked_sub(1)?;
    (offset < pieces[index].range.end()).then_some(index)
}
