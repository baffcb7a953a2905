//! A new file that is to take its place in one step: readers see the old file
//! or the new one, whatever happens in between.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::TempPath;

use super::attributes::take_over;
use super::ending::{self, Held};
use super::{Error, Input, Keep, Target};

/// A file that is written and on disk, but not yet in its place. Dropped, it
/// leaves nothing behind.
pub struct Pending<'a> {
    /// The file itself, to look at.
    pub file: File,
    target: &'a Target,
    /// Its name for the time being, where it could not be made without one.
    name: Option<TempPath>,
    /// For that name; behind it, since fields are dropped in this order.
    held: Option<Held>,
}

impl<'a> Pending<'a> {
    /// Writes a file for `target`, with the attributes of `input`: all of them
    /// where it is to replace the input, else without owner and privileges.
    ///
    /// # Errors
    ///
    /// Something could not be written or kept, the input was written to in the
    /// meantime, or `fill` failed.
    pub fn write<E: From<Error>>(
        target: &'a Target,
        input: &Input,
        keep: Keep,
        fill: impl FnOnce(&File) -> Result<(), E>,
    ) -> Result<Self, E> {
        let pending = Self::create(target)?;
        // It is read back later, which is no access that anybody asks for. Where
        // the file system can't leave that out, nothing is lost but this.
        let _ = rustix::fs::fcntl_setfl(&pending.file, OFlags::NOATIME);
        fill(&pending.file)?;
        input.require_unchanged()?;
        take_over(&pending.file, input, target.in_place, keep)?;
        pending.file.sync_all().map_err(Error::Write)?;
        Ok(pending)
    }

    fn create(target: &'a Target) -> Result<Self, Error> {
        let folder = target.folder();
        let in_folder = |error| target.not_created(error);
        if let Some(file) = unnamed(folder).map_err(in_folder)? {
            return Ok(Self {
                target,
                file,
                name: None,
                held: None,
            });
        }
        let held = ending::hold();
        let made = builder().tempfile_in(folder).map_err(in_folder)?;
        let (file, name) = made.into_parts();
        Ok(Self {
            target,
            file,
            name: Some(name),
            held: Some(held),
        })
    }

    /// Puts the file in its place, if there is still what was there before.
    ///
    /// # Errors
    ///
    /// Another file is there now, or the folder can't be written; nothing is
    /// changed then. Or the folder can't be synced, with the file in its place.
    pub fn commit(self) -> Result<(), Error> {
        let target = self.target;
        let file = closed(self.file);
        match (&target.before, self.name) {
            (None, None) => appear(&file, target)?,
            (_, name) => {
                let _held = self.held.unwrap_or_else(ending::hold);
                replace(&file, name, target)?;
            }
        }
        // The new name itself is on disk only once the folder is.
        File::open(target.folder())
            .and_then(|folder| folder.sync_all())
            .map_err(Error::NotSynced)
    }
}

/// A handle of a file that can't be written through it: as long as there is one that
/// can, execve(2) of the program fails with ETXTBSY.
fn closed(file: File) -> File {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    // Without /proc it stays as it is until it is in its place.
    handle.map_or(file, File::from)
}

/// Gives an unnamed file the name of a target that is not there yet.
fn appear(file: &File, target: &Target) -> Result<(), Error> {
    link(file, &target.path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::Changed(target.path.clone()),
        _ => target.not_created(error),
    })
}

/// Moves a file from its temporary name, or one that it gets here, to the
/// target's.
fn replace(file: &File, name: Option<TempPath>, target: &Target) -> Result<(), Error> {
    let name = match name {
        Some(name) => name,
        None => builder()
            .make_in(target.folder(), |path| link(file, path))
            .map_err(|error| target.not_created(error))?
            .into_temp_path(),
    };
    if !target.is_as_before() {
        return Err(Error::Changed(target.path.clone()));
    }
    let moved = if target.before.is_some() {
        name.persist(&target.path)
    } else {
        name.persist_noclobber(&target.path)
    };
    moved.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => Error::Changed(target.path.clone()),
        _ => Error::NotReplaced {
            path: target.path.clone(),
            error: error.error,
        },
    })
}

/// Unique names in a folder.
pub(super) fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(".sandbox-patch-")
        .permissions(Permissions::from_mode(0o600));
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
fn link(file: &File, path: &Path) -> io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(
        CWD,
        unnamed,
        CWD,
        path,
        AtFlags::SYMLINK_FOLLOW,
    )?)
}
