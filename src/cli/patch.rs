//! Putting a policy into a program.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};

use super::library::{Library, Presence};
use super::output::warn;
use super::show;
use crate::elf::{self, Embedded, Layout, Original, Plan, Position, Request, embedded};
use crate::file::{self, Input, Keep, Pending, Target};
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
    /// It carried another one before, or loaded another library.
    Replaced,
    /// It carried this very policy already.
    Unchanged,
}

/// What was done, for people.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file that carries the policy.
    pub file: PathBuf,
    /// What became of it, or would become.
    pub outcome: Outcome,
    /// Nothing was written, since that was asked for.
    pub dry_run: bool,
    /// The policy as compiled.
    pub resolved: Resolved,
    /// From when on the policy holds.
    pub enforced: &'static str,
    /// The DT_NEEDED value.
    pub library: String,
    /// The file's length in bytes, before and after.
    pub length: (u64, u64),
    /// What moved within the file.
    pub moved: Vec<&'static str>,
    /// What the user should know of the policy and the library, whatever the
    /// program.
    pub general_warnings: Vec<String>,
    /// What the user should know of the program.
    pub warnings: Vec<String>,
    /// How many other names the replaced file had, which keep the old content.
    pub other_names: u64,
}

/// Patches one program.
///
/// # Errors
///
/// Says why it can't be done; the file is then as it was, and nothing is left
/// behind.
pub fn patch(path: &Path, options: &Options) -> Result<Report> {
    let (input, target) = Input::open_for(path, options.output.as_deref())?;
    let layout = Layout::read(&input.file)?;
    layout.require_dynamic_program()?;
    let present = embedded::read(&layout, &input.file);
    let prepared = Prepared::make(&layout, &input.file, options)?;
    let present = present?;
    let mut outcome = match &present {
        Some(present) => prepared.compare(present, &layout, &input.file, options)?,
        None => Outcome::Patched,
    };
    if outcome == Outcome::Unchanged {
        if target.is_in_place() {
            let length = (layout.length, layout.length);
            return Ok(prepared.report(path, outcome, options, length, Vec::new()));
        }
        // What is unchanged is the input.
        outcome = Outcome::Patched;
    }

    let original = original(&input.file, present.as_ref())?;
    let layout = Layout::read(&original)?;
    let request = Request {
        library: &options.library.path,
        position: prepared.position,
        content: &prepared.content,
    };
    let plan = Plan::make(&layout, &original, &request)?;
    let signatures = [input.seals(), elf::signatures(&layout, &original)?].concat();
    write(&plan, &original, &input, &target, &prepared, options)?;
    let shown = options.output.as_ref().map_or(path, |_| &target.path);
    let length = (layout.length, plan.length());
    let unusual = unusual(&plan);
    let mut report = prepared.report(shown, outcome, options, length, plan.moved);
    report.warnings.extend(unusual);
    report.warnings.extend(unsigned(&signatures));
    report.other_names = target.other_names();
    Ok(report)
}

/// What the user should know of how the file had to be changed.
fn unusual(plan: &Plan) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(obstacle) = &plan.obstacle {
        warnings.push(format!(
            "its program headers had to move, since {obstacle} stands behind them; strip it before \
             patching, not afterwards"
        ));
    }
    if plan.tail.size > 0 {
        let (size, shift) = (plan.tail.size, plan.length() - plan.tail.size - plan.kept);
        warnings.push(format!(
            "the {size} bytes that are appended to the ELF file stay at its end, {shift} bytes \
             further on; what looks for them at a fixed place will not find them"
        ));
    }
    warnings
}

/// Carries the plan out. A dry run does so, too, but for the last step: it must
/// fail where patching would.
fn write(
    plan: &Plan,
    original: &Original<'_>,
    input: &Input,
    target: &Target,
    prepared: &Prepared,
    options: &Options,
) -> Result<()> {
    target.require_writable()?;
    let pending = Pending::write(target, input, options.keep, |output| {
        elf::write(plan, original, output).map_err(file::Error::Write)
    })?;
    check(&pending.file, prepared, options)?;
    if !options.dry_run {
        pending.commit()?;
    }
    Ok(())
}

/// The content to embed, made before anything is written.
struct Prepared {
    resolved: Resolved,
    content: Content,
    position: Position,
    enforced: &'static str,
    general_warnings: Vec<String>,
    warnings: Vec<String>,
}

