//! Starting a program in several ways, in turn, so that whatever else the
//! machine does meets all of them alike.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::support::Workspace;

/// Starts before the measurement, to fill the page cache.
const WARM_UP: usize = 50;

/// A way to start the program.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
    times: Vec<Duration>,
}

impl Kind {
    pub(crate) fn new(ws: &Workspace, name: &'static str, program: impl AsRef<Path>) -> Self {
        // A path that is absolute stays what it is.
        let mut command = Command::new(ws.root().join(program));
        // A regular file: nothing is asked about it but its status, so that
        // the four names are enough for libseccomp, too.
        let output = File::create(ws.path("output")).expect("a file");
        command.env_clear().stdin(Stdio::null()).stdout(output);
        Self {
            name,
            command,
            times: Vec::new(),
        }
    }

    /// Starts the program and waits for its end.
    fn start(&mut self) -> Duration {
        let start = Instant::now();
        let status = self.command.status().expect("the program starts");
        let time = start.elapsed();
        assert!(status.success(), "{}: {status}", self.name);
        time
    }

    /// In microseconds.
    fn median(&mut self) -> f64 {
        self.times.sort_unstable();
        self.times[self.times.len() / 2].as_secs_f64() * 1e6
    }
}

/// The median times of so many starts of each kind, in microseconds.
pub(crate) fn medians<const N: usize>(kinds: &mut [Kind; N], rounds: usize) -> [f64; N] {
    for round in 0..WARM_UP + rounds {
        for kind in &mut *kinds {
            let time = kind.start();
            if round >= WARM_UP {
                kind.times.push(time);
            }
        }
    }
    kinds.each_mut().map(Kind::median)
}
