//! Folders instead of files: `--recursive`, and several files at a time.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::support::{Kind, Outcome, PatchedFile, Workspace, as_nobody, library};
use serde_json::Value;

const PATCH: &str = "sandbox-patch --allow exit_group:fstat:uname:write";

/// Programs in folders.
const PROGRAMS: [&str; 3] = ["tree/bin/myos", "tree/bin/sub/other", "tree/zz"];

/// What else there is in the folders, and why it is skipped.
const OTHERS: [(&str, &str); 9] = [
    ("tree/bin/link", "a symbolic link"),
    ("tree/bin/script", "a script"),
    ("tree/bin/text", "not an ELF file"),
    ("tree/empty", "not an ELF file"),
    ("tree/fifo", "not a regular file"),
    ("tree/lib/libc.so.6", "a shared library"),
    ("tree/lib/libempty.so", "a shared library"),
    ("tree/object", "a relocatable object"),
    ("tree/plain", "not executable"),
];

/// A workspace with all of that in the folder `tree`, and the program itself as
/// `myos`.
fn planted() -> Workspace {
    let ws = Workspace::with_myos("gcc");
    ws.run("mkdir -p tree/bin/sub tree/lib").succeeds();
    for program in PROGRAMS {
        ws.run(&format!("cp myos {program}")).succeeds();
    }
    ws.run("ln -s ../zz tree/bin/link; mkfifo -m 755 tree/fifo; cp myos tree/plain; chmod -x tree/plain")
        .succeeds();
    ws.write("tree/bin/script", "#!/bin/sh\nexec ./myos\n");
    ws.write("tree/bin/text", "echo hello\n");
    ws.write("tree/empty", "");
    ws.compile_as("gcc -shared -fPIC", "empty.c", "tree/lib/libempty.so");
    ws.compile_as("gcc -c", "empty.c", "tree/object");
    // It has an interpreter, to print its version.
    ws.run("cp -L /lib/x86_64-linux-gnu/libc.so.6 tree/lib/")
        .succeeds();
    ws.run("chmod +x tree/bin/script tree/bin/text tree/empty tree/object tree/lib/*")
        .succeeds();
    ws
}

/// The planted workspace, patched, with the unpatched tree as `before`.
fn patched() -> Workspace {
    let ws = planted();
    ws.run("cp -a tree before").succeeds();
    ws.run(&format!("{PATCH} -r tree")).succeeds().is_silent();
    ws
}

/// The files that lines of the report are about.
fn reported(outcome: &Outcome, what: &str) -> Vec<String> {
    let lines = outcome.stdout.lines();
    let names = lines.filter_map(|line| line.strip_suffix(&format!(": {what}")));
    names.map(str::to_owned).collect()
}

/// The values of JSON, one a line.
fn objects(outcome: &Outcome) -> Vec<Value> {
    let lines = outcome.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("one JSON value a line"))
        .collect()
}

/// Standard error names what is skipped, in the order of names.
#[track_caller]
fn assert_skipped(outcome: &Outcome, others: &[(&str, &str)]) {
    let line = |(file, why): &(&str, &str)| format!("sandbox-patch: {file}: skipped: {why}\n");
    let expected: String = others.iter().map(line).collect();
    assert_eq!(outcome.stderr, expected);
}

mod patching {
    use super::*;

    #[test]
    fn every_program_is_patched_and_nothing_else_is() {
        let ws = planted();
        ws.run("cp -a tree before").succeeds();
        let outcome = ws.run(&format!("{PATCH} --recursive tree"));
        outcome
            .succeeds()
            .is_silent()
            .prints_only("tree: 3 patched, 0 unchanged, 0 refused, 0 failed\n");
        for program in PROGRAMS {
            ws.run(program).succeeds().prints_only("My OS is Linux!\n");
            ws.run(&format!("sandbox-patch verify {program}"))
                .succeeds();
        }
        let differing = PROGRAMS.map(|name| {
            let before = name.replacen("tree", "before", 1);
            format!("Files {name} and {before} differ\n")
        });
        ws.run("diff -rq --no-dereference -x fifo tree before")
            .prints_only(&differing.concat());
    }

    #[test]
    fn verbose_names_what_is_skipped_and_why() {
        let outcome = planted().run(&format!("{PATCH} -v -r tree"));
        outcome.succeeds();
        assert_skipped(&outcome, &OTHERS);
    }

