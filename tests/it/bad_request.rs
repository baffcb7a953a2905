//! Requests that can't be met as they are: names, actions, libraries, and
//! files that carry a policy already.

use crate::support::{Signal, Workspace, library};

mod names {
    use super::*;

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_one() {
        let ws = Workspace::with_myos("gcc");
        let before = ws.snapshot();
        ws.run("sandbox-patch --allow opena ./myos")
            .fails()
            .complains("opena")
            .complains("openat");
        assert_eq!(before, ws.snapshot());
    }

    #[test]
    fn a_name_of_another_architecture_is_skipped_with_a_warning() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --deny uname:waitpid ./myos")
            .succeeds()
            .complains("waitpid");
        ws.run("./myos").dies_by(Signal::SYS);
    }

    #[test]
    fn a_name_of_another_architecture_is_an_error_when_names_are_exact() {
        let ws = Workspace::with_myos("gcc");
        let before = ws.snapshot();
        ws.run("sandbox-patch --exact --deny uname:waitpid ./myos")
            .fails()
            .complains("waitpid");
        assert_eq!(before, ws.snapshot());
    }

    #[test]
    fn a_number_is_understood_and_named() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --deny 63 -o by-number ./myos")
            .succeeds()
            .prints("deny uname: ")
            .complains("system call 63 is uname on x86_64");
        ws.run("sandbox-patch --deny uname -o by-name ./myos")
            .succeeds();
        assert!(ws.read("by-number") == ws.read("by-name"));
        ws.run("./by-number").dies_by(Signal::SYS);
        ws.run("sandboxify -q --deny 63 ./myos")
            .dies_by(Signal::SYS);
    }

    #[test]
    fn a_number_that_no_call_has_is_refused() {
        let ws = Workspace::with_myos("gcc");
        for number in ["1000", "4294967295"] {
            let line = format!("sandbox-patch --deny {number} ./myos");
            ws.assert_refused(&line, "./myos", "x86_64 has no system call");
        }
    }

    /// The second name looks like a file, and the first would be the whole policy.
    #[test]
    fn a_list_written_with_blanks_is_an_error_and_nothing_is_patched() {
        let ws = Workspace::with_myos("gcc");
        for list in ["write read", "write, read", "exit_group read:write,close"] {
            ws.assert_usage_error(
                &format!("sandbox-patch --allow {list} ./myos"),
                "separate the names of a list by ':'",
            );
        }
        ws.write("read", "a file of that name is a file");
        ws.run("sandbox-patch --allow write read ./myos")
            .exits_with(1)
            .complains("sandbox-patch: read: not an ELF file");
        ws.run("sandboxify --allow write readlinkat ./myos")
            .exits_with(127)
            .complains("separate the names of a list by ':'");
    }

    #[test]
    fn a_file_given_as_a_list_is_an_error_that_names_standard_input() {
        let ws = Workspace::with_myos("gcc");
        ws.write("calls.txt", "exit_group fstat uname write");
        for file in ["./calls.txt", "calls.txt", "lists/calls"] {
            for line in [
                format!("sandbox-patch --allow {file} ./myos"),
                format!("sandboxify --deny {file} ./myos"),
            ] {
                ws.assert_usage_error(&line, "--allow - <FILE");
            }
        }
    }

    #[test]
    fn order_and_repetition_of_names_do_not_matter() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --allow exit_group:fstat:uname:write -o one ./myos")
            .succeeds();
        ws.run("sandbox-patch --allow write,uname:fstat --allow uname:exit_group -o two ./myos")
            .succeeds();
        assert!(ws.read("one") == ws.read("two"));
    }

    #[test]
    fn names_can_come_from_standard_input() {
        let ws = Workspace::with_myos("gcc");
        ws.shell("sandbox-patch --allow - ./myos")
            .input("exit_group\nfstat\nuname:write\n")
            .finish()
            .succeeds();
        ws.run("./myos").succeeds().prints_only("My OS is Linux!\n");
    }

    #[test]
    fn allowing_nothing_is_possible_but_warned_about() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --allow '' ./myos")
            .succeeds()
            .complains("warning");
        ws.run("./myos").dies_by(Signal::SYS).prints_only("");
    }

    #[test]
    fn denying_nothing_is_possible_but_warned_about() {
        let ws = Workspace::with_myos("gcc");
        for list in ["''", "waitpid"] {
            ws.run(&format!("sandbox-patch --deny {list} -o out ./myos"))
                .succeeds()
                .complains("the policy denies no system call at all");
        }
    }

    #[test]
    fn a_deny_list_with_open_relatives_is_warned_about() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --deny read ./myos")
            .succeeds()
            .complains("pread64")
            .complains("readv")
            .complains("io_uring_enter");
    }
}

