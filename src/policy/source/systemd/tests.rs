use std::path::Path;

use super::*;
use crate::policy::source::error::Places;
use crate::policy::source::{Options, Output, Unsayable};
use crate::policy::{Origin, Policy, resolve};

/// What a text says, for programs of x86_64.
fn draft(text: &str, options: &Options) -> Result<Draft, Misread> {
    let origin = |offset| {
        let (line, column) = Places::of(text).position(offset);
        Origin {
            file: "unit".to_owned(),
            line,
            column,
        }
    };
    read(&Input {
        text,
        directory: Path::new(""),
        options,
        origin: &origin,
    })
}

fn policy_on(text: &str, arch: Arch) -> Policy {
    draft(text, &Options::new(arch)).unwrap().finish().unwrap()
}

fn policy(text: &str) -> Policy {
    policy_on(text, Arch::X86_64)
}

/// The rules as text, without those for all that is not listed.
fn rules(text: &str) -> Vec<String> {
    let with_tail = format!("{text}\nSystemCallArchitectures=native");
    let mut options = Options::new(Arch::X86_64);
    options.drop_implicit = true;
    let draft = draft(&with_tail, &options).unwrap();
    let items = draft.allow.unwrap().into_iter();
    items
        .map(|item| {
            let place = item
                .origin
                .as_ref()
                .map(|at| format!("{}:{} ", at.line, at.column));
            let rule = item.into_rule(Action::Trap);
            format!("{}{rule}={}", place.unwrap_or_default(), rule.action)
        })
        .collect()
}

#[test]
fn later_lines_add_and_take_out_and_reset() {
    assert_eq!(
        rules(
            "# @clock\n; ~\n[Unit]\nDescription=SystemCallFilter=x\n[Service]\n\
             SystemCallFilter=read\nSystemCallFilter=\n\
             SystemCallFilter = @pkey\topen @swap \\\n# between\n  close\n\
             SystemCallFilter=~open pkey_free chroot:EACCES @reboot:kill\r\n\
             SystemCallFilter=reboot\n"
        ),
        [
            "8:20 pkey_alloc=allow",
            "8:20 pkey_mprotect=allow",
            "8:31 @swap=allow",
            "10:3 close=allow",
            "11:34 chroot=errno:EACCES",
            "11:48 kexec_file_load=kill-process",
            "11:48 kexec_load=kill-process",
            "12:18 reboot=allow",
            "@known=kill-process",
        ]
    );
}

#[test]
fn a_deny_list_permits_the_rest() {
    assert_eq!(
        rules(
            "[Service]\nSystemCallErrorNumber=ENOENT\nSystemCallFilter=~@module ptrace:kill no_such\n\
             SystemCallFilter=ptrace bpf\nSystemCallErrorNumber=EPERM"
        ),
        ["3:19 @module=errno:EPERM", "3:39 no_such=errno:EPERM"]
    );
    let policy = policy("[Service]\nSystemCallFilter=~ptrace");
    assert_eq!(policy.default, Action::Allow);
    assert_eq!(policy.foreign, Some(Action::Allow));
    assert_eq!(policy.architectures, Some(vec![Arch::X32, Arch::X86]));
}

#[test]
fn an_allow_list_has_what_systemd_adds() {
    let text = "[Service]\nSystemCallFilter=read\nSystemCallArchitectures=native";
    let policy = policy(text);
    let shown: Vec<_> = policy.rules.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["@default", "write", "read", "@known"]);
    assert_eq!(policy.default, Action::Errno(38));
    let (resolved, _) = resolve(&policy, Arch::X86_64).unwrap();
    assert!(resolved.may_call("execve") && resolved.may_call("write"));
    let mut options = Options::new(Arch::X86_64);
    options.drop_implicit = true;
    let policy = draft(text, &options).unwrap().finish().unwrap();
    let (resolved, _) = resolve(&policy, Arch::X86_64).unwrap();
    assert!(resolved.may_call("read"));
    assert!(!resolved.may_call("execve") && !resolved.may_call("write"));
}

