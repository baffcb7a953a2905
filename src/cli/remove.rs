//! Taking the patch out.

use anyhow::Result;

use super::batch::{Batch, Empty, Tells};
use super::options::{RemoveArguments, require_one_output_each};
use super::output::{self, Verbosity, warn};
use super::summary::Verdict;
use super::tree::Replaced;
use super::{batch, render};
use crate::file::{self, Keep, Purpose};
use crate::program::remove::{Options, Restored, remove_at};
use crate::program::{Error, Remark};

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
    let batch = Batch {
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
    let done = batch::for_each(
        &batch,
        |file| Ok(remove_at(&file.place()?, &options)?),
        |file, mut report| {
            if file.in_tree && report.other_names > 0 {
                // That is told when all names were met.
                report.other_names = 0;
                replaced.insert(file.path.to_owned(), report.written);
            }
            for remark in &report.remarks {
                warn(file.path, remark);
            }
            if report.other_names > 0 {
                warn(file.path, &Remark::OtherNames(report.other_names));
            }
            let what = match report.restored {
                Restored::Exact => "patch taken out, byte for byte",
                Restored::BestEffort => "patch taken out; other tools' changes kept",
            };
            if verbosity == Verbosity::Verbose || (verbosity == Verbosity::Normal && !file.in_tree)
            {
                output::print(format_args!("{}: {what}\n", render::name(file.path)))?;
            }
            Ok(Verdict::good(match report.restored {
                Restored::Exact => "restored",
                Restored::BestEffort => "restored but for other tools' changes",
            }))
        },
    );
    Ok(done.links.join_again(&replaced, verbosity) && done.ok)
}
