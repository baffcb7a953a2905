//! Root at work in directories of another user, who exchanges files, directories
//! and links meanwhile. Whatever that user does, nothing outside of those
//! directories changes, and root is not kept waiting.

use crate::support::{Outcome, Workspace};

const PATCH: &str = "sandbox-patch -q --replace --deny uname";

/// Runs a command as the other user.
const OTHER: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/// Root's directory `system` with the program `tool`, and the other's directory
/// `evil`: in its directory `bin` is a copy, and the link `lnk` leads to root's.
fn scene() -> Workspace {
    let ws = Workspace::with_myos("gcc");
    ws.compile_as("gcc -O1", "exchange.c", "exchange");
    ws.run_as_root(
        "mkdir -p system evil/bin\n\
         cp myos system/tool\n\
         cp myos evil/bin/tool\n\
         ln -s ../system evil/lnk\n\
         chown -hR 65534:65534 evil\n\
         chown -R 0:0 system\n",
    )
    .succeeds();
    ws
}

/// What is said of root's directory, to see that nothing in it has changed.
const STATE: &str =
    "find system -type f -printf '%p %i %U %m %T@\\n' | sort; cat system/* | sha256sum";

/// A script as root; root's directory is as before. Tells what came of it.
#[track_caller]
fn assert_held(ws: &Workspace, script: &str) -> Outcome {
    let outcome = ws.run_as_root(&format!(
        "before=$({STATE})\n\
         status=0\n\
         ( {script}\n ) || status=$?\n\
         after=$({STATE})\n\
         [ \"$before\" = \"$after\" ] || {{ echo \"$before\"; echo \"$after\"; exit 99; }}\n\
         exit $status\n"
    ));
    assert_ne!(outcome.status(), Some(99), "{outcome}");
    outcome
}

/// The script of a race: the other user exchanges two names while root runs the
/// command again and again.
fn race(attempts: u32, directory: &str, names: &str, pause: u32, command: &str) -> String {
    format!(
        "{OTHER} ./exchange {directory} {names} {pause} & other=$!\n\
         for i in $(seq {attempts}); do {command} >/dev/null 2>&1 || :; done\n\
         kill $other 2>/dev/null || :; wait $other || :\n"
    )
}

/// A command line of root's, with a pause at a system call (strace(1), "Tampering"),
/// and what the other user does in the pause. Options of strace may stand in front of
/// the command.
fn paused(call: &str, line: &str, meanwhile: &str) -> String {
    let call = if call.contains("when=") {
        call.to_owned()
    } else {
        format!("{call}:when=1")
    };
    format!(
        "strace -f -o /dev/null -e inject={call}:delay_enter=1200000 {line} & pid=$!\n\
         sleep 0.5\n\
         {OTHER} sh -euc '{meanwhile}'\n\
         status=0; wait $pid || status=$?\n\
         exit $status"
    )
}

/// What puts root's directory in the place of the other's.
const EXCHANGE: &str = "cd evil; mv bin gone; mv lnk bin";

mod a_directory_that_becomes_a_link {
    use super::*;

    /// The commands that write to `evil/bin/tool`.
    fn commands() -> [String; 4] {
        [
            format!("{PATCH} evil/bin/tool"),
            format!("{PATCH} -o evil/bin/tool ./myos"),
            format!("{PATCH} -o evil/bin ./tool"),
            "sandbox-patch -q remove evil/bin/tool".to_owned(),
        ]
    }

    /// A command pauses at each of its steps in turn; `check` sees what came of
    /// it.
    fn at_each_step(steps: &[&str], line: &str, check: impl Fn(&Workspace) + Sync) {
        let check = &check;
        std::thread::scope(|scope| {
            for step in steps {
                scope.spawn(move || {
                    let ws = scene();
                    if line.contains("remove") {
                        ws.run_as_root(&format!("{PATCH} evil/bin/tool")).succeeds();
                    }
                    assert_held(&ws, &paused(step, line, EXCHANGE)).succeeds();
                    ws.run("ls -A evil/gone")
                        .prints("tool\n")
                        .does_not_print(".");
                    check(&ws);
                });
            }
        });
    }

    const STEPS: [&str; 4] = ["fsync", "linkat", "renameat2", "unlinkat"];

