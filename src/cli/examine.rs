//! Reading what a file carries, and judging it.

pub mod start;

use std::path::Path;

use anyhow::Result;
use object::elf;
use sandbox_format::note::flags;
use serde::Serialize;

use super::patch::arch;
use super::show;
use crate::elf::encoding::{FileHeader, ProgramHeader, Record};
use crate::elf::undo::Undo;
use crate::elf::{Embedded, Encoding, Error, Layout, Position, Source, Start, embedded, inline};
use crate::filter;
use crate::policy::{self, Arch, Resolved};
use crate::runtime::Directories;
use crate::runtime::inline::Inline;
use crate::runtime::library::{self, Presence, is_absolute};
use crate::runtime::moment::{UNKNOWN_MOMENT, early_code, moment, refuses_company};

/// The version of the JSON that [`Examination`] becomes; fields may be added
/// without a new one.
pub const SCHEMA: u32 = 1;

/// The smallest page of any architecture, in bytes.
const PAGE: u64 = 4096;

/// The problem of a file that was never patched.
pub const NO_POLICY: &str = "it carries no sandbox policy";

/// What is known of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Examination {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The file's name as given.
    pub file: String,
    /// What kind of ELF file it is.
    pub kind: &'static str,
    /// The architecture, where seccomp filters for it are known.
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
    /// From when on the policy holds.
    pub enforced: Option<&'static str>,
    /// The file before it was patched.
    pub original: Option<Original>,
    /// What keeps the protection from being relied on.
    pub problems: Vec<String>,
    /// What is worth knowing.
    pub notices: Vec<String>,
    /// The policy, for those who show it to people.
    #[serde(skip)]
    pub resolved: Option<Resolved>,
    /// The filter's program, likewise.
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
    /// What it is known by in a process, in hexadecimal.
    pub identity: String,
}

/// The runtime that the program names.
#[derive(Clone, Debug, Serialize)]
pub struct Library {
    /// The DT_NEEDED value.
    pub path: String,
    /// Whether the loader opens just this file.
    pub absolute: bool,
    /// Whether the file is there; unknown where the loader searches for it.
    pub present: Option<bool>,
    /// Its version, if it is a fit runtime.
    pub version: Option<String>,
}

/// The file before it was patched.
#[derive(Clone, Debug, Serialize)]
pub struct Original {
    /// Its length in bytes.
    pub length: u64,
}

