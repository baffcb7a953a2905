use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::policy::source::error::Places;
use crate::policy::source::{self, Library, Options};
use crate::policy::{Resolved, resolve};

fn draft_in(directory: &Path, text: &str, options: &Options) -> Result<Draft, Misread> {
    let origin = |offset| {
        let (line, column) = Places::of(text).position(offset);
        Origin {
            file: "profile".to_owned(),
            line,
            column,
        }
    };
    read(&Input {
        text,
        directory,
        options,
        origin: &origin,
    })
}

fn draft(text: &str, arch: Arch) -> Result<Draft, Misread> {
    draft_in(Path::new("/nowhere"), text, &Options::new(arch))
}

fn resolved_for(text: &str, arch: Arch) -> Resolved {
    let policy = draft(text, arch).unwrap().finish().unwrap();
    resolve(&policy, arch).unwrap().0
}

fn resolved(text: &str) -> Resolved {
    resolved_for(text, Arch::X86_64)
}

fn rules(draft: Draft) -> Vec<String> {
    let items = draft.allow.unwrap().into_iter();
    items
        .map(|item| {
            let place = item.origin.as_ref().map(|at| format!("{at} "));
            let rule = item.into_rule(Action::Trap);
            format!("{}{rule}={}", place.unwrap_or_default(), rule.action)
        })
        .collect()
}

#[test]
fn exceptions_and_errors_come_first() {
    let text = "# seccomp\nname x\n  seccomp.drop   chown,!bpf,@swap,write:ENOENT,$0x65 # @clock\n";
    let draft = draft(text, Arch::X86_64).unwrap();
    assert_eq!(draft.default, Some(Action::Allow));
    assert_eq!(draft.foreign, Some(Action::Errno(1)));
    assert_eq!(
        rules(draft),
        [
            "profile:3:24 bpf=allow",
            "profile:3:35 write=errno:ENOENT",
            "profile:3:18 chown=errno:EPERM",
            "profile:3:29 osf_swapon=errno:EPERM",
            "profile:3:29 swapoff=errno:EPERM",
            "profile:3:29 swapon=errno:EPERM",
            "profile:3:48 ptrace=errno:EPERM",
        ]
    );
}

#[test]
fn what_is_kept_has_what_firejail_itself_calls() {
    let text = "seccomp.keep read,!execve,prctl:kill\nseccomp-error-action log\n";
    let mut options = Options::new(Arch::X86_64);
    let found = rules(draft_in(Path::new(""), text, &options).unwrap());
    assert_eq!(
        found[..2],
        ["profile:1:19 execve=log", "profile:1:27 prctl=kill-thread"]
    );
    assert!(found.contains(&"execveat=allow".to_owned()));
    assert_eq!(found.last().unwrap(), "profile:1:14 read=allow");
    options.drop_implicit = true;
    let draft = draft_in(Path::new(""), text, &options).unwrap();
    assert_eq!(draft.default, Some(Action::Log));
    assert_eq!(rules(draft).len(), 3);
}

/// What a call gets, by the last of the lines that counts, read by splitting strings.
fn naive(text: &str, call: &str) -> Action {
    let member = |list: &str, call: &str| {
        let mut open: Vec<String> = list.split(',').map(str::to_owned).collect();
        while let Some(next) = open.pop() {
            match groups::members(&next) {
                Some(members) => open.extend(members.iter().map(|name| (*name).to_owned())),
                None if next == call => return true,
                None => {}
            }
        }
        false
    };
    let values: BTreeMap<&str, &str> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    let own = |list: &str| {
        let own = list
            .split(',')
            .find_map(|item| item.strip_prefix(call)?.strip_prefix(':'));
        own.map(|error| format!("errno:{error}").parse().unwrap())
    };
    let error = values
        .get("seccomp-error-action")
        .copied()
        .unwrap_or("EPERM");
    let error = match error {
        "kill" => Action::KillThread,
        error => format!("errno:{error}").parse().unwrap(),
    };
    let excepted =
        |list: &str| call != "read" && list.split(',').any(|item| item == format!("!{call}"));
    let has = |list: &str| member(&list.replace("!read", "read"), call);
    if let Some(list) = values.get("seccomp.keep") {
        let is_kept = has(list) || member("@default-keep", call);
        return own(list).unwrap_or(match is_kept && !excepted(list) {
            true => Action::Allow,
            false => error,
        });
    }
    let (list, is_default) = match values.get("seccomp.drop") {
        Some(list) => (*list, false),
        None => (values["seccomp"], true),
    };
    let is_dropped = has(list) || (is_default && member("@default-nodebuggers", call));
    own(list).unwrap_or(match is_dropped && !excepted(list) {
        true => error,
        false => Action::Allow,
    })
}

