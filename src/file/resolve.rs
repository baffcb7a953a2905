//! From a path that somebody named to an entry of an open directory: each name
//! on the way is looked up once, in the directory that was reached by the former.
//!
//! The kernel could do so at once, but for two rules about symbolic links: that
//! of fs.protected_symlinks holds also where it is switched off, and what is to be
//! replaced is not reached by a link of a user whose file it is not.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{PROC_SUPER_MAGIC, fstatfs, readlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::directory::Directory;
use super::place::Place;
use super::status::Status;

/// What the path is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// The file is only read.
    Read,
    /// Something is put in its place, or into it if it is a directory.
    Replace,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    There(There),
    /// The directory is there, and has no such entry.
    Missing(Place),
}

/// Something that was looked at.
#[derive(Debug)]
pub(super) struct There {
    pub(super) handle: OwnedFd,
    pub(super) status: Status,
    /// Nothing where the path has no names, or what it leads to has none.
    pub(super) place: Option<Place>,
}

impl There {
    pub(super) fn into_directory(self, path: PathBuf) -> Result<Directory, Errno> {
        if self.status.is_directory() {
            Ok(Directory::new(self.handle, path))
        } else {
            Err(Errno::NOTDIR)
        }
    }
}

/// Looks a path up.
pub(super) fn resolve(path: &Path, purpose: Purpose) -> io::Result<Found> {
    resolve_in(&Arc::new(Directory::working()?), path, purpose)
}

/// Looks a path up that starts from a directory.
pub(super) fn resolve_in(
    start: &Arc<Directory>,
    path: &Path,
    purpose: Purpose,
) -> io::Result<Found> {
    Lookup { purpose, links: 0 }.go(start, path)
}

/// Opens a directory to read its entries.
///
/// # Errors
///
/// There is none, or it can't be read.
pub fn open_directory(path: &Path, purpose: Purpose) -> io::Result<Directory> {
    match resolve(path, purpose)? {
        Found::There(there) => there.into_directory(path.to_owned())?.to_be_read(),
        Found::Missing(_) => Err(Errno::NOENT.into()),
    }
}

/// How many symbolic links the kernel follows (MAXSYMLINKS, include/linux/namei.h).
const MOST_LINKS: u32 = 40;

struct Lookup {
    purpose: Purpose,
    /// The links that were followed.
    links: u32,
}

impl Lookup {
    fn go(&mut self, start: &Arc<Directory>, path: &Path) -> io::Result<Found> {
        let text = path.as_os_str().as_bytes();
        if text.is_empty() {
            return Err(Errno::NOENT.into());
        }
        let mut directory = match path.is_absolute() {
            true => Arc::new(Directory::root()?),
            false => start.clone(),
        };
        let must_be_directory = text.ends_with(b"/") || text.ends_with(b"/.");
        let mut names = names(text).peekable();
        while let Some((name, until)) = names.next() {
            let shown = start.join(Path::new(until));
            let is_last = names.peek().is_none();
            match self.step(&directory, name, &shown)? {
                Found::There(there) if is_last && !must_be_directory => {
                    return Ok(Found::There(there));
                }
                Found::There(there) => directory = Arc::new(there.into_directory(shown)?),
                missing if is_last && !must_be_directory => return Ok(missing),
                Found::Missing(_) => return Err(Errno::NOENT.into()),
            }
        }
        let (handle, status) = directory.itself()?;
        Ok(Found::There(There {
            handle,
            status,
            place: None,
        }))
    }

