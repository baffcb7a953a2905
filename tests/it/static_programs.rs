//! `make static`: programs that run where there is nothing else.

use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Signal, Workspace, target_folder};

/// The directory of the programs, which are built once.
fn programs() -> &'static str {
    static PROGRAMS: OnceLock<String> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let target = target_folder();
        let target = target.display();
        // With the cargo that this test was built with, and the PATH that leads to it.
        let made = Command::new("make")
            .args(["-C", env!("CARGO_MANIFEST_DIR"), "static"])
            .arg(format!("CARGO_TARGET_DIR={target}"))
            .status();
        assert!(made.expect("make starts").success());
        format!("{target}/static")
    })
}

/// A line of shell in a root directory that is made in the workspace as `root`.
fn within<'a>(ws: &'a Workspace, shell: &'a str) -> impl Fn(&str) -> crate::support::Outcome + 'a {
    move |line| {
        ws.run_with_mounts(&format!(
            "mkdir -p root/proc && mount --bind /proc root/proc &&
             exec {shell} '{line}'"
        ))
    }
}

/// Also in a root that has a shell, and no C library.
#[test]
#[ignore = "long: builds both programs anew, linked statically"]
fn both_run_in_a_root_that_has_nothing_else() {
    let ws = Workspace::new();
    let tools = programs();
    ws.compile_as("gcc -static", "myos.c", "myos");
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
    let within = within(&ws, "chroot root /bin/busybox sh -c");
    within("cd /bin && exec sandboxify -q --deny uname ./myos").dies_by(Signal::SYS);
    within("cd /bin && sandbox-patch -q --deny uname ./myos && sandbox-patch verify ./myos")
        .succeeds();
    within("exec /bin/myos").dies_by(Signal::SYS);
    within("cd /bin && sandbox-patch remove -q ./myos && ./myos")
        .succeeds()
        .prints("My OS is Linux!");
}

/// Where the C library is older than the one that they were built with; a program that is
/// linked with it loads the runtime.
#[test]
#[ignore = "long: builds both programs anew, and needs the C library of Debian 11"]
fn both_run_with_the_c_library_of_debian_11() {
    let ws = Workspace::new();
    let tools = programs();
    let release = target_folder().join("libcs/bullseye");
    assert!(release.is_dir(), "tests/libcs/setup fetches it");
    let release = release.display();
    // gcc knows where this machine has its start files; those of the release come first.
    let libraries = format!("{release}/usr/lib/x86_64-linux-gnu");
    ws.compile_as(
        &format!(
            "gcc --sysroot={release} -B{libraries}/ -L{libraries} -idirafter /usr/include \
             -idirafter /usr/include/x86_64-linux-gnu"
        ),
        "myos.c",
        "myos",
    );
    ws.run("readelf -VW myos | grep -o 'GLIBC_2[.]3[0-9]'")
        .fails();
    ws.run(&format!(
        "cp -a {release} root && install -D -t root/bin {tools}/sandbox-patch \
         {tools}/sandboxify {tools}/sandbox-inline {tools}/libsandbox.so myos /usr/bin/busybox"
    ))
    .succeeds();
    let within = within(&ws, "chroot root /bin/busybox sh -c");
    within("exec /bin/sandboxify -q --deny uname /bin/myos").dies_by(Signal::SYS);
    within("cd /bin && ./sandbox-patch -q --inline --deny uname ./myos -o ./inline").succeeds();
    within("exec /bin/inline").dies_by(Signal::SYS);
    within("cd /bin && ./sandbox-patch -q --deny uname ./myos && ./sandbox-patch verify ./myos")
        .succeeds();
    within("exec /bin/myos").dies_by(Signal::SYS);
    within("cd /bin && ./sandbox-patch remove -q ./myos && ./myos")
        .succeeds()
        .prints("My OS is Linux!");
}
