//! Whether a program, or what is appended to it, refers to a place in what is appended by
//! its offset from the start of the file.
//!
//! The work is linear in the size of what is examined: all loaded bytes once, and the
//! start and the end of what is appended.

use std::io;

use memchr::memmem::Finder;
use object::elf;

use crate::elf::{FileOffset, FileRange, Image, Layout, Section, Source, VirtAddr};

/// Bytes read at a time.
const BLOCK: u64 = 1 << 20;

/// How far before and after a number to look.
const CONTEXT: u64 = 64;

/// How much of the start and of the end is searched for the offset at which it starts.
const WINDOW: u64 = 4096;

/// The size of the first or the last bytes, where formats put what leads to the rest.
const EDGE: u64 = 64;

/// How many places are checked for the start of something.
const MAX_LOOKS: usize = 1024;

/// Decimal numbers of fewer digits are not taken for offsets.
const MIN_DIGITS: usize = 4;

/// The form in which one place refers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Form {
    /// A number of four bytes.
    Word { is_big: bool },
    /// A number of eight bytes.
    Wide { is_big: bool },
    /// This many decimal digits.
    Digits(usize),
}

/// A number that stands for an offset in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Number {
    /// Where it is in the file.
    pub(in super::super) at: FileOffset,
    pub(in super::super) form: Form,
    /// The offset.
    pub(in super::super) value: u64,
}

impl Number {
    /// The bytes for another offset in its place; `None` if that does not fit.
    pub(in super::super) fn with(&self, value: u64) -> Option<Vec<u8>> {
        let word = || u32::try_from(value).ok();
        Some(match self.form {
            Form::Word { is_big: false } => word()?.to_le_bytes().to_vec(),
            Form::Word { is_big: true } => word()?.to_be_bytes().to_vec(),
            Form::Wide { is_big: false } => value.to_le_bytes().to_vec(),
            Form::Wide { is_big: true } => value.to_be_bytes().to_vec(),
            Form::Digits(count) => {
                let digits = format!("{value:0count$}");
                (digits.len() == count).then(|| digits.into_bytes())?
            }
        })
    }
}

/// A way to write a number, and how to find it.
struct Needle {
    finder: Finder<'static>,
    form: Form,
    value: u64,
}

/// All ways to write these offsets, the longer ones first.
fn needles(values: &[FileOffset]) -> Vec<Needle> {
    let needle = |bytes: &[u8], form, value| Needle {
        finder: Finder::new(bytes).into_owned(),
        form,
        value,
    };
    let mut needles = Vec::new();
    for &FileOffset(value) in values {
        let digits = value.to_string();
        let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
        needles.push(needle(&little, Form::Wide { is_big: false }, value));
        needles.push(needle(&big, Form::Wide { is_big: true }, value));
        if u32::try_from(value).is_ok() {
            needles.push(needle(&little[..4], Form::Word { is_big: false }, value));
            needles.push(needle(&big[4..], Form::Word { is_big: true }, value));
        }
        if digits.len() >= MIN_DIGITS {
            let form = Form::Digits(digits.len());
            needles.push(needle(digits.as_bytes(), form, value));
        }
    }
    needles
}

impl Needle {
    /// Where the bytes contain the number. Digits are a number if no other digit is next
    /// to them; leading zeros belong to it.
    fn find(&self, bytes: &[u8]) -> impl Iterator<Item = (usize, Form)> {
        let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let found = self.finder.find_iter(bytes);
        found.filter_map(move |at| {
            let Form::Digits(count) = self.form else {
                return Some((at, self.form));
            };
            let zeros = bytes[..at].iter().rev().take_while(|&&byte| byte == b'0');
            let start = at - zeros.count();
            let is_whole = !is_digit(at + count)
                && start.checked_sub(1).is_none_or(|before| !is_digit(before));
            is_whole.then(|| (start, Form::Digits(at + count - start)))
        })
    }
}

