//! JSON of other tools, and where in it something is wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Misread;

/// Reads a part of a text, which is the whole of it or a [`RawValue`] in it.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &str, part: &'a str) -> Result<T, Misread> {
    serde_json::from_str(part).map_err(|error| {
        let lines = part.split_inclusive('\n');
        let above = lines.take(error.line().saturating_sub(1));
        let above: usize = above.map(str::len).sum();
        let within = above + error.column().saturating_sub(1);
        Misread {
            offset: offset_of(text, part) + within.min(part.len()),
            problem: problem(&error),
        }
    })
}

/// Where a part of a text begins.
pub(super) fn offset_of(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// serde_json's message without the line and column, which count from elsewhere, and in
/// words of ours where it speaks of itself.
fn problem(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |it| it.0);
    if error.is_eof() {
        "it ends before the JSON is complete".to_owned()
    } else if message.starts_with("recursion limit") {
        "brackets are too deep in each other".to_owned()
    } else if error.is_syntax() {
        format!("it is no JSON: {message}")
    } else {
        message.to_owned()
    }
}

/// The entries of an object in the order of the text, whose keys differ.
pub(super) struct Entries<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Reader<'a> {
            type Value = Entries<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries: Vec<(String, &'a RawValue)> = Vec::new();
                let mut keys = BTreeSet::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if !keys.insert(key.clone()) {
                        let problem = format!("{key:?} is there twice");
                        return Err(serde::de::Error::custom(problem));
                    }
                    entries.push((key, value));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}
