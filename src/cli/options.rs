//! The command line's grammar.

mod convert;
mod files;
mod launch;
mod learn;
mod link;
mod policy;

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgGroup, Args, Parser, Subcommand};

pub(super) use self::convert::{ConvertArguments, Target};
pub(super) use self::files::{Selection, require_one_output_each};
pub(super) use self::launch::LaunchCli;
pub(super) use self::learn::LearnArguments;
pub(super) use self::link::{ChoiceArguments, EnvironmentArguments, Glob, LinkArguments};
use self::policy::require_no_calls;
pub(super) use self::policy::{ContentArguments, PolicyArguments, finished};
use super::output::Verbosity;
use crate::file::Keep;
use crate::policy::Arch;
use crate::program::patch;

/// Put a seccomp policy into a program, so that it sandboxes itself.
///
/// The patched program loads libsandbox.so, which installs the filter before any of the
/// program's own code runs, no matter who starts it. Each file is replaced atomically or
/// left unchanged; a file that fails does not stop the others.
#[derive(Debug, Parser)]
#[command(
    name = "sandbox-patch",
    version,
    subcommand_negates_reqs = true,
    override_usage = "sandbox-patch [OPTIONS] {--policy <FILE> | --allow <LIST> | --deny <LIST>} <FILE>...\n       \
                      sandbox-patch <COMMAND> [OPTIONS] ...",
    after_long_help = "Exit status: 0 on success, 1 if a file could not be processed, 2 if the \
                       command line is wrong.\n\
                       For a file that is named like a command (inspect, help), write ./inspect."
)]
pub struct Cli {
    #[command(flatten)]
    pub(super) patch: PatchArguments,

    /// Print only warnings and errors.
    ///
    /// Omits the reports of patching and remove, and the lines that verify prints for sound
    /// files.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,

    /// Print more details.
    ///
    /// When patching: which parts of the file moved. With --recursive: which files are
    /// skipped, and why. With link: the report, the warnings that it otherwise omits, and
    /// why a program was not patched.
    #[arg(short, long, global = true)]
    verbose: bool,

    /// Print no warnings.
    ///
    /// Warnings never affect the exit status; errors are still reported.
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
    /// Use colours.
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
    /// Reads any ELF file, for any architecture, patched or not, and shows what the program
    /// may call, what happens on a violation, which runtime enforces that and from when on,
    /// and what is wrong.
    Inspect(InspectArguments),
    /// Check that programs carry a sound policy, as a CI gate.
    ///
    /// Exits with 0 only if every file carries a sound policy (the one named, if any) and
    /// its runtime is available. For every other file, one line on standard error says why.
    /// With --recursive, a directory without programs is rejected too.
    Verify(VerifyArguments),
    /// Remove the patch and restore the original file, byte for byte.
    ///
    /// A file that another tool changed after patching can't be restored exactly; it is
    /// left unchanged unless --best-effort is given.
    Remove(RemoveArguments),
    /// Run a compiler or linker and patch the program it writes.
    ///
    /// Options are also read from the environment variable SANDBOX_PATCH_OPTIONS. When
    /// started through a symbolic link named sandbox-patch-NAME, this program does the same
    /// for the compiler or linker NAME.
    Link(LinkArguments),
    /// Run a command and write the policy that it needs.
    ///
    /// Records the system calls that the program makes from the moment on at which its policy
    /// would come into force, with its threads and children. The command runs as if started
    /// directly, until all processes that it started have ended; the exit status is its own.
    Learn(LearnArguments),
    /// List the groups of system calls, or show which a policy consists of.
    ///
    /// With names, shows the calls of these groups; with a policy or a patched program, the
    /// groups that are in it as a whole, and what it has besides.
    Groups(GroupsArguments),
    /// Write a policy in the format of another tool, or read one.
    ///
    /// Prints the policy on standard output: as a policy file, as a container's profile, as a
    /// drop-in of systemd and others, or as the filter itself. What a format can't say is an
    /// error.
    Convert(ConvertArguments),
    /// Write man pages or shell completions of both programs, for packaging.
    #[command(hide = true)]
    Generate(GenerateArguments),
}

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("what").args(["policies", "allow", "deny"]).required(true).multiple(true))]
pub(super) struct PatchArguments {
    #[command(flatten)]
    content: ContentArguments,

    /// Write the result to this file or directory.
    ///
    /// Must be a directory if there are several files. As with cp(1), a copy belongs to the
    /// user who writes it and loses set-user-ID, set-group-ID and capabilities.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Replace the policy of a program that already has one.
    ///
    /// Without this option, a different policy is an error, and the same policy leaves the
    /// file unchanged.
    #[arg(long)]
    replace: bool,

    /// Print what would be done without changing anything.
    #[arg(long)]
    dry_run: bool,

    /// Preserve access and modification times.
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
    /// Print one JSON object per file, one per line.
    #[arg(long)]
    pub(super) json: bool,

    /// Disassemble the embedded filter.
    #[arg(long, conflicts_with = "json")]
    pub(super) bpf: bool,

    /// Look up libraries below this directory.
    ///
    /// For a root file system other than the running one.
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
    /// Look up libraries below this directory.
    ///
    /// For a root file system other than the running one.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,

    #[command(flatten)]
    pub(super) selection: Selection,

    /// The programs; with --recursive, also directories.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    // The options that the program was patched with: the same words must give
    // the same answer.
    #[command(flatten, next_help_heading = "Required policy, as for patching")]
    pub(super) words: PolicyArguments,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// Write the result to this file or directory.
    ///
    /// Must be a directory if there are several files. As with cp(1), a copy belongs to the
    /// user who writes it and loses set-user-ID, set-group-ID and capabilities.
    #[arg(short, long, value_name = "PATH")]
    pub(super) output: Option<PathBuf>,

    /// Also remove the patch from a file that was changed since.
    ///
    /// Where the original can't be restored byte for byte, the changes of other tools are
    /// kept.
    #[arg(long)]
    pub(super) best_effort: bool,

    /// Preserve access and modification times.
    #[arg(long)]
    pub(super) preserve_timestamps: bool,

    #[command(flatten)]
    pub(super) selection: Selection,

    /// The programs; with --recursive, also directories.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct GroupsArguments {
    /// Print one JSON object per group or policy, one per line.
    #[arg(long)]
    pub(super) json: bool,

    /// The architecture of the calls [default: this machine's, or the program's].
    #[arg(long, value_name = "ARCH", value_parser = convert::architecture)]
    pub(super) arch: Option<Arch>,

    /// Groups, with or without the @; policies, as for --policy; or patched programs.
    #[arg(value_name = "NAME")]
    pub(super) what: Vec<String>,
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
