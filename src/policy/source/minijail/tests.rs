//! Readings and writings, and what they decide.

use std::path::Path;

use proptest::prelude::*;

use super::super::{Format, Options, write as write_as};
use super::*;
use crate::policy::{Origin, Policy, Resolved, call_number, resolve};

fn read_for(text: &str, arch: Arch, directory: &Path) -> Result<Policy, Misread> {
    let options = Options::new(arch);
    let origin = |offset| Origin {
        file: "jail.policy".to_owned(),
        line: 1,
        column: u32::try_from(offset).unwrap(),
    };
    let input = Input {
        text,
        directory,
        options: &options,
        origin: &origin,
    };
    Ok(read(&input)?.finish().unwrap())
}

fn policy(text: &str) -> Policy {
    let policy = read_for(text, Arch::X86_64, Path::new(""));
    policy.unwrap_or_else(|misread| panic!("{misread:?} in {text}"))
}

fn decides(resolved: &Resolved, call: &str, args: [u64; 6]) -> Action {
    let number = call_number(call, resolved.arch);
    let holds = |arg: u8| args[usize::from(arg)];
    let mut rules = resolved.rules().iter();
    rules
        .find(|rule| {
            Some(rule.number) == number && rule.when.iter().all(|test| test.holds(holds(test.arg)))
        })
        .map_or(resolved.policy.default, |rule| rule.action)
}

fn resolved(policy: &Policy) -> Resolved {
    resolve(policy, Arch::X86_64).unwrap().0
}

fn of(text: &str, call: &str, first: u64) -> Action {
    decides(&resolved(&policy(text)), call, [first, 0, 0, 0, 0, 0])
}

/// What minijail0 makes of `a && b || c` with plain numbers, by splitting the text.
fn naive(expression: &str, args: [u64; 6]) -> bool {
    expression.split(" || ").any(|all| {
        all.split(" && ").all(|atom| {
            let words: Vec<&str> = atom.split(' ').collect();
            let arg = args[words[0][3..].parse::<usize>().unwrap()];
            let value: u64 = words[2].parse().unwrap();
            match words[1] {
                "==" => arg == value,
                "!=" => arg != value,
                "<" => arg < value,
                "<=" => arg <= value,
                ">" => arg > value,
                ">=" => arg >= value,
                "&" => arg & value != 0,
                "in" => arg & !value == 0,
                other => panic!("{other}"),
            }
        })
    })
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..9,
        any::<u64>(),
        any::<u32>().prop_map(u64::from),
        Just(u64::MAX)
    ]
}

fn expression() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">=", "&", "in"]);
    let atom =
        (0..2_u8, operator, number()).prop_map(|(arg, op, value)| format!("arg{arg} {op} {value}"));
    let all = prop::collection::vec(atom, 1..3).prop_map(|all| all.join(" && "));
    prop::collection::vec(all, 1..3).prop_map(|any| any.join(" || "))
}

/// Arguments near the numbers of a text.
fn near(text: &str) -> Vec<[u64; 6]> {
    let numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|it| it.parse::<u64>().ok());
    let values: Vec<u64> = numbers
        .flat_map(|it| {
            [
                it.wrapping_sub(1),
                it,
                it.wrapping_add(1),
                !it,
                it ^ 1 << 32,
            ]
        })
        .chain([0, u64::MAX])
        .collect();
    let pairs = values
        .iter()
        .flat_map(|one| values.iter().map(move |other| [*one, *other, 0, 0, 0, 0]));
    pairs.step_by(3).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn conditions_are_those_of_minijail0_and_survive_a_round(
        first in expression(),
        second in expression(),
        end in prop::sample::select(vec!["", "; return 5", "; return"]),
    ) {
        let text = format!("read: {first}{end}\nwrite: {second}\nopen: return EPERM\nclose: 1\n");
        let resolved = resolved(&policy(&text));
        let otherwise = if end == "; return 5" { Action::Errno(5) } else { Action::KillThread };
        let verdict = |holds, otherwise| if holds { Action::Allow } else { otherwise };
        let again = write_as(&resolved, Format::Minijail, false).ok().map(|(text, left_out)| {
            assert!(left_out.is_empty());
            super::tests::resolved(&policy(&text))
        });
        for args in near(&text) {
            let read = decides(&resolved, "read", args);
            prop_assert_eq!(read, verdict(naive(&first, args), otherwise), "{}", text);
            let write = decides(&resolved, "write", args);
            prop_assert_eq!(write, verdict(naive(&second, args), Action::KillThread), "{}", text);
            if let Some(again) = &again {
                prop_assert_eq!(decides(again, "read", args), read, "{}", text);
                prop_assert_eq!(decides(again, "write", args), write, "{}", text);
                prop_assert_eq!(decides(again, "open", args), Action::Errno(1));
                prop_assert_eq!(decides(again, "close", args), Action::Allow);
            }
        }
    }
}

