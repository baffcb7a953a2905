//! The dynamic section, and the tables that it leads to.

use crate::image::{Image, pt, sht};

/// Tags of dynamic entries.
pub(crate) mod dt {
    pub(crate) const NULL: u64 = 0;
    pub(crate) const NEEDED: u64 = 1;
    pub(crate) const PLTRELSZ: u64 = 2;
    pub(crate) const HASH: u64 = 4;
    pub(crate) const STRTAB: u64 = 5;
    pub(crate) const SYMTAB: u64 = 6;
    pub(crate) const RELA: u64 = 7;
    pub(crate) const RELASZ: u64 = 8;
    pub(crate) const STRSZ: u64 = 10;
    pub(crate) const SYMENT: u64 = 11;
    pub(crate) const REL: u64 = 17;
    pub(crate) const RELSZ: u64 = 18;
    pub(crate) const JMPREL: u64 = 23;
    pub(crate) const INIT_ARRAY: u64 = 25;
    pub(crate) const INIT_ARRAYSZ: u64 = 27;
    pub(crate) const RELRSZ: u64 = 35;
    pub(crate) const RELR: u64 = 36;
    pub(crate) const GNU_HASH: u64 = 0x6fff_fef5;
    pub(crate) const VERSYM: u64 = 0x6fff_fff0;
    pub(crate) const VERDEF: u64 = 0x6fff_fffc;
    pub(crate) const VERNEED: u64 = 0x6fff_fffe;
    /// On MIPS, a distance from the entry's own place.
    pub(crate) const MIPS_RLD_MAP_REL: u64 = 0x7000_0035;
    /// Says that a program was patched (docs/note-format.md).
    pub(crate) const SANDBOX: u64 = 0x6000_5342;
}

/// Entries that lead to a table, which a rewriter may move.
const TABLES: [u64; 10] = [
    dt::HASH,
    dt::STRTAB,
    dt::SYMTAB,
    dt::RELA,
    dt::REL,
    dt::JMPREL,
    dt::RELR,
    dt::GNU_HASH,
    dt::VERSYM,
    dt::VERNEED,
];

/// Whether an entry leads to a table that a rewriter may move.
pub(crate) fn is_table(tag: u64) -> bool {
    TABLES.contains(&tag) || tag == dt::VERDEF
}

/// An entry: tag and value.
pub(crate) type Entry = (u64, u64);

/// The dynamic section of a file.
pub(crate) struct Dynamic<'a, 'b> {
    pub(crate) image: &'b Image<'a>,
    /// The entries before DT_NULL; distances are resolved to addresses.
    pub(crate) entries: Vec<Entry>,
    /// Whether a DT_NULL ends them.
    pub(crate) has_end: bool,
}

impl<'a, 'b> Dynamic<'a, 'b> {
    /// Reads it as a loader does, from memory; nothing where there is none.
    pub(crate) fn read(image: &'b Image<'a>) -> Option<Self> {
        let segment = image.segments_of(pt::DYNAMIC).next()?;
        let range = image.file_range(segment.vaddr, segment.filesz)?;
        let width = if image.is_64 { 8 } else { 4 };
        let mut entries = Vec::new();
        let mut has_end = false;
        for (at, place) in range
            .step_by(2 * width)
            .zip((segment.vaddr..).step_by(2 * width))
        {
            const EM_MIPS: u16 = 8;
            let (Some(tag), Some(mut value)) = (image.word(at), image.word(at + width as u64))
            else {
                break;
            };
            if (image.machine, tag) == (EM_MIPS, dt::MIPS_RLD_MAP_REL) {
                value = value.wrapping_add(place);
                if !image.is_64 {
                    value &= u64::from(u32::MAX);
                }
            }
            if tag == dt::NULL {
                has_end = true;
                break;
            }
            entries.push((tag, value));
        }
        Some(Self {
            image,
            entries,
            has_end,
        })
    }

    /// That of a file that has none.
    pub(crate) fn none(image: &'b Image<'a>) -> Self {
        Self {
            image,
            entries: Vec::new(),
            has_end: false,
        }
    }

    /// The value of the first entry with the tag.
    pub(crate) fn get(&self, tag: u64) -> Option<u64> {
        let entry = self.entries.iter().find(|entry| entry.0 == tag);
        entry.map(|entry| entry.1)
    }

