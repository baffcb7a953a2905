//! From names to the numbers and conditions of one architecture.

use std::collections::BTreeSet;
use std::fmt;

use sandbox_format::bpf::Condition;
use sandbox_format::portable;

use super::names::{self, Lookup};
use super::{
    Action, Arch, Error, List, Policy, UnknownName, Verdict, arguments, errno, multiplexed,
    relatives, variants,
};

/// A policy for one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The policy as requested.
    pub policy: Policy,
    /// The architecture.
    pub arch: Arch,
    /// The rules: sorted, without duplicates.
    pub rules: Vec<ResolvedRule>,
    /// The version of sandbox-patch that resolved it.
    pub version: String,
}

/// A system call that the policy's list covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedRule {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u32,
    /// Conditions on its arguments, all of which must hold.
    pub when: Vec<Condition>,
    /// What it does with the calls; `None` for what the policy's list does. If several
    /// rules for a number hold, the last of them decides.
    pub verdict: Option<Verdict>,
    /// The name in the policy that caused the rule to be added, or [`VDSO`]; `None` if
    /// the policy names the call itself.
    pub because: Option<String>,
}

/// Used instead of a name in [`ResolvedRule::because`] for an added call that the vDSO
/// answers elsewhere.
pub const VDSO: &str = "vdso";

impl Resolved {
    /// Whether it is a deny-list with nothing left.
    #[must_use]
    pub fn denies_nothing(&self) -> bool {
        let allows = |rule: &ResolvedRule| rule.verdict == Some(Verdict::Allow);
        self.policy.list == List::Deny && self.rules.iter().all(allows)
    }

    /// The rules that were added to what the policy names.
    pub fn added(&self) -> impl Iterator<Item = &ResolvedRule> {
        self.rules.iter().filter(|rule| rule.because.is_some())
    }
}

/// What the user should know about a policy that is nevertheless valid.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        matches!(self, Self::Number { .. } | Self::RelativesOpen { .. })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::NotHere {
                name,
                arch,
                instead,
            } if instead.is_empty() => {
                write!(f, "{arch} has no system call {name}; it is left out")
            }
            Warning::NotHere {
                name,
                arch,
                instead,
            } => {
                let instead = instead.join(", ");
                write!(
                    f,
                    "{arch} has no system call {name}; {instead} stands in for it"
                )
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
            Warning::ErrnoDiffers { number, arch } => write!(
                f,
                "error {number} is {} on most architectures, but {arch} numbers it otherwise; \
                 give its own number",
                errno::name(*number).unwrap_or("another")
            ),
        }
    }
}

