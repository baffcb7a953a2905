//! What is put into a program: the policy and the library.

use std::borrow::Cow;
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::cli::Usage;
use crate::cli::{installed, output, render};
use crate::policy::{self, Action, Draft, Policy, Warning, source};
use crate::rewrite::Start;
use crate::runtime::Runtimes;
use crate::runtime::library::Library;

/// What may be called, and what happens otherwise.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct PolicyArguments {
    /// Take the policy from this file, or the one of this name.
    ///
    /// A TOML file; '-' reads it from standard input. A word without '/' and '.' is a name,
    /// as network-server: NAME.toml in $XDG_CONFIG_HOME/sandbox-patch or in
    /// ../share/sandbox-patch/policies relative to this program, or one that comes with it.
    /// Other options add to the file.
    #[arg(short, long = "policy", value_name = "FILE")]
    pub(in crate::cli) policies: Vec<PathBuf>,

    /// Permit only these system calls, separated by ':' or ','.
    ///
    /// An item is a name, a group (@network-io), a name with a condition on the arguments
    /// ('socket(domain == AF_UNIX)'), or one of these with an action of its own
    /// (ptrace=errno:EPERM). White space also separates; '-' reads the list from standard
    /// input. Lists from repeated options are combined. Calls that C libraries make in place
    /// of a named one are permitted too (portable names), unless --exact is given.
    #[arg(long, value_name = "LIST")]
    allow: Vec<String>,

    /// Deny these system calls, whatever --allow permits.
    ///
    /// Without --allow, all others are permitted. Same syntax as --allow, but portable names
    /// are not used: a warning lists closely related calls that remain permitted.
    #[arg(long, value_name = "LIST")]
    deny: Vec<String>,

    /// Action on a violation, as errno:EPERM or log [default: kill-process].
    ///
    /// One of kill-process, kill-thread, trap, errno:NAME, errno:NUMBER, trace,
    /// trace:NUMBER and log.
    #[arg(long, value_name = "ACTION", value_parser = violation)]
    action: Option<Action>,

    /// Action on calls that are newer than this version [default: as for others].
    ///
    /// With errno:ENOSYS, C libraries fall back to older calls instead of dying when they
    /// try those of a newer kernel.
    #[arg(long, value_name = "ACTION")]
    unknown: Option<Action>,

    /// Take names literally, without portable names.
    ///
    /// Adds nothing for calls that C libraries may make instead, and treats a name that the
    /// program's architecture lacks as an error.
    #[arg(long)]
    exact: bool,
}

impl PolicyArguments {
    /// Whether there is a policy: a file or a list of system calls, be it an empty one.
    pub(in crate::cli) fn has_policy(&self) -> bool {
        !self.policies.is_empty() || self.has_list()
    }

    fn has_list(&self) -> bool {
        !(self.allow.is_empty() && self.deny.is_empty())
    }

    /// Whether any of these options is given.
    pub(in crate::cli) fn is_given(&self) -> bool {
        !self.policies.is_empty() || self.says_more()
    }

    /// Whether there is anything besides files.
    pub(in crate::cli) fn says_more(&self) -> bool {
        self.has_list() || self.action.is_some() || self.unknown.is_some() || self.exact
    }

    /// Whether a list or a policy is to come from standard input.
    pub(in crate::cli) fn reads_standard_input(&self) -> bool {
        self.readings_of_standard_input() > 0
    }

    fn readings_of_standard_input(&self) -> usize {
        let lists = self.allow.iter().chain(&self.deny);
        let lists = lists.filter(|list| *list == "-").count();
        let is_it = |file: &&PathBuf| file.as_os_str() == "-";
        lists + self.policies.iter().filter(is_it).count()
    }

    /// The policy, and what is lost of the files that it is read from.
    pub(in crate::cli) fn policy(&self) -> Result<(Policy, Vec<Warning>)> {
        let mut draft = self.draft()?;
        let warnings = std::mem::take(&mut draft.warnings);
        Ok((finished(draft, &self.policies)?, warnings))
    }

    /// The policy. What is lost of the files that it is read from is told.
    pub(in crate::cli) fn told(&self) -> Result<Policy> {
        finished(self.draft()?, &self.policies)
    }

    fn draft(&self) -> Result<Draft> {
        let mut draft = Draft {
            violation: self.action,
            unknown: self.unknown,
            exact: self.exact.then_some(true),
            ..Draft::default()
        };
        ensure!(
            self.readings_of_standard_input() <= 1,
            Usage("standard input can be read only once; give '-' once".to_owned())
        );
        for list in &self.allow {
            draft.allow(&text_of(list)?)?;
        }
        for list in &self.deny {
            draft.deny(&text_of(list)?)?;
        }
        if !self.policies.is_empty() {
            draft.extend(source::read(
                &self.policies,
                &installed::policies(),
                &installed::reading(),
            )?);
        }
        Ok(draft)
    }
}

/// The policy that some files and options make together. What is lost of the files is told.
pub(in crate::cli) fn finished(draft: Draft, files: &[PathBuf]) -> Result<Policy> {
    draft.warnings.iter().for_each(output::warn_of_reading);
    draft.finish().map_err(|error| match files {
        [] => error.into(),
        files => {
            let names: Vec<_> = files.iter().map(|file| render::name(file)).collect();
            anyhow!("{}: {error}", names.join(", "))
        }
    })
}

