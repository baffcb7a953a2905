//! Patching as a step of a build, with the build systems that Debian has. The
//! recipes are those of `docs/build-pipelines.md`.

mod support;

use std::path::Path;

use support::{Signal, Workspace, fixture_path};

const LINK: &str = "sandbox-patch link --deny uname";

/// A workspace with the article's source in it.
fn workspace() -> Workspace {
    let ws = Workspace::new();
    std::fs::copy(fixture_path("myos.c"), ws.path("myos.c")).expect("a copy of the source");
    ws
}

/// The program was built and patched.
#[track_caller]
fn assert_sandboxed(ws: &Workspace, program: &str) {
    ws.run(program).dies_by(Signal::SYS).prints_only("");
    ws.run(&format!("sandbox-patch verify {program}"))
        .succeeds();
}

mod link {
    use super::*;

    #[test]
    fn it_patches_what_the_compiler_wrote() {
        let ws = workspace();
        for command in [
            "gcc -o myos myos.c",
            "gcc -omyos myos.c",
            "clang myos.c -o myos",
            "musl-gcc -o ./myos myos.c",
        ] {
            ws.run(&format!("rm -f myos && {LINK} -- {command}"))
                .succeeds();
            assert_sandboxed(&ws, "./myos");
        }
    }

    #[test]
    fn it_patches_what_the_linker_wrote() {
        const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
        let ws = workspace();
        ws.run("gcc -c myos.c").succeeds();
        let start = |file: &str| format!("$(gcc -print-file-name={file})");
        let (crt1, crti, crtn) = (start("crt1.o"), start("crti.o"), start("crtn.o"));
        for linker in ["ld", "ld.lld", "mold"] {
            ws.run(&format!(
                "rm -f out && {LINK} -- {linker} -o out -dynamic-linker {LOADER} \
                 {crt1} {crti} myos.o $(gcc -print-file-name=libc.so.6) {crtn}"
            ))
            .succeeds();
            assert_sandboxed(&ws, "./out");
        }
    }

    #[test]
    fn it_knows_the_name_that_a_program_gets_by_default() {
        let ws = workspace();
        ws.run(&format!("{LINK} -- gcc myos.c")).succeeds();
        assert_sandboxed(&ws, "./a.out");
    }

    #[test]
    fn it_leaves_objects_and_libraries_alone() {
        let ws = workspace();
        for (command, file) in [
            ("gcc -c myos.c -o file", "object"),
            ("gcc -shared -fPIC myos.c -o file", "library"),
            ("gcc -E myos.c -o file", "text"),
        ] {
            ws.run(command).succeeds();
            let expected = ws.read("file");
            ws.run(&format!("{LINK} -- {command}"))
                .succeeds()
                .is_silent();
            assert!(ws.read("file") == expected, "{file}");
        }
    }

    #[test]
    fn it_leaves_an_old_program_alone_when_nothing_was_written() {
        let ws = workspace();
        ws.run("gcc myos.c").succeeds();
        let before = ws.snapshot();
        ws.run(&format!("{LINK} -- gcc --version"))
            .succeeds()
            .prints("Free Software Foundation");
        ws.run(&format!("{LINK} -- gcc -fsyntax-only myos.c"))
            .succeeds();
        assert_eq!(before, ws.snapshot());
    }

    #[test]
    fn it_passes_on_what_the_compiler_says_and_how_it_fails() {
        let ws = workspace();
        ws.write("broken.c", "int main(void) { return missing; }\n");
        ws.run(&format!("{LINK} -- gcc broken.c"))
            .exits_with(1)
            .complains("missing");
        ws.run(&format!(
            "{LINK} -- sh -c 'echo out; echo err >&2; exit 42'"
        ))
        .exits_with(42)
        .prints_only("out\n")
        .complains("err");
        assert_eq!(ws.listing(), ["broken.c", "myos.c"]);
    }

    #[test]
    fn it_ends_as_the_command_ends_by_a_signal() {
        let ws = workspace();
        ws.run(&format!("{LINK} -- sh -c 'kill -TERM $$'"))
            .dies_by(Signal::TERM);
    }