#[test]
fn the_manual_and_the_compiler_differ_in_what_follows_a_condition() {
    let manual = "read: arg0 == 0; return EBADF";
    assert_eq!(of(manual, "read", 0), Action::Allow);
    assert_eq!(of(manual, "read", 1), Action::Errno(9));
    let compiled = format!("{manual}\nwrite: kill-process");
    assert_eq!(of(&compiled, "read", 0), Action::Errno(9));
    assert_eq!(of(&compiled, "read", 1), Action::KillThread);
}

#[test]
fn all_of_the_compilers_syntax_is_read() {
    let text = "# calls\n@frequency ./none\n@default trap # with a comment\r\n\
        {read, write[arch=arm64], close}: { arg0 in PROT_READ|PROT_WRITE; log, \\\n arg0 > ~0x7; return 7, trace }\n\
        kill[arch=x86_64,arm; arch=x86]: allow\n";
    let misread = read_for(text, Arch::X86_64, Path::new("")).unwrap_err();
    assert_eq!(misread.problem, "arch is given twice");
    let text = text.replace("; arch=x86", "");
    for (call, first, action) in [
        ("read", 3, Action::Log),
        ("close", 4, Action::Trace(0)),
        ("read", u64::MAX, Action::Errno(7)),
        ("kill", 9, Action::Allow),
        ("write", 3, Action::Trap),
    ] {
        assert_eq!(of(&text, call, first), action, "{call} {first}");
    }
    let deny = "@denylist\nbpf: return EPERM\nread: arg0 == 1; return 2\n";
    assert_eq!(of(deny, "bpf", 0), Action::Errno(1));
    assert_eq!(of(deny, "read", 1), Action::Errno(2));
    assert_eq!(of(deny, "read", 2), Action::Allow);
    assert_eq!(policy(deny).foreign, Some(Action::Errno(1)));
    let default = format!("{deny}@default kill\n");
    assert_eq!(of(&default, "read", 2), Action::Errno(1));
    assert_eq!(of(&default, "open", 2), Action::Allow);
    let several = "read: arg0 == 1; trap\nread: arg0 == 2\nread: return 3";
    assert_eq!(of(several, "read", 2), Action::Allow);
    assert_eq!(of(several, "read", 3), Action::Errno(3));
}

#[test]
fn constants_have_the_numbers_of_the_architecture() {
    for (text, first) in [
        ("AF_UNIX", 1),
        ("0x10", 16),
        ("010", 8),
        ("-1", u64::MAX),
        ("~1", !1),
        ("~(PROT_READ|PROT_EXEC)", !5),
        ("(1|(2))|4", 7),
        ("AT_FDCWD", u64::MAX - 99),
    ] {
        let text = format!("read: arg0 == {text}");
        assert_eq!(of(&text, "read", first), Action::Allow, "{text}");
        assert_eq!(
            of(&text, "read", first ^ 1 << 63),
            Action::KillThread,
            "{text}"
        );
    }
    let narrow = read_for("read: arg0 == -1", Arch::X86, Path::new("")).unwrap();
    let narrow = resolve(&narrow, Arch::X86).unwrap().0;
    assert_eq!(
        decides(&narrow, "read", [0xffff_ffff, 0, 0, 0, 0, 0]),
        Action::Allow
    );
}

