//! The forms in which policies are written.

use std::ffi::OsStr;
use std::path::Path;

/// The form in which a policy is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// Our own, in TOML.
    Toml,
    /// `linux.seccomp` of the OCI runtime specification, by itself or in a `config.json`.
    Oci,
    /// Docker's profiles, which podman and containerd take as well.
    Docker,
    /// The Security Profiles Operator's `SeccompProfile`, in YAML.
    Spo,
    /// systemd's units and drop-ins: `SystemCallFilter=` and its like.
    Systemd,
    /// The policy files of minijail.
    Minijail,
    /// The JSON of the crate seccompiler.
    Seccompiler,
    /// firejail's profiles: `seccomp`, `seccomp.drop`, `seccomp.keep`.
    Firejail,
    /// kafel, as nsjail takes it.
    Kafel,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Toml,
        Self::Oci,
        Self::Docker,
        Self::Spo,
        Self::Systemd,
        Self::Minijail,
        Self::Seccompiler,
        Self::Firejail,
        Self::Kafel,
    ];

    /// The name, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Oci => "oci",
            Self::Docker => "docker",
            Self::Spo => "spo",
            Self::Systemd => "systemd",
            Self::Minijail => "minijail",
            Self::Seccompiler => "seccompiler",
            Self::Firejail => "firejail",
            Self::Kafel => "kafel",
        }
    }

    /// The form of a file, by its name and by what is in it.
    #[must_use]
    pub fn of(path: &Path, text: &str) -> Self {
        let start = text.trim_start();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let has_key = |key: &str| text.contains(&format!("\"{key}\""));
        let has_word = |word: &str| text.lines().any(|line| line.trim_start().starts_with(word));
        match extension {
            "toml" => Self::Toml,
            "kafel" => Self::Kafel,
            "policy" => Self::Minijail,
            "service" | "socket" | "conf" | "mount" | "swap" if has_word("[") => Self::Systemd,
            "profile" | "inc" => Self::Firejail,
            _ if start.starts_with(['{', '[']) && has_key("mismatch_action") => Self::Seccompiler,
            _ if start.starts_with('{') && (has_key("archMap") || has_key("includes")) => {
                Self::Docker
            }
            _ if start.starts_with('{') => Self::Oci,
            _ if has_word("kind:") && has_word("spec:") => Self::Spo,
            _ if has_word("SystemCall") => Self::Systemd,
            _ if has_word("seccomp") => Self::Firejail,
            _ if has_word("POLICY") || has_word("USE") => Self::Kafel,
            _ if is_minijail(text) => Self::Minijail,
            _ => Self::Toml,
        }
    }
}

/// Whether the first line that says something is `name: expression`.
fn is_minijail(text: &str) -> bool {
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().is_some_and(|line| {
        let name = line.split([':', '[']).next().unwrap_or_default().trim();
        line.starts_with("@include")
            || line.starts_with("@default")
            || line.starts_with("@denylist")
            || (line.contains(':') && !name.contains(['"', '=', ' ', '.']))
    })
}
