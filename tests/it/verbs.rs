//! `inspect`, `verify` and `remove`, as a person or a pipeline uses them.

use crate::support::{Kind, PatchedFile, Workspace, library};
use serde_json::Value;

const PATCH: &str = "sandbox-patch --allow exit_group:fstat:uname:write";

fn patched() -> Workspace {
    let ws = Workspace::with_myos("gcc");
    ws.run("cp myos original").succeeds();
    ws.run(&format!("{PATCH} ./myos")).succeeds();
    ws
}

mod inspect {
    use super::*;

    fn json(ws: &Workspace, file: &str) -> Value {
        let outcome = ws.run(&format!("sandbox-patch inspect --json {file}"));
        outcome.succeeds().is_silent();
        serde_json::from_str(&outcome.stdout).expect("one JSON value")
    }

    #[test]
    fn it_says_what_the_program_may_do_and_by_which_library() {
        let outcome = patched().run("sandbox-patch inspect ./myos");
        outcome.succeeds().is_silent().prints(&library());
        for word in [
            "protected",
            "exit_group",
            "fstat",
            "uname",
            "write",
            "newfstatat",
            "kill-process",
        ] {
            outcome.prints(word);
        }
    }

    #[test]
    fn it_says_that_an_unpatched_program_is_not_protected() {
        Workspace::with_myos("gcc")
            .run("sandbox-patch inspect ./myos")
            .succeeds()
            .prints("not protected");
    }

    #[test]
    fn it_shows_the_filter_with_names() {
        patched()
            .run("sandbox-patch inspect --bpf ./myos")
            .succeeds()
            .is_silent()
            .prints("uname")
            .prints("exit_group")
            .prints("KILL_PROCESS");
    }

    #[test]
    fn it_writes_json_for_tools() {
        let ws = patched();
        let found = json(&ws, "./myos");
        assert_eq!(found["schema"], 2);
        assert_eq!(found["protected"], true);
        assert_eq!(found["sound"], true);
        assert_eq!(found["filter"]["matches_policy"], true);
        assert_eq!(found["library"]["path"], library());
        assert_eq!(found["problem_ids"], Value::Array(Vec::new()));
        let original = json(&ws, "./original");
        assert_eq!(original["protected"], false);
        assert_eq!(original["problems"][0], "it carries no sandbox policy");
        assert_eq!(original["problem_ids"][0], "no-policy");
    }

    #[test]
    fn it_tells_what_removing_would_give() {
        let ws = patched();
        let length = ws.read("original").len();
        assert_eq!(json(&ws, "./myos")["original"]["length"], length);
        let warning = "something was appended or stripped since it was patched";
        ws.run("sandbox-patch inspect ./myos")
            .succeeds()
            .does_not_print(warning);
        ws.run("echo more >>myos && sandbox-patch inspect ./myos")
            .succeeds()
            .prints(warning);
    }

    #[test]
    fn it_reads_standard_input() {
        let ws = patched();
        ws.run("sandbox-patch inspect - <myos")
            .succeeds()
            .prints("exit_group");
    }

    #[test]
    fn it_reads_files_for_other_architectures() {
        let ws = Workspace::with_myos("gcc");
        let mut program = ws.read("myos");
        // e_machine of Elf64_Ehdr becomes EM_AARCH64.
        program[18] = 183;
        ws.write("foreign", program);
        ws.run("sandbox-patch inspect ./foreign")
            .succeeds()
            .prints("aarch64");
    }

    #[test]
    fn it_ends_quietly_when_nobody_reads_on() {
        let ws = patched();
        ws.run("set -o pipefail; sandbox-patch inspect --bpf ./myos ./myos ./myos | true; true")
            .succeeds()
            .is_silent();
    }

    #[test]
    fn it_uses_no_colours_unless_on_a_terminal_or_told() {
        const ESCAPE: &str = "\x1b[";
        let ws = patched();
        ws.run("sandbox-patch inspect ./myos")
            .does_not_print(ESCAPE);
        ws.run("sandbox-patch --color always inspect ./myos")
            .prints(ESCAPE);
        ws.shell("TERM=xterm sandbox-patch inspect ./myos")
            .output_to(crate::support::Output::Terminal)
            .finish()
            .prints(ESCAPE);
        ws.shell("TERM=xterm NO_COLOR=1 sandbox-patch inspect ./myos")
            .output_to(crate::support::Output::Terminal)
            .finish()
            .does_not_print(ESCAPE);
    }
}

