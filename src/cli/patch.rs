//! Putting a policy into a program.

mod prepared;
mod warnings;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::output::{Verbosity, warn};
use super::running::processes_of;
use super::show;
use super::summary::{FAILED, Verdict};
use crate::elf::{
    self, Appended, Embedded, Heap, Layout, Original, Plan, Request, Start, embedded,
};
use crate::file::{self, Identity, Input, Keep, Pending, Place, Stamp, Target};
use crate::policy::{Arch, Policy, Resolved};
use crate::runtime::moment::{early_code, moment};
use crate::runtime::{self, Runtimes};
use prepared::{Prepared, unaccepted};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The policy.
    pub policy: Policy,
    /// The runtime.
    pub runtimes: Runtimes,
    /// Where the result goes; none replaces the file.
    pub output: Option<PathBuf>,
    /// A policy that is there may be replaced by another.
    pub replace: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// What the result keeps besides mode, owner and attributes.
    pub keep: Keep,
}

/// What became of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It carries the policy now.
    Patched,
    /// It carried another one before, or loaded another library.
    Replaced,
    /// It carried this very policy already.
    Unchanged,
}

/// What was done, for people.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file that carries the policy.
    pub file: PathBuf,
    /// What became of it, or would become.
    pub outcome: Outcome,
    /// Nothing was written, since that was asked for.
    pub dry_run: bool,
    /// The policy as compiled.
    pub resolved: Resolved,
    /// From when on the policy holds.
    pub enforced: &'static str,
    /// The DT_NEEDED value, unless the runtime is within the program.
    pub library: Option<String>,
    /// The file's length in bytes, before and after.
    pub length: (u64, u64),
    /// What moved within the file.
    pub moved: Vec<&'static str>,
    /// What was appended to the ELF file, if anything was.
    pub appended: Option<Appended>,
    /// What the user should know of the policy and the library, whatever the
    /// program.
    pub general_warnings: Vec<String>,
    /// Likewise, where the policy is sound but may not be what was meant.
    pub advice: Vec<String>,
    /// What the user should know of the program.
    pub warnings: Vec<String>,
    /// How many other names the replaced file had, which keep the old content.
    pub other_names: u64,
    /// The file that is there now, where it was written.
    pub written: Option<Stamp>,
    /// Whether whoever starts the program runs as its owner or group.
    pub sets_ids: bool,
}

/// Patches one program; symbolic links are followed.
///
/// # Errors
///
/// As [`patch_at`], or the path leads to no file that could be replaced.
pub fn patch(path: &Path, options: &Options) -> Result<Report> {
    patch_at(&Place::of(path)?, path, options)
}

/// Patches one program, which people know by a path.
///
/// # Errors
///
/// Says why it can't be done; the file is then as it was, and nothing is left
/// behind.
pub fn patch_at(place: &Place, path: &Path, options: &Options) -> Result<Report> {
    let (input, target) = Input::open_for(place, options.output.as_deref())?;
    let layout = Layout::read(&input.file)?;
    let runtime = options.runtimes.choose(&layout).map_err(no_runtime)?;
    let present = embedded::read(&layout, &input.file);
    let mut prepared = Prepared::make(&layout, &input.file, options, runtime)?;
    let present = present?;
    let mut outcome = match &present {
        Some(present) => prepared.compare(present, &layout, &input.file, options.replace)?,
        None => Outcome::Patched,
    };
    if outcome == Outcome::Unchanged {
        if target.is_in_place() {
            let length = (layout.length, layout.length);
            return Ok(prepared.report(path, outcome, options.dry_run, length, Vec::new()));
        }
        // What is unchanged is the input.
        outcome = Outcome::Patched;
    }

    let original = original(&input.file, present.as_ref())?;
    let layout = Layout::read(&original)?;
    let request = Request {
        enforcement: prepared.enforcement(),
        content: &prepared.content,
    };
    let plan = Plan::make(&layout, &original, &request)?;
    if let Some(start) = plan.start {
        prepared.enforced = moment(start, &layout);
    }
    let signatures = [input.seals(), elf::signatures(&layout, &original)?].concat();
    let written = write(&plan, &original, &input, &target, &prepared, options)?;
    let shown = options
        .output
        .as_ref()
        .map_or(path, |_| target.place.path());
    let length = (layout.length, plan.length());
    let mut unusual = unusual(&plan);
    unusual.extend(early(&plan, &layout, &original)?);
    let appended = plan.appended;
    let mut report = prepared.report(shown, outcome, options.dry_run, length, plan.moved);
    report.appended = appended;
    report.warnings.extend(unusual);
    if plan.moves_heap && Heap::of(&layout, &original)? == Heap::Asked {
        report.warnings.push(HEAP_MOVES.to_owned());
    }
    report.warnings.extend(unsigned(&signatures));
    report.warnings.extend(locked(&target).map(str::to_owned));
    if target.is_in_place() && !options.dry_run {
        report.warnings.extend(running(input.status().identity()));
    }
    report.other_names = target.other_names();
    report.written = written;
    report.sets_ids = input.status().sets_ids();
    Ok(report)
}

