//! The relocations that the loader carries out (gABI chapter 4, "Relocation").

use std::ops::Range;

use object::elf;

use super::encoding::{Record, Symbol};
use super::machine::{Machine, RelocationTypes};
use super::source::{blocks, numbers};
use super::{Dynamic, Error, FileOffset, FileRange, Image, Layout, Source, VirtAddr};

/// The content of a relocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relocation {
    /// The address that it writes to.
    pub(crate) target: VirtAddr,
    /// The index of its symbol; 0 for none.
    pub(crate) symbol: u64,
    /// Its type, which is processor-specific.
    pub(crate) kind: u32,
    /// The addend to the symbol's or the program's address; `None` if it is stored at the
    /// target.
    pub(crate) addend: Option<u64>,
    /// Where the addend is in the file.
    pub(crate) addend_in_file: Option<FileRange>,
}

impl Relocation {
    /// Whether it only adds the load bias.
    pub(crate) fn is_relative(&self, layout: &Layout) -> bool {
        Machine::of(layout).relocations.relative == Some(self.kind) && self.symbol == 0
    }
}

/// What relocations write to. Some types fill more than a word (psABIs of x86-64, i386
/// and aarch64, "Relocation Types"); for copy relocations, the symbol gives the size.
pub(crate) struct Extents<'a, S> {
    image: &'a Image<S>,
    /// The address of the dynamic symbols.
    symbols: Option<VirtAddr>,
    /// How many more copy relocations are read.
    copies: u32,
}

/// More copy relocations than any program has.
const MOST_COPIES: u32 = 1 << 16;

impl<'a, S: Source> Extents<'a, S> {
    pub(crate) fn new(image: &'a Image<S>, dynamic: &Dynamic) -> Self {
        Self {
            image,
            symbols: dynamic.address(elf::DT_SYMTAB),
            copies: MOST_COPIES,
        }
    }

    /// The addresses that a relocation writes to.
    ///
    /// # Errors
    ///
    /// The file can't be read, or it has too many copy relocations.
    pub(crate) fn of(&mut self, relocation: &Relocation) -> Result<Range<VirtAddr>, Error> {
        let word = self.image.encoding.word();
        let RelocationTypes {
            copy, descriptor, ..
        } = Machine::of(self.image).relocations;
        let size = if Some(relocation.kind) == copy {
            self.copies = self.copies.checked_sub(1).ok_or(Error::Malformed(
                "more of its relocations copy than any program's",
            ))?;
            let symbol = self.symbol(relocation.symbol)?;
            symbol.map_or(u64::MAX, |symbol| symbol.size)
        } else if Some(relocation.kind) == descriptor {
            2 * word
        } else {
            word
        };
        Ok(relocation.target..relocation.target.saturating_add(size))
    }

    /// A dynamic symbol; `None` if it is not in the file.
    fn symbol(&self, index: u64) -> Result<Option<Symbol>, Error> {
        let size = Symbol::size(self.image.encoding);
        let place = |table: VirtAddr| table.checked_add(index.checked_mul(size)?);
        let place = self.symbols.and_then(place);
        let Some(range) = place.and_then(|place| self.image.range_at(place, size)) else {
            return Ok(None);
        };
        let bytes = self.image.source.read_range(range)?;
        Ok(Symbol::decode(self.image.encoding, &bytes))
    }
}

/// Size in bytes of a table of relocations, according to the dynamic section; `None` for
/// other tables.
pub(crate) fn size_of(dynamic: &Dynamic, table: elf::DynamicTag) -> Option<u64> {
    let size = match table {
        elf::DT_RELA => elf::DT_RELASZ,
        elf::DT_REL => elf::DT_RELSZ,
        elf::DT_RELR => elf::DT_RELRSZ,
        elf::DT_JMPREL => elf::DT_PLTRELSZ,
        _ => return None,
    };
    dynamic.get(size)
}

/// Calls `visit` for each relocation except those that do nothing. DT_RELR is left out:
/// it has neither symbols nor addends.
///
/// # Errors
///
/// A table is not in the file, or `visit` fails.
pub(crate) fn each(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    mut visit: impl FnMut(Relocation) -> Result<(), Error>,
) -> Result<(), Error> {
    let word = image.encoding.word();
    let has_addends = dynamic.get(elf::DT_PLTREL) == Some(elf::DT_RELA.0.cast_unsigned());
    let tables = [
        (elf::DT_RELA, 3 * word),
        (elf::DT_REL, 2 * word),
        (
            elf::DT_JMPREL,
            if has_addends { 3 * word } else { 2 * word },
        ),
    ];
    for (table, entry) in tables {
        let (Some(address), Some(size)) = (dynamic.address(table), size_of(dynamic, table)) else {
            continue;
        };
        let wrong = Error::Malformed("its relocations are not in the file");
        let range = image.range_at(address, size).ok_or(wrong)?;
        each_in(image, range, entry, &mut visit)?;
    }
    Ok(())
}

/// Calls `visit` for each relocation that a program without a dynamic section applies
/// itself, those of indirect functions (glibc's csu/libc-start.c, `apply_irel`). Its code
/// knows their address; in the file, only section headers tell where they are.
///
/// # Errors
///
/// The file can't be read, or `visit` fails.
pub(crate) fn each_of_static(
    image: &Image<impl Source>,
    mut visit: impl FnMut(Relocation) -> Result<(), Error>,
) -> Result<(), Error> {
    let word = image.encoding.word();
    let mut left = image.length;
    for section in &image.sections {
        let header = &section.header;
        let entry = match header.kind {
            elf::SHT_RELA => 3 * word,
            elf::SHT_REL => 2 * word,
            _ => continue,
        };
        let in_memory = image.range_at(header.addr, header.size);
        if let Some(range) = in_memory.filter(|_| section.is_allocated()) {
            left = left
                .checked_sub(range.size)
                .ok_or(Error::Malformed("sections of relocations share bytes"))?;
            each_in(image, range, entry, &mut visit)?;
        }
    }
    Ok(())
}

