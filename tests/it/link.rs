//! `sandbox-patch link`: a compiler or linker in whose place it stands, and
//! what it leaves.

use crate::support::{Output, Signal, Workspace, as_nobody, fixture_path, library};

const LINK: &str = "sandbox-patch link --deny getppid --";

/// A workspace with `forbidden.c`, whose program makes the system call that is
/// its argument.
fn workspace() -> Workspace {
    let ws = Workspace::new();
    for source in ["forbidden.c", "empty.c"] {
        ws.run(&format!("cp {} .", fixture_path(source).display()))
            .succeeds();
    }
    ws
}

/// The program runs, and dies of getppid, which is call 110 of x86_64.
#[track_caller]
fn assert_patched(ws: &Workspace, program: &str) {
    ws.run(&format!("{program} 39"))
        .succeeds()
        .prints_only("passed\n");
    ws.run(&format!("{program} 110")).dies_by(Signal::SYS);
    ws.run(&format!("sandbox-patch verify {program}"))
        .succeeds();
}

mod the_command {
    use super::*;

    #[test]
    fn its_exit_status_is_passed_on() {
        let ws = workspace();
        for status in [0, 1, 3, 255] {
            ws.run(&format!("{LINK} bash -c 'exit {status}'"))
                .exits_with(status)
                .is_silent();
        }
    }

    #[test]
    fn the_signal_that_it_dies_by_is_passed_on() {
        let ws = workspace();
        for (name, signal) in [
            ("HUP", Signal::HUP),
            ("INT", Signal::INT),
            ("QUIT", Signal::QUIT),
            ("ABRT", Signal::ABORT),
            ("KILL", Signal::KILL),
            ("SEGV", Signal::SEGV),
            ("PIPE", Signal::PIPE),
            ("TERM", Signal::TERM),
        ] {
            // Not bash, which takes no notice of SIGQUIT.
            ws.run(&format!("{LINK} sh -c 'kill -{name} $$'"))
                .dies_by(signal)
                .is_silent();
        }
    }

    /// A tool of the build, patched with the policy of what is built.
    #[test]
    fn its_end_by_a_policy_is_told_about() {
        let ws = workspace();
        ws.run(&format!("{LINK} gcc -o tool forbidden.c"))
            .succeeds();
        for (command, name) in [
            ("./tool 110", "./tool"),
            ("sh -c './tool 110; exit $?'", "sh"),
        ] {
            let outcome = ws.run(&format!("sandbox-patch link --deny uname -- {command}"));
            outcome
                .complains(&format!(
                    "sandbox-patch: {name}: it ended as a program does"
                ))
                .complains("policy")
                .complains("--except");
            let direct = ws.run(&format!("{command}; exit"));
            assert_eq!(direct.status(), Some(159), "{direct}");
        }
        ws.run("sandbox-patch link --deny uname -- ./tool 110")
            .dies_by(Signal::SYS);
        ws.run("sandbox-patch link --deny uname -- sh -c 'exit 159'")
            .exits_with(159);
    }

    /// Nothing would be patched: make names no output.
    #[test]
    fn one_that_runs_compilers_in_its_turn_is_refused() {
        let ws = workspace();
        for command in [
            "make",
            "make forbidden",
            "/usr/bin/ninja",
            "make CC=gcc forbidden",
        ] {
            ws.run(&format!("{LINK} {command}"))
                .exits_with(2)
                .complains_in_one_line("make CC='sandbox-patch link");
        }
        assert_eq!(ws.listing(), ["empty.c", "forbidden.c"]);
    }

    #[test]
    fn standard_streams_are_its_own() {
        let ws = workspace();
        ws.shell(&format!("{LINK} bash -c 'cat; echo complaint >&2'"))
            .input("from standard input")
            .finish()
            .succeeds()
            .prints_only("from standard input")
            .complains_in_one_line("complaint");
        ws.shell(&format!("{LINK} bash -c 'test -t 1 && echo terminal'"))
            .output_to(Output::Terminal)
            .finish()
            .succeeds()
            .prints("terminal");
    }

