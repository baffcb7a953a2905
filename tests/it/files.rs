//! Where the result goes, what is kept of the file, and what happens when
//! somebody else is at the same file.

use std::os::unix::fs::MetadataExt;

use crate::support::{Signal, Workspace, as_nobody, as_root, library};

const PATCH: &str = "sandbox-patch --deny ptrace";
const OTHER: &str = "sandbox-patch --deny uname";

/// Commands before `line` to run it with a system call of it tampered with
/// (strace(1), "Tampering").
fn tampered(injection: &str, line: &str) -> String {
    format!("strace -f -o strace.log -e inject={injection} {line}")
}

/// The command fails with one line about `./myos`, and all is as before.
#[track_caller]
fn assert_refused(ws: &Workspace, line: &str, reason: &str) {
    ws.assert_refused(line, "./myos", reason);
}

mod a_file_that_changes_meanwhile {
    use super::*;

    /// Long enough for the other command to be done.
    const PAUSE: &str = "delay_enter=1500000:when=1";

    /// Runs `other` while `line` pauses at a system call; `line`'s outcome.
    fn while_paused(
        ws: &Workspace,
        call: &str,
        line: &str,
        other: &str,
    ) -> crate::support::Outcome {
        let paused = tampered(&format!("{call}:{PAUSE}"), line);
        ws.run(&format!(
            "{paused} & pid=$!; sleep 0.5; {other}; wait $pid; status=$?; rm -f strace.log; exit $status"
        ))
    }

