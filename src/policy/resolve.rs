//! From names to the numbers and conditions of an architecture.

mod expand;
mod tidy;

use std::collections::BTreeSet;

use sandbox_format::bpf::Test;

use self::expand::Resolver;
use super::names::{self, Lookup};
use super::{Action, Arch, Error, Policy, Rule, Subject, Warning, errno, error, groups};

/// A policy for the programs of one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The policy as requested.
    pub policy: Policy,
    /// The architecture of the program.
    pub arch: Arch,
    /// The rules for each ABI that the policy holds for: first the program's own.
    pub abis: Vec<Abi>,
    /// The version of sandbox-patch that resolved it.
    pub version: String,
}

/// The rules for the system calls of an ABI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abi {
    /// The ABI.
    pub arch: Arch,
    /// The rules, by number; the first that holds decides.
    pub rules: Vec<ResolvedRule>,
    /// From which number on calls are newer than all that were known when this was
    /// resolved (counted from the first number of the ABI), if the policy treats these
    /// otherwise.
    pub unknown_from: Option<u32>,
}

/// What happens to a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedRule {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u32,
    /// Tests of its arguments, all of which must hold.
    pub when: Vec<Test>,
    /// What happens to it.
    pub action: Action,
    /// The name in the policy that caused the rule to be added, or [`VDSO`]; `None` if
    /// the policy names the call itself.
    pub because: Option<String>,
    /// Which rule of the policy it comes from; `None` if none does.
    pub rule: Option<usize>,
}

/// Used instead of a name in [`ResolvedRule::because`] for an added call that the vDSO
/// answers elsewhere.
pub const VDSO: &str = "vdso";

/// So many warnings are told, and how many others there are.
const TOLD: usize = 100;

impl Abi {
    /// The ranges of numbers of calls that are newer than all that were known.
    pub(crate) fn newer(&self) -> Vec<(u32, u32)> {
        let Some(from) = self.unknown_from else {
            return Vec::new();
        };
        let arch = self.arch;
        let last = if arch == Arch::X86_64 {
            Arch::X32.first_number() - 1
        } else {
            // A tracer sets -1 to skip a call.
            u32::MAX - 1
        };
        // What was learnt since is newer than what was known then.
        let known = names::later_numbers(arch, names::newest() + 1).into_iter();
        let foreign = arch.foreign_numbers().iter();
        let foreign = foreign.filter(|(_, of)| of.is_none());
        let foreign = foreign.flat_map(|((first, last), _)| *first..=*last);
        let mut taken: Vec<u32> = known.chain(foreign).collect();
        taken.sort_unstable();
        let mut ranges = Vec::new();
        let mut first = arch.first_number().saturating_add(from);
        for number in taken {
            if first < number {
                ranges.push((first, number - 1));
            }
            first = first.max(number.saturating_add(1));
        }
        if first <= last {
            ranges.push((first, last));
        }
        ranges
    }
}

impl Resolved {
    /// Whether all calls are permitted.
    #[must_use]
    pub fn denies_nothing(&self) -> bool {
        let mut rules = self.rules().iter();
        self.policy.default == Action::Allow && rules.all(|rule| rule.action == Action::Allow)
    }

    /// The rules for the program's own ABI.
    #[must_use]
    pub fn rules(&self) -> &[ResolvedRule] {
        self.abis.first().map_or(&[], |abi| &abi.rules)
    }

    /// The rules that were added to what the policy names.
    pub fn added(&self) -> impl Iterator<Item = &ResolvedRule> {
        self.rules().iter().filter(|rule| rule.because.is_some())
    }

    /// Whether a call of the program's own ABI is permitted, at least with some arguments.
    #[must_use]
    pub fn may_call(&self, name: &str) -> bool {
        let Some(number) = names::number(name, self.arch) else {
            return false;
        };
        for rule in self.rules().iter().filter(|rule| rule.number == number) {
            if rule.action.permits() {
                return true;
            }
            if rule.when.is_empty() {
                return false;
            }
        }
        self.policy.default.permits()
    }
}

