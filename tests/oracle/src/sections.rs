//! What tools find through the section headers. A file may have none, or false
//! ones; a patch makes them no worse.

use std::ops::Range;

use super::dynamic::dt;
use super::image::{Image, Section, Segment, pt};
use super::memory::{Writable, differences};
use super::{Moved, Pair, Verdict, appended, headers, overlap, require, within};

pub(super) fn check(pair: &Pair<'_, '_>) -> Verdict {
    let (before, after) = (pair.before, pair.after);
    if before.sections.is_empty() {
        return Ok(());
    }
    // Names that are in memory stay as they are; longer ones stand elsewhere.
    let own_names = after.names >= before.sections.len();
    require!(
        before.sections.len() < after.sections.len()
            && (before.names == after.names
                || (before.sections[before.names].is_allocated() && own_names)),
        "there is no new section, or the section names are lost"
    );
    let pairs = before.sections.iter().zip(&after.sections).enumerate();
    for (index, (old, new)) in pairs {
        let kept = |it: &Section| (it.kind, it.flags, it.link, it.info, it.align, it.entry_size);
        require!(
            (old.name.is_empty() || old.name == new.name) && kept(old) == kept(new),
            "section {index} became another: {old:x?}, {new:x?}"
        );
        place(pair, old, new)?;
        content(pair, index, old, new)?;
    }
    unloaded_comes_last(pair)?;
    every_byte_is_covered(pair)
}

/// Address and offset belong together, where they did.
fn place(pair: &Pair<'_, '_>, old: &Section, new: &Section) -> Verdict {
    require!(
        !pair.before.is_loaded(old) || pair.after.is_loaded(new),
        "offset and address of section {} disagree: {new:x?}",
        old.name
    );
    Ok(())
}

/// It has what it had, and more only where names are added.
fn content(pair: &Pair<'_, '_>, index: usize, old: &Section, new: &Section) -> Verdict {
    let Some(then) = pair.before.slice(old.file()) else {
        return Ok(());
    };
    // By place, not by type, which a damaged file may have wrong.
    let holds_strings = pair.old.get(dt::STRTAB).is_some_and(|address| {
        let strings = pair.before.file_range(address, 1);
        strings.is_some_and(|strings| strings.start == old.offset)
    });
    let mut dynamic = pair.before.segments_of(pt::DYNAMIC);
    let is_dynamic = dynamic.any(|segment| overlap(&segment.file(), &old.file()));
    let grows = index == pair.after.names || holds_strings || is_dynamic;
    require!(
        old.size == new.size || (grows && old.size < new.size),
        "section {} has another size: {:#x}, not {:#x}",
        old.name,
        new.size,
        old.size
    );
    let now = pair
        .after
        .slice(new.file())
        .and_then(|now| now.get(..then.len()));
    let Some(now) = now else {
        require!(false, "section {} is not in the file", old.name);
        return Ok(());
    };
    // Compared entry by entry.
    if is_dynamic {
        return Ok(());
    }
    // A file has one symbol table (gABI chapter 4, SHT_SYMTAB); in a damaged one
    // others share its bytes.
    let mut sections = pair.before.sections.iter().enumerate();
    let table = sections.find(|(_, section)| pair.before.has_symbols(section));
    if table.is_some_and(|(place, _)| place == index) {
        return symbols(pair, old, new);
    }
    let of_table = table.map(|(_, table)| table.file()).unwrap_or_default();
    let mut writable = Writable::of(pair);
    if !old.is_allocated() {
        // Sections that are no part of the program may be anywhere in it.
        writable.add_vacated(pair);
    }
    let rise = headers::rise(pair.before, pair.after);
    let unmoved = old.offset.saturating_add(rise) == new.offset;
    // By place: the address in a damaged header is another.
    let hooked = |at| {
        let loads = pair.before.loads();
        let mut loads = loads.filter(|load| within(&(at..at + 1), &load.file()));
        loads.any(|load| pair.leads_to_runtime(load.vaddr.wrapping_add(at - load.offset)))
    };
    let changed = differences(then, now, old.offset)
        .find(|&at| !(hooked(at) || of_table.contains(&at) || (unmoved && writable.covers(at))));
    require!(
        changed.is_none(),
        "the content of section {} changed at {changed:#x?}",
        old.name
    );
    Ok(())
}