    #[test]
    fn static_programs_are_patched_unless_they_are_to_load_a_library() {
        let ws = Workspace::new();
        ws.run("mkdir tree").succeeds();
        ws.compile_as("gcc -static", "myos.c", "tree/static");
        ws.compile_as("gcc -static-pie", "myos.c", "tree/static-pie");
        ws.compile_as("gcc", "myos.c", "tree/myos");
        ws.run("cp -a tree before").succeeds();
        let outcome = ws.run(&format!("{PATCH} --lib {} -v -r tree", library()));
        outcome
            .succeeds()
            .complains("tree/static: skipped: ")
            .complains("tree/static-pie: skipped: ");
        assert_eq!(reported(&outcome, "patched"), ["tree/myos"]);
        for name in ["static", "static-pie"] {
            ws.run(&format!("cmp tree/{name} before/{name}")).succeeds();
        }
        let outcome = ws.run(&format!("{PATCH} -v -r tree"));
        outcome.succeeds();
        let patched = ["tree/static", "tree/static-pie"];
        assert_eq!(reported(&outcome, "patched"), patched);
        ws.run("sandbox-patch verify -r tree").succeeds();
        ws.run("sandbox-patch remove -r tree && diff -r tree before")
            .succeeds();
    }

    #[test]
    fn patching_again_changes_nothing() {
        let ws = patched();
        ws.run("find tree -printf '%p %i %T@\\n' | sort >inodes")
            .succeeds();
        ws.run(&format!("{PATCH} -r tree"))
            .succeeds()
            .is_silent()
            .prints_only("tree: 0 patched, 3 unchanged, 0 refused, 0 failed\n");
        let outcome = ws.run(&format!("{PATCH} -v -r tree"));
        let unchanged = "carries this policy already; nothing to do";
        assert_eq!(reported(&outcome, unchanged), PROGRAMS);
        ws.run("find tree -printf '%p %i %T@\\n' | sort | cmp - inodes")
            .succeeds();
    }

    #[test]
    fn the_runtime_is_never_patched() {
        let ws = planted();
        let library = library();
        ws.run(&format!(
            "install {library} tree/lib/libsandbox.so; install {library} tree/runtime"
        ))
        .succeeds();
        ws.run(&format!("{PATCH} -r tree")).succeeds().is_silent();
        for copy in ["tree/lib/libsandbox.so", "tree/runtime"] {
            ws.run(&format!("cmp {library} {copy}")).succeeds();
        }
    }

    #[test]
    fn what_is_damaged_fails_and_the_rest_is_patched() {
        let ws = planted();
        ws.run("head -c 5000 myos >tree/bin/broken; chmod +x tree/bin/broken")
            .succeeds();
        ws.run(&format!("{PATCH} -r tree"))
            .exits_with(1)
            .complains_in_one_line("sandbox-patch: tree/bin/broken: ")
            .prints_only("tree: 3 patched, 0 unchanged, 1 refused, 0 failed\n");
    }

    #[test]
    fn a_warning_about_the_policy_is_said_once() {
        let ws = planted();
        ws.run("sandbox-patch --deny ptrace -r tree")
            .succeeds()
            .complains_in_one_line("tree/bin/myos: warning: ptrace is denied, but");
    }

    #[test]
    fn advice_is_said_once_for_all_files_and_not_with_quiet() {
        let ws = planted();
        ws.run("sandbox-patch --deny ptrace tree/zz tree/bin/myos")
            .succeeds()
            .complains_in_one_line("tree/zz: warning: ptrace is denied, but");
        ws.run("sandbox-patch -q --replace --deny ptrace:connect -r tree")
            .succeeds()
            .is_silent();
        ws.run("sandbox-patch --no-warn --replace --deny connect -r tree")
            .succeeds()
            .is_silent();
    }

    #[test]
    fn programs_that_lose_their_privileges_are_named_once() {
        let ws = planted();
        ws.run("chmod u+s tree/bin/myos; chmod g+s tree/zz")
            .succeeds();
        for policy in [
            "--deny uname",
            "--allow execve:exit_group:fstat:uname:write",
        ] {
            ws.run(&format!("sandbox-patch --replace {policy} -r tree"))
                .succeeds()
                .complains_in_one_line("gain no privileges when a patched program")
                .complains(": myos, zz\n");
        }
        // Where nothing can be executed, nothing is lost.
        ws.run(&format!("{PATCH} --replace -r tree"))
            .succeeds()
            .is_silent();
    }

