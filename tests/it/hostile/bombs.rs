//! Files that would take gigabytes or minutes if somebody believed their counts and
//! sizes, or looked at each of many things for each of many others.
//!
//! `verify` and `inspect` of a file of 64 MiB take 64 MiB of memory at most, and what
//! takes long here takes a second at most (docs/security-model.md).

use std::time::{Duration, Instant};

use sandbox_format::inline::{Header, Place};
use sandbox_format::note::{self, ByteOrder, kind};
use sandbox_patch::elf::{Chunk, FileOffset, Layout, Source, VirtAddr};
use sandbox_patch::filter;
use sandbox_patch::note::Content;
use sandbox_patch::policy::{Action, Arch, Policy, resolve};
use sandbox_patch::rewrite::Run;
use sandbox_patch::rewrite::undo::{Digest, Move, Undo};

use crate::support::{Workspace, inline_runtime, library};

/// Bytes of the files, but for what makes them programs; and of the memory for them.
#[derive(Clone, Copy)]
struct Size {
    file: usize,
    memory: usize,
}

const SMALL: Size = Size {
    file: 12 << 20,
    memory: 20 << 20,
};
const LARGE: Size = Size {
    file: 63 << 20,
    memory: 64 << 20,
};

/// More than the slowest machine takes for what takes a second.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where the first segment is.
const BASE: u64 = 0x40_0000;

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const PT_NOTE: u64 = 4;
const PT_GNU_STACK: u64 = 0x6474_e551;

const SHT_SYMTAB: u64 = 2;
const SHT_STRTAB: u64 = 3;
const SHT_RELA: u64 = 4;
const SHT_MIPS_OPTIONS: u64 = 0x7000_000d;

mod dt {
    pub(super) const NEEDED: u64 = 1;
    pub(super) const PLTRELSZ: u64 = 2;
    pub(super) const HASH: u64 = 4;
    pub(super) const STRTAB: u64 = 5;
    pub(super) const SYMTAB: u64 = 6;
    pub(super) const RELA: u64 = 7;
    pub(super) const RELASZ: u64 = 8;
    pub(super) const STRSZ: u64 = 10;
    pub(super) const SYMENT: u64 = 11;
    pub(super) const TEXTREL: u64 = 22;
    pub(super) const JMPREL: u64 = 23;
    pub(super) const INIT_ARRAY: u64 = 25;
    pub(super) const INIT_ARRAYSZ: u64 = 27;
    pub(super) const RELRSZ: u64 = 35;
    pub(super) const RELR: u64 = 36;
    pub(super) const GNU_HASH: u64 = 0x6fff_fef5;
    pub(super) const VERNEED: u64 = 0x6fff_fffe;
    pub(super) const SANDBOX: u64 = 0x6000_5342;
}

/// A program that is put together from parts, all of which are in memory at their
/// offset behind [`BASE`].
struct Bomb {
    bytes: Vec<u8>,
    machine: u16,
    is_static: bool,
    /// Dynamic entries.
    entries: Vec<[u64; 2]>,
    /// Program headers: type, flags, offset, address, size, alignment.
    headers: Vec<[u64; 6]>,
    /// Section headers: name, type, flags, address, offset, size, link.
    sections: Vec<[u64; 7]>,
    /// The way back.
    undo: Undo,
    /// Notes beside the policy's, as they are.
    notes: Vec<u8>,
}

/// What a program carries.
#[derive(Clone, Copy, PartialEq)]
enum Carried {
    Nothing,
    /// A policy that a library puts in force.
    Library,
    /// A policy and a runtime for it.
    Runtime,
}

