use proptest::prelude::*;
use sandbox_format::bpf::Test;

use super::*;
use crate::policy::Arch;
use crate::policy::signatures::Type;

fn tests(call: &str, text: &str, arch: Arch) -> Result<Vec<Vec<Test>>, Problem> {
    let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    normal(&condition, call, arch)
}

fn holds(alternatives: &[Vec<Test>], args: [u64; 6]) -> bool {
    let holds = |test: &Test| test.holds(args[usize::from(test.arg)]);
    alternatives.iter().any(|tests| tests.iter().all(holds))
}

#[test]
fn conditions_are_written_in_one_form() {
    for (text, canonical) in [
        ("fd==1", "fd == 1"),
        ("domain == AF_UNIX", "domain == AF_UNIX"),
        ("prot & PROT_EXEC == 0", "prot & PROT_EXEC == 0"),
        ("(prot & PROT_EXEC) == 0", "prot & PROT_EXEC == 0"),
        (
            "flags & (O_CREAT | O_TRUNC) == 0",
            "flags & (O_CREAT|O_TRUNC) == 0",
        ),
        (
            "flags & O_CREAT|O_TRUNC == 0",
            "flags & (O_CREAT|O_TRUNC) == 0",
        ),
        ("flags & O_CREAT", "flags & O_CREAT != 0"),
        (
            "option in{PR_SET_NAME,PR_GET_NAME}",
            "option in {PR_SET_NAME, PR_GET_NAME}",
        ),
        ("a == 1 && b == 2 || c == 3", "(a == 1 && b == 2) || c == 3"),
        (
            "a == 1 && (b == 2 || c == 3)",
            "a == 1 && (b == 2 || c == 3)",
        ),
        ("!(a == 1) && !b & 4", "!(a == 1) && !(b & 4 != 0)"),
        ("a == ~(X|Y)", "a == ~(X|Y)"),
        ("a == 0x10", "a == 16"),
        ("a == 0XFFFF", "a == 0xffff"),
        ("mode & 07000 == 0", "mode & 3584 == 0"),
        ("mode == 0o755", "mode == 493"),
        ("a == 0b101", "a == 5"),
        ("fd >= -1", "fd >= -1"),
        ("raw(fd) == 1", "raw(fd) == 1"),
        ("raw == 1", "raw == 1"),
        ("  a\t==\n1  ", "a == 1"),
    ] {
        let condition = Condition::parse(text);
        assert_eq!(
            condition.map(|it| it.to_string()),
            Ok(canonical.to_owned()),
            "{text}"
        );
        let again = Condition::parse(canonical).unwrap().to_string();
        assert_eq!(again, canonical);
    }
}

#[test]
fn what_is_no_condition_is_said_with_its_place() {
    for (text, offset, problem) in [
        ("", 0, "the name of an argument is missing at the end"),
        (
            "fd",
            2,
            "a comparison (==, !=, <, <=, >, >=, in or &) is missing at the end",
        ),
        ("fd = 1", 3, "'=' is no comparison; write =="),
        ("fd == ", 6, "a number or a constant is missing at the end"),
        (
            "fd == 1 &&",
            10,
            "the name of an argument is missing at the end",
        ),
        (
            "fd == 1 fd",
            8,
            "expected &&, || or the end of the condition, not \"fd\"",
        ),
        ("1 == fd", 0, "expected the name of an argument, not \"1\""),
        ("fd == 0x", 6, "\"0x\" is no number of up to 64 bits"),
        ("fd == 09", 6, "\"09\" is no number of up to 64 bits"),
        (
            "fd == 18446744073709551616",
            6,
            "\"18446744073709551616\" is no number of up to 64 bits",
        ),
        ("fd in {}", 7, "expected a number or a constant, not \"}\""),
        ("fd in {1", 8, "} is missing at the end"),
        ("(fd == 1", 8, ") is missing at the end"),
        ("fd == $", 6, "expected a number or a constant, not \"$\""),
        (
            "fd == \u{fc}",
            6,
            "expected a number or a constant, not \"\u{fc}\"",
        ),
    ] {
        let error = Condition::parse(text).expect_err(text);
        assert_eq!(
            (error.offset, error.problem.as_str()),
            (offset, problem),
            "{text}"
        );
    }
    for deep in ["(", "!", "a == ~"] {
        let text = deep.repeat(if deep.len() > 1 { 1 } else { 100_000 });
        let text = if deep == "a == ~" {
            text + &"~".repeat(100_000)
        } else {
            text
        };
        let error = Condition::parse(&text).unwrap_err();
        assert_eq!(error.problem, "more than 64 levels of parentheses");
    }
}

