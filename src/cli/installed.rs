//! Where the runtimes are that came with the running program.

use std::env::{current_exe, var_os};
use std::path::{Path, PathBuf};

use crate::launch;
use crate::policy::Arch;
use crate::policy::source::{self, Library};
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

/// Where policies are found by name: first those of the user.
pub(super) fn policies() -> Library {
    let set = |name| var_os(name).filter(|value| Path::new(value).is_absolute());
    let home = || set("HOME").map(|home| Path::new(&home).join(".config"));
    let user = set("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    let user = user.map(|directory| directory.join("sandbox-patch"));
    let program = current_exe().unwrap_or_default();
    let prefix = program.parent().and_then(Path::parent);
    let shared = prefix.map(|prefix| prefix.join("share/sandbox-patch/policies"));
    Library {
        directories: user.into_iter().chain(shared).collect(),
    }
}

/// How policies are read that are meant for this machine.
pub(super) fn reading() -> source::Options {
    source::Options::new(launch::native().unwrap_or(Arch::X86_64))
}

/// What programs are inspected in view of, if their libraries are below `root`.
pub(super) fn surroundings(root: &Path) -> Surroundings {
    Surroundings {
        root: root.to_owned(),
        runtimes: directories(),
    }
}
