//! `sandboxify`: running a program under a policy.
//!
//! The policy comes from the options, else from the variables of Cloudflare's
//! sandbox toolkit, whose meaning is that of `libsandbox.so` (environment mode,
//! `stub/src/environment.rs`), else it is the one that the program carries,
//! which needs no help.

use std::convert::Infallible;
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::fmt::Display;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};
use clap::Parser;
use object::elf;
use sandbox_format::NO_POLICY;
use sandbox_format::environment::{ACTION, ALLOW, DENY, EXACT};

use super::options::LaunchCli;
use super::remedy::with_remedy;
use super::{Usage, installed, render, show_message};
use crate::filter::{self, Compiled};
use crate::launch::{self, Launch, Machine, Program, Unfit, Vectors, launch};
use crate::policy::{self, Action, Arch, Draft, Policy, Subject, Warning};
use crate::program::Inspection;

/// Runs `sandboxify` with the vectors that `main` was given, and returns the
/// exit status if no program takes its place.
///
/// # Safety
///
/// See [`Vectors::of_main`].
#[must_use]
pub unsafe fn main(argv: *const *const c_char, envp: *const *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let vectors = unsafe { Vectors::of_main(argv, envp) };
    let arguments = vectors.arguments.iter().map(|argument| os(argument));
    let status = match LaunchCli::try_parse_from(arguments) {
        Ok(cli) => {
            let Err(failure) = run(&cli, &vectors.environment);
            say(failure.file.as_deref(), &with_remedy(&failure.error));
            failure.status
        }
        Err(message) => show_message(&message).unwrap_or_else(|error| {
            say(None, &error);
            1
        }),
    };
    c_int::from(status)
}

/// Why there is no program in this one's place.
struct Failure {
    status: u8,
    file: Option<PathBuf>,
    error: anyhow::Error,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let status = if error.is::<Usage>() { 2 } else { NO_POLICY };
        Self {
            status,
            file: None,
            error,
        }
    }
}

