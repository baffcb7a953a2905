//! Carrying out a plan: the bulk is copied by the kernel, the rest is written
//! over it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
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

/// Copies the first `length` bytes to an empty file; holes stay holes.
///
/// Where the file system can share blocks (XFS, btrfs), nothing is copied
/// (ioctl_ficlone(2)). `io::copy` hands the data to the kernel
/// (copy_file_range(2)) where that can be done.
pub(super) fn copy(input: &File, output: &File, length: u64) -> io::Result<()> {
    let is_shared = rustix::fs::ioctl_ficlone(output, input).is_ok();
    output.set_len(length)?;
    if is_shared {
        Ok(())
    } else {
        copy_data(input, output, length)
    }
}

fn copy_data(mut input: &File, mut output: &File, length: u64) -> io::Result<()> {
    let mut at = 0;
    while let Some(data) = next_data(input, at, length)? {
        input.seek(SeekFrom::Start(data.start))?;
        output.seek(SeekFrom::Start(data.start))?;
        let size = data.end - data.start;
        if io::copy(&mut input.take(size), &mut output)? != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at = data.end;
    }
    Ok(())
}

/// The next stretch that is no hole, from `at` on and before `length` (lseek(2),
/// SEEK_DATA); all of it where the file system does not tell.
fn next_data(file: &File, at: u64, length: u64) -> io::Result<Option<Range<u64>>> {
    use rustix::fs::SeekFrom::{Data, Hole};
    use rustix::io::Errno;
    if at >= length {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, Data(at)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL) => return Ok(Some(at..length)),
        Err(error) => return Err(error.into()),
    };
    let end = rustix::fs::seek(file, Hole(start))?;
    Ok((start < length).then(|| start..end.min(length)))
}

pub(super) fn write_chunks<'a>(
    output: &File,
    chunks: impl IntoIterator<Item = &'a Chunk>,
) -> io::Result<()> {
    chunks
        .into_iter()
        .try_for_each(|chunk| output.write_all_at(&chunk.bytes, chunk.offset))
}
