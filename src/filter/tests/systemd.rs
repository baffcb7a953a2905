//! Units of systemd, against what libseccomp makes of them when it is called as systemd
//! calls it (seccomp-util.c): a filter for each ABI, of which the strictest decides.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::sync::LazyLock;

use libseccomp::{ScmpAction, ScmpArch, ScmpFilterContext, ScmpSyscall};
use sandbox_format::bpf::Instruction;

use super::*;
use crate::policy::calls::tests::scmp;
use crate::policy::source::{self, Library, Options};
use crate::policy::{groups, is_known_call};

const KILL: ScmpAction = ScmpAction::KillProcess;
const ENOSYS: ScmpAction = ScmpAction::Errno(38);

/// What a unit says, read by splitting strings.
#[derive(Default)]
struct Unit {
    filter: Option<(bool, BTreeMap<String, Option<ScmpAction>>)>,
    log: Option<(bool, BTreeMap<String, Option<ScmpAction>>)>,
    negative: Option<ScmpAction>,
    architectures: Vec<&'static str>,
}

fn members(name: &str) -> Vec<String> {
    let Some(group) = name.strip_prefix('@') else {
        return vec![name.to_owned()];
    };
    if group == groups::KNOWN {
        return known().to_vec();
    }
    let items = groups::find(group).unwrap().items;
    items.iter().flat_map(|item| members(item)).collect()
}

/// All names of the tables here.
fn known() -> &'static [String] {
    static KNOWN: LazyLock<Vec<String>> = LazyLock::new(|| {
        let starts = [0, 0x4000_0000, 4000, 5000, 6000, 0xf_0000];
        let numbers = starts.into_iter().flat_map(|first| first..first + 600);
        let all = Arch::all().flat_map(|arch| numbers.clone().map(move |number| (number, arch)));
        let names = all.filter_map(|(number, arch)| call_name(number, arch));
        names.collect::<BTreeSet<_>>().into_iter().collect()
    });
    &KNOWN
}

fn error(text: &str) -> ScmpAction {
    match text {
        "kill" => KILL,
        "EPERM" => ScmpAction::Errno(1),
        "ENOENT" => ScmpAction::Errno(2),
        "EACCES" => ScmpAction::Errno(13),
        number => ScmpAction::Errno(number.parse().unwrap()),
    }
}

fn assign(
    list: &mut Option<(bool, BTreeMap<String, Option<ScmpAction>>)>,
    value: &str,
    base: &str,
) {
    if value.is_empty() {
        *list = None;
        return;
    }
    let inverted = value.starts_with('~');
    let (allow, entries) = list.get_or_insert_with(|| {
        let base = base.split_whitespace().filter(|_| !inverted);
        let base = base.flat_map(members).map(|name| (name, None));
        (!inverted, base.collect())
    });
    for word in value.trim_start_matches('~').split_whitespace() {
        let mut halves = word.split(':');
        let names = members(halves.next().unwrap());
        let errno = halves.next().map(error);
        for name in names {
            if inverted != *allow || errno.is_some() {
                entries.insert(name, errno);
            } else {
                entries.remove(&name);
            }
        }
    }
}

