//! Programs that other tools changed, or that do with ELF what few do: patched
//! right, or refused with the reason and left alone.

mod support;

use support::{Signal, Workspace, assert_faithful};

const PATCH: &str = "sandbox-patch --deny uname -q";

/// `before` prints the same when it is patched.
#[track_caller]
fn assert_prints_the_same(ws: &Workspace, before: &str) {
    let expected = ws.run(&format!("./{before}")).succeeds().stdout.clone();
    ws.run(&format!("sandbox-patch --deny reboot -q -o after {before}"))
        .succeeds();
    assert_faithful(ws, before, "after");
    ws.run("./after").succeeds().prints_only(&expected);
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

/// A linker script may put code right behind the program headers, where they
/// can't grow. They move to the new segment then.
mod code_behind_the_program_headers {
    use super::*;

    const MAKES: [&str; 4] = [
        "gcc",
        "gcc -s",
        "gcc -Wl,-z,noseparate-code",
        "gcc -Wl,--spare-dynamic-tags=0",
    ];

    const OUTPUT: &str = "8, headers right, in place yes\n";

    /// `./before`, linked with GNU ld's own script and `.early` in front.
    fn linked(make: &str) -> Workspace {
        let ws = Workspace::new();
        ws.run(&format!(
            "{make} -Wl,--verbose -o verbose -x c - < /dev/null > verbose.txt 2> errors; \
             sed -n '/^=====/,/^=====/{{/^=====/d; \
             s/^  [.]interp /  .early : {{ KEEP (*(.early)) }}\\n&/; p}}' verbose.txt > script"
        ))
        .succeeds();
        ws.run("grep -q -F .early script").succeeds();
        ws.compile_as(
            &format!("{make} -Wl,-T,script"),
            "text_behind_headers.c",
            "before",
        );
        ws.run("./before").succeeds().prints_only(OUTPUT);
        ws
    }

    #[test]
    fn the_program_headers_move_and_are_found() {
        for make in MAKES {
            println!("{make}");
            let ws = linked(make);
            ws.run("sandbox-patch --deny uname -q -o after before")
                .succeeds()
                .complains("its program headers had to move, since .early stands behind them");
            assert_faithful(&ws, "before", "after");
            // The kernel told where they are, the C library agrees, and so do
            // those who compute it as kernels before 5.18 did.
            ws.run("./after").succeeds().prints_only(OUTPUT);
            ws.run("/lib64/ld-linux-x86-64.so.2 ./after")
                .succeeds()
                .prints("headers");
            ws.run("readelf -aW after 2>&1 >/dev/null").prints_only("");
            ws.run("sandbox-patch verify -q after").succeeds();
            ws.run("sandbox-patch remove -q after && cmp after before")
                .succeeds();
        }
    }

    #[test]
    fn the_policy_is_in_force() {
        let ws = linked("gcc");
        ws.run("sandbox-patch --allow exit_group -q before && ./before")
            .dies_by(Signal::SYS);
    }

    /// llvm-strip closes the hole, so that kernels before 5.18 are lost.
    #[test]
    fn a_tool_that_keeps_them_there_does_no_harm() {
        for strip in ["llvm-strip", "eu-strip"] {
            let ws = linked("gcc");
            ws.run("sandbox-patch --deny uname -q -o after before")
                .succeeds();
            ws.run(&format!("{strip} after && ./after"))
                .succeeds()
                .prints("8, headers right");
            ws.run("sandbox-patch verify -q after").succeeds();
            ws.run("sandbox-patch remove -q --best-effort after && ./after")
                .succeeds()
                .prints_only(OUTPUT);
            ws.run("readelf -SW after | grep '[.]sandbox' | grep -v NULL")
                .prints_only("");
        }
    }

    /// GNU strip puts them behind the file header, whatever is there. It was said
    /// not to do so, and the gate notices.
    #[test]
    fn a_tool_that_breaks_the_program_is_noticed() {
        let ws = linked("gcc");
        ws.run("sandbox-patch --deny uname -q before && strip before")
            .succeeds();
        ws.run("sandbox-patch verify -q before")
            .exits_with(1)
            .complains("malformed");
    }

    /// Before Linux 5.18 kernels find the table only at the first segment's
    /// distance of address and offset, which takes a hole as large as `.bss`.
    #[test]
    fn behind_a_large_bss_they_can_not_move() {
        let ws = linked("gcc -DBSS=0x40000000 -mcmodel=medium");
        ws.assert_refused(
            "sandbox-patch --deny uname ./before",
            "./before",
            "kernels before Linux 5.18 would find them only behind a hole of 10",
        );
        let ws = linked("gcc -DBSS=0x100000");
        assert_prints_the_same(&ws, "before");
        ws.run("sandbox-patch --deny uname -q before && test $(du -k before | cut -f1) -lt 100")
            .succeeds();
    }
}
