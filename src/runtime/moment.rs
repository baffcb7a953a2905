//! When which code of a program runs.

use std::fmt;

use object::elf;
use serde::{Serialize, Serializer};

use crate::elf::loaders::{is_glibc, is_musl};
use crate::elf::{Dynamic, Error, Image, Layout, Source, memory};
use crate::rewrite::{Position, Start};

/// Code of a program that runs before any library's constructors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EarlyCode {
    /// Functions in DT_PREINIT_ARRAY (gABI chapter 5).
    Preinit,
    /// Resolvers of indirect functions (R_*_IRELATIVE, STT_GNU_IFUNC).
    Resolvers,
}

impl fmt::Display for EarlyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preinit => {
                "the program has functions in DT_PREINIT_ARRAY, which glibc calls before the \
                 policy is in force"
            }
            Self::Resolvers => {
                "the program has indirect functions (IFUNC), whose resolvers the loader calls \
                 before the policy is in force"
            }
        })
    }
}

/// When a policy comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment {
    /// The library is initialised last of all libraries.
    AfterLibraries,
    /// Some libraries are initialised after it.
    AmongLibraries,
    /// The loader's order is unknown.
    Unknown,
    /// A runtime inside the program, right before main.
    Main,
    /// A runtime inside the program, at its entry point, which the loader jumps to.
    EntryAfterLoader,
    /// A runtime inside the program, at its entry point, which the kernel jumps to.
    Entry,
    /// A runtime inside the program, as late as possible.
    Best,
}

