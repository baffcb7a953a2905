//! Several names of one file.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD};

use super::pending::builder;
use super::{Error, ending};

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// The identity of a file.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Makes `name` lead to the file at `first` again, whose old content was
/// `before`: replacing a file breaks its hard links. There is no moment at which
/// nothing has the name.
///
/// # Errors
///
/// The name leads to another file than before, or the folder can't be written.
pub fn join_again(first: &Path, name: &Path, before: Identity) -> Result<(), Error> {
    let not_joined = |error| Error::NotJoined {
        first: first.to_owned(),
        error,
    };
    let folder = super::folder(name);
    if super::is_append_only(folder) {
        return Err(not_joined(io::ErrorKind::PermissionDenied.into()));
    }
    let _held = ending::hold();
    let link = |path: &Path| {
        let linked = rustix::fs::linkat(CWD, first, CWD, path, AtFlags::empty());
        linked.map_err(io::Error::from)
    };
    let new = builder().make_in(folder, link).map_err(not_joined)?;
    let now = name.symlink_metadata().map_err(not_joined)?;
    if Identity::of(&now) != before {
        return Err(Error::Changed(name.to_owned()));
    }
    let moved = new.into_temp_path().persist(name);
    moved.map_err(|error| not_joined(error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::NotSynced)
}
