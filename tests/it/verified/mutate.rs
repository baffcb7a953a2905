//! Changes to a patched 64-bit little-endian file that a loader may see otherwise than a
//! tool: fields of headers and of dynamic entries, mostly to values that stand elsewhere;
//! headers that are swapped, doubled, added, or read from another place.
//!
//! Reads the format by itself, so that it can't share a mistake with what is under test.

/// Numbers that are the same each time (Steele, Lea and Flood, "Fast Splittable
/// Pseudorandom Number Generators", 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("below a usize")
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

const PAGE: u64 = 4096;

/// Sizes of Elf64_Phdr, Elf64_Dyn and Elf64_Rela.
pub(crate) const SEGMENT: usize = 56;
pub(crate) const ENTRY: usize = 16;
const RELOCATION: usize = 24;

/// Fields of Elf64_Ehdr: place and width.
const HEADER_FIELDS: [(usize, usize); 16] = [
    (4, 1),
    (5, 1),
    (7, 1),
    (8, 1),
    (16, 2),
    (18, 2),
    (20, 4),
    (24, 8),
    (32, 8),
    (40, 8),
    (48, 4),
    (52, 2),
    (54, 2),
    (56, 2),
    (58, 2),
    (60, 2),
];
const E_ENTRY: usize = 24;
const E_PHOFF: usize = 32;
const E_PHNUM: usize = 56;

/// Fields of Elf64_Phdr.
const P_TYPE: usize = 0;
const P_FLAGS: usize = 4;
pub(crate) const P_OFFSET: usize = 8;
pub(crate) const P_VADDR: usize = 16;
pub(crate) const P_FILESZ: usize = 32;
pub(crate) const P_MEMSZ: usize = 40;
const P_ALIGN: usize = 48;

const PT_NULL: u64 = 0;
pub(crate) const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
pub(crate) const PT_INTERP: u64 = 3;
pub(crate) const PT_NOTE: u64 = 4;
pub(crate) const PT_PHDR: u64 = 6;

/// All that a loader looks at, and what it passes over.
const SEGMENT_TYPES: [u64; 12] = [
    PT_NULL,
    PT_LOAD,
    PT_DYNAMIC,
    PT_INTERP,
    PT_NOTE,
    5,
    PT_PHDR,
    7,
    0x6474_e550,
    0x6474_e551,
    0x6474_e552,
    0x6474_e553,
];

/// Those without which a program runs all the same.
const SPARE_TYPES: [u64; 6] = [
    PT_NULL,
    PT_NOTE,
    0x6474_e550,
    0x6474_e551,
    0x6474_e552,
    0x6474_e553,
];

pub(crate) const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
pub(crate) const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;

/// Tags that a loader looks at, and ours.
const TAGS: [u64; 40] = [
    0,
    DT_NEEDED,
    2,
    3,
    4,
    DT_STRTAB,
    6,
    DT_RELA,
    DT_RELASZ,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    22,
    23,
    24,
    25,
    27,
    29,
    30,
    32,
    33,
    35,
    36,
    37,
    0x6fff_fef5,
    0x6fff_fefc,
    0x6fff_fefb,
    0x6fff_fffb,
    0x7fff_fffd,
    0x6000_5342,
];

/// A file that is being changed.
pub(crate) struct Changed {
    pub(crate) bytes: Vec<u8>,
    /// What was done, for people.
    pub(crate) story: Vec<String>,
}

/// Changes a file in one to four steps.
pub(crate) fn changed(original: &[u8], random: &mut Random) -> Changed {
    let mut changed = Changed::new(original);
    loop {
        changed.step(random);
        if changed.story.len() >= 4 || random.once_in(2) {
            return changed;
        }
    }
}

impl Changed {
    pub(crate) fn new(original: &[u8]) -> Self {
        Self {
            bytes: original.to_vec(),
            story: Vec::new(),
        }
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(20) {
            0 => self.header(random),
            1..=3 => self.segment_field(random),
            4 => self.swap_segments(random),
            5 => self.copy_segment(random),
            6 | 7 => self.insert_segment(random),
            8 => self.drop_segment(random),
            9 => self.move_table(random),
            10..=12 => self.entry_field(random),
            13 => self.swap_entries(random),
            14 => self.copy_entry(random),
            15 => self.move_entries(random),
            16 => self.insert_entry(random),
            17 => self.relocation(random),
            18 => self.note(random),
            _ => self.cover(random),
        }
    }

    fn header(&mut self, random: &mut Random) {
        let (at, width) = *random.pick(&HEADER_FIELDS);
        let value = self.value(random);
        self.put(at, width, value);
        self.tell(format!("header+{at} = {value:#x}"));
    }

