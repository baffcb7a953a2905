//! The policy that a pipeline means to ship, and how that of a file differs.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use serde_json::Value;

use crate::cli::options::VerifyArguments;
use crate::cli::remedy::with_remedy;
use crate::cli::{Usage, inspect, render};
use crate::file;
use crate::policy::{self, List, Policy, Resolved};

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
        if let Some(path) = &arguments.policy {
            let found = read(path, &arguments.root).map_err(|error| {
                let (name, error) = (render::name(path), with_remedy(&error));
                anyhow!("{name}: no policy can be read from it: {error}")
            })?;
            return Ok(Some(Self::Compiled(Box::new(found))));
        }
        let words = &arguments.words;
        ensure!(
            words.has_list() || !words.is_given(),
            Usage("--action and --exact say more of a list; give --allow or --deny".to_owned())
        );
        let policy = words.has_list().then(|| words.policy());
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
        if differences.is_empty() && wanted.rules != found.rules {
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

/// How the policy of a file differs from the one wanted.
fn in_words(wanted: &Policy, found: &Policy) -> Vec<String> {
    let mut differences = Vec::new();
    let verb = match found.list {
        List::Allow => "allow",
        List::Deny => "deny",
    };
    if wanted.list == found.list {
        let missing = list(wanted.names.difference(&found.names));
        differences.extend(missing.map(|names| format!("it does not {verb} {names}")));
        let besides = list(found.names.difference(&wanted.names));
        let more = |names| format!("its list to {verb} has {names} besides");
        differences.extend(besides.map(more));
    } else {
        differences.push(format!(
            "it has a list to {verb} ({}), not one to {}",
            list(&found.names).unwrap_or_else(|| "nothing".to_owned()),
            wanted.list
        ));
    }
    if wanted.action != found.action {
        differences.push(format!(
            "a violation gets {}, not {}",
            found.action, wanted.action
        ));
    }
    if wanted.exact != found.exact {
        let how = if found.exact { "with" } else { "without" };
        differences.push(format!("it was made {how} --exact"));
    }
    differences
}

fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let names: BTreeSet<&str> = names.into_iter().map(String::as_str).collect();
    let names: Vec<&str> = names.into_iter().collect();
    (!names.is_empty()).then(|| names.join(", "))
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
    let recorded = match value.get("policy") {
        Some(Value::Null) => return Err(anyhow!("it tells of a program without a policy")),
        Some(policy) => policy,
        None => &value,
    };
    // A value's keys are sorted, as in the canonical text, which is padded.
    let mut canonical = serde_json::to_vec(recorded)?;
    policy::pad(&mut canonical);
    Ok(Resolved::from_json(&canonical)?)
}
