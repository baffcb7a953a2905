//! The corpus: programs of all layouts that linkers, languages and other tools
//! make. `tests/layouts.rs` holds sandbox-patch to it, `make layouts` prints
//! how sandbox-patch and patchelf fare with it.
//!
//! Each program is run as `./before`, without arguments, and prints something.

mod changed;
mod features;
mod languages;
mod linkers;

use std::process::Command;

use super::{Workspace, fixture_path};

/// A program.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is, in few words.
    pub name: &'static str,
    /// A script for bash that makes `./before`; `$FIXTURES` is the folder of
    /// the sources.
    pub build: String,
    /// Its program headers can't grow where they are. It is patched with the
    /// warning that GNU strip and objcopy must have been at it before: they
    /// write the headers to their usual place.
    pub headers_move: bool,
    /// There is a loader that loads a library into it. Without, the runtime
    /// itself goes into it; whoever would add a library has to refuse it.
    pub loads_libraries: bool,
    /// Its section headers are wrong, so that readers that go by them tell
    /// nothing about it.
    pub sections_lie: bool,
    /// The loader calls code of it before any library is initialised, so that
    /// `verify` does not accept it with a library.
    pub is_called_early: bool,
}

impl Case {
    /// A program that has to be patched.
    fn patched(name: &'static str, build: impl Into<String>) -> Self {
        Self {
            name,
            build: build.into(),
            headers_move: false,
            loads_libraries: true,
            sections_lie: false,
            is_called_early: false,
        }
    }

    /// A program that has to be patched, made from one fixture.
    fn compiled(name: &'static str, compiler: &str, fixture: &str) -> Self {
        Self::patched(
            name,
            format!("{compiler} \"$FIXTURES/{fixture}\" -o before"),
        )
    }

    /// The same, whose program headers can't grow where they are.
    fn with_headers_moved(self) -> Self {
        Self {
            headers_move: true,
            ..self
        }
    }

    /// The same, with resolvers of indirect functions.
    fn called_early(self) -> Self {
        Self {
            is_called_early: true,
            ..self
        }
    }

    /// The same, which loads no libraries.
    fn static_program(self) -> Self {
        Self {
            loads_libraries: false,
            ..self
        }
    }

    /// Makes `./before`.
    ///
    /// # Panics
    ///
    /// The script fails, or says something.
    pub fn build(&self, ws: &Workspace) {
        // The environment stays: a compiler may be found through it.
        let output = Command::new("/bin/bash")
            .args(["-e", "-o", "pipefail", "-c", &self.build])
            .current_dir(ws.root())
            .env("FIXTURES", fixture_path(""))
            .env("LC_ALL", "C")
            // No module: a file is a program.
            .env("GO111MODULE", "off")
            .output()
            .expect("bash starts");
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success() && said.is_empty(),
            "{}: {}\n{}",
            self.build,
            output.status,
            String::from_utf8_lossy(&said)
        );
    }
}

/// All programs, in the order of the table.
pub fn all() -> Vec<Case> {
    [
        linkers::cases(),
        features::cases(),
        languages::cases(),
        changed::cases(),
    ]
    .concat()
}