impl Examination {
    /// Examines a file. `root` is the directory below which libraries are, `runtimes`
    /// those that have the runtimes of this version.
    ///
    /// # Errors
    ///
    /// Not an ELF file, or one that can't be read.
    pub fn of(
        name: &str,
        source: &(impl Source + ?Sized),
        root: &Path,
        runtimes: &Directories,
    ) -> Result<Self> {
        let layout = Layout::read(source)?;
        let arch = arch(&layout);
        let mut found = Self {
            schema: SCHEMA,
            file: name.to_owned(),
            kind: kind(&layout),
            arch: arch.map(Arch::name),
            interpreter: layout.interpreter(source)?,
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
        if let Some(version) = own_runtime(&layout, source)? {
            found
                .notices
                .push(format!("this is the runtime, version {version}"));
            found.problems.push(NO_POLICY.to_owned());
            return Ok(found);
        }
        match embedded::read(&layout, source) {
            Ok(Some(embedded)) => {
                found.policy(&embedded, arch);
                found.check_header(&embedded, &layout);
                found.original(embedded.undo.as_ref(), &layout);
                let danger = embedded.danger(&layout, source);
                found.add(danger.map(|danger| danger.map(str::to_owned)))?;
                found.add(start::problems(&layout, source, root))?;
                if embedded.is_inline() {
                    found.inline(&embedded, &layout, source, runtimes)?;
                } else {
                    found.runtime(&layout, source, root)?;
                }
            }
            Ok(None) => found.problems.push(NO_POLICY.to_owned()),
            Err(Error::Io(error)) => return Err(error.into()),
            Err(error) => found.problems.push(error.to_string()),
        }
        found.sound = found.problems.is_empty();
        Ok(found)
    }

    /// Adds problems; a file that can't be read as it should be is one, too.
    fn add<P: ToString>(
        &mut self,
        problems: Result<impl IntoIterator<Item = P>, Error>,
    ) -> Result<()> {
        match problems {
            Ok(problems) => {
                let problems = problems.into_iter().map(|problem| problem.to_string());
                self.problems.extend(problems);
            }
            Err(Error::Io(error)) => return Err(error.into()),
            Err(error) => self.problems.push(error.to_string()),
        }
        Ok(())
    }

    fn policy(&mut self, embedded: &Embedded, arch: Option<Arch>) {
        self.program.clone_from(&embedded.program);
        let mut matches_policy = false;
        match Resolved::from_json(&embedded.policy) {
            Ok(resolved) => {
                matches_policy = filter::compile(&resolved).is_ok_and(|compiled| {
                    compiled.program == embedded.program
                        && compiled.identity == embedded.header.identity
                });
                self.policy = serde_json::from_slice(&embedded.policy).ok();
                self.check_arch(&resolved, embedded, arch);
                self.check_expansion(&resolved);
                self.resolved = Some(resolved);
            }
            Err(error) => self
                .problems
                .push(format!("its policy can't be read: {error}")),
        }
        if !matches_policy {
            self.problems
                .push("its filter is not what its policy compiles to".to_owned());
        }
        self.filter = Some(Filter {
            instructions: embedded.program.len(),
            matches_policy,
            identity: format!("{:#018x}", embedded.header.identity),
        });
    }

    /// The way back, as far as it can be told without reading the whole file.
    fn original(&mut self, undo: Option<&Undo>, layout: &Layout) {
        let Some(undo) = undo else {
            self.notices
                .push("it keeps no record of the original file".to_owned());
            return;
        };
        if layout.length != undo.patched_length {
            self.notices.push(
                "something was appended or stripped since it was patched; \
                 'sandbox-patch remove' needs --best-effort"
                    .to_owned(),
            );
        }
        self.original = Some(Original {
            length: undo.length,
        });
    }

    /// What the runtime does besides installing the filter is not in the
    /// policy; patching asks for the same of every program.
    fn check_header(&mut self, embedded: &Embedded, layout: &Layout) {
        let header = &embedded.header;
        if header.flags & !flags::INLINE != 0 {
            self.problems.push(format!(
                "its filter has the flags {:#x}, which patching does not set",
                header.flags
            ));
        }
        let protected = (header.protect_address, header.protect_size);
        let own = own_dynamic_pages(layout);
        if protected != own.unwrap_or_default() {
            self.problems.push(
                "the memory that is to become read-only is not its dynamic section".to_owned(),
            );
        }
        let undo = embedded.undo.as_ref();
        let old = undo.and_then(|undo| original_dynamic(undo, layout.encoding));
        // Without a record of the original this can't be told.
        if own.is_some() && old.is_some_and(|old| old != header.dynamic_address) {
            self.problems
                .push("its dynamic section was not where it is said to have been".to_owned());
        }
    }

    fn check_arch(&mut self, resolved: &Resolved, embedded: &Embedded, arch: Option<Arch>) {
        if arch != Some(resolved.arch) || embedded.header.arch != resolved.arch.audit() {
            self.problems.push(
                "its filter is for another architecture, so that it will not start".to_owned(),
            );
        }
    }

    /// The names that people read must mean the rules that are enforced.
    fn check_expansion(&mut self, resolved: &Resolved) {
        let today = policy::rules(&resolved.policy, resolved.arch);
        if today.is_some_and(|rules| rules == resolved.rules) {
            return;
        }
        if resolved.version == env!("CARGO_PKG_VERSION") || !resolved.agrees_with_its_names() {
            self.problems
                .push("its rules are not what its names stand for".to_owned());
        } else {
            let version = &resolved.version;
            self.notices.push(format!(
                "version {version} wrote the policy; today its names stand for other rules"
            ));
        }
    }

    fn runtime(
        &mut self,
        layout: &Layout,
        source: &(impl Source + ?Sized),
        root: &Path,
    ) -> Result<()> {
        if !embedded::is_marked(layout) {
            self.problems
                .push("its dynamic section does not say that it was patched".to_owned());
        }
        let (loading, problems) = start::loading(layout, source)?;
        self.add(Ok(problems))?;
        let Some(loading) = loading else {
            self.problems.push(
                "it does not load libsandbox.so, so that its policy is not enforced".to_owned(),
            );
            return Ok(());
        };
        let has_loader = self.interpreter.is_some();
        self.protected = has_loader && self.resolved.is_some();
        self.enforced = has_loader.then_some(match loading.expected {
            _ if !loading.is_in_place => "before the constructors of some other libraries",
            Some(_) => show::ENFORCED,
            None => UNKNOWN_MOMENT,
        });
        if !loading.is_in_place {
            self.notices.push(
                "libraries were added after it was patched; the policy holds for their constructors"
                    .to_owned(),
            );
        }
        let wanted = loading.expected.unwrap_or(Position::First);
        let needed = layout.needed(source)?;
        self.notices.extend(refuses_company(wanted, &needed));
        self.library(&loading.runtime, root, layout);
        Ok(())
    }

    /// A runtime within the program.
    fn inline(
        &mut self,
        embedded: &Embedded,
        layout: &Layout,
        source: &(impl Source + ?Sized),
        runtimes: &Directories,
    ) -> Result<()> {
        let Some(found) = inline::find(layout, source, embedded)? else {
            self.problems.push(
                "its runtime is not beside its policy, so that the policy is not enforced"
                    .to_owned(),
            );
            return Ok(());
        };
        let Some(start) = found.start else {
            let what = if layout.sections.is_empty() && layout.dynamic.is_none() {
                "without section headers nobody can tell whether its initialisers lead to its \
                 runtime; patch it after stripping, or with --from entry"
            } else {
                "nothing in it leads to its runtime, so that its policy is not enforced"
            };
            self.problems.push(what.to_owned());
            return Ok(());
        };
        self.protected = self.resolved.is_some();
        self.enforced = Some(moment(start, layout));
        let early = early_code(layout, source, Some(start))?.map(str::to_owned);
        // From main on, all of the program's own start-up runs before.
        match start {
            Start::Main => self.notices.extend(early),
            Start::Entry | Start::Best => self.problems.extend(early),
        }
        if let Some(why) = found.why_not_later {
            self.notices.push(format!(
                "the policy could not be put in force right before main: {why}"
            ));
        }
        match Inline::installed(runtimes, layout) {
            Ok(installed) if installed.is(&found.code) => {}
            Ok(_) => self
                .problems
                .push("its runtime is not that of this version".to_owned()),
            Err(error) => self
                .problems
                .push(format!("its runtime can't be compared: {error}")),
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
                self.problems
                    .push(format!("its library {path} does not serve: {why}"));
            }
            Presence::Missing => {
                library.present = Some(false);
                self.problems.push(format!(
                    "its library {path} does not exist, so that it will not start"
                ));
            }
            Presence::Hidden(why) => self
                .problems
                .push(format!("its library {path} can't be looked at: {why}")),
            Presence::Unknown => {
                self.problems.push(format!(
                    "its library {path} is not an absolute path, so that it can be diverted"
                ));
            }
        }
        self.library = Some(library);
    }
}

