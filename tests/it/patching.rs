//! Patching again what was patched, programs of unusual loaders, and options.

use crate::support::{Kind, PatchedFile, Workspace, as_nobody, library};

const PATCH: &str = "sandbox-patch --deny ptrace";
const OTHER: &str = "sandbox-patch --deny uname";

/// The command fails with one line about `./myos`, and all is as before.
#[track_caller]
fn assert_refused(ws: &Workspace, line: &str, reason: &str) {
    ws.assert_refused(line, "./myos", reason);
}

mod a_patch_that_was_changed {
    use super::*;

    const DT_DEBUG: u64 = 21;
    const DYNAMIC_TAG: u64 = 0x6000_5342;

    /// Changes the dynamic section, as an array of tag and value.
    fn change_dynamic(ws: &Workspace, change: impl Fn(&mut Vec<[u64; 2]>)) {
        let mut bytes = ws.read("myos");
        let shown = ws.run("readelf -lW myos | awk '$1 == \"DYNAMIC\" { print $2, $5 }'");
        let words: Vec<usize> = shown
            .stdout
            .split_whitespace()
            .map(|word| usize::from_str_radix(word.trim_start_matches("0x"), 16).expect("a number"))
            .collect();
        let range = words[0]..words[0] + words[1];
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let mut entries: Vec<[u64; 2]> = bytes[range.clone()]
            .chunks_exact(16)
            .map(|entry| [word(&entry[..8]), word(&entry[8..])])
            .collect();
        change(&mut entries);
        let changed: Vec<u8> = entries
            .as_flattened()
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        bytes[range].copy_from_slice(&changed);
        ws.write("myos", bytes);
    }

    /// What another tool did there is not lost unasked.
    #[track_caller]
    fn assert_kept(change: impl Fn(&Workspace)) {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("{OTHER} -q ./myos")).succeeds();
        let patched = ws.read("myos");
        change(&ws);
        assert!(ws.read("myos") != patched);
        for line in [OTHER, "sandbox-patch remove"] {
            ws.assert_refused(&format!("{line} ./myos"), "./myos", "remove --best-effort");
        }
        ws.run("sandbox-patch remove -q --best-effort ./myos")
            .succeeds();
        ws.run("./myos").succeeds();
        ws.run(&format!("{OTHER} -q ./myos && sandbox-patch verify ./myos"))
            .succeeds();
    }

    #[test]
    fn is_kept_when_its_flags_differ() {
        assert_kept(|ws| {
            PatchedFile::open(&ws.path("myos"))
                .set_word(Kind::Restriction, 12, 2)
                .seal()
                .save();
        });
    }

    #[test]
    fn is_kept_when_the_library_is_initialised_too_early() {
        assert_kept(|ws| change_dynamic(ws, |entries| entries.swap(0, 1)));
    }

    #[test]
    fn is_kept_when_the_file_does_not_say_that_it_is_patched() {
        assert_kept(|ws| {
            change_dynamic(ws, |entries| {
                for entry in entries.iter_mut().filter(|entry| entry[0] == DYNAMIC_TAG) {
                    *entry = [DT_DEBUG, 0];
                }
            });
        });
    }

    #[test]
    fn for_another_library_must_be_replaced_by_request() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("{PATCH} -q ./myos")).succeeds();
        let line = format!("{PATCH} -q --lib /nowhere/libsandbox.so");
        ws.run(&format!("{line} ./myos"))
            .exits_with(1)
            .complains("enforced in another way")
            .complains("--replace");
        ws.run(&format!("{line} --replace ./myos")).succeeds();
    }
}

mod the_loader {
    use super::*;

    #[track_caller]
    fn assert_library_is(ws: &Workspace, place: &str) {
        ws.run(&format!("readelf -dW myos | grep NEEDED | {place} -n 1"))
            .prints("libsandbox.so");
    }

    #[test]
    fn of_musl_is_known_by_its_library_under_any_name() {
        let ws = Workspace::with_myos("musl-gcc -Wl,--dynamic-linker=/opt/loader");
        ws.run(&format!("{OTHER} ./myos"))
            .succeeds()
            .complains_in_one_line("the loader /opt/loader is not known");
        assert_library_is(&ws, "tail");
    }

    #[test]
    fn of_glibc_is_known_by_its_library_under_any_name() {
        let ws = Workspace::with_myos("gcc -Wl,--dynamic-linker=/opt/loader");
        ws.run(&format!("{OTHER} ./myos"))
            .succeeds()
            .complains_in_one_line("the loader /opt/loader is not known");
        assert_library_is(&ws, "head");
    }

    #[test]
    fn that_is_unknown_is_warned_about() {
        let ws = Workspace::new();
        ws.compile_as(
            "gcc -nostdlib -nostartfiles -pie -Wl,--dynamic-linker=/opt/loader",
            "empty.c",
            "myos",
        );
        ws.run(&format!("{OTHER} ./myos"))
            .succeeds()
            .complains_in_one_line("the loader /opt/loader is not known")
            .prints("enforced  at a moment that is not known");
        ws.run("sandbox-patch inspect ./myos")
            .succeeds()
            .prints("the loader /opt/loader is not known")
            .prints("enforced  at a moment that is not known");
    }
}

mod options {
    use super::*;

    #[test]
    fn of_patching_are_refused_before_another_command() {
        let ws = Workspace::with_myos("gcc");
        for option in [
            "--lib /x",
            "-o out",
            "--exact",
            "--action log",
            "--replace",
            "--dry-run",
            "--preserve-timestamps",
            "--allow-relative-lib",
            "--deny uname",
        ] {
            let line = format!("sandbox-patch {option} inspect ./myos");
            ws.assert_usage_error(&line, "behind the command");
        }
        ws.run("sandbox-patch --color never inspect ./myos")
            .succeeds();
    }

    #[test]
    fn a_library_path_that_no_system_call_takes_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let before = ws.snapshot();
        // PATH_MAX counts the final zero.
        let path = |length: usize| {
            let folders = length - "/libsandbox.so".len();
            format!("{}/libsandbox.so", &"/x".repeat(2048)[..folders])
        };
        ws.run(&format!("{PATCH} --lib {} ./myos", path(4096)))
            .fails()
            .complains_in_one_line("4095");
        assert_eq!(before, ws.snapshot());
        ws.run(&format!("{PATCH} -q --lib {} ./myos", path(4095)))
            .succeeds();
    }
}

mod a_dry_run {
    use super::*;

    #[test]
    fn says_that_a_policy_would_be_replaced() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("{PATCH} --dry-run ./myos"))
            .succeeds()
            .prints("./myos: would be patched\n");
        ws.run(&format!("{PATCH} -q ./myos")).succeeds();
        let before = ws.snapshot();
        ws.run(&format!("{OTHER} --dry-run --replace ./myos"))
            .succeeds()
            .prints("./myos: policy would be replaced\n");
        assert_eq!(before, ws.snapshot());
    }

    #[test]
    fn fails_where_patching_would() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("cp $(type -p sandbox-patch) {} .", library()))
            .succeeds();
        let patch = format!("{}./{PATCH} --dry-run ./myos", as_nobody());
        // The file may be written, the folder not.
        ws.run("chmod 777 myos && chmod 555 .").succeeds();
        assert_refused(&ws, &patch, "Permission denied");
        // The other way round.
        ws.run("chmod 555 myos && chmod 777 .").succeeds();
        assert_refused(&ws, &patch, "may not be written");
    }
}
