//! The lines of a profile and of those that it includes (src/firejail/profile.c,
//! `profile_read`).

use crate::policy::condition::Misread;
use crate::policy::source::error::Places;
use crate::policy::source::file::base_name;
use crate::policy::source::include::{MAX_DEPTH, MAX_FILES};
use crate::policy::source::{Input, other_filter};
use crate::policy::{Origin, Warning};

/// The most lines, those of all included files together.
const MAX_LINES: usize = 1 << 16;

/// The most lines that have others be ignored: each line is compared with all.
const MAX_IGNORED: usize = 1 << 10;

/// A line that counts.
#[derive(Clone)]
pub(super) struct Line {
    /// It, with one blank between words, and none around them.
    pub(super) text: String,
    /// Where each byte of it stands in its file.
    places: Vec<usize>,
    /// Where the line, or the one that includes its file, begins in the first file.
    offset: usize,
    /// Its file, if that is not the first, and which line it is there.
    included: Option<(String, u32)>,
    origin: Origin,
}

impl Line {
    /// That something is wrong at a byte of the text.
    pub(super) fn misread(&self, at: usize, problem: &str) -> Misread {
        match &self.included {
            None => Misread {
                offset: self.place(at),
                problem: problem.to_owned(),
            },
            Some((file, line)) => Misread {
                offset: self.offset,
                problem: format!("{file}, line {line}: {problem}"),
            },
        }
    }

    /// A warning of what makes a filter of its own.
    pub(super) fn other_filter(&self, key: &str) -> Warning {
        Warning::Lost {
            problem: other_filter(key),
            origin: Some(self.origin(0)),
        }
    }

    /// The place of a byte of the text.
    pub(super) fn origin(&self, at: usize) -> Origin {
        let shift = self.place(at).saturating_sub(self.place(0));
        let shift = u32::try_from(shift).unwrap_or(u32::MAX);
        Origin {
            column: self.origin.column.saturating_add(shift),
            ..self.origin.clone()
        }
    }

    fn place(&self, at: usize) -> usize {
        let place = self.places.get(at).or(self.places.last());
        place.copied().unwrap_or(self.offset)
    }
}

/// Reads lines.
pub(super) struct Lines<'a> {
    input: &'a Input<'a>,
    lines: Vec<Line>,
    /// What is to be ignored from here on.
    ignored: Vec<String>,
    /// The files that are being read, each included by the one before.
    open: Vec<String>,
    files: usize,
}

impl<'a> Lines<'a> {
    /// All lines that count, in order.
    pub(super) fn of(input: &'a Input<'a>) -> Result<Vec<Line>, Misread> {
        let mut lines = Self {
            input,
            lines: Vec::new(),
            ignored: Vec::new(),
            open: Vec::new(),
            files: 1,
        };
        lines.read(input.text, None)?;
        Ok(lines.lines)
    }

    /// Reads a file, with the place in the first one where it is included.
    fn read(&mut self, text: &str, included: Option<(&str, usize)>) -> Result<(), Misread> {
        let mut start = 0;
        for (index, raw) in text.split('\n').enumerate() {
            let line = self.line(raw, start, index, included);
            start += raw.len() + 1;
            if line.text.is_empty() {
                continue;
            }
            if self.lines.len() >= MAX_LINES {
                return Err(line.misread(0, &format!("there are more than {MAX_LINES} lines")));
            }
            self.take(line)?;
        }
        Ok(())
    }

    fn line(&self, raw: &str, start: usize, index: usize, included: Option<(&str, usize)>) -> Line {
        let code = raw.split('#').next().unwrap_or_default();
        let mut text = String::new();
        let mut places = Vec::new();
        let mut at = 0;
        for word in code.split(|c: char| c.is_ascii_whitespace()) {
            if !word.is_empty() {
                if !text.is_empty() {
                    text.push(' ');
                    places.push(start + at - 1);
                }
                text.push_str(word);
                places.extend((start + at)..(start + at + word.len()));
            }
            at += word.len() + 1;
        }
        let first = places.first().copied().unwrap_or(start);
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let own = |file: &str| Origin {
            file: file.to_owned(),
            line: number,
            column: Places::of(raw).position(first - start).1,
        };
        Line {
            text,
            places,
            offset: included.map_or(first, |(_, offset)| offset),
            included: included.map(|(file, _)| (file.to_owned(), number)),
            origin: included.map_or_else(|| (self.input.origin)(first), |(file, _)| own(file)),
        }
    }

    fn take(&mut self, line: Line) -> Result<(), Misread> {
        if line.text.starts_with('?') {
            return refuse_conditional(&line);
        }
        if self
            .ignored
            .iter()
            .any(|start| begins_with(&line.text, start))
        {
            return Ok(());
        }
        match line.text.split_once(' ') {
            Some(("ignore", what)) => {
                if self.ignored.len() >= MAX_IGNORED {
                    let problem =
                        format!("there are more than {MAX_IGNORED} lines to ignore others");
                    return Err(line.misread(0, &problem));
                }
                self.ignored.push(what.to_owned());
            }
            Some(("include", name)) => {
                let name = name.to_owned();
                self.include(&name, &line)?;
            }
            _ => self.lines.push(line),
        }
        Ok(())
    }

    fn include(&mut self, name: &str, line: &Line) -> Result<(), Misread> {
        let wrong = |problem: String| Err(line.misread("include ".len(), &problem));
        // What people add is there or not.
        if name.ends_with(".local") && !self.input.directory.join(name).exists() {
            return Ok(());
        }
        if name.contains("${") {
            return wrong(format!(
                "the variable in {name:?} is not known; write a path"
            ));
        }
        if self.open.iter().any(|open| open == name) {
            return wrong(format!("{name:?} includes itself"));
        }
        if self.open.len() >= MAX_DEPTH {
            return wrong(format!("files include others more than {MAX_DEPTH} deep"));
        }
        self.files += 1;
        if self.files > MAX_FILES {
            return wrong(format!("more than {MAX_FILES} files are included"));
        }
        let text = self.input.text_of(name);
        let text = text.map_err(|problem| line.misread("include ".len(), &problem))?;
        self.open.push(name.to_owned());
        let short = base_name(name.as_ref());
        self.read(&text, Some((&short, line.offset)))?;
        self.open.pop();
        Ok(())
    }
}

/// Whether a line begins with these whole words.
fn begins_with(line: &str, start: &str) -> bool {
    let rest = line.strip_prefix(start);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// `?CONDITION: line` depends on how firejail is called.
fn refuse_conditional(line: &Line) -> Result<(), Misread> {
    let then = line
        .text
        .split_once(':')
        .map_or("", |(_, then)| then.trim());
    let is_about =
        |word: &str| then.starts_with(word) || then.starts_with(&format!("ignore {word}"));
    if ["seccomp", "allow-debuggers"].into_iter().any(is_about) {
        let problem = "it depends on how firejail is called; write it without the condition";
        return Err(line.misread(0, problem));
    }
    Ok(())
}
