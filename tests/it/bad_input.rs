//! Files that can't be patched: a clear line, exit status 1, nothing written
//! and nothing left behind.

use crate::support::{Workspace, as_nobody, library};
use proptest::prelude::*;
use proptest::sample::Index;

const PATCH: &str = "sandbox-patch --deny ptrace";

/// `sandbox-patch` refuses `file` for a reason, and the folder is as before.
#[track_caller]
fn assert_refused(ws: &Workspace, file: &str, reason: &str) {
    ws.assert_refused(&format!("{PATCH} {file}"), file, reason);
}

mod not_a_program {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        assert_refused(&Workspace::new(), "./nothing", "No such file");
    }

    #[test]
    fn an_empty_file_is_refused() {
        let ws = Workspace::new();
        ws.write("empty", "");
        assert_refused(&ws, "./empty", "is empty");
    }

    #[test]
    fn a_script_is_refused() {
        let ws = Workspace::new();
        ws.write("script", "#!/bin/sh\nexec true\n");
        assert_refused(&ws, "./script", "not an ELF");
    }

    #[test]
    fn the_first_bytes_of_an_elf_file_alone_are_refused() {
        let ws = Workspace::with_myos("gcc");
        let program = ws.read("myos");
        // After the magic; within, at the end of, and after the ELF header;
        // within the program headers.
        for length in [4, 16, 63, 64, 65, 120, 0x200] {
            ws.write("cut", &program[..length]);
            assert_refused(&ws, "./cut", "");
        }
    }

    #[test]
    fn an_object_file_is_refused() {
        let ws = Workspace::new();
        ws.compile_as("gcc -c", "myos.c", "myos.o");
        assert_refused(&ws, "./myos.o", "relocatable object");
    }

    #[test]
    fn a_core_file_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let mut program = ws.read("myos");
        // e_type of Elf64_Ehdr becomes ET_CORE.
        program[16] = 4;
        ws.write("core", program);
        assert_refused(&ws, "./core", "core dump");
    }

    #[test]
    fn a_shared_library_is_refused() {
        let ws = Workspace::new();
        ws.compile_as("gcc -shared -fPIC", "empty.c", "empty.so");
        assert_refused(&ws, "./empty.so", "shared library");
    }

    #[test]
    fn a_static_program_is_refused_where_it_is_to_load_a_library() {
        for compiler in ["gcc -static", "gcc -static-pie", "musl-gcc -static"] {
            let ws = Workspace::with_myos(compiler);
            let patch = format!("{PATCH} --lib {} ./myos", library());
            ws.assert_refused(&patch, "./myos", "leave out --lib");
        }
    }

    #[test]
    fn a_folder_is_refused() {
        let ws = Workspace::new();
        ws.run("mkdir folder").succeeds();
        assert_refused(&ws, "./folder", "");
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_its_writer() {
        let ws = Workspace::new();
        ws.run("mkfifo fifo").succeeds();
        assert_refused(&ws, "./fifo", "");
    }

    #[test]
    fn a_device_is_refused() {
        let ws = Workspace::new();
        assert_refused(&ws, "/dev/null", "");
    }

    #[test]
    fn a_dangling_symbolic_link_is_refused() {
        let ws = Workspace::new();
        ws.run("ln -s nowhere link").succeeds();
        assert_refused(&ws, "./link", "No such file");
    }
}

mod permissions {
    use super::*;

    /// The tools in the workspace, for a user who may not see the target
    /// folder, and a command prefix to be that user.
    fn as_other_user(ws: &Workspace) -> String {
        ws.run(&format!("cp $(type -p sandbox-patch) {} .", library()))
            .succeeds();
        format!("{}./", as_nobody())
    }

    #[test]
    fn an_unreadable_file_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let prefix = as_other_user(&ws);
        ws.run("chmod 0 myos").succeeds();
        let line = format!("{prefix}{PATCH} ./myos");
        ws.run(&line)
            .exits_with(1)
            .complains_in_one_line("sandbox-patch: ./myos: ")
            .complains("Permission denied");
    }

    #[test]
    fn a_read_only_file_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let prefix = as_other_user(&ws);
        ws.run("mkdir open && chmod 777 open && mv myos open && chmod 444 open/myos")
            .succeeds();
        let line = format!("{prefix}{PATCH} open/myos");
        ws.assert_refused(&line, "open/myos", "");
        ws.run("ls open").prints_only("myos\n");
    }

    #[test]
    fn a_file_in_a_read_only_folder_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let prefix = as_other_user(&ws);
        ws.run("chmod 777 myos && chmod 555 .").succeeds();
        ws.assert_refused(&format!("{prefix}{PATCH} ./myos"), "./myos", "");
        ws.run("chmod 755 .").succeeds();
    }

    #[test]
    fn an_output_in_a_folder_that_is_not_there_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let before = ws.snapshot();
        ws.run(&format!("{PATCH} -o nowhere/out ./myos"))
            .exits_with(1)
            .complains("nowhere")
            .complains("No such file");
        assert_eq!(before, ws.snapshot());
    }
}

mod links {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_symbolic_link_stays_and_the_file_behind_it_is_patched() {
        let ws = Workspace::with_myos("gcc");
        ws.run("mkdir bin && ln -s ../myos bin/link").succeeds();
        ws.run("sandbox-patch --deny uname bin/link").succeeds();
        let link = std::fs::read_link(ws.path("bin/link")).expect("still a link");
        assert_eq!(link.to_str(), Some("../myos"));
        ws.run("./myos").dies_by(crate::support::Signal::SYS);
        ws.run("ls -A bin").prints_only("link\n");
    }

