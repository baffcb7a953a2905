//! Showing what a file carries.

use std::fmt;
use std::io::Read;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use anyhow::{Result, anyhow, ensure};

use super::examine::{Examination, Filter, Library, NO_POLICY};
use super::many::{Empty, Request, Subject, Tells};
use super::options::InspectArguments;
use super::output::{self, Verbosity};
use super::show::escaped;
use super::summary::Verdict;
use super::{installed, many, show};
use crate::elf::Encoding;
use crate::file::{self, Purpose};
use crate::filter;
use crate::policy::Arch;

/// The longest program that is read from standard input, in bytes: all of it
/// has to be kept in memory.
const MAX_INPUT: u64 = 1 << 30;

pub(super) fn run(arguments: &InspectArguments, verbosity: Verbosity) -> bool {
    let request = Request {
        named: &arguments.files,
        selection: arguments.selection,
        purpose: Purpose::Read,
        verbosity,
        skips: |error| error.is::<NoFilter>(),
        empty: Empty::Fine,
        tells: if arguments.json || arguments.bpf {
            Tells::NOTHING
        } else {
            Tells {
                words: &["protected", "with problems", "not protected"],
                by_directory: true,
                ..Tells::NOTHING
            }
        },
    };
    let shown = |file: &Subject| {
        let found = inspect_subject(file, &arguments.root)?;
        Ok((show(&found, arguments)?, verdict(&found)))
    };
    let done = many::for_each(&request, shown, |_, (text, verdict)| {
        output::print(text)?;
        Ok(Verdict::good(match verdict {
            WITH_PROBLEMS => "with problems",
            verdict => verdict,
        }))
    });
    done.ok
}

/// What is known of a file, as it is to be printed.
fn show(found: &Examination, arguments: &InspectArguments) -> Result<String> {
    if arguments.json {
        let json = serde_json::to_string(found)?;
        Ok(format!("{}\n", show::escaped_json(&json)))
    } else if arguments.bpf {
        Ok(bpf(found)?)
    } else {
        Ok(Text(found).to_string())
    }
}

/// Examines one file; `-` is standard input.
///
/// # Errors
///
/// Not an ELF file, or one that can't be read.
pub fn inspect(path: &Path, root: &Path) -> Result<Examination> {
    if path == Path::new("-") {
        return Examination::of("-", &standard_input()?[..], root, &installed::directories());
    }
    let (source, _) = file::open(path)?;
    Examination::of(
        &path.to_string_lossy(),
        &source,
        root,
        &installed::directories(),
    )
}

pub(super) fn inspect_subject(subject: &Subject, root: &Path) -> Result<Examination> {
    match subject {
        Subject::Named(path) => inspect(path, root),
        Subject::Found(place) => {
            let (source, _) = place.open()?;
            Examination::of(
                &place.path().to_string_lossy(),
                &source,
                root,
                &installed::directories(),
            )
        }
    }
}

/// What comes from standard input, which need not have an end: no more of it is
/// read than may be a program.
fn standard_input() -> Result<Vec<u8>> {
    let mut input = std::io::stdin().lock();
    let mut bytes = Vec::new();
    let mut read = |limit, bytes: &mut Vec<u8>| {
        let read = input.by_ref().take(limit).read_to_end(bytes);
        read.map_err(|error| anyhow!("standard input can't be read: {error}"))
    };
    read(64, &mut bytes)?;
    Encoding::of(&bytes)?;
    let rest = read(MAX_INPUT, &mut bytes)?;
    ensure!(
        (rest as u64) < MAX_INPUT,
        "standard input is longer than {} MiB; give the file's name",
        MAX_INPUT >> 20
    );
    Ok(bytes)
}

const WITH_PROBLEMS: &str = "protected, with problems";

/// What it comes to.
fn verdict(found: &Examination) -> &'static str {
    match (found.protected, found.sound) {
        (true, true) => "protected",
        (true, false) => WITH_PROBLEMS,
        (false, _) => "not protected",
    }
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// What is known of a file, for people.
struct Text<'a>(&'a Examination);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(found) = self;
        let (style, verdict) = (
            if found.protected && found.sound {
                GOOD
            } else {
                BAD
            },
            verdict(found),
        );
        writeln!(f, "{}: {style}{verdict}{style:#}", escaped(&found.file))?;
        for (name, value) in facts(found) {
            writeln!(f, "  {name:<9} {}", escaped(&value))?;
        }
        // That there is no policy was said.
        let said = |problem: &&String| *problem == NO_POLICY;
        for problem in found.problems.iter().filter(|problem| !said(problem)) {
            writeln!(f, "  {BAD}problem{BAD:#}   {}", escaped(problem))?;
        }
        for notice in &found.notices {
            writeln!(f, "  notice    {}", escaped(notice))?;
        }
        Ok(())
    }
}

/// What there is to tell, with the name of each.
fn facts(found: &Examination) -> Vec<(&'static str, String)> {
    let arch = found
        .arch
        .unwrap_or("an architecture without seccomp filters");
    let mut facts = vec![("file", format!("{} for {arch}", found.kind))];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("loader", found.interpreter.clone());
    if let Some(resolved) = &found.resolved {
        add("policy", Some(show::policy(resolved)));
        for added in show::added(resolved) {
            add("added", Some(added));
        }
    }
    add("enforced", found.enforced.map(str::to_owned));
    let library = found.library.as_ref();
    add(
        "library",
        library.map(|library| format!("{} ({})", library.path, state(library))),
    );
    add("filter", found.filter.as_ref().map(filter_line));
    let original = found.original.as_ref();
    add(
        "original",
        original.map(|original| {
            let length = original.length;
            format!("{length} bytes, kept for 'sandbox-patch remove'")
        }),
    );
    facts
}

fn filter_line(filter: &Filter) -> String {
    let not = if filter.matches_policy { "" } else { "NOT " };
    format!(
        "{} instructions, {not}as the policy compiles to, known as {}",
        filter.instructions, filter.identity
    )
}

fn state(library: &Library) -> String {
    match (library.present, &library.version) {
        (Some(true), Some(version)) => format!("present, version {version}"),
        (Some(true), None) => "present, but unfit".to_owned(),
        (Some(false), _) => "missing".to_owned(),
        (None, _) if library.absolute => "can't be looked at".to_owned(),
        (None, _) => "searched for when the program starts".to_owned(),
    }
}

/// Why there is no listing.
#[derive(Debug, thiserror::Error)]
#[error("it carries no filter; there is nothing to disassemble")]
struct NoFilter;

fn bpf(found: &Examination) -> Result<String, NoFilter> {
    let arch = found
        .resolved
        .as_ref()
        .map(|resolved| resolved.arch)
        .or(found.arch.and_then(Arch::from_name));
    let arch = arch.filter(|_| !found.program.is_empty()).ok_or(NoFilter)?;
    let listing = filter::disassemble(&found.program, arch);
    Ok(format!("{}:\n{listing}", escaped(&found.file)))
}
