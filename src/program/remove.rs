//! Taking the patch out.

use std::path::{Path, PathBuf};

use super::patch::of_target;
use super::{Error, Remark};
use crate::elf::Image;
use crate::file::{self, Input, Keep, Pending, Place, Stamp};
use crate::rewrite::{self, Original, best_effort, embedded};

/// What is requested.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the result goes; `None` replaces the file.
    pub output: Option<PathBuf>,
    /// Keep what other tools changed, if the original can't be restored.
    pub best_effort: bool,
    /// What the result keeps besides mode, owner and attributes.
    pub keep: Keep,
}

/// How complete the restoration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restored {
    /// Everything that patching changed is as it was before, byte for byte.
    Exact,
    /// The patch is out; what other tools changed is still there.
    BestEffort,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Report {
    /// How complete it is.
    pub restored: Restored,
    /// What the user should know.
    pub remarks: Vec<Remark>,
    /// How many other names the replaced file had, which keep the old content.
    pub other_names: u64,
    /// The file that is there now.
    pub written: Stamp,
}

/// Takes the patch out of one program; symbolic links are followed.
///
/// # Errors
///
/// See [`remove_at`]; or the path leads to no file that could be replaced.
pub fn remove(path: &Path, options: &Options) -> Result<Report, Error> {
    remove_at(&Place::of(path)?, options)
}

/// Takes the patch out of one program.
///
/// # Errors
///
/// It carries no patch, or the original can't be restored.
pub fn remove_at(place: &Place, options: &Options) -> Result<Report, Error> {
    let (input, target) = Input::open_for(place, options.output.as_deref())?;
    let image = Image::read(&input.file)?;
    let found = embedded::read(&image)?.ok_or(Error::NotPatched)?;
    let undo = found.undo.ok_or(Error::NoUndo)?;
    target.require_writable()?;
    let restored = match (undo.is_exact(&input.file)?, options.best_effort) {
        (true, _) => Restored::Exact,
        (false, true) => Restored::BestEffort,
        (false, false) => return Err(Error::Changed),
    };
    let written = Pending::write(&target, &input, options.keep, |output| match restored {
        Restored::Exact => {
            let original = Original::Restored(&input.file, &undo);
            Ok::<_, Error>(original.copy_to(output).map_err(file::Error::Write)?)
        }
        Restored::BestEffort => {
            let plan = best_effort::plan(&image, &undo)?;
            let whole = Original::Whole(&input.file);
            Ok(rewrite::write(&plan, &whole, output).map_err(file::Error::Write)?)
        }
    })?
    .commit()?;
    Ok(Report {
        restored,
        // Signatures in the file were made before it was patched, and hold again.
        remarks: of_target(&target, input.seals()),
        other_names: target.other_names(),
        written,
    })
}
