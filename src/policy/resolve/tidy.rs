//! Rules without those that never decide.

use std::collections::{BTreeMap, BTreeSet};

use sandbox_format::bpf::Test;

use super::ResolvedRule;
use crate::policy::{Rule, Subject, Warning};

/// Rules of a policy of which one never decides since the other comes first: their places
/// in the policy.
pub(super) type Shadowed = BTreeSet<(usize, usize)>;

/// Sorts the rules by number, and leaves out those that never decide: behind one with the
/// same conditions or with none, or before others that do the same with all calls that
/// are left.
pub(super) fn tidy(mut rules: Vec<ResolvedRule>) -> (Vec<ResolvedRule>, Shadowed) {
    rules.sort_by_key(|rule| rule.number);
    let mut tidy = Vec::new();
    let mut shadowed = Shadowed::new();
    for of_number in rules.chunk_by(|one, other| one.number == other.number) {
        let reached = without_unreached(of_number, &mut shadowed);
        let mut needed = without_needless(reached);
        // The order of those with one action says nothing.
        for of_action in needed.chunk_by_mut(|one, other| one.action == other.action) {
            of_action.sort_by(|one, other| one.when.cmp(&other.when));
        }
        tidy.extend(needed);
    }
    (tidy, shadowed)
}

fn without_unreached(rules: &[ResolvedRule], shadowed: &mut Shadowed) -> Vec<ResolvedRule> {
    let mut reached: Vec<ResolvedRule> = Vec::new();
    // A policy may have tens of thousands for one call.
    let mut places: BTreeMap<&[Test], usize> = BTreeMap::new();
    for rule in rules {
        let decides = [&rule.when[..], &[]].into_iter();
        let decides = decides.filter_map(|when| places.get(when)).min();
        let Some(first) = decides.and_then(|&at| reached.get_mut(at)) else {
            places.insert(&rule.when, reached.len());
            reached.push(rule.clone());
            continue;
        };
        if first.action != rule.action {
            shadowed.extend(rule.rule.zip(first.rule));
        } else if first.when == rule.when && rule.because.is_none() {
            // What the policy names itself needs no other reason.
            first.because = None;
            first.rule = rule.rule;
        }
    }
    reached
}

/// Without those before which nothing changes: a condition of one of several rules with the
/// same action, the last of which has none.
fn without_needless(rules: Vec<ResolvedRule>) -> Vec<ResolvedRule> {
    let Some(last) = rules.last().filter(|last| last.when.is_empty()) else {
        return rules;
    };
    let differs = |rule: &ResolvedRule| rule.action != last.action;
    let needed = rules.iter().rposition(differs).map_or(0, |at| at + 1);
    let mut kept = rules;
    kept.drain(needed..kept.len() - 1);
    kept
}

/// Warnings of calls that one rule of the policy names and another decides.
pub(super) fn unreachable(rules: &[Rule], shadowed: &Shadowed) -> Vec<Warning> {
    let is_named = |rule: &Rule| matches!(rule.subject, Subject::Call(_));
    let named = |index: usize| rules.get(index).filter(|rule| is_named(rule));
    shadowed
        .iter()
        .filter_map(|(late, early)| {
            let (late, early) = (named(*late)?, named(*early)?);
            // Whoever names a call twice with conditions means the order.
            let is_whole = early.when.is_none() || early.when == late.when;
            (is_whole && early.subject == late.subject).then(|| Warning::Unreachable {
                rule: format!("{late}={}", late.action),
                origin: late.origin.clone(),
                by: format!("{early}={}", early.action),
                by_origin: early.origin.clone(),
            })
        })
        .collect()
}
