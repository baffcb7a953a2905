//! Patching in memory and back, as the programs do it with files.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::MemfdFlags;
use sandbox_format::bpf::Instruction;
use sandbox_patch::elf::{FileOffset, Image, Source};
use sandbox_patch::note::Content;
use sandbox_patch::rewrite::{
    Enforcement, Error, Original, Plan, Position, Request, Start, embedded, write,
};

use crate::assert_faithful;

/// The library that programs are patched to load.
pub const LIBRARY: &str = "/usr/lib/sandbox-patch/libsandbox.so";

/// More than a patch adds beside what it moves, in bytes: pages for alignment,
/// the notes, section headers, and a hole of 16 MiB at most where program headers
/// move.
const LARGEST_ADDITION: u64 = 17 << 20;

/// A patched program.
#[derive(Clone, Debug)]
pub struct Patched {
    /// The file.
    pub bytes: Vec<u8>,
    /// The names of what moved.
    pub moved: Vec<&'static str>,
}

/// Patches a program, checks the result as [`crate::check`] does, reads the
/// policy from it, and takes the patch out again.
///
/// # Errors
///
/// It can't be patched; says why.
///
/// # Panics
///
/// The patched program is another one, or does not lead back to the original.
pub fn round_trip(program: &[u8], position: Position) -> Result<Patched, Error> {
    let enforcement = Enforcement::Library {
        path: LIBRARY,
        position,
    };
    go_and_return(program, enforcement)
}

/// The same with a runtime within the program. It is none that could run, but for
/// how it begins and how long it is.
///
/// # Errors
///
/// It can't be patched; says why.
///
/// # Panics
///
/// The patched program is another one, or does not lead back to the original.
pub fn round_trip_inline(program: &[u8], start: Start) -> Result<Patched, Error> {
    let mut runtime = [0xcc; 2048];
    // `endbr64`, a jump over the header, the jump to where the program goes on,
    // and the place of the notes (docs/note-format.md).
    runtime[..13].copy_from_slice(b"\xf3\x0f\x1e\xfa\xeb\x2a\xcc\xcc\xe9\0\0\0\0");
    runtime[16..48].fill(0);
    let runtime = &runtime;
    go_and_return(program, Enforcement::Inline { runtime, start })
}

fn go_and_return(program: &[u8], enforcement: Enforcement<'_>) -> Result<Patched, Error> {
    let content = content();
    let image = Image::read(program)?;
    let request = Request {
        enforcement,
        content: &content,
    };
    let mut expected = image.needed()?;
    let (plan, effects) = Plan::make(&image, &request)?;
    let most = 2 * program.len() as u64 + LARGEST_ADDITION;
    assert!(
        plan.length() <= most,
        "{} bytes are too many",
        plan.length()
    );

    let input = file(program);
    let output = file(&[]);
    write(&plan, &Original::Whole(&input), &output).expect("writing to memory");
    let bytes = content_of(&output);
    let foreseen = plan
        .applied_to(&image.source)
        .read_at(FileOffset(0), plan.length());
    assert!(foreseen.is_ok_and(|foreseen| foreseen == bytes));
    assert_faithful(program, &bytes);

    let after = Image::read(&bytes[..]).expect("a patched file can be read");
    if let Enforcement::Library { position, .. } = enforcement {
        let at = match position {
            Position::First => 0,
            Position::Last => expected.len(),
        };
        expected.insert(at, LIBRARY.to_owned());
    }
    let needed = after.needed();
    assert_eq!(needed.expect("names of needed libraries"), expected);
    let found = embedded::read(&after).expect("sound notes");
    let found = found.expect("notes");
    assert_eq!(
        (&found.policy, &found.filter.program),
        (&content.policy, &content.program)
    );

    let undo = found.undo.expect("the way back");
    assert!(undo.is_exact(&bytes[..]).expect("reading from memory"));
    let restored = file(&[]);
    let original = Original::Restored(&output, &undo);
    original.copy_to(&restored).expect("writing to memory");
    assert!(
        content_of(&restored) == program,
        "the original is not restored"
    );
    Ok(Patched {
        bytes,
        moved: effects.moved,
    })
}

/// A policy of any text, and a filter of any length.
fn content() -> Content {
    let allow = Instruction {
        code: 6,
        jt: 0,
        jf: 0,
        k: 0x7fff_0000,
    };
    Content {
        policy: format!("{:256}", r#"{"a policy":"of any text"}"#).into(),
        inline: false,
        arch: 0xc000_003e,
        program: vec![allow; 40],
        identity: 0x0123_4567_89ab_cdef,
    }
}

/// A file in memory.
pub fn file(content: &[u8]) -> File {
    let file = rustix::fs::memfd_create("sandbox-oracle", MemfdFlags::CLOEXEC);
    let file = File::from(file.expect("a file in memory"));
    file.write_all_at(content, 0).expect("writing to memory");
    file
}

/// All of a file.
pub fn content_of(file: &File) -> Vec<u8> {
    let length = file.length().expect("a length");
    Source::read_at(file, FileOffset(0), length).expect("reading from memory")
}
