//! Small ELF files, made for tests: an address is a file offset.

use object::elf;

/// An ELF file for x86_64, under construction.
#[derive(Clone, Debug)]
pub(crate) struct LayoutBuilder {
    kind: u16,
    content: Vec<u8>,
    interpreter: Option<u64>,
    dynamic: Vec<(i64, u64)>,
    entry: u64,
    data: Option<u64>,
    segments: Vec<Segment>,
}

/// A program header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) kind: elf::ProgramType,
    pub(crate) flags: elf::ProgramFlags,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) size: u64,
    pub(crate) align: u64,
}

/// Room for the ELF header and ten program headers.
const HEADERS: u64 = 64 + 10 * 56;

impl LayoutBuilder {
    /// An empty file of that type.
    pub(crate) fn new(kind: elf::FileType) -> Self {
        Self {
            kind: kind.0,
            content: Vec::new(),
            interpreter: None,
            dynamic: Vec::new(),
            entry: HEADERS,
            data: None,
            segments: Vec::new(),
        }
    }

    /// Where the next content will be.
    pub(crate) fn next(&self) -> u64 {
        HEADERS + self.content.len() as u64
    }

    /// Sets the entry point.
    pub(crate) fn entry(mut self, address: u64) -> Self {
        self.entry = address;
        self
    }

    /// Puts what follows into a data segment of its own.
    pub(crate) fn data(mut self) -> Self {
        self.data = Some(self.next());
        self
    }

    /// Adds a program header, after those for the whole file, the interpreter and the
    /// dynamic section.
    pub(crate) fn segment(mut self, segment: Segment) -> Self {
        self.segments.push(segment);
        self
    }

    /// Adds a note with a program header of its own.
    pub(crate) fn note(mut self, owner: &[u8], kind: u32, descriptor: &[u8]) -> Self {
        let sizes = [owner.len(), descriptor.len()].map(|size| u32::try_from(size).unwrap());
        let mut bytes: Vec<u8> = [sizes[0], sizes[1], kind]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        for part in [owner, descriptor] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let at = self.put(&bytes);
        self.segment(Segment {
            kind: elf::PT_NOTE,
            flags: elf::PF_R,
            offset: at,
            address: at,
            size: bytes.len() as u64,
            align: 4,
        })
    }

    /// Adds content, 8-aligned; returns its address.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.next();
        self.content.extend(bytes);
        self.content
            .resize(self.content.len().next_multiple_of(8), 0);
        at
    }

    /// Adds 4-byte words.
    pub(crate) fn put_words(&mut self, words: &[u32]) -> u64 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&bytes)
    }

    /// Names a loader.
    pub(crate) fn interpreter(mut self, path: &str) -> Self {
        let at = self.put(format!("{path}\0").as_bytes());
        self.interpreter = Some(at);
        self
    }

    /// Adds a dynamic entry.
    pub(crate) fn dynamic(mut self, tag: elf::DynamicTag, value: u64) -> Self {
        self.dynamic.push((tag.0, value));
        self
    }

    /// Adds the string table; returns where each string is in it.
    pub(crate) fn strings(mut self, strings: &[&str]) -> (Self, Vec<u64>) {
        let mut table = vec![0];
        let mut places = Vec::new();
        for string in strings {
            places.push(table.len() as u64);
            table.extend(string.as_bytes());
            table.push(0);
        }
        let size = table.len() as u64;
        let at = self.put(&table);
        let with = self
            .dynamic(elf::DT_STRTAB, at)
            .dynamic(elf::DT_STRSZ, size);
        (with, places)
    }

    /// The file.
    pub(crate) fn build(mut self) -> Vec<u8> {
        let mut segments = Vec::new();
        if let Some(at) = self.interpreter {
            let text = &self.content[usize::try_from(at - HEADERS).unwrap()..];
            let size = text.iter().position(|byte| *byte == 0).unwrap() as u64 + 1;
            segments.push(Segment::of(elf::PT_INTERP, at, size));
        }
        if !self.dynamic.is_empty() {
            let entries = self.dynamic.iter().chain([&(0, 0)]);
            let bytes: Vec<u8> = entries
                .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
                .collect();
            let at = self.put(&bytes);
            segments.push(Segment::of(elf::PT_DYNAMIC, at, bytes.len() as u64));
        }
        let end = self.next();
        let code = Segment::of(elf::PT_LOAD, 0, self.data.unwrap_or(end));
        let data = self.data.map(|at| Segment {
            flags: elf::PF_R | elf::PF_W,
            ..Segment::of(elf::PT_LOAD, at, end - at)
        });
        segments.splice(0..0, [code].into_iter().chain(data));
        segments.extend(&self.segments);
        let mut file = self.header(segments.len());
        for segment in segments {
            for word in [segment.kind.0, segment.flags.0] {
                file.extend(word.to_le_bytes());
            }
            let Segment {
                offset,
                address,
                size,
                align,
                ..
            } = segment;
            for word in [offset, address, address, size, size, align] {
                file.extend(word.to_le_bytes());
            }
        }
        file.resize(usize::try_from(HEADERS).unwrap(), 0);
        file.extend(self.content);
        file
    }

    fn header(&self, segments: usize) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        for half in [self.kind, elf::EM_X86_64.0] {
            file.extend(half.to_le_bytes());
        }
        file.extend(1_u32.to_le_bytes());
        // Entry point, program headers, section headers.
        for word in [self.entry, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0_u32.to_le_bytes());
        let count = u16::try_from(segments).unwrap();
        for half in [64, 56, count, 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        file
    }
}

impl Segment {
    /// One whose address is its offset.
    fn of(kind: elf::ProgramType, at: u64, size: u64) -> Self {
        Self {
            kind,
            flags: elf::PF_R | elf::PF_X,
            offset: at,
            address: at,
            size,
            align: 8,
        }
    }
}
