//! Man pages and shell completions, from the command line's definition.

mod manual;

use std::io;
use std::path::Path;

use anyhow::{Result, anyhow};
use clap::Command;
use clap_complete::Shell;

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
        for program in programs {
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                clap_complete::generate_to(shell, &mut program.clone(), program.get_name(), folder)
                    .map_err(|error| cannot_write(folder, &error))?;
            }
        }
    }
    Ok(())
}

fn cannot_write(folder: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("no file can be written in {}: {error}", folder.display())
}
