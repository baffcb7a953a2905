//! The lines of a unit, as systemd reads them (conf-parser.c, `config_parse`; systemd.syntax(7)).

use std::collections::BTreeMap;

use super::wrong;
use crate::policy::condition::Misread;
use crate::policy::error;
use crate::policy::names::alike;

/// The settings that are read.
pub(super) const KEYS: [&str; 4] = [
    "SystemCallFilter",
    "SystemCallErrorNumber",
    "SystemCallArchitectures",
    "SystemCallLog",
];

/// The settings that make filters of their own, in the same sections (systemd.exec(5)).
const OTHERS: [&str; 13] = [
    "DynamicUser",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "PrivateDevices",
    "ProtectClock",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
];

/// What is written where such a setting makes none (`parse_boolean` in parse-util.c).
const NOT: [&str; 7] = ["", "0", "no", "n", "false", "f", "off"];

/// All sections of units, to tell a misspelt one.
const ALL_SECTIONS: [&str; 13] = [
    "Unit",
    "Install",
    "Service",
    "Socket",
    "Mount",
    "Swap",
    "Automount",
    "Path",
    "Timer",
    "Slice",
    "Scope",
    "Target",
    "Device",
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

/// What a unit says of filters.
#[derive(Default)]
pub(super) struct Settings {
    /// All settings of system calls, in order.
    pub(super) of_calls: Vec<Assignment>,
    /// Other settings that make filters, and where they stand.
    pub(super) others: BTreeMap<&'static str, usize>,
}

impl Settings {
    pub(super) fn of(text: &str) -> Result<Self, Misread> {
        let mut settings = Self::default();
        let mut section: Option<String> = None;
        let mut home: Option<String> = None;
        for line in lines(text) {
            let start = line.text.len() - line.text.trim_start_matches(BLANKS).len();
            let written = line.text.trim_matches(BLANKS);
            let at = line.offset(start);
            if let Some(name) = written.strip_prefix('[') {
                section = Some(section_name(name, at)?.to_owned());
                continue;
            }
            settings.other(written, section.as_deref(), at);
            let prefix = written.get(..PREFIX.len()).unwrap_or_default();
            let is_own = section
                .as_deref()
                .is_some_and(|name| name.starts_with("X-"));
            if is_own || !prefix.eq_ignore_ascii_case(PREFIX) {
                continue;
            }
            let Some((key, value)) = written.split_once('=') else {
                return wrong(at, "a setting is NAME=VALUE, and the = is missing");
            };
            let key = key.trim_end_matches(BLANKS).to_owned();
            require_section(&key, section.as_deref(), home.as_deref(), at)?;
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
            settings.of_calls.push(Assignment {
                key,
                key_at: at,
                line,
                value,
            });
        }
        Ok(settings)
    }

    /// Takes a line that may be about another filter: the last of each setting counts.
    fn other(&mut self, line: &str, section: Option<&str>, offset: usize) {
        let Some((key, value)) = line.split_once('=') else {
            return;
        };
        let key = key.trim_end_matches(BLANKS);
        let known = OTHERS.into_iter().find(|other| *other == key);
        let Some(key) = known.filter(|_| section.is_some_and(|name| SECTIONS.contains(&name)))
        else {
            return;
        };
        let value = value.trim_matches(BLANKS).to_ascii_lowercase();
        if NOT.contains(&value.as_str()) {
            self.others.remove(key);
        } else {
            self.others.insert(key, offset);
        }
    }
}

/// The name of a section, after the `[`.
fn section_name(rest: &str, offset: usize) -> Result<&str, Misread> {
    let Some(name) = rest.strip_suffix(']') else {
        return wrong(offset, "a section is [NAME], and the ] is missing");
    };
    if ALL_SECTIONS.contains(&name) || name.starts_with("X-") {
        return Ok(name);
    }
    match error::either(&alike(name, ALL_SECTIONS.into_iter())) {
        Some(names) => wrong(
            offset,
            format!("units have no section [{name}]; did you mean {names}?"),
        ),
        None => wrong(
            offset,
            format!("units have no section [{name}]; one of your own is [X-{name}]"),
        ),
    }
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
    let mut next = 0;
    for part in text.split('\n') {
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