/// What stood behind all that is loaded still does, and is as well aligned.
fn unloaded_comes_last(pair: &Pair<'_, '_>) -> Verdict {
    let (before, after) = (pair.before, pair.after);
    // A false section that ended behind the file does not in a longer one.
    let length = before.bytes.len() as u64;
    let is_false = |index: usize| {
        let old = before.sections.get(index);
        old.is_some_and(|old| old.file().end > length)
    };
    let said = before.sections.iter().enumerate();
    let said = said.filter(|(index, it)| it.is_allocated() && !is_false(*index));
    let said = said
        .map(|(_, it)| it.file())
        .filter(|range| !range.is_empty());
    let old_end = said
        .map(|range| range.end)
        .fold(loaded_end(before), u64::max);
    let new_end = loaded_end(after);
    // Where something is on both sides, nothing can come between.
    let is_between = |range: Range<u64>| range.start < old_end && old_end < range.end;
    let unloaded = |it: &&Section| !it.is_allocated() && !it.file().is_empty();
    let sections = before.sections.iter().filter(unloaded).map(Section::file);
    let segments = before.segments.iter();
    let segments =
        segments.filter(|it| ![pt::NULL, pt::GNU_STACK, pt::GNU_RELRO].contains(&it.kind));
    let mut ranges = sections.chain(segments.map(Segment::file));
    if ranges.any(is_between) || appended::keeps_end(before, after) {
        return Ok(());
    }
    // A program header table that moves brings its distance of address and offset;
    // where that would make a large hole, it goes to the end.
    const LARGEST_HOLE: u64 = 16 << 20;
    let moved = before.phoff != after.phoff;
    let zeros = |load: &Segment| load.memsz.saturating_sub(load.filesz);
    if moved && before.loads().map(zeros).sum::<u64>() > LARGEST_HOLE / 2 {
        return Ok(());
    }
    let pairs = before.sections.iter().zip(&after.sections).enumerate();
    for (index, (old, new)) in pairs.filter(|(_, (old, _))| unloaded(old)) {
        if old.offset < old_end || is_false(index) {
            continue;
        }
        require!(
            new.offset >= new_end,
            "section {} stands before something that is loaded, at {:#x}",
            old.name,
            new.offset
        );
        let shift = new.offset.wrapping_sub(old.offset);
        require!(
            index == after.names || shift.is_multiple_of(4096),
            "section {} moved by {shift:#x} bytes",
            old.name
        );
    }
    require!(
        after.shoff >= new_end,
        "the section headers stand before something that is loaded"
    );
    Ok(())
}

/// The end of what is loaded, and of the program headers.
fn loaded_end(image: &Image<'_>) -> u64 {
    let [file_header, table, _] = image.tables();
    let loads = image.loads().map(Segment::file);
    let ranges = loads.chain([file_header, table]);
    ranges.map(|range| range.end).max().unwrap_or_default()
}

/// Symbols are the same, but for addresses of what moved.
fn symbols(pair: &Pair<'_, '_>, old: &Section, new: &Section) -> Verdict {
    let (entry, value, width) = if pair.before.is_64 {
        (24, 8, 8)
    } else {
        (16, 4, 4)
    };
    for index in 0..old.size / entry {
        let symbol = |image: &Image<'_>, section: &Section| {
            let at = section.offset + index * entry;
            let all = image.slice(at..at + entry).unwrap_or_default().to_vec();
            (all, image.word(at + value as u64).unwrap_or_default())
        };
        let (then, now) = (symbol(pair.before, old), symbol(pair.after, new));
        if then == now {
            continue;
        }
        let is = |it: &Moved| {
            let within = (it.from..it.from.saturating_add(it.size)).contains(&then.1);
            within && now.1 == then.1.wrapping_sub(it.from).wrapping_add(it.to)
        };
        let rest = |it: &[u8]| [&it[..value], &it[value + width..]].concat();
        require!(
            rest(&then.0) == rest(&now.0)
                && (pair.moved.iter().any(is) || is_of_dynamic(pair, then.1)),
            "symbol {index} changed from {:#x} to {:#x}",
            then.1,
            now.1
        );
    }
    Ok(())
}

fn is_of_dynamic(pair: &Pair<'_, '_>, value: u64) -> bool {
    let mut dynamic = pair.before.segments_of(pt::DYNAMIC);
    dynamic.any(|segment| segment.memory().contains(&value))
}

/// GNU strip drops what no section covers.
fn every_byte_is_covered(pair: &Pair<'_, '_>) -> Verdict {
    // What no section covered before, or a false one, need not be covered now.
    let moved = |it: &Moved| pair.before.file_range(it.from, it.size);
    let moved = pair.moved.iter().filter_map(moved);
    let dynamic = pair.before.segments_of(pt::DYNAMIC).map(Segment::file);
    let is_covered = |range| uncovered(pair.before, range).is_none();
    // Zeros count as padding, also if they are strings.
    let has_strings = |it: &Section| {
        let strings = pair.old.get(dt::STRTAB);
        strings.is_some_and(|at| (it.addr..it.addr.saturating_add(it.size)).contains(&at))
    };
    let loaded = |it: &&Section| pair.before.is_loaded(it);
    let mut loaded = pair.before.sections.iter().filter(loaded);
    if !loaded.any(has_strings) || !moved.chain(dynamic).all(is_covered) {
        return Ok(());
    }
    for load in headers::added(pair.before, pair.after) {
        let gap = uncovered(pair.after, load.file());
        require!(
            gap.is_none(),
            "no section covers the new bytes at {gap:#x?}"
        );
    }
    Ok(())
}

/// The first part of a file range that no section of the program covers, and
/// that is not padding.
fn uncovered(image: &Image<'_>, range: Range<u64>) -> Option<Range<u64>> {
    let loaded = image.sections.iter().filter(|it| image.is_loaded(it));
    let mut covered: Vec<_> = loaded.map(Section::file).collect();
    // Tools know where headers are.
    let [file_header, table, _] = image.tables();
    covered.extend([file_header, table]);
    covered.retain(|it| overlap(it, &range));
    covered.sort_by_key(|it| it.start);
    covered.push(range.end..range.end);
    let mut at = range.start;
    for section in covered {
        let gap = at..section.start.max(at);
        let bytes = image.slice(gap.clone()).unwrap_or_default();
        if bytes.iter().any(|&byte| byte != 0) {
            return Some(gap);
        }
        at = at.max(section.end);
    }
    None
}
