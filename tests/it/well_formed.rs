//! A patched file is a good ELF file to those who read it, and as hardened as
//! it was.

use crate::support::{Signal, Workspace, assert_faithful, new_faults, warnings};

const MAKES: [&str; 6] = [
    "gcc",
    "gcc -no-pie",
    "gcc -Wl,-z,relro,-z,now",
    "clang -fuse-ld=lld",
    "clang -fuse-ld=mold",
    "musl-gcc",
];

/// For each make: `./before`, and `./after`, which is patched.
fn for_each_make(fixture: &str, options: &str, story: impl Fn(&Workspace)) {
    for compiler in MAKES {
        println!("{compiler} {fixture}");
        let ws = Workspace::new();
        ws.compile_as(compiler, fixture, "before");
        ws.run(&format!("sandbox-patch {options} -o after before"))
            .succeeds();
        assert_faithful(&ws, "before", "after");
        story(&ws);
    }
}

mod tools {
    use super::*;

    #[test]
    fn readers_of_elf_files_find_no_fault_that_was_not_there() {
        for_each_make("myos.c", "--deny uname", |ws| {
            for command in [
                "readelf -aW",
                "objdump -x",
                "objdump -d",
                "llvm-readelf -a",
                "nm",
            ] {
                let before = warnings(ws, command, "before");
                let after = warnings(ws, command, "after");
                assert_eq!(before, after, "{command}");
            }
        });
    }

    #[test]
    fn elflint_finds_no_fault_that_was_not_there() {
        for_each_make("myos.c", "--deny uname", |ws| {
            let new = new_faults(ws, "before", "after");
            assert!(new.is_empty(), "{new:#?}");
        });
    }

    #[test]
    fn the_notes_are_shown_by_readelf() {
        for_each_make("myos.c", "--deny uname", |ws| {
            ws.run("readelf -nW before")
                .succeeds()
                .does_not_print("sandbox");
            ws.run("readelf -nW after").succeeds().prints("sandbox");
        });
    }

    #[test]
    fn the_build_id_is_found_as_before() {
        for compiler in MAKES {
            let ws = Workspace::new();
            ws.compile_as(
                &format!("{compiler} -Wl,--build-id=sha1"),
                "myos.c",
                "before",
            );
            ws.run("sandbox-patch --deny uname -o after before")
                .succeeds();
            let id = |file: &str| {
                let line = format!("eu-readelf -n {file} | grep 'Build ID'");
                let outcome = ws.run(&line);
                outcome.succeeds();
                outcome.stdout
            };
            assert_eq!(id("before"), id("after"), "{compiler}");
        }
    }

    #[test]
    fn strip_keeps_the_policy() {
        for_each_make("myos.c", "--deny uname", |ws| {
            for strip in ["strip", "llvm-strip", "eu-strip", "strip --strip-debug"] {
                ws.run(&format!("{strip} -o stripped after"))
                    .succeeds()
                    .is_silent();
                ws.run("./stripped").dies_by(Signal::SYS);
            }
        });
    }

    #[test]
    fn gdb_stops_in_main_and_shows_the_way_there() {
        for compiler in [
            "gcc -g",
            "gcc -g -no-pie",
            "clang -g -fuse-ld=lld",
            "musl-gcc -g",
        ] {
            let ws = Workspace::with_myos(compiler);
            ws.run("sandbox-patch --deny ptrace ./myos").succeeds();
            ws.run(
                "gdb --batch -ex 'break main' -ex run -ex backtrace -ex continue ./myos </dev/null",
            )
            .succeeds()
            .prints("Breakpoint 1, main ")
            .prints("#0  main ")
            .prints("My OS is Linux!");
        }
    }
}

mod hardening {
    use super::*;

