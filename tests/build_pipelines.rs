//! The recipes of docs/build-pipelines.md: small projects, built by the real
//! tools, whose results run and are sandboxed.

mod support;

use std::path::Path;

use support::{Outcome, Signal, Workspace, fixture_path};

/// System call numbers of x86_64 (arch/x86/entry/syscalls/syscall_64.tbl), as
/// fixtures/forbidden.c takes them: one that the projects permit, and one that
/// they forbid.
const GETPID: &str = "39";
const GETPPID: &str = "110";

/// A copy of a project in `project`, beside it a folder `tools` with
/// `sandbox-patch-cc`, as `make install` leaves it.
fn project(name: &str, sources: &[&str]) -> Workspace {
    let ws = Workspace::new();
    let folder = fixture_path("projects").join(name);
    ws.run(&format!("cp -r {} project", folder.display()))
        .succeeds();
    for source in sources {
        ws.run(&format!("cp {} project", fixture_path(source).display()))
            .succeeds();
    }
    ws.run("mkdir tools && ln -s $(type -p sandbox-patch) tools/sandbox-patch-cc")
        .succeeds();
    ws
}

/// Runs a command line in the project. The cargo that builds these tests, and
/// the rustc beside it, come before other ones.
#[track_caller]
fn build(ws: &Workspace, line: &str) -> Outcome {
    let toolchain = Path::new(env!("CARGO")).parent().expect("an absolute path");
    ws.run(&format!(
        "export PATH=$PWD/tools:{}:$PATH; cd project && {line}",
        toolchain.display()
    ))
}

/// The program runs, dies when it makes the call that the project forbids, and
/// passes the gate.
#[track_caller]
fn assert_sandboxed(ws: &Workspace, program: &str) {
    ws.run(&format!("{program} {GETPID}"))
        .succeeds()
        .prints_only("passed\n");
    ws.run(&format!("{program} {GETPPID}")).dies_by(Signal::SYS);
    ws.run(&format!("sandbox-patch verify {program}"))
        .succeeds();
}

/// The program has no loader, and is sandboxed all the same.
#[track_caller]
fn assert_static_and_sandboxed(ws: &Workspace, program: &str) {
    ws.run(&format!("readelf -lW {program}"))
        .succeeds()
        .does_not_print("INTERP");
    assert_sandboxed(ws, program);
}

mod make {
    use super::*;

    #[test]
    fn the_program_of_a_rule_is_sandboxed() {
        let ws = project("make", &["forbidden.c"]);
        build(&ws, "make").succeeds();
        assert_sandboxed(&ws, "project/forbidden");
        build(&ws, "make").succeeds().prints("Nothing to be done");
        build(&ws, "touch forbidden.c && make").succeeds();
        assert_sandboxed(&ws, "project/forbidden");
    }

    #[test]
    fn the_compiler_can_be_wrapped_instead() {
        for (options, compiler) in [
            ("", "sandbox-patch link --deny getppid -- cc"),
            (
                "SANDBOX_PATCH_OPTIONS='--deny getppid' ",
                "sandbox-patch-cc",
            ),
        ] {
            let ws = project("make", &["forbidden.c"]);
            build(&ws, "rm Makefile").succeeds();
            build(&ws, &format!("{options}make CC='{compiler}' forbidden")).succeeds();
            assert_sandboxed(&ws, "project/forbidden");
        }
    }

    #[test]
    fn a_static_program_is_sandboxed() {
        let ws = project("make", &["forbidden.c"]);
        build(&ws, "make LDFLAGS=-static").succeeds();
        assert_static_and_sandboxed(&ws, "project/forbidden");
    }
}

mod cmake {
    use super::*;

    const GENERATORS: [&str; 2] = ["Unix Makefiles", "Ninja"];
    const SHARED: &str = "-DBUILD_SHARED_LIBS=ON";

    fn configured(generator: &str, options: &str) -> Workspace {
        let ws = project("cmake", &["forbidden.c", "empty.c"]);
        build(
            &ws,
            &format!("cmake -G '{generator}' -B build -DCMAKE_INSTALL_PREFIX=$PWD/root {options}"),
        )
        .succeeds();
        ws
    }

    #[test]
    fn the_programs_are_sandboxed() {
        for generator in GENERATORS {
            let ws = configured(generator, SHARED);
            build(&ws, "cmake --build build").succeeds();
            assert_sandboxed(&ws, "project/build/forbidden");
            assert_sandboxed(&ws, "project/build/launched");
        }
    }

