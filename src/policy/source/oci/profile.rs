//! What a profile says, for the programs of one architecture.

use sandbox_format::bpf::Test;

use super::node::{Map, Node};
use super::words::{self, Machine, Verb};
use super::{Form, Misread, docker};
use crate::policy::source::Options;
use crate::policy::{Action, Arch, errno, names};

/// As many as a call has.
const ARGUMENTS: usize = 6;

/// EPERM, which runc (getAction in libcontainer/seccomp/seccomp_linux.go) and crun
/// (libcrun_generate_seccomp in src/libcrun/seccomp.c) give where no number is said, a tracer
/// too.
const UNSAID: u16 = 1;

/// The largest that the kernel returns (`MAX_ERRNO`).
const MAX_ERRNO: u64 = 4095;

/// A profile.
#[derive(Debug)]
pub(super) struct Profile {
    /// What unlisted calls get.
    pub(super) default: Action,
    /// For which ABIs of the machine it holds besides the program's own.
    pub(super) architectures: Vec<Arch>,
    pub(super) entries: Vec<Entry>,
}

/// What some calls get.
#[derive(Debug)]
pub(super) struct Entry {
    /// The calls, and where they are named.
    pub(super) names: Vec<(String, usize)>,
    pub(super) action: Action,
    /// Comparisons of arguments, and where they stand.
    pub(super) tests: Vec<(Test, usize)>,
}

impl Profile {
    pub(super) fn of(map: &Map, form: Form, options: &Options) -> Result<Self, Misread> {
        map.has_only(keys(form))?;
        if let Some((node, _)) = map.text("listenerPath")? {
            return Err(node.wrong("nobody would listen there for a program without a container"));
        }
        if let Some((node, _)) = map.text("listenerMetadata")? {
            return Err(node.wrong("nobody would listen to that"));
        }
        for flag in map.list("flags")? {
            words::flag(flag)?;
        }
        let default = action(
            map,
            form,
            ["defaultAction", "defaultErrnoRet", "defaultErrno"],
        )?;
        let mut entries = Vec::new();
        for node in map.list("syscalls")? {
            entries.extend(Entry::of(node.map()?, form, options)?);
        }
        Ok(Self {
            default,
            architectures: architectures(map, options)?,
            entries,
        })
    }
}

fn keys(form: Form) -> &'static [&'static str] {
    match form {
        Form::Oci => &[
            "defaultAction",
            "defaultErrnoRet",
            "architectures",
            "flags",
            "listenerPath",
            "listenerMetadata",
            "syscalls",
        ],
        Form::Docker => &[
            "defaultAction",
            "defaultErrnoRet",
            "defaultErrno",
            "architectures",
            "archMap",
            "flags",
            "listenerPath",
            "listenerMetadata",
            "syscalls",
        ],
        Form::Spo => &[
            "defaultAction",
            "architectures",
            "flags",
            "listenerPath",
            "listenerMetadata",
            "syscalls",
            "baseProfileName",
            "state",
            "disabled",
        ],
    }
}

fn keys_of_entry(form: Form) -> &'static [&'static str] {
    match form {
        Form::Oci | Form::Spo => &["names", "action", "errnoRet", "args"],
        Form::Docker => &[
            "names", "name", "action", "errnoRet", "errno", "args", "comment", "includes",
            "excludes",
        ],
    }
}

/// The ABIs besides the program's own, which libseccomp always has. Those of other machines
/// are never called there, but have to be ones that a filter can have at once.
fn architectures(map: &Map, options: &Options) -> Result<Vec<Arch>, Misread> {
    let named = map.list("architectures")?;
    if let (Some(node), Some(_)) = (named.first(), map.list("archMap")?.first()) {
        return Err(node.wrong("there are both architectures and archMap; use one of them"));
    }
    let mapped = docker::mapped(map, options)?;
    let own = options.arch;
    let mut others = Vec::new();
    for node in named.iter().chain(mapped) {
        let machine = words::architecture(node)?;
        let big_endian = match machine {
            Machine::Known(arch) => arch.big_endian(),
            Machine::Other { big_endian } => big_endian,
            Machine::Native => own.big_endian(),
        };
        // db_col_db_add in libseccomp's src/db.c.
        if big_endian != own.big_endian() {
            let problem = format!(
                "a filter can't be for {} and {own} at once: they store words in different order",
                node.text()?
            );
            return Err(node.wrong(problem));
        }
        if let Machine::Known(arch) = machine
            && arch != own
            && own.machine().contains(&arch)
            && !others.contains(&arch)
        {
            others.push(arch);
        }
    }
    Ok(others)
}

