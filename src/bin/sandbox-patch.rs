//! Put a seccomp policy into a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    sandbox_patch::cli::main()
}
