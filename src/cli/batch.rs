//! Many files: each on its own, several at a time, reported in their order.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::options::Selection;
use super::output::{self, Verbosity, complain, note, warn};
use super::remedy::with_remedy;
use super::summary::{FAILED, Summary, Verdict};
use super::tree::{Entry, Links, Walk};
use crate::file::{self, Place, Purpose};
use crate::program::startable;

/// A run that is shorter than this shows no progress bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many results may wait for an earlier one, so that memory does not grow
/// with the number of files.
const WINDOW: usize = 256;

/// Which files, and what it means that a tree has none.
pub(super) struct Batch<'a> {
    /// As the command line names them.
    pub(super) named: &'a [PathBuf],
    pub(super) selection: Selection,
    /// What for.
    pub(super) purpose: Purpose,
    pub(super) verbosity: Verbosity,
    /// Whether an error says that a program in a tree is none of those that
    /// are meant, so that it is skipped.
    pub(super) skips: fn(&Error) -> bool,
    /// What a directory is in which there is nothing to do.
    pub(super) empty: Empty,
    /// What is told at the end of a tree.
    pub(super) tells: Tells,
}

/// What is told at the end of a tree, on standard output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tells {
    /// The words of the verdicts in the order in which they are told.
    pub(super) words: &'static [&'static str],
    /// Whether each directory gets a line of its own.
    pub(super) by_directory: bool,
    /// What a failure is.
    pub(super) failure: fn(&Error) -> Verdict,
}

impl Tells {
    /// Nothing.
    pub(super) const NOTHING: Self = Self {
        words: &[],
        by_directory: false,
        failure: |_| FAILED,
    };
}

/// What a directory is in which there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empty {
    Fine,
    Suspicious(&'static str),
    Wrong(&'static str),
}

/// A file and how it was chosen.
pub(super) struct Chosen<'a> {
    pub(super) path: &'a Path,
    /// By a directory, and not by its own name.
    pub(super) in_tree: bool,
}

/// What came of all files.
pub(super) struct Done {
    /// Whether all went well.
    pub(super) ok: bool,
    /// The files in trees that have several names.
    pub(super) links: Links,
}

/// A file that is to be handled.
pub(super) enum Subject {
    /// By a path of the command line.
    Named(PathBuf),
    /// In a tree.
    Found(Place),
}

impl Subject {
    /// Its path, for people.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Named(path) => path,
            Self::Found(place) => place.path(),
        }
    }

    /// Where it is, to be replaced.
    pub(super) fn place(&self) -> Result<Place, file::Error> {
        match self {
            Self::Named(path) => Place::of(path),
            Self::Found(place) => Ok(place.clone()),
        }
    }
}

/// Applies `work` to each file and hands the results to `report` in the order
/// of the files; failures of either are complained about, that of standard
/// output once.
pub(super) fn for_each<T: Send>(
    batch: &Batch<'_>,
    work: impl Fn(&Subject) -> Result<T> + Sync,
    report: impl FnMut(&Chosen<'_>, T) -> Result<Verdict> + Send,
) -> Done {
    let queue = Mutex::new(Queue {
        walk: batch.walk(),
        taken: 0,
    });
    let reported = Mutex::new(Reported::new(batch, report));
    let advanced = Condvar::new();
    let worker = || {
        loop {
            // A statement of its own: the queue is not to be held meanwhile.
            let next = lock(&queue).take();
            let Some((index, entry)) = next else { return };
            let handled = handle(entry, &work, batch.skips);
            let mut reported = lock(&reported);
            while index >= reported.next + WINDOW {
                let woken = advanced.wait(reported);
                reported = woken.unwrap_or_else(PoisonError::into_inner);
            }
            if reported.add(index, handled) {
                advanced.notify_all();
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..batch.jobs() {
            // The others do the work of one that can't be started.
            let _ = thread::Builder::new().spawn_scoped(scope, worker);
        }
        worker();
    });
    let reported = lock(&reported);
    reported.progress.bar.finish_and_clear();
    Done {
        ok: reported.ok,
        links: std::mem::take(&mut lock(&queue).walk.links),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Batch<'_> {
    fn walk(&self) -> Walk<'_> {
        Walk::new(self.named, self.selection.recursive, self.purpose)
    }

    /// As many as are of use.
    fn jobs(&self) -> usize {
        let jobs = self.selection.jobs();
        if self.selection.recursive {
            jobs
        } else {
            jobs.min(self.named.len())
        }
    }

    /// How many files there will be.
    fn count(&self) -> usize {
        if self.selection.recursive {
            self.walk().count()
        } else {
            self.named.len()
        }
    }
}

/// The files that nobody has taken yet.
struct Queue<'a> {
    walk: Walk<'a>,
    taken: usize,
}

impl Queue<'_> {
    fn take(&mut self) -> Option<(usize, Entry)> {
        let entry = self.walk.next()?;
        self.taken += 1;
        Some((self.taken - 1, entry))
    }
}

/// An entry, and what came of it.
struct Handled<T> {
    path: PathBuf,
    in_tree: bool,
    fate: Fate<T>,
}

enum Fate<T> {
    Done(T),
    Failed(Error),
    Skipped(String),
    /// It was handled before.
    Again(String),
    /// A tree is done.
    End,
}

