//! Carrying out a plan: the bulk is copied by the kernel, the rest is written over it.

use std::fs::File;
use std::io;

use super::original::Original;
use super::plan::Plan;

/// Writes the patched file to `output`, which must be empty.
///
/// # Errors
///
/// Reading or writing failed; `output` must then be discarded.
pub fn write(plan: &Plan, original: &Original<'_>, output: &File) -> io::Result<()> {
    for run in &plan.runs {
        original.copy(run.in_original(), output, run.patched)?;
    }
    output.set_len(plan.length())?;
    plan.chunks().try_for_each(|chunk| chunk.write_to(output))
}
