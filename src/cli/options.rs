//! The command line's grammar.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};
use clap::{ArgGroup, Args, Parser, Subcommand};

use super::library::Library;
use super::{Usage, patch};
use crate::file::{self, Keep};
use crate::policy::{self, Action, List, Policy};

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

    /// Print more, when patching and linking.
    ///
    /// When patching, also which parts of the file moved; with link, the report
    /// that it otherwise leaves out.
    #[arg(short, long, global = true)]
    verbose: bool,

    #[command(flatten)]
    pub(super) color: Color,

    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
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
    /// Exits with 0 only if every file carries a sound policy and its library
    /// is there. For each file that does not, a line on standard error tells
    /// why.
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
    /// Write man pages or shell completions, for packaging.
    #[command(hide = true)]
    Generate(GenerateArguments),
}

/// What may be called, and what happens otherwise.
#[derive(Clone, Debug, Args)]
pub(super) struct PolicyArguments {
    /// Permit only these system calls, separated by ':' or ','.
    ///
    /// White space separates, too; '-' reads the list from standard input.
    /// Given several times, the lists are joined. What C libraries call in place
    /// of a named call is permitted as well (portable names), unless --exact is
    /// given.
    #[arg(long, value_name = "LIST")]
    allow: Vec<String>,

    /// Permit all system calls but these.
    ///
    /// Written like --allow, and taken literally, without portable names: near
    /// relatives that stay open are named in a warning.
    #[arg(long, value_name = "LIST")]
    deny: Vec<String>,

    /// What a violation gets, as errno:EPERM or log [default: kill-process].
    ///
    /// One of kill-process, kill-thread, trap, errno:NAME, errno:NUMBER, trace,
    /// trace:NUMBER and log.
    #[arg(long, value_name = "ACTION")]
    action: Option<Action>,

    /// Take names literally, without portable names.
    ///
    /// Nothing is added that C libraries call in place of a named call, and a
    /// name that the program's architecture does not have is an error.
    #[arg(long)]
    exact: bool,
}

impl PolicyArguments {
    pub(super) fn policy(&self) -> Result<Policy> {
        ensure!(
            self.allow.is_empty() || self.deny.is_empty(),
            Usage(
                "--allow and --deny exclude each other: an allow-list denies all that it does not \
                 name; leave out what is to be denied"
                    .to_owned()
            )
        );
        let (list, given) = if self.deny.is_empty() {
            (List::Allow, &self.allow)
        } else {
            (List::Deny, &self.deny)
        };
        let mut text = String::new();
        for part in given {
            if part == "-" {
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| {
                        anyhow!("the list on standard input can't be read: {error}")
                    })?;
            } else {
                text.push_str(part);
            }
            text.push('\n');
        }
        Ok(Policy {
            list,
            names: policy::parse_names(&text),
            action: self.action.unwrap_or(Action::KillProcess),
            exact: self.exact,
        })
    }
}

/// What is put into a program, whoever writes the program.
#[derive(Clone, Debug, Args)]
pub(super) struct ContentArguments {
    #[command(flatten)]
    policy: PolicyArguments,

    /// The path of libsandbox.so where the program will run.
    ///
    /// Default: the one beside sandbox-patch, or in ../lib/sandbox-patch/ seen
    /// from there. A path that does not exist here is accepted with a warning.
    #[arg(long, value_name = "PATH")]
    lib: Option<String>,

    /// Accept a --lib that is not absolute.
    ///
    /// Another file can then take the library's place, and verify rejects the
    /// program.
    #[arg(long)]
    allow_relative_lib: bool,
}

/// The longest path that Linux opens, in bytes: PATH_MAX (linux/limits.h) counts
/// the final zero.
const LONGEST_PATH: usize = 4095;

impl ContentArguments {
    /// Whether any of these options is given.
    fn is_given(&self) -> bool {
        let policy = &self.policy;
        self.has_policy()
            || policy.action.is_some()
            || policy.exact
            || self.lib.is_some()
            || self.allow_relative_lib
    }

    /// Whether there is a list of system calls, be it an empty one.
    pub(super) fn has_policy(&self) -> bool {
        !(self.policy.allow.is_empty() && self.policy.deny.is_empty())
    }

    /// Whether a list is to come from standard input.
    pub(super) fn reads_standard_input(&self) -> bool {
        let policy = &self.policy;
        policy
            .allow
            .iter()
            .chain(&policy.deny)
            .any(|list| list == "-")
    }

