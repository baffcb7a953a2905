//! Files of other tools' forms that have others read in their place.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::Places;
use super::file::base_name;
use super::{Input, Misread};
use crate::policy::Origin;

/// The most bytes that all included files may have together.
const MAX_INCLUDED: usize = 1 << 20;

/// The most files that may be included.
const MAX_FILES: usize = 256;

/// A file, and the files that are read in place of words in it.
pub(super) struct Texts<'a> {
    input: &'a Input<'a>,
    included: Vec<Included>,
    bytes: usize,
}

struct Included {
    /// Its path, seen from the directory of the first file.
    path: PathBuf,
    text: Rc<str>,
    places: Places<Rc<str>>,
    by: Place,
}

/// A byte of one of the files, the first of which is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) offset: usize,
}

impl<'a> Texts<'a> {
    pub(super) fn new(input: &'a Input<'a>) -> Self {
        Self {
            input,
            included: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn text(&self, file: usize) -> Rc<str> {
        match self.included(file) {
            Some(included) => Rc::clone(&included.text),
            None => self.input.text.into(),
        }
    }

    fn included(&self, file: usize) -> Option<&Included> {
        self.included.get(file.checked_sub(1)?)
    }

    /// The files that are open while this one is read, itself first and without the first.
    fn open(&self, file: usize) -> impl Iterator<Item = &Included> {
        std::iter::successors(self.included(file), |file| self.included(file.by.file))
    }

    /// How many files are around this one.
    pub(super) fn depth(&self, file: usize) -> usize {
        self.open(file).count()
    }

    /// An error, which the one who reads the first file is shown there.
    pub(super) fn wrong(&self, place: Place, problem: impl Into<String>) -> Misread {
        let problem = problem.into();
        let Some(included) = self.included(place.file) else {
            return Misread {
                offset: place.offset,
                problem,
            };
        };
        let (line, column) = included.places.position(place.offset);
        let offset = self
            .open(place.file)
            .last()
            .map_or(0, |first| first.by.offset);
        Misread {
            offset,
            problem: format!("{}:{line}:{column}: {problem}", base_name(&included.path)),
        }
    }

    pub(super) fn origin(&self, place: Place) -> Origin {
        let Some(included) = self.included(place.file) else {
            return (self.input.origin)(place.offset);
        };
        let (line, column) = included.places.position(place.offset);
        Origin {
            file: base_name(&included.path),
            line,
            column,
        }
    }

    /// Reads a file that stands at a place, by a name that is relative to `directory`.
    pub(super) fn include(
        &mut self,
        by: Place,
        name: &str,
        from: Directory,
    ) -> Result<usize, Misread> {
        if name.contains(char::is_control) {
            return Err(self.wrong(by, "the name of the file has control characters"));
        }
        let directory = match from {
            Directory::OfFirst => None,
            Directory::OfFile => self.included(by.file).and_then(|file| file.path.parent()),
        };
        let path = directory.unwrap_or(Path::new("")).join(name);
        if self.open(by.file).any(|open| open.path == path) {
            return Err(self.wrong(by, format!("{name} includes itself")));
        }
        if self.included.len() >= MAX_FILES {
            return Err(self.wrong(by, format!("more than {MAX_FILES} files are included")));
        }
        let text = path
            .to_str()
            .map_or_else(|| Err(String::new()), |path| self.input.text_of(path))
            .map_err(|problem| self.wrong(by, problem))?;
        self.bytes += text.len();
        if self.bytes > MAX_INCLUDED {
            let problem =
                format!("the files that are included have more than {MAX_INCLUDED} bytes");
            return Err(self.wrong(by, problem));
        }
        let text: Rc<str> = text.into();
        self.included.push(Included {
            path,
            places: Places::of(Rc::clone(&text)),
            text,
            by,
        });
        Ok(self.included.len())
    }
}

/// What a name is relative to.
#[derive(Clone, Copy)]
pub(super) enum Directory {
    /// The directory of the first file.
    OfFirst,
    /// The directory of the file in which the name stands.
    OfFile,
}
