//! Programs of many makes go on working, and stop where the policy says.

use crate::inline::{GETPPID, PATCH, STATIC, assert_sandboxed, makes};
use crate::support::{Signal, Workspace, assert_faithful};

/// A program is sandboxed from either moment on, gets no warning from readelf
/// that it had not before, and is restored.
#[track_caller]
fn assert_can_be_sandboxed(ws: &Workspace, program: &str) {
    for from in ["entry", "main"] {
        ws.run(&format!("{PATCH} --from {from} -o patched {program}"))
            .succeeds();
        assert_sandboxed(ws, "patched");
        assert_faithful(ws, program, "patched");
    }
    // The names of what the warnings are about may have moved to other indices.
    ws.run(&format!(
        "readelf -aW {program} 2>&1 >/dev/null | wc -l >before; \
         readelf -aW patched 2>&1 >/dev/null | wc -l | cmp before -"
    ))
    .succeeds();
}

#[test]
fn of_every_make_are_sandboxed() {
    for make in makes() {
        let ws = Workspace::new();
        ws.compile(make, "forbidden.c");
        assert_can_be_sandboxed(&ws, "forbidden");
    }
}

#[test]
fn of_every_make_may_be_stripped_before() {
    for make in makes() {
        let ws = Workspace::new();
        ws.compile(make, "forbidden.c");
        ws.run("strip forbidden").succeeds();
        assert_can_be_sandboxed(&ws, "forbidden");
    }
}

#[test]
fn of_every_make_may_be_stripped_afterwards() {
    // GNU strip moves the segments of a program whose headers moved, of which
    // patching warns.
    let keeps_headers =
        |make: &&str| *make != "gcc -pie -fuse-ld=gold -Wl,--rosegment,--hash-style=sysv";
    for make in makes().filter(keeps_headers) {
        let ws = Workspace::new();
        ws.compile(&format!("{make} -g"), "forbidden.c");
        ws.run(&format!("{PATCH} -o patched forbidden")).succeeds();
        for strip in [
            "strip -o",
            "strip -g -o",
            "eu-strip -o",
            "llvm-strip -o",
            "objcopy --strip-debug patched",
        ] {
            // llvm-strip 14 does not take static programs of glibc's at a fixed
            // address, patched or not: their .rela.plt names no symbol table.
            if strip.starts_with("llvm") && ws.run("llvm-strip -o x forbidden").status() != Some(0)
            {
                continue;
            }
            let named = if strip.ends_with("-o") {
                " patched"
            } else {
                ""
            };
            ws.run(&format!("{strip} stripped{named}")).succeeds();
            assert_sandboxed(&ws, "stripped");
            ws.run("sandbox-patch remove --best-effort -o unpatched stripped")
                .succeeds();
            ws.run(&format!("./unpatched {GETPPID}"))
                .succeeds()
                .prints_only("passed\n");
            // A section in memory that no segment has is none for strip.
            ws.run("readelf -SW unpatched | grep '[.]sandbox' | grep -v NULL")
                .prints_only("");
        }
    }
}

#[test]
fn whose_headers_move_are_warned_of() {
    let ws = Workspace::with_myos("gcc -pie -fuse-ld=gold -Wl,--rosegment,--hash-style=sysv");
    ws.run(&format!("{PATCH} ./myos"))
        .succeeds()
        .complains_in_one_line("its program headers had to move")
        .complains("strip it before patching");
}

#[test]
fn need_no_more_than_the_four_names_of_the_article_if_they_are_static() {
    for make in STATIC {
        let ws = Workspace::with_myos(make);
        ws.run("sandbox-patch --allow exit_group:fstat:uname:write ./myos")
            .succeeds()
            .prints(
                "enforced  by the program itself, before the last of its initialisers and main",
            );
        ws.run("./myos").succeeds().prints_only("My OS is Linux!\n");
    }
}

#[test]
fn find_all_that_the_kernel_hands_to_them() {
    for make in [
        "gcc -static",
        "gcc -static-pie",
        "musl-gcc -static",
        "gcc",
        "musl-gcc",
    ] {
        let ws = Workspace::new();
        ws.compile(make, "start.c");
        let line = "env -i A=1 EMPTY= ./start one '' 'two words' >";
        ws.run(&format!("{line}before")).exits_with(4);
        for from in ["entry", "main"] {
            ws.run(&format!("{PATCH} --replace --from {from} ./start"))
                .succeeds();
            ws.run(&format!("{line}after")).exits_with(4);
            ws.run("diff before after").succeeds().prints_only("");
        }
    }
}

/// The program prints what it did before, from either moment on.
#[track_caller]
fn assert_prints_the_same(ws: &Workspace, program: &str) {
    let before = ws.run(&format!("./{program}"));
    before.succeeds();
    assert!(!before.stdout.is_empty());
    for from in ["entry", "main"] {
        ws.run(&format!("{PATCH} --from {from} -o patched {program}"))
            .succeeds();
        ws.run("./patched")
            .succeeds()
            .is_silent()
            .prints_only(&before.stdout);
        assert_faithful(ws, program, "patched");
    }
}

#[test]
fn have_exceptions_threads_and_thread_local_storage() {
    for (make, fixture) in [
        ("g++ -static", "exceptions.cpp"),
        ("g++ -static-pie", "exceptions.cpp"),
        ("g++", "exceptions.cpp"),
        ("gcc -static", "tls_threads.c"),
        ("gcc -static-pie", "tls_threads.c"),
        ("gcc", "tls_threads.c"),
        ("musl-gcc -static", "tls_threads.c"),
    ] {
        let ws = Workspace::new();
        ws.compile_as(make, fixture, "original");
        assert_prints_the_same(&ws, "original");
    }
}

