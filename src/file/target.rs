//! Where a result goes.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use super::input::Input;
use super::patience::lock;
use super::place::Place;
use super::resolve::{Found, Purpose, There, resolve, resolve_in};
use super::status::Status;

/// Where a result goes.
#[derive(Debug)]
pub struct Target {
    /// The place, with symbolic links followed.
    pub place: Place,
    /// The file that was there.
    pub(super) before: Option<Status>,
    /// That file is the input.
    in_place: bool,
    /// No other process that knows of the lock has it.
    pub(super) is_locked: bool,
}

impl Target {
    pub(super) fn of(input: &Input, output: Option<&Path>) -> Result<Self, Error> {
        let Some(output) = output else {
            return Ok(Self::new(input.place.clone(), Some(input.status), input));
        };
        let (named, found) = look_up(output, &input.place.name);
        let not_reached = |error| Error::OutputNotReached {
            path: named.clone(),
            error,
        };
        match found.map_err(not_reached)? {
            Found::Missing(place) => Ok(Self::new(place, None, input)),
            Found::There(There { status, place, .. }) => match place {
                Some(place) if status.is_file() => Ok(Self::new(place, Some(status), input)),
                _ => Err(Error::OutputNotRegular(named)),
            },
        }
    }

    fn new(place: Place, before: Option<Status>, input: &Input) -> Self {
        let in_place = before.is_some_and(|it| it.identity() == input.status.identity());
        Self {
            place,
            before,
            in_place,
            is_locked: true,
        }
    }

    /// Whether the result takes the place of the input.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.in_place
    }

    /// Whether another process held the lock of the input for so long that it
    /// was not waited for.
    #[must_use]
    pub fn is_locked_by_others(&self) -> bool {
        !self.is_locked
    }

    /// How many other names the file has that will be replaced.
    #[must_use]
    pub fn other_names(&self) -> u64 {
        let names = self.before.map_or(0, |before| before.names());
        names.saturating_sub(1)
    }

    /// Refuses a file that the user may not write: it could be replaced all
    /// the same, where the directory allows it, but its owner meant it to stay.
    /// And one that can only grow, or whose directory can: neither is replaced,
    /// nor a temporary name ever taken from such a directory.
    ///
    /// # Errors
    ///
    /// The user has no write permission, or the file or its directory is marked
    /// as append-only.
    pub fn require_writable(&self) -> Result<(), Error> {
        let Place {
            directory, name, ..
        } = &self.place;
        let is_replaceable = self.before.is_none()
            || !directory.is_append_only()
                && !directory.can_only_grow(name)
                && directory.may_write(name);
        if is_replaceable {
            Ok(())
        } else {
            Err(Error::ReadOnly(self.place.path().to_owned()))
        }
    }

    /// Whether there is still what was there at first.
    pub(super) fn is_as_before(&self) -> bool {
        match (self.place.status(), &self.before) {
            (Ok(now), Some(before)) => now.stamp() == before.stamp(),
            (Err(error), None) => error.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    pub(super) fn changed(&self) -> Error {
        Error::Changed(self.place.path().to_owned())
    }

    pub(super) fn not_created(&self, error: io::Error) -> Error {
        Error::NotCreated {
            directory: self.place.directory.path().to_owned(),
            error,
        }
    }
}

impl Input {
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
}

/// What there is at an output, or within it, if it is a directory, under the
/// input's name; and what people call that.
fn look_up(output: &Path, name: &OsStr) -> (PathBuf, io::Result<Found>) {
    match resolve(output, Purpose::Replace) {
        Ok(Found::There(there)) if there.status.is_directory() => {
            let named = output.join(name);
            let found = there
                .into_directory(output.to_owned())
                .map_err(io::Error::from)
                .and_then(|it| resolve_in(&Arc::new(it), Path::new(name), Purpose::Replace));
            (named, found)
        }
        found => (output.to_owned(), found),
    }
}

/// Whether an output is a directory, so that a result is written to a file in it
/// that has the input's name.
#[must_use]
pub fn is_directory(output: &Path) -> bool {
    let found = resolve(output, Purpose::Replace);
    matches!(found, Ok(Found::There(there)) if there.status.is_directory())
}
