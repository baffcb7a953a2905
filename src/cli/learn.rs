//! Finding out what a program calls.

mod read;

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};

use super::options::LearnArguments;
use super::output::{Verbosity, note, warn};
use super::{installed, render};
use crate::launch::Program;
use crate::learn::trace::{Ended, Recording};
use crate::learn::{Learned, trace};
use crate::policy::{Arch, source};
use crate::program::learn;
use crate::runtime::Runtimes;

/// Runs the command, and writes what was learned. The exit status is the command's.
pub(super) fn run(arguments: &LearnArguments, verbosity: Verbosity) -> Result<ExitCode> {
    if let Some(file) = &arguments.read {
        return read::run(file, arguments, verbosity);
    }
    let former = former(&arguments.merge)?;
    let Some(name) = arguments.command.first().map(Path::new) else {
        return attach(arguments, &former, verbosity);
    };
    let about = |error: anyhow::Error| anyhow!("{}: {error}", render::name(name));
    let path = std::env::var_os("PATH")
        .map(|path| string(&path))
        .transpose()?;
    let program =
        Program::find(name.as_os_str(), path.as_deref()).map_err(|unfit| about(unfit.into()))?;
    if let Some(privileges) = program.privileges {
        let warning =
            format!("its {privileges} had no effect: no program gains privileges under a filter");
        warn(name, &warning);
    }
    let words: Vec<CString> = arguments
        .command
        .iter()
        .map(|word| string(word))
        .collect::<Result<_>>()?;
    let recording = learn::run(
        &program.path,
        &words,
        arguments.start(),
        arguments.children(),
    )
    .map_err(|error: trace::Error| about(error.into()))?;
    if program.image.as_os_str().as_bytes() != program.path.as_bytes() {
        let warning = format!(
            "it is a script; the policy is that of {}, which runs it",
            render::name(&program.image)
        );
        warn(name, &warning);
    }
    write(arguments, &former, &recording, verbosity)?;
    if let (true, Some(output)) = (arguments.check, &arguments.output) {
        check(arguments, &program, output, &words).map_err(about)?;
    }
    Ok(status(recording.ended))
}

/// Runs the command again under the policy.
fn check(
    arguments: &LearnArguments,
    program: &Program,
    output: &Path,
    words: &[CString],
) -> Result<()> {
    ensure!(
        program.image.as_os_str().as_bytes() == program.path.as_bytes(),
        "it is a script; --check is for programs"
    );
    let draft = source::read(&[output], &installed::policies(), &installed::reading())?;
    let directory = tempfile::Builder::new()
        .prefix("sandbox-patch-")
        .tempdir()?;
    let name = program.image.file_name().unwrap_or(OsStr::new("program"));
    let start = arguments.start();
    let runtimes = Runtimes {
        directories: installed::directories(),
        library: None,
        inline: start.is_some(),
        start,
    };
    let copy = directory.path().join(name);
    let recording = learn::missed(&program.image, &copy, &draft.finish()?, runtimes, words)?;
    let missed = recording.programs.first();
    let missed = missed.map(|program| Learned::of(program, Arch::X86_64).0);
    let missed = missed.unwrap_or_default();
    if missed.calls.is_empty() {
        note(output, "the command runs under it");
        return Ok(());
    }
    let names: Vec<_> = missed.calls.keys().map(String::as_str).collect();
    let names = names.join(", ");
    let file = render::name(output);
    ensure!(
        arguments.add,
        "under {file} it misses {names}; --add puts that in"
    );
    let text = std::fs::read_to_string(output)?;
    let mut learned = Learned::from_toml(&text)?;
    learned.complete(&missed);
    save(output, &learned.to_toml(&comment(arguments)))?;
    note(
        output,
        &format!("added {names}, which it missed when it ran under it"),
    );
    Ok(())
}

/// What stands at the beginning of a policy.
fn comment(arguments: &LearnArguments) -> String {
    if let Some(process) = arguments.pid {
        return format!("Learned from process {process}");
    }
    let command = shell_words::join(arguments.command.iter().map(|word| word.to_string_lossy()));
    format!("Learned by running {}", render::escaped(&command))
}

