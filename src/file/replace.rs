//! The last step: a complete file takes the place of another.
//!
//! Whoever may write to the directory can exchange what is there at any moment,
//! so that a look before renaming proves nothing. Where the file system can
//! exchange two names, the old file is looked at when it has left its place, and
//! put back if it is another one than was read.

use std::ffi::{OsStr, OsString};
use std::io;

use rustix::fs::RenameFlags;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::Error;
use super::directory::Directory;
use super::ending::{self, Held};
use super::place::Place;
use super::status::{Identity, Stamp};

/// What temporary names begin with.
const PREFIX: &str = ".sandbox-patch-";

/// A name beside a place for the time being, taken away when dropped. Signals
/// that end the process wait for that.
pub(super) struct Temporary<'a> {
    place: &'a Place,
    name: OsString,
    /// Whether what has the name is to be taken away.
    is_own: bool,
    /// Behind the others: fields are dropped in this order.
    _held: Held,
}

impl<'a> Temporary<'a> {
    /// Makes a file under a name that nothing has.
    pub(super) fn beside<T>(
        place: &'a Place,
        make: impl Fn(&Directory, &OsStr) -> io::Result<T>,
    ) -> io::Result<(T, Self)> {
        /// How often a name may be somebody else's.
        const ATTEMPTS: u32 = 1 << 10;
        let held = ending::hold();
        for _ in 0..ATTEMPTS {
            let name = random_name()?;
            match make(&place.directory, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => {
                    let made = made?;
                    let temporary = Self {
                        place,
                        name,
                        is_own: true,
                        _held: held,
                    };
                    return Ok((made, temporary));
                }
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Puts the file where nothing is.
    pub(super) fn put(mut self) -> Result<(), Error> {
        let Place {
            directory, name, ..
        } = self.place;
        let put = match directory.rename(&self.name, name, RenameFlags::NOREPLACE) {
            Err(error) if is_unknown(error) => directory.link_entry(directory, &self.name, name),
            renamed => {
                self.is_own = renamed.is_err();
                renamed.map_err(io::Error::from)
            }
        };
        put.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => self.changed(),
            _ => self.not_replaced(error),
        })
    }

    /// Puts the file, whose identity is `own`, in the place of another.
    ///
    /// Where the file system can't exchange names, a moment remains between the
    /// last look and the renaming, and nobody who knows of the lock may be in
    /// it: `is_locked`.
    pub(super) fn replace(
        mut self,
        own: Identity,
        before: &Stamp,
        is_locked: bool,
    ) -> Result<(), Error> {
        let Place {
            directory, name, ..
        } = self.place;
        let exchange = || directory.rename(&self.name, name, RenameFlags::EXCHANGE);
        match exchange() {
            Ok(()) if self.is(before) => {
                self.is_own = false;
                directory
                    .unlink(&self.name)
                    .map_err(|error| Error::NotTakenAway {
                        path: directory.path().join(&self.name),
                        error,
                    })
            }
            Ok(()) => {
                // What was put there meanwhile goes back, if nobody is faster
                // again; then it is left alone.
                let _ = exchange();
                let now = directory.status_of(&self.name);
                self.is_own = now.is_ok_and(|now| now.identity() == own);
                Err(self.changed())
            }
            Err(Errno::NOENT) => Err(self.changed()),
            Err(error) if !is_unknown(error) => Err(self.not_replaced(error.into())),
            Err(_) if !is_locked => Err(Error::Locked),
            Err(_) => self.rename_over(before),
        }
    }

    fn rename_over(mut self, before: &Stamp) -> Result<(), Error> {
        let now = self.place.status().map(|now| now.stamp());
        if !now.is_ok_and(|now| now.is_same_file(before)) {
            return Err(self.changed());
        }
        let Place {
            directory, name, ..
        } = self.place;
        let renamed = directory.rename(&self.name, name, RenameFlags::empty());
        self.is_own = renamed.is_err();
        renamed.map_err(|error| self.not_replaced(error.into()))
    }

    /// Whether the name is that of a file now.
    fn is(&self, file: &Stamp) -> bool {
        let directory = &self.place.directory;
        directory.status_of(&self.name).is_ok_and(|now| {
            let now = now.stamp();
            // overlayfs copies a file of a lower layer before it renames it, and one
            // of several names then gets another inode (Documentation/filesystems/
            // overlayfs.rst in the kernel's source, "Non-standard behavior").
            now.is_same_file(file) || directory.is_overlay() && now.is_equal_file(file)
        })
    }

    fn changed(&self) -> Error {
        Error::Changed(self.place.path().to_owned())
    }

    fn not_replaced(&self, error: io::Error) -> Error {
        Error::NotReplaced {
            path: self.place.path().to_owned(),
            error,
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.is_own {
            let _ = self.place.directory.unlink(&self.name);
        }
    }
}

/// Whether a file system, or a kernel before Linux 3.15, does not know the kind
/// of renaming (rename(2), `renameat2`).
fn is_unknown(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

fn random_name() -> io::Result<OsString> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0_u8; 6];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    let letters = bytes.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
    Ok(format!("{PREFIX}{}", String::from_iter(letters)).into())
}
