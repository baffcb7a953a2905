//! Finding out what a program calls, from where on its policy would come into force.

use std::ffi::{CStr, CString};
use std::fs::File;

use object::elf;

use crate::elf::{Image, Source, VirtAddr};
use crate::learn::trace::{self, Command, Error, Recording};
use crate::rewrite::{Start, first_under_policy};

/// Runs a program to its end, and records what it calls: from the point on at which a policy
/// would come into force that is put in force at `start`, or by the library if that is `None`.
///
/// # Errors
///
/// See [`Error`].
pub fn run(
    path: &CStr,
    arguments: &[CString],
    start: Option<Start>,
    children: bool,
) -> Result<Recording, Error> {
    trace::record(&Command {
        path,
        arguments,
        moment: &|file| moment(file, start),
        children,
    })
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