#[test]
fn of_rust_are_sandboxed() {
    let ws = Workspace::new();
    let rustc = "rustc --edition=2024 -Ctarget-feature=+crt-static";
    for place in ["-Crelocation-model=pie", "-Crelocation-model=static"] {
        ws.compile(&format!("{rustc} {place}"), "hello.rs");
        assert_prints_the_same(&ws, "hello");
    }
}

/// It has no initialisers but those of C.
#[test]
fn of_go_are_sandboxed_from_the_entry_point_on() {
    for options in [&[][..], &["-buildmode=pie"]] {
        let ws = Workspace::new();
        ws.compile_go(options, "forbidden.go");
        let patched = ws.run(&format!("{PATCH} -o patched forbidden"));
        // The other is dynamic, and begins there anyway.
        if options.is_empty() {
            patched.succeeds().complains_in_one_line(
                "the policy is in force from the entry point on, since it has no initialisers",
            );
        } else {
            patched.succeeds().is_silent();
        }
        assert_sandboxed(&ws, "patched");
        assert_faithful(&ws, "forbidden", "patched");
        ws.assert_refused(
            &format!("{PATCH} --from main ./forbidden"),
            "./forbidden",
            "it has no initialisers; use --from entry",
        );
    }
}

#[test]
fn of_go_and_c_are_sandboxed() {
    for flags in ["", "-linkmode external -extldflags -static"] {
        let ws = Workspace::new();
        ws.compile_go(&["-ldflags", flags], "forbidden_cgo.go");
        assert_can_be_sandboxed(&ws, "forbidden_cgo");
    }
}

/// Debian's static busybox, as `busybox`, with a policy.
fn busybox(policy: &str) -> Workspace {
    let ws = Workspace::new();
    ws.run("cp /bin/busybox . && test -z \"$(readelf -lW busybox | grep INTERP)\"")
        .succeeds();
    ws.run(&format!("sandbox-patch -q {policy} ./busybox"))
        .succeeds();
    ws
}

/// Its shell starts applets by executing itself (/proc/self/exe), patched as it
/// is, or without executing anything.
#[test]
fn that_are_a_shell_run_scripts() {
    let ws = busybox("--deny ptrace:mount:umount2:reboot");
    let script = "
        mkdir -p folder/sub; cd folder
        seq 5 >numbers; cp numbers copy; ln -s copy link; touch -d @0 sub/old
        test \"$(sort -rn numbers | head -n 1)\" = 5
        test \"$(cat link | wc -l)\" -eq 5
        test \"$(grep -c 3 copy)\" = 1
        test \"$(expr 1 + 2)\" = 3
        test \"$(basename $(dirname /a/b/c))\" = b
        test \"$(echo abc | tr a-c A-C | sed s/B/x/)\" = AxC
        test \"$(printf 'x y\\n' | cut -d ' ' -f 2)\" = y
        test \"$(echo 1 2 | awk '{ print $1 + $2 }')\" = 3
        test \"$(find . -name old)\" = ./sub/old
        test \"$(echo text | gzip | gunzip)\" = text
        test \"$(tar cf - numbers | tar tf -)\" = numbers
        test \"$(md5sum <numbers)\" = \"$(md5sum <copy)\"
        chmod 600 copy; mv copy moved; rm -r sub link moved numbers
        test \"$(ls)\" = ''
        echo done";
    ws.write("script", script);
    ws.run("./busybox sh -e script")
        .succeeds()
        .is_silent()
        .prints_only("done\n");
    ws.run("./busybox mount -t tmpfs none folder")
        .dies_by(Signal::SYS);
    ws.run("./busybox sh -c 'mount -t tmpfs none folder; echo $?'")
        .prints_only("159\n");
}

/// Some applets are functions of the shell; the others need execve.
#[test]
fn that_are_a_shell_run_what_is_in_them_without_execve() {
    let ws = busybox("--deny execve:execveat");
    ws.run("./busybox sh -c 'echo $(basename /a/b) $(printf %s x); test -e / && seq 2'")
        .succeeds()
        .prints_only("b x\n1\n2\n");
    ws.run("./busybox sh -c '/bin/true; echo $?'")
        .prints_only("159\n");
}

#[test]
fn are_not_writable_where_the_runtime_is() {
    for make in makes() {
        let ws = Workspace::new();
        ws.compile(make, "maps.c");
        ws.run(&format!("{PATCH} ./maps")).succeeds();
        let outcome = ws.run("./maps | grep /maps$");
        let modes: Vec<&str> = outcome
            .stdout
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        assert!(modes.contains(&"r-xp"), "{make}: {outcome}");
        let both = |mode: &&str| mode.contains('w') && mode.contains('x');
        assert!(!modes.iter().any(both), "{make}: {outcome}");
    }
}

#[test]
fn can_be_debugged() {
    for make in ["gcc -static", "gcc -static-pie", "gcc"] {
        let ws = Workspace::with_myos(&format!("{make} -g"));
        ws.run("sandbox-patch -q --inline --deny getppid ./myos")
            .succeeds();
        ws.run("gdb -batch -nx -ex 'break uname' -ex run -ex backtrace -ex continue ./myos")
            .succeeds()
            .prints("#1 ")
            .prints("in main () at")
            .prints("My OS is Linux!\n")
            .prints("exited normally");
    }
}
