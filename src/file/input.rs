//! A program opened for reading.

use std::fs::File;

use super::Error;
use super::place::Place;
use super::status::Status;

/// A program opened for reading.
#[derive(Debug)]
pub struct Input {
    /// The open file.
    pub file: File,
    /// Where it is.
    pub place: Place,
    pub(super) status: Status,
}

impl Input {
    /// Opens a regular file.
    ///
    /// # Errors
    ///
    /// It can't be opened, or is not a regular file.
    pub fn open(place: &Place) -> Result<Self, Error> {
        let (file, status) = place.open()?;
        Ok(Self {
            file,
            place: place.clone(),
            status,
        })
    }

    /// What there was to know of the file when it was opened.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Refuses a file that was written to since it was opened: what was read of
    /// it does not belong together.
    pub(super) fn require_unchanged(&self) -> Result<(), Error> {
        let now = rustix::fs::fstat(&self.file).map_err(|error| Error::Open(error.into()))?;
        if Status::from(now).stamp() == self.status.stamp() {
            Ok(())
        } else {
            Err(Error::Changed(self.place.path().to_owned()))
        }
    }
}