    #[test]
    fn at_any_step_does_not_lead_the_result_out_of_the_directory() {
        for output in ["", "-o evil/bin/tool ", "-o evil/bin/ "] {
            let input = if output.is_empty() {
                "evil/bin/tool"
            } else {
                "system/tool"
            };
            at_each_step(&STEPS, &format!("{PATCH} {output}{input}"), |ws| {
                ws.run("sandbox-patch verify evil/gone/tool").succeeds();
            });
        }
    }

    #[test]
    fn at_any_step_does_not_lead_the_restored_file_out_of_the_directory() {
        at_each_step(&STEPS, "sandbox-patch remove -q evil/bin/tool", |ws| {
            ws.run("cmp evil/gone/tool myos").succeeds();
        });
    }

    #[test]
    fn does_not_lead_a_new_output_there() {
        let line = format!("{PATCH} -o evil/bin/new ./myos");
        at_each_step(&["fsync", "linkat"], &line, |ws| {
            ws.run("sandbox-patch verify evil/gone/new").succeeds();
        });
    }

    #[test]
    fn again_and_again_leads_no_command_out_of_the_directory() {
        let ws = scene();
        ws.run(&format!("cp myos tool; {PATCH} ./tool")).succeeds();
        for command in commands() {
            assert_held(&ws, &race(30, "evil", "bin lnk", 300, &command)).succeeds();
        }
    }

    #[test]
    #[ignore = "long: thousands of attempts"]
    fn for_minutes_leads_no_command_out_of_the_directory() {
        let ws = scene();
        ws.run(&format!("cp myos tool; {PATCH} ./tool")).succeeds();
        for pause in [0, 100, 300, 1000, 5000, 20000] {
            for command in commands() {
                assert_held(&ws, &race(200, "evil", "bin lnk", pause, &command)).succeeds();
            }
        }
    }

    #[test]
    fn takes_no_other_program_from_a_build() {
        let build = "sandbox-patch link --deny uname -- \
                     sh -c \"cp myos evil/bin/tool\" -o evil/bin/tool";
        let ws = scene();
        assert_held(&ws, &paused("fsync", build, EXCHANGE)).succeeds();
        ws.run("sandbox-patch verify evil/gone/tool").succeeds();
        // What can't be protected is removed, and nothing else.
        let ws = scene();
        assert_held(&ws, &paused("fsync:error=EIO", build, EXCHANGE))
            .exits_with(1)
            .complains("the unprotected program was removed");
        ws.run("ls -A evil/gone").prints_only("");
    }
}

mod a_tree {
    use super::*;

    /// Four programs that come before a directory `zz` with one more.
    fn tree() -> Workspace {
        let ws = scene();
        ws.run_as_root(
            "mkdir evil/zz; for i in 1 2 3 4; do cp myos evil/a$i; done; cp myos evil/zz/tool\n\
             chown -hR 65534:65534 evil; rm evil/bin/tool\n",
        )
        .succeeds();
        ws
    }

    #[test]
    fn is_not_left_through_a_directory_that_became_a_link() {
        let exchange = "cd evil; mv zz gone; ln -s ../system zz";
        for verb in [PATCH, "sandbox-patch remove -q"] {
            let ws = tree();
            if verb != PATCH {
                ws.run_as_root(&format!("{PATCH} system/tool evil/a? evil/zz/tool"))
                    .succeeds();
            }
            let line = format!("{verb} -j 1 -r evil");
            assert_held(&ws, &paused("fsync", &line, exchange)).succeeds();
        }
    }

    #[test]
    fn is_not_left_from_within_a_directory_that_became_a_link() {
        let ws = tree();
        let line = format!("{PATCH} -j 1 -r evil/zz");
        let exchange = "cd evil; mv zz gone; ln -s ../system zz";
        assert_held(&ws, &paused("fsync", &line, exchange)).succeeds();
        ws.run("sandbox-patch verify evil/gone/tool").succeeds();
    }

    #[test]
    fn is_not_left_while_directories_and_links_change_places() {
        let ws = tree();
        for line in [
            format!("{PATCH} -r evil"),
            "sandbox-patch remove -q -r evil".to_owned(),
        ] {
            assert_held(&ws, &race(15, "evil", "zz lnk", 300, &line)).succeeds();
        }
    }