    #[test]
    fn a_signal_to_end_is_handed_on() {
        let ws = workspace();
        for signal in ["TERM", "HUP"] {
            ws.run(&format!(
                "{LINK} bash -c 'trap \"echo caught; exit 3\" {signal}; kill -{signal} $PPID; \
                 while :; do sleep 0.01; done'"
            ))
            .exits_with(3)
            .prints_only("caught\n");
        }
    }

    #[test]
    fn an_interrupt_that_it_survives_leaves_no_unprotected_program() {
        let ws = workspace();
        for signal in ["INT", "QUIT"] {
            ws.write(
                "compiler",
                format!("#!/bin/bash\nkill -{signal} $PPID\nexec gcc \"$@\"\n"),
            );
            ws.run("chmod +x compiler; rm -f forbidden").succeeds();
            ws.run(&format!("{LINK} ./compiler forbidden.c -o forbidden"))
                .succeeds();
            assert_patched(&ws, "./forbidden");
        }
    }

    #[test]
    fn ignored_signals_stay_ignored() {
        let ws = workspace();
        for signal in ["HUP", "INT", "QUIT", "TERM"] {
            ws.run(&format!(
                "trap '' {signal}; {LINK} sh -c 'kill -{signal} $$; echo survived'"
            ))
            .succeeds()
            .prints_only("survived\n");
        }
    }

    #[test]
    fn its_end_is_seen_where_the_end_of_children_is_ignored() {
        let ws = workspace();
        let ignoring = "env --ignore-signal=CHLD";
        ws.run(&format!("{ignoring} {LINK} gcc -o x forbidden.c"))
            .succeeds();
        assert_patched(&ws, "./x");
        ws.run(&format!("{ignoring} {LINK} sh -c 'exit 3'"))
            .exits_with(3);
    }

    #[test]
    fn one_that_is_not_there_gets_the_status_that_shells_give() {
        let ws = workspace();
        ws.run(&format!("{LINK} no-such-compiler x.c"))
            .exits_with(127)
            .complains_in_one_line("sandbox-patch: no-such-compiler: ");
        ws.run(&format!("{LINK} ./forbidden.c"))
            .exits_with(126)
            .complains_in_one_line("sandbox-patch: ./forbidden.c: ");
    }
}

mod the_program {
    use super::*;

    #[test]
    fn it_is_patched_without_a_word() {
        let ws = workspace();
        for compiler in [
            "gcc",
            "clang",
            "musl-gcc",
            "gcc -no-pie",
            "clang -fuse-ld=lld",
        ] {
            ws.run(&format!("{LINK} {compiler} -o forbidden forbidden.c"))
                .succeeds()
                .prints_only("")
                .is_silent();
            assert_patched(&ws, "./forbidden");
        }
    }

    #[test]
    fn it_is_found_under_any_spelling_of_its_name() {
        let ws = workspace();
        let loader = "--dynamic-linker /lib64/ld-linux-x86-64.so.2";
        let file = |name: &str| format!("$(gcc -print-file-name={name})");
        let objects = [file("crt1.o"), file("crti.o"), file("crtn.o")].join(" ");
        ws.run("gcc -c forbidden.c && mkdir out").succeeds();
        for command in [
            "gcc forbidden.c -oout/x",
            "gcc forbidden.c --output out/x",
            "gcc forbidden.c --output=out/x",
            "gcc forbidden.c -Wl,-o,out/x",
            "gcc forbidden.c -Wl,--output=out/x",
            "gcc forbidden.c -Xlinker -o -Xlinker out/x",
            "gcc forbidden.c -o other -o out/x",
            &format!("ld {loader} {objects} forbidden.o -lc --output=out/x"),
        ] {
            ws.run(&format!("{LINK} {command}")).succeeds();
            assert_patched(&ws, "out/x");
            ws.run("rm out/x").succeeds();
        }
    }

    #[test]
    fn it_is_a_out_where_it_has_no_name() {
        let ws = workspace();
        ws.run(&format!("{LINK} gcc forbidden.c")).succeeds();
        assert_patched(&ws, "./a.out");
    }

    #[test]
    fn it_is_found_in_response_files() {
        let ws = workspace();
        ws.write("arguments", "-O2 '@more arguments'\n");
        ws.write("more arguments", "forbidden.c\n\t-o \"a pro\"gram");
        ws.run(&format!("{LINK} gcc @arguments")).succeeds();
        assert_patched(&ws, "'./a program'");

        ws.write("for-the-linker", "-o linked\\ program");
        ws.run(&format!("{LINK} gcc forbidden.c -Wl,@for-the-linker"))
            .succeeds();
        assert_patched(&ws, "'./linked program'");
    }

