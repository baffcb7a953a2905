mod oci;
mod properties;
mod seccompiler;
mod systemd;

use sandbox_format::bpf::{Test, identity, op, ret};
use std::collections::BTreeSet;

use super::*;
use crate::policy::{Arch, Draft, Policy, call_name, resolve};

const ARTICLE: [&str; 4] = ["exit_group", "fstat", "uname", "write"];

/// How the names of a policy are meant.
#[derive(Clone, Copy, Debug)]
enum List {
    Allow,
    Deny,
}

/// A list for the program's own ABI only.
fn policy<S: Into<String>>(list: List, names: impl IntoIterator<Item = S>, exact: bool) -> Policy {
    with_action(list, names, exact, Action::KillProcess)
}

fn with_action<S: Into<String>>(
    list: List,
    names: impl IntoIterator<Item = S>,
    exact: bool,
    action: Action,
) -> Policy {
    let policy = match list {
        List::Allow => Policy::allow(names, action),
        List::Deny => Policy::deny(names, action),
    };
    Policy {
        exact,
        architectures: Some(Vec::new()),
        foreign: (action == Action::Log).then_some(action),
        ..policy
    }
}

fn resolved(policy: &Policy, arch: Arch) -> Resolved {
    resolve(policy, arch).unwrap().0
}

/// Every nth system call of an architecture.
fn every(nth: usize, arch: Arch) -> Vec<String> {
    // libseccomp's pseudo number for it is that of switch_endian (2.5.4).
    let differs = |name: &str| name == "sys_debug_setcontext";
    let mips = arch.name().starts_with("mips");
    let first = if mips { 4000 } else { 0 };
    (first..first + 3000)
        .filter_map(|number| call_name(number, arch))
        .filter(|name| !differs(name))
        .step_by(nth)
        .collect()
}

/// Calls at which the verdict could change.
fn boundary_calls(resolved: &Resolved) -> Vec<Data> {
    let native = resolved.arch.audit();
    let mut numbers: BTreeSet<u32> = (0..1024).collect();
    numbers.extend([
        0x3fff_ffff,
        0x4000_0000,
        0x4000_0001,
        0x4000_0200,
        0x7fff_ffff,
    ]);
    numbers.extend([0x8000_0000, u32::MAX - 1, u32::MAX]);
    for rule in resolved.rules() {
        numbers.extend([rule.number.wrapping_sub(1), rule.number, rule.number + 1]);
        numbers.insert(rule.number | 0x4000_0000);
    }
    let mut calls = Vec::new();
    for &nr in &numbers {
        calls.push(Data {
            nr,
            arch: native,
            ..Data::default()
        });
        calls.push(Data {
            nr,
            arch: native,
            ip: u64::MAX,
            args: [u64::MAX; 6],
        });
    }
    for arch in Arch::all()
        .map(Arch::audit)
        .filter(|arch| *arch != native)
        .chain([0, u32::MAX])
    {
        calls.extend([0, 1, 59, 4001].map(|nr| Data {
            nr,
            arch,
            ..Data::default()
        }));
    }
    for rule in resolved.rules() {
        let mut call = Data {
            nr: rule.number,
            arch: native,
            ..Data::default()
        };
        for condition in &rule.when {
            call.args[usize::from(condition.arg)] |= condition.value;
        }
        calls.push(call);
        for condition in &rule.when {
            let Test { arg, mask, .. } = *condition;
            for flip in [
                1,
                1 << 31,
                1 << 32,
                1 << 63,
                mask,
                !mask,
                mask & mask.wrapping_neg(),
            ] {
                let mut call = call;
                call.args[usize::from(arg)] ^= flip;
                calls.push(call);
            }
        }
    }
    calls
}

/// The queries that the filter answers, and calls that differ from them in one bit, in
/// the architecture, or in the number.
fn questions(resolved: &Resolved, identity: u64) -> Vec<Data> {
    let question = |operation: u32| Data {
        nr: seccomp(resolved.arch),
        arch: resolved.arch.audit(),
        ip: 0,
        args: [operation.into(), identity, identity >> 32, 0, 0, 0],
    };
    let mut calls = Vec::new();
    for question in identity::OPERATIONS.map(question) {
        calls.push(question);
        for arch in Arch::all().map(Arch::audit) {
            calls.push(Data { arch, ..question });
        }
        calls.extend([1, 0x4000_0000].map(|bit| Data {
            nr: question.nr ^ bit,
            ..question
        }));
        for bit in 0..64 {
            for arg in 0..4 {
                let mut call = question;
                call.args[arg] ^= 1 << bit;
                calls.push(call);
            }
        }
    }
    calls
}