    /// These arguments as if they stood behind `earlier` ones: lists grow, and
    /// of what can be said once the last word counts.
    pub(super) fn after(self, earlier: Self) -> Self {
        let policy = self.policy;
        Self {
            policy: PolicyArguments {
                allow: [earlier.policy.allow, policy.allow].concat(),
                deny: [earlier.policy.deny, policy.deny].concat(),
                action: policy.action.or(earlier.policy.action),
                exact: policy.exact || earlier.policy.exact,
            },
            lib: self.lib.or(earlier.lib),
            allow_relative_lib: self.allow_relative_lib || earlier.allow_relative_lib,
        }
    }

    pub(super) fn policy(&self) -> Result<Policy> {
        self.policy.policy()
    }

    pub(super) fn library(&self) -> Result<Library> {
        let library = Library::choose(self.lib.as_deref(), self.allow_relative_lib)?;
        let length = library.path.len();
        ensure!(
            length <= LONGEST_PATH,
            "the library path has {length} bytes, and no program can load what has more than \
             {LONGEST_PATH}; give a shorter one with --lib"
        );
        Ok(library)
    }
}

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("list").args(["allow", "deny"]).required(true).multiple(true))]
pub(super) struct PatchArguments {
    #[command(flatten)]
    content: ContentArguments,

    /// Write the result there: a file or a folder.
    ///
    /// With several files it must be a folder. As with cp(1), a result in
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

    /// The programs.
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
            || !self.files.is_empty()
    }

    pub(super) fn options(&self) -> Result<patch::Options> {
        require_one_output_each(&self.files, self.output.as_deref())?;
        Ok(patch::Options {
            policy: self.content.policy()?,
            library: self.content.library()?,
            output: self.output.clone(),
            replace: self.replace,
            dry_run: self.dry_run,
            keep: Keep {
                times: self.preserve_timestamps,
            },
        })
    }
}

/// Refuses an output that can't hold the results of all files.
pub(super) fn require_one_output_each(files: &[PathBuf], output: Option<&Path>) -> Result<()> {
    let Some(output) = output else {
        return Ok(());
    };
    ensure!(
        !is_standard_output(output),
        Usage("a program can't be written to standard output; name a file with -o".to_owned())
    );
    if files.len() < 2 {
        return Ok(());
    }
    ensure!(
        output.is_dir(),
        Usage(format!(
            "{}: not a folder; with several files, -o names one",
            output.display()
        ))
    );
    let mut outputs = BTreeMap::new();
    for file in files {
        // One that is not there is complained about when its turn comes.
        let Ok(path) = file.canonicalize() else {
            continue;
        };
        let place = file::within(output, &path);
        if let Some(other) = outputs.insert(place.clone(), file) {
            return Err(Usage(format!(
                "{} and {} would both become {}; give them one after the other",
                other.display(),
                file.display(),
                place.display()
            ))
            .into());
        }
    }
    Ok(())
}

/// Names of an open file of this process, which can't be replaced; '-' by
/// custom.
fn is_standard_output(output: &Path) -> bool {
    let open_files = ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"];
    ["-", "/dev/stdout", "/dev/stderr"]
        .iter()
        .any(|name| output == Path::new(name))
        || open_files.iter().any(|folder| output.starts_with(folder))
}

#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// Print one JSON object for each file, a line each.
    #[arg(long)]
    pub(super) json: bool,

    /// Disassemble the embedded filter.
    #[arg(long, conflicts_with = "json")]
    pub(super) bpf: bool,

    /// Look libraries up below this folder.
    ///
    /// For a root file system that is not the running one.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,

    /// The files; '-' is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Look libraries up below this folder.
    ///
    /// For a root file system that is not the running one.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,

    /// The programs.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// Write the result there: a file or a folder.
    ///
    /// With several files it must be a folder. As with cp(1), a result in
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

    /// The programs.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct LinkArguments {
    #[command(flatten)]
    pub(super) content: ContentArguments,

    /// The compiler or linker, and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

/// The variable SANDBOX_PATCH_OPTIONS, which belongs to the verb `link`.
#[derive(Debug, Parser)]
#[command(
    name = "SANDBOX_PATCH_OPTIONS",
    no_binary_name = true,
    disable_help_flag = true,
    override_usage = "SANDBOX_PATCH_OPTIONS='[OPTIONS]'"
)]
pub(super) struct EnvironmentArguments {
    #[command(flatten)]
    pub(super) content: ContentArguments,

    /// Say what was done.
    #[arg(short, long)]
    pub(super) verbose: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct GenerateArguments {
    /// Write man pages into this folder.
    #[arg(long, value_name = "DIR")]
    pub(super) man: Option<PathBuf>,

    /// Write shell completions into this folder.
    #[arg(long, value_name = "DIR")]
    pub(super) completions: Option<PathBuf>,
}
