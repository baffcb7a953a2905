//! Reading and judging what a file carries.

pub mod start;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use object::elf;
use serde::{Serialize, Serializer};

use super::{Error, Problem, Remark, arch};
use crate::elf::encoding::{FileHeader, ProgramHeader, Record};
use crate::elf::{
    self as elf_file, Encoding, FileOffset, Image, Kind, Layout, SMALLEST_PAGE, Source,
};
use crate::policy::{Arch, Resolved};
use crate::rewrite::undo::Undo;
use crate::rewrite::{Embedded, Position, Start, embedded, inline};
use crate::runtime::Directories;
use crate::runtime::inline::{Inline, released};
use crate::runtime::library::{self, Presence, is_absolute};
use crate::runtime::moment::{Moment, early_code, refuses_company};
use crate::{file, filter, rewrite};

/// The version of the JSON form of [`Inspection`]; fields may be added without a new
/// version.
pub const SCHEMA: u32 = 2;

/// What is known about a file.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The file's name as given.
    pub file: String,
    /// What kind of ELF file it is.
    #[serde(serialize_with = "as_text")]
    pub kind: Kind,
    /// The architecture, if seccomp filters for it are known.
    pub arch: Option<&'static str>,
    /// The dynamic loader that starts it.
    pub interpreter: Option<String>,
    /// Whether the program carries a policy and loads a runtime for it.
    pub protected: bool,
    /// Whether `verify` accepts it: no problems.
    pub sound: bool,
    /// The policy.
    pub policy: Option<serde_json::Value>,
    /// The embedded filter.
    pub filter: Option<Filter>,
    /// The runtime.
    pub library: Option<Library>,
    /// When the policy comes into force.
    pub enforced: Option<Moment>,
    /// The file before it was patched.
    pub original: Option<Original>,
    /// What keeps the protection from being relied on.
    pub problems: Vec<Problem>,
    /// What is worth knowing.
    pub notices: Vec<Remark>,
    /// The policy, for callers that show it to people.
    #[serde(skip)]
    pub resolved: Option<Resolved>,
    /// The filter's program, for callers that show it to people.
    #[serde(skip)]
    pub program: Vec<filter::Instruction>,
}

/// The embedded filter.
#[derive(Clone, Debug, Serialize)]
pub struct Filter {
    /// How many instructions it has.
    pub instructions: usize,
    /// Whether it is what the policy compiles to.
    pub matches_policy: bool,
    /// What identifies it in a process, in hexadecimal.
    pub identity: String,
}

/// The runtime that the program names.
#[derive(Clone, Debug, Serialize)]
pub struct Library {
    /// The DT_NEEDED value.
    pub path: String,
    /// Whether the loader opens exactly this file.
    pub absolute: bool,
    /// Whether the file exists; unknown if the loader searches for it.
    pub present: Option<bool>,
    /// Its version, if it is a suitable runtime.
    pub version: Option<String>,
}

/// The file before it was patched.
#[derive(Clone, Debug, Serialize)]
pub struct Original {
    /// Its length in bytes.
    pub length: u64,
}

/// The environment in which a program is inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The directory below which its libraries are.
    pub root: PathBuf,
    /// Where the runtimes of this version are.
    pub runtimes: Directories,
}

impl Default for Surroundings {
    /// This machine, without runtimes to compare one inside a program with.
    fn default() -> Self {
        Self {
            root: "/".into(),
            runtimes: Directories::default(),
        }
    }
}

/// Inspects the file at a path.
///
/// # Errors
///
/// It is not an ELF file, or can't be read.
pub fn inspect(path: &Path, surroundings: &Surroundings) -> Result<Inspection, Error> {
    let (source, _) = file::open(path)?;
    Inspection::of(&path.to_string_lossy(), &source, surroundings)
}

impl Inspection {
    /// Inspects a file, which is reported under this name.
    ///
    /// # Errors
    ///
    /// It is not an ELF file, or can't be read.
    pub fn of(
        name: &str,
        source: &(impl Source + ?Sized),
        surroundings: &Surroundings,
    ) -> Result<Self, Error> {
        let root = surroundings.root.as_path();
        let image = Image::read(source)?;
        let arch = arch(&image);
        let mut found = Self {
            schema: SCHEMA,
            file: name.to_owned(),
            kind: image.kind(),
            arch: arch.map(Arch::name),
            interpreter: image.interpreter()?,
            protected: false,
            sound: false,
            policy: None,
            filter: None,
            library: None,
            enforced: None,
            original: None,
            problems: Vec::new(),
            notices: Vec::new(),
            resolved: None,
            program: Vec::new(),
        };
        if let Some(version) = own_runtime(&image)? {
            found.notices.push(Remark::Runtime(version));
            found.problems.push(Problem::NoPolicy);
            return Ok(found);
        }
        match embedded::read(&image) {
            Ok(Some(embedded)) => {
                found.policy(&embedded, arch);
                found.check_header(&embedded, &image);
                found.original(embedded.undo.as_ref(), &image);
                let danger = embedded.danger(&image);
                found.add(danger.map(|danger| danger.map(Problem::Notes)))?;
                found.add(start::problems(&image, root))?;
                if embedded.is_inline() {
                    found.inline(&embedded, &image, &surroundings.runtimes)?;
                } else {
                    found.runtime(&image, root)?;
                }
            }
            Ok(None) => found.problems.push(Problem::NoPolicy),
            Err(error) => found.unreadable(error.into())?,
        }
        found.sound = found.problems.is_empty();
        Ok(found)
    }

