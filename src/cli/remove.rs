//! Taking the patch out.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::many::{Empty, Request, Tells};
use super::options::{RemoveArguments, require_one_output_each};
use super::output::{self, Verbosity, warn};
use super::summary::Verdict;
use super::tree::Replaced;
use super::{many, patch, show};
use crate::elf::{self, Error, Layout, Original, best_effort, embedded};
use crate::file::{self, Input, Keep, Pending, Place, Purpose, Stamp};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the result goes; none replaces the file.
    pub output: Option<PathBuf>,
    /// Keep what other tools changed, where the original can't be had back.
    pub best_effort: bool,
    /// What the result keeps besides mode, owner and attributes.
    pub keep: Keep,
}

/// How well it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that patching changed is as it was before, byte for byte.
    Exact,
    /// The patch is out; what other tools changed is still there.
    BestEffort,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Report {
    /// How well it went.
    pub outcome: Outcome,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// How many other names the replaced file had, which keep the old content.
    pub other_names: u64,
    /// The file that is there now.
    pub written: Stamp,
}

pub(super) fn run(arguments: &RemoveArguments, verbosity: Verbosity) -> Result<bool> {
    require_one_output_each(
        &arguments.files,
        arguments.selection,
        arguments.output.as_deref(),
    )?;
    file::hold_for_names()?;
    let options = Options {
        output: arguments.output.clone(),
        best_effort: arguments.best_effort,
        keep: Keep {
            times: arguments.preserve_timestamps,
        },
    };
    let request = Request {
        named: &arguments.files,
        selection: arguments.selection,
        purpose: Purpose::Replace,
        verbosity,
        skips: |error| matches!(error.downcast_ref(), Some(Error::NotPatched)),
        empty: Empty::Fine,
        tells: Tells {
            words: &["restored", "failed"],
            ..Tells::NOTHING
        },
    };
    let mut replaced = Replaced::default();
    let done = many::for_each(
        &request,
        |file| remove_at(&file.place()?, &options),
        |file, mut report| {
            if file.in_tree && report.other_names > 0 {
                // That is told when all names were met.
                report.other_names = 0;
                replaced.insert(file.path.to_owned(), report.written);
            }
            for warning in &report.warnings {
                warn(file.path, warning);
            }
            if report.other_names > 0 {
                warn(file.path, &patch::other_names(report.other_names));
            }
            let what = match report.outcome {
                Outcome::Exact => "patch taken out, byte for byte",
                Outcome::BestEffort => "patch taken out; other tools' changes kept",
            };
            if verbosity == Verbosity::Verbose || (verbosity == Verbosity::Normal && !file.in_tree)
            {
                output::print(format_args!("{}: {what}\n", show::name(file.path)))?;
            }
            Ok(Verdict::good(match report.outcome {
                Outcome::Exact => "restored",
                Outcome::BestEffort => "restored but for other tools' changes",
            }))
        },
    );
    Ok(done.links.join_again(&replaced, verbosity) && done.ok)
}

/// Takes the patch out of one program; symbolic links are followed.
///
/// # Errors
///
/// As [`remove_at`], or the path leads to no file that could be replaced.
pub fn remove(path: &Path, options: &Options) -> Result<Report> {
    remove_at(&Place::of(path)?, options)
}

/// Takes the patch out of one program.
///
/// # Errors
///
/// It carries no patch, or the original can't be restored.
pub fn remove_at(place: &Place, options: &Options) -> Result<Report> {
    let (input, target) = Input::open_for(place, options.output.as_deref())?;
    let layout = Layout::read(&input.file)?;
    let found = embedded::read(&layout, &input.file)?.ok_or(Error::NotPatched)?;
    let undo = found.undo.ok_or(Error::NoUndo)?;
    target.require_writable()?;
    let outcome = match (undo.is_exact(&input.file)?, options.best_effort) {
        (true, _) => Outcome::Exact,
        (false, true) => Outcome::BestEffort,
        (false, false) => return Err(Error::Changed.into()),
    };
    let written = Pending::write(&target, &input, options.keep, |output| match outcome {
        Outcome::Exact => {
            let original = Original::Restored(&input.file, &undo);
            anyhow::Ok(original.copy_to(output).map_err(file::Error::Write)?)
        }
        Outcome::BestEffort => {
            let plan = best_effort::plan(&layout, &input.file, &undo)?;
            let whole = Original::Whole(&input.file);
            Ok(elf::write(&plan, &whole, output).map_err(file::Error::Write)?)
        }
    })?
    .commit()?;
    Ok(Report {
        outcome,
        // Signatures in the file were made before it was patched, and hold again.
        warnings: patch::unsigned(&input.seals())
            .into_iter()
            .chain(patch::locked(&target).map(str::to_owned))
            .collect(),
        other_names: target.other_names(),
        written,
    })
}
