//! Readings and writings; `filter`'s tests hold them against libseccomp.

use std::path::Path;

use super::super::{Input, Options, write as write_as};
use super::*;
use crate::policy::{Action, Arch, Origin, Policy, resolve};

fn origin(offset: usize) -> Origin {
    Origin {
        file: "profile".to_owned(),
        line: 1,
        column: u32::try_from(offset).unwrap(),
    }
}

fn read_with(text: &str, options: &Options) -> Result<Policy, Misread> {
    let input = Input {
        text,
        directory: Path::new(""),
        options,
        origin: &origin,
    };
    Ok(read(&input)?.finish().unwrap())
}

fn read_text(text: &str) -> Result<Policy, Misread> {
    read_with(text, &Options::new(Arch::X86_64))
}

fn rules(policy: &Policy) -> Vec<String> {
    let rules = policy.rules.iter();
    rules
        .map(|rule| format!("{rule} -> {}", rule.action))
        .collect()
}

const OCI: &str = r#"{
  "defaultAction": "SCMP_ACT_ERRNO",
  "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_ARM"],
  "flags": ["SECCOMP_FILTER_FLAG_LOG"],
  "syscalls": [
    { "names": ["read", "ioctl"], "action": "SCMP_ACT_ERRNO", "args": [] },
    { "names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [
        { "index": 1, "value": 7, "op": "SCMP_CMP_EQ" },
        { "index": 2, "value": 12, "valueTwo": 5, "op": "SCMP_CMP_MASKED_EQ" } ] },
    { "names": ["personality"], "action": "SCMP_ACT_TRACE", "args": [
        { "index": 0, "value": 1, "op": "SCMP_CMP_EQ" },
        { "index": 0, "value": 2, "op": "SCMP_CMP_EQ" } ] },
    { "names": ["clone"], "action": "SCMP_ACT_LOG", "args": [
        { "index": 0, "value": 1, "op": "SCMP_CMP_EQ" } ] },
    { "names": ["clone"], "action": "SCMP_ACT_KILL" }
  ]
}"#;

#[test]
fn a_profile_is_read_as_libseccomp_takes_it() {
    let expected = [
        "clone -> kill-thread",
        "ioctl(raw(arg1) == 7 && raw(arg2) & 12 == 4) -> allow",
        "personality(raw(arg0) == 1) -> trace:1",
        "personality(raw(arg0) == 2) -> trace:1",
        "clone(raw(arg0) == 1) -> log",
    ];
    let policy = read_text(OCI).unwrap();
    assert_eq!(rules(&policy), expected);
    assert_eq!(policy.default, Action::Errno(1));
    assert_eq!(policy.foreign, Some(Action::KillThread));
    assert_eq!(policy.architectures, Some(vec![Arch::X86]));
    assert!(policy.exact && policy.lenient);
    let config =
        format!("{{\"ociVersion\": \"1.0\", \"hooks\": 1.5, \"linux\": {{\"seccomp\": {OCI}}}}}");
    assert_eq!(rules(&read_text(&config).unwrap()), expected);
}

const DOCKER: &str = r#"{
  "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS",
  "archMap": [
    { "architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
    { "architecture": "SCMP_ARCH_S390X", "subArchitectures": ["SCMP_ARCH_S390"] }
  ],
  "syscalls": [
    { "name": "read", "action": "SCMP_ACT_ALLOW", "comment": "of files", "args": null },
    { "names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": { "minKernel": "4.8" } },
    { "names": ["iopl"], "action": "SCMP_ACT_ALLOW", "includes": { "arches": ["amd64"] } },
    { "names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_BPF", "CAP_KILL"] } },
    { "names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errno": "EPERM",
      "excludes": { "caps": ["CAP_BPF"] } }
  ]
}"#;

