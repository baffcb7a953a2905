//! The lines of a policy file and of those that it includes, in words.

use super::super::Misread;
use super::super::texts::{Directory, Place, Texts};

/// A statement.
pub(super) enum Line {
    /// `read: 1`
    Filter(Vec<Token>),
    /// `@default` and what follows.
    Default(Vec<Token>),
    /// `@denylist`
    Denylist,
}

/// A word, a number or a sign.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) place: Place,
    /// Whether a blank stands before it.
    pub(super) is_apart: bool,
}

impl Token {
    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub(super) fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    }

    pub(super) fn is_number(&self) -> bool {
        let digits = self.text.strip_prefix('-').unwrap_or(&self.text);
        digits.starts_with(|c: char| c.is_ascii_digit())
    }
}

/// How deep files may be included: tools/parser.py has ten states, of which one is for no
/// file and one for the first. minijail0 takes one level only (syscall_filter.c,
/// `parse_include_statement`).
const MAX_DEPTH: usize = 8;

/// The statements of a file, with those of included files in their place.
pub(super) fn lines(texts: &mut Texts<'_>, file: usize) -> Result<Vec<Line>, Misread> {
    let text = texts.text(file);
    let mut found = Vec::new();
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut is_continued = false;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let at = Place {
            file,
            offset: start,
        };
        is_continued = content.ends_with('\\');
        words(texts, content, at, &mut tokens)?;
        start += line.len();
        if !is_continued && !tokens.is_empty() {
            statement(texts, std::mem::take(&mut tokens), &mut found)?;
        }
    }
    if is_continued {
        let end = Place {
            file,
            offset: start.saturating_sub(1),
        };
        return Err(texts.wrong(end, "the last line ends in \\, and nothing follows"));
    }
    Ok(found)
}

/// Adds the words of a line.
fn words(
    texts: &Texts<'_>,
    line: &str,
    start: Place,
    tokens: &mut Vec<Token>,
) -> Result<(), Misread> {
    let mut at = 0;
    let mut is_apart = true;
    while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
        let place = Place {
            offset: start.offset + at,
            ..start
        };
        if rest.starts_with('#') {
            // To minijail0 the next line belongs to such a comment, and to
            // compile_seccomp_policy.py it does not.
            if rest.ends_with('\\') {
                return Err(texts.wrong(place, "minijail's tools differ in what a comment that ends in \\ means; leave that out"));
            }
            return Ok(());
        }
        let is_directive = tokens
            .first()
            .is_some_and(|first| first.text.starts_with('@'));
        let length = match rest {
            "\\" => 1,
            _ if rest.starts_with(char::is_whitespace) => {
                is_apart = true;
                at += rest.len() - rest.trim_start().len();
                continue;
            }
            _ if is_directive => rest.find(char::is_whitespace).unwrap_or(rest.len()),
            _ => length_of(rest).ok_or_else(|| {
                texts.wrong(place, format!("{:?} has no meaning here", first(rest)))
            })?,
        };
        let (word, _) = rest.split_at(length);
        if word != "\\" {
            tokens.push(Token {
                text: word.to_owned(),
                place,
                is_apart,
            });
        }
        is_apart = false;
        at += length;
    }
    Ok(())
}

fn first(text: &str) -> char {
    text.chars().next().unwrap_or_default()
}

/// How long the word, number or sign is that begins here.
fn length_of(rest: &str) -> Option<usize> {
    const SIGNS: [&str; 19] = [
        "==", "!=", "<=", ">=", "&&", "||", "<", ">", "&", "|", "=", ":", ";", ",", "~", "(", ")",
        "{", "}",
    ];
    let until = |skip: usize, is_in: fn(char) -> bool| {
        let tail = rest.get(skip..).unwrap_or_default();
        skip + tail.find(|c| !is_in(c)).unwrap_or(tail.len())
    };
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@');
    match first(rest) {
        'a'..='z' | 'A'..='Z' | '_' | '@' => Some(until(1, is_of_word)),
        '0'..='9' => Some(until(1, |c| c.is_ascii_alphanumeric())),
        '-' if rest.get(1..)?.starts_with(|c: char| c.is_ascii_digit()) => {
            Some(until(2, |c| c.is_ascii_alphanumeric()))
        }
        '[' | ']' => Some(1),
        _ => SIGNS
            .iter()
            .find(|sign| rest.starts_with(**sign))
            .map(|sign| sign.len()),
    }
}

/// Adds a statement, or what it includes.
fn statement(
    texts: &mut Texts<'_>,
    tokens: Vec<Token>,
    found: &mut Vec<Line>,
) -> Result<(), Misread> {
    let Some(head) = tokens.first() else {
        return Ok(());
    };
    let place = head.place;
    if !head.text.starts_with('@') {
        found.push(Line::Filter(tokens));
        return Ok(());
    }
    let (path, more) = (tokens.get(1), tokens.get(2));
    match (head.text.as_str(), path, more) {
        ("@default", ..) => found.push(Line::Default(tokens)),
        ("@denylist", None, _) => found.push(Line::Denylist),
        ("@include" | "@frequency", None, _) => {
            return Err(texts.wrong(place, "the path of a file is missing"));
        }
        ("@denylist", Some(more), _) | ("@include" | "@frequency", _, Some(more)) => {
            return Err(texts.wrong(more.place, format!("{:?} is too much here", more.text)));
        }
        // It tells which calls are frequent, so that they are found faster.
        ("@frequency", Some(_), None) => {}
        ("@include", Some(path), None) => {
            if !path.text.starts_with('/') && !path.text.starts_with("./") {
                let problem = format!("minijail takes ./{0} or a whole path, not {0}", path.text);
                return Err(texts.wrong(path.place, problem));
            }
            if texts.depth(path.place.file) >= MAX_DEPTH {
                return Err(texts.wrong(path.place, "files are included too deep"));
            }
            let file = texts.include(path.place, &path.text, Directory::OfFile)?;
            found.extend(lines(texts, file)?);
        }
        (other, ..) => {
            let problem = format!(
                "unknown statement {other}; there are @include, @default, @denylist and @frequency"
            );
            return Err(texts.wrong(place, problem));
        }
    }
    Ok(())
}
