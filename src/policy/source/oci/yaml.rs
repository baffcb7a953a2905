//! YAML, as far as people write Kubernetes objects in it.
//!
//! The parser gives one event after another and calls nothing recursively. An alias could
//! stand for so much that nobody has room for it, and no profile needs any: they are refused.

use std::collections::BTreeSet;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::Misread;
use super::node::{Entry, MAX_DEPTH, Map, Node, Value, too_deep, wrong};

/// Reads all documents of a text.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, Misread> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        offsets: text.char_indices().map(|(offset, _)| offset).collect(),
        end: text.len(),
    };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(documents),
            (Event::DocumentStart(_), _) => {
                let first = reader.next()?;
                documents.push(reader.node(first, 0)?);
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// Where each character begins.
    offsets: Vec<usize>,
    end: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), Misread> {
        let (event, span): (Event<'a>, Span) = match self.events.next_event() {
            Some(Ok(found)) => found,
            Some(Err(error)) => return Err(self.misread(&error)),
            None => return Ok((Event::StreamEnd, self.end)),
        };
        Ok((event, self.offset(span.start.index())))
    }

    fn misread(&self, error: &ScanError) -> Misread {
        let offset = self.offset(error.marker().index());
        wrong(offset, error.info().replace('\n', "; "))
    }

    fn offset(&self, character: usize) -> usize {
        self.offsets.get(character).copied().unwrap_or(self.end)
    }

    /// The value that begins with an event.
    fn node(&mut self, (event, offset): (Event<'a>, usize), depth: usize) -> Result<Node, Misread> {
        if depth > MAX_DEPTH {
            return Err(too_deep(offset));
        }
        let (anchor, has_tag) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            Event::Alias(_) => (1, false),
            _ => return Err(wrong(offset, "a value is missing")),
        };
        if anchor != 0 {
            let problem = "anchors and aliases are not followed; write the value where it belongs";
            return Err(wrong(offset, problem));
        }
        if has_tag {
            return Err(wrong(offset, "tags are not followed; leave it out"));
        }
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
            Event::Scalar(text, ..) => Value::Text(text.into_owned()),
            Event::SequenceStart(..) => Value::List(self.list(depth)?),
            _ => Value::Map(self.map(offset, depth)?),
        };
        Ok(Node { offset, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Misread> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(nodes),
                first => nodes.push(self.node(first, depth + 1)?),
            }
        }
    }

    fn map(&mut self, offset: usize, depth: usize) -> Result<Map, Misread> {
        let mut entries = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            let (key, at) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Map { offset, entries }),
                (Event::Scalar(text, _, 0, None), at) => (text.into_owned(), at),
                (_, at) => return Err(wrong(at, "a key must be a plain text")),
            };
            if !seen.insert(key.clone()) {
                return Err(wrong(at, format!("{key:?} is there twice")));
            }
            let first = self.next()?;
            entries.push(Entry {
                key,
                offset: at,
                value: self.node(first, depth + 1)?,
            });
        }
    }
}

/// What a text without quotes stands for. Kubernetes reads YAML 1.1, in which a 0 in front
/// makes a number octal, and others YAML 1.2, in which it does not: neither is taken.
fn plain(text: &str) -> Value {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return i128::from_str_radix(hexadecimal, 16).map_or(Value::Other, Value::Number);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            let is_octal = digits.len() > 1 && digits.starts_with('0');
            match text.parse() {
                Ok(number) if !is_octal => Value::Number(number),
                _ => Value::Other,
            }
        }
        _ => Value::Text(text.to_owned()),
    }
}
