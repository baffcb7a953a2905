//! Whether what starts a program brings it to its runtime, before any code of its own.

use std::path::Path;

use object::elf;

use crate::elf::memory;
use crate::elf::{Error, Image, Source};
use crate::program::Problem;
use crate::rewrite::Position;
use crate::runtime::library::{self, is_named_like_runtime};
use crate::runtime::moment;

/// Who loads the runtime, and from when on it is in force.
#[derive(Clone, Debug)]
pub(super) struct Loading {
    /// The DT_NEEDED value of the runtime.
    pub(super) runtime: String,
    /// The place where patching puts it for this loader; nothing where that is unknown.
    pub(super) expected: Option<Position>,
    /// Whether it is there.
    pub(super) is_in_place: bool,
}

/// What keeps a program from becoming what its file says, whoever enforces its policy.
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

/// What is wrong with a loader. One of another name is known by what is in the file, below
/// `root`.
#[must_use]
pub fn loader_problem(interpreter: &str, root: &Path) -> Option<Problem> {
    if !interpreter.starts_with('/') {
        return Some(Problem::RelativeLoader(interpreter.to_owned()));
    }
    let is_known = moment::is_known(interpreter)
        || library::name_within(interpreter, root).is_some_and(|name| moment::is_known(&name));
    (!is_known).then(|| Problem::UnknownLoader(interpreter.to_owned()))
}

/// How the loader comes to the runtime; nothing where the program does not name one.
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
