//! The runtime that is put into programs, and recognising it in a program.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use object::elf;
use sandbox_format::{inline, note};

use super::{Directories, released};
use crate::elf::{Image, Layout, Source};
use crate::rewrite;
use crate::rewrite::embedded::{self, Runtime};

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No file.
    #[error(
        "sandbox-inline is neither beside sandbox-patch nor in ../lib/sandbox-patch/; \
         install it there"
    )]
    NotFound,
    /// No directory is known where it would be.
    #[error(
        "no directory is known in which sandbox-inline would be, which sandbox-patch has from \
         /proc/self/exe; mount /proc"
    )]
    NowhereToLook,
    /// An unsuitable file.
    #[error("{}: {why}; install sandbox-patch again", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The program is for another processor.
    #[error("there is no runtime for its architecture that could be put into it")]
    Architecture,
}

/// The runtime of this version.
#[derive(Clone, Debug)]
pub struct Inline {
    /// Its code.
    pub code: Vec<u8>,
}

impl Inline {
    /// Reads the runtime for a program.
    ///
    /// # Errors
    ///
    /// There is none, or none that is suitable.
    pub fn installed(directories: &Directories, program: &Layout) -> Result<Self, Error> {
        if directories.0.is_empty() {
            return Err(Error::NowhereToLook);
        }
        let path = directories.find(inline::FILE).ok_or(Error::NotFound)?;
        let unfit = |why: String| Error::Unfit {
            path: path.clone(),
            why,
        };
        let file = File::open(&path).map_err(|error| unfit(error.to_string()))?;
        let image = Image::read(file).map_err(|error| unfit(error.to_string()))?;
        let code = code(&image).map_err(|error| unfit(error.to_string()))?;
        let same =
            image.encoding == program.encoding && image.header.machine == program.header.machine;
        if !same {
            return Err(Error::Architecture);
        }
        let runtime = embedded::runtime(&image).map_err(|error| unfit(error.to_string()))?;
        let Some(Runtime { format, version }) = runtime else {
            return Err(unfit("it is no runtime".to_owned()));
        };
        if format != note::VERSION || version != env!("CARGO_PKG_VERSION") {
            return Err(unfit(format!("it is of version {version}")));
        }
        if inline::Header::read(&code).is_none() {
            return Err(unfit("it is no runtime".to_owned()));
        }
        Ok(Self { code })
    }
}

impl Inline {
    /// Whether code found in a program is this runtime.
    #[must_use]
    pub fn is(&self, found: &[u8]) -> bool {
        found.starts_with(&rewrite::inline::comparable(&self.code))
    }
}

/// The earlier version that put this code, possibly with more after it, into a program.
#[must_use]
pub fn released(found: &[u8]) -> Option<&'static str> {
    released::version(found)
}

/// The code: the first loadable segment.
///
/// # Errors
///
/// There is none, or it can't be read.
pub(super) fn code(image: &Image<impl Source>) -> io::Result<Vec<u8>> {
    let code = image.segment(elf::PT_LOAD).ok_or(io::ErrorKind::NotFound)?;
    image.source.read_at(code.offset, code.filesz.min(LONGEST))
}

/// Any runtime is shorter than this, in bytes; another file in its place need not be.
const LONGEST: u64 = 1 << 20;