/// What some calls get: the keys of the action, of its number, and of the number's name.
fn action(map: &Map, form: Form, keys: [&str; 3]) -> Result<Action, Misread> {
    let node = map.needed(keys[0])?;
    let verb = words::verb(node)?;
    // The operator has it as an int32 that is left out where it is 0 (ErrnoRet).
    let is_said = |node: &&Node| form != Form::Spo || node.number(u64::MAX) != Ok(0);
    let given = map.get(keys[1]).filter(is_said);
    let name = map.text(keys[2])?;
    let most = match verb {
        Verb::Trace => u16::MAX.into(),
        _ => MAX_ERRNO,
    };
    let mut number = None;
    if let Some(node) = given {
        number = Some((node.number(most)?, node));
    }
    if let Some((node, name)) = name {
        let Some(named) = errno::number(name) else {
            return Err(node.wrong(format!("unknown error {name:?}")));
        };
        let named = u64::from(named);
        if let Some((number, _)) = number.filter(|(number, _)| *number != named) {
            let problem = format!("{} is {number}, and {name} is {named}", keys[1]);
            return Err(node.wrong(problem));
        }
        number = Some((named, node));
    }
    let plain = match verb {
        Verb::Errno => {
            if let Some((0, node)) = number {
                let problem =
                    "0 has calls succeed that are not carried out; give an error from 1 to 4095";
                return Err(node.wrong(problem));
            }
            return Ok(Action::Errno(short(number)));
        }
        Verb::Trace => return Ok(Action::Trace(short(number))),
        Verb::KillProcess => Action::KillProcess,
        Verb::KillThread => Action::KillThread,
        Verb::Trap => Action::Trap,
        Verb::Log => Action::Log,
        Verb::Allow => Action::Allow,
    };
    // crun refuses it, and runc ignores it.
    match number {
        Some((_, node)) => Err(node.wrong(format!(
            "a number goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE, not with {}",
            words::verb_name(verb)
        ))),
        None => Ok(plain),
    }
}

fn short(number: Option<(u64, &Node)>) -> u16 {
    let number = number.map(|(number, _)| number);
    number.map_or(UNSAID, |number| u16::try_from(number).unwrap_or(u16::MAX))
}

impl Entry {
    /// `None` if it is not for these programs.
    fn of(map: &Map, form: Form, options: &Options) -> Result<Option<Self>, Misread> {
        map.has_only(keys_of_entry(form))?;
        let entry = Self {
            names: names_of(map)?,
            action: action(map, form, ["action", "errnoRet", "errno"])?,
            tests: tests(map, form)?,
        };
        Ok(docker::is_for(map, options)?.then_some(entry))
    }
}

fn names_of(map: &Map) -> Result<Vec<(String, usize)>, Misread> {
    let several = map.list("names")?;
    let mut nodes: Vec<_> = several.iter().collect();
    if let Some((node, _)) = map.text("name")? {
        if !nodes.is_empty() {
            return Err(node.wrong("there are both name and names; use one of them"));
        }
        nodes.push(node);
    } else if map.get("names").is_none() {
        return Err(map.wrong("names is missing"));
    }
    let named = nodes.into_iter().map(|node| {
        let name = node.text()?;
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        if is_number || !names::is_plain(name) {
            return Err(node.wrong(format!("{name:?} is no name of a system call")));
        }
        Ok((name.to_owned(), node.offset))
    });
    named.collect()
}

fn tests(map: &Map, form: Form) -> Result<Vec<(Test, usize)>, Misread> {
    let nodes = map.list("args")?;
    if let Some(node) = nodes.get(ARGUMENTS) {
        return Err(
            node.wrong("there are more than 6 args, of which crun would leave out the rest")
        );
    }
    nodes.iter().map(|node| test(node, form)).collect()
}

fn test(node: &Node, form: Form) -> Result<(Test, usize), Misread> {
    let map = node.map()?;
    map.has_only(&["index", "value", "valueTwo", "op"])?;
    let index = map.needed("index")?;
    let arg = match u8::try_from(index.number(u64::MAX)?) {
        Ok(arg @ 0..=5) => arg,
        _ => return Err(index.wrong("a call has six arguments, 0 to 5")),
    };
    let number = |node: &Node| node.number(u64::MAX);
    let value = match map.get("value") {
        None if form == Form::Spo => 0,
        _ => number(map.needed("value")?)?,
    };
    let second = map.get("valueTwo").map_or(Ok(0), number)?;
    let test = match words::operator(map.needed("op")?)? {
        Some(comparison) => Test {
            arg,
            mask: u64::MAX,
            value,
            comparison,
        },
        // libseccomp drops the bits of the value that the mask leaves out
        // (_db_node_mask_fixup in src/db.c).
        None => Test::equal(arg, value, second & value),
    };
    Ok((test, node.offset))
}
