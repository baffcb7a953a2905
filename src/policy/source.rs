//! Policies that are written down in files: in our own form, which is TOML, and in those of
//! other tools.
//!
//! A policy file may build on others ([`include`](read)), by their path or, if they are
//! meant for many, by their name alone: see [`Library`].

mod firejail;
mod format;
mod kafel;
mod library;
mod minijail;
mod oci;
mod seccompiler;
mod systemd;
mod toml;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};

pub use format::Format;
pub use library::Library;

use super::condition::Misread;
use super::{Arch, Draft, Origin, Resolved, error};
use library::Found;

/// The longest file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// How deep files may include others.
const MAX_DEPTH: usize = 16;

/// How many files one may include, those that these include counted too.
const MAX_FILES: usize = 256;

/// Why a policy file can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{problem}")]
pub struct Error {
    /// The file, line and column, and what divides them from what follows; empty where it
    /// is about no file.
    place: String,
    /// What is wrong, and what to do.
    problem: String,
}

impl Error {
    /// About a file as a whole.
    fn of(file: &Path, problem: impl Into<String>) -> Self {
        Self {
            place: format!("{}: ", file.display()),
            problem: problem.into(),
        }
    }

    /// About what stands at a byte of a text.
    fn at(file: &Path, text: &str, misread: Misread) -> Self {
        let (line, column) = position(text, misread.offset);
        Self {
            place: format!("{}:{line}:{column}: ", file.display()),
            problem: misread.problem,
        }
    }
}

impl From<Error> for super::Error {
    fn from(error: Error) -> Self {
        Self::File(Box::new(error))
    }
}

/// What the meaning of a policy in another tool's form may depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The form of the files; `None` to recognise it.
    pub format: Option<Format>,
    /// The architecture of the programs that it is for.
    pub arch: Arch,
    /// The capabilities that a container has, as `CAP_SYS_ADMIN`.
    pub capabilities: BTreeSet<String>,
    /// The version of the kernel.
    pub kernel: (u32, u32),
    /// Leave out what a tool adds to what is written.
    pub drop_implicit: bool,
}

impl Options {
    /// For programs of this architecture, and a container without capabilities on a kernel
    /// that is as new as the tables.
    #[must_use]
    pub fn new(arch: Arch) -> Self {
        Self {
            format: None,
            arch,
            capabilities: BTreeSet::new(),
            kernel: (7, 2),
            drop_implicit: false,
        }
    }
}

/// A file in another tool's form.
struct Input<'a> {
    /// All of it: no NUL bytes, and at most [`MAX_FILE`].
    text: &'a str,
    /// The directory that files named in it are relative to.
    directory: &'a Path,
    options: &'a Options,
    /// The origin of what stands at a byte of the text.
    origin: &'a dyn Fn(usize) -> Origin,
}

impl Input<'_> {
    fn read(&self, path: &Path) -> Result<toml::File, Misread> {
        let format = self.options.format;
        let read = match format.unwrap_or_else(|| Format::of(path, self.text)) {
            Format::Toml => return toml::read(self.text, self.origin),
            Format::Oci | Format::Docker | Format::Spo => oci::read,
            Format::Systemd => systemd::read,
            Format::Minijail => minijail::read,
            Format::Seccompiler => seccompiler::read,
            Format::Firejail => firejail::read,
            Format::Kafel => kafel::read,
        };
        Ok(toml::File {
            includes: Vec::new(),
            draft: read(self)?,
        })
    }

    /// The text of a file that this one names.
    fn text_of(&self, name: &str) -> Result<String, String> {
        let path = self.directory.join(name);
        let found = Found::file(path);
        let bytes = bytes_of(&found).map_err(|error| error.to_string())?;
        let text = text_of(&found.path, &bytes).map_err(|error| error.to_string())?;
        Ok(text.to_owned())
    }
}

/// A policy that is being written in another tool's form.
struct Output<'a> {
    resolved: &'a Resolved,
    /// Leave out what the form can't say.
    is_lossy: bool,
    /// What was left out.
    left_out: Vec<Unsayable>,
}

