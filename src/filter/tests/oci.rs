//! Profiles of containers, as imported, and as runc gives them to libseccomp.

use std::io::{Read, Seek};
use std::path::Path;

use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::policy::source::{Format, Library, Options, parse, write};

/// What runc makes of an action: matchCall, getAction in libcontainer/seccomp.
fn action(name: &Value, number: &Value) -> ScmpAction {
    let number = number.as_u64().unwrap_or(1);
    match name.as_str().unwrap() {
        "SCMP_ACT_ALLOW" => ScmpAction::Allow,
        "SCMP_ACT_ERRNO" => ScmpAction::Errno(i32::try_from(number).unwrap()),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => ScmpAction::KillThread,
        "SCMP_ACT_KILL_PROCESS" => ScmpAction::KillProcess,
        "SCMP_ACT_LOG" => ScmpAction::Log,
        "SCMP_ACT_TRACE" => ScmpAction::Trace(u16::try_from(number).unwrap()),
        "SCMP_ACT_TRAP" => ScmpAction::Trap,
        name => panic!("{name}"),
    }
}

fn comparison(arg: &Value) -> (u32, ScmpArgCompare) {
    let number = |key: &str| arg[key].as_u64().unwrap_or_default();
    let (value, second) = (number("value"), number("valueTwo"));
    let (operator, value) = match arg["op"].as_str().unwrap() {
        "SCMP_CMP_NE" => (ScmpCompareOp::NotEqual, value),
        "SCMP_CMP_LT" => (ScmpCompareOp::Less, value),
        "SCMP_CMP_LE" => (ScmpCompareOp::LessOrEqual, value),
        "SCMP_CMP_EQ" => (ScmpCompareOp::Equal, value),
        "SCMP_CMP_GE" => (ScmpCompareOp::GreaterEqual, value),
        "SCMP_CMP_GT" => (ScmpCompareOp::Greater, value),
        "SCMP_CMP_MASKED_EQ" => (ScmpCompareOp::MaskedEqual(value), second),
        name => panic!("{name}"),
    };
    let index = u32::try_from(number("index")).unwrap();
    (index, ScmpArgCompare::new(index, operator, value))
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

/// As libcontainer/seccomp/seccomp_linux.go does; an error where a container does not start.
fn by_runc(profile: &Value) -> Result<Vec<Instruction>, libseccomp::error::SeccompError> {
    let default = action(&profile["defaultAction"], &profile["defaultErrnoRet"]);
    let mut context = ScmpFilterContext::new(default)?;
    for arch in list(profile, "architectures") {
        let arch = match arch.as_str().unwrap() {
            "SCMP_ARCH_X86_64" => ScmpArch::X8664,
            "SCMP_ARCH_X86" => ScmpArch::X86,
            "SCMP_ARCH_X32" => ScmpArch::X32,
            name => panic!("{name}"),
        };
        if !context.is_arch_present(arch)? {
            context.add_arch(arch)?;
        }
    }
    for entry in list(profile, "syscalls") {
        let action = action(&entry["action"], &entry["errnoRet"]);
        for name in list(entry, "names") {
            let name = name.as_str().unwrap();
            let Ok(call) = ScmpSyscall::from_name(name) else {
                continue;
            };
            if action == default {
                continue;
            }
            let args: Vec<_> = list(entry, "args").iter().map(comparison).collect();
            let is_twice = |index| args.iter().filter(|(other, _)| *other == index).count() > 1;
            let compares: Vec<_> = args.iter().map(|(_, compare)| *compare).collect();
            if args.is_empty() {
                context.add_rule(action, call)?;
            } else if (0..6).any(is_twice) {
                for compare in &compares {
                    context.add_rule_conditional(action, call, &[*compare])?;
                }
            } else {
                context.add_rule_conditional(action, call, &compares)?;
            }
        }
    }
    let mut file = tempfile::tempfile().unwrap();
    context.export_bpf(&file)?;
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let instruction = |&[c0, c1, jt, jf, ref k @ ..]: &[u8; 8]| Instruction {
        code: u16::from_le_bytes([c0, c1]),
        jt,
        jf,
        k: u32::from_le_bytes(*k),
    };
    Ok(bytes.as_chunks::<8>().0.iter().map(instruction).collect())
}

fn imported(text: &str, options: &Options) -> Result<Resolved, String> {
    let path = Path::new("profile.json");
    let draft = parse(text.as_bytes(), path, &Library::default(), options);
    let policy = draft.map_err(|error| error.to_string())?.finish().unwrap();
    Ok(resolved(&policy, options.arch))
}

/// Arguments at which a comparison could change, with no upper halves where an ABI has none.
fn arguments(profile: &Value, is_wide: bool) -> Vec<[u64; 6]> {
    let mut near: Vec<BTreeSet<u64>> = vec![BTreeSet::from([0]); 6];
    for entry in list(profile, "syscalls") {
        for arg in list(entry, "args") {
            let index = usize::try_from(arg["index"].as_u64().unwrap()).unwrap();
            for value in [&arg["value"], &arg["valueTwo"]].map(|it| it.as_u64().unwrap_or(0)) {
                for value in [value.wrapping_sub(1), value, value.wrapping_add(1), !value] {
                    near[index].extend([value, value | 1 << 32, value & 0xffff_ffff]);
                }
            }
        }
    }
    if !is_wide {
        for values in &mut near {
            *values = values.iter().map(|value| value & 0xffff_ffff).collect();
        }
    }
    let (first, second) = (&near[0], &near[1]);
    let pairs = first
        .iter()
        .flat_map(|one| second.iter().map(move |two| (*one, *two)));
    pairs.map(|(one, two)| [one, two, two, 0, 0, one]).collect()
}

fn assert_equal(profile: &Value, ours: &Resolved, theirs: &[Instruction]) {
    let program = compile(ours).unwrap();
    let our_program = Program::new(&program.program, false).unwrap();
    let their_program = Program::new(theirs, false).unwrap();
    let named: BTreeSet<u32> = ours
        .abis
        .iter()
        .flat_map(|abi| abi.rules.iter().filter(|rule| !rule.when.is_empty()))
        .map(|rule| rule.number)
        .collect();
    let check = |nr: u32, arch: Arch, args: [u64; 6]| {
        let arch = arch.audit();
        let call = Data {
            nr,
            arch,
            ip: 0,
            args,
        };
        if answer(&call, ours, program.identity).is_some() {
            return;
        }
        assert_eq!(
            our_program.run(&call),
            their_program.run(&call),
            "{call:x?} by {profile}"
        );
    };
    for (arch, bit) in [(Arch::X86_64, 0), (Arch::X32, 1 << 30), (Arch::X86, 0)] {
        let args = arguments(profile, arch != Arch::X86);
        for nr in (0..=600).map(|nr| nr | bit) {
            // What libseccomp knows by its bit alone.
            if arch == Arch::X86_64 && (512..=547).contains(&nr) {
                continue;
            }
            // Where unlisted calls are the newer ones, all others are listed by name: as far
            // as they have one, and libseccomp knows it.
            let name = crate::policy::call_name(nr, arch);
            let is_listed = name.is_some_and(|name| ScmpSyscall::from_name(&name).is_ok());
            if ours.policy.unknown.is_some() && !is_listed && nr & !(1 << 30) < 500 {
                continue;
            }
            check(nr, arch, [0; 6]);
            if named.contains(&nr) {
                args.iter().for_each(|args| check(nr, arch, *args));
            }
        }
    }
    check(0, Arch::Aarch64, [0; 6]);
}

const CALLS: &[&str] = &[
    "read",
    "socket",
    "connect",
    "shmget",
    "socketcall",
    "ipc",
    "personality",
    "ioctl",
    "clone",
    "_llseek",
    "no_such_call",
];

/// Those of entries with several comparisons come first.
const ALL: &[&str] = &[
    "SCMP_CMP_EQ",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
];

fn argument(operators: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let value = prop_oneof![0..4_u64, Just(0xffff_ffff), Just(0x8000_0000)];
    let operator = prop::sample::select(operators);
    (0..3_u8, value.clone(), value, operator).prop_map(
        |(index, value, second, op)| json!({ "index": index, "value": value, "valueTwo": second, "op": op }),
    )
}

fn actions() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(json!({ "action": "SCMP_ACT_ALLOW" })),
        2 => Just(json!({ "action": "SCMP_ACT_ERRNO" })),
        2 => (1..40_u64).prop_map(|number| json!({ "action": "SCMP_ACT_ERRNO", "errnoRet": number })),
        1 => Just(json!({ "action": "SCMP_ACT_TRACE" })),
        1 => Just(json!({ "action": "SCMP_ACT_KILL" })),
        1 => Just(json!({ "action": "SCMP_ACT_LOG" })),
    ]
}

