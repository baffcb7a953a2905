//! `make static`: programs that run where there is nothing else.

use std::process::Command;

use crate::support::{Signal, Workspace, target_folder};

/// Also in a root that has a shell, and no C library.
#[test]
#[ignore = "long: builds both programs anew, linked statically"]
fn both_run_in_a_root_that_has_nothing_else() {
    let ws = Workspace::new();
    let source = env!("CARGO_MANIFEST_DIR");
    let target = target_folder();
    let target = target.display();
    // With the cargo that this test was built with, and the PATH that leads to it.
    let made = Command::new("make")
        .args([
            "-C",
            source,
            "static",
            &format!("CARGO_TARGET_DIR={target}"),
        ])
        .status();
    assert!(made.expect("make starts").success());
    ws.compile_as("gcc -static", "myos.c", "myos");
    let tools = format!("{target}/static");
    ws.run(&format!(
        "for file in {tools}/sandbox-patch {tools}/sandboxify; do
            readelf -lW $file | grep -c INTERP
        done"
    ))
    .prints_only("0\n0\n");
    ws.run(&format!(
        "install -D -t root/bin {tools}/sandbox-patch {tools}/sandboxify {tools}/sandbox-inline \
             myos /usr/bin/busybox"
    ))
    .succeeds();
    let within = |line: &str| {
        ws.run_with_mounts(&format!(
            "mkdir -p root/proc && mount --bind /proc root/proc &&
             exec chroot root /bin/busybox sh -c 'cd /bin && {line}'"
        ))
    };
    within("exec sandboxify -q --deny uname ./myos").dies_by(Signal::SYS);
    within("sandbox-patch -q --deny uname ./myos && sandbox-patch verify ./myos").succeeds();
    within("exec ./myos").dies_by(Signal::SYS);
    within("sandbox-patch remove -q ./myos && ./myos")
        .succeeds()
        .prints("My OS is Linux!");
}