/// What another tool's form can't say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule} can't be said in this form: {why}")]
pub struct Unsayable {
    /// The rule.
    pub rule: String,
    /// Why not.
    pub why: String,
}

impl Output<'_> {
    /// Leaves out what the form can't say, if that is wanted.
    fn leave_out(&mut self, rule: impl ToString, why: impl Into<String>) -> Result<(), Unsayable> {
        let unsayable = Unsayable {
            rule: rule.to_string(),
            why: why.into(),
        };
        if !self.is_lossy {
            return Err(unsayable);
        }
        self.left_out.push(unsayable);
        Ok(())
    }
}

/// Reads policy files, and all that they include, into one policy in the making. They are
/// named as by [`Library::find`], and `-` is standard input. The first stands before the
/// others, and a file before those that it includes.
///
/// What a file does not say is taken from those that it includes; these must agree.
///
/// # Errors
///
/// A file can't be read, or has an error; the error says at which line and column.
pub fn read(
    names: &[impl AsRef<Path>],
    library: &Library,
    options: &Options,
) -> Result<Draft, super::Error> {
    let mut reader = Reader {
        library,
        options,
        open: Vec::new(),
        files: 0,
    };
    let mut parts = Vec::new();
    for name in names {
        let name = name.as_ref();
        let found = if name == Path::new("-") {
            Found::standard_input()
        } else {
            library.find(name, Path::new(""))?
        };
        parts.push((name.display().to_string(), reader.read(&found)?));
    }
    let description = match &mut parts[..] {
        [(_, only)] => only.description.take(),
        _ => None,
    };
    let mut whole = join(parts).map_err(|problem| Error {
        place: String::new(),
        problem: format!("{problem}; say which by an option"),
    })?;
    whole.description = description;
    Ok(whole)
}

struct Reader<'a> {
    library: &'a Library,
    options: &'a Options,
    /// The files that are being read, each included by the one before.
    open: Vec<PathBuf>,
    /// How many were read.
    files: usize,
}

impl Reader<'_> {
    fn read(&mut self, found: &Found) -> Result<Draft, Error> {
        let path = &found.path;
        self.files += 1;
        let bytes = bytes_of(found)?;
        let text = text_of(path, &bytes)?;
        let name = base_name(path);
        let origin = |offset| {
            let (line, column) = position(text, offset);
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
        self.open.push(found.identity());
        let mut parts = Vec::new();
        for (name, offset) in file.includes {
            let wrong = |problem: String| Error::at(path, text, Misread { offset, problem });
            let inner = self.library.find(Path::new(&name), input.directory);
            let inner = inner.map_err(|error| wrong(error.problem))?;
            self.require_finite(&inner).map_err(&wrong)?;
            parts.push((name, self.read(&inner)?));
        }
        self.open.pop();
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
fn join(parts: impl IntoIterator<Item = (String, Draft)>) -> Result<Draft, String> {
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
    let text = |action: Option<super::Action>| action.map(|action| action.to_string());
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

fn bytes_of(found: &Found) -> Result<Vec<u8>, Error> {
    let path = &found.path;
    let mut bytes = Vec::new();
    let read = match (found.built_in, found.is_standard_input) {
        (Some(text), _) => return Ok(text.as_bytes().to_vec()),
        (_, true) => stdin().take(MAX_FILE + 1).read_to_end(&mut bytes),
        _ => File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|error| Error::of(path, format!("the policy can't be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE {
        let problem = format!("it has more than {MAX_FILE} bytes, which no policy needs");
        return Err(Error::of(path, problem));
    }
    Ok(bytes)
}

fn text_of<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Error> {
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

/// The line and column of a byte, both from 1 on.
fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    (count(line), count(column))
}

/// The name of a file without directories, as text that is safe to print.
fn base_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy();
    name.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// What is offered in place of a name that there is not.
fn or_instead(name: &str, names: &[String]) -> String {
    match error::either(&super::names::alike(name, names.iter().cloned())) {
        Some(names) => format!("did you mean {names}?"),
        None => format!("there are {}", names.join(", ")),
    }
}
