//! What a policy that denies leaves open.

use std::collections::BTreeSet;

use sandbox_format::bpf::Test;
use sandbox_format::portable;

use super::{ResolvedRule, Resolver, stands_in};
use crate::policy::condition::{Condition, normal};
use crate::policy::{Subject, Warning, multiplexed, names, relatives, variants};

/// Calls, and those that do the same with what they find in memory.
const HIDING: &[(&str, &str)] = &[
    ("clone", "clone3"),
    ("open", "openat2"),
    ("openat", "openat2"),
];

impl<'a> Resolver<'a> {
    /// Warns of what the policy may not achieve.
    pub(in crate::policy::resolve) fn warn(&mut self) {
        if !self.missing.is_empty() {
            self.warnings.push(Warning::PortableIncomplete {
                arch: self.arch,
                missing: self.missing.iter().map(|&name| name.to_owned()).collect(),
            });
        }
        if self.policy.default.permits() {
            self.warn_of_relatives();
            self.warn_of_substitutes();
            self.warn_of_vdso();
        }
    }

    /// The calls that the policy denies by name, whatever their arguments are.
    fn denied(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.policy
            .rules
            .iter()
            .filter_map(|rule| match &rule.subject {
                Subject::Call(name) if rule.when.is_none() && !rule.action.permits() => {
                    Some(name.as_str())
                }
                _ => None,
            })
    }

    /// Warns of calls that a deny-list can't forbid.
    fn warn_of_vdso(&mut self) {
        let is_answered =
            |name: &&str| variants::of(name).any(|call| self.arch.vdso().contains(&call));
        let names: Vec<_> = self
            .denied()
            .filter(is_answered)
            .map(str::to_owned)
            .collect();
        if !names.is_empty() {
            self.warnings.push(Warning::VdsoAnswers { names });
        }
    }

    /// Warns of calls that a deny-list leaves open.
    fn warn_of_relatives(&mut self) {
        for name in self.denied() {
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

    /// Warns of calls that do the same as one that is denied with some arguments, and of
    /// which the policy says nothing: those that have these arguments, too, and those that
    /// have them in memory.
    fn warn_of_substitutes(&mut self) {
        let mut told = BTreeSet::new();
        for rule in &self.policy.rules {
            let (Subject::Call(name), Some(when), false) =
                (&rule.subject, &rule.when, rule.action.permits())
            else {
                continue;
            };
            let substitutes = variants::of(name).flat_map(portable::of).map(|it| it.by);
            let same =
                substitutes.filter(|by| stands_in(name, by) && self.has_same(when, name, by));
            let hiding = HIDING.iter().filter(|(call, _)| call == name);
            let hiding = hiding.map(|(_, by)| *by);
            let open = same.chain(hiding).filter(|by| !self.is_ruled(by));
            let open: BTreeSet<_> = open.collect();
            if !open.is_empty() && told.insert(name) {
                self.warnings.push(Warning::RelativesOpen {
                    name: rule.to_string(),
                    open: open.into_iter().map(str::to_owned).collect(),
                });
            }
        }
    }

    /// Whether a condition on one call says something about another.
    fn has_same(&self, when: &Condition, name: &str, by: &str) -> bool {
        let when = when.with_names(name);
        when.is_some_and(|when| normal(&when, by, self.arch).is_ok())
    }

    /// Whether a rule says something of this call, or it can't be made.
    fn is_ruled(&self, call: &str) -> bool {
        let number = names::number(call, self.arch);
        number.is_none_or(|number| self.rules.iter().any(|rule| rule.number == number))
    }

    /// Whether there is a way to make this call that no rule covers.
    fn is_open(&self, call: &str) -> bool {
        let is_covered = |number: u32, tests: &[Test]| {
            let covers = |rule: &&ResolvedRule| {
                rule.number == number && (rule.when.is_empty() || rule.when == tests)
            };
            self.rules.iter().any(|rule| covers(&rule))
        };
        let number = |name| names::number(name, self.arch);
        let by_itself = number(call).map(|number| (number, Vec::new()));
        let through = multiplexed::of(call);
        let through = through.and_then(|(by, tells)| Some((number(by)?, vec![tells])));
        let mut ways = by_itself.into_iter().chain(through);
        !ways.all(|(number, tests)| is_covered(number, &tests))
    }
}
