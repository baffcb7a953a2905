//! What the loader follows in the tables of a program. Loaders check nothing:
//! a name outside of the string table, or a relocation into the dynamic
//! section, does no harm as long as nobody changes what happens to be there.
//! A file that has them is damaged, and is refused rather than broken.

use object::elf;

use super::encoding::{Record, Symbol};
use super::pieces::{self, Kind, Piece};
use super::{Dynamic, Error, FileRange, Layout, Source, VirtAddr};

/// Records read at a time.
const BATCH: u64 = 4096;

/// Checks the tables against the pieces that were found.
///
/// # Errors
///
/// Names the table that is wrong.
pub(super) fn check(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    dynamic: &Dynamic,
    pieces: &[Piece],
) -> Result<(), Error> {
    let references = References {
        layout,
        source,
        dynamic,
        pieces,
    };
    references.check_dynamic_segment()?;
    references.check_entries()?;
    references.check_symbols()?;
    references.check_gnu_hash()?;
    references.check_needed_versions()?;
    references.check_relocations()
}

struct References<'a, S: ?Sized> {
    layout: &'a Layout,
    source: &'a S,
    dynamic: &'a Dynamic,
    pieces: &'a [Piece],
}

impl<S: Source + ?Sized> References<'_, S> {
    /// The runtime reads the dynamic section in memory.
    fn check_dynamic_segment(&self) -> Result<(), Error> {
        let Some(segment) = self.layout.segment(elf::PT_DYNAMIC) else {
            return Ok(());
        };
        let load = self.layout.load_of(VirtAddr(segment.vaddr));
        let readable = load.is_some_and(|load| load.flags.0 & elf::PF_R.0 != 0);
        if segment.filesz != segment.memsz || !readable {
            return Err(Error::Malformed(
                "its dynamic section has another size or place in memory",
            ));
        }
        Ok(())
    }

    fn strings(&self) -> u64 {
        let strings = self.pieces.iter().find(|piece| piece.kind == Kind::Strings);
        strings.map_or(0, |piece| piece.range.size)
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
        let outside = |entry: &super::encoding::Dyn| {
            NAMES.contains(&entry.tag) && entry.value >= self.strings()
        };
        if self.dynamic.entries.iter().any(outside) {
            return Err(Error::Malformed(
                "a name in its dynamic section lies outside the string table",
            ));
        }
        Ok(())
    }

    /// The dynamic symbols, where their number is known.
    fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        let Some(piece) = self.pieces.iter().find(|piece| piece.kind == Kind::Symbols) else {
            return Ok(Vec::new());
        };
        Ok(Symbol::decode_all(
            self.layout.encoding,
            &self.read(piece.range)?,
        ))
    }

    fn read(&self, range: FileRange) -> Result<Vec<u8>, Error> {
        Ok(self.source.read_at(range.start.0, range.size)?)
    }

    fn check_symbols(&self) -> Result<(), Error> {
        let strings = self.strings();
        if self
            .symbols()?
            .iter()
            .any(|symbol| u64::from(symbol.name) >= strings)
        {
            return Err(Error::Malformed(
                "the name of a dynamic symbol lies outside the string table",
            ));
        }
        Ok(())
    }

    /// Each symbol in the hash table must hash to where it is found: look-ups
    /// of the runtime's names go through this table, too.
    fn check_gnu_hash(&self) -> Result<(), Error> {
        let wrong = Err(Error::Malformed(
            "its GNU hash table does not fit its dynamic symbols",
        ));
        let address = self.dynamic.get(elf::DT_GNU_HASH);
        let Some(table) = address
            .map(|address| pieces::gnu_hash(self.layout, self.source, address))
            .transpose()?
            .flatten()
        else {
            return Ok(());
        };
        let symbols = self.symbols()?;
        let Some(strings) = self.pieces.iter().find(|piece| piece.kind == Kind::Strings) else {
            return Ok(());
        };
        let strings = self.read(strings.range)?;
        if table.buckets.is_empty() || (!symbols.is_empty() && table.first as usize > symbols.len())
        {
            return wrong;
        }
        for (symbol, hash) in (table.first as usize..).zip(&table.chains) {
            let name = symbols
                .get(symbol)
                .and_then(|symbol| strings.get(symbol.name as usize..));
            let Some(name) = name.and_then(|name| name.split(|&byte| byte == 0).next()) else {
                continue;
            };
            if elf::gnu_hash(name) | 1 != hash | 1 {
                return wrong;
            }
        }
        let below_first = |&bucket: &u32| bucket != 0 && bucket < table.first;
        if table.buckets.iter().any(below_first) {
            wrong
        } else {
            Ok(())
        }
    }

    /// The names in `.gnu.version_r` (LSB, "Version Requirements").
    fn check_needed_versions(&self) -> Result<(), Error> {
        let wrong = || Error::Malformed("its version requirements lie outside their tables");
        let Some(mut at) = self.dynamic.get(elf::DT_VERNEED) else {
            return Ok(());
        };
        let order = self.layout.encoding.note_order();
        let strings = self.strings();
        let record = |address: u64| {
            let range = self.layout.range_at(address, 16).ok_or_else(wrong)?;
            let bytes = self.read(range)?;
            let word = |offset| u64::from(order.read32(&bytes, offset).unwrap_or_default());
            let half = |offset| match self.layout.encoding.is_big_endian() {
                true => u16::from_be_bytes([bytes[offset], bytes[offset + 1]]),
                false => u16::from_le_bytes([bytes[offset], bytes[offset + 1]]),
            };
            // Elf_Verneed: version, count, file, aux, next;
            // Elf_Vernaux: hash, flags, other, name, next.
            Ok::<_, Error>((half(2), [word(4), word(8), word(12)]))
        };
        // Loaders follow the chain to its end, whatever DT_VERNEEDNUM says. It
        // can't have more records than the file has room for.
        for _ in 0..self.layout.length / 16 {
            let (auxiliaries, [file, first, next]) = record(at)?;
            let mut auxiliary = at.saturating_add(first);
            for _ in 0..auxiliaries {
                let (_, [_, name, next]) = record(auxiliary)?;
                if name >= strings {
                    return Err(wrong());
                }
                auxiliary = auxiliary.saturating_add(next);
                if next == 0 {
                    break;
                }
            }
            if file >= strings {
                return Err(wrong());
            }
            if next == 0 {
                return Ok(());
            }
            at = at.saturating_add(next);
        }
        Err(wrong())
    }

    /// Relocations that write to the dynamic section would change what stands
    /// there now, and those of symbols that are not there read what does.
    fn check_relocations(&self) -> Result<(), Error> {
        let word: u64 = if self.layout.encoding.is_64 { 8 } else { 4 };
        let plt_entry = if self.dynamic.get(elf::DT_PLTREL) == Some(elf::DT_RELA.0.cast_unsigned())
        {
            3
        } else {
            2
        };
        let tables = [
            (elf::DT_RELA, elf::DT_RELASZ, 3 * word),
            (elf::DT_REL, elf::DT_RELSZ, 2 * word),
            (elf::DT_JMPREL, elf::DT_PLTRELSZ, plt_entry * word),
        ];
        for (address, size, entry) in tables {
            let (Some(address), Some(size)) = (self.dynamic.get(address), self.dynamic.get(size))
            else {
                continue;
            };
            let wrong = Error::Malformed("its relocations are not in the file");
            let table = self.layout.range_at(address, size).ok_or(wrong)?;
            let mut done = 0;
            while done < table.size {
                let size = (table.size - done).min(BATCH * entry);
                let bytes = self.read(FileRange::new(table.start.0 + done, size))?;
                self.check_targets(&bytes, entry)?;
                done += size;
            }
        }
        Ok(())
    }

    fn check_targets(&self, relocations: &[u8], entry: u64) -> Result<(), Error> {
        let segment = self.layout.segment(elf::PT_DYNAMIC);
        let dynamic = segment.map_or(0..0, |segment| {
            segment.vaddr..segment.vaddr.saturating_add(segment.memsz)
        });
        let symbols = self.symbol_count();
        let entry = usize::try_from(entry).unwrap_or(usize::MAX);
        for relocation in relocations.chunks_exact(entry) {
            let (target, symbol) = self.relocation(relocation);
            if (target, symbol) == (0, 0) {
                // R_*_NONE, which linkers leave where a relocation was dropped.
                continue;
            }
            if !self.layout.is_memory(VirtAddr(target)) {
                return Err(Error::Malformed(
                    "a relocation writes outside of its segments",
                ));
            }
            if dynamic.contains(&target) {
                return Err(Error::Malformed(
                    "a relocation writes to its dynamic section",
                ));
            }
            if symbols.is_some_and(|symbols| symbol >= symbols) {
                return Err(Error::Malformed(
                    "a relocation is of a symbol that is not there",
                ));
            }
        }
        Ok(())
    }

    /// Address and symbol of a relocation: `r_offset` and the upper part of
    /// `r_info`, which is 24 bits in ELF32 and 32 in ELF64. In 64-bit MIPS files
    /// it is the first word, whatever the byte order (MIPS ABI supplement).
    fn relocation(&self, bytes: &[u8]) -> (u64, u64) {
        let order = self.layout.encoding.note_order();
        if !self.layout.encoding.is_64 {
            let word = |at| u64::from(order.read32(bytes, at).unwrap_or_default());
            return (word(0), word(4) >> 8);
        }
        let word = |at| order.read64(bytes, at).unwrap_or_default();
        let symbol = match self.layout.header.machine {
            elf::EM_MIPS => order.read32(bytes, 8).unwrap_or_default().into(),
            _ => word(8) >> 32,
        };
        (word(0), symbol)
    }

    fn symbol_count(&self) -> Option<u64> {
        let piece = self
            .pieces
            .iter()
            .find(|piece| piece.kind == Kind::Symbols)?;
        Some(piece.range.size / Symbol::size(self.layout.encoding))
    }
}
