//! What filters of several generators cost: `make bench-filters`.
//!
//! The same policies, for x86_64 alone, compiled by sandbox-patch, by libseccomp (in a row,
//! and as a binary tree) and by the crate seccompiler. For each filter: how many instructions
//! it has, what the kernel takes to attach it (it runs a new filter once for each number), and
//! what a call costs that is permitted by its arguments.
//!
//! Each filter is attached by a child of its own, those of all generators in turn, so that
//! whatever else the machine does meets all of them alike. The result are two tables for
//! `docs/measurements.md`: medians, and ratios to the best of the others.

use std::io::{Read, Seek};
use std::path::Path;
use std::time::Instant;

use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use sandbox_format::bpf::{Comparison, Test};
use sandbox_patch::filter::Instruction;
use sandbox_patch::filter::export::instructions;
use sandbox_patch::policy::source::{Format, Library, Options, parse, write};
use sandbox_patch::policy::{Action, Arch, Draft, Resolved, ResolvedRule, resolve};

/// How often each filter is attached.
const ROUNDS: usize = 201;

/// How many calls are made to find what one costs.
const CALLS: u32 = 200_000;

const GENERATORS: [&str; 4] = [
    "sandbox-patch",
    "libseccomp",
    "libseccomp, tree",
    "seccompiler",
];

fn main() {
    println!("| policy | | instructions | attach (µs) | call (ns) |");
    println!("| --- | --- | ---: | ---: | ---: |");
    let mut ratios = String::new();
    for (name, resolved) in policies() {
        let programs = [
            Some(instructions(&resolved).expect("a filter")),
            Some(by_libseccomp(&resolved, 1)),
            Some(by_libseccomp(&resolved, 2)),
            by_seccompiler(&resolved),
        ];
        let figures: Vec<Option<Figures>> = measure(&programs);
        for (generator, figures) in GENERATORS.iter().zip(&figures) {
            match figures {
                Some(Figures {
                    length,
                    attach,
                    call,
                }) => {
                    println!("| {name} | {generator} | {length} | {attach:.0} | {call:.0} |");
                }
                None => println!("| {name} | {generator} | – | – | – |"),
            }
        }
        ratios += &row(&name, &figures);
    }
    println!("\n| policy | instructions | attach | call |\n| --- | ---: | ---: | ---: |\n{ratios}");
}

/// Ours as multiples of the best of the others.
fn row(name: &str, figures: &[Option<Figures>]) -> String {
    let [Some(own), others @ ..] = figures else {
        return String::new();
    };
    let best = |of: fn(&Figures) -> f64| {
        let others = others.iter().flatten().map(of);
        of(own) / others.fold(f64::INFINITY, f64::min)
    };
    let [length, attach, call] = [
        best(|it| it.length),
        best(|it| it.attach),
        best(|it| it.call),
    ];
    format!("| {name} | {length:.2} | {attach:.2} | {call:.2} |\n")
}

struct Figures {
    length: f64,
    /// Microseconds.
    attach: f64,
    /// Nanoseconds.
    call: f64,
}

/// The policies, by name.
fn policies() -> Vec<(String, Resolved)> {
    let all = names();
    let mut policies = Vec::new();
    let needed = ["fcntl", "exit_group", "write", "read", "getppid"];
    for count in [5, 40, 100, 330] {
        let others = all
            .iter()
            .enumerate()
            .filter(|(at, _)| count > 300 || at % 6 != 2);
        let names = needed
            .iter()
            .copied()
            .chain(others.map(|(_, name)| &name[..]));
        let names: Vec<_> = names.take(count).collect();
        policies.push((format!("{count} allowed"), list(&names.join(":"), "")));
    }
    let denied: Vec<_> = all
        .iter()
        .skip(40)
        .step_by(9)
        .map(|name| &name[..])
        .collect();
    policies.push((
        format!("{} denied", denied.len()),
        list("", &denied.join(":")),
    ));
    policies.push(("20 argument rules".to_owned(), list(&arguments(), "")));
    if let Some(docker) = docker() {
        policies.push(("Docker's profile".to_owned(), docker));
    }
    policies
}

fn names() -> Vec<String> {
    let numbers = (0..462).filter(|number| !(335..424).contains(number));
    let named = numbers.filter_map(|it| sandbox_patch::policy::call_name(it, Arch::X86_64));
    named
        .filter(|name| ScmpSyscall::from_name(name).is_ok())
        .collect()
}

fn arguments() -> String {
    let commands: Vec<_> = (0..20)
        .map(|at| format!("fcntl(cmd == {})", at * 3 + 1))
        .collect();
    format!("{}:read:write:exit_group:getppid", commands.join(":"))
}

fn list(allow: &str, deny: &str) -> Resolved {
    let mut draft = Draft::default();
    draft.exact = Some(true);
    draft.architectures = Some(Vec::new());
    draft.violation = Some(Action::Errno(1));
    if !allow.is_empty() {
        draft.allow(allow).expect("a list");
    }
    if !deny.is_empty() {
        draft.deny(deny).expect("a list");
    }
    resolve(&draft.finish().expect("a policy"), Arch::X86_64)
        .expect("known names")
        .0
}

/// The profile of Debian's container tools, for x86_64 alone.
fn docker() -> Option<Resolved> {
    let path = Path::new("/usr/share/containers/seccomp.json");
    let text = std::fs::read(path).ok()?;
    let options = Options {
        format: Some(Format::Docker),
        ..Options::new(Arch::X86_64)
    };
    let draft = parse(&text, path, &Library::default(), &options).expect("a profile");
    let mut policy = draft.finish().expect("a policy");
    policy.architectures = Some(Vec::new());
    Some(resolve(&policy, Arch::X86_64).expect("a profile").0)
}