fn words(values: &[u64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn halves(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

impl Bomb {
    fn new() -> Self {
        let mut bomb = Self {
            bytes: vec![0; 64],
            machine: 62,
            is_static: false,
            entries: Vec::new(),
            headers: Vec::new(),
            sections: Vec::new(),
            undo: Undo {
                length: 1 << 30,
                patched_length: 1 << 31,
                place: FileOffset(0),
                digest: Digest::default(),
                runs: vec![Run {
                    original: FileOffset(0),
                    patched: FileOffset(0),
                    size: 1 << 30,
                }],
                originals: Vec::new(),
                moves: Vec::new(),
            },
            notes: Vec::new(),
        };
        // As glibc's programs begin.
        bomb.put(b"\x31\xed\x49\x89\xd1\x5e\x48\x89\xe2\x48\x83\xe4\xf0\x50\x54\xf4");
        let strings = [b"\0", library().as_bytes(), b"\0__libc_start_main\0"].concat();
        let at = bomb.put(&strings);
        bomb.set(dt::STRTAB, at);
        bomb.set(dt::STRSZ, strings.len() as u64);
        let symbols = bomb.put(&[0; 24]);
        bomb.set(dt::SYMTAB, symbols);
        bomb.set(dt::SYMENT, 24);
        bomb
    }

    /// Adds bytes; returns their address.
    fn put(&mut self, bytes: &[u8]) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.bytes.len() as u64;
        self.bytes.extend(bytes);
        BASE + at
    }

    /// Sets the dynamic entry of a tag.
    fn set(&mut self, tag: u64, value: u64) {
        self.entries.retain(|entry| entry[0] != tag);
        self.entries.push([tag, value]);
    }

    fn table(mut self, tag: u64, size_tag: u64, bytes: &[u8]) -> Self {
        let at = self.put(bytes);
        self.set(tag, at);
        self.set(size_tag, bytes.len() as u64);
        self
    }

    fn policy(&self, carried: Carried) -> Vec<u8> {
        let policy = Policy::deny(["reboot"], Action::KillProcess);
        let arch = Arch::from_name("x86_64").expect("an architecture");
        let (resolved, _) = resolve(&policy, arch).expect("a policy");
        let compiled = filter::compile(&resolved).expect("a filter");
        let content = Content {
            policy: resolved.to_json(),
            inline: carried == Carried::Runtime,
            arch: arch.audit(),
            identity: compiled.identity,
            program: compiled.program,
        };
        let undo = self.undo.to_bytes(ByteOrder::Little).expect("a record");
        let notes = content.to_bytes(ByteOrder::Little, 4, None, &undo);
        notes.expect("notes")
    }

    /// The file.
    fn build(mut self, carried: Carried) -> Vec<u8> {
        let mut headers = self.headers.clone();
        if !self.is_static {
            let name = b"/lib64/ld-linux-x86-64.so.2\0";
            let at = self.put(name);
            headers.push(header(PT_INTERP, 4, at, name.len()));
        }
        let policy = self.policy(carried);
        if carried == Carried::Library {
            self.entries.insert(0, [dt::NEEDED, 1]);
            self.entries.push([dt::SANDBOX, note::VERSION.into()]);
            let at = self.put(&policy);
            headers.push(header(PT_NOTE, 4, at, policy.len()));
        }
        if !self.is_static {
            let mut entries = self.entries.concat();
            entries.extend([0; 16]);
            let at = self.put(&words(&entries));
            headers.push(header(PT_DYNAMIC, 6, at, entries.len() * 8));
        }
        headers.push([PT_GNU_STACK, 6, 0, 0, 0, 8]);
        // The table ends the first segment, where it can grow.
        let added = if carried == Carried::Runtime { 3 } else { 1 };
        let count = headers.len() + added;
        let table = self.put(&vec![0; count * 56]) - BASE;
        let size = self.bytes.len() as u64;
        let mut loads = vec![[PT_LOAD, 7, 0, BASE, size, 4096]];
        if carried == Carried::Runtime {
            let start = self.bytes.len().next_multiple_of(4096);
            self.bytes.resize(start, 0);
            let runtime = runtime(BASE + start as u64, BASE + ENTRY, policy.len() as u64);
            let at = BASE + (start + runtime.len()) as u64;
            self.bytes.extend(runtime.iter().chain(&policy));
            let size = (self.bytes.len() - start) as u64;
            let start = start as u64;
            loads.push([PT_LOAD, 5, start, BASE + start, size, 4096]);
            headers.push(header(PT_NOTE, 4, at, policy.len()));
        }
        loads.sort_by_key(|load| load[3]);
        loads.extend(headers);
        let mut place = usize::try_from(table).expect("a small file");
        for [kind, flags, offset, address, size, align] in loads {
            let fields = [
                kind | flags << 32,
                offset,
                address,
                address,
                size,
                size,
                align,
            ];
            self.bytes[place..place + 56].copy_from_slice(&words(&fields));
            place += 56;
        }
        let entry = match carried {
            Carried::Runtime => BASE + size.next_multiple_of(4096),
            _ => BASE + ENTRY,
        };
        let sections = self.section_table();
        let half = |value: usize| {
            u16::try_from(value)
                .expect("a number of headers")
                .to_le_bytes()
        };
        let header = [
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
            [2_u16.to_le_bytes(), self.machine.to_le_bytes()].concat(),
            halves(&[1]),
            words(&[entry, table, sections]),
            halves(&[0]),
            [
                64,
                56,
                count,
                64,
                self.sections.len(),
                self.sections.len().saturating_sub(1),
            ]
            .map(half)
            .concat(),
        ];
        self.bytes[..64].copy_from_slice(&header.concat());
        self.bytes
    }

    /// Puts the section headers at the end; returns their offset.
    fn section_table(&mut self) -> u64 {
        if self.sections.is_empty() {
            return 0;
        }
        let sections = self.sections.clone();
        let header = |&[name, kind, flags, address, offset, size, link]: &[u64; 7]| {
            [
                halves(&[name, kind].map(|it| u32::try_from(it).expect("four bytes"))),
                words(&[flags, address, offset, size, link, 1, 0]),
            ]
            .concat()
        };
        let table: Vec<u8> = sections.iter().flat_map(header).collect();
        self.put(&table) - BASE
    }
}

/// Where the code is that the program begins with.
const ENTRY: u64 = 64;

/// A program header of what is at an address.
fn header(kind: u64, flags: u64, address: u64, size: usize) -> [u64; 6] {
    [kind, flags, address - BASE, address, size as u64, 4]
}

/// The runtime, to stand at an address, to go on to another, before its notes.
fn runtime(address: u64, next: u64, notes: u64) -> Vec<u8> {
    let file = std::fs::read(inline_runtime()).expect("a runtime");
    let layout = Layout::read(&file[..]).expect("a runtime");
    let code = layout.segment(object::elf::PT_LOAD).expect("code");
    let mut code = Source::read_at(&file[..], code.offset, code.filesz).expect("code");
    code.resize(code.len().next_multiple_of(8), 0);
    let notes = Place {
        offset: code.len() as u64,
        size: notes,
        align: 4,
        reserved: 0,
    };
    let next = next.wrapping_sub(address).cast_signed();
    Header { next, notes }
        .write(&mut code)
        .expect("a near place");
    code
}

/// What can be done to a file. What changes it writes elsewhere.
const LOOKING: [&str; 2] = ["verify", "inspect --json"];
const REMOVING: [&str; 2] = ["remove -o out", "remove --best-effort -o out"];
const PATCHING: [&str; 2] = ["--deny uname -o out", "--inline --deny uname -o out"];

/// Every verb ends in time, by itself, and within memory that looking at a file may
/// take; others may take more.
#[track_caller]
fn assert_harmless(make: impl Fn(usize) -> Bomb, size: Size) {
    let ws = Workspace::new();
    for (carried, verbs) in [
        (Carried::Nothing, [PATCHING, LOOKING].concat()),
        (Carried::Library, [LOOKING, REMOVING].concat()),
        (Carried::Runtime, [LOOKING, REMOVING].concat()),
    ] {
        let file = make(size.file).build(carried);
        assert!(file.len() < size.file + (1 << 20), "{} bytes", file.len());
        ws.write("bomb", file);
        for verb in verbs {
            let memory = if LOOKING.contains(&verb) {
                size.memory
            } else {
                6 * size.memory
            };
            let start = Instant::now();
            let outcome = ws.run(&format!(
                "ulimit -d {}; exec sandbox-patch {verb} -j 1 bomb >said",
                memory >> 10
            ));
            let taken = start.elapsed();
            println!(
                "{taken:?} {verb}: {}",
                outcome.stderr.lines().next().unwrap_or_default()
            );
            assert!(matches!(outcome.status(), Some(0 | 1)), "{verb}: {outcome}");
            assert!(taken < PATIENCE, "{verb}: {taken:?}");
        }
    }
}

fn many_libraries_of_one_long_name(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let at = bomb.put(
        &[
            &[0][..],
            library().as_bytes(),
            &[0],
            &vec![b'A'; size / 2],
            &[0],
        ]
        .concat(),
    );
    bomb.set(dt::STRTAB, at);
    bomb.set(dt::STRSZ, size as u64 / 2);
    let name = |index: u64| {
        [
            dt::NEEDED,
            library().len() as u64 + 2 + size as u64 / 2 - 4000 + index % 3000,
        ]
    };
    bomb.entries.extend((0..60_000).map(name));
    bomb
}

fn millions_of_dynamic_entries(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    bomb.entries.resize(size / 16, [dt::NEEDED, 1]);
    bomb
}

fn many_sections_of_long_names(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let names = size - (5 << 20);
    let at = bomb.put(&vec![b'A'; names]) - BASE;
    for index in 0..65_000 {
        bomb.sections.push([index, 1, 0, 0, 0, 0, 0]);
    }
    bomb.sections
        .push([0, SHT_STRTAB, 0, 0, at, names as u64, 0]);
    bomb
}

fn program_headers_of_the_same_notes(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let at = bomb.put(&vec![0; size]);
    bomb.headers.resize(1100, header(PT_NOTE, 4, at, size));
    bomb
}

fn program_headers_of_many_notes(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let at = bomb.put(&vec![0; size]);
    let part = size / 1100 / 8 * 8;
    let each = (0..1100).map(|index| header(PT_NOTE, 4, at + (index * part) as u64, part));
    bomb.headers = each.collect();
    bomb
}

fn more_program_headers_than_the_kernel_reads(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    bomb.headers
        .resize((size / 56).min(65_000), [PT_GNU_STACK, 6, 0, 0, 0, 8]);
    bomb
}

fn millions_of_empty_notes(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    bomb.notes = vec![0; size];
    bomb
}

fn note(owner: &[u8; 8], kind: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a small file");
    [&halves(&[8, length, kind])[..], owner, content].concat()
}

fn one_long_note(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    bomb.notes = note(b"somebody", 1, &vec![0; size - 32]);
    bomb
}

fn a_policy_of_arrays_in_arrays(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    bomb.notes = note(b"sandbox\0", kind::POLICY, &vec![b'['; size / 4 * 4 - 32]);
    bomb
}

fn a_record_of_millions_of_ranges(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let range = |offset: usize| Chunk {
        offset: FileOffset(offset as u64),
        bytes: vec![0; 4],
    };
    bomb.undo.originals = (0..size / 24 - 100).map(range).collect();
    bomb
}

fn a_record_of_many_large_moves(_: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let moved = Move {
        from: VirtAddr(BASE),
        to: VirtAddr(BASE),
        size: 1 << 20,
    };
    bomb.undo.moves.resize(4000, moved);
    bomb.undo.originals = vec![Chunk {
        offset: FileOffset(0),
        bytes: vec![0; 64],
    }];
    bomb
}

/// Of which each copies a symbol from elsewhere.
fn millions_of_relocations(size: usize) -> Bomb {
    const R_X86_64_COPY: u64 = 5;
    let mut table = Vec::with_capacity(size);
    for index in 0..size as u64 / 24 {
        table.extend(words(&[
            BASE + 64,
            (index * 7919 % 100_000) << 32 | R_X86_64_COPY,
            0,
        ]));
    }
    let mut bomb = Bomb::new().table(dt::RELA, dt::RELASZ, &table);
    bomb.set(dt::TEXTREL, 0);
    let (at, length) = (
        bomb.entries
            .iter()
            .find(|it| it[0] == dt::RELA)
            .expect("a table")[1],
        table.len(),
    );
    bomb.set(dt::JMPREL, at);
    bomb.set(dt::PLTRELSZ, length as u64);
    let at = bomb.put(&words(&[BASE + 64]));
    bomb.set(dt::INIT_ARRAY, at);
    bomb.set(dt::INIT_ARRAYSZ, 8);
    bomb
}

fn packed_relocations_of_everything(size: usize) -> Bomb {
    let mut bomb = Bomb::new().table(dt::RELR, dt::RELRSZ, &vec![0xff; size / 8 * 8]);
    bomb.set(dt::TEXTREL, 0);
    let at = bomb.put(&words(&[BASE + 64]));
    bomb.set(dt::INIT_ARRAY, at);
    bomb.set(dt::INIT_ARRAYSZ, 8);
    bomb
}

fn millions_of_initialisers(size: usize) -> Bomb {
    Bomb::new().table(
        dt::INIT_ARRAY,
        dt::INIT_ARRAYSZ,
        &words(&vec![BASE + 64; size / 8]),
    )
}

/// Each of which has nearly all strings for its name, in a table that fits.
fn millions_of_symbols_of_one_long_name(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let name = vec![b'A'; size / 3];
    let strings = [&[0], &name[..], &[0]].concat();
    let at = bomb.put(&strings);
    bomb.set(dt::STRTAB, at);
    bomb.set(dt::STRSZ, strings.len() as u64);
    let count = size / 3 * 2 / 28;
    let symbol = [&halves(&[1, 0])[..], &words(&[0, 0])].concat();
    let at = bomb.put(&[vec![0; 24], symbol.repeat(count)].concat());
    bomb.set(dt::SYMTAB, at);
    let hash = object::elf::gnu_hash(&name);
    let mut table = halves(&[1, 1, 1, 0, 0, 0, 1]);
    table.extend(halves(&vec![hash & !1; count - 1]));
    table.extend(halves(&[hash | 1]));
    let at = bomb.put(&table);
    bomb.set(dt::GNU_HASH, at);
    let at = bomb.put(&words(&[BASE + 64]));
    bomb.set(dt::INIT_ARRAY, at);
    bomb.set(dt::INIT_ARRAYSZ, 8);
    bomb
}

fn a_hash_table_with_millions_of_chains(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let count = u32::try_from(size / 4 - 2).expect("a small file");
    let mut table = vec![0; size];
    table[..8].copy_from_slice(&halves(&[1, count - 1]));
    let at = bomb.put(&table);
    bomb.set(dt::HASH, at);
    // As many symbols as it says would be in the same bytes.
    bomb.set(dt::SYMTAB, BASE + 64);
    bomb
}

fn a_gnu_hash_table_with_millions_of_buckets(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let count = u32::try_from(size / 4 - 8).expect("a small file");
    let mut table = vec![0; size];
    table[..16].copy_from_slice(&halves(&[count, 1, 1, 0]));
    let at = bomb.put(&table);
    bomb.set(dt::GNU_HASH, at);
    bomb
}

fn a_gnu_hash_table_without_an_end(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let mut table = vec![0; size];
    table[..28].copy_from_slice(&halves(&[1, 1, 1, 0, 0, 0, 1]));
    let at = bomb.put(&table);
    bomb.set(dt::GNU_HASH, at);
    let at = bomb.put(&words(&[BASE + 64]));
    bomb.set(dt::INIT_ARRAY, at);
    bomb.set(dt::INIT_ARRAYSZ, 8);
    bomb
}

/// A chain of all records, of each of which another chain has all as well.
fn chains_of_versions(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let record = halves(&[1 | 0xffff << 16, 1, 16, 16]);
    let at = bomb.put(&record.repeat(size / 16));
    bomb.set(dt::VERNEED, at);
    bomb
}

/// In each of which all of the file is relocations.
fn sections_of_the_same_relocations(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    bomb.is_static = true;
    let names = bomb.put(b"\0") - BASE;
    let rest = size - (5 << 20);
    let mut table = vec![0; rest / 24 * 24];
    table.fill(1);
    let at = bomb.put(&table);
    let list = bomb.put(&words(&[BASE + 64]));
    bomb.sections.push([0, 14, 3, list, list - BASE, 8, 0]);
    bomb.sections.resize(
        65_000,
        [0, SHT_RELA, 2, at, at - BASE, table.len() as u64, 0],
    );
    bomb.sections.push([0, SHT_STRTAB, 0, 0, names, 1, 0]);
    bomb
}

/// For tools, each of the loader's name.
fn millions_of_symbols_that_name_a_piece(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    let strings = vec![b'$'; size / 4];
    let names = bomb.put(&strings) - BASE;
    let symbol = |index: u32| [halves(&[index, 1 << 16]), words(&[BASE + 64, 0])].concat();
    let count = u32::try_from(size / 2 / 24).expect("a small file");
    let table: Vec<u8> = (0..count).flat_map(symbol).collect();
    let at = bomb.put(&table) - BASE;
    bomb.sections
        .push([0, SHT_SYMTAB, 0, 0, at, table.len() as u64, 1]);
    bomb.sections
        .push([0, SHT_STRTAB, 0, 0, names, strings.len() as u64, 0]);
    bomb
}

fn sections_that_a_processor_has_programs_tell_of_themselves(size: usize) -> Bomb {
    const EM_MIPS: u16 = 8;
    let mut bomb = Bomb::new();
    bomb.machine = EM_MIPS;
    let at = bomb.put(&vec![0; size / 4]);
    for index in 0..65_000 {
        bomb.sections
            .push([0, SHT_MIPS_OPTIONS, 2, at + index, at + index - BASE, 1, 0]);
    }
    let names = bomb.put(b"\0") - BASE;
    bomb.sections.push([0, SHT_STRTAB, 0, 0, names, 1, 0]);
    bomb
}

fn nothing_but_zeros(size: usize) -> Bomb {
    let mut bomb = Bomb::new();
    bomb.put(&vec![0; size]);
    bomb
}

macro_rules! bombs {
    ($($name:ident),* $(,)?) => {
        mod small {
            $(
                #[test]
                fn $name() {
                    super::assert_harmless(super::$name, super::SMALL);
                }
            )*
        }

        /// As large as the bound is for.
        mod large {
            $(
                #[test]
                #[ignore = "long: files of 64 MiB"]
                fn $name() {
                    super::assert_harmless(super::$name, super::LARGE);
                }
            )*
        }
    };
}

bombs!(
    many_libraries_of_one_long_name,
    millions_of_dynamic_entries,
    many_sections_of_long_names,
    program_headers_of_the_same_notes,
    program_headers_of_many_notes,
    more_program_headers_than_the_kernel_reads,
    millions_of_empty_notes,
    one_long_note,
    a_policy_of_arrays_in_arrays,
    a_record_of_millions_of_ranges,
    a_record_of_many_large_moves,
    millions_of_relocations,
    packed_relocations_of_everything,
    millions_of_initialisers,
    millions_of_symbols_of_one_long_name,
    a_hash_table_with_millions_of_chains,
    a_gnu_hash_table_with_millions_of_buckets,
    a_gnu_hash_table_without_an_end,
    chains_of_versions,
    sections_of_the_same_relocations,
    millions_of_symbols_that_name_a_piece,
    sections_that_a_processor_has_programs_tell_of_themselves,
    nothing_but_zeros,
);
