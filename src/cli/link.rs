//! The compiler or linker of a build, and the program that it writes.
//!
//! The command runs as it would by itself. What it wrote is judged by the file
//! and not by the command's flags: only a program with a dynamic loader is
//! patched; objects, libraries and whatever else compilers write are left
//! alone, and so is a file that the command did not touch. Programs that the
//! build links for itself are told by their names ([`choice`]).
//!
//! Who builds this way asked for protection, so that a program which can't get
//! it fails the build, and is removed: make and ninja would take the file that
//! is there for the finished one the next time, and nobody would hear of it.

mod ccache;
mod child;
mod choice;
mod outputs;
mod response_file;

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;

use super::options::{ChoiceArguments, ContentArguments, EnvironmentArguments, LinkArguments};
use super::output::{Verbosity, complain, note, print_error, silence_warnings, warn};
use super::patch;
use super::remedy::with_remedy;
use crate::elf;
use crate::file::{self, Keep, Place, Stamp, survive_size_limit};
use crate::launch::{NOT_FOUND, NOT_RUN};
use crate::program::patch::patch_at;
use crate::program::{self, Error};
use choice::Reason;
use outputs::Outputs;

/// Options for every command of a build.
const VARIABLE: &str = "SANDBOX_PATCH_OPTIONS";

/// What the name of this program begins with when it stands for a compiler.
const PREFIX: &[u8] = b"sandbox-patch-";

/// The command that this program was started in place of: `cc` and the
/// arguments for `sandbox-patch-cc`. Nothing under its own name.
pub(super) fn wrapped_command(
    arguments: impl IntoIterator<Item = OsString>,
) -> Option<Vec<OsString>> {
    let mut arguments = arguments.into_iter();
    let program = PathBuf::from(arguments.next()?);
    let name = program.file_name()?.as_bytes().strip_prefix(PREFIX)?;
    if name.is_empty() {
        return None;
    }
    let name = OsString::from_vec(name.to_vec());
    Some(std::iter::once(name).chain(arguments).collect())
}

/// Runs the command of a wrapper's name, with the options of the environment.
pub(super) fn run_in_place_of(command: &[OsString]) -> ExitCode {
    match Options::of(None, false) {
        Ok(options) => run_command(command, &options),
        Err(error) => refuse(&error),
    }
}

