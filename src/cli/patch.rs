//! What patching came to, in words.

use std::fmt;
use std::path::Path;

use super::output::{Verbosity, warn};
use super::render;
use super::summary::{FAILED, Verdict};
use crate::elf;
use crate::program::patch::{Outcome, Report};
use crate::program::{Error, Remark};

/// Whether patching failed since the file is a program of a kind that can't
/// carry a policy, or none at all.
pub(super) fn is_not_for(error: &anyhow::Error) -> bool {
    use elf::Error::{Foreign, SharedLibrary, Static, StaticPie};
    matches!(
        error.downcast_ref(),
        Some(Error::Elf(Foreign | SharedLibrary | Static | StaticPie))
    )
}

/// What a program is in the sum of a tree that could not be patched.
pub(super) fn failure(error: &anyhow::Error) -> Verdict {
    match error.downcast_ref() {
        Some(Error::Elf(elf::Error::Io(_))) => FAILED,
        Some(Error::Elf(_) | Error::Rewrite(_) | Error::NoUndo | Error::Changed) => {
            Verdict::bad("refused")
        }
        _ => FAILED,
    }
}

/// What is the same for all programs, and so to be said once.
pub(super) fn general(report: &Report, verbosity: Verbosity) -> impl Iterator<Item = &Remark> {
    let is_said = verbosity != Verbosity::Quiet;
    let advice = report.advice.iter().filter(move |_| is_said);
    report.general.iter().chain(advice)
}

/// Prints the warnings that are about this program.
pub(super) fn warn_of(report: &Report, file: &Path) {
    for remark in &report.remarks {
        warn(file, remark);
    }
    if report.other_names > 0 {
        warn(file, &Remark::OtherNames(report.other_names));
    }
}

/// The report, for people.
pub(super) struct Text<'a>(pub(super) &'a Report);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let what = match (report.outcome, report.dry_run) {
            (Outcome::Patched, false) => "patched",
            (Outcome::Patched, true) => "would be patched",
            (Outcome::Replaced, false) => "policy replaced",
            (Outcome::Replaced, true) => "policy would be replaced",
            (Outcome::Unchanged, _) => "carries this policy already; nothing to do",
        };
        writeln!(f, "{}: {what}", render::name(&report.file))?;
        let mut line =
            |name: &str, value: &str| writeln!(f, "  {name:<9} {}", render::escaped(value));
        line("policy", &render::policy(&report.resolved))?;
        for added in render::added(&report.resolved) {
            line("added", &added)?;
        }
        line("enforced", &report.enforced.to_string())?;
        if let Some(library) = &report.library {
            line("library", library)?;
        }
        if report.outcome != Outcome::Unchanged {
            let (before, after) = report.length;
            line("size", &format!("{before} bytes + {}", after - before))?;
        }
        if let Some(appended) = &report.appended {
            line("appended", &render::appended(appended))?;
        }
        if report.dry_run && !report.moved.is_empty() {
            line("moves", &report.moved.join(", "))?;
        }
        Ok(())
    }
}
