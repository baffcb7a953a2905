//! The command line of `sandboxify`.

use std::ffi::OsString;

use clap::Parser;

use super::policy::PolicyArguments;

/// Run any program under a seccomp policy.
///
/// The program may be static or a script. It runs as if started directly: in the same
/// process, with the same terminal, streams, signals and exit status. No privileges are
/// needed, and the policy may forbid execve.
///
/// Without --policy, --allow or --deny, the policy comes from the environment variables
/// SECCOMP_SYSCALL_ALLOW, SECCOMP_SYSCALL_DENY and SECCOMP_DEFAULT_ACTION; without those,
/// the program's own policy applies, if it has one.
#[derive(Debug, Parser)]
#[command(
    name = "sandboxify",
    version,
    override_usage = "sandboxify [OPTIONS] [--] <PROGRAM> [ARGUMENT]...",
    after_long_help = "Exit status: that of the program; 121 if the policy can't be enforced, \
                       126 if the program can't be run, 127 if it is not found, 2 if the command \
                       line is wrong."
)]
pub(in crate::cli) struct LaunchCli {
    #[command(flatten)]
    pub(in crate::cli) policy: PolicyArguments,

    /// Refuse to run a program without a policy.
    ///
    /// By default it runs with a warning. A policy in the program counts if 'sandbox-patch
    /// verify' accepts it.
    #[arg(long)]
    pub(in crate::cli) require_policy: bool,

    /// Print only errors.
    ///
    /// Omits warnings and the lines that list the calls added to the filter from the
    /// environment.
    #[arg(short, long)]
    pub(in crate::cli) quiet: bool,

    /// The program (searched for in PATH unless it contains a slash) and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "PROGRAM")]
    pub(in crate::cli) command: Vec<OsString>,
}
