//! What other tools do to a patched program: the policy stays in force, and the
//! patch can still be taken out, exactly or with what they changed.

mod support;

use support::{Signal, Workspace};

const MAKES: [&str; 7] = [
    "gcc",
    "gcc -no-pie -Wl,-z,noseparate-code",
    "gcc -fuse-ld=lld",
    "clang -fuse-ld=lld -no-pie",
    "clang -fuse-ld=mold",
    "musl-gcc",
    "musl-gcc -fuse-ld=lld",
];

const TOOLS: [&str; 7] = [
    "strip FILE",
    "strip -g FILE",
    "llvm-strip FILE",
    "eu-strip FILE",
    "objcopy --add-section .extra=/etc/os-release FILE",
    "objcopy --only-keep-debug FILE FILE.debug && objcopy --strip-debug --add-gnu-debuglink=FILE.debug FILE",
    "printf PAYLOAD >> FILE",
];

#[track_caller]
fn assert_runs(ws: &Workspace, file: &str) {
    ws.run(&format!("./{file}"))
        .succeeds()
        .prints_only("My OS is Linux!\n");
}

/// What the program needs, and no more.
const TIGHT: &str = "--allow exit_group:fstat:uname:write";

/// For each make and tool: `before`, and `after`, which was patched and then
/// changed.
fn for_each_change(policy: &str, story: impl Fn(&Workspace)) {
    for make in MAKES {
        let ws = Workspace::new();
        ws.compile_as(make, "myos.c", "before");
        ws.run(&format!("sandbox-patch {policy} -o patched before"))
            .succeeds();
        for tool in TOOLS {
            println!("{make}: {tool}");
            ws.run("cp patched after").succeeds();
            ws.run(&tool.replace("FILE", "after"))
                .succeeds()
                .is_silent();
            story(&ws);
        }
    }
}

#[test]
fn the_program_runs_within_its_policy() {
    for_each_change(TIGHT, |ws| {
        assert_runs(ws, "after");
        ws.run("sandbox-patch verify after").succeeds();
    });
}

#[test]
fn the_policy_is_in_force() {
    for_each_change("--deny uname", |ws| {
        ws.run("./after").dies_by(Signal::SYS);
    });
}

#[test]
fn the_original_is_not_promised_where_it_cannot_be_had() {
    for_each_change(TIGHT, |ws| {
        let changed = ws.read("after");
        ws.run("sandbox-patch remove after")
            .exits_with(1)
            .complains("--best-effort");
        assert_eq!(ws.read("after"), changed);
        ws.run("sandbox-patch --deny uname --replace after")
            .exits_with(1)
            .complains("--best-effort");
        assert_eq!(ws.read("after"), changed);
    });
}

#[test]
fn the_patch_is_taken_out_and_the_changes_stay() {
    for_each_change(TIGHT, |ws| {
        let had_payload = ws.read("after").ends_with(b"PAYLOAD");
        ws.run("sandbox-patch remove --best-effort after")
            .succeeds()
            .prints("other tools' changes kept");
        assert_eq!(ws.read("after").ends_with(b"PAYLOAD"), had_payload);
        assert_runs(ws, "after");
        ws.run("sandbox-patch inspect after")
            .succeeds()
            .prints("not protected");
        ws.run("readelf -dW after")
            .succeeds()
            .does_not_print("libsandbox");
        let warnings = "readelf -aW FILE 2>&1 >/dev/null | grep -c Warning; true";
        let count = |file: &str| ws.run(&warnings.replace("FILE", file)).stdout;
        assert_eq!(count("after"), count("before"));
    });
}

#[test]
fn it_can_be_patched_again() {
    for_each_change(TIGHT, |ws| {
        ws.run("sandbox-patch remove -q --best-effort after")
            .succeeds();
        ws.run("sandbox-patch --deny uname -o again after")
            .succeeds();
        ws.run("./again").dies_by(Signal::SYS);
        let had_payload = ws.read("after").ends_with(b"PAYLOAD");
        assert_eq!(ws.read("again").ends_with(b"PAYLOAD"), had_payload);
        ws.run("sandbox-patch remove again && cmp again after")
            .succeeds();
    });
}

#[test]
fn a_patch_that_no_longer_fits_is_not_taken_out() {
    let ws = Workspace::new();
    ws.compile_as("gcc -no-pie", "myos.c", "program");
    let longer = "/usr/lib/a/folder/that/makes/patchelf/move/the/dynamic/section";
    ws.run(&format!("patchelf --set-rpath {longer} program"))
        .succeeds();
    ws.run(&format!(
        "sandbox-patch -q {TIGHT} program && patchelf --add-needed libm.so.6 program"
    ))
    .succeeds();
    assert_runs(&ws, "program");
    ws.assert_refused(
        "sandbox-patch remove --best-effort program",
        "program",
        "no longer fits the file",
    );
}