/// Calls `visit` for each relocation of a table with entries of a given size.
fn each_in(
    image: &Image<impl Source>,
    table: FileRange,
    entry: u64,
    mut visit: impl FnMut(Relocation) -> Result<(), Error>,
) -> Result<(), Error> {
    let size = usize::try_from(entry).unwrap_or(usize::MAX);
    for block in blocks(&image.source, table, entry)? {
        let (start, bytes) = block?;
        let places = (start.0..).step_by(size).map(FileOffset);
        for (at, bytes) in places.zip(bytes.chunks_exact(size)) {
            let relocation = decode(image, at, bytes);
            // R_*_NONE, which linkers leave where a relocation was dropped.
            if (relocation.target.0, relocation.symbol) != (0, 0) {
                visit(relocation)?;
            }
        }
    }
    Ok(())
}

/// The symbol is the upper part of `r_info`, which is 24 bits in ELF32 and 32 in
/// ELF64. In 64-bit MIPS files it is the first word, whatever the byte order
/// (MIPS ABI supplement).
fn decode(layout: &Layout, at: FileOffset, bytes: &[u8]) -> Relocation {
    let order = layout.encoding.note_order();
    if !layout.encoding.is_64 {
        let word = |at| order.read32(bytes, at).map(u64::from);
        let info = order.read32(bytes, 4).unwrap_or_default();
        let addend = word(8);
        return Relocation {
            target: VirtAddr(word(0).unwrap_or_default()),
            symbol: u64::from(info >> 8),
            kind: info & 0xff,
            addend,
            addend_in_file: addend.map(|_| FileRange::new(at + 8, 4)),
        };
    }
    let word = |at| order.read64(bytes, at);
    let info = word(8).unwrap_or_default();
    let (symbol, kind) = match layout.header.machine {
        elf::EM_MIPS => (order.read32(bytes, 8).unwrap_or_default().into(), 0),
        _ => (
            info >> 32,
            u32::try_from(info & 0xffff_ffff).unwrap_or_default(),
        ),
    };
    let addend = word(16);
    Relocation {
        target: VirtAddr(word(0).unwrap_or_default()),
        symbol,
        kind,
        addend,
        addend_in_file: addend.map(|_| FileRange::new(at + 16, 8)),
    }
}

/// The first address in `addresses` that packed relative relocations (DT_RELR) write
/// to, if there is one. An even word is an address; each bit of an odd one, from the
/// second on, stands for one of the words that follow (gABI, "Relative Relocation
/// Table").
///
/// # Errors
///
/// The table is not in the file.
pub(crate) fn packed_target(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    addresses: &Range<VirtAddr>,
) -> Result<Option<VirtAddr>, Error> {
    let table = dynamic
        .address(elf::DT_RELR)
        .zip(dynamic.get(elf::DT_RELRSZ));
    let Some((address, size)) = table else {
        return Ok(None);
    };
    let word = image.encoding.word();
    let wrong = Error::Malformed("its relocations are not in the file");
    let range = image.range_at(address, size).ok_or(wrong)?;
    let is_there = |target: &VirtAddr| overlap(&(*target..target.saturating_add(word)), addresses);
    let mut next = VirtAddr(0);
    for entry in numbers(&image.source, image.encoding, range, word)? {
        let entry = entry?;
        if entry & 1 == 0 {
            let target = VirtAddr(entry);
            if is_there(&target) {
                return Ok(Some(target));
            }
            next = target.wrapping_add(word);
            continue;
        }
        let places = word * 8 - 1;
        let end = next.wrapping_add(places * word);
        // One that wraps around is nobody's; its targets are looked at one by one.
        if end < next || overlap(&(next..end), addresses) {
            let is_set = |index: &u64| (entry >> (index + 1)) & 1 == 1;
            let targets = (0..places).filter(is_set);
            let mut targets = targets.map(|index| next.wrapping_add(index * word));
            if let Some(target) = targets.find(is_there) {
                return Ok(Some(target));
            }
        }
        next = end;
    }
    Ok(None)
}

fn overlap(one: &Range<VirtAddr>, other: &Range<VirtAddr>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Whether a relocation calls code of the program to get an address (R_*_IRELATIVE).
///
/// # Errors
///
/// A table is not in the file.
pub(crate) fn call_resolvers(image: &Image<impl Source>, dynamic: &Dynamic) -> Result<bool, Error> {
    let Some(calls) = Machine::of(image).relocations.resolver else {
        return Ok(false);
    };
    let mut found = false;
    each(image, dynamic, |relocation| {
        found |= relocation.kind == calls;
        Ok(())
    })?;
    Ok(found)
}

/// Whether a relocation of a program writes to one of the ranges of addresses.
///
/// # Errors
///
/// A table is not in the file.
pub(crate) fn write_to(
    image: &Image<impl Source>,
    addresses: &[Range<VirtAddr>],
) -> Result<bool, Error> {
    let none = Dynamic::default();
    let dynamic = image.dynamic.as_ref().unwrap_or(&none);
    let mut extents = Extents::new(image, dynamic);
    let mut found = false;
    let look = |relocation: Relocation| {
        let written = extents.of(&relocation)?;
        found |= addresses.iter().any(|it| overlap(&written, it));
        Ok(())
    };
    if image.dynamic.is_some() {
        each(image, dynamic, look)?;
    } else {
        each_of_static(image, look)?;
    }
    for range in addresses {
        found |= packed_target(image, dynamic, range)?.is_some();
    }
    Ok(found)
}
