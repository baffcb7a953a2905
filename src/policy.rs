//! What may be called, and what happens otherwise.
//!
//! A [`Policy`] is a request by name, independent of any architecture. [`resolve`] turns
//! it into the numbers and conditions of one architecture, a [`Resolved`], which is also
//! what the POLICY note records (see [`Resolved::to_json`]).

mod action;
mod agreement;
mod alternatives;
mod arch;
mod arguments;
pub(crate) mod calls;
mod composition;
pub mod condition;
mod constants;
mod cubes;
mod errno;
mod error;
pub mod groups;
pub(crate) mod item;
mod json;
mod multiplexed;
mod names;
mod relatives;
mod resolve;
mod rule;
mod signatures;
pub mod source;
#[cfg(test)]
mod tests;
mod variants;
mod warning;

pub use action::Action;
pub use arch::Arch;
pub use composition::{Composition, members};
pub use error::{Error, UnknownName, Untestable};
use json::MAX_DESCRIPTION;
pub use json::{FORMAT, pad};
pub use names::is_call;
pub use resolve::{Abi, Resolved, ResolvedRule, VDSO, resolve};
pub use rule::{Draft, Origin, Rule, Subject};
pub use warning::Warning;

pub(crate) use errno::name as errno_name;
pub use multiplexed::name as multiplexed_name;
pub use names::{is_known as is_known_call, name as call_name, number as call_number};

/// A policy as requested.
///
/// The first rule that holds for a call decides what happens to it; where none does,
/// `default` decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The rules, in the order in which they are tried.
    pub rules: Vec<Rule>,
    /// What happens to calls for which no rule holds.
    pub default: Action,
    /// What happens to calls that are newer than all that this version knows; `None` for
    /// `default`.
    pub unknown: Option<Action>,
    /// What happens to calls of ABIs for which the policy does not hold; `None` for the
    /// end of the process, or a record in the log where `default` is that.
    pub foreign: Option<Action>,
    /// For which ABIs the policy holds besides the program's own; `None` for all that the
    /// machine has where the default permits calls, and for none otherwise.
    pub architectures: Option<Vec<Arch>>,
    /// Take the names literally: no portable names, and each must exist on the
    /// target's architecture.
    pub exact: bool,
    /// Leave out names that the target's architecture lacks, and those that no version of the
    /// tables has, as other tools do.
    pub lenient: bool,
    /// What it is for.
    pub description: Option<String>,
}

impl Policy {
    /// One that only has a default.
    #[must_use]
    pub fn new(default: Action) -> Self {
        Self {
            rules: Vec::new(),
            default,
            unknown: None,
            foreign: None,
            architectures: None,
            exact: false,
            lenient: false,
            description: None,
        }
    }

    /// One that permits these calls, and has all others be violations.
    #[must_use]
    pub fn allow<S: Into<String>>(names: impl IntoIterator<Item = S>, violation: Action) -> Self {
        Self::of_names(names, Action::Allow, violation)
    }

    /// One that has these calls be violations, and permits all others.
    #[must_use]
    pub fn deny<S: Into<String>>(names: impl IntoIterator<Item = S>, violation: Action) -> Self {
        Self::of_names(names, violation, Action::Allow)
    }

    fn of_names<S: Into<String>>(
        names: impl IntoIterator<Item = S>,
        action: Action,
        default: Action,
    ) -> Self {
        let rules = names.into_iter().map(|name| Rule::of_call(name, action));
        Self {
            rules: rule::in_order(rules.collect()),
            ..Self::new(default)
        }
    }

    /// What calls of ABIs get for which the policy does not hold: no call that it could name,
    /// such a call is not answered but ends the process; a policy that only observes breaks
    /// nothing.
    #[must_use]
    pub fn foreign_action(&self) -> Action {
        self.foreign.unwrap_or(match self.default {
            Action::Log => Action::Log,
            _ => Action::KillProcess,
        })
    }

    /// The policy as it is wherever it was written down.
    #[must_use]
    pub fn without_origins(&self) -> Self {
        let rule = |rule: &Rule| Rule {
            origin: None,
            ..rule.clone()
        };
        Self {
            rules: self.rules.iter().map(rule).collect(),
            ..self.clone()
        }
    }
}
