//! The lists of system calls: `SystemCallFilter=` and `SystemCallLog=`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::size::Size;
use super::lines::Assignment;
use super::wrong;
use crate::policy::condition::Misread;
use crate::policy::groups::{self, Source};
use crate::policy::{Action, Error, Subject, calls, error, names};

/// A list in the making (load-fragment.c, `config_parse_syscall_filter`).
pub(super) struct List {
    /// Whether the first assignment named what is on it, and not (`~`) what is not.
    pub(super) is_allow_list: bool,
    /// What was written, in order.
    pub(super) written: Vec<Written>,
    /// Names that nobody knows, and where they stand.
    pub(super) unknown: Vec<(String, usize)>,
    entries: BTreeMap<String, Entry>,
    size: Size,
}

/// An item as it was written.
pub(super) struct Written {
    pub(super) subject: Subject,
    /// Where; `None` if systemd adds it.
    pub(super) offset: Option<usize>,
}

/// A call on the list.
pub(super) struct Entry {
    /// What it gets, if that was said.
    pub(super) error: Option<Action>,
    /// By which item it came.
    by: usize,
}

/// Takes an assignment. `implicit` is what stands on an allow-list anyway.
pub(super) fn assign(
    list: &mut Option<List>,
    assignment: &Assignment,
    has_errors: bool,
    implicit: &[&str],
) -> Result<(), Misread> {
    let mut words = assignment.words();
    let Some((offset, first)) = words.first_mut() else {
        *list = None;
        return Ok(());
    };
    let is_inverted = first.starts_with('~');
    if is_inverted {
        *offset += 1;
        *first = &first[1..];
    }
    let list = list.get_or_insert_with(|| {
        let mut list = List {
            is_allow_list: !is_inverted,
            written: Vec::new(),
            unknown: Vec::new(),
            entries: BTreeMap::new(),
            size: Size::default(),
        };
        if list.is_allow_list {
            for name in implicit {
                list.put(calls_of(&subject(name)), subject(name), None, None, false);
            }
        }
        list
    });
    for (offset, word) in words.into_iter().filter(|(_, word)| !word.is_empty()) {
        let (name, action) = match word.split_once(':') {
            None => (word, None),
            Some(_) if !has_errors => return wrong(offset, "what is logged has no error"),
            Some(_) if !is_inverted => {
                return wrong(
                    offset,
                    "only what ~ denies can have an error, as in ~NAME:ERROR",
                );
            }
            Some((name, action)) => {
                let at = offset + name.len() + 1;
                (name, Some(error(action, at)?))
            }
        };
        require_name(name, offset)?;
        let subject = subject(name);
        let calls = calls_of(&subject);
        list.size.add(calls.len(), offset)?;
        list.put(calls, subject, action, Some(offset), is_inverted);
    }
    Ok(())
}

/// `kill`, or the name or number of an error.
pub(super) fn error(text: &str, offset: usize) -> Result<Action, Misread> {
    if text == "kill" {
        return Ok(Action::KillProcess);
    }
    if text == "0" {
        return wrong(
            offset,
            "with the error 0 a call would seem to succeed; name an error",
        );
    }
    let action = format!("errno:{text}").parse();
    action.map_err(|error: Error| Misread {
        offset,
        problem: format!("{error}, or kill"),
    })
}

fn subject(name: &str) -> Subject {
    match name.strip_prefix('@') {
        Some(group) => Subject::Group(group.to_owned()),
        None => Subject::Call(name.to_owned()),
    }
}

fn require_name(name: &str, offset: usize) -> Result<(), Misread> {
    if let Some(group) = name.strip_prefix('@') {
        let sets = || groups::all().filter(|group| group.source == Source::Systemd);
        if sets().any(|set| set.name == group) {
            return Ok(());
        }
        let suggestions = names::alike(group, sets().map(|set| set.name));
        let suggestions: Vec<_> = suggestions.iter().map(|name| format!("@{name}")).collect();
        return wrong(
            offset,
            match error::either(&suggestions) {
                Some(names) => format!("systemd has no group {name:?}; did you mean {names}?"),
                None => {
                    format!("systemd has no group {name:?}; see systemd-analyze syscall-filter")
                }
            },
        );
    }
    if name.starts_with('~') {
        return wrong(offset, "~ stands once, at the beginning of the whole list");
    }
    if !names::is_plain(name) || name.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong(offset, format!("{name:?} is no name of a system call"));
    }
    Ok(())
}

impl List {
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Adds or takes out, as seccomp-util.c does (`seccomp_parse_syscall_filter`): on an
    /// allow-list there can also be what is denied with an error of its own.
    fn put(
        &mut self,
        calls: Vec<String>,
        subject: Subject,
        error: Option<Action>,
        offset: Option<usize>,
        is_inverted: bool,
    ) {
        let by = self.written.len();
        let stays = is_inverted != self.is_allow_list || (is_inverted && error.is_some());
        for name in calls {
            if !calls::is_known(&name) {
                self.unknown.extend(offset.map(|offset| (name, offset)));
            } else if stays {
                self.entries.insert(name, Entry { error, by });
            } else {
                self.entries.remove(&name);
            }
        }
        self.written.push(Written { subject, offset });
    }

    /// What is left of an item, each with the name of a call of it: a group as such, if no
    /// other item took a call of it and the same happens to all.
    pub(super) fn subjects(
        &self,
        index: usize,
        verdict: &dyn Fn(&str) -> Option<Action>,
    ) -> Vec<(Subject, String)> {
        let Some(written) = self.written.get(index) else {
            return Vec::new();
        };
        let all = calls_of(&written.subject);
        let is_own = |name: &&String| self.entry(name).is_some_and(|entry| entry.by == index);
        let own: Vec<_> = all.iter().filter(is_own).collect();
        let same = own
            .windows(2)
            .all(|pair| verdict(pair[0]) == verdict(pair[1]));
        match own.first() {
            Some(first) if own.len() == all.len() && same => {
                vec![(written.subject.clone(), (*first).clone())]
            }
            _ => own
                .into_iter()
                .map(|name| (Subject::Call(name.clone()), name.clone()))
                .collect(),
        }
    }
}

/// The calls that are meant, each once.
pub(super) fn calls_of(subject: &Subject) -> Vec<String> {
    fn add(subject: Subject, calls: &mut Vec<String>) {
        match subject {
            Subject::Call(name) => calls.push(name),
            Subject::Group(group) => {
                for item in groups::items(&group) {
                    add(item.subject, calls);
                }
            }
        }
    }
    let mut calls = Vec::new();
    add(subject.clone(), &mut calls);
    let mut seen = BTreeSet::new();
    calls.retain(|name| seen.insert(name.clone()));
    calls
}