#[test]
fn profiles_mean_what_a_naive_reading_says() {
    for text in [
        "seccomp ",
        "seccomp\nseccomp @chown,!ptrace,!read,mkdir:ENOENT\nseccomp-error-action kill",
        "seccomp.drop chown\nseccomp.drop @network-io,!bind,write:EACCES\nseccomp",
        "seccomp.drop open\nseccomp.keep @system-service,!chroot,open:ENOENT",
        "seccomp.keep !read,@timer\nseccomp.keep @basic-io,!write,!read",
    ] {
        let resolved = resolved(text);
        let mut denied = 0;
        for number in 0..470 {
            let Some(name) = names::name(number, Arch::X86_64) else {
                continue;
            };
            let rule = resolved.rules().iter().find(|rule| rule.number == number);
            let action = rule.map_or(resolved.policy.default, |rule| rule.action);
            assert_eq!(action, naive(text, &name), "{name} under {text}");
            denied += u32::from(!action.permits());
        }
        assert!(denied > 1, "{text}");
    }
}

#[test]
fn a_group_is_that_of_firejail() {
    let all: Vec<_> = groups::names().collect();
    assert!(
        all.iter()
            .all(|name| expand(name).is_some_and(|calls| !calls.is_empty()))
    );
    let members = all.iter().flat_map(|name| groups::members(name).unwrap());
    for member in members.filter(|member| member.starts_with('@')) {
        assert!(all.contains(member), "{member}");
    }
    assert!(!resolved("seccomp").may_call("ptrace"));
    assert!(resolved("seccomp\nallow-debuggers").may_call("ptrace"));
}

#[test]
fn other_abis_are_open_only_where_that_can_be_said() {
    let foreign = |text: &str, arch| draft(text, arch).unwrap().foreign.unwrap();
    let denied = Action::Errno(1);
    assert_eq!(foreign("seccomp", Arch::X86_64), denied);
    assert_eq!(foreign("seccomp", Arch::Aarch64), Action::Allow);
    assert_eq!(foreign("seccomp\nseccomp.32 open", Arch::Aarch64), denied);
    let blocked = "seccomp.drop open\nseccomp.block-secondary";
    assert_eq!(foreign(blocked, Arch::Aarch64), denied);
    // Another filter, which has an error of its own only where the list has none.
    let conditions = |text: &str| {
        let resolved = resolved(text);
        let tests = resolved
            .rules()
            .iter()
            .filter(|rule| rule.name == "personality");
        tests.map(|rule| rule.when.len()).collect::<Vec<_>>()
    };
    assert_eq!(conditions(blocked), [2]);
    assert_eq!(conditions("seccomp\nseccomp.block-secondary"), [0]);
}

#[test]
fn multiplexers_are_calls_of_their_own() {
    let of = |text, name: &str| {
        let resolved = resolved_for(text, Arch::X86);
        let number = names::number(name, Arch::X86).unwrap();
        let rules = resolved.rules().iter().filter(|rule| rule.number == number);
        rules
            .map(|rule| (rule.when.len(), rule.action))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("seccomp.keep socket", "socketcall"),
        [(0, Action::Errno(1))]
    );
    assert_eq!(of("seccomp.keep socket", "socket"), [(0, Action::Allow)]);
    assert_eq!(of("seccomp.drop ipc", "ipc"), [(0, Action::Errno(1))]);
}

