//! `sandboxify`: programs that know nothing of it run as if they had been
//! started directly, under a policy that may forbid all that starting takes.

mod support;

use std::os::unix::fs::PermissionsExt;

use support::{Signal, Workspace, as_nobody, as_root};

/// Ways to build a program that no dynamic loader starts.
const STATIC: [&str; 4] = [
    "gcc -static",
    "gcc -static-pie",
    "musl-gcc -static",
    "i686-linux-gnu-gcc -static",
];

const DYNAMIC: [&str; 2] = ["gcc", "musl-gcc"];

fn every_kind() -> impl Iterator<Item = &'static str> {
    STATIC.into_iter().chain(DYNAMIC)
}

mod a_policy {
    use super::*;

    #[test]
    fn holds_for_every_kind_of_program() {
        for compiler in every_kind() {
            let ws = Workspace::with_myos(compiler);
            ws.run("sandboxify -q --deny ptrace ./myos")
                .succeeds()
                .is_silent()
                .prints_only("My OS is Linux!\n");
            ws.run("sandboxify --deny uname ./myos")
                .dies_by(Signal::SYS)
                .prints_only("")
                .is_silent();
            ws.run("sandboxify --deny uname --action errno:ENETDOWN ./myos")
                .exits_with(1)
                .complains_in_one_line("uname failed: : Network is down");
        }
    }

    /// In every thread.
    #[test]
    fn holds_for_programs_of_go() {
        let ws = Workspace::new();
        ws.compile_go(&[], "forbidden.go");
        let getppid = 110;
        ws.run(&format!(
            "sandboxify -q --deny ptrace ./forbidden {getppid}"
        ))
        .succeeds()
        .prints_only("passed\n");
        ws.run(&format!(
            "sandboxify -q --deny getppid ./forbidden {getppid}"
        ))
        .dies_by(Signal::SYS)
        .prints_only("");
        ws.run(&format!(
            "sandboxify -q --deny getppid --action errno:EPERM ./forbidden {getppid}"
        ))
        .succeeds()
        .prints_only("failed: operation not permitted\n");
    }

    /// What start-up needs beside the four calls of the program itself. With
    /// any of them left out, the program dies.
    #[test]
    fn needs_what_start_up_needs() {
        let own = ["exit_group", "fstat", "uname", "write"];
        for (compiler, start) in [
            ("musl-gcc -static", "arch_prctl:set_tid_address"),
            ("musl-gcc", "arch_prctl:brk:mmap:mprotect:set_tid_address"),
            (
                "gcc -static",
                "arch_prctl:brk:getrandom:mprotect:prlimit64:readlink:rseq:set_robust_list:\
                 set_tid_address",
            ),
            (
                "gcc",
                "access:arch_prctl:brk:close:getrandom:mmap:mprotect:munmap:openat:pread64:\
                 prlimit64:read:rseq:set_robust_list:set_tid_address",
            ),
        ] {
            let ws = Workspace::with_myos(compiler);
            let start: Vec<&str> = start.split(':').collect();
            let all = [&own[..], &start[..]].concat();
            ws.run(&format!("sandboxify --allow {} ./myos", all.join(":")))
                .succeeds()
                .is_silent()
                .prints_only("My OS is Linux!\n");
            for missing in &start {
                let rest: Vec<&str> = all.iter().copied().filter(|it| it != missing).collect();
                let line = format!(
                    "sandboxify --exact --allow newfstatat:writev:ioctl:{} ./myos",
                    rest.join(":")
                );
                ws.run(&line).dies_by(Signal::SYS).prints_only("");
            }
        }
    }

    /// The shell of a static busybox has most of its tools in itself.
    #[test]
    fn lets_a_shell_work_that_needs_no_other_program() {
        let ws = Workspace::new();
        let script = "set -e
            mkdir folder; touch folder/file; ls folder
            printf 'c\\na\\nb\\n' | sort | tac | awk '{ print NR, $1 }'
            seq 3 | head -2 | fold -w 1 | paste - -
            expr 1 + 1; basename /a/b; dirname /a/b
            cp folder/file copy; mv copy moved; ln moved linked; chmod 640 linked
            stat -c '%a %h' moved; find folder -type f
            echo text | md5sum | cut -c 1-8; echo text | hexdump -C
            dd if=/dev/zero of=zeros bs=8 count=2 2>/dev/null; stat -c %s zeros
            env >/dev/null; uname
            realpath / ; readlink /proc/self/exe; date -u +%Z
            rm -r folder zeros moved linked
            exit 5
";
        let direct = ws.shell("busybox sh").input(script).finish();
        direct
            .exits_with(5)
            .is_silent()
            .prints("file\n1 c\n2 b\n3 a\n1\t2\n2\nb\n/a\n640 2\nfolder/file\n")
            .prints("16\n")
            .prints("UTC\n");
        ws.shell("sandboxify -q --deny execve,execveat,ptrace,mount busybox sh")
            .input(script)
            .finish()
            .exits_with(5)
            .is_silent()
            .prints_only(&direct.stdout);
        ws.run("sandboxify -q --deny execve busybox sh -c '/bin/true; echo status $?'")
            .prints_only("status 159\n");
    }

