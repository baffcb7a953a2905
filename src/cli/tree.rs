//! The files that a command line stands for: those that it names, and those in
//! the folders that it names.
//!
//! Folders are gone through in the order of names, and no file twice: a folder
//! that was seen already is passed over, and of the names of one file (hard
//! links) the first stands for all.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use walkdir::{DirEntry, IntoIter, WalkDir};

use super::options::Verbosity;
use super::output::{self, complain, warn};
use super::{patch, show};
use crate::file::{self, Identity};

/// What comes next.
pub(super) enum Entry {
    /// A file that the command line names.
    Named(PathBuf),
    /// An executable file in a folder.
    Executable(PathBuf),
    /// Something in a folder that can't be a program: why.
    Other(PathBuf, &'static str),
    /// A file or folder that was met before: as what.
    Again(PathBuf, String),
    /// A file or folder that can't be looked at.
    Unreadable(PathBuf, Error),
    /// The end of a folder that the command line names.
    End(PathBuf),
}

/// Goes through all files.
pub(super) struct Walk<'a> {
    named: std::slice::Iter<'a, PathBuf>,
    recursive: bool,
    /// The folder that it is in.
    tree: Option<(&'a Path, IntoIter)>,
    /// The folders that were seen.
    folders: HashSet<Identity>,
    /// The files of several names.
    pub(super) links: Links,
}

impl<'a> Walk<'a> {
    pub(super) fn new(named: &'a [PathBuf], recursive: bool) -> Self {
        Self {
            named: named.iter(),
            recursive,
            tree: None,
            folders: HashSet::new(),
            links: Links::default(),
        }
    }

    /// The next that the command line names, unless it is a folder to go
    /// through.
    fn next_named(&mut self) -> Option<Entry> {
        let path = self.named.next()?;
        // A link that the command line names is followed.
        let folder = std::fs::metadata(path).ok().filter(Metadata::is_dir);
        match folder.filter(|_| self.recursive) {
            None => Some(Entry::Named(path.clone())),
            Some(folder) if self.is_new(&folder) => {
                let walk = WalkDir::new(path).min_depth(1).sort_by_file_name();
                self.tree = Some((path, walk.into_iter()));
                None
            }
            Some(_) => Some(Entry::Other(path.clone(), GONE_THROUGH)),
        }
    }

    /// What an entry of a folder is; nothing for a folder in it.
    fn sort(&mut self, entry: walkdir::Result<DirEntry>) -> Option<Entry> {
        let looked_at = entry.and_then(|entry| Ok((entry.metadata()?, entry.into_path())));
        let (metadata, path) = match looked_at {
            Ok(found) => found,
            Err(error) => {
                let path = error.path().unwrap_or(Path::new("")).to_owned();
                let error = file::Error::Open(error.into());
                return Some(Entry::Unreadable(path, error.into()));
            }
        };
        let kind = metadata.file_type();
        if kind.is_dir() {
            if self.is_new(&metadata) {
                return None;
            }
            if let Some((_, walk)) = &mut self.tree {
                walk.skip_current_dir();
            }
            return Some(Entry::Again(path, GONE_THROUGH.to_owned()));
        }
        let other = if kind.is_symlink() {
            "a symbolic link"
        } else if !kind.is_file() {
            "not a regular file"
        } else if metadata.permissions().mode() & 0o111 == 0 {
            "not executable"
        } else if let Some(first) = self.links.first_name(&metadata, &path) {
            let first = format!("the same file as {}", first.display());
            return Some(Entry::Again(path, first));
        } else {
            return Some(Entry::Executable(path));
        };
        Some(Entry::Other(path, other))
    }

    fn is_new(&mut self, folder: &Metadata) -> bool {
        self.folders.insert(Identity::of(folder))
    }
}

/// What a folder is that was met before.
const GONE_THROUGH: &str = "gone through before";

impl Iterator for Walk<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let found = match &mut self.tree {
                Some((root, walk)) => match walk.next() {
                    Some(entry) => self.sort(entry),
                    None => {
                        let root = root.to_owned();
                        self.tree = None;
                        Some(Entry::End(root))
                    }
                },
                None if self.named.as_slice().is_empty() => return None,
                None => self.next_named(),
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

/// Files of several names, in the order in which they were met.
#[derive(Default)]
pub(super) struct Links {
    files: Vec<Linked>,
    by_identity: HashMap<Identity, usize>,
}

struct Linked {
    identity: Identity,
    /// The name under which it is handled.
    first: PathBuf,
    /// The others that were met.
    others: Vec<PathBuf>,
    /// How many there are anywhere.
    names: u64,
}

impl Links {
    /// The name under which the file is handled, if it was met before.
    fn first_name(&mut self, metadata: &Metadata, path: &Path) -> Option<&Path> {
        let identity = Identity::of(metadata);
        // Not only where there are several names now: the first may have been
        // replaced in the meantime.
        if let Some(&index) = self.by_identity.get(&identity) {
            let linked = &mut self.files[index];
            linked.others.push(path.to_owned());
            return Some(&linked.first);
        }
        let names = metadata.nlink();
        if names > 1 {
            self.by_identity.insert(identity, self.files.len());
            self.files.push(Linked {
                identity,
                first: path.to_owned(),
                others: Vec::new(),
                names,
            });
        }
        None
    }

    /// Where a file was replaced under its first name, puts the new one in the
    /// place of the old under its other names. Tells whether all went well.
    pub(super) fn join_again(&self, verbosity: Verbosity) -> bool {
        let mut ok = true;
        for file in self.files.iter().filter(|file| file.is_replaced()) {
            ok &= file.join_again(verbosity);
        }
        ok
    }
}

impl Linked {
    fn is_replaced(&self) -> bool {
        let now = self.first.symlink_metadata();
        now.is_ok_and(|now| Identity::of(&now) != self.identity)
    }

    fn join_again(&self, verbosity: Verbosity) -> bool {
        let elsewhere = self.names.saturating_sub(1 + self.others.len() as u64);
        if elsewhere > 0 {
            warn(&self.first, &patch::other_names(elsewhere));
        }
        let mut ok = true;
        for name in &self.others {
            let joined = file::join_again(&self.first, name, self.identity)
                .map_err(Error::from)
                .and_then(|()| self.say(name, verbosity));
            if let Err(error) = joined {
                complain(Some(name), &error);
                ok = false;
            }
        }
        ok
    }

    fn say(&self, name: &Path, verbosity: Verbosity) -> Result<()> {
        if verbosity == Verbosity::Quiet {
            return Ok(());
        }
        let (name, first) = (show::name(name), show::name(&self.first));
        Ok(output::print(format_args!(
            "{name}: the same file as {first} again\n"
        ))?)
    }
}