#[test]
fn architectures_that_are_not_named_are_blocked() {
    let of = |names: &str| {
        let text = format!("[Service]\nSystemCallFilter=~ptrace\nSystemCallArchitectures={names}");
        let policy = policy(&text);
        (policy.architectures.unwrap(), policy.foreign.unwrap())
    };
    let blocked = Action::KillThread;
    assert_eq!(of("native"), (vec![], blocked));
    assert_eq!(of("\"x86\" s390 loongarch64"), (vec![Arch::X86], blocked));
    let all = vec![Arch::X32, Arch::X86];
    assert_eq!(of("x86-64 x86 x32"), (all.clone(), Action::Allow));
    assert_eq!(of("native\nSystemCallArchitectures="), (all, Action::Allow));
    let on = |arch| {
        policy_on("[Swap]\nSystemCallFilter=~ptrace", arch)
            .architectures
            .unwrap()
    };
    assert_eq!(on(Arch::Arm), []);
    assert_eq!(on(Arch::Aarch64), [Arch::Arm]);
    assert_eq!(on(Arch::Mips64n32), [Arch::Mips64, Arch::Mips]);
    assert_eq!(on(Arch::S390x), [Arch::S390]);
}

#[test]
fn what_is_logged_is_permitted_otherwise() {
    assert_eq!(
        rules("[Service]\nSystemCallFilter=~ptrace\nSystemCallLog=@swap ptrace"),
        ["2:19 ptrace=kill-process", "3:15 @swap=log"]
    );
    assert_eq!(
        rules("[Service]\nSystemCallFilter=read close\nSystemCallLog=~read ptrace"),
        ["2:18 read=allow", "2:23 close=log", "@known=kill-process"]
    );
    let policy = policy("[Mount]\nSystemCallLog=~read");
    assert_eq!(policy.default, Action::Log);
}

#[test]
fn errors_say_what_is_wrong_where() {
    let filter = "[Service]\nSystemCallFilter=";
    for (text, place, problem) in [
        (
            "[Service]\nUser=me\n",
            (1, 1),
            "it filters no system calls: SystemCallFilter= is missing, or reset by the last one",
        ),
        (
            "[Service]\nSystemCallFilter=read\nSystemCallFilter=",
            (1, 1),
            "it filters no system calls: SystemCallFilter= is missing, or reset by the last one",
        ),
        (
            "SystemCallFilter=read",
            (1, 1),
            "SystemCallFilter= stands in no section; write [Service] before it",
        ),
        (
            "[Unit]\n SystemCallLog=read",
            (2, 2),
            "SystemCallLog= has no meaning in [Unit]; it belongs into [Service], [Socket], [Mount], [Swap]",
        ),
        (
            "[Service]\nSystemCallLog=read\n[Socket]\nSystemCallLog=read",
            (4, 1),
            "a unit has [Service] or [Socket], not both with system calls",
        ),
        (
            "[Service",
            (1, 1),
            "a section is [NAME], and the ] is missing",
        ),
        (
            "[Service]\nSystemCallFilter read",
            (2, 1),
            "a setting is NAME=VALUE, and the = is missing",
        ),
        (
            "[Service]\nSystemCallFilters=read",
            (2, 1),
            "unknown setting SystemCallFilters=; did you mean SystemCallFilter?",
        ),
        (
            "[Service]\nsystemcallfilter=read",
            (2, 1),
            "unknown setting systemcallfilter=; did you mean SystemCallFilter?",
        ),
        (
            &format!("{filter}read %i"),
            (2, 23),
            "system calls have no specifiers (%) and no carriage returns",
        ),
        (
            &format!("{filter}read:EPERM"),
            (2, 18),
            "only what ~ denies can have an error, as in ~NAME:ERROR",
        ),
        (
            &format!("{filter}~read ~write"),
            (2, 24),
            "~ stands once, at the beginning of the whole list",
        ),
        (
            &format!("{filter}~read:EPERMM"),
            (2, 24),
            "unknown error \"EPERMM\"; use a name like EPERM or a number from 1 to 4095, or kill",
        ),
        (
            &format!("{filter}~read:0"),
            (2, 24),
            "with the error 0 a call would seem to succeed; name an error",
        ),
        (
            &format!("{filter}@swab"),
            (2, 18),
            "systemd has no group \"@swab\"; did you mean @swap?",
        ),
        (
            &format!("{filter}@stdio"),
            (2, 18),
            "systemd has no group \"@stdio\"; see systemd-analyze syscall-filter",
        ),
        (
            &format!("{filter}59"),
            (2, 18),
            "\"59\" is no name of a system call",
        ),
        (
            &format!("{filter}read,write"),
            (2, 18),
            "\"read,write\" is no name of a system call",
        ),
        (
            &format!("{filter}read \\\n  {}", "x".repeat(65)),
            (3, 3),
            &format!("{:?} is no name of a system call", "x".repeat(65)),
        ),
        (
            "[Service]\nSystemCallLog=~read:EPERM",
            (2, 16),
            "what is logged has no error",
        ),
        (
            "[Service]\nSystemCallFilter=read\n[Servcie]\n",
            (3, 1),
            "units have no section [Servcie]; did you mean Service?",
        ),
        (
            "[Service]\nSystemCallFilter=read\n[calls]\n",
            (3, 1),
            "units have no section [calls]; one of your own is [X-calls]",
        ),
        (
            "[Service]\nSystemCallErrorNumber=EPERM kill",
            (2, 29),
            "there is one error number, or kill",
        ),
        (
            "[Service]\nSystemCallArchitectures=x86_64",
            (2, 25),
            "unknown architecture \"x86_64\"; did you mean x86-64 or x86?",
        ),
    ] {
        let misread = draft(text, &Options::new(Arch::X86_64)).err().unwrap();
        assert_eq!(misread.problem, problem, "{text}");
        assert_eq!(Places::of(text).position(misread.offset), place, "{text}");
    }
}