/// Where `bytes`, which start at `at` in the file, contain one of these offsets, in any
/// form.
fn find(bytes: &[u8], at: FileOffset, values: &[FileOffset]) -> Vec<Number> {
    let mut numbers = Vec::new();
    for needle in needles(values) {
        numbers.extend(needle.find(bytes).map(|(place, form)| Number {
            at: at + place as u64,
            form,
            value: needle.value,
        }));
    }
    numbers
}

/// The number in the tail's last bytes that gives the offset where it starts, if they
/// refer to no other place. (If more is referred to, the distance is how much there is to
/// read.)
pub(super) fn in_trailer(
    source: &(impl Source + ?Sized),
    tail: &FileRange,
    starts: &[FileOffset],
) -> io::Result<Option<Number>> {
    let size = tail.size.min(EDGE);
    let start = tail.end().saturating_back(size);
    let bytes = source.read_at(start, size)?;
    // Zeros around it make several numbers of one: it is aligned, and as long as
    // can be.
    let doubt = |number: &Number| {
        let misaligned = |size: u64| u64::from(!(tail.end() - number.at).is_multiple_of(size));
        match number.form {
            Form::Digits(_) => 0,
            Form::Wide { .. } => misaligned(8) + misaligned(4),
            Form::Word { .. } => 1 + 2 * misaligned(4),
        }
    };
    let numbers = find(&bytes, start, starts);
    let Some(number) = numbers.into_iter().min_by_key(doubt) else {
        return Ok(None);
    };
    let at = usize::try_from(number.at - start).unwrap_or_default();
    let names_place = |value: u64| starts[0].0 < value && value <= tail.end().0;
    let names_other = match number.form {
        Form::Digits(count) => {
            texts(&bytes[..at]).any(names_place) || texts(&bytes[at + count..]).any(names_place)
        }
        Form::Word { is_big } => words(&bytes, at, 4, is_big).any(names_place),
        Form::Wide { is_big } => words(&bytes, at, 8, is_big).any(names_place),
    };
    Ok((!names_other).then_some(number))
}

/// The values of the words next to the one at `at`.
fn words(bytes: &[u8], at: usize, size: usize, is_big: bool) -> impl Iterator<Item = u64> {
    let before = bytes[at % size..at].chunks_exact(size);
    let behind = bytes[at + size..].chunks_exact(size);
    before.chain(behind).map(move |word| number(word, is_big))
}

/// The decimal numbers in a text.
fn texts(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let texts = bytes.split(|byte| !byte.is_ascii_digit());
    let texts = texts.filter(|text| text.len() >= MIN_DIGITS);
    texts.filter_map(|text| std::str::from_utf8(text).ok()?.parse().ok())
}

/// Whether the tail seems to refer to a place in itself: its start or its end to where it
/// starts, or its first or last bytes to where something else starts.
pub(super) fn by_itself(
    source: &(impl Source + ?Sized),
    tail: &FileRange,
    starts: &[FileOffset],
) -> io::Result<bool> {
    Ok(in_windows(source, tail, starts)? || at_edges(source, tail)?)
}