/// What the filter answers, if the call is one of its queries.
fn answer(call: &Data, resolved: &Resolved, identity: u64) -> Option<u32> {
    let asked = identity::OPERATIONS.map(|operation| [operation.into(), identity, identity >> 32]);
    let low = |word: u64| word & u64::from(u32::MAX);
    let index = asked.iter().position(|question| {
        let mut words = question.iter().zip(call.args);
        words.all(|(asked, arg)| low(*asked) == low(arg))
    })?;
    ((call.nr, call.arch) == (seccomp(resolved.arch), resolved.arch.audit()))
        .then(|| ret::ERRNO | u32::from(identity::ANSWERS[index]))
}

fn seccomp(arch: Arch) -> u32 {
    policy::call_number("seccomp", arch).unwrap()
}

/// In everything except the queries that only our filter answers.
fn assert_equal_to_libseccomp(resolved: &Resolved) {
    let ours = compile(resolved).unwrap();
    let theirs = reference::compile(resolved);
    let big_endian = resolved.arch.big_endian();
    let our_program = Program::new(&ours.program, big_endian).unwrap();
    let their_program = Program::new(&theirs, big_endian).unwrap();
    let mut calls = boundary_calls(resolved);
    calls.extend(questions(resolved, ours.identity));
    let mut answers = 0;
    for call in calls {
        let answer = answer(&call, resolved, ours.identity);
        answers += usize::from(answer.is_some());
        // libseccomp knows x32 by its bit alone.
        let compat = resolved.arch == Arch::X86_64
            && call.arch == Arch::X86_64.audit()
            && (512..=547).contains(&call.nr);
        let expected = if compat {
            return_value(resolved.policy.foreign_action())
        } else {
            answer.unwrap_or_else(|| their_program.run(&call))
        };
        assert_eq!(
            our_program.run(&call),
            expected,
            "{call:x?} under {:?} for {}",
            resolved.policy,
            resolved.arch,
        );
    }
    assert!(answers > 2, "the questions are among the calls");
}

#[test]
fn allow_lists_mean_what_libseccomp_makes_of_them() {
    assert_equal_to_libseccomp(&resolved(
        &policy(List::Allow, ARTICLE, false),
        Arch::X86_64,
    ));
    for nth in [1, 2, 4, 9, 40, 1000] {
        for exact in [false, true] {
            let policy = policy(List::Allow, every(nth, Arch::X86_64), exact);
            assert_equal_to_libseccomp(&resolved(&policy, Arch::X86_64));
        }
    }
    let nothing = policy(List::Allow, [""; 0], false);
    assert_equal_to_libseccomp(&resolved(&nothing, Arch::X86_64));
}

#[test]
fn deny_lists_mean_what_libseccomp_makes_of_them() {
    for nth in [1, 4, 9, 40, 1000] {
        let policy = policy(List::Deny, every(nth, Arch::X86_64), false);
        assert_equal_to_libseccomp(&resolved(&policy, Arch::X86_64));
    }
}

/// Except errno:4095, which the kernel accepts and libseccomp 2.5.4 does not.
#[test]
fn every_action_means_what_libseccomp_makes_of_it() {
    for action in [
        "kill-process",
        "kill-thread",
        "trap",
        "errno:EPERM",
        "errno:4094",
        "trace:7",
    ]
    .into_iter()
    .chain(["trace", "log"])
    {
        for list in [List::Allow, List::Deny] {
            let action = action.parse().unwrap();
            let policy = with_action(list, ARTICLE, false, action);
            assert_equal_to_libseccomp(&resolved(&policy, Arch::X86_64));
        }
    }
}

#[test]
fn other_architectures_mean_what_libseccomp_makes_of_them() {
    for arch in Arch::all().filter(|arch| !matches!(arch, Arch::X86_64 | Arch::X32)) {
        for nth in [1, 5] {
            let mut names = every(nth, arch);
            names.retain(|name| reference::knows(name));
            let policy = policy(List::Allow, names, true);
            let resolved = resolved(&policy, arch);
            assert!(
                resolved.rules().len() * nth > 200,
                "{arch}: {}",
                resolved.rules().len()
            );
            assert_equal_to_libseccomp(&resolved);
        }
    }
}

