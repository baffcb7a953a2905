//! Which files are handled, and where results go.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Result, ensure};
use clap::{Args, value_parser};

use crate::cli::Usage;
use crate::file;

/// Each job has up to five files open, and the usual limit is 1024 (getrlimit(2),
/// RLIMIT_NOFILE; systemd's DefaultLimitNOFILE).
const MOST_JOBS: i64 = 200;

/// What directories stand for, and how many files are handled at a time.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(in crate::cli) struct Selection {
    /// Process directories recursively.
    ///
    /// Programs are executable ELF files other than libraries; everything else is skipped
    /// (listed with --verbose). Symbolic links in the tree are not followed.
    #[arg(short, long)]
    pub(in crate::cli) recursive: bool,

    /// Process this many files at a time [default: the number of processors].
    #[arg(short, long, value_name = "N", value_parser = value_parser!(u16).range(1..=MOST_JOBS))]
    jobs: Option<u16>,
}

impl Selection {
    /// Whether any of these options is given.
    pub(super) fn is_given(self) -> bool {
        self.recursive || self.jobs.is_some()
    }

    /// How many files are handled at a time.
    pub(in crate::cli) fn jobs(self) -> usize {
        let processors = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.jobs.map_or_else(processors, usize::from)
    }
}

/// Refuses an output that can't hold the results of all files.
pub(in crate::cli) fn require_one_output_each(
    files: &[PathBuf],
    selection: Selection,
    output: Option<&Path>,
) -> Result<()> {
    let Some(output) = output else {
        return Ok(());
    };
    ensure!(
        !is_standard_output(output),
        Usage("a program can't be written to standard output; name a file with -o".to_owned())
    );
    ensure!(
        !selection.recursive,
        Usage(
            "-o names no place for a whole tree; leave out --recursive, or copy the tree ('cp -a') \
             and give the copy"
                .to_owned()
        )
    );
    if files.len() < 2 {
        return Ok(());
    }
    ensure!(
        file::is_directory(output),
        Usage(format!(
            "{}: not a directory; with several files, -o names one",
            output.display()
        ))
    );
    let mut outputs = BTreeMap::new();
    for file in files {
        // One that is not there is complained about when its turn comes.
        let Ok(found) = file::Place::of(file) else {
            continue;
        };
        let place = output.join(found.name());
        if let Some(other) = outputs.insert(place.clone(), file) {
            return Err(Usage(format!(
                "{} and {} would both become {}; give them one after the other",
                other.display(),
                file.display(),
                place.display()
            ))
            .into());
        }
    }
    Ok(())
}

/// Names of an open file of this process, which can't be replaced; '-' by
/// custom.
fn is_standard_output(output: &Path) -> bool {
    let open_files = ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"];
    ["-", "/dev/stdout", "/dev/stderr"]
        .iter()
        .any(|name| output == Path::new(name))
        || open_files
            .iter()
            .any(|directory| output.starts_with(directory))
}