#[test]
fn the_type_of_an_argument_decides_what_is_compared() {
    let equal = Test::equal;
    let int = u64::from(u32::MAX);
    for (call, text, expected) in [
        ("socket", "domain == AF_UNIX", vec![vec![equal(0, int, 1)]]),
        ("socket", "arg0 == 1", vec![vec![equal(0, int, 1)]]),
        (
            "socket",
            "raw(domain) == 1",
            vec![vec![equal(0, u64::MAX, 1)]],
        ),
        (
            "openat",
            "dirfd == AT_FDCWD",
            vec![vec![equal(0, int, 0xffff_ff9c)]],
        ),
        (
            "openat",
            "dirfd == -100",
            vec![vec![equal(0, int, 0xffff_ff9c)]],
        ),
        (
            "openat",
            "mode == 0644",
            vec![vec![equal(3, 0xffff, 0o644)]],
        ),
        ("mmap", "prot & PROT_EXEC == 0", vec![vec![equal(2, 4, 0)]]),
        ("mmap", "addr == NULL", vec![vec![equal(0, u64::MAX, 0)]]),
        (
            "dup2",
            "oldfd in {1, 2, 1}",
            vec![vec![equal(0, int, 1)], vec![equal(0, int, 2)]],
        ),
        ("socket", "domain >= 0", vec![vec![equal(0, 1 << 31, 0)]]),
        ("socket", "domain == 1 && domain == 2", vec![]),
        (
            "socket",
            "domain == 1 || !(domain == 1)",
            vec![
                vec![equal(0, int, 1)],
                vec![Test {
                    comparison: sandbox_format::bpf::Comparison::NotEqual,
                    ..equal(0, int, 1)
                }],
            ],
        ),
        (
            "mmap",
            "prot & 1 == 0 && prot & 4 == 0",
            vec![vec![equal(2, 5, 0)]],
        ),
        (
            "mmap",
            "prot & 1 == 0 || prot & 1 == 0 && fd == 3",
            vec![vec![equal(2, 1, 0)]],
        ),
        ("mmap", "length & 0 == 0", vec![vec![]]),
        ("mmap", "length < 0x1000", vec![vec![equal(1, !0xfff, 0)]]),
    ] {
        assert_eq!(
            tests(call, text, Arch::X86_64),
            Ok(expected),
            "{call}: {text}"
        );
    }
    // As wide as a register.
    let of_32_bits = tests("mmap2", "length == 1", Arch::X86).unwrap();
    assert_eq!(of_32_bits, [[equal(1, int, 1)]]);
}

