//! Finding out what a program calls, from where on its policy would come into force.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use object::elf;

use super::{Error, patch};
use crate::elf::{Image, Source, VirtAddr};
use crate::file::Keep;
use crate::learn::trace::{self, Command, Recording};
use crate::policy::{Action, Policy};
use crate::rewrite::{Start, first_under_policy};
use crate::runtime::Runtimes;

/// Runs a program to its end, and records what it calls: from the point on at which a policy
/// would come into force that is put in force at `start`, or by the library if that is `None`.
///
/// # Errors
///
/// See [`trace::Error`].
pub fn run(
    path: &CStr,
    arguments: &[CString],
    start: Option<Start>,
    children: bool,
) -> Result<Recording, trace::Error> {
    trace::record(&Command {
        path,
        arguments,
        moment: &|file| moment(file, start),
        children,
        only_stops: false,
    })
}

/// Runs a program under a policy, and records what that does not permit, which is done all
/// the same. `copy` is where a patched copy of it is made.
///
/// # Errors
///
/// The policy can't be put into it, or it can't be run.
pub fn missed(
    program: &Path,
    copy: &Path,
    policy: &Policy,
    runtimes: Runtimes,
    arguments: &[CString],
) -> Result<Recording, Error> {
    let mut policy = policy.clone();
    policy.default = Action::Trace(0);
    let options = patch::Options {
        policy,
        runtimes,
        output: Some(copy.to_owned()),
        replace: true,
        dry_run: false,
        keep: Keep::default(),
    };
    patch::patch(program, &options)?;
    let path = CString::new(copy.as_os_str().as_bytes()).unwrap_or_default();
    let recording = trace::record(&Command {
        path: &path,
        arguments,
        moment: &|_| None,
        children: true,
        only_stops: true,
    })?;
    Ok(recording)
}

/// The address of the first code that runs under a policy; `None` if that is all of it.
fn moment(file: &File, start: Option<Start>) -> Option<u64> {
    let image = Image::read(file.try_clone().ok()?).ok()?;
    let is_dynamic = image.segment(elf::PT_INTERP).is_some();
    let address = match start {
        None if is_dynamic => initialiser(&image),
        start => first_under_policy(&image, start.unwrap_or(Start::Best)).ok()?,
    };
    Some(address.0)
}

/// The first of a program's own initialisers, which comes after those of its libraries; the
/// entry point if it has none.
fn initialiser(image: &Image<impl Source>) -> VirtAddr {
    let dynamic = image.dynamic.as_ref();
    let address = dynamic.and_then(|dynamic| dynamic.get(elf::DT_INIT));
    address.map_or(image.header.entry, VirtAddr)
}
