//! Policies in other tools' forms.

use std::io::{IsTerminal, Write, stdout};
use std::path::Path;

use anyhow::{Result, anyhow, ensure};

use super::options::{ConvertArguments, Target, finished};
use super::output::{self, Verbosity, warn};
use super::{Usage, inspect, installed, render};
use crate::file;
use crate::filter;
use crate::policy::source::{self, Format};
use crate::policy::{self, Resolved};

pub(super) fn run(arguments: &ConvertArguments, verbosity: Verbosity) -> Result<bool> {
    let resolved = read(arguments, verbosity)?;
    let program = || filter::export::instructions(&resolved);
    let format = match arguments.to {
        Target::Bpf => {
            ensure!(
                !stdout().is_terminal(),
                Usage("a filter is not for a terminal; redirect standard output".to_owned())
            );
            let bytes = filter::export::raw(&program()?, &resolved);
            output::written(stdout().write_all(&bytes))?;
            return Ok(true);
        }
        Target::C => {
            output::print(filter::export::c_header(&program()?, &resolved))?;
            return Ok(true);
        }
        Target::Rust => {
            output::print(filter::export::rust_array(&program()?, &resolved))?;
            return Ok(true);
        }
        Target::Toml => Format::Toml,
        Target::Oci => Format::Oci,
        Target::Docker => Format::Docker,
        Target::Spo => Format::Spo,
        Target::Systemd => Format::Systemd,
        Target::Minijail => Format::Minijail,
        Target::Seccompiler => Format::Seccompiler,
    };
    let (text, left_out) = source::write(&resolved, format, arguments.lossy).map_err(|error| {
        let remedy = "--lossy leaves it out";
        anyhow!("{}: {error}; {remedy}", render::name(&arguments.file))
    })?;
    for omission in left_out {
        let warning = format!("left out: {}, since {}", omission.rule, omission.why);
        warn(&arguments.file, &warning);
    }
    output::print(text)?;
    Ok(true)
}

/// The policy, for the architecture that is meant.
fn read(arguments: &ConvertArguments, verbosity: Verbosity) -> Result<Resolved> {
    let path = &arguments.file;
    if file::begins_with(path, b"\x7fELF") {
        let found = of_program(path)?;
        return match arguments.arch() {
            Some(arch) if arch != found.arch => resolve(arguments, &found.policy, arch, verbosity),
            _ => Ok(found),
        };
    }
    let options = arguments.reading();
    let draft = source::read(&[path], &installed::policies(), &options)?;
    let policy = finished(draft, std::slice::from_ref(path))?;
    resolve(arguments, &policy, options.arch, verbosity)
}

/// The policy that a program carries.
pub(super) fn of_program(path: &Path) -> Result<Resolved> {
    let found = inspect::inspect(path, Path::new("/"))?;
    let name = render::name(path);
    found
        .resolved
        .ok_or_else(|| anyhow!("{name}: it carries no sandbox policy"))
}

fn resolve(
    arguments: &ConvertArguments,
    policy: &policy::Policy,
    arch: policy::Arch,
    verbosity: Verbosity,
) -> Result<Resolved> {
    let (resolved, warnings) = policy::resolve(policy, arch)?;
    for warning in warnings {
        if verbosity != Verbosity::Quiet || !warning.is_advice() {
            warn(&arguments.file, &warning);
        }
    }
    Ok(resolved)
}
