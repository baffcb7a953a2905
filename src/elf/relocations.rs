//! The relocations that the loader carries out (gABI chapter 4, "Relocation").

use std::ops::Range;

use object::elf;

use super::encoding::{Record, Symbol};
use super::machine::Machine;
use super::{Dynamic, Error, FileRange, Layout, Source};

/// What a relocation says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relocation {
    /// The address that it writes to.
    pub(super) target: u64,
    /// The index of its symbol; 0 for none.
    pub(super) symbol: u64,
    /// Its type, which is the processor's.
    pub(super) kind: u32,
    /// What is added to the symbol's or the program's address; nothing where
    /// that stands at the target.
    pub(super) addend: Option<u64>,
    /// Where the addend is in the file.
    pub(super) addend_in_file: Option<FileRange>,
}

impl Relocation {
    /// The addresses that it writes to. Some types fill more than a word (psABIs of
    /// x86-64, i386 and aarch64, "Relocation Types"); how much is copied, the symbol
    /// says.
    pub(super) fn written(
        &self,
        layout: &Layout,
        source: &(impl Source + ?Sized),
        dynamic: &Dynamic,
    ) -> Result<Range<u64>, Error> {
        let word: u64 = if layout.encoding.is_64 { 8 } else { 4 };
        let (copy, descriptor) = match layout.header.machine {
            elf::EM_X86_64 => (elf::R_X86_64_COPY.0, elf::R_X86_64_TLSDESC.0),
            elf::EM_386 => (elf::R_386_COPY.0, elf::R_386_TLS_DESC.0),
            elf::EM_AARCH64 => (elf::R_AARCH64_COPY.0, elf::R_AARCH64_TLSDESC.0),
            _ => return Ok(self.target..self.target.saturating_add(word)),
        };
        let size = if self.kind == copy {
            let symbol = dynamic_symbol(layout, source, dynamic, self.symbol)?;
            symbol.map_or(u64::MAX, |symbol| symbol.size)
        } else if self.kind == descriptor {
            2 * word
        } else {
            word
        };
        Ok(self.target..self.target.saturating_add(size))
    }

    /// Whether it does no more than to add the load bias.
    pub(super) fn is_relative(&self, layout: &Layout) -> bool {
        Machine::of(layout).relative_relocation == Some(self.kind) && self.symbol == 0
    }
}

/// A dynamic symbol; nothing where it is not in the file.
fn dynamic_symbol(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    dynamic: &Dynamic,
    index: u64,
) -> Result<Option<Symbol>, Error> {
    let size = Symbol::size(layout.encoding);
    let place = |table: u64| table.checked_add(index.checked_mul(size)?);
    let place = dynamic.get(elf::DT_SYMTAB).and_then(place);
    let Some(range) = place.and_then(|place| layout.range_at(place, size)) else {
        return Ok(None);
    };
    let bytes = source.read_at(range.start.0, range.size)?;
    Ok(Symbol::decode(layout.encoding, &bytes))
}

/// Size in bytes of a table of relocations, as the dynamic section has it; nothing
/// for other tables.
pub(super) fn size_of(dynamic: &Dynamic, table: elf::DynamicTag) -> Option<u64> {
    let size = match table {
        elf::DT_RELA => elf::DT_RELASZ,
        elf::DT_REL => elf::DT_RELSZ,
        elf::DT_RELR => elf::DT_RELRSZ,
        elf::DT_JMPREL => elf::DT_PLTRELSZ,
        _ => return None,
    };
    dynamic.get(size)
}

/// Records read at a time.
const BATCH: u64 = 4096;

/// Calls `visit` for each but those that do nothing. DT_RELR is left out: it
/// has neither symbols nor addends.
///
/// # Errors
///
/// A table is not in the file, or `visit` fails.
pub(super) fn each(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    dynamic: &Dynamic,
    mut visit: impl FnMut(Relocation) -> Result<(), Error>,
) -> Result<(), Error> {
    let word: u64 = if layout.encoding.is_64 { 8 } else { 4 };
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
        let (Some(address), Some(size)) = (dynamic.get(table), size_of(dynamic, table)) else {
            continue;
        };
        let wrong = Error::Malformed("its relocations are not in the file");
        let range = layout.range_at(address, size).ok_or(wrong)?;
        each_in(layout, source, range, entry, &mut visit)?;
    }
    Ok(())
}

/// Calls `visit` for each that a program without dynamic section carries out
/// itself, those of indirect functions (glibc's csu/libc-start.c, `apply_irel`).
/// Its code knows them by address; only section headers tell where they are.
///
/// # Errors
///
/// The file can't be read, or `visit` fails.
pub(super) fn each_of_static(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    mut visit: impl FnMut(Relocation) -> Result<(), Error>,
) -> Result<(), Error> {
    let word: u64 = if layout.encoding.is_64 { 8 } else { 4 };
    for section in &layout.sections {
        let header = &section.header;
        let entry = match header.kind {
            elf::SHT_RELA => 3 * word,
            elf::SHT_REL => 2 * word,
            _ => continue,
        };
        let in_memory = layout.range_at(header.addr, header.size);
        if let Some(range) = in_memory.filter(|_| section.is_allocated()) {
            each_in(layout, source, range, entry, &mut visit)?;
        }
    }
    Ok(())
}

