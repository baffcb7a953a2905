//! The gate of a pipeline: every file must carry a policy that can be relied
//! on.

use anyhow::anyhow;

use super::options::{Verbosity, VerifyArguments};
use super::output::{self, complain};
use super::{inspect, many, show};

pub(super) fn run(arguments: &VerifyArguments, verbosity: Verbosity) -> bool {
    let examine = |file: &std::path::Path| inspect::inspect(file, &arguments.root);
    many::for_each(&arguments.files, examine, |file, found| {
        if !found.sound {
            complain(Some(file), &anyhow!(found.problems.join("; ")));
        } else if verbosity != Verbosity::Quiet {
            output::print(format_args!("{}: ok\n", show::name(file)))?;
        }
        Ok(found.sound)
    })
}
