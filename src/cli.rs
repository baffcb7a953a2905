//! The command line: one file a verb, and how results are shown.
//!
//! Exit status of `sandbox-patch`: 0 if all went well, 1 if a file could not be
//! handled (each with one line on standard error), 2 if the command line is
//! wrong.

mod batch;
mod convert;
mod generate;
mod groups;
pub mod inspect;
mod installed;
pub mod launch;
mod learn;
mod link;
mod options;
mod output;
pub mod patch;
mod remedy;
pub mod remove;
pub mod render;
mod summary;
mod tree;
pub mod verify;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use batch::{Batch, Empty, Tells};
pub use options::Cli;
use options::{LaunchCli, PatchArguments, Verb};
use output::{Verbosity, complain, warn};
use summary::Verdict;
use tree::Replaced;

use crate::file::{self, Purpose};
use crate::policy::Resolved;
use crate::program::patch::{Outcome, patch_at};

/// Runs `sandbox-patch` with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(command) = link::wrapped_command(std::env::args_os()) {
        return link::run_in_place_of(&command);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            if let Some(meant) = mistyped_verb(&message) {
                complain(None, &meant.into());
                return ExitCode::from(2);
            }
            let status = show_message(&message).unwrap_or_else(|error| {
                complain(None, &error.into());
                1
            });
            return ExitCode::from(status);
        }
    };
    cli.color.write_global();
    if cli.no_warn {
        output::silence_warnings();
    }
    let verbosity = cli.verbosity();
    let done = match cli.verb {
        Some(_) if cli.patch.is_given() => Err(Usage(
            "a policy, its options and files are for patching; give options behind the command \
             that they are for"
                .to_owned(),
        )
        .into()),
        None => run_patch(&cli.patch, verbosity),
        Some(Verb::Inspect(arguments)) => Ok(inspect::run(&arguments, verbosity)),
        Some(Verb::Verify(arguments)) => verify::run(&arguments, verbosity),
        Some(Verb::Remove(arguments)) => remove::run(&arguments, verbosity),
        Some(Verb::Link(arguments)) => {
            let verbose = verbosity == Verbosity::Verbose;
            return link::run(arguments, verbose);
        }
        Some(Verb::Learn(arguments)) => match learn::run(&arguments, verbosity) {
            Ok(status) => return status,
            Err(error) => Err(error),
        },
        Some(Verb::Groups(arguments)) => groups::run(&arguments),
        Some(Verb::Convert(arguments)) => convert::run(&arguments, verbosity),
        Some(Verb::Generate(arguments)) => {
            let programs = [Cli::command(), LaunchCli::command()];
            generate::run(&programs, &arguments).map(|()| true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(None, &error);
            if error.is::<Usage>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// What is said where the command line is wrong and its first word, which is no
/// file, is nearly a verb.
fn mistyped_verb(message: &clap::Error) -> Option<Usage> {
    /// How alike (Jaro-Winkler, 0 to 1) a word must be.
    const ALIKE: f64 = 0.8;
    let word = std::env::args_os().nth(1)?.into_string().ok()?;
    if !message.use_stderr() || word.starts_with('-') || Path::new(&word).exists() {
        return None;
    }
    let command = Cli::command();
    let verbs = command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .map(|verb| {
            (
                strsim::jaro_winkler(&word, verb.get_name()),
                verb.get_name(),
            )
        });
    let (likeness, verb) = verbs.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (likeness >= ALIKE && word != verb).then(|| {
        Usage(format!(
            "there is no command {word:?}; did you mean '{verb}'?"
        ))
    })
}

/// Shows what clap has to say, and returns the exit status: the help and the
/// version are results, what is wrong with the command line is not.
///
/// # Errors
///
/// A result can't be written.
fn show_message(message: &clap::Error) -> Result<u8, output::Error> {
    let shown = message.print();
    if !message.use_stderr() {
        output::written(shown)?;
    }
    Ok(u8::try_from(message.exit_code()).unwrap_or(2))
}

/// The command line contradicts itself, in a way that its grammar can't tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn run_patch(arguments: &PatchArguments, verbosity: Verbosity) -> anyhow::Result<bool> {
    let options = arguments.options()?;
    file::hold_for_names()?;
    let batch = Batch {
        named: &arguments.files,
        selection: arguments.selection,
        purpose: Purpose::Replace,
        verbosity,
        skips: patch::is_not_for,
        empty: Empty::Suspicious("no program that can be patched is in it"),
        tells: Tells {
            words: if options.dry_run {
                &["would be patched", "unchanged", "refused", "failed"]
            } else {
                &["patched", "unchanged", "refused", "failed"]
            },
            by_directory: false,
            failure: patch::failure,
        },
    };
    let mut said = HashSet::new();
    let mut replaced = Replaced::default();
    let mut privileged = Vec::new();
    let done = batch::for_each(
        &batch,
        |file| Ok(patch_at(&file.place()?, file.path(), &options)?),
        |file, mut report| {
            if file.in_tree && report.other_names > 0 {
                // That is told when all names were met.
                report.other_names = 0;
                replaced.extend(report.written.map(|stamp| (file.path.to_owned(), stamp)));
            }
            for remark in patch::general(&report, verbosity) {
                if said.insert(remark.to_string()) {
                    warn(file.path, remark);
                }
            }
            patch::warn_of(&report, file.path);
            if file.in_tree && report.sets_ids && may_execute(&report.resolved) {
                privileged.push(file.path.to_owned());
            }
            if verbosity == Verbosity::Verbose || (verbosity == Verbosity::Normal && !file.in_tree)
            {
                output::print(patch::Text(&report))?;
            }
            if verbosity == Verbosity::Verbose && !report.moved.is_empty() {
                output::print(format_args!("  moved     {}\n", report.moved.join(", ")))?;
            }
            Ok(verdict(report.outcome, report.dry_run))
        },
    );
    warn_of_privileges(&privileged);
    Ok(done.links.join_again(&replaced, verbosity) && done.ok)
}

/// What the report comes to in the sum of a tree.
fn verdict(outcome: Outcome, dry_run: bool) -> Verdict {
    Verdict::good(match (outcome, dry_run) {
        (Outcome::Unchanged, _) => "unchanged",
        (_, true) => "would be patched",
        (_, false) => "patched",
    })
}

/// Whether the policy lets a program execute others.
fn may_execute(resolved: &Resolved) -> bool {
    resolved.may_call("execve") || resolved.may_call("execveat")
}

/// Programs that are set-user-ID, and are worth nothing to whom a patched program
/// starts them for (prctl(2), PR_SET_NO_NEW_PRIVS).
fn warn_of_privileges(programs: &[PathBuf]) {
    let Some(first) = programs.first() else {
        return;
    };
    let names: Vec<_> = programs
        .iter()
        .filter_map(|path| path.file_name())
        .collect();
    let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
    warn(
        first.parent().unwrap_or(first),
        &format!(
            "set-user-ID and set-group-ID programs gain no privileges when a patched program, such \
             as a shell, starts them: {}",
            names.join(", ")
        ),
    );
}