    #[test]
    fn it_is_not_called_restored_when_it_was_written_during_the_copy() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("{PATCH} -q ./myos")).succeeds();
        let write = "printf X | dd of=myos bs=1 seek=4200 conv=notrunc status=none; cp myos seen";
        while_paused(&ws, "copy_file_range", "sandbox-patch remove ./myos", write)
            .exits_with(1)
            .prints_only("")
            .complains("changed meanwhile");
        assert!(ws.read("myos") == ws.read("seen"));
        assert_eq!(ws.listing(), ["myos", "seen"]);
    }

    #[test]
    fn it_is_not_overwritten_when_a_newer_one_took_its_place() {
        let ws = Workspace::with_myos("gcc");
        ws.run("cp /bin/true newer").succeeds();
        let replace = "cp newer temporary && mv temporary myos";
        while_paused(&ws, "fsync", &format!("{PATCH} ./myos"), replace)
            .exits_with(1)
            .complains("changed meanwhile");
        assert!(ws.read("myos") == ws.read("newer"));
        assert_eq!(ws.listing(), ["myos", "newer"]);
    }

    /// There is no moment between the last look at what is replaced and the
    /// replacing itself.
    #[test]
    fn it_is_not_overwritten_by_the_last_step_either() {
        for output in ["", "-o out "] {
            let ws = Workspace::with_myos("gcc");
            ws.run("cp myos out && cp /bin/true newer").succeeds();
            let name = if output.is_empty() { "myos" } else { "out" };
            let replace = format!("cp newer temporary && mv temporary {name}");
            let line = format!("{PATCH} {output}./myos");
            while_paused(&ws, "renameat2", &line, &replace)
                .exits_with(1)
                .prints_only("")
                .complains("changed meanwhile");
            assert!(ws.read(name) == ws.read("newer"));
            assert_eq!(ws.listing(), ["myos", "newer", "out"]);
        }
    }

    #[test]
    fn it_is_replaced_as_well_where_two_names_can_not_be_exchanged() {
        let ws = Workspace::with_myos("gcc");
        let line = format!("{OTHER} -q ./myos");
        ws.run(&tampered("renameat2:error=EINVAL:when=1", &line))
            .succeeds();
        ws.run("./myos").dies_by(Signal::SYS);
        // And is looked at once more before.
        let line = tampered(
            "renameat2:error=EINVAL:delay_enter=1500000:when=1",
            "sandbox-patch -q remove ./myos",
        );
        let replace = "cp /bin/true newer && cp newer temporary && mv temporary myos";
        ws.run(&format!("{line} & pid=$!; sleep 0.7; {replace}; wait $pid"))
            .exits_with(1)
            .complains("changed meanwhile");
        assert!(ws.read("myos") == ws.read("newer"));
    }

    #[test]
    fn no_output_is_made_of_two_states_of_it() {
        let ws = Workspace::with_myos("gcc");
        let write = "printf X | dd of=myos bs=1 seek=4200 conv=notrunc status=none";
        let line = format!("{PATCH} -o out ./myos");
        while_paused(&ws, "copy_file_range", &line, write)
            .exits_with(1)
            .complains("changed meanwhile");
        assert_eq!(ws.listing(), ["myos"]);
    }

    #[test]
    fn an_output_that_appears_is_not_overwritten() {
        let ws = Workspace::with_myos("gcc");
        let line = format!("{PATCH} -o out ./myos");
        while_paused(&ws, "fsync", &line, "echo new > out")
            .exits_with(1)
            .complains("changed meanwhile");
        assert_eq!(ws.read("out"), b"new\n");
        assert_eq!(ws.listing(), ["myos", "out"]);
    }

    #[test]
    fn its_directory_may_vanish() {
        let ws = Workspace::with_myos("gcc");
        ws.run("mkdir directory && cp myos directory/").succeeds();
        while_paused(
            &ws,
            "fsync",
            &format!("{PATCH} directory/myos"),
            "rm -r directory",
        )
        .exits_with(1)
        .prints_only("")
        .complains_in_one_line("directory: No such file");
        assert_eq!(ws.listing(), ["myos"]);
    }

    /// What is written is written to the directory that was opened, and neither
    /// to what has its name by now nor nowhere.
    #[test]
    fn its_directory_may_be_renamed() {
        for output in ["", "-o directory/ "] {
            let ws = Workspace::with_myos("gcc");
            ws.run("mkdir directory && cp myos directory/ && cp -a directory other")
                .succeeds();
            let line = format!("{OTHER} -q {output}directory/myos");
            let exchange = "mv directory renamed && mv other directory";
            while_paused(&ws, "fsync", &line, exchange).succeeds();
            ws.run("cmp directory/myos myos").succeeds();
            ws.run("renamed/myos").dies_by(Signal::SYS);
            ws.run("ls -A directory renamed")
                .prints_only("directory:\nmyos\n\nrenamed:\nmyos\n");
        }
    }

    #[test]
    fn two_patchers_at_one_file_do_not_overwrite_each_others_policy() {
        let ws = Workspace::with_myos("gcc");
        while_paused(
            &ws,
            "fsync",
            &format!("{PATCH} -q ./myos"),
            &format!("{OTHER} ./myos; echo second $?"),
        )
        .succeeds()
        .prints_only("second 1\n")
        .complains("it carries another policy already");
        ws.run("./myos").succeeds();
        ws.run("sandbox-patch verify ./myos").succeeds();
    }

    #[test]
    fn one_file_under_many_names_is_patched_once() {
        let ws = Workspace::with_myos("gcc");
        ws.run("for i in 1 2 3 4 5 6 7 8; do ln -s myos link$i; done")
            .succeeds();
        ws.run(&format!("{OTHER} link?"))
            .succeeds()
            .is_silent()
            .prints("nothing to do");
    }
}

mod the_output {
    use super::*;

