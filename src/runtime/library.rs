//! Which libsandbox.so a patched program will load, and whether it is suitable.

use std::fs::File;
use std::io;
use std::path::Path;

use object::elf;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use sandbox_format::note;

use super::{Directories, inline};
use crate::elf::{Image, Layout};
use crate::file;
use crate::rewrite;
use crate::rewrite::embedded::{self, Runtime};

/// The file name of the runtime, which identifies a program's entry for it whether or not
/// the file exists.
pub const NAME: &str = "libsandbox.so";

/// The longest path that Linux opens, in bytes: PATH_MAX (linux/limits.h) counts
/// the final zero.
const LONGEST_PATH: usize = 4095;

/// Why no library can be named.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// None beside the program.
    #[error("libsandbox.so is neither beside sandbox-patch nor in ../lib/sandbox-patch/")]
    NotFound,
    /// No directory is known where it would be.
    #[error(
        "no directory is known in which libsandbox.so would be, which sandbox-patch has from \
         /proc/self/exe"
    )]
    NowhereToLook,
    /// A path that depends on where the program is started.
    #[error("the library path '{0}' is not absolute, so another file can take its place")]
    Relative(String),
    /// An impossible path.
    #[error("the library path is empty")]
    Empty,
    /// A file name by which the runtime would not be recognised.
    #[error(
        "the library {0:?} is not named libsandbox.so, which the entry for it is known by; rename it"
    )]
    Name(String),
    /// Longer than a path may be.
    #[error(
        "the library path has {0} bytes, and no program can load what has more than \
         {LONGEST_PATH}"
    )]
    TooLong(usize),
    /// An unsuitable file.
    #[error("the library {path}: {why}")]
    Unfit {
        /// The library.
        path: String,
        /// What is wrong with it.
        why: Unfit,
    },
}

/// Why a file is not suitable as the runtime of a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// A directory, a device, a pipe.
    #[error("it is not a regular file")]
    NotRegular,
    /// An ELF file of another type.
    #[error("it is no shared library")]
    NotLibrary,
    /// No program of this kind loads it.
    #[error("it is for another architecture than the program")]
    Architecture,
    /// Another library.
    #[error("it is no libsandbox.so")]
    NotRuntime,
    /// One of an earlier version, which can't read this version's notes.
    #[error("it is of version {0}, which does not know this version's notes")]
    Earlier(String),
    /// Not a valid ELF file.
    #[error(transparent)]
    Unreadable(#[from] rewrite::Error),
}

/// The library of a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// The DT_NEEDED value.
    pub path: String,
}

/// What is known about the file that a DT_NEEDED value refers to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Presence {
    /// A suitable runtime: its version.
    Fit(String),
    /// No file.
    Missing,
    /// The user may not see whether there is a file, or which one: the reason.
    Hidden(String),
    /// An unsuitable file.
    Unfit(Unfit),
    /// The dynamic loader searches for it, or the path contains a loader variable.
    Unknown,
}

impl Library {
    /// The library of this version.
    ///
    /// # Errors
    ///
    /// There is none, or no program could load it from there.
    pub fn installed(directories: &Directories) -> Result<Self, Error> {
        if directories.0.is_empty() {
            return Err(Error::NowhereToLook);
        }
        let path = directories.find(NAME);
        let path = path.and_then(|path| path.to_str().map(str::to_owned));
        Self::at(&path.ok_or(Error::NotFound)?, false)
    }

