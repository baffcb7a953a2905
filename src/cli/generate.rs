//! Man pages and shell completions, from the command line's definition.

mod completions;
mod manual;

use std::io;
use std::path::Path;

use anyhow::{Result, anyhow};
use clap::Command;

use super::options::GenerateArguments;

/// Writes what is asked for about these programs.
pub(super) fn run(programs: &[Command], arguments: &GenerateArguments) -> Result<()> {
    if let Some(folder) = &arguments.man {
        for page in programs.iter().flat_map(manual::pages) {
            std::fs::write(folder.join(&page.file_name), &page.text)
                .map_err(|error| cannot_write(folder, &error))?;
        }
    }
    if let Some(folder) = &arguments.completions {
        for script in programs.iter().flat_map(completions::scripts) {
            std::fs::write(folder.join(&script.file_name), &script.text)
                .map_err(|error| cannot_write(folder, &error))?;
        }
    }
    Ok(())
}

fn cannot_write(folder: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("no file can be written in {}: {error}", folder.display())
}