    /// klibc's library is the interpreter of its programs, and a static program by
    /// its form.
    #[test]
    fn a_static_program_that_is_named_like_a_library_is_one() {
        let ws = planted();
        ws.compile_as("gcc -static", "myos.c", "tree/lib/klibc-XX6cASCB7K.so");
        let outcome = ws.run(&format!("{PATCH} -v -r tree"));
        outcome
            .succeeds()
            .complains("tree/lib/klibc-XX6cASCB7K.so: skipped: a shared library");
        assert_eq!(reported(&outcome, "patched"), PROGRAMS);
    }

    #[test]
    fn a_program_that_runs_goes_on_as_it_was_and_that_is_said() {
        let ws = planted();
        ws.run("cp /bin/sleep tree/sleep").succeeds();
        ws.run(
            "tree/sleep 20 & sandbox-patch --deny nanosleep:clock_nanosleep -r tree; \
             kill $!; wait $! || test $? = 143",
        )
        .succeeds()
        .complains("tree/sleep: warning: it is running (process ");
        ws.run("sandbox-patch --replace --deny nanosleep tree/sleep")
            .succeeds()
            .does_not_complain("running");
    }

    #[test]
    fn a_folder_without_programs_is_warned_of() {
        let ws = Workspace::new();
        ws.run("mkdir -p tree/folder").succeeds();
        ws.run(&format!("{PATCH} -r tree"))
            .succeeds()
            .complains_in_one_line("sandbox-patch: tree: warning: no program");
    }

    #[test]
    fn a_dry_run_changes_nothing() {
        let ws = planted();
        ws.run("ln tree/zz tree/zzz; cp -a tree before").succeeds();
        ws.run("find tree -printf '%p %i\\n' | sort >inodes")
            .succeeds();
        ws.run(&format!("{PATCH} --dry-run -r tree"))
            .succeeds()
            .is_silent()
            .prints_only("tree: 3 would be patched, 0 unchanged, 0 refused, 0 failed\n");
        let outcome = ws.run(&format!("{PATCH} --dry-run -v -r tree"));
        assert_eq!(reported(&outcome, "would be patched"), PROGRAMS);
        ws.run("diff -r --no-dereference -x fifo tree before")
            .succeeds();
        ws.run("find tree -printf '%p %i\\n' | sort | cmp - inodes")
            .succeeds();
    }

    #[test]
    fn a_tree_has_no_single_output() {
        let ws = planted();
        for verb in [PATCH, "sandbox-patch remove"] {
            ws.assert_usage_error(&format!("{verb} -r -o copy tree"), "copy the tree");
        }
    }

    #[test]
    fn folders_are_for_recursive_only() {
        let ws = planted();
        for verb in [
            PATCH,
            "sandbox-patch inspect",
            "sandbox-patch verify",
            "sandbox-patch remove",
        ] {
            ws.assert_refused(&format!("{verb} tree"), "tree", "--recursive");
        }
    }

    #[test]
    fn a_file_that_is_named_is_not_skipped() {
        let ws = planted();
        ws.run(&format!("{PATCH} -r tree/bin/script tree/bin/sub"))
            .exits_with(1)
            .complains_in_one_line("sandbox-patch: tree/bin/script: not an ELF file")
            .prints("tree/bin/sub: 1 patched");
    }
}

mod walking {
    use super::*;

    /// The files that `inspect` shows.
    fn inspected(ws: &Workspace, arguments: &str) -> Vec<String> {
        let outcome = ws.run(&format!("sandbox-patch inspect --json -r {arguments}"));
        outcome.succeeds().is_silent();
        let file = |object: &Value| object["file"].as_str().expect("a name").to_owned();
        objects(&outcome).iter().map(file).collect()
    }

    #[test]
    fn links_in_the_tree_are_not_followed() {
        let ws = planted();
        ws.run("mkdir outside; cp myos outside/; ln -s ../outside ../myos tree/; ln -s .. tree/up")
            .succeeds();
        ws.run("cp -a outside expected").succeeds();
        ws.run(&format!("{PATCH} -r tree"))
            .succeeds()
            .is_silent()
            .prints_only("tree: 3 patched, 0 unchanged, 0 refused, 0 failed\n");
        ws.run("diff -r outside expected").succeeds();
    }