/// Why there is no runtime, in the words of the options.
fn no_runtime(error: runtime::Error) -> anyhow::Error {
    match error {
        runtime::Error::Program(error) => error.into(),
        runtime::Error::MomentOfLibrary => {
            anyhow!("--from is for a runtime within the program; add --inline")
        }
        other => other.into(),
    }
}

/// The program's own code that runs before a runtime that is in it.
fn early(plan: &Plan, layout: &Layout, original: &Original<'_>) -> Result<Option<String>> {
    let Some(start) = plan.start else {
        return Ok(None);
    };
    let found = early_code(layout, original, plan.start)?;
    Ok(found.map(|early| match start {
        Start::Main => early.to_owned(),
        Start::Entry | Start::Best => unaccepted(early),
    }))
}

/// The warning for a program that asks where its heap is, at fixed addresses.
const HEAP_MOVES: &str = "it asks for the place of its heap (sbrk), which begins behind the new \
     segment from now on; a program that counts on its heap right behind its data does not work: \
     start it with sandboxify";

/// What the user should know of how the file had to be changed.
fn unusual(plan: &Plan) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(why) = plan.why_at_entry {
        warnings.push(format!(
            "the policy is in force from the entry point on, since {why}; what runs before main \
             must be permitted"
        ));
    }
    if let Some(obstacle) = &plan.obstacle {
        warnings.push(format!(
            "its program headers had to move, since {obstacle} stands behind them; strip it before \
             patching, not afterwards"
        ));
    }
    if plan.drops_sections {
        warnings.push("its section headers can't be read, and the result has none".to_owned());
    }
    warnings.extend(plan.appended.as_ref().and_then(show::doubt_of_appended));
    warnings
}

/// Carries the plan out. A dry run does so, too, but for the last step: it must
/// fail where patching would.
fn write(
    plan: &Plan,
    original: &Original<'_>,
    input: &Input,
    target: &Target,
    prepared: &Prepared,
    options: &Options,
) -> Result<Option<Stamp>> {
    target.require_writable()?;
    let pending = Pending::write(target, input, options.keep, |output| {
        elf::write(plan, original, output).map_err(file::Error::Write)
    })?;
    prepared.check(&pending.file)?;
    Ok(if options.dry_run {
        None
    } else {
        Some(pending.commit()?)
    })
}

/// Whether patching failed since the file is a program of a kind that can't
/// carry a policy, or none at all.
pub(super) fn is_not_for(error: &anyhow::Error) -> bool {
    use elf::Error::{Foreign, SharedLibrary, Static, StaticPie};
    matches!(
        error.downcast_ref(),
        Some(Foreign | SharedLibrary | Static | StaticPie)
    )
}

/// What a program is in the sum of a tree that could not be patched.
pub(super) fn failure(error: &anyhow::Error) -> Verdict {
    match error.downcast_ref::<elf::Error>() {
        Some(elf::Error::Io(_)) | None => FAILED,
        Some(_) => Verdict::bad("refused"),
    }
}

