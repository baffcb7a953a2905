//! The groups that are named as systemd's have the members that an older systemd gives them,
//! but for what came since.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::Workspace;
use sandbox_patch::policy::groups::{self, KNOWN, Source};

/// What was moved or added though systemd 252 knew the call: the group, the call, and whether
/// it is in the group now.
const MOVED: [(&str, &str, bool); 6] = [
    // `@sandbox` is a part of `@default` since there is one.
    ("default", "landlock_add_rule", true),
    ("default", "landlock_create_ruleset", true),
    ("default", "landlock_restrict_self", true),
    ("default", "seccomp", true),
    ("file-system", "open_tree", true),
    ("mount", "open_tree", false),
];

type Groups = BTreeMap<String, BTreeSet<String>>;

/// What `systemd-analyze syscall-filter` prints: names of groups, and below each, indented, a
/// comment and the members.
fn of_systemd() -> Groups {
    let ws = Workspace::new();
    let printed = ws.run("SYSTEMD_COLORS=0 systemd-analyze --no-pager syscall-filter");
    printed.succeeds();
    let mut groups = Groups::new();
    let mut open = None;
    for line in printed.stdout.lines() {
        if let Some(name) = line.strip_prefix('@') {
            open = Some(groups.entry(name.to_owned()).or_default());
        } else if line.starts_with('#') {
            // What is in no group.
            open = None;
        } else if let Some(members) = &mut open {
            let member = line.trim();
            if !member.is_empty() && !member.starts_with('#') {
                members.insert(member.to_owned());
            }
        }
    }
    groups
}

fn ours() -> Groups {
    let sets = groups::all().filter(|group| group.source == Source::Systemd);
    let members = |group: &groups::Group| group.items.iter().map(|item| (*item).to_owned());
    sets.map(|group| (group.name.to_owned(), members(group).collect()))
        .collect()
}

/// The calls of a group and of those in it.
fn calls(name: &str, groups: &Groups) -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for member in groups.get(name).into_iter().flatten() {
        match member.strip_prefix('@') {
            Some(inner) => calls.extend(self::calls(inner, groups)),
            None => {
                calls.insert(member.clone());
            }
        }
    }
    calls
}

#[test]
fn groups_have_the_members_that_systemd_gives_them() {
    let (theirs, ours) = (of_systemd(), ours());
    let known = &theirs[KNOWN];
    assert!(known.len() > 400, "{} calls are known", known.len());
    let mut seen: BTreeSet<(&str, &str, bool)> = BTreeSet::new();
    for name in theirs.keys().filter(|name| *name != KNOWN) {
        assert!(ours.contains_key(name), "@{name}");
        let (own, other) = (calls(name, &ours), calls(name, &theirs));
        for call in own.symmetric_difference(&other) {
            let is_own = own.contains(call);
            let moved = MOVED.iter().find(|(group, moved, is_in)| {
                // `@system-service` has these in it.
                let is_part = ["default", "file-system"].contains(group);
                let is_inside = name == "system-service" && is_part;
                moved == call && *is_in == is_own && (group == name || is_inside)
            });
            seen.extend(moved);
            assert!(
                moved.is_some() || (is_own && !known.contains(call)),
                "@{name}: {call} is in {}",
                if is_own { "ours only" } else { "theirs only" }
            );
        }
    }
    assert_eq!(seen.len(), MOVED.len(), "{seen:?}");
}