#[test]
fn entries_of_docker_hold_for_some_machines_and_containers() {
    let plain = Options::new(Arch::X86_64);
    let with = |kernel, names: &[&str], arch| Options {
        kernel,
        capabilities: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Options::new(arch)
    };
    let all = ["CAP_BPF", "CAP_KILL"];
    for (options, expected) in [
        (plain, "read ptrace iopl bpf=errno:EPERM"),
        (with((4, 7), &all, Arch::X86_64), "read iopl bpf"),
        (with((4, 8), &all[..1], Arch::X86_64), "read ptrace iopl"),
        (with((3, 9), &all[1..], Arch::S390x), "read bpf=errno:EPERM"),
    ] {
        let policy = read_with(DOCKER, &options).unwrap();
        let named = policy.rules.iter().map(|rule| match rule.action {
            Action::Allow => rule.to_string(),
            action => format!("{rule}={action}"),
        });
        let mut expected: Vec<_> = expected.split(' ').map(str::to_owned).collect();
        expected.sort();
        let mut named: Vec<_> = named.collect();
        named.sort();
        assert_eq!(named, expected);
        assert_eq!(policy.default, Action::Errno(38));
        let others = match options.arch {
            Arch::S390x => vec![Arch::S390],
            _ => vec![Arch::X86, Arch::X32],
        };
        assert_eq!(policy.architectures, Some(others));
    }
}

const SPO: &str = "---
apiVersion: security-profiles-operator.x-k8s.io/v1
kind: SeccompProfile
metadata:
  name: one
spec:
  defaultAction: \"SCMP_ACT_ERRNO\"
  syscalls:
  - action: SCMP_ACT_ALLOW
    names: [read, write]
  - action: SCMP_ACT_ERRNO # a number that is not said
    errnoRet: 0
    names:
    - ioctl
  - action: SCMP_ACT_ALLOW
    names:
    - ioctl
    args:
    - index: 1
      value: 0x10
      op: SCMP_CMP_EQ
";