    #[test]
    fn is_never_put_in_the_place_of_a_fifo_or_device() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("mkfifo fifo && {}mknod null c 1 3", as_root()))
            .succeeds();
        for name in ["fifo", "null"] {
            assert_refused(&ws, &format!("{PATCH} -o {name} ./myos"), name);
        }
        ws.run("mkdir folder && mkfifo folder/myos").succeeds();
        assert_refused(&ws, &format!("{PATCH} -o folder ./myos"), "folder/myos");
        ws.run(&format!("{PATCH} -q ./myos")).succeeds();
        assert_refused(&ws, "sandbox-patch remove -o fifo ./myos", "fifo");
    }

    #[test]
    fn goes_to_the_file_behind_a_symbolic_link() {
        let ws = Workspace::with_myos("gcc");
        ws.run("mkdir real && cp myos real/out && ln -s real/out link")
            .succeeds();
        ws.run(&format!("{OTHER} -o link ./myos")).succeeds();
        let link = std::fs::read_link(ws.path("link")).expect("still a link");
        assert_eq!(link.to_str(), Some("real/out"));
        ws.run("real/out").dies_by(Signal::SYS);
    }

    #[test]
    fn does_not_go_through_a_link_that_leads_nowhere_or_round() {
        let ws = Workspace::with_myos("gcc");
        ws.run("ln -s nowhere dangling && ln -s loop loop")
            .succeeds();
        for name in ["dangling", "loop"] {
            assert_refused(&ws, &format!("{PATCH} -o {name} ./myos"), name);
        }
    }

    #[test]
    fn that_is_the_input_is_treated_like_no_output() {
        let ws = Workspace::with_myos("gcc");
        ws.run("ln myos other").succeeds();
        ws.run(&format!("{PATCH} -o ./myos ./myos"))
            .succeeds()
            .complains("hard link");
        ws.run(&format!("{PATCH} -o ./myos ./myos"))
            .succeeds()
            .prints("nothing to do");
    }

    #[test]
    fn may_not_replace_what_the_user_may_not_write() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("cp $(type -p sandbox-patch) {} .", library()))
            .succeeds();
        ws.run("mkdir open && chmod 777 open && cp myos open/out && chmod 555 open/out")
            .succeeds();
        let patch = format!("{}./{PATCH}", as_nobody());
        assert_refused(&ws, &format!("{patch} -o open/out ./myos"), "open/out");
        assert_refused(&ws, &format!("{patch} --dry-run -o open/out ./myos"), "");
    }

    #[test]
    fn that_has_other_names_is_warned_about() {
        let ws = Workspace::with_myos("gcc");
        ws.run("cp myos out && ln out other").succeeds();
        ws.run(&format!("{PATCH} -o out ./myos"))
            .succeeds()
            .complains("hard link");
        ws.run("ln out third && sandbox-patch remove -o out out")
            .succeeds()
            .complains("hard link");
    }

    #[test]
    fn can_not_be_standard_output() {
        let ws = Workspace::with_myos("gcc");
        for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            let line = format!("{PATCH} -o {name} ./myos");
            ws.assert_usage_error(&line, "standard output");
            let line = format!("sandbox-patch remove -o {name} ./myos");
            ws.assert_usage_error(&line, "standard output");
        }
    }

    #[test]
    fn of_two_programs_of_one_name_is_not_put_in_one_place() {
        let ws = Workspace::with_myos("gcc");
        ws.run("mkdir a out && cp myos a/").succeeds();
        ws.assert_usage_error(&format!("{PATCH} -o out ./myos a/myos"), "a/myos");
        ws.run(&format!("{PATCH} -q ./myos && cp myos a/"))
            .succeeds();
        let line = "sandbox-patch remove -o out ./myos a/myos";
        ws.assert_usage_error(line, "out/myos");
        ws.run("ls out").prints_only("");
    }

    #[test]
    fn of_several_programs_must_be_a_folder_for_remove_too() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("{PATCH} -q ./myos && cp myos other"))
            .succeeds();
        let before = ws.snapshot();
        ws.run("sandbox-patch remove -o out ./myos ./other").fails();
        assert_eq!(before, ws.snapshot());
    }

    #[test]
    fn is_said_to_be_patched_when_the_input_is_so_already() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("{PATCH} -q ./myos")).succeeds();
        ws.run(&format!("{PATCH} -o out ./myos"))
            .succeeds()
            .prints("out: patched\n");
        assert!(ws.read("out") == ws.read("myos"));
    }

    #[test]
    fn in_a_folder_that_is_not_there_is_refused_by_that_name() {
        let ws = Workspace::with_myos("gcc");
        assert_refused(&ws, &format!("{PATCH} -o ./nofolder/ ./myos"), "nofolder/");
    }
}

mod a_result_written_elsewhere {
    use super::*;

    const CAPABILITY: &str = "security.capability";

    /// Runs a line of Python as root.
    fn python_as_root(ws: &Workspace, line: &str) {
        ws.run(&format!("{}python3 -c \"import os; {line}\"", as_root()))
            .succeeds();
    }

