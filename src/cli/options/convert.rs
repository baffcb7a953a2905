//! The grammar of `convert`.

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::cli::installed;
use crate::policy::Arch;
use crate::policy::source::{Format, Options};

#[derive(Debug, Args)]
pub(in crate::cli) struct ConvertArguments {
    /// The policy: a file, a name, '-' for standard input, or a patched program.
    ///
    /// As for --policy when patching. From a program, its own policy is taken.
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,

    /// What the policy is written in [default: recognised].
    #[arg(long, value_name = "FORMAT", value_parser = formats(&Format::ALL))]
    from: Option<Format>,

    /// What to write.
    #[arg(long, value_name = "FORMAT")]
    pub(in crate::cli) to: Target,

    /// The architecture of the programs that the policy is for [default: this machine's].
    #[arg(long, value_name = "ARCH", value_parser = architecture)]
    arch: Option<Arch>,

    /// A capability that the container has, as CAP_SYS_ADMIN.
    ///
    /// For Docker's profiles, which permit more calls to a container that has it. Repeat the
    /// option for several.
    #[arg(long = "cap", value_name = "CAPABILITY")]
    capabilities: Vec<String>,

    /// The version of the kernel, for Docker's profiles [default: the newest known].
    #[arg(long, value_name = "VERSION", value_parser = kernel)]
    kernel: Option<(u32, u32)>,

    /// Which filter of a file that has several, as seccompiler's.
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,

    /// Leave out the calls that systemd permits without being asked.
    #[arg(long)]
    drop_implicit: bool,

    /// Leave out what the format can't say.
    ///
    /// Each omission is a warning. By default it is an error.
    #[arg(long)]
    pub(in crate::cli) lossy: bool,
}

/// What a policy is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Target {
    /// Our own policy file.
    Toml,
    /// linux.seccomp of an OCI runtime's config.json.
    Oci,
    /// A profile for docker, podman or containerd.
    Docker,
    /// A SeccompProfile of the Security Profiles Operator.
    Spo,
    /// A drop-in for a systemd unit.
    Systemd,
    /// A policy file of minijail.
    Minijail,
    /// JSON of the crate seccompiler.
    Seccompiler,
    /// The filter itself, an array of struct sock_filter.
    Bpf,
    /// The filter as a C header.
    C,
    /// The filter as a Rust array.
    Rust,
}

impl ConvertArguments {
    /// How the policy is to be read, for programs of `arch` unless told otherwise.
    pub(in crate::cli) fn reading(&self) -> Options {
        let default = installed::reading();
        Options {
            format: self.from,
            arch: self.arch.unwrap_or(default.arch),
            capabilities: self
                .capabilities
                .iter()
                .map(|name| capability(name))
                .collect(),
            kernel: self.kernel.unwrap_or(default.kernel),
            drop_implicit: self.drop_implicit,
            filter: self.filter.clone(),
        }
    }

    /// The architecture, if one is given.
    pub(in crate::cli) fn arch(&self) -> Option<Arch> {
        self.arch
    }
}

fn formats(of: &'static [Format]) -> impl TypedValueParser<Value = Format> {
    let names = PossibleValuesParser::new(of.iter().map(|format| format.name()));
    names.map(|name| {
        let is_it = |format: &&Format| format.name() == name;
        of.iter().find(is_it).copied().unwrap_or(Format::Toml)
    })
}

/// `sys_admin` and `CAP_SYS_ADMIN` are the same.
fn capability(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    match name.strip_prefix("CAP_") {
        Some(_) => name,
        None => format!("CAP_{name}"),
    }
}

pub(super) fn architecture(name: &str) -> Result<Arch, String> {
    Arch::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Arch::all().map(Arch::name).collect();
        format!("there are {}", names.join(", "))
    })
}

/// `6.1`, or as uname(1) says it: `6.1.0-13-amd64`.
fn kernel(text: &str) -> Result<(u32, u32), String> {
    let mut parts = text.split(['.', '-']).map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err("a version is like 6.1".to_owned()),
    }
}
