//! Where the loader finds libraries (ld.so(8)), in this system or below another root.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::object::Object;
use crate::file;

/// A tree of files.
pub(super) struct Tree<'a> {
    root: &'a Path,
    /// Where libraries are searched for that no program has a path to.
    directories: Vec<PathBuf>,
}

/// Where to search behind what the configuration says, and in musl's systems.
const DIRECTORIES: &[&str] = &[
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
    "/lib/x86_64-linux-musl",
];

impl<'a> Tree<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        let mut tree = Self {
            root,
            directories: Vec::new(),
        };
        let configured = tree.configured(Path::new("/etc/ld.so.conf"), 0);
        let usual = DIRECTORIES.iter().map(PathBuf::from);
        tree.directories = configured.into_iter().chain(usual).collect();
        tree
    }

    /// A path inside of the tree, its symbolic links followed as from inside.
    pub(super) fn follow(&self, path: &Path) -> Option<PathBuf> {
        if self.root == Path::new("/") {
            return path.canonicalize().ok();
        }
        let mut names: Vec<PathBuf> = vec![path.to_owned()];
        let mut found = PathBuf::from("/");
        let mut links = 0;
        while let Some(rest) = names.pop() {
            let mut components = rest.components();
            let Some(first) = components.next() else {
                continue;
            };
            let after = components.as_path().to_owned();
            if after != Path::new("") {
                names.push(after);
            }
            match first {
                Component::RootDir => found = PathBuf::from("/"),
                Component::ParentDir => {
                    found.pop();
                }
                Component::Normal(name) => {
                    let here = self.outside(&found.join(name));
                    match std::fs::read_link(&here) {
                        Ok(target) => {
                            links += 1;
                            if links > 40 {
                                return None;
                            }
                            names.push(target);
                        }
                        Err(_) => found.push(name),
                    }
                }
                _ => {}
            }
        }
        let found = self.outside(&found);
        found.exists().then_some(found)
    }

    /// The path of a file of the tree for those who are not in it.
    fn outside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The library that a program or library asks for.
    pub(super) fn library(&self, name: &str, of: &Object, program: &Object) -> Option<PathBuf> {
        if name.contains('/') {
            return self.follow(Path::new(name));
        }
        let own = |object: &Object| {
            let directory = object.path.parent().unwrap_or(Path::new("/")).to_owned();
            let expand = move |path: &String| {
                let origin = directory.display().to_string();
                let path = path.replace("${ORIGIN}", &origin);
                PathBuf::from(path.replace("$ORIGIN", &origin))
            };
            object.run_paths.iter().map(expand).collect::<Vec<_>>()
        };
        let mut directories = own(of);
        directories.extend(own(program));
        let mut found = directories.iter().filter_map(|directory| {
            // What $ORIGIN stands for is a path from outside.
            let direct = directory.join(name);
            let inside = self.follow(&direct);
            inside.or_else(|| direct.exists().then_some(direct))
        });
        if let Some(found) = found.find(|path| fits(path)) {
            return Some(found);
        }
        let all = self.directories.iter();
        let mut found = all.filter_map(|directory| self.follow(&directory.join(name)));
        found.find(|path| fits(path))
    }

    /// The directories of a configuration file and those that it includes (ldconfig(8)).
    fn configured(&self, file: &Path, depth: u32) -> Vec<PathBuf> {
        let text = self
            .follow(file)
            .and_then(|file| std::fs::read_to_string(file).ok());
        let mut directories = Vec::new();
        for line in text.unwrap_or_default().lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(pattern) = line.strip_prefix("include ") {
                let pattern = Path::new("/etc").join(pattern.trim());
                let directory = pattern.parent().unwrap_or(Path::new("/"));
                let entries = self.follow(directory).and_then(|at| at.read_dir().ok());
                let mut names: Vec<_> = entries.into_iter().flatten().flatten().collect();
                names.sort_by_key(std::fs::DirEntry::file_name);
                for entry in names {
                    let name = entry.file_name();
                    if name.as_encoded_bytes().ends_with(b".conf") && depth < 8 {
                        directories.extend(self.configured(&directory.join(name), depth + 1));
                    }
                }
            } else if line.starts_with('/') {
                directories.push(PathBuf::from(line));
            }
        }
        directories
    }
}

/// Whether it is a library for this processor: directories of several are searched.
fn fits(path: &Path) -> bool {
    let mut start = [0; 20];
    let file = file::open(path).ok();
    let is_read = file.is_some_and(|(mut file, _)| file.read_exact(&mut start).is_ok());
    // ELF, of 64 bits, x86-64.
    is_read && start.starts_with(b"\x7fELF\x02") && start[18..20] == [62, 0]
}