#[test]
fn sections_of_ones_own_may_be_anything() {
    let text = "[X-Mine]\nSystemCallFilter=%\n[Service]\nSystemCallFilter=~ptrace\nno\n=";
    assert_eq!(policy(text).rules.len(), 1);
}

#[test]
fn other_filters_are_warned_of() {
    let text = "[Unit]\nLockPersonality=yes\n[Service]\nSystemCallFilter=read\n\
                RestrictNamespaces = ~user\nMemoryDenyWriteExecute=yes\nLockPersonality=No\n\
                RestrictRealtime=1\nMemoryDenyWriteExecute=\nNoNewPrivileges=yes\n";
    let draft = draft(text, &Options::new(Arch::X86_64)).unwrap();
    let warnings: Vec<_> = draft.warnings.iter().map(ToString::to_string).collect();
    let [namespaces, realtime] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert!(
        namespaces.ends_with(
            ":5:1: RestrictNamespaces= makes a filter of its own, which is not read; add what \
             it denies"
        ),
        "{namespaces}"
    );
    assert!(
        realtime.contains(":8:1: RestrictRealtime= makes"),
        "{realtime}"
    );
}

fn written(text: &str, is_lossy: bool) -> Result<(String, Vec<String>), Unsayable> {
    let (resolved, _) = resolve(&policy(text), Arch::X86_64).unwrap();
    written_of(&resolved, is_lossy)
}

fn written_of(
    resolved: &crate::policy::Resolved,
    is_lossy: bool,
) -> Result<(String, Vec<String>), Unsayable> {
    let mut output = Output {
        resolved,
        is_lossy,
        left_out: Vec::new(),
    };
    let text = write(&mut output)?;
    let left_out = output.left_out.iter().map(ToString::to_string);
    Ok((text, left_out.collect()))
}

