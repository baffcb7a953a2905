//! Where the runtimes are that came with the running program.

use std::env::current_exe;
use std::path::Path;

use crate::program::Surroundings;
use crate::runtime::Directories;

/// Beside the program, which is how cargo leaves them, and where `make install` puts
/// them.
pub(super) fn directories() -> Directories {
    let program = current_exe().unwrap_or_default();
    let beside = program.parent();
    let installed = beside.and_then(Path::parent);
    let installed = installed.map(|prefix| prefix.join("lib/sandbox-patch"));
    let beside = beside.map(Path::to_owned);
    Directories(beside.into_iter().chain(installed).collect())
}

/// What programs are inspected in view of, if their libraries are below `root`.
pub(super) fn surroundings(root: &Path) -> Surroundings {
    Surroundings {
        root: root.to_owned(),
        runtimes: directories(),
    }
}
