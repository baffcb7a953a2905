//! Damaging the notes of a patched file, one field at a time.
//!
//! Reads the format by itself, as `docs/note-format.md` describes it, so that
//! reader and writer under test can't agree on a mistake.

use std::ops::Range;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::elf::{
    FileHeader64, PF_W, PT_DYNAMIC, PT_GNU_STACK, PT_LOAD, PT_NOTE, PT_NULL, ProgramHeader64,
    ProgramType,
};
use object::read::elf::{ElfFile, FileHeader, ProgramHeader};
use object::{Object, ObjectSection};
use xxhash_rust::xxh3::xxh3_64;

/// Types of notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What people read.
    Policy = 1,
    /// What belongs together.
    Header = 2,
    /// What the kernel is given.
    Restriction = 5,
}

/// A patched 64-bit little-endian file, to be changed in place.
pub struct PatchedFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Where the parts of a note are in the file.
struct Place {
    owner: usize,
    descriptor_size: usize,
    kind: usize,
    descriptor: Range<usize>,
}

impl PatchedFile {
    /// Reads it.
    pub fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            bytes: std::fs::read(path).expect("the patched file"),
        }
    }

    /// Writes `value` over the word at `offset` of the note's descriptor.
    pub fn set_word(mut self, kind: Kind, offset: usize, value: u32) -> Self {
        let at = self.place(kind).descriptor.start + offset;
        self.put(at, value);
        self
    }

    /// The word at `offset` of the note's descriptor.
    pub fn word(&self, kind: Kind, offset: usize) -> u32 {
        self.get(self.place(kind).descriptor.start + offset)
    }

    /// The flags of the filter, which are those of seccomp(2).
    pub fn flags(&self) -> u32 {
        self.word(Kind::Restriction, 12)
    }

    /// The filter, as `code`, `jt`, `jf` and `k` of `struct sock_filter`.
    pub fn instructions(&self) -> impl Iterator<Item = (u16, u8, u8, u32)> {
        const FIXED: usize = 24;
        let filter = &self.bytes[self.place(Kind::Restriction).descriptor][FIXED..];
        filter.chunks_exact(8).map(|bytes| {
            let k = bytes[4..].try_into().expect("four bytes");
            let code = u16::from_le_bytes([bytes[0], bytes[1]]);
            (code, bytes[2], bytes[3], u32::from_le_bytes(k))
        })
    }

    /// Gives the HEADER note the digest that it should have, so that what else
    /// was changed is what a reader gets to see.
    pub fn seal(mut self) -> Self {
        let header = self.place(Kind::Header).descriptor;
        let parts = [
            self.place(Kind::Policy).descriptor,
            header.start..header.start + 16,
            header.start + 24..header.end,
            self.place(Kind::Restriction).descriptor,
        ];
        let all = parts.map(|part| self.bytes[part].to_vec()).concat();
        let digest = xxh3_64(&all).to_le_bytes();
        self.bytes[header.start + 16..header.start + 24].copy_from_slice(&digest);
        self
    }

    /// Says that the note is of another type.
    pub fn set_kind(mut self, kind: Kind, other: u32) -> Self {
        let at = self.place(kind).kind;
        self.put(at, other);
        self
    }

    /// Says that the descriptor is of another size.
    pub fn set_size(mut self, kind: Kind, size: u32) -> Self {
        let at = self.place(kind).descriptor_size;
        self.put(at, size);
        self
    }

    /// Makes the note one of another owner.
    pub fn disown(mut self, kind: Kind) -> Self {
        let at = self.place(kind).owner;
        self.bytes[at..at + 8].copy_from_slice(b"nobody\0\0");
        self
    }

    /// Changes the last byte of the note's descriptor.
    pub fn flip_last_byte(mut self, kind: Kind) -> Self {
        let last = self.place(kind).descriptor.end - 1;
        self.bytes[last] ^= 1;
        self
    }

    /// Makes the loader and the runtime overlook the segment of the notes.
    pub fn hide_segment(mut self) -> Self {
        let section = self.section();
        let at = self.program_header_of(&section);
        self.put(at, PT_NULL.0);
        self
    }

    /// Has the segment that the notes are loaded with be writable, too.
    pub fn make_segment_writable(mut self) -> Self {
        let notes = self.section().start as u64;
        let header = self.find_program_header(|endian, segment| {
            let start = segment.p_offset(endian);
            let range = start..start + segment.p_filesz(endian);
            segment.p_type(endian) == PT_LOAD && range.contains(&notes)
        });
        let flags = self.get(header + 4);
        self.put(header + 4, flags | PF_W.0);
        self
    }

    /// Makes the segment of the notes end within one of them.
    pub fn end_segment_within(mut self, kind: Kind) -> Self {
        let section = self.section();
        let size = self.place(kind).descriptor.end - 1 - section.start;
        let header = self.program_header_of(&section);
        self.put_segment_size(header, u32::try_from(size).expect("a small file"));
        self
    }

    /// Has the program header of the dynamic section say that it is one entry
    /// long.
    pub fn shorten_dynamic_segment(mut self) -> Self {
        let header = self.program_header(PT_DYNAMIC);
        self.put_segment_size(header, 16);
        self
    }

    /// Puts a dynamic section without entries before the true one, in the
    /// program headers.
    pub fn put_empty_dynamic_segment_first(mut self) -> Self {
        const SIZE: usize = 56;
        let first = self.program_header(PT_DYNAMIC);
        let last = self.program_header(PT_GNU_STACK);
        assert!(first < last);
        self.bytes.copy_within(first..first + SIZE, last);
        // p_vaddr and p_memsz of Elf64_Phdr; the section ends with DT_NULL.
        let end = self.get(first + 16) + self.get(first + 40) - 16;
        self.put(first + 16, end);
        self.put_segment_size(first, 16);
        self
    }

    /// Writes the file back.
    pub fn save(self) {
        std::fs::write(&self.path, &self.bytes).expect("the patched file can be written");
    }

    /// The file range of `.note.sandbox`.
    fn section(&self) -> Range<usize> {
        let elf = self.elf();
        let section = elf
            .section_by_name(".note.sandbox")
            .expect("the file has a section .note.sandbox");
        let (offset, size) = section.file_range().expect("a section with contents");
        let start = usize::try_from(offset).expect("a small file");
        start..start + usize::try_from(size).expect("a small file")
    }

    /// The file offset of the PT_NOTE program header that covers the notes.
    fn program_header_of(&self, section: &Range<usize>) -> usize {
        self.find_program_header(|endian, segment| {
            segment.p_type(endian) == PT_NOTE && segment.p_offset(endian) == section.start as u64
        })
    }

    /// The file offset of the first program header of that type.
    fn program_header(&self, kind: ProgramType) -> usize {
        self.find_program_header(|endian, segment| segment.p_type(endian) == kind)
    }

    fn find_program_header(
        &self,
        is_it: impl Fn(Endianness, &ProgramHeader64<Endianness>) -> bool,
    ) -> usize {
        let elf = self.elf();
        let header = elf.elf_header();
        let endian = elf.endian();
        let index = header
            .program_headers(endian, &*self.bytes)
            .expect("program headers")
            .iter()
            .position(|segment| is_it(endian, segment))
            .expect("the program header");
        let table = usize::try_from(header.e_phoff(endian)).expect("a small file");
        table + index * usize::from(header.e_phentsize(endian))
    }

    /// p_filesz and p_memsz of Elf64_Phdr; the low words suffice.
    fn put_segment_size(&mut self, header: usize, size: u32) {
        self.put(header + 32, size);
        self.put(header + 40, size);
    }

    fn elf(&self) -> ElfFile<'_, FileHeader64<Endianness>> {
        ElfFile::parse(&*self.bytes).expect("an ELF file")
    }

    fn place(&self, kind: Kind) -> Place {
        let section = self.section();
        let mut at = section.start;
        while at < section.end {
            let name_size = self.get(at) as usize;
            let descriptor_size = self.get(at + 4) as usize;
            let start = at + 12 + name_size.next_multiple_of(4);
            if self.get(at + 8) == kind as u32 {
                return Place {
                    owner: at + 12,
                    descriptor_size: at + 4,
                    kind: at + 8,
                    descriptor: start..start + descriptor_size,
                };
            }
            at = start + descriptor_size.next_multiple_of(4);
        }
        panic!("no {kind:?} note in {}", self.path.display());
    }

    fn get(&self, at: usize) -> u32 {
        let word = self.bytes[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(word)
    }

    fn put(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}
