//! Tells of each program in a directory whether it carries a policy that can be relied on:
//!
//!     cargo run --example audit -- /usr/local/bin
//!
//! What an agent or the generator of a bill of materials would do with the library.

use std::path::PathBuf;
use std::process::ExitCode;

use sandbox_patch::program::{Problem, Surroundings, inspect};
use sandbox_patch::runtime::Directories;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1) else {
        eprintln!("usage: audit DIRECTORY");
        return ExitCode::from(2);
    };
    let surroundings = Surroundings {
        root: "/".into(),
        runtimes: Directories(vec!["/usr/local/lib/sandbox-patch".into()]),
    };
    let directory = PathBuf::from(directory);
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(error) => {
            eprintln!("audit: {}: {error}", directory.display());
            return ExitCode::FAILURE;
        }
    };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        // What is no ELF file is passed over.
        let Ok(found) = inspect(&file, &surroundings) else {
            continue;
        };
        let problems: Vec<_> = found.problems.iter().map(Problem::id).collect();
        let verdict = match (&found.resolved, problems.is_empty()) {
            (Some(resolved), true) => {
                let policy = &resolved.policy;
                let rules = policy
                    .rules
                    .iter()
                    .map(|rule| format!("{rule}={}", rule.action));
                let rules: Vec<_> = rules.collect();
                format!("{}; otherwise {}", rules.join(" "), policy.default)
            }
            _ => problems.join(", "),
        };
        println!("{}: {verdict}", file.display());
    }
    ExitCode::SUCCESS
}
