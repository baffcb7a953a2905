//! The lines of a unit, as systemd reads them (conf-parser.c, `config_parse`; systemd.syntax(7)).

use super::wrong;
use crate::policy::condition::Misread;

/// The settings that are read.
pub(super) const KEYS: [&str; 4] = [
    "SystemCallFilter",
    "SystemCallErrorNumber",
    "SystemCallArchitectures",
    "SystemCallLog",
];

/// What these begin with, and no other setting does.
const PREFIX: &str = "SystemCall";

/// The sections that may have them: those of units that start programs.
const SECTIONS: [&str; 4] = ["Service", "Socket", "Mount", "Swap"];

/// What systemd takes for white space.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// A setting of system calls.
pub(super) struct Assignment {
    /// Its name.
    pub(super) key: String,
    /// Where that stands.
    pub(super) key_at: usize,
    line: Line,
    /// Where the value begins in the line.
    value: usize,
}

impl Assignment {
    /// The words of the value, and where they stand.
    pub(super) fn words(&self) -> Vec<(usize, &str)> {
        let value = self.line.text.get(self.value..).unwrap_or_default();
        let mut words = Vec::new();
        let mut at = self.value;
        for word in value.split(BLANKS) {
            if !word.is_empty() {
                words.push((self.line.offset(at), word));
            }
            at += word.len() + 1;
        }
        words
    }
}

/// A line with those that continue it.
#[derive(Default)]
struct Line {
    text: String,
    /// Where its parts begin, in it and in the file.
    parts: Vec<(usize, usize)>,
}

impl Line {
    fn push(&mut self, part: &str, offset: usize) {
        self.parts.push((self.text.len(), offset));
        self.text.push_str(part);
    }

    /// Where a byte of it stands in the file.
    fn offset(&self, at: usize) -> usize {
        let next = self.parts.partition_point(|(start, _)| *start <= at);
        let part = self.parts.get(next.saturating_sub(1));
        part.map_or(0, |(start, offset)| offset + at.saturating_sub(*start))
    }
}

/// All settings of system calls.
pub(super) fn assignments(text: &str) -> Result<Vec<Assignment>, Misread> {
    let mut found: Vec<Assignment> = Vec::new();
    let mut section: Option<String> = None;
    let mut home: Option<String> = None;
    for line in lines(text) {
        let start = line.text.len() - line.text.trim_start_matches(BLANKS).len();
        let written = line.text.trim_matches(BLANKS);
        if let Some(name) = written.strip_prefix('[') {
            let Some(name) = name.strip_suffix(']') else {
                return wrong(
                    line.offset(start),
                    "a section is [NAME], and the ] is missing",
                );
            };
            section = Some(name.to_owned());
            continue;
        }
        let prefix = written.get(..PREFIX.len()).unwrap_or_default();
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            continue;
        }
        let key_at = line.offset(start);
        if section
            .as_deref()
            .is_some_and(|name| name.starts_with("X-"))
        {
            continue;
        }
        let Some((key, value)) = written.split_once('=') else {
            return wrong(key_at, "a setting is NAME=VALUE, and the = is missing");
        };
        let key = key.trim_end_matches(BLANKS).to_owned();
        require_section(&key, section.as_deref(), home.as_deref(), key_at)?;
        home.clone_from(&section);
        let value = start + written.len() - value.len();
        if let Some(at) = line
            .text
            .get(value..)
            .and_then(|value| value.find(['%', '\r']))
        {
            let problem = "system calls have no specifiers (%) and no carriage returns";
            return wrong(line.offset(value + at), problem);
        }
        found.push(Assignment {
            key,
            key_at,
            line,
            value,
        });
    }
    Ok(found)
}

fn require_section(
    key: &str,
    section: Option<&str>,
    home: Option<&str>,
    offset: usize,
) -> Result<(), Misread> {
    match section {
        None => wrong(
            offset,
            format!("{key}= stands in no section; write [Service] before it"),
        ),
        Some(name) if !SECTIONS.contains(&name) => wrong(
            offset,
            format!(
                "{key}= has no meaning in [{name}]; it belongs into {}",
                SECTIONS.map(|name| format!("[{name}]")).join(", ")
            ),
        ),
        Some(name) => match home.filter(|home| *home != name) {
            None => Ok(()),
            Some(home) => wrong(
                offset,
                format!("a unit has [{home}] or [{name}], not both with system calls"),
            ),
        },
    }
}

/// The lines that are no comments, each with those that continue it.
fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut open: Option<Line> = None;
    let without_mark = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut next = text.len() - without_mark.len();
    for part in without_mark.split('\n') {
        let offset = next;
        next += part.len() + 1;
        let part = part.strip_suffix('\r').unwrap_or(part);
        // Comments may also stand between lines that continue each other.
        if part.trim_start_matches(BLANKS).starts_with(['#', ';']) {
            continue;
        }
        let mut line = open.take().unwrap_or_default();
        let backslashes = part.len() - part.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            line.push(&part[..part.len() - 1], offset);
            line.text.push(' ');
            open = Some(line);
        } else {
            line.push(part, offset);
            lines.push(line);
        }
    }
    lines.extend(open);
    lines
}
