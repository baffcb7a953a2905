//! Taking the patch out.

use std::path::{Path, PathBuf};

use anstream::println;
use anyhow::Result;

use super::options::{RemoveArguments, Verbosity};
use super::{many, patch, warn};
use crate::elf::undo::Original;
use crate::elf::{self, Error, Layout, best_effort, embedded};
use crate::file::{self, Input, Keep};

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
    /// The file is what it was before it was patched, byte for byte.
    Exact,
    /// The patch is out; what other tools changed is still there.
    BestEffort,
}

pub(super) fn run(arguments: &RemoveArguments, verbosity: Verbosity) -> bool {
    let options = Options {
        output: arguments.output.clone(),
        best_effort: arguments.best_effort,
        keep: Keep {
            times: arguments.preserve_timestamps,
        },
    };
    many::for_each(
        &arguments.files,
        |file| remove(file, &options),
        |file, (outcome, names)| {
            if names > 0 && options.output.is_none() {
                warn(file, &patch::other_names(names));
            }
            let what = match outcome {
                Outcome::Exact => "restored, byte for byte",
                Outcome::BestEffort => "patch taken out; other tools' changes kept",
            };
            if verbosity != Verbosity::Quiet {
                println!("{}: {what}", file.display());
            }
            true
        },
    )
}

/// Takes the patch out of one program. Tells how well it went, and how many
/// other names the file has.
///
/// # Errors
///
/// It carries no patch, or the original can't be restored.
pub fn remove(path: &Path, options: &Options) -> Result<(Outcome, u64)> {
    let input = Input::open(path)?;
    let layout = Layout::read(&input.file)?;
    let found = embedded::read(&layout, &input.file)?.ok_or(Error::NotPatched)?;
    let undo = found.undo.ok_or(Error::NoUndo)?;
    let target = patch::target(&input, options.output.as_deref())?;
    if options.output.is_none() {
        input.require_writable()?;
    }
    let exact = undo.is_exact(&input.file)?;
    if !exact && !options.best_effort {
        return Err(Error::Changed.into());
    }
    file::replace(&target, &input, options.keep, |output| {
        if exact {
            Original::Restored(&input.file, &undo)
                .copy_to(output)
                .map_err(file::Error::Write)?;
            return Ok(());
        }
        let plan = best_effort::plan(&layout, &input.file, &undo)?;
        elf::write(&plan, &Original::Whole(&input.file), output).map_err(file::Error::Write)?;
        anyhow::Ok(())
    })?;
    Ok((
        if exact {
            Outcome::Exact
        } else {
            Outcome::BestEffort
        },
        input.other_names(),
    ))
}
