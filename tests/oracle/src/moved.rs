//! What moved: found by comparing what the headers and the dynamic section lead
//! to, and compared with what it was.

use super::dynamic::{dt, is_table};
use super::image::{Image, Section, Segment, pt};
use super::{Moved, Pair, Verdict, headers, overlap, require};

/// All that is at another address, with the same content.
pub(super) fn find(pair: &Pair<'_, '_>) -> Verdict<Vec<Moved>> {
    let mut moved = Vec::new();
    segments(pair, &mut moved)?;
    notes(pair, &mut moved)?;
    tables(pair, &mut moved)?;
    sections(pair, &mut moved);
    moved.retain(|it| it.from != it.to && it.size > 0);
    Ok(moved)
}

/// What program headers lead to, but for loadable segments, tables that grow,
/// and notes.
fn segments(pair: &Pair<'_, '_>, moved: &mut Vec<Moved>) -> Verdict {
    let kept = |image: &Image<'_>| -> Vec<Segment> {
        const OTHER: [u32; 5] = [pt::NULL, pt::LOAD, pt::NOTE, pt::PHDR, pt::DYNAMIC];
        let kept = |it: &&Segment| !OTHER.contains(&it.kind) && it.filesz > 0;
        image.segments.iter().filter(kept).copied().collect()
    };
    let rise = headers::rise(pair.before, pair.after);
    for (old, new) in kept(pair.before).iter().zip(&kept(pair.after)) {
        // The dynamic section is compared entry by entry.
        let mut dynamic = pair.before.segments_of(pt::DYNAMIC);
        let is_dynamic = dynamic.any(|it| overlap(&it.file(), &old.file()));
        if is_dynamic || (old.vaddr == new.vaddr && old.offset.saturating_add(rise) == new.offset) {
            continue;
        }
        let loaded = pair.before.file_range(old.vaddr, old.filesz);
        if loaded != Some(old.file()) && old.vaddr == new.vaddr {
            // Beyond the end of a file nothing is.
            let then = pair.before.slice(old.file());
            require!(
                then.is_none() || then == pair.after.slice(new.file()),
                "{old:x?}, which is not loaded, became {new:x?} with other content"
            );
            continue;
        }
        let there = pair.after.file_range(new.vaddr, new.filesz);
        require!(there == Some(new.file()), "{new:x?} is not in memory");
        let content = pair.before.memory(old.vaddr, old.filesz);
        require!(
            content.is_some() && content == pair.after.memory(new.vaddr, new.filesz),
            "{old:x?} is at {:#x} with other content",
            new.vaddr
        );
        moved.push(Moved {
            from: old.vaddr,
            to: new.vaddr,
            size: old.filesz,
        });
    }
    Ok(())
}

/// The notes under each PT_NOTE are together under one of the new ones, or each
/// is under some.
fn notes(pair: &Pair<'_, '_>, moved: &mut Vec<Moved>) -> Verdict {
    let loaded = |image: &Image<'_>| {
        let mut notes = image.segments_of(pt::NOTE);
        notes.all(|it| image.file_range(it.vaddr, it.filesz) == Some(it.file()))
    };
    require!(
        !loaded(pair.before) || loaded(pair.after),
        "a PT_NOTE is elsewhere in memory than in the file"
    );
    for old in pair.before.segments_of(pt::NOTE) {
        // Under one without an address there need not be notes.
        let may_be_none = old.vaddr == 0;
        let Some(old) = &placed(pair.before, old) else {
            continue;
        };
        let file = old.file();
        let Some(content) = pair.before.slice(file.clone()) else {
            continue;
        };
        // Headers are no notes, whatever a damaged file says.
        let dynamic = pair.before.segments_of(pt::DYNAMIC).map(Segment::file);
        let mut headers = pair.before.tables().into_iter().chain(dynamic);
        if content.is_empty() || headers.any(|range| overlap(&range, &file)) {
            continue;
        }
        let find = |new: &Segment| {
            let all = pair.after.memory(new.vaddr, new.filesz)?;
            // Notes are aligned to four bytes at least.
            let mut places = (0..=all.len().checked_sub(content.len())?).step_by(4);
            let at = places.find(|&at| all[at..].starts_with(content))?;
            Some(new.vaddr + at as u64)
        };
        // The alignment says how notes are padded.
        let alike = |new: &&Segment| new.align == old.align || old.align < 4;
        let headers = pair.after.segments_of(pt::NOTE).filter(alike);
        let headers = headers.filter_map(|new| placed(pair.after, new));
        let found: Vec<_> = headers.filter_map(|new| find(&new)).collect();
        let unmoved = found.iter().find(|&&at| at == old.vaddr);
        let Some(&to) = unmoved.or(found.first()) else {
            let parts = one_by_one(pair, old);
            if parts.is_none() && may_be_none {
                continue;
            }
            require!(parts.is_some(), "the notes at {:#x} are gone", old.vaddr);
            moved.extend(parts.unwrap_or_default());
            continue;
        };
        moved.push(Moved {
            from: old.vaddr,
            to,
            size: old.filesz,
        });
    }
    Ok(())
}