    /// Adds problems; a file that can't be read properly is one as well.
    fn add(
        &mut self,
        problems: Result<impl IntoIterator<Item = Problem>, impl Into<Error>>,
    ) -> Result<(), Error> {
        match problems {
            Ok(problems) => self.problems.extend(problems),
            Err(error) => self.unreadable(error.into())?,
        }
        Ok(())
    }

    fn unreadable(&mut self, error: Error) -> Result<(), Error> {
        if matches!(error, Error::Elf(elf_file::Error::Io(_))) {
            return Err(error);
        }
        self.problems.push(Problem::Unreadable(error.to_string()));
        Ok(())
    }

    fn policy(&mut self, embedded: &Embedded, arch: Option<Arch>) {
        self.program.clone_from(&embedded.filter.program);
        let mut matches_policy = false;
        match Resolved::from_json(&embedded.policy) {
            Ok(resolved) => {
                matches_policy = filter::compile(&resolved).is_ok_and(|compiled| {
                    compiled.program == embedded.filter.program
                        && compiled.identity == embedded.filter.identity
                });
                self.policy = serde_json::from_slice(&embedded.policy).ok();
                self.check_arch(&resolved, embedded, arch);
                self.check_expansion(&resolved);
                self.resolved = Some(resolved);
            }
            Err(error) => {
                let problem = Problem::PolicyUnreadable(error.to_string());
                self.problems.push(problem);
            }
        }
        if !matches_policy {
            self.problems.push(Problem::FilterDiffers);
        }
        self.filter = Some(Filter {
            instructions: embedded.filter.program.len(),
            matches_policy,
            identity: format!("{:#018x}", embedded.filter.identity),
        });
    }

    /// How to undo the patch, if that can be told without reading the whole file.
    fn original(&mut self, undo: Option<&Undo>, layout: &Layout) {
        let Some(undo) = undo else {
            self.notices.push(Remark::NoRecord);
            return;
        };
        if layout.length != undo.patched_length {
            self.notices.push(Remark::LengthChanged);
        }
        self.original = Some(Original {
            length: undo.length,
        });
    }

    /// What the runtime does besides installing the filter is not in the policy; patching
    /// requests the same for every program.
    fn check_header(&mut self, embedded: &Embedded, layout: &Layout) {
        let header = &embedded.header;
        if embedded.filter.log {
            self.problems.push(Problem::Logs);
        }
        let protected = (header.protect_address, header.protect_size);
        let own = own_dynamic_pages(layout);
        if protected != own.unwrap_or_default() {
            self.problems.push(Problem::Protection);
        }
        let undo = embedded.undo.as_ref();
        let old = undo.and_then(|undo| original_dynamic(undo, layout.encoding));
        // Without a record of the original this can't be told.
        if own.is_some() && old.is_some_and(|old| old != header.dynamic_address) {
            self.problems.push(Problem::FormerDynamic);
        }
    }

    fn check_arch(&mut self, resolved: &Resolved, embedded: &Embedded, arch: Option<Arch>) {
        if arch != Some(resolved.arch) || embedded.filter.arch != resolved.arch.audit() {
            self.problems.push(Problem::Architecture);
        }
    }

    /// The names that people read must mean the rules that are enforced.
    fn check_expansion(&mut self, resolved: &Resolved) {
        if resolved.is_of_today() {
            return;
        }
        if resolved.version == env!("CARGO_PKG_VERSION") || !resolved.agrees_with_its_names() {
            self.problems.push(Problem::Rules);
        } else {
            let version = resolved.version.clone();
            self.notices.push(Remark::OldRules(version));
        }
    }

    fn runtime(&mut self, image: &Image<impl Source>, root: &Path) -> Result<(), Error> {
        if !embedded::is_marked(image) {
            self.problems.push(Problem::NotMarked);
        }
        let (loading, problems) = start::loading(image)?;
        self.problems.extend(problems);
        let Some(loading) = loading else {
            self.problems.push(Problem::NoRuntime);
            return Ok(());
        };
        let has_loader = self.interpreter.is_some();
        self.protected = has_loader && self.resolved.is_some();
        self.enforced = has_loader.then_some(match loading.expected {
            _ if !loading.is_in_place => Moment::AmongLibraries,
            Some(_) => Moment::AfterLibraries,
            None => Moment::Unknown,
        });
        if !loading.is_in_place {
            self.notices.push(Remark::LibrariesAdded);
        }
        let wanted = loading.expected.unwrap_or(Position::First);
        let needed = image.needed()?;
        let refusing = refuses_company(wanted, &needed).cloned();
        self.notices.extend(refusing.map(Remark::RefusesCompany));
        self.library(&loading.runtime, root, image);
        Ok(())
    }