    #[test]
    fn a_second_name_of_the_file_is_never_left_unprotected_in_silence() {
        let ws = Workspace::with_myos("gcc");
        ws.run("ln myos other").succeeds();
        ws.run(&format!("{PATCH} ./myos")).complains("hard link");
        let count = ws.path("myos").metadata().expect("the file").nlink();
        assert!((1..=2).contains(&count));
    }

    #[test]
    fn the_mode_of_the_file_is_kept() {
        let ws = Workspace::with_myos("gcc");
        for mode in ["750", "4711", "2755"] {
            ws.run(&format!("cp myos copy && chmod {mode} copy"))
                .succeeds();
            ws.run(&format!("{PATCH} ./copy")).succeeds();
            ws.run("stat -c %a copy").prints_only(&format!("{mode}\n"));
            ws.run("rm copy").succeeds();
        }
    }

    #[test]
    fn a_running_program_can_be_patched() {
        let ws = Workspace::new();
        ws.run("cp /bin/sleep .").succeeds();
        ws.run(&format!(
            "./sleep 60 & until [ $(readlink /proc/$!/exe) = $(realpath sleep) ]; do :; done; \
             {PATCH} ./sleep; echo status $?; kill $! && ./sleep 0 && echo slept"
        ))
        .succeeds()
        .prints("status 0\n")
        .prints("slept\n");
    }

    /// execve(2) fails with ETXTBSY while the file can be written through a handle.
    #[test]
    fn a_program_can_be_started_at_any_moment() {
        let ws = Workspace::new();
        ws.run("cp /bin/true .").succeeds();
        ws.run(
            "for i in $(seq 100); do sandbox-patch -q --replace --deny ptrace ./true; \
             sandbox-patch -q remove ./true; done & \
             while kill -0 $! 2>/dev/null; do ./true || echo failed; done; wait $!",
        )
        .succeeds()
        .prints_only("");
    }
}

mod several_files {
    use super::*;
    use crate::support::Signal;

    #[test]
    fn a_bad_file_does_not_stop_the_others() {
        let ws = Workspace::with_myos("gcc");
        ws.write("bad", "no program");
        ws.run("cp myos other").succeeds();
        ws.run("sandbox-patch --deny uname ./myos ./bad ./other")
            .exits_with(1)
            .complains("sandbox-patch: ./bad: ");
        ws.run("./myos").dies_by(Signal::SYS);
        ws.run("./other").dies_by(Signal::SYS);
        assert_eq!(ws.listing(), ["bad", "myos", "other"]);
    }

    #[test]
    fn their_results_go_to_a_folder() {
        let ws = Workspace::with_myos("gcc");
        ws.run("cp myos other && mkdir out").succeeds();
        ws.run("sandbox-patch --deny uname -o out ./myos ./other")
            .succeeds();
        ws.run("./myos").succeeds();
        ws.run("out/myos").dies_by(Signal::SYS);
        ws.run("out/other").dies_by(Signal::SYS);
    }

    #[test]
    fn they_do_not_go_to_a_single_file() {
        let ws = Workspace::with_myos("gcc");
        ws.run("cp myos other").succeeds();
        let before = ws.snapshot();
        ws.run("sandbox-patch --deny uname -o out ./myos ./other")
            .fails();
        assert_eq!(before, ws.snapshot());
    }
}

/// What came of patching a damaged copy of `./myos`, and of running both.
fn check_damaged(ws: &Workspace, damaged: &[u8]) -> Result<(), TestCaseError> {
    const LIMIT: &str = "timeout --signal KILL 5";
    ws.write("damaged", damaged);
    ws.run("chmod 755 damaged; rm -f patched").succeeds();
    let patch = ws.run(&format!("{PATCH} -q -o patched ./damaged"));
    match patch.status() {
        Some(0) => {
            let works = |name: &str| {
                let run = ws.run(&format!("{LIMIT} ./{name}"));
                run.status() == Some(0) && run.stdout == "My OS is Linux!\n"
            };
            if works("damaged") {
                prop_assert!(works("patched"), "it does not run any more:\n{patch}");
            }
            prop_assert_eq!(ws.listing(), ["damaged", "myos", "patched"]);
        }
        Some(1) => prop_assert_eq!(ws.listing(), ["damaged", "myos"]),
        _ => prop_assert!(false, "{patch}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn a_program_cut_anywhere_is_patched_well_or_refused(length in any::<Index>()) {
        let ws = Workspace::with_myos("gcc");
        let program = ws.read("myos");
        check_damaged(&ws, &program[..length.index(program.len())])?;
    }

    #[test]
    fn a_program_with_flipped_bits_is_patched_well_or_refused(
        // Most of what a patcher reads is at the beginning.
        early in prop::collection::vec((0..0x800_usize, 0..8_u32), 1..3),
        anywhere in prop::option::of((any::<Index>(), 0..8_u32)),
    ) {
        let ws = Workspace::with_myos("gcc");
        let mut program = ws.read("myos");
        let late = anywhere.map(|(at, bit)| (at.index(program.len()), bit));
        for (at, bit) in early.into_iter().chain(late) {
            program[at] ^= 1 << bit;
        }
        check_damaged(&ws, &program)?;
    }
}
