//! Where a program is made to call a runtime that is in it.

mod called;

use object::elf;

use super::pieces;
use crate::elf::encoding::Encoding;
use crate::elf::relocations::{self, Extents, Relocation};
use crate::elf::{Chunk, Dynamic, FileRange, Image, Layout, Section, Source, VirtAddr};
use crate::rewrite::Error;

/// From when on the policy is to be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the program's entry point on: before the C library's own start-up in
    /// a static program, after the constructors of all libraries in another.
    Entry,
    /// From the last of the program's initialisers on (DT_INIT_ARRAY), which is
    /// the last thing before `main`.
    Main,
    /// [`Start::Main`] in a static program, if that can be; else [`Start::Entry`].
    /// A dynamic program starts with code of libraries, and one that is preloaded
    /// can keep initialisers from being called, but not the entry point.
    Best,
}

/// Why a runtime can't take over at the last initialiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotLater {
    /// No list of them in the file, or an empty one.
    #[error("it has no initialisers")]
    NoInitialisers,
    /// Loaders count whole words only.
    #[error("its list of initialisers is not one of whole words")]
    NotWords,
    /// Patching would change the list.
    #[error("its list of initialisers shares bytes with something else")]
    SharesBytes,
    /// One of another name may never come to the list.
    #[error("it does not begin with the start-up code of a C library")]
    OtherStartUp,
    /// The start-up code does not go through the list.
    #[error("nothing in it calls its initialisers")]
    NotCalled,
    /// The loader would look elsewhere for the list.
    #[error("a relocation changes its dynamic section")]
    DynamicChanges,
    /// A symbol, or several relocations, decide.
    #[error("its last initialiser is known only when it runs")]
    KnownWhenRun,
    /// No relocation, or two.
    #[error("its last initialiser is not relocated as usual")]
    UnusualRelocation,
    /// Two segments have the word.
    #[error("its last initialiser is in memory twice")]
    InMemoryTwice,
    /// The word leads elsewhere.
    #[error("its last initialiser leads to no code")]
    NoCode,
}

impl From<NotLater> for Error {
    fn from(why: NotLater) -> Self {
        Self::NoInitialiser(why)
    }
}

/// The place that leads to the runtime, and what it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    /// The address that the runtime goes on to.
    pub(super) original: VirtAddr,
    /// The words of the file that are to hold the runtime's address; none for
    /// the entry point in the file header.
    pub(super) words: Vec<FileRange>,
    /// Why it is at the entry point, though later was asked for.
    pub(super) why_not_later: Option<NotLater>,
}

impl Hook {
    pub(super) fn start(&self) -> Start {
        if self.words.is_empty() {
            Start::Entry
        } else {
            Start::Main
        }
    }

    /// The words with the runtime's address in them.
    pub(super) fn chunks(&self, encoding: Encoding, runtime: VirtAddr) -> Vec<Chunk> {
        let order = encoding.note_order();
        let bytes = |range: &FileRange| match range.size {
            4 => order
                .bytes32(u32::try_from(runtime.0).unwrap_or(u32::MAX))
                .to_vec(),
            _ => order.bytes64(runtime.0).to_vec(),
        };
        let chunk = |range: &FileRange| Chunk {
            offset: range.start,
            bytes: bytes(range),
        };
        self.words.iter().map(chunk).collect()
    }
}

/// Finds the place.
///
/// # Errors
///
/// There is none, or the file can't be read.
pub(super) fn find(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    start: Start,
) -> Result<Hook, Error> {
    let is_dynamic = image.segment(elf::PT_INTERP).is_some();
    if start == Start::Entry || (start == Start::Best && is_dynamic) {
        return at_entry(image, None);
    }
    match last_initialiser(image, dynamic, image.header.entry) {
        Err(Error::NoInitialiser(why)) if start != Start::Main => at_entry(image, Some(why)),
        found => found,
    }
}

fn at_entry(layout: &Layout, why_not_later: Option<NotLater>) -> Result<Hook, Error> {
    let entry = layout.header.entry;
    if !is_code(layout, entry) {
        return Err(Error::malformed("its entry point leads to no code"));
    }
    Ok(Hook {
        original: entry,
        words: Vec::new(),
        why_not_later,
    })
}

