//! Whatever the input, a planned patch leaves every loaded byte where it was,
//! but for those that the plan names, and can be taken back.

mod support;

use object::elf;
use proptest::prelude::*;
use proptest::sample::Index;
use sandbox_format::bpf::Instruction;
use sandbox_patch::elf::{Chunk, Layout, Plan, Position, Request, Source, embedded};
use sandbox_patch::note::Content;
use support::Workspace;

const LIBRARY: &str = "/usr/lib/sandbox-patch/libsandbox.so";

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

fn content() -> Content {
    Content {
        policy: br#"{"a policy":"of any text"}"#.to_vec(),
        flags: 0,
        arch: 0xc000_003e,
        program: vec![
            Instruction {
                code: 6,
                jt: 0,
                jf: 0,
                k: 0x7fff_0000
            };
            40
        ],
    }
}

fn plan(program: &[u8], position: Position) -> Result<(Layout, Plan), sandbox_patch::elf::Error> {
    let layout = Layout::read(program)?;
    let content = content();
    let request = Request {
        library: LIBRARY,
        position,
        content: &content,
    };
    let plan = Plan::make(&layout, program, &request)?;
    Ok((layout, plan))
}

fn put(bytes: &mut Vec<u8>, chunk: &Chunk) {
    let start = usize::try_from(chunk.offset).unwrap();
    bytes.resize(bytes.len().max(start + chunk.bytes.len()), 0);
    bytes[start..start + chunk.bytes.len()].copy_from_slice(&chunk.bytes);
}

fn patched(program: &[u8], plan: &Plan) -> Vec<u8> {
    let bytes = plan.applied_to(program).read_at(0, plan.length());
    bytes.expect("a patched file")
}

/// What must hold for every plan, be the input sound or not.
fn check(program: &[u8], position: Position) -> Result<Plan, sandbox_patch::elf::Error> {
    let (before, plan) = plan(program, position)?;
    let bytes = patched(program, &plan);
    let after = Layout::read(&bytes[..]).expect("a patched file can be read");

    // The same content at the same addresses, with the same permissions.
    for old in before.segments_of(elf::PT_LOAD) {
        let mut news = after.segments_of(elf::PT_LOAD);
        assert!(
            news.any(|new| new == old),
            "a loadable segment changed: {old:?}"
        );
    }
    let mut unchanged = program.to_vec();
    plan.overwrites
        .iter()
        .for_each(|chunk| put(&mut unchanged, chunk));
    let kept = usize::try_from(plan.kept).unwrap();
    assert_eq!(
        bytes[..kept],
        unchanged[..kept],
        "a byte changed that the plan does not name"
    );
    let tail = &program[kept..];
    assert!(bytes.ends_with(tail), "what was appended is not at the end");

    // New segments are apart from the old ones, and none is both writable and
    // executable.
    let old_end = before
        .segments_of(elf::PT_LOAD)
        .map(|load| load.vaddr + load.memsz)
        .max();
    for new in after
        .segments_of(elf::PT_LOAD)
        .filter(|new| !before.segments.contains(new))
    {
        assert!(
            Some(new.vaddr) >= old_end,
            "a new segment overlaps: {new:?}"
        );
        assert_eq!(new.flags.0 & elf::PF_X.0, 0);
        assert_eq!(new.vaddr % new.align, new.offset % new.align);
    }
    let dynamic = after.segment(elf::PT_DYNAMIC).expect("a dynamic section");
    let load = after
        .load_of(sandbox_patch::elf::VirtAddr(dynamic.vaddr))
        .expect("a loaded dynamic section");
    assert_eq!(load.offset + (dynamic.vaddr - load.vaddr), dynamic.offset);

    // The loader finds the runtime in its place, and the runtime its notes.
    let needed = after.needed(&bytes[..]).expect("names of needed libraries");
    let mut expected = before.needed(program).unwrap_or_default();
    let at = if position == Position::First {
        0
    } else {
        expected.len()
    };
    expected.insert(at, LIBRARY.to_owned());
    assert_eq!(needed, expected);
    let found = embedded::read(&after, &bytes[..])
        .expect("sound notes")
        .expect("notes");
    assert_eq!(found.policy, content().policy);

    // And back.
    let undo = found.undo.expect("the way back");
    assert!(undo.is_exact(&bytes[..]).unwrap());
    let mut restored = bytes[..kept].to_vec();
    restored.extend(tail);
    undo.originals
        .iter()
        .for_each(|chunk| put(&mut restored, chunk));
    assert_eq!(restored, program);
    Ok(plan)
}

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
            let plan = check(program, position).unwrap_or_else(|error| panic!("{make}: {error}"));
            assert!(plan.length() > program.len() as u64);
        }
    }
}

#[test]
fn a_plan_is_the_same_each_time() {
    for program in programs() {
        let bytes = || patched(&program, &plan(&program, Position::First).unwrap().1);
        assert_eq!(bytes(), bytes());
    }
}

#[test]
fn only_what_must_move_moves() {
    let ws = Workspace::new();
    let moved = |make: &str| {
        let program = std::fs::read(ws.compile(make, "myos.c")).unwrap();
        plan(&program, Position::First).unwrap().1.moved
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
            layout.header.shoff,
            program
                .length()
                .unwrap()
                .saturating_sub(layout.header.shoff),
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
        let _ = check(&program, if last { Position::Last } else { Position::First });
    }

    #[test]
    fn programs_cut_off_are_patched_soundly_or_refused(make in 0..MAKES.len(), length: Index) {
        let program = PROGRAMS.with(|programs| programs[make].clone());
        let _ = check(&program[..length.index(program.len())], Position::First);
    }

    #[test]
    fn arbitrary_bytes_behind_a_magic_number_are_read_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        is_64: bool,
        big_endian: bool,
    ) {
        let ident = [0x7f, b'E', b'L', b'F', if is_64 { 2 } else { 1 }, if big_endian { 2 } else { 1 }, 1];
        let file = [&ident[..], &bytes].concat();
        let _ = check(&file, Position::First);
    }
}