#[test]
fn profiles_include_others_and_ignore_lines() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "a.inc",
        "ignore seccomp.drop\nseccomp.drop open\n\nseccomp.keep  read\n",
    );
    let read_with = |text: &str| draft_in(directory.path(), text, &Options::new(Arch::X86_64));
    let found = read_with("include none.local\ninclude a.inc\nignore include\ninclude no.inc\n");
    let found = rules(found.unwrap());
    assert_eq!(found.last().unwrap(), "a.inc:4:15 read=allow");
    write("b.inc", "x\n include b.inc\n");
    write("c.inc", "seccomp.keep read,,@no\n");
    for (text, place, problem) in [
        (
            "\ninclude b.inc",
            (2, 1),
            "b.inc, line 2: \"b.inc\" includes itself",
        ),
        (
            "include c.inc",
            (1, 1),
            "c.inc, line 1: firejail has no group \"@no\"; see firejail --debug-syscall-groups",
        ),
        (
            "include ${HOME}/x",
            (1, 9),
            "the variable in \"${HOME}/x\" is not known; write a path",
        ),
    ] {
        let misread = read_with(text).err().unwrap();
        assert_eq!(misread.problem, problem);
        assert_eq!(Places::of(text).position(misread.offset), place, "{text}");
    }
    let misread = read_with("include no.inc").err().unwrap();
    assert!(
        misread.problem.contains("no.inc: the policy can't be read"),
        "{}",
        misread.problem
    );
    let path = directory.path().join("whole.profile");
    std::fs::write(&path, "include a.inc\n").unwrap();
    source::read(&[&path], &Library::default(), &Options::new(Arch::X86_64)).unwrap();
}

#[test]
fn includes_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let write =
        |name: String, text: String| std::fs::write(directory.path().join(name), text).unwrap();
    for depth in 0..20 {
        write(
            format!("{depth}.inc"),
            format!("include {}.inc\n", depth + 1),
        );
    }
    write("many.inc".to_owned(), "include leaf.inc\n".repeat(300));
    write("leaf.inc".to_owned(), "x\n".to_owned());
    for (text, problem) in [
        (
            "include 0.inc",
            "15.inc, line 1: files include others more than 16 deep",
        ),
        (
            "include many.inc",
            "many.inc, line 255: more than 256 files are included",
        ),
    ] {
        let misread = draft_in(directory.path(), text, &Options::new(Arch::X86_64));
        assert_eq!(misread.err().unwrap().problem, problem);
    }
}

#[test]
fn errors_say_what_is_wrong_where() {
    for (text, place, problem) in [
        (
            "caps\n",
            (1, 1),
            "it filters no system calls: there is no line seccomp, seccomp.drop or seccomp.keep",
        ),
        (
            "caps\nseccomp.block-secondary",
            (2, 1),
            "it does nothing without a line seccomp",
        ),
        (
            "seccomp.keep",
            (1, 1),
            "after seccomp.keep there must be a list: NAME,NAME",
        ),
        (
            "seccomp.block-secondary x",
            (1, 1),
            "after seccomp.block-secondary there must be nothing",
        ),
        (
            "seccomp-error-action",
            (1, 1),
            "after seccomp-error-action there must be kill, log or the name of an error",
        ),
        (
            "seccomp.deny x",
            (1, 1),
            "unknown line \"seccomp.deny\"; did you mean seccomp?",
        ),
        (
            "seccomp.32.keep x",
            (1, 1),
            "firejail lets this list hold for the calls of 64 bits (seccomp_filter_keep in src/firejail/seccomp.c); write seccomp.keep and seccomp.block-secondary",
        ),
        ("seccomp  ,,", (1, 10), "the list is empty"),
        (
            "seccomp read, write",
            (1, 14),
            "\" write\" is no name of a system call",
        ),
        (
            "seccomp read,12",
            (1, 14),
            "\"12\" is no name of a system call",
        ),
        (
            "seccomp.drop $9999",
            (1, 14),
            "no system call of x86_64 has the number \"9999\"",
        ),
        (
            "seccomp.drop $0x",
            (1, 14),
            "no system call of x86_64 has the number \"0x\"",
        ),
        (
            "seccomp !@clock",
            (1, 9),
            "firejail's groups have no exceptions (!) and no errors",
        ),
        (
            "seccomp @clokc",
            (1, 9),
            "firejail has no group \"@clokc\"; did you mean @clock?",
        ),
        (
            "seccomp !read:EPERM",
            (1, 9),
            "an exception (!) has no error",
        ),
        (
            "seccomp read:1",
            (1, 14),
            "unknown error \"1\"; use a name like EPERM, or kill",
        ),
        (
            "seccomp\nseccomp-error-action no",
            (2, 22),
            "unknown error \"no\"; use a name like EPERM, or kill, or log",
        ),
        (
            "?HAS_X11: seccomp x",
            (1, 1),
            "it depends on how firejail is called; write it without the condition",
        ),
    ] {
        let misread = draft(text, Arch::X86_64).err().unwrap();
        assert_eq!(misread.problem, problem, "{text}");
        assert_eq!(Places::of(text).position(misread.offset), place, "{text}");
    }
    assert!(draft("?HAS_X11: caps\nseccomp", Arch::X86_64).is_ok());
}