/// The address and size of a dynamic section that patching moved to pages of
/// its own, which the runtime makes read-only; nothing where it stayed.
fn own_dynamic_pages(layout: &Layout) -> Option<(u64, u64)> {
    let range = |kind| {
        let of_kind = layout.segments.iter().find(|it| it.kind == kind);
        of_kind.map(|it| (it.vaddr, it.memsz))
    };
    let (address, size) = range(elf::PT_DYNAMIC)?;
    let is_own = |load: &ProgramHeader| {
        (load.vaddr, load.memsz) == (address, size) && load.flags.0 & elf::PF_W.0 != 0
    };
    // One that a linker placed so is either not of whole pages, or made
    // read-only by the loader.
    let whole = address.is_multiple_of(PAGE) && size.is_multiple_of(PAGE);
    let relro = range(elf::PT_GNU_RELRO)
        .is_some_and(|(start, size)| (start..start.saturating_add(size)).contains(&address));
    let moved = whole && !relro && layout.segments_of(elf::PT_LOAD).any(is_own);
    moved.then_some((address, size))
}

/// The address of the dynamic section in the original, by its program headers,
/// which patching overwrites.
fn original_dynamic(undo: &Undo, encoding: Encoding) -> Option<u64> {
    let at = |offset| undo.originals.iter().find(|kept| kept.offset == offset);
    let header = FileHeader::decode(encoding, &at(0)?.bytes)?;
    let table = ProgramHeader::decode_all(encoding, &at(header.phoff)?.bytes);
    let mut table = table.iter().take(header.phnum.into());
    let dynamic = table.find(|segment| segment.kind == elf::PT_DYNAMIC)?;
    Some(dynamic.vaddr)
}

/// The version of a libsandbox.so.
fn own_runtime(layout: &Layout, source: &(impl Source + ?Sized)) -> Result<Option<String>> {
    // A program has no business with the runtime's note.
    let is_library = matches!(layout.require_dynamic_program(), Err(Error::SharedLibrary));
    if !is_library {
        return Ok(None);
    }
    let runtime = embedded::runtime(layout, source)?;
    Ok(runtime.map(|runtime| runtime.version))
}

fn kind(layout: &Layout) -> &'static str {
    match layout.require_dynamic_program() {
        Ok(_) => "dynamic program",
        Err(Error::Static) => "static program",
        Err(Error::StaticPie) => "static-pie program",
        Err(Error::SharedLibrary) => "shared library",
        Err(Error::Relocatable) => "relocatable object",
        Err(Error::Core) => "core dump",
        Err(_) if layout.header.kind == elf::ET_NONE => "ELF file without type",
        Err(_) => "ELF file of unknown type",
    }
}