    #[test]
    fn it_carries_the_outer_policy_of_two() {
        let ws = workspace();
        ws.run(&format!(
            "{LINK} sandbox-patch link --deny getpid -- gcc -o x forbidden.c"
        ))
        .succeeds();
        assert_patched(&ws, "./x");
    }

    #[test]
    fn the_report_is_on_standard_error_when_asked_for() {
        let ws = workspace();
        ws.run("sandbox-patch link -v --deny getppid -- gcc -o x forbidden.c")
            .succeeds()
            .prints_only("")
            .complains("x: patched")
            .complains("getppid");
    }

    /// Where, when, by whom and in which language it is built leaves no trace.
    #[test]
    fn it_depends_on_nothing_but_what_was_asked_for() {
        let ws = workspace();
        ws.run(&format!("cp $(type -p sandbox-patch) {} .", library()))
            .succeeds();
        let link = format!(
            "sandbox-patch link --lib {} --deny getppid -- gcc -o",
            ws.path("libsandbox.so").display()
        );
        ws.run(&format!("./{link} x forbidden.c")).succeeds();
        ws.run("mkdir -m 777 elsewhere; sleep 1.1").succeeds();
        ws.run(&format!(
            "umask 077; cd elsewhere && {}env -i PATH=/usr/bin:/bin LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo \
             USER=nobody HOME=/ ../{link} another.name ../forbidden.c",
            as_nobody()
        ))
        .succeeds();
        assert!(
            ws.read("x") == ws.read("elsewhere/another.name"),
            "the programs differ"
        );
    }
}

mod what_is_left_alone {
    use super::*;

    /// The command leaves the very bytes that it leaves by itself.
    #[track_caller]
    fn assert_left_alone(command: &str) {
        let ws = workspace();
        ws.run("gcc -c empty.c && ar rcs libempty.a empty.o")
            .succeeds();
        ws.run(&format!("{command} -o plain")).succeeds();
        ws.run(&format!("{LINK} {command} -o wrapped")).succeeds();
        assert!(
            ws.read("plain") == ws.read("wrapped"),
            "{command}: something was changed"
        );
    }

    #[test]
    fn objects() {
        for command in [
            "gcc -c forbidden.c",
            "gcc -r -nostdlib empty.o",
            "ld --relocatable empty.o",
            "clang -flto -c forbidden.c",
        ] {
            assert_left_alone(command);
        }
    }

    #[test]
    fn text() {
        for command in [
            "gcc -S forbidden.c",
            "gcc -E forbidden.c",
            "gcc -M forbidden.c",
        ] {
            assert_left_alone(command);
        }
    }

    #[test]
    fn shared_libraries() {
        for command in [
            "gcc -shared -fPIC empty.c",
            "gcc -shared -fPIC empty.c -Wl,-soname,libempty.so.1",
            "ld -shared --whole-archive libempty.a",
        ] {
            assert_left_alone(command);
        }
    }

    #[test]
    fn an_archive() {
        let ws = workspace();
        ws.run("gcc -c empty.c && ar rcsD plain empty.o").succeeds();
        // ar has no -o; `D` makes it write no times.
        ws.write("archiver", "#!/bin/bash\nar rcsD \"$2\" \"$3\"\n");
        ws.run(&format!(
            "chmod +x archiver && {LINK} ./archiver -o wrapped empty.o"
        ))
        .succeeds();
        assert_eq!(ws.read("plain"), ws.read("wrapped"));
    }

    #[test]
    fn programs_that_the_command_did_not_write() {
        let ws = workspace();
        ws.run("gcc forbidden.c && cp a.out x").succeeds();
        let before = ws.snapshot();
        for command in [
            "gcc --version -o x",
            "gcc -### -o x forbidden.c",
            "gcc -fsyntax-only -o x forbidden.c",
            "gcc -fsyntax-only forbidden.c",
            "gcc -MM forbidden.c",
            "true -o x",
        ] {
            ws.run(&format!("{LINK} {command}")).succeeds();
            assert_eq!(before, ws.snapshot(), "{command}");
        }
    }

