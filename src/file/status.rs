//! What there is to know of a file without opening it.

use rustix::fs::{FileType, Stat};

/// What fstat(2) says of a file.
#[derive(Clone, Copy, Debug)]
pub struct Status(Stat);

impl From<Stat> for Status {
    fn from(stat: Stat) -> Self {
        Self(stat)
    }
}

impl Status {
    fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.0.st_mode)
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind() == FileType::RegularFile
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.kind() == FileType::Directory
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.kind() == FileType::Symlink
    }

    /// Permissions, and the bits for privileges and for sticky directories.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.0.st_mode & 0o7777
    }

    /// Whether whoever executes it runs as its owner or its group (execve(2)).
    #[must_use]
    pub fn sets_ids(&self) -> bool {
        const SET_USER_ID: u32 = 0o4000;
        const SET_GROUP_ID: u32 = 0o2000;
        self.mode() & (SET_USER_ID | SET_GROUP_ID) != 0
    }

    /// The owner.
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.0.st_uid
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.0.st_gid
    }

    /// How many names it has.
    #[must_use]
    #[allow(
        clippy::useless_conversion,
        reason = "it has 32 bits on other processors"
    )]
    pub fn names(&self) -> u64 {
        self.0.st_nlink.into()
    }

    /// Time of the last access, in seconds and nanoseconds since 1970.
    pub(super) fn accessed(&self) -> (i64, u64) {
        (self.0.st_atime, self.0.st_atime_nsec)
    }

    /// Time of the last change of the content, likewise.
    pub(super) fn modified(&self) -> (i64, u64) {
        (self.0.st_mtime, self.0.st_mtime_nsec)
    }

    /// Which file it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            device: self.0.st_dev,
            inode: self.0.st_ino,
        }
    }

    /// What differs after the file was written or replaced.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp {
            file: self.identity(),
            size: self.0.st_size,
            mode: self.0.st_mode,
            owner: self.owner(),
            group: self.group(),
            modified: self.modified(),
            changed: (self.0.st_ctime, self.0.st_ctime_nsec),
        }
    }
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    device: u64,
    inode: u64,
}

/// What differs after a file was written or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    file: Identity,
    /// Bytes.
    size: i64,
    /// With the kind of file.
    mode: u32,
    owner: u32,
    group: u32,
    /// Last change of the content, in seconds and nanoseconds since 1970.
    modified: (i64, u64),
    /// Last change of the inode, likewise.
    changed: (i64, u64),
}

impl Stamp {
    /// Which file it is of.
    #[must_use]
    pub fn file(&self) -> Identity {
        self.file
    }

    /// Whether both are of one file in one state, whatever its names: renaming
    /// and linking it is a change of the inode, too.
    ///
    /// The number of an inode that was deleted can come again, but not with the
    /// owner of the old one for who could not have written to that.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        let changed = other.changed;
        Self { changed, ..*self } == *other
    }

    /// Whether both are of files that differ at most in what is in them, and that
    /// nobody but their owner can have made equal.
    pub(super) fn is_equal_file(&self, other: &Self) -> bool {
        let file = other.file;
        Self { file, ..*self }.is_same_file(other)
    }
}
