//! What runc and crun make of a profile with libseccomp.
//!
//! Both skip entries whose action is the default one, and names that libseccomp does not
//! know, and have comparisons of one argument be alternatives: with two or more of an
//! argument, each comparison of the entry is one by itself (matchCall in runc's
//! libcontainer/seccomp/seccomp_linux.go, libcrun_generate_seccomp in crun's
//! src/libcrun/seccomp.c).
//!
//! libseccomp (db_rule_add in src/db.c) does not try rules in order: one without comparisons
//! replaces those with some, and once it is there, others of its call change nothing. Rules
//! with comparisons are kept in a tree that it sorts by argument, operator and value. Where
//! two with different actions hold at once, some of these trees decide for the one and some
//! for the other, in part differently for the two halves of a register, and some are refused.
//! Nobody who wrote such a profile can have meant that: it is refused here too.

use std::collections::{BTreeMap, BTreeSet};

use sandbox_format::bpf::Test;

use super::super::size::Size;
use super::node::wrong;
use super::profile::{Entry, Profile};
use super::{Input, Misread};
use crate::policy::condition::{Condition, Operand, Value};
use crate::policy::item::Item;
use crate::policy::{Action, Arch, Draft, Subject, cubes, multiplexed, names};

/// The most rules with comparisons of a call that has several actions.
const MAX_COMPARED: usize = 256;

/// A rule as libseccomp is given it.
#[derive(Clone)]
struct Given<'a> {
    name: &'a str,
    tests: Vec<Test>,
    action: Action,
    offset: usize,
}

pub(super) fn draft(profile: &Profile, input: &Input<'_>) -> Result<Draft, Misread> {
    let own = input.options.arch;
    let others = profile.architectures.iter().copied();
    let abis: Vec<Arch> = std::iter::once(own).chain(others).collect();
    let mut given = Vec::new();
    let mut size = Size::default();
    for entry in &profile.entries {
        if entry.action != profile.default {
            require_short(entry, &abis)?;
            let offset = entry.names.first().map_or(0, |(_, offset)| *offset);
            size.add(entry.names.len() * (1 + entry.tests.len()), offset)?;
            given.extend(rules(entry));
        }
    }
    let ordered = in_order(given, profile.default, &abis)?;
    let items = ordered.iter().map(|rule| Item {
        subject: Subject::Call(rule.name.to_owned()),
        when: condition(&rule.tests),
        action: Some(rule.action),
        origin: Some((input.origin)(rule.offset)),
    });
    Ok(Draft {
        allow: Some(items.collect()),
        default: Some(profile.default),
        // SCMP_FLTATR_ACT_BADARCH, which neither sets.
        foreign: Some(Action::KillThread),
        architectures: Some(profile.architectures.clone()),
        exact: Some(true),
        lenient: Some(true),
        ..Draft::default()
    })
}

/// The rules in the order in which the first that holds is the one that libseccomp decides
/// for.
fn in_order<'a>(
    given: Vec<Given<'a>>,
    default: Action,
    abis: &[Arch],
) -> Result<Vec<Given<'a>>, Misread> {
    let (mut free, mut compared): (Vec<_>, Vec<_>) =
        given.into_iter().partition(|rule| rule.tests.is_empty());
    let decided: BTreeSet<&str> = free.iter().map(|rule| rule.name).collect();
    let is_here = |name| abis.iter().any(|abi| names::number(name, *abi).is_some());
    let through = |rule| {
        let made = Through::of(rule)?;
        let is_open = !decided.contains(made.multiplexer) && is_here(made.multiplexer);
        is_open.then_some(made)
    };
    let is_open = |rule: &&Given<'_>| !decided.contains(rule.name);
    let made: Vec<_> = compared
        .iter()
        .filter(is_open)
        .filter_map(through)
        .collect();
    let guards = made.iter().filter(|made| !made.rule.action.permits());
    let guards: Vec<_> = guards.map(|made| made.guard(default)).collect();
    let made: Vec<_> = made.iter().map(Through::given).collect();
    let by_all = free.iter().filter_map(through).map(|made| made.given());
    let by_all: Vec<_> = by_all.collect();
    require_disjoint(compared.iter().filter(is_open).chain(&made).chain(&by_all))?;
    // A multiplexer stands before the calls that it makes.
    free.sort_by_key(|rule| !is_multiplexer(rule.name));
    compared.sort_by_key(|rule| !is_multiplexer(rule.name));
    let multiplexers = compared.iter().take_while(|rule| is_multiplexer(rule.name));
    let rest = compared.split_off(multiplexers.count());
    Ok([free, made, compared, guards, rest].concat())
}

fn is_multiplexer(name: &str) -> bool {
    matches!(name, "socketcall" | "ipc")
}

