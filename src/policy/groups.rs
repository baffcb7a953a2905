//! Groups of system calls under well-known names: what they have and how it is read.
//! The definitions are shared with the runtime, which reads no conditions.

pub use sandbox_format::groups::{Group, KNOWN, SYSTEMD_VERSION, Source};

use sandbox_format::groups::{PLEDGE, SYSTEMD};

use super::item::{self, Item};
use super::{Subject, calls};

/// All groups: those of systemd, then the promises, each by name.
pub fn all() -> impl Iterator<Item = &'static Group> {
    SYSTEMD.iter().chain(PLEDGE)
}

/// The group of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Group> {
    all().find(|group| group.name == name)
}

/// The items of a group, read.
pub(super) fn items(name: &str) -> Vec<Item> {
    if name == KNOWN {
        let item = |name: &str| Item::of(Subject::Call(name.to_owned()));
        return calls::names().into_iter().map(item).collect();
    }
    let items = find(name).map_or(&[][..], |group| group.items);
    let read = |item: &&str| item::parse_list(item).unwrap_or_default();
    items.iter().flat_map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::policy::{Action, Arch, Policy, Rule, is_call, resolve};

    #[test]
    fn names_are_distinct_and_each_item_can_be_read() {
        let names: BTreeSet<_> = all().map(|group| group.name).collect();
        assert_eq!(names.len(), all().count());
        for group in all() {
            let distinct: BTreeSet<_> = group.items.iter().collect();
            assert_eq!(distinct.len(), group.items.len(), "@{}", group.name);
            assert!(!items(group.name).is_empty(), "@{}", group.name);
            for text in group.items {
                let items = item::parse_list(text).unwrap();
                let [item] = items.as_slice() else {
                    panic!("{text}")
                };
                match &item.subject {
                    Subject::Call(name) => assert!(is_call(name), "{name}"),
                    Subject::Group(name) => assert!(find(name).is_some(), "@{name}"),
                }
            }
        }
    }

    #[test]
    fn sets_are_in_no_circle() {
        fn depth(name: &str, left: usize) {
            assert!(left > 0, "@{name}");
            for item in items(name) {
                if let Subject::Group(inner) = item.subject {
                    depth(&inner, left - 1);
                }
            }
        }
        all().for_each(|group| depth(group.name, 4));
    }

    #[test]
    fn each_group_can_be_resolved_for_every_architecture() {
        for arch in Arch::all().filter(|arch| *arch != Arch::X32) {
            for group in all() {
                let mut policy = Policy::new(Action::KillProcess);
                policy.rules.push(Rule {
                    subject: Subject::Group(group.name.to_owned()),
                    when: None,
                    action: Action::Allow,
                    origin: None,
                });
                let resolved = resolve(&policy, arch);
                let (resolved, warnings) = resolved.unwrap_or_else(|error| {
                    panic!("@{} on {arch}: {error}", group.name);
                });
                // No architecture has all of these, and not all can tell arguments apart.
                let of_machine = ["cpu-emulation", "obsolete", "raw-io"].contains(&group.name);
                let is_common = matches!(arch, Arch::X86_64 | Arch::Aarch64);
                let is_empty = resolved.rules().is_empty();
                assert!(
                    !is_common || of_machine || (!is_empty && warnings.is_empty()),
                    "@{} on {arch}: {warnings:?}",
                    group.name
                );
            }
        }
    }
}
