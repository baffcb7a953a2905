//! Putting a policy into a program.

mod memory;
mod prepared;

use std::fs::File;
use std::path::{Path, PathBuf};

use super::running::processes_of;
use super::{Error, Problem, Remark};
use crate::elf::{self, Image};
use crate::file::{self, Input, Keep, Pending, Place, Stamp, Target};
use crate::policy::{Policy, Resolved};
use crate::rewrite::{
    self, Appended, Effects, Embedded, Heap, Original, Plan, Request, Start, embedded,
};
use crate::runtime::Runtimes;
use crate::runtime::moment::{Moment, early_code};
use prepared::Prepared;

/// What is requested.
#[derive(Clone, Debug)]
pub struct Options {
    /// The policy.
    pub policy: Policy,
    /// The runtime.
    pub runtimes: Runtimes,
    /// Where the result goes; `None` replaces the file.
    pub output: Option<PathBuf>,
    /// Whether an existing policy may be replaced by another.
    pub replace: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// What the result keeps besides mode, owner and attributes.
    pub keep: Keep,
}

/// What became of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It carries the policy now.
    Patched,
    /// It carried another one before, or loaded another library.
    Replaced,
    /// It carried this very policy already.
    Unchanged,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file that carries the policy.
    pub file: PathBuf,
    /// What became of it, or would become.
    pub outcome: Outcome,
    /// Whether nothing was written, as requested.
    pub dry_run: bool,
    /// The policy as compiled.
    pub resolved: Resolved,
    /// When the policy comes into force.
    pub enforced: Moment,
    /// The DT_NEEDED value, unless the runtime is inside the program.
    pub library: Option<String>,
    /// The file's length in bytes, before and after.
    pub length: (u64, u64),
    /// What moved within the file.
    pub moved: Vec<&'static str>,
    /// What was appended to the ELF file, if anything.
    pub appended: Option<Appended>,
    /// What the user should know about the policy and the library, for any program.
    pub general: Vec<Remark>,
    /// As `general`, but the policy is sound and only may not be what was meant.
    pub advice: Vec<Remark>,
    /// What the user should know about the program.
    pub remarks: Vec<Remark>,
    /// How many other names the replaced file had, which keep the old content.
    pub other_names: u64,
    /// The file that is there now, if it was written.
    pub written: Option<Stamp>,
    /// Whether the program runs with its owner's or group's ID, whoever starts it.
    pub sets_ids: bool,
}

/// Patches one program; symbolic links are followed.
///
/// # Errors
///
/// See [`patch_at`]; or the path leads to no file that could be replaced.
pub fn patch(path: &Path, options: &Options) -> Result<Report, Error> {
    patch_at(&Place::of(path)?, path, options)
}

/// Patches one program, which is reported under this path.
///
/// # Errors
///
/// The error says why it can't be done; the file is then unchanged, and nothing is left
/// behind.
pub fn patch_at(place: &Place, path: &Path, options: &Options) -> Result<Report, Error> {
    let (input, target) = Input::open_for(place, options.output.as_deref())?;
    let image = Image::read(&input.file)?;
    let runtime = options.runtimes.choose(&image)?;
    let present = embedded::read(&image);
    let mut prepared = Prepared::make(&image, options, runtime)?;
    let present = present?;
    let mut outcome = match &present {
        Some(present) => prepared.compare(present, &image, options.replace)?,
        None => Outcome::Patched,
    };
    if outcome == Outcome::Unchanged {
        if target.is_in_place() {
            let length = (image.length, image.length);
            return Ok(prepared.report(path, outcome, options.dry_run, length, Vec::new()));
        }
        // What is unchanged is the input.
        outcome = Outcome::Patched;
    }

    let original = original(&input.file, present.as_ref())?;
    let image = Image::read(original)?;
    let request = Request {
        enforcement: prepared.enforcement(),
        content: &prepared.content,
    };
    let (plan, effects) = Plan::make(&image, &request)?;
    if let Some(start) = effects.start {
        prepared.enforced = Moment::of(start, &image);
    }
    let signatures = [input.seals(), elf::signatures(&image)?].concat();
    let written = write(&plan, &image.source, &input, &target, &prepared, options)?;
    let shown = options
        .output
        .as_ref()
        .map_or(path, |_| target.place.path());
    let length = (image.length, plan.length());
    let mut unusual = unusual(&effects);
    unusual.extend(early(&effects, &image)?);
    let appended = effects.appended;
    let mut report = prepared.report(shown, outcome, options.dry_run, length, effects.moved);
    report.appended = appended;
    report.remarks.extend(unusual);
    if effects.moves_heap && Heap::of(&image)? == Heap::Asked {
        report.remarks.push(Remark::HeapMoves);
    }
    report.remarks.extend(of_target(&target, signatures));
    if target.is_in_place() && !options.dry_run {
        let processes = processes_of(input.status().identity()).to_vec();
        let is_running = !processes.is_empty();
        report
            .remarks
            .extend(is_running.then_some(Remark::Running(processes)));
    }
    report.other_names = target.other_names();
    report.written = written;
    report.sets_ids = input.status().sets_ids();
    Ok(report)
}

/// The program's own code that runs before the runtime inside it.
fn early(effects: &Effects, image: &Image<Original<'_>>) -> Result<Option<Remark>, Error> {
    let Some(start) = effects.start else {
        return Ok(None);
    };
    let found = early_code(image, effects.start)?;
    Ok(found.map(|early| match start {
        Start::Main => Remark::EarlyCode(early),
        Start::Entry | Start::Best => Remark::Unaccepted(Problem::EarlyCode(early)),
    }))
}

/// What the user should know about how the file had to be changed.
fn unusual(effects: &Effects) -> Vec<Remark> {
    let obstacle = effects.obstacle.clone();
    let dropped = effects.drops_sections.then_some(Remark::SectionsDropped);
    let remarks = [
        effects.why_at_entry.map(Remark::AtEntry),
        obstacle.map(Remark::HeadersMoved),
        dropped,
        effects.appended.and_then(Remark::of_appended),
    ];
    remarks.into_iter().flatten().collect()
}

/// What the user should know about replacing a file with signatures, given by their
/// places or kinds, which will no longer be valid.
pub(super) fn of_target(target: &Target, signatures: Vec<String>) -> Vec<Remark> {
    let unsigned = (!signatures.is_empty()).then_some(Remark::Unsigned(signatures));
    let locked = target.is_locked_by_others().then_some(Remark::Locked);
    unsigned.into_iter().chain(locked).collect()
}

/// Carries out the plan. A dry run does so, too, except for the last step: it must fail
/// whenever patching would.
fn write(
    plan: &Plan,
    original: &Original<'_>,
    input: &Input,
    target: &Target,
    prepared: &Prepared,
    options: &Options,
) -> Result<Option<Stamp>, Error> {
    target.require_writable()?;
    let pending = Pending::write(target, input, options.keep, |output| {
        rewrite::write(plan, original, output).map_err(file::Error::Write)
    })?;
    prepared.check(&pending.file)?;
    Ok(if options.dry_run {
        None
    } else {
        Some(pending.commit()?)
    })
}

/// The program without the policy that it may already carry.
fn original<'a>(file: &'a File, present: Option<&'a Embedded>) -> Result<Original<'a>, Error> {
    let Some(present) = present else {
        return Ok(Original::Whole(file));
    };
    let undo = present.undo.as_ref().ok_or(Error::NoUndo)?;
    if undo.is_exact(file)? {
        Ok(Original::Restored(file, undo))
    } else {
        Err(Error::Changed)
    }
}
