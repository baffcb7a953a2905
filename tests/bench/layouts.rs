//! How sandbox-patch and patchelf fare with the corpus: `make layouts`.
//!
//! Both add one DT_NEEDED, patchelf of a library that does nothing, and the
//! result is judged alike: it runs as the program did, readelf finds no fault
//! that was not there, and it runs after `strip` and after `llvm-strip`, where
//! the program itself does. Into a program that loads no libraries sandbox-patch
//! puts the runtime; patchelf has to refuse it.
//!
//! `make layouts` leaves the result in `target/layouts.md`.

use sandbox_support::corpus::{self, Case};
use sandbox_support::{Workspace, warnings};

/// Someone who makes `./after` of `./before`.
struct Patcher {
    command: &'static str,
    /// Whether it can do more than to add a library.
    has_other_ways: bool,
}

const PATCHERS: [Patcher; 2] = [
    Patcher {
        command: "sandbox-patch -q --deny ptrace -o after before",
        has_other_ways: true,
    },
    Patcher {
        command: "patchelf --add-needed \"$PWD/libempty.so\" --output after before",
        has_other_ways: false,
    },
];

/// What came of a program.
enum Outcome {
    Right,
    Refused,
    /// At the first step that went wrong.
    Wrong(String),
}

struct Row {
    case: Case,
    outcomes: [Outcome; PATCHERS.len()],
}

impl Row {
    fn new(case: Case) -> Self {
        let ws = Workspace::new();
        case.build(&ws);
        ws.compile_as("gcc -shared -fPIC -nostdlib", "empty.c", "libempty.so");
        let outcomes = PATCHERS.map(|patcher| judge(&ws, &patcher, &case));
        Self { case, outcomes }
    }

    /// Whether a patcher did what is right for the program.
    fn is_right(&self, patcher: usize) -> bool {
        match self.outcomes[patcher] {
            Outcome::Right => true,
            Outcome::Refused => is_to_be_refused(&PATCHERS[patcher], &self.case),
            Outcome::Wrong(_) => false,
        }
    }

    fn cell(&self, patcher: usize) -> String {
        let text = match &self.outcomes[patcher] {
            Outcome::Right => "patched".to_owned(),
            Outcome::Refused => "refused".to_owned(),
            Outcome::Wrong(step) => step.clone(),
        };
        if self.is_right(patcher) {
            text
        } else {
            format!("**{text}**")
        }
    }
}

fn is_to_be_refused(patcher: &Patcher, case: &Case) -> bool {
    match patcher.has_other_ways {
        true => case.expected.refused.is_some(),
        false => case.expected.loads_no_libraries,
    }
}

fn judge(ws: &Workspace, patcher: &Patcher, case: &Case) -> Outcome {
    let prints = ws.run("./before").succeeds().stdout.clone();
    let runs = |file: &str| {
        let outcome = ws.run(&format!("./{file}"));
        outcome.status() == Some(0) && outcome.stdout == prints
    };
    let wrong = |step: &str| Outcome::Wrong(step.to_owned());
    match ws.run(patcher.command).status() {
        Some(0) => {}
        Some(_) => return Outcome::Refused,
        None => return wrong("crashes itself"),
    }
    if !runs("after") {
        return wrong("does not run");
    }
    if is_to_be_refused(patcher, case) {
        return wrong("patched, in vain");
    }
    if !case.expected.sections_lie {
        let [before, after] = ["before", "after"].map(|file| warnings(ws, "readelf -aW", file));
        if !after.is_subset(&before) {
            return wrong("readelf warns");
        }
    }
    for strip in ["strip", "llvm-strip"] {
        let strips = |file: &str| {
            let line = format!("cp {file} stripped && {strip} stripped");
            ws.run(&line).status() == Some(0) && runs("stripped")
        };
        if strips("before") && !strips("after") {
            return wrong(&format!("broken by {strip}"));
        }
    }
    Outcome::Right
}

fn main() {
    let rows: Vec<Row> = corpus::all().into_iter().map(Row::new).collect();
    let right = |patcher| rows.iter().filter(|row| row.is_right(patcher)).count();
    let version = Workspace::new().run("patchelf --version").stdout;
    let version = version.trim();
    println!("# Layouts\n");
    println!("<!-- Written by `make layouts`. -->\n");
    println!(
        "What `sandbox-patch` and Debian's {version} (`--add-needed` of an empty library) make of \
         programs of all layouts. The result is right if it runs as the program did, `readelf -aW` \
         warns of nothing new, and it runs after `strip` and after `llvm-strip`, unless these break \
         the program itself. Into programs that load no libraries `sandbox-patch` puts the runtime \
         itself; {version} is right to refuse them. \
         What is not right is in bold: the first thing that goes wrong. Where GNU strip breaks what \
         sandbox-patch made, it has warned of that: the program headers had to move, and the \
         program is to be stripped before.\n"
    );
    println!(
        "Of {} programs sandbox-patch gets {} right, {version} {}.\n",
        rows.len(),
        right(0),
        right(1)
    );
    println!("| program | sandbox-patch | {version} |");
    println!("| --- | --- | --- |");
    for row in &rows {
        println!("| {} | {} | {} |", row.case.name, row.cell(0), row.cell(1));
    }
    println!("\n## How the programs are made\n");
    println!(
        "By these commands for bash, with the directory `fixtures` as `$FIXTURES`; the program is \
         `before`.\n"
    );
    for row in &rows {
        println!(
            "* {}\n\n  ```sh\n{}\n  ```\n",
            row.case.name,
            indented(&row.case.build)
        );
    }
}

fn indented(script: &str) -> String {
    let lines: Vec<_> = script.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
