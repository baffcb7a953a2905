//! Seccomp profiles of containers, in three forms that have their core in common:
//!
//! * `linux.seccomp` of the OCI runtime specification (config-linux.md, "Seccomp"), by itself
//!   or in a whole `config.json`;
//! * Docker's profiles (github.com/moby/profiles/seccomp), which podman has with a few more
//!   keys (github.com/containers/common/pkg/seccomp): entries that hold for some
//!   architectures, capabilities and kernels only;
//! * the Security Profiles Operator's `SeccompProfile`, in YAML.
//!
//! What a profile means is what runc and crun make of it with libseccomp: see [`rules`].

mod docker;
mod node;
mod profile;
mod rules;
mod spo;
#[cfg(test)]
mod tests;
mod words;
mod write;
mod yaml;

use super::{Format, Input, Misread};
use crate::policy::Draft;
use node::{Map, Node};
use profile::Profile;

pub(super) use write::write;

/// Which form a profile is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Oci,
    Docker,
    Spo,
}

pub(super) fn read(input: &Input<'_>) -> Result<Draft, Misread> {
    let options = input.options;
    let is_json = input.text.trim_start().starts_with('{');
    let whole = match is_json {
        true => Node::of_json(input.text)?,
        false => spo::choose(yaml::documents(input.text)?, options.filter.as_deref())?,
    };
    let map = whole.map()?;
    let profile = match form(map, options.format) {
        Form::Spo => Profile::of(spo::spec(map)?, Form::Spo, options)?,
        Form::Oci => Profile::of(seccomp(map)?, Form::Oci, options)?,
        Form::Docker => Profile::of(map, Form::Docker, options)?,
    };
    rules::draft(&profile, input)
}

/// The form, which the name of a file does not tell: a profile without what Docker adds may
/// be any container's.
fn form(map: &Map, said: Option<Format>) -> Form {
    if map.get("kind").is_some() || said == Some(Format::Spo) {
        Form::Spo
    } else if is_config(map) || said == Some(Format::Oci) {
        Form::Oci
    } else {
        Form::Docker
    }
}

/// Whether it is the configuration of a container, of which the profile is a part.
fn is_config(map: &Map) -> bool {
    map.get("linux").is_some() || map.get("ociVersion").is_some()
}

fn seccomp(map: &Map) -> Result<&Map, Misread> {
    if !is_config(map) {
        return Ok(map);
    }
    let linux = map.get("linux").map(Node::map).transpose()?;
    match linux.and_then(|linux| linux.get("seccomp")) {
        Some(seccomp) => seccomp.map(),
        None => Err(map.wrong("it has no linux.seccomp: the container runs without a filter")),
    }
}