#[test]
fn an_order_has_the_sign_of_the_type() {
    for (call, text, values) in [
        (
            "dup3",
            "flags < 5",
            [
                (0_i64, true),
                (4, true),
                (5, false),
                (-1, true),
                (i64::from(i32::MIN), true),
            ],
        ),
        (
            "dup3",
            "flags > -2",
            [
                (0, true),
                (-1, true),
                (-2, false),
                (i64::from(i32::MAX), true),
                (i64::from(i32::MIN), false),
            ],
        ),
        (
            "dup3",
            "flags <= -2",
            [
                (0, false),
                (-1, false),
                (-2, true),
                (-3, true),
                (i64::from(i32::MIN), true),
            ],
        ),
        (
            "dup3",
            "oldfd < 5",
            [(0, true), (4, true), (5, false), (-1, false), (-5, false)],
        ),
        (
            "lseek",
            "offset < 0",
            [
                (0, false),
                (-1, true),
                (i64::MIN, true),
                (i64::MAX, false),
                (5, false),
            ],
        ),
    ] {
        let alternatives = tests(call, text, Arch::X86_64).unwrap();
        let arg = usize::from(call == "lseek") + 2 * usize::from(text.contains("flags"));
        for (value, expected) in values {
            let mut args = [0; 6];
            args[arg] = value.cast_unsigned();
            assert_eq!(holds(&alternatives, args), expected, "{text}: {value}");
            if call != "lseek" {
                // The kernel does not look at the upper half of an int.
                args[arg] ^= 0xdead_beef << 32;
                assert_eq!(holds(&alternatives, args), expected, "{text}: {value}");
            }
        }
    }
}

#[test]
fn what_can_t_be_tested_is_an_error_that_says_why() {
    for (call, text, arch, problem) in [
        (
            "socket",
            "fd == 1",
            Arch::X86_64,
            "socket has no argument \"fd\"; it has domain, type, protocol",
        ),
        (
            "socket",
            "arg3 == 1",
            Arch::X86_64,
            "socket has no argument \"arg3\"; it has domain, type, protocol",
        ),
        (
            "getpid",
            "arg0 == 1",
            Arch::X86_64,
            "getpid has no argument \"arg0\"; it has none",
        ),
        (
            "socket",
            "domain == AF_UNIC",
            Arch::X86_64,
            "\"AF_UNIC\" is no known value of domain; did you mean AF_UNIX?",
        ),
        (
            "mmap",
            "prot & TIOCSTI == 0",
            Arch::X86_64,
            "\"TIOCSTI\" is no known value of prot; give a constant such as PROT_NONE, or the number",
        ),
        (
            "ioctl",
            "request == TIOCSTI",
            Arch::Ppc64le,
            "on ppc64le the arguments of ioctl are not where they are elsewhere, or their constants differ; leave the condition out",
        ),
        (
            "open",
            "pathname == 4096",
            Arch::X86_64,
            "pathname points to memory, which a filter can't read; it can be compared with 0 (NULL) only, by == and !=",
        ),
        (
            "open",
            "pathname > NULL",
            Arch::X86_64,
            "pathname points to memory, which a filter can't read; it can be compared with 0 (NULL) only, by == and !=",
        ),
        (
            "socket",
            "domain == 0x100000000",
            Arch::X86_64,
            "0x100000000 does not fit domain, of which the kernel takes 32 bits",
        ),
        (
            "socket",
            "domain == -0x80000001",
            Arch::X86_64,
            "-2147483649 does not fit domain, of which the kernel takes 32 bits",
        ),
        (
            "dup3",
            "flags < 0x80000000",
            Arch::X86_64,
            "0x80000000 does not fit flags, of which the kernel takes 32 bits",
        ),
        (
            "chmod",
            "mode & 0x10000 == 0",
            Arch::X86_64,
            "0x10000 does not fit mode, of which the kernel takes 16 bits",
        ),
        (
            "read",
            "count > -1",
            Arch::X86_64,
            "count has no sign, so that nothing is less than 0; compare with a number that is not negative",
        ),
        (
            "clone",
            "flags & CLONE_VM == 0",
            Arch::S390x,
            "on s390x the arguments of clone are not where they are elsewhere, or their constants differ; leave the condition out",
        ),
        (
            "clone",
            "tls == 0",
            Arch::Aarch64,
            "on aarch64 the arguments of clone are not where they are elsewhere, or their constants differ; leave the condition out",
        ),
    ] {
        let error = tests(call, text, arch).expect_err(text);
        assert_eq!(error.to_string(), problem, "{call}({text}) on {arch}");
    }
}

