//! What to do about errors, in words of this program: rooms of the library know no options.

use crate::program::Error;
use crate::runtime::library;
use crate::{elf, file, policy, rewrite, runtime};

/// What is wrong, and what to do about it.
pub(super) fn with_remedy(error: &anyhow::Error) -> String {
    match remedy(error) {
        Some(remedy) => format!("{error}; {remedy}"),
        None => error.to_string(),
    }
}

/// Nothing where the error says it all.
fn remedy(error: &anyhow::Error) -> Option<&'static str> {
    let of_program = error.downcast_ref().and_then(of_program);
    let of_file = || error.downcast_ref().and_then(of_file);
    let of_policy = || error.downcast_ref().and_then(of_policy);
    let of_library = || error.downcast_ref().and_then(of_library);
    of_program
        .or_else(of_file)
        .or_else(of_policy)
        .or_else(of_library)
}

fn of_program(error: &Error) -> Option<&'static str> {
    use elf::Error::{Static, StaticPie};
    Some(match error {
        Error::Elf(Static | StaticPie) => "leave out --lib to put the runtime into it",
        Error::Rewrite(rewrite::Error::NoInitialiser(_)) => "use --from entry",
        Error::Rewrite(rewrite::Error::SavedHeap) => "start it with sandboxify",
        Error::Changed => {
            "'sandbox-patch remove --best-effort' takes it out and keeps the other changes"
        }
        Error::AnotherPolicy | Error::AnotherWay => "--replace puts this one in its place",
        Error::Runtime(runtime::Error::MomentOfLibrary) => "leave out --from, or add --inline",
        Error::Runtime(runtime::Error::Library(error)) => return of_library(error),
        Error::File(error) => return of_file(error),
        Error::Policy(error) => return of_policy(error),
        _ => return None,
    })
}

fn of_file(error: &file::Error) -> Option<&'static str> {
    use file::Error::{
        Attributes, Directory, NotCreated, NotReplaced, OutputNotReached, OutputNotRegular,
        ReadOnly,
    };
    Some(match error {
        Directory => "name the programs in it, or give --recursive",
        ReadOnly(_) | NotReplaced { .. } => "write the result elsewhere with -o",
        OutputNotRegular(_) => "name another output with -o",
        OutputNotReached { .. } => "name another with -o",
        NotCreated { .. } => "name another directory with -o",
        Attributes { .. } => "run as the file's owner or root, or write elsewhere with -o",
        _ => return None,
    })
}

fn of_policy(error: &policy::Error) -> Option<&'static str> {
    match error {
        policy::Error::NotHere { .. } => Some("leave it out, or do not use --exact"),
        _ => None,
    }
}

fn of_library(error: &library::Error) -> Option<&'static str> {
    use library::Error::{Empty, NotFound, NowhereToLook, Relative, TooLong, Unfit};
    Some(match error {
        NotFound => "name it with --lib",
        NowhereToLook => "mount /proc, or name the library with --lib",
        Relative(_) => "give an absolute path, or accept that with --allow-relative-lib",
        Empty => "give an absolute path with --lib",
        TooLong(_) => "give a shorter one with --lib",
        Unfit { .. } => concat!(
            "name a libsandbox.so of version ",
            env!("CARGO_PKG_VERSION"),
            " or later with --lib"
        ),
        _ => return None,
    })
}
