//! The program runs as if nobody had stood between.

use crate::launcher::*;

/// Compares what `./inherits` is given if it is started in this way with and
/// without the launcher. `#` stands for the launcher.
fn assert_inherits_the_same(ws: &Workspace, line: &str) {
    let seen = |launcher: &str| {
        let program = format!("exec {launcher} ./inherits seen first '' --allow");
        ws.run(&line.replace('#', &program)).succeeds().is_silent();
        let seen = String::from_utf8(ws.read("seen")).expect("text");
        // Another process each time.
        seen.lines()
            .filter(|line| !line.starts_with("process "))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let direct = seen("");
    assert!(direct.contains("argument <--allow>"), "{direct}");
    assert_eq!(seen("sandboxify -q"), direct, "{line}");
    assert_eq!(seen("sandboxify -q --deny ptrace"), direct, "{line}");
}

#[test]
fn inherits_what_it_would_without_launcher() {
    for compiler in ["gcc", "musl-gcc -static"] {
        let ws = Workspace::new();
        ws.compile(compiler, "inherits.c");
        for line in [
            "#",
            "# <&-",
            "# >&-",
            "# 2>&-",
            "# <&- >&- 2>&-",
            "# 7</dev/null 9>seen.too",
            "trap '' PIPE; #",
            "trap '' PIPE HUP INT QUIT TERM CHLD USR1; #",
            "trap 'echo handled' PIPE; #",
            "nohup bash -c \"#\" >/dev/null 2>&1",
            "env --block-signal=PIPE,USR1,TERM bash -c \"#\"",
            "umask 027; ulimit -n 100; ulimit -c 0; #",
            "nice -n 5 bash -c \"#\"",
            "env -i PATH=$PATH bash -c \"#\"",
            "cd /; cd - >/dev/null; export EMPTY= LONG=a=b; #",
        ] {
            assert_inherits_the_same(&ws, line);
        }
    }
}

/// An environment may have entries that are no variables, and a variable
/// twice.
#[test]
fn gets_the_environment_as_it_is() {
    let ws = Workspace::new();
    ws.compile("gcc", "inherits.c");
    let script = "import os, sys, ctypes
words = sys.argv[1:]
strings = ctypes.c_char_p * (len(words) + 1)
environment = (ctypes.c_char_p * 5)(b'ODD', b'A=1', b'SANDBOX_EXACT=1', b'A=2', None)
ctypes.CDLL(None).execve(words[0].encode(), strings(*[w.encode() for w in words], None), environment)";
    ws.write("odd.py", script);
    ws.run("python3 odd.py $(command -v sandboxify) -q --deny ptrace ./inherits seen")
        .succeeds()
        .is_silent();
    let seen = String::from_utf8(ws.read("seen")).expect("text");
    let entries: Vec<&str> = seen
        .lines()
        .filter(|line| line.starts_with("environment"))
        .collect();
    assert_eq!(
        entries,
        [
            "environment <ODD>",
            "environment <A=1>",
            "environment <A=2>"
        ]
    );
}

#[test]
fn is_the_same_process() {
    let ws = Workspace::new();
    let outcome = ws.run("echo $$ $PPID; exec sandboxify -q --deny ptrace bash -c 'echo $$ $PPID'");
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines[0], lines[1]);
}

#[test]
fn ends_as_it_ends() {
    let ws = Workspace::new();
    for status in [0, 1, 7, 121, 126, 127, 255] {
        ws.run(&format!(
            "sandboxify -q --deny ptrace bash -c 'exit {status}'"
        ))
        .exits_with(status);
    }
    for signal in [Signal::TERM, Signal::KILL, Signal::PIPE] {
        let number = signal.as_raw();
        ws.run(&format!(
            "sandboxify -q --deny ptrace bash -c 'kill -{number} $$'"
        ))
        .dies_by(signal);
    }
    ws.run("sandboxify -q --deny ptrace yes | head -1; echo ${PIPESTATUS[0]}")
        .prints_only("y\n141\n");
}

#[test]
fn has_the_streams_and_the_terminal() {
    let ws = Workspace::new();
    ws.shell("sandboxify -q --deny ptrace bash -c 'cat; echo error >&2'")
        .input("text\n")
        .finish()
        .prints_only("text\n")
        .complains_in_one_line("error");
    ws.run("script -qec 'sandboxify -q --deny ptrace tty' /dev/null")
        .succeeds()
        .prints("/dev/pts/");
}

#[test]
fn takes_options_behind_its_name() {
    let ws = Workspace::new();
    for line in [
        "sandboxify -q --deny ptrace echo -q --deny x -- y",
        "sandboxify -q --deny ptrace -- echo -q --deny x -- y",
    ] {
        ws.run(line).succeeds().prints_only("-q --deny x -- y\n");
    }
}

