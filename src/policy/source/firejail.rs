//! firejail's profiles: `seccomp`, `seccomp.drop`, `seccomp.keep`, and what belongs to them
//! (firejail-profile(5)). Lines that make other filters, as `protocol`, are warned of, and
//! others left alone.
//!
//! What the lines mean is in firejail's sources: src/firejail/profile.c reads them,
//! src/firejail/seccomp.c chooses among them, src/fseccomp makes the filters. For ABIs of 32
//! bits, x86_64 has a filter with a list of its own, and calls of x32 always get the error. As a
//! policy has one list, and one action for other ABIs, these all get the error here.

mod groups;
mod lines;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::lines::{Line, Lines};
use super::Input;
use super::size::Size;
use crate::policy::condition::{Comparison, Condition, Misread, Operand, Value};
use crate::policy::item::Item;
use crate::policy::names::{self, alike};
use crate::policy::{Action, Arch, Draft, Origin, Subject, Warning, error};

/// The calls that have others behind them. firejail's filters look at their own numbers only.
const MULTIPLEXERS: [&str; 2] = ["socketcall", "ipc"];

/// EPERM, which denied calls get (`DEFAULT_SECCOMP_ERROR_ACTION`).
const DEFAULT_ERROR: Action = Action::Errno(1);

/// Reads a profile.
pub(super) fn read(input: &Input<'_>) -> Result<Draft, Misread> {
    let mut profile = Profile {
        native: input.options.arch,
        implicit: !input.options.drop_implicit,
        error: DEFAULT_ERROR,
        has_native: false,
        has_secondary: false,
        blocks_secondary: None,
        allows_debuggers: false,
        default: None,
        drop: None,
        keep: None,
        size: Size::default(),
        warnings: Vec::new(),
    };
    for line in Lines::of(input)? {
        profile
            .take(&line)
            .map_err(|(at, problem)| line.misread(at, &problem))?;
    }
    if !profile.has_native && !profile.has_secondary {
        return Err(match &profile.blocks_secondary {
            // src/firejail/seccomp.c loads that filter beside others only.
            Some(line) => line.misread(0, "it does nothing without a line seccomp"),
            None => Misread {
                offset: 0,
                problem: "it filters no system calls: there is no line seccomp, seccomp.drop or \
                          seccomp.keep"
                    .to_owned(),
            },
        });
    }
    Ok(profile.draft())
}

/// What is wrong at which byte of a line.
type Wrong = (usize, String);

/// The keys with which lines begin that are read.
const KEYS: [&str; 8] = [
    "seccomp",
    "seccomp.drop",
    "seccomp.keep",
    "seccomp.32",
    "seccomp.32.drop",
    "seccomp.32.keep",
    "seccomp.block-secondary",
    "seccomp-error-action",
];

/// What a profile says.
struct Profile {
    /// The ABI that firejail is built for, which is taken to be that of the program.
    native: Arch,
    /// Whether what firejail adds to a list of what is kept counts.
    implicit: bool,
    error: Action,
    /// Whether there is a filter for calls of its own ABI.
    has_native: bool,
    /// Whether there is one for calls of 32 bits.
    has_secondary: bool,
    blocks_secondary: Option<Line>,
    allows_debuggers: bool,
    /// The lists, of which the last of each kind counts.
    default: Option<Vec<Entry>>,
    drop: Option<Vec<Entry>>,
    keep: Option<Vec<Entry>>,
    size: Size,
    /// Of lines that make other filters.
    warnings: Vec<Warning>,
}

/// An item of a list.
struct Entry {
    call: String,
    is_exception: bool,
    error: Option<Action>,
    origin: Origin,
}

impl Profile {
    fn take(&mut self, line: &Line) -> Result<(), Wrong> {
        let (key, value) = match line.text.split_once(' ') {
            Some((key, value)) => (key, Some(value)),
            None => (line.text.as_str(), None),
        };
        let at = key.len() + 1;
        match (key, value) {
            ("allow-debuggers", None) => self.allows_debuggers = true,
            ("seccomp", None) => {}
            ("seccomp", Some(list)) => self.default = Some(self.list(list, at, line)?),
            ("seccomp.drop", Some(list)) => self.drop = Some(self.list(list, at, line)?),
            ("seccomp.keep", Some(list)) => self.keep = Some(self.list(list, at, line)?),
            ("seccomp.32", None) => self.has_secondary = true,
            ("seccomp.32" | "seccomp.32.drop", Some(list)) => {
                // All these calls get the error.
                self.list(list, at, line)?;
                self.has_secondary = true;
            }
            ("seccomp.32.keep", Some(_)) => {
                let problem = "firejail lets this list hold for the calls of 64 bits \
                               (seccomp_filter_keep in src/firejail/seccomp.c); write \
                               seccomp.keep and seccomp.block-secondary";
                return Err((0, problem.to_owned()));
            }
            ("seccomp.block-secondary", None) => self.blocks_secondary = Some(line.clone()),
            ("seccomp-error-action", Some(action)) => self.error = error_action(action, at)?,
            ("protocol" | "memory-deny-write-execute" | "restrict-namespaces", _) => {
                self.warnings.push(line.other_filter(key));
            }
            _ if is_meant(key) => return Err((0, unknown_line(key))),
            _ => {}
        }
        self.has_native |= matches!(key, "seccomp" | "seccomp.drop" | "seccomp.keep");
        Ok(())
    }