impl Moment {
    /// The moment for a runtime inside the program.
    #[must_use]
    pub fn of(start: Start, layout: &Layout) -> Self {
        match start {
            Start::Main => Self::Main,
            Start::Best => Self::Best,
            Start::Entry if layout.segment(elf::PT_INTERP).is_some() => Self::EntryAfterLoader,
            Start::Entry => Self::Entry,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AfterLibraries => {
                "after the constructors of all other libraries, before the program's own"
            }
            Self::AmongLibraries => "before the constructors of some other libraries",
            Self::Unknown => "at a moment that is not known for this loader",
            Self::Main => "by the program itself, before the last of its initialisers and main",
            Self::Best => "by the program itself",
            Self::EntryAfterLoader => {
                "by the program itself, after the constructors of all libraries, before its own"
            }
            Self::Entry => "by the program itself, from its first instruction on",
        })
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Code of the program that runs before any library's constructors, if that is before the
/// policy is in force. `start` is when a runtime inside the program is called; `None` for
/// the library.
///
/// # Errors
///
/// The file can't be read.
pub fn early_code(
    image: &Image<impl Source>,
    start: Option<Start>,
) -> Result<Option<EarlyCode>, Error> {
    let Some(interpreter) = image.interpreter()? else {
        return Ok(early_code_of_static(image, start));
    };
    let of_dynamic = |dynamic: &Dynamic| dynamic.get(elf::DT_PREINIT_ARRAYSZ);
    let size = image.dynamic.as_ref().and_then(of_dynamic);
    // musl's loader does not look at that array.
    if size.is_some_and(|size| size > 0) && !is_musl(&interpreter) {
        return Ok(Some(EarlyCode::Preinit));
    }
    Ok(memory::has_resolvers(image)?.then_some(EarlyCode::Resolvers))
}

/// In a static program the C library's start-up calls such code.
fn early_code_of_static(layout: &Layout, start: Option<Start>) -> Option<EarlyCode> {
    let mut sections = layout.sections.iter().map(|section| &section.header);
    let size = match &layout.dynamic {
        Some(dynamic) => dynamic.get(elf::DT_PREINIT_ARRAYSZ),
        None => sections
            .find(|header| header.kind == elf::SHT_PREINIT_ARRAY)
            .map(|header| header.size),
    };
    let is_before = start == Some(Start::Main) && size.is_some_and(|size| size > 0);
    is_before.then_some(EarlyCode::Preinit)
}

/// Whether a loader is one whose behaviour is known, by its name. The C library that a
/// program needs does not prove that the loader belongs to it.
#[must_use]
pub fn is_known(interpreter: &str) -> bool {
    is_musl(interpreter) || is_glibc(interpreter)
}

/// The position among the needed libraries that is initialised last; `None` if the loader
/// is unknown. glibc sorts by dependencies and goes backwards through the list
/// (elf/dl-sort-maps.c), musl goes through it forwards (ldso/dynlink.c, `queue_ctors`). A
/// loader may have any name; the C library that the program needs belongs to the loader.
#[must_use]
pub fn position(interpreter: &str, needed: &[String]) -> Option<Position> {
    if is_musl(interpreter) {
        return Some(Position::Last);
    }
    if is_glibc(interpreter) {
        return Some(Position::First);
    }
    let needs = |is_it: fn(&str) -> bool| needed.iter().any(|name| is_it(name));
    // Alpine Linux gives musl's library the name of its loader.
    if needs(|name| name == "libc.so" || name.starts_with("libc.musl-")) {
        return Some(Position::Last);
    }
    needs(|name| name == "libc.so.6" || name == "libc.so.6.1").then_some(Position::First)
}

/// The library at that position.
#[must_use]
pub fn placed(position: Position, needed: &[String]) -> Option<&String> {
    match position {
        Position::First => needed.first(),
        Position::Last => needed.last(),
    }
}

/// A library that ends the program if another library is the first in the list, as the
/// runtime is. The only sanitizer that does so is AddressSanitizer
/// (compiler-rt/lib/asan/asan_linux.cpp, `AsanCheckDynamicRTPrereqs`): gcc's, and clang's
/// with `-shared-libasan`.
#[must_use]
pub fn refuses_company(position: Position, needed: &[String]) -> Option<&String> {
    let is_it = |name: &&String| {
        ["libasan.so", "libclang_rt.asan"]
            .iter()
            .any(|it| name.contains(it))
    };
    let library = needed.iter().find(is_it);
    library.filter(|_| position == Position::First)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::build::LayoutBuilder;

    #[test]
    fn functions_that_glibc_calls_first_are_early_and_musl_has_none() {
        let early = |loader: &str, size: u64| {
            let builder = LayoutBuilder::new(elf::ET_DYN).interpreter(loader);
            let file = builder.dynamic(elf::DT_PREINIT_ARRAYSZ, size).build();
            let image = Image::read(&file[..]).unwrap();
            early_code(&image, None).unwrap()
        };
        let glibc = "/lib64/ld-linux-x86-64.so.2";
        assert_eq!(early(glibc, 8), Some(EarlyCode::Preinit));
        assert_eq!(early(glibc, 0), None);
        assert_eq!(early("/lib/ld-musl-x86_64.so.1", 8), None);
    }

    #[test]
    fn in_a_static_program_they_are_early_only_for_a_runtime_right_before_main() {
        let builder = LayoutBuilder::new(elf::ET_EXEC);
        let file = builder.dynamic(elf::DT_PREINIT_ARRAYSZ, 8).build();
        let image = Image::read(&file[..]).unwrap();
        let early = |start| early_code(&image, Some(start)).unwrap();
        assert_eq!(early(Start::Main), Some(EarlyCode::Preinit));
        assert_eq!(early(Start::Entry), None);
        let builder = LayoutBuilder::new(elf::ET_EXEC);
        let file = builder.dynamic(elf::DT_PREINIT_ARRAYSZ, 0).build();
        let image = Image::read(&file[..]).unwrap();
        assert_eq!(early_code(&image, Some(Start::Main)).unwrap(), None);
    }

    #[test]
    fn a_sanitizer_is_told_only_where_the_runtime_comes_first() {
        let needed = ["libasan.so.8".to_owned(), "libc.so.6".to_owned()];
        let first = refuses_company(Position::First, &needed);
        assert_eq!(first.map(String::as_str), Some("libasan.so.8"));
        assert_eq!(refuses_company(Position::Last, &needed), None);
        assert_eq!(refuses_company(Position::First, &needed[1..]), None);
    }

    #[test]
    fn the_moment_of_a_runtime_within_depends_on_who_jumps_to_it() {
        let moment = |builder: LayoutBuilder, start| {
            let file = builder.build();
            Moment::of(start, &Layout::read(&file[..]).unwrap())
        };
        let alone = || LayoutBuilder::new(elf::ET_EXEC);
        let loaded = || alone().interpreter("/lib64/ld-linux-x86-64.so.2");
        assert_eq!(moment(alone(), Start::Entry), Moment::Entry);
        assert_eq!(moment(loaded(), Start::Entry), Moment::EntryAfterLoader);
        assert_eq!(moment(alone(), Start::Main), Moment::Main);
        assert_eq!(moment(loaded(), Start::Main), Moment::Main);
    }

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
