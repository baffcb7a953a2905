//! What goes into a program, made before anything is written.

use std::fmt::Display;
use std::fs::File;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};

use super::warnings::of_memory;
use super::{Options, Outcome, Report, arch};
use crate::cli::examine::start::loader_problem;
use crate::cli::show;
use crate::elf::{self, Embedded, Enforcement, Layout, Position, Start, embedded, inline, memory};
use crate::filter;
use crate::note::Content;
use crate::policy::{self, Arch, Resolved, Warning};
use crate::runtime::Runtime;
use crate::runtime::library::{Library, Presence};
use crate::runtime::moment::{
    UNKNOWN_MOMENT, early_code, moment, placed, position, refuses_company, unknown_loader,
};

/// The content to embed, made before anything is written.
pub(super) struct Prepared {
    pub(super) content: Content,
    /// From when on the policy holds.
    pub(super) enforced: &'static str,
    resolved: Resolved,
    runtime: Runtime,
    position: Position,
    general_warnings: Vec<String>,
    advice: Vec<String>,
    warnings: Vec<String>,
}

impl Prepared {
    pub(super) fn make(
        layout: &Layout,
        source: &File,
        options: &Options,
        runtime: Runtime,
    ) -> Result<Self> {
        let mut general_warnings = Vec::new();
        let arch = arch(layout).ok_or_else(|| {
            let machine = layout.header.machine.0;
            let known: Vec<_> = Arch::all().map(Arch::name).collect();
            anyhow!(
                "no filter can be made for its architecture (ELF machine {machine}); known are {}",
                known.join(", ")
            )
        })?;
        if let Runtime::Library(library) = &runtime {
            general_warnings.extend(doubt(library, layout)?);
        }
        let (resolved, notices) = policy::resolve(&options.policy, arch)?;
        let (advice, notices): (Vec<_>, Vec<_>) = notices.into_iter().partition(Warning::is_advice);
        let text = |notices: Vec<Warning>| notices.into_iter().map(|notice| notice.to_string());
        general_warnings.extend(text(notices));
        let advice = text(advice).collect();
        let compiled = filter::compile(&resolved)?;
        let content = Content {
            policy: resolved.to_json(),
            flags: runtime.flags(),
            arch: arch.audit(),
            program: compiled.program,
            identity: compiled.identity,
        };
        let mut warnings = Vec::new();
        warnings.extend(loader_doubt(layout, source)?);
        warnings.extend(of_memory(&resolved, layout, source, &runtime));
        let (position, enforced) = match runtime {
            Runtime::Library(_) => {
                warnings.extend(early_code(layout, source, None)?.map(unaccepted));
                let (position, enforced) = order(layout, source)?;
                warnings.extend(refuses_company(position, &layout.needed(source)?));
                (position, enforced)
            }
            Runtime::Inline(_, start) => (Position::First, moment(start, layout)),
        };
        Ok(Self {
            content,
            enforced,
            resolved,
            runtime,
            position,
            general_warnings,
            advice,
            warnings,
        })
    }

