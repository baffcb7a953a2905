//! Opening a program, and putting a file in its place in one step: readers see
//! the old file or the new one, whatever happens in between.
//!
//! Of several who replace one file at the same time each sees what the former
//! made: they take turns by a lock, and whoever does not know of it (a
//! compiler, a package manager) is noticed by the file's stamp.

mod attributes;
mod ending;
mod links;
mod pending;
mod seals;

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FlockOperation, OFlags, StatxAttributes, StatxFlags};

pub use ending::{hold_for_names, ignored_signals, survive_size_limit};
pub use links::{Identity, join_again};
pub use pending::Pending;

/// Why a file can't be opened or replaced; the caller puts its name in front.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Opening failed.
    #[error("it can't be read: {0}")]
    Open(io::Error),
    /// A folder.
    #[error("it is a folder; name the programs in it, or give --recursive")]
    Folder,
    /// A pipe, socket or device.
    #[error("it is not a regular file; copy the program into one")]
    NotRegular,
    /// No write permission.
    #[error("{} may not be written; write the result elsewhere with -o", .0.display())]
    ReadOnly(PathBuf),
    /// The output is something else than a file.
    #[error("{} is not a regular file; name another output with -o", .0.display())]
    OutputNotRegular(PathBuf),
    /// The output can't be looked at.
    #[error("the output {} can't be reached: {error}; name another with -o", path.display())]
    OutputNotReached {
        /// The output.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Somebody else changed what is to be replaced.
    #[error("{} was changed meanwhile; nothing was done, run this again", .0.display())]
    Changed(PathBuf),
    /// The folder of the result.
    #[error("no file can be written in {}: {error}; name another folder with -o", folder.display())]
    NotCreated {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The last step.
    #[error("{} can't be replaced: {error}; write the result elsewhere with -o", path.display())]
    NotReplaced {
        /// The file that was to be replaced.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Mode, owner or extended attributes.
    #[error(
        "its {what} can't be kept: {error}; run as the file's owner or root, or write elsewhere \
         with -o"
    )]
    Attributes {
        /// Which of them.
        what: String,
        /// What the system said.
        error: io::Error,
    },
    /// Another name of a file that was replaced.
    #[error(
        "it can't be made the same file as {} again: {error}; it keeps the old content",
        first.display()
    )]
    NotJoined {
        /// The name under which the file was replaced.
        first: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Writing the new content.
    #[error("the result can't be written: {0}; nothing was changed")]
    Write(io::Error),
    /// Writing the folder's entry.
    #[error(
        "the file was replaced, but its folder can't be synced: {0}; \
         after a crash the old file may be there again"
    )]
    NotSynced(io::Error),
}

/// Opens a regular file for reading; symbolic links are followed.
///
/// # Errors
///
/// It can't be opened, or is not a regular file.
pub fn open(path: &Path) -> Result<(File, Metadata), Error> {
    // Without O_NONBLOCK, opening a FIFO would wait for a writer.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(Error::Open)?;
    let metadata = file.metadata().map_err(Error::Open)?;
    if metadata.is_dir() {
        return Err(Error::Folder);
    }
    if !metadata.is_file() {
        return Err(Error::NotRegular);
    }
    Ok((file, metadata))
}

/// A program opened for reading.
#[derive(Debug)]
pub struct Input {
    /// The open file.
    pub file: File,
    /// Its path with symbolic links followed.
    pub path: PathBuf,
    metadata: Metadata,
}

impl Input {
    /// Opens a regular file; symbolic links are followed.
    ///
    /// # Errors
    ///
    /// It can't be opened, or is not a regular file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (file, metadata) = open(path)?;
        let path = path.canonicalize().map_err(Error::Open)?;
        Ok(Self {
            file,
            path,
            metadata,
        })
    }

    /// Opens a program, and finds where the result goes: `output`, or the
    /// program's own place. In that case, others who do the same wait until
    /// the input is closed.
    ///
    /// # Errors
    ///
    /// The program can't be opened, the output can't be replaced, or the file
    /// changes all the time.
    pub fn open_for(path: &Path, output: Option<&Path>) -> Result<(Self, Target), Error> {
        /// How often another file may come in its place while this one waits.
        const PATIENCE: usize = 64;
        for _ in 0..PATIENCE {
            let input = Self::open(path)?;
            let target = Target::of(&input, output)?;
            if target.in_place {
                input.lock();
            }
            if target.is_as_before() {
                return Ok((input, target));
            }
        }
        Err(Error::Changed(path.to_owned()))
    }

    /// Refuses a file that was written to since it was opened: what was read of
    /// it does not belong together.
    fn require_unchanged(&self) -> Result<(), Error> {
        let now = self.file.metadata().map_err(Error::Open)?;
        if Stamp::of(&now) == Stamp::of(&self.metadata) {
            Ok(())
        } else {
            Err(Error::Changed(self.path.clone()))
        }
    }

    /// Waits until nobody else holds the file. Some file systems have no such
    /// locks; the stamp must then do.
    fn lock(&self) {
        let lock = || rustix::fs::flock(&self.file, FlockOperation::LockExclusive);
        let _ = rustix::io::retry_on_intr(lock);
    }
}

