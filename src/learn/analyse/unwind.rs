//! Where functions begin and end, by what is there to unwind the stack (LSB core
//! specification, "Exception Frames"; DWARF 5, 6.4.1).

/// The functions that have an entry.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Sorted, without overlap.
    frames: Vec<Frame>,
}

/// The extent of a function, or of a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where it says what catches exceptions.
    pub(super) handlers: Option<u64>,
}

impl Frames {
    /// The one that an address lies in.
    pub(super) fn around(&self, address: u64) -> Option<Frame> {
        let index = self.frames.partition_point(|frame| frame.start <= address);
        let frame = self.frames[index.checked_sub(1)?];
        (address < frame.end).then_some(frame)
    }

    /// The first that begins behind an address.
    pub(super) fn after(&self, address: u64) -> Option<Frame> {
        let index = self.frames.partition_point(|frame| frame.start <= address);
        self.frames.get(index).copied()
    }
}

/// Encodings of pointers (LSB, "DWARF Exception Header Encoding").
const OMIT: u8 = 0xff;
const RELATIVE: u8 = 0x10;
const TO_TABLE: u8 = 0x30;

/// A place that is read.
struct Cursor<'r, R> {
    at: u64,
    read: &'r R,
    /// What `TO_TABLE` is relative to.
    table: u64,
}

impl<'a, R: Fn(u64, usize) -> Option<&'a [u8]>> Cursor<'_, R> {
    fn number(&mut self, size: usize, signed: bool) -> Option<u64> {
        let bytes = (self.read)(self.at, size)?;
        self.at = self.at.checked_add(size as u64)?;
        let fill = signed && bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut number = [if fill { 0xff } else { 0 }; 8];
        number[..size].copy_from_slice(bytes);
        Some(u64::from_le_bytes(number))
    }

    fn byte(&mut self) -> Option<u8> {
        self.number(1, false)
            .and_then(|byte| u8::try_from(byte).ok())
    }

    /// DWARF 5, 7.6.
    fn leb(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn pointer(&mut self, encoding: u8) -> Option<u64> {
        if encoding == OMIT {
            return None;
        }
        let place = self.at;
        let value = match encoding & 0x0f {
            0x00 | 0x04 => self.number(8, false)?,
            0x01 | 0x09 => self.leb()?,
            0x02 => self.number(2, false)?,
            0x03 => self.number(4, false)?,
            0x0a => self.number(2, true)?,
            0x0b => self.number(4, true)?,
            0x0c => self.number(8, true)?,
            _ => return None,
        };
        Some(match encoding & 0x70 {
            RELATIVE if value != 0 => place.wrapping_add(value),
            TO_TABLE => self.table.wrapping_add(value),
            _ => value,
        })
    }
}

/// More functions than any program has.
const MOST: u64 = 1 << 23;

/// Reads the table of all entries, and these. What is malformed is left out.
pub(super) fn frames<'a>(
    index: Option<u64>,
    read: &impl Fn(u64, usize) -> Option<&'a [u8]>,
) -> Frames {
    let mut frames = index
        .and_then(|index| table(index, read))
        .unwrap_or_default();
    frames.sort_unstable_by_key(|frame| (frame.start, std::cmp::Reverse(frame.end)));
    frames.dedup_by_key(|frame| frame.start);
    for index in 1..frames.len() {
        let next = frames[index].start;
        let frame = &mut frames[index - 1];
        frame.end = frame.end.min(next);
    }
    Frames { frames }
}

fn table<'a>(index: u64, read: &impl Fn(u64, usize) -> Option<&'a [u8]>) -> Option<Vec<Frame>> {
    let mut cursor = Cursor {
        at: index,
        read,
        table: index,
    };
    let version = cursor.byte()?;
    let [frame, count, entry] = [cursor.byte()?, cursor.byte()?, cursor.byte()?];
    cursor.pointer(frame)?;
    let count = cursor.pointer(count)?.min(MOST);
    if version != 1 {
        return None;
    }
    let mut frames = Vec::new();
    let mut common = (0, None);
    for _ in 0..count {
        let (Some(start), Some(place)) = (cursor.pointer(entry), cursor.pointer(entry)) else {
            break;
        };
        let mut at = Cursor {
            at: place,
            read,
            table: index,
        };
        frames.extend(description(&mut at, &mut common).filter(|frame| frame.start == start));
    }
    Some(frames)
}

