//! Showing what a file carries.

use std::fmt;
use std::io::Read;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use anyhow::{Result, anyhow, ensure};
use serde::Serialize;

use super::batch::{Batch, Empty, Subject, Tells};
use super::options::InspectArguments;
use super::output::{self, Verbosity};
use super::render::escaped;
use super::summary::Verdict;
use super::{batch, installed, render};
use crate::elf::Encoding;
use crate::file::Purpose;
use crate::filter;
use crate::policy::Arch;
use crate::program::inspect::{Filter, Library};
use crate::program::{self, Inspection, Problem};

/// The longest program that is read from standard input, in bytes: all of it
/// has to be kept in memory.
const MAX_INPUT: u64 = 1 << 30;

pub(super) fn run(arguments: &InspectArguments, verbosity: Verbosity) -> bool {
    let batch = Batch {
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
    let done = batch::for_each(&batch, shown, |_, (text, verdict)| {
        output::print(text)?;
        Ok(Verdict::good(match verdict {
            WITH_PROBLEMS => "with problems",
            verdict => verdict,
        }))
    });
    done.ok
}

/// What is known of a file, for programs.
#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    found: &'a Inspection,
    /// [`Problem::id`] of each problem.
    problem_ids: Vec<&'static str>,
}

/// What is known of a file, as it is to be printed.
fn show(found: &Inspection, arguments: &InspectArguments) -> Result<String> {
    if arguments.json {
        let problem_ids = found.problems.iter().map(Problem::id).collect();
        let json = serde_json::to_string(&Json { found, problem_ids })?;
        Ok(format!("{}\n", render::escaped_json(&json)))
    } else if arguments.bpf {
        Ok(bpf(found)?)
    } else {
        Ok(Text(found).to_string())
    }
}

/// Inspects one file; `-` is standard input.
///
/// # Errors
///
/// Not an ELF file, or one that can't be read.
pub(super) fn inspect(path: &Path, root: &Path) -> Result<Inspection> {
    let surroundings = installed::surroundings(root);
    if path == Path::new("-") {
        return Ok(Inspection::of("-", &standard_input()?[..], &surroundings)?);
    }
    Ok(program::inspect(path, &surroundings)?)
}

pub(super) fn inspect_subject(subject: &Subject, root: &Path) -> Result<Inspection> {
    match subject {
        Subject::Named(path) => inspect(path, root),
        Subject::Found(place) => {
            let (source, _) = place.open()?;
            let name = place.path().to_string_lossy();
            Ok(Inspection::of(
                &name,
                &source,
                &installed::surroundings(root),
            )?)
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
fn verdict(found: &Inspection) -> &'static str {
    match (found.protected, found.sound) {
        (true, true) => "protected",
        (true, false) => WITH_PROBLEMS,
        (false, _) => "not protected",
    }
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// What is known of a file, for people.
struct Text<'a>(&'a Inspection);

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
        let is_news = |problem: &&Problem| **problem != Problem::NoPolicy;
        for problem in found.problems.iter().filter(is_news) {
            let problem = problem.to_string();
            writeln!(f, "  {BAD}problem{BAD:#}   {}", escaped(&problem))?;
        }
        for notice in &found.notices {
            let notice = notice.to_string();
            writeln!(f, "  notice    {}", escaped(&notice))?;
        }
        Ok(())
    }
}

/// What there is to tell, with the name of each.
fn facts(found: &Inspection) -> Vec<(&'static str, String)> {
    let arch = found
        .arch
        .unwrap_or("an architecture without seccomp filters");
    let mut facts = vec![("file", format!("{} for {arch}", found.kind))];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("loader", found.interpreter.clone());
    if let Some(resolved) = &found.resolved {
        let about = resolved.policy.description.as_deref();
        add(
            "about",
            about.map(|text| render::escaped(text).into_owned()),
        );
        add("policy", Some(render::policy(resolved)));
        for added in render::added(resolved) {
            add("added", Some(added));
        }
    }
    add("enforced", found.enforced.map(|moment| moment.to_string()));
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
        "{} instructions, {not}matching the policy, known as {}",
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

fn bpf(found: &Inspection) -> Result<String, NoFilter> {
    let arch = found
        .resolved
        .as_ref()
        .map(|resolved| resolved.arch)
        .or(found.arch.and_then(Arch::from_name));
    let arch = arch.filter(|_| !found.program.is_empty()).ok_or(NoFilter)?;
    let listing = filter::disassemble(&found.program, arch);
    Ok(format!("{}:\n{listing}", escaped(&found.file)))
}