/// Resolves a policy for an architecture.
///
/// # Errors
///
/// Some names do not exist or, in an exact policy, are not available on the architecture;
/// or the architecture is not supported.
pub fn resolve(policy: &Policy, arch: Arch) -> Result<(Resolved, Vec<Warning>), Error> {
    if arch == Arch::X32 {
        return Err(Error::UnsupportedArch(arch));
    }
    let (named, numbers) = with_names(policy, arch)?;
    let policy = &named;
    let unknown = unknown_names(policy, arch);
    if !unknown.is_empty() {
        return Err(Error::UnknownNames(unknown));
    }

    let mut resolver = Resolver {
        policy,
        arch,
        rules: Vec::new(),
        warnings: numbers,
    };
    if let Action::Errno(number) = policy.action
        && number > errno::LAST_COMMON
        && arch.has_own_errno()
    {
        resolver
            .warnings
            .push(Warning::ErrnoDiffers { number, arch });
    }
    let mut missing = BTreeSet::new();
    for name in &policy.names {
        resolver.name(name, &mut missing)?;
    }
    if !missing.is_empty() {
        let missing = missing.into_iter().map(str::to_owned).collect();
        resolver
            .warnings
            .push(Warning::PortableIncomplete { arch, missing });
    }
    if policy.list == List::Deny {
        resolver.warn_of_relatives();
        resolver.warn_of_vdso();
    }
    if resolver.rules.is_empty() {
        resolver.warnings.extend(nothing_left(policy));
    } else if policy.list == List::Allow && !policy.exact {
        resolver.add_vdso();
    }

    let resolved = Resolved {
        policy: policy.clone(),
        arch,
        rules: tidy(resolver.rules),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok((resolved, resolver.warnings))
}

/// The policy with names instead of numbers, and warnings that say what each number is.
fn with_names(policy: &Policy, arch: Arch) -> Result<(Policy, Vec<Warning>), Error> {
    let mut named = policy.clone();
    let mut warnings = Vec::new();
    for given in &policy.names {
        let Ok(number) = given.parse() else { continue };
        let name = names::name(number, arch);
        let number = given.clone();
        let Some(name) = name else {
            return Err(Error::UnknownNumber { number, arch });
        };
        named.names.remove(given);
        named.names.insert(name.clone());
        warnings.push(Warning::Number { number, name, arch });
    }
    Ok((named, warnings))
}

/// The rules that the names of a policy stand for; `None` if `resolve` fails. A caller
/// that needs no more is spared the search for what misspelt names may mean.
#[must_use]
pub fn rules(policy: &Policy, arch: Arch) -> Option<Vec<ResolvedRule>> {
    let is_known = |name: &String| names::look_up(name, arch) != Lookup::Unknown;
    if !policy.names.iter().all(is_known) {
        return None;
    }
    Some(resolve(policy, arch).ok()?.0.rules)
}

/// What a policy without any rules means.
fn nothing_left(policy: &Policy) -> Option<Warning> {
    match policy.list {
        List::Allow if policy.action == Action::Log => Some(Warning::EverythingLogged),
        List::Allow => Some(Warning::NothingAllowed),
        List::Deny => Some(Warning::NothingDenied),
    }
}

fn unknown_names(policy: &Policy, arch: Arch) -> Vec<UnknownName> {
    let is_unknown = |name: &&String| names::look_up(name, arch) == Lookup::Unknown;
    let unknown = policy.names.iter().filter(is_unknown);
    unknown.map(|name| names::suggest(name, arch)).collect()
}

struct Resolver<'a> {
    policy: &'a Policy,
    arch: Arch,
    rules: Vec<ResolvedRule>,
    warnings: Vec<Warning>,
}

