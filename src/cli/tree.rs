//! The files that a command line stands for: those that it names, and those in
//! the directories that it names.
//!
//! Directories are gone through in the order of names, and no file twice: a
//! directory that was seen already is passed over, and of the names of one file
//! (hard links) the first stands for all.
//!
//! Each directory is opened in the one that is above it, so that nothing that
//! is renamed or replaced meanwhile leads out of the tree.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Error, Result};

use super::output::Verbosity;
use super::output::{self, complain, warn};
use super::render;
use crate::file::{self, Directory, Identity, Place, Purpose, Stamp, Status, open_directory};
use crate::program::Remark;

/// What comes next.
pub(super) enum Entry {
    /// A file that the command line names.
    Named(PathBuf),
    /// An executable file in a tree.
    Executable(Place),
    /// Something in a tree that can't be a program: why.
    Other(PathBuf, &'static str),
    /// A file or directory that was met before: as what.
    Again(PathBuf, String),
    /// A file or directory that can't be looked at.
    Unreadable(PathBuf, Error),
    /// The end of a tree.
    End(PathBuf),
}

/// Goes through all files.
pub(super) struct Walk<'a> {
    named: std::slice::Iter<'a, PathBuf>,
    recursive: bool,
    purpose: Purpose,
    tree: Option<Tree<'a>>,
    /// The directories that were seen.
    seen: HashSet<Identity>,
    /// The files of several names.
    pub(super) links: Links,
}

/// A directory that the command line names, and how far it is gone through.
struct Tree<'a> {
    named: &'a Path,
    /// From the root to the directory that it is in.
    levels: Vec<Level>,
}

/// A directory that is gone through.
struct Level {
    root: Arc<Directory>,
    /// Nothing where it was closed, since many are open below it.
    directory: Option<Arc<Directory>>,
    identity: Identity,
    /// Its path from the root.
    path: PathBuf,
    /// The entries that come next.
    names: std::vec::IntoIter<OsString>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(named: &'a [PathBuf], recursive: bool, purpose: Purpose) -> Self {
        Self {
            named: named.iter(),
            recursive,
            purpose,
            tree: None,
            seen: HashSet::new(),
            links: Links::default(),
        }
    }

    /// The next that the command line names, unless it is a directory to go
    /// through.
    fn next_named(&mut self) -> Option<Entry> {
        let path = self.named.next()?;
        if !self.recursive {
            return Some(Entry::Named(path.clone()));
        }
        // A link that the command line names is followed.
        let root = open_directory(path, self.purpose);
        if root.as_ref().is_err_and(is_no_directory) {
            return Some(Entry::Named(path.clone()));
        }
        self.tree = Some(Tree {
            named: path,
            levels: Vec::new(),
        });
        let root = match root {
            Ok(root) => Arc::new(root),
            Err(error) => return Some(unreadable(path.clone(), error)),
        };
        let entered = self.enter(&root, root.clone(), PathBuf::new());
        if matches!(entered, Some(Entry::Again(..))) {
            self.tree = None;
            return Some(Entry::Other(path.clone(), GONE_THROUGH));
        }
        entered
    }

    /// Goes into a directory, unless that is not to be.
    fn enter(
        &mut self,
        root: &Arc<Directory>,
        directory: Arc<Directory>,
        path: PathBuf,
    ) -> Option<Entry> {
        let shown = directory.path().to_owned();
        let read = || Ok((directory.status()?.identity(), directory.names()?));
        let (identity, names) = match read() {
            Ok(read) => read,
            Err(error) => return Some(unreadable(shown, error)),
        };
        if !self.seen.insert(identity) {
            return Some(Entry::Again(shown, GONE_THROUGH.to_owned()));
        }
        let levels = &mut self.tree.as_mut()?.levels;
        levels.push(Level {
            root: root.clone(),
            directory: Some(directory),
            identity,
            path,
            names: names.into_iter(),
        });
        if let Some(above) = levels.len().checked_sub(MOST_OPEN + 1) {
            levels[above].directory = None;
        }
        None
    }

    /// The next in the tree; nothing where that is a directory.
    fn next_in_tree(&mut self) -> Option<Entry> {
        let tree = self.tree.as_mut()?;
        let Some(level) = tree.levels.last_mut() else {
            let root = tree.named.to_owned();
            self.tree = None;
            return Some(Entry::End(root));
        };
        let Some(name) = level.names.next() else {
            tree.levels.pop();
            return None;
        };
        let directory = match level.open_again() {
            Ok(directory) => directory,
            Err(error) => {
                let path = tree.named.join(&level.path);
                tree.levels.pop();
                return Some(unreadable(path, error));
            }
        };
        let place = Place::new(directory.clone(), name);
        let status = match place.status() {
            Ok(status) => status,
            Err(error) => return Some(unreadable(place.path().to_owned(), error)),
        };
        if status.is_directory() {
            let (root, path) = (level.root.clone(), level.path.join(place.name()));
            return match directory.subdirectory(place.name()) {
                Ok(directory) => self.enter(&root, Arc::new(directory), path),
                Err(error) => Some(unreadable(place.path().to_owned(), error)),
            };
        }
        let name = Name {
            root: level.root.clone(),
            directory: level.path.clone(),
            place: place.path().to_owned(),
        };
        Some(self.sort(place, &status, name))
    }