mod verify {
    use super::*;

    #[track_caller]
    fn assert_rejected(ws: &Workspace, reason: &str) {
        ws.assert_refused("sandbox-patch verify ./myos", "./myos", reason);
    }

    #[test]
    fn it_accepts_a_patched_program() {
        patched()
            .run("sandbox-patch verify ./myos")
            .succeeds()
            .is_silent();
    }

    #[test]
    fn it_rejects_an_unpatched_program() {
        assert_rejected(&Workspace::with_myos("gcc"), "no sandbox policy");
    }

    #[test]
    fn it_names_each_file_that_fails() {
        let ws = patched();
        ws.run("sandbox-patch verify ./original ./myos /bin/true")
            .exits_with(1)
            .complains("sandbox-patch: ./original: ")
            .complains("sandbox-patch: /bin/true: ");
    }

    #[test]
    fn it_rejects_a_filter_that_is_not_the_policys() {
        let ws = patched();
        // The value of the first instruction, for another number or arch.
        PatchedFile::open(&ws.path("myos"))
            .set_word(Kind::Restriction, 28, 1)
            .seal()
            .save();
        assert_rejected(&ws, "filter");
    }

    /// What the runtime does besides installing the filter is not in the policy.
    #[test]
    fn it_rejects_other_orders_to_the_runtime() {
        const MEMORY: &str = "the memory that is to become read-only is not its dynamic section";
        const FORMER: &str = "its dynamic section was not where it is said to have been";
        // ld.bfd leaves room in the dynamic section, lld none, so that it moves.
        let (stays, moves) = ("gcc", "clang -fuse-ld=lld");
        for (make, kind, offset, reason) in [
            (stays, Kind::Restriction, 12, "has all actions logged"),
            (stays, Kind::Header, 32, MEMORY),
            (moves, Kind::Header, 24, MEMORY),
            (moves, Kind::Header, 32, MEMORY),
            (moves, Kind::Header, 40, FORMER),
        ] {
            let ws = Workspace::with_myos(make);
            ws.run(&format!("{PATCH} -q ./myos && sandbox-patch verify ./myos"))
                .succeeds();
            let program = PatchedFile::open(&ws.path("myos"));
            let value = program.word(kind, offset) ^ if offset == 12 { 2 } else { 0x1000 };
            program.set_word(kind, offset, value).seal().save();
            assert_rejected(&ws, reason);
        }
    }

    #[test]
    fn it_rejects_a_filter_that_the_kernel_would_not_apply() {
        const REASON: &str = "its filter is for another architecture";
        const AUDIT_ARCH_I386: u32 = 0x4000_0003;
        let ws = patched();
        PatchedFile::open(&ws.path("myos"))
            .set_word(Kind::Restriction, 8, AUDIT_ARCH_I386)
            .seal()
            .save();
        assert_rejected(&ws, REASON);
        let ws = patched();
        let mut program = ws.read("myos");
        // e_machine of Elf64_Ehdr becomes EM_AARCH64.
        program[18] = 183;
        ws.write("myos", program);
        assert_rejected(&ws, REASON);
    }

    #[test]
    fn it_rejects_a_policy_that_was_changed() {
        let ws = patched();
        PatchedFile::open(&ws.path("myos"))
            .flip_last_byte(Kind::Policy)
            .save();
        assert_rejected(&ws, "does not match its digest");
    }

    #[test]
    fn it_rejects_a_program_whose_notes_are_gone() {
        let ws = patched();
        PatchedFile::open(&ws.path("myos")).hide_segment().save();
        assert_rejected(&ws, "");
    }

