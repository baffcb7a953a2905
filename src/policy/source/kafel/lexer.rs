//! The words of a policy, with those of the files that it includes in their place.

use super::super::Misread;
use super::super::texts::{Directory, Place, Texts};

/// `MAX_INCLUDE_DEPTH` of src/lexer.l.
const MAX_DEPTH: usize = 16;

/// The words of the language.
pub(super) const WORDS: [&str; 15] = [
    "SYSCALL",
    "ALLOW",
    "LOG",
    "USER_NOTIF",
    "ERRNO",
    "KILL_PROCESS",
    "KILL_THREAD",
    "KILL",
    "DENY",
    "TRAP",
    "TRACE",
    "USE",
    "POLICY",
    "DEFAULT",
    "ON",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number(u64),
    Identifier,
    /// A sign, or a word of the language.
    Fixed,
}

pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) place: Place,
}

impl Token {
    /// Whether it is this sign or word of the language.
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Fixed && self.text == word
    }
}

pub(super) fn tokens(texts: &mut Texts<'_>) -> Result<Vec<Token>, Misread> {
    let mut tokens = Vec::new();
    of_file(texts, 0, &mut tokens)?;
    Ok(tokens)
}

fn of_file(texts: &mut Texts<'_>, file: usize, tokens: &mut Vec<Token>) -> Result<(), Misread> {
    let text = texts.text(file);
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let place = Place { file, offset: at };
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        at += match rest {
            _ if blanks > 0 => blanks,
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => {
                comment(rest).ok_or_else(|| texts.wrong(place, "this comment never ends"))?
            }
            _ if rest.starts_with("#include") => include(texts, rest, place, tokens)?,
            _ => {
                let token = token(rest, place).map_err(|problem| texts.wrong(place, problem))?;
                let length = token.text.len();
                tokens.push(token);
                length
            }
        };
    }
    Ok(())
}

/// The length of a comment. A star takes the next character with it unless that is the end
/// (src/lexer.l), so that `**/` may be none.
fn comment(rest: &str) -> Option<usize> {
    let mut characters = rest.char_indices().skip(2);
    while let Some((_, character)) = characters.next() {
        if character == '*' {
            let (at, next) = characters.next()?;
            if next == '/' {
                return Some(at + 1);
            }
        }
    }
    None
}

fn token(rest: &str, place: Place) -> Result<Token, String> {
    const SIGNS: [&str; 19] = [
        "==", "!=", "<=", ">=", "||", "&&", "<", ">", "|", "&", "[", "]", "(", ")", "{", "}", ",",
        "!", "#",
    ];
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let digits = rest.strip_prefix('-').unwrap_or(rest);
    let first = digits.chars().next().unwrap_or_default();
    let word = digits.find(|c| !is_of_word(c)).unwrap_or(digits.len()) + rest.len() - digits.len();
    let of = |kind, length: usize| Token {
        kind,
        text: rest.split_at(length).0.to_owned(),
        place,
    };
    if first.is_ascii_digit() {
        let number = number(rest.split_at(word).0)?;
        return Ok(of(Kind::Number(number), word));
    }
    if first.is_ascii_alphabetic() && !rest.starts_with('-') {
        let text = rest.split_at(word).0;
        let is_fixed = WORDS.contains(&text) || text == "define";
        return Ok(of(
            if is_fixed {
                Kind::Fixed
            } else {
                Kind::Identifier
            },
            word,
        ));
    }
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(sign) => Ok(of(Kind::Fixed, sign.len())),
        None => Err(format!(
            "{:?} has no meaning here",
            rest.chars().next().unwrap_or_default()
        )),
    }
}

/// A number; a negative one is that of 64 bits.
fn number(text: &str) -> Result<u64, String> {
    let parsed = if let Some(digits) = text.strip_prefix("0x") {
        u64::from_str_radix(digits, 16)
    } else if let Some(digits) = text.strip_prefix("0b") {
        u64::from_str_radix(digits, 2)
    } else if let Some(digits) = text.strip_prefix('-') {
        // There is no -0, and no negative number but a decimal one.
        if digits.starts_with('0') {
            return Err(format!("{text:?} is no number"));
        }
        digits.parse().map(u64::wrapping_neg)
    } else if text.len() > 1 && text.starts_with('0') {
        u64::from_str_radix(text, 8)
    } else {
        text.parse()
    };
    parsed.map_err(|error| match error.kind() {
        std::num::IntErrorKind::PosOverflow => format!("{text} has more than 64 bits"),
        _ => format!("{text:?} is no number"),
    })
}

/// `#include "one" "two"` up to the end of the line or a semicolon; its length.
fn include(
    texts: &mut Texts<'_>,
    rest: &str,
    place: Place,
    tokens: &mut Vec<Token>,
) -> Result<usize, Misread> {
    let mut at = "#include".len();
    let mut found = false;
    loop {
        let left = rest.get(at..).unwrap_or_default();
        let trimmed = left.trim_start_matches([' ', '\t', '\r']);
        let blanks = left.len() - trimmed.len();
        at += blanks;
        let here = Place {
            offset: place.offset + at,
            ..place
        };
        if trimmed.starts_with([';', '\n']) {
            return match found {
                true => Ok(at + 1),
                false => Err(texts.wrong(place, "the name of a file is missing")),
            };
        }
        let name = trimmed
            .strip_prefix('"')
            .and_then(|name| name.split_once('"'));
        match name {
            Some((name, _)) if blanks > 0 && !name.is_empty() => {
                if texts.depth(place.file) >= MAX_DEPTH {
                    return Err(texts.wrong(here, "files are included too deep"));
                }
                at += name.len() + 2;
                // Names are looked for in the directories that the caller of the library
                // gives (src/includes.c), wherever the file is that has them.
                let file = texts.include(here, name.trim_start_matches('/'), Directory::OfFirst)?;
                of_file(texts, file, tokens)?;
                found = true;
            }
            None if trimmed.is_empty() => {
                return Err(texts.wrong(place, "an #include ends with the line or a semicolon"));
            }
            _ => {
                let problem = "#include is followed by a blank and the name of a file in quotes";
                return Err(texts.wrong(here, problem));
            }
        }
    }
}
