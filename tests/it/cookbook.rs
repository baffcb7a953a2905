//! The recipes of docs/cookbook.md, as somebody would type them: its files are written, its
//! commands are run in one shell, and print what it says they do. Without patching, the
//! attack of each recipe succeeds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::support::{Workspace, project, target_folder};
use crate::transcript::{MARK, Step, matches, printed, steps};

/// What a test takes from a section of the page.
struct Recipe {
    /// Blocks behind a line that is the name of a file.
    files: BTreeMap<String, String>,
    steps: Vec<Step>,
}

impl Recipe {
    fn read(heading: &str) -> Self {
        let page = std::fs::read_to_string(project().join("docs/cookbook.md")).unwrap();
        let (_, section) = page
            .split_once(&format!("\n## {heading}\n"))
            .unwrap_or_else(|| panic!("no recipe {heading}"));
        let section = section.split("\n## ").next().unwrap();
        let mut recipe = Self {
            files: BTreeMap::new(),
            steps: Vec::new(),
        };
        let mut lines = section.lines();
        let mut name = None;
        while let Some(line) = lines.next() {
            if let Some(kind) = line.strip_prefix("```") {
                let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                if kind == "console" {
                    recipe.steps.extend(steps(&block));
                } else {
                    let name = name.take().expect("a name before each file");
                    recipe.files.insert(name, block.join("\n") + "\n");
                }
            } else if let Some(file) = line.strip_prefix('`') {
                name = file.strip_suffix("`:").map(str::to_owned);
            }
        }
        recipe
    }
}

/// Copies in place of what patches. A service that its policy would have ended is waited for
/// in vain.
const UNPATCHED: &str = "sandbox-patch() { \
    for last; do :; done; \
    while [ $# -gt 0 ] && [ \"$1\" != -o ]; do shift; done; \
    [ $# -eq 0 ] || cp -L \"$last\" \"$2\"; }\n\
    wait() { [ $# -eq 0 ] || kill $1; builtin wait; }\n";

/// Servers say that they are there by a socket, or by a line that names their port.
const UNTIL_THERE: &str = "for i in {1..100}; do \
    compgen -G '*.sock' >/dev/null || grep -qs ' port [0-9]' log && break; sleep 0.05; done; \
    sleep 0.1\n";

/// All commands in one shell, which ends what it left running.
fn script(recipe: &Recipe, start: &str) -> String {
    let mut script = format!(
        "export GOCACHE={}\nexport PATH=$PATH:{}:{}\ntrap 'kill $(jobs -p)' EXIT\nexec 2>&1\n{start}",
        target_folder().join("tmp/go").display(),
        target_folder().join("unpacked/usr/sbin").display(),
        // The rustc beside the cargo that builds these tests.
        std::path::Path::new(env!("CARGO"))
            .parent()
            .unwrap()
            .display(),
    );
    for step in &recipe.steps {
        // Not installed, since their packages would start them. redis-server is a link to
        // what redis-tools has.
        let command = step
            .command
            .replace("/usr/sbin/nginx", "$(command -v nginx)")
            .replace("/usr/bin/redis-server", "/usr/bin/redis-check-rdb");
        writeln!(script, "{command}").unwrap();
        if command.ends_with('&') {
            script.push_str(UNTIL_THERE);
        }
        writeln!(script, "echo '{MARK}'").unwrap();
    }
    script
}

/// Runs a recipe in an empty directory, and returns what each command prints.
#[track_caller]
fn run(ws: &Workspace, recipe: &Recipe, start: &str) -> Vec<String> {
    for (name, text) in &recipe.files {
        ws.write(name, text);
    }
    let outcome = ws.run(&script(recipe, start));
    printed(&outcome, &recipe.steps)
}

/// A workspace with the attacker's library in it.
fn with_attacker() -> Workspace {
    let ws = Workspace::new();
    run(&ws, &Recipe::read("The attacker"), "");
    ws
}

#[track_caller]
fn check(heading: &str, workspace: impl Fn() -> Workspace) {
    let recipe = Recipe::read(heading);
    let ws = workspace();
    let printed = run(&ws, &recipe, "");
    for (step, printed) in recipe.steps.iter().zip(&printed) {
        let Step { command, expected } = step;
        assert!(
            matches(expected, printed),
            "$ {command}\n{printed}--- expected\n{expected}"
        );
    }
    assert!(!ws.path("owned").exists());
    let ws = workspace();
    let printed = run(&ws, &recipe, UNPATCHED);
    assert!(ws.path("owned").exists(), "no attack: {printed:#?}");
}

#[test]
fn redis_saves_and_starts_no_shell() {
    check("redis-server", with_attacker);
}

#[test]
fn nginx_serves_and_its_worker_starts_no_shell() {
    check("nginx", with_attacker);
}

#[test]
fn curl_fetches_and_starts_no_shell() {
    check("curl", with_attacker);
}

#[test]
fn python_computes_and_gets_nothing_else() {
    check("python3", Workspace::new);
}

#[test]
fn sqlite_writes_databases_and_starts_no_shell() {
    check("sqlite3", with_attacker);
}

#[test]
fn a_go_service_answers_and_starts_no_shell() {
    check("A Go service", Workspace::new);
}

#[test]
fn a_rust_service_answers_and_starts_no_shell() {
    check("A Rust service", Workspace::new);
}
