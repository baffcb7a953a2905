//! Carrying out a plan: the bulk is copied by the kernel, the rest is written
//! over it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::original::Original;
use super::{Chunk, FileRange, Plan};

/// Writes the patched file to `output`, which is empty.
///
/// # Errors
///
/// Reading or writing failed; `output` is then to be thrown away.
pub fn write(plan: &Plan, original: &Original<'_>, output: &File) -> io::Result<()> {
    original.copy(FileRange::new(0, plan.kept), output, 0)?;
    output.set_len(plan.length())?;
    write_chunks(output, plan.overwrites.iter().chain(&plan.appended))?;
    original.copy(plan.tail, output, plan.length() - plan.tail.size)
}

/// Copies a range to `place` in the output, where there is nothing yet; holes
/// stay holes.
///
/// Where the file system can share blocks (XFS, btrfs), the start of a file is
/// not copied (ioctl_ficlone(2)). `io::copy` hands the data to the kernel
/// (copy_file_range(2)) where that can be done.
pub(super) fn copy(
    mut input: &File,
    range: FileRange,
    mut output: &File,
    place: u64,
) -> io::Result<()> {
    let is_start = range.start.0 == 0 && place == 0;
    if is_start && rustix::fs::ioctl_ficlone(output, input).is_ok() {
        return output.set_len(range.size);
    }
    let mut at = range.start.0;
    while let Some(data) = next_data(input, at, range.end())? {
        input.seek(SeekFrom::Start(data.start.0))?;
        output.seek(SeekFrom::Start(data.start.0 - range.start.0 + place))?;
        if io::copy(&mut input.take(data.size), &mut output)? != data.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at = data.end();
    }
    Ok(())
}

/// The next stretch that is no hole, from `at` on and before `end` (lseek(2),
/// SEEK_DATA); all of it where the file system does not tell.
fn next_data(file: &File, at: u64, end: u64) -> io::Result<Option<FileRange>> {
    use rustix::fs::SeekFrom::{Data, Hole};
    use rustix::io::Errno;
    if at >= end {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, Data(at)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL) => return Ok(Some(FileRange::new(at, end - at))),
        Err(error) => return Err(error.into()),
    };
    let hole = rustix::fs::seek(file, Hole(start))?;
    Ok((start < end).then(|| FileRange::new(start, hole.min(end) - start)))
}

pub(super) fn write_chunks<'a>(
    output: &File,
    chunks: impl IntoIterator<Item = &'a Chunk>,
) -> io::Result<()> {
    chunks
        .into_iter()
        .try_for_each(|chunk| output.write_all_at(&chunk.bytes, chunk.offset))
}
