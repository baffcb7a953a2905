//! Small ELF files, made for tests: all of the file is one segment at address 0, so that an
//! address is a file offset.

use object::elf;

/// An ELF file for x86_64 in the making.
#[derive(Clone, Debug)]
pub(crate) struct LayoutBuilder {
    kind: u16,
    content: Vec<u8>,
    interpreter: Option<u64>,
    dynamic: Vec<(i64, u64)>,
}

/// Room for the ELF header and three program headers.
const HEADERS: u64 = 64 + 3 * 56;

impl LayoutBuilder {
    /// A file of that type, with nothing in it.
    pub(crate) fn new(kind: elf::FileType) -> Self {
        Self {
            kind: kind.0,
            content: Vec::new(),
            interpreter: None,
            dynamic: Vec::new(),
        }
    }

    /// Adds content, 8-aligned; its address.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = HEADERS + self.content.len() as u64;
        self.content.extend(bytes);
        self.content
            .resize(self.content.len().next_multiple_of(8), 0);
        at
    }

    /// Adds words of 4 bytes.
    pub(crate) fn put_words(&mut self, words: &[u32]) -> u64 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&bytes)
    }

    /// Has it name a loader.
    pub(crate) fn interpreter(mut self, path: &str) -> Self {
        let at = self.put(format!("{path}\0").as_bytes());
        self.interpreter = Some(at);
        self
    }

    /// Adds an entry of the dynamic section.
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
            segments.push((elf::PT_INTERP.0, at, size));
        }
        if !self.dynamic.is_empty() {
            let entries = self.dynamic.iter().chain([&(0, 0)]);
            let bytes: Vec<u8> = entries
                .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
                .collect();
            let at = self.put(&bytes);
            segments.push((elf::PT_DYNAMIC.0, at, bytes.len() as u64));
        }
        let length = HEADERS + self.content.len() as u64;
        segments.insert(0, (elf::PT_LOAD.0, 0, length));
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        for half in [self.kind, elf::EM_X86_64.0] {
            file.extend(half.to_le_bytes());
        }
        file.extend(1_u32.to_le_bytes());
        // Entry point, program headers, section headers.
        for word in [HEADERS, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0_u32.to_le_bytes());
        let count = u16::try_from(segments.len()).unwrap();
        for half in [64, 56, count, 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        for (kind, at, size) in segments {
            for word in [kind, elf::PF_R.0 | elf::PF_X.0] {
                file.extend(word.to_le_bytes());
            }
            for word in [at, at, at, size, size, 8] {
                file.extend(word.to_le_bytes());
            }
        }
        file.resize(usize::try_from(HEADERS).unwrap(), 0);
        file.extend(self.content);
        file
    }
}
