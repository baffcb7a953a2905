//! What is in a JSON or YAML text, and at which bytes.

use serde_json::value::RawValue;

use super::super::json::{self, Entries, offset_of};
use super::Misread;
use crate::policy::names::alike;

/// How deep values may be in others.
pub(super) const MAX_DEPTH: usize = 32;

/// A value in a text.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) offset: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(i128),
    Text(String),
    List(Vec<Node>),
    Map(Map),
    /// No profile has such a value: a fraction, say.
    Other,
}

/// Values by name.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) offset: usize,
    pub(super) entries: Vec<Entry>,
}

/// A value with its name.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key begins.
    pub(super) offset: usize,
    pub(super) value: Node,
}

/// What is wrong at a byte of the text.
pub(super) fn wrong(offset: usize, problem: impl Into<String>) -> Misread {
    let problem = problem.into();
    Misread { offset, problem }
}

/// For values that are too deep in others.
pub(super) fn too_deep(offset: usize) -> Misread {
    wrong(
        offset,
        format!("values are more than {MAX_DEPTH} deep in others"),
    )
}

impl Node {
    /// Reads JSON.
    pub(super) fn of_json(text: &str) -> Result<Self, Misread> {
        let raw: &RawValue = json::read(text, text)?;
        Self::of_part(text, raw.get(), 0)
    }

    fn of_part(text: &str, part: &str, depth: usize) -> Result<Self, Misread> {
        let offset = offset_of(text, part);
        if depth > MAX_DEPTH {
            return Err(too_deep(offset));
        }
        let inner = |raw: &RawValue| Self::of_part(text, raw.get(), depth + 1);
        let value = match part.as_bytes().first() {
            Some(b'{') => {
                let Entries(entries) = json::read(text, part)?;
                let entry = |(key, raw): (String, &RawValue)| {
                    Ok(Entry {
                        key,
                        offset: key_before(text, offset_of(text, raw.get())),
                        value: inner(raw)?,
                    })
                };
                let entries = entries.into_iter().map(entry).collect::<Result<_, _>>()?;
                Value::Map(Map { offset, entries })
            }
            Some(b'[') => {
                let raws: Vec<&RawValue> = json::read(text, part)?;
                Value::List(raws.into_iter().map(inner).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Value::Text(json::read(text, part)?),
            Some(b'n') => Value::Null,
            Some(b't' | b'f') => Value::Bool(part == "true"),
            _ => part.parse().map_or(Value::Other, Value::Number),
        };
        Ok(Self { offset, value })
    }

    pub(super) fn wrong(&self, problem: impl Into<String>) -> Misread {
        wrong(self.offset, problem)
    }

    pub(super) fn text(&self) -> Result<&str, Misread> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong("this must be a text")),
        }
    }

    /// A whole number that is not negative and at most `most`.
    pub(super) fn number(&self, most: u64) -> Result<u64, Misread> {
        let found = match self.value {
            Value::Number(number) => u64::try_from(number).ok(),
            _ => None,
        };
        found
            .filter(|number| *number <= most)
            .ok_or_else(|| self.wrong(format!("this must be a whole number from 0 to {most}")))
    }

    pub(super) fn list(&self) -> Result<&[Node], Misread> {
        match &self.value {
            Value::List(nodes) => Ok(nodes),
            _ => Err(self.wrong("this must be a list")),
        }
    }

    pub(super) fn map(&self) -> Result<&Map, Misread> {
        match &self.value {
            Value::Map(map) => Ok(map),
            _ => Err(self.wrong("this must have keys and values")),
        }
    }
}

impl Map {
    pub(super) fn wrong(&self, problem: impl Into<String>) -> Misread {
        wrong(self.offset, problem)
    }

    /// The value of a key; null is none.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!matches!(entry.value.value, Value::Null)).then_some(&entry.value)
    }

    pub(super) fn needed(&self, key: &str) -> Result<&Node, Misread> {
        self.get(key)
            .ok_or_else(|| self.wrong(format!("{key} is missing")))
    }

    /// The members of a list; none where the key is missing.
    pub(super) fn list(&self, key: &str) -> Result<&[Node], Misread> {
        self.get(key).map_or(Ok(&[]), Node::list)
    }

    /// A text that says something.
    pub(super) fn text(&self, key: &str) -> Result<Option<(&Node, &str)>, Misread> {
        let Some(node) = self.get(key) else {
            return Ok(None);
        };
        let text = node.text()?;
        Ok((!text.is_empty()).then_some((node, text)))
    }

    /// Fails if it has other keys.
    pub(super) fn has_only(&self, keys: &[&str]) -> Result<(), Misread> {
        let is_unknown = |entry: &&Entry| !keys.contains(&entry.key.as_str());
        let Some(entry) = self.entries.iter().find(is_unknown) else {
            return Ok(());
        };
        Err(wrong(entry.offset, unknown("key", &entry.key, keys)))
    }
}

/// That there is no such thing, and what there is.
pub(super) fn unknown(what: &str, name: &str, names: &[&str]) -> String {
    match alike(name, names.iter().copied()).first() {
        Some(near) => format!("unknown {what} {name:?}; did you mean {near}?"),
        None => format!("unknown {what} {name:?}; there are {}", names.join(", ")),
    }
}

/// Where the key of a value begins.
fn key_before(text: &str, value: usize) -> usize {
    let before = text.get(..value).unwrap_or_default();
    let key = before.trim_end().trim_end_matches(':').trim_end();
    let mut inside = key.strip_suffix('"').unwrap_or(key);
    while let Some(quote) = inside.rfind('"') {
        let escapes = inside[..quote].bytes().rev();
        if escapes.take_while(|byte| *byte == b'\\').count() % 2 == 0 {
            return quote;
        }
        inside = &inside[..quote];
    }
    value
}
