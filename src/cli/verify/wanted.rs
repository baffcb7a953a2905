//! The policy that a pipeline means to ship, and how that of a file differs.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use serde_json::Value;

use crate::cli::options::VerifyArguments;
use crate::cli::remedy::with_remedy;
use crate::cli::{Usage, inspect, render};
use crate::file;
use crate::policy::{self, Action, Policy, Resolved};

/// The longest file that is read as JSON, in bytes: a policy, and what
/// `inspect --json` says besides.
const MAX_JSON: u64 = 1 << 20;

/// A policy that files must carry.
pub(super) enum Wanted {
    /// As the options for patching say it.
    Words(Policy),
    /// As it was compiled for another program.
    Compiled(Box<Resolved>),
}

impl Wanted {
    /// `None` where any policy will do.
    pub(super) fn of(arguments: &VerifyArguments) -> Result<Option<Self>> {
        let words = &arguments.words;
        if let [path] = &words.policies[..]
            && is_compiled(path)
        {
            ensure!(
                !words.says_more(),
                Usage(
                    "--policy with a program or JSON says all; leave out the other options"
                        .to_owned()
                )
            );
            let found = read(path, &arguments.root).map_err(|error| {
                let (name, error) = (render::name(path), with_remedy(&error));
                anyhow!("{name}: no policy can be read from it: {error}")
            })?;
            return Ok(Some(Self::Compiled(Box::new(found))));
        }
        ensure!(
            words.has_policy() || !words.is_given(),
            Usage(
                "--action and --exact say more of a policy; give --allow, --deny or --policy"
                    .to_owned()
            )
        );
        let policy = words.has_policy().then(|| words.told());
        Ok(policy.transpose()?.map(Self::Words))
    }

    /// What is different in the policy of a file, in words.
    pub(super) fn difference(&self, found: &Resolved) -> Result<Option<String>> {
        let wanted = match self {
            Self::Compiled(wanted) if wanted.arch == found.arch => Resolved::clone(wanted),
            Self::Compiled(wanted) => policy::resolve(&wanted.policy, found.arch)?.0,
            Self::Words(words) => policy::resolve(words, found.arch)?.0,
        };
        let mut differences = in_words(&wanted.policy, &found.policy);
        if differences.is_empty() && wanted.abis != found.abis {
            differences.push(format!(
                "its rules are those of version {}, which are others; patch it again with --replace",
                found.version
            ));
        }
        let is_another = !differences.is_empty();
        Ok(is_another.then(|| {
            format!(
                "it carries another policy than the one asked for: {}",
                differences.join("; ")
            )
        }))
    }
}

/// How the policy of a file differs from the one wanted, wherever both are written.
fn in_words(wanted: &Policy, found: &Policy) -> Vec<String> {
    let (wanted, found) = (wanted.without_origins(), found.without_origins());
    let mut differences = Vec::new();
    differences.extend(rules_in_words(&wanted, &found));
    if differences.is_empty() && wanted.rules != found.rules {
        differences.push("its rules are in another order".to_owned());
    }
    let (own, other) = (violation(&found), violation(&wanted));
    if differences.is_empty() && own != other {
        differences.push(format!("a violation gets {own}, not {other}"));
    }
    let (own, other) = (&found.unknown, &wanted.unknown);
    if own != other {
        let name = |action: &Option<Action>| match action {
            Some(action) => action.to_string(),
            None => "no action of its own".to_owned(),
        };
        differences.push(format!(
            "a call that is unknown gets {}, not {}",
            name(own),
            name(other)
        ));
    }
    if wanted.exact != found.exact {
        let how = if found.exact { "with" } else { "without" };
        differences.push(format!("it was made {how} --exact"));
    }
    differences
}

/// How the rules differ.
fn rules_in_words(wanted: &Policy, found: &Policy) -> Vec<String> {
    let mut differences = Vec::new();
    let without = |some: &Policy, others: &Policy| {
        let mut lists: BTreeMap<Action, Vec<String>> = BTreeMap::new();
        for rule in some
            .rules
            .iter()
            .filter(|rule| !others.rules.contains(rule))
        {
            lists.entry(rule.action).or_default().push(rule.to_string());
        }
        let named = lists
            .into_iter()
            .map(|(action, items)| (verb(action), items.join(", ")));
        named.collect::<Vec<_>>()
    };
    if wanted.default.permits() == found.default.permits() {
        let missing = without(wanted, found);
        let besides = without(found, wanted);
        differences.extend(
            missing
                .into_iter()
                .map(|(verb, items)| format!("it does not {verb} {items}")),
        );
        let more = |(verb, items)| format!("its list to {verb} has {items} besides");
        differences.extend(besides.into_iter().map(more));
    } else {
        let kind = |policy: &Policy| match policy.default.permits() {
            true => "deny",
            false => "allow",
        };
        let items: Vec<_> = found.rules.iter().map(ToString::to_string).collect();
        let items = match items.is_empty() {
            true => "nothing".to_owned(),
            false => items.join(", "),
        };
        let (own, other) = (kind(found), kind(wanted));
        differences.push(format!(
            "it has a list to {own} ({items}), not one to {other}"
        ));
    }
    differences
}

fn verb(action: Action) -> String {
    match action {
        Action::Allow => "allow".to_owned(),
        Action::KillProcess => "deny".to_owned(),
        action => format!("answer with {action}"),
    }
}

/// What a violation gets: the default of an allow-list, or what the rules of a deny-list do.
fn violation(policy: &Policy) -> Action {
    let denial = policy
        .rules
        .iter()
        .map(|rule| rule.action)
        .find(|action| !action.permits());
    match policy.default.permits() {
        true => denial.unwrap_or(policy.default),
        false => policy.default,
    }
}

/// Whether a file is a program or the JSON of one, and no policy as people write it.
fn is_compiled(path: &Path) -> bool {
    file::begins_with(path, b"\x7fELF") || {
        let Ok((file, _)) = file::open(path) else {
            return false;
        };
        let mut start = Vec::new();
        // What can't be read is complained of by whoever wants more of it.
        let _ = file.take(MAX_JSON).read_to_end(&mut start);
        let start = start.trim_ascii_start();
        let has = |key: &[u8]| memchr::memmem::find(start, key).is_some();
        start.first() == Some(&b'{') && (has(b"\"filters\"") || has(b"\"problem_ids\""))
    }
}

/// The policy of a patched program, or one as JSON.
fn read(path: &Path, root: &Path) -> Result<Resolved> {
    let (file, _) = file::open(path)?;
    let mut text = Vec::new();
    file.take(MAX_JSON).read_to_end(&mut text)?;
    if text.trim_ascii_start().first() == Some(&b'{') {
        return from_json(&text);
    }
    let found = inspect::inspect(path, root)?;
    found
        .resolved
        .ok_or_else(|| anyhow!("it carries no sandbox policy"))
}

/// The policy of a program as `inspect --json` prints it, or that part of it.
fn from_json(text: &[u8]) -> Result<Resolved> {
    let value: Value = serde_json::from_slice(text)?;
    // The policy itself has a part of that name.
    let of_inspect = value
        .get("policy")
        .filter(|_| value.get("format").is_none());
    let recorded = match of_inspect {
        Some(Value::Null) => return Err(anyhow!("it tells of a program without a policy")),
        Some(policy) => policy,
        None => &value,
    };
    // A value's keys are sorted, as in the canonical text, which is padded.
    let mut canonical = serde_json::to_vec(recorded)?;
    policy::pad(&mut canonical);
    Ok(Resolved::from_json(&canonical)?)
}
