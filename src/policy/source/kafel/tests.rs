//! Readings, and what they decide.

use std::path::Path;

use proptest::prelude::*;

use super::super::Options;
use super::*;
use crate::policy::{Origin, Policy, resolve};

fn read_for(text: &str, arch: Arch, directory: &Path) -> Result<Policy, Misread> {
    let options = Options::new(arch);
    let origin = |offset| Origin {
        file: "jail.kafel".to_owned(),
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
    read_for(text, Arch::X86_64, Path::new("")).unwrap_or_else(|misread| panic!("{misread:?}"))
}

/// What the policy does with a call.
fn decides(policy: &Policy, arch: Arch, call: &str, args: [u64; 6]) -> Action {
    let (resolved, _) = resolve(policy, arch).unwrap();
    let number = call_number(call, arch);
    let mut rules = resolved.rules().iter();
    let holds = |arg: u8| args[usize::from(arg)];
    rules
        .find(|rule| {
            Some(rule.number) == number && rule.when.iter().all(|test| test.holds(holds(test.arg)))
        })
        .map_or(policy.default, |rule| rule.action)
}

const VALUES: [u64; 12] = [
    0,
    1,
    2,
    3,
    7,
    8,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0003,
    u64::MAX - 1,
    u64::MAX,
];

/// What of an argument of 4 bytes is compared.
fn low(register: u64) -> u64 {
    register & u64::from(u32::MAX)
}

type Test = fn(u64, u64) -> bool;

/// Conditions on `write`'s fd, of 4 bytes, and count, of 8, as C would have them.
const CONDITIONS: &[(&str, Test)] = &[
    ("fd == 1", |fd, _| low(fd) == 1),
    ("count == 1", |_, count| count == 1),
    ("fd == 0x100000001", |fd, _| fd == 0x1_0000_0001),
    ("fd != -1", |fd, _| fd != u64::MAX),
    ("fd < 0b11", |fd, _| low(fd) < 3),
    ("3 < fd", |fd, _| 3 < low(fd)),
    ("count >= 010", |_, count| count >= 8),
    ("7 >= count", |_, count| 7 >= count),
    ("fd == 1 || fd == 2, count > 7", |fd, count| {
        matches!(low(fd), 1 | 2) || count > 7
    }),
    ("fd == 1 || fd == 2 && count > 7", |fd, count| {
        low(fd) == 1 || (low(fd) == 2 && count > 7)
    }),
    ("!(fd == 1 || count <= 3)", |fd, count| {
        !(low(fd) == 1 || count <= 3)
    }),
    ("!!fd == 1", |fd, _| low(fd) == 1),
    ("(fd & 3) == 1", |fd, _| low(fd) & 3 == 1),
    ("(count & 3) == 8", |_, _| false),
    ("(count & 0xf00000003) > 2", |_, count| {
        count & 0xf_0000_0003 > 2
    }),
    ("count & 3 | 8 == 9", |_, count| count & 3 | 8 == 9),
    ("count | 3 == 7", |_, count| count | 3 == 7),
    ("fd | 3 >= 8", |fd, _| low(fd) > 7),
    ("fd | 3 < 2", |_, _| false),
    ("fd | 3 > 2", |_, _| true),
    ("(fd & 0xf00000000) == 0", |fd, _| fd & 0xf_0000_0000 == 0),
    ("(fd & 0) == 0", |_, _| true),
    ("fd & 0xffffffffffffffff == 1", |fd, _| low(fd) == 1),
    ("1 | 2 == 3 && (1 < 2) && !(2 < 1)", |_, _| true),
    ("((fd)) == (1|(2))", |fd, _| low(fd) == 3),
];

#[test]
fn conditions_mean_what_c_has_them_mean() {
    for (text, expected) in CONDITIONS {
        let policy = policy(&format!("ERRNO(1) {{ write {{ {text} }} }} DEFAULT ALLOW"));
        for fd in VALUES {
            for count in VALUES {
                let found = decides(&policy, Arch::X86_64, "write", [fd, 0, count, 0, 0, 0]);
                let is_denied = found == Action::Errno(1);
                assert_eq!(
                    is_denied,
                    expected(fd, count),
                    "{text}: {fd:#x}, {count:#x}"
                );
            }
        }
    }
}

#[test]
fn named_arguments_are_wide_whatever_the_call_has() {
    let policy = policy("ALLOW { write(a, b) { a == 1 && b != 2 }, SYSCALL[0](x) { x == 5 } }");
    let is_allowed = |call, args| decides(&policy, Arch::X86_64, call, args) == Action::Allow;
    assert!(is_allowed("write", [1, 3, 0, 0, 0, 0]));
    assert!(!is_allowed("write", [0x1_0000_0001, 3, 0, 0, 0, 0]));
    assert!(!is_allowed("write", [1, 2, 0, 0, 0, 0]));
    assert!(is_allowed("read", [5, 0, 0, 0, 0, 0]));
    assert!(!is_allowed("read", [6, 0, 0, 0, 0, 0]));
}

#[test]
fn the_first_rule_decides_through_uses_and_blocks() {
    let text = "
        // A comment, /* and none in it
        #define MINE 39
        POLICY empty {}
        POLICY stdio { ALLOW { read, write { fd == 1 } }, ERRNO(5) { write {} }, LOG { close } }
        POLICY outer { TRAP(0) { close }, USE stdio, USE empty, TRACE(7) { read, dup } }
        /* three ** stars **
           */
        KILL_PROCESS { MINE }
        USE outer
        DEFAULT ERRNO(38) DENY { open }, KILL_THREAD { fork }, KILL { vfork }";
    let policy = policy(text);
    for (call, fd, action) in [
        ("read", 0, Action::Allow),
        ("write", 1, Action::Allow),
        ("write", 2, Action::Errno(5)),
        ("close", 0, Action::Trap),
        ("dup", 0, Action::Trace(7)),
        ("getpid", 0, Action::KillProcess),
        ("open", 0, Action::KillThread),
        ("fork", 0, Action::KillThread),
        ("vfork", 0, Action::KillThread),
        ("kill", 0, Action::Errno(38)),
    ] {
        let found = decides(&policy, Arch::X86_64, call, [fd, 0, 0, 0, 0, 0]);
        assert_eq!(found, action, "{call} {fd}");
    }
    assert_eq!(policy.foreign, Some(Action::KillThread));
    assert_eq!(policy.architectures, Some(Vec::new()));
    let silent = read_for("ALLOW { read }", Arch::X86_64, Path::new("")).unwrap();
    assert_eq!(silent.default, Action::KillThread);
}

#[test]
fn calls_and_arguments_have_the_names_of_the_kernels_functions() {
    let own = |name: &str, arch| {
        let policy = read_for(&format!("LOG {{ {name} }}"), arch, Path::new("")).unwrap();
        policy.rules[0].subject.to_string()
    };
    assert_eq!(own("newfstat", Arch::X86_64), "fstat");
    assert_eq!(own("umount", Arch::X86_64), "umount2");
    assert_eq!(own("setuid", Arch::X86_64), "setuid");
    assert_eq!(own("setuid", Arch::X86), "setuid32");
    assert_eq!(own("setuid16", Arch::X86), "setuid");
    assert_eq!(own("stat", Arch::X86), "oldstat");
    assert_eq!(own("mmap_pgoff", Arch::X86), "mmap2");
    let policy = policy("ALLOW { connect { uservaddr == 0 && addrlen == 16 } }");
    let tests = resolve(&policy, Arch::X86_64).unwrap().0.abis[0].rules[0]
        .when
        .clone();
    assert_eq!(
        tests.iter().map(|test| test.arg).collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn a_guard_leaves_rules_to_other_architectures() {
    let text =
        "ALLOW { read ON AMD64, write ON { arm, Arm64 } { whatever == 1 }, SYSCALL[9999] ON m68k }";
    let of = |arch| {
        let policy = read_for(text, arch, Path::new("")).unwrap();
        policy
            .rules
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(Arch::X86_64), ["read"]);
    assert!(of(Arch::Riscv64).is_empty());
}

#[test]
fn socketcall_is_decided_by_its_own_rules() {
    let policy = read_for("ALLOW { socket }", Arch::X86, Path::new("")).unwrap();
    let of = |call, arg| decides(&policy, Arch::X86, call, [arg, 0, 0, 0, 0, 0]);
    assert_eq!(of("socket", 1), Action::Allow);
    assert_eq!(of("socketcall", 1), Action::KillThread);
}

#[test]
fn included_files_stand_where_they_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("a", "POLICY a { ALLOW { read } }\n#include \"b\";");
    write("b", "#define ONE 1\n");
    write("loop", "#include \"loop\"\n");
    write("bad", "\n  ALLOW { raed }");
    let read = |text: &str| read_for(text, Arch::X86_64, directory.path());
    let policy = read("#include \"a\" \"b\"; USE a ALLOW { write { fd == ONE } }").unwrap();
    assert_eq!(policy.rules.len(), 2);
    for (text, offset, problem) in [
        ("#include \"loop\"\n", 9, "loop:1:10: loop includes itself"),
        (
            " #include \"bad\"\n",
            10,
            "bad:2:11: unknown system call \"raed\"; did you mean read",
        ),
        (
            "#include \"a\"",
            0,
            "an #include ends with the line or a semicolon",
        ),
        (
            "#include\"a\"\n",
            8,
            "#include is followed by a blank and the name of a file in quotes",
        ),
        ("#include \n", 0, "the name of a file is missing"),
    ] {
        let misread = read(text).unwrap_err();
        assert_eq!(misread.offset, offset, "{text}: {misread:?}");
        assert!(misread.problem.starts_with(problem), "{misread:?}");
    }
    let misread = read("#include \"none\"\n").unwrap_err();
    assert!(misread.problem.contains("can't be read"), "{misread:?}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let deep = format!("ALLOW {{ read {{ {}fd == 1 }} }}", "(".repeat(500));
    let not = format!("ALLOW {{ read {{ {}fd == 1 }} }}", "!".repeat(500));
    for (text, offset, problem) in [
        ("", 0, "there is nothing in this policy"),
        ("ALLOW { read", 8, "} is missing at the end of the policy"),
        (
            "ALLOW { read, }",
            14,
            "the name of a system call is expected, not \"}\"",
        ),
        (
            "ALOW { read }",
            0,
            "unknown word \"ALOW\"; did you mean ALLOW?",
        ),
        ("USE a", 4, "there is no policy a before this"),
        (
            "POLICY ab {} USE abc",
            17,
            "there is no policy abc before this; did you mean ab?",
        ),
        ("POLICY a { USE a }", 15, "there is no policy a before this"),
        ("POLICY a {} POLICY a {}", 19, "there is a policy a already"),
        ("DEFAULT KILL DEFAULT KILL", 13, "DEFAULT is given twice"),
        ("#define A 1 #define A 2", 12, "A has another value already"),
        (
            "#defin A 1",
            1,
            "define or include is expected, not \"defin\"",
        ),
        (
            "ERRNO(0) { read }",
            6,
            "0 is no error; give one from 1 to 4095",
        ),
        (
            "ERRNO(4096) { read }",
            6,
            "4096 is no error; give one from 1 to 4095",
        ),
        ("TRACE(65536) { read }", 6, "65536 is more than 65535"),
        (
            "TRAP(1) { read }",
            5,
            "a number can't be given to the signal; write TRAP(0)",
        ),
        (
            "USER_NOTIF { read }",
            0,
            "USER_NOTIF needs a process that holds the listener, and there is none",
        ),
        (
            "ALLOW { SYSCALL[9999] }",
            8,
            "no call of this number is known on x86_64",
        ),
        (
            "ALLOW { SYSCALL[-1] }",
            8,
            "no call of this number is known on x86_64",
        ),
        (
            "ALLOW { raed }",
            8,
            "unknown system call \"raed\"; did you mean read",
        ),
        ("ALLOW { read(a, a) }", 16, "there is an argument a already"),
        (
            "ALLOW { read(a,b,c,d,e,f,g) }",
            25,
            "a call has six arguments at most",
        ),
        (
            "ALLOW { read ON vax }",
            16,
            "unknown architecture \"vax\"; there are arm, aarch64",
        ),
        ("ALLOW { read ON {arm, ARM} }", 22, "ARM is given twice"),
        (
            "ALLOW { read { fx == 1 } }",
            15,
            "\"fx\" is neither a constant nor a known argument",
        ),
        (
            "ALLOW { read() { fd == 1 } }",
            17,
            "\"fd\" is neither a constant nor a known argument",
        ),
        ("ALLOW { read { fd == count } }", 18, TWO_ARGUMENTS),
        (
            "ALLOW { read { fd } }",
            18,
            "a comparison is expected, not \"}\"",
        ),
        (
            "ALLOW { read { (fd == 1) & 1 == 1 } }",
            27,
            "numbers are combined and compared",
        ),
        ("ALLOW { read { fd == 089 } }", 21, "\"089\" is no number"),
        (
            "ALLOW { read { fd == 0x10000000000000000 } }",
            21,
            "0x10000000000000000 has more than 64 bits",
        ),
        ("ALLOW { read ; }", 13, "';' has no meaning here"),
        ("/***/ ALLOW { read }", 0, "this comment never ends"),
        (&deep, 0, "this is too deep in parentheses and negations"),
        (&not, 0, "this is too deep in parentheses and negations"),
    ] {
        let misread = read_for(text, Arch::X86_64, Path::new("")).unwrap_err();
        assert!(misread.problem.starts_with(problem), "{text}: {misread:?}");
        if !problem.starts_with("this is too deep") {
            assert_eq!(misread.offset, offset, "{text}: {misread:?}");
        }
    }
}

const TWO_ARGUMENTS: &str = "two arguments can't be compared or combined with each other";

/// A condition as the language has it, and what it is in C on numbers of 64 bits.
#[derive(Clone, Debug)]
enum Tree {
    Compare(&'static str, Sum, Sum),
    Not(Box<Tree>),
    Both(&'static str, Box<Tree>, Box<Tree>),
}

#[derive(Clone, Debug)]
enum Sum {
    Argument(usize),
    Number(u64),
    Bits(char, Box<Sum>, u64),
}

impl Sum {
    fn text(&self) -> String {
        match self {
            Self::Argument(at) => ["p", "q"][*at].to_owned(),
            Self::Number(number) => format!("{number:#x}"),
            Self::Bits(sign, inner, number) => format!("({number} {sign} ({}))", inner.text()),
        }
    }

    fn of(&self, args: [u64; 2]) -> u64 {
        match self {
            Self::Argument(at) => args[*at],
            Self::Number(number) => *number,
            Self::Bits('&', inner, number) => inner.of(args) & number,
            Self::Bits(_, inner, number) => inner.of(args) | number,
        }
    }
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Compare(sign, one, other) => format!("{} {sign} {}", one.text(), other.text()),
            Self::Not(inner) => format!("!({})", inner.text()),
            Self::Both(sign, one, other) => format!("({}) {sign} ({})", one.text(), other.text()),
        }
    }

    fn holds(&self, args: [u64; 2]) -> bool {
        match self {
            Self::Compare(sign, one, other) => {
                let (one, other) = (one.of(args), other.of(args));
                match *sign {
                    "==" => one == other,
                    "!=" => one != other,
                    "<" => one < other,
                    "<=" => one <= other,
                    ">" => one > other,
                    _ => one >= other,
                }
            }
            Self::Not(inner) => !inner.holds(args),
            Self::Both("&&", one, other) => one.holds(args) && other.holds(args),
            Self::Both(_, one, other) => one.holds(args) || other.holds(args),
        }
    }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..9,
        any::<u64>(),
        prop::sample::select(VALUES.to_vec())
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (0..2_usize).prop_map(Sum::Argument),
        number().prop_map(Sum::Number)
    ];
    let bits = prop::sample::select(vec!['&', '|']);
    let sum = leaf.prop_recursive(2, 4, 1, move |inner| {
        (bits.clone(), inner, number())
            .prop_map(|(sign, inner, number)| Sum::Bits(sign, inner.into(), number))
    });
    let sign = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let compare =
        (sign, sum, number(), any::<bool>()).prop_map(
            |(sign, sum, number, is_first)| match is_first {
                true => Tree::Compare(sign, sum, Sum::Number(number)),
                false => Tree::Compare(sign, Sum::Number(number), sum),
            },
        );
    let both = prop::sample::select(vec!["&&", "||", ","]);
    compare.prop_recursive(3, 6, 2, move |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| Tree::Not(it.into())),
            (both.clone(), inner.clone(), inner).prop_map(|(sign, one, other)| Tree::Both(
                sign,
                one.into(),
                other.into()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_first_condition_that_holds_decides(
        first in tree(),
        second in tree(),
        extra in prop::collection::vec(number(), 4),
    ) {
        let text = format!(
            "ALLOW {{ read(p, q) {{ {} }} }}, LOG {{ read(p, q) {{ {} }} }} DEFAULT TRAP(0)",
            first.text(),
            second.text(),
        );
        let policy = policy(&text);
        let (resolved, _) = resolve(&policy, Arch::X86_64).unwrap();
        let values: Vec<u64> = VALUES.into_iter().chain(extra).collect();
        for (at, one) in values.iter().enumerate() {
            for other in values.iter().skip(at % 3).step_by(3) {
                let args = [*one, *other];
                let expected = match (first.holds(args), second.holds(args)) {
                    (true, _) => Action::Allow,
                    (_, true) => Action::Log,
                    _ => Action::Trap,
                };
                let holds = |test: &sandbox_format::bpf::Test| test.holds(args[usize::from(test.arg)]);
                let mut rules = resolved.rules().iter();
                let found = rules.find(|rule| rule.when.iter().all(holds));
                let found = found.map_or(policy.default, |rule| rule.action);
                prop_assert_eq!(found, expected, "{}", &text);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whatever_is_written_is_read_or_refused_at_a_place(text in "(ALLOW |\\{|\\}|read |fd |== |1|\\(|\\)|&|\\||!|, |USE a|POLICY a |DEFAULT |KILL |#define |#include \"|\"|/\\*|\\*/|\n|SYSCALL\\[|\\]|-|é|ON ){0,30}") {
        if let Err(misread) = read_for(&text, Arch::X86_64, Path::new("/nowhere")) {
            prop_assert!(text.is_char_boundary(misread.offset), "{misread:?}");
            prop_assert!(!misread.problem.contains('\n'), "{misread:?}");
        }
    }
}
