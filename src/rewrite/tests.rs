//! Patches of files that are made here.

use std::fs::File;
use std::os::unix::fs::FileExt;

use object::elf;
use rustix::fs::{MemfdFlags, memfd_create};
use sandbox_format::bpf::Instruction;

use super::{Enforcement, Error, Lost, Original, Plan, Position, Request, Start};
use super::{best_effort, embedded, inline};
use crate::elf::build::LayoutBuilder;
use crate::elf::{self as elf_file, FileOffset, Image, Source};
use crate::note::Content;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
const LIBRARY: &str = "/usr/lib/sandbox-patch/libsandbox.so";

/// DF_1_PIE of DT_FLAGS_1.
const PIE: u64 = 0x0800_0000;

/// A dynamic program with a build-id.
fn dynamic_program() -> Vec<u8> {
    let builder = LayoutBuilder::new(elf::ET_DYN).interpreter(LOADER);
    let (builder, places) = builder
        .note(b"GNU\0", elf::NT_GNU_BUILD_ID.0, &[7; 20])
        .strings(&["libc.so.6"]);
    builder
        .dynamic(elf::DT_NEEDED, places[0])
        .dynamic(elf::DT_FLAGS_1, PIE)
        .build()
}

fn content(inline: bool) -> Content {
    let allow = Instruction {
        code: 6,
        jt: 0,
        jf: 0,
        k: 0x7fff_0000,
    };
    Content {
        policy: format!("{:256}", "{}").into(),
        inline,
        arch: 0xc000_003e,
        program: vec![allow; 3],
        identity: 1,
    }
}

fn patched(program: &[u8], enforcement: Enforcement<'_>) -> Result<Vec<u8>, Error> {
    let content = content(matches!(enforcement, Enforcement::Inline { .. }));
    let request = Request {
        enforcement,
        content: &content,
    };
    let image = Image::read(program)?;
    let (plan, _) = Plan::make(&image, &request)?;
    let patched = plan.applied_to(&image.source);
    Ok(patched.read_at(FileOffset(0), plan.length())?)
}

fn with_library(program: &[u8]) -> Vec<u8> {
    let position = Position::First;
    let path = LIBRARY;
    patched(program, Enforcement::Library { path, position }).expect("a patched program")
}

fn file(content: &[u8]) -> File {
    let file = File::from(memfd_create("rewrite", MemfdFlags::CLOEXEC).expect("memory"));
    file.write_all_at(content, 0).expect("writing to memory");
    file
}

/// The original according to the record.
fn restored(patched: &[u8]) -> Vec<u8> {
    let image = Image::read(patched).expect("an ELF file");
    let found = embedded::read(&image).expect("notes").expect("a policy");
    let undo = found.undo.expect("a record of the original");
    assert!(undo.is_exact(patched).expect("reading from memory"));
    let file = file(patched);
    let original = Original::Restored(&file, &undo);
    let length = original.length().expect("a length");
    original
        .read_at(FileOffset(0), length)
        .expect("reading from memory")
}

#[test]
fn a_library_is_added_and_taken_out_byte_for_byte() {
    let program = dynamic_program();
    let patched = with_library(&program);
    let image = Image::read(&patched[..]).expect("an ELF file");
    assert_eq!(image.needed().expect("names"), [LIBRARY, "libc.so.6"]);
    assert_eq!(
        image.interpreter().expect("a name").as_deref(),
        Some(LOADER)
    );
    assert!(embedded::is_marked(&image));
    let found = embedded::read(&image).expect("notes").expect("a policy");
    assert_eq!(found.policy, content(false).policy);
    assert_eq!(found.filter.program, content(false).program);
    assert_eq!(found.danger(&image).expect("readable"), None);
    assert_eq!(restored(&patched), program);
}

#[test]
fn the_same_request_makes_the_same_bytes() {
    let program = dynamic_program();
    assert_eq!(with_library(&program), with_library(&program));
}