    #[test]
    fn in_the_program_is_enough() {
        for compiler in ["gcc", "musl-gcc", "gcc -static", "musl-gcc -static"] {
            let ws = Workspace::with_myos(compiler);
            ws.run("sandbox-patch --deny uname ./myos").succeeds();
            for options in ["", "--require-policy"] {
                ws.run(&format!("sandboxify {options} ./myos"))
                    .dies_by(Signal::SYS)
                    .is_silent();
            }
            ws.write("script", format!("#!{}\n", ws.path("myos").display()));
            ws.run("chmod +x script; sandboxify --require-policy ./script")
                .dies_by(Signal::SYS)
                .is_silent();
        }
    }

    #[test]
    fn in_the_program_that_is_not_sound_is_warned_of_or_refused() {
        let ws = Workspace::with_myos("gcc");
        let library = support::library();
        ws.run(&format!(
            "cp {library} . && sandbox-patch -q --deny uname --lib ./libsandbox.so --allow-relative-lib myos"
        ))
        .succeeds();
        let doubt = "its own policy can't be relied on";
        ws.run("sandboxify ./myos")
            .dies_by(Signal::SYS)
            .complains_in_one_line(&format!("sandboxify: ./myos: warning: {doubt}"));
        ws.run("sandboxify --require-policy ./myos")
            .exits_with(121)
            .complains_in_one_line(&format!("sandboxify: ./myos: {doubt}"));
    }

    /// No policy takes another one's place.
    #[test]
    fn adds_to_those_that_are_there() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --deny uname --action errno:EPERM ./myos")
            .succeeds();
        ws.run("sandboxify -q --deny ptrace ./myos")
            .exits_with(1)
            .complains("not permitted");
        ws.run("sandboxify --deny uname ./myos")
            .dies_by(Signal::SYS);
        ws.run("sandboxify -q --deny ptrace sandboxify -q --deny getpid sandboxify --deny uname ./myos")
            .dies_by(Signal::SYS);
        ws.run("sandboxify -q --deny execve sandboxify -q --deny ptrace ./myos")
            .dies_by(Signal::SYS)
            .is_silent();
    }

    #[test]
    fn that_is_missing_is_told_or_refused() {
        let ws = Workspace::with_myos("gcc -static");
        ws.run("sandboxify ./myos")
            .succeeds()
            .prints_only("My OS is Linux!\n")
            .complains_in_one_line("sandboxify: ./myos: warning: it runs without a policy");
        ws.run("sandboxify -q ./myos").succeeds().is_silent();
        ws.run("sandboxify -q --require-policy ./myos")
            .exits_with(121)
            .prints_only("")
            .complains_in_one_line("sandboxify: ./myos: there is no policy");
        ws.run("sandboxify -q sh -c 'grep -E \"NoNewPrivs|Seccomp:\" /proc/self/status'")
            .prints_only("NoNewPrivs:\t0\nSeccomp:\t0\n");
    }

    #[test]
    fn that_is_wrong_starts_nothing() {
        let ws = Workspace::with_myos("gcc -static");
        ws.run("sandboxify --allow opena ./myos")
            .exits_with(121)
            .complains_in_one_line(
                "sandboxify: unknown system call \"opena\"; did you mean openat",
            );
        for (line, reason) in [
            (
                "sandboxify --allow write --deny uname ./myos",
                "exclude each other",
            ),
            ("sandboxify --action log ./myos", "give --allow or --deny"),
            (
                "SECCOMP_SYSCALL_DENY=uname sandboxify --exact ./myos",
                "give --allow or --deny",
            ),
            (
                "sandboxify --allow - ./myos",
                "standard input belongs to the program",
            ),
            ("sandboxify --deny uname", "PROGRAM"),
            ("sandboxify --unknown ./myos", "--unknown"),
        ] {
            ws.assert_usage_error(line, reason);
        }
    }

    #[test]
    fn of_which_relatives_stay_open_is_warned_of() {
        let ws = Workspace::with_myos("gcc -static");
        ws.run("sandboxify --deny execve ./myos")
            .succeeds()
            .complains_in_one_line("sandboxify: warning: execve is denied, but execveat");
        ws.run("sandboxify -q --deny execve ./myos")
            .succeeds()
            .is_silent();
    }
}