/// The same for a process that runs already.
fn attach(
    arguments: &LearnArguments,
    former: &[Learned],
    verbosity: Verbosity,
) -> Result<ExitCode> {
    let process = arguments.pid.unwrap_or_default();
    let recording = trace::record_running(process, arguments.time)
        .map_err(|error| anyhow!("process {process}: {error}"))?;
    write(arguments, former, &recording, verbosity)?;
    Ok(ExitCode::SUCCESS)
}

fn string(text: &OsStr) -> Result<CString> {
    CString::new(text.as_bytes()).context("an argument has a NUL byte")
}

/// What was learned before.
fn former(files: &[PathBuf]) -> Result<Vec<Learned>> {
    let read = |file: &PathBuf| {
        let about = |error: &dyn std::fmt::Display| anyhow!("{}: {error}", render::name(file));
        let text = std::fs::read_to_string(file).map_err(|error| about(&error))?;
        Learned::from_toml(&text).map_err(|error| about(&error))
    };
    files.iter().map(read).collect()
}

/// Writes the policies that are wanted.
fn write(
    arguments: &LearnArguments,
    former: &[Learned],
    recording: &Recording,
    verbosity: Verbosity,
) -> Result<()> {
    let comment = comment(arguments);
    let mut outputs: Vec<(PathBuf, &trace::Program)> = Vec::new();
    if let (Some(output), Some(first)) = (&arguments.output, recording.programs.first()) {
        outputs.push((output.clone(), first));
    }
    if let Some(directory) = &arguments.each {
        std::fs::create_dir_all(directory)
            .map_err(|error| anyhow!("{} can't be made: {error}", render::name(directory)))?;
        let mut taken = BTreeSet::new();
        for program in &recording.programs {
            outputs.push((in_directory(directory, &program.path, &mut taken), program));
        }
    }
    for (output, program) in outputs {
        let (mut learned, unnamed) = Learned::of(program, Arch::X86_64);
        for (arch, number) in unnamed {
            let warning = format!(
                "it called number {number} of {arch}, which is no known call and is left out"
            );
            warn(&program.path, &warning);
        }
        if !program.has_begun {
            warn(
                &program.path,
                "it ended before its policy would have come into force",
            );
        }
        let of_this_run = learned.clone();
        if arguments.output.as_ref() == Some(&output) {
            former.iter().for_each(|former| learned.merge(former));
        }
        save(&output, &learned.to_toml(&comment))?;
        if verbosity != Verbosity::Quiet {
            note(&output, &summary(&of_this_run, &learned));
        }
    }
    Ok(())
}

/// Writes a policy.
fn save(output: &Path, policy: &str) -> Result<()> {
    std::fs::write(output, policy)
        .map_err(|error| anyhow!("{} can't be written: {error}", render::name(output)))
}

/// A name of its own for the policy of each program.
fn in_directory(directory: &Path, program: &Path, taken: &mut BTreeSet<OsString>) -> PathBuf {
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut number = 1;
    loop {
        let mut file = name.to_owned();
        if number > 1 {
            file.push(format!("-{number}"));
        }
        file.push(".toml");
        if taken.insert(file.clone()) {
            return directory.join(file);
        }
        number += 1;
    }
}

fn summary(run: &Learned, all: &Learned) -> String {
    let own = all.calls.values().filter(|seen| seen.itself > 0).count();
    let others = all.calls.len() - own;
    let mut text = format!("{own} calls");
    if others > 0 {
        text += &format!(", and {others} by programs that it executes");
    }
    if all.runs > 1 {
        let new = all.calls.iter().filter(|(name, seen)| {
            let seen_now = run.calls.contains_key(*name);
            seen_now && seen.itself.max(seen.others) == 1
        });
        text += &format!("; {} runs, {} new in this one", all.runs, new.count());
    }
    text
}

/// As if it was started directly.
fn status(ended: Ended) -> ExitCode {
    match ended {
        Ended::Left => ExitCode::SUCCESS,
        Ended::Exited(status) => ExitCode::from(u8::try_from(status & 0xff).unwrap_or(1)),
        Ended::Killed(signal) => {
            // It ends this process, too, as a shell expects.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
        }
    }
}