impl Resolver<'_> {
    fn name(&mut self, name: &str, missing: &mut BTreeSet<&'static str>) -> Result<(), Error> {
        let own: Vec<_> = self.entries(name, name).collect();
        let here = !own.is_empty();
        if !here && self.policy.exact {
            return Err(Error::NotHere {
                name: name.to_owned(),
                arch: self.arch,
            });
        }
        self.rules.extend(own);
        let mut instead = Vec::new();
        if !self.policy.exact {
            self.add_variants(name, &mut instead);
            if self.policy.list == List::Allow {
                self.add_portable(name, &mut instead, missing);
            }
        }
        if !here {
            self.warnings.push(Warning::NotHere {
                name: name.to_owned(),
                arch: self.arch,
                instead,
            });
        }
        Ok(())
    }

    /// How `call` can be called here, as rules added because of `name`: by its own
    /// number, by a multiplexer, by both, or not at all.
    fn entries(&self, call: &str, name: &str) -> impl Iterator<Item = ResolvedRule> + use<> {
        let because = |by: &str| (by != name).then(|| name.to_owned());
        let rule = |by: &str, when: Vec<Condition>| {
            let Lookup::Number(number) = names::look_up(by, self.arch) else {
                return None;
            };
            Some(ResolvedRule {
                name: by.to_owned(),
                number,
                when,
                verdict: None,
                because: because(by),
            })
        };
        let through =
            multiplexed::of(call).and_then(|(multiplexer, call)| rule(multiplexer, vec![call]));
        rule(call, Vec::new()).into_iter().chain(through)
    }

    /// Adds the other forms of the same call to the rules and to `added`.
    fn add_variants(&mut self, name: &str, added: &mut Vec<String>) {
        for variant in variants::of(name).skip(1) {
            let entries: Vec<_> = self.entries(variant, name).collect();
            self.add(entries, added);
        }
    }

    /// Adds what a C library may call instead of `name`.
    fn add_portable(
        &mut self,
        name: &str,
        added: &mut Vec<String>,
        missing: &mut BTreeSet<&'static str>,
    ) {
        for substitute in variants::of(name).flat_map(portable::of) {
            let before = self.rules.len();
            let mut unclear = false;
            for by in variants::of(substitute.by) {
                let mut entries: Vec<_> = self.entries(by, name).collect();
                if !substitute.when.is_empty() {
                    // The arguments of a multiplexed call are in memory.
                    entries.retain(|rule| rule.name == by);
                    if entries.is_empty() || !arguments::have_one_order(by, substitute.by) {
                        continue;
                    }
                    if !arguments::are_common(by, self.arch) {
                        unclear = true;
                        continue;
                    }
                    for rule in &mut entries {
                        rule.when = substitute.when.to_vec();
                    }
                }
                self.add(entries, added);
            }
            if unclear && self.rules.len() == before {
                missing.insert(substitute.by);
            }
        }
    }

    fn add(&mut self, rules: Vec<ResolvedRule>, added: &mut Vec<String>) {
        for rule in rules {
            if !added.contains(&rule.name) {
                added.push(rule.name.clone());
            }
            self.rules.push(rule);
        }
    }

    /// Adds the calls that can't be forbidden if the vDSO answers them.
    fn add_vdso(&mut self) {
        for call in self.arch.vdso().iter().flat_map(|call| variants::of(call)) {
            self.rules.extend(self.entries(call, VDSO));
        }
    }

    /// Warns of calls that a deny-list can't forbid.
    fn warn_of_vdso(&mut self) {
        let is_answered =
            |name: &&String| variants::of(name).any(|call| self.arch.vdso().contains(&call));
        let names: Vec<_> = self
            .policy
            .names
            .iter()
            .filter(is_answered)
            .cloned()
            .collect();
        if !names.is_empty() {
            self.warnings.push(Warning::VdsoAnswers { names });
        }
    }

    /// Warns of calls that a deny-list leaves open.
    fn warn_of_relatives(&mut self) {
        let policy = self.policy;
        for name in &policy.names {
            let mut open = BTreeSet::new();
            for call in variants::of(name) {
                let near = std::iter::once(call).chain(relatives::of(call));
                for call in near {
                    let variants = variants::of(call).filter(|call| self.is_open(call));
                    open.extend(variants.map(str::to_owned));
                }
            }
            if !open.is_empty() {
                self.warnings.push(Warning::RelativesOpen {
                    name: name.to_owned(),
                    open: open.into_iter().collect(),
                });
            }
        }
    }

    /// Whether there is a way to make this call that no rule covers.
    fn is_open(&self, call: &str) -> bool {
        let is_covered = |entry: &ResolvedRule| {
            let covers = |rule: &&ResolvedRule| {
                rule.number == entry.number && (rule.when.is_empty() || rule.when == entry.when)
            };
            self.rules.iter().any(|rule| covers(&rule))
        };
        !self.entries(call, call).all(|entry| is_covered(&entry))
    }
}

/// Sorts the rules, and drops those that another rule makes redundant: the same
/// conditions for another reason, or a call that is covered without conditions.
fn tidy(mut rules: Vec<ResolvedRule>) -> Vec<ResolvedRule> {
    rules.sort_by(|a, b| {
        let key = |rule: &ResolvedRule| (rule.number, rule.when.clone(), rule.because.clone());
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    // An empty list of conditions sorts first, and so does no reason.
    rules.dedup_by(|later, first| {
        later.number == first.number && (first.when.is_empty() || later.when == first.when)
    });
    rules
}