    /// What an entry is that is no directory.
    fn sort(&mut self, place: Place, status: &Status, name: Name) -> Entry {
        let other = if status.is_link() {
            "a symbolic link"
        } else if !status.is_file() {
            "not a regular file"
        } else if status.mode() & 0o111 == 0 {
            "not executable"
        } else if let Some(first) = self.links.first_name(status, name) {
            let first = format!("the same file as {}", first.display());
            return Entry::Again(place.path().to_owned(), first);
        } else {
            return Entry::Executable(place);
        };
        Entry::Other(place.path().to_owned(), other)
    }
}

/// How many directories of a tree are open at a time: it may be deeper than a
/// process may have files open.
const MOST_OPEN: usize = 16;

impl Level {
    /// The directory, opened again if it was closed.
    fn open_again(&mut self) -> io::Result<Arc<Directory>> {
        if let Some(directory) = &self.directory {
            return Ok(directory.clone());
        }
        let again = Arc::new(self.root.descend(&self.path)?);
        if again.status()?.identity() != self.identity {
            return Err(io::ErrorKind::StaleNetworkFileHandle.into());
        }
        self.directory = Some(again.clone());
        Ok(again)
    }
}

/// What a directory is that was met before.
const GONE_THROUGH: &str = "gone through before";

/// Whether it is a file, or '-', or nothing, of which its turn will tell.
fn is_no_directory(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotADirectory | NotFound)
}

fn unreadable(path: PathBuf, error: io::Error) -> Entry {
    Entry::Unreadable(path, file::Error::Open(error).into())
}

impl Iterator for Walk<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let found = match &self.tree {
                Some(_) => self.next_in_tree(),
                None if self.named.as_slice().is_empty() => return None,
                None => self.next_named(),
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

/// What was written, by the paths in trees of files that had several names.
pub(super) type Replaced = HashMap<PathBuf, Stamp>;

/// Files of several names, in the order in which they were met.
#[derive(Default)]
pub(super) struct Links {
    files: Vec<Linked>,
    by_identity: HashMap<Identity, usize>,
}

struct Linked {
    before: Stamp,
    /// The name under which it is handled.
    first: Name,
    /// The others that were met.
    others: Vec<Name>,
    /// How many there are anywhere.
    names: u64,
}

/// A name in a tree. Its directory is opened again when it is needed, since
/// there may be more of them than files that a process may have open.
struct Name {
    root: Arc<Directory>,
    /// The path of its directory from the root.
    directory: PathBuf,
    /// Its own path, for people.
    place: PathBuf,
}

impl Name {
    fn place(&self) -> io::Result<Place> {
        let directory = self.root.descend(&self.directory)?;
        let name = self.place.file_name().unwrap_or_default();
        Ok(Place::new(Arc::new(directory), name.to_owned()))
    }
}

impl Links {
    /// The name under which the file is handled, if it was met before.
    fn first_name(&mut self, status: &Status, name: Name) -> Option<&Path> {
        let identity = status.identity();
        // Not only where there are several names now: the first may have been
        // replaced in the meantime.
        if let Some(&index) = self.by_identity.get(&identity) {
            let linked = &mut self.files[index];
            linked.others.push(name);
            return Some(&linked.first.place);
        }
        if status.names() > 1 {
            self.by_identity.insert(identity, self.files.len());
            self.files.push(Linked {
                before: status.stamp(),
                first: name,
                others: Vec::new(),
                names: status.names(),
            });
        }
        None
    }

    /// Where a file was replaced under its first name, puts the new one in the
    /// place of the old under its other names. Tells whether all went well.
    pub(super) fn join_again(&self, replaced: &Replaced, verbosity: Verbosity) -> bool {
        let mut ok = true;
        for file in &self.files {
            if let Some(now) = replaced.get(&file.first.place) {
                ok &= file.join_again(now, verbosity);
            }
        }
        ok
    }
}

impl Linked {
    fn join_again(&self, now: &Stamp, verbosity: Verbosity) -> bool {
        let first = &self.first.place;
        let elsewhere = self.names.saturating_sub(1 + self.others.len() as u64);
        if elsewhere > 0 {
            warn(first, &Remark::OtherNames(elsewhere));
        }
        let mut ok = true;
        for name in &self.others {
            let joined = self
                .join(name, now)
                .map_err(Error::from)
                .and_then(|()| self.say(name, verbosity));
            if let Err(error) = joined {
                complain(Some(&name.place), &error);
                ok = false;
            }
        }
        ok
    }

    fn join(&self, name: &Name, now: &Stamp) -> Result<(), file::Error> {
        let not_joined = |error| file::Error::NotJoined {
            first: self.first.place.clone(),
            error,
        };
        let first = self.first.place().map_err(not_joined)?;
        let name = name.place().map_err(not_joined)?;
        file::join_again(&first, now, &name, &self.before)
    }

    fn say(&self, name: &Name, verbosity: Verbosity) -> Result<()> {
        if verbosity != Verbosity::Verbose {
            return Ok(());
        }
        let (name, first) = (render::name(&name.place), render::name(&self.first.place));
        Ok(output::print(format_args!(
            "{name}: the same file as {first} again\n"
        ))?)
    }
}
