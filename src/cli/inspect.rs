//! Showing what a file carries.

use std::io::Read;
use std::path::Path;

use anstream::println;
use anstyle::{AnsiColor, Style};
use anyhow::{Result, anyhow};

use super::examine::{Examination, Filter, Library, NO_POLICY};
use super::options::InspectArguments;
use super::{many, show};
use crate::file::Input;
use crate::filter;
use crate::policy::Arch;

pub(super) fn run(arguments: &InspectArguments) -> Result<bool> {
    let examine = |file: &Path| inspect(file, &arguments.root);
    let mut failed = None;
    let ok = many::for_each(&arguments.files, examine, |_, found| {
        match print(&found, arguments) {
            Ok(()) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    });
    failed.map_or(Ok(ok), Err)
}

/// Examines one file; `-` is standard input.
///
/// # Errors
///
/// Not an ELF file, or one that can't be read.
pub fn inspect(file: &Path, root: &Path) -> Result<Examination> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes);
        read.map_err(|error| anyhow!("standard input can't be read: {error}"))?;
        return Examination::of("-", &bytes[..], root);
    }
    let input = Input::open(file)?;
    Examination::of(&file.to_string_lossy(), &input.file, root)
}

fn print(found: &Examination, arguments: &InspectArguments) -> Result<()> {
    if arguments.json {
        println!("{}", serde_json::to_string(found)?);
    } else if arguments.bpf {
        print_bpf(found)?;
    } else {
        print_text(found);
    }
    Ok(())
}

fn print_text(found: &Examination) {
    const GOOD: Style = AnsiColor::Green.on_default().bold();
    const BAD: Style = AnsiColor::Red.on_default().bold();
    let (style, verdict) = match (found.protected, found.sound) {
        (true, true) => (GOOD, "protected"),
        (true, false) => (BAD, "protected, with problems"),
        (false, _) => (BAD, "not protected"),
    };
    println!("{}: {style}{verdict}{style:#}", found.file);
    let line = |name: &str, value: &str| println!("  {name:<9} {value}");
    let arch = found
        .arch
        .unwrap_or("an architecture without seccomp filters");
    line("file", &format!("{} for {arch}", found.kind));
    if let Some(interpreter) = &found.interpreter {
        line("loader", interpreter);
    }
    if let Some(resolved) = &found.resolved {
        line("policy", &show::policy(resolved));
        for added in show::added(resolved) {
            line("added", &added);
        }
    }
    if let Some(enforced) = found.enforced {
        line("enforced", enforced);
    }
    if let Some(library) = &found.library {
        line("library", &format!("{} ({})", library.path, state(library)));
    }
    if let Some(Filter {
        instructions,
        matches_policy,
    }) = found.filter
    {
        let not = if matches_policy { "" } else { "NOT " };
        line(
            "filter",
            &format!("{instructions} instructions, {not}as the policy compiles to"),
        );
    }
    if let Some(original) = &found.original {
        line(
            "original",
            &format!(
                "{} bytes; 'sandbox-patch remove' restores it",
                original.length
            ),
        );
    }
    // That there is no policy was said.
    for problem in found
        .problems
        .iter()
        .filter(|problem| *problem != NO_POLICY)
    {
        println!("  {BAD}problem{BAD:#}   {problem}");
    }
    for notice in &found.notices {
        line("notice", notice);
    }
}

fn state(library: &Library) -> String {
    match (library.present, &library.version) {
        (Some(true), Some(version)) => format!("present, version {version}"),
        (Some(true), None) => "present, but unfit".to_owned(),
        (Some(false), _) => "missing".to_owned(),
        (None, _) => "searched for when the program starts".to_owned(),
    }
}

fn print_bpf(found: &Examination) -> Result<()> {
    let arch = found
        .resolved
        .as_ref()
        .map(|resolved| resolved.arch)
        .or(found.arch.and_then(Arch::from_name));
    let Some(arch) = arch.filter(|_| !found.program.is_empty()) else {
        return Err(anyhow!(
            "{}: it carries no filter; there is nothing to disassemble",
            found.file
        ));
    };
    println!("{}:", found.file);
    anstream::print!("{}", filter::disassemble(&found.program, arch));
    Ok(())
}