#[test]
fn included_files_stand_in_their_line() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    std::fs::create_dir(directory.path().join("in")).unwrap();
    write("in/one", "@include ./two\nread: 1\n");
    write("in/two", "write: 1\n");
    write("loop", "@include ./loop\n");
    write("bad", "\nraed: 1\n");
    let read = |text: &str| read_for(text, Arch::X86_64, directory.path());
    let policy = read("@include ./in/one\nclose: 1\n").unwrap();
    assert_eq!(policy.rules.len(), 3);
    for (text, problem) in [
        ("\n@include ./loop", "loop:1:10: ./loop includes itself"),
        (
            "\n@include ./bad",
            "bad:2:1: unknown system call \"raed\"; did you mean read",
        ),
        (
            "\n@include bad",
            "minijail takes ./bad or a whole path, not bad",
        ),
    ] {
        let misread = read(text).unwrap_err();
        assert_eq!(misread.offset, 10, "{misread:?}");
        assert!(misread.problem.starts_with(problem), "{misread:?}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let deep = format!("read: arg0 == {}1", "(".repeat(99));
    for (text, offset, problem) in [
        (
            "raed: 1",
            0,
            "unknown system call \"raed\"; did you mean read",
        ),
        (
            "read 1",
            5,
            "a colon after the name of the call is expected, not \"1\"",
        ),
        (
            "read:",
            4,
            "an action or a condition is missing at the end of the line",
        ),
        ("read: 1\nread: 1", 8, "read has a line already"),
        (
            "read: allow\nread: arg0 == 1",
            18,
            "what stands before this decides read for all arguments",
        ),
        (
            "{read}: { arg0 == 1; return 1, allow }",
            31,
            "minijail drops all other rules for read",
        ),
        ("read: 2", 6, "1 permits the call; for anything else"),
        (
            "read: alow",
            6,
            "unknown action \"alow\"; did you mean allow?",
        ),
        (
            "read: user-notify",
            6,
            "user-notify needs a process that holds the listener",
        ),
        (
            "read: return 0",
            13,
            "an error number is one from 1 to 4095",
        ),
        ("read: return EWHAT", 13, "unknown constant \"EWHAT\""),
        ("read: arg6 == 1", 6, "a call has arg0 to arg5"),
        (
            "read: arg0 = 1",
            11,
            "one of == != < <= > >= & in is expected, not \"=\"",
        ),
        (
            "read: arg0 == AF_UNIXX",
            14,
            "unknown constant \"AF_UNIXX\"; did you mean AF_UNIX",
        ),
        ("read: arg0 == 09", 14, "\"09\" is no number"),
        (
            "read: arg0 == 0x10000000000000000",
            14,
            "0x10000000000000000 does not fit a register",
        ),
        (
            "read: arg0 == -0x8000000000000001",
            14,
            "-0x8000000000000001 does not fit a register",
        ),
        ("read: arg0 == (1", 14, "the ( is never closed"),
        (
            "read: arg0 == 1 &&",
            16,
            "an argument, arg0 to arg5, is missing at the end of the line",
        ),
        (
            "read: arg0==1; return 1",
            6,
            "minijail0 permits the call if this holds",
        ),
        ("read: 1 1", 8, "\"1\" is too much here"),
        (
            "read: 1 \\",
            8,
            "the last line ends in \\, and nothing follows",
        ),
        (
            "# a \\\nread: 1",
            0,
            "minijail's tools differ in what a comment that ends in \\ means",
        ),
        ("read: ?", 6, "'?' has no meaning here"),
        ("@defalt kill", 0, "unknown statement @defalt"),
        (
            "@default allow",
            14,
            "a default that permits calls is refused by minijail",
        ),
        (
            "@denylist\nread: 1",
            16,
            "with @denylist, each line says return and an error",
        ),
        ("@include", 0, "the path of a file is missing"),
        (
            "read[arch=vax]: 1",
            10,
            "unknown architecture \"vax\"; there are x86_64",
        ),
        (
            "io@group: 1",
            0,
            "the calls of io@group are in a file of minijail's build",
        ),
        (&deep, 0, "parentheses are too deep in each other"),
    ] {
        let misread = read_for(text, Arch::X86_64, Path::new("")).unwrap_err();
        assert!(misread.problem.starts_with(problem), "{text}: {misread:?}");
        if text != deep && !problem.starts_with("a default") {
            assert_eq!(misread.offset, offset, "{text}: {misread:?}");
        }
    }
}

#[test]
fn socketcall_is_decided_by_its_own_line() {
    let policy = read_for("socket: 1", Arch::X86, Path::new("")).unwrap();
    let resolved = resolve(&policy, Arch::X86).unwrap().0;
    assert_eq!(decides(&resolved, "socket", [0; 6]), Action::Allow);
    assert_eq!(
        decides(&resolved, "socketcall", [1, 0, 0, 0, 0, 0]),
        Action::KillThread
    );
}

fn own(list: &str, default: Action) -> Resolved {
    let mut draft = Draft {
        default: Some(default),
        architectures: Some(Vec::new()),
        exact: Some(true),
        ..Draft::default()
    };
    draft.allow(list).unwrap();
    resolved(&draft.finish().unwrap())
}

#[test]
fn policies_of_our_own_are_written_for_the_tool_that_can_say_them() {
    let list = "read(fd == 0):write:socket(type & 0xf == 1):mmap=errno:EPERM";
    let (text, _) = write_as(&own(list, Action::KillThread), Format::Minijail, false).unwrap();
    assert!(text.starts_with("# For minijail0 -S\nread: "), "{text}");
    assert!(text.contains("\nwrite: 1\nmmap: return EPERM\n"), "{text}");
    let list = "read(raw(fd) == 0)=trap:read(raw(fd) < 5)=errno:EPERM:read:close=log";
    let before = own(list, Action::KillProcess);
    let (text, _) = write_as(&before, Format::Minijail, false).unwrap();
    assert!(
        text.starts_with("# For compile_seccomp_policy.py\n@default kill-process\n"),
        "{text}"
    );
    let after = resolved(&policy(&text));
    for first in [0, 1, 4, 5, 6, u64::MAX] {
        let args = [first, 0, 0, 0, 0, 0];
        assert_eq!(
            decides(&before, "read", args),
            decides(&after, "read", args),
            "{text}"
        );
    }
    assert_eq!(decides(&after, "close", [0; 6]), Action::Log);
    assert_eq!(decides(&after, "open", [0; 6]), Action::KillProcess);
}

#[test]
fn what_minijail_has_no_word_for_is_said() {
    for (list, default, rule) in [
        ("read=trace:7", Action::KillThread, "read=trace:7"),
        ("read", Action::Errno(1), "default = errno:EPERM"),
        ("read=trap", Action::Allow, "foreign = kill-process"),
    ] {
        let resolved = own(list, default);
        let error = write_as(&resolved, Format::Minijail, false).unwrap_err();
        assert_eq!(error.rule, rule);
        let (_, left_out) = write_as(&resolved, Format::Minijail, true).unwrap();
        assert_eq!(left_out[0].rule, rule);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whatever_is_written_is_read_or_refused_at_a_place(text in "(read: |: |arg0 |== |in |return |1|\\{|\\}|\\[arch=|\\]|~|\\(|\\)|\\||&& |; |@include ./x|@default |\\\\\n|\n|#|-|é|0x){0,30}") {
        if let Err(misread) = read_for(&text, Arch::X86_64, Path::new("/nowhere")) {
            prop_assert!(text.is_char_boundary(misread.offset), "{misread:?}");
            prop_assert!(!misread.problem.contains('\n'), "{misread:?}");
        }
    }
}