    /// What is to put the policy in force.
    pub(super) fn enforcement(&self) -> Enforcement<'_> {
        match &self.runtime {
            Runtime::Library(library) => Enforcement::Library {
                path: &library.path,
                position: self.position,
            },
            Runtime::Inline(runtime, start) => Enforcement::Inline {
                runtime: &runtime.code,
                start: *start,
            },
        }
    }

    /// Whether a file carries this policy and its filter.
    fn is_in(&self, present: &Embedded) -> bool {
        present.policy == self.content.policy && present.program == self.content.program
    }

    /// What patching means for a file that carries a policy.
    pub(super) fn compare(
        &self,
        present: &Embedded,
        layout: &Layout,
        source: &File,
        replace: bool,
    ) -> Result<Outcome> {
        let same_policy = self.is_in(present);
        if !same_policy || !self.is_enforced_alike(present, layout, source)? {
            let what = if same_policy {
                "this policy already, enforced in another way or from another moment on"
            } else {
                "another policy already"
            };
            ensure!(
                replace,
                "it carries {what}; --replace puts this one in its place"
            );
            return Ok(Outcome::Replaced);
        }
        if self.is_intact(present, layout, source)? {
            Ok(Outcome::Unchanged)
        } else {
            Err(elf::Error::Changed.into())
        }
    }

    /// Whether a file has the same kind of runtime.
    fn is_enforced_alike(
        &self,
        present: &Embedded,
        layout: &Layout,
        source: &File,
    ) -> Result<bool> {
        Ok(match &self.runtime {
            Runtime::Library(library) => {
                !present.is_inline() && layout.needed(source)?.contains(&library.path)
            }
            Runtime::Inline(_, Start::Best) => present.is_inline(),
            Runtime::Inline(_, start) => {
                let found = inline::find(layout, source, present)?;
                present.is_inline() && found.is_some_and(|found| found.start == Some(*start))
            }
        })
    }

    /// Whether a file has all that patching would put into it.
    fn is_intact(&self, present: &Embedded, layout: &Layout, source: &File) -> Result<bool> {
        let (header, content) = (&present.header, &self.content);
        let of_header = (header.flags, header.arch, header.identity);
        if of_header != (content.flags, content.arch, content.identity) {
            return Ok(false);
        }
        Ok(match &self.runtime {
            Runtime::Library(library) => {
                let needed = layout.needed(source)?;
                embedded::is_marked(layout) && placed(self.position, &needed) == Some(&library.path)
            }
            Runtime::Inline(runtime, _) => {
                let found = inline::find(layout, source, present)?;
                found.is_some_and(|found| found.start.is_some() && runtime.is(&found.code))
            }
        })
    }

    /// Reads the result back before it takes the file's place: a mistake of this
    /// program must not reach anybody's binary.
    pub(super) fn check(&self, output: &File) -> Result<()> {
        let fault = |what: &str| {
            anyhow!("the result is not right ({what}); nothing was changed; please report this")
        };
        let layout = Layout::read(output).map_err(|error| fault(&error.to_string()))?;
        let found = embedded::read(&layout, output).map_err(|error| fault(&error.to_string()))?;
        let found = found.ok_or_else(|| fault("no policy"))?;
        ensure!(self.is_in(&found), fault("policy"));
        let intact = self.is_intact(&found, &layout, output);
        ensure!(
            intact.map_err(|error| fault(&error.to_string()))?,
            fault("runtime")
        );
        let divergences = memory::divergences(&layout, output);
        if let Some(divergence) = divergences
            .map_err(|error| fault(&error.to_string()))?
            .first()
        {
            return Err(anyhow!(
                "{divergence}; no policy in it could be relied on: link it anew"
            ));
        }
        let undo = found.undo.ok_or_else(|| fault("no way back"))?;
        ensure!(undo.is_exact(output)?, fault("the way back"));
        Ok(())
    }

    pub(super) fn report(
        self,
        file: &Path,
        outcome: Outcome,
        dry_run: bool,
        length: (u64, u64),
        moved: Vec<&'static str>,
    ) -> Report {
        let library = match self.runtime {
            Runtime::Library(library) => Some(library.path),
            Runtime::Inline(..) => None,
        };
        Report {
            file: file.to_owned(),
            outcome,
            dry_run,
            resolved: self.resolved,
            enforced: self.enforced,
            library,
            length,
            moved,
            appended: None,
            general_warnings: self.general_warnings,
            advice: self.advice,
            warnings: self.warnings,
            other_names: 0,
            written: None,
            sets_ids: false,
        }
    }
}

/// What is doubtful of a library that the program is to load.
fn doubt(library: &Library, program: &Layout) -> Result<Option<String>> {
    let path = &library.path;
    Ok(match library.check(program)? {
        Presence::Missing => Some(format!(
            "{path} does not exist here; the program will not start where it is missing"
        )),
        Presence::Hidden(why) => Some(format!(
            "{path} can't be looked at: {why}; the program will not start for whom it is out of \
             reach"
        )),
        _ => None,
    })
}

/// What is doubtful of the program's loader.
fn loader_doubt(layout: &Layout, source: &File) -> Result<Option<String>> {
    let Some(interpreter) = layout.interpreter(source)? else {
        return Ok(None);
    };
    if position(&interpreter, &layout.needed(source)?).is_none() {
        return Ok(Some(unaccepted(unknown_loader(&interpreter))));
    }
    Ok(loader_problem(&interpreter, Path::new("/")).map(unaccepted))
}

/// A warning of what `verify` takes for a problem.
pub(super) fn unaccepted(warning: impl Display) -> String {
    format!("{warning}; 'sandbox-patch verify' does not accept that")
}

/// The library's place among the others, and from when on it enforces the policy.
fn order(layout: &Layout, source: &File) -> Result<(Position, &'static str)> {
    let interpreter = layout.interpreter(source)?.unwrap_or_default();
    let position = position(&interpreter, &layout.needed(source)?);
    let enforced = position.map_or(UNKNOWN_MOMENT, |_| show::ENFORCED);
    Ok((position.unwrap_or(Position::First), enforced))
}