/// As in the article's toolkit; more of it is in `tests/article.rs`.
mod the_environment {
    use super::*;

    #[test]
    fn counts_where_no_option_does() {
        let ws = Workspace::with_myos("gcc -static");
        ws.run("SECCOMP_SYSCALL_DENY=::uname:uname: sandboxify ./myos")
            .dies_by(Signal::SYS)
            .complains("adding uname to the process seccomp filter\nadding uname");
        ws.run("SECCOMP_SYSCALL_DENY=uname sandboxify -q ./myos")
            .dies_by(Signal::SYS)
            .is_silent();
        ws.run("SECCOMP_SYSCALL_DENY=uname sandboxify -q --deny ptrace ./myos")
            .succeeds();
        ws.run("SECCOMP_SYSCALL_DENY=uname sandboxify --deny nfsservctl ./myos")
            .succeeds()
            .complains_in_one_line("warning: SECCOMP_SYSCALL_DENY is not looked at");
    }

    #[test]
    fn is_not_shown_to_the_program() {
        let ws = Workspace::new();
        let variables = "SECCOMP_SYSCALL_DENY=ptrace SECCOMP_DEFAULT_ACTION=log SANDBOX_EXACT=1";
        for options in ["", "--deny mount"] {
            ws.run(&format!("KEPT=1 {variables} sandboxify {options} env"))
                .succeeds()
                .prints("KEPT=1\n")
                .does_not_print("SECCOMP_")
                .does_not_print("SANDBOX_EXACT");
        }
    }

    #[test]
    fn can_ask_for_exact_names_and_for_a_log() {
        let ws = Workspace::with_myos("musl-gcc -static");
        let list = "SECCOMP_SYSCALL_ALLOW=arch_prctl:set_tid_address:uname:write:exit_group";
        ws.run(&format!("{list} sandboxify ./myos")).succeeds();
        // musl's write is writev.
        ws.run(&format!("SANDBOX_EXACT=1 {list} sandboxify ./myos"))
            .dies_by(Signal::SYS);
        ws.run("SECCOMP_SYSCALL_ALLOW= SECCOMP_DEFAULT_ACTION=log sandboxify ./myos")
            .succeeds()
            .is_silent();
        ws.run("SECCOMP_SYSCALL_ALLOW= SECCOMP_DEFAULT_ACTION=LOG sandboxify ./myos")
            .dies_by(Signal::SYS);
    }

    #[test]
    fn with_an_unknown_name_starts_nothing() {
        let ws = Workspace::with_myos("gcc -static");
        for name in ["unmae", "fstat64", "$'\\xff'"] {
            ws.run(&format!(
                "SECCOMP_SYSCALL_DENY=uname:{name} sandboxify -q ./myos"
            ))
            .exits_with(121)
            .prints_only("")
            .complains_in_one_line("in SECCOMP_SYSCALL_DENY; the program was not started");
        }
    }
}

mod the_program {
    use super::*;

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
        let outcome =
            ws.run("echo $$ $PPID; exec sandboxify -q --deny ptrace bash -c 'echo $$ $PPID'");
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
        ws.run("mkdir one two; cp myos one/program; chmod -x one/program; cp myos two/program")
            .succeeds();
        let sandboxify = support::program().with_file_name("sandboxify");
        let sandboxify = sandboxify.display();
        for path in ["two", "none:two", "one:two", ":two", "$PWD/two:/bin"] {
            ws.run(&format!(
                "PATH={path} {sandboxify} -q --deny ptrace program"
            ))
            .succeeds()
            .prints_only("My OS is Linux!\n");
        }
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
            .complains_in_one_line("sandboxify: program: it is in no folder of PATH");
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
        std::fs::set_permissions(ws.path("myos"), PermissionsExt::from_mode(0o711))
            .expect("own file");
        let nobody = as_nobody();
        ws.run(&format!("{nobody}cat ./myos")).exits_with(1);
        ws.run(&format!("{nobody}sandboxify -q --deny ptrace ./myos"))
            .succeeds()
            .prints_only("My OS is Linux!\n");
        ws.run(&format!("{nobody}sandboxify --deny uname ./myos"))
            .dies_by(Signal::SYS)
            .is_silent();
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
}

