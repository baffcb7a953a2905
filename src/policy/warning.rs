//! What the user should know about a policy that is nevertheless valid.

use std::fmt;

use super::error::{at, or_instead};
use super::{Arch, Origin, errno};

/// What the user should know about a policy that is nevertheless valid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Warning {
    /// The architecture does not have this call.
    NotHere {
        /// The name.
        name: String,
        /// The architecture.
        arch: Arch,
        /// What was allowed instead.
        instead: Vec<String>,
    },
    /// A call was given by its number, which means that call on this architecture only.
    Number {
        /// The number as given.
        number: String,
        /// The call's name.
        name: String,
        /// The architecture.
        arch: Arch,
    },
    /// An allow-list with nothing left.
    NothingAllowed,
    /// The same under the action `log`: a way to learn what a program needs.
    EverythingLogged,
    /// A deny-list with nothing left.
    NothingDenied,
    /// Calls that do almost what a denied one does.
    RelativesOpen {
        /// The denied name.
        name: String,
        /// What is still allowed.
        open: Vec<String>,
    },
    /// Denied calls that the vDSO may answer.
    VdsoAnswers {
        /// The names.
        names: Vec<String>,
    },
    /// Portable names whose conditions are not known for the architecture.
    PortableIncomplete {
        /// The architecture.
        arch: Arch,
        /// The system calls that were not added.
        missing: Vec<String>,
    },
    /// A rule that never decides.
    Unreachable {
        /// The rule.
        rule: String,
        /// Where it is written.
        origin: Option<Origin>,
        /// The rule that decides first.
        by: String,
        /// Where that is written.
        by_origin: Option<Origin>,
    },
    /// A condition that no arguments meet.
    NeverHolds {
        /// The rule.
        rule: String,
        /// Where it is written.
        origin: Option<Origin>,
    },
    /// A lenient policy names what is no known call.
    LeftOut {
        /// The rule.
        rule: String,
        /// Where it is written.
        origin: Option<Origin>,
        /// The nearest names that exist, the best first.
        suggestions: Vec<String>,
    },
    /// A file in another tool's form says something that is not in the policy.
    Lost {
        /// What that is, and what to do.
        problem: String,
        /// Where it is written.
        origin: Option<Origin>,
    },
    /// There are so many others.
    Others(usize),
    /// The same call can be made in a way that hides its arguments, and is not allowed so.
    Hidden {
        /// The rule.
        rule: String,
        /// The call by which it can be made.
        by: String,
        /// The architecture.
        arch: Arch,
    },
    /// An error number that the architecture gives another meaning.
    ErrnoDiffers {
        /// The number.
        number: u16,
        /// The architecture.
        arch: Arch,
    },
}

impl Warning {
    /// Whether the policy is sound and only may not be what was meant.
    #[must_use]
    pub fn is_advice(&self) -> bool {
        matches!(
            self,
            Self::Number { .. } | Self::RelativesOpen { .. } | Self::Hidden { .. }
        )
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::NotHere {
                name,
                arch,
                instead,
            } => {
                write!(f, "{arch} has no system call {name}; ")?;
                match instead.as_slice() {
                    [] => f.write_str("it is left out"),
                    [only] => write!(f, "{only} stands in for it"),
                    several => write!(f, "{} stand in for it", several.join(", ")),
                }
            }
            Warning::Number { number, name, arch } => {
                write!(f, "system call {number} is {name} on {arch}")
            }
            Warning::NothingAllowed => {
                f.write_str("the policy allows no system call at all; the program cannot even exit")
            }
            Warning::EverythingLogged => f.write_str(
                "the policy allows no system call without logging it; the program is as free as \
                 without it",
            ),
            Warning::NothingDenied => f.write_str(
                "the policy denies no system call at all; the program is as free as without it",
            ),
            Warning::Unreachable { .. }
            | Warning::NeverHolds { .. }
            | Warning::LeftOut { .. }
            | Warning::Lost { .. }
            | Warning::Hidden { .. } => self.fmt_of_rule(f),
            Warning::RelativesOpen { name, open } => {
                write!(
                    f,
                    "{name} is denied, but {} can do nearly the same",
                    open.join(", ")
                )
            }
            Warning::VdsoAnswers { names } => write!(
                f,
                "the vDSO answers {} without the kernel where it can, whatever is denied",
                names.join(", ")
            ),
            Warning::PortableIncomplete { arch, missing } => write!(
                f,
                "the arguments of {} are not known for {arch}, so portable names do not \
                 add them; name them if the program needs them",
                missing.join(", ")
            ),
            Warning::Others(count) => write!(f, "{count} other warnings are left out"),
            Warning::ErrnoDiffers { number, arch } => write!(
                f,
                "error {number} is {} on most architectures, but {arch} numbers it otherwise; \
                 give its own number",
                errno::name(*number).unwrap_or("another")
            ),
        }
    }
}

impl Warning {
    /// What is said of one rule.
    fn fmt_of_rule(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Unreachable {
                rule,
                origin,
                by,
                by_origin,
            } => {
                let (place, other) = (at(origin.as_ref()), at(by_origin.as_ref()));
                write!(
                    f,
                    "{place}{rule} never decides, since {other}{by} comes first"
                )
            }
            Warning::NeverHolds { rule, origin } => {
                let place = at(origin.as_ref());
                write!(f, "{place}the condition of {rule} never holds")
            }
            Warning::LeftOut {
                rule,
                origin,
                suggestions,
            } => {
                let place = at(origin.as_ref());
                write!(
                    f,
                    "{place}{rule} is no system call that this version knows; it is left out{}",
                    or_instead(suggestions)
                )
            }
            Warning::Lost { problem, origin } => {
                write!(f, "{}{problem}", at(origin.as_ref()))
            }
            Warning::Hidden { rule, by, arch } => write!(
                f,
                "C libraries on {arch} also call {by} for {rule}; its arguments are in memory \
                 where no filter sees them, so it is not allowed: {by}=errno:ENOSYS makes most \
                 of them fall back"
            ),
            _ => Ok(()),
        }
    }
}
