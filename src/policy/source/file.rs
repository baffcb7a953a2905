//! The files that policies are in.

use std::fs::File;
use std::io::{self, Read, stdin};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{Error, Misread};

/// The longest file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A policy file that was found.
pub(super) struct Found {
    /// Its path, or what to call it.
    pub(super) path: PathBuf,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    BuiltIn(&'static str),
    StandardInput,
    /// Whatever has this path.
    Path,
    /// A regular file: a policy may name anything, and a pipe would keep us for ever.
    File,
}

impl Found {
    pub(super) fn built_in(path: PathBuf, text: &'static str) -> Self {
        let place = Place::BuiltIn(text);
        Self { path, place }
    }

    pub(super) fn file(path: PathBuf) -> Self {
        let place = Place::File;
        Self { path, place }
    }

    /// The same, for someone who may have made a pipe of it.
    pub(super) fn or_pipe(self) -> Self {
        match self.place {
            Place::File => Self {
                place: Place::Path,
                ..self
            },
            _ => self,
        }
    }

    pub(super) fn standard_input() -> Self {
        Self {
            path: PathBuf::from("standard input"),
            place: Place::StandardInput,
        }
    }

    /// What is equal for equal files only.
    pub(super) fn identity(&self) -> PathBuf {
        match self.place {
            Place::BuiltIn(_) => self.path.clone(),
            _ => self
                .path
                .canonicalize()
                .unwrap_or_else(|_| self.path.clone()),
        }
    }

    /// All of it.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, Error> {
        let path = &self.path;
        let mut bytes = Vec::new();
        let mut read = |from: &mut dyn Read| from.take(MAX_FILE + 1).read_to_end(&mut bytes);
        match self.place {
            Place::BuiltIn(text) => return Ok(text.as_bytes().to_vec()),
            Place::StandardInput => read(&mut stdin()),
            Place::Path => File::open(path).and_then(|mut file| read(&mut file)),
            Place::File => regular(path).and_then(|mut file| read(&mut file)),
        }
        .map_err(|error| Error::of(path, format!("the policy can't be read: {error}")))?;
        Ok(bytes)
    }
}

/// Opens a regular file, without waiting for what others write into a pipe.
fn regular(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// The text of a file, which is one that policies can have.
pub(super) fn text_of<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Error> {
    if bytes.len() as u64 > MAX_FILE {
        let problem = format!("it has more than {MAX_FILE} bytes, which no policy needs");
        return Err(Error::of(path, problem));
    }
    let invalid = |offset: usize, problem: &str| {
        let before = String::from_utf8_lossy(&bytes[..offset]);
        let misread = Misread {
            offset: before.len(),
            problem: problem.to_owned(),
        };
        Error::at(path, &before, misread)
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        invalid(
            error.valid_up_to(),
            "a policy is UTF-8 text, and this is none",
        )
    })?;
    if let Some(offset) = text.find('\0') {
        return Err(invalid(offset, "a policy is text, and this is a NUL byte"));
    }
    // The mark of some editors, U+FEFF, says nothing, and would hide what stands behind it.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The name of a file without directories, as text that is safe to print.
pub(super) fn base_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy();
    name.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