/// Calls `visit` for each of a table with entries of a size.
fn each_in(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    table: FileRange,
    entry: u64,
    mut visit: impl FnMut(Relocation) -> Result<(), Error>,
) -> Result<(), Error> {
    let FileRange { start, size } = table;
    let mut done = 0;
    while done < size {
        let bytes = source.read_at(start.0 + done, (size - done).min(BATCH * entry))?;
        let entries = bytes.chunks_exact(usize::try_from(entry).unwrap_or(usize::MAX));
        let places = (start.0 + done..).step_by(usize::try_from(entry).unwrap_or(usize::MAX));
        done += bytes.len() as u64;
        for relocation in places
            .zip(entries)
            .map(|(at, entry)| decode(layout, at, entry))
        {
            // R_*_NONE, which linkers leave where a relocation was dropped.
            if (relocation.target, relocation.symbol) != (0, 0) {
                visit(relocation)?;
            }
        }
    }
    Ok(())
}

/// The symbol is the upper part of `r_info`, which is 24 bits in ELF32 and 32 in
/// ELF64. In 64-bit MIPS files it is the first word, whatever the byte order
/// (MIPS ABI supplement).
fn decode(layout: &Layout, at: u64, bytes: &[u8]) -> Relocation {
    let order = layout.encoding.note_order();
    if !layout.encoding.is_64 {
        let word = |at| order.read32(bytes, at).map(u64::from);
        let info = order.read32(bytes, 4).unwrap_or_default();
        let addend = word(8);
        return Relocation {
            target: word(0).unwrap_or_default(),
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
        target: word(0).unwrap_or_default(),
        symbol,
        kind,
        addend,
        addend_in_file: addend.map(|_| FileRange::new(at + 16, 8)),
    }
}

/// Whether the packed relative relocations (DT_RELR) have one for an address.
///
/// # Errors
///
/// The table is not in the file.
pub(super) fn packed_has(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    dynamic: &Dynamic,
    wanted: u64,
) -> Result<bool, Error> {
    let mut found = false;
    each_packed(layout, source, dynamic, |target| found |= target == wanted)?;
    Ok(found)
}

/// Calls `visit` for each address that packed relative relocations (DT_RELR) write
/// a word to. An even word is an address; each bit of an odd one, from the second
/// on, stands for one of the words that follow (gABI, "Relative Relocation Table").
fn each_packed(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    dynamic: &Dynamic,
    mut visit: impl FnMut(u64),
) -> Result<(), Error> {
    let table = dynamic.get(elf::DT_RELR).zip(dynamic.get(elf::DT_RELRSZ));
    let Some((address, size)) = table else {
        return Ok(());
    };
    let word: u64 = if layout.encoding.is_64 { 8 } else { 4 };
    let wrong = Error::Malformed("its relocations are not in the file");
    let range = layout.range_at(address, size).ok_or(wrong)?;
    let bytes = source.read_at(range.start.0, range.size)?;
    let order = layout.encoding.note_order();
    let mut next: u64 = 0;
    for entry in bytes.chunks_exact(usize::try_from(word).unwrap_or(usize::MAX)) {
        let entry = match word {
            4 => order.read32(entry, 0).map(u64::from),
            _ => order.read64(entry, 0),
        };
        let entry = entry.unwrap_or_default();
        if entry & 1 == 0 {
            visit(entry);
            next = entry.wrapping_add(word);
            continue;
        }
        let places = word * 8 - 1;
        for index in (0..places).filter(|index| (entry >> (index + 1)) & 1 == 1) {
            visit(next.wrapping_add(index * word));
        }
        next = next.wrapping_add(places * word);
    }
    Ok(())
}

/// Whether a relocation of a program writes to one of the addresses.
///
/// # Errors
///
/// A table is not in the file.
pub(super) fn write_to(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    addresses: &Range<u64>,
) -> Result<bool, Error> {
    let none = Dynamic::default();
    let dynamic = layout.dynamic.as_ref().unwrap_or(&none);
    let is_there =
        |written: Range<u64>| written.start < addresses.end && addresses.start < written.end;
    let mut found = false;
    let look = |relocation: Relocation| {
        found |= is_there(relocation.written(layout, source, dynamic)?);
        Ok(())
    };
    if layout.dynamic.is_some() {
        each(layout, source, dynamic, look)?;
    } else {
        each_of_static(layout, source, look)?;
    }
    let word = if layout.encoding.is_64 { 8 } else { 4 };
    each_packed(layout, source, dynamic, |target| {
        found |= is_there(target..target.saturating_add(word));
    })?;
    Ok(found)
}
