//! The command line of `sandboxify`.

use std::ffi::OsString;

use clap::Parser;

use super::policy::PolicyArguments;

/// Run a program under a seccomp policy, whatever kind of program it is.
///
/// The program may be static, or a script. It runs as if it had been started
/// directly: in the same process, with the same terminal, streams, signals and
/// exit status. No privilege is needed, and the policy may forbid execve.
///
/// Without --allow and --deny the policy is taken from the variables
/// SECCOMP_SYSCALL_ALLOW, SECCOMP_SYSCALL_DENY and SECCOMP_DEFAULT_ACTION, and
/// without those the program's own holds, if it carries one.
#[derive(Debug, Parser)]
#[command(
    name = "sandboxify",
    version,
    override_usage = "sandboxify [OPTIONS] [--] <PROGRAM> [ARGUMENT]...",
    after_long_help = "Exit status: that of the program; 121 if the policy can't be put in force, \
                       126 if the program can't be run, 127 if it is not found, 2 if the command \
                       line is wrong."
)]
pub(in crate::cli) struct LaunchCli {
    #[command(flatten)]
    pub(in crate::cli) policy: PolicyArguments,

    /// Refuse to run a program without a policy.
    ///
    /// Otherwise it is run, with a warning. A policy in the program counts if
    /// 'sandbox-patch verify' accepts it.
    #[arg(long)]
    pub(in crate::cli) require_policy: bool,

    /// Print only errors.
    ///
    /// Leaves out the warnings, and the lines that say which calls the
    /// environment adds to the filter.
    #[arg(short, long)]
    pub(in crate::cli) quiet: bool,

    /// The program, looked for in PATH unless it has a slash, and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "PROGRAM")]
    pub(in crate::cli) command: Vec<OsString>,
}
