//! Rules in order as alternatives in any order, for forms of other tools in which the order
//! of rules says nothing.

use sandbox_format::bpf::Test;

use super::condition::combine;

/// The most alternatives that the rules for a call may come to.
const MAX: usize = 512;

/// They come to more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// Tests that must all hold.
pub(super) type Alternative = Vec<Test>;

/// Which alternatives get which action, where of several rules the first that holds decides:
/// those of different actions have nothing in common. What no rule holds for is in none.
pub(super) fn apart<A: Copy + PartialEq>(
    rules: &[(&[Test], A)],
) -> Result<Vec<(A, Vec<Alternative>)>, TooMany> {
    let mut found: Vec<(A, Vec<Alternative>)> = Vec::new();
    for (at, (tests, action)) in rules.iter().enumerate() {
        let Some(own) = combine(tests, &[]) else {
            continue;
        };
        let mut left = vec![own];
        for (earlier, _) in rules[..at].iter().filter(|(_, other)| other != action) {
            left = without(&left, earlier)?;
        }
        match found.iter_mut().find(|(other, _)| other == action) {
            Some((_, alternatives)) => alternatives.extend(left),
            None => found.push((*action, left)),
        }
    }
    for (_, alternatives) in &mut found {
        alternatives.sort();
        alternatives.dedup();
        if alternatives.len() > MAX {
            return Err(TooMany);
        }
        *alternatives = largest(alternatives);
    }
    found.retain(|(_, alternatives)| !alternatives.is_empty());
    Ok(found)
}

/// Those that are not in another, which demands less.
fn largest(alternatives: &[Alternative]) -> Vec<Alternative> {
    let is_in = |one: &Alternative, other: &Alternative| {
        one.len() > other.len() && other.iter().all(|test| one.contains(test))
    };
    let is_largest = |one: &&Alternative| !alternatives.iter().any(|other| is_in(one, other));
    alternatives.iter().filter(is_largest).cloned().collect()
}

/// The alternatives in which one of the tests does not hold.
fn without(alternatives: &[Alternative], tests: &[Test]) -> Result<Vec<Alternative>, TooMany> {
    if alternatives.len().saturating_mul(tests.len()) > MAX {
        return Err(TooMany);
    }
    let opposite = |test: &Test| Test {
        comparison: test.comparison.opposite(),
        ..*test
    };
    let pairs = alternatives
        .iter()
        .flat_map(|alternative| tests.iter().map(move |test| (alternative, opposite(test))));
    Ok(pairs
        .filter_map(|(alternative, test)| combine(alternative, &[test]))
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::cubes::tests::{near, test};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn rules_apart_decide_as_rules_in_order(
            rules in prop::collection::vec((prop::collection::vec(test(), 0..3), 0_u8..3), 1..5),
        ) {
            let borrowed: Vec<(&[Test], u8)> =
                rules.iter().map(|(tests, action)| (&tests[..], *action)).collect();
            let apart = apart(&borrowed).unwrap();
            let tests: Vec<Test> = rules.iter().flat_map(|(tests, _)| tests.clone()).collect();
            for args in near(&tests) {
                let holds = |tests: &Vec<Test>| {
                    tests.iter().all(|test| test.holds(args[usize::from(test.arg)]))
                };
                let first = rules.iter().find(|(tests, _)| holds(tests));
                let found: Vec<u8> = apart
                    .iter()
                    .filter(|(_, alternatives)| alternatives.iter().any(holds))
                    .map(|(action, _)| *action)
                    .collect();
                let expected: Vec<u8> = first.map(|(_, action)| *action).into_iter().collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
