//! Whether the names of a recorded policy, which people read, mean the numbers that are
//! enforced, whichever version wrote both.

use std::collections::BTreeSet;

use super::names::{self, Lookup};
use super::resolve::abis;
use super::{
    Abi, Action, Policy, Resolved, ResolvedRule, Rule, Subject, VDSO, groups, multiplexed,
};

impl Resolved {
    /// Whether the rules are those that this version makes of the policy.
    #[must_use]
    pub fn is_of_today(&self) -> bool {
        let Some(today) = abis(&self.policy, self.arch) else {
            return false;
        };
        let mut pairs = self.abis.iter().zip(&today);
        self.abis.len() == today.len() && pairs.all(|(one, other)| one.says_the_same_as(other))
    }

    /// Whether each number belongs to its name, each listed name is covered, and no more
    /// is permitted than the names stand for today.
    #[must_use]
    pub fn agrees_with_its_names(&self) -> bool {
        let known = Policy {
            rules: self
                .policy
                .rules
                .iter()
                .filter(|rule| self.is_known(rule))
                .cloned()
                .collect(),
            ..self.policy.clone()
        };
        let today = abis(&known, self.arch).unwrap_or_default();
        let of_today = |abi: &Abi| today.iter().find(|today| today.arch == abi.arch);
        let is_right = |abi: &Abi| {
            let today = of_today(abi).map_or(&[][..], |today| &today.rules);
            abi.rules.iter().all(|rule| self.is_due(rule, abi, today))
                && today
                    .iter()
                    .all(|rule| rule.action.permits() || is_kept(rule, abi, today))
        };
        self.abis
            .iter()
            .all(|abi| is_right(abi) && self.knows_what_is_unknown(abi))
            && today
                .iter()
                .all(|today| self.abis.iter().any(|abi| abi.arch == today.arch))
            && self.policy.rules.iter().all(|rule| self.is_covered(rule))
    }

    /// Whether calls are said to be unknown that no version did not know, or none are
    /// though the policy has an action for them.
    fn knows_what_is_unknown(&self, abi: &Abi) -> bool {
        /// The first number that the first version with such actions did not know.
        const FIRST: u32 = 472;
        match abi.unknown_from {
            Some(from) => self.policy.unknown.is_some() && from >= FIRST,
            None => self.policy.unknown.is_none(),
        }
    }

    /// Whether this version can tell what a rule stands for.
    fn is_known(&self, rule: &Rule) -> bool {
        match &rule.subject {
            Subject::Group(name) => groups::find(name).is_some(),
            Subject::Call(name) => match names::look_up(name, self.arch) {
                Lookup::Number(_) => true,
                Lookup::Elsewhere | Lookup::Unknown if self.policy.lenient => true,
                Lookup::Elsewhere => !self.policy.exact || multiplexed::of(name).is_some(),
                Lookup::Unknown => false,
            },
        }
    }

    /// Whether a rule is one that the policy's names stand for.
    fn is_due(&self, rule: &ResolvedRule, abi: &Abi, today: &[ResolvedRule]) -> bool {
        // A call that is new since this version has a number that is new as well.
        let is_new = match names::look_up(&rule.name, abi.arch) {
            Lookup::Number(number) if number == rule.number => false,
            Lookup::Number(_) => return false,
            Lookup::Elsewhere | Lookup::Unknown => {
                if names::name(rule.number, abi.arch).is_some() {
                    return false;
                }
                true
            }
        };
        if !self.is_named(rule) {
            return false;
        }
        // One that denies more can be read, and denies more.
        let is_as_wide = |known: &ResolvedRule| {
            known.number == rule.number
                && known.action == rule.action
                && known.when.iter().all(|it| rule.when.contains(it))
        };
        is_new || !rule.action.permits() || today.iter().any(is_as_wide)
    }

    /// Whether the policy has the name that a rule comes from.
    fn is_named(&self, rule: &ResolvedRule) -> bool {
        let Some(index) = rule.rule else {
            return rule.because.as_deref() == Some(VDSO) && rule.action == Action::Allow;
        };
        let name = rule.because.as_ref().unwrap_or(&rule.name);
        let asked = self.policy.rules.get(index);
        let Some(asked) = asked.filter(|asked| asked.action == rule.action) else {
            return false;
        };
        match &asked.subject {
            // What is named without a condition has none.
            Subject::Call(listed) if rule.because.is_none() => {
                listed == name && (asked.when.is_some() || rule.when.is_empty())
            }
            Subject::Call(listed) => listed == name,
            Subject::Group(_) => true,
        }
    }

    /// Whether a call that the policy names has a rule, if it is a call here.
    fn is_covered(&self, rule: &Rule) -> bool {
        let Subject::Call(name) = &rule.subject else {
            return true;
        };
        let has_rule = |is_it: &dyn Fn(&ResolvedRule) -> bool| self.rules().iter().any(is_it);
        match names::look_up(name, self.arch) {
            Lookup::Number(number) => has_rule(&|rule| rule.number == number),
            Lookup::Elsewhere => true,
            Lookup::Unknown => {
                !self.policy.default.permits() || has_rule(&|rule| rule.name == *name)
            }
        }
    }
}

impl Abi {
    /// Whether the rules are the same; the order of those with one action says nothing.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let sorted = |abi: &Self| {
            let mut rules = abi.rules.clone();
            let is_one = |one: &ResolvedRule, other: &ResolvedRule| {
                one.number == other.number && one.action == other.action
            };
            for rules in rules.chunk_by_mut(is_one) {
                rules.sort_by(|one, other| one.when.cmp(&other.when));
            }
            rules
        };
        self.arch == other.arch
            && self.unknown_from == other.unknown_from
            && sorted(self) == sorted(other)
    }
}

