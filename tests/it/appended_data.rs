//! Programs that carry data behind their ELF file: its readers find it, be it from
//! the end or by its offset.

use std::time::Duration;

use crate::support::{Signal, Workspace, assert_faithful, fixture_path};

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

/// Patches a program that has something appended to it, in all ways, and sees that
/// it goes on working, that its policy is in it, and that the original comes back.
/// `run` starts `./app`; what is expected of the report is `kept`.
#[track_caller]
fn assert_goes_on_working(ws: &Workspace, run: &str, kept: &str) {
    let before = ws.run(run);
    before.succeeds();
    ws.run("cp app before").succeeds();
    for policy in ["--deny reboot", "--deny reboot --inline"] {
        ws.run(&format!("sandbox-patch {policy} app"))
            .succeeds()
            .prints(kept);
        ws.run(run).succeeds().prints_only(&before.stdout);
        ws.run("sandbox-patch verify -q app").succeeds();
        assert_faithful(ws, "before", "app");
        ws.run("sandbox-patch -q --replace --deny kexec_load app")
            .succeeds();
        ws.run(run).succeeds().prints_only(&before.stdout);
        ws.run("sandbox-patch remove -q app && cmp app before")
            .succeeds();
    }
}

const IN_PLACE: &str = "bytes kept in place, where ";
const TWICE: &str = "bytes kept in place and at the end, since ";
const AT_THE_END: &str = "bytes kept at the end, ";

/// `./app`, which finds what is appended to it by its offset.
fn finds_payload(make: &str, place: &str, form: &str, alignment: &str) -> Workspace {
    let ws = Workspace::new();
    let make = format!("{make} -D{place} -D{form}");
    ws.compile_as(&make, "finds_payload.c", "app");
    let bundle = fixture_path("bundle.py");
    let bundle = bundle.display();
    ws.run(&format!(
        "python3 {bundle} app {place} '{form}' {alignment}"
    ))
    .succeeds();
    ws
}

const FORMS: [&str; 5] = ["WIDE", "WIDE -DBIG", "WORD", "WORD -DBIG", "DIGITS"];

/// The same in all forms of the offset.
#[track_caller]
fn assert_found(place: &str, alignments: &[&str]) {
    for form in FORMS {
        for alignment in alignments {
            println!("{form} {alignment}");
            let ws = finds_payload("gcc", place, form, alignment);
            assert_goes_on_working(&ws, "./app", TWICE);
        }
    }
}

#[test]
fn it_is_found_where_the_program_says() {
    assert_found("IN_DATA", &["", "4096"]);
}

/// The reader takes all between that place and the trailer.
#[test]
fn it_is_found_where_its_last_bytes_say() {
    assert_found("IN_TRAILER", &["", "32768"]);
}

#[test]
fn it_is_found_where_its_first_bytes_say() {
    assert_found("IN_TABLE", &[""]);
}

#[test]
fn it_is_found_whatever_linker_and_c_library() {
    for make in [
        "gcc -static",
        "musl-gcc",
        "gcc -no-pie -s",
        "clang -fuse-ld=lld",
    ] {
        for place in ["IN_DATA", "IN_TRAILER", "IN_TABLE"] {
            println!("{make}: {place}");
            let ws = finds_payload(make, place, "WIDE", "");
            assert_goes_on_working(&ws, "./app", TWICE);
        }
    }
}

#[test]
fn that_it_is_kept_twice_is_said() {
    let ws = finds_payload("gcc", "IN_DATA", "WIDE", "");
    ws.run(&format!("{PATCH} app"))
        .succeeds()
        .complains("are kept both in place and at its end, since the program names the place");
    let ws = finds_payload("gcc", "IN_TRAILER", "WIDE", "");
    ws.run(&format!("{PATCH} app"))
        .succeeds()
        .complains("since their last bytes name the place where they start; at the end they name");
}

/// What can't be written in as many digits can't be named.
#[test]
fn one_whose_new_place_can_t_be_named_is_refused() {
    let ws = finds_payload("gcc", "IN_TRAILER", "DIGITS", "99000");
    ws.assert_refused(
        "sandbox-patch --deny uname ./app",
        "./app",
        "name the place where they start",
    );
}

/// Its start-up code names what is appended in decimal digits and spaces.
#[test]
fn programs_of_pkg_are_kept_as_they_are() {
    let ws = Workspace::new();
    ws.compile_as("gcc", "pkg_host.c", "app");
    ws.run("python3 - <<'P'\nd = open('app', 'rb').read()\nplace = b'%-22d' % len(d)\nd = d.replace(b'// PAYLOAD_POSITION //'.ljust(22), place)\nopen('app', 'wb').write(d + b'PAYLOAD')\nP")
        .succeeds();
    assert_goes_on_working(&ws, "./app", IN_PLACE);
}

/// A program of Microsoft's that makes a list of what is in a package.
#[test]
fn programs_of_dotnet_are_kept_as_they_are() {
    let ws = Workspace::new();
    ws.write("greeting", "hello\n");
    ws.run("zip -q package greeting && cp $TOOLS/vsce-sign app")
        .succeeds();
    let run = "rm -f list; ./app generatemanifest --package package.zip --output list && cat list";
    ws.run(run).succeeds().prints("\"entries\"");
    assert_goes_on_working(&ws, run, IN_PLACE);
}

