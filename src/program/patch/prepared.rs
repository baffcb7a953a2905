//! What goes into a program, prepared before anything is written.

use std::fs::File;
use std::path::Path;

use super::{Options, Outcome, Report, memory};
use crate::elf::memory::divergences;
use crate::elf::{self, Image, Layout};
use crate::note::Content;
use crate::policy::{self, Resolved, Warning};
use crate::program::inspect::start::loader_problem;
use crate::program::{Error, Problem, Remark, arch};
use crate::rewrite::{Embedded, Enforcement, Position, Start, embedded, inline};
use crate::runtime::library::{Library, Presence};
use crate::runtime::moment::{Moment, early_code, placed, position, refuses_company};
use crate::runtime::{self, Runtime};
use crate::{filter, rewrite};

/// The content to embed, prepared before anything is written.
pub(super) struct Prepared {
    pub(super) content: Content,
    /// When the policy comes into force.
    pub(super) enforced: Moment,
    resolved: Resolved,
    runtime: Runtime,
    position: Position,
    general: Vec<Remark>,
    advice: Vec<Remark>,
    remarks: Vec<Remark>,
}

impl Prepared {
    pub(super) fn make(
        image: &Image<&File>,
        options: &Options,
        runtime: Runtime,
    ) -> Result<Self, Error> {
        let mut general = Vec::new();
        let arch = arch(image).ok_or(Error::Architecture(image.header.machine.0))?;
        if let Runtime::Library(library) = &runtime {
            general.extend(doubt(library, image)?);
        }
        let (resolved, notices) = policy::resolve(&options.policy, arch)?;
        let (advice, notices): (Vec<_>, Vec<_>) = notices.into_iter().partition(Warning::is_advice);
        general.extend(notices.into_iter().map(Remark::Policy));
        let advice = advice.into_iter().map(Remark::Policy).collect();
        let compiled = filter::compile(&resolved)?;
        let content = Content {
            policy: resolved.to_json(),
            inline: runtime.is_inline(),
            arch: arch.audit(),
            program: compiled.program,
            identity: compiled.identity,
        };
        let mut remarks = Vec::new();
        remarks.extend(loader_doubt(image)?);
        remarks.extend(memory::lacking(&resolved, image, &runtime));
        let (position, enforced) = match runtime {
            Runtime::Library(_) => {
                let early = early_code(image, None)?;
                remarks.extend(early.map(Problem::EarlyCode).map(Remark::Unaccepted));
                let (position, enforced) = order(image)?;
                let needed = image.needed()?;
                let refusing = refuses_company(position, &needed).cloned();
                remarks.extend(refusing.map(Remark::RefusesCompany));
                (position, enforced)
            }
            Runtime::Inline(_, start) => (Position::First, Moment::of(start, image)),
        };
        Ok(Self {
            content,
            enforced,
            resolved,
            runtime,
            position,
            general,
            advice,
            remarks,
        })
    }

    /// How the policy is to be put in force.
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
        present.policy == self.content.policy && present.filter.program == self.content.program
    }

    /// What patching means for a file that already carries a policy.
    pub(super) fn compare(
        &self,
        present: &Embedded,
        image: &Image<&File>,
        replace: bool,
    ) -> Result<Outcome, Error> {
        if !self.is_in(present) || !self.is_enforced_alike(present, image)? {
            return match replace {
                true => Ok(Outcome::Replaced),
                false if self.is_in(present) => Err(Error::AnotherWay),
                false => Err(Error::AnotherPolicy),
            };
        }
        if self.is_intact(present, image)? {
            Ok(Outcome::Unchanged)
        } else {
            Err(Error::Changed)
        }
    }

    /// Whether a file has the same kind of runtime.
    fn is_enforced_alike(
        &self,
        present: &Embedded,
        image: &Image<&File>,
    ) -> Result<bool, rewrite::Error> {
        Ok(match &self.runtime {
            Runtime::Library(library) => {
                !present.is_inline() && image.needed()?.contains(&library.path)
            }
            Runtime::Inline(_, Start::Best) => present.is_inline(),
            Runtime::Inline(_, start) => {
                let found = inline::find(image, present)?;
                present.is_inline() && found.is_some_and(|found| found.start == Some(*start))
            }
        })
    }

    /// Whether a file has everything that patching would put into it.
    fn is_intact(&self, present: &Embedded, image: &Image<&File>) -> Result<bool, rewrite::Error> {
        let (header, content) = (&present.header, &self.content);
        let filter = &present.filter;
        let found = (header.is_inline(), filter.log, filter.arch, filter.identity);
        if found != (content.inline, false, content.arch, content.identity) {
            return Ok(false);
        }
        Ok(match &self.runtime {
            Runtime::Library(library) => {
                let needed = image.needed()?;
                embedded::is_marked(image) && placed(self.position, &needed) == Some(&library.path)
            }
            Runtime::Inline(runtime, _) => {
                let found = inline::find(image, present)?;
                found.is_some_and(|found| found.start.is_some() && runtime.is(&found.code))
            }
        })
    }

    /// Reads the result back before it replaces the file: a mistake of this program must
    /// not reach anyone's binary.
    pub(super) fn check(&self, output: &File) -> Result<(), Error> {
        let fault = |what: &str| Error::Unfaithful(what.to_owned());
        fn unreadable(error: impl std::fmt::Display) -> Error {
            Error::Unfaithful(error.to_string())
        }
        let image = Image::read(output).map_err(unreadable)?;
        let found = embedded::read(&image).map_err(unreadable)?;
        let found = found.ok_or_else(|| fault("no policy"))?;
        if !self.is_in(&found) {
            return Err(fault("policy"));
        }
        if !self.is_intact(&found, &image).map_err(unreadable)? {
            return Err(fault("runtime"));
        }
        let divergences = divergences(&image).map_err(unreadable)?;
        if let Some(&divergence) = divergences.first() {
            return Err(Error::Divergence(divergence));
        }
        let undo = found.undo.ok_or_else(|| fault("no way back"))?;
        if !undo.is_exact(output)? {
            return Err(fault("the way back"));
        }
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
            general: self.general,
            advice: self.advice,
            remarks: self.remarks,
            other_names: 0,
            written: None,
            sets_ids: false,
        }
    }
}

/// Anything doubtful about a library that the program is to load.
fn doubt(library: &Library, program: &Layout) -> Result<Option<Remark>, Error> {
    let path = library.path.clone();
    let presence = library.check(program).map_err(runtime::Error::Library)?;
    Ok(match presence {
        Presence::Missing => Some(Remark::LibraryMissing(path)),
        Presence::Hidden(why) => Some(Remark::LibraryHidden { path, why }),
        _ => None,
    })
}

/// Anything doubtful about the program's loader.
fn loader_doubt(image: &Image<&File>) -> Result<Option<Remark>, elf::Error> {
    let Some(interpreter) = image.interpreter()? else {
        return Ok(None);
    };
    if position(&interpreter, &image.needed()?).is_none() {
        return Ok(Some(Remark::UnknownLoader(interpreter)));
    }
    Ok(loader_problem(&interpreter, Path::new("/")).map(Remark::Unaccepted))
}

/// The library's position among the others, and when it starts to enforce the policy.
fn order(image: &Image<&File>) -> Result<(Position, Moment), elf::Error> {
    let interpreter = image.interpreter()?.unwrap_or_default();
    let position = position(&interpreter, &image.needed()?);
    let enforced = position.map_or(Moment::Unknown, |_| Moment::AfterLibraries);
    Ok((position.unwrap_or(Position::First), enforced))
}
