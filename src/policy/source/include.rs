//! Files that build on others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::Places;
use super::file::{Found, base_name, text_of};
use super::{Error, Input, Library, Misread, Options};
use crate::policy::{Action, Draft, Origin};

/// How deep files may include others.
pub(super) const MAX_DEPTH: usize = 16;

/// How many files one may include, those that these include counted too.
pub(super) const MAX_FILES: usize = 256;

pub(super) struct Reader<'a> {
    pub(super) library: &'a Library,
    pub(super) options: &'a Options,
    /// The files that are being read, each included by the one before.
    pub(super) open: Vec<PathBuf>,
    /// How many were read.
    pub(super) files: usize,
}

impl Reader<'_> {
    pub(super) fn read(&mut self, found: &Found, bytes: &[u8]) -> Result<Draft, Error> {
        self.files += 1;
        self.open.push(found.identity());
        let draft = self.read_bytes(&found.path, bytes)?;
        self.open.pop();
        Ok(draft)
    }

    pub(super) fn read_bytes(&mut self, path: &Path, bytes: &[u8]) -> Result<Draft, Error> {
        let text = text_of(path, bytes)?;
        let name = base_name(path);
        let places = Places::of(text);
        let origin = |offset| {
            let (line, column) = places.position(offset);
            Origin {
                file: name.clone(),
                line,
                column,
            }
        };
        let input = Input {
            text,
            directory: path.parent().unwrap_or(Path::new("")),
            options: self.options,
            origin: &origin,
        };
        let file = input
            .read(path)
            .map_err(|misread| Error::at(path, text, misread))?;
        let mut draft = file.draft;
        let mut parts = Vec::new();
        for (name, offset) in file.includes {
            let wrong = |problem: String| Error::at(path, text, Misread { offset, problem });
            let inner = self.library.find(Path::new(&name), input.directory);
            let inner = inner.map_err(|error| wrong(error.problem))?;
            self.require_finite(&inner).map_err(&wrong)?;
            let bytes = inner.bytes().map_err(|error| wrong(error.to_string()))?;
            parts.push((name, self.read(&inner, &bytes)?));
        }
        let joined = join(
            parts
                .into_iter()
                .map(|(name, part)| (name, unless_said(part, &draft))),
        );
        draft.extend(joined.map_err(|problem| Error::of(path, format!("{problem}; say which")))?);
        Ok(draft)
    }

    fn require_finite(&self, next: &Found) -> Result<(), String> {
        let identity = next.identity();
        if let Some(at) = self.open.iter().position(|open| *open == identity) {
            let circle = self.open[at..].iter().chain([&identity]);
            let names: Vec<_> = circle.map(|path| base_name(path)).collect();
            return Err(format!("files include each other: {}", names.join(" -> ")));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("files include others more than {MAX_DEPTH} deep"));
        }
        if self.files >= MAX_FILES {
            return Err(format!("more than {MAX_FILES} files are included"));
        }
        Ok(())
    }
}

/// An included file without what the one that includes it says itself.
fn unless_said(part: Draft, by: &Draft) -> Draft {
    Draft {
        violation: part.violation.filter(|_| by.violation.is_none()),
        default: part.default.filter(|_| by.default.is_none()),
        unknown: part.unknown.filter(|_| by.unknown.is_none()),
        foreign: part.foreign.filter(|_| by.foreign.is_none()),
        exact: part.exact.filter(|_| by.exact.is_none()),
        lenient: part.lenient.filter(|_| by.lenient.is_none()),
        architectures: part.architectures.filter(|_| by.architectures.is_none()),
        // What a file is for is not what those are for that include it.
        description: None,
        ..part
    }
}

/// Joins the policies of several files, which must not contradict each other.
pub(super) fn join(parts: impl IntoIterator<Item = (String, Draft)>) -> Result<Draft, String> {
    let mut joined = Draft::default();
    let mut names = Vec::new();
    for (name, part) in parts {
        for (key, own, other) in said(&joined)
            .into_iter()
            .zip(said(&part))
            .map(|((key, own), (_, other))| (key, own, other))
        {
            if let (Some(own), Some(other)) = (own, other)
                && own != other
            {
                let names = names.join(", ");
                return Err(format!(
                    "{names} and {name} differ in {key}: {own} and {other}"
                ));
            }
        }
        names.push(name);
        joined.extend(part);
    }
    Ok(joined)
}

/// What a file says for the whole policy, as text.
fn said(draft: &Draft) -> [(&'static str, Option<String>); 7] {
    let text = |action: Option<Action>| action.map(|action| action.to_string());
    let architectures = draft.architectures.as_ref().map(|named| {
        let names: BTreeSet<_> = named.iter().map(|arch| arch.name()).collect();
        format!("{names:?}")
    });
    [
        ("action", text(draft.violation)),
        ("default", text(draft.default)),
        ("unknown", text(draft.unknown)),
        ("foreign", text(draft.foreign)),
        ("exact", draft.exact.map(|exact| exact.to_string())),
        ("lenient", draft.lenient.map(|lenient| lenient.to_string())),
        ("architectures", architectures),
    ]
}
