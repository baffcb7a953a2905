//! What may be called, and what happens otherwise.
//!
//! A [`Policy`] is a request by name, independent of any architecture. [`resolve`] turns
//! it into the numbers and conditions of one architecture, a [`Resolved`], which is also
//! what the POLICY note records (see [`Resolved::to_json`]).

mod action;
mod agreement;
mod arch;
mod arguments;
pub(crate) mod calls;
mod errno;
mod error;
mod json;
mod multiplexed;
mod names;
mod relatives;
mod resolve;
#[cfg(test)]
mod tests;
mod variants;

pub use action::{Action, Verdict};
pub use arch::Arch;
pub use error::{Error, UnknownName};
pub use json::{FORMAT, pad};
pub use names::{is_call, parse as parse_names};
pub use resolve::{Resolved, ResolvedRule, VDSO, Warning, resolve, rules};

pub(crate) use errno::name as errno_name;
pub use multiplexed::name as multiplexed_name;
pub use names::{is_known as is_known_call, name as call_name, number as call_number};

use std::collections::BTreeSet;
use std::fmt;

/// How the names of a policy are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum List {
    /// Only these may be called.
    Allow,
    /// All but these may be called.
    Deny,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            List::Allow => "allow",
            List::Deny => "deny",
        })
    }
}

/// A policy as requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What naming a system call does to it.
    pub list: List,
    /// The system calls.
    pub names: BTreeSet<String>,
    /// What happens on a violation.
    pub action: Action,
    /// Take the names literally: no portable names, and each must exist on the
    /// target's architecture.
    pub exact: bool,
}