    #[test]
    fn belongs_to_whoever_wrote_it() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!(
            "cp $(type -p sandbox-patch) {} . && mkdir open && chmod 777 open",
            library()
        ))
        .succeeds();
        ws.run(&format!("{}./{OTHER} -o open/out /bin/uname", as_nobody()))
            .succeeds();
        ws.run("open/out").dies_by(Signal::SYS);
        let owner = |path: &str| ws.path(path).metadata().expect("a file").uid();
        assert_ne!(owner("open/out"), owner("/bin/uname"));
    }

    #[test]
    fn has_no_privileges() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("{}chown 65534:65534 myos", as_root()))
            .succeeds();
        ws.run(&format!("{}chmod 6755 myos", as_root())).succeeds();
        // cap_net_raw, effective (linux/capability.h, VFS_CAP_REVISION_2).
        python_as_root(
            &ws,
            &format!(
                "os.setxattr('myos', '{CAPABILITY}', bytes.fromhex('01000002002000000000000000000000' + '00000000')); \
                 os.setxattr('myos', 'user.note', b'kept')"
            ),
        );
        ws.run(&format!("{PATCH} -q -o out ./myos")).succeeds();
        ws.run("stat -c %a out").prints_only("755\n");
        ws.run("python3 -c \"import os; print(os.listxattr('out'))\"")
            .prints_only("['user.note']\n");
        let out = ws.path("out").metadata().expect("the result");
        let folder = ws.root().metadata().expect("an own folder");
        assert_eq!(out.uid(), folder.uid());
    }

    #[test]
    fn keeps_no_privileges_when_the_patch_is_taken_out() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("{PATCH} -q ./myos && chmod 4755 myos"))
            .succeeds();
        ws.run("sandbox-patch remove -o out ./myos").succeeds();
        ws.run("stat -c %a out myos").prints_only("755\n4755\n");
    }

    #[test]
    fn replaced_in_place_a_program_keeps_them() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("chmod 4755 myos && {PATCH} -q -o ./myos ./myos"))
            .succeeds();
        ws.run("stat -c %a myos").prints_only("4755\n");
    }
}

mod a_signal {
    use super::*;

    #[test]
    fn leaves_no_temporary_file() {
        for call in ["linkat", "rename,renameat,renameat2"] {
            for name in ["SIGHUP", "SIGINT", "SIGTERM"] {
                let ws = Workspace::with_myos("gcc");
                let line = tampered(
                    &format!("{call}:signal={name}"),
                    &format!("{PATCH} ./myos >log"),
                );
                let outcome = ws.run(&line);
                assert_eq!(ws.listing(), ["log", "myos", "strace.log"], "{outcome}");
                ws.run("sandbox-patch verify ./myos").succeeds();
            }
        }
    }

    #[test]
    fn leaves_none_where_files_can_not_be_made_without_a_name() {
        let ws = Workspace::with_myos("gcc");
        // Without /proc an unnamed file could not be given a name.
        let line = tampered(
            "fsync:signal=SIGTERM:when=1",
            &format!("{PATCH} --lib {} ./myos", library()),
        );
        let outcome = ws.run_with_mounts(&format!("mount -t tmpfs none /proc\n{line}"));
        assert_eq!(ws.listing(), ["myos", "strace.log"], "{outcome}");
        let log = ws.run("cat strace.log");
        log.prints(".sandbox-patch-").prints("SIGTERM");
        ws.run("sandbox-patch verify ./myos").succeeds();
    }

    #[test]
    fn ends_the_program_as_ever() {
        let ws = Workspace::with_myos("gcc");
        ws.run("mkfifo list; sleep 3 > list & exec timeout --preserve-status -s TERM 1 sandbox-patch --deny - ./myos < list")
            .exits_with(143);
    }

    #[test]
    fn that_is_ignored_stays_so() {
        let ws = Workspace::with_myos("gcc");
        let line = tampered("linkat:signal=SIGHUP", &format!("{PATCH} ./myos"));
        ws.run(&format!("trap '' HUP; {line}"))
            .succeeds()
            .prints("./myos: patched");
    }
}

#[test]
fn a_folder_that_can_not_be_synced_is_no_reason_to_say_that_nothing_was_changed() {
    let ws = Workspace::with_myos("gcc");
    ws.run(&tampered(
        "fsync:error=EIO:when=2",
        &format!("{OTHER} ./myos"),
    ))
    .exits_with(1)
    .complains_in_one_line("was replaced")
    .complains("Input/output error");
    ws.run("./myos").dies_by(Signal::SYS);
}