/// Whether an address leads to code.
pub(super) fn is_code(layout: &Layout, address: VirtAddr) -> bool {
    let load = layout.load_of(address);
    load.is_some_and(|load| load.flags.0 & elf::PF_X.0 != 0)
}

/// The last initialiser of a program that begins at `entry`.
///
/// # Errors
///
/// There is none that can be replaced ([`Error::NoInitialiser`]), or the file can't be
/// read.
pub(super) fn last_initialiser(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    entry: VirtAddr,
) -> Result<Hook, Error> {
    let word = if image.encoding.is_64 { 8 } else { 4 };
    let Some((address, size)) = initialisers(image, dynamic) else {
        return Err(NotLater::NoInitialisers.into());
    };
    let slot = address.saturating_add(size).saturating_back(word);
    let Some(in_file) = image.range_at(slot, word).filter(|_| size >= word) else {
        return Err(NotLater::NoInitialisers.into());
    };
    // Loaders count whole words only (glibc, elf/dl-init.c).
    if !address.is_aligned(word) || !size.is_multiple_of(word) {
        return Err(NotLater::NotWords.into());
    }
    if shares_bytes(image, dynamic, (address, size))? {
        return Err(NotLater::SharesBytes.into());
    }
    called::require(image, dynamic, entry, [address, slot + word])?;
    let dynamic_segment = image.segment(elf::PT_DYNAMIC);
    let entries = dynamic_segment.map(|it| it.vaddr..it.vaddr.saturating_add(it.memsz));
    if let Some(entries) = entries
        && relocations::write_to(image, &[entries])?
    {
        return Err(NotLater::DynamicChanges.into());
    }
    let stored = read_word(image, in_file)?;
    let mut relative = Vec::new();
    let mut other = false;
    let mut extents = Extents::new(image, dynamic);
    let look = |relocation: Relocation| {
        let written = extents.of(&relocation)?;
        let touches = written.start < slot.saturating_add(word) && slot < written.end;
        if touches && relocation.is_relative(image) && relocation.target == slot {
            relative.push(relocation);
        } else if touches {
            other = true;
        }
        Ok(())
    };
    if image.dynamic.is_some() {
        relocations::each(image, dynamic, look)?;
    } else {
        relocations::each_of_static(image, look)?;
    }
    let written = slot..slot.saturating_add(word);
    let packed = relocations::packed_target(image, dynamic, &written)?;
    other |= packed.is_some_and(|target| target != slot);
    let (original, words) = match (&relative[..], packed.is_some()) {
        _ if other => return Err(NotLater::KnownWhenRun.into()),
        ([], true) => (stored, vec![in_file]),
        ([], false) if image.header.kind == elf::ET_EXEC => (stored, vec![in_file]),
        ([one], false) => match one.addend_in_file {
            // What stands in the slot does not count, but tools show it.
            Some(addend) => {
                let original = read_word(image, addend)?;
                let shown = (stored == original).then_some(in_file);
                (original, [addend].into_iter().chain(shown).collect())
            }
            None => (stored, vec![in_file]),
        },
        _ => return Err(NotLater::UnusualRelocation.into()),
    };
    if !words.iter().all(|word| is_mapped_once(image, word)) {
        return Err(NotLater::InMemoryTwice.into());
    }
    let original = VirtAddr(original);
    if is_code(image, original) {
        Ok(Hook {
            original,
            words,
            why_not_later: None,
        })
    } else {
        Err(NotLater::NoCode.into())
    }
}

/// Whether only one segment has a word of the file.
fn is_mapped_once(layout: &Layout, word: &FileRange) -> bool {
    let loads = layout.segments_of(elf::PT_LOAD);
    let ranges = loads.map(|load| load.range());
    ranges.filter(|range| range.overlaps(word)).count() == 1
}

/// Address and size in bytes of the initialisers. Loaders look at dynamic entries
/// only. A static program's start-up code knows them by address; where there are no
/// entries, a section header tells where they are.
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

/// Whether a list is not wholly in the file, or shares bytes with what the
/// rewriter changes.
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
