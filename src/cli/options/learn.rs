//! The grammar of `learn`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::policy::From;
use crate::rewrite::Start;

#[derive(Debug, Args)]
#[command(
    override_usage = "sandbox-patch learn -o <FILE> [OPTIONS] -- <COMMAND>...\n       \
                      sandbox-patch learn -o <FILE> [OPTIONS] --pid <PID>\n       \
                      sandbox-patch learn [OPTIONS] --static <FILE>"
)]
pub(in crate::cli) struct LearnArguments {
    /// Write the policy to this file.
    #[arg(short, long, value_name = "FILE", required_unless_present_any = ["each", "read"])]
    pub(in crate::cli) output: Option<PathBuf>,

    /// Add what this policy, from other runs, permits.
    ///
    /// It may be the output itself. Items that were added to it by hand are kept. Repeat the
    /// option for several.
    #[arg(long, value_name = "FILE", requires = "output")]
    pub(in crate::cli) merge: Vec<PathBuf>,

    /// Write a policy for every program that ran, to DIR/NAME.toml.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) each: Option<PathBuf>,

    /// Leave out what is called by programs that the command executes.
    ///
    /// They inherit its filter, and can't run where that does not permit their calls.
    #[arg(long, conflicts_with = "each")]
    no_children: bool,

    /// Run the command again under the policy, and say whether it suffices.
    ///
    /// A copy of the program is patched. What is missing is done all the same, and told; the
    /// exit status is then 1.
    #[arg(long, requires = "output", conflicts_with = "no_children")]
    pub(in crate::cli) check: bool,

    /// With --check: add what is missing to the policy.
    #[arg(long, requires = "check")]
    pub(in crate::cli) add: bool,

    /// Where the policy will come into force.
    ///
    /// As when patching. Default: where the library puts it in force, or in a static program
    /// before main if possible.
    #[arg(long, value_name = "WHERE")]
    from: Option<From>,

    /// Record a process that runs already, with its threads and descendants.
    ///
    /// Until it ends, or this command is interrupted (Ctrl-C), after which the process goes on
    /// as before.
    #[arg(
        long,
        value_name = "PID",
        value_parser = clap::value_parser!(i32).range(1..),
        conflicts_with_all = ["check", "no_children", "from"]
    )]
    pub(in crate::cli) pid: Option<i32>,

    /// With --pid: for this long, as 90s, 10m or 2h.
    #[arg(long = "for", value_name = "TIME", value_parser = duration, requires = "pid")]
    pub(in crate::cli) time: Option<Duration>,

    /// Read this program and the libraries that it needs, instead of running it.
    ///
    /// Lists all calls that it can reach from where its policy comes into force, and what could
    /// not be found out.
    #[arg(
        long = "static",
        value_name = "FILE",
        conflicts_with_all = ["merge", "each", "no_children", "check", "pid"]
    )]
    pub(in crate::cli) read: Option<PathBuf>,

    /// With --static: show a way from the start of the program to this call.
    #[arg(long, value_name = "NAME", requires = "read")]
    pub(in crate::cli) why: Vec<String>,

    /// With --static: read this library, too, which the program loads while it runs.
    #[arg(long, value_name = "LIB", requires = "read")]
    pub(in crate::cli) with: Vec<String>,

    /// With --static: look for libraries in the system below this directory.
    #[arg(long, value_name = "DIR", requires = "read", default_value = "/")]
    pub(in crate::cli) root: PathBuf,

    /// With --static: exit with status 1 if something could not be found out.
    #[arg(long, requires = "read")]
    pub(in crate::cli) strict: bool,

    /// The program (searched for in PATH unless it contains a slash) and its arguments.
    #[arg(
        last = true,
        required_unless_present_any = ["pid", "read"],
        conflicts_with_all = ["pid", "read"],
        value_name = "COMMAND"
    )]
    pub(in crate::cli) command: Vec<OsString>,
}

/// A number of seconds, minutes (m) or hours (h).
fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    let number: Option<u64> = text
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok());
    let time = number.and_then(|number| number.checked_mul(seconds));
    time.filter(|time| *time > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "a time is a number with s, m or h behind it".to_owned())
}

impl LearnArguments {
    pub(in crate::cli) fn children(&self) -> bool {
        !self.no_children
    }

    pub(in crate::cli) fn start(&self) -> Option<Start> {
        self.from.map(From::start)
    }
}
