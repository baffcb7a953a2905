//! Which groups a policy consists of.

use super::groups::{self, Group, KNOWN};
use super::{Action, Arch, Error, Policy, Resolved, ResolvedRule, Rule, Subject, resolve};

/// Which groups a policy consists of.
#[derive(Clone, Debug)]
pub struct Composition<'a> {
    /// Whether it is about what is permitted; otherwise about what is not, since the policy
    /// permits all else.
    pub permits: bool,
    /// The groups that are in it as a whole, but those that are in another of these.
    pub groups: Vec<&'static Group>,
    /// What is in none of these.
    pub besides: Vec<&'a ResolvedRule>,
}

/// The system calls of a group on an architecture, as they are named: without portable names.
///
/// # Errors
///
/// There is no such group, or no filter for the architecture.
pub fn members(group: &str, arch: Arch) -> Result<Vec<ResolvedRule>, Error> {
    let policy = Policy {
        rules: vec![Rule {
            subject: Subject::Group(group.to_owned()),
            when: None,
            action: Action::Allow,
            origin: None,
        }],
        exact: true,
        ..Policy::new(Action::KillProcess)
    };
    let (mut resolved, _) = resolve(&policy, arch)?;
    let mut members = resolved.abis.swap_remove(0).rules;
    members.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(members)
}

impl<'a> Composition<'a> {
    /// Looks at what a policy decides for the program's own ABI.
    #[must_use]
    pub fn of(policy: &'a Resolved) -> Self {
        let permits = !policy.policy.default.permits();
        let named: Vec<_> = policy
            .rules()
            .iter()
            .filter(|rule| rule.action.permits() == permits)
            .collect();
        let is_in = |member: &ResolvedRule, rules: &[&ResolvedRule]| {
            let covers = |rule: &&ResolvedRule| {
                rule.number == member.number && (rule.when.is_empty() || rule.when == member.when)
            };
            rules.iter().any(covers)
        };
        let all = groups::all().filter(|group| group.name != KNOWN);
        let mut whole: Vec<(&Group, Vec<ResolvedRule>)> = all
            .filter_map(|group| Some((group, members(group.name, policy.arch).ok()?)))
            .filter(|(_, members)| !members.is_empty())
            .filter(|(_, members)| members.iter().all(|member| is_in(member, &named)))
            .collect();
        // The larger ones first: a group in another says nothing.
        whole.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
        let mut kept: Vec<(&Group, Vec<ResolvedRule>)> = Vec::new();
        for (group, members) in whole {
            let covers = |(_, larger): &(&Group, Vec<ResolvedRule>)| {
                let larger: Vec<_> = larger.iter().collect();
                members.iter().all(|member| is_in(member, &larger))
            };
            if !kept.iter().any(covers) {
                kept.push((group, members));
            }
        }
        let members: Vec<_> = kept.iter().flat_map(|(_, members)| members).collect();
        let besides = named.into_iter().filter(|rule| !is_in(rule, &members));
        Self {
            permits,
            besides: besides.collect(),
            groups: kept.into_iter().map(|(group, _)| group).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Draft;

    fn composed(allow: &str, deny: &str) -> (bool, Vec<&'static str>, Vec<String>) {
        let mut draft = Draft {
            exact: Some(true),
            ..Draft::default()
        };
        if !allow.is_empty() {
            draft.allow(allow).unwrap();
        }
        if !deny.is_empty() {
            draft.deny(deny).unwrap();
        }
        let (resolved, _) = resolve(&draft.finish().unwrap(), Arch::X86_64).unwrap();
        let found = Composition::of(&resolved);
        let names = found.groups.iter().map(|group| group.name).collect();
        let besides = found.besides.iter().map(|rule| rule.name.clone());
        (found.permits, names, besides.collect())
    }

    #[test]
    fn groups_in_others_are_left_out() {
        let (permits, groups, besides) = composed("@basic-io:@flock:uname", "");
        assert!(permits);
        assert_eq!(groups, ["basic-io", "flock"]);
        assert_eq!(besides, ["uname"]);
        // @privileged has @chown, @clock and others.
        let (permits, groups, besides) = composed("", "@privileged:uname");
        assert!(!permits && groups.contains(&"privileged") && !groups.contains(&"chown"));
        assert_eq!(besides, ["uname"]);
    }

    #[test]
    fn a_group_that_is_there_in_part_is_none() {
        let (_, groups, _) = composed("read:write", "");
        assert!(groups.is_empty());
        let (_, groups, _) = composed("@basic-io", "read(fd == 7)");
        assert_eq!(groups, ["basic-io"]);
    }

    #[test]
    fn members_are_those_of_the_architecture() {
        let names = |arch| {
            let members = members("chown", arch).unwrap();
            members
                .into_iter()
                .map(|rule| rule.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(Arch::X86_64),
            ["chown", "fchown", "fchownat", "lchown"]
        );
        assert_eq!(names(Arch::Aarch64), ["fchown", "fchownat"]);
        assert!(names(Arch::X86).contains(&"chown32".to_owned()));
        assert!(members("chowns", Arch::X86_64).is_err());
    }
}
