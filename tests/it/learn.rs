//! Learning what a program calls by running it.

use sandbox_support::{Signal, Workspace};

const LINE: &str = "My OS is Linux!\n";

/// The items of a policy that was written.
fn items(ws: &Workspace, file: &str) -> Vec<String> {
    let text = String::from_utf8(ws.read(file)).unwrap();
    let (_, list) = text.split_once("allow = [\n").unwrap();
    let (list, _) = list.split_once("\n]").unwrap();
    let items = list.lines().filter_map(|line| line.split('"').nth(1));
    items.map(str::to_owned).collect()
}

#[track_caller]
fn assert_has(ws: &Workspace, file: &str, present: &[&str], absent: &[&str]) {
    let items = items(ws, file);
    let has = |name: &&&str| items.iter().any(|item| item == **name);
    let missing: Vec<_> = present.iter().filter(|name| !has(name)).collect();
    let idle: Vec<_> = absent.iter().filter(has).collect();
    assert!(missing.is_empty(), "{missing:?} is missing: {items:?}");
    assert!(idle.is_empty(), "{idle:?} should not be there: {items:?}");
}

#[test]
fn a_policy_is_learned_and_put_into_the_program() {
    for compiler in ["gcc", "musl-gcc", "gcc -static"] {
        let ws = Workspace::with_myos(compiler);
        ws.run("sandbox-patch learn -o myos.toml -- ./myos")
            .succeeds()
            .prints_only(LINE)
            .complains_in_one_line("sandbox-patch: myos.toml: ");
        // Not what the start-up calls.
        let start_up = [
            "openat",
            "execve",
            "mprotect",
            "arch_prctl",
            "set_tid_address",
            "read",
        ];
        assert_has(&ws, "myos.toml", &["uname", "exit_group"], &start_up);
        ws.run("sandbox-patch -q -p myos.toml ./myos").succeeds();
        ws.run("./myos").prints_only(LINE);
    }
}

#[test]
fn the_command_runs_as_if_started_directly() {
    let ws = Workspace::new();
    let learn = |command: &str| ws.run(&format!("sandbox-patch learn -q -o p.toml -- {command}"));
    learn("sh -c 'cat; echo error >&2; exit 3' <<<input")
        .exits_with(3)
        .prints_only("input\n");
    learn("sh -c 'kill -TERM $$'").dies_by(Signal::TERM);
    learn("sh -c 'trap \"echo trapped\" USR1; kill -USR1 $$'").prints_only("trapped\n");
    learn("sh -c 'sleep 0.4 & kill -STOP $!; sleep 0.1; kill -CONT $!; wait; echo continued'")
        .succeeds()
        .prints_only("continued\n");
    // A daemon is waited for.
    learn("sh -c '(setsid sh -c \"sleep 0.3; mkdir made\" &); exit 4'").exits_with(4);
    assert!(ws.path("made").exists());
    assert_has(&ws, "p.toml", &["mkdir", "setsid"], &[]);
    ws.run(
        "sandbox-patch learn -q -o p.toml -- sleep 20 & learn=$!; \
         until pgrep -P $learn sleep >pid; do sleep 0.05; done; kill $learn; wait $learn",
    )
    .exits_with(143);
    assert_has(&ws, "p.toml", &["clock_nanosleep"], &["execve"]);
}

#[test]
fn what_was_seen_often_does_not_stop_a_program_any_more() {
    let ws = Workspace::new();
    ws.compile("gcc -pthread", "busy.c");
    let filters = ws.run("./busy").stdout.clone();
    let count = |text: &str| -> u32 {
        let (_, rest) = text.split_once("filters: ").unwrap();
        rest.split_once('\n').unwrap().0.parse().unwrap()
    };
    let learned = ws.run("sandbox-patch learn -q -o p.toml -- ./busy");
    learned.exits_with(7).prints("executed\n");
    assert_eq!(count(&learned.stdout), count(&filters) + 1);
    // Who may not do that otherwise gives up privileges for it.
    let without = "[ $(id -u) != 0 ] || drop='setpriv --bounding-set=-sys_admin'";
    let learned = ws.run(&format!(
        "{without}; $drop sandbox-patch learn -q -o p.toml -- ./busy"
    ));
    learned.exits_with(7).prints("executed\n");
    assert_eq!(count(&learned.stdout), count(&filters) + 1);
    // What comes behind is seen all the same, and so is what a child does.
    let later = [
        "getppid",
        "getcwd",
        "openat",
        "getpgid",
        "execve",
        "arch_prctl",
        "wait4",
    ];
    assert_has(&ws, "p.toml", &later, &[]);
    ws.run("sandbox-patch -q -p p.toml ./busy").succeeds();
    ws.run("./busy").exits_with(7).prints("executed\n");
    // A program that is under a filter of its own is left alone.
    let sandboxed = "sandboxify -q --deny reboot ./busy";
    let expected = count(&ws.run(sandboxed).stdout);
    let own = ws.run(&format!("sandbox-patch learn -q -o p.toml -- {sandboxed}"));
    own.exits_with(7);
    assert_eq!(count(&own.stdout), expected);
    assert_has(&ws, "p.toml", &later, &[]);
}

