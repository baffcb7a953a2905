//! Putting a policy into a program.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};

use super::library::{Library, Presence};
use super::show;
use crate::elf::undo::{Digest, Original};
use crate::elf::{self, Embedded, Layout, Plan, Position, Request, embedded};
use crate::file::{self, Input, Keep};
use crate::filter;
use crate::note::Content;
use crate::policy::{self, Arch, Policy, Resolved};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The policy.
    pub policy: Policy,
    /// The runtime.
    pub library: Library,
    /// Where the result goes; none replaces the file.
    pub output: Option<PathBuf>,
    /// A policy that is there may be replaced by another.
    pub replace: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// What the result keeps besides mode, owner and attributes.
    pub keep: Keep,
}

/// What became of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It carries the policy now.
    Patched,
    /// It carried another one before.
    Replaced,
    /// It carried this very policy already.
    Unchanged,
    /// Nothing was written, since that was asked for.
    Planned,
}

/// What was done, for people.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file that carries the policy.
    pub file: PathBuf,
    /// What became of it.
    pub outcome: Outcome,
    /// The policy as compiled.
    pub resolved: Resolved,
    /// The DT_NEEDED value.
    pub library: String,
    /// The file's length in bytes, before and after.
    pub length: (u64, u64),
    /// What moved within the file.
    pub moved: Vec<&'static str>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Patches one program.
///
/// # Errors
///
/// Says why it can't be done; the file is then as it was, and nothing is left
/// behind.
pub fn patch(path: &Path, options: &Options) -> Result<Report> {
    let input = Input::open(path)?;
    let layout = Layout::read(&input.file)?;
    layout.require_dynamic_program()?;
    let present = embedded::read(&layout, &input.file);
    let mut warnings = Vec::new();
    let prepared = Prepared::make(&layout, &input.file, options, &mut warnings)?;

    let present = present?;
    if let Some(present) = &present {
        let same =
            prepared.is_in(present) && layout.needed(&input.file)?.contains(&options.library.path);
        if same && options.output.is_none() {
            let length = (layout.length, layout.length);
            return Ok(prepared.report(
                path,
                Outcome::Unchanged,
                options,
                length,
                Vec::new(),
                warnings,
            ));
        }
        ensure!(
            options.replace || same,
            "it carries another policy already; --replace puts this one in its place"
        );
    }

    let target = target(&input, options.output.as_deref())?;
    if options.output.is_none() {
        input.require_writable()?;
        if input.other_names() > 0 {
            warnings.push(other_names(input.other_names()));
        }
    }
    let original = original(&input.file, present.as_ref())?;
    let layout = Layout::read(&original)?;
    let request = Request {
        library: &options.library.path,
        position: prepared.position,
        content: &prepared.content,
        digest: Digest::of(&original)?,
    };
    let plan = Plan::make(&layout, &original, &request)?;
    let outcome = match (options.dry_run, &present) {
        (true, _) => Outcome::Planned,
        (false, Some(_)) => Outcome::Replaced,
        (false, None) => Outcome::Patched,
    };
    if !options.dry_run {
        file::replace(&target, &input, options.keep, |output| {
            elf::write(&plan, &original, output).map_err(file::Error::Write)?;
            check(output, &prepared, options)
        })?;
    }
    let shown = options.output.as_ref().map_or(path, |_| target.as_path());
    let length = (layout.length, plan.length());
    Ok(prepared.report(shown, outcome, options, length, plan.moved, warnings))
}

/// The content to embed, made before anything is written.
struct Prepared {
    resolved: Resolved,
    content: Content,
    position: Position,
}

impl Prepared {
    fn make(
        layout: &Layout,
        source: &File,
        options: &Options,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let arch = arch(layout).ok_or_else(|| {
            let machine = layout.header.machine.0;
            anyhow!("seccomp filters for its architecture (ELF machine {machine}) are unknown")
        })?;
        if options.library.check(layout)? == Presence::Missing {
            warnings.push(format!(
                "{} does not exist here; the program will not start where it is missing",
                options.library.path
            ));
        }
        let (resolved, notices) = policy::resolve(&options.policy, arch)?;
        warnings.extend(notices.iter().map(ToString::to_string));
        let content = Content {
            policy: resolved.to_json(),
            flags: 0,
            arch: arch.audit(),
            program: filter::compile(&resolved)?,
        };
        let interpreter = layout.interpreter(source)?.unwrap_or_default();
        if runs_code_before(layout) {
            warnings.push(PREINIT.to_owned());
        }
        Ok(Self {
            resolved,
            content,
            position: position(&interpreter),
        })
    }

    fn is_in(&self, present: &Embedded) -> bool {
        present.policy == self.content.policy && present.program == self.content.program
    }