    /// The lines of a command's output that contain one of the words.
    fn lines_with(ws: &Workspace, command: &str, words: &[&str]) -> Vec<String> {
        let outcome = ws.run(command);
        outcome.succeeds();
        outcome
            .stdout
            .lines()
            .filter(|line| words.iter().any(|word| line.contains(word)))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn type_and_binding_and_stack_are_as_before() {
        for_each_make("myos.c", "--deny uname", |ws| {
            let of = |file: &str| {
                [
                    lines_with(ws, &format!("readelf -hW {file}"), &["Type:"]),
                    lines_with(ws, &format!("readelf -dW {file}"), &["FLAGS", "BIND_NOW"]),
                    // The offset may be another.
                    lines_with(
                        ws,
                        &format!("readelf -lW {file} | awk '{{ $2 = \"\"; print }}'"),
                        &["GNU_STACK", "GNU_RELRO"],
                    ),
                ]
            };
            assert_eq!(of("before"), of("after"));
        });
    }

    #[test]
    fn no_page_is_writable_and_executable_and_the_dynamic_section_is_read_only() {
        for_each_make("maps.c", "--deny ptrace", |ws| {
            let outcome = ws.run("./after");
            outcome.succeeds();
            let (first, maps) = outcome.stdout.split_once('\n').expect("several lines");
            let address = first
                .strip_prefix("dynamic ")
                .expect("where the dynamic section is");
            let address = u64::from_str_radix(address, 16).expect("an address");
            let maps: Vec<Mapping> = maps.lines().map(Mapping::parse).collect();

            for mapping in &maps {
                let both = mapping.rights.contains('w') && mapping.rights.contains('x');
                assert!(!both, "writable and executable: {mapping:?}");
            }
            let dynamic = maps.iter().find(|mapping| mapping.range.contains(&address));
            let dynamic = dynamic.expect("the dynamic section is mapped");
            assert!(dynamic.rights.starts_with("r--"), "{dynamic:?}");
        });
    }

    /// lld puts the dynamic section in front of all else that becomes read-only,
    /// in a program without constructors.
    #[test]
    fn what_follows_the_dynamic_section_becomes_read_only_as_before() {
        let ws = Workspace::new();
        let names: Vec<_> = (0..1500).map(|name| format!("weak_{name}")).collect();
        let declared = format!("extern char {};\n", names.join(", "));
        let weak: String = names
            .iter()
            .map(|name| format!("#pragma weak {name}\n"))
            .collect();
        let uses: String = names
            .iter()
            .map(|name| format!("use(&{name});\n"))
            .collect();
        ws.write(
            "imports.c",
            format!(
                "{declared}{weak}void _exit(int);\nstatic void use(char *p) {{ if (p) _exit(1); }}\n\
                 void _start(void) {{ {uses} _exit(0); }}\n"
            ),
        );
        ws.run("clang -fuse-ld=lld -fPIE -pie -nostartfiles -Wl,-z,now -o before imports.c")
            .succeeds();
        ws.run("./before").succeeds();
        ws.run("sandbox-patch --deny ptrace -o after before")
            .succeeds();
        let of = |file: &str| lines_with(&ws, &format!("readelf -lW {file}"), &["GNU_RELRO"]);
        assert_eq!(of("before"), of("after"));
        ws.run("./after").succeeds();
    }

    /// A line of /proc/PID/maps (proc_pid_maps(5)).
    #[derive(Debug)]
    struct Mapping {
        range: std::ops::Range<u64>,
        rights: String,
    }

    impl Mapping {
        fn parse(line: &str) -> Self {
            let mut words = line.split_whitespace();
            let (start, end) = words
                .next()
                .and_then(|range| range.split_once('-'))
                .expect("START-END");
            let address = |text| u64::from_str_radix(text, 16).expect("an address");
            Self {
                range: address(start)..address(end),
                rights: words.next().expect("rights").to_owned(),
            }
        }
    }
}

mod output {
    use super::*;

    #[test]
    fn it_depends_on_the_input_and_the_options_alone() {
        let (one, other) = (Workspace::with_myos("gcc"), Workspace::new());
        let library = crate::support::library();
        std::fs::copy(one.path("myos"), other.path("renamed")).expect("a copy");
        let patch = format!("sandbox-patch --lib {library} --allow exit_group:fstat:uname:write");
        one.run(&format!("{patch} -o out ./myos")).succeeds();
        other
            .shell(&format!("umask 077; exec {patch} -o out $PWD/renamed"))
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "Asia/Tokyo")
            .env("USER", "someone")
            .env("SOURCE_DATE_EPOCH", "1")
            .finish()
            .succeeds();
        assert!(one.read("out") == other.read("out"));
    }

    #[test]
    fn taking_the_patch_out_restores_the_file_byte_for_byte() {
        for_each_make("myos.c", "--allow exit_group:fstat:uname:write", |ws| {
            assert!(ws.read("before") != ws.read("after"));
            ws.run("sandbox-patch remove ./after").succeeds();
            assert!(ws.read("before") == ws.read("after"));
            ws.run("./after")
                .succeeds()
                .prints_only("My OS is Linux!\n");
        });
    }

    #[test]
    fn a_file_stripped_after_patching_is_restored_exactly_or_not_at_all() {
        for_each_make("myos.c", "--deny uname", |ws| {
            ws.run("strip -o wanted before && strip after").succeeds();
            let patched = ws.read("after");
            let outcome = ws.run("sandbox-patch remove ./after");
            match outcome.status() {
                Some(0) => {
                    let restored = ws.read("after");
                    assert!(restored == ws.read("wanted") || restored == ws.read("before"));
                }
                _ => {
                    outcome.exits_with(1).complains("--best-effort");
                    assert!(ws.read("after") == patched);
                }
            }
            // For a program that runs, whatever its bytes.
            if outcome.status() != Some(0) {
                ws.run("sandbox-patch remove --best-effort ./after")
                    .succeeds();
            }
            ws.run("./after")
                .succeeds()
                .prints_only("My OS is Linux!\n");
        });
    }
}