#[test]
fn an_object_of_the_operator_is_read() {
    let expected = [
        "ioctl(raw(arg1) == 16) -> allow",
        "read -> allow",
        "write -> allow",
    ];
    let policy = read_text(SPO).unwrap();
    assert_eq!(rules(&policy), expected);
    let two = format!(
        "{SPO}{}",
        SPO.replace("name: one", "name: two")
            .replace("read", "getpid")
    );
    let several = read_text(&two).unwrap_err();
    assert_eq!(
        several.problem,
        "there are several profiles; choose one of one, two"
    );
    let options = Options {
        filter: Some("two".to_owned()),
        ..Options::new(Arch::X86_64)
    };
    assert_eq!(
        rules(&read_with(&two, &options).unwrap())[0],
        "getpid -> allow"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let entry = |keys: &str| {
        format!(r#"{{"defaultAction":"SCMP_ACT_KILL","syscalls":[{{"names":["read"],{keys}}}]}}"#)
    };
    let nested = format!(r#"{{"comment":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
    for (text, place, problem) in [
        (
            entry(r#""action":"SCMP_ACT_ALOW""#),
            "\"SCMP_ACT_ALOW",
            "unknown action \"SCMP_ACT_ALOW\"; did you mean SCMP_ACT_ALLOW?",
        ),
        (
            entry(r#""action":"SCMP_ACT_NOTIFY""#),
            "\"SCMP_ACT_NOTIFY",
            "SCMP_ACT_NOTIFY needs a process beside the program that answers for the call",
        ),
        (
            entry(r#""action":"SCMP_ACT_ERRNO","errnoRet":0"#),
            "0}",
            "0 has calls succeed that are not carried out; give an error from 1 to 4095",
        ),
        (
            entry(r#""action":"SCMP_ACT_ALLOW","errnoRet":1"#),
            "1}",
            "a number goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE, not with SCMP_ACT_ALLOW",
        ),
        (
            entry(r#""action":"SCMP_ACT_ALLOW","arg":[]"#),
            "\"arg\"",
            "unknown key \"arg\"; did you mean args?",
        ),
        (
            entry(r#""action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMN"]}"#),
            "\"CAP_SYS_ADMN",
            "unknown capability \"CAP_SYS_ADMN\"; did you mean CAP_SYS_ADMIN?",
        ),
        (
            entry(r#""action":"SCMP_ACT_ALLOW","args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]"#),
            "6,",
            "a call has six arguments, 0 to 5",
        ),
        (
            entry(
                r#""action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1.5,"op":"SCMP_CMP_EQ"}]"#,
            ),
            "1.5",
            "this must be a whole number from 0 to 18446744073709551615",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_KILL","listenerPath":"/a"}"#.to_owned(),
            "\"/a",
            "nobody would listen there for a program without a container",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_KILL","flags":["NEW"]}"#.to_owned(),
            "\"NEW",
            "unknown flag \"NEW\"; there are SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW, SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_KILL","architectures":["SCMP_ARCH_S390X"]}"#.to_owned(),
            "\"SCMP_ARCH",
            "a filter can't be for SCMP_ARCH_S390X and x86_64 at once: they store words in different order",
        ),
        (
            r#" {"linux":{}}"#.to_owned(),
            "{\"linux",
            "it has no linux.seccomp: the container runs without a filter",
        ),
        (
            nested,
            "[".repeat(8).as_str(),
            "values are more than 32 deep in others",
        ),
        (
            SPO.replace("spec:\n", "spec:\n  baseProfileName: runc\n"),
            "runc",
            "the base profile \"runc\" is not followed: add its syscalls to these, and leave baseProfileName out",
        ),
        (
            SPO.replace("one", "&one one"),
            "&one",
            "anchors and aliases are not followed; write the value where it belongs",
        ),
        (
            SPO.replace("value: 0x10", "index: 0"),
            "index: 0",
            "\"index\" is there twice",
        ),
    ] {
        let misread = read_text(&text).expect_err(&text);
        assert_eq!(misread.problem, problem, "{text}");
        assert!(
            text[misread.offset..].starts_with(place),
            "{text} at {}",
            misread.offset
        );
    }
}

#[test]
fn rules_that_hold_at_once_and_differ_are_refused() {
    let of = |action: &str, index: u8| {
        format!(
            r#"{{"names":["ioctl"],"action":"{action}","args":[{{"index":{index},"value":4294967296,"op":"SCMP_CMP_EQ"}}]}}"#
        )
    };
    let profile = |second: &str, architecture: &str| {
        let first = of("SCMP_ACT_LOG", 1);
        format!(
            r#"{{"defaultAction":"SCMP_ACT_KILL","architectures":[{architecture}],"syscalls":[{first},{second}]}}"#
        )
    };
    let differs = read_text(&profile(&of("SCMP_ACT_ALLOW", 2), "")).unwrap_err();
    assert_eq!(
        differs.problem,
        "this gives ioctl allow with some arguments for which an earlier entry gives it log; libseccomp may do either: have them exclude each other"
    );
    assert_eq!(
        read_text(&profile(&of("SCMP_ACT_LOG", 2), ""))
            .unwrap()
            .rules
            .len(),
        2
    );
    let cut = read_text(&profile(&of("SCMP_ACT_LOG", 2), "\"SCMP_ARCH_X86\"")).unwrap_err();
    assert_eq!(
        cut.problem,
        "0x100000000 has more than the 32 bits that libseccomp compares on x86, which the profile is also for"
    );
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for text in [OCI, DOCKER, SPO] {
        let policy = read_text(text).unwrap();
        let (resolved, _) = resolve(&policy, Arch::X86_64).unwrap();
        for format in [Format::Oci, Format::Docker, Format::Spo] {
            let written = match write_as(&resolved, format, false) {
                Ok((written, _)) => written,
                Err(unsayable) => {
                    assert_eq!((text, format), (DOCKER, Format::Spo), "{unsayable}");
                    continue;
                }
            };
            let options = Options {
                format: Some(format),
                ..Options::new(Arch::X86_64)
            };
            let again = read_with(&written, &options).expect(&written);
            let (again, _) = resolve(&again, Arch::X86_64).unwrap();
            for (abi, other) in resolved.abis.iter().zip(&again.abis) {
                let shown = |rules: &[crate::policy::ResolvedRule]| -> Vec<_> {
                    let rules = rules.iter();
                    rules
                        .map(|rule| (rule.number, rule.when.clone(), rule.action))
                        .collect()
                };
                assert_eq!(shown(&abi.rules), shown(&other.rules), "{written}");
            }
            assert_eq!(resolved.abis.len(), again.abis.len());
        }
    }
}