/// A call that is made through a multiplexer. libseccomp has a rule about the call be one
/// about the multiplexer too, in which the first argument says which call it is and the
/// others are compared as if they were those of the call (abi_rule_add in src/syscalls.c):
/// they are not, but that is what its filters do.
struct Through<'r, 'a> {
    multiplexer: &'static str,
    tells: Test,
    rule: &'r Given<'a>,
}

impl<'r, 'a> Through<'r, 'a> {
    fn of(rule: &'r Given<'a>) -> Option<Self> {
        let (multiplexer, tells) = multiplexed::of(rule.name)?;
        Some(Self {
            multiplexer,
            tells,
            rule,
        })
    }

    fn given(&self) -> Given<'a> {
        let rest = self.rule.tests.iter().filter(|test| test.arg != 0);
        let tells = Test::equal(0, u64::MAX, self.tells.value);
        Given {
            name: self.multiplexer,
            tests: std::iter::once(tells).chain(rest.copied()).collect(),
            ..*self.rule
        }
    }

    /// Nothing but what libseccomp makes of it is to be denied, whatever a rule about the
    /// call means to policies of our own.
    fn guard(&self, default: Action) -> Given<'a> {
        Given {
            name: self.multiplexer,
            tests: vec![self.tells],
            action: default,
            offset: self.rule.offset,
        }
    }
}

/// What libseccomp is given for an entry: for each call one rule, or one for each comparison.
fn rules(entry: &Entry) -> Vec<Given<'_>> {
    let has_two = |arg| {
        entry
            .tests
            .iter()
            .filter(|(test, _)| test.arg == arg)
            .count()
            > 1
    };
    let tests: Vec<Test> = entry.tests.iter().map(|(test, _)| *test).collect();
    let alternatives: Vec<Vec<Test>> = match (0..6).any(has_two) {
        true => tests.into_iter().map(|test| vec![test]).collect(),
        false => vec![tests],
    };
    let alternatives: Vec<Vec<Test>> = alternatives.into_iter().map(without_idle).collect();
    let mut given = Vec::new();
    for (name, offset) in &entry.names {
        given.extend(alternatives.iter().map(|tests| Given {
            name,
            tests: tests.clone(),
            action: entry.action,
            offset: *offset,
        }));
    }
    given
}

/// Without masks of no bits, about which libseccomp makes no test (_db_rule_gen_64 in
/// src/db.c).
fn without_idle(mut tests: Vec<Test>) -> Vec<Test> {
    tests.retain(|test| test.mask != 0);
    tests
}

/// libseccomp compares no more than the lower half of a register on ABIs that it takes for
/// ones of 32 bits (_db_rule_gen_32 in src/db.c), and cuts off what does not fit there.
fn require_short(entry: &Entry, abis: &[Arch]) -> Result<(), Misread> {
    let Some((test, offset)) = entry.tests.iter().find(|(test, _)| test.value >> 32 != 0) else {
        return Ok(());
    };
    let has_call = |abi: &&Arch| {
        let mut names = entry.names.iter();
        names.any(|(name, _)| names::number(name, **abi).is_some())
    };
    let short = abis.iter().filter(|abi| abi.has_32_bit_addresses());
    match short.clone().find(has_call) {
        Some(abi) => Err(wrong(
            *offset,
            format!(
                "{:#x} has more than the 32 bits that libseccomp compares on {abi}, which the profile is also for",
                test.value
            ),
        )),
        None => Ok(()),
    }
}

/// Fails if two rules of a call hold at once and do different things.
fn require_disjoint<'r, 'a: 'r>(rules: impl Iterator<Item = &'r Given<'a>>) -> Result<(), Misread> {
    let mut by_name: BTreeMap<&str, Vec<&Given<'_>>> = BTreeMap::new();
    for rule in rules {
        let earlier = by_name.entry(rule.name).or_default();
        let others = earlier.iter().filter(|other| other.action != rule.action);
        for (count, other) in others.enumerate() {
            if count >= MAX_COMPARED {
                let problem = format!("{} has too many entries with different actions", rule.name);
                return Err(wrong(rule.offset, problem));
            }
            let both = [&other.tests[..], &rule.tests].concat();
            if !matches!(cubes::of_tests(&both), Ok(none) if none.is_empty()) {
                let problem = format!(
                    "this gives {} {} with some arguments for which an earlier entry gives it {}; libseccomp may do either: have them exclude each other",
                    rule.name, rule.action, other.action
                );
                return Err(wrong(rule.offset, problem));
            }
        }
        earlier.push(rule);
    }
    Ok(())
}

fn condition(tests: &[Test]) -> Option<Condition> {
    let compare = |test: &Test| {
        let operand = Operand {
            parameter: format!("arg{}", test.arg),
            raw: true,
            mask: (test.mask != u64::MAX).then(|| Value::Number(test.mask.into())),
        };
        Condition::Compare(operand, test.comparison, Value::Number(test.value.into()))
    };
    match tests {
        [] => None,
        [test] => Some(compare(test)),
        _ => Some(Condition::All(tests.iter().map(compare).collect())),
    }
}