#[test]
fn what_is_written_is_read_again() {
    for text in [
        "[Service]\nSystemCallFilter=@system-service",
        "[Service]\nSystemCallFilter=@basic-io\nSystemCallArchitectures=native",
        "[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged futex\n\
         SystemCallErrorNumber=EPERM\nSystemCallArchitectures=x86",
        "[Service]\nSystemCallFilter=read waitpid\nSystemCallFilter=~mmap2:EACCES exit:kill",
        "[Service]\nSystemCallFilter=~@mount:EPERM ptrace stime",
        "[Service]\nSystemCallFilter=~\nSystemCallArchitectures=native",
    ] {
        let (again, _) = written(text, false).unwrap();
        let resolved = |text: &str| resolve(&policy(text), Arch::X86_64).unwrap().0;
        let (one, other) = (resolved(text), resolved(&again));
        assert_eq!(one.policy.default, other.policy.default);
        assert_eq!(one.policy.foreign, other.policy.foreign);
        for (one, other) in one.abis.iter().zip(&other.abis) {
            let verdicts = |abi: &crate::policy::Abi| -> Vec<_> {
                let rules = abi.rules.iter();
                let default = resolved(text).policy.default;
                let rules = rules.filter(|rule| rule.action != default);
                let rules = rules.map(|rule| (rule.number, rule.when.clone(), rule.action));
                rules.collect()
            };
            assert_eq!(one.arch, other.arch);
            assert_eq!(verdicts(one), verdicts(other), "{again}");
        }
    }
}

#[test]
fn drop_ins_have_lines_of_a_sensible_length() {
    let (text, _) = written(
        "[Service]\nSystemCallFilter=~@mount:EPERM ptrace @known\n\
         SystemCallArchitectures=native",
        true,
    )
    .unwrap();
    assert!(text.lines().all(|line| line.len() <= 96));
    let (text, left_out) = written(
        "[Service]\nSystemCallFilter=~ptrace:EPERM swapon\nSystemCallFilter=~reboot\n\
         SystemCallErrorNumber=EACCES\nSystemCallArchitectures=native",
        false,
    )
    .unwrap();
    let body = text.split_once("[Service]\n").unwrap().1;
    assert_eq!(
        body,
        "SystemCallLog=\nSystemCallFilter=\nSystemCallFilter=~ptrace:EPERM reboot swapon\n\
         SystemCallErrorNumber=EACCES\nSystemCallArchitectures=\n\
         # Calls of other ABIs end the thread.\nSystemCallArchitectures=native\n"
    );
    assert!(left_out.is_empty());
}

#[test]
fn what_cannot_be_said_is_left_out_by_name() {
    let mut policy = Policy::new(Action::Trap);
    let mut drafted = Draft::default();
    drafted
        .allow("read:write(fd == 1):openat=kill-thread:close=log:brk")
        .unwrap();
    policy.rules = drafted.finish().unwrap().rules;
    policy.exact = true;
    policy.foreign = Some(Action::Errno(1));
    let (resolved, _) = resolve(&policy, Arch::X86_64).unwrap();
    let refused = written_of(&resolved, false).unwrap_err().to_string();
    let kinds = "systemd permits a call, has it fail, or kills the process";
    assert_eq!(
        refused,
        format!("all other calls=trap can't be said in this form: {kinds}")
    );
    let (text, left_out) = written_of(&resolved, true).unwrap();
    let told = |rule: &str, why: &str| format!("{rule} can't be said in this form: {why}");
    assert_eq!(
        left_out,
        [
            told("all other calls=trap", kinds),
            told("write", "systemd's filters do not look at arguments"),
            told("close=log", kinds),
            told("openat=kill-thread", kinds),
            told(
                "execve, write",
                "systemd always permits it: it needs it to start the program"
            ),
            told(
                "trap for calls that systemd does not know",
                "it has these fail with ENOSYS"
            ),
            told(
                "errno:EPERM for calls of other ABIs",
                "systemd kills what makes these, or has the filter hold for them"
            ),
        ]
    );
    let (resolved, _) = resolve(&super::tests::policy(&text), Arch::X86_64).unwrap();
    for name in ["read", "write", "close", "execve", "brk"] {
        assert!(resolved.may_call(name), "{name}");
    }
    for name in ["openat", "futex", "exit_group", "ptrace"] {
        assert!(!resolved.may_call(name), "{name}");
    }
}