    #[test]
    fn a_failed_link() {
        let ws = workspace();
        // Without main().
        ws.run(&format!("{LINK} gcc -o x -x c /dev/null"))
            .exits_with(1)
            .complains("main");
        assert!(!ws.path("x").exists());
        ws.write("failing", "#!/bin/bash\ngcc \"$@\"\nexit 5\n");
        ws.run("chmod +x failing").succeeds();
        ws.run(&format!("{LINK} ./failing -o x forbidden.c"))
            .exits_with(5)
            .is_silent();
        ws.run("./x 110").succeeds();
    }

    #[test]
    fn devices() {
        let ws = workspace();
        ws.run(&format!("{LINK} gcc -S -o /dev/null forbidden.c"))
            .succeeds()
            .is_silent();
    }
}

mod what_is_written_elsewhere {
    use super::*;

    /// The command succeeds without writing what it should have.
    #[track_caller]
    fn assert_fails(ws: &Workspace, command: &str, missed: &str) {
        ws.run(&format!("{LINK} {command}"))
            .exits_with(1)
            .complains_in_one_line(&format!("it did not write {missed}"))
            .complains("unprotected")
            .complains("-o");
    }

    #[test]
    fn a_program_that_is_named_after_its_source_fails_the_build() {
        let ws = workspace();
        ws.write("hello.rs", "fn main() {}");
        let rustc = "rustc -Clinker=gcc hello.rs";
        let home = std::env::var("HOME").expect("a home");
        let path = std::env::var("PATH").expect("a path");
        ws.shell(&format!("PATH=$PATH:{path} {LINK} {rustc}"))
            .env("HOME", &home)
            .finish()
            .exits_with(1)
            .complains_in_one_line("it did not write a.out");
    }

    #[test]
    fn so_does_one_in_a_folder_or_under_a_longer_name() {
        let ws = workspace();
        ws.write(
            "compiler",
            "#!/bin/bash\nexec gcc \"$1\" -o \"$3\"/program\n",
        );
        ws.write("other", "#!/bin/bash\nexec gcc \"$1\" -o \"$3\".exe\n");
        ws.run("chmod +x compiler other && mkdir out").succeeds();
        assert_fails(&ws, "./compiler forbidden.c -o out", "out");
        assert_fails(&ws, "./other forbidden.c -o x", "x");
    }

    #[test]
    fn an_older_output_does_not_count() {
        let ws = workspace();
        ws.run(&format!("{LINK} gcc forbidden.c")).succeeds();
        assert_fails(&ws, "true forbidden.c", "a.out");
    }

    #[test]
    fn what_configuration_scripts_ask_is_answered() {
        let ws = workspace();
        for question in [
            "gcc --version",
            "gcc -v",
            "gcc -dumpmachine",
            "gcc -print-file-name=crt1.o",
            "gcc -print-search-dirs",
            "gcc -Wl,--version",
            "gcc -c forbidden.c",
            "gcc -E -dM -x c /dev/null",
            "gcc -fsyntax-only forbidden.c",
            "gcc -### forbidden.c",
            "ld --version",
            "ld -m elf_x86_64 -v",
            "ld --help",
        ] {
            let wrapped = ws.run(&format!("{LINK} {question}"));
            assert_eq!(wrapped.status(), ws.run(question).status(), "{wrapped}");
            assert!(!wrapped.stderr.contains("sandbox-patch:"), "{wrapped}");
        }
    }
}

mod what_cannot_be_patched {
    use super::*;

    #[track_caller]
    fn assert_removed(link: &str, reason: &str) {
        let ws = workspace();
        ws.run(&format!("{link} -o x forbidden.c"))
            .exits_with(1)
            .prints_only("")
            .complains_in_one_line("sandbox-patch: x: ")
            .complains(reason)
            .complains("removed");
        assert_eq!(ws.listing(), ["empty.c", "forbidden.c"], "{link}");
    }

    #[test]
    fn a_static_program_that_is_to_load_a_library_fails_the_build_and_is_removed() {
        for compiler in ["gcc -static", "gcc -static-pie", "musl-gcc -static"] {
            let library = library();
            let link = format!("sandbox-patch link --deny getppid --lib {library} -- {compiler}");
            assert_removed(&link, "leave out --lib");
        }
    }

