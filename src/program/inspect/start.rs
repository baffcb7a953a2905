//! Whether the code that starts a program gets to its runtime before any of the program's
//! own code.

use std::path::Path;

use object::elf;

use crate::elf::memory;
use crate::elf::{Error, Image, Source};
use crate::program::Problem;
use crate::rewrite::Position;
use crate::runtime::library::{self, is_named_like_runtime};
use crate::runtime::moment;

/// What loads the runtime, and when it comes into force.
#[derive(Clone, Debug)]
pub(super) struct Loading {
    /// The DT_NEEDED value of the runtime.
    pub(super) runtime: String,
    /// The place where patching puts it for this loader; `None` if that is unknown.
    pub(super) expected: Option<Position>,
    /// Whether it is there.
    pub(super) is_in_place: bool,
}

/// Reasons why a running program would differ from its file, however its policy is
/// enforced.
///
/// # Errors
///
/// The file can't be read.
pub fn problems(image: &Image<impl Source>, root: &Path) -> Result<Vec<Problem>, Error> {
    let divergences = memory::divergences(image)?;
    let mut found: Vec<_> = divergences.into_iter().map(Problem::Divergence).collect();
    if let Some(interpreter) = image.interpreter()? {
        found.extend(loader_problem(&interpreter, root));
    }
    Ok(found)
}

/// What is wrong with a loader. If its name is unknown, the file itself is examined,
/// below `root`.
#[must_use]
pub fn loader_problem(interpreter: &str, root: &Path) -> Option<Problem> {
    if !interpreter.starts_with('/') {
        return Some(Problem::RelativeLoader(interpreter.to_owned()));
    }
    let is_known = moment::is_known(interpreter)
        || library::name_within(interpreter, root).is_some_and(|name| moment::is_known(&name));
    (!is_known).then(|| Problem::UnknownLoader(interpreter.to_owned()))
}

/// How the loader gets to the runtime; `None` if the program does not name one.
///
/// # Errors
///
/// The file can't be read.
pub(super) fn loading(
    image: &Image<impl Source>,
) -> Result<(Option<Loading>, Vec<Problem>), Error> {
    let needed = image.needed()?;
    let Some(at) = needed.iter().position(|path| is_named_like_runtime(path)) else {
        return Ok((None, Vec::new()));
    };
    let runtime = needed[at].clone();
    let mut found = Vec::new();
    let interpreter = image.interpreter()?;
    if interpreter.is_none() {
        found.push(Problem::NoLoader);
    }
    // Both C libraries compare a name with those of what is loaded already: glibc with
    // DT_SONAME and with its own path, as PT_INTERP has it (elf/dl-load.c, `_dl_map_object`),
    // musl with the latter (ldso/dynlink.c, `load_library`).
    if interpreter.as_ref() == Some(&runtime) || own_name(image)?.as_ref() == Some(&runtime) {
        found.push(Problem::PosesAsRuntime);
    }
    let like_it = needed.iter().filter(|path| is_named_like_runtime(path));
    if like_it.count() > 1 {
        found.push(Problem::TwoRuntimes);
    }
    let expected = moment::position(interpreter.as_deref().unwrap_or_default(), &needed);
    let place = match expected.unwrap_or(Position::First) {
        Position::First => 0,
        Position::Last => needed.len() - 1,
    };
    if at > place {
        found.push(Problem::LibraryBefore(needed[0].clone()));
    }
    if let Some(what) = moment::early_code(image, None)? {
        found.push(Problem::EarlyCode(what));
    }
    let loading = Loading {
        runtime,
        expected,
        is_in_place: at == place,
    };
    Ok((Some(loading), found))
}

/// The name that the program gives itself (DT_SONAME).
fn own_name(image: &Image<impl Source>) -> Result<Option<String>, Error> {
    let dynamic = image.dynamic.as_ref();
    let name = dynamic.and_then(|dynamic| dynamic.get(elf::DT_SONAME));
    name.map(|at| image.dynamic_string(at)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::build::LayoutBuilder;

    const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
    const MUSL: &str = "/lib/ld-musl-x86_64.so.1";
    const RUNTIME: &str = "/lib/libsandbox.so";

    fn judged(loader: Option<&str>, needed: &[&str]) -> (Option<Loading>, Vec<Problem>) {
        let mut builder = LayoutBuilder::new(elf::ET_DYN);
        if let Some(loader) = loader {
            builder = builder.interpreter(loader);
        }
        let (mut builder, places) = builder.strings(needed);
        for place in places {
            builder = builder.dynamic(elf::DT_NEEDED, place);
        }
        let file = builder.build();
        loading(&Image::read(&file[..]).unwrap()).unwrap()
    }

    /// Whether the runtime is in its place, and what is wrong.
    fn place(loader: &str, needed: &[&str]) -> (bool, Vec<Problem>) {
        let (loading, problems) = judged(Some(loader), needed);
        (loading.unwrap().is_in_place, problems)
    }

    #[test]
    fn each_loader_has_its_place_for_the_runtime() {
        assert_eq!(place(GLIBC, &[RUNTIME, "libc.so.6"]), (true, vec![]));
        assert_eq!(
            place(MUSL, &["libx.so", "libc.so", RUNTIME]),
            (true, vec![])
        );
        assert_eq!(place("/opt/loader", &[RUNTIME, "libx.so"]), (true, vec![]));
    }

    /// musl initialises libraries that come after it later, so this one is under the
    /// policy.
    #[test]
    fn a_library_that_comes_before_its_turn_is_a_problem() {
        let before = || vec![Problem::LibraryBefore("libx.so".to_owned())];
        assert_eq!(place(GLIBC, &["libx.so", RUNTIME]), (false, before()));
        assert_eq!(
            place("/opt/loader", &["libx.so", RUNTIME]),
            (false, before())
        );
        assert_eq!(place(MUSL, &[RUNTIME, "libx.so"]), (false, vec![]));
    }

    #[test]
    fn of_two_runtimes_one_is_not_looked_at() {
        let needed = [RUNTIME, "libc.so.6", "/opt/libsandbox.so"];
        assert_eq!(place(GLIBC, &needed), (true, vec![Problem::TwoRuntimes]));
    }

    #[test]
    fn the_loader_itself_stands_for_a_library_of_its_name() {
        let loader = "/opt/libsandbox.so";
        let (is_in_place, problems) = place(loader, &[loader]);
        assert_eq!(
            (is_in_place, problems),
            (true, vec![Problem::PosesAsRuntime])
        );
    }

    #[test]
    fn a_program_without_loader_or_runtime_is_told() {
        assert_eq!(judged(None, &[RUNTIME]).1, [Problem::NoLoader]);
        let (loading, problems) = judged(Some(GLIBC), &["libc.so.6"]);
        assert!(loading.is_none() && problems.is_empty());
    }

    #[test]
    fn a_loader_is_known_by_its_name() {
        let root = Path::new("/");
        assert_eq!(loader_problem(GLIBC, root), None);
        let relative = MUSL.trim_start_matches('/');
        let problem = Problem::RelativeLoader(relative.to_owned());
        assert_eq!(loader_problem(relative, root), Some(problem));
        let unknown = "/nowhere/loader";
        let problem = Problem::UnknownLoader(unknown.to_owned());
        assert_eq!(loader_problem(unknown, root), Some(problem));
    }
}
