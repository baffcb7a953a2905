//! Learning what a program can call by reading it.

use std::collections::BTreeSet;

use sandbox_support::Workspace;

/// What the program can call.
fn read(ws: &Workspace, command: &str) -> BTreeSet<String> {
    let read = ws.run(&format!("sandbox-patch learn -q --static {command}"));
    read.succeeds();
    read.stdout.lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_reaches(found: &BTreeSet<String>, present: &str, absent: &str) {
    let missing: Vec<_> = present
        .split_whitespace()
        .filter(|name| !found.contains(*name))
        .collect();
    let more: Vec<_> = absent
        .split_whitespace()
        .filter(|name| found.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?} missing from {found:?}");
    assert!(more.is_empty(), "{more:?} can't be reached");
}

/// What reaches.c calls.
const REACHED: &str = "getpgid sync getsid setsid capget capset munlockall vhangup chroot \
    sethostname setdomainname iopl ioperm syslog ustat swapoff mincore remap_file_pages sysfs \
    lookup_dcookie personality syncfs getpriority setpriority quotactl flock vfork execve \
    rt_sigaction exit_group exit futex";

#[test]
fn calls_are_found_however_they_are_made() {
    for compiler in [
        "gcc -O0",
        "gcc -O2",
        "gcc -Os -no-pie",
        "gcc -O2 -static -s",
        "gcc -O1 -static-pie",
        "gcc -O2 -fno-asynchronous-unwind-tables -s",
        "gcc -O2 -Wl,-z,now,-z,pack-relative-relocs",
        "clang -O2",
        "musl-gcc -O2",
        "musl-gcc -O2 -static",
    ] {
        let ws = Workspace::new();
        println!("{compiler}");
        ws.compile(compiler, "reaches.c");
        // musl's vfork is in assembly, and all of it is there.
        assert_reaches(&read(&ws, "reaches"), REACHED, "acct");
        if !compiler.contains("static") {
            assert_reaches(&read(&ws, "reaches"), "", "acct pivot_root swapon");
        }
    }
}

#[test]
fn objects_and_exceptions_are_followed() {
    for compiler in ["g++ -O0", "g++ -O2", "clang++ -O2"] {
        let ws = Workspace::new();
        ws.compile(compiler, "reaches.cpp");
        let found = read(&ws, "reaches");
        assert_reaches(&found, "sync getsid getpgid vhangup exit_group", "");
        if compiler.contains("-O2") {
            assert_reaches(&found, "", "acct");
        }
    }
}

#[test]
fn each_call_has_a_way_to_it() {
    let ws = Workspace::with_myos("gcc");
    ws.run("sandbox-patch learn --static ./myos --why uname")
        .succeeds()
        .prints("uname:\n    libc.so.6: uname (0x");
    ws.run("sandbox-patch learn --static ./myos --why uname | tail -n 1")
        .prints("    main\n");
    ws.run("sandbox-patch learn -q --static ./myos --why reboot")
        .exits_with(1)
        .complains("sandbox-patch: ./myos: it has no way to reboot");
}

#[test]
fn what_is_not_known_is_told() {
    let ws = Workspace::new();
    ws.compile("gcc", "reaches.c");
    ws.run("sandbox-patch learn --static ./reaches -o policy.toml")
        .succeeds()
        .complains("./reaches: warning: incomplete: it may execute other programs");
    ws.run("sandbox-patch learn --static ./reaches --strict -o policy.toml")
        .exits_with(1);
    ws.run("patchelf --add-needed libnowhere.so.1 ./reaches && sandbox-patch learn --static ./reaches -o p.toml")
        .succeeds()
        .complains("incomplete: libnowhere.so.1, which it needs, is not found");
}

#[test]
fn files_that_are_no_programs_are_refused() {
    let ws = Workspace::new();
    ws.write("text", "#!/bin/sh\n");
    ws.run("sandbox-patch learn --static text")
        .exits_with(1)
        .complains_in_one_line("sandbox-patch: text: ");
    ws.run("sandbox-patch learn --static nothing")
        .exits_with(1)
        .complains_in_one_line("sandbox-patch: nothing: ");
    // What is cut off ends the program at once, or its headers contradict the file.
    ws.run("head -c 40 /bin/true > cut; sandbox-patch learn --static cut")
        .exits_with(1)
        .complains_in_one_line("sandbox-patch: cut: ");
}

/// What is read has all that is seen, and the program runs under it.
#[test]
fn nothing_is_missing_from_programs_of_debian() {
    let ws = Workspace::new();
    ws.write("lines", "one\ntwo\nthree\n");
    for (program, arguments) in [
        ("cat", "lines"),
        ("ls", "-la lines"),
        ("sort", "-r lines"),
        ("grep", "-rc t lines"),
        ("gzip", "-kf lines"),
        ("tar", "cf lines.tar lines"),
        ("find", ". -name lines -size +1c"),
        ("awk", "'{ print $1 }' lines"),
        (
            "sqlite3",
            "data 'create table if not exists t(x); select count(*) from t'",
        ),
        ("perl", "-e 'print 1 + 1; mkdir \"made\"; rmdir \"made\"'"),
        (
            "/usr/bin/python3",
            "-c 'import os; os.mkdir(\"made\"); os.rmdir(\"made\"); print(os.listdir(\".\") != [])'",
        ),
        ("bash", "-c 'for i in 1 2; do (echo $i); done; cd /; pwd'"),
    ] {
        let expected = ws.run(&format!("{program} {arguments}")).stdout.clone();
        ws.run(&format!(
            "sandbox-patch learn -q --static $(command -v {program}) -o p.toml && \
             sandbox-patch -q -p p.toml -o ./copy --replace $(command -v {program})"
        ))
        .succeeds();
        ws.run(&format!("./copy {arguments}"))
            .succeeds()
            .prints_only(&expected);
        ws.run(&format!(
            "rm -f copy; sandbox-patch learn -q --no-children -o seen.toml -- {program} {arguments}"
        ))
        .succeeds();
        let names = |file: &str| -> BTreeSet<String> {
            let text = String::from_utf8(ws.read(file)).expect("text");
            let items = text.lines().filter(|line| line.starts_with("    \""));
            let items = items.filter_map(|line| line.split('"').nth(1));
            items.map(str::to_owned).collect()
        };
        let seen = names("seen.toml");
        let missing: Vec<_> = seen.difference(&names("p.toml")).cloned().collect();
        assert!(missing.is_empty(), "{program}: {missing:?}");
    }
}