    /// One name further.
    fn step(
        &mut self,
        directory: &Arc<Directory>,
        name: &OsStr,
        shown: &Path,
    ) -> io::Result<Found> {
        let place = || Place::shown_as(directory.clone(), name.to_owned(), shown.to_owned());
        let (handle, status) = match directory.look_and_mount(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Found::Missing(place()));
            }
            looked_at => looked_at?,
        };
        let there = if status.is_link() {
            self.follow(&place(), &handle, &status)?
        } else {
            There {
                handle,
                status,
                place: (name != "..").then(place),
            }
        };
        Ok(Found::There(there))
    }

    /// What a symbolic link leads to.
    fn follow(&mut self, link: &Place, handle: &OwnedFd, status: &Status) -> io::Result<There> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        let owner = status.owner();
        let snare = |why| {
            let link = link.path().to_owned();
            io::Error::new(io::ErrorKind::PermissionDenied, Snare { link, owner, why })
        };
        if is_protected(&link.directory.status()?, owner) {
            return Err(snare("is in a directory that everybody may write to"));
        }
        let text = readlinkat(handle, "", Vec::new())?;
        let text = Path::new(OsStr::from_bytes(text.as_bytes()));
        let there = if fstatfs(handle)?.f_type == PROC_SUPER_MAGIC {
            self.follow_magic(link, text)?
        } else {
            match self.go(&link.directory, text)? {
                Found::There(there) => there,
                Found::Missing(_) => return Err(Errno::NOENT.into()),
            }
        };
        let is_trusted = owner == 0 || is_own(owner) || owner == there.status.owner();
        if self.purpose == Purpose::Replace && !is_trusted {
            return Err(snare("leads to a file that does not"));
        }
        Ok(there)
    }

    /// What a link in /proc leads to, which need not be what its text says
    /// (proc(5), "/proc/pid/fd").
    fn follow_magic(&mut self, link: &Place, text: &Path) -> io::Result<There> {
        let (handle, status) = link.directory.follow_magic_link(&link.name)?;
        match self.go(&link.directory, text) {
            Ok(Found::There(there)) if there.status.identity() == status.identity() => Ok(there),
            _ => Ok(There {
                handle,
                status,
                place: None,
            }),
        }
    }
}

/// The names of a path, each with the path until there.
fn names(path: &[u8]) -> impl Iterator<Item = (&OsStr, &OsStr)> {
    let mut end = 0;
    path.split(|&byte| byte == b'/').filter_map(move |name| {
        let until = &path[..end + name.len()];
        end = until.len() + 1;
        let is_name = !name.is_empty() && name != b".";
        is_name.then(|| (OsStr::from_bytes(name), OsStr::from_bytes(until)))
    })
}

/// Whether a symbolic link in a directory is one that the kernel does not follow
/// where fs.protected_symlinks is set (`may_follow_link`, fs/namei.c; there only at
/// the end of a path).
fn is_protected(directory: &Status, owner: u32) -> bool {
    const STICKY_AND_WRITABLE: u32 = 0o1002;
    directory.mode() & STICKY_AND_WRITABLE == STICKY_AND_WRITABLE
        && owner != directory.owner()
        && !is_own(owner)
}

fn is_own(owner: u32) -> bool {
    owner == geteuid().as_raw()
}

/// A symbolic link that is not followed.
#[derive(Debug)]
struct Snare {
    link: PathBuf,
    owner: u32,
    why: &'static str,
}

impl fmt::Display for Snare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { link, owner, why } = self;
        write!(
            f,
            "the symbolic link {} belongs to another user ({owner}) and {why}; name what it leads \
             to",
            link.display()
        )
    }
}

impl std::error::Error for Snare {}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str) -> Vec<(&str, &str)> {
        let text = |text: &'static OsStr| text.to_str().expect("UTF-8");
        names(path.to_owned().leak().as_bytes())
            .map(|(name, until)| (text(name), text(until)))
            .collect()
    }

    #[test]
    fn a_path_has_its_names_in_order() {
        assert_eq!(split("a/b"), [("a", "a"), ("b", "a/b")]);
        assert_eq!(
            split("/a/../b"),
            [("a", "/a"), ("..", "/a/.."), ("b", "/a/../b")]
        );
        assert_eq!(split("./a//./b/."), [("a", "./a"), ("b", "./a//./b")]);
        for nothing in ["/", ".", "//", "./", ""] {
            assert_eq!(split(nothing), [], "{nothing}");
        }
    }
}
