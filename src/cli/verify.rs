//! The gate of a pipeline: every file must carry a policy that can be relied
//! on.

use anstream::{eprintln, println};

use super::options::{Verbosity, VerifyArguments};
use super::{inspect, many};

pub(super) fn run(arguments: &VerifyArguments, verbosity: Verbosity) -> bool {
    let examine = |file: &std::path::Path| inspect::inspect(file, &arguments.root);
    many::for_each(&arguments.files, examine, |file, found| {
        if !found.sound {
            eprintln!(
                "sandbox-patch: {}: {}",
                file.display(),
                found.problems.join("; ")
            );
        } else if verbosity != Verbosity::Quiet {
            println!("{}: ok", file.display());
        }
        found.sound
    })
}