    fn list(&mut self, list: &str, start: usize, line: &Line) -> Result<Vec<Entry>, Wrong> {
        let mut entries = Vec::new();
        let mut at = start;
        for item in list.split(',') {
            if !item.is_empty() {
                let more = self.entries(item, at, line)?;
                let size = self.size.add(more.len(), 0);
                size.map_err(|misread| (at, misread.problem))?;
                entries.extend(more);
            }
            at += item.len() + 1;
        }
        if entries.is_empty() {
            return Err((start, "the list is empty".to_owned()));
        }
        Ok(entries)
    }

    fn entries(&self, item: &str, at: usize, line: &Line) -> Result<Vec<Entry>, Wrong> {
        let origin = line.origin(at);
        let (positive, is_exception) = match item.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (item, false),
        };
        let (name, error) = match positive.split_once(':') {
            Some(_) if is_exception => {
                return Err((at, "an exception (!) has no error".to_owned()));
            }
            Some((name, error)) => (name, Some(item_error(error, at + name.len() + 1)?)),
            None => (positive, None),
        };
        if name.starts_with('@') {
            if is_exception || error.is_some() {
                let problem = "firejail's groups have no exceptions (!) and no errors";
                return Err((at, problem.to_owned()));
            }
            let calls = expand(name).ok_or_else(|| (at, unknown_group(name)))?;
            let entry = |call: &'static str| Entry {
                call: call.to_owned(),
                is_exception,
                error,
                origin: origin.clone(),
            };
            return Ok(calls.into_iter().map(entry).collect());
        }
        let call = match name.strip_prefix('$') {
            Some(number) => self.by_number(number, at)?,
            None if names::is_plain(name) && !name.starts_with(|c: char| c.is_ascii_digit()) => {
                name.to_owned()
            }
            None => return Err((at, format!("{name:?} is no name of a system call"))),
        };
        // src/lib/syscall.c marks exceptions by the sign of the number, and 0 has none.
        let has_sign = names::number(&call, self.native) != Some(0);
        Ok(vec![Entry {
            call,
            is_exception: is_exception && has_sign,
            error,
            origin,
        }])
    }

    fn by_number(&self, text: &str, at: usize) -> Result<String, Wrong> {
        // By strtol(3) of base 0.
        let number = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
            (Some(digits), _) => u32::from_str_radix(digits, 16),
            (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8),
            _ => text.parse(),
        };
        let name = number
            .ok()
            .and_then(|number| names::name(number, self.native));
        name.ok_or_else(|| {
            let arch = self.native;
            (
                at,
                format!("no system call of {arch} has the number {text:?}"),
            )
        })
    }

    fn draft(&self) -> Draft {
        let is_blocked = self.blocks_secondary.is_some();
        // VALIDATE_ARCHITECTURE (src/include/seccomp.h) permits other ABIs; HANDLE_X32 has
        // only x86_64.
        let is_open = self.native != Arch::X86_64 && !is_blocked && !self.has_secondary;
        let (items, default) = self.rules();
        Draft {
            allow: Some(self.with_multiplexers(self.with_personality(items, default), default)),
            default: Some(default),
            foreign: Some(if is_open { Action::Allow } else { self.error }),
            architectures: Some(Vec::new()),
            exact: Some(true),
            lenient: Some(true),
            warnings: self.warnings.clone(),
            ..Draft::default()
        }
    }

    /// The rules in the order in which src/fseccomp/seccomp.c writes them.
    fn rules(&self) -> (Vec<Item>, Action) {
        let added = |names: &str, action| {
            let names = expand(names).unwrap_or_default();
            names.into_iter().map(move |name| item(name, action, None))
        };
        let denied = self.error;
        let mut items = Vec::new();
        if let Some(list) = &self.keep {
            items.extend(first(list, denied));
            if self.implicit {
                items.extend(added("@default-keep", Action::Allow));
            }
            items.extend(rest(list, Action::Allow));
            return (items, denied);
        }
        let list = match (&self.drop, &self.default) {
            (Some(list), _) | (None, Some(list)) => list.as_slice(),
            (None, None) => &[],
        };
        items.extend(first(list, Action::Allow));
        if self.drop.is_none() && self.has_native {
            items.extend(added(
                match self.allows_debuggers {
                    true => "@default",
                    false => "@default-nodebuggers",
                },
                denied,
            ));
        }
        items.extend(rest(list, denied));
        (items, Action::Allow)
    }
    /// `seccomp.block-secondary` also has a filter for what a process can be besides a Linux
    /// one, in front of the others (src/fseccomp/seccomp_secondary.c).
    fn with_personality(&self, items: Vec<Item>, default: Action) -> Vec<Item> {
        let verdict = verdict("personality", &items, default);
        let is_stricter = std::mem::discriminant(&self.error) != std::mem::discriminant(&verdict)
            && self.error < verdict;
        if self.blocks_secondary.is_none() || !is_stricter {
            return items;
        }
        let operand = Operand {
            parameter: "arg0".to_owned(),
            raw: true,
            mask: None,
        };
        let differs = |number| {
            let value = Value::Number(number);
            Condition::Compare(operand.clone(), Comparison::NotEqual, value)
        };
        let others = Item {
            when: Some(Condition::All(vec![differs(0), differs(0xffff_ffff)])),
            ..item("personality", self.error, None)
        };
        [vec![others], items].concat()
    }

    fn with_multiplexers(&self, items: Vec<Item>, default: Action) -> Vec<Item> {
        let here = MULTIPLEXERS.into_iter();
        let here = here.filter(|name| names::is_known(name, self.native));
        let own: Vec<_> = here
            .map(|name| item(name, verdict(name, &items, default), None))
            .collect();
        [own, items].concat()
    }
}