    /// A runtime inside the program.
    fn inline(
        &mut self,
        embedded: &Embedded,
        image: &Image<impl Source>,
        runtimes: &Directories,
    ) -> Result<(), Error> {
        let Some(found) = inline::find(image, embedded)? else {
            self.problems.push(Problem::NoInlineRuntime);
            return Ok(());
        };
        let Some(start) = found.start else {
            let can_be_told = !image.sections.is_empty() || image.dynamic.is_some();
            self.problems.push(if can_be_told {
                Problem::Unreached
            } else {
                Problem::PerhapsUnreached
            });
            return Ok(());
        };
        self.protected = self.resolved.is_some();
        self.enforced = Some(Moment::of(start, image));
        let early = early_code(image, Some(start))?;
        // From main on, all of the program's own start-up runs before.
        match start {
            Start::Main => self.notices.extend(early.map(Remark::EarlyCode)),
            Start::Entry | Start::Best => self.problems.extend(early.map(Problem::EarlyCode)),
        }
        if let Some(why) = found.why_not_later {
            self.notices.push(Remark::NotBeforeMain(why));
        }
        let installed = Inline::installed(runtimes, image);
        match (installed, released(&found.code)) {
            (Ok(installed), _) if installed.is(&found.code) => {}
            (_, Some(version)) => self.notices.push(Remark::OlderRuntime(version)),
            (Ok(_), None) => self.problems.push(Problem::AnotherRuntime),
            (Err(error), None) => {
                let problem = Problem::Incomparable(error.to_string());
                self.problems.push(problem);
            }
        }
        Ok(())
    }

    fn library(&mut self, path: &str, root: &Path, layout: &Layout) {
        let mut library = Library {
            path: path.to_owned(),
            absolute: is_absolute(path),
            present: None,
            version: None,
        };
        match library::presence(path, root, layout) {
            Presence::Fit(version) => {
                library.present = Some(true);
                library.version = Some(version);
            }
            Presence::Unfit(why) => {
                library.present = Some(true);
                self.problems.push(Problem::LibraryUnfit {
                    path: path.to_owned(),
                    why: why.to_string(),
                });
            }
            Presence::Missing => {
                library.present = Some(false);
                self.problems.push(Problem::LibraryMissing(path.to_owned()));
            }
            Presence::Hidden(why) => {
                let path = path.to_owned();
                self.problems.push(Problem::LibraryHidden { path, why });
            }
            Presence::Unknown => {
                self.problems
                    .push(Problem::LibraryRelative(path.to_owned()));
            }
        }
        self.library = Some(library);
    }
}

/// The address and size of a dynamic section that patching moved to pages of its own,
/// which the runtime makes read-only; `None` if it did not move.
fn own_dynamic_pages(layout: &Layout) -> Option<(u64, u64)> {
    let range = |kind| {
        let of_kind = layout.segments.iter().find(|it| it.kind == kind);
        of_kind.map(|it| (it.vaddr, it.memsz))
    };
    let (address, size) = range(elf::PT_DYNAMIC)?;
    let is_own =
        |load: &ProgramHeader| (load.vaddr, load.memsz) == (address, size) && load.is_writable();
    // One that a linker placed so is either not of whole pages, or made
    // read-only by the loader.
    let whole = address.is_aligned(SMALLEST_PAGE) && size.is_multiple_of(SMALLEST_PAGE);
    let relro = range(elf::PT_GNU_RELRO)
        .is_some_and(|(start, size)| (start..start.saturating_add(size)).contains(&address));
    let moved = whole && !relro && layout.segments_of(elf::PT_LOAD).any(is_own);
    moved.then_some((address.0, size))
}

/// The address of the dynamic section in the original, according to its program headers,
/// which patching overwrites.
fn original_dynamic(undo: &Undo, encoding: Encoding) -> Option<u64> {
    let at = |offset| undo.originals.iter().find(|kept| kept.offset == offset);
    let header = FileHeader::decode(encoding, &at(FileOffset(0))?.bytes)?;
    let table = ProgramHeader::decode_all(encoding, &at(header.phoff)?.bytes);
    let mut table = table.iter().take(header.phnum.into());
    let dynamic = table.find(|segment| segment.kind == elf::PT_DYNAMIC)?;
    Some(dynamic.vaddr.0)
}

/// The version of a libsandbox.so.
fn own_runtime(image: &Image<impl Source>) -> Result<Option<String>, rewrite::Error> {
    // A program has no business with the runtime's note.
    if image.kind() != Kind::SharedLibrary {
        return Ok(None);
    }
    let runtime = embedded::runtime(image)?;
    Ok(runtime.map(|runtime| runtime.version))
}

fn as_text<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}
