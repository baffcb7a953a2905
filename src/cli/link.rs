//! The compiler or linker of a build, and the program that it writes.
//!
//! The command runs as it would by itself. What it wrote is judged by the file
//! and not by the command's flags: only a program with a dynamic loader is
//! patched; objects, libraries and whatever else compilers write are left
//! alone, and so is a file that the command did not touch.
//!
//! Who builds this way asked for protection, so that a program which can't get
//! it fails the build, and is removed: make and ninja would take the file that
//! is there for the finished one the next time, and nobody would hear of it.

mod child;
mod outputs;
mod response_file;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;

use super::options::{ContentArguments, EnvironmentArguments};
use super::output::{complain, print_error};
use super::patch;
use crate::elf;
use crate::file::{Keep, Stamp, survive_size_limit};
use outputs::Outputs;

/// Options for every command of a build.
const VARIABLE: &str = "SANDBOX_PATCH_OPTIONS";

/// What the name of this program begins with when it stands for a compiler.
const PREFIX: &[u8] = b"sandbox-patch-";

/// The exit statuses of env(1) and of shells for a command that can't be run.
const NOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

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

/// Runs the command and patches what it wrote, with the options given here
/// behind those of the environment.
pub(super) fn run(
    given: Option<ContentArguments>,
    command: &[OsString],
    verbose: bool,
) -> ExitCode {
    let (options, verbose) = match options(given, verbose) {
        Ok(options) => options,
        Err(error) => {
            complain(None, &error);
            return ExitCode::from(2);
        }
    };
    if let Err(error) = survive_size_limit() {
        complain(None, &error.into());
        return ExitCode::FAILURE;
    }
    let expected = Outputs::of(command);
    let outputs: Vec<Output> = expected.paths.iter().map(|it| Output::watch(it)).collect();
    match child::run(command) {
        Ok(status) if status.success() => {}
        Ok(status) => return child::end_likewise(status),
        Err(error) => {
            let name = Path::new(&command[0]);
            complain(Some(name), &anyhow!("it can't be run: {error}"));
            let not_found = error.kind() == std::io::ErrorKind::NotFound;
            return ExitCode::from(if not_found { NOT_FOUND } else { NOT_RUN });
        }
    }
    let written: Vec<&Output> = outputs.iter().filter(|it| it.has_changed()).collect();
    if written.is_empty() && expected.links && outputs.iter().all(|it| it.is_bypassed(&expected)) {
        complain(Some(Path::new(&command[0])), &written_elsewhere(&expected));
        return ExitCode::FAILURE;
    }
    let mut ok = true;
    for output in written {
        if let Err(error) = protect(&output.path, &options, verbose) {
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

/// Why the build fails though the command did not: a program was to be written,
/// and nobody knows where.
fn written_elsewhere(expected: &Outputs) -> anyhow::Error {
    let names = expected.paths.iter().map(|path| path.to_string_lossy());
    let names = names.collect::<Vec<_>>().join(", ");
    anyhow!(
        "it did not write {names}, so that what it wrote is unprotected; name the output with -o"
    )
}

/// All that can be found wrong before the command runs is found here.
fn options(given: Option<ContentArguments>, verbose: bool) -> Result<(patch::Options, bool)> {
    let (earlier, verbose) = match environment()? {
        Some(environment) => (Some(environment.content), verbose || environment.verbose),
        None => (None, verbose),
    };
    let content = match (earlier, given) {
        (Some(earlier), Some(given)) => Some(given.after(earlier)),
        (earlier, given) => given.or(earlier),
    };
    let content = content
        .filter(ContentArguments::has_policy)
        .ok_or_else(|| {
            anyhow!("there is no policy: give --allow or --deny before the '--', or in {VARIABLE}")
        })?;
    ensure!(
        !content.reads_standard_input(),
        "standard input belongs to the command; give the list itself in place of '-'"
    );
    let options = patch::Options {
        policy: content.policy()?,
        runtimes: content.runtimes()?,
        output: None,
        // A linker that runs under two of these must end with the outer policy.
        replace: true,
        dry_run: false,
        keep: Keep::default(),
    };
    Ok((options, verbose))
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
fn protect(path: &Path, options: &patch::Options, verbose: bool) -> Result<()> {
    let error = match patch::patch(path, options) {
        Ok(report) => {
            report.warn(path, |_| true);
            // Standard output is the command's, and may be read by a program.
            if verbose {
                print_error(report);
            }
            return Ok(());
        }
        Err(error) if is_no_program(&error) => return Ok(()),
        Err(error) => error,
    };
    // The file itself, where the output is a symbolic link to it.
    match path.canonicalize().and_then(fs::remove_file) {
        Ok(()) => Err(anyhow!("{error}; the unprotected program was removed")),
        Err(left) => Err(anyhow!(
            "{error}; the unprotected program can't be removed: {left}"
        )),
    }
}

/// Whether the file is something else that compilers and linkers write.
fn is_no_program(error: &anyhow::Error) -> bool {
    use elf::Error::{Core, Empty, NotElf, Relocatable, SharedLibrary, UnknownType};
    matches!(
        error.downcast_ref(),
        Some(Empty | NotElf | Relocatable | Core | UnknownType | SharedLibrary)
    )
}

/// A file that the command may write.
struct Output {
    path: PathBuf,
    before: Option<Stamp>,
}

impl Output {
    fn watch(path: &Path) -> Self {
        let before = stamp(path);
        let path = path.to_owned();
        Self { path, before }
    }

    fn has_changed(&self) -> bool {
        let now = stamp(&self.path);
        now.is_some() && now != self.before
    }

    /// Whether the command, which did not change it, wrote somewhere else: what
    /// was named is there and was up to date, or is a device.
    fn is_bypassed(&self, expected: &Outputs) -> bool {
        match fs::metadata(&self.path) {
            Ok(metadata) => metadata.is_dir() || !expected.named,
            Err(_) => true,
        }
    }
}

/// Nothing where there is no file, or a device such as /dev/null.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Stamp::of(&metadata))
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
