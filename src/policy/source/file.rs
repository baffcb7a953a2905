//! The files that policies are in.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};

use super::{Error, Misread};

/// The longest file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A policy file that was found.
pub(super) struct Found {
    /// Its path, or what to call it.
    pub(super) path: PathBuf,
    /// Its text, if it is no file.
    built_in: Option<&'static str>,
    is_standard_input: bool,
}

impl Found {
    pub(super) fn built_in(path: PathBuf, text: &'static str) -> Self {
        Self {
            path,
            built_in: Some(text),
            is_standard_input: false,
        }
    }

    pub(super) fn file(path: PathBuf) -> Self {
        Self {
            path,
            built_in: None,
            is_standard_input: false,
        }
    }

    pub(super) fn standard_input() -> Self {
        Self {
            path: PathBuf::from("standard input"),
            built_in: None,
            is_standard_input: true,
        }
    }

    /// What is equal for equal files only.
    pub(super) fn identity(&self) -> PathBuf {
        match self.built_in {
            Some(_) => self.path.clone(),
            None => self
                .path
                .canonicalize()
                .unwrap_or_else(|_| self.path.clone()),
        }
    }

    /// All of it.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, Error> {
        let path = &self.path;
        let mut bytes = Vec::new();
        let read = match (self.built_in, self.is_standard_input) {
            (Some(text), _) => return Ok(text.as_bytes().to_vec()),
            (_, true) => stdin().take(MAX_FILE + 1).read_to_end(&mut bytes),
            _ => File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)),
        };
        read.map_err(|error| Error::of(path, format!("the policy can't be read: {error}")))?;
        Ok(bytes)
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
    match text.find('\0') {
        Some(offset) => Err(invalid(offset, "a policy is text, and this is a NUL byte")),
        None => Ok(text),
    }
}

/// The name of a file without directories, as text that is safe to print.
pub(super) fn base_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy();
    name.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