#[test]
fn a_runtime_is_put_before_the_entry_point_and_found_there() {
    // The head of a runtime: what it goes on to and where its notes are stand in it.
    let mut runtime = vec![0xcc; 4096];
    runtime[..13].copy_from_slice(b"\xf3\x0f\x1e\xfa\xeb\x2a\xcc\xcc\xe9\0\0\0\0");
    runtime[16..48].fill(0);
    let mut builder = LayoutBuilder::new(elf::ET_EXEC);
    builder.put(&[0x90; 8]);
    let program = builder.build();
    let enforcement = Enforcement::Inline {
        runtime: &runtime,
        start: Start::Entry,
    };
    let patched = patched(&program, enforcement).expect("a patched program");
    let image = Image::read(&patched[..]).expect("an ELF file");
    let before = Image::read(&program[..]).expect("an ELF file").header.entry;
    assert_ne!(image.header.entry, before);
    let found = embedded::read(&image).expect("notes").expect("a policy");
    let found = inline::find(&image, &found).expect("readable");
    assert_eq!(found.expect("a runtime").start, Some(Start::Entry));
    assert_eq!(restored(&patched), program);
}

#[test]
fn what_is_no_program_with_a_loader_loads_no_library() {
    let refused = |file: LayoutBuilder| {
        let enforcement = Enforcement::Library {
            path: LIBRARY,
            position: Position::First,
        };
        patched(&file.build(), enforcement).expect_err("a refusal")
    };
    let is = |error: Error, text: &str| assert!(error.to_string().contains(text), "{error}");
    is(refused(LayoutBuilder::new(elf::ET_EXEC)), "static program");
    is(refused(LayoutBuilder::new(elf::ET_REL)), "relocatable");
    let (library, places) = LayoutBuilder::new(elf::ET_DYN).strings(&["libx.so"]);
    let library = library.dynamic(elf::DT_SONAME, places[0]);
    is(refused(library), "shared library");
    let no_strings = LayoutBuilder::new(elf::ET_DYN).interpreter(LOADER);
    let error = refused(no_strings.dynamic(elf::DT_FLAGS_1, PIE));
    assert!(
        matches!(error, Error::Elf(elf_file::Error::Malformed(_))),
        "{error}"
    );
}

#[test]
fn a_changed_patch_is_taken_out_as_far_as_its_record_fits() {
    let patched = with_library(&dynamic_program());
    let take_out = |bytes: &[u8]| {
        let image = Image::read(bytes)?;
        let found = embedded::read(&image)?.expect("a policy");
        let undo = found.undo.expect("a record");
        assert!(!undo.is_exact(bytes).expect("reading from memory"));
        let plan = best_effort::plan(&image, &undo)?;
        Ok::<_, Error>(
            plan.applied_to(&image.source)
                .read_at(FileOffset(0), plan.length())?,
        )
    };
    // As strip(1) leaves it: nothing behind the last segment.
    let mut longer = patched.clone();
    longer.extend(b"a debug link");
    let bytes = take_out(&longer).expect("the original and more");
    let image = Image::read(&bytes[..]).expect("an ELF file");
    assert_eq!(image.needed().expect("names"), ["libc.so.6"]);
    assert!(embedded::read(&image).expect("no notes").is_none());
    // Another tool changed a program header: no PT_INTERP, and a segment elsewhere.
    let image = Image::read(&patched[..]).expect("an ELF file");
    let header = |kind| {
        let index = image.segments.iter().position(|it| it.kind == kind);
        let table = usize::try_from(image.header.phoff.0).expect("a small file");
        table + 56 * index.expect("a segment")
    };
    let mut changed = patched.clone();
    changed[header(elf::PT_INTERP)..][..4].fill(0);
    let lost = take_out(&changed).map(|bytes| bytes.len());
    assert!(
        matches!(lost, Err(Error::CannotUndo(Lost::HeadersChanged))),
        "{lost:?}"
    );
    let p_vaddr = 16;
    let mut moved = patched.clone();
    moved[header(elf::PT_LOAD) + p_vaddr + 3] ^= 0x40;
    let refused = take_out(&moved).map(|bytes| bytes.len());
    assert!(matches!(refused, Err(Error::Elf(_))), "{refused:?}");
}
