//! Policies that are found by their name.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::file::Found;
use crate::policy::error::either;
use crate::policy::names::alike;

/// Policies that are found by their name: those of some directories, and those that come
/// with every version.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// The directories, the first of which to have a policy counts. A policy is the file
    /// NAME.toml.
    pub directories: Vec<PathBuf>,
}

/// The policies that come with every version.
const BUILT_IN: &[(&str, &str)] = &[
    ("cli-filter", include_str!("library/cli-filter.toml")),
    (
        "network-client",
        include_str!("library/network-client.toml"),
    ),
    (
        "network-server",
        include_str!("library/network-server.toml"),
    ),
    ("no-exec", include_str!("library/no-exec.toml")),
    ("no-network", include_str!("library/no-network.toml")),
    (
        "read-only-tool",
        include_str!("library/read-only-tool.toml"),
    ),
    (
        "static-site-server",
        include_str!("library/static-site-server.toml"),
    ),
];

impl Library {
    /// The policy of this name, or the file of this path: a name has neither a slash nor a
    /// dot. Relative paths begin at `directory`.
    pub(super) fn find(&self, name: &Path, directory: &Path) -> Result<Found, Error> {
        if name
            .as_os_str()
            .as_bytes()
            .iter()
            .any(|byte| b"/.".contains(byte))
        {
            return Ok(Found::file(directory.join(name)));
        }
        let plain = &*name.to_string_lossy();
        let file = format!("{plain}.toml");
        let paths = self
            .directories
            .iter()
            .map(|directory| directory.join(&file));
        for path in paths {
            if path.symlink_metadata().is_ok() {
                return Ok(Found::file(path));
            }
        }
        if let Some((_, text)) = BUILT_IN.iter().find(|(name, _)| *name == plain) {
            return Ok(Found::built_in(PathBuf::from(file), text));
        }
        let names = or_instead(plain, &self.names());
        Err(Error {
            place: String::new(),
            problem: format!(
                "there is no policy named {plain:?}; {names} (a file is given with its \
                 directory, as ./{plain})"
            ),
        })
    }

    /// The names of all policies.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let built_in = BUILT_IN.iter().map(|(name, _)| (*name).to_owned());
        let entries = self.directories.iter().filter_map(|it| it.read_dir().ok());
        let files = entries.flatten().filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            name.strip_suffix(".toml").map(str::to_owned)
        });
        let names: BTreeSet<_> = built_in.chain(files).collect();
        names.into_iter().collect()
    }
}

/// What is offered in place of a name that there is not.
fn or_instead(name: &str, names: &[String]) -> String {
    match either(&alike(name, names.iter().cloned())) {
        Some(names) => format!("did you mean {names}?"),
        None => format!("there are {}", names.join(", ")),
    }
}
