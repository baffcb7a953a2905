//! The ELF header, the program header table and the dynamic section.

use super::dynamic::{Dynamic, Entry, dt, is_table};
use super::image::{Image, Segment, pf, pt};
use super::{Pair, Place, Verdict, appended, overlap, require, within};

/// The kernel starts no program with a longer table (fs/binfmt_elf.c,
/// `load_elf_phdrs`).
const MAX_TABLE: u64 = 65536;

pub(super) fn check(pair: &Pair<'_, '_>) -> Verdict {
    file_header(pair)?;
    table(pair.before, pair.after)?;
    loads(pair)?;
    others(pair.before, pair.after)?;
    dynamic_segment(pair)?;
    if pair.hook.is_some() {
        same_entries(&pair.old, &pair.new)?;
    } else {
        entries(&pair.old, &pair.new)?;
    }
    appended::check(pair.before, pair.after)
}

/// All of it is the same but for `e_phoff`, `e_shoff` and three numbers, and the
/// entry point where that leads to a runtime.
fn file_header(pair: &Pair<'_, '_>) -> Verdict {
    let (before, after) = (pair.before, pair.after);
    // e_ident to e_version, e_flags to e_phentsize, e_shentsize.
    let kept = if before.is_64 {
        [0..24, 48..56, 58..60]
    } else {
        [0..24, 36..44, 46..48]
    };
    for range in kept {
        require!(
            before.slice(range.clone()) == after.slice(range.clone()),
            "bytes {range:?} of the ELF header are others"
        );
    }
    let place = pair.hook.as_ref().map(|hook| &hook.place);
    require!(
        before.entry == after.entry || matches!(place, Some(Place::Entry)),
        "the entry point is another"
    );
    Ok(())
}

/// The table is in memory where AT_PHDR and PT_PHDR say.
fn table(before: &Image<'_>, after: &Image<'_>) -> Verdict {
    let table = after.table();
    let size = table.end - table.start;
    require!(
        size <= MAX_TABLE,
        "the kernel refuses a program header table of {size} bytes"
    );
    let holding = |image: &Image<'_>| {
        let table = image.table();
        let mut loads = image.loads();
        loads.find(|load| within(&table, &load.file())).copied()
    };
    let Some(load) = holding(after) else {
        require!(
            holding(before).is_none(),
            "the program header table is not loaded"
        );
        return Ok(());
    };
    let address = load.vaddr + (table.start - load.offset);
    let truthful = |image: &Image<'_>, header: &Segment| {
        holding(image).is_some_and(|load| {
            let table = image.table();
            header.file() == table && header.vaddr == load.vaddr + (table.start - load.offset)
        })
    };
    let pairs = before
        .segments_of(pt::PHDR)
        .zip(after.segments_of(pt::PHDR));
    for (old, new) in pairs {
        require!(
            !truthful(before, old) || truthful(after, new),
            "PT_PHDR says {new:x?}, but the table is at {address:#x}, {size:#x} bytes"
        );
    }
    Ok(())
}

/// By how many bytes the original stands further up in the patched file, behind new
/// segments in front: by as many for all that is loaded.
pub(super) fn rise(before: &Image<'_>, after: &Image<'_>) -> u64 {
    let Some(first) = before.loads().next() else {
        return 0;
    };
    let mut loads = after.loads();
    let now = loads.find(|load| load.vaddr == first.vaddr && load.flags == first.flags);
    now.map_or(0, |now| now.offset.saturating_sub(first.offset))
}