    fn segment_field(&mut self, random: &mut Random) {
        let Some(segment) = self.any_segment(random) else {
            return;
        };
        let (field, value) = match random.below(8) {
            0 => (P_TYPE, *random.pick(&SEGMENT_TYPES)),
            1 => (P_FLAGS, random.next() & 7),
            _ => {
                let field = *random.pick(&[P_OFFSET, P_VADDR, P_FILESZ, P_MEMSZ, P_ALIGN]);
                (field, self.value(random))
            }
        };
        let width = if field < P_OFFSET { 4 } else { 8 };
        self.put(segment + field, width, value);
        self.tell(format!(
            "{}+{field} = {value:#x}",
            self.segment_name(segment)
        ));
    }

    fn swap_segments(&mut self, random: &mut Random) {
        let (Some(one), Some(other)) = (self.any_segment(random), self.any_segment(random)) else {
            return;
        };
        self.tell(format!(
            "{} and {} swapped",
            self.segment_name(one),
            self.segment_name(other)
        ));
        self.swap(one, other, SEGMENT);
    }

    fn copy_segment(&mut self, random: &mut Random) {
        let (Some(one), Some(other)) = (self.any_segment(random), self.any_segment(random)) else {
            return;
        };
        self.tell(format!(
            "{} over {}",
            self.segment_name(one),
            self.segment_name(other)
        ));
        self.bytes.copy_within(one..one + SEGMENT, other);
    }

    fn drop_segment(&mut self, random: &mut Random) {
        if let Some(segment) = self.any_segment(random) {
            self.tell(format!("{} dropped", self.segment_name(segment)));
            self.put(segment, 4, PT_NULL);
        }
    }

    /// A header like another but for one field, or one without content, in the place of
    /// one that nobody misses.
    fn insert_segment(&mut self, random: &mut Random) {
        let (Some(model), Some(place)) = (self.any_segment(random), self.any_segment(random))
        else {
            return;
        };
        let mut header = self.bytes[model..model + SEGMENT].to_vec();
        if random.once_in(2) {
            header = self.empty_load(random);
        } else {
            let field = *random.pick(&[P_OFFSET, P_VADDR, P_FILESZ, P_MEMSZ]);
            let value = self.value(random);
            header[field..field + 8].copy_from_slice(&value.to_le_bytes());
        }
        self.insert(place, &header, random);
    }

    /// A PT_LOAD without bytes of the file.
    fn empty_load(&mut self, random: &mut Random) -> Vec<u8> {
        let (address, size) = (self.value(random), self.small(random));
        let offset = self.value(random);
        let mut header = vec![0; SEGMENT];
        let mut put = |at: usize, value: u64| {
            header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        };
        put(P_TYPE, PT_LOAD | (6 << 32));
        put(P_OFFSET, offset);
        put(P_VADDR, address);
        put(P_MEMSZ, size);
        put(P_ALIGN, PAGE);
        header
    }