mod options {
    use super::*;

    fn assert_usage_error(options: &str, reason: &str) {
        let ws = Workspace::with_myos("gcc");
        ws.assert_usage_error(&format!("sandbox-patch {options} ./myos"), reason);
    }

    #[test]
    fn a_policy_must_be_given() {
        assert_usage_error("", "--allow");
    }

    #[test]
    fn an_unknown_action_is_refused() {
        assert_usage_error("--deny uname --action explode", "explode");
        assert_usage_error("--deny uname --action allow", "no action on a violation");
    }

    #[test]
    fn an_unknown_error_name_is_refused() {
        assert_usage_error("--deny uname --action errno:ENOPE", "ENOPE");
    }

    #[test]
    fn an_error_number_that_the_kernel_would_cut_is_refused() {
        // MAX_ERRNO of include/linux/err.h is 4095.
        assert_usage_error("--deny uname --action errno:4096", "4096");
    }

    #[test]
    fn a_dry_run_writes_nothing() {
        let ws = Workspace::with_myos("gcc");
        let before = ws.snapshot();
        ws.run("sandbox-patch --dry-run --deny uname ./myos")
            .succeeds();
        assert_eq!(before, ws.snapshot());
    }
}

mod patched_already {
    use super::*;

    #[test]
    fn the_same_policy_again_changes_nothing() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --deny uname ./myos").succeeds();
        let before = ws.snapshot();
        ws.run("sandbox-patch --deny uname ./myos").succeeds();
        assert_eq!(before, ws.snapshot());
    }

    #[test]
    fn another_policy_is_refused_unless_it_is_to_replace_the_first() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --deny ptrace ./myos").succeeds();
        let before = ws.snapshot();
        ws.run("sandbox-patch --deny uname ./myos")
            .exits_with(1)
            .complains("sandbox-patch: ./myos: ")
            .complains("--replace");
        assert_eq!(before, ws.snapshot());
        ws.run("sandbox-patch --replace --deny uname ./myos")
            .succeeds();
        ws.run("./myos").dies_by(Signal::SYS);
    }

    #[test]
    fn replacing_gives_what_patching_the_original_would() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --deny ptrace -o first ./myos")
            .succeeds();
        ws.run("sandbox-patch --deny uname -o wanted ./myos")
            .succeeds();
        ws.run("sandbox-patch --replace --deny uname ./first")
            .succeeds();
        assert!(ws.read("first") == ws.read("wanted"));
    }
}

mod the_runtime {
    use super::*;

    /// Offset of `e_machine` in `Elf64_Ehdr`, and its value for AArch64.
    const E_MACHINE: usize = 18;
    const EM_AARCH64: u8 = 183;

    fn assert_library_refused(ws: &Workspace, library: &str, reason: &str) {
        let before = ws.snapshot();
        ws.run(&format!(
            "sandbox-patch --lib {library} --deny uname ./myos"
        ))
        .exits_with(1)
        .complains(reason);
        assert_eq!(before, ws.snapshot());
    }

    #[test]
    fn a_relative_path_must_be_asked_for_twice() {
        for path in [
            "libsandbox.so",
            "./libsandbox.so",
            "'$ORIGIN/libsandbox.so'",
        ] {
            let ws = Workspace::with_myos("gcc");
            ws.run(&format!("cp {} .", library())).succeeds();
            let before = ws.snapshot();
            ws.run(&format!("sandbox-patch --lib {path} --deny uname ./myos"))
                .fails()
                .complains("--allow-relative-lib");
            assert_eq!(before, ws.snapshot());
            ws.run(&format!(
                "sandbox-patch --allow-relative-lib --lib {path} --deny uname ./myos"
            ))
            .succeeds();
            ws.run("LD_LIBRARY_PATH=$PWD ./myos").dies_by(Signal::SYS);
        }
    }