mod nobody_s_privileges_are_enough {
    use super::*;

    #[test]
    fn wherever_it_runs() {
        let ws = Workspace::with_myos("gcc -static");
        let nobody = as_nobody();
        for surroundings in [
            String::new(),
            nobody.to_owned(),
            format!("{nobody}setpriv --no-new-privs "),
            format!("{}setpriv --bounding-set -all --inh-caps -all ", as_root()),
            format!("{nobody}unshare --user --map-root-user "),
            "sandboxify -q --deny ptrace,process_vm_readv ".to_owned(),
        ] {
            ws.run(&format!(
                "{surroundings}$(command -v sandboxify) --deny uname ./myos"
            ))
            .dies_by(Signal::SYS)
            .prints_only("")
            .is_silent();
            ws.run(&format!(
                "{surroundings}$(command -v sandboxify) -q --deny execve ./myos"
            ))
            .succeeds()
            .is_silent()
            .prints_only("My OS is Linux!\n");
        }
    }
}

mod the_launcher {
    use super::*;

    #[test]
    fn says_beforehand_what_keeps_the_program_from_starting() {
        let ws = Workspace::with_myos("gcc");
        ws.run("mkdir folder; mkfifo pipe; cp myos mode; chmod -x mode")
            .succeeds();
        ws.run("cp myos loader; patchelf --set-interpreter /none/ld.so loader")
            .succeeds();
        for (name, text) in [
            ("text", "echo it is a script"),
            ("empty", ""),
            ("blank", "#! \n"),
            ("long", &format!("#!/{}", "x".repeat(300))),
            ("gone", "#!/none/interpreter -x\n"),
            ("folders", "#!./folder\n"),
            ("returns", "#!/bin/sh\r\n"),
            ("round", "#!./round\n"),
        ] {
            ws.write(name, text);
            ws.run(&format!("chmod +x {name}")).succeeds();
        }
        for (program, status, reason) in [
            ("./none", 127, "there is no such file"),
            ("./none/none", 127, "there is no such file"),
            ("''", 127, "there is no such file"),
            ("./myos/none", 126, "it can't be reached: Not a directory"),
            ("./folder", 126, "it is a folder"),
            ("./pipe", 126, "it is not a regular file"),
            ("./mode", 126, "it may not be executed: Permission denied"),
            (
                "./loader",
                127,
                "its dynamic loader /none/ld.so: there is no such file",
            ),
            (
                "./text",
                126,
                "it is neither an ELF file nor begins with #!",
            ),
            (
                "./empty",
                126,
                "it is neither an ELF file nor begins with #!",
            ),
            (
                "./blank",
                126,
                "it is neither an ELF file nor begins with #!",
            ),
            (
                "./long",
                126,
                "it is neither an ELF file nor begins with #!",
            ),
            (
                "./gone",
                127,
                "its interpreter /none/interpreter: there is no such file",
            ),
            ("./folders", 126, "its interpreter ./folder: it is a folder"),
            (
                "./returns",
                127,
                "its interpreter /bin/sh\\r: there is no such file",
            ),
            (
                "./round",
                126,
                "its interpreter is a script, whose interpreter is a script",
            ),
        ] {
            // Nothing of this needs the filter's permission.
            ws.run(&format!("sandboxify --allow '' {program}"))
                .exits_with(status)
                .prints_only("")
                .complains(&format!(": {reason}"))
                .complains("sandboxify: ");
        }
    }

    #[test]
    fn says_what_it_learns_too_late_if_it_may() {
        let ws = Workspace::with_myos("gcc -static");
        ws.write(
            "damaged",
            [&ws.read("myos")[..16], &[0xff; 100][..]].concat(),
        );
        ws.run("chmod +x damaged").succeeds();
        let complaint = "sandboxify: ./damaged: it can't be started: ENOEXEC";
        for policy in [
            "--deny ptrace",
            "--allow write",
            "--allow write,exit_group",
            "--allow '' --action log",
        ] {
            ws.run(&format!("sandboxify -q {policy} ./damaged"))
                .exits_with(126)
                .complains_in_one_line(complaint);
        }
        // Whatever the policy says about execve and exit_group.
        for policy in [
            "--allow ''",
            "--allow exit_group",
            "--deny write",
            "--deny write,execve,exit_group --action errno:EPERM",
            "--deny write,execve,exit_group --action trap",
        ] {
            ws.run(&format!("sandboxify -q {policy} ./damaged"))
                .exits_with(126)
                .prints_only("")
                .is_silent();
        }
        // Open for writing.
        ws.run("exec 3>>./myos; sandboxify -q --deny ptrace ./myos")
            .exits_with(126)
            .complains_in_one_line("sandboxify: ./myos: it can't be started: ETXTBSY");
        ws.run("sandboxify -q ./damaged")
            .exits_with(126)
            .complains_in_one_line("./damaged: it can't be started");
    }

