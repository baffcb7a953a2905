//! Where a file is: an entry of an open directory.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::directory::Directory;
use super::status::Status;

/// An entry of a directory, which need not be there.
#[derive(Clone, Debug)]
pub struct Place {
    pub(super) directory: Arc<Directory>,
    pub(super) name: OsString,
    /// As people are told.
    path: PathBuf,
}

impl Place {
    /// An entry of a directory.
    #[must_use]
    pub fn new(directory: Arc<Directory>, name: OsString) -> Self {
        let path = directory.path().join(&name);
        Self::shown_as(directory, name, path)
    }

    pub(super) fn shown_as(directory: Arc<Directory>, name: OsString, path: PathBuf) -> Self {
        Self {
            directory,
            name,
            path,
        }
    }

    /// Its path, for people.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name in the directory.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// What is there.
    ///
    /// # Errors
    ///
    /// Nothing, or it can't be looked at.
    pub fn status(&self) -> io::Result<Status> {
        self.directory.status_of(&self.name)
    }

    /// Takes the file away, if it is still the one that was looked at.
    ///
    /// # Errors
    ///
    /// It is another, or can't be taken away.
    pub fn unlink(&self, before: &Status) -> io::Result<()> {
        if self.status()?.identity() != before.identity() {
            return Err(Errno::STALE.into());
        }
        self.directory.unlink(&self.name)
    }
}