    #[test]
    fn it_rejects_a_library_that_is_not_there() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --lib /nowhere/libsandbox.so --deny uname ./myos")
            .succeeds();
        assert_rejected(&ws, "/nowhere/libsandbox.so");
    }

    #[test]
    fn it_rejects_a_library_that_can_be_diverted() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --allow-relative-lib --lib libsandbox.so --deny uname ./myos")
            .succeeds();
        assert_rejected(&ws, "libsandbox.so");
    }

    #[test]
    fn it_looks_the_library_up_below_a_root() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --lib /opt/libsandbox.so --deny uname ./myos")
            .succeeds();
        ws.run("mkdir -p image/opt").succeeds();
        ws.run("sandbox-patch verify --root image ./myos")
            .exits_with(1);
        ws.run(&format!("cp {} image/opt/", library())).succeeds();
        ws.run("sandbox-patch verify --root image ./myos")
            .succeeds();
    }
}

mod remove {
    use super::*;

    #[test]
    fn it_restores_the_file_byte_for_byte() {
        let ws = patched();
        ws.run("sandbox-patch remove ./myos").succeeds();
        assert!(ws.read("myos") == ws.read("original"));
        assert_eq!(ws.listing(), ["myos", "original"]);
    }

    #[test]
    fn it_restores_a_file_that_was_patched_twice() {
        let ws = patched();
        ws.run("sandbox-patch --replace --deny ptrace ./myos")
            .succeeds();
        ws.run("sandbox-patch remove ./myos").succeeds();
        assert!(ws.read("myos") == ws.read("original"));
    }

    #[test]
    fn it_can_write_elsewhere() {
        let ws = patched();
        let before = ws.read("myos");
        ws.run("sandbox-patch remove -o restored ./myos").succeeds();
        assert!(ws.read("restored") == ws.read("original"));
        assert!(ws.read("myos") == before);
    }

    #[test]
    fn it_refuses_a_program_that_carries_no_patch() {
        let ws = Workspace::with_myos("gcc");
        let before = ws.snapshot();
        ws.run("sandbox-patch remove ./myos")
            .exits_with(1)
            .complains_in_one_line("sandbox-patch: ./myos: ");
        assert_eq!(before, ws.snapshot());
    }

    fn change_text(ws: &Workspace) {
        let mut program = ws.read("myos");
        let at = program
            .windows(8)
            .position(|bytes| bytes == b"My OS is")
            .expect("the text is in the program");
        program[at] = b'm';
        ws.write("myos", &program);
    }

    #[test]
    fn it_keeps_what_was_changed_since_where_patching_wrote_nothing() {
        let ws = patched();
        change_text(&ws);
        ws.run("sandbox-patch remove ./myos").succeeds();
        let removed = ws.read("myos");
        ws.compile("gcc", "myos.c");
        change_text(&ws);
        assert!(ws.read("myos") == removed);
        ws.run("./myos").succeeds().prints_only("my OS is Linux!\n");
    }

    #[test]
    fn it_refuses_a_file_in_which_the_patch_was_changed_since() {
        let ws = patched();
        ws.run("strip -g myos").succeeds();
        ws.assert_refused(
            "sandbox-patch remove ./myos",
            "./myos",
            "remove --best-effort",
        );
        ws.run("sandbox-patch remove --best-effort ./myos")
            .succeeds();
        ws.run("./myos").succeeds().prints_only("My OS is Linux!\n");
        ws.run("sandbox-patch verify ./myos").exits_with(1);
    }
}

/// The policy that `verify` is to find.
mod the_policy_that_is_wanted {
    use super::*;

    const WORDS: &str = "--allow exit_group:fstat:uname:write";

    fn assert_ok(ws: &Workspace, wanted: &str) {
        ws.run(&format!("sandbox-patch verify {wanted} ./myos"))
            .succeeds()
            .prints_only("./myos: ok\n")
            .is_silent();
    }

    #[track_caller]
    fn assert_another(ws: &Workspace, wanted: &str, differences: &str) {
        ws.run(&format!("sandbox-patch verify {wanted} ./myos"))
            .exits_with(1)
            .prints_only("")
            .complains_in_one_line(&format!(
                "sandbox-patch: ./myos: it carries another policy than the one asked for: \
                 {differences}\n"
            ));
    }

