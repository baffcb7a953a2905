//! The Security Profiles Operator's objects
//! (api/seccompprofile/v1/seccompprofile_types.go there).

use super::Misread;
use super::node::{Map, Node, Value, unknown, wrong};

const KIND: &str = "SeccompProfile";
const GROUP: &str = "security-profiles-operator.x-k8s.io/";

/// The document that is meant: the only profile, or the one of this name.
pub(super) fn choose(documents: Vec<Node>, wanted: Option<&str>) -> Result<Node, Misread> {
    let mut profiles: Vec<_> = documents
        .into_iter()
        .filter(|node| !matches!(node.value, Value::Null))
        .collect();
    // A single document is held to be one, so that an error says what it lacks.
    if profiles.len() > 1 {
        profiles.retain(|node| kind(node) == Some(KIND));
    }
    let names: Vec<_> = profiles.iter().map(|node| name(node).to_owned()).collect();
    let at = match (wanted, names.len()) {
        (_, 0) => return Err(wrong(0, format!("there is no {KIND} in it"))),
        (None, 1) => Some(0),
        (None, _) => {
            let names = names.join(", ");
            let problem = format!("there are several profiles; choose one of {names}");
            return Err(wrong(0, problem));
        }
        (Some(wanted), _) => names.iter().position(|name| name == wanted),
    };
    match at {
        Some(at) => Ok(profiles.swap_remove(at)),
        None => {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            Err(wrong(
                0,
                unknown("profile", wanted.unwrap_or_default(), &names),
            ))
        }
    }
}

fn kind(node: &Node) -> Option<&str> {
    node.map().ok()?.get("kind")?.text().ok()
}

fn name(node: &Node) -> &str {
    let metadata = node.map().ok().and_then(|map| map.get("metadata"));
    let metadata = metadata.and_then(|metadata| metadata.map().ok());
    let name = metadata.and_then(|map| map.get("name"));
    name.and_then(|name| name.text().ok())
        .unwrap_or("(without a name)")
}

/// What a profile says.
pub(super) fn spec(map: &Map) -> Result<&Map, Misread> {
    let kind = map.needed("kind")?;
    if kind.text()? != KIND {
        return Err(kind.wrong(format!("only a {KIND} is read")));
    }
    let version = map.needed("apiVersion")?;
    if !version.text()?.starts_with(GROUP) {
        return Err(version.wrong(format!("a {KIND} is of {GROUP}v1")));
    }
    map.has_only(&["apiVersion", "kind", "metadata", "spec", "status"])?;
    let spec = map.needed("spec")?.map()?;
    if let Some((node, base)) = spec.text("baseProfileName")? {
        let problem = format!(
            "the base profile {base:?} is not followed: add its syscalls to these, and leave baseProfileName out"
        );
        return Err(node.wrong(problem));
    }
    let is_off = |node: &Node| match &node.value {
        Value::Bool(is_off) => *is_off,
        Value::Text(state) => state != "Enabled",
        _ => true,
    };
    for key in ["state", "disabled"] {
        if let Some(node) = spec.get(key).filter(|node| is_off(node)) {
            return Err(node.wrong("the profile is not enabled: the operator would skip it"));
        }
    }
    Ok(spec)
}