/// Reads what a violation gets: a policy whose violations are permitted is none.
fn violation(text: &str) -> Result<Action> {
    let action = text.parse()?;
    ensure!(
        action != Action::Allow,
        "allow is no action on a violation; leave out the policy to permit everything"
    );
    Ok(action)
}

/// The text of a list, which may come from standard input.
fn text_of(list: &str) -> Result<Cow<'_, str>> {
    if list != "-" {
        require_no_path(list)?;
        return Ok(Cow::Borrowed(list));
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|error| anyhow!("the list on standard input can't be read: {error}"))?;
    Ok(Cow::Owned(text))
}

/// Refuses what can only be meant as a file that holds the list.
fn require_no_path(list: &str) -> Result<()> {
    let is_path = |name: &&str| name.contains(['/', '.']);
    let mut names = list.split(|c: char| matches!(c, ':' | ',') || c.is_whitespace());
    match names.find(is_path) {
        // Conditions have no such characters, and what is wrong with them is said better.
        Some(path) if !list.contains('(') => Err(Usage(format!(
            "{path:?} is no system call; a policy file is given with --policy, and a file with a \
             list as standard input: --allow - <FILE"
        ))
        .into()),
        _ => Ok(()),
    }
}

/// Refuses a file that is not there and has the name of a system call: the list
/// was written with blanks, and its first name would become the whole policy.
pub(in crate::cli) fn require_no_calls(files: &[PathBuf]) -> Result<()> {
    let are_calls = |file: &&PathBuf| {
        let text = file.to_string_lossy();
        let mut names = text
            .split([':', ','])
            .filter(|name| !name.is_empty())
            .peekable();
        names.peek().is_some() && names.all(policy::is_call)
    };
    let is_missing = |file: &&PathBuf| file.symlink_metadata().is_err();
    match files.iter().filter(are_calls).find(is_missing) {
        Some(file) => Err(Usage(format!(
            "there is no file {:?}, but a system call of that name; separate the names of a \
             list by ':' and not by blanks",
            file.display().to_string()
        ))
        .into()),
        None => Ok(()),
    }
}

/// What is put into a program, whoever writes the program.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ContentArguments {
    #[command(flatten)]
    policy: PolicyArguments,

    /// Path of libsandbox.so on the machine where the program will run.
    ///
    /// Default: the one next to sandbox-patch, or in ../lib/sandbox-patch/ relative to it.
    /// A path that does not exist on this machine is accepted with a warning.
    #[arg(long, value_name = "PATH")]
    lib: Option<String>,

    /// Accept a relative --lib path.
    ///
    /// Another file could then be loaded instead of the library, so verify rejects the
    /// program.
    #[arg(long)]
    allow_relative_lib: bool,

    /// Embed the runtime in the program.
    ///
    /// The program then needs no library. Always done for static programs.
    #[arg(long, conflicts_with_all = ["lib", "allow_relative_lib"])]
    inline: bool,

    /// When an embedded runtime takes over.
    ///
    /// Default: main in a static program where possible, otherwise entry.
    #[arg(long, value_name = "WHERE", conflicts_with_all = ["lib", "allow_relative_lib"])]
    from: Option<From>,
}

/// When an embedded runtime takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum From {
    /// At the entry point: in a static program before the C library starts up, in a dynamic
    /// one after the constructors of its libraries.
    Entry,
    /// Before the last initialiser, just before main.
    Main,
}

impl From {
    pub(super) fn start(self) -> Start {
        match self {
            Self::Entry => Start::Entry,
            Self::Main => Start::Main,
        }
    }
}

impl ContentArguments {
    /// Whether any of these options is given.
    pub(super) fn is_given(&self) -> bool {
        self.policy.is_given()
            || self.lib.is_some()
            || self.allow_relative_lib
            || self.inline
            || self.from.is_some()
    }

    /// Whether there is a policy.
    pub(in crate::cli) fn has_policy(&self) -> bool {
        self.policy.has_policy()
    }

    /// Whether a list or a policy is to come from standard input.
    pub(in crate::cli) fn reads_standard_input(&self) -> bool {
        self.policy.reads_standard_input()
    }

    /// These arguments as if they stood behind `earlier` ones: lists grow, and
    /// of what can be said once the last word counts.
    pub(in crate::cli) fn after(self, earlier: Self) -> Self {
        let policy = self.policy;
        Self {
            policy: PolicyArguments {
                policies: [earlier.policy.policies, policy.policies].concat(),
                allow: [earlier.policy.allow, policy.allow].concat(),
                deny: [earlier.policy.deny, policy.deny].concat(),
                action: policy.action.or(earlier.policy.action),
                unknown: policy.unknown.or(earlier.policy.unknown),
                exact: policy.exact || earlier.policy.exact,
            },
            lib: self.lib.or(earlier.lib),
            allow_relative_lib: self.allow_relative_lib || earlier.allow_relative_lib,
            inline: self.inline || earlier.inline,
            from: self.from.or(earlier.from),
        }
    }

    /// The policy. What is lost of the files that it is read from is told.
    pub(in crate::cli) fn policy(&self) -> Result<Policy> {
        self.policy.told()
    }

    pub(in crate::cli) fn runtimes(&self) -> Result<Runtimes> {
        let given = self.lib.as_deref();
        let library = given.map(|path| Library::at(path, self.allow_relative_lib));
        Ok(Runtimes {
            directories: installed::directories(),
            library: library.transpose()?,
            inline: self.inline,
            start: self.from.map(From::start),
        })
    }
}