    #[test]
    fn a_link_that_is_named_is_followed() {
        let ws = planted();
        ws.run("ln -s tree/bin named").succeeds();
        let expected = ["named/myos", "named/sub/other"];
        assert_eq!(inspected(&ws, "named"), expected);
    }

    #[test]
    fn no_file_is_handled_twice() {
        let ws = planted();
        for arguments in ["tree tree", "tree tree/bin tree/", "tree ./tree/bin/sub"] {
            assert_eq!(inspected(&ws, arguments), PROGRAMS, "{arguments}");
        }
        assert_eq!(
            inspected(&ws, "tree/bin tree"),
            ["tree/bin/myos", "tree/bin/sub/other", "tree/zz"]
        );
    }

    #[test]
    fn a_folder_that_was_gone_through_before_is_not_empty() {
        let ws = patched();
        ws.run("sandbox-patch verify -r tree tree/bin tree")
            .succeeds()
            .is_silent();
        ws.run("sandbox-patch verify -r tree/bin/sub tree/bin")
            .succeeds()
            .is_silent();
    }

    #[test]
    fn a_folder_that_cannot_be_read_fails_and_the_rest_is_handled() {
        let ws = planted();
        ws.run("mkdir -m 700 tree/closed").succeeds();
        let outcome = ws.run(&format!(
            "{}sandbox-patch inspect --json -r tree",
            as_nobody()
        ));
        outcome
            .exits_with(1)
            .complains_in_one_line("sandbox-patch: tree/closed: it can't be read: ");
        assert_eq!(objects(&outcome).len(), PROGRAMS.len());
    }

    #[test]
    fn standard_input_is_no_tree() {
        let ws = planted();
        ws.run("sandbox-patch inspect -r - tree/bin <myos")
            .succeeds()
            .prints("-: not protected")
            .prints("tree/bin/myos: not protected");
    }

    #[test]
    fn a_tree_that_cannot_be_read_is_not_taken_for_the_next_one() {
        let ws = Workspace::new();
        ws.run("mkdir -m 700 closed && mkdir empty").succeeds();
        ws.run(&format!(
            "{}sandbox-patch verify -r closed empty",
            as_nobody()
        ))
        .exits_with(1)
        .complains("sandbox-patch: closed: it can't be read: ")
        .complains("sandbox-patch: empty: no program is in it");
    }

    #[test]
    fn a_folder_that_is_not_there_fails() {
        let ws = planted();
        ws.run("sandbox-patch verify -r nowhere")
            .exits_with(1)
            .complains_in_one_line("sandbox-patch: nowhere: it can't be read: ");
    }
}

mod hard_links {
    use super::*;

    /// A program with two names in the tree and one outside of it.
    fn linked() -> Workspace {
        let ws = Workspace::with_myos("gcc");
        ws.run("mkdir -p tree/a tree/b; cp myos tree/a/first; cp myos original")
            .succeeds();
        ws.run("ln tree/a/first tree/b/second; ln tree/a/first outside")
            .succeeds();
        ws
    }

    #[track_caller]
    fn assert_joined(ws: &Workspace) {
        let inode = |name: &str| fs::metadata(ws.path(name)).expect("a file").ino();
        assert_eq!(inode("tree/a/first"), inode("tree/b/second"));
        assert_ne!(inode("tree/a/first"), inode("outside"));
        assert_eq!(ws.read("outside"), ws.read("original"));
        ws.run("find tree -type f | sort")
            .prints_only("tree/a/first\ntree/b/second\n");
    }

    #[test]
    fn names_of_one_file_remain_names_of_one_file() {
        let ws = linked();
        ws.run(&format!("{PATCH} -r tree"))
            .succeeds()
            .prints_only("tree: 1 patched, 0 unchanged, 0 refused, 0 failed\n")
            .complains_in_one_line("tree/a/first: warning: ")
            .complains("one other name keeps the old content");
        assert_joined(&ws);
        ws.run("sandbox-patch verify tree/a/first tree/b/second")
            .succeeds();

        ws.run("sandbox-patch remove -v -r tree")
            .succeeds()
            .prints("tree/b/second: the same file as tree/a/first again\n");
        assert_joined(&ws);
        assert_eq!(ws.read("tree/a/first"), ws.read("original"));
    }

