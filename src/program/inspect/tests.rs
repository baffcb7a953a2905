use super::*;
use crate::elf::build::LayoutBuilder;
use crate::policy::{Action, List, Policy, resolve};

/// What is known of a program that carries nothing.
fn bare() -> Inspection {
    let file = LayoutBuilder::new(elf::ET_EXEC).build();
    let mut found = Inspection::of("program", &file[..], &Surroundings::default()).unwrap();
    found.problems.clear();
    found
}

fn resolved(names: &[&str]) -> Resolved {
    let policy = Policy {
        list: List::Allow,
        names: names.iter().map(|&name| name.to_owned()).collect(),
        action: Action::KillProcess,
        exact: false,
    };
    resolve(&policy, Arch::X86_64).unwrap().0
}

/// What is found in the rules of a policy of that version.
fn judged(version: &str, mut resolved: Resolved) -> (Vec<Problem>, Vec<Remark>) {
    resolved.version = version.to_owned();
    let mut found = bare();
    found.check_expansion(&resolved);
    (found.problems, found.notices)
}

const THIS: &str = env!("CARGO_PKG_VERSION");
const ANOTHER: &str = "0.0.1";

#[test]
fn rules_that_names_stand_for_are_no_reason_to_say_anything() {
    for version in [THIS, ANOTHER] {
        assert_eq!(judged(version, resolved(&["write"])), (vec![], vec![]));
    }
}

/// Names are made portable in other ways by other versions, but not by the same one.
#[test]
fn other_rules_are_those_of_another_version_or_wrong() {
    let fewer = || {
        let mut fewer = resolved(&["write"]);
        fewer.rules.retain(|rule| rule.because.is_none());
        fewer
    };
    assert_eq!(judged(THIS, fewer()), (vec![Problem::Rules], vec![]));
    let told = Remark::OldRules(ANOTHER.to_owned());
    assert_eq!(judged(ANOTHER, fewer()), (vec![], vec![told]));
}

#[test]
fn rules_that_contradict_the_names_are_wrong_whoever_wrote_them() {
    for version in [THIS, ANOTHER] {
        let mut other = resolved(&["write", "uname"]);
        other.policy.names.remove("uname");
        assert_eq!(judged(version, other), (vec![Problem::Rules], vec![]));
    }
}
