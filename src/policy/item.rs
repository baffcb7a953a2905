//! Items of lists: `write`, `@network-io`, `socket(domain == AF_UNIX)`,
//! `ptrace=errno:EPERM`.
//!
//! Items are separated by `:`, `,` or white space, which inside of parentheses and of an
//! action belong to the item. Empty items are skipped, and so is everything from a `#` to
//! the end of the line.

use super::condition::{self, Condition, Misread};
use super::{Action, Error, Origin, Rule, Subject};

/// An item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Which calls.
    pub(super) subject: Subject,
    /// On which arguments.
    pub(super) when: Option<Condition>,
    /// What happens to them, if the item says so.
    pub(super) action: Option<Action>,
    /// Where it is written, if that is a file.
    pub(super) origin: Option<Origin>,
}

impl Item {
    /// One with a subject alone.
    pub(super) fn of(subject: Subject) -> Self {
        Self {
            subject,
            when: None,
            action: None,
            origin: None,
        }
    }

    /// The rule that it is where `action` is what happens to items that do not say it.
    #[must_use]
    pub(crate) fn into_rule(self, action: Action) -> Rule {
        Rule {
            subject: self.subject,
            when: self.when,
            action: self.action.unwrap_or(action),
            origin: self.origin,
        }
    }
}

/// Reads a list.
///
/// # Errors
///
/// It is none: the error tells what is wrong where.
pub(super) fn parse_list(text: &str) -> Result<Vec<Item>, Error> {
    let mut reader = Reader { text, at: 0 };
    let mut items = Vec::new();
    while reader.skip_to_item() {
        let rest = reader.rest();
        let item = reader.item().map_err(|misread| Error::Item {
            item: excerpt(rest),
            problem: misread.problem,
        });
        items.push(item?);
    }
    Ok(items)
}

/// Reads a list that stands in a file, and tells at which byte each item begins.
///
/// # Errors
///
/// It is none: the error tells what is wrong at which byte.
pub(super) fn parse_placed(text: &str) -> Result<Vec<(usize, Item)>, Misread> {
    let mut reader = Reader { text, at: 0 };
    let mut items = Vec::new();
    while reader.skip_to_item() {
        items.push((reader.at, reader.item()?));
    }
    Ok(items)
}

/// The beginning of a list, for people.
fn excerpt(list: &str) -> String {
    /// Longer ones are cut.
    const LONGEST: usize = 100;
    let line = list.lines().next().unwrap_or_default();
    line.chars().take(LONGEST).collect()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

fn is_separator(c: char) -> bool {
    matches!(c, ':' | ',') || c.is_whitespace()
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes what is between items; false at the end.
    fn skip_to_item(&mut self) -> bool {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(is_separator);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return !trimmed.is_empty();
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn wrong(&self, problem: &str) -> Misread {
        Misread {
            offset: self.at,
            problem: problem.to_owned(),
        }
    }

    /// Passes text up to a character.
    fn take_until(&mut self, is_end: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let (taken, _) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
        self.at += taken.len();
        taken
    }

    fn item(&mut self) -> Result<Item, Misread> {
        let name = self.take_until(|c| is_separator(c) || matches!(c, '(' | ')' | '=' | '#'));
        let subject = match name.strip_prefix('@') {
            Some("") => return Err(self.wrong("a name is missing after @")),
            Some(group) => Subject::Group(group.to_owned()),
            None => Subject::Call(name.to_owned()),
        };
        if name.is_empty() {
            return Err(self.wrong("the name of a system call is missing"));
        }
        // Nothing but a condition begins with a parenthesis.
        let blanks = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        let mut when = None;
        if self.rest().trim_start_matches([' ', '\t']).starts_with('(') {
            self.at += blanks;
            if matches!(subject, Subject::Group(_)) {
                return Err(self.wrong("a condition is about one system call, not a group"));
            }
            let (condition, end) = condition::parse_in(self.text, self.at)?;
            when = Some(condition);
            self.at = end;
        }
        let action = match self.rest().strip_prefix('=') {
            Some(_) => {
                self.at += 1;
                Some(self.action()?)
            }
            None => None,
        };
        match self.rest().chars().next() {
            None | Some('#') => {}
            Some(c) if is_separator(c) => {}
            Some(_) => return Err(self.wrong("items of a list are separated by ':' or ','")),
        }
        Ok(Item {
            subject,
            when,
            action,
            origin: None,
        })
    }

    /// An action, to which the separator before its number belongs.
    fn action(&mut self) -> Result<Action, Misread> {
        let start = self.at;
        let is_end = |c: char| is_separator(c) || matches!(c, '(' | ')' | '=' | '#');
        let word = self.take_until(is_end);
        let has_number = match self.rest().strip_prefix(':') {
            Some(_) if word == "errno" => true,
            Some(rest) if word == "trace" => rest.starts_with(|c: char| c.is_ascii_digit()),
            _ => false,
        };
        if has_number {
            self.at += 1;
            self.take_until(is_end);
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        text.parse().map_err(|error: Error| Misread {
            offset: start,
            problem: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(list: &str) -> Vec<String> {
        let items = parse_list(list).expect("a list");
        items
            .into_iter()
            .map(|item| match item.action {
                Some(action) => format!("{} -> {action}", item.into_rule(Action::Allow)),
                None => item.into_rule(Action::Allow).to_string(),
            })
            .collect()
    }

    #[test]
    fn items_are_separated_by_colons_commas_and_white_space() {
        let list = "read:write,, :\n# a comment: open(\nread\tclose#open\n\n";
        assert_eq!(shown(list), ["read", "write", "read", "close"]);
        assert!(shown(" :,\n").is_empty());
    }

    #[test]
    fn separators_in_parentheses_and_actions_belong_to_the_item() {
        assert_eq!(
            shown(
                "a(fd in {1, 2}):b=errno:EPERM:c=trace:7:d=trace:e=log,@f=kill-thread g (x==1)=trap"
            ),
            [
                "a(fd in {1, 2})",
                "b -> errno:EPERM",
                "c -> trace:7",
                "d -> trace",
                "e -> log",
                "@f -> kill-thread",
                "g(x == 1) -> trap",
            ]
        );
    }

    #[test]
    fn what_is_no_item_is_said_with_the_item() {
        for (list, problem) in [
            (
                "read:socket(domain = AF_UNIX):x",
                "\"socket(domain = AF_UNIX):x\": '=' is no comparison; write ==",
            ),
            ("@(x)", "\"@(x)\": a name is missing after @"),
            (
                "(fd == 1)",
                "\"(fd == 1)\": the name of a system call is missing",
            ),
            (
                "@io(fd == 1)",
                "\"@io(fd == 1)\": a condition is about one system call, not a group",
            ),
            ("read(fd == 1", "\"read(fd == 1\": the ( is never closed"),
            (
                "read()",
                "\"read()\": a condition is missing between ( and )",
            ),
            (
                "read)x",
                "\"read)x\": items of a list are separated by ':' or ','",
            ),
            ("read=notify", "\"read=notify\": notify needs a process"),
            (
                "read=errno:EWHAT",
                "\"read=errno:EWHAT\": unknown error \"EWHAT\"",
            ),
            ("read=", "\"read=\": unknown action \"\""),
        ] {
            let error = parse_list(list).expect_err(list).to_string();
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
