//! A program opened for reading.

use std::fs::File;
use std::path::Path;

use super::Error;
use super::patience::lock;
use super::place::Place;
use super::status::Status;
use super::target::Target;

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

    /// Opens a program, and finds where the result goes: `output`, or the
    /// program's own place. In that case, others who do the same wait until
    /// the input is closed.
    ///
    /// # Errors
    ///
    /// The program can't be opened, the output can't be replaced, or the file
    /// changes all the time.
    pub fn open_for(place: &Place, output: Option<&Path>) -> Result<(Self, Target), Error> {
        /// How often another file may come in its place while this one waits.
        const PATIENCE: usize = 64;
        for _ in 0..PATIENCE {
            let input = Self::open(place)?;
            let mut target = Target::of(&input, output)?;
            if target.is_in_place() {
                target.is_locked = lock(&input.file);
            }
            if target.is_as_before() {
                return Ok((input, target));
            }
        }
        Err(Error::Changed(place.path().to_owned()))
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