    #[test]
    fn the_words_that_it_was_patched_with_are_accepted() {
        let ws = patched();
        for words in [
            WORDS,
            "--allow write,uname --allow 'fstat exit_group'",
            "--allow write:write:uname:fstat:exit_group --action kill-process",
        ] {
            assert_ok(&ws, words);
        }
        ws.shell("sandbox-patch verify --allow - ./myos")
            .input("exit_group\nfstat\nuname\nwrite\n")
            .finish()
            .succeeds();
    }

    #[test]
    fn the_difference_to_others_is_shown() {
        let ws = patched();
        for (wanted, differences) in [
            (
                "--allow exit_group:fstat:uname:write:read:close",
                "it does not allow close, read",
            ),
            (
                "--allow exit_group:fstat:uname",
                "its list to allow has write besides",
            ),
            (
                "--allow exit_group:fstat:read:write",
                "it does not allow read; its list to allow has uname besides",
            ),
            (
                "--deny ptrace",
                "it has a list to allow (exit_group, fstat, uname, write), not one to deny",
            ),
            (
                &format!("{WORDS} --action errno:EPERM"),
                "a violation gets kill-process, not errno:EPERM",
            ),
            (&format!("{WORDS} --exact"), "it was made without --exact"),
        ] {
            assert_another(&ws, wanted, differences);
        }
    }

    #[test]
    fn another_program_can_set_the_example() {
        let ws = patched();
        ws.run(&format!("cp original example && {PATCH} --inline example"))
            .succeeds();
        assert_ok(&ws, "--policy example");
        assert_ok(&ws, "--policy ./myos");
        ws.run("sandbox-patch --replace --deny ptrace example")
            .succeeds();
        assert_another(
            &ws,
            "--policy example",
            "it has a list to allow (exit_group, fstat, uname, write), not one to deny",
        );
    }

    #[test]
    fn so_can_the_json_of_inspect() {
        let ws = patched();
        ws.run("sandbox-patch inspect --json ./myos >all.json")
            .succeeds();
        let all: Value = serde_json::from_slice(&ws.read("all.json")).expect("JSON");
        ws.write("policy.json", format!("{:#}\n", all["policy"]));
        assert_ok(&ws, "--policy all.json");
        assert_ok(&ws, "--policy policy.json");
        ws.run("sandbox-patch --replace --allow exit_group:fstat:uname ./myos")
            .succeeds();
        assert_another(&ws, "--policy policy.json", "it does not allow write");
    }

    /// For another architecture the words are compiled anew.
    #[test]
    fn a_program_for_another_architecture_is_compared_too() {
        let ws = patched();
        ws.compile_as("aarch64-linux-gnu-gcc", "myos.c", "foreign");
        ws.run(&format!("{PATCH} --lib {} foreign", library()))
            .fails();
        ws.run(&format!(
            "{PATCH} --no-warn --lib /nowhere/libsandbox.so foreign"
        ))
        .succeeds();
        for (wanted, differs) in [
            (WORDS, false),
            ("--policy ./myos", false),
            ("--deny ptrace", true),
        ] {
            // That its library is missing is a problem of its own.
            let outcome = ws.run(&format!("sandbox-patch verify {wanted} foreign"));
            outcome.exits_with(1);
            assert_eq!(
                outcome.stderr.contains("another policy"),
                differs,
                "{outcome}"
            );
        }
    }

    #[test]
    fn one_that_can_not_be_read_is_an_error_and_not_any_policy() {
        let ws = patched();
        ws.write("broken.json", "{\"policy\": {\"names\": [\"write\"]}}");
        ws.write("list", "write\n");
        ws.run("sandbox-patch inspect --json original >none.json")
            .succeeds();
        for (file, problem) in [
            ("original", "original: no policy can be read from it"),
            ("broken.json", "broken.json:1:2: "),
            ("none.json", "none.json: no policy can be read from it"),
            ("./list", "./list:1:1: it looks like none of toml, "),
            ("missing", "there is no policy named \"missing\""),
            ("./missing", "./missing: the policy can't be read"),
        ] {
            ws.run(&format!("sandbox-patch verify --policy {file} ./myos"))
                .exits_with(1)
                .prints_only("")
                .complains_in_one_line(problem);
        }
    }