/// By name alone: libseccomp must know which numbers these are, and of which multiplexer.
#[test]
fn multiplexed_calls_mean_what_libseccomp_makes_of_them() {
    let calls = "socket bind connect listen accept getsockname getpeername socketpair send recv \
                 sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg \
                 sendmmsg semop semget semctl semtimedop msgsnd msgrcv msgget msgctl shmat shmdt \
                 shmget shmctl";
    for arch in Arch::all().filter(|arch| *arch != Arch::X32) {
        for call in calls.split(' ') {
            for list in [List::Allow, List::Deny] {
                // Not alone: libseccomp 2.5.4 then forgets to load the number.
                let policy = policy(list, [call, "getpid"], true);
                let Ok((resolved, _)) = resolve(&policy, arch) else {
                    continue;
                };
                let ours = compile(&resolved).unwrap().program;
                let theirs = reference::compile_names(&resolved);
                let ours = Program::new(&ours, arch.big_endian()).unwrap();
                let theirs = Program::new(&theirs, arch.big_endian()).unwrap();
                let first = if arch.name().starts_with("mips") {
                    4000
                } else {
                    0
                };
                let numbers = (first..first + 450).map(|nr| (nr, 0));
                let multiplexed = [102, 117].map(|nr| (first + nr, 0..26));
                let multiplexed = multiplexed
                    .into_iter()
                    .flat_map(|(nr, first)| first.map(move |arg| (nr, arg)));
                for (nr, arg) in numbers.chain(multiplexed) {
                    let args = [arg, 0, 0, 0, 0, 0];
                    let arch = arch.audit();
                    let call_of = Data {
                        nr,
                        arch,
                        ip: 0,
                        args,
                    };
                    assert_eq!(
                        ours.run(&call_of),
                        theirs.run(&call_of),
                        "{call} {call_of:x?}"
                    );
                }
            }
        }
    }
}

/// A call that a program makes with a version in ipc(2), or with bits that the kernel
/// ignores in socketcall(2)'s `int`, is the same call.
#[test]
fn a_multiplexer_is_not_got_round_by_bits_that_the_kernel_drops() {
    for arch in [Arch::X86, Arch::S390x, Arch::Ppc64, Arch::Mips] {
        let resolved = resolved(&policy(List::Deny, ["connect", "shmget"], false), arch);
        let program = compile(&resolved).unwrap().program;
        let number = |name| {
            resolved
                .rules()
                .iter()
                .find(|rule| rule.name == name)
                .unwrap()
                .number
        };
        let verdict = |name, first: u64| {
            let args = [first, 0, 0, 0, 0, 0];
            let call = Data {
                nr: number(name),
                arch: arch.audit(),
                ip: 0,
                args,
            };
            emulate(&program, &call, arch.big_endian()).unwrap()
        };
        for (name, denied, allowed) in [("socketcall", 3, 2), ("ipc", 23, 24)] {
            for dropped in [0, 1 << 32, 0xffff_ffff << 32] {
                assert_eq!(
                    verdict(name, dropped | denied),
                    ret::KILL_PROCESS,
                    "{arch} {name}"
                );
                assert_eq!(
                    verdict(name, dropped | allowed),
                    ret::ALLOW,
                    "{arch} {name}"
                );
            }
        }
        assert_eq!(verdict("ipc", 1 << 16 | 23), ret::KILL_PROCESS, "{arch}");
    }
}

#[test]
fn policies_that_differ_have_filters_of_other_identities() {
    let mut identities = BTreeSet::new();
    for list in [List::Allow, List::Deny] {
        for action in [Action::KillProcess, Action::Errno(1), Action::Log] {
            for names in [&["read"][..], &["write"], &["read", "write"], &["seccomp"]] {
                for arch in [Arch::X86_64, Arch::Aarch64, Arch::S390x] {
                    let policy = with_action(list, names.iter().copied(), true, action);
                    identities.insert(compile(&resolved(&policy, arch)).unwrap().identity);
                }
            }
        }
    }
    assert_eq!(identities.len(), 2 * 3 * 4 * 3);
}

