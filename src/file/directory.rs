//! A directory that was opened once. What is done in it is done there, wherever
//! its own name leads in the meantime.
//!
//! Nothing here follows a symbolic link, and nothing opens what was not looked
//! at before.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, RawDir, RenameFlags, StatxAttributes, StatxFlags, fstat,
    openat,
};
use rustix::io::Errno;

use super::status::Status;

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    handle: OwnedFd,
    /// As people are told.
    path: PathBuf,
}

/// Only to look at, and to start from.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Directory {
    pub(super) fn new(handle: OwnedFd, path: PathBuf) -> Self {
        Self { handle, path }
    }

    /// The working directory.
    pub(super) fn working() -> io::Result<Self> {
        Self::at(".")
    }

    /// The root directory.
    pub(super) fn root() -> io::Result<Self> {
        Self::at("/")
    }

    fn at(path: &str) -> io::Result<Self> {
        let handle = openat(CWD, path, LOOK | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Self::new(handle, PathBuf::new()))
    }

    /// For people, the path of something that a path leads to from here.
    pub(super) fn join(&self, path: &Path) -> PathBuf {
        self.path.join(path)
    }

    /// Another handle of it, and what it is.
    pub(super) fn itself(&self) -> io::Result<(OwnedFd, Status)> {
        Ok((self.handle.try_clone()?, self.status()?))
    }

    /// Its path, for people.
    #[must_use]
    pub fn path(&self) -> &Path {
        if self.path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &self.path
        }
    }

    /// What fstat(2) says of it.
    ///
    /// # Errors
    ///
    /// It can't be looked at.
    pub fn status(&self) -> io::Result<Status> {
        Ok(fstat(&self.handle)?.into())
    }

    /// What has a name in it, to look at.
    pub(super) fn look(&self, name: &OsStr) -> io::Result<(OwnedFd, Status)> {
        self.look_with(name, LOOK)
    }

    /// What has a name in it, which may be a directory where a file system is
    /// mounted on demand (autofs).
    pub(super) fn look_and_mount(&self, name: &OsStr) -> io::Result<(OwnedFd, Status)> {
        match self.look_with(name, LOOK | OFlags::DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => self.look(name),
            looked_at => looked_at,
        }
    }

    /// What a symbolic link of the kernel's (proc(5), "/proc/pid/fd") leads to.
    pub(super) fn follow_magic_link(&self, name: &OsStr) -> io::Result<(OwnedFd, Status)> {
        self.look_with(name, OFlags::PATH | OFlags::CLOEXEC)
    }

    fn look_with(&self, name: &OsStr, flags: OFlags) -> io::Result<(OwnedFd, Status)> {
        let handle = openat(&self.handle, name, flags, Mode::empty())?;
        let status = fstat(&handle)?.into();
        Ok((handle, status))
    }

    /// What lstat(2) says of an entry.
    ///
    /// # Errors
    ///
    /// There is none, or it can't be looked at.
    pub fn status_of(&self, name: &OsStr) -> io::Result<Status> {
        let status = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(status.into())
    }

    /// A directory in it, opened to be read.
    ///
    /// # Errors
    ///
    /// It can't be read, or is none.
    pub fn subdirectory(&self, name: &OsStr) -> io::Result<Self> {
        let path = self.path.join(name);
        // Without an end, a tree would have no end either.
        if path.as_os_str().len() > LONGEST_PATH {
            return Err(Errno::NAMETOOLONG.into());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = openat(&self.handle, name, flags, Mode::empty())?;
        Ok(Self::new(handle, path))
    }

    /// Itself, opened to be read.
    pub(super) fn to_be_read(&self) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = openat(&self.handle, ".", flags, Mode::empty())?;
        Ok(Self::new(handle, self.path.clone()))
    }

    /// A directory below it, by names of directories alone: nothing else leads
    /// out of it.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn descend(&self, path: &Path) -> io::Result<Self> {
        let mut below = Self::new(self.handle.try_clone()?, self.path.clone());
        for component in path.components() {
            let Component::Normal(name) = component else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            let flags = LOOK | OFlags::DIRECTORY;
            let handle = openat(&below.handle, name, flags, Mode::empty())?;
            below = Self::new(handle, below.path.join(name));
        }
        Ok(below)
    }

    /// The names in it, sorted. It must have been opened to be read.
    ///
    /// # Errors
    ///
    /// It can't be read.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        let mut buffer = vec![MaybeUninit::uninit(); 1 << 15];
        let mut entries = RawDir::new(&self.handle, &mut buffer);
        while let Some(entry) = entries.next() {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort();
        Ok(names)
    }

    /// A new file without a name, so that nothing is left of it if this process
    /// is killed (open(2), O_TMPFILE); nothing where the file system has none, or
    /// where there is no /proc to name it through later.
    pub(super) fn create_unnamed(&self) -> io::Result<Option<File>> {
        if rustix::fs::access("/proc/self/fd", Access::EXISTS).is_err() {
            return Ok(None);
        }
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(&self.handle, ".", flags, OWN) {
            Ok(file) => Ok(Some(file.into())),
            // The second is what kernels and file systems answer that take it for
            // an attempt to write a directory.
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A new file that nobody else may open.
    pub(super) fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(openat(&self.handle, name, flags, OWN)?.into())
    }

    /// Gives an open file a name that nothing has.
    pub(super) fn link(&self, file: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
        let file = itself(file);
        let flags = AtFlags::SYMLINK_FOLLOW;
        Ok(rustix::fs::linkat(CWD, file, &self.handle, name, flags)?)
    }

    /// Gives an entry of a directory a name that nothing has.
    pub(super) fn link_entry(&self, from: &Self, entry: &OsStr, name: &OsStr) -> io::Result<()> {
        let flags = AtFlags::empty();
        Ok(rustix::fs::linkat(
            &from.handle,
            entry,
            &self.handle,
            name,
            flags,
        )?)
    }

    pub(super) fn rename(&self, from: &OsStr, to: &OsStr, flags: RenameFlags) -> Result<(), Errno> {
        rustix::fs::renameat_with(&self.handle, from, &self.handle, to, flags)
    }

    pub(super) fn unlink(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Writes its entries to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.to_be_read()?.handle)?)
    }

    /// Whether it is of a file system of layers.
    pub(super) fn is_overlay(&self) -> bool {
        /// OVERLAYFS_SUPER_MAGIC (linux/magic.h).
        const OVERLAY: i64 = 0x794c_7630;
        rustix::fs::fstatfs(&self.handle).is_ok_and(|system| system.f_type == OVERLAY)
    }

    /// Whether it is marked so that nothing is taken from it (`chattr +a`;
    /// statx(2), STATX_ATTR_APPEND).
    pub(super) fn is_append_only(&self) -> bool {
        self.has_append_mark(OsStr::new(""), AtFlags::EMPTY_PATH)
    }

    /// Whether an entry is marked so that it only grows.
    pub(super) fn can_only_grow(&self, name: &OsStr) -> bool {
        self.has_append_mark(name, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn has_append_mark(&self, name: &OsStr, flags: AtFlags) -> bool {
        rustix::fs::statx(&self.handle, name, flags, StatxFlags::empty())
            .is_ok_and(|status| status.stx_attributes.contains(StatxAttributes::APPEND))
    }

    /// Whether the user may write to an entry. What is a symbolic link by now
    /// is noticed later.
    pub(super) fn may_write(&self, name: &OsStr) -> bool {
        let flags = AtFlags::EACCESS;
        let allowed = rustix::fs::accessat(&self.handle, name, Access::WRITE_OK, flags);
        // A program that runs may be replaced, though not written.
        matches!(allowed, Ok(()) | Err(Errno::TXTBSY))
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// In bytes: PATH_MAX (linux/limits.h) counts the final zero.
const LONGEST_PATH: usize = 4095;

/// Of a file while it is written.
const OWN: Mode = Mode::RUSR.union(Mode::WUSR);

/// A path that leads to an open file, whatever its name (proc(5),
/// "/proc/pid/fd").
pub(super) fn itself(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_ends_where_paths_do() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("a")).unwrap();
        let enter = |length: usize| {
            let handle = std::fs::File::open(tree.path()).unwrap();
            let path = "x".repeat(length - "/a".len());
            let directory = Directory::new(handle.into(), path.into());
            directory.subdirectory(OsStr::new("a"))
        };
        let length = |directory: io::Result<Directory>| {
            let directory = directory.map_err(|error| error.raw_os_error());
            directory.map(|it| it.path().as_os_str().len())
        };
        assert_eq!(length(enter(4094)), Ok(4094));
        assert_eq!(length(enter(4095)), Ok(4095));
        for longer in [4096, 4097] {
            let error = Some(Errno::NAMETOOLONG.raw_os_error());
            assert_eq!(length(enter(longer)), Err(error));
        }
    }

    #[test]
    fn an_entry_gets_a_name_that_nothing_has() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "").unwrap();
        let handle = std::fs::File::open(folder.path()).unwrap();
        let directory = Directory::new(handle.into(), folder.path().into());
        let (from, to) = (OsStr::new("a"), OsStr::new("b"));
        directory.link_entry(&directory, from, to).unwrap();
        let identity = |name| directory.status_of(name).unwrap().identity();
        assert_eq!(identity(from), identity(to));
        let again = directory.link_entry(&directory, from, to);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    /// Where it is said to be one, a file that looks like another is taken for it.
    #[test]
    fn not_every_file_system_is_one_of_layers() {
        let root = Directory::root().unwrap();
        assert!(!root.subdirectory(OsStr::new("proc")).unwrap().is_overlay());
    }
}
