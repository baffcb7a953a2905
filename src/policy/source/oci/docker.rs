//! What Docker's profiles add: for which machines and containers an entry is
//! (`setupSeccomp` in seccomp_linux.go of github.com/moby/profiles/seccomp).

use super::Misread;
use super::node::{Map, Node, wrong};
use super::words::{self, Machine};
use crate::policy::source::Options;

const KEYS: [&str; 3] = ["caps", "arches", "minKernel"];

/// Whether an entry of a profile is for these programs.
pub(super) fn is_for(entry: &Map, options: &Options) -> Result<bool, Misread> {
    let part = |key| entry.get(key).map(Node::map).transpose();
    if let Some(excludes) = part("excludes")? {
        let Named { has_one, .. } = capabilities(excludes, options)?;
        let is_here = architectures(excludes, options)? == Some(true);
        if is_here || has_one || is_as_new(excludes, options)? == Some(true) {
            // What the other part says must be right all the same.
            part("includes")?.map_or(Ok(()), |map| checked(map, options))?;
            return Ok(false);
        }
    }
    let Some(includes) = part("includes")? else {
        return Ok(true);
    };
    let Named { has_all, .. } = capabilities(includes, options)?;
    let is_elsewhere = architectures(includes, options)? == Some(false);
    let is_older = is_as_new(includes, options)? == Some(false);
    Ok(has_all && !is_elsewhere && !is_older)
}

fn checked(map: &Map, options: &Options) -> Result<(), Misread> {
    capabilities(map, options)?;
    architectures(map, options)?;
    is_as_new(map, options)?;
    Ok(())
}

/// How many of some capabilities the container has.
struct Named {
    has_one: bool,
    has_all: bool,
}

fn capabilities(map: &Map, options: &Options) -> Result<Named, Misread> {
    map.has_only(&KEYS)?;
    let nodes = map.list("caps")?;
    let names: Vec<&str> = nodes
        .iter()
        .map(words::capability)
        .collect::<Result<_, _>>()?;
    let has = |name: &&str| options.capabilities.contains(*name);
    Ok(Named {
        has_one: names.iter().any(has),
        has_all: names.iter().all(has),
    })
}

/// Whether the architecture is among those named; `None` if none are.
fn architectures(map: &Map, options: &Options) -> Result<Option<bool>, Misread> {
    let nodes = map.list("arches")?;
    let machines: Vec<Machine> = nodes
        .iter()
        .map(words::short_architecture)
        .collect::<Result<_, _>>()?;
    let own = Machine::Known(options.arch);
    Ok((!machines.is_empty()).then(|| machines.contains(&own)))
}

/// Whether the kernel is at least the one named; `None` if none is.
fn is_as_new(map: &Map, options: &Options) -> Result<Option<bool>, Misread> {
    let Some((node, text)) = map.text("minKernel")? else {
        return Ok(None);
    };
    let parts = text.split_once('.');
    let number = |text: &str| text.parse::<u8>().ok();
    let version = parts.and_then(|(first, second)| Some((number(first)?, number(second)?)));
    match version.filter(|version| *version != (0, 0)) {
        Some((first, second)) => Ok(Some(options.kernel >= (first.into(), second.into()))),
        None => Err(wrong(
            node.offset,
            format!("{text:?} is no version of the kernel such as \"4.8\""),
        )),
    }
}

/// The architectures that the map of a profile has for the program's own: the first entry
/// for it counts.
pub(super) fn mapped<'a>(map: &'a Map, options: &Options) -> Result<Vec<&'a Node>, Misread> {
    let mut found = None;
    for node in map.list("archMap")? {
        let entry = node.map()?;
        entry.has_only(&["architecture", "subArchitectures"])?;
        let of = words::architecture(entry.needed("architecture")?)?;
        let others = entry.list("subArchitectures")?;
        for other in others {
            words::architecture(other)?;
        }
        if of == Machine::Known(options.arch) && found.is_none() {
            found = Some(others.iter().collect());
        }
    }
    Ok(found.unwrap_or_default())
}
