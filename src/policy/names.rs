//! System call names: lists of them, and their numbers.

use std::collections::BTreeSet;

use super::{Arch, UnknownName, calls};

/// How many numbers, starting at an architecture's first one, are searched for names; the
/// highest in use is below 500.
const NUMBERS: u32 = 1024;

/// How similar (Jaro-Winkler, 0 to 1) a name must be to be suggested.
const ALIKE: f64 = 0.85;

/// How many names are suggested.
const SUGGESTIONS: usize = 3;

/// Reads a list of names, separated by `:`, `,` or white space. Empty elements are
/// skipped, and so is everything from a `#` to the end of the line.
#[must_use]
pub fn parse(text: &str) -> BTreeSet<String> {
    text.lines()
        .map(|line| line.split_once('#').map_or(line, |(list, _comment)| list))
        .flat_map(|line| line.split(|c: char| matches!(c, ':' | ',') || c.is_whitespace()))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether the text could be the name of a system call, so that it is safe to
/// print.
pub(super) fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether any architecture has a system call of this name.
#[must_use]
pub fn is_call(name: &str) -> bool {
    calls::is_known(name)
}

/// What a name is on an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// A system call of this number.
    Number(u32),
    /// A system call of other architectures.
    Elsewhere,
    /// Not a known name.
    Unknown,
}

/// Looks a name up.
pub(super) fn look_up(name: &str, arch: Arch) -> Lookup {
    match calls::number(name, arch) {
        Some(number) => Lookup::Number(number),
        None if calls::is_known(name) => Lookup::Elsewhere,
        None => Lookup::Unknown,
    }
}

/// The name of a system call number.
#[must_use]
pub fn name(number: u32, arch: Arch) -> Option<String> {
    calls::name(number, arch).map(str::to_owned)
}

/// The number of a system call, if the architecture has it.
#[must_use]
pub fn number(name: &str, arch: Arch) -> Option<u32> {
    match look_up(name, arch) {
        Lookup::Number(number) => Some(number),
        Lookup::Elsewhere | Lookup::Unknown => None,
    }
}

/// Whether an architecture has a system call of this name.
#[must_use]
pub fn is_known(name: &str, arch: Arch) -> bool {
    number(name, arch).is_some()
}

/// The numbers that system calls may have.
pub(super) fn numbers(arch: Arch) -> impl Iterator<Item = u32> {
    let first = arch.first_number();
    first..first + NUMBERS
}

/// The names that may have been meant by a misspelt one.
pub(super) fn suggest(unknown: &str, arch: Arch) -> UnknownName {
    let wanted = unknown.to_ascii_lowercase();
    let mut alike: Vec<(f64, String)> = numbers(arch)
        .filter_map(|number| name(number, arch))
        .map(|name| (strsim::jaro_winkler(&wanted, &name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, a_name), (b, b_name)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
    alike.truncate(SUGGESTIONS);
    let suggestions = alike.into_iter().map(|(_, name)| name).collect();
    UnknownName {
        name: unknown.to_owned(),
        suggestions,
    }
}
