//! Our own policy files: TOML.

mod write;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) use write::write;

use super::Misread;
use crate::policy::condition::Condition;
use crate::policy::item::{self, Item};
use crate::policy::names::alike;
use crate::policy::rule::Draft;
use crate::policy::{
    Action, Arch, Error, MAX_DESCRIPTION, Origin, Rule, Subject, calls, error, is_call,
};

/// What is read of a file, before other files are taken into account. In place of origins
/// there are offsets: the one who knows the file's name turns them into lines.
pub(super) struct File {
    /// The other files or names that it builds on, and at which byte they stand.
    pub(super) includes: Vec<(String, usize)>,
    /// What it says itself.
    pub(super) draft: Draft,
}

/// The keys of a file, in the order of the documentation.
pub(super) const KEYS: [&str; 13] = [
    "description",
    "include",
    "allow",
    "deny",
    "calls",
    "action",
    "default",
    "unknown",
    "foreign",
    "architectures",
    "exact",
    "lenient",
    "learned",
];

/// Reads a policy file. `at` makes an origin of the offset of a byte.
pub(super) fn read(text: &str, at: &dyn Fn(usize) -> Origin) -> Result<File, Misread> {
    let table = DeTable::parse(text).map_err(|error| Misread {
        offset: error.span().map_or(0, |span| span.start),
        problem: error.message().replace('\n', "; "),
    })?;
    let reader = Reader { text, at };
    let mut file = File {
        includes: Vec::new(),
        draft: Draft::default(),
    };
    for (key, value) in in_order(table.get_ref()) {
        reader.key(&mut file, key, value)?;
    }
    bind(&mut file.draft);
    Ok(file)
}

/// Has the items to deny say what they get: the word of this file for them, whatever the
/// files say that build on it.
fn bind(draft: &mut Draft) {
    let Some(action) = draft.violation else {
        return;
    };
    for item in draft.deny.iter_mut().flatten() {
        item.action = item.action.or(Some(action));
    }
}

type Key<'i> = Spanned<toml::de::DeString<'i>>;
type Value<'i> = Spanned<DeValue<'i>>;

/// The entries of a table in the order of the text.
fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(&'a Key<'i>, &'a Value<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn wrong<T>(offset: usize, problem: impl Into<String>) -> Result<T, Misread> {
    let problem = problem.into();
    Err(Misread { offset, problem })
}

struct Reader<'a> {
    text: &'a str,
    at: &'a dyn Fn(usize) -> Origin,
}

impl Reader<'_> {
    fn key(&self, file: &mut File, key: &Key<'_>, value: &Value<'_>) -> Result<(), Misread> {
        let draft = &mut file.draft;
        match key.get_ref().as_ref() {
            "description" => draft.description = Some(description(value)?),
            "include" => {
                for entry in array(value)? {
                    file.includes.push((included(entry)?, entry.span().start));
                }
            }
            "allow" => draft.allow = Some(self.items(value)?),
            "deny" => draft.deny = Some(self.items(value)?),
            "calls" => draft.calls = self.calls(value)?,
            "action" => draft.violation = Some(violation(value)?),
            "default" => draft.default = Some(action(value)?),
            "unknown" => draft.unknown = Some(action(value)?),
            "foreign" => draft.foreign = Some(action(value)?),
            "architectures" => draft.architectures = Some(architectures(value)?),
            "exact" => draft.exact = Some(boolean(value)?),
            "lenient" => draft.lenient = Some(boolean(value)?),
            // Where the policy is from, which says nothing of what it permits.
            "learned" if value.get_ref().is_table() => {}
            "learned" => return wrong(value.span().start, "learned is a table: [learned]"),
            other => return wrong(key.span().start, unknown_key(other, &KEYS)),
        }
        Ok(())
    }

    /// The items of a list, which is an array of texts or a text.
    fn items(&self, value: &Value<'_>) -> Result<Vec<Item>, Misread> {
        match value.get_ref() {
            DeValue::String(_) => self.list(value),
            DeValue::Array(entries) => {
                let lists = entries.iter().map(|entry| self.list(entry));
                Ok(lists.collect::<Result<Vec<_>, _>>()?.concat())
            }
            _ => wrong(value.span().start, "a list is an array of texts, or a text"),
        }
    }

    fn list(&self, value: &Value<'_>) -> Result<Vec<Item>, Misread> {
        let text = text_of(value)?;
        let start = self.start_of(value, text);
        let place = |offset| start.map_or(value.span().start, |start| start + offset);
        let items = item::parse_placed(text).map_err(|misread| Misread {
            offset: place(misread.offset),
            problem: misread.problem,
        })?;
        let placed = items.into_iter().map(|(offset, item)| Item {
            origin: Some((self.at)(place(offset))),
            ..item
        });
        Ok(placed.collect())
    }

    /// Where a text begins in the file, without its quotes; `None` where escapes hide it.
    fn start_of(&self, value: &Value<'_>, text: &str) -> Option<usize> {
        let span = value.span();
        let written = self.text.get(span.clone())?;
        Some(span.start + written.find(text)?)
    }

    /// The rules for single calls.
    fn calls(&self, value: &Value<'_>) -> Result<Vec<Rule>, Misread> {
        let Some(table) = value.get_ref().as_table() else {
            return wrong(value.span().start, "calls is a table: [calls]");
        };
        let mut rules = Vec::new();
        for (key, value) in in_order(table) {
            let name = key.get_ref().as_ref();
            if name.starts_with('@') {
                let problem = "calls has single calls; groups belong on the lists";
                return wrong(key.span().start, problem);
            }
            if name.contains(['(', '=']) {
                let problem = "write a condition as NAME = [{ when = \"…\", action = \"…\" }]";
                return wrong(key.span().start, problem);
            }
            if !is_call(name) {
                return wrong(key.span().start, unknown_call(name));
            }
            match value.get_ref() {
                DeValue::Array(cases) if cases.is_empty() => {
                    return wrong(
                        value.span().start,
                        "no case is given, so nothing would happen",
                    );
                }
                DeValue::Array(cases) => {
                    for case in cases.iter() {
                        rules.push(self.case(name, case)?);
                    }
                }
                DeValue::Table(_) => rules.push(self.case(name, value)?),
                _ => rules.push(Rule {
                    origin: Some((self.at)(key.span().start)),
                    ..Rule::of_call(name, action(value)?)
                }),
            }
        }
        Ok(rules)
    }

    /// `{ when = "…", action = "…" }`
    fn case(&self, name: &str, value: &Value<'_>) -> Result<Rule, Misread> {
        let start = value.span().start;
        let Some(table) = value.get_ref().as_table() else {
            let problem = "a call has an action, or an array of { when = \"…\", action = \"…\" }";
            return wrong(start, problem);
        };
        let mut when = None;
        let mut what = None;
        for (key, value) in in_order(table) {
            match key.get_ref().as_ref() {
                "when" => when = Some(self.condition(value)?),
                "action" => what = Some(action(value)?),
                other => {
                    return wrong(key.span().start, unknown_key(other, &["when", "action"]));
                }
            }
        }
        let Some(action) = what else {
            return wrong(start, "action is missing: what happens to these calls");
        };
        Ok(Rule {
            subject: Subject::Call(name.to_owned()),
            when,
            action,
            origin: Some((self.at)(start)),
        })
    }

    fn condition(&self, value: &Value<'_>) -> Result<Condition, Misread> {
        let text = text_of(value)?;
        Condition::parse(text).map_err(|misread| Misread {
            offset: self
                .start_of(value, text)
                .map_or(value.span().start, |start| start + misread.offset),
            problem: misread.problem,
        })
    }
}