/// Runs the command, with the options given here after those of the environment.
pub(super) fn run(arguments: LinkArguments, verbose: bool) -> ExitCode {
    let command = arguments.command;
    let given = (arguments.content, arguments.choice);
    let options = require_no_build_tool(&command).and_then(|()| Options::of(Some(given), verbose));
    match options {
        Ok(options) => run_command(&command, &options),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &anyhow::Error) -> ExitCode {
    complain(None, error);
    ExitCode::from(2)
}

/// Runs the command and patches what it wrote.
fn run_command(command: &[OsString], options: &Options) -> ExitCode {
    // Configuration scripts take a compiler that says anything for one that
    // does not know an option.
    if !options.warn {
        silence_warnings();
    }
    if let Err(error) = survive_size_limit() {
        complain(None, &error.into());
        return ExitCode::FAILURE;
    }
    let name = Path::new(&command[0]);
    if options.verbose && ccache::is_in_front() {
        warn(name, ccache::IN_FRONT);
    }
    let expected = Outputs::of(command);
    let watch = |path: &PathBuf| Output::watch(path, &expected, &options.choice);
    let outputs: Vec<Output> = expected.paths.iter().map(watch).collect();
    match child::run(command) {
        Ok(status) if status.success() => {}
        Ok(status) => {
            if child::is_stopped_by_a_policy(status) {
                complain(Some(name), &anyhow!(STOPPED));
            }
            return child::end_likewise(status);
        }
        Err(error) => {
            complain(Some(name), &anyhow!("it can't be run: {error}"));
            let not_found = error.kind() == std::io::ErrorKind::NotFound;
            return ExitCode::from(if not_found { NOT_FOUND } else { NOT_RUN });
        }
    }
    let written: Vec<&Output> = outputs.iter().filter(|it| it.has_changed()).collect();
    if written.is_empty() && expected.links && outputs.iter().all(|it| it.is_bypassed(&expected)) {
        complain(Some(name), &written_elsewhere(&expected));
        return ExitCode::FAILURE;
    }
    let mut ok = true;
    for output in written {
        if let Some(reason) = output.left_alone {
            if options.verbose && expected.links {
                note(&output.path, &format!("left alone: {reason}"));
            }
        } else if let Err(error) = protect(&output.path, options) {
            complain(Some(&output.path), &error);
            ok = false;
        }
    }
    if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What is to be said of a command that ended as policies end a program.
const STOPPED: &str = "it ended as a program does that makes a system call which its policy \
    forbids (SIGSYS, status 159); if that is a program which this build made for itself, leave it \
    alone with --except";

/// Refuses to run a tool that runs the compiler in its turn: it names no output,
/// so that nothing would be patched.
fn require_no_build_tool(command: &[OsString]) -> Result<()> {
    const TOOLS: [&str; 6] = ["make", "gmake", "bmake", "ninja", "samu", "scons"];
    let name = Path::new(&command[0]).file_name().unwrap_or_default();
    ensure!(
        TOOLS.iter().all(|tool| name != *tool),
        "{} is no compiler or linker; let it run this command in the compiler's place, as by \
         make CC='sandbox-patch link [OPTIONS] -- cc'",
        name.display()
    );
    Ok(())
}

/// Why the build fails though the command did not: a program was to be written,
/// and nobody knows where.
fn written_elsewhere(expected: &Outputs) -> anyhow::Error {
    let names = expected.paths.iter().map(|path| path.to_string_lossy());
    let names = names.collect::<Vec<_>>().join(", ");
    anyhow!("it did not write {names}, so what it wrote is unprotected; name the output with -o")
}

/// What is asked for, here and in the environment.
struct Options {
    patch: program::patch::Options,
    choice: ChoiceArguments,
    verbose: bool,
    warn: bool,
}

impl Options {
    /// All that can be found wrong before the command runs is found here.
    fn of(given: Option<(ContentArguments, ChoiceArguments)>, verbose: bool) -> Result<Self> {
        ccache::require_no_prefix()?;
        let (earlier, verbose, warn) = match environment()? {
            Some(it) => {
                let verbose = verbose || it.verbose;
                (
                    Some((it.content, it.choice)),
                    verbose,
                    verbose && !it.no_warn,
                )
            }
            None => (None, verbose, verbose),
        };
        let both = match (earlier, given) {
            (Some(earlier), Some(given)) => {
                Some((given.0.after(earlier.0), given.1.after(earlier.1)))
            }
            (earlier, given) => given.or(earlier),
        };
        let (content, choice) = both
            .filter(|(content, _)| content.has_policy())
            .ok_or_else(|| {
                anyhow!(
                    "there is no policy: give --policy, --allow or --deny before the '--', or in \
                     {VARIABLE}"
                )
            })?;
        ensure!(
            !content.reads_standard_input(),
            "standard input belongs to the command; give the list itself in place of '-'"
        );
        let patch = program::patch::Options {
            policy: content.policy()?,
            runtimes: content.runtimes()?,
            output: None,
            // A linker that runs under two of these must end with the outer policy.
            replace: true,
            dry_run: false,
            keep: Keep::default(),
        };
        Ok(Self {
            patch,
            choice,
            verbose,
            warn,
        })
    }
}

fn environment() -> Result<Option<EnvironmentArguments>> {
    let Some(text) = std::env::var_os(VARIABLE) else {
        return Ok(None);
    };
    let text = text
        .into_string()
        .map_err(|_| anyhow!("{VARIABLE} is not UTF-8"))?;
    let words = shell_words::split(&text)
        .with_context(|| format!("{VARIABLE} has a quotation mark without its pair"))?;
    Ok(Some(EnvironmentArguments::parse_from(words)))
}

/// Patches what is a program with a dynamic loader. Removes a program that
/// can't be patched.
fn protect(path: &Path, options: &Options) -> Result<()> {
    let place = Place::of(path)?;
    let status = place.status().map_err(file::Error::Open)?;
    let error = match patch_at(&place, path, &options.patch) {
        Ok(report) => {
            patch::general(&report, Verbosity::Normal).for_each(|remark| warn(path, remark));
            patch::warn_of(&report, path);
            // Standard output is the command's, and may be read by a program.
            if options.verbose {
                print_error(patch::Text(&report));
            }
            return Ok(());
        }
        Err(error) if is_no_program(&error) => return Ok(()),
        Err(error) => with_remedy(&error.into()),
    };
    // The file itself, where the output is a symbolic link to it.
    match place.unlink(&status) {
        Ok(()) => Err(anyhow!("{error}; the unprotected program was removed")),
        Err(left) => Err(anyhow!(
            "{error}; the unprotected program can't be removed: {left}"
        )),
    }
}

/// Whether the file is something else that compilers and linkers write.
fn is_no_program(error: &Error) -> bool {
    use elf::Error::{Core, Empty, NotElf, Relocatable, SharedLibrary, UnknownType};
    matches!(
        error,
        Error::Elf(Empty | NotElf | Relocatable | Core | UnknownType | SharedLibrary)
    )
}

/// A file that the command may write.
struct Output {
    path: PathBuf,
    before: Option<Stamp>,
    left_alone: Option<Reason>,
}

impl Output {
    fn watch(path: &Path, command: &Outputs, choice: &ChoiceArguments) -> Self {
        // Without a current directory the name alone is looked at.
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self {
            path: path.to_owned(),
            before: stamp(path).ok().flatten(),
            left_alone: choice.why_not(&absolute, command),
        }
    }

    /// Also where that can't be told: then it is found out what keeps the file
    /// from being patched.
    fn has_changed(&self) -> bool {
        !stamp(&self.path).is_ok_and(|now| now.is_none() || now == self.before)
    }

    /// Whether the command, which did not change it, may have written a program
    /// somewhere else that is to be protected. What was named and is there was
    /// up to date, or is a device.
    fn is_bypassed(&self, expected: &Outputs) -> bool {
        match (Place::of(&self.path), self.left_alone) {
            (_, Some(Reason::Probe(_))) => false,
            (Err(file::Error::Directory), _) => true,
            (_, Some(_)) if expected.named => false,
            (found, _) => matches!(found, Err(file::Error::Open(_))) || !expected.named,
        }
    }
}

/// Nothing where there is no file, or a device such as /dev/null.
fn stamp(path: &Path) -> Result<Option<Stamp>, file::Error> {
    use file::Error::{Directory, NotRegular, Open};
    let place = match Place::of(path) {
        Err(Open(error)) if is_absence(&error) => return Ok(None),
        Err(Directory | NotRegular) => return Ok(None),
        place => place?,
    };
    let status = place.status().map_err(Open)?;
    Ok(status.is_file().then(|| status.stamp()))
}

fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(arguments: &[&str]) -> Option<Vec<OsString>> {
        wrapped_command(arguments.iter().map(OsString::from))
    }

    #[test]
    fn a_name_behind_the_own_one_is_that_of_the_compiler() {
        let command: Vec<OsString> = ["aarch64-linux-gnu-gcc", "-c", "x.c"]
            .iter()
            .map(OsString::from)
            .collect();
        let started = ["/usr/bin/sandbox-patch-aarch64-linux-gnu-gcc", "-c", "x.c"];
        assert_eq!(wrapped(&started), Some(command));
    }

    #[test]
    fn the_own_name_is_that_of_no_compiler() {
        for name in ["/usr/bin/sandbox-patch", "sandbox-patch-", "cc", ""] {
            assert_eq!(wrapped(&[name, "inspect"]), None, "{name}");
        }
        assert_eq!(wrapped(&[]), None);
    }
}
