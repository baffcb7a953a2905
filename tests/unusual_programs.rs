//! Programs that other tools changed, or that do with ELF what few do: patched
//! right, or refused with the reason and left alone.

mod support;

use support::{Signal, Workspace};

const PATCH: &str = "sandbox-patch --deny uname -q";

/// `before` prints the same when it is patched.
#[track_caller]
fn assert_prints_the_same(ws: &Workspace, before: &str) {
    let expected = ws.run(&format!("./{before}")).succeeds().stdout.clone();
    ws.run(&format!("sandbox-patch --deny reboot -q -o after {before}"))
        .succeeds();
    ws.run("./after").succeeds().prints_only(&expected);
    ws.run(&format!(
        "sandbox-patch remove -q after && cmp after {before}"
    ))
    .succeeds();
}

mod data_in_sections_that_move {
    use super::*;

    const MAKES: [&str; 7] = [
        "gcc",
        "gcc -no-pie",
        "clang",
        "clang -fuse-ld=lld",
        "gcc -fuse-ld=mold",
        "gcc -s",
        "musl-gcc",
    ];

    /// Refused, or right: never overwritten.
    fn assert_kept(fixture: &str, makes: &[&str]) {
        for make in makes {
            println!("{make}");
            let ws = Workspace::new();
            ws.compile_as(make, fixture, "before");
            let before = ws.read("before");
            let outcome = ws.run("sandbox-patch --deny reboot -q -o after before");
            if outcome.status() == Some(0) {
                assert_prints_the_same(&ws, "before");
            } else {
                outcome.exits_with(1).complains("no room");
            }
            assert_eq!(ws.read("before"), before);
        }
    }

    #[test]
    fn a_note_that_the_program_reads_by_its_name_is_not_overwritten() {
        assert_kept("reads_own_note.c", &MAKES);
    }

    /// As far as a symbol tells: of `-s` nothing is left that could.
    #[test]
    fn an_interpreter_that_the_program_reads_by_its_name_is_not_overwritten() {
        let makes = MAKES.into_iter().filter(|make| !make.ends_with("-s"));
        assert_kept("reads_own_interpreter.c", &makes.collect::<Vec<_>>());
    }
}

mod changed_by_patchelf {
    use super::*;

    fn assert_patched_after(change: &str) {
        for make in ["gcc", "gcc -no-pie", "clang -fuse-ld=lld", "musl-gcc"] {
            println!("{make}: patchelf {change}");
            let ws = Workspace::with_myos(make);
            ws.run(&format!("patchelf {change} myos")).succeeds();
            let changed = ws.read("myos");
            let outcome = ws.run(&format!("{PATCH} myos"));
            if outcome.status() == Some(0) {
                ws.run("./myos").dies_by(Signal::SYS);
                ws.run("sandbox-patch remove myos").succeeds();
            } else {
                outcome.exits_with(1).complains("no room");
            }
            assert!(ws.read("myos") == changed);
            ws.run("./myos").succeeds();
        }
    }

    #[test]
    fn with_a_run_path() {
        assert_patched_after("--set-rpath /opt/some/where/that/is/long/enough/to/need/room");
    }

    #[test]
    fn with_another_library() {
        assert_patched_after("--add-needed libm.so.6 --remove-needed libm.so.6");
    }
}

mod linked_with_options {
    use super::*;

    #[test]
    fn a_dynamic_section_without_spare_entries_moves() {
        let ws = Workspace::with_myos("gcc -Wl,--spare-dynamic-tags=0");
        assert_prints_the_same(&ws, "myos");
        ws.run(&format!("{PATCH} myos && ./myos"))
            .dies_by(Signal::SYS);
    }

    #[test]
    fn an_executable_stack_stays_as_it_is() {
        let ws = Workspace::with_myos("gcc -z execstack");
        assert_prints_the_same(&ws, "myos");
        ws.run(&format!("{PATCH} myos && readelf -lW myos | grep STACK"))
            .succeeds()
            .prints("RWE");
    }

    #[test]
    fn a_huge_bss_costs_nothing() {
        let ws = Workspace::new();
        ws.compile_as(
            "gcc -DSIZE=(1UL<<30) -mcmodel=medium",
            "large_bss.c",
            "before",
        );
        assert_prints_the_same(&ws, "before");
        ws.run("test $(stat -c %s before) -lt 100000").succeeds();
    }

    #[test]
    fn holes_stay_holes() {
        let ws = Workspace::with_myos("gcc");
        ws.run("truncate -s 64M myos").succeeds();
        assert_prints_the_same(&ws, "myos");
        ws.run("test $(du -k myos | cut -f1) -lt 1000").succeeds();
        ws.run(&format!(
            "{PATCH} myos && test $(du -k myos | cut -f1) -lt 1000"
        ))
        .succeeds();
    }
}