#[test]
fn a_misspelt_line_is_none_that_may_be_left_alone() {
    for key in [
        "Seccomp.keep",
        "seccom.drop",
        "seccomp.dorp",
        ";seccomp",
        "SECCOMP",
    ] {
        let text = format!("seccomp\n{key} read");
        let misread = draft(&text, Arch::X86_64).err().unwrap();
        assert_eq!(misread.offset, 8, "{key}");
        assert!(
            misread.problem.contains("did you mean seccomp"),
            "{}",
            misread.problem
        );
    }
}

#[test]
fn no_line_of_firejail_s_is_taken_for_a_misspelt_one() {
    let words = "allow-debuggers allusers apparmor apparmor-replace apparmor-stack bind blacklist \
         blacklist-nolog caps caps.drop caps.keep cpu dbus-system dbus-system.broadcast \
         dbus-system.call dbus-system.own dbus-system.see dbus-system.talk dbus-user \
         dbus-user.talk defaultgw deterministic-exit-code deterministic-shutdown disable-mnt dns \
         env hostname hosts-file ip ip6 ipc-namespace iprange join-or-start keep-config-pulse \
         keep-dev-shm keep-fd keep-shell-rc keep-var-tmp landlock landlock.fs.execute \
         landlock.fs.makedev landlock.fs.makeipc landlock.fs.read landlock.fs.write mac machine-id \
         mkdir mkfile mtu name net netfilter netfilter6 netlock netmask netns nice no3d \
         noautopulse noblacklist nodbus nodvd noexec nogroups noinput nonewprivs noprinters noroot \
         nosound notpm notv nou2f novideo nowhitelist overlay overlay-tmpfs private private-bin \
         private-cache private-cwd private-dev private-etc private-lib private-opt private-srv \
         private-tmp quiet read-only read-write rlimit-as rlimit-cpu rlimit-fsize rlimit-nofile \
         rlimit-nproc rlimit-sigpending rmenv shell tab timeout tmpfs tracelog tunnel veth-name warn \
         whitelist whitelist-ro writable-etc writable-run-user writable-var writable-var-log x11 \
         xephyr-screen";
    for word in words.split_whitespace() {
        let found = draft(&format!("{word}\nseccomp"), Arch::X86_64).unwrap();
        assert!(found.warnings.is_empty(), "{word}");
    }
}

#[test]
fn other_filters_are_warned_of() {
    let text = "seccomp\nprotocol unix,inet\nmemory-deny-write-execute\nrestrict-namespaces user";
    let draft = draft(text, Arch::X86_64).unwrap();
    let warnings: Vec<_> = draft.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings[0].contains(":2:1: protocol makes a filter of its own, which is not read"),
        "{warnings:?}"
    );
}