/// What entries have in common.
#[derive(Clone, Copy)]
struct Common {
    pointer: u8,
    handlers: u8,
    has_augmentation: bool,
}

/// An entry; `common` is that of the last one, with its place.
fn description<'a, R: Fn(u64, usize) -> Option<&'a [u8]>>(
    cursor: &mut Cursor<'_, R>,
    common: &mut (u64, Option<Common>),
) -> Option<Frame> {
    let length = cursor.number(4, false)?;
    if length == 0 || length == 0xffff_ffff {
        return None;
    }
    let place = cursor.at;
    let distance = cursor.number(4, false)?;
    let parent = place.checked_sub(distance)?;
    if common.0 != parent || common.1.is_none() {
        *common = (parent, self::common(parent, cursor));
    }
    let of = common.1?;
    let start = cursor.pointer(of.pointer)?;
    // Its size has the format, but is relative to nothing.
    let size = cursor.pointer(of.pointer & 0x0f)?;
    let mut handlers = None;
    if of.has_augmentation {
        cursor.leb()?;
        handlers = cursor.pointer(of.handlers).filter(|address| *address != 0);
    }
    Some(Frame {
        start,
        end: start.checked_add(size)?,
        handlers,
    })
}

fn common<'a, R: Fn(u64, usize) -> Option<&'a [u8]>>(
    at: u64,
    cursor: &Cursor<'_, R>,
) -> Option<Common> {
    let mut cursor = Cursor {
        at,
        read: cursor.read,
        table: cursor.table,
    };
    cursor.number(8, false)?;
    let version = cursor.byte()?;
    let mut letters = Vec::new();
    loop {
        match cursor.byte()? {
            0 => break,
            _ if letters.len() > 8 => return None,
            letter => letters.push(letter),
        }
    }
    cursor.leb()?;
    cursor.leb()?;
    if version == 1 {
        cursor.byte()?;
    } else {
        cursor.leb()?;
    }
    let mut common = Common {
        pointer: 0,
        handlers: OMIT,
        has_augmentation: letters.first() == Some(&b'z'),
    };
    if common.has_augmentation {
        cursor.leb()?;
    }
    for letter in letters {
        match letter {
            b'R' => common.pointer = cursor.byte()?,
            b'L' => common.handlers = cursor.byte()?,
            b'P' => {
                let encoding = cursor.byte()?;
                cursor.pointer(encoding)?;
            }
            _ => {}
        }
    }
    Some(common)
}

/// Where a function goes on after an exception (the language-specific data of GCC and Clang;
/// gcc's libgcc/unwind-pe.h and libstdc++'s eh_personality.cc).
pub(super) fn landing_pads<'a>(
    frame: &Frame,
    read: &impl Fn(u64, usize) -> Option<&'a [u8]>,
) -> Vec<u64> {
    let mut pads = Vec::new();
    let _ = frame
        .handlers
        .and_then(|at| call_sites(at, frame, read, &mut pads));
    pads.sort_unstable();
    pads.dedup();
    pads
}

/// More than any function has.
const PADS: usize = 1 << 14;

fn call_sites<'a>(
    at: u64,
    frame: &Frame,
    read: &impl Fn(u64, usize) -> Option<&'a [u8]>,
    pads: &mut Vec<u64>,
) -> Option<()> {
    let mut cursor = Cursor {
        at,
        read,
        table: at,
    };
    let encoding = cursor.byte()?;
    let base = if encoding == OMIT {
        frame.start
    } else {
        cursor.pointer(encoding)?
    };
    if cursor.byte()? != OMIT {
        cursor.leb()?;
    }
    let encoding = cursor.byte()?;
    let size = cursor.leb()?;
    let end = cursor.at.checked_add(size)?;
    while cursor.at < end && pads.len() < PADS {
        cursor.pointer(encoding)?;
        cursor.pointer(encoding)?;
        let pad = cursor.pointer(encoding)?;
        cursor.leb()?;
        if pad != 0 {
            pads.push(base.wrapping_add(pad));
        }
    }
    Some(())
}