/// The XXH3-64 of the filter without the rules for it.
#[test]
fn an_identity_is_what_the_document_says() {
    let resolved = resolved(&policy(List::Allow, ARTICLE, false), Arch::X86_64);
    let plain = compile_with(&resolved, &[], &mut Memory::new()).unwrap();
    let bytes = plain.iter().flat_map(|it| {
        let [code, k] = [u32::from(it.code), it.k].map(u32::to_le_bytes);
        [code[0], code[1], it.jt, it.jf, k[0], k[1], k[2], k[3]]
    });
    let expected = xxh3_64(&bytes.collect::<Vec<_>>());
    assert_eq!(compile(&resolved).unwrap().identity, expected);
}

#[test]
fn conditions_on_arguments_that_no_call_has_are_refused() {
    let mut resolved = resolved(&policy(List::Allow, ARTICLE, true), Arch::X86_64);
    resolved.abis[0].rules[0].when.push(Test::equal(6, 1, 1));
    assert!(matches!(compile(&resolved), Err(Error::Argument)));
}

#[test]
fn the_first_rule_that_holds_decides() {
    let mut draft = Draft::default();
    draft.deny("write(count > 4096)=errno:EFBIG").unwrap();
    draft
        .allow("write(buf == NULL):write(fd == 7)=trap:write:uname")
        .unwrap();
    let policy = Policy {
        exact: true,
        ..draft.finish().unwrap()
    };
    let program = compile(&resolved(&policy, Arch::X86_64)).unwrap().program;
    let verdict = |args: [u64; 3]| {
        let [first, second, third] = args;
        let call = Data {
            nr: 1,
            arch: Arch::X86_64.audit(),
            ip: 0,
            args: [first, second, third, 0, 0, 0],
        };
        emulate(&program, &call, false).unwrap()
    };
    assert_eq!(verdict([1, 9, 4096]), ret::ALLOW);
    assert_eq!(verdict([1, 9, 4097]), ret::ERRNO | 27);
    assert_eq!(verdict([1, 9, 1 << 32]), ret::ERRNO | 27);
    assert_eq!(verdict([7, 9, 4097]), ret::ERRNO | 27);
    assert_eq!(verdict([7, 9, 4096]), ret::TRAP);
    assert_eq!(
        verdict([7 | 1 << 32, 9, 4096]),
        ret::TRAP,
        "an int has 32 bits"
    );
    assert_eq!(verdict([7, 0, 4096]), ret::ALLOW);
}

/// By name, as libseccomp finds the names on each.
#[test]
fn a_deny_list_holds_on_every_abi_of_the_machine() {
    let names = ["reboot", "socket", "shmget", "execve", "chown"];
    for arch in [
        Arch::X86_64,
        Arch::X86,
        Arch::Aarch64,
        Arch::Ppc64,
        Arch::S390x,
        Arch::Mips64,
    ] {
        let policy = Policy {
            architectures: None,
            ..policy(List::Deny, names, false)
        };
        let resolved = resolved(&policy, arch);
        let program = compile(&resolved).unwrap().program;
        for abi in &resolved.abis {
            let denied: BTreeSet<u32> = abi.rules.iter().map(|rule| rule.number).collect();
            let first = abi.rules[0].number & !0xfff;
            for nr in first..first + 600 {
                let call = Data {
                    nr,
                    arch: abi.arch.audit(),
                    ..Data::default()
                };
                let name = call_name(nr, abi.arch).unwrap_or_default();
                let is_older_x32 = abi.arch == Arch::X86_64 && (512..548).contains(&nr);
                let is_multiplexer = ["socketcall", "ipc"].contains(&name.as_str());
                let is_denied = (denied.contains(&nr) && !is_multiplexer) || is_older_x32;
                let expected = if is_denied {
                    ret::KILL_PROCESS
                } else {
                    ret::ALLOW
                };
                let found = emulate(&program, &call, arch.big_endian()).unwrap();
                assert_eq!(found, expected, "{name} ({nr}) of {} on {arch}", abi.arch);
            }
            let names: BTreeSet<_> = abi.rules.iter().map(|rule| rule.name.as_str()).collect();
            let has_all = names.contains("reboot") && names.contains("execve");
            assert!(has_all, "{names:?}");
        }
        let other = Data {
            arch: 0x1234,
            ..Data::default()
        };
        assert_eq!(
            emulate(&program, &other, arch.big_endian()),
            Ok(ret::KILL_PROCESS)
        );
    }
    let abis = |policy: &Policy, arch| {
        let abis = resolved(policy, arch).abis.into_iter();
        abis.map(|abi| abi.arch).collect::<Vec<_>>()
    };
    let denied = Policy::deny(names, Action::KillProcess);
    assert_eq!(
        abis(&denied, Arch::X86),
        [Arch::X86, Arch::X86_64, Arch::X32]
    );
    let mut allowed = Policy::allow(names, Action::KillProcess);
    assert_eq!(abis(&allowed, Arch::X86_64), [Arch::X86_64]);
    allowed.architectures = Some(vec![Arch::X86, Arch::Arm]);
    assert_eq!(abis(&allowed, Arch::X86_64), [Arch::X86_64, Arch::X86]);
}

