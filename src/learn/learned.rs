//! What was learned in one run or several, and the policy file that says it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use toml::de::{DeTable, DeValue};

use super::trace::{By, Program};
use crate::policy::{Arch, call_name};

/// What a program calls, from one run or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// How many runs it is from.
    pub runs: u32,
    /// In how many of them each call was seen, by its name.
    pub calls: BTreeMap<String, Seen>,
    /// The other ABIs by which some were made.
    pub architectures: BTreeSet<Arch>,
    /// Items that somebody added to the list.
    pub added: BTreeSet<String>,
}

/// In how many runs a call was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Made by the program itself.
    pub itself: u32,
    /// Made by others that it executes, which inherit its filter.
    pub others: u32,
}

/// Why a file can't be merged with what is learned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// Not what is written here.
    #[error("it was not written by learn: {0}")]
    Other(String),
    /// Somebody wrote more into it than is understood here.
    #[error("it also says {0}, which would be lost; write the result to another file")]
    More(String),
}

impl Learned {
    /// What was recorded of a program in one run, and the calls that have no name.
    #[must_use]
    pub fn of(program: &Program, native: Arch) -> (Self, BTreeSet<(Arch, u32)>) {
        let mut learned = Self {
            runs: 1,
            ..Self::default()
        };
        let mut unnamed = BTreeSet::new();
        for (call, By { itself, others }) in &program.calls {
            let Some(name) = call_name(call.number, call.arch) else {
                unnamed.insert((call.arch, call.number));
                continue;
            };
            let seen = learned.calls.entry(name).or_default();
            // By another ABI it is the same call.
            seen.itself = seen.itself.max((*itself).into());
            seen.others = seen.others.max((*others).into());
            if call.arch != native {
                learned.architectures.insert(call.arch);
            }
        }
        (learned, unnamed)
    }

    /// Adds other runs.
    pub fn merge(&mut self, other: &Self) {
        self.runs = self.runs.saturating_add(other.runs);
        for (name, more) in &other.calls {
            let seen = self.calls.entry(name.clone()).or_default();
            seen.itself = seen.itself.saturating_add(more.itself);
            seen.others = seen.others.saturating_add(more.others);
        }
        self.architectures.extend(&other.architectures);
        self.added.extend(other.added.iter().cloned());
    }

    /// Adds calls that were seen in one of these runs.
    pub fn complete(&mut self, missed: &Self) {
        for (name, more) in &missed.calls {
            let seen = self.calls.entry(name.clone()).or_default();
            seen.itself = seen.itself.max(more.itself);
            seen.others = seen.others.max(more.others);
        }
        self.architectures.extend(&missed.architectures);
    }

    /// Reads a policy file that was written by [`to_toml`](Self::to_toml), or one that was
    /// changed since.
    ///
    /// # Errors
    ///
    /// It is another file, or has more in it than a list.
    pub fn from_toml(text: &str) -> Result<Self, Misfit> {
        let other = |problem: &str| Misfit::Other(problem.to_owned());
        let table = DeTable::parse(text).map_err(|error| other(error.message()))?;
        let mut learned = Self::default();
        let mut items = Vec::new();
        for (key, value) in table.get_ref() {
            let (key, value) = (key.get_ref().as_ref(), value.get_ref());
            match (key, value) {
                ("learned", DeValue::Table(table)) => learned.read(table)?,
                ("allow", DeValue::Array(list)) => {
                    for item in list.iter() {
                        let item = item.get_ref().as_str();
                        items.push(item.ok_or_else(|| other("allow has what is no text"))?);
                    }
                }
                ("architectures", DeValue::Array(list)) => {
                    let names = list.iter().filter_map(|name| name.get_ref().as_str());
                    learned
                        .architectures
                        .extend(names.filter_map(Arch::from_name));
                }
                ("unknown", DeValue::String(action)) if action == UNKNOWN => {}
                (key, _) => return Err(Misfit::More(key.to_owned())),
            }
        }
        if learned.runs == 0 {
            return Err(other("it has no [learned] with the number of runs"));
        }
        let calls = &learned.calls;
        let added = items.into_iter().filter(|item| !calls.contains_key(*item));
        learned.added = added.map(str::to_owned).collect();
        Ok(learned)
    }

    /// Reads what `[learned]` says.
    fn read(&mut self, table: &DeTable<'_>) -> Result<(), Misfit> {
        for (key, value) in table {
            let key = key.get_ref().as_ref();
            match (key, value.get_ref()) {
                ("runs", value) => self.runs = count(value)?,
                ("itself" | "others", DeValue::Table(calls)) => {
                    for (name, value) in calls {
                        let seen = self.calls.entry(name.get_ref().to_string()).or_default();
                        let count = count(value.get_ref())?;
                        match key {
                            "itself" => seen.itself = count,
                            _ => seen.others = count,
                        }
                    }
                }
                (key, _) => return Err(Misfit::More(format!("learned.{key}"))),
            }
        }
        Ok(())
    }

