//! What is done with a patched program later on.

use serde_json::Value;

use crate::inline::PATCH;
use crate::support::{Signal, Workspace, assert_faithful, library};

#[test]
fn patching_twice_changes_nothing() {
    for from in ["", "--from entry", "--from main"] {
        let ws = Workspace::with_myos("gcc -static");
        ws.run(&format!("{PATCH} {from} ./myos")).succeeds();
        let before = ws.snapshot();
        ws.run("sandbox-patch --deny getppid:uname ./myos")
            .succeeds()
            .prints("carries this policy already");
        assert_eq!(before, ws.snapshot());
    }
}

#[test]
fn another_moment_must_be_asked_for() {
    let ws = Workspace::with_myos("gcc -static");
    ws.run("cp myos before").succeeds();
    ws.run(&format!("{PATCH} --from entry ./myos")).succeeds();
    ws.assert_refused(
        &format!("{PATCH} --from main ./myos"),
        "./myos",
        "enforced in another way or from another moment on; --replace",
    );
    ws.run(&format!("{PATCH} --from main --replace ./myos"))
        .succeeds();
    ws.run("sandbox-patch inspect ./myos")
        .prints("before the last of its initialisers and main");
    assert_faithful(&ws, "before", "myos");
}

#[test]
fn another_policy_replaces_the_first_by_request() {
    for make in ["gcc -static", "musl-gcc -static", "gcc"] {
        let ws = Workspace::with_myos(make);
        ws.run("cp myos before").succeeds();
        ws.run(&format!("{PATCH} ./myos")).succeeds();
        let other = "sandbox-patch -q --inline --deny ptrace";
        ws.assert_refused(&format!("{other} ./myos"), "./myos", "--replace");
        ws.run(&format!("{other} --replace ./myos")).succeeds();
        ws.run("./myos").succeeds().prints_only("My OS is Linux!\n");
        ws.run(&format!("{PATCH} --replace ./myos")).succeeds();
        ws.run("./myos").dies_by(Signal::SYS);
        assert_faithful(&ws, "before", "myos");
    }
}

#[test]
fn the_library_and_the_inline_runtime_replace_each_other() {
    let ws = Workspace::with_myos("gcc");
    ws.run("cp myos before").succeeds();
    let by_library = "sandbox-patch -q --deny uname:getppid";
    for line in [by_library, PATCH, by_library] {
        ws.run(&format!("{line} --replace ./myos")).succeeds();
        ws.run("./myos").dies_by(Signal::SYS);
        ws.run("sandbox-patch verify ./myos").succeeds();
        let needs = ws.run("readelf -dW myos").stdout.contains(&library());
        assert_eq!(needs, line == by_library);
        assert_faithful(&ws, "before", "myos");
    }
    ws.assert_refused(
        &format!("{PATCH} ./myos"),
        "./myos",
        "enforced in another way or from another moment on; --replace",
    );
}

#[test]
fn inspecting_tells_programs_that_enforce_their_policy_themselves() {
    let ws = Workspace::with_myos("gcc -static");
    for (from, moment) in [
        ("entry", "from its first instruction on"),
        ("main", "before the last of its initialisers and main"),
    ] {
        ws.run(&format!("{PATCH} --replace --from {from} ./myos"))
            .succeeds();
        let outcome = ws.run("sandbox-patch inspect --json ./myos");
        let found: Value = serde_json::from_str(&outcome.succeeds().stdout).expect("JSON");
        outcome.does_not_print("to have the present one");
        assert_eq!(found["kind"], "static program");
        assert_eq!(
            (&found["protected"], &found["sound"]),
            (&true.into(), &true.into())
        );
        assert_eq!(
            found["enforced"],
            format!("by the program itself, {moment}")
        );
        assert_eq!(found["library"], Value::Null);
        assert_eq!(found["filter"]["matches_policy"], true);
        assert_eq!(found["problems"], Value::Array(Vec::new()));
    }
}