    #[test]
    fn it_passes_standard_input_to_the_compiler() {
        let ws = workspace();
        ws.run(&format!("{LINK} -- gcc -x c -o myos - <myos.c"))
            .succeeds();
        assert_sandboxed(&ws, "./myos");
    }

    #[test]
    fn it_says_when_there_is_no_such_command() {
        workspace()
            .run(&format!("{LINK} -- no-such-compiler myos.c"))
            .exits_with(127)
            .complains("no-such-compiler");
    }

    #[test]
    fn it_reads_response_files() {
        let ws = workspace();
        ws.write("arguments", "-o 'my program'\nmyos.c\n");
        ws.run(&format!("{LINK} -- gcc @arguments")).succeeds();
        assert_sandboxed(&ws, "'./my program'");
    }

    #[test]
    fn it_takes_options_from_the_environment() {
        let ws = workspace();
        ws.run("SANDBOX_PATCH_OPTIONS='--deny uname' sandbox-patch link -- gcc -o myos myos.c")
            .succeeds();
        assert_sandboxed(&ws, "./myos");
    }

    #[test]
    fn it_stands_for_the_compiler_whose_name_it_bears() {
        let ws = workspace();
        ws.run("ln -s $(type -p sandbox-patch) sandbox-patch-gcc")
            .succeeds();
        ws.run("SANDBOX_PATCH_OPTIONS='--deny uname' ./sandbox-patch-gcc -o myos myos.c")
            .succeeds();
        assert_sandboxed(&ws, "./myos");
    }
}

mod build_systems {
    use super::*;

    #[test]
    fn make_with_the_compiler_wrapped() {
        let ws = workspace();
        ws.run(&format!("make CC='{LINK} -- gcc' myos")).succeeds();
        assert_sandboxed(&ws, "./myos");
    }

    #[test]
    fn make_with_a_step_of_its_own() {
        let ws = workspace();
        ws.write(
            "Makefile",
            "myos: myos.c\n\t$(CC) $(LDFLAGS) -o $@ $<\n\tsandbox-patch --deny uname $@\n",
        );
        ws.run("make").succeeds();
        assert_sandboxed(&ws, "./myos");
    }

    #[test]
    fn cmake_after_the_build() {
        let ws = workspace();
        ws.write(
            "CMakeLists.txt",
            "cmake_minimum_required(VERSION 3.20)\n\
             project(myos C)\n\
             add_executable(myos myos.c)\n\
             add_custom_command(TARGET myos POST_BUILD\n\
             \x20 COMMAND sandbox-patch --deny uname $<TARGET_FILE:myos>)\n",
        );
        ws.run("cmake -G Ninja -S . -B build && cmake --build build")
            .succeeds();
        assert_sandboxed(&ws, "build/myos");
    }

    #[test]
    fn meson_with_the_compiler_wrapped() {
        let ws = workspace();
        ws.write(
            "meson.build",
            "project('myos', 'c')\nexecutable('myos', 'myos.c')\n",
        );
        ws.run(&format!(
            "CC='{LINK} -- gcc' meson setup build && ninja -C build"
        ))
        .succeeds();
        assert_sandboxed(&ws, "build/myos");
    }

    #[test]
    fn cargo_with_a_linker_of_its_own() {
        let ws = Workspace::new();
        ws.run("mkdir src .cargo").succeeds();
        std::fs::copy(fixture_path("hello.rs"), ws.path("src/main.rs")).expect("a copy");
        ws.write(
            "Cargo.toml",
            "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        ws.write(
            "linker",
            "#!/bin/sh\nexec sandbox-patch link --deny futex -- cc \"$@\"\n",
        );
        ws.write(
            ".cargo/config.toml",
            "[target.x86_64-unknown-linux-gnu]\nlinker = \"./linker\"\n",
        );
        // The toolchain at hand, with its rustc beside cargo.
        let cargo = Path::new(env!("CARGO"));
        let tools = cargo.parent().expect("cargo is in a folder").display();
        ws.run(&format!(
            "chmod +x linker && PATH={tools}:$PATH cargo build --offline"
        ))
        .succeeds();
        ws.run("sandbox-patch verify target/debug/hello").succeeds();
        ws.run("target/debug/hello").dies_by(Signal::SYS);
    }
}
