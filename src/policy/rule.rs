//! The rules of a policy, and the order in which they are tried.

use std::collections::BTreeSet;
use std::fmt;

use super::condition::Condition;
use super::{Action, Arch, Error, Policy, Warning, item};

/// What happens to some calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Which calls.
    pub subject: Subject,
    /// On which arguments; `None` for all.
    pub when: Option<Condition>,
    /// What happens to them.
    pub action: Action,
    /// Where it is written, if that is a file.
    pub origin: Option<Origin>,
}

/// The calls that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Subject {
    /// The system call of this name, with all its forms.
    Call(String),
    /// All of a group (see [`groups`](super::groups)).
    Group(String),
}

/// A place in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The name of the file, without directories: the same files give the same bytes,
    /// wherever they are.
    pub file: String,
    /// The line, from 1 on.
    pub line: u32,
    /// The column, from 1 on, in characters.
    pub column: u32,
}

impl Rule {
    /// What happens to all calls of this name.
    #[must_use]
    pub fn of_call(name: impl Into<String>, action: Action) -> Self {
        Self {
            subject: Subject::Call(name.into()),
            when: None,
            action,
            origin: None,
        }
    }
}

/// What the rule is about, as it is written in a list.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            Some(when) => write!(f, "{}({when})", self.subject),
            None => self.subject.fmt(f),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(name) => f.write_str(name),
            Self::Group(name) => write!(f, "@{name}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A policy in the making: what is said where, in any order.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Rules for single calls, which are tried first.
    pub calls: Vec<Rule>,
    /// What is denied, which is tried next; `None` if there is no such list, which is
    /// another thing than an empty one.
    pub(crate) deny: Option<Vec<item::Item>>,
    /// What is allowed, which is tried last; likewise.
    pub(crate) allow: Option<Vec<item::Item>>,
    /// What a violation gets; `None` for the end of the process.
    pub violation: Option<Action>,
    /// What happens to all other calls; `None` for a violation, or for permission where
    /// something is denied and nothing allowed.
    pub default: Option<Action>,
    /// See [`Policy::unknown`].
    pub unknown: Option<Action>,
    /// See [`Policy::foreign`].
    pub foreign: Option<Action>,
    /// See [`Policy::architectures`].
    pub architectures: Option<Vec<Arch>>,
    /// See [`Policy::exact`]; `None` for portable names.
    pub exact: Option<bool>,
    /// See [`Policy::lenient`]; `None` for an error or a warning.
    pub lenient: Option<bool>,
    /// See [`Policy::description`].
    pub description: Option<String>,
    /// What is lost of the files that it was read from.
    pub warnings: Vec<Warning>,
}

impl Draft {
    /// Adds a list of items that are allowed.
    ///
    /// # Errors
    ///
    /// It can't be read.
    pub fn allow(&mut self, list: &str) -> Result<(), Error> {
        let items = item::parse_list(list)?;
        self.allow.get_or_insert_default().extend(items);
        Ok(())
    }

    /// Adds a list of items that are denied.
    ///
    /// # Errors
    ///
    /// It can't be read.
    pub fn deny(&mut self, list: &str) -> Result<(), Error> {
        let items = item::parse_list(list)?;
        self.deny.get_or_insert_default().extend(items);
        Ok(())
    }

    /// Whether it has rules or lists, be they empty ones.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        self.allow.is_some() || self.deny.is_some() || !self.calls.is_empty()
    }

    /// Adds another policy in the making behind this one: its rules are tried later, and it
    /// is asked only for what this one does not say.
    pub fn extend(&mut self, other: Self) {
        let lists = [(&mut self.allow, other.allow), (&mut self.deny, other.deny)];
        for (own, other) in lists {
            if let Some(items) = other {
                own.get_or_insert_default().extend(items);
            }
        }
        self.calls.extend(other.calls);
        self.violation = self.violation.or(other.violation);
        self.default = self.default.or(other.default);
        self.unknown = self.unknown.or(other.unknown);
        self.foreign = self.foreign.or(other.foreign);
        self.exact = self.exact.or(other.exact);
        self.lenient = self.lenient.or(other.lenient);
        self.architectures = self.architectures.take().or(other.architectures);
        self.description = self.description.take().or(other.description);
        self.warnings.extend(other.warnings);
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// It only has rules for single calls, and does not say what happens to others.
    pub fn finish(self) -> Result<Policy, Error> {
        let has_list = self.allow.is_some() || self.deny.is_some();
        if !has_list && self.default.is_none() {
            return Err(Error::NoDefault);
        }
        let violation = self.violation.unwrap_or(Action::KillProcess);
        let is_deny_list = self.deny.is_some() && self.allow.is_none();
        let default = self.default.unwrap_or(match is_deny_list {
            true => Action::Allow,
            false => violation,
        });
        let rules = |items: Option<Vec<item::Item>>, action| {
            let rules = items
                .into_iter()
                .flatten()
                .map(|item| item.into_rule(action));
            in_order(rules.collect())
        };
        Ok(Policy {
            rules: [
                self.calls,
                rules(self.deny, violation),
                rules(self.allow, Action::Allow),
            ]
            .concat(),
            default,
            unknown: self.unknown,
            foreign: self.foreign,
            architectures: self.architectures,
            exact: self.exact.unwrap_or_default(),
            lenient: self.lenient.unwrap_or_default(),
            description: self.description,
        })
    }
}

/// Rules in the order in which they are tried. Where all have one action, no order has
/// another meaning, and equal policies are to be equal: they are sorted.
pub(super) fn in_order(mut rules: Vec<Rule>) -> Vec<Rule> {
    let one_action = rules
        .windows(2)
        .all(|pair| pair[0].action == pair[1].action);
    if one_action {
        rules.sort();
    }
    let mut seen = BTreeSet::new();
    rules.retain(|rule| seen.insert((rule.subject.clone(), rule.when.clone(), rule.action)));
    rules
}
