//! Carrying out a plan: the bulk is copied by the kernel, the rest is written
//! over it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::undo::Original;
use super::{Chunk, Plan};

/// Writes the patched file to `output`, which is empty.
///
/// # Errors
///
/// Reading or writing failed; `output` is then to be thrown away.
pub fn write(plan: &Plan, original: &Original<'_>, output: &File) -> io::Result<()> {
    original.copy_to(output)?;
    write_chunks(output, plan.overwrites.iter().chain(&plan.appended))
}

/// Copies the first `length` bytes. `io::copy` hands files to the kernel
/// (copy_file_range(2)), so that none of them passes through this process.
pub(super) fn copy(mut input: &File, mut output: &File, length: u64) -> io::Result<()> {
    input.seek(SeekFrom::Start(0))?;
    let copied = io::copy(&mut input.take(length), &mut output)?;
    if copied == length {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

pub(super) fn write_chunks<'a>(
    output: &File,
    chunks: impl IntoIterator<Item = &'a Chunk>,
) -> io::Result<()> {
    chunks
        .into_iter()
        .try_for_each(|chunk| output.write_all_at(&chunk.bytes, chunk.offset))
}
