//! What is done with an input, and must hold whatever it is: no panic, no
//! overflow, and what each target says. Each tells whether the input was one that
//! it could do something with.

use sandbox_format::note::{ByteOrder, Collector};
use sandbox_oracle::{content_of, file, round_trip, round_trip_inline};
use sandbox_patch::elf::{Image, Layout};
use sandbox_patch::filter;
use sandbox_patch::policy::source::{self, Format, Library, Options};
use sandbox_patch::policy::{self, Arch, Resolved, resolve};
use sandbox_patch::program::{Inspection, Surroundings};
use sandbox_patch::rewrite::undo::Undo;
use sandbox_patch::rewrite::{Original, Position, Start, best_effort, embedded, write};
use sandbox_patch::runtime::Directories;

/// More than any restored file has, in bytes: the inputs are a few kilobytes.
const LARGEST: u64 = 64 << 20;

/// Looking at a file of any content: `inspect` and `verify` end, without panic
/// and without much memory.
///
/// # Panics
///
/// It is found to be sound, without a library.
pub fn layout(data: &[u8]) -> bool {
    // No library is there.
    let surroundings = Surroundings {
        root: "/dev/null".into(),
        runtimes: Directories::default(),
    };
    let found = Inspection::of("file", data, &surroundings);
    if let Ok(found) = &found {
        assert!(!found.sound, "it lacks at least its library");
    }
    found.is_ok()
}

/// Patching a program of any content: it is refused, or becomes the same program
/// with a policy, and can be restored.
///
/// # Panics
///
/// It becomes another program.
pub fn patch(data: &[u8]) -> bool {
    // Odd and even lengths are alike in all else.
    let positions = [Position::First, Position::Last];
    let with_library = round_trip(data, positions[data.len() % 2]);
    let starts = [Start::Entry, Start::Main];
    let inline = round_trip_inline(data, starts[data.len() % 2]);
    with_library.is_ok() || inline.is_ok()
}

/// Taking a patch out of a file that was changed after it was patched, as far as
/// it carries a record of the original.
///
/// # Panics
///
/// What is left is no ELF file, or a larger one than the patched file.
pub fn remove(data: &[u8]) -> bool {
    let Ok(image) = Image::read(data) else {
        return false;
    };
    let Ok(Some(found)) = embedded::read(&image) else {
        return false;
    };
    let Some(undo) = found.undo else { return false };
    let patched = file(data);
    let is_exact = undo.is_exact(data).expect("reading from memory");
    if is_exact {
        assert!(undo.length < LARGEST);
        let restored = file(&[]);
        let original = Original::Restored(&patched, &undo);
        original.copy_to(&restored).expect("writing to memory");
        assert_eq!(content_of(&restored).len() as u64, undo.length);
    }
    let plan = best_effort::plan(&image, &undo);
    if let Ok(plan) = &plan {
        assert!(plan.length() < LARGEST);
        let restored = file(&[]);
        let whole = Original::Whole(&patched);
        write(plan, &whole, &restored).expect("writing to memory");
        let restored = content_of(&restored);
        let again = Layout::read(&restored[..]).expect("what is left is an ELF file");
        assert!(again.segments.len() < image.segments.len());
    }
    is_exact || plan.is_ok()
}

/// Notes, records of originals and policies of any content.
///
/// # Panics
///
/// What was read is not what would be written.
pub fn note(data: &[u8]) -> bool {
    let mut is_any = is_policy(data);
    for order in [ByteOrder::Little, ByteOrder::Big] {
        is_any |= is_record(data, order);
        for align in [4, 8] {
            let mut collector = Collector::new(order);
            if collector.segment(data, align).is_err() {
                continue;
            }
            if let Ok(Some(found)) = collector.finish() {
                is_any |= is_policy(found.policy);
                is_any |= found.undo.is_some_and(|undo| is_record(undo, order));
            }
        }
    }
    is_any
}

fn is_record(data: &[u8], order: ByteOrder) -> bool {
    let Ok(undo) = Undo::parse(data, order) else {
        return false;
    };
    let bytes = undo.to_bytes(order).expect("what was read can be written");
    assert_eq!(Undo::parse(&bytes, order).expect("what was written"), undo);
    true
}

fn is_policy(data: &[u8]) -> bool {
    let Ok(policy) = Resolved::from_json(data) else {
        return false;
    };
    assert_eq!(policy.to_json(), data);
    let _ = filter::compile(&policy);
    true
}

/// Policies of any content, in the form that they are taken for and in another one.
///
/// # Panics
///
/// What was written of a policy can't be read, or is another policy.
pub fn policy(data: &[u8]) -> bool {
    let other = Format::ALL[data.len() % Format::ALL.len()];
    let recognised = is_written(data, None);
    is_written(data, Some(other)) || recognised
}

fn is_written(data: &[u8], format: Option<Format>) -> bool {
    let Ok(policy) = read(data, format) else {
        return false;
    };
    for format in Format::ALL {
        let is_ours = format == Format::Toml;
        let Ok((text, left_out)) = source::write(&policy, format, data.len().is_multiple_of(2))
        else {
            assert!(!is_ours, "our own form can say everything");
            continue;
        };
        let again = read(text.as_bytes(), Some(format));
        let again = again.unwrap_or_else(|error| panic!("{}: {error}\n{text}", format.name()));
        if is_ours {
            assert!(left_out.is_empty());
            let program = |policy| filter::export::instructions(policy).ok();
            assert_eq!(program(&policy), program(&again), "{text}");
        }
    }
    true
}

fn read(data: &[u8], format: Option<Format>) -> Result<Resolved, policy::Error> {
    let arch = Arch::X86_64;
    let options = Options {
        format,
        ..Options::new(arch)
    };
    // There are no files beside it.
    let path = "/dev/null/policy".as_ref();
    let draft = source::parse(data, path, &Library::default(), &options)?;
    Ok(resolve(&draft.finish()?, arch)?.0)
}
