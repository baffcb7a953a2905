//! The forms in which policies are written.

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
}
