//! What was appended to the ELF file.
//!
//! It is the end of the patched file, or where it was, or both. Only where it was
//! may it be if it is known that its reader goes there: a .NET host, start-up code
//! of pkg, or a trailer, which then is the end of the patched file.

use super::image::{Image, Segment, sht};
use super::{Verdict, require};

/// How long trailers are that name the place of what they stand behind.
const TRAILERS: [usize; 2] = [8, 16];

pub(super) fn check(before: &Image<'_>, after: &Image<'_>) -> Verdict {
    let length = before.bytes.len();
    let ends = known_ends(before);
    let start = known_end(&ends, length);
    let tail = &before.bytes[start..];
    if tail.iter().all(|&byte| byte == 0) {
        return Ok(());
    }
    let new_end = known_end(&known_ends(after), after.bytes.len());
    // Of what a false header knows that was behind the end, there is more in a
    // longer file.
    let has_room =
        |size: usize| new_end + size <= after.bytes.len() || ends.iter().any(|&end| end > length);
    let is_last = |bytes: &[u8]| after.bytes.ends_with(bytes) && has_room(bytes.len());
    if keeps_end(before, after) {
        all_new_is_behind(before, after)?;
        let trailer = |&size: &usize| {
            let trailer = &tail[tail.len().saturating_sub(size)..];
            let place = trailer
                .first_chunk::<8>()
                .map(|place| u64::from_le_bytes(*place));
            place.is_some_and(|place| (start..length).contains(&to_usize(place)))
                && is_last(trailer)
        };
        let is_known = || {
            let is_inside = |place: &usize| (start..length).contains(place);
            TRAILERS.iter().any(trailer) || places_in(before, start).iter().any(is_inside)
        };
        require!(
            is_last(tail) || is_last_but_for_its_place(tail, start, after, new_end) || is_known(),
            "the data behind the ELF file is where it was, and not its end"
        );
        return Ok(());
    }
    require!(
        is_last(tail),
        "the data behind the ELF file is neither where it was nor its end"
    );
    Ok(())
}

/// Whether what is appended to the file, and all in front of it, is still where it
/// was: some readers look for it at a fixed place.
pub(super) fn keeps_end(before: &Image<'_>, after: &Image<'_>) -> bool {
    let length = before.bytes.len();
    let known = known_end(&known_ends(before), length);
    let tail = &before.bytes[known..];
    tail.iter().any(|&byte| byte != 0) && after.bytes.get(known..length) == Some(tail)
}

/// Nothing new stands before what stays, and nothing that is not loaded moved.
fn all_new_is_behind(before: &Image<'_>, after: &Image<'_>) -> Verdict {
    let length = before.bytes.len() as u64;
    let is_new = |load: &&Segment| before.loads().all(|old| old.vaddr != load.vaddr);
    let news = after.loads().filter(is_new).map(|load| load.offset);
    let tables = [after.shoff].into_iter().filter(|&table| table != 0);
    for offset in news.chain(tables) {
        require!(
            offset >= length,
            "something new is at {offset:#x}, before the end of what stays in place"
        );
    }
    for (index, (old, new)) in before.sections.iter().zip(&after.sections).enumerate() {
        let is_loaded = old.is_allocated() || old.file().is_empty() || index == after.names;
        require!(
            is_loaded || old.offset == new.offset,
            "section {} moved, though what stands behind it stays",
            old.name
        );
    }
    Ok(())
}

/// Whether the patched file ends with the tail, in whose last bytes one number is
/// another: where that was in the original, it is in the patched file now.
fn is_last_but_for_its_place(tail: &[u8], start: usize, after: &Image<'_>, end: usize) -> bool {
    const EDGE: usize = 64;
    // Of numbers in digits.
    const LONGEST: usize = 20;
    let Some(place) = after.bytes.len().checked_sub(tail.len()) else {
        return false;
    };
    let last = &after.bytes[place..];
    let mut differing = (0..tail.len()).filter(|&at| tail[at] != last[at]);
    let Some(first) = differing.next() else {
        return false;
    };
    let shift = (place - start) as u64;
    let names = |then: Option<u64>, now: Option<u64>| {
        let place = then.filter(|&then| to_usize(then) >= start);
        place.is_some_and(|then| now == then.checked_add(shift))
    };
    let is_place = |at: usize, size: usize| {
        let field = at..at + size;
        let rest = tail[..at] == last[..at] && tail[field.end..] == last[field.end..];
        let (then, now) = (&tail[field.clone()], &last[field]);
        let readings = [little, big, decimal];
        rest && readings.iter().any(|read| names(read(then), read(now)))
    };
    let starts = first.saturating_sub(LONGEST)..=first;
    let mut fields =
        starts.flat_map(|at| (4..=LONGEST.min(tail.len() - at)).map(move |size| (at, size)));
    end <= place && first + EDGE >= tail.len() && fields.any(|(at, size)| is_place(at, size))
}

/// A number of four or eight bytes, the least significant byte first.
fn little(bytes: &[u8]) -> Option<u64> {
    match *bytes {
        [a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d]).into()),
        _ => bytes.try_into().ok().map(u64::from_le_bytes),
    }
}

/// The same, the most significant byte first.
fn big(bytes: &[u8]) -> Option<u64> {
    little(&bytes.iter().rev().copied().collect::<Vec<_>>())
}

fn decimal(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(bytes)
        .ok()
        .filter(|_| digits)?
        .parse()
        .ok()
}

/// The offsets that .NET's hosts and pkg's start-up code have before and behind
/// what they are known by, in the program itself.
fn places_in(before: &Image<'_>, end: usize) -> Vec<usize> {
    // SHA-256 of ".net core bundle\n".
    const DOTNET: [u8; 8] = [0x8b, 0x12, 0x02, 0xb9, 0x6a, 0x61, 0x20, 0x38];
    const PKG: &[u8] = b"PAYLOAD_POSITION = '";
    let program = &before.bytes[..end];
    let mut places = Vec::new();
    for at in 0..program.len() {
        if program[at..].starts_with(&DOTNET) {
            let place = program[..at].last_chunk::<8>();
            places.extend(place.map(|place| to_usize(u64::from_le_bytes(*place))));
        }
        if let Some(text) = program[at..].strip_prefix(PKG) {
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            places.extend(decimal(&text[..digits]).map(to_usize));
        }
    }
    places
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn known_end(ends: &[usize], length: usize) -> usize {
    let in_file = ends.iter().filter(|&&end| end <= length);
    in_file.max().copied().unwrap_or_default()
}

fn known_ends(image: &Image<'_>) -> Vec<usize> {
    let segments = image.segments.iter().map(Segment::file);
    // Empty headers, too, say how far they reach in a damaged file.
    let sections = image.sections.iter().map(|it| match it.kind {
        sht::NOBITS => it.file(),
        _ => it.offset..it.offset.saturating_add(it.size),
    });
    let tables = [image.table(), image.section_table()];
    let ranges = segments.chain(sections).chain(tables);
    ranges
        .map(|range| usize::try_from(range.end).unwrap_or(usize::MAX))
        .collect()
}
