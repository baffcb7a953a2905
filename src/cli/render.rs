//! Policies in words, and text that is safe to print.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use sandbox_format::bpf::Test;

use crate::policy::{Action, Arch, Resolved, VDSO, condition};
use crate::rewrite::{Appended, Reader};

/// The policy in one line.
#[must_use]
pub fn policy(resolved: &Resolved) -> String {
    let policy = &resolved.policy;
    let mut parts = Vec::new();
    let groups = policy
        .rules
        .chunk_by(|one, other| one.action == other.action);
    for rules in groups {
        let items: Vec<_> = rules.iter().map(ToString::to_string).collect();
        let items = items.join(", ");
        parts.push(match rules[0].action {
            Action::Allow => format!("allow {items}"),
            Action::Log => format!("log {items}"),
            action => format!("deny {items}: {action}"),
        });
    }
    if parts.is_empty() {
        let verb = if policy.default.permits() {
            "deny"
        } else {
            "allow"
        };
        parts.push(format!("{verb} nothing"));
    }
    if let Some(action) = policy.unknown {
        parts.push(format!("calls newer than this version: {action}"));
    }
    parts.push(match policy.default {
        Action::Allow => "allow anything else".to_owned(),
        action => format!("anything else: {action}"),
    });
    parts.join("; ")
}

/// Where what was appended to an ELF file is now.
#[must_use]
pub fn appended(appended: &Appended) -> String {
    let Appended {
        size,
        in_place,
        shift,
        reader,
    } = *appended;
    let place = match (in_place, shift) {
        (true, None) => "in place".to_owned(),
        (true, Some(_)) => "in place and at the end".to_owned(),
        (false, shift) => {
            let shift = shift.unwrap_or_default();
            format!("at the end, {shift} bytes further on")
        }
    };
    let why = match (reader, reader.why()) {
        (Reader::Known(format), _) => format!(", where {format} is looked for"),
        (_, Some(why)) => format!(", since {why}"),
        (_, None) => String::new(),
    };
    format!("{size} bytes kept {place}{why}")
}

/// What was added to the policy's names, a line for each name, and one for what
/// the vDSO answers elsewhere.
#[must_use]
pub fn added(resolved: &Resolved) -> Vec<String> {
    let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for rule in resolved.added() {
        let because = rule.because.as_deref().unwrap_or_default();
        lines.entry(because).or_default().push(format!(
            "{}{}",
            rule.name,
            conditions(&rule.name, &rule.when, resolved.arch)
        ));
    }
    let vdso = lines.remove(VDSO);
    let vdso = vdso.map(|rules| format!("in place of the vDSO: {}", rules.join(", ")));
    lines
        .into_iter()
        .map(|(because, rules)| format!("for {because}: {}", rules.join(", ")))
        .chain(vdso)
        .collect()
}

/// Tests of arguments as a person writes them: `(request == TCGETS)`.
#[must_use]
pub fn conditions(call: &str, when: &[Test], arch: Arch) -> String {
    let condition = condition::describe(call, when, arch);
    condition.map_or_else(String::new, |condition| format!("({condition})"))
}

/// Whether a character does something to a terminal or to the lines of a log
/// rather than being shown: the controls C0, DEL and C1, the separators of
/// lines and paragraphs, and what changes the direction of the text around it
/// (Unicode Standard Annex 9, "Directional Formatting Characters").
fn is_active(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text from a file, or the name of one, as it may be printed: in one line, and
/// without effect on a terminal. Ordinary text is as it was.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    replace_active(text, |escaped, character| {
        escaped.extend(character.escape_default());
    })
}

/// The longest message, in characters: a terminal shows it, and a log keeps it.
const LONGEST: usize = 2000;

/// A message, likewise. One that quotes at length is cut in the middle: its beginning tells
/// where something is wrong, and its end what to do.
#[must_use]
pub fn message(text: &str) -> Cow<'_, str> {
    let length = text.chars().count();
    if length <= LONGEST {
        return escaped(text);
    }
    let (start, end) = (LONGEST / 2, length - LONGEST / 2);
    let shown: String = text.chars().take(start).chain(['…']).collect();
    let shown = text.chars().skip(end).fold(shown, |mut shown, next| {
        shown.push(next);
        shown
    });
    Cow::Owned(escaped(&shown).into_owned())
}

/// The name of a file, likewise.
#[must_use]
pub fn name(path: &Path) -> String {
    escaped(&path.to_string_lossy()).into_owned()
}

/// JSON text, likewise; it remains the same JSON.
#[must_use]
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    replace_active(json, |escaped, character| {
        // They stand in JSON's strings only, and all have four digits.
        let written = write!(escaped, "\\u{:04x}", u32::from(character));
        written.expect("text can be added to text");
    })
}

fn replace_active(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_active(character) {
            escape(&mut escaped, character);
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_text_is_as_it_was() {
        for text in ["", "/usr/bin/ls", "a b\\c", "Größe", "文件", "🦀"] {
            assert_eq!(escaped(text), text);
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_named() {
        for (text, shown) in [
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{1b}[2J\u{7f}", "\\u{1b}[2J\\u{7f}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{202a}\u{202e}", "\\u{202a}\\u{202e}"),
            ("\u{2066}\u{2069}", "\\u{2066}\\u{2069}"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_active_is_printed(text in any::<String>()) {
            prop_assert!(!escaped(&text).contains(is_active));
        }

        #[test]
        fn json_means_the_same(text in "[a\"\\\\\u{0}-\u{a0}\u{2020}-\u{2070}]*") {
            let json = serde_json::to_string(&text).unwrap();
            let safe = escaped_json(&json);
            prop_assert!(!safe.contains(is_active));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
    }
}