#[test]
fn saved_lisp_systems_are_kept_as_they_are() {
    let sbcl = "(sb-ext:save-lisp-and-die \"app\" :executable t :toplevel \
                (lambda () (format t \"saved~%\") (sb-ext:exit :code 0)))";
    let clisp = "(ext:saveinitmem \"app\" :executable t :quiet t :norc t :init-function \
                 (lambda () (format t \"saved~%\") (ext:quit 0)))";
    for (lisp, program) in [("sbcl --script", sbcl), ("clisp -q -norc", clisp)] {
        println!("{lisp}");
        let ws = Workspace::new();
        ws.write("save.lisp", program);
        ws.shell(&format!("{lisp} save.lisp"))
            .within(LONG)
            .finish()
            .succeeds();
        ws.run("./app").succeeds().prints_only("saved\n");
        assert_goes_on_working(&ws, "./app", IN_PLACE);
    }
}

/// The directory of an archive may count from the archive's start, or from the
/// file's.
#[test]
fn self_extracting_archives_extract_themselves() {
    for (adjust, kept) in [("true", AT_THE_END), ("zip -qA app", TWICE)] {
        let ws = Workspace::new();
        ws.write("greeting", "hello\n");
        ws.run(
            "zip -q archive greeting && cat /usr/bin/unzipsfx archive.zip > app && chmod +x app",
        )
        .succeeds();
        ws.run(adjust).succeeds();
        assert_goes_on_working(&ws, "rm greeting; ./app -q; cat greeting", kept);
        ws.run("sandbox-patch -q --deny reboot app && python3 -m zipfile -t app")
            .succeeds()
            .prints("Done testing");
    }
}

/// The runtime of an AppImage finds its file system where its own section headers
/// end, as tools that look into AppImages do.
#[test]
fn the_file_system_of_an_appimage_is_found() {
    let ws = Workspace::new();
    ws.compile_as("gcc -static", "appimage_runtime.c", "runtime");
    ws.run("mkdir AppDir && echo 'echo from the AppImage' > AppDir/AppRun")
        .succeeds();
    ws.run("mksquashfs AppDir image -quiet -no-progress && cat runtime image > app")
        .succeeds();
    ws.run("printf 'AI\\002' | dd of=app bs=1 seek=8 conv=notrunc status=none && chmod +x app")
        .succeeds();
    ws.run("./app")
        .succeeds()
        .prints_only("from the AppImage\n");
    assert_goes_on_working(&ws, "./app", AT_THE_END);
}

/// What follows the metadata, whose place its last bytes name, was part of it.
#[test]
fn one_that_is_found_by_its_place_and_the_end_of_the_file_is_refused() {
    let ws = Workspace::with_myos("gcc");
    ws.run(
        "python3 -c 'import os, struct; size = os.path.getsize(\"myos\"); \
         open(\"myos\", \"ab\").write(b\"bundle{}\" + b\"d3n0l4nd\" + \
         struct.pack(\">QQ\", size, size + 6))'",
    )
    .succeeds();
    ws.assert_refused(
        "sandbox-patch --deny uname ./myos",
        "./myos",
        "name the place where they start",
    );
}

/// Words of the program that lead to nothing, eight million times.
#[test]
fn the_search_for_its_place_takes_no_time() {
    let ws = Workspace::new();
    let words = ".section .rodata\\n.fill 7000000, 8, 0x3801235\\n";
    ws.run(&format!(
        "echo 'int main(void) {{ return 0; }} asm(\"{words}\");' | gcc -x c - -o app && \
         head -c 8M /dev/zero | tr '\\0' '\\377' >> app"
    ))
    .succeeds();
    ws.shell(&format!("timeout 60 {PATCH} app && ./app"))
        .within(LONG)
        .finish()
        .succeeds()
        .complains("stay at its end");
}

const LONG: Duration = Duration::from_secs(300);

#[test]
#[ignore = "long: PyInstaller takes half a minute to make a program"]
fn programs_of_pyinstaller_find_their_modules() {
    let ws = Workspace::new();
    ws.write(
        "app.py",
        "import json\nprint(json.dumps({'found': True}))\n",
    );
    ws.shell("$TOOLS/pyinstaller --onefile --log-level ERROR app.py && mv dist/app app")
        .within(LONG)
        .finish()
        .succeeds();
    assert_goes_on_working(&ws, "./app", "size");
}

#[test]
#[ignore = "long: programs of 100 MB"]
fn programs_of_node_find_their_script() {
    let ws = Workspace::new();
    ws.write("app.js", "console.log(JSON.stringify({ found: true }));\n");
    ws.write(
        "sea.json",
        r#"{"main": "app.js", "output": "blob", "disableExperimentalSEAWarning": true}"#,
    );
    let fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";
    ws.shell(&format!(
        "$TOOLS/node --experimental-sea-config sea.json && cp -L $TOOLS/node app && \
         $TOOLS/postject app NODE_SEA_BLOB blob --sentinel-fuse {fuse}"
    ))
    .within(LONG)
    .finish()
    .succeeds();
    assert_goes_on_working(&ws, "./app", "size");
}

#[test]
#[ignore = "long: programs of 100 MB"]
fn programs_of_bun_find_their_modules() {
    let ws = Workspace::new();
    ws.write("app.js", "console.log(JSON.stringify({ found: true }));\n");
    ws.shell("$TOOLS/bun build --compile app.js --outfile app")
        .within(LONG)
        .finish()
        .succeeds();
    assert_goes_on_working(&ws, "./app", "size");
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
