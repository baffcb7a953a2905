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
        lines.entry(because).or_default().push(format!(
            "{}{}",
            rule.name,
            conditions(&rule.name, &rule.when)
        ));
    }
    lines
        .into_iter()
        .map(|(because, rules)| format!("for {because}: {}", rules.join(", ")))
        .collect()
}

/// Conditions as a person writes them: `(arg1 == TCGETS)`.
#[must_use]
pub fn conditions(call: &str, when: &[Condition]) -> String {
    if when.is_empty() {
        return String::new();
    }
    let condition = |condition: &Condition| {
        let Condition { arg, mask, value } = *condition;
        match (mask, value) {
            (0x8000_0000, 0) => format!("arg{arg} >= 0"),
            // The kernel takes an int or unsigned int argument.
            (0xffff_ffff | u64::MAX, _) => format!("arg{arg} == {}", constant(call, value)),
            _ => format!("arg{arg} & {mask:#x} == {}", constant(call, value)),
        }
    };
    format!(
        "({})",
        when.iter().map(condition).collect::<Vec<_>>().join(", ")
    )
}

/// The constant that a value stands for in a call, where it is well known
/// (fcntl.h, asm/termbits.h, asm/ioctls.h).
fn constant(call: &str, value: u64) -> String {
    let name = match (call, value) {
        ("ioctl", 0x5401) => "TCGETS",
        ("ioctl", 0x5413) => "TIOCGWINSZ",
        ("ioctl", 0x802c_542a) => "TCGETS2",
        ("newfstatat" | "statx", 0x1000) => "AT_EMPTY_PATH",
        ("newfstatat" | "statx", 0x100) => "AT_SYMLINK_NOFOLLOW",
        ("unlinkat", 0x200) => "AT_REMOVEDIR",
        (_, 0xffff_ff9c) => "AT_FDCWD",
        (_, 0) => "0",
        _ => return format!("{value:#x}"),
    };
    name.to_owned()
}

/// From when on the policy holds.
pub const ENFORCED: &str =
    "after the constructors of all other libraries, before the program's own";
