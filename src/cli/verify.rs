//! The gate of a pipeline: every file must carry a policy that can be relied
//! on.

mod wanted;

use anyhow::{Result, anyhow};

use super::batch::{Batch, Empty, Subject, Tells};
use super::options::VerifyArguments;
use super::output::{self, Verbosity, complain};
use super::summary::Verdict;
use super::{batch, inspect, render};
use crate::file::Purpose;
use crate::program::Problem;
use wanted::Wanted;

pub(super) fn run(arguments: &VerifyArguments, verbosity: Verbosity) -> Result<bool> {
    let wanted = Wanted::of(arguments)?;
    let batch = Batch {
        named: &arguments.files,
        selection: arguments.selection,
        purpose: Purpose::Read,
        verbosity,
        // What can be started and carries no policy does not pass, whyever.
        skips: |_| false,
        empty: Empty::Wrong("no program is in it, so there was nothing to verify"),
        tells: Tells {
            words: &["ok", "without a policy", "with problems", "failed"],
            by_directory: true,
            ..Tells::NOTHING
        },
    };
    let problems = |file: &Subject| {
        let found = inspect::inspect_subject(file, &arguments.root)?;
        let difference = match (&wanted, &found.resolved) {
            (Some(wanted), Some(policy)) => wanted.difference(policy)?,
            _ => None,
        };
        let is_bare = found.problems == [Problem::NoPolicy];
        let problems = found.problems.iter().map(ToString::to_string);
        let problems: Vec<_> = problems.chain(difference).collect();
        Ok((problems, is_bare))
    };
    let done = batch::for_each(&batch, problems, |file, (problems, is_bare)| {
        if !problems.is_empty() {
            complain(Some(file.path), &anyhow!(problems.join("; ")));
        } else if verbosity == Verbosity::Verbose
            || (verbosity == Verbosity::Normal && !file.in_tree)
        {
            output::print(format_args!("{}: ok\n", render::name(file.path)))?;
        }
        Ok(match &problems[..] {
            [] => Verdict::good("ok"),
            _ if is_bare => Verdict::bad("without a policy"),
            _ => Verdict::bad("with problems"),
        })
    });
    Ok(done.ok)
}
