//! Whatever the input, a program with a runtime in it is the same program, and
//! the patch can be taken back: what `sandbox_oracle` checks of every pair of
//! files.

use crate::support::Workspace;
use object::elf::{
    DT_INIT, DT_INIT_ARRAY, DT_INIT_ARRAYSZ, DT_VERNEED, DT_VERSYM, PT_DYNAMIC, PT_GNU_EH_FRAME,
    PT_GNU_PROPERTY, PT_LOAD, PT_NOTE,
};
use proptest::prelude::*;
use proptest::sample::Index;
use sandbox_oracle::{check, round_trip_inline};
use sandbox_patch::elf::{self as elf_file, Image, Layout, VirtAddr};
use sandbox_patch::rewrite::{Error, Start};

const MAKES: [&str; 9] = [
    "gcc -static",
    "gcc -static-pie",
    "musl-gcc -static",
    "clang -static -fuse-ld=lld",
    "clang -static-pie -fuse-ld=lld",
    "clang -static -fuse-ld=mold",
    "gcc",
    "clang -fuse-ld=lld",
    "musl-gcc -no-pie",
];

const STARTS: [Start; 2] = [Start::Entry, Start::Main];

fn programs() -> Vec<Vec<u8>> {
    let ws = Workspace::new();
    let compile = |make: &&str| std::fs::read(ws.compile(make, "myos.c")).unwrap();
    MAKES.iter().map(compile).collect()
}

#[test]
fn every_make_is_patched_and_restored() {
    for (program, make) in programs().iter().zip(MAKES) {
        for start in STARTS {
            let patched = round_trip_inline(program, start);
            let patched = patched.unwrap_or_else(|error| panic!("{make}: {error}"));
            assert!(patched.bytes.len() > program.len());
        }
    }
}

/// A patched program, changed in one place, which makes it another program.
fn broken(program: &[u8], patched: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let offset = |bytes, address| {
        let layout = Layout::read(bytes).unwrap();
        let offset = layout.offset_of(VirtAddr(address)).unwrap();
        usize::try_from(offset.0).unwrap()
    };
    let entry = Layout::read(program).unwrap().header.entry.0;
    let runtime = Layout::read(patched).unwrap().header.entry.0;
    let exit = offset(patched, runtime) + 9;
    let e_entry = 24;
    [
        ("the jump to the original entry point", exit),
        ("the entry point", e_entry),
        ("the first instruction", offset(patched, entry)),
    ]
    .map(|(name, at)| {
        let mut bytes = patched.to_vec();
        bytes[at] ^= 4;
        (name, bytes)
    })
    .into()
}

#[test]
fn a_program_that_is_led_elsewhere_is_told() {
    for program in programs() {
        let patched = round_trip_inline(&program, Start::Entry).unwrap().bytes;
        check(&program, &patched).unwrap();
        for (what, bytes) in broken(&program, &patched) {
            assert!(check(&program, &bytes).is_err(), "{what}");
        }
    }
}

#[test]
fn a_program_that_seems_static_to_tools_alone_is_refused() {
    let ws = Workspace::new();
    let mut program = std::fs::read(ws.compile("gcc", "myos.c")).unwrap();
    let layout = Layout::read(&program[..]).unwrap();
    let dynamic = layout.segments.iter().position(|it| it.kind == PT_DYNAMIC);
    let header = usize::try_from(layout.header.phoff.0).unwrap() + 56 * dynamic.unwrap();
    let p_filesz_and_p_memsz = header + 32..header + 48;
    program[p_filesz_and_p_memsz].fill(0);
    let refusal = round_trip_inline(&program, Start::Entry).unwrap_err();
    assert!(
        matches!(refusal, Error::Elf(elf_file::Error::Malformed(_))),
        "{refusal}"
    );
}

#[test]
fn program_headers_do_not_grow_over_symbols_of_unknown_number() {
    let ws = Workspace::new();
    let mut program = std::fs::read(ws.compile("clang -fuse-ld=lld", "myos.c")).unwrap();
    let image = Image::read(program.clone()).unwrap();
    let place = |offset: u64| usize::try_from(offset).unwrap();
    // The symbols, of which the first is of zeros, stand behind what moves; what
    // stands behind them is known by nothing.
    for (index, section) in image.sections.iter().enumerate() {
        let name = image.section_name(section);
        if [".dynsym", ".gnu.version", ".gnu.version_r"].contains(&&name[..]) {
            let header = place(image.header.shoff.0) + 64 * index;
            let sh_flags_and_sh_addr = header + 8..header + 24;
            program[sh_flags_and_sh_addr].fill(0);
        }
    }
    let dynamic = image.dynamic.as_ref().unwrap();
    for (index, entry) in dynamic.entries.iter().enumerate() {
        if [DT_VERSYM, DT_VERNEED].contains(&entry.tag) {
            let unknown = 0x6000_0000_u64 + index as u64;
            let d_tag = place(dynamic.range.start.0) + 16 * index;
            program[d_tag..d_tag + 8].copy_from_slice(&unknown.to_le_bytes());
        }
    }
    round_trip_inline(&program, Start::Entry).unwrap();
}