#[test]
fn what_explodes_is_refused_and_what_is_long_is_not() {
    let either =
        |arg: u8| format!("(arg{arg} == 1 || arg{arg} == 2 || arg{arg} == 3 || arg{arg} == 4)");
    let all: Vec<_> = (1..6).map(either).collect();
    let error = tests("mmap", &all.join(" && "), Arch::X86_64);
    assert_eq!(error, Err(Problem::TooComplex));
    let many: Vec<_> = (0..400).map(|n| n.to_string()).collect();
    let many = format!("request in {{{}}}", many.join(", "));
    assert_eq!(tests("ioctl", &many, Arch::X86_64).unwrap().len(), 400);
    let none = tests("ioctl", &format!("!({many})"), Arch::X86_64).unwrap();
    assert_eq!(none.iter().map(Vec::len).collect::<Vec<_>>(), [400]);
}

#[test]
fn tests_are_described_by_names() {
    for (call, text) in [
        ("socket", "domain == AF_UNIX"),
        ("ioctl", "request == TIOCSTI"),
        ("ioctl", "request != TIOCSTI"),
        ("openat", "dirfd == AT_FDCWD"),
        ("openat", "flags & O_ACCMODE == O_RDONLY"),
        ("openat", "flags & (O_CREAT|O_TRUNC) == 0"),
        ("mmap", "prot & ~(PROT_READ|PROT_WRITE) == 0"),
        ("clone", "flags & CLONE_NEWUSER == 0"),
        ("prctl", "option == PR_SET_NAME"),
        ("read", "count <= 4096"),
        ("read", "fd == 0"),
        ("kill", "pid == -1"),
        ("socket", "domain >= 0"),
        ("lseek", "offset < 0"),
        ("kill", "sig == SIGKILL"),
        ("mmap", "addr == 0"),
        ("mmap", "raw(addr) == 4096"),
        ("socket", "raw(domain) == AF_UNIX"),
        ("socketcall", "call == SYS_CONNECT"),
        ("openat", "flags == O_WRONLY|O_CREAT"),
    ] {
        let alternatives = tests(call, text, Arch::X86_64).unwrap();
        let [tests] = alternatives.as_slice() else {
            panic!("{text}")
        };
        let shown = describe(call, tests, Arch::X86_64).unwrap().to_string();
        assert_eq!(shown, text, "{call}");
    }
    assert_eq!(describe("read", &[], Arch::X86_64), None);
}

/// What a condition says of arguments, by the book.
fn meaning(condition: &Condition, call: &str, args: [u64; 6]) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| meaning(part, call, args)),
        Condition::Any(parts) => parts.iter().any(|part| meaning(part, call, args)),
        Condition::Not(part) => !meaning(part, call, args),
        Condition::In(operand, values) => values
            .iter()
            .any(|value| compares(operand, Comparison::Equal, value, call, args)),
        Condition::Compare(operand, operator, value) => {
            compares(operand, *operator, value, call, args)
        }
    }
}

fn compares(
    operand: &Operand,
    operator: Comparison,
    value: &Value,
    call: &str,
    args: [u64; 6],
) -> bool {
    let position = signatures::position(call, &operand.parameter).unwrap();
    let parameter = &signatures::of(call).unwrap()[usize::from(position)];
    let register = args[usize::from(position)];
    let number = |value: &Value| match value {
        Value::Number(number) => *number,
        _ => unreachable!("the strategy makes numbers"),
    };
    let argument: i128 = match parameter.kind {
        _ if operand.raw => register.into(),
        Type::Int => u32::try_from(register & 0xffff_ffff)
            .unwrap()
            .cast_signed()
            .into(),
        Type::UnsignedInt => (register & 0xffff_ffff).into(),
        Type::UnsignedShort => (register & 0xffff).into(),
        Type::Long => register.cast_signed().into(),
        _ => register.into(),
    };
    let argument = match &operand.mask {
        Some(mask) => argument & number(mask),
        None => argument,
    };
    match operator {
        Comparison::Equal => argument == number(value),
        Comparison::NotEqual => argument != number(value),
        Comparison::Less => argument < number(value),
        Comparison::LessOrEqual => argument <= number(value),
        Comparison::Greater => argument > number(value),
        Comparison::GreaterOrEqual => argument >= number(value),
    }
}