    #[test]
    fn so_does_one_whose_library_does_not_serve() {
        let libraries = Workspace::new();
        libraries.run("cp /bin/true libsandbox.so").succeeds();
        let library = libraries.path("libsandbox.so");
        let library = library.display();
        assert_removed(
            &format!("sandbox-patch link --deny getppid --lib {library} -- gcc"),
            "no libsandbox.so",
        );
    }

    #[test]
    fn so_does_one_whose_policy_names_unknown_calls() {
        assert_removed("sandbox-patch link --deny getpppid -- gcc", "getppid");
    }

    #[test]
    fn a_library_that_is_elsewhere_is_only_warned_about() {
        let ws = workspace();
        let options = "--deny getppid --lib /nowhere/libsandbox.so";
        ws.run(&format!(
            "sandbox-patch link -v {options} -- gcc forbidden.c"
        ))
        .succeeds()
        .complains("warning: /nowhere/libsandbox.so");
    }
}

/// A compiler that says anything is taken for one that does not know an option.
mod warnings {
    use super::*;

    /// A list that leaves near relatives open, and a library that is not here.
    const DOUBTFUL: &str = "--deny kexec_load --lib /nowhere/libsandbox.so";

    #[test]
    fn nothing_is_said_unless_asked_for() {
        let ws = workspace();
        for flag in ["", "-q", "--no-warn"] {
            ws.run(&format!(
                "sandbox-patch link {flag} {DOUBTFUL} -- gcc forbidden.c"
            ))
            .succeeds()
            .is_silent();
        }
        ws.run(&format!(
            "sandbox-patch link -v {DOUBTFUL} -- gcc forbidden.c"
        ))
        .succeeds()
        .complains("warning: /nowhere/libsandbox.so")
        .complains("kexec_file_load");
        ws.run(&format!(
            "sandbox-patch link -v --no-warn {DOUBTFUL} -- gcc forbidden.c"
        ))
        .succeeds()
        .complains("a.out: patched")
        .does_not_complain("warning");
    }

    #[test]
    fn nor_by_a_wrapper() {
        let ws = workspace();
        ws.run("mkdir bin && ln -s $(type -p sandbox-patch) bin/sandbox-patch-gcc")
            .succeeds();
        for (flag, says) in [("", false), ("-v", true), ("-v --no-warn", false)] {
            let outcome = ws.run(&format!(
                "SANDBOX_PATCH_OPTIONS='{flag} {DOUBTFUL}' bin/sandbox-patch-gcc forbidden.c"
            ));
            outcome.succeeds();
            assert_eq!(outcome.stderr.contains("warning"), says, "{outcome}");
        }
    }

    #[test]
    fn the_other_verbs_are_told_to_be_silent_about_them() {
        let ws = workspace();
        ws.run("gcc forbidden.c").succeeds();
        ws.run(&format!("sandbox-patch --no-warn {DOUBTFUL} a.out"))
            .succeeds()
            .prints("a.out: patched")
            .is_silent();
        ws.run("ln a.out b && sandbox-patch remove --no-warn a.out")
            .succeeds()
            .is_silent();
    }
}

/// Programs that the build runs itself.
mod programs_that_are_not_meant {
    use super::*;

    #[track_caller]
    fn assert_unpatched(ws: &Workspace, program: &str) {
        ws.run(&format!("{program} 110"))
            .succeeds()
            .prints_only("passed\n");
    }

    #[test]
    fn those_of_configuration_checks_are_left_alone() {
        let ws = workspace();
        ws.run("cp forbidden.c conftest.c && mkdir -p meson-private/tmp1")
            .succeeds();
        for (command, program) in [
            ("gcc conftest.c", "./a.out"),
            ("gcc -o conftest conftest.c", "./conftest"),
            ("gcc forbidden.c -o cmTC_1234a", "./cmTC_1234a"),
            (
                "gcc forbidden.c -o meson-private/tmp1/output.exe",
                "meson-private/tmp1/output.exe",
            ),
        ] {
            ws.run(&format!("{LINK} {command}")).succeeds().is_silent();
            assert_unpatched(&ws, program);
            ws.run(&format!(
                "sandbox-patch link -v --deny getppid -- {command}"
            ))
            .succeeds()
            .complains_in_one_line("left alone")
            .complains("--probes");
            assert_unpatched(&ws, program);
            ws.run(&format!(
                "sandbox-patch link --probes --deny getppid -- {command}"
            ))
            .succeeds();
            assert_patched(&ws, program);
        }
    }

