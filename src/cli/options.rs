//! The command line's grammar.

mod files;
mod launch;
mod link;
mod policy;

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgGroup, Args, Parser, Subcommand};

pub(super) use self::files::{Selection, require_one_output_each};
pub(super) use self::launch::LaunchCli;
pub(super) use self::link::{ChoiceArguments, EnvironmentArguments, Glob, LinkArguments};
use self::policy::require_no_calls;
pub(super) use self::policy::{ContentArguments, PolicyArguments};
use super::output::Verbosity;
use crate::file::Keep;
use crate::program::patch;

/// Put a seccomp policy into a program, so that it sandboxes itself.
///
/// The program then loads libsandbox.so, which installs the filter before the
/// program's own code runs, whoever starts it. Each file is replaced in one
/// step, or left as it was; one that fails does not stop the others.
#[derive(Debug, Parser)]
#[command(
    name = "sandbox-patch",
    version,
    subcommand_negates_reqs = true,
    override_usage = "sandbox-patch [OPTIONS] {--allow <LIST> | --deny <LIST>} <FILE>...\n       \
                      sandbox-patch <COMMAND> [OPTIONS] ...",
    after_long_help = "Exit status: 0 if all went well, 1 if a file could not be handled, 2 if the \
                       command line is wrong.\n\
                       A file that is named like a command (inspect, help) is given as ./inspect."
)]
pub struct Cli {
    #[command(flatten)]
    pub(super) patch: PatchArguments,

    /// Print only warnings and errors.
    ///
    /// Leaves out the report of patching and of remove, and the lines that
    /// verify prints for sound files.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,

    /// Print more.
    ///
    /// When patching, also which parts of the file moved; with --recursive, the
    /// files that are skipped, and why; with link, the report and the warnings
    /// that it otherwise leaves out, and why a program was left alone.
    #[arg(short, long, global = true)]
    verbose: bool,

    /// Print no warnings.
    ///
    /// A warning never changes the exit status; what is an error stays one.
    #[arg(long, global = true)]
    pub(super) no_warn: bool,

    #[command(flatten)]
    pub(super) color: Color,

    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

impl Cli {
    pub(super) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Color {
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: clap::ColorChoice,
}

impl Color {
    pub(super) fn write_global(self) {
        match self.color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show which policy a program carries, and whether it can be relied on.
    ///
    /// Reads any ELF file, for any architecture, patched or not: what the
    /// program may call and what happens otherwise, by which library and from
    /// when on, and what is wrong with it.
    Inspect(InspectArguments),
    /// Check that programs carry a sound policy; for a pipeline's gate.
    ///
    /// Exits with 0 only if every file carries a sound policy, the one that is
    /// named if any is, and its library is there. For each file that does not, a
    /// line on standard error tells why. With --recursive, a directory without any
    /// program is rejected, too.
    Verify(VerifyArguments),
    /// Take the patch out: the file is what it was before, byte for byte.
    ///
    /// A file that another tool changed after it was patched can't be restored
    /// so; it is left as it is, unless --best-effort is given.
    Remove(RemoveArguments),
    /// Run a compiler or linker, and patch the program that it writes.
    ///
    /// Options are also taken from the variable SANDBOX_PATCH_OPTIONS. Started
    /// as sandbox-patch-NAME, through a symbolic link, this program does the
    /// same for the compiler or linker NAME.
    Link(LinkArguments),
    /// Write man pages or shell completions of both programs, for packaging.
    #[command(hide = true)]
    Generate(GenerateArguments),
}

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("list").args(["allow", "deny"]).required(true).multiple(true))]
pub(super) struct PatchArguments {
    #[command(flatten)]
    content: ContentArguments,

    /// Write the result there: a file or a directory.
    ///
    /// With several files it must be a directory. As with cp(1), a result in
    /// another place than the program's own belongs to who writes it, without
    /// set-user-ID, set-group-ID and capabilities.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Change the policy of a program that carries one.
    ///
    /// Without it, another policy is an error, and the same one is no change.
    #[arg(long)]
    replace: bool,

    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,

    /// Keep the times of last access and change.
    #[arg(long)]
    preserve_timestamps: bool,

    #[command(flatten)]
    pub(super) selection: Selection,

    /// The programs; with --recursive, also directories.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

impl PatchArguments {
    /// Whether any of what is for patching is given.
    pub(super) fn is_given(&self) -> bool {
        self.content.is_given()
            || self.output.is_some()
            || self.replace
            || self.dry_run
            || self.preserve_timestamps
            || self.selection.is_given()
            || !self.files.is_empty()
    }

    pub(super) fn options(&self) -> Result<patch::Options> {
        require_no_calls(&self.files)?;
        require_one_output_each(&self.files, self.selection, self.output.as_deref())?;
        Ok(patch::Options {
            policy: self.content.policy()?,
            runtimes: self.content.runtimes()?,
            output: self.output.clone(),
            replace: self.replace,
            dry_run: self.dry_run,
            keep: Keep {
                times: self.preserve_timestamps,
            },
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// Print one JSON object for each file, a line each.
    #[arg(long)]
    pub(super) json: bool,

    /// Disassemble the embedded filter.
    #[arg(long, conflicts_with = "json")]
    pub(super) bpf: bool,

    /// Look libraries up below this directory.
    ///
    /// For a root file system that is not the running one.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,

    #[command(flatten)]
    pub(super) selection: Selection,

    /// The files; '-' is standard input. With --recursive, also directories.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Require the policy that this file has.
    ///
    /// A patched program, or JSON as inspect --json prints it. With --allow or
    /// --deny, and the options that go with them, verify requires the policy
    /// that patching makes of them. Without any, every policy will do.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["allow", "deny", "action", "exact"])]
    pub(super) policy: Option<PathBuf>,

    /// Look libraries up below this directory.
    ///
    /// For a root file system that is not the running one.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,

    #[command(flatten)]
    pub(super) selection: Selection,

    /// The programs; with --recursive, also directories.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    // The options that the program was patched with: the same words must give
    // the same answer.
    #[command(
        flatten,
        next_help_heading = "The policy that is required, as for patching"
    )]
    pub(super) words: PolicyArguments,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// Write the result there: a file or a directory.
    ///
    /// With several files it must be a directory. As with cp(1), a result in
    /// another place than the program's own belongs to who writes it, without
    /// set-user-ID, set-group-ID and capabilities.
    #[arg(short, long, value_name = "PATH")]
    pub(super) output: Option<PathBuf>,

    /// Take the patch out of a changed file, too.
    ///
    /// Where the original can't be restored byte for byte, what other tools
    /// changed is kept.
    #[arg(long)]
    pub(super) best_effort: bool,

    /// Keep the times of last access and change.
    #[arg(long)]
    pub(super) preserve_timestamps: bool,

    #[command(flatten)]
    pub(super) selection: Selection,

    /// The programs; with --recursive, also directories.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct GenerateArguments {
    /// Write man pages into this directory.
    #[arg(long, value_name = "DIR")]
    pub(super) man: Option<PathBuf>,

    /// Write shell completions into this directory.
    #[arg(long, value_name = "DIR")]
    pub(super) completions: Option<PathBuf>,
}