#[test]
fn programs_of_debian_run_under_what_was_learned() {
    let ws = Workspace::new();
    ws.write("lines", "one\ntwo\nthree\n");
    for (program, arguments) in [
        ("grep", "-c t lines"),
        ("sort", "-r lines"),
        (
            "bash",
            "-c 'for i in 1 2; do (echo $i); done | cat; ls /dev/null'",
        ),
        (
            "python3",
            "-c 'import threading, subprocess; t = threading.Thread(target=print, args=[1]); t.start(); t.join(); print(subprocess.run([\"echo\", \"2\"]).returncode)'",
        ),
        ("curl", "-s file:///etc/hostname"),
        (
            "sqlite3",
            "data 'create table if not exists t(x); select count(*) from t'",
        ),
    ] {
        let expected = ws.run(&format!("{program} {arguments}")).stdout.clone();
        ws.run(&format!(
            "sandbox-patch learn -q -o {program}.toml -- {program} {arguments}"
        ))
        .succeeds()
        .prints_only(&expected);
        ws.run(&format!(
            "sandbox-patch -q -p {program}.toml -o ./{program} $(command -v {program})"
        ))
        .succeeds();
        ws.run(&format!("./{program} {arguments}"))
            .succeeds()
            .prints_only(&expected);
    }
}

#[test]
fn what_a_program_executes_counts_or_gets_a_policy_of_its_own() {
    let ws = Workspace::new();
    let command = "sh -c 'ls lines; exit 0'";
    ws.write("lines", "");
    ws.run(&format!("sandbox-patch learn -q -o all.toml -- {command}"))
        .succeeds();
    ws.run(&format!(
        "sandbox-patch learn -q --no-children -o own.toml -- {command}"
    ))
    .succeeds();
    assert_has(&ws, "all.toml", &["execve", "arch_prctl", "mprotect"], &[]);
    assert_has(&ws, "own.toml", &["execve"], &["arch_prctl", "mprotect"]);
    ws.run(&format!(
        "sandbox-patch learn -q --each policies -- {command}"
    ))
    .succeeds();
    ws.run("ls policies").prints_only("dash.toml\nls.toml\n");
    assert_has(
        &ws,
        "policies/ls.toml",
        &["write"],
        &["arch_prctl", "execve"],
    );
    assert_eq!(items(&ws, "policies/dash.toml"), items(&ws, "all.toml"));
    // One for another ABI.
    ws.compile_as("i686-linux-gnu-gcc -static", "myos.c", "i386");
    ws.run("sandbox-patch learn -q -o i386.toml -- sh -c ./i386")
        .succeeds();
    ws.run("grep architectures i386.toml")
        .prints_only("architectures = [\"x86\"]\n");
}

#[test]
fn runs_are_merged() {
    let ws = Workspace::new();
    let learn = |options: &str, command: &str| {
        ws.run(&format!("sandbox-patch learn {options} -- {command}"))
    };
    learn("-q -o p.toml", "sh -c :").succeeds();
    learn("-o p.toml --merge p.toml", "sh -c 'cd /; echo'")
        .succeeds()
        .complains("; 2 runs, ");
    ws.run("grep -w 'exit_group\\|chdir' p.toml | head -2")
        .prints_only(
            "    \"chdir\",              # 1 of 2\n    \"exit_group\",         # 2 of 2\n",
        );
    ws.run("sed -i 's/allow = .*/&\\n\"@flock\",/' p.toml")
        .succeeds();
    learn("-q -o p.toml --merge p.toml", "sh -c :").succeeds();
    assert_has(&ws, "p.toml", &["@flock", "chdir"], &[]);
    ws.run("grep chdir p.toml").prints("# 1 of 3\n");
    ws.run("echo 'deny = \"ptrace\"' | cat - p.toml >changed.toml; echo 'allow = []' >other.toml")
        .succeeds();
    for (file, problem) in [
        (
            "changed.toml",
            "changed.toml: it also says deny, which would be lost",
        ),
        ("other.toml", "other.toml: it was not written by learn"),
        ("missing.toml", "missing.toml: No such file"),
    ] {
        learn(&format!("-o new.toml --merge {file}"), "echo started")
            .exits_with(1)
            .prints_only("")
            .complains_in_one_line(problem);
    }
}