/// What no version knew when the policy was made.
#[test]
fn calls_of_newer_kernels_get_an_action_of_their_own() {
    let policy = Policy {
        unknown: Some(Action::Errno(38)),
        architectures: Some(vec![Arch::X86, Arch::X32]),
        ..Policy::allow(["read"], Action::KillProcess)
    };
    let mut resolved = resolved(&policy, Arch::X86_64);
    let program = compile(&resolved).unwrap().program;
    let verdict = |program: &[Instruction], arch: Arch, nr| {
        let call = Data {
            nr,
            arch: arch.audit(),
            ..Data::default()
        };
        emulate(program, &call, false).unwrap()
    };
    const UNKNOWN: u32 = ret::ERRNO | 38;
    for (arch, nr, expected) in [
        (Arch::X86_64, 0, ret::ALLOW),
        (Arch::X86_64, 1, ret::KILL_PROCESS),
        (Arch::X86_64, 400, ret::KILL_PROCESS),
        (Arch::X86_64, 471, ret::KILL_PROCESS),
        (Arch::X86_64, 472, UNKNOWN),
        (Arch::X86_64, 511, UNKNOWN),
        (Arch::X86_64, 520, ret::KILL_PROCESS),
        (Arch::X86_64, 548, UNKNOWN),
        (Arch::X86_64, 0x4000_0000, ret::ALLOW),
        (Arch::X86_64, 0x4000_01d8, UNKNOWN),
        (Arch::X86_64, 0x4000_0200, ret::KILL_PROCESS),
        (Arch::X86_64, u32::MAX, ret::KILL_PROCESS),
        (Arch::X86, 3, ret::ALLOW),
        (Arch::X86, 472, UNKNOWN),
        (Arch::Arm, 472, ret::KILL_PROCESS),
    ] {
        assert_eq!(verdict(&program, arch, nr), expected, "{nr:#x} of {arch}");
    }
    // What an older version did not know is what it said it did not.
    resolved.abis[0].unknown_from = Some(460);
    let program = compile(&resolved).unwrap().program;
    assert_eq!(verdict(&program, Arch::X86_64, 460), UNKNOWN);
    assert_eq!(verdict(&program, Arch::X86_64, 459), ret::KILL_PROCESS);
}

#[test]
fn programs_are_short() {
    let length = |names: Vec<String>, exact| {
        let policy = policy(List::Allow, names, exact);
        let resolved = resolved(&policy, Arch::X86_64);
        let plain = compile_with(&resolved, &[], &mut Memory::new())
            .unwrap()
            .len();
        let own = compile(&resolved).unwrap().program.len() - plain;
        assert!(own <= 18, "{own} for its identity");
        plain
    };
    let article = || ARTICLE.map(String::from).to_vec();
    let some = |nth, count| {
        every(nth, Arch::X86_64)
            .into_iter()
            .take(count)
            .collect::<Vec<_>>()
    };
    let sizes = [
        length(article(), true),
        length(article(), false),
        length(some(9, 40), true),
        length(some(3, 100), true),
        length(some(1, 330), true),
    ];
    println!("{sizes:?}");
    let limits = [16, 60, 80, 180, 12];
    assert!(
        sizes.iter().zip(limits).all(|(size, limit)| *size <= limit),
        "{sizes:?}"
    );
}