fn handle<T>(
    entry: Entry,
    work: &impl Fn(&Subject) -> Result<T>,
    skips: fn(&Error) -> bool,
) -> Handled<T> {
    let in_tree = !matches!(entry, Entry::Named(_));
    let done = |subject: Subject| {
        let fate = work(&subject).map_or_else(Fate::Failed, Fate::Done);
        (subject.path().to_owned(), fate)
    };
    let (path, fate) = match entry {
        Entry::Named(path) => done(Subject::Named(path)),
        Entry::Executable(place) => match startable::why_not(&place) {
            Some(reason) => (place.path().to_owned(), Fate::Skipped(reason.to_owned())),
            None => match done(Subject::Found(place)) {
                (path, Fate::Failed(error)) if skips(&error) => {
                    (path, Fate::Skipped(with_remedy(&error)))
                }
                done => done,
            },
        },
        Entry::Other(path, reason) => (path, Fate::Skipped(reason.to_owned())),
        Entry::Again(path, reason) => (path, Fate::Again(reason)),
        Entry::Unreadable(path, error) => (path, Fate::Failed(error)),
        Entry::End(path) => (path, Fate::End),
    };
    Handled {
        path,
        in_tree,
        fate,
    }
}

/// What was reported, and the results that came before their turn.
struct Reported<'a, T, R> {
    batch: &'a Batch<'a>,
    report: R,
    progress: Progress,
    next: usize,
    waiting: BTreeMap<usize, Handled<T>>,
    ok: bool,
    /// Whether anything was found in the tree that is gone through.
    found: bool,
    /// What came of the files of the tree that is gone through.
    summary: Summary,
    /// Whether standard output was found not to be writable.
    unheard: bool,
}

impl<'a, T, R: FnMut(&Chosen<'_>, T) -> Result<Verdict>> Reported<'a, T, R> {
    fn new(batch: &'a Batch<'a>, report: R) -> Self {
        Self {
            batch,
            report,
            progress: Progress::new(batch),
            next: 0,
            waiting: BTreeMap::new(),
            ok: true,
            found: false,
            summary: Summary::default(),
            unheard: false,
        }
    }

    /// Tells whether it was the turn of the result.
    fn add(&mut self, index: usize, handled: Handled<T>) -> bool {
        self.waiting.insert(index, handled);
        let is_next = index == self.next;
        while let Some(handled) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.progress.advance();
            if !self.is_silent(&handled.fate) {
                // The bar shares its terminal.
                let bar = self.progress.bar.clone();
                self.ok &= bar.suspend(|| self.tell(handled));
            }
        }
        is_next
    }

    fn is_silent(&self, fate: &Fate<T>) -> bool {
        matches!(fate, Fate::Skipped(_)) && self.batch.verbosity != Verbosity::Verbose
    }

    fn tell(&mut self, handled: Handled<T>) -> bool {
        let Handled {
            path,
            in_tree,
            fate,
        } = handled;
        self.found |= in_tree && !matches!(fate, Fate::Skipped(_) | Fate::End);
        match fate {
            Fate::Skipped(reason) => note(&path, &format!("skipped: {reason}")),
            Fate::End => return self.end(&path),
            Fate::Again(reason) => {
                if self.batch.verbosity == Verbosity::Verbose {
                    note(&path, &format!("skipped: {reason}"));
                }
            }
            Fate::Failed(error) => {
                self.complain(&path, &error);
                let failure = (self.batch.tells.failure)(&error);
                return self.count(&path, in_tree, failure);
            }
            Fate::Done(value) => {
                let chosen = Chosen {
                    path: &path,
                    in_tree,
                };
                let verdict = (self.report)(&chosen, value).unwrap_or_else(|error| {
                    self.complain(&path, &error);
                    FAILED
                });
                return self.count(&path, in_tree, verdict);
            }
        }
        true
    }

    /// Tells whether the verdict is good.
    fn count(&mut self, path: &Path, in_tree: bool, verdict: Verdict) -> bool {
        if in_tree {
            self.summary.count(path, verdict);
        }
        verdict.is_good
    }

    fn end(&mut self, root: &Path) -> bool {
        let found = std::mem::take(&mut self.found);
        let summary = std::mem::take(&mut self.summary);
        if let Err(error) = self.tell_of_tree(root, &summary) {
            self.complain(root, &error);
            return false;
        }
        match self.batch.empty {
            Empty::Suspicious(what) if !found => warn(root, what),
            Empty::Wrong(what) if !found => {
                complain(Some(root), &anyhow!(what));
                return false;
            }
            _ => {}
        }
        true
    }

    fn tell_of_tree(&self, root: &Path, summary: &Summary) -> Result<()> {
        let tells = self.batch.tells;
        if summary.is_empty() || tells.words.is_empty() || self.batch.verbosity == Verbosity::Quiet
        {
            return Ok(());
        }
        if tells.by_directory {
            output::print(summary.by_directory(tells.words))?;
        }
        Ok(output::print(summary.total(root, tells.words))?)
    }

    fn complain(&mut self, path: &Path, error: &Error) {
        if !error.is::<output::Error>() {
            complain(Some(path), error);
        } else if !std::mem::replace(&mut self.unheard, true) {
            complain(None, error);
        }
    }
}

/// How far it is, on a terminal.
struct Progress {
    bar: ProgressBar,
    start: Instant,
    is_wanted: bool,
}

impl Progress {
    fn new(batch: &Batch<'_>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let total = if is_terminal { batch.count() } else { 0 };
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::hidden())
            .with_style(ProgressStyle::default_bar());
        Self {
            bar,
            start: Instant::now(),
            is_wanted: total > 1,
        }
    }

    fn advance(&self) {
        if self.is_wanted && self.bar.is_hidden() && self.start.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }
}
