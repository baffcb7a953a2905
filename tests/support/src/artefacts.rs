//! The programs and the runtime under test, as `cargo build --release` makes
//! them: what is tested is what is shipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Names a directory with programs and runtimes that are to be tested as they are
/// (docs/testing.md).
const GIVEN: &str = "SANDBOX_PATCH_PROGRAMS";

/// The directory of the project.
pub fn project() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("tests/support")
}

/// The directory with `sandbox-patch` and `libsandbox.so`; the first call builds
/// them.
pub fn release_directory() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(given) = std::env::var_os(GIVEN) {
            return PathBuf::from(given);
        }
        let target = target_folder();
        let output = Command::new(env!("CARGO"))
            .args(["build", "--release", "--quiet", "--target-dir"])
            .arg(&target)
            .current_dir(project())
            .output()
            .expect("cargo starts");
        assert!(
            output.status.success(),
            "the release build failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        target.join("release")
    })
}

/// The runtime beside `sandbox-patch`, as text for command lines.
pub fn library() -> String {
    let path = release_directory().join("libsandbox.so");
    assert!(path.is_file(), "{} was not built", path.display());
    path.to_str().expect("a target folder in UTF-8").to_owned()
}

/// The file that holds the runtime for the inside of programs.
pub fn inline_runtime() -> PathBuf {
    release_directory().join("sandbox-inline")
}

/// The path of `sandbox-patch`, to be started without a shell.
pub fn program() -> PathBuf {
    release_directory().join("sandbox-patch")
}

/// The directory of the tools that are not Debian's (tests/tools/setup).
pub(crate) fn tools() -> PathBuf {
    target_folder().join("tools")
}

/// The target folder that this test binary is in, so that whatever chose it
/// (an option, a variable, a configuration file) need not be asked again.
pub fn target_folder() -> PathBuf {
    let binary = std::env::current_exe().expect("the test binary has a path");
    // TARGET/debug/deps/NAME-HASH
    binary
        .ancestors()
        .nth(3)
        .expect("the test binary is in cargo's layout")
        .to_owned()
}
