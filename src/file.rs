//! Opening a program, and replacing it in one step: readers see the old file or
//! the new one, whatever happens in between.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};

/// Why a file can't be opened or replaced; the caller puts its name in front.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Opening failed.
    #[error("it can't be read: {0}")]
    Open(io::Error),
    /// A folder.
    #[error("it is a folder; name the programs in it")]
    Folder,
    /// A pipe, socket or device.
    #[error("it is not a regular file; copy the program into one")]
    NotRegular,
    /// No write permission.
    #[error("it may not be written; write the result elsewhere with -o")]
    ReadOnly,
    /// The folder of the result.
    #[error("no file can be written in {}: {error}; name another folder with -o", folder.display())]
    NotCreated {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Mode, owner or extended attributes.
    #[error(
        "its {what} can't be kept: {error}; run as the file's owner, or write elsewhere with -o"
    )]
    Attributes {
        /// Which of them.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// Writing the new content.
    #[error("the result can't be written: {0}; nothing was changed")]
    Write(io::Error),
}

/// A program opened for reading.
#[derive(Debug)]
pub struct Input {
    /// The open file.
    pub file: File,
    /// Its path with symbolic links followed.
    pub path: PathBuf,
    metadata: std::fs::Metadata,
}

impl Input {
    /// Opens a regular file; symbolic links are followed.
    ///
    /// # Errors
    ///
    /// It can't be opened, or is not a regular file.
    pub fn open(path: &Path) -> Result<Self, Error> {
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
        let path = path.canonicalize().map_err(Error::Open)?;
        Ok(Self {
            file,
            path,
            metadata,
        })
    }

    /// How many other names the file has.
    #[must_use]
    pub fn other_names(&self) -> u64 {
        self.metadata.nlink().saturating_sub(1)
    }

    /// Refuses a file that the user may not write: it could be replaced all
    /// the same, where the folder allows it, but its owner meant it to stay.
    ///
    /// # Errors
    ///
    /// The user has no write permission.
    pub fn require_writable(&self) -> Result<(), Error> {
        let access = rustix::fs::accessat(
            CWD,
            &self.path,
            rustix::fs::Access::WRITE_OK,
            AtFlags::EACCESS,
        );
        match access {
            // A program that runs may be replaced, though not written.
            Ok(()) | Err(rustix::io::Errno::TXTBSY) => Ok(()),
            Err(_) => Err(Error::ReadOnly),
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

/// Writes a new file next to `target` and puts it in `target`'s place, whole
/// and on disk, or leaves everything as it was. Mode, owner and extended
/// attributes are those of `input`.
///
/// # Errors
///
/// Something could not be written or kept, or `fill` failed.
pub fn replace<E: From<Error>>(
    target: &Path,
    input: &Input,
    keep: Keep,
    fill: impl FnOnce(&File) -> Result<(), E>,
) -> Result<(), E> {
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let in_folder = |error: io::Error| Error::NotCreated {
        folder: folder.to_owned(),
        error,
    };
    let unnamed = unnamed(folder).map_err(in_folder)?;
    let (file, mut temporary) = match unnamed {
        Some(file) => (file, None),
        None => {
            let (file, path) = builder()
                .tempfile_in(folder)
                .map_err(in_folder)?
                .into_parts();
            (file, Some(path))
        }
    };
    fill(&file)?;
    take_over(&file, input, keep)?;
    file.sync_all().map_err(Error::Write)?;
    let temporary = match temporary.take() {
        Some(path) => path,
        None => builder()
            .make_in(folder, |path| name(&file, path))
            .map_err(in_folder)?
            .into_temp_path(),
    };
    temporary
        .persist(target)
        .map_err(|error| in_folder(error.error))?;
    // The new name itself is on disk only once the folder is.
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Error::Write(error).into())
}

/// Unique names in a folder.
fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(".sandbox-patch-")
        .permissions(std::fs::Permissions::from_mode(0o600));
    builder
}

/// A new file without a name, so that nothing is left of it if this process is
/// killed (open(2), O_TMPFILE); nothing where the file system has none, or where
/// there is no /proc to name it through later.
fn unnamed(folder: &Path) -> io::Result<Option<File>> {
    use rustix::io::Errno;
    if !Path::new("/proc/self/fd").exists() {
        return Ok(None);
    }
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(Some(file.into())),
        // The second is what kernels and file systems answer that take it for
        // an attempt to write a folder.
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives an unnamed file a name.
fn name(file: &File, path: &Path) -> io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(
        CWD,
        unnamed,
        CWD,
        path,
        AtFlags::SYMLINK_FOLLOW,
    )?)
}

fn take_over(output: &File, input: &Input, keep: Keep) -> Result<(), Error> {
    let metadata = &input.metadata;
    let own = output.metadata().map_err(Error::Write)?;
    // chown(2) clears the set-user-ID bits and capabilities, so it comes first.
    if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
        std::os::unix::fs::fchown(output, Some(metadata.uid()), Some(metadata.gid())).map_err(
            |error| Error::Attributes {
                what: "owner",
                error,
            },
        )?;
    }
    output
        .set_permissions(std::fs::Permissions::from_mode(metadata.mode() & 0o7777))
        .map_err(|error| Error::Attributes {
            what: "mode",
            error,
        })?;
    copy_attributes(&input.file, output).map_err(|error| Error::Attributes {
        what: "extended attributes",
        error: error.into(),
    })?;
    if keep.times {
        let time = |seconds, nanoseconds| Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds,
        };
        let times = Timestamps {
            last_access: time(metadata.atime(), metadata.atime_nsec()),
            last_modification: time(metadata.mtime(), metadata.mtime_nsec()),
        };
        rustix::fs::futimens(output, &times).map_err(|error| Error::Attributes {
            what: "times",
            error: error.into(),
        })?;
    }
    Ok(())
}

/// Extended attributes: capabilities, access control lists, labels, and what
/// users put there.
fn copy_attributes(from: &File, to: &File) -> rustix::io::Result<()> {
    let mut names = vec![0; 1 << 16];
    let length = match rustix::fs::flistxattr(from, &mut names[..]) {
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
        length => length?,
    };
    let mut value = vec![0; 1 << 16];
    for name in names[..length].split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        let length = rustix::fs::fgetxattr(from, name, &mut value[..])?;
        // A label that the new file has already need not be set, which may
        // take a privilege that keeping it does not.
        let mut present = vec![0; length];
        if rustix::fs::fgetxattr(to, name, &mut present[..]) == Ok(length)
            && present == value[..length]
        {
            continue;
        }
        rustix::fs::fsetxattr(to, name, &value[..length], rustix::fs::XattrFlags::empty())?;
    }
    Ok(())
}