fn text_of<'a>(value: &'a Value<'_>) -> Result<&'a str, Misread> {
    match value.get_ref().as_str() {
        Some(text) => Ok(text),
        None => wrong(value.span().start, "this must be a text in quotes"),
    }
}

/// The file or name that another builds on.
fn included(value: &Value<'_>) -> Result<String, Misread> {
    match text_of(value)? {
        "" | "-" => wrong(
            value.span().start,
            "a policy includes others by their name or path",
        ),
        name => Ok(name.to_owned()),
    }
}

fn boolean(value: &Value<'_>) -> Result<bool, Misread> {
    match value.get_ref().as_bool() {
        Some(it) => Ok(it),
        None => wrong(value.span().start, "this must be true or false"),
    }
}

fn array<'a, 'i>(value: &'a Value<'i>) -> Result<&'a [Value<'i>], Misread> {
    match value.get_ref() {
        DeValue::Array(entries) => Ok(entries),
        _ => wrong(
            value.span().start,
            "this must be an array of texts: [\"…\"]",
        ),
    }
}

fn action(value: &Value<'_>) -> Result<Action, Misread> {
    let parsed = text_of(value)?.parse();
    parsed.map_err(|error: Error| Misread {
        offset: value.span().start,
        problem: error.to_string(),
    })
}

fn violation(value: &Value<'_>) -> Result<Action, Misread> {
    match action(value)? {
        Action::Allow => wrong(
            value.span().start,
            "allow is no action on a violation; default = \"allow\" permits what no rule decides",
        ),
        action => Ok(action),
    }
}

fn architectures(value: &Value<'_>) -> Result<Vec<Arch>, Misread> {
    let named = array(value)?.iter().map(|entry| {
        let name = text_of(entry)?;
        Arch::from_name(name).map_or_else(
            || {
                let names: Vec<_> = Arch::all().map(Arch::name).collect();
                let names = names.join(", ");
                let problem = format!("unknown architecture {name:?}; use one of {names}");
                wrong(entry.span().start, problem)
            },
            Ok,
        )
    });
    named.collect()
}

/// One line that is safe to print.
fn description(value: &Value<'_>) -> Result<String, Misread> {
    let text = text_of(value)?;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > MAX_DESCRIPTION {
        let problem = format!("it has more than {MAX_DESCRIPTION} characters");
        return wrong(value.span().start, problem);
    }
    if line.contains(char::is_control) {
        return wrong(value.span().start, "it has control characters");
    }
    Ok(line)
}

fn unknown_key(name: &str, keys: &[&str]) -> String {
    match alike(name, keys.iter().copied()).first() {
        Some(key) => format!("unknown key {name:?}; did you mean {key}?"),
        None => format!("unknown key {name:?}; the keys are {}", keys.join(", ")),
    }
}

fn unknown_call(name: &str) -> String {
    match error::either(&alike(name, calls::names().into_iter())) {
        Some(names) => format!("unknown system call {name:?}; did you mean {names}?"),
        None => format!("unknown system call {name:?}; syscalls(2) lists the names"),
    }
}
