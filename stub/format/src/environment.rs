//! Names of the variables that a policy may come from. The runtime and the
//! launcher read them, and keep all of them from the program.
//!
//! `SANDBOX_EXACT` is ours, the others are those of Cloudflare's sandbox
//! toolkit. What they mean in detail stands in `stub/src/environment.rs`.

/// What the program may call: names, separated by colons.
pub const ALLOW: &str = "SECCOMP_SYSCALL_ALLOW";
/// What the program may not call, if there is no [`ALLOW`].
pub const DENY: &str = "SECCOMP_SYSCALL_DENY";
/// What happens to a program that calls something else.
pub const ACTION: &str = "SECCOMP_DEFAULT_ACTION";
/// Whether portable names stay out of the list of [`ALLOW`].
pub const EXACT: &str = "SANDBOX_EXACT";
