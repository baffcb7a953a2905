//! Mutations that get past the first checks: flips of random bytes mostly hit
//! code, which nothing looks at. These change fields of headers and of tables
//! that headers lead to, preferably to values that stand in other fields. Text is changed
//! by the word and by the line.

use std::ops::Range;

/// Changes a few fields of a file, which stays as long as it is.
pub fn mutate(file: &mut [u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        mutate_once(file, random);
    }
}

/// What readers must not trip over.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "~",
    "(",
    "}",
    "4294967296",
    "18446744073709551616",
];

/// The longest text that is made, in bytes.
const LONGEST_TEXT: usize = 1 << 14;

/// Changes a few places of a text: words and lines are left out, repeated, or replaced by
/// others of the same text or of another one.
pub fn mutate_text(text: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(3) {
        let source = match random.below(4) {
            0 => random.pick(others).clone(),
            _ => text.clone(),
        };
        let from = piece(&source, random);
        let to = piece(text, random);
        let new: &[u8] = match random.below(8) {
            0 => b"",
            1 => &[random.below(256).to_le_bytes()[0]],
            2 => random.pick(NUMBERS).as_bytes(),
            _ => &source[from],
        };
        let at = if random.below(3) == 0 {
            to.start..to.start
        } else {
            to
        };
        let new = new.to_vec();
        if text.len() + new.len() <= LONGEST_TEXT {
            text.splice(at, new);
        }
    }
}

/// A word, a line, or anything.
fn piece(text: &[u8], random: &mut Random) -> Range<usize> {
    if text.is_empty() {
        return 0..0;
    }
    let at = random.below(text.len());
    let is_end = match random.below(3) {
        0 => |byte: &u8| *byte == b'\n',
        1 => |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'_',
        _ => |byte: &u8| matches!(byte, b',' | b'{' | b'}' | b'(' | b')' | b'[' | b']'),
    };
    let start = text[..at].iter().rposition(is_end).map_or(0, |it| it + 1);
    let end = text[at..]
        .iter()
        .position(is_end)
        .map_or(text.len(), |it| at + it + 1);
    start..end
}

fn mutate_once(file: &mut [u8], random: &mut Random) {
    let tables = Tables::find(file);
    let (table, record) = random.pick(&tables.0).clone();
    let count = table.len() / record.max(1);
    if count == 0 {
        return;
    }
    let start = |index: usize| table.start + index * record;
    let first = start(random.below(count));
    let other = start(random.below(count));
    match random.below(8) {
        0 => file.copy_within(other..other + record, first),
        1 => swap(file, first, other, record),
        2 => {
            let at = first + random.below(record);
            file[at] ^= 1 << random.below(8);
        }
        _ => {
            let width = if is_64(file) && random.below(4) > 0 {
                8
            } else {
                4
            };
            if let Some(at) = aligned(random, first, record, width) {
                let value = tables.value(file, random, width);
                put(file, at, width, value);
            }
        }
    }
}

/// A field of a record.
fn aligned(random: &mut Random, first: usize, record: usize, width: usize) -> Option<usize> {
    let fields = record / width;
    (fields > 0).then(|| first + random.below(fields) * width)
}

fn swap(file: &mut [u8], one: usize, other: usize, size: usize) {
    let (one_bytes, other_bytes) = (
        file[one..one + size].to_vec(),
        file[other..other + size].to_vec(),
    );
    file[one..one + size].copy_from_slice(&other_bytes);
    file[other..other + size].copy_from_slice(&one_bytes);
}

/// File ranges that hold fields, each with the size of a record.
struct Tables(Vec<(Range<usize>, usize)>);

impl Tables {
    /// As far as they are in the file.
    fn find(file: &[u8]) -> Self {
        let wide = is_64(file);
        let word = |at| usize::try_from(get(file, at, if wide { 8 } else { 4 })).unwrap_or(0);
        let half = |at| usize::try_from(get(file, at, 4) & 0xffff).unwrap_or(0);
        let (phoff, shoff, phnum, shnum, header, segment, section, entry) = if wide {
            (word(32), word(40), half(56), half(60), 64, 56, 64, 16)
        } else {
            (word(28), word(32), half(44), half(48), 52, 32, 40, 8)
        };
        // Big-endian numbers are read as if little-endian: for those the tables
        // of the usual place are right.
        let phnum = phnum.min(32);
        let segments = phoff..phoff.saturating_add(phnum * segment);
        let sections = shoff..shoff.saturating_add(shnum.min(64) * section);
        let mut tables = vec![
            (0..header, header),
            (segments.clone(), segment),
            (segments.clone(), segment),
            (sections, section),
        ];
        for index in 0..phnum {
            const PT_DYNAMIC: u64 = 2;
            let at = segments.start.saturating_add(index * segment);
            let (offset, size) = if wide { (8, 32) } else { (4, 16) };
            let start = word(at.saturating_add(offset));
            let range = start..start.saturating_add(word(at.saturating_add(size)).min(4096));
            match get(file, at, 4) {
                PT_DYNAMIC => {
                    tables.push((range.clone(), entry));
                    tables.push((range, entry));
                }
                // Notes, names, and in the first segment all tables.
                _ => {
                    let end = range.end.min(range.start.saturating_add(2048));
                    tables.push((range.start..end, 4));
                }
            }
        }
        tables.retain(|(range, record)| range.end <= file.len() && range.len() >= *record);
        tables.push((0..file.len() / 16 * 16, 16));
        Self(tables)
    }

    /// A value that means something in the file, or nearly so.
    fn value(&self, file: &[u8], random: &mut Random, width: usize) -> u64 {
        let (table, record) = random.pick(&self.0);
        let count = table.len() / record.max(&1);
        let first = table.start + random.below(count.max(1)) * record;
        let known = aligned(random, first, *record, width)
            .filter(|at| at + width <= file.len())
            .map_or(0, |at| get(file, at, width));
        let near = random.below(64) as u64;
        match random.below(8) {
            0..3 => known,
            3 => known.wrapping_add(near),
            4 => known.wrapping_sub(near),
            5 => near,
            6 => 1u64
                .wrapping_shl(random.below(64) as u32)
                .wrapping_sub(near & 1),
            _ => file.len() as u64 - near.min(file.len() as u64),
        }
    }
}

fn is_64(file: &[u8]) -> bool {
    file.get(4) == Some(&2)
}

fn get(file: &[u8], at: usize, width: usize) -> u64 {
    let bytes = at.checked_add(width).and_then(|end| file.get(at..end));
    let bytes = bytes.unwrap_or_default().iter().rev();
    bytes.fold(0, |value, &byte| value << 8 | u64::from(byte))
}

fn put(file: &mut [u8], at: usize, width: usize, value: u64) {
    if let Some(place) = file.get_mut(at..at + width) {
        place.copy_from_slice(&value.to_le_bytes()[..width]);
    }
}

/// Numbers that follow from a seed (SplitMix64, Steele et al. 2014).
pub struct Random(u64);

impl Random {
    /// The numbers that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or(0)
    }

    /// Any of them.
    pub fn pick<'s, T>(&mut self, from: &'s [T]) -> &'s T {
        &from[self.below(from.len())]
    }
}
