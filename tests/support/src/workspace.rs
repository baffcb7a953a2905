//! A folder for one test, and compiling fixtures into it.

use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::artefacts::{project, target_folder};
use super::shell::{Outcome, Shell, as_root};

/// The folder that a test's commands run in; removed with all in it.
pub struct Workspace {
    folder: TempDir,
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}

impl Workspace {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("sandbox-patch-test-")
            .tempdir()
            .expect("a temporary folder");
        // Other users run programs from it, too.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))
            .expect("permissions of an own folder");
        Self { folder }
    }

    /// A workspace with the article's program, compiled as `./myos`.
    pub fn with_myos(compiler: &str) -> Self {
        let workspace = Self::new();
        workspace.compile(compiler, "myos.c");
        workspace
    }

    /// The directory that it is.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The path of something in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Compiles a fixture to a program named like it, without its extension.
    /// `compiler` is a command with flags: `gcc -O2 -no-pie`, `rustc`.
    #[track_caller]
    pub fn compile(&self, compiler: &str, fixture: &str) -> PathBuf {
        let name = Path::new(fixture)
            .file_stem()
            .and_then(|stem| stem.to_str());
        self.compile_as(compiler, fixture, name.expect("a fixture's name in UTF-8"))
    }

    /// Compiles a fixture to a file of the given name.
    #[track_caller]
    pub fn compile_as(&self, compiler: &str, fixture: &str, name: &str) -> PathBuf {
        let source = fixture_path(fixture);
        let output = self.path(name);
        let mut words = compiler.split_whitespace();
        // The environment stays: a compiler may be found through it.
        let result = Command::new(words.next().expect("a compiler"))
            .arg(&source)
            .args(words)
            .arg("-o")
            .arg(&output)
            .current_dir(self.root())
            .output()
            .unwrap_or_else(|error| panic!("{compiler}: {error} (see `make setup`)"));
        assert!(
            result.status.success(),
            "{compiler} {}:\n{}",
            source.display(),
            String::from_utf8_lossy(&result.stderr)
        );
        output
    }

    /// Compiles a Go fixture with these options to a program named like it. What
    /// is compiled of Go's library is kept, since that takes long.
    #[track_caller]
    pub fn compile_go(&self, options: &[&str], fixture: &str) -> PathBuf {
        let output = self.path(fixture.trim_end_matches(".go"));
        let result = Command::new("go")
            .args(["build", "-o"])
            .arg(&output)
            .args(options)
            .arg(fixture_path(fixture))
            .env("GOCACHE", target_folder().join("tmp/go"))
            .output()
            .unwrap_or_else(|error| panic!("go: {error} (see `make setup`)"));
        let stderr = String::from_utf8_lossy(&result.stderr);
        assert!(result.status.success(), "{options:?}: {stderr}");
        output
    }

    /// Runs a command line in the folder, as [`Shell`] describes.
    #[track_caller]
    pub fn run(&self, line: &str) -> Outcome {
        self.shell(line).finish()
    }

    /// Runs a script as root. It ends with the first command that fails.
    #[track_caller]
    pub fn run_as_root(&self, script: &str) -> Outcome {
        let start = format!("{}env PATH=\"$PATH\"", as_root());
        self.shell(&format!("{start} bash -euc \"$SCRIPT\""))
            .env("SCRIPT", script)
            .finish()
    }

    /// Runs a script as root, whose mounts nobody else sees. It ends with the
    /// first command that fails.
    #[track_caller]
    pub fn run_with_mounts(&self, script: &str) -> Outcome {
        // sudo(8) has a PATH of its own.
        let start = format!("{}env PATH=\"$PATH\" unshare --mount", as_root());
        self.shell(&format!("{start} bash -euc \"$SCRIPT\""))
            .env("SCRIPT", script)
            .finish()
    }

    /// A command line fails with one line about `file`, for a reason, and
    /// changes nothing.
    #[track_caller]
    pub fn assert_refused(&self, line: &str, file: &str, reason: &str) {
        let before = self.snapshot();
        self.run(line)
            .exits_with(1)
            .prints_only("")
            .complains_in_one_line(&format!("sandbox-patch: {file}: "))
            .complains(reason);
        assert_eq!(before, self.snapshot(), "{line} changed something");
    }

    /// A command line is wrong, for a reason, and changes nothing.
    #[track_caller]
    pub fn assert_usage_error(&self, line: &str, reason: &str) {
        let before = self.snapshot();
        self.run(line)
            .exits_with(2)
            .prints_only("")
            .complains(reason);
        assert_eq!(before, self.snapshot(), "{line} changed something");
    }

    /// A command line to be run in the folder, with more to say about how.
    pub fn shell(&self, line: &str) -> Shell {
        Shell::new(line, self.root())
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, contents).unwrap_or_else(|error| panic!("{name}: {error}"));
        path
    }

    /// The contents of a file in the folder.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// All there is in the folder itself, to see that nothing has changed.
    /// A file that was replaced by an equal one counts as changed.
    pub fn snapshot(&self) -> Vec<Entry> {
        let entry = |name: String| {
            let path = self.path(&name);
            let metadata = path.symlink_metadata().expect("an entry");
            let contents = metadata.is_file().then(|| std::fs::read(&path));
            Entry {
                name,
                inode: metadata.ino(),
                mode: metadata.mode(),
                contents: contents.transpose().expect("a readable file"),
            }
        };
        self.listing().into_iter().map(entry).collect()
    }

    /// The names of all there is, sorted: to see that nothing was left behind.
    pub fn listing(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root()).expect("an own folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// What a folder holds under a name.
#[derive(PartialEq, Eq)]
pub struct Entry {
    name: String,
    inode: u64,
    mode: u32,
    /// Of a regular file.
    contents: Option<Vec<u8>>,
}

/// Without the contents, which would fill the screen.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.contents.as_ref().map(Vec::len);
        write!(
            f,
            "{} inode {} mode {:o} size {size:?}",
            self.name, self.inode, self.mode
        )
    }
}

/// The source of a fixture.
pub fn fixture_path(fixture: &str) -> PathBuf {
    project().join("fixtures").join(fixture)
}
