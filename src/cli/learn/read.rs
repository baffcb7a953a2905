//! Finding out what a program calls by reading it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};

use super::super::options::LearnArguments;
use super::super::output::{Verbosity, note, print, warn};
use super::super::render;
use crate::learn::analyse::{self, Analysis, Gap, Request, Step};
use crate::rewrite::Start;

/// Reads a program, and prints or writes what it can call.
pub(super) fn run(
    file: &Path,
    arguments: &LearnArguments,
    verbosity: Verbosity,
) -> Result<ExitCode> {
    let request = Request {
        root: arguments.root.clone(),
        with: arguments.with.clone(),
        from_entry: arguments.start() == Some(Start::Entry),
    };
    let analysis = analyse::analyse(file, &request).map_err(|error| match error {
        analyse::Error::Unreadable { file, what } => anyhow!("{}: {what}", render::name(&file)),
        error => anyhow!("{}: {error}", render::name(file)),
    })?;
    for name in &arguments.why {
        why(file, name, &analysis)?;
    }
    if let Some(output) = &arguments.output {
        let name = file.to_string_lossy();
        let comment = format!("Learned by reading {}", render::escaped(&name));
        super::save(output, &analysis.to_toml(&comment))?;
        if verbosity != Verbosity::Quiet {
            note(output, &format!("{} calls", analysis.calls.len()));
        }
    } else if arguments.why.is_empty() {
        let names = analysis.calls.keys().map(|name| format!("{name}\n"));
        print(names.collect::<String>())?;
    }
    if verbosity != Verbosity::Quiet || arguments.strict {
        gaps(file, &analysis);
    }
    let is_complete = analysis.gaps.is_empty() || !arguments.strict;
    Ok(ExitCode::from(u8::from(!is_complete)))
}

/// A way to a call, from it to where the program starts.
fn why(file: &Path, name: &str, analysis: &Analysis) -> Result<()> {
    let way = analysis.calls.get(name).ok_or_else(|| {
        let name = render::escaped(name);
        anyhow!("{}: it has no way to {name}", render::name(file))
    })?;
    let steps = way.iter().map(ToString::to_string);
    let steps = steps.map(|step| format!("    {}\n", render::escaped(&step)));
    print(format!("{name}:\n{}", steps.collect::<String>()))?;
    Ok(())
}

fn gaps(file: &Path, analysis: &Analysis) {
    for gap in &analysis.gaps {
        let mut text = format!("incomplete: {gap}");
        if let Gap::Loads(way) | Gap::Executes(way) = gap {
            // The first of the program itself.
            let of_file = analysis.files.first();
            let own = way.iter().find_map(|step| match step {
                Step::Code(place) if Some(&place.file) == of_file => Some(place),
                _ => None,
            });
            text += &own.map_or_else(String::new, |place| format!(", from {place}"));
        }
        warn(file, &render::escaped(&text));
    }
}
