//! A new file that is to take its place in one step: readers see the old file
//! or the new one, whatever happens in between.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags, fstat};

use super::attributes::take_over;
use super::directory::itself;
use super::replace::Temporary;
use super::status::Status;
use super::{Error, Input, Keep, Stamp, Target};

/// A file that is written and on disk, but not yet in its place. Dropped, it
/// leaves nothing behind.
pub struct Pending<'a> {
    /// The file itself, to look at.
    pub file: File,
    target: &'a Target,
    /// Its name for the time being, where it could not be made without one.
    name: Option<Temporary<'a>>,
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
        take_over(&pending.file, input, target.is_in_place(), keep)?;
        pending.file.sync_all().map_err(Error::Write)?;
        Ok(pending)
    }

    fn create(target: &'a Target) -> Result<Self, Error> {
        let not_created = |error| target.not_created(error);
        let unnamed = target.place.directory.create_unnamed();
        if let Some(file) = unnamed.map_err(not_created)? {
            return Ok(Self {
                target,
                file,
                name: None,
            });
        }
        let made = Temporary::beside(&target.place, |directory, name| directory.create(name));
        let (file, name) = made.map_err(not_created)?;
        Ok(Self {
            target,
            file,
            name: Some(name),
        })
    }

    /// Puts the file in its place, if there is still what was there before. Tells
    /// what is there now.
    ///
    /// # Errors
    ///
    /// Another file is there now, or the directory can't be written; nothing is
    /// changed then. Or the directory can't be synced, with the file in its place.
    pub fn commit(self) -> Result<Stamp, Error> {
        let target = self.target;
        let file = closed(self.file);
        let status = || {
            let status = fstat(&file).map_err(|error| Error::Write(error.into()));
            status.map(Status::from)
        };
        match (&target.before, self.name) {
            (None, None) => appear(&file, target)?,
            (None, Some(name)) => name.put()?,
            (Some(before), name) => {
                let name = match name {
                    Some(name) => name,
                    None => name_it(&file, target)?,
                };
                if !target.is_as_before() {
                    return Err(target.changed());
                }
                let own = status()?.identity();
                name.replace(own, &before.stamp(), target.is_locked)?;
            }
        }
        // The new name itself is on disk only once the directory is.
        target.place.directory.sync().map_err(Error::NotSynced)?;
        Ok(status()?.stamp())
    }
}

/// A handle of a file that can't be written through it: as long as there is one that
/// can, execve(2) of the program fails with ETXTBSY.
fn closed(file: File) -> File {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let handle = rustix::fs::open(itself(file.as_fd()), flags, Mode::empty());
    // Without /proc it stays as it is until it is in its place.
    handle.map_or(file, File::from)
}

/// Gives an unnamed file the name of a target that is not there yet.
fn appear(file: &File, target: &Target) -> Result<(), Error> {
    let place = &target.place;
    let linked = place.directory.link(file.as_fd(), &place.name);
    linked.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => target.changed(),
        _ => target.not_created(error),
    })
}

/// Gives an unnamed file a name for the time being.
fn name_it<'a>(file: &File, target: &'a Target) -> Result<Temporary<'a>, Error> {
    let named = Temporary::beside(&target.place, |directory, name| {
        directory.link(file.as_fd(), name)
    });
    let ((), name) = named.map_err(|error| target.not_created(error))?;
    Ok(name)
}
