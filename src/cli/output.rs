//! The standard streams. What can't be written is an error, not a panic: a full
//! disk behind standard output must show in the exit status.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use super::show::{escaped, name};

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
    written(write!(output, "{text}").and_then(|()| output.flush()))
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
    let error = error.to_string();
    let error = escaped(&error);
    match file {
        Some(file) => print_error(format_args!("sandbox-patch: {}: {error}\n", name(file))),
        None => print_error(format_args!("sandbox-patch: {error}\n")),
    }
}

/// One line on standard error: what the user should know of a file.
pub(super) fn warn(file: &Path, warning: &str) {
    let warning = escaped(warning);
    print_error(format_args!(
        "sandbox-patch: {}: warning: {warning}\n",
        name(file)
    ));
}