/// Whether the recorded rules have what today denies, and permit no more before it.
fn is_kept(denial: &ResolvedRule, abi: &Abi, today: &[ResolvedRule]) -> bool {
    let before: BTreeSet<_> = today
        .iter()
        .filter(|rule| rule.number == denial.number)
        .take_while(|rule| *rule != denial)
        .map(|rule| &rule.when)
        .collect();
    for rule in abi.rules.iter().filter(|rule| rule.number == denial.number) {
        let is_as_wide = rule.when.iter().all(|test| denial.when.contains(test));
        if !rule.action.permits() && is_as_wide {
            return rule.action == denial.action;
        }
        if rule.action.permits() && !before.contains(&rule.when) {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Action, Arch, resolve};

    #[derive(Clone, Copy, Debug)]
    enum List {
        Allow,
        Deny,
    }

    fn of_another_version(list: List, names: &[&str]) -> Resolved {
        let names = names.iter().copied();
        let policy = match list {
            List::Allow => Policy::allow(names, Action::KillProcess),
            List::Deny => Policy::deny(names, Action::KillProcess),
        };
        let (mut resolved, _) = resolve(&policy, Arch::X86_64).expect("known names");
        resolved.version = "0.0.1".to_owned();
        resolved
    }

    fn rule(name: &str, number: u32, because: Option<&str>) -> ResolvedRule {
        ResolvedRule {
            name: name.to_owned(),
            number,
            when: Vec::new(),
            action: Action::Allow,
            rule: Some(0),
            because: because.map(str::to_owned),
        }
    }

    fn name(resolved: &mut Resolved, name: &str) {
        let action = resolved.policy.rules[0].action;
        resolved.policy.rules.push(Rule::of_call(name, action));
    }

    const EXECVE: u32 = 59;
    const UNAME: u32 = 63;

    #[test]
    fn what_names_stand_for_agrees_with_them() {
        for list in [List::Allow, List::Deny] {
            let resolved = of_another_version(list, &["fstat", "write", "uname", "socketcall"]);
            assert!(resolved.agrees_with_its_names());
        }
    }

    #[test]
    fn fewer_substitutes_than_today_are_no_contradiction() {
        let mut resolved = of_another_version(List::Allow, &["write", "uname"]);
        resolved.abis[0].rules.retain(|rule| rule.because.is_none());
        assert!(resolved.agrees_with_its_names());
    }

    #[test]
    fn a_call_that_this_version_does_not_know_has_a_number_that_it_does_not_know() {
        for (number, agrees) in [(1000, true), (EXECVE, false)] {
            let mut resolved = of_another_version(List::Allow, &["uname"]);
            name(&mut resolved, "of_tomorrow");
            let mut rule = rule("of_tomorrow", number, None);
            rule.rule = Some(1);
            resolved.abis[0].rules.push(rule);
            assert_eq!(resolved.agrees_with_its_names(), agrees, "{number}");
        }
    }

    #[test]
    fn a_number_that_is_not_the_name_s_is_a_contradiction() {
        let mut resolved = of_another_version(List::Allow, &["uname"]);
        resolved.abis[0].rules[0].number = EXECVE;
        assert!(!resolved.agrees_with_its_names());
    }

    #[test]
    fn a_call_that_is_not_listed_is_a_contradiction() {
        for because in [None, Some("uname"), Some("open")] {
            let mut resolved = of_another_version(List::Allow, &["uname"]);
            resolved.abis[0].rules.push(rule("execve", EXECVE, because));
            assert!(!resolved.agrees_with_its_names(), "{because:?}");
        }
    }

    #[test]
    fn a_listed_call_with_a_verdict_of_its_own_is_a_contradiction() {
        for list in [List::Allow, List::Deny] {
            let mut resolved = of_another_version(list, &["uname", "execve"]);
            let rule = &mut resolved.abis[0].rules[0];
            rule.action = if rule.action.permits() {
                Action::Trap
            } else {
                Action::Allow
            };
            assert!(!resolved.agrees_with_its_names());
        }
    }

    #[test]
    fn a_substitute_without_its_conditions_is_a_contradiction() {
        let mut resolved = of_another_version(List::Allow, &["write"]);
        let ioctl = resolved.abis[0]
            .rules
            .iter_mut()
            .find(|rule| rule.name == "ioctl");
        ioctl.expect("a substitute").when.clear();
        assert!(!resolved.agrees_with_its_names());
    }

    #[test]
    fn calls_that_every_version_knew_are_not_unknown() {
        for (from, agrees) in [
            (Some(480), true),
            (Some(472), true),
            (Some(471), false),
            (Some(0), false),
            (None, false),
        ] {
            let mut resolved = of_another_version(List::Allow, &["uname"]);
            resolved.policy.unknown = Some(Action::Allow);
            resolved.abis[0].unknown_from = from;
            assert_eq!(resolved.agrees_with_its_names(), agrees, "{from:?}");
        }
        let mut resolved = of_another_version(List::Allow, &["uname"]);
        resolved.abis[0].unknown_from = Some(480);
        assert!(!resolved.agrees_with_its_names());
    }

    #[test]
    fn a_listed_call_without_a_rule_is_a_contradiction() {
        for list in [List::Allow, List::Deny] {
            let mut resolved = of_another_version(list, &["uname", "execve"]);
            resolved.abis[0].rules.retain(|rule| rule.number != UNAME);
            assert!(!resolved.agrees_with_its_names());
        }
        let mut resolved = of_another_version(List::Deny, &["uname"]);
        name(&mut resolved, "of_tomorrow");
        assert!(!resolved.agrees_with_its_names());
    }
}