    #[test]
    fn it_can_be_asked_for_in_one_way_at_a_time() {
        let ws = patched();
        for (wanted, reason) in [
            ("--policy ./myos --deny read", "--policy"),
            ("--action log", "--allow, --deny or --policy"),
            ("--exact", "--allow, --deny or --policy"),
        ] {
            ws.assert_usage_error(&format!("sandbox-patch verify {wanted} ./myos"), reason);
        }
    }

    #[test]
    fn a_whole_tree_is_held_to_it() {
        let ws = patched();
        ws.run("mkdir tree && cp myos original tree && sandbox-patch --deny ptrace tree/original")
            .succeeds();
        ws.run(&format!("sandbox-patch verify -r {WORDS} tree"))
            .exits_with(1)
            .prints("1 ok")
            .complains_in_one_line("tree/original: it carries another policy");
        ws.run("sandbox-patch verify -r tree").succeeds();
    }
}

mod install {
    use super::*;

    /// `make install` for a release that is built already.
    fn install(ws: &Workspace) {
        let source = env!("CARGO_MANIFEST_DIR");
        let library = std::path::PathBuf::from(library());
        let target = library
            .ancestors()
            .nth(2)
            .expect("a target folder")
            .display();
        ws.run(&format!(
            "CARGO_TARGET_DIR={target} CARGO=false make -C {source} install DESTDIR=$PWD/image PREFIX=/usr"
        ))
        .succeeds();
    }

    #[test]
    fn it_puts_everything_in_its_place() {
        let ws = Workspace::new();
        install(&ws);
        for file in [
            "bin/sandbox-patch",
            "bin/sandboxify",
            "lib/sandbox-patch/libsandbox.so",
            "lib/sandbox-patch/sandbox-inline",
            "share/man/man1/sandbox-patch.1",
            "share/man/man1/sandbox-patch-inspect.1",
            "share/man/man1/sandbox-patch-verify.1",
            "share/man/man1/sandbox-patch-remove.1",
            "share/man/man1/sandbox-patch-groups.1",
            "share/man/man1/sandbox-patch-convert.1",
            "share/sandbox-patch/policies/network-server.toml",
            "share/sandbox-patch/policies/no-exec.toml",
            "share/man/man1/sandboxify.1",
            "share/bash-completion/completions/sandbox-patch",
            "share/bash-completion/completions/sandboxify",
            "share/zsh/site-functions/_sandbox-patch",
            "share/zsh/site-functions/_sandboxify",
            "share/fish/vendor_completions.d/sandbox-patch.fish",
            "share/fish/vendor_completions.d/sandboxify.fish",
        ] {
            assert!(ws.path("image/usr").join(file).is_file(), "{file}");
        }
        for compiler in ["cc", "c++", "gcc", "g++", "clang", "clang++", "ld"] {
            let name = format!("sandbox-patch-{compiler}");
            ws.run(&format!("readlink image/usr/bin/{name}"))
                .prints_only("sandbox-patch\n");
            ws.run(&format!("man -l image/usr/share/man/man1/{name}.1"))
                .succeeds()
                .prints("SANDBOX_PATCH_OPTIONS");
        }
    }

    #[test]
    fn the_installed_program_finds_its_library() {
        let ws = Workspace::with_myos("gcc");
        install(&ws);
        ws.run("image/usr/bin/sandbox-patch --deny uname ./myos")
            .succeeds();
        ws.run("ldd ./myos")
            .prints("image/usr/lib/sandbox-patch/libsandbox.so");
        ws.run("./myos").dies_by(crate::support::Signal::SYS);
    }

    #[test]
    fn uninstall_leaves_nothing_behind() {
        let ws = Workspace::new();
        install(&ws);
        let source = env!("CARGO_MANIFEST_DIR");
        ws.run(&format!(
            "make -C {source} uninstall DESTDIR=$PWD/image PREFIX=/usr"
        ))
        .succeeds();
        ws.run("find image -not -type d").prints_only("");
    }
}