impl Unit {
    fn of(text: &'static str) -> Self {
        let mut unit = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('[')) {
            let (key, value) = line.split_once('=').unwrap();
            match key {
                "SystemCallFilter" => assign(&mut unit.filter, value, "@default write"),
                "SystemCallLog" => assign(&mut unit.log, value, ""),
                "SystemCallErrorNumber" => unit.negative = Some(error(value)),
                _ => unit.architectures.extend(value.split_whitespace()),
            }
        }
        unit
    }

    /// All filters.
    fn filters(&self, native: Arch) -> Vec<Vec<Instruction>> {
        let negative = self.negative.unwrap_or(KILL);
        let all: &[(Arch, &str)] = match native {
            Arch::X86_64 => &[
                (Arch::X86_64, "x86-64"),
                (Arch::X32, "x32"),
                (Arch::X86, "x86"),
            ],
            _ => &[(Arch::X86, "x86")],
        };
        let is_held = |(arch, name): &&(Arch, &str)| {
            *arch == native || self.architectures.is_empty() || self.architectures.contains(name)
        };
        let held: Vec<_> = all.iter().filter(is_held).map(|(arch, _)| *arch).collect();
        let mut filters = Vec::new();
        if held.len() < all.len() {
            filters.push(restriction(&held));
        }
        for arch in held {
            if let Some((allow, entries)) = &self.filter {
                let actions = match allow {
                    true => (negative, ScmpAction::Allow),
                    false => (ScmpAction::Allow, negative),
                };
                filters.push(filter(arch, native, actions, entries));
            }
            if let Some((allow, entries)) = &self.log {
                let actions = match allow {
                    true => (ScmpAction::Allow, ScmpAction::Log),
                    false => (ScmpAction::Log, ScmpAction::Allow),
                };
                filters.push(filter(arch, native, actions, entries));
            }
        }
        filters
    }
}

fn only(default: ScmpAction, archs: &[Arch]) -> ScmpFilterContext {
    let mut context = ScmpFilterContext::new(default).unwrap();
    context.remove_arch(ScmpArch::Native).unwrap();
    for arch in archs {
        context.add_arch(scmp(*arch)).unwrap();
    }
    context
}

/// `seccomp_restrict_archs`
fn restriction(held: &[Arch]) -> Vec<Instruction> {
    exported(&only(ScmpAction::Allow, held))
}

/// `seccomp_load_syscall_filter_set_raw`
fn filter(
    arch: Arch,
    native: Arch,
    (default, listed): (ScmpAction, ScmpAction),
    entries: &BTreeMap<String, Option<ScmpAction>>,
) -> Vec<Instruction> {
    let is_mild = matches!(default, ScmpAction::Allow | ScmpAction::Log);
    let fallback = if is_mild { default } else { ENOSYS };
    let mut context = only(fallback, &[arch]);
    context.set_act_badarch(ScmpAction::Allow).unwrap();
    for (name, action) in entries {
        let action = action.unwrap_or(listed);
        if let Ok(call) = ScmpSyscall::from_name(name)
            && action != fallback
        {
            // What the architecture lacks is an error that systemd passes over.
            let _ = context.add_rule_exact(action, call);
        }
    }
    for name in known() {
        if default != fallback
            && is_known_call(name, native)
            && !entries.contains_key(name)
            && let Ok(call) = ScmpSyscall::from_name(name)
        {
            let _ = context.add_rule_exact(default, call);
        }
    }
    exported(&context)
}

fn exported(context: &ScmpFilterContext) -> Vec<Instruction> {
    let mut file = tempfile::tempfile().unwrap();
    context.export_bpf(&file).unwrap();
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let (records, []) = bytes.as_chunks::<8>() else {
        panic!("half an instruction")
    };
    let record = |&[c0, c1, jt, jf, k0, k1, k2, k3]: &[u8; 8]| Instruction {
        code: u16::from_le_bytes([c0, c1]),
        jt,
        jf,
        k: u32::from_le_bytes([k0, k1, k2, k3]),
    };
    records.iter().map(record).collect()
}

fn strictness(returned: &u32) -> i32 {
    (returned & 0xffff_0000).cast_signed()
}

fn is_stricter_or_equal(own: u32, other: u32) -> bool {
    strictness(&own) <= strictness(&other)
}