/// The old segments are there with the same permissions; new ones are apart from
/// them, and all are in order. If they are in front, the heap begins where it did.
fn loads(pair: &Pair<'_, '_>) -> Verdict {
    let (before, after) = (pair.before, pair.after);
    let rise = rise(before, after);
    let end = |image: &Image<'_>| image.loads().map(|load| load.memory().end).max();
    require!(
        rise == 0 || end(before) == end(after),
        "the heap begins elsewhere"
    );
    for old in before.loads() {
        let same = |new: &&Segment| {
            let (filesz, memsz) = match grown(before, after, old, new) {
                true => (old.filesz, old.memsz),
                false => (new.filesz, new.memsz),
            };
            // Behind new pages an offset is less aligned than it was.
            let align = match rise {
                0 => new.align,
                _ => new.align.max(old.align),
            };
            let offset = new.offset.wrapping_sub(rise);
            Segment {
                offset,
                filesz,
                memsz,
                align,
                ..**new
            } == *old
        };
        let Some(new) = after.loads().find(same) else {
            require!(false, "a loadable segment is gone: {old:x?}");
            continue;
        };
        let (then, now) = (distance(old) % alignment(new), remainder(new));
        require!(then == now, "{new:x?} can't be mapped any more");
        require!(
            new.filesz == 0 || after.slice(new.file()).is_some(),
            "{new:x?} reaches beyond the end of the file"
        );
    }
    let mut end = 0;
    for load in after.loads() {
        require!(
            load.vaddr >= end,
            "the segment at {:#x} is out of order",
            load.vaddr
        );
        end = load.memory().end;
    }
    for new in added(before, after) {
        require!(remainder(new) == 0, "{new:x?} can't be mapped");
        let is_runtime = |hook: &super::Hook| new.memory().contains(&hook.address);
        require!(
            new.flags & pf::X == 0 || pair.hook.as_ref().is_some_and(is_runtime),
            "a new segment is executable: {new:x?}"
        );
        require!(
            new.flags & pf::R != 0,
            "a new segment can't be read: {new:x?}"
        );
        require!(
            after.slice(new.file()).is_some(),
            "{new:x?} reaches beyond the end of the file"
        );
        for old in before.loads() {
            let page = new.align.max(1);
            let pages = |it: &Segment| {
                let start = it.vaddr / page * page;
                start
                    ..it.memory()
                        .end
                        .checked_next_multiple_of(page)
                        .unwrap_or(u64::MAX)
            };
            require!(
                old.memsz == 0 || !overlap(&pages(old), &pages(new)),
                "the new segment {new:x?} shares a page with {old:x?}"
            );
        }
    }
    Ok(())
}

/// Whether a segment that ended with the program headers does so still, on the
/// same page, though they are more.
fn grown(before: &Image<'_>, after: &Image<'_>, old: &Segment, new: &Segment) -> bool {
    let ends_with_table = |image: &Image<'_>, load: &Segment| {
        load.filesz == load.memsz && load.file().end == image.table().end
    };
    let page = |load: &Segment| load.memory().end.saturating_sub(1) / load.align.max(1);
    ends_with_table(before, old) && ends_with_table(after, new) && page(old) == page(new)
}

/// Distance of address and offset within a page; mmap(2) can bring only whole
/// pages.
fn remainder(load: &Segment) -> u64 {
    distance(load) % alignment(load)
}

/// A damaged one counts for nobody, but pages do.
fn alignment(load: &Segment) -> u64 {
    match load.align.is_power_of_two() {
        true => load.align,
        false => 4096,
    }
}

fn distance(load: &Segment) -> u64 {
    load.vaddr.wrapping_sub(load.offset)
}

/// The loadable segments that only the patched file has.
pub(super) fn added<'i>(
    before: &'i Image<'_>,
    after: &'i Image<'_>,
) -> impl Iterator<Item = &'i Segment> {
    // An empty one may be where the new one begins.
    let is = |old: &Segment, new: &Segment| {
        old.vaddr == new.vaddr && (old.memsz == 0) == (new.memsz == 0)
    };
    let is_new = move |new: &&Segment| before.loads().all(|old| !is(old, new));
    after.loads().filter(is_new)
}

