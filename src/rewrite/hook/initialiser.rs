//! The last of a program's initialisers, which a runtime can replace.

use object::elf;

use super::{Hook, called, is_code};
use crate::elf::relocations::{self, Extents, Relocation};
use crate::elf::{Dynamic, FileRange, Image, Layout, Section, Source, VirtAddr};
use crate::rewrite::error::{Error, NotLater};
use crate::rewrite::pieces;

/// The last initialiser of a program that begins at `entry`.
///
/// # Errors
///
/// There is none that can be replaced ([`Error::NoInitialiser`]), or the file can't be
/// read.
pub(in crate::rewrite) fn last(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    entry: VirtAddr,
) -> Result<Hook, Error> {
    let slot = Slot::last(image, dynamic, entry)?;
    let dynamic_segment = image.segment(elf::PT_DYNAMIC);
    let entries = dynamic_segment.map(|it| it.vaddr..it.vaddr.saturating_add(it.memsz));
    if let Some(entries) = entries
        && relocations::write_to(image, &[entries])?
    {
        return Err(NotLater::DynamicChanges.into());
    }
    let (original, words) = slot.content(image, dynamic)?;
    if !words.iter().all(|word| is_mapped_once(image, word)) {
        return Err(NotLater::InMemoryTwice.into());
    }
    if !is_code(image, original) {
        return Err(NotLater::NoCode.into());
    }
    Ok(Hook {
        original,
        words,
        why_not_later: None,
    })
}

/// The last word of the list of initialisers.
struct Slot {
    address: VirtAddr,
    in_file: FileRange,
}

impl Slot {
    /// Finds it, in a list that something goes through.
    fn last(image: &Image<impl Source>, dynamic: &Dynamic, entry: VirtAddr) -> Result<Self, Error> {
        let word = image.encoding.word();
        let Some((start, size)) = initialisers(image, dynamic) else {
            return Err(NotLater::NoInitialisers.into());
        };
        let address = start.saturating_add(size).saturating_back(word);
        let Some(in_file) = image.range_at(address, word).filter(|_| size >= word) else {
            return Err(NotLater::NoInitialisers.into());
        };
        // Loaders count whole words only (glibc, elf/dl-init.c).
        if !start.is_aligned(word) || !size.is_multiple_of(word) {
            return Err(NotLater::NotWords.into());
        }
        if shares_bytes(image, dynamic, (start, size))? {
            return Err(NotLater::SharesBytes.into());
        }
        called::require(image, dynamic, entry, [start, address + word])?;
        Ok(Self { address, in_file })
    }

    /// The address that it holds once the program is relocated, and the words of the file
    /// that this comes from.
    fn content(
        &self,
        image: &Image<impl Source>,
        dynamic: &Dynamic,
    ) -> Result<(VirtAddr, Vec<FileRange>), Error> {
        let stored = read_word(image, self.in_file)?;
        let (relative, others) = self.relocations(image, dynamic)?;
        let written = self.address..self.address.saturating_add(self.in_file.size);
        let packed = relocations::packed_target(image, dynamic, &written)?;
        let others = others || packed.is_some_and(|target| target != self.address);
        let (original, words) = match (&relative[..], packed.is_some()) {
            _ if others => return Err(NotLater::KnownWhenRun.into()),
            ([], true) => (stored, vec![self.in_file]),
            ([], false) if image.header.kind == elf::ET_EXEC => (stored, vec![self.in_file]),
            ([one], false) => match one.addend_in_file {
                // What stands in the slot does not count, but tools show it.
                Some(addend) => {
                    let original = read_word(image, addend)?;
                    let shown = (stored == original).then_some(self.in_file);
                    (original, [addend].into_iter().chain(shown).collect())
                }
                None => (stored, vec![self.in_file]),
            },
            _ => return Err(NotLater::UnusualRelocation.into()),
        };
        Ok((VirtAddr(original), words))
    }

    /// The relocations that add the load bias to it, and whether others touch it.
    fn relocations(
        &self,
        image: &Image<impl Source>,
        dynamic: &Dynamic,
    ) -> Result<(Vec<Relocation>, bool), Error> {
        let end = self.address.saturating_add(self.in_file.size);
        let (mut relative, mut others) = (Vec::new(), false);
        let mut extents = Extents::new(image, dynamic);
        let look = |relocation: Relocation| {
            let written = extents.of(&relocation)?;
            let touches = written.start < end && self.address < written.end;
            if touches && relocation.is_relative(image) && relocation.target == self.address {
                relative.push(relocation);
            } else if touches {
                others = true;
            }
            Ok(())
        };
        if image.dynamic.is_some() {
            relocations::each(image, dynamic, look)?;
        } else {
            relocations::each_of_static(image, look)?;
        }
        Ok((relative, others))
    }
}

/// Whether only one segment contains a word of the file.
fn is_mapped_once(layout: &Layout, word: &FileRange) -> bool {
    let loads = layout.segments_of(elf::PT_LOAD);
    let ranges = loads.map(|load| load.range());
    ranges.filter(|range| range.overlaps(word)).count() == 1
}

/// Address and size in bytes of the initialisers. Loaders look only at dynamic entries. A
/// static program's start-up code has their address; if there are no entries, a section
/// header tells where they are.
fn initialisers(layout: &Layout, dynamic: &Dynamic) -> Option<(VirtAddr, u64)> {
    let entries = dynamic
        .address(elf::DT_INIT_ARRAY)
        .zip(dynamic.get(elf::DT_INIT_ARRAYSZ));
    let of_kind = |section: &&Section| section.header.kind == elf::SHT_INIT_ARRAY;
    let mut sections = layout.sections.iter().filter(of_kind);
    let mut section = || match (sections.next(), sections.next()) {
        (Some(only), None) => Some((only.header.addr, only.header.size)),
        _ => None,
    };
    let has_loader = layout.segment(elf::PT_INTERP).is_some();
    let found = entries.or_else(|| section().filter(|_| !has_loader));
    found.filter(|&(_, size)| size > 0)
}

/// Whether a list is not wholly in the file, or overlaps what the rewriter changes.
fn shares_bytes(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    (address, size): (VirtAddr, u64),
) -> Result<bool, Error> {
    let Some(list) = image.range_at(address, size) else {
        return Ok(true);
    };
    let mut pieces = pieces::find(image)?.into_iter();
    Ok(dynamic.range.overlaps(&list) || pieces.any(|piece| piece.range.overlaps(&list)))
}

fn read_word(image: &Image<impl Source>, range: FileRange) -> Result<u64, Error> {
    let bytes = image.source.read_range(range)?;
    let order = image.encoding.note_order();
    let word = match range.size {
        4 => order.read32(&bytes, 0).map(u64::from),
        _ => order.read64(&bytes, 0),
    };
    word.ok_or(crate::elf::Error::Truncated("list of initialisers").into())
}
