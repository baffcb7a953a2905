//! The tables that the dynamic section points to, and their lengths, which mostly only
//! the hash tables tell (gABI chapter 5, "Dynamic Section").

use std::io;

use object::elf;

use super::machine::Machine;
use super::source::numbers;
use super::{Dynamic, Error, FileRange, Image, Layout, Source, VirtAddr};

/// The dynamic entries that point to them.
pub(crate) const TAGS: [elf::DynamicTag; 11] = [
    elf::DT_STRTAB,
    elf::DT_SYMTAB,
    elf::DT_HASH,
    elf::DT_GNU_HASH,
    elf::DT_VERSYM,
    elf::DT_VERNEED,
    elf::DT_VERDEF,
    elf::DT_RELA,
    elf::DT_REL,
    elf::DT_RELR,
    elf::DT_JMPREL,
];

/// Address and size in bytes of the dynamic symbols, according to the hash tables or else
/// the section headers.
pub(crate) fn symbol_table(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
) -> Result<Option<(VirtAddr, u64)>, Error> {
    let (Some(address), Some(entry)) =
        (dynamic.address(elf::DT_SYMTAB), dynamic.get(elf::DT_SYMENT))
    else {
        return Ok(None);
    };
    let mut count = None;
    if let Some(address) = dynamic.address(elf::DT_HASH) {
        count = hash_extent(image, address)?.map(|(_, count)| count);
    }
    if let (None, Some(address)) = (count, dynamic.address(elf::DT_GNU_HASH)) {
        count = gnu_hash(image, address)?.and_then(|table| table.symbols());
    }
    let counted = count.and_then(|count| count.checked_mul(entry));
    let size = counted.or_else(|| symbol_section_size(image, address));
    // Where nothing tells, the table can at most reach to the next one.
    let room = || next_start(image, dynamic, address).map(|next| next - address);
    let size = size.or_else(|| Some(room()? / entry.max(1) * entry));
    // Where there is no room for a symbol, there is no table.
    Ok(size.filter(|&size| size > 0).map(|size| (address, size)))
}

/// The size that the section headers give for the dynamic symbols, for files whose hash
/// tables don't tell.
fn symbol_section_size(layout: &Layout, address: VirtAddr) -> Option<u64> {
    let mut sections = layout.sections.iter().map(|section| &section.header);
    let found = sections.find(|header| header.kind == elf::SHT_DYNSYM)?;
    (found.addr == address).then_some(found.size)
}

/// The addresses of the tables that the dynamic section points to.
pub(crate) fn starts(dynamic: &Dynamic) -> impl Iterator<Item = VirtAddr> {
    TAGS.iter().filter_map(|&tag| dynamic.address(tag))
}

/// The next address after `address` at which a table or a section starts. An empty one
/// does not show where another ends.
pub(crate) fn next_start(
    layout: &Layout,
    dynamic: &Dynamic,
    address: VirtAddr,
) -> Option<VirtAddr> {
    let sections = layout
        .sections
        .iter()
        .filter(|section| section.is_allocated() && section.header.size > 0);
    let starts = starts(dynamic).chain(sections.map(|section| section.header.addr));
    let next = starts.filter(|&start| start > address).min()?;
    (layout.load_of(next) == layout.load_of(address)).then_some(next)
}

/// The file range of `count` words of `width` bytes.
fn words_at(layout: &Layout, address: VirtAddr, count: u64, width: u64) -> Option<FileRange> {
    layout.range_at(address, count.checked_mul(width)?)
}

/// The first numbers at an address, of `width` bytes each; `None` if they are not in the
/// file.
fn first<const COUNT: usize>(
    image: &Image<impl Source>,
    address: VirtAddr,
    width: u64,
) -> Result<Option<[u64; COUNT]>, Error> {
    let Some(range) = words_at(image, address, COUNT as u64, width) else {
        return Ok(None);
    };
    let found: io::Result<Vec<u64>> =
        numbers(&image.source, image.encoding, range, width)?.collect();
    Ok(found?.try_into().ok())
}

/// Size in bytes and number of symbols of a System V hash table (gABI chapter 5, "Hash
/// Table"): the numbers of buckets and of chain words, then the buckets and chain words.
pub(crate) fn hash_extent(
    image: &Image<impl Source>,
    address: VirtAddr,
) -> Result<Option<(u64, u64)>, Error> {
    let width = hash_word(image);
    let size = |[buckets, chains]: [u64; 2]| {
        let words = buckets.checked_add(chains)?.checked_add(2)?;
        Some((words.checked_mul(width)?, chains))
    };
    Ok(first(image, address, width)?.and_then(size))
}

/// Whether all buckets and chains of a System V hash table refer to symbols that it has;
/// false if the table is not wholly in the file.
pub(crate) fn hash_is_closed(image: &Image<impl Source>, address: VirtAddr) -> Result<bool, Error> {
    let Some((size, symbols)) = hash_extent(image, address)? else {
        return Ok(false);
    };
    let Some(range) = image.range_at(address, size) else {
        return Ok(false);
    };
    let words = numbers(&image.source, image.encoding, range, hash_word(image))?;
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
pub(crate) struct GnuHash {
    /// The first symbol that is in the table.
    pub(crate) first: u64,
    /// For each hash, the first symbol of its chain; 0 for none.
    pub(crate) buckets: FileRange,
    /// The chain words.
    pub(crate) chains: FileRange,
    /// Size of the table in bytes.
    pub(crate) size: u64,
}

impl GnuHash {
    /// How many chain words there are.
    pub(crate) fn count(&self) -> u64 {
        self.chains.size / 4
    }

    /// How many symbols there are; unknown if the table is empty.
    fn symbols(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.first + self.count())
    }
}

/// Finds the parts of a GNU hash table; `None` if it is not wholly in the file.
pub(crate) fn gnu_hash(
    image: &Image<impl Source>,
    address: VirtAddr,
) -> Result<Option<GnuHash>, Error> {
    let Some([bucket_count, first, bloom]) = first(image, address, 4)? else {
        return Ok(None);
    };
    let word = image.encoding.word();
    let buckets_at = 16 + bloom * word;
    let chains_at = buckets_at + bucket_count * 4;
    let buckets = words_at(image, address.saturating_add(buckets_at), bucket_count, 4);
    let Some(buckets) = buckets else {
        return Ok(None);
    };
    // The chain of the last bucket in use ends the table.
    let mut last = 0;
    for bucket in numbers(&image.source, image.encoding, buckets, 4)? {
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
    let Some(last_chain) = chain_length(image, chain_at)? else {
        return Ok(None);
    };
    let count = last - first + last_chain;
    let chains = words_at(image, address.saturating_add(chains_at), count, 4);
    Ok(chains.map(|chains| {
        table.size += chains.size;
        GnuHash { chains, ..table }
    }))
}

/// How many words a chain of a GNU hash table has; `None` if its end is not in the file.
fn chain_length(image: &Image<impl Source>, address: VirtAddr) -> Result<Option<u64>, Error> {
    /// A chain longer than this, in bytes, is invalid.
    const LONGEST: u64 = 64 << 20;
    let Some(mut rest) = image.rest_at(address) else {
        return Ok(None);
    };
    rest.size = rest.size.min(LONGEST);
    for (length, word) in (1..).zip(numbers(&image.source, image.encoding, rest, 4)?) {
        if word? & 1 == 1 {
            return Ok(Some(length));
        }
    }
    Ok(None)
}