fn by_libseccomp(resolved: &Resolved, optimize: u32) -> Vec<Instruction> {
    let action = |action| match action {
        Action::KillProcess => ScmpAction::KillProcess,
        Action::Errno(number) => ScmpAction::Errno(number.into()),
        Action::Allow => ScmpAction::Allow,
        other => panic!("{other}"),
    };
    let default = resolved.policy.default;
    let mut context = ScmpFilterContext::new(action(default)).expect("a context");
    context
        .set_act_badarch(ScmpAction::KillProcess)
        .expect("an action");
    context.set_ctl_optimize(optimize).expect("an optimization");
    for rule in resolved
        .rules()
        .iter()
        .filter(|rule| rule.action != default)
    {
        let call = ScmpSyscall::from_name(&rule.name)
            .unwrap_or_else(|_| i32::try_from(rule.number).expect("a number").into());
        context
            .add_rule_conditional(action(rule.action), call, &comparisons(rule))
            .expect("a rule");
    }
    let mut file = tempfile::tempfile().expect("a file");
    context.export_bpf(&file).expect("a filter");
    file.rewind().expect("a file");
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("a file");
    let (records, _) = bytes.as_chunks::<8>();
    let instruction = |&[c0, c1, jt, jf, k0, k1, k2, k3]: &[u8; 8]| Instruction {
        code: u16::from_ne_bytes([c0, c1]),
        jt,
        jf,
        k: u32::from_ne_bytes([k0, k1, k2, k3]),
    };
    records.iter().map(instruction).collect()
}

fn comparisons(rule: &ResolvedRule) -> Vec<ScmpArgCompare> {
    let comparison = |test: &Test| {
        let (operator, value) = match test.comparison {
            Comparison::Equal => (ScmpCompareOp::MaskedEqual(test.mask), test.value),
            Comparison::NotEqual => (ScmpCompareOp::NotEqual, test.value),
            other => panic!("{other:?}"),
        };
        ScmpArgCompare::new(test.arg.into(), operator, value)
    };
    rule.when.iter().map(comparison).collect()
}

/// `None` for policies that it can't say.
fn by_seccompiler(resolved: &Resolved) -> Option<Vec<Instruction>> {
    let (text, _) = write(resolved, Format::Seccompiler, false).ok()?;
    let arch = "x86_64".try_into().expect("an architecture");
    let mut filters = seccompiler::compile_from_json(text.as_bytes(), arch).ok()?;
    let program = filters.drain().next()?.1;
    let instruction = |it: &seccompiler::sock_filter| Instruction {
        code: it.code,
        jt: it.jt,
        jf: it.jf,
        k: it.k,
    };
    Some(program.iter().map(instruction).collect())
}

fn measure(programs: &[Option<Vec<Instruction>>]) -> Vec<Option<Figures>> {
    let mut attach: Vec<Vec<f64>> = vec![Vec::new(); programs.len()];
    let mut call = attach.clone();
    for round in 0..ROUNDS {
        for (at, program) in programs.iter().enumerate() {
            let Some(program) = program else { continue };
            let calls = if round % 20 == 0 { CALLS } else { 0 };
            let [attached, called] = in_a_child(program, calls);
            attach[at].push(attached / 1000.0);
            if calls > 0 {
                call[at].push(called / f64::from(calls));
            }
        }
    }
    let median = |figures: &mut Vec<f64>| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let figures = programs.iter().zip(attach.iter_mut().zip(&mut call));
    figures
        .map(|(program, (attach, call))| {
            let length = u32::try_from(program.as_ref()?.len()).expect("a short program");
            Some(Figures {
                length: length.into(),
                attach: median(attach),
                call: median(call),
            })
        })
        .collect()
}

/// Nanoseconds for attaching a filter, and for so many calls under it.
fn in_a_child(program: &[Instruction], calls: u32) -> [f64; 2] {
    let program: Vec<libc::sock_filter> = program
        .iter()
        .map(|it| libc::sock_filter {
            code: it.code,
            jt: it.jt,
            jf: it.jf,
            k: it.k,
        })
        .collect();
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: this process has one thread, and the child makes system calls only.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let figures = under(&program, calls);
        // SAFETY: `figures` is that long, and _exit does not return.
        unsafe {
            libc::write(ends[1], figures.as_ptr().cast(), size_of_val(&figures));
            libc::_exit(0);
        }
    }
    let mut figures = [0.0; 2];
    // SAFETY: `figures` is that long; the descriptors are this function's own.
    unsafe {
        libc::close(ends[1]);
        let read = libc::read(ends[0], figures.as_mut_ptr().cast(), size_of_val(&figures));
        assert_eq!(
            usize::try_from(read),
            Ok(size_of_val(&figures)),
            "the child's figures"
        );
        libc::close(ends[0]);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    figures
}

fn under(program: &[libc::sock_filter], calls: u32) -> [f64; 2] {
    let fprog = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap_or(0),
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: prctl and seccomp only read what they are given, which outlives them; fcntl
    // changes nothing.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let start = Instant::now();
        let done = libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const fprog,
        );
        let attached = start.elapsed();
        if done != 0 {
            libc::_exit(1);
        }
        let start = Instant::now();
        for _ in 0..calls {
            // The last of the commands that the rules with arguments have.
            libc::syscall(libc::SYS_fcntl, 0, 58, 0);
        }
        let called = start.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "seconds at most")]
        [attached, called].map(|time| time.as_nanos() as f64)
    }
}
