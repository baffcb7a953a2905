//! Readings and writings, each held against the crate itself in `filter`'s tests.

use std::path::Path;

use super::super::{Options, Output, Unsayable};
use super::*;
use crate::policy::{Arch, Origin, Policy, resolve};

fn origin(offset: usize) -> Origin {
    Origin {
        file: "vmm.json".to_owned(),
        line: 1,
        column: u32::try_from(offset).unwrap(),
    }
}

fn read_with(text: &str, filter: Option<&str>) -> Result<Policy, Misread> {
    Ok(draft_with(text, filter)?.finish().unwrap())
}

fn draft_with(text: &str, filter: Option<&str>) -> Result<Draft, Misread> {
    let options = Options {
        filter: filter.map(str::to_owned),
        ..Options::new(Arch::X86_64)
    };
    let input = Input {
        text,
        directory: Path::new(""),
        options: &options,
        origin: &origin,
    };
    read(&input)
}

fn rules(policy: &Policy) -> Vec<String> {
    let rules = policy.rules.iter();
    rules
        .map(|rule| format!("{rule} -> {}", rule.action))
        .collect()
}

const TWO: &str = r#"{
  "main": {
    "mismatch_action": "trap",
    "match_action": "allow",
    "filter": [
      { "syscall": "read", "comment": "of descriptors" },
      { "syscall": "fcntl", "args": [
        { "index": 1, "type": "dword", "op": "eq", "val": 2, "comment": "F_SETFD" },
        { "index": 2, "type": "qword", "op": { "masked_eq": 7 }, "val": 9 }
      ] },
      { "syscall": "fcntl" }
    ]
  },
  "vcpu": { "default_action": "allow", "filter_action": { "errno": 1 },
            "filter": [ { "syscall": "ptrace" } ] }
}"#;

#[test]
fn a_filter_is_read_with_its_conditions() {
    let policy = read_with(TWO, Some("main")).unwrap();
    assert_eq!(
        rules(&policy),
        [
            "fcntl(raw(arg1) & 0xffffffff == 2 && raw(arg2) & 7 == 1) -> allow",
            "read -> allow",
        ]
    );
    assert_eq!(policy.default, Action::Trap);
    assert_eq!(policy.foreign, Some(Action::KillProcess));
    assert!(policy.exact && policy.architectures == Some(Vec::new()));
    let policy = read_with(TWO, Some("vcpu")).unwrap();
    assert_eq!(rules(&policy), ["ptrace -> errno:EPERM"]);
    assert_eq!(policy.default, Action::Allow);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let filter = |entries: &str| {
        format!(
            r#"{{"main":{{"mismatch_action":"trap","match_action":"allow","filter":[{entries}]}}}}"#
        )
    };
    for (text, offset, problem) in [
        (
            TWO.to_owned(),
            0,
            "there are several filters; choose one of main, vcpu",
        ),
        ("{}".to_owned(), 0, "there is no filter in it"),
        (
            "[]".to_owned(),
            0,
            "invalid type: sequence, expected an object",
        ),
        (r#"{"a":1,"a":2}"#.to_owned(), 12, "\"a\" is there twice"),
        (
            r#"{"a":{"mismatch_action":"allow","match_action":"allow","filter":[]}}"#.to_owned(),
            5,
            "match_action and mismatch_action are the same, so it decides nothing",
        ),
        (
            r#"{"a":{"mismatch_action":{"errno":0},"match_action":"allow","filter":[]}}"#
                .to_owned(),
            5,
            "0 is no error; give one from 1 to 4095",
        ),
        (
            filter(r#"{"syscall":"read","arg":[]}"#),
            89,
            "unknown field `arg`, expected one of `syscall`, `args`, `comment`",
        ),
        (
            filter(r#"{"syscall":"read","args":[]}"#),
            67,
            "args is empty; leave it out for a call with any arguments",
        ),
        (
            filter(r#"{"syscall":"read","args":[{"index":6,"type":"dword","op":"eq","val":1}]}"#),
            67,
            "index is more than 5; calls have six arguments, from 0 on",
        ),
    ] {
        let misread = read_with(&text, None).expect_err(&text);
        assert_eq!(
            (misread.offset, &misread.problem[..]),
            (offset, problem),
            "{text}"
        );
    }
    let deep = "[".repeat(100_000);
    assert!(read_with(&deep, None).is_err());
    let misread = read_with(TWO, Some("api")).unwrap_err();
    assert_eq!(
        misread.problem,
        "there is no filter \"api\"; there are main, vcpu"
    );
}

fn written(policy: &Policy, is_lossy: bool) -> Result<(String, Vec<Unsayable>), Unsayable> {
    let (resolved, _) = resolve(policy, Arch::X86_64).unwrap();
    let mut output = Output {
        resolved: &resolved,
        is_lossy,
        left_out: Vec::new(),
    };
    Ok((write(&mut output)?, output.left_out))
}

#[test]
fn what_it_cannot_say_is_an_error_or_left_out() {
    let mut draft = Draft {
        exact: Some(true),
        unknown: Some(Action::Errno(38)),
        ..Draft::default()
    };
    draft.allow("read:ptrace=errno:EPERM").unwrap();
    let policy = draft.finish().unwrap();
    let error = written(&policy, false).unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown = errno:ENOSYS can't be said in this form: it has one action for what is unlisted"
    );
    let (text, left_out) = written(&policy, true).unwrap();
    assert!(text.contains("\"read\"") && !text.contains("ptrace"));
    assert_eq!(left_out.len(), 2);
    assert_eq!(left_out[1].rule, "ptrace=errno:EPERM");
}

#[test]
fn what_is_written_is_read_with_the_same_meaning() {
    let mut draft = Draft {
        exact: Some(true),
        ..Draft::default()
    };
    draft
        .allow("read:write(fd in {1, 2}):prctl(option == PR_SET_NAME)")
        .unwrap();
    let (text, left_out) = written(&draft.finish().unwrap(), false).unwrap();
    assert!(left_out.is_empty());
    assert_eq!(
        rules(&read_with(&text, None).unwrap()),
        [
            "prctl(raw(arg0) & 0xffffffff == 15) -> allow",
            "read -> allow",
            "write(raw(arg0) & 0xffffffff == 1) -> allow",
            "write(raw(arg0) & 0xffffffff == 2) -> allow",
        ]
    );
}

#[test]
fn what_seccompiler_passes_over_is_warned_of() {
    let of = |text: &str| {
        let draft = draft_with(text, Some("main")).unwrap();
        draft
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let [entry] = &of(TWO)[..] else { panic!() };
    assert!(
        entry.ends_with("seccompiler passes over this entry, since others of fcntl have args"),
        "{entry}"
    );
    let wide = TWO.replace("\"val\": 2,", "\"val\": 4294967298,");
    let [value, _] = &of(&wide)[..] else { panic!() };
    assert!(
        value.contains("of 0x100000002 seccompiler compares the lower 32 bits"),
        "{value}"
    );
}