fn run(cli: &LaunchCli, environment: &[&'static CStr]) -> Result<Infallible, Failure> {
    check(cli)?;
    let name = cli.command[0].as_os_str();
    let about = |status, error| Failure {
        status,
        file: Some(name.into()),
        error,
    };
    let path = variable(environment, "PATH");
    let program = Program::find(name, path).map_err(|unfit: Unfit| {
        let status = unfit.status();
        let is_call = policy::is_call(&name.to_string_lossy());
        if matches!(unfit, Unfit::NotInPath) && is_call {
            return about(
                status,
                anyhow!(
                    "no program of that name is in PATH, but it is a system call; separate the \
                     names of a list by ':' and not by blanks"
                ),
            );
        }
        about(status, unfit.into())
    })?;
    let arch = architecture(program.machine)?;
    let filter = match policy(cli, environment, arch)? {
        Some(policy) => Some(compile(&policy, arch, cli)?),
        None => None,
    };
    if filter.is_none() {
        check_own_policy(&program, cli, name).map_err(|error| about(NO_POLICY, error))?;
    }
    if filter.is_some() {
        warn_of_file(&program, arch, cli, name);
    }
    let arguments = strings(&cli.command)?;
    let arguments: Vec<&CStr> = arguments.iter().map(CString::as_c_str).collect();
    let environment = without_variables(environment);
    let it = Launch {
        path: &program.path,
        arguments: &arguments,
        environment: &environment,
    };
    let prefix = line(Some(Path::new(name)), "it can't be started");
    let error = launch(&it, filter.as_ref(), &prefix);
    let status = error.status().unwrap_or(NO_POLICY);
    Err(about(status, error.into()))
}

/// What a filter means for the file.
fn warn_of_file(program: &Program, arch: Arch, cli: &LaunchCli, name: &OsStr) {
    if let Some(privileges) = program.privileges {
        let warning = format!(
            "its {privileges} will have no effect: no program gains privileges under a filter"
        );
        warn(cli, Some(name), &warning);
    }
    if program.machine == Machine::Unknown {
        let warning = format!("it can't be read; the policy is for {arch}, and ends any other");
        warn(cli, Some(name), &warning);
    }
}

/// What the grammar can't tell of the options.
fn check(cli: &LaunchCli) -> Result<()> {
    let usage = |text: &str| Usage(text.to_owned());
    let policy = &cli.policy;
    ensure!(
        policy.has_policy() || !policy.is_given(),
        usage("--action and --exact are for a policy; give --allow, --deny or --policy, too")
    );
    ensure!(
        !policy.reads_standard_input(),
        usage("standard input belongs to the program; give the list or the file in place of '-'")
    );
    Ok(())
}

/// The architecture that the policy is for: that of the program if the machine
/// runs it by itself. Anything else is run by an interpreter of the machine's.
fn architecture(machine: Machine) -> Result<Arch> {
    let native = launch::native().ok_or(launch::Error::Machine)?;
    Ok(match (native, machine) {
        (Arch::X86_64, Machine::Elf(elf::EM_386 | launch::EM_486, _)) => Arch::X86,
        (Arch::X86_64, Machine::Elf(elf::EM_X86_64, false)) => Arch::X32,
        _ => native,
    })
}

/// What was asked for, by the options or by the environment.
fn policy(cli: &LaunchCli, environment: &[&'static CStr], arch: Arch) -> Result<Option<Policy>> {
    let found = [ALLOW, DENY]
        .into_iter()
        .find_map(|name| variable(environment, name).map(|value| (name, value.to_string_lossy())));
    if cli.policy.has_policy() {
        if let Some((name, _)) = found {
            let warning =
                format!("{name} is not looked at, since there is a list among the options");
            warn(cli, None, &warning);
        }
        let (policy, warnings) = cli.policy.policy()?;
        for warning in warnings {
            warn(cli, None, &warning);
        }
        return Ok(Some(policy));
    }
    let Some((name, text)) = found else {
        return Ok(None);
    };
    let is = |name, value: &CStr| variable(environment, name) == Some(value);
    let mut draft = Draft {
        violation: is(ACTION, c"log").then_some(Action::Log),
        exact: is(EXACT, c"1").then_some(true),
        ..Draft::default()
    };
    let list = match name {
        ALLOW => draft.allow(&text),
        _ => draft.deny(&text),
    };
    list.map_err(|error| anyhow!("{name}: {error}; the program was not started"))?;
    for item in draft.allow.iter().chain(&draft.deny).flatten() {
        let rule = item.clone().into_rule(Action::Allow);
        if let Subject::Call(call) = &rule.subject {
            ensure!(
                policy::is_known_call(call, arch),
                "unknown system call {call:?} in {name}; the program was not started"
            );
        }
        if !cli.quiet {
            print(&format!("adding {rule} to the process seccomp filter\n"));
        }
    }
    Ok(Some(draft.finish()?))
}

fn compile(policy: &Policy, arch: Arch, cli: &LaunchCli) -> Result<Compiled> {
    let (resolved, warnings) = policy::resolve(policy, arch)?;
    for warning in warnings {
        let is_none = warning == Warning::NothingDenied;
        ensure!(!(is_none && cli.require_policy), warning.to_string());
        // The variables are the toolkit's, which has nothing to say about them; but
        // an empty one is no policy.
        if is_none || cli.policy.has_policy() {
            warn(cli, None, &warning);
        }
    }
    Ok(filter::compile(&resolved)?)
}

/// Looks whether the program will put a policy of its own in force.
fn check_own_policy(program: &Program, cli: &LaunchCli, name: &OsStr) -> Result<()> {
    let examined = program.elf.as_ref().map(|file| {
        let image = program.image.to_string_lossy();
        Inspection::of(&image, file, &installed::surroundings(Path::new("/")))
    });
    let own = match examined {
        Some(Ok(own)) if own.protected => own,
        _ => {
            ensure!(
                !cli.require_policy,
                "there is no policy; give --policy, --allow or --deny, or {ALLOW}"
            );
            let warning = "it runs without a policy; give --policy, --allow or --deny";
            warn(cli, Some(name), warning);
            return Ok(());
        }
    };
    let is_none = own.resolved.is_some_and(|policy| policy.denies_nothing());
    let nothing = is_none.then(|| Warning::NothingDenied.to_string());
    let problem = own.problems.first().map(ToString::to_string);
    if let Some(problem) = problem.or(nothing) {
        let doubt = format!("its own policy can't be relied on: {problem}");
        ensure!(!cli.require_policy, doubt);
        warn(cli, Some(name), &doubt);
    }
    Ok(())
}

/// The value of a variable.
fn variable<'a>(environment: &[&'a CStr], name: &str) -> Option<&'a CStr> {
    let is_it = |entry: &&'a CStr| is_variable(entry, name);
    let entry = environment.iter().copied().find(is_it)?;
    CStr::from_bytes_with_nul(&entry.to_bytes_with_nul()[name.len() + 1..]).ok()
}

fn is_variable(entry: &CStr, name: &str) -> bool {
    let value = entry.to_bytes().strip_prefix(name.as_bytes());
    value.is_some_and(|value| value.starts_with(b"="))
}

/// The environment of the program.
fn without_variables(environment: &[&'static CStr]) -> Vec<&'static CStr> {
    let is_kept = |entry: &&&'static CStr| {
        ![ALLOW, DENY, ACTION, EXACT]
            .iter()
            .any(|name| is_variable(entry, name))
    };
    environment.iter().filter(is_kept).copied().collect()
}

fn os(text: &CStr) -> &OsStr {
    OsStr::from_bytes(text.to_bytes())
}

fn strings(command: &[OsString]) -> Result<Vec<CString>> {
    let strings = command.iter().map(|word| CString::new(word.as_bytes()));
    Ok(strings.collect::<Result<_, _>>()?)
}

/// A line on standard error.
fn say(file: Option<&Path>, what: &(impl Display + ?Sized)) {
    print(&format!("{}\n", line(file, what)));
}

fn line(file: Option<&Path>, what: &(impl Display + ?Sized)) -> String {
    let what = what.to_string();
    let what = render::message(&what);
    match file {
        Some(file) => format!("sandboxify: {}: {what}", render::name(file)),
        None => format!("sandboxify: {what}"),
    }
}

fn warn(cli: &LaunchCli, file: Option<&OsStr>, warning: &(impl Display + ?Sized)) {
    if !cli.quiet {
        say(file.map(Path::new), &format_args!("warning: {warning}"));
    }
}

/// In one piece, since others may write there, too. Where it can't be written
/// there is nobody to tell.
fn print(text: &str) {
    if launch::is_heard() {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}