    /// It trusts no filter of its parent's that answers in the kernel's place.
    #[test]
    fn starts_nothing_if_the_kernel_refuses() {
        let ws = Workspace::with_myos("gcc -static");
        ws.compile("gcc", "refuse_seccomp.c");
        for (refusal, reason) in [
            (
                "seccomp 1",
                "the kernel refused the filter: Operation not permitted",
            ),
            ("seccomp 38", "the kernel refused the filter"),
            ("seccomp 0", "the kernel's answer can't be trusted"),
            ("prctl 22", "the kernel refused no_new_privs"),
        ] {
            ws.run(&format!(
                "./refuse_seccomp {refusal} sandboxify --deny uname ./myos"
            ))
            .exits_with(121)
            .prints_only("")
            .complains_in_one_line(&format!("sandboxify: ./myos: {reason}"));
        }
    }

    #[test]
    fn shows_its_help_and_version() {
        let ws = Workspace::new();
        ws.run("sandboxify --version")
            .succeeds()
            .prints("sandboxify ");
        ws.run("sandboxify --help")
            .succeeds()
            .prints("--require-policy");
        ws.run("sandboxify --help >/dev/full").exits_with(1);
    }
}

/// What lets the launcher's own execve through is of no use to the program.
mod the_secret {
    use super::*;

    #[test]
    fn does_not_let_the_program_execute_others() {
        for compiler in STATIC.into_iter().filter(|it| !it.starts_with("i686")) {
            let ws = Workspace::new();
            ws.compile(compiler, "guesses.c");
            ws.run("sandboxify -q --deny execve ./guesses 1000000")
                .dies_by(Signal::SYS)
                .prints_only("");
            // Who is told of a failed guess may go on, and gets nowhere.
            for (action, error) in [("errno:EPERM", 1), ("trace", 38)] {
                ws.run(&format!(
                    "sandboxify -q --deny execve --action {action} ./guesses 1000000"
                ))
                .succeeds()
                .prints_only(&format!("error {error}\n"));
            }
        }
    }

    #[test]
    fn is_not_left_in_registers() {
        let ws = Workspace::new();
        ws.compile("gcc -static -nostdlib", "registers_at_start.c");
        ws.run("sandboxify -q --deny ptrace ./registers_at_start")
            .succeeds();
    }

    /// The secret, as strace shows it in the filter, is nowhere in the memory of
    /// the program, nor in what /proc tells about it.
    #[test]
    fn is_not_left_in_memory() {
        let ws = Workspace::new();
        ws.write(
            "dump.py",
            "import sys
names = 'auxv environ cmdline maps smaps stat status syscall stack personality'.split()
for name in names:
    sys.stdout.buffer.write(open(f'/proc/self/{name}', 'rb').read())
memory = open('/proc/self/mem', 'rb', 0)
for line in open('/proc/self/maps'):
    span, mode = line.split()[:2]
    start, end = (int(bound, 16) for bound in span.split('-'))
    if mode[0] == 'r' and start < 1 << 47 and not '[v' in line:
        memory.seek(start)
        sys.stdout.buffer.write(memory.read(end - start))
",
        );
        ws.run("strace -v -s 0 -e trace=seccomp -o log sandboxify -q --deny mount python3 dump.py >dump")
            .succeeds();
        let log = String::from_utf8(ws.read("log")).expect("text");
        // In the order of the filter, which is not that of memory.
        let words: Vec<[u8; 4]> = log
            .split("BPF_XOR, 0x")
            .skip(1)
            .map(|rest| {
                rest.split(|c: char| !c.is_ascii_hexdigit())
                    .next()
                    .expect("a number")
            })
            .map(|word| {
                u32::from_str_radix(word, 16)
                    .expect("a number")
                    .to_le_bytes()
            })
            .collect();
        assert_eq!(words.len(), 4, "{log}");
        let dump = ws.read("dump");
        assert!(dump.len() > 1 << 20, "{}", dump.len());
        let has = |bytes: [u8; 8]| dump.windows(8).any(|window| window == bytes);
        for first in &words {
            for second in &words {
                let both = [*first, *second].concat();
                assert!(!has(both.try_into().expect("8 bytes")), "{words:x?}");
            }
        }
    }
}
