//! System call names and their numbers.

use sandbox_format::syscall;

use super::{Arch, Origin, UnknownName, calls};

/// How many numbers, starting at an architecture's first one, are searched for names; the
/// highest in use is below 500.
const NUMBERS: u32 = 1024;

/// How similar (Jaro-Winkler, 0 to 1) a name must be to be suggested.
const ALIKE: f64 = 0.85;

/// How many names are suggested.
const SUGGESTIONS: usize = 3;

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

/// The newest call that all architectures have, counted from [`Arch::first_number`].
pub(super) fn newest() -> u32 {
    let numbers = syscall::X86_64.iter().map(|(number, _)| number);
    numbers.last().unwrap_or_default()
}

/// The numbers of known calls that begin at `from`, counted from
/// [`Arch::first_number`]: those that an architecture has for itself.
pub(super) fn later_numbers(arch: Arch, from: u32) -> Vec<u32> {
    let first = arch.first_number().saturating_add(from);
    let numbers = calls::all(arch).into_iter().map(|(number, _)| number);
    numbers.filter(|number| *number >= first).collect()
}

/// The numbers that system calls may have.
pub(super) fn numbers(arch: Arch) -> impl Iterator<Item = u32> {
    let first = arch.first_number();
    first..first + NUMBERS
}

/// The names that may have been meant by a misspelt one.
pub(super) fn suggest(unknown: &str, origin: Option<Origin>, arch: Arch) -> UnknownName {
    UnknownName {
        name: unknown.to_owned(),
        origin,
        suggestions: alike(
            unknown,
            numbers(arch).filter_map(|number| name(number, arch)),
        ),
    }
}

/// Those names that are most like the one given, the best first.
pub(super) fn alike(unknown: &str, names: impl Iterator<Item = impl Into<String>>) -> Vec<String> {
    /// No name is as long, in bytes, and the comparison takes the square of the time.
    const LONGEST: usize = 64;
    if unknown.len() > LONGEST {
        return Vec::new();
    }
    let wanted = unknown.to_ascii_lowercase();
    let mut alike: Vec<(f64, String)> = names
        .map(Into::into)
        .map(|name| {
            (
                strsim::jaro_winkler(&wanted, &name.to_ascii_lowercase()),
                name,
            )
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, a_name), (b, b_name)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
    alike.truncate(SUGGESTIONS);
    alike.into_iter().map(|(_, name)| name).collect()
}
