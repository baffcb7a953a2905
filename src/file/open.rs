//! Opening files for reading, by a path or at a place.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Error;
use super::directory::itself;
use super::patience::patiently;
use super::place::Place;
use super::resolve::{Found, Purpose, There, resolve};
use super::status::Status;

impl Place {
    /// Where the file is that a path leads to; symbolic links are followed, but
    /// those that somebody else could have laid as a snare.
    ///
    /// # Errors
    ///
    /// There is no such file, or it has no name that could be replaced.
    pub fn of(path: &Path) -> Result<Self, Error> {
        match resolve(path, Purpose::Replace).map_err(Error::Open)? {
            Found::There(there) if there.status.is_directory() => Err(Error::Directory),
            Found::There(There { status, place, .. }) => {
                let is_file = status.is_file();
                place.ok_or(if is_file {
                    Error::NoName
                } else {
                    Error::NotRegular
                })
            }
            Found::Missing(_) => Err(Error::Open(Errno::NOENT.into())),
        }
    }

    /// Opens the regular file that is there for reading.
    ///
    /// # Errors
    ///
    /// There is none, or it can't be opened.
    pub fn open(&self) -> Result<(File, Status), Error> {
        let (handle, status) = self.directory.look(&self.name).map_err(Error::Open)?;
        if status.is_link() {
            // It was none when this place was found.
            return Err(Error::Changed(self.path().to_owned()));
        }
        open_regular(&handle, &status, Some(self))
    }
}

/// Opens a regular file for reading, whatever leads there: for those who do not
/// replace it.
///
/// # Errors
///
/// It can't be opened, or is not a regular file.
pub fn open(path: &Path) -> Result<(File, Status), Error> {
    match resolve(path, Purpose::Read).map_err(Error::Open)? {
        Found::There(there) => open_regular(&there.handle, &there.status, there.place.as_ref()),
        Found::Missing(_) => Err(Error::Open(Errno::NOENT.into())),
    }
}

/// Whether it is a regular file that can be read and begins with these bytes.
#[must_use]
pub fn begins_with(path: &Path, bytes: &[u8]) -> bool {
    let Ok((file, _)) = open(path) else {
        return false;
    };
    let mut start = Vec::new();
    let read = file.take(bytes.len() as u64).read_to_end(&mut start);
    read.is_ok() && start == bytes
}

/// Opens for reading what was looked at.
fn open_regular(
    handle: &OwnedFd,
    looked_at: &Status,
    place: Option<&Place>,
) -> Result<(File, Status), Error> {
    if looked_at.is_directory() {
        return Err(Error::Directory);
    }
    if !looked_at.is_file() {
        return Err(Error::NotRegular);
    }
    let file = match (reopen(handle), place) {
        (Err(error), Some(place)) if error.kind() == io::ErrorKind::NotFound => {
            reopen_by_name(place)
        }
        (opened, _) => opened,
    }
    .map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::Leased,
        _ => Error::Open(error),
    })?;
    let status: Status = rustix::fs::fstat(&file)
        .map_err(|error| Error::Open(error.into()))?
        .into();
    match place {
        Some(place) if status.identity() != looked_at.identity() => {
            Err(Error::Changed(place.path().to_owned()))
        }
        _ => Ok((file, status)),
    }
}

/// Opens for reading the very file that a handle is of, if there is /proc.
///
/// # Errors
///
/// It can't be opened, or there is no /proc.
pub fn reopen(handle: impl AsFd) -> io::Result<File> {
    let path = itself(handle.as_fd());
    // Whoever has a lease on the file is asked to give it up (fcntl(2), "F_SETLEASE").
    Ok(patiently(|| rustix::fs::open(&path, TO_READ, Mode::empty()))?.into())
}

/// Opens an entry of a directory for reading by its name, and so that it does
/// the least harm should it be a FIFO or a device by now.
fn reopen_by_name(place: &Place) -> io::Result<File> {
    let flags = TO_READ | OFlags::NOFOLLOW;
    let open = || rustix::fs::openat(&place.directory, &place.name, flags, Mode::empty());
    Ok(patiently(open)?.into())
}

const TO_READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