/// A header of notes with their address. Where it says 0, as GNU strip leaves it, tools
/// find notes by the offset; where it leads to something else, it is nobody's.
fn placed(image: &Image<'_>, header: &Segment) -> Option<Segment> {
    let file = header.file();
    if image.file_range(header.vaddr, header.filesz) == Some(file.clone()) {
        return Some(*header);
    }
    let address = image.address_of(&file).filter(|_| header.vaddr == 0)?;
    Some(Segment {
        vaddr: address,
        ..*header
    })
}

/// Where each of the notes is that were under a header; nothing if one is gone.
fn one_by_one(pair: &Pair<'_, '_>, old: &Segment) -> Option<Vec<Moved>> {
    let headers = pair.after.segments_of(pt::NOTE);
    let all = headers.map(|new| records(pair.after, new).unwrap_or_default());
    let all: Vec<Record<'_>> = all.flatten().collect();
    let place = |record: Record<'_>| {
        let same = |it: &&Record<'_>| it.content == record.content;
        let unmoved = |it: &&Record<'_>| same(it) && it.address == record.address;
        let new = all.iter().find(unmoved).or(all.iter().find(same))?;
        Some(Moved {
            from: record.address,
            to: new.address,
            size: record.size,
        })
    };
    records(pair.before, old)?.into_iter().map(place).collect()
}

/// A note: its type, owner and descriptor, and its size in memory.
struct Record<'a> {
    address: u64,
    size: u64,
    content: (u32, &'a [u8], &'a [u8]),
}

/// The notes under a header (gABI chapter 5, "Note Section"), each padded to the
/// header's alignment; nothing where they are not whole.
fn records<'a>(image: &Image<'a>, header: &Segment) -> Option<Vec<Record<'a>>> {
    let align = if header.align == 8 { 8 } else { 4 };
    let mut records = Vec::new();
    let mut at = header.vaddr;
    let end = header.memory().end;
    while at < end {
        let start = image.file_range(at, 12)?.start;
        let [owner, size, kind] = [0, 4, 8].map(|field| image.four(start + field));
        let descriptor = at + (12 + u64::from(owner?)).next_multiple_of(align);
        let next = descriptor + u64::from(size?).next_multiple_of(align);
        let content = (
            kind?,
            image.memory(at + 12, owner?.into())?,
            image.memory(descriptor, size?.into())?,
        );
        records.push(Record {
            address: at,
            size: next.min(end) - at,
            content,
        });
        at = next;
    }
    Some(records)
}

/// What the dynamic section leads to.
fn tables(pair: &Pair<'_, '_>, moved: &mut Vec<Moved>) -> Verdict {
    let old = pair.old.entries.iter().filter(|entry| is_table(entry.0));
    let new = pair.new.entries.iter().filter(|entry| is_table(entry.0));
    for (&(tag, from), &(_, to)) in old.zip(new) {
        let size = pair.old.size_of(tag).filter(|&size| size > 0);
        // Of a damaged file the size may be of more than the table.
        let content = size.and_then(|size| pair.before.memory(from, size));
        let (Some(size), Some(content)) = (size, content) else {
            require!(
                from == to || tag == dt::SYMTAB,
                "the table of entry {tag:#x} moved, but has no size"
            );
            moved.push(Moved { from, to, size: 1 });
            continue;
        };
        let dynamic = pair.before.segments_of(pt::DYNAMIC).map(Segment::file);
        let mut headers = pair.before.tables().into_iter().chain(dynamic);
        let file = pair.before.file_range(from, size).unwrap_or_default();
        let now = pair.after.memory(to, size);
        require!(
            now.is_some_and(|now| pair.same(from, content, now))
                || (from == to && headers.any(|range| overlap(&range, &file))),
            "the table of entry {tag:#x} is at {to:#x} with other content"
        );
        moved.push(Moved { from, to, size });
        // With what is left up to the next table, where a size is too small:
        // loaders take no notice of it.
        let next = pair.old.next_table(from).map(|next| next - from);
        if let Some(all) = next.filter(|&all| (size..size + 16).contains(&all))
            && pair.before.memory(from, all) == pair.after.memory(to, all)
        {
            moved.push(Moved {
                from,
                to,
                size: all,
            });
        }
    }
    let names = |tag| pair.old.entries.iter().filter(move |entry| entry.0 == tag);
    for &(_, name) in names(dt::NEEDED) {
        let (then, now) = (pair.old.string(name), pair.new.string(name));
        require!(
            then.is_none() || then == now,
            "a needed library has another name"
        );
    }
    Ok(())
}

/// What sections say is elsewhere: information that nothing at run time leads
/// to, and padding. That they say what is true, is checked with the sections.
fn sections(pair: &Pair<'_, '_>, moved: &mut Vec<Moved>) {
    let pairs = pair.before.sections.iter().zip(&pair.after.sections);
    // Where offset and address disagree, the header is false anyway.
    let in_memory = |old: &Section| pair.before.is_loaded(old);
    for (old, new) in pairs.filter(|(old, _)| in_memory(old)) {
        let range = old.addr..old.addr.saturating_add(old.size);
        let mut dynamic = pair.before.segments_of(pt::DYNAMIC);
        if old.addr == new.addr || dynamic.any(|it| overlap(&it.memory(), &range)) {
            continue;
        }
        moved.push(Moved {
            from: old.addr,
            to: new.addr,
            size: old.size,
        });
    }
}