/// The architecture of a file, where seccomp filters for it are known.
#[must_use]
pub fn arch(layout: &Layout) -> Option<Arch> {
    let (header, encoding) = (&layout.header, layout.encoding);
    Arch::from_elf(
        header.machine.0,
        encoding.is_64,
        encoding.is_big_endian(),
        header.flags.0,
    )
}

/// The warning for a file that is replaced and has `count` hard links more.
pub(super) fn other_names(count: u64) -> String {
    let keep = if count == 1 {
        "one other name keeps".to_owned()
    } else {
        format!("{count} other names keep")
    };
    format!("replacing the file breaks a hard link: its {keep} the old content")
}

/// The warning for a file that somebody held the lock of.
pub(super) fn locked(target: &Target) -> Option<&'static str> {
    target.is_locked_by_others().then_some(
        "another process holds a lock on it, as anyone can who may read it, and was not waited for \
         any longer; lslocks(8) shows which",
    )
}

/// The warning for a file that was signed, in these places or ways.
pub(super) fn unsigned(signatures: &[String]) -> Option<String> {
    let places = signatures.join(", ");
    (!signatures.is_empty()).then(|| {
        format!("it is signed ({places}), and the result no longer is; sign the result again")
    })
}

/// The program without the policy that it may carry.
fn original<'a>(file: &'a File, present: Option<&'a Embedded>) -> Result<Original<'a>> {
    let Some(present) = present else {
        return Ok(Original::Whole(file));
    };
    let undo = present.undo.as_ref().ok_or(elf::Error::NoUndo)?;
    if undo.is_exact(file)? {
        Ok(Original::Restored(file, undo))
    } else {
        Err(elf::Error::Changed.into())
    }
}

/// What the user should know of a program that is being run.
fn running(file: Identity) -> Option<String> {
    let processes = processes_of(file);
    let shown = processes.iter().take(5).map(ToString::to_string);
    let shown: Vec<_> = shown.collect();
    (!processes.is_empty()).then(|| {
        format!(
            "it is running (process {}{}) and goes on without this change until it is started again",
            shown.join(", "),
            if processes.len() > shown.len() { ", …" } else { "" },
        )
    })
}

impl Report {
    /// What is the same for all programs, and so to be said once.
    pub(super) fn general(&self, verbosity: Verbosity) -> impl Iterator<Item = &str> {
        let advice = self
            .advice
            .iter()
            .filter(move |_| verbosity != Verbosity::Quiet);
        self.general_warnings
            .iter()
            .chain(advice)
            .map(String::as_str)
    }

    /// Prints the warnings that are about this program.
    pub(super) fn warn(&self, file: &Path) {
        for warning in &self.warnings {
            warn(file, warning);
        }
        if self.other_names > 0 {
            warn(file, &other_names(self.other_names));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.outcome, self.dry_run) {
            (Outcome::Patched, false) => "patched",
            (Outcome::Patched, true) => "would be patched",
            (Outcome::Replaced, false) => "policy replaced",
            (Outcome::Replaced, true) => "policy would be replaced",
            (Outcome::Unchanged, _) => "carries this policy already; nothing to do",
        };
        writeln!(f, "{}: {what}", show::name(&self.file))?;
        let mut line =
            |name: &str, value: &str| writeln!(f, "  {name:<9} {}", show::escaped(value));
        line("policy", &show::policy(&self.resolved))?;
        for added in show::added(&self.resolved) {
            line("added", &added)?;
        }
        line("enforced", self.enforced)?;
        if let Some(library) = &self.library {
            line("library", library)?;
        }
        if self.outcome != Outcome::Unchanged {
            let (before, after) = self.length;
            line("size", &format!("{before} bytes + {}", after - before))?;
        }
        if let Some(appended) = &self.appended {
            line("appended", &show::appended(appended))?;
        }
        if self.dry_run && !self.moved.is_empty() {
            line("moves", &self.moved.join(", "))?;
        }
        Ok(())
    }
}