    #[test]
    fn a_name_that_cannot_be_kept_is_complained_about() {
        let ws = linked();
        ws.run("rm outside; chown -R nobody: tree 2>&1; chmod a-w tree/b; chown root: tree/b")
            .succeeds();
        ws.run(&format!("{}{PATCH} -r tree", as_nobody()))
            .exits_with(1)
            .prints("tree: 1 patched")
            .complains_in_one_line("sandbox-patch: tree/b/second: it can't be made the same file");
        assert_eq!(ws.read("tree/b/second"), ws.read("original"));
        ws.run("sandbox-patch verify -q -r tree").exits_with(1);
    }

    #[test]
    fn one_file_is_inspected_once() {
        let ws = linked();
        let outcome = ws.run("sandbox-patch inspect -v --json -r tree");
        outcome
            .succeeds()
            .complains_in_one_line("tree/b/second: skipped: the same file as tree/a/first");
        assert_eq!(objects(&outcome).len(), 1);
    }
}

mod inspecting {
    use super::*;

    #[test]
    fn there_is_one_json_object_a_line_for_each_program() {
        let ws = patched();
        ws.compile_as("gcc -static", "myos.c", "tree/static");
        let outcome = ws.run("sandbox-patch inspect --json -r tree");
        outcome.succeeds().is_silent();
        let found: Vec<(String, bool)> = objects(&outcome)
            .iter()
            .map(|object| {
                let file = object["file"].as_str().expect("a name");
                (file.to_owned(), object["sound"] == true)
            })
            .collect();
        let expected = [
            (PROGRAMS[0].to_owned(), true),
            (PROGRAMS[1].to_owned(), true),
            ("tree/static".to_owned(), false),
            (PROGRAMS[2].to_owned(), true),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_order_does_not_depend_on_the_number_of_jobs() {
        let ws = Workspace::with_myos("gcc");
        ws.run("mkdir tree; for i in {1..300}; do cp myos tree/$i; done")
            .succeeds();
        let one = ws.run("sandbox-patch inspect -j 1 --json -r tree");
        let many = ws.run("sandbox-patch inspect -j 16 --json -r tree");
        one.succeeds();
        many.succeeds().prints_only(&one.stdout);
        assert_eq!(objects(&one).len(), 300);
    }

    #[test]
    fn programs_without_a_filter_have_no_listing() {
        let ws = planted();
        ws.run(&format!("{PATCH} ./tree/zz")).succeeds();
        let outcome = ws.run("sandbox-patch inspect --bpf -v -r tree");
        outcome
            .succeeds()
            .prints("tree/zz:")
            .does_not_print("myos")
            .complains("tree/bin/myos: skipped: it carries no filter");
    }
}

mod verifying {
    use super::*;

    #[track_caller]
    fn assert_rejected(ws: &Workspace, file: &str, reason: &str) {
        ws.run("sandbox-patch verify -q -r tree")
            .exits_with(1)
            .prints_only("")
            .complains_in_one_line(&format!("sandbox-patch: {file}: "))
            .complains(reason);
    }

    #[test]
    fn a_patched_tree_passes() {
        let outcome = patched().run("sandbox-patch verify -v --recursive tree");
        outcome.succeeds();
        assert_eq!(reported(&outcome, "ok"), PROGRAMS);
        assert_skipped(&outcome, &OTHERS);
    }

    #[test]
    fn a_program_without_policy_does_not() {
        let ws = patched();
        ws.run("cp myos tree/bin/new").succeeds();
        assert_rejected(&ws, "tree/bin/new", "no sandbox policy");
    }

    #[test]
    fn a_program_that_was_changed_does_not() {
        let ws = patched();
        PatchedFile::open(&ws.path("tree/zz"))
            .flip_last_byte(Kind::Policy)
            .save();
        assert_rejected(&ws, "tree/zz", "does not match its digest");
    }

    #[test]
    fn what_can_be_started_and_carries_no_policy_does_not() {
        for compiler in [
            "gcc -static",
            "gcc -static-pie",
            // A program in the form of a library.
            "gcc -shared -fPIC -Wl,-e,main -Wl,-soname,started",
        ] {
            let ws = patched();
            ws.compile_as(compiler, "myos.c", "tree/new");
            assert_rejected(&ws, "tree/new", "no sandbox policy");
        }
    }

    #[test]
    fn a_damaged_program_does_not() {
        let lengths = [60, 500, 5000];
        for length in lengths {
            let ws = patched();
            ws.run(&format!(
                "head -c {length} myos >tree/new; chmod +x tree/new"
            ))
            .succeeds();
            assert_rejected(&ws, "tree/new", "");
        }
    }

    #[test]
    fn a_program_without_its_program_headers_does_not() {
        let ws = patched();
        let mut program = ws.read("myos");
        // e_phnum of Elf64_Ehdr.
        program[56..58].fill(0);
        let path = ws.write("tree/new", program);
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("an own file");
        assert_rejected(&ws, "tree/new", "no sandbox policy");
    }

    #[test]
    fn a_program_that_cannot_be_read_does_not() {
        let ws = patched();
        ws.run("install -m 711 myos tree/new").succeeds();
        ws.run(&format!("{}sandbox-patch verify -q -r tree", as_nobody()))
            .exits_with(1)
            .complains_in_one_line("sandbox-patch: tree/new: it can't be read: ");
    }

    /// As after an upgrade of packages, which knows nothing of policies.
    #[test]
    fn unpatched_files_that_came_back_show_in_the_sum_of_their_directory() {
        let ws = patched();
        ws.run("cp before/bin/myos tree/bin/myos").succeeds();
        let sums = "tree: 1 ok\ntree/bin: 1 without a policy\ntree/bin/sub: 1 ok\n";
        let verified = ws.run("sandbox-patch verify -r tree");
        verified
            .exits_with(1)
            .complains_in_one_line("sandbox-patch: tree/bin/myos: it carries no sandbox policy")
            .prints_only(&format!(
                "{sums}tree: 2 ok, 1 without a policy, 0 with problems, 0 failed\n"
            ));
        ws.run("sandbox-patch inspect -r tree")
            .succeeds()
            .prints("tree/bin: 1 not protected\n")
            .prints("tree: 2 protected, 0 with problems, 1 not protected\n");
        ws.run("sandbox-patch inspect --json -r tree")
            .does_not_print("2 protected");
    }

    #[test]
    fn nothing_to_verify_does_not() {
        let ws = Workspace::new();
        ws.run("mkdir tree; echo hello >tree/text").succeeds();
        assert_rejected(&ws, "tree", "no program is in it");
        ws.run("mkdir other; cp /bin/true other/; sandbox-patch -q --deny uname -r other")
            .succeeds();
        ws.run("sandbox-patch verify -r other tree")
            .exits_with(1)
            .prints_only("other: 1 ok, 0 without a policy, 0 with problems, 0 failed\n")
            .complains_in_one_line("sandbox-patch: tree: no program is in it");
        for others in ["other/true", "other other"] {
            ws.run(&format!("sandbox-patch verify -r {others} tree"))
                .exits_with(1)
                .complains_in_one_line("sandbox-patch: tree: no program is in it");
        }
    }

    #[test]
    fn debugging_information_is_no_program() {
        let ws = patched();
        let made = [
            ("gcc", "objcopy"),
            ("gcc", "llvm-objcopy"),
            ("gcc -Wl,-z,noseparate-code", "objcopy"),
            ("gcc -Wl,-z,noseparate-code", "llvm-objcopy"),
            ("clang -fuse-ld=lld", "objcopy"),
            ("clang -fuse-ld=lld", "llvm-objcopy"),
            // llvm-objcopy 14 does not take glibc's static programs.
            ("gcc -static", "objcopy"),
        ];
        for (index, (compiler, objcopy)) in made.iter().enumerate() {
            ws.compile_as(compiler, "myos.c", "program");
            let file = format!("tree/{index}");
            ws.run(&format!(
                "{objcopy} --only-keep-debug program {file}; test -x {file}"
            ))
            .succeeds();
        }
        let outcome = ws.run("sandbox-patch verify -v -r tree");
        outcome.succeeds();
        let skipped = ": skipped: debugging information";
        assert_eq!(
            outcome.stderr.matches(skipped).count(),
            made.len(),
            "{outcome}"
        );
    }

    #[test]
    fn libraries_are_looked_up_below_the_root() {
        let ws = planted();
        ws.run(&format!("{PATCH} -q --lib /opt/libsandbox.so -r tree"))
            .succeeds()
            .complains_in_one_line("/opt/libsandbox.so does not exist here");
        ws.run("sandbox-patch verify -r --root tree tree")
            .exits_with(1);
        ws.run(&format!("mkdir tree/opt; cp {} tree/opt/", library()))
            .succeeds();
        ws.run("sandbox-patch verify -r --root tree tree")
            .succeeds();
    }
}

mod removing {
    use super::*;

    #[test]
    fn the_tree_is_what_it_was() {
        let ws = patched();
        ws.run("sandbox-patch remove -r tree")
            .succeeds()
            .is_silent()
            .prints_only("tree: 3 restored, 0 failed\n");
        ws.run("diff -r --no-dereference -x fifo tree before")
            .succeeds();
    }

    #[test]
    fn programs_without_a_policy_are_skipped() {
        let ws = patched();
        ws.run("cp myos tree/new").succeeds();
        let outcome = ws.run("sandbox-patch remove -v -r tree");
        outcome
            .succeeds()
            .complains("tree/new: skipped: it carries no sandbox policy");
        assert_eq!(
            reported(&outcome, "patch taken out, byte for byte"),
            PROGRAMS
        );
        ws.run("sandbox-patch remove -r tree")
            .succeeds()
            .is_silent()
            .prints_only("");
    }

    #[test]
    fn what_cannot_be_restored_fails_and_the_rest_is() {
        let ws = patched();
        ws.run("strip tree/bin/myos").succeeds();
        ws.run("sandbox-patch remove -r tree")
            .exits_with(1)
            .complains_in_one_line("sandbox-patch: tree/bin/myos: ")
            .prints_only("tree: 2 restored, 1 failed\n");
    }
}

mod many_files {
    use super::*;

    #[test]
    fn the_number_of_jobs_is_a_number() {
        let ws = patched();
        for verb in [
            PATCH,
            "sandbox-patch inspect",
            "sandbox-patch verify",
            "sandbox-patch remove",
        ] {
            ws.run(&format!("{verb} -j 3 {}", PROGRAMS.join(" ")))
                .succeeds()
                .is_silent();
            for jobs in ["0", "201", "many"] {
                ws.assert_usage_error(&format!("{verb} -j {jobs} ./myos"), "--jobs");
            }
        }
    }

    /// Opens `file` as descriptor 9 of the shell and locks it, so that whoever
    /// wants to replace it waits.
    fn lock(file: &str) -> String {
        format!("exec 9<{file}; flock 9; ")
    }

    #[test]
    fn results_are_printed_as_they_come() {
        let ws = planted();
        let line = format!(
            "{} {PATCH} -v -j 1 -r tree 9<&- | {{ grep -m1 tree/bin/myos; flock -u 9; cat; }}",
            lock("tree/zz")
        );
        ws.run(&line)
            .succeeds()
            .prints("tree/bin/myos: patched\n")
            .prints("tree/zz: patched\n");
    }

    #[test]
    fn one_that_takes_long_does_not_have_the_others_lost() {
        const FILES: usize = 1000;
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("{PATCH} ./myos")).succeeds();
        ws.run(&format!(
            "mkdir tree; for i in {{0001..{FILES}}}; do cp myos tree/$i; done"
        ))
        .succeeds();
        let outcome = ws.run(&format!(
            "{} {{ sleep 0.5; flock -u 9; }} & {PATCH} -v -j 4 -r tree 9<&-",
            lock("tree/0001")
        ));
        outcome.succeeds();
        let names: Vec<String> = (1..=FILES).map(|i| format!("tree/{i:04}")).collect();
        let unchanged = "carries this policy already; nothing to do";
        assert_eq!(reported(&outcome, unchanged), names);
    }

    #[test]
    fn progress_is_shown_on_a_terminal_once_it_takes_long() {
        let ws = planted();
        let run = format!("{PATCH} -q -j 1 -r tree 9<&-");
        // All that there is in the folders counts, and its end.
        let total = PROGRAMS.len() + OTHERS.len() + 1;
        let shown = ws.run(&format!(
            "{} {{ sleep 1.5; flock -u 9; }} & TERM=xterm script -qec '{run}' /dev/null",
            lock("tree/bin/sub/other")
        ));
        shown.succeeds().prints(&format!("/{total}"));
        let quick = ws.run(&format!(
            "TERM=xterm script -qec '{PATCH} -q -r tree' /dev/null"
        ));
        quick.succeeds().prints_only("");
    }
}
