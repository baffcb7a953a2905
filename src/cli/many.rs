//! Several files: each on its own, in parallel, reported in their order.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::prelude::*;

use super::output::{self, complain};

/// A run that is shorter than this shows no progress bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Applies `work` to each file and hands the results to `report` in the order
/// of the files; failures of either are complained about, that of standard
/// output once. Tells whether all went well.
pub(super) fn for_each<T: Send>(
    files: &[PathBuf],
    work: impl Fn(&Path) -> Result<T> + Sync,
    report: impl FnMut(&Path, T) -> Result<bool> + Send,
) -> bool {
    let bar = ProgressBar::with_draw_target(Some(files.len() as u64), ProgressDrawTarget::hidden())
        .with_style(ProgressStyle::default_bar());
    let state = Mutex::new(Reported {
        files,
        next: 0,
        waiting: files.iter().map(|_| None).collect(),
        report,
        ok: true,
        unheard: false,
    });
    let start = Instant::now();
    files.par_iter().enumerate().for_each(|(index, file)| {
        let result = work(file);
        if files.len() > 1
            && bar.is_hidden()
            && start.elapsed() > PATIENCE
            && std::io::stderr().is_terminal()
        {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.inc(1);
        let Ok(mut state) = state.lock() else { return };
        bar.suspend(|| state.add(index, result));
    });
    bar.finish_and_clear();
    state.into_inner().is_ok_and(|state| state.ok)
}

/// Results that came before their turn wait here.
struct Reported<'a, T, R> {
    files: &'a [PathBuf],
    next: usize,
    waiting: Vec<Option<Result<T>>>,
    report: R,
    ok: bool,
    /// Whether standard output was found not to be writable.
    unheard: bool,
}

impl<T, R: FnMut(&Path, T) -> Result<bool>> Reported<'_, T, R> {
    fn add(&mut self, index: usize, result: Result<T>) {
        self.waiting[index] = Some(result);
        while let Some(result) = self.waiting.get_mut(self.next).and_then(Option::take) {
            let index = self.next;
            let file = &self.files[index];
            self.ok &= match result.and_then(|value| (self.report)(file, value)) {
                Ok(ok) => ok,
                Err(error) => {
                    self.complain(index, &error);
                    false
                }
            };
            self.next += 1;
        }
    }

    fn complain(&mut self, index: usize, error: &anyhow::Error) {
        if !error.is::<output::Error>() {
            complain(Some(&self.files[index]), error);
        } else if !std::mem::replace(&mut self.unheard, true) {
            complain(None, error);
        }
    }
}