    /// The string at an offset of the string table; nothing where it does not end
    /// in there.
    pub(crate) fn string(&self, offset: u64) -> Option<&'a [u8]> {
        let left = self.get(dt::STRSZ)?.checked_sub(offset)?;
        let start = self.get(dt::STRTAB)?.checked_add(offset)?;
        let bytes = self.image.memory(start, left)?;
        let end = bytes.iter().position(|&byte| byte == 0)?;
        Some(&bytes[..end])
    }

    /// How many bytes the table has that the entry leads to, as far as the
    /// dynamic section tells.
    pub(crate) fn size_of(&self, tag: u64) -> Option<u64> {
        let address = self.get(tag)?;
        match tag {
            dt::STRTAB => self.get(dt::STRSZ),
            dt::RELA => self.get(dt::RELASZ),
            dt::REL => self.get(dt::RELSZ),
            dt::RELR => self.get(dt::RELRSZ),
            dt::JMPREL => self.get(dt::PLTRELSZ),
            dt::HASH => Some(self.hash(address)?.0),
            dt::GNU_HASH => Some(self.gnu_hash(address)?.0),
            dt::SYMTAB => self.size_of_symbols(address),
            dt::VERSYM => self.symbols()?.checked_mul(2),
            dt::VERNEED => self.versions(address, &VERNEED),
            dt::VERDEF => self.versions(address, &VERDEF),
            _ => None,
        }
    }

    /// Number of dynamic symbols, by the hash tables; a GNU one that is empty
    /// does not tell.
    fn symbols(&self) -> Option<u64> {
        let by_hash = self.get(dt::HASH).and_then(|address| self.hash(address));
        let by_gnu_hash = || self.gnu_hash(self.get(dt::GNU_HASH)?);
        let (_, symbols) = by_hash.or_else(by_gnu_hash)?;
        (symbols > 0).then_some(symbols)
    }

    /// Where no hash table tells, a section does; else the symbols reach to what
    /// comes next at most.
    fn size_of_symbols(&self, address: u64) -> Option<u64> {
        let size = self.get(dt::SYMENT)?;
        if let Some(symbols) = self.symbols() {
            return symbols.checked_mul(size);
        }
        let mut sections = self.image.sections.iter();
        if let Some(section) = sections.find(|it| it.kind == sht::DYNSYM && it.addr == address) {
            return Some(section.size);
        }
        let next = self.next_table(address)?;
        Some((next - address) / size.max(1) * size)
    }

    /// Where the next table or section starts.
    pub(crate) fn next_table(&self, address: u64) -> Option<u64> {
        let tables = self.entries.iter().filter(|entry| is_table(entry.0));
        let sections = self.image.sections.iter();
        let sections = sections.filter(|section| self.image.is_loaded(section));
        let starts = tables
            .map(|entry| entry.1)
            .chain(sections.map(|section| section.addr));
        starts.filter(|&start| start > address).min()
    }

    fn four(&self, address: u64) -> Option<u32> {
        self.image.four(self.image.file_range(address, 4)?.start)
    }

    /// Size in bytes and number of symbols of a System V hash table.
    fn hash(&self, address: u64) -> Option<(u64, u64)> {
        let buckets = u64::from(self.four(address)?);
        let chains = u64::from(self.four(address.checked_add(4)?)?);
        Some(((2 + buckets + chains) * 4, chains))
    }

    /// The same of a GNU hash table (glibc, elf/dl-lookup.c): four words
    /// (buckets, first symbol, Bloom filter words, shift), the Bloom filter, the
    /// buckets, and a chain word a symbol, whose lowest bit ends a chain.
    fn gnu_hash(&self, address: u64) -> Option<(u64, u64)> {
        let word = |index: u64| self.four(address.checked_add(index * 4)?);
        let (buckets, first, bloom) = (word(0)?, u64::from(word(1)?), u64::from(word(2)?));
        let buckets_at = 4 + bloom * if self.image.is_64 { 2 } else { 1 };
        let chains_at = buckets_at + u64::from(buckets);
        let mut last = 0;
        for bucket in buckets_at..chains_at {
            last = last.max(u64::from(word(bucket)?));
        }
        if last < first || last == 0 {
            return Some((chains_at * 4, 0));
        }
        while word(chains_at + last - first)? & 1 == 0 {
            last += 1;
        }
        let symbols = last + 1;
        Some(((chains_at + symbols - first) * 4, symbols))
    }

    /// Bytes up to the end of the last record of a list of versions.
    fn versions(&self, address: u64, layout: &Versions) -> Option<u64> {
        let mut record = address;
        let mut end = address;
        // Chains of a hostile file may meet again and again.
        let mut budget = self.image.bytes.len();
        loop {
            let mut part =
                record.checked_add(self.four(record.checked_add(layout.part)?)?.into())?;
            loop {
                budget = budget.checked_sub(1)?;
                end = end.max(part.checked_add(layout.part_size)?);
                match self.four(part.checked_add(layout.next_part)?)? {
                    0 => break,
                    next => part = part.checked_add(next.into())?,
                }
            }
            match self.four(record.checked_add(layout.next)?)? {
                0 => return Some(end - address),
                next => record = record.checked_add(next.into())?,
            }
        }
    }
}

/// Offsets in the records of a list of versions (LSB, "Symbol Versioning"): of
/// the words that lead to a record's first part, to the next record and, in a
/// part, to the next part; and a part's size.
struct Versions {
    part: u64,
    next: u64,
    next_part: u64,
    part_size: u64,
}

/// Elf_Verneed, Elf_Vernaux.
const VERNEED: Versions = Versions {
    part: 8,
    next: 12,
    next_part: 12,
    part_size: 16,
};

/// Elf_Verdef, Elf_Verdaux.
const VERDEF: Versions = Versions {
    part: 12,
    next: 16,
    next_part: 4,
    part_size: 8,
};
