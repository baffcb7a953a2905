//! Several files: each on its own, in parallel, reported in their order.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::prelude::*;

use super::complain;

/// A run that is shorter than this shows no progress bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Applies `work` to each file and hands the results to `report` in the order
/// of the files; failures are complained about. Tells whether all went well.
pub(super) fn for_each<T: Send>(
    files: &[PathBuf],
    work: impl Fn(&Path) -> Result<T> + Sync,
    report: impl FnMut(&Path, T) -> bool + Send,
) -> bool {
    let bar = ProgressBar::with_draw_target(Some(files.len() as u64), ProgressDrawTarget::hidden())
        .with_style(ProgressStyle::default_bar());
    let state = Mutex::new(Reported {
        files,
        next: 0,
        waiting: files.iter().map(|_| None).collect(),
        report,
        ok: true,
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
}

impl<T, R: FnMut(&Path, T) -> bool> Reported<'_, T, R> {
    fn add(&mut self, index: usize, result: Result<T>) {
        self.waiting[index] = Some(result);
        while let Some(result) = self.waiting.get_mut(self.next).and_then(Option::take) {
            let file = &self.files[self.next];
            self.ok &= match result {
                Ok(value) => (self.report)(file, value),
                Err(error) => {
                    complain(Some(file), &error);
                    false
                }
            };
            self.next += 1;
        }
    }
}
