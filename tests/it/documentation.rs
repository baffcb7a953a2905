//! The examples of the pages on policies, as somebody would type them.

use std::fmt::Write as _;

use crate::support::{Workspace, project, release_directory};
use crate::transcript::{MARK, Step, matches, printed, steps};

/// Blocks that are not run, by their first command, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("sysctl ", "it changes the kernel's settings for everybody"),
    ("strace -f -qq", "it is about any daemon"),
    (
        "sandbox-patch inspect --json -r image",
        "it is about any image",
    ),
    ("sandbox-patch convert [--from", "it is a synopsis"),
    (
        "sandbox-patch learn -o service.toml",
        "it is about any service",
    ),
];

/// What is done before a block that begins with this command.
const BEFORE: &[(&str, &str)] = &[
    ("sandbox-patch inspect ./myos", PATCHED),
    (
        "sandbox-patch inspect ./static-myos",
        "sandbox-patch -q --allow exit_group:fstat:uname:write ./static-myos",
    ),
    (
        "sandbox-patch inspect --bpf ./myos",
        "sandbox-patch -q --deny uname ./myos",
    ),
];
const PATCHED: &str = "sandbox-patch -q --allow exit_group:fstat:uname:write ./myos";

/// Where `make install` puts the library.
const INSTALLED: &str = "/usr/local/lib/sandbox-patch";

fn blocks(page: &str) -> Vec<Vec<Step>> {
    let text = std::fs::read_to_string(project().join("docs").join(page)).unwrap();
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "```console" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let mut steps = steps(&block);
            // What others wrote may have come since.
            steps.retain(|step| !step.command.starts_with("dmesg "));
            blocks.push(steps);
        }
    }
    blocks
}

/// The programs that the pages speak of.
fn workspace(block: &[Step]) -> Workspace {
    let ws = Workspace::with_myos("gcc");
    let is_about = |name: &str| block.iter().any(|step| step.command.contains(name));
    for (name, compiler) in [("mydaemon", "gcc"), ("static-myos", "gcc -static")] {
        if is_about(name) {
            ws.compile_as(compiler, "myos.c", name);
        }
    }
    if is_about("hello-go") {
        ws.compile_go(&[], "forbidden.go");
        ws.run("mv forbidden hello-go").succeeds();
    }
    ws
}

/// Sizes depend on the compiler.
fn without_sizes(line: &str) -> String {
    let is_of_size = line.starts_with("  size ") || line.starts_with("  original ");
    let digit = |c: char| {
        if is_of_size && c.is_ascii_digit() {
            '#'
        } else {
            c
        }
    };
    let mut shown: String = line.chars().map(digit).collect();
    while shown.contains("##") {
        shown = shown.replace("##", "#");
    }
    shown
}

fn comparable(text: &str) -> String {
    text.lines()
        .map(|line| without_sizes(line) + "\n")
        .collect()
}

#[track_caller]
fn check(page: &str) {
    let library = release_directory().display().to_string();
    for block in blocks(page) {
        let first = &block[0].command;
        if LEFT_OUT.iter().any(|(start, _)| first.starts_with(start)) {
            continue;
        }
        let ws = workspace(&block);
        let mut script =
            format!("exec 2>&1\nmark() {{ local status=$?; echo '{MARK}'; return $status; }}\n");
        for (_, before) in BEFORE.iter().filter(|(start, _)| first == start) {
            writeln!(script, "{before}").unwrap();
        }
        for Step { command, expected } in &block {
            // What a file is to be shows in what it is said to have.
            if let Some(file) = command.strip_prefix("cat ") {
                ws.write(file, expected);
            }
            let command = command.replace(INSTALLED, &library);
            writeln!(script, "{command}\nmark").unwrap();
            if expected.is_empty() {
                // What it prints is left out, and it is about the program as it was.
                script.push_str("[ $? = 0 ] || exit\nsandbox-patch remove -q myos 2>/dev/null\n");
            }
        }
        let outcome = ws.run(&script);
        for (Step { command, expected }, printed) in block.iter().zip(printed(&outcome, &block)) {
            let printed = printed.replace(&library, INSTALLED);
            let (expected, printed) = (comparable(expected), comparable(&printed));
            assert!(
                expected.is_empty() || matches(&expected, &printed),
                "$ {command}\n{printed}--- expected by {page}\n{expected}"
            );
        }
    }
}

#[test]
fn the_reference_of_policies_shows_what_is() {
    check("policy.md");
}

#[test]
fn the_page_on_learning_shows_what_is() {
    check("learning.md");
}

#[test]
fn the_page_on_policy_files_shows_what_is() {
    check("policy-files.md");
}
