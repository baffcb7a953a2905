//! What came of the files of a tree, in numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::render;

/// What came of a file, and whether that is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether the exit status may be 0.
    pub(super) is_good: bool,
    /// In a word or two, for a sum of such files: "12 patched".
    pub(super) word: &'static str,
}

impl Verdict {
    pub(super) const fn good(word: &'static str) -> Self {
        Self {
            is_good: true,
            word,
        }
    }

    pub(super) const fn bad(word: &'static str) -> Self {
        Self {
            is_good: false,
            word,
        }
    }
}

/// A file that could not be handled.
pub(super) const FAILED: Verdict = Verdict::bad("failed");

type Counts = BTreeMap<&'static str, usize>;

/// The files of a tree by directory and verdict.
#[derive(Debug, Default)]
pub(super) struct Summary {
    directories: BTreeMap<PathBuf, Counts>,
}

/// How many directories are listed one by one.
const MOST_DIRECTORIES: usize = 40;

impl Summary {
    pub(super) fn is_empty(&self) -> bool {
        self.directories.is_empty()
    }

    pub(super) fn count(&mut self, file: &Path, verdict: Verdict) {
        let directory = file.parent().unwrap_or(file).to_owned();
        let counts = self.directories.entry(directory).or_default();
        *counts.entry(verdict.word).or_default() += 1;
    }

    /// One line for all of it, with these words first, also where there is none.
    pub(super) fn total<'a>(
        &'a self,
        root: &'a Path,
        always: &'a [&'static str],
    ) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            let mut counts: Counts = always.iter().map(|word| (*word, 0)).collect();
            for (word, count) in self.directories.values().flatten() {
                *counts.entry(word).or_default() += count;
            }
            line(f, root, &counts, always)
        })
    }

    /// A line for each directory, if there are several; of very many, only for
    /// those in which a file is of another kind than the first word says.
    pub(super) fn by_directory<'a>(&'a self, order: &'a [&'static str]) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            if self.directories.len() < 2 {
                return Ok(());
            }
            let all = self.directories.len() <= MOST_DIRECTORIES;
            let is_usual = |counts: &Counts| counts.len() == 1 && counts.contains_key(order[0]);
            for (directory, counts) in &self.directories {
                if all || !is_usual(counts) {
                    line(f, directory, counts, order)?;
                }
            }
            Ok(())
        })
    }
}

/// `/usr/bin: 12 patched, 1 failed`
fn line(
    f: &mut fmt::Formatter<'_>,
    directory: &Path,
    counts: &Counts,
    order: &[&'static str],
) -> fmt::Result {
    let place = |word: &str| order.iter().position(|other| *other == word);
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(word, _)| place(word).unwrap_or(order.len()));
    let counts: Vec<_> = counts
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    writeln!(f, "{}: {}", render::name(directory), counts.join(", "))
}
