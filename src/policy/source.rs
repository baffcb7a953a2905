//! Policies that are written down in files: in our own form, which is TOML, and in those of
//! other tools.
//!
//! A policy file may build on others ([`include`](read)), by their path or, if they are
//! meant for many, by their name alone: see [`Library`].

mod error;
mod file;
mod firejail;
mod format;
mod include;
mod json;
mod kafel;
mod library;
mod literal;
mod minijail;
mod oci;
mod output;
mod recognise;
mod seccompiler;
mod size;
mod systemd;
mod texts;
mod toml;

use std::collections::BTreeSet;
use std::path::Path;

pub use error::Error;
pub use format::Format;
pub use library::Library;
pub use output::Unsayable;

use super::condition::Misread;
use super::{Arch, Draft, Origin, Resolved, Warning};
use file::{Found, text_of};
use include::Reader;
use output::Output;

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
    /// Which filter of a file that has several.
    pub filter: Option<String>,
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
            filter: None,
        }
    }
}

/// What is said of a setting that makes a filter of its own.
fn other_filter(setting: &str) -> String {
    format!("{setting} makes a filter of its own, which is not read; add what it denies")
}

/// What to do about a file whose form is not recognised.
const NAMES: &str = "its name can say which: .toml, .service, .policy (minijail), .profile \
                     (firejail) or .kafel";

/// The names of all forms.
fn forms() -> String {
    Format::ALL.map(Format::name).join(", ")
}

/// A file in another tool's form.
struct Input<'a> {
    /// All of it, without NUL bytes.
    text: &'a str,
    /// The directory that files named in it are relative to.
    directory: &'a Path,
    options: &'a Options,
    /// The origin of what stands at a byte of the text.
    origin: &'a dyn Fn(usize) -> Origin,
}

impl Input<'_> {
    fn read(&self, path: &Path) -> Result<toml::File, Misread> {
        let format = match self.options.format {
            Some(format) => format,
            None => recognise::recognise(path, self.text).ok_or_else(|| Misread {
                offset: 0,
                problem: format!(
                    "it looks like none of {}, or like several; {NAMES}",
                    forms()
                ),
            })?,
        };
        let is_named = self.options.format.is_some() || recognise::by_name(path).is_some();
        let read = match format {
            Format::Toml => return toml::read(self.text, self.origin),
            Format::Oci | Format::Docker | Format::Spo => oci::read,
            Format::Systemd => systemd::read,
            Format::Minijail => minijail::read,
            Format::Seccompiler => seccompiler::read,
            Format::Firejail => firejail::read,
            Format::Kafel => kafel::read,
        };
        let draft = read(self).map_err(|misread| match is_named {
            true => misread,
            false => Misread {
                problem: format!("{} (read as {})", misread.problem, format.name()),
                ..misread
            },
        })?;
        Ok(toml::File {
            includes: Vec::new(),
            draft,
        })
    }

    /// A warning of a setting that makes a filter of its own.
    fn other_filter(&self, setting: &str, offset: usize) -> Warning {
        self.lost(offset, other_filter(setting))
    }

    /// A warning of what is written at a byte of the text, and will not be in the policy.
    fn lost(&self, offset: usize, problem: String) -> Warning {
        Warning::Lost {
            problem,
            origin: Some((self.origin)(offset)),
        }
    }

    /// The text of a file that this one names.
    fn text_of(&self, name: &str) -> Result<String, String> {
        let path = self.directory.join(name);
        let found = Found::file(path);
        let bytes = found.bytes().map_err(|error| error.to_string())?;
        let text = text_of(&found.path, &bytes).map_err(|error| error.to_string())?;
        Ok(text.to_owned())
    }
}

/// Reads policy files, and all that they include, into one policy in the making. They are
/// paths or, without a slash and a dot, names of the library's, and `-` is standard input.
/// The first stands before the others, and a file before those that it includes.
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
            library.find(name, Path::new(""))?.or_pipe()
        };
        let draft = reader.read(&found, &found.bytes()?)?;
        parts.push((name.display().to_string(), draft));
    }
    let description = match &mut parts[..] {
        [(_, only)] => only.description.take(),
        _ => None,
    };
    let mut whole = include::join(parts).map_err(|problem| Error {
        place: String::new(),
        problem: format!("{problem}; say which by an option"),
    })?;
    whole.description = description;
    Ok(whole)
}

/// Reads one policy from memory. What it includes is found beside `path`, which is also what
/// errors and origins call it.
///
/// # Errors
///
/// As for [`read`].
pub fn parse(
    bytes: &[u8],
    path: &Path,
    library: &Library,
    options: &Options,
) -> Result<Draft, super::Error> {
    let mut reader = Reader {
        library,
        options,
        open: Vec::new(),
        files: 1,
    };
    Ok(reader.read_bytes(path, bytes)?)
}

/// Writes a policy in another tool's form, and tells what was left out: nothing, unless
/// `is_lossy`.
///
/// # Errors
///
/// The form can't say something; the error names the rule.
pub fn write(
    resolved: &Resolved,
    format: Format,
    is_lossy: bool,
) -> Result<(String, Vec<Unsayable>), Unsayable> {
    let mut output = Output {
        resolved,
        is_lossy,
        left_out: Vec::new(),
    };
    let write = match format {
        Format::Toml => return Ok((toml::write(&resolved.policy), Vec::new())),
        Format::Oci | Format::Docker | Format::Spo => {
            return Ok((oci::write(&mut output, format)?, output.left_out));
        }
        Format::Systemd => systemd::write,
        Format::Minijail => minijail::write,
        Format::Seccompiler => seccompiler::write,
        Format::Firejail | Format::Kafel => {
            return Err(Unsayable {
                rule: "the policy".to_owned(),
                why: format!("{} is only read", format.name()),
            });
        }
    };
    Ok((write(&mut output)?, output.left_out))
}
