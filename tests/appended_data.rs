//! Programs that carry data behind their ELF file: it stays last, where its
//! readers look for it.

mod support;

use support::{Signal, Workspace};

const PATCH: &str = "sandbox-patch --deny uname -q";

const MAKES: [&str; 5] = [
    "gcc",
    "gcc -no-pie -s",
    "clang -fuse-ld=lld",
    "gcc -fuse-ld=mold",
    "musl-gcc",
];

const PAYLOAD: &str = "from the end: payload\nbehind the section headers: payload\n";

/// `./program`, which prints what is appended to it.
fn self_extracting(make: &str) -> Workspace {
    let ws = Workspace::new();
    ws.compile_as(make, "reads_own_end.c", "program");
    ws.run("printf 'payload%8d' 7 >> program").succeeds();
    ws.run("./program").succeeds().prints_only(PAYLOAD);
    ws
}

#[test]
fn its_readers_find_it_from_the_end_and_behind_the_section_headers() {
    for make in MAKES {
        println!("{make}");
        let ws = self_extracting(make);
        ws.run("cp program before").succeeds();
        ws.run(&format!("{PATCH} program"))
            .succeeds()
            .complains("the 15 bytes that are appended to the ELF file stay at its end");
        ws.run("./program").succeeds().prints_only(PAYLOAD);
        ws.run("sandbox-patch verify -q program").succeeds();
        ws.run("sandbox-patch --replace -q --deny reboot program && ./program")
            .succeeds()
            .prints_only(PAYLOAD);
        ws.run("sandbox-patch remove -q program && cmp program before")
            .succeeds();
    }
}

#[test]
fn a_policy_is_in_force_with_it() {
    let ws = Workspace::with_myos("gcc");
    ws.run("echo appended >> myos").succeeds();
    ws.run(&format!("{PATCH} myos && ./myos"))
        .dies_by(Signal::SYS);
    assert!(ws.read("myos").ends_with(b"appended\n"));
}

#[test]
fn a_file_without_section_headers_keeps_it_too() {
    let ws = Workspace::new();
    ws.compile_as("gcc", "reads_own_end.c", "program");
    ws.run("llvm-strip --strip-sections program; printf 'payload%8d' 7 >> program")
        .succeeds();
    ws.run("cp program before").succeeds();
    ws.run(&format!("{PATCH} program && ./program"))
        .succeeds()
        .prints_only("from the end: payload\n");
    ws.run("sandbox-patch remove -q program && cmp program before")
        .succeeds();
}

/// Python runs an archive behind any other data, and so its own program with one.
#[test]
fn an_archive_is_opened() {
    let ws = Workspace::new();
    ws.write("__main__.py", "print('from the archive')\n");
    ws.run("python3 -m zipfile -c app.zip __main__.py && cat /usr/bin/python3 app.zip > app")
        .succeeds();
    ws.run("chmod 755 app && cp app before").succeeds();
    ws.run(&format!("{PATCH} app && ./app ./app"))
        .succeeds()
        .prints_only("from the archive\n");
    ws.run("python3 -m zipfile -t app").succeeds();
    ws.run("sandbox-patch remove -q app && cmp app before")
        .succeeds();
}

#[test]
fn more_that_is_appended_after_patching_is_not_lost() {
    let ws = self_extracting("gcc");
    ws.run(&format!("{PATCH} program && echo more >> program"))
        .succeeds();
    ws.assert_refused(
        "sandbox-patch remove ./program",
        "./program",
        "remove --best-effort",
    );
    ws.run("sandbox-patch remove -q --best-effort ./program")
        .succeeds();
    assert!(ws.read("program").ends_with(b"more\n"));
}

/// As the trailers of some bundlers do: their readers would look at the old
/// place.
#[test]
fn one_that_names_its_own_place_is_refused() {
    for number in ["<Q", ">Q", "<I", ">I"] {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!(
            "python3 -c 'import os, struct, sys; size = os.path.getsize(\"myos\"); \
             program = open(\"myos\", \"ab\"); program.write(bytes(5000) + b\"MAGIC\" + \
             struct.pack(\"{number}\", size))'"
        ))
        .succeeds();
        ws.assert_refused(
            "sandbox-patch --deny uname ./myos",
            "./myos",
            "name the place where they start",
        );
    }
}

#[test]
fn holes_in_it_stay_holes() {
    let ws = Workspace::with_myos("gcc");
    ws.run("truncate -s 64M myos && echo end >> myos && cp myos before")
        .succeeds();
    ws.run(&format!(
        "{PATCH} myos && test $(du -k myos | cut -f1) -lt 1000"
    ))
    .succeeds();
    assert!(ws.read("myos").ends_with(b"end\n"));
    ws.run(
        "sandbox-patch remove -q myos && cmp myos before && test $(du -k myos | cut -f1) -lt 1000",
    )
    .succeeds();
}

/// Linkers and tools pad files.
#[test]
fn a_few_zeros_are_padding() {
    let ws = Workspace::with_myos("gcc");
    ws.run("head -c 100 /dev/zero >> myos && cp myos before")
        .succeeds();
    ws.run(&format!("{PATCH} myos")).succeeds().is_silent();
    ws.run("sandbox-patch remove -q myos && cmp myos before")
        .succeeds();
}

#[test]
fn a_section_that_claims_what_is_behind_the_file_does_not_claim_it() {
    let ws = self_extracting("gcc");
    let mut program = ws.read("program");
    let number = |at: usize| u64::from_le_bytes(program[at..at + 8].try_into().expect("eight"));
    // e_shoff and e_shnum of Elf64_Ehdr; sh_size of the last header but one.
    let sections = usize::try_from(number(40)).expect("a small file");
    let count = usize::from(u16::from_le_bytes([program[60], program[61]]));
    let size = sections + 64 * (count - 2) + 32;
    program[size..size + 8].copy_from_slice(&u64::to_le_bytes(1 << 40));
    ws.write("program", program);
    ws.run("cp program before").succeeds();
    ws.run(&format!("{PATCH} program"))
        .succeeds()
        .complains("the 15 bytes that are appended to the ELF file stay at its end");
    ws.run("./program").succeeds().prints_only(PAYLOAD);
    ws.run("sandbox-patch remove -q program && cmp program before")
        .succeeds();
}