    /// A policy file, with a comment in front.
    #[must_use]
    pub fn to_toml(&self, comment: &str) -> String {
        let mut text = String::new();
        let mut line = |line: String| {
            let written = writeln!(text, "{line}");
            written.expect("text can be added to text");
        };
        for comment in comment.lines() {
            line(format!("# {comment}"));
        }
        line(format!("unknown = \"{UNKNOWN}\""));
        if !self.architectures.is_empty() {
            let names = self
                .architectures
                .iter()
                .map(|arch| format!("\"{}\"", arch.name()));
            let names: Vec<_> = names.collect();
            line(format!("architectures = [{}]", names.join(", ")));
        }
        self.items().into_iter().for_each(&mut line);
        line("]\n\n# In how many runs each call was seen, to be merged with others.".to_owned());
        line(format!("[learned]\nruns = {}", self.runs));
        let table = |of: fn(&Seen) -> u32| {
            let seen = self.calls.iter().map(|(name, seen)| (name, of(seen)));
            let seen = seen.filter(|(_, count)| *count > 0);
            let seen: Vec<_> = seen
                .map(|(name, count)| format!("{name} = {count}"))
                .collect();
            format!("{{ {} }}", seen.join(", "))
        };
        line(format!("itself = {}", table(|seen| seen.itself)));
        line(format!("others = {}", table(|seen| seen.others)));
        text
    }
}

impl Learned {
    /// The list, an item a line, and in how many runs each was seen.
    fn items(&self) -> Vec<String> {
        let item = |name: &str, count: u32| item(name, &format!("{count} of {}", self.runs));
        let mut lines = vec!["allow = [".to_owned()];
        let (own, others): (Vec<_>, Vec<_>) =
            self.calls.iter().partition(|(_, seen)| seen.itself > 0);
        lines.extend(own.iter().map(|(name, seen)| item(name, seen.itself)));
        if !others.is_empty() {
            let comment = "    # By programs that it executes, which inherit its filter:";
            lines.push(comment.to_owned());
        }
        lines.extend(others.iter().map(|(name, seen)| item(name, seen.others)));
        if !self.added.is_empty() {
            lines.push("    # Added by hand:".to_owned());
        }
        let added = self.added.iter();
        lines.extend(added.map(|item| format!("    {},", quoted(item))));
        lines
    }
}

/// What calls get that are newer than what is known, as the documentation recommends.
pub(super) const UNKNOWN: &str = "errno:ENOSYS";

/// A call in the list of a policy file, with a comment.
pub(super) fn item(name: &str, comment: &str) -> String {
    let item = format!("    \"{name}\",");
    format!("{item:<26}# {comment}")
}

fn count(value: &DeValue<'_>) -> Result<u32, Misfit> {
    let number = match value {
        DeValue::Integer(number) => number.as_str().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| Misfit::Other("a number of runs is none".to_owned()))
}

/// A basic string of TOML, of text that came out of one and has no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::trace::Call;
    use super::*;

    fn learned(numbers: &[(Arch, u32, bool)]) -> Learned {
        let calls = numbers.iter().map(|(arch, number, itself)| {
            let by = By {
                itself: *itself,
                others: !itself,
            };
            let (arch, number) = (*arch, *number);
            (Call { arch, number }, by)
        });
        let program = Program {
            path: PathBuf::from("/bin/x"),
            calls: calls.collect(),
            has_begun: true,
        };
        let (learned, unnamed) = Learned::of(&program, Arch::X86_64);
        assert_eq!(unnamed.len(), 1);
        learned
    }

    #[test]
    fn runs_add_up() {
        let mut all = learned(&[
            (Arch::X86_64, 0, true),
            (Arch::X86_64, 1, true),
            (Arch::X86, 3, false),
            (Arch::X86_64, 5000, true),
        ]);
        let second = learned(&[
            (Arch::X86_64, 1, true),
            (Arch::X86_64, 59, false),
            (Arch::X86_64, 5000, true),
        ]);
        all.merge(&second);
        let text = all.to_toml("Learned");
        assert_eq!(
            text,
            "# Learned\nunknown = \"errno:ENOSYS\"\narchitectures = [\"x86\"]\nallow = [\n\
             \x20   \"read\",               # 1 of 2\n\
             \x20   \"write\",              # 2 of 2\n\
             \x20   # By programs that it executes, which inherit its filter:\n\
             \x20   \"execve\",             # 1 of 2\n\
             ]\n\n# In how many runs each call was seen, to be merged with others.\n\
             [learned]\nruns = 2\nitself = { read = 1, write = 2 }\n\
             others = { execve = 1, read = 1 }\n"
        );
        assert_eq!(Learned::from_toml(&text), Ok(all));
    }

    #[test]
    fn what_was_added_by_hand_is_kept() {
        let all = learned(&[(Arch::X86_64, 0, true), (Arch::X86_64, 5000, true)]);
        let text = all.to_toml("");
        let changed = text.replace("allow = [", "allow = [\n\"socket(domain == AF_UNIX)\",");
        let again = Learned::from_toml(&changed).unwrap();
        assert!(again.added.contains("socket(domain == AF_UNIX)"));
        assert_eq!(Learned::from_toml(&again.to_toml("")), Ok(again));
        for (text, misfit) in [
            (
                "allow = []",
                "it was not written by learn: it has no [learned]",
            ),
            ("allow = [", "it was not written by learn: "),
            (
                "deny = []\n[learned]\nruns = 1",
                "it also says deny, which would be lost",
            ),
            (
                "unknown = \"log\"\n[learned]\nruns = 1",
                "it also says unknown",
            ),
            ("[learned]\nruns = \"x\"", "a number of runs is none"),
            ("[learned]\nruns = 1\nmore = 1", "it also says learned.more"),
        ] {
            let found = Learned::from_toml(text).unwrap_err().to_string();
            assert!(found.contains(misfit), "{found}");
        }
    }
}