#[test]
fn what_can_not_be_learned_is_said() {
    let ws = Workspace::new();
    ws.write("script", "#!/bin/sh\necho run\n");
    ws.run("chmod +x script").succeeds();
    ws.run("sandbox-patch learn -q -o p.toml -- ./script")
        .succeeds()
        .prints_only("run\n")
        .complains_in_one_line("./script: warning: it is a script; the policy is that of /bin/sh");
    for (line, problem) in [
        (
            "learn -o p.toml -- ./missing",
            "./missing: there is no such file",
        ),
        (
            "learn -o /missing/p.toml -- true",
            "/missing/p.toml can't be written: No such file",
        ),
    ] {
        ws.run(&format!("sandbox-patch {line}"))
            .exits_with(1)
            .complains_in_one_line(problem);
    }
    ws.run("sandbox-patch learn -- true")
        .exits_with(2)
        .complains("--output <FILE>");
    ws.run(
        "sandboxify -q --deny ptrace=errno:EPERM $(command -v sandbox-patch) learn -o p.toml -- true",
    )
    .exits_with(1)
    .complains_in_one_line("true: the kernel does not let a process be traced");
}

/// Does something else when it runs for the second time.
const TWICE: &str = "\
#include <stdio.h>
#include <sys/stat.h>
int main(void)
{
    FILE *former = fopen(\"ran\", \"r\");
    if (former)
        mkdir(\"made\", 0777);
    else
        fopen(\"ran\", \"w\");
    puts(former ? \"second\" : \"first\");
    return 5;
}
";

#[test]
fn what_was_learned_is_checked_and_mended() {
    let ws = Workspace::with_myos("gcc");
    ws.run("sandbox-patch learn -o p.toml --check -- ./myos")
        .succeeds()
        .prints_only(&LINE.repeat(2))
        .complains("p.toml: the command runs under it");
    ws.write("twice.c", TWICE);
    for options in ["", "--from entry", "--from main"] {
        ws.run("rm -rf ran made; gcc twice.c -o twice").succeeds();
        let learn = |more: &str| {
            ws.run(&format!(
                "sandbox-patch learn -q -o p.toml --check {more} {options} -- ./twice"
            ))
        };
        learn("")
            .exits_with(1)
            .prints_only("first\nsecond\n")
            .complains("./twice: under p.toml it misses mkdir; --add puts that in");
        assert_has(&ws, "p.toml", &["openat"], &["mkdir"]);
        ws.run("rm -r ran made").succeeds();
        learn("--add")
            .exits_with(5)
            .complains("p.toml: added mkdir, which it missed");
        assert_has(&ws, "p.toml", &["openat", "mkdir"], &[]);
    }
    // Nothing is left behind, and the program is as it was.
    ws.run("sandbox-patch verify ./twice").exits_with(1);
    ws.run("ls /tmp | grep -c '^sandbox-patch-[^t]'")
        .prints_only("0\n");
}

#[test]
fn a_running_process_is_recorded_and_goes_on() {
    let ws = Workspace::new();
    ws.write(
        "service.py",
        "import os, subprocess, sys, threading, time\n\
         def work():\n\
         \x20   while not os.path.exists('end'): os.getcwd(); time.sleep(0.02)\n\
         thread = threading.Thread(target=work); thread.start()\n\
         child = subprocess.Popen(['sh', '-c', 'until [ -e end ]; do sleep 0.02; done'])\n\
         open('there', 'w').close()\n\
         work(); thread.join(); print('ended', child.wait())\n",
    );
    let learn = |stop: &str, options: &str| {
        ws.run("rm -f end there p.toml").succeeds();
        ws.run(&format!(
            "python3 service.py & service=$!; until [ -e there ]; do sleep 0.02; done
             sandbox-patch learn -q -o p.toml --pid $service {options} & learn=$!
             {stop}
             wait $learn; echo learned $?
             touch end; wait $service"
        ))
        .succeeds()
        .prints_only("learned 0\nended 0\n");
        // Of a thread; of a child, and of what that one executes.
        assert_has(&ws, "p.toml", &["getcwd", "wait4", "execve"], &["setsid"]);
    };
    learn("", "--for 1s");
    learn("sleep 0.5; kill -INT $learn", "");
    ws.run("sandbox-patch learn -q -o p.toml --pid 4194305")
        .exits_with(1)
        .complains_in_one_line("process 4194305: there is no such process");
    ws.run("sandbox-patch learn -q -o p.toml --pid $$ --for never")
        .exits_with(2)
        .complains("a time is a number with s, m or h behind it");
}