    /// The library at a path, which must be its path where the program runs.
    ///
    /// # Errors
    ///
    /// The path can be diverted, or its name is not [`NAME`].
    pub fn at(path: &str, allow_relative: bool) -> Result<Self, Error> {
        if path.is_empty() {
            return Err(Error::Empty);
        }
        if path.len() > LONGEST_PATH {
            return Err(Error::TooLong(path.len()));
        }
        if !is_named_like_runtime(path) {
            return Err(Error::Name(path.to_owned()));
        }
        if !is_absolute(path) && !allow_relative {
            return Err(Error::Relative(path.to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Checks the library against the program that will load it.
    ///
    /// # Errors
    ///
    /// The file is here and of an earlier version or another architecture.
    pub fn check(&self, program: &Layout) -> Result<Presence, Error> {
        match presence(&self.path, Path::new("/"), program) {
            Presence::Unfit(why) => Err(Error::Unfit {
                path: self.path.clone(),
                why,
            }),
            other => Ok(other),
        }
    }
}

/// Whether the loader opens exactly this file: it starts with a slash, and has no
/// `$ORIGIN` or other variable that ld.so(8) replaces.
#[must_use]
pub fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && !path.contains('$')
}

/// Whether a DT_NEEDED value is that of a runtime.
#[must_use]
pub fn is_named_like_runtime(path: &str) -> bool {
    path.rsplit('/').next() == Some(NAME)
}

/// Looks at the file that a DT_NEEDED value refers to, below `root`.
#[must_use]
pub fn presence(path: &str, root: &Path, program: &Layout) -> Presence {
    if !is_absolute(path) {
        return Presence::Unknown;
    }
    let file = match open(path, root) {
        Ok(Some(file)) => file,
        Ok(None) => return Presence::Unfit(Unfit::NotRegular),
        Err(error) if is_absence(&error) => return Presence::Missing,
        Err(error) => return Presence::Hidden(error.to_string()),
    };
    match examine(&file, program) {
        Ok(version) => Presence::Fit(version),
        Err(why) => Presence::Unfit(why),
    }
}

/// The name that a library below `root` gives itself (DT_SONAME), if it can be read.
pub fn name_within(path: &str, root: &Path) -> Option<String> {
    let file = open(path, root).ok()??;
    let image = Image::read(file).ok()?;
    let name = image.dynamic.as_ref()?.get(elf::DT_SONAME)?;
    image.dynamic_string(name).ok()
}

fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Opens a regular file; `None` if it is of another type. The path comes from a program
/// under examination, which may be hostile: the type is checked first, since a device may
/// act when it is opened, and a FIFO would wait for a writer.
fn open(path: &str, root: &Path) -> io::Result<Option<File>> {
    let below = match root.to_str() {
        Some("/") => None,
        _ => Some(File::open(root)?),
    };
    let open = |flags: OFlags| -> io::Result<Option<File>> {
        let flags = flags | OFlags::CLOEXEC;
        let file = match &below {
            None => openat(CWD, path, flags, Mode::empty()),
            // Absolute symbolic links are those of the root, too.
            Some(root) => openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT),
        };
        let file = File::from(file?);
        Ok(file.metadata()?.is_file().then_some(file))
    };
    let Some(looked_at) = open(OFlags::PATH)? else {
        return Ok(None);
    };
    match file::reopen(&looked_at) {
        // There is no /proc.
        Err(error) if is_absence(&error) => open(OFlags::RDONLY | OFlags::NONBLOCK),
        opened => opened.map(Some),
    }
}

/// The version of a runtime that is suitable for a program.
fn examine(file: &File, program: &Layout) -> Result<String, Unfit> {
    let library = Image::read(file).map_err(rewrite::Error::from)?;
    let same =
        library.encoding == program.encoding && library.header.machine == program.header.machine;
    if library.header.kind != elf::ET_DYN {
        return Err(Unfit::NotLibrary);
    }
    if !same {
        return Err(Unfit::Architecture);
    }
    // The runtime for the inside of programs has the same note.
    let is_inline = inline::code(&library)
        .is_ok_and(|code| sandbox_format::inline::Header::read(&code).is_some());
    let runtime = embedded::runtime(&library)?.filter(|_| !is_inline);
    let Some(Runtime { format, version }) = runtime else {
        return Err(Unfit::NotRuntime);
    };
    // Later ones enforce what is patched today, too (docs/note-format.md, "What lasts").
    if format < note::VERSION {
        return Err(Unfit::Earlier(version));
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::build::LayoutBuilder;

    fn path(length: usize) -> String {
        let directories = "x".repeat(length - "//".len() - NAME.len());
        format!("/{directories}/{NAME}")
    }

    #[test]
    fn a_path_is_as_long_as_a_program_can_open() {
        assert!(Library::at(&path(LONGEST_PATH - 1), false).is_ok());
        assert!(Library::at(&path(LONGEST_PATH), false).is_ok());
        for length in [LONGEST_PATH + 1, LONGEST_PATH + 2] {
            let refused = Library::at(&path(length), false);
            assert!(matches!(refused, Err(Error::TooLong(it)) if it == length));
        }
    }

    #[test]
    fn a_path_that_others_can_divert_must_be_allowed() {
        for path in [
            "libsandbox.so",
            "$ORIGIN/libsandbox.so",
            "/$LIB/libsandbox.so",
        ] {
            let refused = Library::at(path, false);
            assert!(matches!(refused, Err(Error::Relative(_))), "{path}");
            assert!(Library::at(path, true).is_ok(), "{path}");
        }
    }

    #[test]
    fn the_name_that_a_library_gives_itself_is_in_it() {
        let root = tempfile::tempdir().unwrap();
        let (builder, places) = LayoutBuilder::new(elf::ET_DYN).strings(&["ld.so"]);
        let file = builder.dynamic(elf::DT_SONAME, places[0]).build();
        std::fs::write(root.path().join("loader"), file).unwrap();
        let name = name_within("/loader", root.path());
        assert_eq!(name.as_deref(), Some("ld.so"));
        assert_eq!(name_within("/other", root.path()), None);
    }
}
