//! A runtime within a program, and where the program comes by it.

use std::ops::Range;

use super::dynamic::{Dynamic, dt};
use super::image::{Image, pf, sht};
use super::{Pair, Verdict, headers, require};

/// A runtime that only the patched file has.
pub(crate) struct Hook {
    /// Where it is entered: at the start of its segment, or where the first page starts
    /// behind the headers of the file, if that holds them.
    pub(crate) address: u64,
    /// What leads to it.
    pub(crate) place: Place,
}

/// What leads to a runtime.
pub(crate) enum Place {
    /// The entry point.
    Entry,
    /// The last initialiser.
    Initialiser {
        /// The addresses, in the original, of the word that says what it is, and
        /// of one that says so as well.
        slot: Range<u64>,
        addend: Option<Range<u64>>,
    },
}

/// What a runtime starts with: `endbr64`, a jump over its header (docs/note-format.md).
const START: [u8; 6] = [0xf3, 0x0f, 0x1e, 0xfa, 0xeb, 0x2a];

/// Where the jump is that ends a runtime, and its length (docs/note-format.md).
const EXIT: u64 = 8;
const JUMP: u64 = 5;

/// Looks for the new segment with code, which must lead on to what it took the
/// place of.
pub(super) fn find(pair: &Pair<'_, '_>) -> Verdict<Option<Hook>> {
    let (before, after) = (pair.before, pair.after);
    let mut code = headers::added(before, after).filter(|it| it.flags & pf::X != 0);
    let Some(segment) = code.next() else {
        return Ok(None);
    };
    require!(code.next().is_none(), "two new segments are executable");
    require!(
        segment.flags == pf::R | pf::X,
        "the runtime's segment has the permissions {:#x}",
        segment.flags
    );
    let starts = |at: &u64| after.memory(*at, START.len() as u64) == Some(&START);
    let address = segment.memory().step_by(4096).find(starts);
    let Some(address) = address else {
        require!(false, "the new code is no runtime");
        return Ok(None);
    };
    let jump = after.memory(address.wrapping_add(EXIT), JUMP);
    let Some([0xe9, distance @ ..]) = jump else {
        require!(false, "the runtime does not end with a jump");
        return Ok(None);
    };
    let distance = distance.try_into().map_or(0, i32::from_le_bytes);
    let next = (address + EXIT + JUMP).wrapping_add_signed(distance.into());
    let (original, place) = if before.entry == after.entry {
        initialiser(pair, address)?
    } else {
        require!(
            after.entry == address,
            "the entry point leads to {:#x}",
            after.entry
        );
        (before.entry, Place::Entry)
    };
    require!(
        next == original,
        "the runtime goes on to {next:#x} instead of {original:#x}"
    );
    Ok(Some(Hook { address, place }))
}

/// What the last initialiser was, where it is the runtime now.
fn initialiser(pair: &Pair<'_, '_>, runtime: u64) -> Verdict<(u64, Place)> {
    let (before, after) = (pair.before, pair.after);
    let word = if before.is_64 { 8 } else { 4 };
    let stored = |image: &Image<'_>, at| {
        let range = image.file_range(at, word)?;
        image.word(range.start)
    };
    let slot = end_of_initialisers(pair).and_then(|end| end.checked_sub(word));
    let slot = slot.and_then(|slot| Some((slot, stored(before, slot)?, stored(after, slot)?)));
    let Some((slot, then, now)) = slot else {
        require!(false, "nothing leads to the runtime");
        return Ok((0, Place::Entry));
    };
    // What stands in the slot of a relocation counts for nobody.
    require!(
        now == then || now == runtime,
        "the last initialiser is {now:#x} in the file"
    );
    let (Some(old), Some(new)) = (addend(&pair.old, slot), addend(&pair.new, slot)) else {
        require!(now == runtime, "the last initialiser is {now:#x}");
        let slot = slot..slot + word;
        return Ok((then, Place::Initialiser { slot, addend: None }));
    };
    let is = stored(after, new);
    require!(is == Some(runtime), "the last initialiser is {is:#x?}");
    let place = Place::Initialiser {
        slot: slot..slot + word,
        addend: Some(old..old + word),
    };
    Ok((stored(before, old).unwrap_or_default(), place))
}

fn end_of_initialisers(pair: &Pair<'_, '_>) -> Option<u64> {
    let listed = pair.old.get(dt::INIT_ARRAY);
    if let (Some(address), Some(size)) = (listed, pair.old.get(dt::INIT_ARRAYSZ)) {
        return address.checked_add(size);
    }
    let mut sections = pair.before.sections.iter();
    let section = sections.find(|it| it.kind == sht::INIT_ARRAY)?;
    section.addr.checked_add(section.size)
}

/// The address of the addend of the relocation that writes to an address; without
/// dynamic section, section headers tell where relocations are.
fn addend(dynamic: &Dynamic<'_, '_>, target: u64) -> Option<u64> {
    let image = dynamic.image;
    let listed = dynamic.get(dt::RELA).zip(dynamic.get(dt::RELASZ));
    let sections = image.sections.iter();
    let sections = sections.filter(|it| it.kind == sht::RELA && image.is_loaded(it));
    let sections = sections.map(|it| (it.addr, it.size));
    let has_none = dynamic.entries.is_empty();
    let mut tables = listed.into_iter().chain(sections.filter(|_| has_none));
    tables.find_map(|(table, size)| addend_in(image, table, size, target))
}

fn addend_in(image: &Image<'_>, table: u64, size: u64, target: u64) -> Option<u64> {
    let word: u64 = if image.is_64 { 8 } else { 4 };
    let range = image.file_range(table, size)?;
    let step = usize::try_from(3 * word).ok()?;
    let mut entries = range.step_by(step).zip((table..).step_by(step));
    let found = entries.find(|&(at, _)| image.word(at) == Some(target));
    found.map(|(_, address)| address + 2 * word)
}