/// It begins where the notes do whose header the policy's share.
#[test]
fn an_empty_note_segment_is_left_as_it_is() {
    let ws = Workspace::new();
    let path = ws.compile("gcc -static", "myos.c");
    let mut program = std::fs::read(path).unwrap();
    let layout = Layout::read(&program[..]).unwrap();
    let index = |kind| layout.segments.iter().position(|it| it.kind == kind);
    let at = |index: usize| usize::try_from(layout.header.phoff.0).unwrap() + 56 * index;
    let note = at(index(PT_NOTE).unwrap());
    let other = at(index(PT_GNU_PROPERTY).unwrap());
    program.copy_within(note..note + 56, other);
    let p_filesz_and_p_memsz = other + 32..other + 48;
    program[p_filesz_and_p_memsz].fill(0);
    round_trip_inline(&program, Start::Entry).unwrap();
}

/// Only 4 and 8 say how notes are padded.
#[test]
fn notes_of_a_false_alignment_are_moved_as_others() {
    for program in programs() {
        let layout = Layout::read(&program[..]).unwrap();
        let mut odd = program.clone();
        for (index, _) in (layout.segments.iter().enumerate()).filter(|it| it.1.kind == PT_NOTE) {
            let p_align = usize::try_from(layout.header.phoff.0).unwrap() + 56 * index + 48;
            odd[p_align..p_align + 8].copy_from_slice(&5u64.to_le_bytes());
        }
        round_trip_inline(&odd, Start::Entry).unwrap();
    }
}

#[test]
fn initialisers_that_reach_into_the_dynamic_section_are_left_alone() {
    let ws = Workspace::new();
    let mut program = std::fs::read(ws.compile("gcc -no-pie", "myos.c")).unwrap();
    round_trip_inline(&program, Start::Main).unwrap();
    let layout = Layout::read(&program[..]).unwrap();
    let dynamic = layout.dynamic.as_ref().unwrap();
    let size = dynamic
        .entries
        .iter()
        .position(|it| it.tag == DT_INIT_ARRAYSZ);
    let d_val = usize::try_from(dynamic.range.start.0).unwrap() + 16 * size.unwrap() + 8;
    // Its last word is the value of DT_INIT, which leads to code.
    let init = dynamic.entries.iter().position(|it| it.tag == DT_INIT);
    let init = dynamic.range.start.0 + 16 * init.unwrap() as u64 + 8;
    let list = layout.offset_of(VirtAddr(dynamic.get(DT_INIT_ARRAY).unwrap()));
    let reach = init + 8 - list.unwrap().0;
    program[d_val..d_val + 8].copy_from_slice(&reach.to_le_bytes());
    let refusal = round_trip_inline(&program, Start::Main).unwrap_err();
    assert!(matches!(refusal, Error::NoInitialiser(_)), "{refusal}");
}

#[test]
fn initialisers_that_are_in_memory_twice_are_left_alone() {
    let ws = Workspace::new();
    let mut program = std::fs::read(ws.compile("gcc -no-pie", "myos.c")).unwrap();
    let layout = Layout::read(&program[..]).unwrap();
    let header = |index: usize| usize::try_from(layout.header.phoff.0).unwrap() + 56 * index;
    let mut kinds = layout.segments.iter().map(|it| it.kind);
    let data = header(kinds.clone().rposition(|kind| kind == PT_LOAD).unwrap());
    let other = header(kinds.rposition(|kind| kind == PT_GNU_EH_FRAME).unwrap());
    assert!(other > data, "the loadable segments are in order");
    program.copy_within(data..data + 56, other);
    let p_vaddr = other + 16;
    program[p_vaddr + 2] += 0x10;
    let refusal = round_trip_inline(&program, Start::Main).unwrap_err();
    assert!(matches!(refusal, Error::NoInitialiser(_)), "{refusal}");
}

/// Headers and tables are at both ends of a program: flips there reach more than
/// flips in code.
fn place(index: Index, length: usize, anywhere: bool) -> usize {
    const ENDS: usize = 0x900;
    if anywhere {
        return index.index(length);
    }
    let at = index.index(2 * ENDS);
    if at < ENDS {
        at
    } else {
        length - (at - ENDS) - 1
    }
}

thread_local! {
    static PROGRAMS: Vec<Vec<u8>> = programs();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn damaged_programs_are_patched_soundly_or_refused(
        make in 0..MAKES.len(),
        flips in prop::collection::vec((any::<Index>(), any::<u8>(), prop::bool::weighted(0.2)), 1..6),
        late: bool,
    ) {
        let mut program = PROGRAMS.with(|programs| programs[make].clone());
        for (index, value, anywhere) in flips {
            let at = place(index, program.len(), anywhere);
            program[at] ^= value;
        }
        let _ = round_trip_inline(&program, STARTS[usize::from(late)]);
    }
}