/// All other headers are there in the same order, but for notes, which may be
/// put under fewer or more headers.
fn others(before: &Image<'_>, after: &Image<'_>) -> Verdict {
    let others = |image: &Image<'_>| -> Vec<Segment> {
        let other = |it: &&Segment| ![pt::LOAD, pt::NOTE].contains(&it.kind);
        image.segments.iter().filter(other).copied().collect()
    };
    let (old, new) = (others(before), others(after));
    require!(
        old.len() == new.len(),
        "there are other kinds of program headers"
    );
    for (old, new) in old.iter().zip(&new) {
        let grows = [pt::PHDR, pt::DYNAMIC].contains(&old.kind);
        let same = old.kind == new.kind
            && old.flags == new.flags
            && (grows || (old.filesz, old.memsz, old.align) == (new.filesz, new.memsz, new.align));
        require!(same || old.kind == pt::DYNAMIC, "{old:x?} became {new:x?}");
    }
    Ok(())
}

/// The dynamic section is where both its address and its offset say, readable,
/// and for DT_DEBUG as writable as it was.
fn dynamic_segment(pair: &Pair<'_, '_>) -> Verdict {
    let find = |image: &Image<'_>| image.segments_of(pt::DYNAMIC).next().copied();
    let (Some(old), Some(new)) = (find(pair.before), find(pair.after)) else {
        return Ok(());
    };
    let range = pair.after.file_range(new.vaddr, new.filesz);
    require!(
        range == Some(new.file()),
        "the dynamic section's offset and address disagree: {new:x?}"
    );
    let width = if pair.after.is_64 { 8 } else { 4 };
    require!(
        old.vaddr % width != 0 || new.vaddr % width == 0,
        "the dynamic section is not aligned: {new:x?}"
    );
    let flags = |image: &Image<'_>, of: Segment| {
        let holds = |load: &&Segment| within(&of.memory(), &load.memory());
        image.loads().find(holds).map_or(0, |load| load.flags)
    };
    let lost = flags(pair.before, old) & !flags(pair.after, new) & (pf::R | pf::W);
    require!(
        lost == 0,
        "the dynamic section lost the permissions {lost:#x}"
    );
    require!(
        pair.new.has_end || !pair.old.has_end,
        "the dynamic section has no end"
    );
    Ok(())
}

/// One library and the mark are added; what leads to tables may have changed.
fn entries(old: &Dynamic<'_, '_>, new: &Dynamic<'_, '_>) -> Verdict {
    let is_needed = |entry: &Entry| entry.0 == dt::NEEDED;
    let mark = new.entries.iter().rposition(|entry| entry.0 == dt::SANDBOX);
    let Some(mark) = mark else {
        require!(
            false,
            "the dynamic section does not say that the file was patched"
        );
        return Ok(());
    };
    let mut rest = new.entries.clone();
    rest.remove(mark);
    let first = rest.iter().position(is_needed);
    let last = rest.iter().rposition(is_needed);
    let same = |without: Option<usize>| {
        let mut rest = rest.clone();
        without.map(|at| rest.remove(at));
        rest.len() == old.entries.len() && rest.iter().zip(&old.entries).all(is_same)
    };
    require!(
        first.is_some() && (same(first) || same(last)),
        "the dynamic section says {:x?} instead of {:x?}",
        new.entries,
        old.entries
    );
    Ok(())
}

/// A program that loads no library for it has none more.
fn same_entries(old: &Dynamic<'_, '_>, new: &Dynamic<'_, '_>) -> Verdict {
    let same =
        old.entries.len() == new.entries.len() && new.entries.iter().zip(&old.entries).all(is_same);
    require!(
        same,
        "the dynamic section says {:x?} instead of {:x?}",
        new.entries,
        old.entries
    );
    Ok(())
}

fn is_same((new, old): (&Entry, &Entry)) -> bool {
    new.0 == old.0 && (new.1 == old.1 || is_table(new.0) || new.0 == dt::STRSZ)
}
