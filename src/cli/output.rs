//! The standard streams. What can't be written is an error, not a panic: a full
//! disk behind standard output must show in the exit status.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::remedy::with_remedy;
use super::render::{message, name};
use crate::policy::Warning;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// Results could not be handed over.
#[derive(Debug, thiserror::Error)]
#[error("standard output can't be written: {0}")]
pub(super) struct Error(io::Error);

/// Prints a result on standard output, with colours where they are wanted. Who
/// closes the pipe has read enough: no error.
///
/// # Errors
///
/// It can't be written.
pub(super) fn print(text: impl Display) -> Result<(), Error> {
    let mut output = anstream::stdout().lock();
    // At once, and not piece by piece: each line's end is one for the system.
    let text = text.to_string();
    written(
        output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush()),
    )
}

/// What came of writing to standard output.
pub(super) fn written(result: io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error(error)),
        _ => Ok(()),
    }
}

/// Prints on standard error. Where that can't be written nobody can be told,
/// and the exit status is all that is left.
pub(super) fn print_error(text: impl Display) {
    let _ = write!(anstream::stderr().lock(), "{text}");
}

/// One line on standard error: what is wrong, with which file.
pub(super) fn complain(file: Option<&Path>, error: &anyhow::Error) {
    match file {
        Some(file) => note(file, &with_remedy(error)),
        None => print_error(format_args!(
            "sandbox-patch: {}\n",
            message(&with_remedy(error))
        )),
    }
}

/// Whether warnings are wanted, which is said once, at the start.
static WARNINGS: AtomicBool = AtomicBool::new(true);

/// From now on, no warning is printed.
pub(super) fn silence_warnings() {
    WARNINGS.store(false, Ordering::Relaxed);
}

/// One line on standard error: what the user should know of a file.
pub(super) fn warn(file: &Path, warning: &(impl Display + ?Sized)) {
    if WARNINGS.load(Ordering::Relaxed) {
        note(file, &format!("warning: {warning}"));
    }
}

/// One line on standard error: what is lost of a policy file, which the warning names.
pub(super) fn warn_of_reading(warning: &Warning) {
    if WARNINGS.load(Ordering::Relaxed) {
        let what = warning.to_string();
        print_error(format_args!("sandbox-patch: warning: {}\n", message(&what)));
    }
}

/// One line on standard error about a file.
pub(super) fn note(file: &Path, what: &str) {
    let what = message(what);
    print_error(format_args!("sandbox-patch: {}: {what}\n", name(file)));
}
