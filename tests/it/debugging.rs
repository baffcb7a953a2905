//! What is left when a patched program dies, and what is kept apart for
//! debuggers, leads back to the program.

use crate::support::{Signal, Workspace};

const MAKES: [&str; 10] = [
    "gcc -fuse-ld=bfd -pie",
    "gcc -fuse-ld=bfd -no-pie",
    "gcc -fuse-ld=bfd -pie -Wl,-z,noseparate-code",
    "gcc -fuse-ld=gold -pie",
    "gcc -fuse-ld=gold -no-pie",
    "gcc -fuse-ld=lld -pie",
    "gcc -fuse-ld=lld -no-pie",
    "gcc -fuse-ld=mold -pie",
    "gcc -fuse-ld=mold -no-pie",
    "musl-gcc",
];

mod core_dump {
    use super::*;

    /// `unpatched` and `patched`, both of which abort.
    fn programs(make: &str) -> Workspace {
        let ws = Workspace::new();
        ws.compile_as(
            &format!("{make} -Wl,--build-id=sha1"),
            "aborts.c",
            "unpatched",
        );
        ws.run("sandbox-patch -q --deny ptrace -o patched unpatched")
            .succeeds();
        ws
    }

    /// Has the kernel write a core dump of a program, if it does, here.
    fn dump_by_kernel(ws: &Workspace, program: &str) -> bool {
        ws.run(&format!("ulimit -c unlimited; exec ./{program}"))
            .dies_by(Signal::ABORT);
        // core(5): by default `core`, with `.PID` where core_uses_pid says so.
        let core = |name: &String| name.starts_with("core");
        match ws.listing().into_iter().find(core) {
            Some(name) => {
                ws.run(&format!("mv {name} {program}.dump")).succeeds();
                true
            }
            None => false,
        }
    }

    /// Has gdb write one, of all that the kernel would write and more.
    fn dump_by_debugger(ws: &Workspace, program: &str) {
        ws.run(&format!(
            "gdb --batch -ex run -ex 'generate-core-file {program}.dump' ./{program} </dev/null"
        ))
        .succeeds()
        .prints("Saved corefile");
    }

    /// The build-id that a debugger finds in the dump; the program is gone.
    fn build_id_in_dump(ws: &Workspace, program: &str) -> String {
        let list = format!(
            "mv {program} away && eu-unstrip -n --core={program}.dump && mv away {program}"
        );
        // ADDRESS+SIZE BUILD-ID@ADDRESS FILES…, the program first.
        let outcome = ws.run(&list);
        let words = outcome.succeeds().stdout.split_whitespace().nth(1);
        let id = words.and_then(|word| word.split_once('@'));
        id.map_or_else(String::new, |(id, _)| id.to_owned())
    }

    fn build_id(ws: &Workspace, program: &str) -> String {
        let line = format!("eu-readelf -n {program} | sed -n 's/.*Build ID: //p'");
        ws.run(&line).succeeds().stdout.trim().to_owned()
    }

    fn assert_contains_id(bytes: &[u8], id: &str) {
        let digits = id.as_bytes().chunks(2);
        let hex = digits.map(|byte| std::str::from_utf8(byte).expect("hexadecimal digits"));
        let id: Vec<u8> = hex
            .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal digits"))
            .collect();
        assert_eq!(id.len(), 20, "a SHA-1");
        assert!(bytes.windows(id.len()).any(|bytes| bytes == id));
    }

    #[test]
    fn names_the_program_by_its_build_id() {
        for make in MAKES {
            println!("{make}");
            let ws = programs(make);
            // Where the kernel hands dumps to another program, or may not write
            // any, it does so with the unpatched program, too.
            if dump_by_kernel(&ws, "unpatched") {
                assert!(dump_by_kernel(&ws, "patched"), "the kernel dumps no core");
            } else {
                dump_by_debugger(&ws, "unpatched");
                dump_by_debugger(&ws, "patched");
            }
            let id = build_id(&ws, "unpatched");
            assert_contains_id(&ws.read("patched.dump"), &id);
            // elfutils can't read mold's notes of different alignments.
            if !make.contains("mold") {
                assert_eq!(build_id_in_dump(&ws, "unpatched"), id);
                assert_eq!(build_id_in_dump(&ws, "patched"), id);
            }
        }
    }

    /// Whoever writes the dump: the kernel writes the first page of a program
    /// (fs/coredump.c, `FILTER(ELF_HEADERS)`).
    #[test]
    fn has_the_build_id_in_the_page_that_the_kernel_writes() {
        for make in MAKES {
            println!("{make}");
            let ws = programs(make);
            assert_contains_id(&ws.read("patched")[..4096], &build_id(&ws, "patched"));
        }
    }
}

mod debug_link {
    use super::*;

    #[test]
    fn gdb_finds_the_symbols_that_were_split_off() {
        for make in MAKES {
            println!("{make}");
            let ws = Workspace::with_myos(&format!("{make} -g"));
            ws.run("sandbox-patch -q --deny ptrace myos").succeeds();
            ws.run(
                "objcopy --only-keep-debug myos myos.debug && \
                 objcopy --strip-debug --strip-unneeded --add-gnu-debuglink=myos.debug myos",
            )
            .succeeds()
            .is_silent();
            ws.run("gdb --batch -ex 'info line main' -ex 'break main' -ex run -ex backtrace ./myos </dev/null")
                .succeeds()
                .prints("myos.c\" starts at address")
                .prints("Breakpoint 1, main ")
                .prints("#0  main ");
        }
    }
}
