//! Groups of system calls under well-known names.
//!
//! * systemd's sets (`SystemCallFilter=` in systemd.exec(5)), see `systemd`;
//! * the promises of pledge(2) as OpenBSD has them and the Linux port in Cosmopolitan Libc
//!   defines them, with conditions on arguments, see `pledge`.
//!
//! The runtime has them in another form (`native`), without those promises that have
//! conditions.

#[cfg(target_arch = "x86_64")]
mod native;
mod pledge;
mod systemd;

#[cfg(target_arch = "x86_64")]
pub use native::{Native, native};
pub use systemd::VERSION as SYSTEMD_VERSION;

/// Where a group's definition comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// systemd's sets.
    Systemd,
    /// The promises of pledge(2).
    Pledge,
}

/// A named set of items of the policy language.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The name, without the `@`.
    pub name: &'static str,
    /// Where the definition comes from.
    pub source: Source,
    /// What it is for, in one line.
    pub description: &'static str,
    /// What is in it, as people write it: `read`, `@basic-io`,
    /// `ioctl(request == TIOCGWINSZ)`.
    pub items: &'static [&'static str],
}

/// systemd's sets, by name. What is in [`KNOWN`] is not listed.
pub const SYSTEMD: &[Group] = systemd::GROUPS;

/// The promises, by name.
pub const PLEDGE: &[Group] = pledge::GROUPS;

/// The set of systemd's that has all calls.
pub const KNOWN: &str = "known";
