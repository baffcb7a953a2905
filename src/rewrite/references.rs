//! What the loader follows in the tables of a program. Loaders check nothing: a name
//! outside the string table, or a relocation into the dynamic section, does no harm until
//! someone changes what happens to be there. A file that contains them is damaged, and is
//! refused rather than broken.

use std::io;

use object::elf;

use super::pieces::{self, Piece, PieceKind};
use crate::elf::encoding::{Dyn, ProgramHeader, Record, Symbol};
use crate::elf::relocations::Relocation;
use crate::elf::source::{numbers, records};
use crate::elf::{
    Dynamic, FileOffset, FileRange, Image, SMALLEST_PAGE, Source, VirtAddr, relocations, tables,
};
use crate::rewrite::error::Error;

/// Checks the tables against the pieces that were found.
///
/// # Errors
///
/// The error names the table that is wrong.
pub(super) fn check(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    pieces: &[Piece],
) -> Result<(), Error> {
    let symbols = symbols(image, dynamic, pieces)?;
    let references = References {
        image,
        dynamic,
        pieces,
        symbols,
    };
    references.check_apart()?;
    references.check_dynamic_segment()?;
    references.check_notes()?;
    references.check_loads()?;
    references.check_headers()?;
    references.check_entries()?;
    references.check_tables()?;
    references.check_symbols()?;
    references.check_hash()?;
    references.check_gnu_hash()?;
    references.check_versions()?;
    references.check_relocations()
}

/// Program headers whose file offset points to nothing that may move: nothing reads
/// PT_NULL, PT_GNU_STACK has only flags, and PT_GNU_RELRO makes a range of addresses
/// read-only.
pub(super) const OF_NO_PIECE: [elf::ProgramType; 4] = [
    elf::PT_NULL,
    elf::PT_LOAD,
    elf::PT_GNU_STACK,
    elf::PT_GNU_RELRO,
];

/// More records of version requirements than any program has: a version index has 15
/// bits.
const MOST_VERSIONS: u32 = 1 << 16;

struct References<'a, S> {
    image: &'a Image<S>,
    dynamic: &'a Dynamic,
    pieces: &'a [Piece],
    /// The dynamic symbols, if their number is known.
    symbols: Option<FileRange>,
}

fn symbols(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    pieces: &[Piece],
) -> Result<Option<FileRange>, Error> {
    let Some((address, size)) = tables::symbol_table(image, dynamic)? else {
        return Ok(None);
    };
    if dynamic.get(elf::DT_SYMENT) != Some(Symbol::size(image.encoding)) {
        return Err(Error::malformed(
            "its dynamic symbols are of an unknown size",
        ));
    }
    let wrong = Error::malformed("its dynamic symbols are not in the file");
    let range = image.range_at(address, size).ok_or(wrong)?;
    let mut shared = pieces.iter().filter(|it| it.range.overlaps(&range));
    if shared.any(|piece| piece.kind != PieceKind::Symbols) {
        return Err(Error::malformed(
            "its dynamic symbols share bytes with something else",
        ));
    }
    Ok(Some(range))
}