fn profiles() -> impl Strategy<Value = Value> {
    let names = prop::sample::subsequence(CALLS, 1..4);
    let args = prop_oneof![
        2 => Just(Vec::new()),
        2 => argument(ALL).prop_map(|argument| vec![argument]),
        2 => prop::collection::vec(argument(&ALL[..2]), 2..4),
    ];
    let entry = (names, actions(), args).prop_map(|(names, mut entry, args)| {
        entry["names"] = json!(names);
        entry["args"] = json!(args);
        entry
    });
    let others = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
    let architectures = prop::sample::subsequence(others.to_vec(), 0..=3);
    let entries = prop::collection::vec(entry, 0..6);
    (actions(), architectures, entries).prop_map(|(default, architectures, entries)| {
        let mut profile =
            json!({ "defaultAction": default["action"], "architectures": architectures });
        profile["defaultErrnoRet"] = default["errnoRet"].clone();
        profile["syscalls"] = json!(entries);
        // libseccomp 2.5.4 forgets to load the number where nothing but calls of other
        // architectures is named.
        let loads = match default["action"].as_str() {
            Some("SCMP_ACT_ALLOW") => json!({ "names": ["getpid"], "action": "SCMP_ACT_TRAP" }),
            _ => json!({ "names": ["getpid"], "action": "SCMP_ACT_ALLOW" }),
        };
        profile["syscalls"].as_array_mut().unwrap().push(loads);
        profile
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_profile_means_what_libseccomp_makes_of_it(profile in profiles()) {
        let text = profile.to_string();
        let ours = imported(&text, &Options::new(Arch::X86_64));
        match (ours, by_runc(&profile)) {
            (Ok(ours), Ok(theirs)) => assert_equal(&profile, &ours, &theirs),
            (Err(problem), _) => prop_assert!(problem.contains("exclude each other"), "{}", problem),
            // Rules that contradict each other before one without comparisons replaces them:
            // the container does not start, but it is clear what is meant.
            (Ok(_), Err(error)) => {
                prop_assert_eq!(error.errno(), Some(libseccomp::error::SeccompErrno::EEXIST));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Read again, and given to libseccomp by runc.
    #[test]
    fn what_is_written_means_the_same(
        profile in profiles(),
        unknown in prop::option::of(prop::sample::select(&["errno:ENOSYS", "trap", "allow"])),
    ) {
        let Ok(ours) = imported(&profile.to_string(), &Options::new(Arch::X86_64)) else {
            return Ok(());
        };
        let mut policy = ours.policy;
        policy.unknown = unknown.map(|action| action.parse().unwrap());
        let ours = resolved(&policy, Arch::X86_64);
        for format in [Format::Oci, Format::Docker, Format::Spo] {
            let Ok((written, _)) = write(&ours, format, false) else { continue };
            let options = Options { format: Some(format), ..Options::new(Arch::X86_64) };
            let again = imported(&written, &options);
            prop_assert!(again.is_ok(), "{:?} {}", again, written);
            assert_equal(&profile, &ours, &compile(&again.unwrap()).unwrap().program);
            if format == Format::Oci {
                let theirs = by_runc(&serde_json::from_str(&written).unwrap());
                assert_equal(&profile, &ours, &theirs.unwrap());
            }
        }
    }
}

/// What podman makes of its profile for a container without capabilities on x86_64
/// (setupSeccomp in pkg/seccomp/seccomp_linux.go of containers/common).
fn by_podman(profile: &Value) -> Value {
    let is_for = |entry: &&Value| {
        let has = |part: &str, key: &str| !list(&entry[part], key).is_empty();
        let names = |part: &str| list(&entry[part], "arches").contains(&json!("amd64"));
        let is_included = !has("includes", "arches") || names("includes");
        is_included && !names("excludes") && !has("includes", "caps")
    };
    let entries: Vec<&Value> = list(profile, "syscalls").iter().filter(is_for).collect();
    json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": entries,
    })
}

#[test]
fn the_profile_of_podman_means_what_libseccomp_makes_of_it() {
    let text = std::fs::read_to_string("/usr/share/containers/seccomp.json").unwrap();
    let ours = imported(&text, &Options::new(Arch::X86_64)).unwrap();
    let profile = by_podman(&serde_json::from_str(&text).unwrap());
    assert!(ours.rules().len() > 200);
    assert_equal(&profile, &ours, &by_runc(&profile).unwrap());
}
