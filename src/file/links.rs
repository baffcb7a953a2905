//! Several names of one file.

use std::io;
use std::os::fd::AsFd;

use super::replace::Temporary;
use super::{Error, Place, Stamp};

/// Makes `name` lead to the file at `first` again, whose old content was
/// `before` and which is `now`: replacing a file breaks its hard links. There is
/// no moment at which nothing has the name.
///
/// # Errors
///
/// One of the names leads to another file than it should, or the directory can't
/// be written.
pub fn join_again(first: &Place, now: &Stamp, name: &Place, before: &Stamp) -> Result<(), Error> {
    let not_joined = |error| Error::NotJoined {
        first: first.path().to_owned(),
        error,
    };
    if name.directory.is_append_only() {
        return Err(not_joined(io::ErrorKind::PermissionDenied.into()));
    }
    let (file, found) = first.directory.look(&first.name).map_err(not_joined)?;
    if !found.stamp().is_same_file(now) {
        return Err(Error::Changed(first.path().to_owned()));
    }
    let (linked, new) = Temporary::beside(name, |directory, new| {
        // Without /proc, only the name is left to go by.
        match directory.link(file.as_fd(), new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                directory.link_entry(&first.directory, &first.name, new)?;
            }
            linked => linked?,
        }
        directory.status_of(new)
    })
    .map_err(not_joined)?;
    if linked.identity() != now.file() {
        return Err(Error::Changed(first.path().to_owned()));
    }
    let there = name.status().map_err(not_joined)?;
    if !there.stamp().is_same_file(before) {
        return Err(Error::Changed(name.path().to_owned()));
    }
    new.replace(now.file(), before, true)
        .map_err(|error| match error {
            Error::NotReplaced { error, .. } => not_joined(error),
            error => error,
        })?;
    name.directory.sync().map_err(Error::NotSynced)
}
