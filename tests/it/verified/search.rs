//! A search for files that `verify` accepts and that run without their policy: patched
//! programs are changed at random, and those that it accepts are run.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use sandbox_patch::program::{Inspection, Surroundings};
use sandbox_patch::runtime::Directories;

use crate::support::{Workspace, fixture_path, release_directory};
use crate::verified::mutate::{Random, changed};

/// How a program is made and patched, and its share of the search.
struct Subject {
    compiler: &'static str,
    patch: &'static str,
    share: usize,
}

const fn subject(compiler: &'static str, patch: &'static str, share: usize) -> Subject {
    Subject {
        compiler,
        patch,
        share,
    }
}

const SUBJECTS: [Subject; 13] = [
    subject("gcc -DCONSTRUCTOR", "", 12),
    subject("gcc -DCONSTRUCTOR -no-pie", "", 12),
    subject("gcc -DCONSTRUCTOR -fuse-ld=lld", "", 8),
    subject("musl-gcc -DCONSTRUCTOR", "", 12),
    subject(
        "gcc -DBARE -nostartfiles -fPIE -pie -Wl,--no-as-needed -lc",
        "",
        12,
    ),
    // The fifth dynamic entry is the first in its page.
    subject(
        "gcc -DBARE -DPAD=3936 -nostartfiles -fPIE -pie -Wl,-z,norelro -Wl,--no-as-needed -lc",
        "",
        12,
    ),
    subject("gcc -DCONSTRUCTOR", "--inline", 10),
    subject("gcc", "--inline --from main", 5),
    subject("gcc -no-pie", "--inline --from main", 5),
    subject("musl-gcc -static", "--inline --from main", 6),
    subject("musl-gcc -static-pie -fPIE", "--inline --from main", 2),
    subject("gcc -static", "--inline --from entry", 2),
    subject("gcc -static", "--inline --from main", 1),
];

/// What a program that makes the forbidden call ends with, as waitpid(2) has it.
const CALLED: &str = "10752";

/// Changes this many files, and says what was accepted and ran without a policy.
fn search(number: usize, seed: u64) {
    let ws = Workspace::new();
    ws.run("mkdir empty").succeeds();
    ws.compile("gcc -O1 -static", "verified/run_each.c");
    let path = ws.path("other");
    // The compiler is to see the quotation marks.
    let other = format!("-DOTHER=\"{}\"", path.display());
    compile(&ws, "gcc -DBARE -static -nostartfiles", &other, "other");
    let shares: usize = SUBJECTS.iter().map(|subject| subject.share).sum();
    let mut found = Vec::new();
    for (index, subject) in (0..).zip(&SUBJECTS) {
        let count = number * subject.share / shares;
        found.extend(search_one(&ws, subject, &other, count, seed + index));
    }
    assert!(
        found.is_empty(),
        "{} files were accepted and ran without their policy:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// Compiles the program that does what is forbidden.
fn compile(ws: &Workspace, compiler: &str, other: &str, name: &str) {
    let mut words = compiler.split_whitespace();
    let done = Command::new(words.next().expect("a compiler"))
        .arg(other)
        .arg(fixture_path("verified/forbidden.c"))
        .args(words)
        .arg("-o")
        .arg(ws.path(name))
        .status();
    assert!(done.is_ok_and(|status| status.success()), "{compiler}");
}

fn search_one(
    ws: &Workspace,
    subject: &Subject,
    other: &str,
    count: usize,
    seed: u64,
) -> Vec<String> {
    compile(ws, subject.compiler, other, "program");
    ws.run(&format!(
        "sandbox-patch -q --deny exit {} program && sandbox-patch verify program",
        subject.patch
    ))
    .succeeds();
    let original = ws.read("program");
    let surroundings = Surroundings {
        root: "/".into(),
        runtimes: Directories(vec![release_directory().to_owned()]),
    };
    let mut random = Random::new(seed);
    let mut seen = HashSet::new();
    let mut accepted = Vec::new();
    for _ in 0..count {
        let changed = changed(&original, &mut random);
        let mut hasher = DefaultHasher::new();
        changed.bytes.hash(&mut hasher);
        if !seen.insert(hasher.finish()) || !is_accepted(&changed.bytes, &surroundings) {
            continue;
        }
        let name = format!("changed{}", accepted.len());
        let path = ws.write(&name, &changed.bytes);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("an own file");
        accepted.push((name, changed.story.join("; ")));
    }
    let ends = run_each(ws, accepted.iter().map(|(name, _)| name.as_str()));
    let unfiltered: Vec<String> = accepted
        .iter()
        .zip(&ends)
        .filter(|(_, end)| *end == CALLED)
        .map(|((_, story), _)| format!("{} {}: {story}", subject.compiler, subject.patch))
        .collect();
    println!(
        "{} {}: {count} changed, {} accepted, {} unfiltered",
        subject.compiler,
        subject.patch,
        ends.len(),
        unfiltered.len()
    );
    ws.run("rm -f changed*").succeeds();
    unfiltered
}

/// Whether `verify` accepts a file.
fn is_accepted(file: &[u8], surroundings: &Surroundings) -> bool {
    Inspection::of("changed", file, surroundings).is_ok_and(|found| found.sound)
}

/// What became of programs that were run.
fn run_each<'a>(ws: &Workspace, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let list: String = names
        .map(|name| format!("{}\n", ws.path(name).display()))
        .collect();
    let mut runner = Command::new(ws.path("run_each"))
        .arg(ws.path("empty"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the runner starts");
    let mut input = runner.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || input.write_all(list.as_bytes()));
    let output = runner.wait_with_output().expect("the runner ends");
    writer.join().expect("a thread").expect("the list is read");
    let output = String::from_utf8(output.stdout).expect("text");
    output.lines().map(str::to_owned).collect()
}

#[test]
fn what_is_accepted_after_a_change_runs_under_its_policy() {
    search(3_000, 1);
}

#[test]
#[ignore = "long: 100,000 changed programs"]
fn what_is_accepted_after_any_of_many_changes_runs_under_its_policy() {
    search(100_000, 2);
}
