//! What the program finds in its memory.

use std::ops::Range;

use super::image::{Image, Section, Segment, pt};
use super::{Pair, Verdict, overlap, require, within};

/// Each byte that was loaded is loaded, but for what a patch may write over.
pub(super) fn check(pair: &Pair<'_, '_>) -> Verdict {
    let mut writable = Writable::of(pair);
    writable.add_vacated(pair);
    for old in pair.before.loads() {
        // What it may have grown by is checked with the headers.
        let same = |new: &&Segment| new.vaddr == old.vaddr && new.filesz >= old.filesz;
        let new = pair.after.loads().find(same);
        let (Some(then), Some(now)) = (
            pair.before.slice(old.file()),
            new.and_then(|new| pair.after.slice(new.file())),
        ) else {
            require!(false, "a segment is not in the file: {old:x?}");
            continue;
        };
        let address = |at| old.vaddr + (at - old.offset);
        let first = differences(then, now, old.offset)
            .find(|&at| !writable.covers(at) && !pair.leads_to_runtime(address(at)));
        if let Some(at) = first {
            let address = address(at);
            require!(
                false,
                "the byte at address {address:#x} (offset {at:#x}) changed"
            );
        }
    }
    Ok(())
}

/// The offsets at which two pieces of equal length differ.
pub(super) fn differences<'d>(
    then: &'d [u8],
    now: &'d [u8],
    offset: u64,
) -> impl Iterator<Item = u64> + 'd {
    // Equal blocks are the rule, and fast to compare.
    const BLOCK: usize = 4096;
    let blocks = then
        .chunks(BLOCK)
        .zip(now.chunks(BLOCK))
        .zip((offset..).step_by(BLOCK));
    let changed = blocks.filter(|((then, now), _)| then != now);
    changed.flat_map(|((then, now), start)| {
        let bytes = then.iter().zip(now).zip(start..);
        bytes
            .filter(|((then, now), _)| then != now)
            .map(|(_, at)| at)
    })
}

/// File offsets of the original that a patch may write over.
pub(super) struct Writable<'p> {
    before: &'p Image<'p>,
    ranges: Vec<Range<u64>>,
    padding: bool,
}

impl<'p> Writable<'p> {
    /// Headers, the dynamic section, and symbols that loaders don't read.
    pub(super) fn of(pair: &'p Pair<'_, '_>) -> Self {
        let before = pair.before;
        let mut ranges = before.tables().to_vec();
        let dynamic = |image: &Image<'_>| image.segments_of(pt::DYNAMIC).next().copied();
        if let Some(old) = dynamic(before)
            && dynamic(pair.after).is_some_and(|new| new.vaddr == old.vaddr)
        {
            ranges.push(old.file());
        }
        let symbols = |it: &&Section| before.has_symbols(it);
        ranges.extend(before.sections.iter().filter(symbols).map(Section::file));
        Self {
            before,
            ranges,
            padding: false,
        }
    }

    /// Also the places of what moved, and padding.
    pub(super) fn add_vacated(&mut self, pair: &Pair<'_, '_>) {
        let vacated = |it: &super::Moved| self.before.file_range(it.from, it.size);
        let vacated: Vec<_> = pair.moved.iter().filter_map(vacated).collect();
        self.ranges.extend(vacated);
        self.padding = true;
    }

    pub(super) fn covers(&self, at: u64) -> bool {
        let byte = at..at + 1;
        self.ranges.iter().any(|range| within(&byte, range))
            || (self.padding && self.is_padding(&byte))
    }

    /// A byte that nothing covers; patchelf fills what it left with 'X'.
    fn is_padding(&self, byte: &Range<u64>) -> bool {
        let container = |it: &&Segment| {
            [pt::NULL, pt::LOAD, pt::PHDR, pt::GNU_STACK, pt::GNU_RELRO].contains(&it.kind)
        };
        let segments = self.before.segments.iter().filter(|it| !container(it));
        let sections = self.before.sections.iter().filter(|it| it.is_allocated());
        let mut used = segments
            .map(Segment::file)
            .chain(sections.map(Section::file));
        let content = self.before.slice(byte.clone());
        matches!(content, Some([0 | b'X'])) && !used.any(|range| overlap(byte, &range))
    }
}
