//! The corpus: programs of all layouts that linkers, languages and other tools
//! make, as the files of `fixtures/layouts` say. `tests/layouts.rs` holds
//! sandbox-patch to it, `make layouts` prints how sandbox-patch and patchelf fare
//! with it.
//!
//! Each program is run as `./before`, without arguments, and prints something.

mod directives;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::{Workspace, fixture_path};

/// A program.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is, in few words.
    pub name: String,
    /// The file and line where it stands.
    pub place: String,
    /// A script for bash that makes `./before`; `$FIXTURES` is the folder of
    /// the sources.
    pub build: String,
    /// What is different with it.
    pub expected: Expected,
}

/// In what a program differs from one that is patched without further ado.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Its program headers can't grow where they are. It is patched with the
    /// warning that GNU strip and objcopy must have been at it before: they
    /// write the headers to their usual place.
    pub headers_move: bool,
    /// No loader loads libraries into it. The runtime itself goes into it;
    /// whoever would add a library has to refuse it.
    pub loads_no_libraries: bool,
    /// Its section headers are wrong, so that readers that go by them tell
    /// nothing about it.
    pub sections_lie: bool,
    /// Why `verify` does not accept it when it is patched.
    pub verify_refuses: Option<String>,
    /// Why it is not patched.
    pub refused: Option<String>,
}

impl Case {
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
            "{}: {}: {}\n{}",
            self.place,
            self.build,
            output.status,
            String::from_utf8_lossy(&said)
        );
    }
}

/// All programs, in the order of the table.
///
/// # Panics
///
/// With file and line, if a file of `fixtures/layouts` can't be understood.
pub fn all() -> Vec<Case> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let text = fs::read_to_string(entry.path());
        let text = text.unwrap_or_else(|error| panic!("fixtures/layouts/{name}: {error}"));
        (name, text)
    };
    let folder = fs::read_dir(fixture_path("layouts")).expect("the folder of the layouts");
    gather(&folder.map(read).collect()).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The cases in files, given with their names. Names of cases are those of tests,
/// and each file serves a case: otherwise a mark may be misspelt in it.
fn gather(files: &BTreeMap<String, String>) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    for (file, text) in files {
        for case in directives::read(file, text)? {
            if let Some(other) = cases.iter().find(|other| other.name == case.name) {
                return Err(format!(
                    "{}: `{}` stands at {} as well",
                    case.place, case.name, other.place
                ));
            }
            cases.push(case);
        }
    }
    let serves = |file: &&String| {
        let place = format!("fixtures/layouts/{file}:");
        let mut cases = cases.iter();
        cases.any(|case| case.place.starts_with(&place) || case.build.contains(*file))
    };
    match files.keys().find(|file| !serves(file)) {
        Some(file) => Err(format!("fixtures/layouts/{file}: no case uses it")),
        None => Ok(cases),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather<const N: usize>(files: [(&str, &str); N]) -> Result<Vec<Case>, String> {
        super::gather(
            &files
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
        )
    }

    #[test]
    fn names_of_cases_are_unique() {
        let case = "//# build: cc {source}\n//# case: one\n";
        assert_eq!(gather([("a.c", case)]).unwrap().len(), 1);
        assert_eq!(
            gather([("a.c", case), ("b.c", case)]).unwrap_err(),
            "fixtures/layouts/b.c:2: `one` stands at fixtures/layouts/a.c:2 as well"
        );
    }

    #[test]
    fn each_file_serves_a_case() {
        let case = "//# build: cc {source} \"$FIXTURES/layouts/b.c\"\n//# case: one\n";
        assert!(gather([("a.c", case), ("b.c", "// # case: two\n")]).is_ok());
        assert_eq!(
            gather([("a.c", case), ("c.c", "// # case: two\n")]).unwrap_err(),
            "fixtures/layouts/c.c: no case uses it"
        );
    }
}