    /// Puts a header into the table before `place`; a spare one goes.
    fn insert(&mut self, place: usize, header: &[u8], random: &mut Random) {
        let spare: Vec<usize> = self
            .segments()
            .filter(|&at| SPARE_TYPES.contains(&self.get(at, 4)))
            .filter(|&at| !self.has_our_notes(at))
            .collect();
        if spare.is_empty() {
            return;
        }
        let spare = *random.pick(&spare);
        let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("a word"));
        self.tell(format!(
            "new type {} offset {:#x} at {:#x} filesz {:#x} memsz {:#x} before {} for {}",
            word(P_TYPE) & 0xffff_ffff,
            word(P_OFFSET),
            word(P_VADDR),
            word(P_FILESZ),
            word(P_MEMSZ),
            self.segment_name(place),
            self.segment_name(spare)
        ));
        if spare < place {
            self.bytes.copy_within(spare + SEGMENT..place, spare);
            self.bytes[place - SEGMENT..place].copy_from_slice(header);
        } else {
            self.bytes.copy_within(place..spare, place + SEGMENT);
            self.bytes[place..place + SEGMENT].copy_from_slice(header);
        }
    }

    /// The end of a segment gets a neighbour without bytes of the file, in the same page.
    fn cover(&mut self, random: &mut Random) {
        let loads: Vec<usize> = self
            .segments()
            .filter(|&at| self.get(at, 4) == PT_LOAD)
            .collect();
        if loads.is_empty() {
            return;
        }
        let load = *random.pick(&loads);
        let mut header = self.empty_load(random);
        let end = self
            .get(load + P_VADDR, 8)
            .wrapping_add(self.get(load + P_MEMSZ, 8));
        let offset = self
            .get(load + P_OFFSET, 8)
            .wrapping_add(self.get(load + P_FILESZ, 8));
        header[P_VADDR..P_VADDR + 8].copy_from_slice(&end.to_le_bytes());
        header[P_OFFSET..P_OFFSET + 8].copy_from_slice(&offset.to_le_bytes());
        self.insert(load + SEGMENT, &header, random);
    }

    /// The table is read from another place; PT_PHDR may follow.
    fn move_table(&mut self, random: &mut Random) {
        let table: Vec<usize> = self.segments().collect();
        let Some((&start, &last)) = table.first().zip(table.last()) else {
            return;
        };
        let copy = self.bytes[start..last + SEGMENT].to_vec();
        let to = if random.once_in(3) {
            let at = self.bytes.len().next_multiple_of(8);
            self.bytes.resize(at + copy.len(), 0);
            at
        } else {
            let entry = self.get(E_ENTRY, 8);
            let sled = self.offset_of(entry).unwrap_or(0);
            let sled = sled.saturating_add(random.below(2048));
            if sled.saturating_add(copy.len()) > self.bytes.len() {
                return;
            }
            sled
        };
        self.bytes[to..to + copy.len()].copy_from_slice(&copy);
        self.put(E_PHOFF, 8, to as u64);
        self.tell(format!("headers at {to:#x}"));
        if random.once_in(2) {
            let is_table = |&at: &usize| self.get(at, 4) == PT_PHDR;
            let headers: Vec<usize> = self.segments().filter(is_table).collect();
            for at in headers {
                self.put(at + P_OFFSET, 8, to as u64);
                if let Some(address) = self.address_of(to) {
                    self.put(at + P_VADDR, 8, address);
                }
                self.tell("and PT_PHDR".to_owned());
            }
        }
    }

    fn entry_field(&mut self, random: &mut Random) {
        let Some(entry) = self.any_entry(random) else {
            return;
        };
        if random.once_in(2) {
            let tag = *random.pick(&TAGS);
            self.tell(format!("{} has tag {tag:#x}", self.entry_name(entry)));
            self.put(entry, 8, tag);
        } else {
            let value = self.value(random);
            self.tell(format!("{} has value {value:#x}", self.entry_name(entry)));
            self.put(entry + 8, 8, value);
        }
    }

    fn swap_entries(&mut self, random: &mut Random) {
        let (Some(one), Some(other)) = (self.any_entry(random), self.any_entry(random)) else {
            return;
        };
        self.tell(format!(
            "{} and {} swapped",
            self.entry_name(one),
            self.entry_name(other)
        ));
        self.swap(one, other, ENTRY);
    }

    fn copy_entry(&mut self, random: &mut Random) {
        let (Some(one), Some(other)) = (self.any_entry(random), self.any_entry(random)) else {
            return;
        };
        self.tell(format!(
            "{} over {}",
            self.entry_name(one),
            self.entry_name(other)
        ));
        self.bytes.copy_within(one..one + ENTRY, other);
    }

    /// Entries of a few tags first, or last.
    fn move_entries(&mut self, random: &mut Random) {
        let entries: Vec<usize> = self.entries().collect();
        if entries.is_empty() {
            return;
        }
        let tags: Vec<u64> = (0..=random.below(4))
            .map(|_| self.get(*random.pick(&entries), 8))
            .collect();
        let to_front = random.once_in(2);
        let record = |at: &usize| self.bytes[*at..*at + ENTRY].to_vec();
        let (mut first, mut rest): (Vec<Vec<u8>>, Vec<Vec<u8>>) =
            entries.iter().map(record).partition(|entry| {
                to_front == tags.iter().any(|tag| entry.starts_with(&tag.to_le_bytes()))
            });
        first.append(&mut rest);
        for (at, entry) in entries.iter().zip(first) {
            self.bytes[*at..*at + ENTRY].copy_from_slice(&entry);
        }
        self.tell(format!("entries {tags:x?} first: {to_front}"));
    }

    /// An entry more; what stands last before DT_NULL is lost where there is no room.
    fn insert_entry(&mut self, random: &mut Random) {
        let entries: Vec<usize> = self.entries().collect();
        let Some(&last) = entries.last() else {
            return;
        };
        let at = *random.pick(&entries);
        let (tag, value) = (*random.pick(&TAGS), self.value(random));
        self.tell(format!(
            "new entry {tag:#x} {value:#x} before {}",
            self.entry_name(at)
        ));
        let has_room = self.get(last + 2 * ENTRY, 8) == 0;
        let end = if has_room { last + ENTRY } else { last };
        self.bytes.copy_within(at..end, at + ENTRY);
        self.put(at, 8, tag);
        self.put(at + 8, 8, value);
    }

    /// A relocation of another place or kind; perhaps it may write to code.
    fn relocation(&mut self, random: &mut Random) {
        let entry = |tag| self.entries().find(|&at| self.get(at, 8) == tag);
        let (Some(table), Some(size)) = (entry(DT_RELA), entry(DT_RELASZ)) else {
            return;
        };
        let count = usize::try_from(self.get(size + 8, 8)).unwrap_or(0) / RELOCATION;
        let Some(start) = self.offset_of(self.get(table + 8, 8)) else {
            return;
        };
        let at = start.saturating_add(random.below(count) * RELOCATION);
        if at.saturating_add(RELOCATION) > self.bytes.len() {
            return;
        }
        let value = self.value(random);
        let kind = *random.pick(&[1, 5, 6, 7, 8, 16, 36, 37]);
        match random.below(3) {
            0 => self.put(at, 8, value),
            1 => self.put(at + 8, 4, kind),
            _ => self.put(at + 16, 8, value),
        }
        self.tell(format!("relocation at {at:#x}: {value:#x} or {kind}"));
        if random.once_in(2)
            && let Some(entry) = self.any_entry(random)
        {
            self.tell(format!("{} is DT_TEXTREL", self.entry_name(entry)));
            self.put(entry, 8, 22);
        }
    }

    /// A byte of the notes, most often of a record's header.
    fn note(&mut self, random: &mut Random) {
        let notes: Vec<usize> = self
            .segments()
            .filter(|&at| self.get(at, 4) == PT_NOTE)
            .collect();
        if notes.is_empty() {
            return;
        }
        let segment = *random.pick(&notes);
        let start = usize::try_from(self.get(segment + P_OFFSET, 8)).unwrap_or(0);
        let reach = *random.pick(&[12, 24, 4096]);
        let at = start.saturating_add(random.below(reach));
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
            self.tell(format!("note byte {at:#x}"));
        }
    }

    /// A value that stands somewhere, or near to one.
    fn value(&mut self, random: &mut Random) -> u64 {
        let found = match random.below(10) {
            0 => *random.pick(&[0, 1, 2, 3, 4, 8, 62, u64::MAX, 1 << 47]),
            1 => self.bytes.len() as u64,
            2 => self.get(*random.pick(&[E_ENTRY, E_PHOFF, 40]), 8),
            3..=5 => match self.any_segment(random) {
                Some(at) => {
                    let start = *random.pick(&[P_OFFSET, P_VADDR, P_VADDR]);
                    let size = *random.pick(&[P_FILESZ, P_MEMSZ]);
                    match random.below(3) {
                        0 => self.get(at + size, 8),
                        1 => self.get(at + start, 8),
                        _ => self.get(at + start, 8).wrapping_add(self.get(at + size, 8)),
                    }
                }
                None => 0,
            },
            6 | 7 => match self.any_entry(random) {
                Some(at) if random.once_in(3) => self.address_of(at).unwrap_or(0),
                Some(at) => self.get(at + 8, 8),
                None => 0,
            },
            _ => self.string(random),
        };
        match random.below(8) {
            0 => found & !(PAGE - 1),
            1 => found.wrapping_add(PAGE - 1) & !(PAGE - 1),
            2 => found.wrapping_add(*random.pick(&[1, 8, 16, PAGE, 1 << 20])),
            3 => found.wrapping_sub(*random.pick(&[1, 8, 16, PAGE, 1 << 20])),
            _ => found,
        }
    }

    fn small(&mut self, random: &mut Random) -> u64 {
        *random.pick(&[0, 1, 16, 64, 256, PAGE, 2 * PAGE])
    }

    /// Where a string stands that means something to a loader: offset in the file, address,
    /// or distance from the string table.
    fn string(&mut self, random: &mut Random) -> u64 {
        let needles: [&[u8]; 5] = [
            b"libsandbox.so\0",
            b"libc.so",
            b"/other",
            b"/lib64/ld-linux",
            b"/lib/ld-musl",
        ];
        let needle = *random.pick(&needles);
        let Some(mut at) = self
            .bytes
            .windows(needle.len())
            .position(|bytes| bytes == needle)
        else {
            return 0;
        };
        // A path begins behind the zero byte before it.
        if random.below(3) > 0 {
            at = self.bytes[..at]
                .iter()
                .rposition(|&byte| byte == 0)
                .map_or(0, |zero| zero + 1);
        }
        let address = self.address_of(at).unwrap_or(0);
        match random.below(3) {
            0 => at as u64,
            1 => address,
            _ => {
                let table = self.entries().find(|&at| self.get(at, 8) == DT_STRTAB);
                address.wrapping_sub(table.map_or(0, |table| self.get(table + 8, 8)))
            }
        }
    }

    fn has_our_notes(&self, segment: usize) -> bool {
        let start = usize::try_from(self.get(segment + P_OFFSET, 8)).unwrap_or(usize::MAX);
        self.get(segment, 4) == PT_NOTE
            && self
                .bytes
                .get(start.saturating_add(12)..)
                .is_some_and(|note| note.starts_with(b"sandbox\0"))
    }

    /// Places of the program headers in the file.
    pub(crate) fn segments(&self) -> impl Iterator<Item = usize> + use<> {
        let start = usize::try_from(self.get(E_PHOFF, 8)).unwrap_or(usize::MAX);
        let count = usize::try_from(self.get(E_PHNUM, 2)).unwrap_or(0).min(64);
        let length = self.bytes.len();
        (0..count)
            .map(move |index| start.saturating_add(index * SEGMENT))
            .filter(move |at| at.saturating_add(SEGMENT) <= length)
    }

    fn any_segment(&self, random: &mut Random) -> Option<usize> {
        let all: Vec<usize> = self.segments().collect();
        (!all.is_empty()).then(|| *random.pick(&all))
    }

    /// Places of the dynamic entries in the file.
    pub(crate) fn entries(&self) -> impl Iterator<Item = usize> {
        let dynamic = self.segments().find(|&at| self.get(at, 4) == PT_DYNAMIC);
        let start = dynamic.map(|at| self.get(at + P_OFFSET, 8));
        let start = start.and_then(|start| usize::try_from(start).ok());
        let length = self.bytes.len();
        let start = start.filter(|start| start.saturating_add(64 * ENTRY) <= length);
        let places = start
            .into_iter()
            .flat_map(|start| (start..).step_by(ENTRY).take(60));
        places.take_while(|&at| self.get(at, 8) != 0)
    }

    fn any_entry(&self, random: &mut Random) -> Option<usize> {
        let all: Vec<usize> = self.entries().collect();
        (!all.is_empty()).then(|| *random.pick(&all))
    }

    pub(crate) fn offset_of(&self, address: u64) -> Option<usize> {
        self.translated(address, P_VADDR, P_OFFSET)
    }

    pub(crate) fn address_of(&self, offset: usize) -> Option<u64> {
        self.translated(offset as u64, P_OFFSET, P_VADDR)
            .map(|address| address as u64)
    }

    fn translated(&self, from: u64, have: usize, want: usize) -> Option<usize> {
        let mut loads = self.segments().filter(|&at| self.get(at, 4) == PT_LOAD);
        loads.find_map(|at| {
            let distance = from.checked_sub(self.get(at + have, 8))?;
            let there = self.get(at + want, 8).checked_add(distance)?;
            (distance < self.get(at + P_FILESZ, 8)).then_some(usize::try_from(there).ok()?)
        })
    }

    fn segment_name(&self, at: usize) -> String {
        let first = self.segments().next().unwrap_or(at);
        format!(
            "header {} (type {:#x})",
            (at - first) / SEGMENT,
            self.get(at, 4)
        )
    }

    fn entry_name(&self, at: usize) -> String {
        format!("entry {:#x} {:#x}", self.get(at, 8), self.get(at + 8, 8))
    }

    fn tell(&mut self, what: String) {
        self.story.push(what);
    }

    fn swap(&mut self, one: usize, other: usize, size: usize) {
        let first = self.bytes[one..one + size].to_vec();
        self.bytes.copy_within(other..other + size, one);
        self.bytes[other..other + size].copy_from_slice(&first);
    }

    /// A number in the file; 0 beyond its end.
    pub(crate) fn get(&self, at: usize, width: usize) -> u64 {
        let mut word = [0; 8];
        if let Some(bytes) = self.bytes.get(at..at.saturating_add(width)) {
            word[..width].copy_from_slice(bytes);
        }
        u64::from_le_bytes(word)
    }

    pub(crate) fn put(&mut self, at: usize, width: usize, value: u64) {
        if let Some(bytes) = self.bytes.get_mut(at..at.saturating_add(width)) {
            bytes.copy_from_slice(&value.to_le_bytes()[..width]);
        }
    }
}