    #[test]
    fn a_path_that_is_not_there_is_warned_about() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --lib /nowhere/libsandbox.so --deny uname ./myos")
            .succeeds()
            .complains("warning")
            .complains("/nowhere/libsandbox.so");
        ws.run("./myos")
            .exits_with(127)
            .complains("/nowhere/libsandbox.so");
    }

    #[test]
    fn one_for_another_architecture_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let mut bytes = std::fs::read(library()).expect("the runtime");
        bytes[E_MACHINE] = EM_AARCH64;
        ws.run("mkdir foreign").succeeds();
        ws.write("foreign/libsandbox.so", bytes);
        assert_library_refused(&ws, "$PWD/foreign/libsandbox.so", "architecture");
    }

    #[test]
    fn one_that_does_not_know_today_s_notes_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let mut bytes = std::fs::read(library()).expect("the runtime");
        // The note RUNTIME begins with the format version.
        let note = b"\x04\0\0\0sandbox\0\x02\0\0\0";
        let at = bytes.windows(note.len()).position(|it| it == note);
        let version = at.expect("the note") + note.len() - 4;
        ws.run("mkdir earlier later").succeeds();
        bytes[version] = 1;
        ws.write("earlier/libsandbox.so", &bytes);
        assert_library_refused(&ws, "$PWD/earlier/libsandbox.so", "does not know this");
        bytes[version] = 3;
        ws.write("later/libsandbox.so", &bytes);
        ws.run("sandbox-patch --lib $PWD/later/libsandbox.so --deny uname ./myos")
            .succeeds();
    }

    #[test]
    fn without_proc_nobody_knows_where_the_runtimes_are() {
        let ws = Workspace::with_myos("gcc");
        for option in ["", "--inline"] {
            ws.run_with_mounts(&format!(
                "mount -t tmpfs tmpfs /proc && sandbox-patch {option} --deny uname ./myos"
            ))
            .exits_with(1)
            .complains("mount /proc");
            ws.run("./myos").succeeds();
        }
        let library = library();
        ws.run_with_mounts(&format!(
            "mount -t tmpfs tmpfs /proc && sandbox-patch -q --lib {library} --deny uname ./myos"
        ))
        .succeeds();
    }

    #[test]
    fn one_that_is_not_the_runtime_is_refused() {
        let ws = Workspace::with_myos("gcc");
        ws.compile_as("gcc -shared -fPIC", "empty.c", "libsandbox.so");
        assert_library_refused(&ws, "$PWD/libsandbox.so", "no libsandbox.so");
    }

    #[test]
    fn the_runtime_for_the_inside_of_programs_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let runtime = crate::support::inline_runtime();
        ws.run(&format!("cp {} libsandbox.so", runtime.display()))
            .succeeds();
        assert_library_refused(&ws, "$PWD/libsandbox.so", "no libsandbox.so");
    }

    #[test]
    fn one_by_another_name_is_refused() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("cp {} renamed.so", library())).succeeds();
        for path in ["$PWD/renamed.so", "/nowhere/other.so", "/libsandbox.so/"] {
            assert_library_refused(&ws, path, "is not named libsandbox.so");
            assert_library_refused(
                &ws,
                &format!("{path} --allow-relative-lib"),
                "is not named libsandbox.so",
            );
        }
    }

    #[test]
    fn one_that_is_out_of_reach_is_not_said_to_be_missing() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("mkdir closed && cp {} closed/", library()))
            .succeeds();
        ws.run("chmod 700 closed && chmod 777 .").succeeds();
        let as_nobody = crate::support::as_nobody();
        ws.run(&format!("{as_nobody}cp myos mine")).succeeds();
        ws.run(&format!(
            "{as_nobody}sandbox-patch --lib $PWD/closed/libsandbox.so --deny getpid ./mine"
        ))
        .succeeds()
        .complains_in_one_line("can't be looked at: Permission denied");
        ws.run(&format!("{as_nobody}sandbox-patch verify ./mine"))
            .exits_with(1)
            .complains_in_one_line("can't be looked at: Permission denied");
    }
}

#[test]
fn a_mistyped_command_is_named() {
    let ws = Workspace::with_myos("gcc");
    for (typed, meant) in [
        ("inpsect ./myos", "inspect"),
        ("verfy --root / ./myos", "verify"),
        ("remov -r .", "remove"),
        ("lnk -- cc", "link"),
    ] {
        let line = format!("sandbox-patch {typed}");
        ws.assert_usage_error(&line, &format!("did you mean '{meant}'?"));
    }
    ws.run("sandbox-patch $'\\xff' --nope")
        .exits_with(2)
        .complains("--nope");
    // What is no word of ours, or is a file, is not guessed at.
    for line in ["sandbox-patch ./myos", "sandbox-patch patch ./myos"] {
        ws.run(line).exits_with(2).does_not_complain("did you mean");
    }
}