#[test]
fn the_text_of_a_filter_names_calls_and_actions() {
    let policy = with_action(List::Deny, ["uname", "newfstatat"], true, Action::Errno(1));
    let compiled = compile(&resolved(&policy, Arch::X86_64)).unwrap();
    let text = disassemble(&compiled.program, Arch::X86_64).to_string();
    for part in [
        "   0  load arch\n   1  if arch == 0xc000003e (x86_64) goto ",
        "load nr\n",
        "if nr == 0x3f (uname) goto ",
        "if nr == 0x106 (newfstatat) goto ",
        "return ERRNO(1 EPERM)\n",
        " (asks for a filter by its identity) goto ",
        "return ERRNO(2871 this filter is in force)\n",
        "return ALLOW\n",
        "return KILL_PROCESS\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

/// A number is another call on each.
#[test]
fn the_text_of_a_filter_names_the_calls_of_each_abi() {
    let policy = Policy::deny(["uname"], Action::KillProcess);
    let resolved = resolved(&policy, Arch::X86_64);
    let text = disassemble(&compile(&resolved).unwrap().program, Arch::X86_64).to_string();
    for part in [
        "nr == 0x3f (uname) ",
        "nr == 0x4000003f (uname) ",
        "arch == 0x40000003 (x86) ",
        "nr == 0x3b (oldolduname) ",
        "nr == 0x6d (olduname) ",
        "nr == 0x7a (uname) ",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(!text.contains("execve"), "{text}");
}

#[test]
fn the_text_of_a_filter_shows_arguments_in_the_machines_byte_order() {
    let load = |k| Instruction {
        code: op::LOAD,
        jt: 0,
        jf: 0,
        k,
    };
    let text = |arch| disassemble(&[load(16), load(20)], arch).to_string();
    assert_eq!(
        text(Arch::X86_64),
        "   0  load args[0].low\n   1  load args[0].high\n"
    );
    assert_eq!(
        text(Arch::S390x),
        "   0  load args[0].high\n   1  load args[0].low\n"
    );
}

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

#[test]
fn programs_that_the_kernel_would_refuse_are_refused() {
    let give = instruction(op::RETURN, 0, 0, ret::ALLOW);
    let check = |program: &[Instruction]| Program::new(program, false).map(|_| ()).unwrap_err();
    assert_eq!(check(&[]), Invalid::Length(0));
    assert_eq!(check(&[give; 4097]), Invalid::Length(4097));
    assert_eq!(
        check(&[instruction(0x28, 0, 0, 0), give]),
        Invalid::Operation(0),
        "half word"
    );
    assert_eq!(
        check(&[instruction(0x94, 0, 0, 3), give]),
        Invalid::Operation(0),
        "modulo"
    );
    assert_eq!(
        check(&[instruction(op::LOAD, 0, 0, 64), give]),
        Invalid::Operand(0)
    );
    assert_eq!(
        check(&[instruction(op::LOAD, 0, 0, 2), give]),
        Invalid::Operand(0)
    );
    assert_eq!(
        check(&[instruction(0x34, 0, 0, 0), give]),
        Invalid::Operand(0),
        "by zero"
    );
    assert_eq!(
        check(&[instruction(op::JUMP_EQ, 0, 1, 0), give]),
        Invalid::Jump(0)
    );
    assert_eq!(
        check(&[instruction(op::JUMP, 0, 0, u32::MAX), give]),
        Invalid::Jump(0)
    );
    assert_eq!(
        check(&[instruction(0x60, 0, 0, 3), give]),
        Invalid::Memory(0)
    );
    assert_eq!(check(&[instruction(op::LOAD, 0, 0, 0)]), Invalid::NoReturn);
}

#[test]
fn arithmetic_and_memory_work() {
    let program = [
        instruction(op::LOAD, 0, 0, 0),
        instruction(0x02, 0, 0, 5), // memory[5] = A
        instruction(0x07, 0, 0, 0), // X = A
        instruction(0x0c, 0, 0, 0), // A += X
        instruction(0x24, 0, 0, 3), // A *= 3
        instruction(0x61, 0, 0, 5), // X = memory[5]
        instruction(0x3c, 0, 0, 0), // A /= X
        instruction(0x84, 0, 0, 0), // A = -A
        instruction(0x16, 0, 0, 0), // return A
    ];
    let run = |nr| {
        emulate(
            &program,
            &Data {
                nr,
                ..Data::default()
            },
            false,
        )
    };
    assert_eq!(run(7), Ok(6_u32.wrapping_neg()));
    assert_eq!(run(0), Ok(0), "division by zero ends the program");
}
