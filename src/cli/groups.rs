//! The groups of system calls, and which a policy consists of.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::options::{GroupsArguments, finished};
use super::output::{self, complain};
use super::{convert, installed, render};
use crate::file;
use crate::policy::groups::{self, Group, SYSTEMD_VERSION, Source};
use crate::policy::{self, Arch, Composition, Resolved, ResolvedRule, source};

pub(super) fn run(arguments: &GroupsArguments) -> Result<bool> {
    let arch = arguments.arch.unwrap_or(installed::reading().arch);
    if arguments.what.is_empty() {
        print_all(arguments.json)?;
        return Ok(true);
    }
    let mut is_good = true;
    for what in &arguments.what {
        let shown = match group(what) {
            Some(group) => of_group(group, arch, arguments.json),
            None => of_policy(Path::new(what), arguments),
        };
        match shown {
            Ok(text) => output::print(text)?,
            Err(error) => {
                complain(None, &error);
                is_good = false;
            }
        }
    }
    Ok(is_good)
}

/// The group that is meant, with or without the @.
fn group(name: &str) -> Option<&'static Group> {
    groups::find(name.strip_prefix('@').unwrap_or(name))
}

fn origin(group: &Group) -> String {
    match group.source {
        Source::Systemd => format!("systemd {SYSTEMD_VERSION}"),
        Source::Pledge => "pledge".to_owned(),
    }
}

fn print_all(is_json: bool) -> Result<(), output::Error> {
    let mut text = String::new();
    for group in groups::all() {
        let name = format!("@{}", group.name);
        let origin = origin(group);
        let description = group.description;
        if is_json {
            let line = json!({ "name": group.name, "source": origin, "description": description });
            text += &format!("{line}\n");
        } else {
            text += &format!("{name:<16} {origin:<12} {description}\n");
        }
    }
    output::print(text)
}

/// A call with its condition, as on a list.
fn item(rule: &ResolvedRule, arch: Arch) -> String {
    format!(
        "{}{}",
        rule.name,
        render::conditions(&rule.name, &rule.when, arch)
    )
}

fn of_group(group: &Group, arch: Arch, is_json: bool) -> Result<String> {
    let members = policy::members(group.name, arch)?;
    let items: Vec<_> = members.iter().map(|rule| item(rule, arch)).collect();
    if is_json {
        let line = json!({
            "name": group.name,
            "source": origin(group),
            "description": group.description,
            "arch": arch.name(),
            "calls": items,
        });
        return Ok(format!("{line}\n"));
    }
    let mut text = format!(
        "@{}: {} ({})\n",
        group.name,
        group.description,
        origin(group)
    );
    for item in items {
        writeln!(text, "  {item}")?;
    }
    Ok(text)
}

fn of_policy(path: &Path, arguments: &GroupsArguments) -> Result<String> {
    let resolved = read(path, arguments)?;
    let found = Composition::of(&resolved);
    let groups: Vec<_> = found
        .groups
        .iter()
        .map(|group| format!("@{}", group.name))
        .collect();
    let besides: Vec<_> = found
        .besides
        .iter()
        .map(|rule| item(rule, resolved.arch))
        .collect();
    let verb = if found.permits { "permits" } else { "denies" };
    if arguments.json {
        let line = json!({
            "file": path.to_string_lossy(),
            "arch": resolved.arch.name(),
            "list": if found.permits { "allow" } else { "deny" },
            "groups": groups,
            "besides": besides,
        });
        return Ok(format!(
            "{}\n",
            render::escaped_json(&Value::to_string(&line))
        ));
    }
    let or_none = |items: Vec<String>| match items.is_empty() {
        true => "nothing".to_owned(),
        false => items.join(", "),
    };
    Ok(format!(
        "{}: for {}, it {verb}\n  groups    {}\n  besides   {}\n",
        render::name(path),
        resolved.arch,
        or_none(groups),
        or_none(besides),
    ))
}

/// The policy of a program, or one that is written.
fn read(path: &Path, arguments: &GroupsArguments) -> Result<Resolved> {
    if file::begins_with(path, b"\x7fELF") {
        return convert::of_program(path);
    }
    let mut options = installed::reading();
    options.arch = arguments.arch.unwrap_or(options.arch);
    let library = installed::policies();
    let draft = source::read(&[path], &library, &options).map_err(|error| {
        let is_word = !path.to_string_lossy().contains(['/', '.']);
        let all = "'sandbox-patch groups' lists all groups";
        match is_word {
            true => anyhow!(
                "{} is neither a group nor a policy; {all}",
                render::name(path)
            ),
            false => error.into(),
        }
    })?;
    let policy = finished(draft, &[path.to_owned()])?;
    Ok(policy::resolve(&policy, options.arch)?.0)
}