#[test]
fn is_found_as_a_shell_finds_it() {
    let ws = Workspace::with_myos("gcc -static");
    ws.write("zero.c", "int main(void) { return 0; }");
    ws.run("mkdir one two; cp myos one/program; chmod -x one/program; cp myos two/program")
        .succeeds();
    let sandboxify = crate::support::program().with_file_name("sandboxify");
    let sandboxify = sandboxify.display();
    for path in ["two", "none:two", "one:two", ":two", "$PWD/two:/bin"] {
        ws.run(&format!(
            "PATH={path} {sandboxify} -q --deny ptrace program"
        ))
        .succeeds()
        .prints_only("My OS is Linux!\n");
    }
    // One whose loader is missing is passed over, too.
    ws.run("mkdir zero; gcc -o zero/program zero.c -Wl,--dynamic-linker=/none")
        .succeeds();
    ws.run(&format!(
        "PATH=zero:two {sandboxify} -q --deny ptrace program"
    ))
    .prints_only("My OS is Linux!\n");
    ws.run(&format!("PATH=zero {sandboxify} -q --deny ptrace program"))
        .exits_with(127)
        .complains_in_one_line("sandboxify: program: its dynamic loader /none");
    // So is a script whose interpreter may not be executed.
    ws.run("mkdir three; printf '#!./one/program\\n' >three/program; chmod +x three/program")
        .succeeds();
    ws.run(&format!(
        "PATH=three:two {sandboxify} -q --deny ptrace program"
    ))
    .prints_only("My OS is Linux!\n");
    for path in ["", ".", "/bin:"] {
        ws.run(&format!("PATH={path} {sandboxify} -q --deny ptrace myos"))
            .succeeds();
    }
    ws.run(&format!("unset PATH; {sandboxify} -q --deny ptrace true"))
        .succeeds();
    ws.run(&format!("PATH=one {sandboxify} -q --deny ptrace program"))
        .exits_with(126)
        .complains_in_one_line("sandboxify: program: it may not be executed");
    ws.run(&format!("PATH=/bin {sandboxify} -q --deny ptrace program"))
        .exits_with(127)
        .complains_in_one_line("sandboxify: program: it is in no directory of PATH");
}

#[test]
fn may_be_a_script() {
    let ws = Workspace::new();
    for (first, second) in [
        ("#!/bin/bash", "#!./first"),
        ("#! /bin/bash -p", "#!\t ./first\t x"),
        ("#!/usr/bin/env bash", "#!./first"),
    ] {
        ws.write("first", format!("{first}\necho $0 $2\nls\n"));
        ws.write("second", format!("{second}\n"));
        ws.run("chmod +x first second").succeeds();
        ws.run("sandboxify -q --deny ptrace ./first x second")
            .succeeds()
            .prints("./first second\n");
        ws.run("sandboxify -q --deny ptrace ./second").succeeds();
    }
    ws.write("first", "#!/bin/bash\nls\necho status $?\n");
    ws.run("sandboxify -q --deny execve ./first")
        .succeeds()
        .prints_only("status 159\n");
}

#[test]
fn may_be_one_that_nobody_may_read() {
    let ws = Workspace::with_myos("gcc -static");
    std::fs::set_permissions(ws.path("myos"), PermissionsExt::from_mode(0o711)).expect("own file");
    let nobody = as_nobody();
    ws.run(&format!("{nobody}cat ./myos")).exits_with(1);
    ws.run(&format!("{nobody}sandboxify -q --deny ptrace ./myos"))
        .succeeds()
        .prints_only("My OS is Linux!\n");
    ws.run(&format!("{nobody}sandboxify --deny uname ./myos"))
        .dies_by(Signal::SYS)
        .complains_in_one_line("./myos: warning: it can't be read; the policy is for x86_64");
}

#[test]
fn may_be_for_another_machine_if_something_runs_it() {
    let ws = Workspace::with_myos("aarch64-linux-gnu-gcc");
    // Its loader is missing here, and in its emulator's folder there.
    ws.run("sandboxify -q --deny ptrace ./myos")
        .exits_with(126)
        .complains_in_one_line("sandboxify: ./myos: it can't be started: ENOEXEC");
}

#[test]
fn loses_privileges_with_a_warning() {
    let ws = Workspace::new();
    ws.run("cp /bin/id id").succeeds();
    let root = as_root();
    let nobody = as_nobody();
    for (change, what, proof) in [
        (
            "chown 1:1 id; chmod 4755 id",
            "set-user-ID bit",
            "uid=65534",
        ),
        (
            "chown 1:1 id; chmod 2755 id",
            "set-group-ID bit",
            "gid=65534",
        ),
        (
            "chown 0:0 id; setcap cap_sys_time+ep id",
            "file capabilities",
            "uid=65534",
        ),
    ] {
        ws.run(&format!("{root}bash -c 'chmod 755 id; {change}'"))
            .succeeds();
        ws.run(&format!("{nobody}sandboxify --deny nfsservctl ./id"))
            .succeeds()
            .prints(proof)
            .does_not_print("euid=1")
            .does_not_print("egid=1")
            .complains_in_one_line(&format!("./id: warning: its {what} will have no effect"));
        ws.run(&format!("{nobody}sandboxify -q ./id"))
            .succeeds()
            .is_silent();
    }
    ws.run(&format!("{root}bash -c 'chown 1 id; chmod 4755 id'"))
        .succeeds();
    ws.run(&format!("{nobody}sandboxify -q ./id"))
        .prints("euid=1");
}