    /// What can't be patched is removed, which a check would take for an answer.
    #[test]
    fn a_check_is_answered_though_its_program_could_not_be_patched() {
        let ws = workspace();
        let link = format!("sandbox-patch link --lib {} --deny getppid --", library());
        ws.run(&format!("{link} gcc -static -o conftest forbidden.c"))
            .succeeds()
            .is_silent();
        assert_unpatched(&ws, "./conftest");
        // Neither is a check that writes elsewhere an unprotected program.
        ws.write("compiler", "#!/bin/bash\nexec gcc \"$1\" -o \"$3\".exe\n");
        ws.run("chmod +x compiler").succeeds();
        ws.run(&format!("{LINK} ./compiler forbidden.c -o conftest"))
            .succeeds()
            .is_silent();
    }

    #[test]
    fn the_programs_that_are_meant_can_be_named() {
        for (options, outputs) in [
            ("--only prog", "prog"),
            ("--only prog 'tool-*'", "prog tool-a out/tool-b"),
            ("--only prog --only 'out/*'", "prog out/tool-b out/gen"),
            ("--except gen", "prog tool-a out/tool-b"),
            ("--except gen 'out/**'", "prog tool-a"),
            ("--only '*o*' --except 'too[a-l]-?'", "prog"),
            ("--only \"$PWD/out/*\"", "out/tool-b out/gen"),
        ] {
            let ws = workspace();
            ws.run("mkdir out").succeeds();
            for output in ["prog", "tool-a", "out/tool-b", "gen", "out/gen"] {
                ws.run(&format!(
                    "sandbox-patch link {options} --deny getppid -- gcc forbidden.c -o {output}"
                ))
                .succeeds()
                .is_silent();
                if outputs.split(' ').any(|it| it == output) {
                    assert_patched(&ws, &format!("./{output}"));
                } else {
                    assert_unpatched(&ws, &format!("./{output}"));
                }
            }
        }
    }

    #[test]
    fn the_environment_names_them_too() {
        let ws = workspace();
        ws.run("mkdir bin && ln -s $(type -p sandbox-patch) bin/sandbox-patch-gcc")
            .succeeds();
        let link = "SANDBOX_PATCH_OPTIONS='--only prog --deny getppid' bin/sandbox-patch-gcc";
        ws.run(&format!(
            "{link} -o prog forbidden.c && {link} -o gen forbidden.c"
        ))
        .succeeds()
        .is_silent();
        assert_patched(&ws, "./prog");
        assert_unpatched(&ws, "./gen");
        // The lists of both places add up.
        ws.run(
            "SANDBOX_PATCH_OPTIONS='--only prog --deny getppid' \
             sandbox-patch link --only gen -- gcc -o gen forbidden.c",
        )
        .succeeds();
        assert_patched(&ws, "./gen");
    }

    #[test]
    fn why_one_is_left_alone_is_said_when_asked_for() {
        let ws = workspace();
        for (options, reason) in [
            ("--only prog", "--only does not name it"),
            ("--except 'g*'", "--except names it"),
        ] {
            ws.run(&format!(
                "sandbox-patch link -v {options} --deny getppid -- gcc -o gen forbidden.c"
            ))
            .succeeds()
            .complains_in_one_line(&format!("sandbox-patch: gen: left alone: {reason}"));
        }
    }

    /// It may be the one that is meant.
    #[test]
    fn one_under_an_unknown_name_fails_the_build_all_the_same() {
        let ws = workspace();
        ws.write("compiler", "#!/bin/bash\nexec gcc forbidden.c -o prog\n");
        ws.run("chmod +x compiler").succeeds();
        ws.run("sandbox-patch link --only prog --deny getppid -- ./compiler forbidden.c")
            .exits_with(1)
            .complains_in_one_line("it did not write a.out");
    }