/// Resolves a policy for an architecture.
///
/// # Errors
///
/// Some names do not exist or, in an exact policy, are not available on the architecture;
/// a condition can't be tested; or the architecture is not supported.
pub fn resolve(policy: &Policy, arch: Arch) -> Result<(Resolved, Vec<Warning>), Error> {
    if arch == Arch::X32 {
        return Err(Error::UnsupportedArch(arch));
    }
    let (policy, mut warnings) = with_names(policy, arch)?;
    require_known(&policy, arch)?;
    warnings.extend(errors_that_differ(&policy, arch));

    let mut abis = Vec::new();
    for abi in held_for(&policy, arch) {
        let mut resolver = Resolver::new(&policy, abi, abi == arch);
        resolver.resolve()?;
        if abi == arch {
            resolver.warn();
            warnings.append(&mut resolver.warnings);
        }
        abis.push(Abi {
            arch: abi,
            rules: resolver.finish(&mut warnings),
            unknown_from: policy.unknown.map(|_| names::newest() + 1),
        });
    }
    let resolved = Resolved {
        policy,
        arch,
        abis,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let is_left_out = |warning: &Warning| matches!(warning, Warning::LeftOut { .. });
    if resolved.denies_nothing()
        && let Some(warning) = warnings.iter().find(|warning| is_left_out(warning))
    {
        return Err(Error::NothingKnown(warning.to_string()));
    }
    if warnings.len() > TOLD {
        let others = warnings.len() - TOLD;
        warnings.truncate(TOLD);
        warnings.push(Warning::Others(others));
    }
    if resolved.rules().is_empty() {
        warnings.extend(nothing_left(&resolved.policy));
    }
    Ok((resolved, warnings))
}

/// What [`resolve`] makes of a policy, without a word; `None` if it fails. A caller that
/// needs no more is spared the search for what misspelt names may mean.
pub(super) fn abis(policy: &Policy, arch: Arch) -> Option<Vec<Abi>> {
    let is_known = |rule: &Rule| match &rule.subject {
        Subject::Call(name) => policy.lenient || names::look_up(name, arch) != Lookup::Unknown,
        Subject::Group(name) => groups::find(name).is_some(),
    };
    if !policy.rules.iter().all(is_known) {
        return None;
    }
    Some(resolve(policy, arch).ok()?.0.abis)
}

/// The ABIs that a policy holds for: first that of the program.
fn held_for(policy: &Policy, arch: Arch) -> impl Iterator<Item = Arch> {
    let others = arch
        .machine()
        .iter()
        .copied()
        .filter(move |abi| *abi != arch);
    let is_held = |abi: &Arch| match &policy.architectures {
        Some(named) => named.contains(abi),
        None => policy.default.permits(),
    };
    std::iter::once(arch).chain(others.filter(is_held))
}

/// The policy with names instead of numbers, and warnings that say what each number is.
fn with_names(policy: &Policy, arch: Arch) -> Result<(Policy, Vec<Warning>), Error> {
    let mut named = policy.clone();
    let mut warnings = Vec::new();
    for rule in &mut named.rules {
        let Subject::Call(given) = &mut rule.subject else {
            continue;
        };
        let Ok(number) = given.parse() else { continue };
        let name = names::name(number, arch);
        let number = given.clone();
        let Some(name) = name else {
            return Err(Error::UnknownNumber { number, arch });
        };
        given.clone_from(&name);
        warnings.push(Warning::Number { number, name, arch });
    }
    if !warnings.is_empty() {
        named.rules = super::rule::in_order(named.rules);
    }
    Ok((named, warnings))
}

fn require_known(policy: &Policy, arch: Arch) -> Result<(), Error> {
    let mut unknown = Vec::new();
    for Rule {
        subject, origin, ..
    } in &policy.rules
    {
        match subject {
            Subject::Group(name) if groups::find(name).is_none() => {
                return Err(Error::UnknownGroup {
                    name: name.clone(),
                    origin: origin.clone(),
                    suggestions: names::alike(name, groups::all().map(|group| group.name))
                        .into_iter()
                        .map(|name| format!("@{name}"))
                        .collect(),
                });
            }
            Subject::Call(name)
                if !policy.lenient && names::look_up(name, arch) == Lookup::Unknown =>
            {
                unknown.push((origin, name));
            }
            _ => {}
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.sort();
    // One more than is told, so that others are known of.
    let told = unknown.into_iter().take(error::TOLD + 1);
    let told = told.map(|(origin, name)| names::suggest(name, origin.clone(), arch));
    Err(Error::UnknownNames(told.collect()))
}

/// What a policy without any rules means.
fn nothing_left(policy: &Policy) -> Option<Warning> {
    match policy.default {
        Action::Log => Some(Warning::EverythingLogged),
        Action::Allow => Some(Warning::NothingDenied),
        _ => Some(Warning::NothingAllowed),
    }
}

fn errors_that_differ(policy: &Policy, arch: Arch) -> BTreeSet<Warning> {
    let actions = policy.rules.iter().map(|rule| rule.action);
    let actions = actions.chain([policy.default]).chain(policy.unknown);
    actions
        .filter_map(|action| match action {
            Action::Errno(number) if number > errno::LAST_COMMON && arch.has_own_errno() => {
                Some(Warning::ErrnoDiffers { number, arch })
            }
            _ => None,
        })
        .collect()
}
