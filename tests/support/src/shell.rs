//! Running a command line, and what can be said about the outcome.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process_group};

use super::artefacts::{release_directory, tools};
use super::output::Output;

/// How long a command may take before the test fails.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Where the distribution's programs are.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command line, to be run by bash with `sandbox-patch` in its PATH and an
/// environment that holds nothing of the caller's: `$TOOLS/NAME` are the tools of
/// tests/tools/setup.
///
/// bash replaces itself by a command line that is a single command, so that
/// its exit status or signal is what the outcome shows. (dash would not do so
/// for `VARIABLE=value command`.)
pub struct Shell {
    line: String,
    command: Command,
    input: Vec<u8>,
    output: Output,
    time_limit: Duration,
}

impl Shell {
    /// A command line, and where it runs.
    pub fn new(line: &str, folder: &Path) -> Self {
        // What ignores a signal has children that do, and they can't be told so:
        // make test may well have been started in the background of a script.
        let mut command = Command::new("/usr/bin/env");
        command
            .args(["--default-signal", "/bin/bash", "-c", line])
            .current_dir(folder)
            .env_clear()
            .env(
                "PATH",
                format!("{}:{SYSTEM_PATH}", release_directory().display()),
            )
            .env("HOME", folder)
            .env("TOOLS", tools())
            .env("LC_ALL", "C")
            // A group of its own, to end all of it at the time limit.
            .process_group(0);
        Self {
            line: line.to_owned(),
            command,
            input: Vec::new(),
            output: Output::Pipe,
            time_limit: TIME_LIMIT,
        }
    }

    /// How long the command may take; for those that build whole projects.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// What the command reads from standard input; nothing by default.
    pub fn input(mut self, text: impl AsRef<[u8]>) -> Self {
        self.input = text.as_ref().to_vec();
        self
    }

    /// What kind of file standard output is; a pipe by default.
    pub fn output_to(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// For what is known to take longer than other commands.
    pub fn within(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Adds a variable to the command's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs the command to its end.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        let stdout = self.output.connect(&mut self.command);
        self.command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("bash starts");
        // The command holds copies of the other ends of what is read below.
        drop(self.command);

        let stderr = read_in_background(child.stderr.take().expect("a pipe"));
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = self.input;
        // A command may end without reading its input: no error.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));

        let status = wait(&mut child, &self.line, self.time_limit);
        writer.join().expect("the writer does not panic");
        Outcome {
            line: self.line,
            status,
            stdout: text(&stdout.finish()),
            stderr: text(&stderr.join().expect("the reader does not panic")),
        }
    }
}

fn read_in_background(mut source: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn wait(child: &mut Child, line: &str, limit: Duration) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("an own child") {
            return status;
        }
        if start.elapsed() > limit {
            kill_process_group(Pid::from_child(child), Signal::KILL).expect("an own group");
            panic!("{line}: still running after {limit:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// What came of a command. The assertions return the outcome, to be chained,
/// and show all of it when they fail.
#[derive(Debug)]
pub struct Outcome {
    line: String,
    status: ExitStatus,
    /// Standard output, as far as it was captured.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// The exit status; nothing where a signal ended the command.
    pub fn status(&self) -> Option<i32> {
        self.status.code()
    }

    /// Exit status 0.
    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        self.exits_with(0)
    }

    /// It ended with this status.
    #[track_caller]
    pub fn exits_with(&self, status: i32) -> &Self {
        self.check(
            self.status() == Some(status),
            format_args!("exit with status {status}"),
        )
    }

    /// The command saw that it can't do what was asked (1) or that it was asked
    /// wrongly (2).
    #[track_caller]
    pub fn fails(&self) -> &Self {
        self.check(
            matches!(self.status(), Some(1 | 2)),
            format_args!("exit with status 1 or 2"),
        )
    }

    /// This signal ended it.
    #[track_caller]
    pub fn dies_by(&self, signal: Signal) -> &Self {
        self.check(
            self.status.signal() == Some(signal.as_raw()),
            format_args!("die by {signal:?}"),
        )
    }

    /// Standard output contains the text.
    #[track_caller]
    pub fn prints(&self, text: &str) -> &Self {
        self.check(
            self.stdout.contains(text),
            format_args!("print {text:?} on standard output"),
        )
    }

    /// Standard output is the text, neither more nor less.
    #[track_caller]
    pub fn prints_only(&self, text: &str) -> &Self {
        self.check(
            self.stdout == text,
            format_args!("print {text:?} and nothing else on standard output"),
        )
    }

    /// This is not on its standard output.
    #[track_caller]
    pub fn does_not_print(&self, text: &str) -> &Self {
        self.check(
            !self.stdout.contains(text),
            format_args!("not print {text:?} on standard output"),
        )
    }

    /// Standard error contains the text.
    #[track_caller]
    pub fn complains(&self, text: &str) -> &Self {
        self.check(
            self.stderr.contains(text),
            format_args!("print {text:?} on standard error"),
        )
    }

    /// This is not on its standard error.
    #[track_caller]
    pub fn does_not_complain(&self, text: &str) -> &Self {
        self.check(
            !self.stderr.contains(text),
            format_args!("not print {text:?} on standard error"),
        )
    }

    /// Standard error is a single line that contains the text.
    #[track_caller]
    pub fn complains_in_one_line(&self, text: &str) -> &Self {
        self.complains(text).check(
            self.stderr.ends_with('\n') && self.stderr.lines().count() == 1,
            format_args!("print one line on standard error"),
        )
    }

    /// Nothing on standard error.
    #[track_caller]
    pub fn is_silent(&self) -> &Self {
        self.check(
            self.stderr.is_empty(),
            format_args!("print nothing on standard error"),
        )
    }

    #[track_caller]
    fn check(&self, holds: bool, expected: fmt::Arguments<'_>) -> &Self {
        assert!(holds, "expected the command to {expected}:\n{self}");
        self
    }
}

/// As a transcript.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}", self.line)?;
        writeln!(f, "{}", self.status)?;
        writeln!(f, "--- standard output\n{}", self.stdout)?;
        write!(f, "--- standard error\n{}", self.stderr)
    }
}

/// What to put before a command that needs root: nothing for root.
pub fn as_root() -> &'static str {
    if geteuid().is_root() { "" } else { "sudo -n " }
}

/// What to put before a command that must not be root's: nothing for others.
pub fn as_nobody() -> &'static str {
    if geteuid().is_root() {
        "setpriv --reuid 65534 --regid 65534 --clear-groups "
    } else {
        ""
    }
}