    fn report(
        self,
        file: &Path,
        outcome: Outcome,
        options: &Options,
        length: (u64, u64),
        moved: Vec<&'static str>,
        warnings: Vec<String>,
    ) -> Report {
        Report {
            file: file.to_owned(),
            outcome,
            resolved: self.resolved,
            library: options.library.path.clone(),
            length,
            moved,
            warnings,
        }
    }
}

/// The architecture of a file, where seccomp filters for it are known.
#[must_use]
pub fn arch(layout: &Layout) -> Option<Arch> {
    let (header, encoding) = (&layout.header, layout.encoding);
    Arch::from_elf(
        header.machine.0,
        encoding.is_64,
        encoding.is_big_endian(),
        header.flags.0,
    )
}

/// What [`runs_code_before`] means, for people.
pub const PREINIT: &str = "the program has functions in DT_PREINIT_ARRAY, which glibc calls before the policy is in force";

/// Whether the program has code that runs before any library's constructors
/// (gABI chapter 5, DT_PREINIT_ARRAY).
#[must_use]
pub fn runs_code_before(layout: &Layout) -> bool {
    let size = layout
        .dynamic
        .as_ref()
        .and_then(|dynamic| dynamic.get(object::elf::DT_PREINIT_ARRAYSZ));
    size.is_some_and(|size| size > 0)
}

/// The place among the needed libraries that is initialised last. glibc sorts
/// by dependencies and goes backwards through the list (elf/dl-sort-maps.c),
/// musl goes through it forwards (ldso/dynlink.c, `queue_ctors`).
#[must_use]
pub fn position(interpreter: &str) -> Position {
    let name = interpreter.rsplit('/').next().unwrap_or_default();
    if name.starts_with("ld-musl-") {
        Position::Last
    } else {
        Position::First
    }
}

/// The warning for a file that is replaced and has `count` hard links more.
pub(super) fn other_names(count: u64) -> String {
    let names = if count == 1 { "name" } else { "names" };
    format!("replacing the file breaks a hard link: its {count} other {names} keep the old content")
}

/// The file to write.
pub(super) fn target(input: &Input, output: Option<&Path>) -> Result<PathBuf> {
    let Some(output) = output else {
        return Ok(input.path.clone());
    };
    if !output.is_dir() {
        return Ok(output.to_owned());
    }
    let name = input
        .path
        .file_name()
        .ok_or_else(|| anyhow!("it has no file name; name the result with -o"))?;
    Ok(output.join(name))
}

/// The program without the policy that it may carry.
fn original<'a>(file: &'a File, present: Option<&'a Embedded>) -> Result<Original<'a>> {
    let Some(present) = present else {
        return Ok(Original::Whole(file));
    };
    let undo = present.undo.as_ref().ok_or(elf::Error::NoUndo)?;
    if undo.is_exact(file)? {
        Ok(Original::Restored(file, undo))
    } else {
        Err(elf::Error::Changed.into())
    }
}

/// Reads the result back before it takes the file's place: a mistake of this
/// program must not reach anybody's binary.
fn check(output: &File, prepared: &Prepared, options: &Options) -> Result<()> {
    let fault = |what: &str| {
        anyhow!("the result is not right ({what}); nothing was changed; please report this")
    };
    let layout = Layout::read(output).map_err(|error| fault(&error.to_string()))?;
    let found = embedded::read(&layout, output).map_err(|error| fault(&error.to_string()))?;
    let found = found.ok_or_else(|| fault("no policy"))?;
    ensure!(
        found.policy == prepared.content.policy && found.program == prepared.content.program,
        fault("policy")
    );
    let needed = layout
        .needed(output)
        .map_err(|error| fault(&error.to_string()))?;
    let place = match prepared.position {
        Position::First => needed.first(),
        Position::Last => needed.last(),
    };
    ensure!(place == Some(&options.library.path), fault("library"));
    let undo = found.undo.ok_or_else(|| fault("no way back"))?;
    ensure!(undo.is_exact(output)?, fault("the way back"));
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.outcome {
            Outcome::Patched => "patched",
            Outcome::Replaced => "policy replaced",
            Outcome::Unchanged => "carries this policy already; nothing to do",
            Outcome::Planned => "would be patched",
        };
        writeln!(f, "{}: {what}", self.file.display())?;
        let mut line = |name: &str, value: &str| writeln!(f, "  {name:<9} {value}");
        line("policy", &show::policy(&self.resolved))?;
        for added in show::added(&self.resolved) {
            line("added", &added)?;
        }
        line("enforced", show::ENFORCED)?;
        line("library", &self.library)?;
        if self.outcome != Outcome::Unchanged {
            let (before, after) = self.length;
            line("size", &format!("{before} bytes + {}", after - before))?;
        }
        if self.outcome == Outcome::Planned && !self.moved.is_empty() {
            line("moves", &self.moved.join(", "))?;
        }
        Ok(())
    }
}
