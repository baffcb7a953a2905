//! Carrying out a plan: the bulk is copied by the kernel, the rest is written
//! over it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::original::Original;
use super::{Chunk, Plan};

/// Writes the patched file to `output`, which is empty.
///
/// # Errors
///
/// Reading or writing failed; `output` is then to be thrown away.
pub fn write(plan: &Plan, original: &Original<'_>, output: &File) -> io::Result<()> {
    for run in &plan.runs {
        original.copy(run.in_original(), output, run.patched)?;
    }
    output.set_len(plan.length())?;
    write_chunks(output, plan.chunks())
}

pub(super) fn write_chunks<'a>(
    output: &File,
    chunks: impl IntoIterator<Item = &'a Chunk>,
) -> io::Result<()> {
    chunks
        .into_iter()
        .try_for_each(|chunk| output.write_all_at(&chunk.bytes, chunk.offset))
}