    #[test]
    fn a_pattern_that_is_none_is_a_wrong_command_line() {
        let ws = workspace();
        for option in ["--only '[a'", "--except 'a**'", "--only"] {
            ws.run(&format!(
                "sandbox-patch link --deny getppid {option} -- gcc forbidden.c"
            ))
            .exits_with(2)
            .complains(&option[..6]);
        }
        assert_eq!(ws.listing(), ["empty.c", "forbidden.c"]);
    }
}

mod options {
    use super::*;

    /// A request that is refused before the command runs.
    #[track_caller]
    fn assert_usage_error(line: &str, reason: &str) {
        let ws = workspace();
        ws.run(line).exits_with(2).prints_only("").complains(reason);
        assert_eq!(ws.listing(), ["empty.c", "forbidden.c"], "{line}");
    }

    #[test]
    fn a_policy_must_be_given() {
        assert_usage_error("sandbox-patch link -- gcc forbidden.c", "no policy");
        assert_usage_error(
            "SANDBOX_PATCH_OPTIONS=--exact sandbox-patch link -- gcc forbidden.c",
            "no policy",
        );
    }

    #[test]
    fn a_command_must_be_given() {
        assert_usage_error("sandbox-patch link --deny getppid", "COMMAND");
        assert_usage_error("sandbox-patch link --deny getppid gcc forbidden.c", "gcc");
    }

    #[test]
    fn they_come_from_the_environment() {
        let ws = workspace();
        ws.run("SANDBOX_PATCH_OPTIONS=\"--deny 'getppid'\" sandbox-patch link -- gcc forbidden.c")
            .succeeds()
            .is_silent();
        assert_patched(&ws, "./a.out");
    }

    #[test]
    fn those_of_the_environment_come_first() {
        let ws = workspace();
        ws.run(
            "SANDBOX_PATCH_OPTIONS='--deny getppid --action errno:EPERM' \
             sandbox-patch link --deny=getuid --action errno:ENETDOWN -- gcc forbidden.c",
        )
        .succeeds();
        // getuid is call 102 of x86_64.
        for number in [102, 110] {
            ws.run(&format!("./a.out {number}"))
                .prints_only("failed: Network is down\n");
        }
    }

    #[test]
    fn unknown_ones_in_the_environment_are_refused() {
        for (options, reason) in [
            ("--explode", "--explode"),
            ("--deny getppid -- true", "true"),
            ("--deny \"getppid", "quotation mark"),
            ("--deny getppid --help", "--help"),
        ] {
            assert_usage_error(
                &format!("SANDBOX_PATCH_OPTIONS='{options}' sandbox-patch link -- gcc forbidden.c"),
                reason,
            );
        }
    }

    #[test]
    fn standard_input_is_the_commands() {
        assert_usage_error(
            "sandbox-patch link --deny - -- gcc forbidden.c",
            "standard input",
        );
    }
}

mod under_the_name_of_a_compiler {
    use super::*;

    fn with_compiler() -> Workspace {
        let ws = workspace();
        ws.run("mkdir bin && ln -s $(type -p sandbox-patch) bin/sandbox-patch-cc")
            .succeeds();
        ws
    }

    #[test]
    fn all_arguments_are_the_compilers() {
        let ws = with_compiler();
        ws.run("SANDBOX_PATCH_OPTIONS='--deny getppid' bin/sandbox-patch-cc -o x forbidden.c")
            .succeeds()
            .is_silent();
        assert_patched(&ws, "./x");
        let own = ws.run("cc --version");
        ws.run("SANDBOX_PATCH_OPTIONS='--deny getppid' bin/sandbox-patch-cc --version")
            .succeeds()
            .prints_only(&own.stdout);
    }

    #[test]
    fn the_report_is_asked_for_in_the_environment() {
        let ws = with_compiler();
        ws.run(
            "SANDBOX_PATCH_OPTIONS='-v --deny getppid' PATH=bin:$PATH sandbox-patch-cc forbidden.c",
        )
        .succeeds()
        .prints_only("")
        .complains("a.out: patched");
    }

    #[test]
    fn a_policy_must_be_given() {
        let ws = with_compiler();
        ws.run("bin/sandbox-patch-cc forbidden.c")
            .exits_with(2)
            .complains_in_one_line("SANDBOX_PATCH_OPTIONS");
        assert!(!ws.path("a.out").exists());
    }
}