fn item(call: &str, action: Action, origin: Option<Origin>) -> Item {
    Item {
        subject: Subject::Call(call.to_owned()),
        when: None,
        action: Some(action),
        origin,
    }
}

/// What happens to a call by rules without conditions.
fn verdict(call: &str, items: &[Item], default: Action) -> Action {
    let is_it = |item: &&Item| matches!(&item.subject, Subject::Call(name) if name == call);
    let first = items.iter().find(is_it);
    first.and_then(|item| item.action).unwrap_or(default)
}

/// The rules that are written first: exceptions, and what has an error of its own.
fn first(list: &[Entry], exception: Action) -> impl Iterator<Item = Item> {
    list.iter().filter_map(move |entry| {
        let action = entry.error.or(entry.is_exception.then_some(exception))?;
        Some(item(&entry.call, action, Some(entry.origin.clone())))
    })
}

/// The rules for the rest of a list.
fn rest(list: &[Entry], action: Action) -> impl Iterator<Item = Item> {
    let rest = list.iter();
    let rest = rest.filter(|entry| entry.error.is_none() && !entry.is_exception);
    rest.map(move |entry| item(&entry.call, action, Some(entry.origin.clone())))
}

/// The calls of a group.
fn expand(name: &str) -> Option<Vec<&'static str>> {
    let mut calls = Vec::new();
    for member in groups::members(name)? {
        if member.starts_with('@') {
            calls.extend(expand(member).unwrap_or_default());
        } else {
            calls.push(*member);
        }
    }
    let mut seen = BTreeSet::new();
    calls.retain(|call| seen.insert(*call));
    Some(calls)
}

fn error_action(text: &str, at: usize) -> Result<Action, Wrong> {
    match text {
        "log" => Ok(Action::Log),
        _ => item_error(text, at).map_err(|(at, problem)| (at, format!("{problem}, or log"))),
    }
}

/// `kill`, which ends the thread (`SECCOMP_RET_KILL`), or the name of an error.
fn item_error(text: &str, at: usize) -> Result<Action, Wrong> {
    if text == "kill" {
        return Ok(Action::KillThread);
    }
    let is_name = text.starts_with('E');
    let parsed = format!("errno:{text}").parse().ok().filter(|_| is_name);
    parsed.ok_or_else(|| {
        let problem = format!("unknown error {text:?}; use a name like EPERM, or kill");
        (at, problem)
    })
}

fn unknown_group(name: &str) -> String {
    match error::either(&alike(name, groups::names())) {
        Some(names) => format!("firejail has no group {name:?}; did you mean {names}?"),
        None => format!("firejail has no group {name:?}; see firejail --debug-syscall-groups"),
    }
}

/// Whether a key is one of those that are read, misspelt. firejail refuses a profile with
/// such a line (src/firejail/profile.c, `profile_check_line`).
fn is_meant(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.contains("seccomp") || !alike(&key, KEYS.into_iter()).is_empty()
}

fn unknown_line(key: &str) -> String {
    if KEYS.contains(&key) {
        let one = match key {
            "seccomp.block-secondary" => "nothing",
            "seccomp-error-action" => "kill, log or the name of an error",
            _ => "a list: NAME,NAME",
        };
        return format!("after {key} there must be {one}");
    }
    match alike(key, KEYS.into_iter()).first() {
        Some(like) => format!("unknown line {key:?}; did you mean {like}?"),
        None => format!("unknown line {key:?}; there are {}", KEYS.join(", ")),
    }
}
