//! The command line: one file a verb, and how results are shown.
//!
//! Exit status: 0 if all went well, 1 if a file could not be handled (each with
//! one line on standard error), 2 if the command line is wrong.

pub mod examine;
mod generate;
pub mod inspect;
pub mod library;
mod link;
mod many;
mod options;
mod output;
pub mod patch;
pub mod remove;
pub mod show;
pub mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub use options::Cli;
use options::{PatchArguments, Verb, Verbosity};
use output::{complain, warn};

use crate::file;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(command) = link::wrapped_command(std::env::args_os()) {
        return link::run(None, &command, false);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => return show_message(&message),
    };
    cli.color.write_global();
    let verbosity = cli.verbosity();
    let done = match cli.verb {
        Some(_) if cli.patch.is_given() => Err(Usage(
            "a policy, its options and files are for patching; give options behind the command \
             that they are for"
                .to_owned(),
        )
        .into()),
        None => run_patch(&cli.patch, verbosity),
        Some(Verb::Inspect(arguments)) => Ok(inspect::run(&arguments)),
        Some(Verb::Verify(arguments)) => Ok(verify::run(&arguments, verbosity)),
        Some(Verb::Remove(arguments)) => remove::run(&arguments, verbosity),
        Some(Verb::Link(arguments)) => {
            let verbose = verbosity == Verbosity::Verbose;
            return link::run(Some(arguments.content), &arguments.command, verbose);
        }
        Some(Verb::Generate(arguments)) => {
            generate::run(&Cli::command(), &arguments).map(|()| true)
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

/// The help and the version are results; what is wrong with the command line is
/// not.
fn show_message(message: &clap::Error) -> ExitCode {
    let shown = message.print();
    if !message.use_stderr()
        && let Err(error) = output::written(shown)
    {
        complain(None, &error.into());
        return ExitCode::FAILURE;
    }
    ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(2))
}

/// The command line contradicts itself, in a way that its grammar can't tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn run_patch(arguments: &PatchArguments, verbosity: Verbosity) -> anyhow::Result<bool> {
    let options = arguments.options()?;
    file::hold_for_names()?;
    Ok(many::for_each(
        &arguments.files,
        |file| patch::patch(file, &options),
        |file, report| {
            for warning in &report.warnings {
                warn(file, warning);
            }
            if verbosity != Verbosity::Quiet {
                output::print(&report)?;
            }
            if verbosity == Verbosity::Verbose && !report.moved.is_empty() {
                output::print(format_args!("  moved     {}\n", report.moved.join(", ")))?;
            }
            Ok(true)
        },
    ))
}
