//! The gate of a pipeline: every file must carry a policy that can be relied
//! on.

use std::path::Path;

use anyhow::anyhow;

use super::many::{Empty, Request};
use super::options::{Verbosity, VerifyArguments};
use super::output::{self, complain};
use super::{inspect, many, show};

pub(super) fn run(arguments: &VerifyArguments, verbosity: Verbosity) -> bool {
    let request = Request {
        named: &arguments.files,
        selection: arguments.selection,
        verbosity,
        // What can be started and carries no policy does not pass, whyever.
        skips: |_| false,
        empty: Empty::Wrong("no program is in it, so that there was nothing to verify"),
    };
    let examine = |file: &Path| inspect::inspect(file, &arguments.root);
    let done = many::for_each(&request, examine, |file, found| {
        if !found.sound {
            complain(Some(file.path), &anyhow!(found.problems.join("; ")));
        } else if verbosity != Verbosity::Quiet {
            output::print(format_args!("{}: ok\n", show::name(file.path)))?;
        }
        Ok(found.sound)
    });
    done.ok
}