/// Of several filters, the kernel takes the strictest (kernel/seccomp.c,
/// `seccomp_run_filters`).
fn strictest(filters: &[Program<'_>], call: &Data) -> u32 {
    let returned = filters.iter().map(|filter| filter.run(call));
    returned.min_by_key(strictness).unwrap_or(0x7fff_0000)
}

fn questions_of(archs: &[Arch]) -> Vec<Data> {
    let is_newer = |nr: u32, arch: Arch| {
        let name = call_name(nr, arch);
        name.is_some_and(|name| ScmpSyscall::from_name(&name).is_err())
    };
    let mut calls = Vec::new();
    for arch in archs {
        for number in (0..1024).chain([0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX]) {
            let number = if *arch == Arch::X32 {
                number | 0x4000_0000
            } else {
                number
            };
            if is_newer(number, *arch) {
                continue;
            }
            let by_call = matches!(
                call_name(number, *arch).as_deref(),
                Some("socketcall" | "ipc")
            );
            let firsts = if by_call { 0..26 } else { 0..1 };
            calls.extend(firsts.map(|first| Data {
                nr: number,
                arch: arch.audit(),
                ip: 0,
                args: [first, 0, 0, 0, 0, 0],
            }));
        }
    }
    calls
}

fn assert_equal(text: &'static str, native: Arch) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("unit.service");
    std::fs::write(&path, text).unwrap();
    let draft = source::read(&[&path], &Library::default(), &Options::new(native)).unwrap();
    let resolved = resolved(&draft.finish().unwrap(), native);
    let ours = compile(&resolved).unwrap();
    let our_program = Program::new(&ours.program, false).unwrap();
    let theirs = Unit::of(text).filters(native);
    let theirs: Vec<_> = theirs
        .iter()
        .map(|one| Program::new(one, false).unwrap())
        .collect();
    let archs: &[Arch] = match native {
        Arch::X86_64 => &[Arch::X86_64, Arch::X32, Arch::X86, Arch::Arm],
        _ => &[Arch::X86, Arch::Arm],
    };
    for call in questions_of(archs) {
        let (own, other) = (our_program.run(&call), strictest(&theirs, &call));
        // libseccomp knows x32 by its bit alone.
        let compat = call.arch == Arch::X86_64.audit() && (512..=547).contains(&call.nr);
        if compat || call.arch == Arch::Arm.audit() {
            assert!(is_stricter_or_equal(own, other), "{call:x?} under {text}");
            continue;
        }
        let name = call_name(call.nr, Arch::from_audit(call.arch).unwrap());
        assert_eq!(own, other, "{name:?} {call:x?} under {text}");
    }
}

const UNITS: [&str; 14] = [
    "[Service]\nSystemCallFilter=@system-service",
    "[Service]\nSystemCallFilter=@system-service\nSystemCallArchitectures=native",
    "[Service]\nSystemCallFilter=@basic-io\nSystemCallErrorNumber=EPERM\n\
     SystemCallArchitectures=x86 native",
    "[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources\n\
     SystemCallFilter=~socket:EACCES @ipc:kill futex\nSystemCallErrorNumber=ENOENT",
    "[Service]\nSystemCallFilter=~@mount:EPERM ptrace @clock\nSystemCallFilter=umount2 stime\n\
     SystemCallErrorNumber=4094",
    "[Service]\nSystemCallFilter=~@network-io\nSystemCallFilter=socket",
    "[Service]\nSystemCallFilter=~socket bind:EACCES shmget",
    "[Service]\nSystemCallFilter=@network-io\nSystemCallFilter=~socket",
    "[Service]\nSystemCallFilter=socket bind waitpid semop\nSystemCallErrorNumber=EPERM",
    "[Service]\nSystemCallFilter=@known\nSystemCallFilter=~@obsolete mmap2 execve",
    "[Service]\nSystemCallFilter=read\nSystemCallFilter=\nSystemCallFilter=~write:EPERM waitpid",
    "[Service]\nSystemCallLog=@file-system",
    "[Service]\nSystemCallFilter=@system-service\nSystemCallLog=~@basic-io\n\
     SystemCallArchitectures=native",
    "[Service]\nSystemCallFilter=~@swap:EPERM @reboot\nSystemCallLog=@privileged\n\
     SystemCallLog=~chroot\nSystemCallArchitectures=x86-64 x32",
];

#[test]
fn units_mean_what_systemd_makes_of_them() {
    for text in UNITS {
        assert_equal(text, Arch::X86_64);
    }
}

#[test]
fn units_mean_what_a_systemd_of_32_bits_makes_of_them() {
    for text in UNITS.into_iter().skip(5).step_by(2) {
        assert_equal(text, Arch::X86);
    }
}