/// Where a result goes.
#[derive(Debug)]
pub struct Target {
    /// The path, with symbolic links followed.
    pub path: PathBuf,
    /// The file that was there.
    before: Option<Metadata>,
    /// That file is the input.
    in_place: bool,
}

impl Target {
    fn of(input: &Input, output: Option<&Path>) -> Result<Self, Error> {
        let Some(output) = output else {
            return Ok(Self {
                path: input.path.clone(),
                before: Some(input.metadata.clone()),
                in_place: true,
            });
        };
        let named = within(output, &input.path);
        let not_reached = |error| Error::OutputNotReached {
            path: named.clone(),
            error,
        };
        if let Err(error) = named.symlink_metadata() {
            let is_folder = named.as_os_str().as_bytes().ends_with(b"/");
            if error.kind() != io::ErrorKind::NotFound || is_folder {
                return Err(not_reached(error));
            }
            return Ok(Self {
                path: named,
                before: None,
                in_place: false,
            });
        }
        let path = named.canonicalize().map_err(not_reached)?;
        let before = path.symlink_metadata().map_err(not_reached)?;
        if !before.is_file() {
            return Err(Error::OutputNotRegular(named));
        }
        let in_place = Stamp::of(&before).file == Stamp::of(&input.metadata).file;
        Ok(Self {
            path,
            before: Some(before),
            in_place,
        })
    }

    /// Whether the result takes the place of the input.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.in_place
    }

    /// How many other names the file has that will be replaced.
    #[must_use]
    pub fn other_names(&self) -> u64 {
        self.before
            .as_ref()
            .map_or(0, |before| before.nlink().saturating_sub(1))
    }

    /// Refuses a file that the user may not write: it could be replaced all
    /// the same, where the folder allows it, but its owner meant it to stay. And
    /// one that can only grow, or whose folder can: neither is replaced, nor a
    /// temporary name ever taken from such a folder.
    ///
    /// # Errors
    ///
    /// The user has no write permission, or the file or its folder is marked as
    /// append-only.
    pub fn require_writable(&self) -> Result<(), Error> {
        if self.before.is_none() {
            return Ok(());
        }
        if is_append_only(&self.path) || is_append_only(self.folder()) {
            return Err(Error::ReadOnly(self.path.clone()));
        }
        match rustix::fs::accessat(CWD, &self.path, Access::WRITE_OK, AtFlags::EACCESS) {
            // A program that runs may be replaced, though not written.
            Ok(()) | Err(rustix::io::Errno::TXTBSY) => Ok(()),
            Err(_) => Err(Error::ReadOnly(self.path.clone())),
        }
    }

    /// Whether there is still what was there at first.
    fn is_as_before(&self) -> bool {
        match (self.path.symlink_metadata(), &self.before) {
            (Ok(now), Some(before)) => Stamp::of(&now) == Stamp::of(before),
            (Err(error), None) => error.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    fn folder(&self) -> &Path {
        folder(&self.path)
    }

    fn not_created(&self, error: io::Error) -> Error {
        Error::NotCreated {
            folder: self.folder().to_owned(),
            error,
        }
    }
}

/// Whether it is marked so (`chattr +a`; statx(2), STATX_ATTR_APPEND).
fn is_append_only(path: &Path) -> bool {
    rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::empty())
        .is_ok_and(|status| status.stx_attributes.contains(StatxAttributes::APPEND))
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The file that a result of `input` is written to: in a folder, one of the
/// input's name.
#[must_use]
pub fn within(output: &Path, input: &Path) -> PathBuf {
    match input.file_name() {
        Some(name) if output.is_dir() => output.join(name),
        _ => output.to_owned(),
    }
}

/// What differs after a file was written or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which file it is.
    file: Identity,
    /// Bytes.
    size: u64,
    /// Last change of the content, in seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// Last change of the inode, likewise.
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of a file.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            file: Identity::of(metadata),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What the result takes over from the input besides mode, owner and extended
/// attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Times of last access and change.
    pub times: bool,
}
