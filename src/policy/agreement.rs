//! Whether the names of a recorded policy, which people read, mean the numbers that are
//! enforced, whichever version wrote both.

use super::names::{self, Lookup};
use super::{List, Policy, Resolved, ResolvedRule, VDSO, multiplexed, resolve};

impl Resolved {
    /// Whether each number belongs to its name, each listed name is covered, and an
    /// allow-list permits no more than its names stand for today.
    #[must_use]
    pub fn agrees_with_its_names(&self) -> bool {
        let today = self.rules_of_today();
        // The names are those of one list, which has one verdict.
        let is_right = |rule: &ResolvedRule| {
            rule.verdict.is_none() && self.is_named_rightly(rule) && self.is_due(rule, &today)
        };
        self.rules.iter().all(is_right) && self.policy.names.iter().all(|it| self.is_covered(it))
    }

    /// The rules that the known names stand for.
    fn rules_of_today(&self) -> Vec<ResolvedRule> {
        let is_known = |name: &&String| match names::look_up(name, self.arch) {
            Lookup::Number(_) => true,
            Lookup::Elsewhere => !self.policy.exact || multiplexed::of(name).is_some(),
            Lookup::Unknown => false,
        };
        let known = Policy {
            names: self.policy.names.iter().filter(is_known).cloned().collect(),
            ..self.policy.clone()
        };
        resolve(&known, self.arch).map_or_else(|_| Vec::new(), |(resolved, _)| resolved.rules)
    }

    /// A call that is new since this version has a number that is new as well.
    fn is_named_rightly(&self, rule: &ResolvedRule) -> bool {
        match names::look_up(&rule.name, self.arch) {
            Lookup::Number(number) => number == rule.number,
            Lookup::Elsewhere | Lookup::Unknown => names::name(rule.number, self.arch).is_none(),
        }
    }

    /// Whether the rule belongs to a name on the list.
    fn is_due(&self, rule: &ResolvedRule, today: &[ResolvedRule]) -> bool {
        let Some(because) = &rule.because else {
            return self.policy.names.contains(&rule.name) && rule.when.is_empty();
        };
        // One that denies more can be read, and denies more.
        let is_as_wide = |known: &ResolvedRule| {
            known.number == rule.number && known.when.iter().all(|it| rule.when.contains(it))
        };
        (because == VDSO || self.policy.names.contains(because))
            && (self.policy.list == List::Deny || today.iter().any(is_as_wide))
    }

    /// Whether a listed name has a rule without conditions, if it is a call here.
    fn is_covered(&self, name: &str) -> bool {
        let has_rule = |is_it: &dyn Fn(&ResolvedRule) -> bool| {
            self.rules
                .iter()
                .any(|rule| rule.when.is_empty() && is_it(rule))
        };
        match names::look_up(name, self.arch) {
            Lookup::Number(number) => has_rule(&|rule| rule.number == number),
            Lookup::Elsewhere => true,
            Lookup::Unknown => {
                self.policy.list == List::Allow || has_rule(&|rule| rule.name == name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::policy::{Action, Arch, Verdict};

    fn of_another_version(list: List, names: &[&str]) -> Resolved {
        let policy = Policy {
            list,
            names: names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<BTreeSet<_>>(),
            action: Action::KillProcess,
            exact: false,
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
            verdict: None,
            because: because.map(str::to_owned),
        }
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
        resolved.rules.retain(|rule| rule.because.is_none());
        assert!(resolved.agrees_with_its_names());
    }

    #[test]
    fn a_call_that_this_version_does_not_know_has_a_number_that_it_does_not_know() {
        for (number, agrees) in [(1000, true), (EXECVE, false)] {
            let mut resolved = of_another_version(List::Allow, &["uname"]);
            resolved.policy.names.insert("of_tomorrow".to_owned());
            resolved.rules.push(rule("of_tomorrow", number, None));
            assert_eq!(resolved.agrees_with_its_names(), agrees, "{number}");
        }
    }

    #[test]
    fn a_number_that_is_not_the_name_s_is_a_contradiction() {
        let mut resolved = of_another_version(List::Allow, &["uname"]);
        resolved.rules[0].number = EXECVE;
        assert!(!resolved.agrees_with_its_names());
    }

    #[test]
    fn a_call_that_is_not_listed_is_a_contradiction() {
        for because in [None, Some("uname"), Some("open")] {
            let mut resolved = of_another_version(List::Allow, &["uname"]);
            resolved.rules.push(rule("execve", EXECVE, because));
            assert!(!resolved.agrees_with_its_names(), "{because:?}");
        }
    }

    #[test]
    fn a_listed_call_with_a_verdict_of_its_own_is_a_contradiction() {
        for list in [List::Allow, List::Deny] {
            let mut resolved = of_another_version(list, &["uname", "execve"]);
            resolved.rules[0].verdict = Some(Verdict::Allow);
            assert!(!resolved.agrees_with_its_names());
        }
    }

    #[test]
    fn a_substitute_without_its_conditions_is_a_contradiction() {
        let mut resolved = of_another_version(List::Allow, &["write"]);
        let ioctl = resolved.rules.iter_mut().find(|rule| rule.name == "ioctl");
        ioctl.expect("a substitute").when.clear();
        assert!(!resolved.agrees_with_its_names());
    }

    #[test]
    fn a_listed_call_without_a_rule_is_a_contradiction() {
        for list in [List::Allow, List::Deny] {
            let mut resolved = of_another_version(list, &["uname", "execve"]);
            resolved.rules.retain(|rule| rule.number != UNAME);
            assert!(!resolved.agrees_with_its_names());
        }
        let mut resolved = of_another_version(List::Deny, &["uname"]);
        resolved.policy.names.insert("of_tomorrow".to_owned());
        assert!(!resolved.agrees_with_its_names());
    }
}