impl Prepared {
    fn make(layout: &Layout, source: &File, options: &Options) -> Result<Self> {
        let mut general_warnings = Vec::new();
        let arch = arch(layout).ok_or_else(|| {
            let machine = layout.header.machine.0;
            let known: Vec<_> = Arch::all().map(Arch::name).collect();
            anyhow!(
                "no filter can be made for its architecture (ELF machine {machine}); known are {}",
                known.join(", ")
            )
        })?;
        let library = &options.library.path;
        match options.library.check(layout)? {
            Presence::Missing => general_warnings.push(format!(
                "{library} does not exist here; the program will not start where it is missing"
            )),
            Presence::Hidden(why) => general_warnings.push(format!(
                "{library} can't be looked at: {why}; the program will not start for whom it is \
                 out of reach"
            )),
            _ => {}
        }
        let (resolved, notices) = policy::resolve(&options.policy, arch)?;
        general_warnings.extend(notices.iter().map(ToString::to_string));
        let content = Content {
            policy: resolved.to_json(),
            flags: 0,
            arch: arch.audit(),
            program: filter::compile(&resolved)?,
        };
        let interpreter = layout.interpreter(source)?.unwrap_or_default();
        let mut warnings = Vec::new();
        if runs_code_before(layout) {
            warnings.push(PREINIT.to_owned());
        }
        let position = position(&interpreter, &layout.needed(source)?);
        if position.is_none() {
            warnings.push(unknown_loader(&interpreter));
        }
        Ok(Self {
            resolved,
            content,
            position: position.unwrap_or(Position::First),
            enforced: position.map_or(UNKNOWN_MOMENT, |_| show::ENFORCED),
            general_warnings,
            warnings,
        })
    }

    /// Whether a file carries this policy and its filter.
    fn is_in(&self, present: &Embedded) -> bool {
        present.policy == self.content.policy && present.program == self.content.program
    }

    /// What patching means for a file that carries a policy.
    fn compare(
        &self,
        present: &Embedded,
        layout: &Layout,
        source: &File,
        options: &Options,
    ) -> Result<Outcome> {
        let needed = layout.needed(source)?;
        let library = &options.library.path;
        let same_policy = self.is_in(present);
        if !same_policy || !needed.contains(library) {
            let what = if same_policy {
                "this policy already, for another library"
            } else {
                "another policy already"
            };
            ensure!(
                options.replace,
                "it carries {what}; --replace puts this one in its place"
            );
            return Ok(Outcome::Replaced);
        }
        let (header, content) = (&present.header, &self.content);
        let intact = (header.flags, header.arch) == (content.flags, content.arch)
            && embedded::is_marked(layout)
            && placed(self.position, &needed) == Some(library);
        if intact {
            Ok(Outcome::Unchanged)
        } else {
            Err(elf::Error::Changed.into())
        }
    }

    fn report(
        self,
        file: &Path,
        outcome: Outcome,
        options: &Options,
        length: (u64, u64),
        moved: Vec<&'static str>,
    ) -> Report {
        Report {
            file: file.to_owned(),
            outcome,
            dry_run: options.dry_run,
            resolved: self.resolved,
            enforced: self.enforced,
            library: options.library.path.clone(),
            length,
            moved,
            general_warnings: self.general_warnings,
            warnings: self.warnings,
            other_names: 0,
        }
    }
}

