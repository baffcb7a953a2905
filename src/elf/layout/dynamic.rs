//! The dynamic section, as loaders see it.

use object::elf;

use super::Layout;
use crate::elf::encoding::{Dyn, Record};
use crate::elf::{Error, FileRange, Source, VirtAddr};

/// The dynamic section, read through PT_DYNAMIC.
#[derive(Clone, Debug, Default)]
pub struct Dynamic {
    /// The entries before the first DT_NULL.
    pub entries: Vec<Dyn>,
    /// How many entries there is room for, including the terminating DT_NULL (with GNU
    /// ld's `--spare-dynamic-tags=0`, the zero is outside the section, in what follows).
    pub slots: usize,
    /// Where it is in the file.
    pub range: FileRange,
}

impl Dynamic {
    /// Whether it can take more entries where it is.
    #[must_use]
    pub fn has_room_for(&self, entries: usize) -> bool {
        self.slots > self.entries.len() + entries
    }

    /// The value of the first entry with the tag.
    #[must_use]
    pub fn get(&self, tag: elf::DynamicTag) -> Option<u64> {
        self.entries
            .iter()
            .find(|entry| entry.tag == tag)
            .map(|entry| entry.value)
    }

    /// The address that the first entry with the tag holds.
    #[must_use]
    pub fn address(&self, tag: elf::DynamicTag) -> Option<VirtAddr> {
        self.get(tag).map(VirtAddr)
    }

    /// Whether relocations may write to memory that is otherwise read-only (DT_TEXTREL,
    /// or DF_TEXTREL in DT_FLAGS).
    #[must_use]
    pub fn has_text_relocations(&self) -> bool {
        // Of several the loader takes one or the other.
        self.entries.iter().any(|entry| match entry.tag {
            elf::DT_TEXTREL => true,
            elf::DT_FLAGS => entry.value & elf::DF_TEXTREL.0 != 0,
            _ => false,
        })
    }

    /// Whether DT_FLAGS_1 says that this is a position-independent executable.
    pub(crate) fn is_pie(&self) -> bool {
        self.get(elf::DT_FLAGS_1)
            .is_some_and(|flags| flags & elf::DF_1_PIE.0 != 0)
    }
}

/// More entries than any program has: it needs hundreds of libraries at most. Loaders
/// have no limit.
const LONGEST: u64 = 1 << 16;

/// The dynamic section of a program, if there is one.
///
/// # Errors
///
/// It can't be read, or loaders and tools would see different dynamic sections.
pub(crate) fn read(
    layout: &Layout,
    source: &(impl Source + ?Sized),
) -> Result<Option<Dynamic>, Error> {
    let mut segments = layout.segments_of(elf::PT_DYNAMIC);
    let Some(segment) = segments.next() else {
        return Ok(None);
    };
    // Loaders follow the last (glibc, elf/rtld.c, `rtld_setup_main_map`; musl,
    // ldso/dynlink.c, `kernel_mapped_dso`), tools the first.
    if segments.next().is_some() {
        return Err(Error::Malformed("it has two dynamic sections"));
    }
    if segment.filesz == 0 {
        return Ok(None);
    }
    let range = segment.range();
    // The loader follows the address, tools follow the offset.
    if layout.offset_of(segment.vaddr) != Some(segment.offset) {
        return Err(Error::Malformed(
            "the dynamic section's offset and address disagree",
        ));
    }
    if range.size > LONGEST * Dyn::size(layout.encoding) {
        return Err(Error::Malformed(
            "its dynamic section is longer than any program's",
        ));
    }
    let bytes = source
        .read_range(range)
        .map_err(|_| Error::Truncated("dynamic section"))?;
    let mut entries = Dyn::decode_all(layout.encoding, &bytes);
    let end = entries.iter().position(|entry| entry.tag == elf::DT_NULL);
    if end.is_none() && !ends_behind(layout, source, &range) {
        return Err(Error::Malformed("the dynamic section has no end"));
    }
    let used = end.unwrap_or(entries.len());
    // Entries behind the first DT_NULL are spare only if nobody uses them.
    let spare = entries[used..]
        .iter()
        .take_while(|entry| entry.tag == elf::DT_NULL && entry.value == 0);
    let slots = used + spare.count();
    entries.truncate(used);
    refuse_ambiguous(&entries)?;
    Ok(Some(Dynamic {
        entries,
        slots,
        range,
    }))
}

/// Whether a zero after the dynamic section ends it, as loaders see it.
fn ends_behind(layout: &Layout, source: &(impl Source + ?Sized), dynamic: &FileRange) -> bool {
    let next = source
        .read_at(dynamic.end(), Dyn::size(layout.encoding))
        .unwrap_or_default();
    Dyn::decode(layout.encoding, &next).is_some_and(|entry| entry.tag == elf::DT_NULL)
}

/// Entries that point to a table, or give its size or kind.
const TABLES: [elf::DynamicTag; 24] = [
    elf::DT_STRTAB,
    elf::DT_STRSZ,
    elf::DT_SYMTAB,
    elf::DT_SYMENT,
    elf::DT_HASH,
    elf::DT_GNU_HASH,
    elf::DT_VERSYM,
    elf::DT_VERNEED,
    elf::DT_VERDEF,
    elf::DT_RELA,
    elf::DT_RELASZ,
    elf::DT_RELAENT,
    elf::DT_REL,
    elf::DT_RELSZ,
    elf::DT_RELENT,
    elf::DT_RELR,
    elf::DT_RELRSZ,
    elf::DT_JMPREL,
    elf::DT_PLTRELSZ,
    elf::DT_PLTREL,
    elf::DT_INIT_ARRAY,
    elf::DT_INIT_ARRAYSZ,
    elf::DT_PREINIT_ARRAY,
    elf::DT_PREINIT_ARRAYSZ,
];

/// If two entries have the same tag, loaders take the last (glibc's
/// `elf_get_dynamic_info`, musl's `decode_vec`), tools the first.
fn refuse_ambiguous(entries: &[Dyn]) -> Result<(), Error> {
    let is_repeated = |&tag| entries.iter().filter(|entry| entry.tag == tag).count() > 1;
    if TABLES.iter().any(is_repeated) {
        return Err(Error::Malformed("its dynamic section names a table twice"));
    }
    Ok(())
}