/// Conditions on openat (int, pointer, int, 16 bits) and lseek (unsigned, long, unsigned),
/// with numbers that fit.
fn conditions() -> impl Strategy<Value = (&'static str, Condition)> {
    let small = || prop_oneof![0..4_i128, Just(255), Just(0x7fff)];
    let signed = || prop_oneof![4 => small(), 1 => -4..0_i128];
    let operators = vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];
    let operator = move || prop::sample::select(operators.clone());
    let compare = |parameter: &str, value: BoxedStrategy<i128>, masked: bool| {
        let parameter = parameter.to_owned();
        let mask = match masked {
            true => prop::option::of(prop::sample::select(vec![1_i128, 3, 0x80, 0xff])).boxed(),
            false => Just(None).boxed(),
        };
        let operand = (mask, any::<bool>()).prop_map(move |(mask, raw)| Operand {
            parameter: parameter.clone(),
            raw: raw && masked,
            mask: mask.map(Value::Number),
        });
        let one =
            (operand.clone(), operator(), value.clone()).prop_map(|(operand, operator, value)| {
                Condition::Compare(operand, operator, Value::Number(value))
            });
        let several =
            (operand, prop::collection::vec(value, 1..4)).prop_map(|(operand, values)| {
                Condition::In(operand, values.into_iter().map(Value::Number).collect())
            });
        prop_oneof![3 => one, 1 => several]
    };
    let openat = prop_oneof![
        compare("dirfd", signed().boxed(), false),
        compare("flags", small().boxed(), true),
        compare("mode", small().boxed(), true),
    ];
    let lseek = prop_oneof![
        compare("fd", small().boxed(), true),
        compare("offset", signed().boxed(), false),
        compare("whence", small().boxed(), true),
    ];
    let whole = |leaf: BoxedStrategy<Condition>| {
        leaf.prop_recursive(3, 10, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::All),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::Any),
                inner.prop_map(|part| Condition::Not(Box::new(part))),
            ]
        })
    };
    prop_oneof![
        whole(openat.boxed()).prop_map(|condition| ("openat", condition)),
        whole(lseek.boxed()).prop_map(|condition| ("lseek", condition)),
    ]
}

fn arguments() -> impl Strategy<Value = [u64; 6]> {
    let argument = prop_oneof![
        6 => 0..5_u64,
        2 => prop::sample::select(vec![255, 256, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000]),
        2 => (0..5_u64).prop_map(|n| u64::MAX - n),
        1 => (0..5_u64).prop_map(|n| 0xffff_ffff - n),
        1 => (0..5_u64).prop_map(|n| (1 << 32) + n),
        1 => any::<u64>(),
    ];
    [
        argument.clone(),
        argument.clone(),
        argument.clone(),
        argument.clone(),
        argument.clone(),
        argument,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn tests_mean_what_the_condition_says(
        (call, condition) in conditions(),
        args in prop::collection::vec(arguments(), 20),
    ) {
        let Ok(alternatives) = normal(&condition, call, Arch::X86_64) else {
            return Ok(());
        };
        for &args in &args {
            prop_assert_eq!(
                holds(&alternatives, args),
                meaning(&condition, call, args),
                "{} {:x?}: {:x?}", condition, args, alternatives
            );
        }
        // And so does what is shown of them.
        for tests in &alternatives {
            if let Some(shown) = describe(call, tests, Arch::X86_64) {
                let again = Condition::parse(&shown.to_string()).unwrap();
                let again = normal(&again, call, Arch::X86_64).unwrap();
                for args in &args {
                    let expected = holds(std::slice::from_ref(tests), *args);
                    prop_assert_eq!(holds(&again, *args), expected, "{}", shown);
                }
            }
        }
    }
}
