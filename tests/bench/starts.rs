//! Starting a program in several ways, in turn, so that whatever else the
//! machine does meets all of them alike.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sandbox_support::Workspace;

/// Starts before the measurement, to fill the page cache, and of each copy.
const WARM_UP: usize = 50;

/// A way to start the program.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
    /// What is started, and what it is a copy of.
    copy: Option<(PathBuf, PathBuf)>,
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
            copy: None,
            times: Vec::new(),
        }
    }

    /// Copies of a program, made anew again and again: in what pieces a file lies
    /// in the page cache can cost more than a policy.
    pub(crate) fn copied(ws: &Workspace, name: &'static str, program: &str) -> Self {
        let copy = ws.path(&format!("copy for {name}"));
        Self {
            copy: Some((copy.clone(), ws.path(program))),
            ..Self::new(ws, name, copy)
        }
    }

    fn renew(&mut self) {
        if let Some((copy, program)) = &self.copy {
            if copy.exists() {
                std::fs::remove_file(copy).expect("the former copy");
            }
            std::fs::copy(program, copy).expect("a copy");
            self.start();
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
            if round % WARM_UP == 0 {
                kind.renew();
            }
            let time = kind.start();
            if round >= WARM_UP {
                kind.times.push(time);
            }
        }
    }
    kinds.each_mut().map(Kind::median)
}
