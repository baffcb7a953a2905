//! Copying most of a file: in the kernel, and without its holes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZeroU64;
use std::sync::mpsc;
use std::thread;

use rustix::fs::Advice;

use crate::elf::{FileOffset, FileRange};

/// How much is copied before it is sent to disk, in bytes.
const PIECE: u64 = 8 << 20;

/// No file system has larger blocks, in bytes.
const BLOCK: u64 = 1 << 16;

/// Copies a range to `place` in the output, where nothing has been written yet; holes
/// remain holes.
///
/// If the file system can share blocks (XFS, btrfs), a whole file is not copied
/// (ioctl_ficlone(2)). `io::copy` leaves the copying to the kernel, which shares blocks
/// that are whole in both files (copy_file_range(2), fs/read_write.c).
pub(super) fn copy(
    input: &File,
    range: FileRange,
    output: &File,
    place: FileOffset,
) -> io::Result<()> {
    let is_whole =
        range == FileRange::new(FileOffset(0), input.metadata()?.len()) && place == FileOffset(0);
    if is_whole && rustix::fs::ioctl_ficlone(output, input).is_ok() {
        return Ok(());
    }
    thread::scope(|scope| {
        let (copied, to_disk) = mpsc::channel();
        if range.size > PIECE {
            // Without it, it only takes longer.
            let _ = thread::Builder::new().spawn_scoped(scope, || start_writing(output, to_disk));
        }
        let mut at = range.start;
        while let Some(data) = next_data(input, at, range.end())? {
            at = data.start;
            while at < data.end() {
                // What can't be shared is by itself.
                let most = if at.is_aligned(BLOCK) {
                    PIECE
                } else {
                    at.0.next_multiple_of(BLOCK) - at.0
                };
                let piece = FileRange::new(at, most.min(data.end() - at));
                let to = FileRange::new(place + (at - range.start), piece.size);
                copy_data(input, piece, output, to.start)?;
                let _ = copied.send(to);
                at = piece.end();
            }
        }
        Ok(())
    })
}

fn copy_data(
    mut input: &File,
    range: FileRange,
    mut output: &File,
    place: FileOffset,
) -> io::Result<()> {
    input.seek(SeekFrom::Start(range.start.0))?;
    output.seek(SeekFrom::Start(place.0))?;
    loop {
        let left = range.end() - FileOffset(input.stream_position()?);
        match io::copy(&mut input.take(left), &mut output) {
            Ok(copied) if copied == left => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            // Both go on from where they are (copy_file_range(2), splice(2)).
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes the kernel write what was copied to disk while the next piece is being copied,
/// so that less is left to wait for at the end. The kernel starts writing when it is told
/// that dirty pages are no longer needed; it keeps them until they are written
/// (mm/fadvise.c, POSIX_FADV_DONTNEED).
fn start_writing(output: &File, copied: mpsc::Receiver<FileRange>) {
    for range in copied {
        let size = NonZeroU64::new(range.size);
        let _ = rustix::fs::fadvise(output, range.start.0, size, Advice::DontNeed);
    }
}

/// The next stretch of data between `at` and `end` (lseek(2), SEEK_DATA); everything if
/// the file system can't tell.
fn next_data(file: &File, at: FileOffset, end: FileOffset) -> io::Result<Option<FileRange>> {
    use rustix::fs::SeekFrom::{Data, Hole};
    use rustix::io::Errno;
    if at >= end {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, Data(at.0)) {
        Ok(start) => FileOffset(start),
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL) => return Ok(Some(FileRange::between(at, end))),
        Err(error) => return Err(error.into()),
    };
    let hole = FileOffset(rustix::fs::seek(file, Hole(start.0))?);
    Ok((start < end).then(|| FileRange::between(start, hole.min(end))))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::{mem, ptr};

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    extern "C" fn do_nothing(_: libc::c_int) {}

    /// Sends signals to this thread while `work` runs; their handler makes system calls
    /// return early (no SA_RESTART).
    fn interrupted<T>(work: impl FnOnce() -> T) -> T {
        // SAFETY: a struct of integers and pointers may be zero; the handler has
        // the signature of one, and does nothing.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = do_nothing as *const () as usize;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()), 0);
        }
        // SAFETY: tells a number.
        let this = unsafe { libc::pthread_self() };
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    // SAFETY: the thread waits for this one.
                    unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
                }
            });
            let result = work();
            done.store(true, Relaxed);
            result
        })
    }

    #[test]
    fn signals_do_not_end_it() {
        let file = || File::from(memfd_create("copy", MemfdFlags::CLOEXEC).expect("memory"));
        let (input, output) = (file(), file());
        let content: Vec<u8> = (0..24 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
        input.write_all_at(&content, 0).expect("writing to memory");
        let all = FileRange::new(FileOffset(0), content.len() as u64);
        let copied = interrupted(|| copy(&input, all, &output, FileOffset(0)));
        copied.expect("copying in memory");
        let mut copied = vec![0; content.len()];
        output
            .read_exact_at(&mut copied, 0)
            .expect("reading from memory");
        assert!(copied == content);
    }
}