    /// Installing changes the path of the project's library within the file.
    #[test]
    fn they_are_so_when_installed_and_stripped() {
        let ws = configured(
            "Ninja",
            &format!("{SHARED} -DCMAKE_INSTALL_RPATH='$ORIGIN/../lib'"),
        );
        build(&ws, "cmake --build build && cmake --install build --strip").succeeds();
        assert_sandboxed(&ws, "project/root/bin/forbidden");
        assert_sandboxed(&ws, "project/root/bin/launched");
    }

    #[test]
    fn static_programs_are_sandboxed() {
        for generator in GENERATORS {
            let ws = configured(generator, "-DCMAKE_EXE_LINKER_FLAGS=-static");
            build(&ws, "cmake --build build").succeeds();
            assert_static_and_sandboxed(&ws, "project/build/forbidden");
            assert_static_and_sandboxed(&ws, "project/build/launched");
        }
    }
}

mod meson {
    use super::*;

    #[test]
    fn the_installed_program_is_sandboxed() {
        let ws = project("meson", &["forbidden.c"]);
        build(&ws, "meson setup build --prefix $PWD/root").succeeds();
        build(&ws, "meson install -C build").succeeds();
        assert_sandboxed(&ws, "project/build/forbidden");
        assert_sandboxed(&ws, "project/root/bin/forbidden");
    }

    #[test]
    fn the_compiler_can_be_wrapped_instead() {
        let ws = project("meson", &["forbidden.c"]);
        let variables = "CC=sandbox-patch-cc SANDBOX_PATCH_OPTIONS='--deny getppid'";
        build(&ws, &format!("{variables} meson setup build")).succeeds();
        build(
            &ws,
            &format!("{variables} meson compile -C build forbidden-unpatched"),
        )
        .succeeds();
        assert_sandboxed(&ws, "project/build/forbidden-unpatched");
    }

    #[test]
    fn a_static_program_is_sandboxed() {
        let ws = project("meson", &["forbidden.c"]);
        build(&ws, "meson setup build -Dc_link_args=-static").succeeds();
        build(&ws, "meson compile -C build").succeeds();
        assert_static_and_sandboxed(&ws, "project/build/forbidden");
    }
}

mod cargo {
    use super::*;

    const FOLDER: &str = "project/target/x86_64-unknown-linux-gnu/release";

    /// The build script makes the forbidden call, and is free to.
    #[test]
    fn the_program_is_sandboxed_and_the_build_script_is_not() {
        let ws = project("cargo", &[]);
        build(&ws, "cargo build --offline --release").succeeds();
        assert_program_is_sandboxed(&ws);
    }

    #[track_caller]
    fn assert_program_is_sandboxed(ws: &Workspace) {
        let program = format!("{FOLDER}/forbidden");
        ws.run(&program).succeeds().prints_only("passed\n");
        ws.run(&format!("{program} parent")).dies_by(Signal::SYS);
        ws.run(&format!("sandbox-patch verify {program}"))
            .succeeds();
    }

    #[test]
    fn a_static_program_is_sandboxed() {
        let ws = project("cargo", &[]);
        build(
            &ws,
            "sed -i 's/-Clinker=/-Ctarget-feature=+crt-static\", \"&/' .cargo/config.toml",
        )
        .succeeds();
        build(&ws, "cargo build --offline --release").succeeds();
        ws.run(&format!("readelf -lW {FOLDER}/forbidden"))
            .succeeds()
            .does_not_print("INTERP");
        assert_program_is_sandboxed(&ws);
    }
}

mod documentation {
    /// What stands between `# recipe` and an empty line or the end.
    fn recipes(project_file: &str) -> Vec<String> {
        let mut recipes = Vec::new();
        let mut lines = project_file.lines();
        while lines.any(|line| line.starts_with("# recipe")) {
            let recipe: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            recipes.push(recipe.join("\n"));
        }
        recipes
    }

    #[test]
    fn the_recipes_are_those_of_the_projects() {
        let page = include_str!("../docs/build-pipelines.md");
        for (file, count) in [
            (include_str!("../fixtures/projects/make/Makefile"), 1),
            (include_str!("../fixtures/projects/cmake/CMakeLists.txt"), 2),
            (include_str!("../fixtures/projects/meson/meson.build"), 1),
            (
                include_str!("../fixtures/projects/cargo/.cargo/config.toml"),
                1,
            ),
        ] {
            let recipes = recipes(file);
            assert_eq!(recipes.len(), count, "{file}");
            for recipe in recipes {
                assert!(
                    page.contains(&recipe),
                    "not in the documentation:\n{recipe}"
                );
            }
        }
    }
}
