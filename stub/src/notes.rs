//! The program's notes of owner `sandbox`. Whatever is wrong with them ends the
//! process.

use sandbox_format::note::{ByteOrder, Collector, Embedded, Problem};

use crate::die::die_of_note;
use crate::sys::AUDIT_ARCH;

/// What is wrong with a program that has none and should.
pub(crate) const GONE: &str = "the program was patched, but its notes are gone";

/// The notes, segment by segment.
pub(crate) struct Notes(Collector<'static>);

impl Notes {
    pub(crate) const fn new() -> Self {
        Self(Collector::new(ByteOrder::NATIVE))
    }

    /// Reads the notes of a segment that is aligned to `align`.
    pub(crate) fn add(&mut self, bytes: &'static [u8], align: u64) {
        checked(self.0.segment(bytes, align));
    }

    /// The policy, if there is one.
    pub(crate) fn finish(self) -> Option<Embedded<'static>> {
        let embedded = checked(self.0.finish())?;
        if embedded.seccomp.arch != AUDIT_ARCH {
            die_of_note("is for another architecture");
        }
        Some(embedded)
    }
}

fn checked<T>(result: Result<T, Problem>) -> T {
    result.unwrap_or_else(|problem| die_of_note(problem.message()))
}