/// Whether patching failed since the file is a program of a kind that can't
/// carry a policy, or none at all.
pub(super) fn is_not_for(error: &anyhow::Error) -> bool {
    use elf::Error::{SharedLibrary, Static, StaticPie};
    matches!(
        error.downcast_ref(),
        Some(SharedLibrary | Static | StaticPie)
    )
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

/// The place among the needed libraries that is initialised last; nothing where
/// the loader is unknown. glibc sorts by dependencies and goes backwards through
/// the list (elf/dl-sort-maps.c), musl goes through it forwards (ldso/dynlink.c,
/// `queue_ctors`). A loader may have any name; the C library that the program
/// needs is the loader's own.
#[must_use]
pub fn position(interpreter: &str, needed: &[String]) -> Option<Position> {
    let loader = interpreter.rsplit('/').next().unwrap_or_default();
    let needs = |is_it: fn(&str) -> bool| needed.iter().any(|name| is_it(name));
    // Alpine Linux gives musl's library the name of its loader.
    if loader.starts_with("ld-musl-")
        || needs(|name| name == "libc.so" || name.starts_with("libc.musl-"))
    {
        return Some(Position::Last);
    }
    // glibc's loaders and libraries (shlib-versions, sysdeps/*/shlib-versions).
    let glibc = ["ld-linux", "ld.so.1", "ld64.so."]
        .iter()
        .any(|start| loader.starts_with(start))
        || needs(|name| name == "libc.so.6" || name == "libc.so.6.1");
    glibc.then_some(Position::First)
}

/// The library at that place.
fn placed(position: Position, needed: &[String]) -> Option<&String> {
    match position {
        Position::First => needed.first(),
        Position::Last => needed.last(),
    }
}

/// From when on the policy holds where [`position`] knows nothing, for people.
pub const UNKNOWN_MOMENT: &str = "at a moment that is not known for this loader";

/// A warning of that.
#[must_use]
pub fn unknown_loader(interpreter: &str) -> String {
    format!(
        "the loader {interpreter} is not known; the policy may be in force before or after the \
         constructors of other libraries and of the program"
    )
}

/// The warning for a file that is replaced and has `count` hard links more.
pub(super) fn other_names(count: u64) -> String {
    let names = if count == 1 { "name" } else { "names" };
    format!("replacing the file breaks a hard link: its {count} other {names} keep the old content")
}

/// The warning for a file that was signed, in these places or ways.
pub(super) fn unsigned(signatures: &[String]) -> Option<String> {
    let places = signatures.join(", ");
    (!signatures.is_empty()).then(|| {
        format!("it is signed ({places}), and the result no longer is; sign the result again")
    })
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
    ensure!(prepared.is_in(&found), fault("policy"));
    let needed = layout
        .needed(output)
        .map_err(|error| fault(&error.to_string()))?;
    let place = placed(prepared.position, &needed);
    ensure!(place == Some(&options.library.path), fault("library"));
    let undo = found.undo.ok_or_else(|| fault("no way back"))?;
    ensure!(undo.is_exact(output)?, fault("the way back"));
    Ok(())
}

impl Report {
    /// Prints the warnings; of the general ones those that are to be said.
    pub(super) fn warn(&self, file: &Path, mut is_to_be_said: impl FnMut(&str) -> bool) {
        for warning in &self.general_warnings {
            if is_to_be_said(warning) {
                warn(file, warning);
            }
        }
        for warning in &self.warnings {
            warn(file, warning);
        }
        if self.other_names > 0 {
            warn(file, &other_names(self.other_names));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.outcome, self.dry_run) {
            (Outcome::Patched, false) => "patched",
            (Outcome::Patched, true) => "would be patched",
            (Outcome::Replaced, false) => "policy replaced",
            (Outcome::Replaced, true) => "policy would be replaced",
            (Outcome::Unchanged, _) => "carries this policy already; nothing to do",
        };
        writeln!(f, "{}: {what}", show::name(&self.file))?;
        let mut line =
            |name: &str, value: &str| writeln!(f, "  {name:<9} {}", show::escaped(value));
        line("policy", &show::policy(&self.resolved))?;
        for added in show::added(&self.resolved) {
            line("added", &added)?;
        }
        line("enforced", self.enforced)?;
        line("library", &self.library)?;
        if self.outcome != Outcome::Unchanged {
            let (before, after) = self.length;
            line("size", &format!("{before} bytes + {}", after - before))?;
        }
        if self.dry_run && !self.moved.is_empty() {
            line("moves", &self.moved.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_c_library_tells_the_loader_whatever_its_name() {
        let position = |interpreter: &str, needed: &[&str]| {
            let needed: Vec<String> = needed.iter().map(|&name| name.to_owned()).collect();
            position(interpreter, &needed)
        };
        let (first, last) = (Some(Position::First), Some(Position::Last));
        assert_eq!(position("/lib64/ld-linux-x86-64.so.2", &[]), first);
        assert_eq!(position("/lib64/ld64.so.2", &["libfoo.so"]), first);
        assert_eq!(position("/opt/loader", &["libm.so.6", "libc.so.6"]), first);
        assert_eq!(position("/lib/ld-musl-x86_64.so.1", &[]), last);
        assert_eq!(position("/opt/loader", &["libfoo.so", "libc.so"]), last);
        assert_eq!(position("/opt/ld", &["libc.musl-x86_64.so.1"]), last);
        assert_eq!(position("/opt/loader", &["libfoo.so"]), None);
        assert_eq!(position("/opt/loader", &["libc.so.0"]), None);
    }
}
