//! Writing a policy in our own form.

use std::fmt::Write;

use crate::policy::{Action, Policy, Rule};

/// The longest line, in characters, that items are put on together.
const WIDTH: usize = 96;

/// The text of a policy file. Reading it gives the policy again, but for the places where
/// its rules are written.
pub(in crate::policy::source) fn write(policy: &Policy) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        let written = writeln!(text, "{key} = {value}");
        written.expect("text can be added to text");
    };
    if let Some(description) = &policy.description {
        line("description", quoted(description));
    }
    line("default", quoted(&policy.default.to_string()));
    let actions = [("unknown", policy.unknown), ("foreign", policy.foreign)];
    for (key, action) in actions {
        if let Some(action) = action {
            line(key, quoted(&action.to_string()));
        }
    }
    if let Some(named) = &policy.architectures {
        let names: Vec<_> = named.iter().map(|arch| quoted(arch.name())).collect();
        line("architectures", format!("[{}]", names.join(", ")));
    }
    if policy.exact {
        line("exact", "true".to_owned());
    }
    if policy.lenient {
        line("lenient", "true".to_owned());
    }
    let (denied, allowed) = policy.rules.split_at(denials(&policy.rules));
    let has_two = !denied.is_empty();
    if has_two {
        text += &list("deny", denied);
    }
    if !(has_two && allowed.is_empty()) {
        text += &list("allow", allowed);
    }
    text
}

/// How many rules at the beginning may stand on a list to deny: they do not permit.
fn denials(rules: &[Rule]) -> usize {
    let permits = |rule: &Rule| rule.action == Action::Allow;
    rules.iter().position(permits).unwrap_or(rules.len())
}

/// A list, in which every item has its action but those to be allowed.
fn list(key: &str, rules: &[Rule]) -> String {
    let item = |rule: &Rule| match rule.action {
        Action::Allow => quoted(&rule.to_string()),
        action => quoted(&format!("{rule}={action}")),
    };
    let mut text = format!("\n{key} = [");
    let mut width = usize::MAX;
    for item in rules.iter().map(item) {
        let length = item.chars().count() + 2;
        if width.saturating_add(length) > WIDTH {
            text += "\n   ";
            width = 3;
        }
        text += &format!(" {item},");
        width += length;
    }
    text += if rules.is_empty() { "]\n" } else { "\n]\n" };
    text
}

/// A basic string of TOML (toml.io, "String").
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
