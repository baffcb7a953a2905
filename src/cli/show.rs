//! Policies in words.

use std::collections::BTreeMap;

use sandbox_format::bpf::Condition;

use crate::policy::{List, Resolved};

/// The policy in one line.
#[must_use]
pub fn policy(resolved: &Resolved) -> String {
    let policy = &resolved.policy;
    let names: Vec<&str> = policy.names.iter().map(String::as_str).collect();
    let names = if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    };
    match policy.list {
        List::Allow => format!("allow {names}; anything else: {}", policy.action),
        List::Deny => format!("deny {names}: {}; allow anything else", policy.action),
    }
}

/// What portable names added, a line for each name that the policy has.
#[must_use]
pub fn added(resolved: &Resolved) -> Vec<String> {
    let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for rule in resolved.added() {
        let because = rule.because.as_deref().unwrap_or_default();
        lines
            .entry(because)
            .or_default()
            .push(format!("{}{}", rule.name, conditions(&rule.when)));
    }
    lines
        .into_iter()
        .map(|(because, rules)| format!("for {because}: {}", rules.join(", ")))
        .collect()
}

/// Conditions as a person writes them: `(arg3 & 0x1000 == 0x1000)`.
#[must_use]
pub fn conditions(when: &[Condition]) -> String {
    if when.is_empty() {
        return String::new();
    }
    let condition = |condition: &Condition| {
        let Condition { arg, mask, value } = *condition;
        match mask {
            // The kernel takes an int or unsigned int argument.
            0xffff_ffff | u64::MAX => format!("arg{arg} == {value:#x}"),
            _ => format!("arg{arg} & {mask:#x} == {value:#x}"),
        }
    };
    format!(
        "({})",
        when.iter().map(condition).collect::<Vec<_>>().join(", ")
    )
}

/// From when on the policy holds.
pub const ENFORCED: &str =
    "after the constructors of all other libraries, before the program's own";