fn in_windows(
    source: &(impl Source + ?Sized),
    tail: &FileRange,
    values: &[FileOffset],
) -> io::Result<bool> {
    let size = tail.size.min(WINDOW);
    for start in [tail.start, tail.end().saturating_back(size)] {
        if !find(&source.read_at(start, size)?, start, values).is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn at_edges(source: &(impl Source + ?Sized), tail: &FileRange) -> io::Result<bool> {
    let size = tail.size.min(EDGE);
    let mut looks = Looks::new(source, *tail);
    for start in [tail.start, tail.end().saturating_back(size)] {
        for value in values(&source.read_at(start, size)?) {
            if looks.leads(FileOffset(value))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// All numbers that the bytes may contain, at any position.
fn values(bytes: &[u8]) -> Vec<u64> {
    let mut values = Vec::new();
    for size in [4, 8] {
        let numbers = bytes.windows(size);
        values.extend(numbers.flat_map(|it| [number(it, false), number(it, true)]));
    }
    values.extend(texts(bytes));
    values
}

/// What the loaded bytes reveal about the tail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    /// They are a .NET host that refers to a header in it.
    pub(super) is_dotnet: bool,
    /// They contain start-up code of pkg that refers to a place in it.
    pub(super) is_pkg: bool,
    /// They refer to where it starts.
    pub(super) name_start: bool,
    /// A word points to something in it.
    pub(super) lead_into: bool,
}

/// SHA-256 of ".net core bundle\n": it follows the eight bytes with the offset of the
/// bundle's header, which are 0 in a host without one (dotnet/runtime,
/// src/native/corehost/apphost/bundle_marker.cpp).
const DOTNET: [u8; 32] = [
    0x8b, 0x12, 0x02, 0xb9, 0x6a, 0x61, 0x20, 0x38, 0x72, 0x7b, 0x93, 0x02, 0x14, 0xd7, 0xa0, 0x32,
    0x13, 0xf5, 0xb9, 0xe6, 0xef, 0xae, 0x33, 0x18, 0xee, 0x3b, 0x2d, 0xce, 0x24, 0xb3, 0x6a, 0xae,
];

/// In the start-up code of pkg, precedes the offset in decimal digits and spaces.
const PKG: &[u8] = b"PAYLOAD_POSITION = '";

/// Searches everything that the program loads.
pub(super) fn in_loaded(
    image: &Image<impl Source>,
    tail: &FileRange,
    values: &[FileOffset],
) -> io::Result<Loaded> {
    let tables = linker_tables(image);
    let mut search = Search {
        layout: image,
        tail: *tail,
        needles: needles(values),
        dotnet: Finder::new(&DOTNET),
        pkg: Finder::new(PKG),
        looks: Looks::new(&image.source, *tail),
        loaded: Loaded::default(),
    };
    for load in image.segments_of(elf::PT_LOAD) {
        let range = load.range();
        let is_code = load.is_executable();
        let mut at = range.start;
        while at < range.end() {
            let block = FileRange::new(at, BLOCK.min(range.end() - at));
            let start = at.saturating_back(CONTEXT).max(range.start);
            let end = block.end().saturating_add(CONTEXT).min(range.end());
            let mut bytes = image.source.read_at(start, end - start)?;
            let all = FileRange::new(start, end - start);
            for table in tables.iter().filter(|table| table.overlaps(&all)) {
                let part = table.intersection(&all);
                let at = usize::try_from(part.start - start).unwrap_or_default();
                let size = usize::try_from(part.size).unwrap_or_default();
                bytes[at..][..size].fill(0);
            }
            search.markers(&bytes);
            if !is_code {
                let own = usize::try_from(at - start).unwrap_or_default();
                search.words(&bytes[own..], at)?;
            }
            at = block.end();
        }
    }
    Ok(search.loaded)
}

/// The tables in the file that linkers make: they hold addresses, and one of them may
/// well be the same number as an offset.
fn linker_tables(layout: &Layout) -> Vec<FileRange> {
    const KINDS: [elf::SectionType; 9] = [
        elf::SHT_RELA,
        elf::SHT_REL,
        elf::SHT_RELR,
        elf::SHT_DYNSYM,
        elf::SHT_DYNAMIC,
        elf::SHT_INIT_ARRAY,
        elf::SHT_FINI_ARRAY,
        elf::SHT_HASH,
        elf::SHT_GNU_HASH,
    ];
    let sections = layout.sections.iter();
    let tables = sections.filter(|it| it.is_allocated() && KINDS.contains(&it.header.kind));
    tables.map(Section::range).collect()
}

/// A search of the loaded bytes.
struct Search<'a, S: ?Sized> {
    layout: &'a Layout,
    tail: FileRange,
    needles: Vec<Needle>,
    dotnet: Finder<'a>,
    pkg: Finder<'a>,
    looks: Looks<'a, S>,
    loaded: Loaded,
}

impl<S: Source + ?Sized> Search<'_, S> {
    /// Looks for known references to the tail, and for its offset.
    fn markers(&mut self, bytes: &[u8]) {
        let is_inside = |value: u64| self.tail.contains(&FileRange::new(FileOffset(value), 1));
        let before = |at: usize| bytes[..at].last_chunk::<8>();
        let offsets = self.dotnet.find_iter(bytes).filter_map(before);
        let mut offsets = offsets.map(|bytes| u64::from_le_bytes(*bytes));
        self.loaded.is_dotnet |= offsets.any(is_inside);
        let digits = |at: usize| {
            let text = &bytes[at + PKG.len()..];
            let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            std::str::from_utf8(&text[..count]).ok()?.parse().ok()
        };
        let mut offsets = self.pkg.find_iter(bytes).filter_map(digits);
        self.loaded.is_pkg |= offsets.any(is_inside);
        if !self.loaded.name_start {
            let mut needles = self.needles.iter();
            self.loaded.name_start = needles.any(|needle| needle.find(bytes).next().is_some());
        }
    }

    /// Looks at the program's words, which start at `at` in the file: one that is not an
    /// address of the program may be an offset.
    fn words(&mut self, bytes: &[u8], at: FileOffset) -> io::Result<()> {
        if self.loaded.lead_into {
            return Ok(());
        }
        let encoding = self.layout.encoding;
        let size = if encoding.is_64 { 8 } else { 4 };
        let aligned =
            usize::try_from(at.0.next_multiple_of(size as u64) - at.0).unwrap_or_default();
        for word in bytes.get(aligned..).unwrap_or_default().chunks_exact(size) {
            let value = number(word, encoding.is_big_endian());
            if self.tail.start.0 <= value
                && value < self.tail.end().0
                && !is_round(value)
                && !self.layout.is_memory(VirtAddr(value))
                && self.looks.leads(FileOffset(value))?
            {
                self.loaded.lead_into = true;
                break;
            }
        }
        Ok(())
    }
}

/// The value of a word of four or eight bytes.
fn number(word: &[u8], is_big: bool) -> u64 {
    let add = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    if is_big {
        word.iter().fold(0, add)
    } else {
        word.iter().rev().fold(0, add)
    }
}

/// Whether the number is round, as most sizes and limits in programs are.
fn is_round(value: u64) -> bool {
    value.count_ones() <= 2 || (value + 1).is_power_of_two() || value.is_multiple_of(1000)
}

/// Tells whether something begins at a place in the tail, a limited number of times.
struct Looks<'a, S: ?Sized> {
    source: &'a S,
    tail: FileRange,
    left: usize,
}

impl<'a, S: Source + ?Sized> Looks<'a, S> {
    const fn new(source: &'a S, tail: FileRange) -> Self {
        Self {
            source,
            tail,
            left: MAX_LOOKS,
        }
    }

    /// Whether an offset points to the start of something.
    fn leads(&mut self, offset: FileOffset) -> io::Result<bool> {
        const BEFORE: u64 = 4;
        let within = FileRange::new(offset.saturating_back(BEFORE), BEFORE + 8);
        if offset.0 < BEFORE || !self.tail.contains(&within) || self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        let bytes = self.source.read_range(within)?;
        let (before, bytes) = bytes.split_at(4);
        Ok(begins(before, bytes))
    }
}

/// Whether bytes look like the start of something: a name or text, a version or count, or
/// anything after padding.
fn begins(before: &[u8], bytes: &[u8]) -> bool {
    let [a, b, c, d, ..] = *bytes else {
        return false;
    };
    // In the middle of a text, words begin, but names in capitals seldom do.
    let is_capital = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let is_word = bytes[..4].iter().all(u8::is_ascii_alphanumeric);
    let is_text = is_word && !before[3].is_ascii_alphanumeric() && !before[3].is_ascii_whitespace()
        || bytes[..4].iter().all(is_capital);
    let is_count = [b, c, d] == [0; 3] && a != 0 || [a, b, c] == [0; 3] && d != 0;
    let is_apart = before.iter().all(|&byte| byte == 0) && a != 0;
    let is_known = KNOWN.iter().any(|known| bytes.starts_with(known));
    is_text || is_count || is_apart || is_known
}

/// What compressed files and programs start with.
const KNOWN: [&[u8]; 7] = [
    b"\x7fELF",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"{\"",
];