    #[test]
    fn is_gone_through_even_if_it_is_deeper_than_files_may_be_open() {
        let ws = tree();
        ws.run_as_root(&format!(
            "{OTHER} python3 -c 'if 1:
                import os
                os.chdir(\"evil\")
                for i in range(3000): os.mkdir(\"d\"); os.chdir(\"d\")'\n\
             cp myos evil/d/d/d/zz\n\
             ulimit -n 100\n\
             {PATCH} -r evil || echo $?\n\
             sandbox-patch verify evil/d/d/d/zz evil/zz/tool\n"
        ))
        .succeeds()
        .prints_only("1\nevil/d/d/d/zz: ok\nevil/zz/tool: ok\n")
        .complains_in_one_line("it can't be read: File name too long");
    }

    /// One file has names in directories of both.
    fn shared_file() -> Workspace {
        let ws = scene();
        ws.run_as_root(
            "rm evil/bin/tool; ln system/tool evil/bin/tool\n\
             cp /bin/true evil/own; chown 65534:65534 evil/own\n",
        )
        .succeeds();
        ws
    }

    const BOTH: &str = "-j 1 -r evil/bin system";

    #[test]
    fn has_no_file_of_another_put_in_the_place_of_other_names() {
        let ws = shared_file();
        // The second is of the directory, behind the first replacing.
        let script = paused(
            "fsync:when=2",
            &format!("{PATCH} {BOTH}"),
            "mv evil/own evil/bin/tool",
        );
        assert_held(&ws, &script)
            .exits_with(1)
            .complains("system/tool: evil/bin/tool was changed meanwhile");
    }

    #[test]
    fn has_the_very_file_that_was_written_put_in_the_place_of_other_names() {
        let ws = shared_file();
        // The second is for the other name, behind the look at the first.
        let script = paused(
            "linkat:when=2",
            &format!("{PATCH} {BOTH}"),
            "until ls -A system | grep -q .sandbox-patch; do sleep 0.01; done
             mv evil/own evil/bin/tool",
        );
        ws.run_as_root(&script.replace("delay_enter", "delay_exit"))
            .succeeds();
        ws.run("sandbox-patch verify system/tool").succeeds();
        ws.run("cmp evil/bin/tool /bin/true && ls -A system")
            .succeeds()
            .prints_only("tool\n");
    }

    #[test]
    fn leads_nowhere_else_when_names_are_kept() {
        // All are names of one file, also that in the place of which the result
        // would come; the directory becomes a link behind the look into it.
        let ws = scene();
        ws.run_as_root("ln evil/bin/tool evil/a; ln -f evil/bin/tool system/tool")
            .succeeds();
        let line = format!("-P evil/bin {PATCH} -j 1 -r evil");
        assert_held(&ws, &paused("getdents64:when=2", &line, EXCHANGE))
            .exits_with(1)
            .complains("evil/bin/tool: it can't be made the same file as evil/a again");
    }
}

mod a_file_that_is_exchanged {
    use super::*;

    #[test]
    fn for_a_link_to_a_file_of_roots_leads_nobody_there() {
        let ws = scene();
        ws.run_as_root("cd evil/bin; ln -s ../../system/tool link; chown -h 65534 link")
            .succeeds();
        for command in [
            format!("{PATCH} evil/bin/tool"),
            format!("{PATCH} -o evil/bin/tool ./myos"),
            format!("{PATCH} -r evil"),
        ] {
            assert_held(&ws, &race(30, "evil/bin", "tool link", 300, &command)).succeeds();
        }
    }

    #[test]
    fn for_a_fifo_keeps_nobody_waiting() {
        let ws = scene();
        ws.run_as_root("cd evil/bin; mkfifo -m 777 fifo; chown 65534 fifo")
            .succeeds();
        for command in [
            format!("{PATCH} evil/bin/tool"),
            format!("{PATCH} -o evil/bin/tool ./myos"),
            format!("{PATCH} -r evil"),
            "sandbox-patch inspect -r evil".to_owned(),
        ] {
            let command = format!("timeout 8 {command}");
            assert_held(&ws, &race(20, "evil/bin", "tool fifo", 300, &command)).succeeds();
        }
    }
}

mod a_fifo_or_device {
    use super::*;

    /// The commands that are given what is no file.
    const COMMANDS: [&str; 7] = [
        "sandbox-patch --deny uname evil/it",
        "sandbox-patch --deny uname -o evil/it ./myos",
        "sandbox-patch remove evil/it",
        "sandbox-patch inspect evil/it",
        "sandbox-patch verify evil/it",
        "sandbox-patch --deny uname -r evil",
        "sandbox-patch verify -r evil",
    ];

    #[test]
    fn is_not_opened_whoever_names_or_finds_it() {
        let ws = scene();
        ws.run_as_root("mkfifo -m 777 evil/it; rm -r evil/bin")
            .succeeds();
        for command in COMMANDS {
            // Who writes waits until somebody opens the other end.
            ws.run_as_root(&format!(
                "(echo x >evil/it; echo opened >opened) & writer=$!\n\
                 sleep 0.1\n\
                 timeout 8 {command} >/dev/null 2>&1 || [ $? = 1 ]\n\
                 sleep 0.05\n\
                 test ! -e opened\n\
                 kill $writer\n"
            ))
            .succeeds();
        }
    }

    #[test]
    fn such_as_a_terminal_or_watchdog_is_not_opened_either() {
        let ws = scene();
        ws.run_as_root("mknod -m 777 evil/it c 1 5; rm -r evil/bin")
            .succeeds();
        for command in COMMANDS {
            ws.run_as_root(&format!(
                "strace -f -o log -e trace=open,openat,openat2 {command} >/dev/null 2>&1 || [ $? = 1 ]\n\
                 test -s log\n\
                 ! grep '\"it\"' log | grep -v O_PATH\n\
                 ! grep evil/it log\n"
            ))
            .succeeds();
        }
    }
}

mod a_symbolic_link {
    use super::*;

    #[test]
    fn of_another_user_does_not_lead_to_a_file_that_is_not_that_users() {
        for name in ["evil/lnk/tool", "evil/link"] {
            let ws = scene();
            ws.run_as_root("ln -s ../system/tool evil/link; chown -h 65534 evil/link")
                .succeeds();
            for command in [
                format!("{PATCH} {name}"),
                format!("{PATCH} -o {name} ./myos"),
                format!("sandbox-patch remove {name}"),
                format!("sandbox-patch link --deny uname -- true -o {name}"),
            ] {
                assert_held(&ws, &command)
                    .exits_with(1)
                    .complains_in_one_line("belongs to another user (65534) and leads to")
                    .complains("name what it leads to");
            }
            assert_held(&ws, &format!("sandbox-patch inspect {name}")).succeeds();
        }
        let ws = scene();
        assert_held(&ws, &format!("{PATCH} -r evil/lnk")).exits_with(1);
        assert_held(&ws, &format!("{PATCH} -o evil/lnk ./myos")).exits_with(1);
    }

    #[test]
    fn of_another_user_leads_to_that_users_files() {
        let ws = scene();
        ws.run_as_root("ln -s bin/tool evil/link; chown -h 65534 evil/link")
            .succeeds();
        assert_held(&ws, &format!("{PATCH} evil/link")).succeeds();
        ws.run("sandbox-patch verify evil/bin/tool && readlink evil/link")
            .prints("bin/tool");
    }

    #[test]
    fn of_root_or_of_oneself_leads_anywhere() {
        let ws = scene();
        ws.run_as_root("ln -s ../system/tool evil/roots").succeeds();
        ws.run_as_root(&format!("{PATCH} evil/roots")).succeeds();
        ws.run("sandbox-patch verify system/tool && readlink evil/roots")
            .prints("../system/tool");
        ws.run_as_root(&format!(
            "mkdir -m 777 own; cp myos own/; chown 65534:65534 own/myos\n\
             cp $(type -p sandbox-patch) {} .\n\
             {OTHER} ln -s ../own/myos evil/mine\n\
             {OTHER} ./{PATCH} evil/mine\n\
             {OTHER} ./{PATCH} -o evil/copy evil/mine\n",
            crate::support::library()
        ))
        .succeeds();
    }

    /// As the kernel does it where fs.protected_symlinks is set.
    #[test]
    fn in_a_sticky_directory_is_followed_if_it_is_ones_own_or_the_directorys_owners() {
        for path in ["tmp/link", "tmp/directory/tool"] {
            let ws = scene();
            ws.run_as_root(
                "mkdir -m 1777 tmp\n\
                 ln -s ../evil/bin/tool tmp/link; ln -s ../evil/bin tmp/directory\n\
                 chown -h 65534 tmp/link tmp/directory\n",
            )
            .succeeds();
            for command in [
                format!("{PATCH} {path}"),
                format!("{PATCH} -o {path} ./myos"),
                format!("sandbox-patch inspect {path}"),
                format!("sandbox-patch verify {path}"),
                format!("sandbox-patch remove {path}"),
            ] {
                ws.run_as_root(&command)
                    .exits_with(1)
                    .complains_in_one_line("belongs to another user (65534) and is in a directory");
            }
            ws.run("cmp evil/bin/tool myos").succeeds();
            let command = format!("sandbox-patch inspect {path}");
            ws.run_as_root(&format!(
                "{OTHER} $(type -p sandbox-patch) inspect /bin/true; chown -h 0:0 tmp/*; {command}"
            ))
            .succeeds();
            ws.run_as_root(&format!("chown -h 65534 tmp tmp/*; {command}"))
                .succeeds();
        }
    }
}

mod a_lock_of_somebody_who_may_only_read {
    use super::*;

    /// Holds a lock on files of root's.
    const HOLD: &str = "flock -s system/tool sleep 20 & sleep 0.3;";

    #[test]
    fn keeps_nobody_waiting_for_long() {
        let ws = scene();
        ws.run_as_root("cp myos system/other").succeeds();
        let hold = |name: &str| format!("{OTHER} flock -s system/{name} sleep 25 & ");
        ws.run_as_root(&format!(
            "{} {} sleep 0.3\n\
             timeout 20 sandbox-patch -q --deny uname -j 1 -r system\n",
            hold("tool"),
            hold("other")
        ))
        .succeeds()
        .complains("system/other: warning: another process holds a lock on it")
        .complains("system/tool: warning: another process holds a lock on it");
        ws.run("sandbox-patch verify -r system && ls -A system")
            .succeeds()
            .prints("other\ntool\n");
    }

    #[test]
    fn or_a_lease_of_its_owner_neither() {
        let ws = scene();
        ws.run_as_root("cp myos evil/other; chown 65534 evil/other")
            .succeeds();
        let hold = format!(
            "{OTHER} python3 -c 'if 1:
                import fcntl, signal, time
                signal.signal(signal.SIGIO, signal.SIG_IGN)
                files = [open(name) for name in (\"evil/bin/tool\", \"evil/other\")]
                for file in files: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
                time.sleep(20)' & sleep 0.5;"
        );
        let patch = "timeout 15 sandbox-patch -q --deny uname evil/bin/tool evil/other";
        assert_held(&ws, &format!("{hold} {patch}"))
            .exits_with(1)
            .complains("evil/bin/tool: another process holds a lease on it")
            .complains("evil/other: another process holds a lease on it");
    }

    #[test]
    fn does_not_have_the_policy_of_another_patcher_lost() {
        let ws = scene();
        let slow = "strace -f -o /dev/null -e inject=renameat2:delay_enter=3000000:when=1";
        ws.run_as_root(&format!(
            "{OTHER} {HOLD}\n\
             {slow} sandbox-patch -q --deny ptrace system/tool & first=$!\n\
             sleep 1; sandbox-patch -q --deny uname system/tool && echo second\n\
             wait $first || echo first: $?\n"
        ))
        .succeeds()
        .prints_only("second\nfirst: 1\n")
        .complains("system/tool was changed meanwhile; nothing was done");
        ws.run("system/tool").dies_by(crate::support::Signal::SYS);
    }

    #[test]
    fn is_a_reason_to_refuse_where_two_names_can_not_be_exchanged() {
        let ws = scene();
        let tampered = "strace -f -o /dev/null -e inject=renameat2:error=EINVAL";
        let script = format!("{OTHER} {HOLD} {tampered} sandbox-patch --deny uname system/tool");
        assert_held(&ws, &script)
            .exits_with(1)
            .complains("another process holds a lock on it (anyone who may read it can)");
    }
}
