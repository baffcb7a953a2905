//! What the rules of a policy are on an ABI.

mod open;

use std::collections::BTreeSet;

use sandbox_format::bpf::Test;
use sandbox_format::portable;

use super::{ResolvedRule, VDSO, tidy};
use crate::policy::condition::{Condition, Problem, combine, normal};
use crate::policy::error::Untestable;
use crate::policy::names::{self, Lookup};
use crate::policy::{
    Action, Arch, Error, Policy, Rule, Subject, Warning, arguments, groups, multiplexed, variants,
};

/// The most rules of an ABI. No policy needs as many, and few words could stand for more.
const MAX_RULES: usize = 1 << 18;

/// Makes the rules of a policy for one ABI.
pub(super) struct Resolver<'a> {
    policy: &'a Policy,
    arch: Arch,
    /// Whether it is the program's own ABI: what other ABIs lack needs no word.
    is_native: bool,
    rules: Vec<ResolvedRule>,
    pub(super) warnings: Vec<Warning>,
    /// The calls that portable names would add if the arguments were known here.
    missing: BTreeSet<&'static str>,
}

/// A call that a rule of the policy is about.
struct Named<'a> {
    /// Its name.
    name: &'a str,
    /// The condition on its arguments.
    when: Option<&'a Condition>,
    /// The rule of the policy.
    rule: &'a Rule,
    /// Which one that is.
    index: usize,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(policy: &'a Policy, arch: Arch, is_native: bool) -> Self {
        Self {
            policy,
            arch,
            is_native,
            rules: Vec::new(),
            warnings: Vec::new(),
            missing: BTreeSet::new(),
        }
    }

    /// Adds what all rules of the policy stand for.
    pub(super) fn resolve(&mut self) -> Result<(), Error> {
        for (index, rule) in self.policy.rules.iter().enumerate() {
            match &rule.subject {
                Subject::Call(name) => self.call(&Named {
                    name,
                    when: rule.when.as_ref(),
                    rule,
                    index,
                })?,
                Subject::Group(name) => self.group(name, rule, index)?,
            }
        }
        let permits = |rule: &ResolvedRule| rule.action.permits();
        if !self.policy.default.permits() && !self.policy.exact && self.rules.iter().any(permits) {
            self.add_vdso();
        }
        Ok(())
    }

    /// The rules in the order in which they are kept, without those that never decide.
    pub(super) fn finish(self, warnings: &mut Vec<Warning>) -> Vec<ResolvedRule> {
        let (rules, shadowed) = tidy::tidy(self.rules);
        if self.is_native {
            warnings.extend(tidy::unreachable(&self.policy.rules, &shadowed));
        }
        rules
    }

    fn group(&mut self, name: &str, rule: &Rule, index: usize) -> Result<(), Error> {
        for item in groups::items(name) {
            match &item.subject {
                Subject::Call(name) => self.call(&Named {
                    name,
                    when: item.when.as_ref(),
                    rule,
                    index,
                })?,
                Subject::Group(inner) => self.group(inner, rule, index)?,
            }
        }
        Ok(())
    }

    fn call(&mut self, named: &Named<'_>) -> Result<(), Error> {
        let is_listed = matches!(named.rule.subject, Subject::Call(_)) && self.is_native;
        let here: Vec<_> = self.entries(named.name, named, is_listed)?;
        let is_here = !here.is_empty();
        let exists = is_here || self.exists(named.name);
        if !exists && is_listed && self.policy.lenient {
            self.warn_of_unknown(named);
            return Ok(());
        }
        if !exists && self.policy.exact && is_listed {
            return Err(Error::NotHere {
                name: named.name.to_owned(),
                arch: self.arch,
            });
        }
        if exists && !is_here && is_listed {
            self.warnings.push(Warning::NeverHolds {
                rule: named.rule.to_string(),
                origin: named.rule.origin.clone(),
            });
        }
        self.rules.extend(here);
        if self.rules.len() > MAX_RULES {
            return Err(Error::TooManyRules(MAX_RULES));
        }
        let mut instead = Vec::new();
        if !self.policy.exact {
            self.add_variants(named, &mut instead)?;
            if named.rule.action.permits() {
                self.add_portable(named, is_listed, &mut instead)?;
            }
        }
        if !exists && is_listed {
            self.warnings.push(Warning::NotHere {
                name: named.name.to_owned(),
                arch: self.arch,
                instead,
            });
        }
        Ok(())
    }

    /// Whether the call can be made here, by its own number or by a multiplexer.
    fn exists(&self, call: &str) -> bool {
        let is_number = |name| matches!(names::look_up(name, self.arch), Lookup::Number(_));
        is_number(call) || multiplexed::of(call).is_some_and(|(by, _)| is_number(by))
    }

    /// How `call` can be called here, as rules added because of what is named: by its own
    /// number, by a multiplexer, by both, or not at all.
    fn entries(
        &mut self,
        call: &str,
        named: &Named<'_>,
        must_be_judged: bool,
    ) -> Result<Vec<ResolvedRule>, Error> {
        let mut entries = Vec::new();
        for tests in self.alternatives(call, named, must_be_judged)? {
            entries.extend(self.rule(call, tests, named));
        }
        if let Some((multiplexer, tells)) = multiplexed::of(call) {
            // The arguments are in memory: what is permitted with some only is not, and
            // what is denied with some is denied with all.
            let is_judged = named.when.is_none() || !named.rule.action.permits();
            let entry = self.rule(multiplexer, vec![tells], named);
            if is_judged {
                entries.extend(entry);
            } else if entry.is_some() {
                self.warn_of_hidden(named, multiplexer);
            }
        }
        Ok(entries)
    }

    fn rule(&self, by: &str, when: Vec<Test>, named: &Named<'_>) -> Option<ResolvedRule> {
        let Lookup::Number(number) = names::look_up(by, self.arch) else {
            return None;
        };
        Some(ResolvedRule {
            name: by.to_owned(),
            number,
            when,
            action: named.rule.action,
            because: (by != named.name).then(|| named.name.to_owned()),
            rule: Some(named.index),
        })
    }

    /// The condition of what is named, for another form of the same call.
    fn alternatives(
        &self,
        call: &str,
        named: &Named<'_>,
        must_be_judged: bool,
    ) -> Result<Vec<Vec<Test>>, Error> {
        let Some(when) = named.when else {
            return Ok(vec![Vec::new()]);
        };
        if !self.exists(call) {
            return Ok(Vec::new());
        }
        let is_same = arguments::have_one_order(call, named.name);
        let problem = match normal(when, call, self.arch) {
            Ok(alternatives) if is_same => return Ok(alternatives),
            Ok(_) => Problem::Elsewhere {
                call: call.to_owned(),
                arch: self.arch,
            },
            Err(problem) => problem,
        };
        let is_of_form = matches!(
            problem,
            Problem::Elsewhere { .. } | Problem::NoArgument { .. } | Problem::NoConstant { .. }
        );
        if must_be_judged || !is_of_form {
            return Err(Error::Condition(Box::new(Untestable {
                rule: named.rule.to_string(),
                origin: named.rule.origin.clone(),
                problem,
            })));
        }
        // As for multiplexed calls.
        Ok(if named.rule.action.permits() {
            Vec::new()
        } else {
            vec![Vec::new()]
        })
    }

    /// Adds the other forms of the same call to the rules and to `added`.
    fn add_variants(&mut self, named: &Named<'_>, added: &mut Vec<String>) -> Result<(), Error> {
        for variant in variants::of(named.name).skip(1) {
            let entries = self.entries(variant, named, false)?;
            self.add(entries, added);
        }
        Ok(())
    }

    /// Adds what a C library may call instead of what is named, or around it.
    fn add_portable(
        &mut self,
        named: &Named<'_>,
        is_listed: bool,
        added: &mut Vec<String>,
    ) -> Result<(), Error> {
        for substitute in variants::of(named.name).flat_map(portable::of) {
            let before = self.rules.len();
            let mut unclear = false;
            for by in variants::of(substitute.by) {
                let free = Named {
                    when: None,
                    ..*named
                };
                let mut entries = self.entries(by, &free, false)?;
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
                if let Some(when) = named.when.filter(|_| stands_in(named.name, substitute.by)) {
                    entries = self.restricted(entries, when, by, named, is_listed);
                }
                self.add(entries, added);
            }
            if unclear && self.rules.len() == before {
                self.missing.insert(substitute.by);
            }
        }
        Ok(())
    }

    /// What is called in place of a call with a condition, under the same condition; nothing
    /// where its arguments can't be told.
    fn restricted(
        &mut self,
        entries: Vec<ResolvedRule>,
        when: &Condition,
        by: &str,
        named: &Named<'_>,
        is_listed: bool,
    ) -> Vec<ResolvedRule> {
        if entries.is_empty() {
            return entries;
        }
        let translated = when.with_names(named.name);
        let alternatives = translated.map_or_else(
            || Err(()),
            |when| normal(&when, by, self.arch).map_err(|_| ()),
        );
        let Ok(alternatives) = alternatives else {
            if is_listed && by == "clone3" {
                self.warn_of_hidden(named, by);
            }
            return Vec::new();
        };
        let both = |rule: &ResolvedRule, tests: &Vec<Test>| {
            let when = combine(&rule.when, tests)?;
            Some(ResolvedRule {
                when,
                ..rule.clone()
            })
        };
        entries
            .iter()
            .flat_map(|rule| {
                alternatives
                    .iter()
                    .filter_map(move |tests| both(rule, tests))
            })
            .collect()
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
            if let Lookup::Number(number) = names::look_up(call, self.arch) {
                self.rules.push(ResolvedRule {
                    name: call.to_owned(),
                    number,
                    when: Vec::new(),
                    action: Action::Allow,
                    because: Some(VDSO.to_owned()),
                    rule: None,
                });
            }
        }
    }

    /// Warns of what a lenient policy names and nobody knows.
    fn warn_of_unknown(&mut self, named: &Named<'_>) {
        if names::look_up(named.name, self.arch) == Lookup::Unknown {
            let is_told = self.warnings.len() < super::TOLD;
            let suggest = || names::suggest(named.name, None, self.arch).suggestions;
            self.warnings.push(Warning::LeftOut {
                rule: named.rule.to_string(),
                origin: named.rule.origin.clone(),
                suggestions: if is_told { suggest() } else { Vec::new() },
            });
        }
    }

    fn warn_of_hidden(&mut self, named: &Named<'_>, by: &str) {
        if !self.is_native || !matches!(named.rule.subject, Subject::Call(_)) {
            return;
        }
        self.warnings.push(Warning::Hidden {
            rule: named.rule.to_string(),
            by: by.to_owned(),
            arch: self.arch,
        });
    }
}

/// Whether a substitute does the work of a call, so that a condition on the one has to hold
/// for the other; what C libraries call around it is restricted enough by itself.
fn stands_in(name: &str, by: &str) -> bool {
    let is_around = AROUND.contains(&by) || (by == "pipe2" && name != "pipe");
    !is_around
}

/// What is called around others.
const AROUND: &[&str] = &[
    "_llseek",
    "brk",
    "exit",
    "exit_group",
    "fcntl",
    "futex",
    "getpid",
    "getrandom",
    "gettid",
    "ioctl",
    "lseek",
    "madvise",
    "membarrier",
    "mmap",
    "mprotect",
    "munmap",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "set_robust_list",
    "set_tid_address",
];
