//! Tells whether a patched program is still the same program.
//!
//! [`check`] looks at two files, and at nothing else: it does not know how the
//! patch was planned, so that any way to put a policy into a program must pass.
//! It reads ELF files with a reader of its own. [`round_trip()`] patches a
//! program in memory, checks the result and takes the patch out again.
//!
//! What is checked:
//!
//! * headers: the ELF header says the same, but for where the tables are; the
//!   program header table lies in memory where `e_phoff` and PT_PHDR say;
//! * memory: each byte that the program had is at its address, with its
//!   permissions, but for headers, the dynamic section and places that were left
//!   by what moved;
//! * what moved has the same content where the program finds it now;
//! * the dynamic section says the same, and names one library more; or else a
//!   runtime is in a new segment, which the entry point or the last initialiser
//!   leads to, and which leads on to what that was;
//! * new segments are apart from old ones, hold no other code, and nothing that no
//!   section covers;
//! * sections have the same content under the same index; those that stood behind
//!   all that is loaded still do;
//! * what was appended to the file is still its end, or where it was, if that is where
//!   its readers go, or both.

mod appended;
mod dynamic;
mod headers;
mod hook;
mod image;
mod memory;
mod moved;
mod round_trip;
mod second_reader;
mod sections;

use std::fmt;
use std::ops::Range;

pub use round_trip::{LIBRARY, Patched, content_of, file, round_trip, round_trip_inline};
pub use second_reader::check as check_with_goblin;

use dynamic::Dynamic;
use hook::{Hook, Place};
use image::{Image, pt};

/// How a patched program differs from the original, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference(String);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fails with a [`Difference`] unless a condition holds.
macro_rules! require {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::Difference(format!($($message)+)));
        }
    };
}
use require;

type Verdict<T = ()> = Result<T, Difference>;

/// Two files, and what moved between them.
struct Pair<'a, 'b> {
    before: &'b Image<'a>,
    after: &'b Image<'a>,
    old: Dynamic<'a, 'b>,
    new: Dynamic<'a, 'b>,
    /// The runtime, where it is in the program.
    hook: Option<Hook>,
    moved: Vec<Moved>,
}

impl Pair<'_, '_> {
    /// Whether two pieces of the program are the same, but for what leads to the
    /// runtime. `address` is that of the first one, in the original.
    fn same(&self, address: u64, then: &[u8], now: &[u8]) -> bool {
        let mut differing = memory::differences(then, now, address);
        then.len() == now.len() && differing.all(|at| self.leads_to_runtime(at))
    }

    /// Whether a byte of the original is part of what leads to the runtime now.
    fn leads_to_runtime(&self, address: u64) -> bool {
        match self.hook.as_ref().map(|hook| &hook.place) {
            Some(Place::Initialiser { slot, addend }) => {
                let mut words = [slot].into_iter().chain(addend);
                words.any(|word| word.contains(&address))
            }
            _ => false,
        }
    }
}

/// Something that is at another address now, with the same content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moved {
    from: u64,
    to: u64,
    size: u64,
}

/// Checks that `after` is `before` with a policy in it.
///
/// # Errors
///
/// The first difference that a patch must not make.
pub fn check(before: &[u8], after: &[u8]) -> Result<(), Difference> {
    let read = |bytes, name| Image::read(bytes).ok_or(Difference(format!("{name} can't be read")));
    let (before, after) = (
        read(before, "the original")?,
        read(after, "the patched file")?,
    );
    let dynamic = |image, name| {
        if Image::segments_of(image, pt::DYNAMIC).next().is_none() {
            return Ok(Dynamic::none(image));
        }
        Dynamic::read(image).ok_or(Difference(format!("{name}'s dynamic section is lost")))
    };
    let mut pair = Pair {
        old: dynamic(&before, "the original")?,
        new: dynamic(&after, "the patched file")?,
        before: &before,
        after: &after,
        hook: None,
        moved: Vec::new(),
    };
    pair.hook = hook::find(&pair)?;
    headers::check(&pair)?;
    pair.moved = moved::find(&pair)?;
    memory::check(&pair)?;
    sections::check(&pair)
}

/// Checks that `after` is `before` with a policy in it.
///
/// # Panics
///
/// It is not; says how they differ.
#[track_caller]
pub fn assert_faithful(before: &[u8], after: &[u8]) {
    if let Err(difference) = check(before, after) {
        panic!("the patched program is another one: {difference}");
    }
}

/// Whether two ranges share a byte.
fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start.max(other.start) < one.end.min(other.end)
}

/// Whether all of `inner` lies in `outer`.
fn within(inner: &Range<u64>, outer: &Range<u64>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
