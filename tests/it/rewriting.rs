//! Whatever the input, a patched program is the same program, and the patch can
//! be taken back: what `sandbox_oracle` checks of every pair of files.

use crate::support::Workspace;
use object::elf;
use proptest::prelude::*;
use proptest::sample::Index;
use sandbox_oracle::round_trip;
use sandbox_patch::elf::{self as elf_file, Image, Layout, Source};
use sandbox_patch::rewrite::{Error, Position};

const MAKES: [&str; 8] = [
    "gcc",
    "gcc -no-pie -s",
    "gcc -Wl,-z,noseparate-code",
    "clang -fuse-ld=lld",
    "clang -fuse-ld=lld -no-pie -s",
    "clang -fuse-ld=mold",
    "musl-gcc",
    "musl-gcc -no-pie -s",
];

fn programs() -> Vec<Vec<u8>> {
    let ws = Workspace::new();
    let compile =
        |(index, make): (usize, &&str)| ws.compile_as(make, "myos.c", &format!("program-{index}"));
    MAKES
        .iter()
        .enumerate()
        .map(compile)
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

#[test]
fn every_make_is_patched_and_restored() {
    for (program, make) in programs().iter().zip(MAKES) {
        for position in [Position::First, Position::Last] {
            let patched =
                round_trip(program, position).unwrap_or_else(|error| panic!("{make}: {error}"));
            assert!(patched.bytes.len() > program.len());
        }
    }
}

/// Changes a patched program in one place, which makes it another program.
fn break_in_turn(patched: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let image = Image::read(patched).unwrap();
    let note = image
        .sections
        .iter()
        .position(|section| image.section_name(section) == ".note.sandbox");
    let section = image.header.shoff.0 + 64 * note.unwrap() as u64;
    let dynamic = image.dynamic.as_ref().unwrap().range.start.0;
    let segment = |kind| {
        let index = image.segments.iter().position(|it| it.kind == kind);
        image.header.phoff.0 + 56 * index.unwrap() as u64
    };
    let text = image.offset_of(image.header.entry).unwrap().0;
    let strings = image.dynamic_strings().unwrap().start.0;
    let places = [
        ("e_entry", 24),
        ("code", text),
        ("a dynamic entry", dynamic + 16 * 2 + 8),
        ("a dynamic string", strings + 1),
        (
            "the interpreter's name",
            image.segment(elf::PT_INTERP).unwrap().offset.0,
        ),
        ("p_flags of PT_GNU_STACK", segment(elf::PT_GNU_STACK) + 4),
        ("p_vaddr of PT_PHDR", segment(elf::PT_PHDR) + 16),
        ("p_vaddr of PT_NOTE", segment(elf::PT_NOTE) + 16),
        ("p_vaddr of PT_LOAD", segment(elf::PT_LOAD) + 17),
        ("sh_offset of .note.sandbox", section + 25),
    ];
    let change = |(what, at): (_, u64)| {
        let mut broken = patched.to_vec();
        broken[usize::try_from(at).unwrap()] ^= 1;
        (what, broken)
    };
    places.into_iter().map(change).collect()
}

#[test]
fn a_change_to_a_patched_program_is_noticed() {
    for (program, make) in programs().iter().zip(MAKES) {
        let patched = round_trip(program, Position::First).unwrap().bytes;
        assert_eq!(sandbox_oracle::check(program, &patched), Ok(()));
        for (what, broken) in break_in_turn(&patched) {
            let verdict = sandbox_oracle::check(program, &broken);
            assert!(verdict.is_err(), "{make}: {what}");
        }
    }
}

#[test]
fn headers_and_entries_that_lead_elsewhere_are_refused() {
    let ws = Workspace::new();
    let program = std::fs::read(ws.compile("gcc", "myos.c")).unwrap();
    let layout = Layout::read(&program[..]).unwrap();
    let header = |kind, field| {
        let index = layout.segments.iter().position(|it| it.kind == kind);
        layout.header.phoff.0 + 56 * index.unwrap() as u64 + field
    };
    let dynamic = layout.dynamic.as_ref().unwrap();
    let entry = |tag| {
        let index = dynamic.entries.iter().position(|it| it.tag == tag);
        dynamic.range.start.0 + 16 * index.unwrap() as u64 + 8
    };
    let interpreter = layout.segment(elf::PT_INTERP).unwrap().vaddr.0;
    let (p_type, p_offset, p_vaddr, p_filesz, p_memsz) = (0, 8, 16, 32, 40);
    let (e_phoff, d_tag) = (32, -8);
    let spare = entry(elf::DT_RELACOUNT);
    let dynamic_type = u64::from(elf::PT_DYNAMIC.0);
    let beyond = layout.load_of(layout.segment(elf::PT_DYNAMIC).unwrap().vaddr);
    let beyond = beyond.unwrap().filesz;
    for fields in [
        vec![(entry(elf::DT_GNU_HASH), interpreter + 8)],
        vec![(entry(elf::DT_VERSYM), interpreter)],
        vec![(entry(elf::DT_SYMENT), 25)],
        vec![(e_phoff, 8)],
        vec![
            (header(elf::PT_DYNAMIC, p_offset), 0),
            (header(elf::PT_DYNAMIC, p_vaddr), 0),
        ],
        vec![
            (
                spare.strict_add_signed(d_tag),
                elf::DT_RELA.0.cast_unsigned(),
            ),
            (spare, dynamic.get(elf::DT_GNU_HASH).unwrap()),
        ],
        vec![(
            entry(elf::DT_SYMTAB),
            layout.segment(elf::PT_DYNAMIC).unwrap().vaddr.0 + 8,
        )],
        vec![(header(elf::PT_LOAD, p_vaddr), 8)],
        vec![(header(elf::PT_GNU_EH_FRAME, p_type), dynamic_type)],
        vec![(
            header(elf::PT_GNU_EH_FRAME, p_offset),
            dynamic.range.start.0,
        )],
        vec![
            (header(elf::PT_DYNAMIC, p_filesz), beyond),
            (header(elf::PT_DYNAMIC, p_memsz), beyond),
        ],
    ] {
        let mut damaged = program.clone();
        for &(at, value) in &fields {
            let at = usize::try_from(at).unwrap();
            damaged[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
        }
        let refusal = round_trip(&damaged, Position::First).unwrap_err();
        assert!(
            matches!(refusal, Error::Elf(elf_file::Error::Malformed(_))),
            "{fields:x?}: {refusal}"
        );
    }
}

#[test]
fn relocations_that_reach_into_the_strings_are_refused() {
    let ws = Workspace::new();
    let mut program = std::fs::read(ws.compile("gcc -s -Wl,--hash-style=sysv", "myos.c")).unwrap();
    // No section says where the strings are.
    let e_shoff = 40..48;
    program[e_shoff].fill(0);
    let layout = Layout::read(&program[..]).unwrap();
    let dynamic = layout.dynamic.as_ref().unwrap();
    let relocations = dynamic.get(elf::DT_RELA).unwrap();
    let mut entries = dynamic.entries.iter();
    let index = entries.position(|it| it.tag == elf::DT_STRTAB);
    let d_val = usize::try_from(dynamic.range.start.0).unwrap() + 16 * index.unwrap() + 8;
    program[d_val..d_val + 8].copy_from_slice(&(relocations + 24).to_le_bytes());
    let refusal = round_trip(&program, Position::First).unwrap_err();
    assert!(
        matches!(refusal, Error::Elf(elf_file::Error::Malformed(_))),
        "{refusal}"
    );
}

/// What leaves another segment leaves no room at the addresses of the first.
#[test]
fn notes_do_not_move_to_another_segment_of_the_first_page() {
    let ws = Workspace::new();
    let make = "clang -s -fuse-ld=mold -Wl,--hash-style=sysv";
    let mut program = std::fs::read(ws.compile(make, "myos.c")).unwrap();
    let e_shoff = 40..48;
    program[e_shoff].fill(0);
    let layout = Layout::read(&program[..]).unwrap();
    let place = |offset: u64| usize::try_from(offset).unwrap();
    // The strings are where the code begins.
    let strings = layout.dynamic_strings().unwrap();
    let from = place(strings.start.0)..place(strings.end().0);
    let to = place(layout.offset_of(layout.header.entry).unwrap().0);
    assert!(to < 0x1000, "in the first page");
    program.copy_within(from, to);
    let dynamic = layout.dynamic.as_ref().unwrap();
    for (tag, value) in [
        (elf::DT_STRTAB, layout.header.entry.0),
        (elf::DT_STRSZ, 256),
    ] {
        let mut entries = dynamic.entries.iter();
        let index = entries.position(|it| it.tag == tag);
        let d_val = place(dynamic.range.start.0) + 16 * index.unwrap() + 8;
        program[d_val..d_val + 8].copy_from_slice(&value.to_le_bytes());
    }
    round_trip(&program, Position::First).unwrap();
}

#[test]
fn symbols_that_share_bytes_with_strings_are_refused() {
    let ws = Workspace::new();
    let make = "gcc -s -Wl,--hash-style=sysv";
    let mut program = std::fs::read(ws.compile(make, "myos.c")).unwrap();
    let layout = Layout::read(&program[..]).unwrap();
    let dynamic = layout.dynamic.as_ref().unwrap();
    let mut entries = dynamic.entries.iter();
    let index = entries.position(|it| it.tag == elf::DT_SYMTAB);
    let d_val = usize::try_from(dynamic.range.start.0).unwrap() + 16 * index.unwrap() + 8;
    program[d_val] += 4;
    let refusal = round_trip(&program, Position::First).unwrap_err();
    assert!(
        matches!(refusal, Error::Elf(elf_file::Error::Malformed(_))),
        "{refusal}"
    );
}

/// A copy of a program with its program header table behind everything else,
/// made longer by `PT_NULL`.
fn with_headers(program: &[u8], count: u16) -> Vec<u8> {
    let layout = Layout::read(program).unwrap();
    let (size, own) = (56, 56 * layout.segments.len());
    let start = usize::try_from(layout.header.phoff.0).unwrap();
    let mut longer = program.to_vec();
    longer.resize(program.len().next_multiple_of(8), 0);
    let (e_phoff, e_phnum) = (32, 56);
    let phoff = longer.len() as u64;
    longer.extend(&program[start..start + own]);
    longer.resize(longer.len() + size * usize::from(count) - own, 0);
    longer[e_phoff..e_phoff + 8].copy_from_slice(&phoff.to_le_bytes());
    longer[e_phnum..e_phnum + 2].copy_from_slice(&count.to_le_bytes());
    longer
}

#[test]
fn a_program_header_table_becomes_no_longer_than_the_kernel_takes() {
    let ws = Workspace::new();
    let program = std::fs::read(ws.compile("gcc", "myos.c")).unwrap();
    // 65,536 bytes are 1170 headers of 56.
    round_trip(&with_headers(&program, 1168), Position::First).unwrap();
    let refusal = round_trip(&with_headers(&program, 1169), Position::First).unwrap_err();
    assert!(matches!(refusal, Error::TooManyHeaders { .. }), "{refusal}");
}

/// Where the section header of a name is in the file.
fn section_header(program: &[u8], name: &str) -> usize {
    let image = Image::read(program).unwrap();
    let mut sections = image.sections.iter();
    let index = sections.position(|it| image.section_name(it) == name);
    usize::try_from(image.header.shoff.0).unwrap() + 64 * index.unwrap()
}

#[test]
fn section_names_in_the_dynamic_strings_stay_there_and_are_copied() {
    let ws = Workspace::new();
    let mut program = std::fs::read(ws.compile("gcc", "myos.c")).unwrap();
    let image = Image::read(&program[..]).unwrap();
    let mut sections = image.sections.iter();
    let strings = sections.position(|it| image.section_name(it) == ".dynstr");
    let e_shstrndx = 62;
    program[e_shstrndx] = u8::try_from(strings.unwrap()).unwrap();
    let patched = round_trip(&program, Position::First).unwrap().bytes;
    let names = |bytes: &[u8]| -> Vec<String> {
        let image = Image::read(bytes).unwrap();
        let name = |section| image.section_name(section);
        image.sections.iter().map(name).collect()
    };
    let after = names(&patched);
    let added = names(&program).len();
    assert_eq!(after[added..], [".note.sandbox", ".shstrtab"]);
}

#[test]
fn program_headers_keep_what_need_not_change() {
    let ws = Workspace::new();
    let make = "clang -fuse-ld=lld -no-pie";
    let program = std::fs::read(ws.compile(make, "myos.c")).unwrap();
    let layout = Layout::read(&program[..]).unwrap();
    let segment = |kind| {
        let index = layout.segments.iter().position(|it| it.kind == kind);
        usize::try_from(layout.header.phoff.0).unwrap() + 56 * index.unwrap()
    };
    let dynamic = layout.dynamic.as_ref().unwrap().range.start.0;
    let (p_offset, p_vaddr, p_filesz, p_memsz) = (8, 16, 32, 40);
    // The second segment also starts with the ELF file, but ends earlier.
    let loads = layout.segments.iter().map(|it| it.kind == elf::PT_LOAD);
    let second = loads.enumerate().filter(|it| it.1).nth(1).unwrap().0;
    let second = usize::try_from(layout.header.phoff.0).unwrap() + 56 * second;
    for fields in [
        vec![(segment(elf::PT_INTERP) + p_memsz, 0x1000)],
        vec![(second + p_offset, 0), (second + p_vaddr, 0x20_1000)],
        vec![
            (segment(elf::PT_GNU_STACK) + p_offset, dynamic),
            (segment(elf::PT_GNU_STACK) + p_filesz, 0x1000),
        ],
    ] {
        let mut odd = program.clone();
        for (at, value) in fields {
            odd[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
        }
        round_trip(&odd, Position::First).unwrap();
    }
}

#[test]
fn section_headers_behind_the_end_of_the_file_are_none() {
    let ws = Workspace::new();
    let mut program = std::fs::read(ws.compile("gcc", "myos.c")).unwrap();
    let (e_shoff, e_shnum) = (40..48, 60..62);
    let behind = program.len() as u64 + 0x100;
    program[e_shoff].copy_from_slice(&behind.to_le_bytes());
    program[e_shnum].fill(0);
    let patched = round_trip(&program, Position::First).unwrap().bytes;
    assert_eq!(Layout::read(&patched[..]).unwrap().header.shoff.0, 0);
}

/// In the longer file they might say something else.
#[test]
fn section_headers_that_cannot_be_read_are_left_out() {
    let ws = Workspace::new();
    let mut program = std::fs::read(ws.compile("gcc", "myos.c")).unwrap();
    let sh_size = section_header(&program, ".shstrtab") + 32;
    let too_much = program.len() as u64;
    program[sh_size..sh_size + 8].copy_from_slice(&too_much.to_le_bytes());
    assert_eq!(Layout::read(&program[..]).unwrap().sections.len(), 0);
    let patched = round_trip(&program, Position::First).unwrap().bytes;
    assert_eq!(Layout::read(&patched[..]).unwrap().header.shoff.0, 0);
}

#[test]
fn programs_at_addresses_of_the_kernel_are_refused() {
    let ws = Workspace::new();
    let mut program = std::fs::read(ws.compile("gcc", "myos.c")).unwrap();
    let layout = Layout::read(&program[..]).unwrap();
    let last = layout
        .segments
        .iter()
        .rposition(|it| it.kind == elf::PT_LOAD);
    let p_memsz = usize::try_from(layout.header.phoff.0).unwrap() + 56 * last.unwrap() + 40;
    program[p_memsz..p_memsz + 8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    let refusal = round_trip(&program, Position::First).unwrap_err();
    assert!(
        matches!(refusal, Error::Elf(elf_file::Error::Foreign)),
        "{refusal}"
    );
}

#[test]
fn section_headers_that_are_more_than_the_file_can_hold_are_none() {
    let ws = Workspace::new();
    let mut program = std::fs::read(ws.compile("gcc", "myos.c")).unwrap();
    let (e_shnum, sh_size) = (60..62, 32);
    let first = usize::try_from(Layout::read(&program[..]).unwrap().header.shoff.0).unwrap();
    program[e_shnum].fill(0);
    program[first + sh_size..][..8].copy_from_slice(&0x10_0000_u64.to_le_bytes());
    let layout = Layout::read(&program[..]).unwrap();
    assert_eq!(layout.sections.len(), 0);
    round_trip(&program, Position::First).unwrap();
}

#[test]
fn section_headers_of_a_false_type_are_left_alone() {
    let ws = Workspace::new();
    let make = "clang -fuse-ld=lld";
    let program = std::fs::read(ws.compile(make, "myos.c")).unwrap();
    let (sh_type, sh_offset) = (4, 24);
    // Nobody looks for content of type SHT_NULL; headers are no symbols.
    let dynamic = section_header(&program, ".dynamic") + sh_type;
    let symbols = section_header(&program, ".symtab") + sh_offset;
    for (at, size) in [(dynamic, 4), (symbols, 8)] {
        let mut damaged = program.clone();
        damaged[at..at + size].fill(0);
        round_trip(&damaged, Position::First).unwrap();
    }
}

#[test]
fn section_headers_of_a_false_size_are_left_alone() {
    let ws = Workspace::new();
    // Where the dynamic section moves, and its header grows to a page.
    let make = "gcc -no-pie -Wl,-z,noseparate-code,--spare-dynamic-tags=0";
    let mut program = std::fs::read(ws.compile(make, "myos.c")).unwrap();
    let sh_size = section_header(&program, ".dynamic") + 32;
    program[sh_size..sh_size + 8].copy_from_slice(&0x11d0_u64.to_le_bytes());
    program.extend([1; 0x1000]);
    round_trip(&program, Position::First).unwrap();
}

#[test]
fn a_patch_is_the_same_each_time() {
    for program in programs() {
        let bytes = || round_trip(&program, Position::First).unwrap().bytes;
        assert_eq!(bytes(), bytes());
    }
}

#[test]
fn only_what_must_move_moves() {
    let ws = Workspace::new();
    let moved = |make: &str| {
        let program = std::fs::read(ws.compile(make, "myos.c")).unwrap();
        round_trip(&program, Position::First).unwrap().moved
    };
    assert_eq!(
        moved("gcc"),
        [
            ".interp",
            "notes",
            "notes",
            ".gnu.hash",
            ".dynsym",
            ".dynstr"
        ]
    );
    assert_eq!(
        moved("clang -fuse-ld=lld"),
        [".interp", "notes", ".dynsym", ".dynstr", ".dynamic"]
    );
    assert_eq!(
        moved("musl-gcc"),
        [".interp", ".hash", ".gnu.hash", ".dynstr"]
    );
}

/// Where the headers, tables and the dynamic section are: flips there reach
/// more than flips in code.
fn interesting(program: &[u8], index: Index, anywhere: bool) -> usize {
    let layout = Layout::read(program).unwrap();
    let dynamic = layout.dynamic.as_ref().unwrap().range;
    let spots = [
        (0, 0x700),
        (dynamic.start.0, dynamic.size),
        (
            layout.header.shoff.0,
            program
                .length()
                .unwrap()
                .saturating_sub(layout.header.shoff.0),
        ),
    ];
    if anywhere {
        return index.index(program.len());
    }
    let mut at =
        index.index(usize::try_from(spots.iter().map(|spot| spot.1).sum::<u64>()).unwrap()) as u64;
    for (start, size) in spots {
        if at < size {
            return usize::try_from(start + at).unwrap();
        }
        at -= size;
    }
    0
}

thread_local! {
    static PROGRAMS: Vec<Vec<u8>> = programs();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_programs_are_patched_soundly_or_refused(
        make in 0..MAKES.len(),
        flips in prop::collection::vec((any::<Index>(), any::<u8>(), prop::bool::weighted(0.2)), 1..6),
        last: bool,
    ) {
        let mut program = PROGRAMS.with(|programs| programs[make].clone());
        let intact = program.clone();
        for (index, value, anywhere) in flips {
            program[interesting(&intact, index, anywhere)] ^= value;
        }
        let _ = round_trip(&program, if last { Position::Last } else { Position::First });
    }

    #[test]
    fn programs_cut_off_are_patched_soundly_or_refused(make in 0..MAKES.len(), length: Index) {
        let program = PROGRAMS.with(|programs| programs[make].clone());
        let _ = round_trip(&program[..length.index(program.len())], Position::First);
    }

    #[test]
    fn arbitrary_bytes_behind_a_magic_number_are_read_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        is_64: bool,
        big_endian: bool,
    ) {
        let ident = [0x7f, b'E', b'L', b'F', if is_64 { 2 } else { 1 }, if big_endian { 2 } else { 1 }, 1];
        let file = [&ident[..], &bytes].concat();
        let _ = round_trip(&file, Position::First);
    }
}