impl<S: Source> References<'_, S> {
    /// Checks the dynamic section, which the runtime reads in memory.
    fn check_dynamic_segment(&self) -> Result<(), Error> {
        let Some(segment) = self.image.segment(elf::PT_DYNAMIC) else {
            return Ok(());
        };
        // Loaders take no notice of the size, and read on to DT_NULL.
        if segment.filesz == 0 {
            return Err(Error::malformed("its dynamic section is empty"));
        }
        let loads = self.image.loads_of(segment.vaddr, segment.filesz);
        let is_readable = |load: &ProgramHeader| load.is_readable();
        let readable = loads.is_some_and(|loads| loads.iter().all(is_readable));
        let headers = self
            .image
            .segments_of(elf::PT_LOAD)
            .find(|load| load.offset.0 == 0);
        let headers_readable = headers.is_none_or(|load| load.is_readable());
        if segment.filesz != segment.memsz || !readable || !headers_readable {
            return Err(Error::malformed(
                "its headers or its dynamic section are not the same in memory",
            ));
        }
        Ok(())
    }

    /// The ELF header, the program headers and the dynamic section are changed
    /// separately, so they must not overlap.
    fn check_apart(&self) -> Result<(), Error> {
        let table = self.image.program_headers();
        let header = FileRange::new(FileOffset(0), self.image.header.ehsize.into());
        let dynamic = &self.dynamic.range;
        if header.overlaps(&table) || header.overlaps(dynamic) || table.overlaps(dynamic) {
            return Err(Error::malformed(
                "its ELF header, program headers or dynamic section share bytes",
            ));
        }
        Ok(())
    }

    /// Checks the notes, all of which the runtime reads in memory.
    fn check_notes(&self) -> Result<(), Error> {
        let is_readable = |note: &ProgramHeader| {
            let loads = self.image.loads_of(note.vaddr, note.filesz);
            let mut loads = loads.into_iter().flatten();
            loads.all(|load| load.is_readable())
        };
        let mut notes = self.image.segments_of(elf::PT_NOTE);
        if notes.all(|note| !self.image.is_of_notes(note) || is_readable(note)) {
            Ok(())
        } else {
            Err(Error::malformed("its notes can't be read"))
        }
    }

    /// Checks for whole pages, which the kernel maps; 4 KiB is the smallest page of any
    /// processor.
    fn check_loads(&self) -> Result<(), Error> {
        let is_wrong = |load: &ProgramHeader| {
            load.filesz > 0
                && !load
                    .vaddr
                    .bias_over(load.offset)
                    .is_multiple_of(SMALLEST_PAGE)
        };
        if self.image.segments_of(elf::PT_LOAD).any(is_wrong) {
            return Err(Error::malformed("a loadable segment can't be mapped"));
        }
        Ok(())
    }

    /// What moves is found by its address; anything that follows the offset of a program
    /// header, as the kernel does for PT_INTERP, must find the same bytes.
    fn check_headers(&self) -> Result<(), Error> {
        let is_wrong = |segment: &ProgramHeader| {
            let file = segment.range();
            let memory = self.image.range_at(segment.vaddr, segment.filesz);
            // Nobody follows the address of a header that leads to no notes.
            let of_nobody = segment.kind == elf::PT_NOTE && !self.image.is_of_notes(segment);
            let memory = if of_nobody { Some(file) } else { memory };
            self.pieces.iter().map(|piece| piece.range).any(|piece| {
                let in_memory = memory.is_some_and(|range| piece.overlaps(&range));
                (in_memory || piece.overlaps(&file))
                    && (memory != Some(file) || !piece.contains(&file))
            })
        };
        let shares_dynamic = |segment: &ProgramHeader| {
            let file = segment.range();
            segment.kind != elf::PT_DYNAMIC && self.dynamic.range.overlaps(&file)
        };
        let mut others = self
            .image
            .segments
            .iter()
            .filter(|segment| segment.filesz > 0 && !OF_NO_PIECE.contains(&segment.kind));
        if others.any(|segment| is_wrong(segment) || shares_dynamic(segment)) {
            return Err(Error::malformed(
                "a program header leads to only a part of something, or elsewhere in memory than \
                 in the file, or into the dynamic section",
            ));
        }
        Ok(())
    }

    /// The dynamic strings, if they may move.
    fn strings(&self) -> Option<FileRange> {
        let mut pieces = self.pieces.iter();
        let strings = pieces.find(|piece| piece.kind == PieceKind::Strings)?;
        Some(strings.range)
    }

    /// How many dynamic symbols there are, if known.
    fn symbol_count(&self) -> Option<u64> {
        let size = Symbol::size(self.image.encoding);
        self.symbols.map(|symbols| symbols.size / size)
    }

    fn each_symbol(&self) -> Result<impl Iterator<Item = io::Result<Symbol>>, Error> {
        let symbols = self.symbols.unwrap_or_default();
        Ok(records(&self.image.source, self.image.encoding, symbols)?)
    }

    fn check_entries(&self) -> Result<(), Error> {
        const NAMES: [elf::DynamicTag; 6] = [
            elf::DT_NEEDED,
            elf::DT_SONAME,
            elf::DT_RPATH,
            elf::DT_RUNPATH,
            elf::DT_AUXILIARY,
            elf::DT_FILTER,
        ];
        let strings = self.strings().map_or(0, |strings| strings.size);
        let outside = |entry: &Dyn| NAMES.contains(&entry.tag) && entry.value >= strings;
        if self.dynamic.entries.iter().any(outside) {
            return Err(Error::malformed(
                "a name in its dynamic section lies outside the string table",
            ));
        }
        Ok(())
    }

    /// An entry must point to its own table, or at least to nothing that may move.
    fn check_tables(&self) -> Result<(), Error> {
        let is_wrong = |tag| {
            let address = self.dynamic.get(tag)?;
            let start = self.image.offset_of(VirtAddr(address))?;
            let size = relocations::size_of(self.dynamic, tag).unwrap_or(0);
            let table = FileRange::new(start, size.max(1));
            let is_own = |it: &Piece| {
                Some(it.kind) == pieces::table_of(tag) && it.range.start == table.start
            };
            let mut shared = self.pieces.iter().filter(|it| it.range.overlaps(&table));
            Some(self.dynamic.range.overlaps(&table) || shared.any(|piece| !is_own(piece)))
        };
        if tables::TAGS.iter().any(|&tag| is_wrong(tag) == Some(true)) {
            return Err(Error::malformed(
                "its dynamic section leads to a table within something else",
            ));
        }
        Ok(())
    }

    fn check_symbols(&self) -> Result<(), Error> {
        let strings = self.strings().map_or(0, |strings| strings.size);
        for symbol in self.each_symbol()? {
            if u64::from(symbol?.name) >= strings {
                return Err(Error::malformed(
                    "the name of a dynamic symbol lies outside the string table",
                ));
            }
        }
        Ok(())
    }

    /// Checks that the System V hash table refers only to symbols.
    fn check_hash(&self) -> Result<(), Error> {
        let Some(address) = self.dynamic.address(elf::DT_HASH) else {
            return Ok(());
        };
        if tables::hash_is_closed(self.image, address)? {
            Ok(())
        } else {
            Err(Error::malformed(
                "its hash table does not fit its dynamic symbols",
            ))
        }
    }

    /// Each symbol in the hash table must hash to the bucket where it is found: look-ups
    /// of the runtime's names also use this table.
    fn check_gnu_hash(&self) -> Result<(), Error> {
        let wrong = Err(Error::malformed(
            "its GNU hash table does not fit its dynamic symbols",
        ));
        let Some(address) = self.dynamic.address(elf::DT_GNU_HASH) else {
            return Ok(());
        };
        let Some(table) = tables::gnu_hash(self.image, address)? else {
            return wrong;
        };
        let Some(strings) = self.strings() else {
            return Ok(());
        };
        let end = address.saturating_add(table.size);
        let next = tables::next_start(self.image, self.dynamic, address);
        let symbols = self.symbol_count().unwrap_or(0);
        if next.is_some_and(|next| next < end)
            || table.buckets.size == 0
            || (symbols > 0 && table.first > symbols)
            || table.first.saturating_add(table.count()) > symbols.max(table.first)
        {
            return wrong;
        }
        let strings = self.image.source.read_range(strings)?;
        // Each name is in the table once, or shares its end with another; some have
        // several versions. Those of a hostile file may all have the same long end.
        let mut left = strings.len().saturating_mul(16);
        let chains = self.numbers(table.chains)?;
        let first = usize::try_from(table.first).unwrap_or(usize::MAX);
        for (symbol, hash) in self.each_symbol()?.skip(first).zip(chains) {
            let name = strings.get(symbol?.name as usize..);
            let name = name.and_then(|name| name.get(..left.min(name.len())));
            let name = name.and_then(|name| name.split(|&byte| byte == 0).next());
            let Some(name) = name else {
                return wrong;
            };
            if u64::from(elf::gnu_hash(name)) | 1 != hash? | 1 {
                return wrong;
            }
            left -= name.len();
        }
        let end = table.first + table.count();
        for bucket in self.numbers(table.buckets)? {
            let bucket = bucket?;
            if bucket != 0 && !(table.first..end).contains(&bucket) {
                return wrong;
            }
        }
        Ok(())
    }

    /// The words of a table.
    fn numbers(&self, range: FileRange) -> Result<impl Iterator<Item = io::Result<u64>>, Error> {
        Ok(numbers(&self.image.source, self.image.encoding, range, 4)?)
    }

    /// Checks the names in `.gnu.version_r`, and that every index in `.gnu.version` is
    /// defined (LSB, "Symbol Versioning").
    fn check_versions(&self) -> Result<(), Error> {
        let wrong = || Error::malformed("its symbol versions lie outside their tables");
        let needed = self.largest_needed_version()?;
        let (Some(address), None) = (
            self.dynamic.address(elf::DT_VERSYM),
            self.dynamic.get(elf::DT_VERDEF),
        ) else {
            return Ok(());
        };
        let Some(count) = self.symbol_count() else {
            return Ok(());
        };
        let range = self.image.range_at(address, count * 2).ok_or_else(wrong)?;
        // 0 and 1 are the local and the global version, bit 15 hides a symbol.
        let largest = needed.unwrap_or(1).max(1);
        for index in numbers(&self.image.source, self.image.encoding, range, 2)? {
            if index? & 0x7fff > largest.into() {
                return Err(wrong());
            }
        }
        Ok(())
    }

    fn half(&self, bytes: &[u8], at: usize) -> u16 {
        let half = [bytes[at], bytes[at + 1]];
        if self.image.encoding.is_big_endian() {
            u16::from_be_bytes(half)
        } else {
            u16::from_le_bytes(half)
        }
    }

    /// The largest index of a needed version.
    fn largest_needed_version(&self) -> Result<Option<u16>, Error> {
        let wrong = || Error::malformed("its version requirements lie outside their tables");
        let Some(mut at) = self.dynamic.address(elf::DT_VERNEED) else {
            return Ok(None);
        };
        // Elf_Verneed: version, count, file, aux, next;
        // Elf_Vernaux: hash, flags, other, name, next.
        let record = |address: VirtAddr| {
            let range = self.image.range_at(address, 16).ok_or_else(wrong)?;
            Ok::<_, Error>(self.image.source.read_range(range)?)
        };
        let word = |record: &[u8], at| {
            u64::from(
                self.image
                    .encoding
                    .note_order()
                    .read32(record, at)
                    .unwrap_or_default(),
            )
        };
        let strings = self.strings().map_or(0, |strings| strings.size);
        let is_name = |offset: u64| {
            if offset < strings {
                Ok(())
            } else {
                Err(wrong())
            }
        };
        let mut largest = 0;
        // Loaders follow the chain to its end, whatever DT_VERNEEDNUM says.
        let mut budget = MOST_VERSIONS;
        let mut spend = || {
            budget = budget.checked_sub(1).ok_or_else(wrong)?;
            Ok::<_, Error>(())
        };
        loop {
            spend()?;
            let file = record(at)?;
            is_name(word(&file, 4))?;
            let mut auxiliary_at = at.saturating_add(word(&file, 8));
            for _ in 0..self.half(&file, 2) {
                spend()?;
                let auxiliary = record(auxiliary_at)?;
                is_name(word(&auxiliary, 8))?;
                largest = largest.max(self.half(&auxiliary, 6) & 0x7fff);
                match word(&auxiliary, 12) {
                    0 => break,
                    next => auxiliary_at = auxiliary_at.saturating_add(next),
                }
            }
            match word(&file, 12) {
                0 => return Ok(Some(largest)),
                next => at = at.saturating_add(next),
            }
        }
    }

    /// Relocations that write to the dynamic section would change what is there now, and
    /// those with missing symbols read whatever is there.
    fn check_relocations(&self) -> Result<(), Error> {
        let segment = self.image.segment(elf::PT_DYNAMIC);
        let dynamic = segment.map_or(VirtAddr(0)..VirtAddr(0), |segment| {
            segment.vaddr..segment.vaddr.saturating_add(segment.memsz)
        });
        let symbols = self.symbol_count();
        let check = |relocation: Relocation| {
            let wrong = if !self.image.is_memory(relocation.target) {
                "a relocation writes outside of its segments"
            } else if dynamic.contains(&relocation.target) {
                "a relocation writes to its dynamic section"
            } else if symbols.is_some_and(|symbols| relocation.symbol >= symbols) {
                "a relocation is of a symbol that is not there"
            } else {
                return Ok(());
            };
            Err(crate::elf::Error::Malformed(wrong))
        };
        Ok(relocations::each(self.image, self.dynamic, check)?)
    }
}
