//! Programs that earlier versions patched, as they are kept in tests/golden: this version
//! enforces, inspects, verifies and restores them.

use std::path::Path;

use crate::support::{Signal, Workspace, as_root, library};
use sandbox_patch::program::{Inspection, Problem, Surroundings};
use serde_json::Value;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// Each program, with what it was before.
const PROGRAMS: [(&str, &str); 3] = [
    ("0.1.0-static", "static.original"),
    ("0.1.0-inline", "dynamic.original"),
    ("0.1.0-library", "dynamic.original"),
];

/// A root with the program, its loader and the present library.
fn root_of(program: &str) -> Workspace {
    let ws = Workspace::new();
    let library = library();
    ws.run(&format!(
        "install -D {DIRECTORY}/{program} root/program &&
         install -D /lib64/ld-linux-x86-64.so.2 root/lib64/ld-linux-x86-64.so.2 &&
         install -D {library} root/usr/lib/sandbox-patch/libsandbox.so"
    ))
    .succeeds();
    ws
}

#[test]
fn all_of_them_are_tried() {
    let entries = std::fs::read_dir(DIRECTORY).expect("the directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let patched = names.filter(|name| name.to_string_lossy().starts_with(char::is_numeric));
    let mut patched: Vec<_> = patched.collect();
    patched.sort();
    let mut tried = PROGRAMS.map(|(program, _)| program);
    tried.sort_unstable();
    assert_eq!(patched, tried);
}

#[test]
fn they_run_under_their_policies() {
    for (program, original) in PROGRAMS {
        let ws = root_of(program);
        let run = format!("{}chroot root /program", as_root());
        ws.run(&run).dies_by(Signal::SYS).prints_only("permitted\n");
        // The call itself is harmless.
        ws.run(&format!("install {DIRECTORY}/{original} root/program"))
            .succeeds();
        ws.run(&run)
            .succeeds()
            .prints_only("permitted\nforbidden\n");
    }
}

#[test]
fn they_are_inspected_and_verified() {
    for (program, _) in PROGRAMS {
        let ws = root_of(program);
        ws.run("sandbox-patch verify --root root --exact --allow write:exit_group root/program")
            .succeeds()
            .prints_only("root/program: ok\n");
        let shown = ws.run("sandbox-patch inspect --root root --json root/program");
        let found: Value = serde_json::from_str(&shown.stdout).expect("JSON");
        assert_eq!(found["sound"], true, "{program}: {}", found["problems"]);
        let policy = &found["policy"];
        assert_eq!(policy["format"], 2);
        assert_eq!(policy["names"], serde_json::json!(["exit_group", "write"]));
    }
}

#[test]
fn they_are_restored() {
    for (program, original) in PROGRAMS {
        let ws = root_of(program);
        ws.run("sandbox-patch remove -q root/program").succeeds();
        let original = Path::new(DIRECTORY).join(original);
        let original = std::fs::read(original).expect("the original");
        assert!(ws.read("root/program") == original, "{program}");
    }
}

/// As a later version does, whose own runtime is another.
#[test]
fn their_runtimes_are_known() {
    for (program, _) in PROGRAMS.iter().filter(|it| !it.0.ends_with("library")) {
        let file = std::fs::read(Path::new(DIRECTORY).join(program)).expect("the program");
        let inspect = |file: &[u8]| {
            let found = Inspection::of(program, file, &Surroundings::default());
            found.expect("an ELF file")
        };
        let found = inspect(&file);
        assert_eq!(found.problems, []);
        let notices: Vec<_> = found.notices.iter().map(ToString::to_string).collect();
        let of_runtime = "its runtime is that of version 0.1.0;";
        assert!(
            notices.iter().any(|it| it.starts_with(of_runtime)),
            "{notices:?}"
        );
        // In its code, but for the header.
        let text = b"the program was not started";
        let at = file.windows(text.len()).position(|it| it == text);
        let mut changed = file.clone();
        changed[at.expect("its message")] ^= 1;
        let ids: Vec<_> = inspect(&changed).problems.iter().map(Problem::id).collect();
        assert_eq!(ids, ["incomparable"]);
    }
}
