//! The recipes of docs/build-pipelines.md: small projects, built by the real
//! tools, whose results run and are sandboxed.

use std::path::Path;

use crate::support::{Outcome, Signal, Workspace, fixture_path};

/// System call numbers of x86_64 (arch/x86/entry/syscalls/syscall_64.tbl), as
/// fixtures/forbidden.c takes them: one that the projects permit, and one that
/// they forbid.
const GETPID: &str = "39";
const GETPPID: &str = "110";

/// A copy of a project in `project`, beside it a directory `tools` with links that
/// stand for compilers, as `make install` leaves them.
fn project(name: &str, sources: &[&str]) -> Workspace {
    let ws = Workspace::new();
    let folder = fixture_path("projects").join(name);
    ws.run(&format!("cp -r {} project", folder.display()))
        .succeeds();
    for source in sources {
        ws.run(&format!("cp {} project", fixture_path(source).display()))
            .succeeds();
    }
    install_wrappers(&ws);
    ws
}

/// Links that stand for compilers, in `tools`.
fn install_wrappers(ws: &Workspace) {
    ws.run(
        "mkdir tools && for name in cc c++ gcc; do \
         ln -s $(type -p sandbox-patch) tools/sandbox-patch-$name || exit; done",
    )
    .succeeds();
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
        let before = ws.read("project/forbidden");
        build(&ws, "make").succeeds();
        assert!(ws.read("project/forbidden") == before);
        build(&ws, "touch forbidden.c && make").succeeds();
        assert_sandboxed(&ws, "project/forbidden");
    }

    #[test]
    fn a_change_of_the_policy_reaches_it_or_fails_the_build() {
        let ws = project("make", &["forbidden.c"]);
        build(&ws, "make").succeeds();
        // make does not know that a variable had another value.
        build(&ws, "make POLICY='--deny ptrace'")
            .exits_with(2)
            .complains("it does not deny ptrace; its list to deny has getppid besides");
        build(
            &ws,
            "sed -i 's/^POLICY = .*/POLICY = --deny ptrace/' Makefile && make",
        )
        .succeeds();
        ws.run("sandbox-patch verify --deny ptrace project/forbidden")
            .succeeds();
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
            // make does not know of the policy, and the gate does.
            let compiler = compiler.replace("getppid", "ptrace");
            build(
                &ws,
                &format!("SANDBOX_PATCH_OPTIONS='--deny ptrace' make CC='{compiler}' forbidden"),
            )
            .succeeds()
            .prints("up to date");
            build(&ws, "sandbox-patch verify --deny ptrace forbidden")
                .exits_with(1)
                .complains_in_one_line("it does not deny ptrace");
        }
    }

    #[test]
    fn a_static_program_is_sandboxed() {
        let ws = project("make", &["forbidden.c"]);
        build(&ws, "make LDFLAGS=-static").succeeds();
        assert_static_and_sandboxed(&ws, "project/forbidden");
    }
}

mod autoconf {
    use super::*;

    /// With a list that would be warned about.
    const LINK: &str = "sandbox-patch link --deny getppid:kexec_load";

    fn configured(compiler: &str) -> Workspace {
        let ws = project("autoconf", &["forbidden.c"]);
        build(
            &ws,
            &format!("autoconf && autoheader && ./configure -q CC='{compiler}'"),
        )
        .succeeds();
        ws
    }

    #[test]
    fn configure_finds_what_it_finds_with_the_compiler_itself() {
        let plain = configured("cc");
        let expected = String::from_utf8(plain.read("project/config.h")).expect("text");
        for found in ["HAVE_PARENT 1", "HAVE_MEMFD_CREATE 1", "HAVE_GETRANDOM 1"] {
            assert!(expected.contains(found), "{expected}");
        }
        let wrapped = configured(&format!("{LINK} -- cc"));
        let found = String::from_utf8(wrapped.read("project/config.h")).expect("text");
        assert_eq!(found, expected);
        assert_programs_can_be_chosen(&wrapped);
    }

    fn assert_programs_can_be_chosen(ws: &Workspace) {
        // The generator gets the policy of the program, unless told otherwise.
        build(ws, "make").exits_with(2).complains("table.h");
        for choice in ["--only forbidden", "--except generate", "--except \"gen*\""] {
            let line = format!("rm -f forbidden generate table.h; make CC='{LINK} {choice} -- cc'");
            build(ws, &line).succeeds();
            assert_sandboxed(ws, "project/forbidden");
            build(ws, "./generate").succeeds().prints("PARENT");
        }
    }
}

mod ccache {
    use super::*;

    /// Compiles twice, the second time from the cache, and links.
    #[track_caller]
    fn compile_twice_and_link(ws: &Workspace, variables: &str, compiler: &str) -> Outcome {
        let cc = format!("{variables} {compiler}");
        build(
            ws,
            &format!(
                "export CCACHE_DIR=$PWD/cache SANDBOX_PATCH_OPTIONS='--deny getppid'; ccache -z; \
                 {cc} -c forbidden.c && {cc} -c forbidden.c && {cc} -o forbidden forbidden.o && \
                 ccache --print-stats"
            ),
        )
    }

    #[track_caller]
    fn assert_cached(outcome: &Outcome, hits: u32) {
        let statistics = outcome.succeeds().stdout.lines();
        let count = |name: &str| {
            let mut lines = statistics.clone().filter_map(|line| line.split_once('\t'));
            lines
                .find(|(it, _)| *it == name)
                .map(|(_, count)| count.to_owned())
        };
        assert_eq!(
            count("direct_cache_hit"),
            Some(hits.to_string()),
            "{outcome}"
        );
    }

    #[test]
    fn it_stands_between_link_and_the_compiler() {
        for (variables, compiler) in [
            ("", "sandbox-patch link -- ccache cc"),
            // Where Debian has links to ccache that are named like compilers.
            ("PATH=tools:/usr/lib/ccache:$PATH", "sandbox-patch-cc"),
        ] {
            let ws = project("make", &["forbidden.c"]);
            let variables = variables.replace("tools", "$OLDPWD/tools");
            let outcome = compile_twice_and_link(&ws, &variables, compiler);
            assert_cached(&outcome, 1);
            assert_sandboxed(&ws, "project/forbidden");
        }
    }

    /// It takes sandbox-patch for the compiler, and looks at it for changes.
    #[test]
    fn in_front_it_protects_too_but_does_not_know_the_compiler() {
        let ws = project("make", &["forbidden.c"]);
        let outcome = compile_twice_and_link(&ws, "", "ccache sandbox-patch-cc");
        assert_cached(&outcome, 1);
        assert_sandboxed(&ws, "project/forbidden");
        let ws = project("make", &["forbidden.c"]);
        let outcome = compile_twice_and_link(&ws, "", "ccache sandbox-patch link -- cc");
        assert_cached(&outcome, 0);
        assert_sandboxed(&ws, "project/forbidden");
    }

    /// Only then: ccache keeps what a compiler says with the object.
    #[test]
    fn that_it_is_in_front_is_said_when_asked_for() {
        for (options, says) in [("-v", true), ("", false)] {
            let ws = project("make", &["forbidden.c"]);
            let outcome = build(
                &ws,
                &format!(
                    "export CCACHE_DIR=$PWD/cache SANDBOX_PATCH_OPTIONS='--deny getppid {options}'; \
                     ccache sandbox-patch-cc -c forbidden.c"
                ),
            );
            outcome.succeeds();
            assert_eq!(outcome.stderr.contains("-- ccache cc"), says, "{outcome}");
        }
    }

    #[test]
    fn a_command_for_it_to_put_in_front_fails_the_build() {
        for prefix in ["sandbox-patch-cc", "sandbox-patch link --deny getppid --"] {
            let ws = project("make", &["forbidden.c"]);
            let variables = format!("CCACHE_PREFIX='{prefix}'");
            let outcome = compile_twice_and_link(&ws, &variables, "ccache cc");
            assert_ne!(outcome.status(), Some(0), "{outcome}");
            assert!(!ws.path("project/forbidden").exists());
        }
    }

    #[test]
    fn such_a_command_says_why() {
        let ws = project("make", &["forbidden.c"]);
        let outcome = compile_twice_and_link(&ws, "CCACHE_PREFIX=sandbox-patch-cc", "ccache cc");
        outcome.complains("CCACHE_PREFIX can't hold sandbox-patch");
    }
}

mod go {
    use super::*;

    /// What is compiled of Go's library is kept, since that takes long.
    fn go(ws: &Workspace, line: &str) -> Outcome {
        let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/go");
        build(
            ws,
            &format!("export GOCACHE={cache} GOFLAGS=-mod=mod; {line}"),
        )
    }

    #[track_caller]
    fn assert_program_is_sandboxed(ws: &Workspace) {
        ws.run("project/forbidden")
            .succeeds()
            .prints_only("passed\n");
        ws.run("project/forbidden parent").dies_by(Signal::SYS);
        ws.run("sandbox-patch verify --deny getppid project/forbidden")
            .succeeds();
    }

    #[test]
    fn the_program_is_patched_after_linking() {
        let ws = project("go", &[]);
        let recipe = super::documentation::commands("### Go", 0);
        go(&ws, &recipe).succeeds();
        assert_program_is_sandboxed(&ws);
        // go leaves a program alone that it takes for its own.
        go(&ws, &recipe.replace("getppid", "ptrace")).succeeds();
        ws.run("sandbox-patch verify --deny ptrace project/forbidden")
            .succeeds();
    }

    #[test]
    fn the_linker_that_go_calls_can_be_wrapped_instead() {
        let ws = project("go", &[]);
        let recipe = super::documentation::commands("### Go", 1);
        go(&ws, &recipe).succeeds();
        assert_program_is_sandboxed(&ws);
    }

    /// cgo reads from a program which libraries the package needs: it is not
    /// patched, so that the runtime is not among them.
    #[test]
    fn a_package_with_c_is_sandboxed_where_the_compiler_is_wrapped() {
        let ws = project("go", &[]);
        ws.write(
            "project/main.go",
            "package main\n// #include <unistd.h>\nimport \"C\"\nimport (\"fmt\"; \"os\")\n\
             func main() { if len(os.Args) > 1 { C.getppid() }; fmt.Println(\"passed\") }\n",
        );
        go(
            &ws,
            "CC=sandbox-patch-cc SANDBOX_PATCH_OPTIONS='--deny getppid' go build -o forbidden .",
        )
        .succeeds();
        assert_program_is_sandboxed(&ws);
        ws.run("readelf -d project/forbidden | grep -c libsandbox")
            .prints_only("1\n");
    }

    /// As the documentation says.
    #[test]
    fn a_package_without_c_needs_more_than_a_wrapped_compiler() {
        let ws = project("go", &[]);
        go(
            &ws,
            "CC=sandbox-patch-cc SANDBOX_PATCH_OPTIONS='--deny getppid' go build -o forbidden .",
        )
        .succeeds();
        build(&ws, "sandbox-patch verify --deny getppid forbidden")
            .exits_with(1)
            .complains_in_one_line("it carries no sandbox policy");
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

    #[test]
    fn a_change_of_the_policy_links_them_anew() {
        for generator in GENERATORS {
            let ws = configured(generator, SHARED);
            build(&ws, "cmake --build build").succeeds();
            build(
                &ws,
                "sed -i 's/POLICY --deny getppid/POLICY --deny ptrace/' CMakeLists.txt && \
                 cmake --build build",
            )
            .succeeds();
            build(
                &ws,
                "sandbox-patch verify --deny ptrace build/forbidden build/launched",
            )
            .succeeds();
        }
    }

    /// The check in CMakeLists.txt makes the call that the policy forbids.
    #[test]
    fn the_compiler_can_be_wrapped_instead() {
        let ws = project("cmake", &["forbidden.c", "empty.c"]);
        let variables = "CC=sandbox-patch-cc SANDBOX_PATCH_OPTIONS='--deny getppid'";
        build(&ws, &format!("{variables} cmake -G Ninja -B build")).succeeds();
        build(&ws, &format!("{variables} cmake --build build")).succeeds();
        assert_sandboxed(&ws, "project/build/plain");
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
    fn its_test_is_the_gate() {
        let ws = project("meson", &["forbidden.c"]);
        build(&ws, "meson setup build && meson test -C build").succeeds();
        build(&ws, "cp build/forbidden-unpatched build/forbidden").succeeds();
        build(&ws, "meson test -C build --no-rebuild")
            .exits_with(1)
            .prints("the policy");
    }

    /// The check in meson.build makes the call that the policy forbids.
    #[test]
    fn the_compilers_can_be_wrapped_instead() {
        let ws = project("meson", &["forbidden.c"]);
        let recipe = documentation::commands("### Meson", 0);
        build(&ws, &recipe).succeeds();
        assert_sandboxed(&ws, "project/build/forbidden-unpatched");
        assert_sandboxed(&ws, "project/root/usr/local/bin/in-cpp");
    }

    #[test]
    fn a_program_of_a_compiler_that_is_not_wrapped_does_not_pass_the_gate() {
        let ws = project("meson", &["forbidden.c"]);
        let recipe = documentation::commands("### Meson", 0);
        let without = recipe.replace(" CXX=sandbox-patch-c++", "");
        assert_ne!(recipe, without);
        build(&ws, &without)
            .exits_with(1)
            .complains("in-cpp: it carries no sandbox policy");
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

    #[track_caller]
    fn assert_program_is_sandboxed(ws: &Workspace, program: &str) {
        ws.run(program).succeeds().prints_only("passed\n");
        ws.run(&format!("{program} parent")).dies_by(Signal::SYS);
        ws.run(&format!("sandbox-patch verify --deny getppid {program}"))
            .succeeds();
    }

    /// The build script makes the forbidden call, and is free to.
    #[test]
    fn the_program_is_sandboxed_and_the_build_script_is_not() {
        let ws = project("cargo", &[]);
        build(&ws, "cargo build --offline --release").succeeds();
        assert_program_is_sandboxed(&ws, "project/target/release/forbidden");
    }

    #[test]
    fn it_is_so_whatever_the_flags_and_the_target_and_when_installed() {
        let ws = project("cargo", &[]);
        build(&ws, "RUSTFLAGS=-Dwarnings cargo build --offline").succeeds();
        assert_program_is_sandboxed(&ws, "project/target/debug/forbidden");
        let target = "x86_64-unknown-linux-gnu";
        build(&ws, &format!("cargo build --offline --target {target}")).succeeds();
        assert_program_is_sandboxed(&ws, &format!("project/target/{target}/debug/forbidden"));
        build(&ws, "cargo install --offline --debug --path . --root root").succeeds();
        assert_program_is_sandboxed(&ws, "project/root/bin/forbidden");
    }

    #[test]
    fn a_variable_does_the_same_without_the_file() {
        let ws = project("cargo", &[]);
        build(
            &ws,
            "rm -r .cargo; SANDBOX_PATCH_OPTIONS='--deny getppid' \
             CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=sandbox-patch-cc \
             cargo install --offline --debug --path . --root root",
        )
        .succeeds();
        assert_program_is_sandboxed(&ws, "project/root/bin/forbidden");
    }

    #[test]
    fn a_static_program_is_sandboxed() {
        let ws = project("cargo", &[]);
        let flags = "RUSTFLAGS=-Ctarget-feature=+crt-static";
        build(&ws, &format!("{flags} cargo build --offline --release")).succeeds();
        let program = "project/target/release/forbidden";
        ws.run(&format!("readelf -lW {program}"))
            .succeeds()
            .does_not_print("INTERP");
        assert_program_is_sandboxed(&ws, program);
    }
}

/// Projects of others, from Debian's archive, as their authors leave them.
mod real_projects {
    use std::time::Duration;

    use super::*;

    const POLICY: &str = "--deny ptrace:kexec_load";

    /// The source of a package, unpacked in `project`, fetched from where this
    /// machine gets its packages.
    fn source_of(package: &str) -> Workspace {
        let ws = Workspace::new();
        ws.run("mkdir -p apt/parts apt/lists/partial project")
            .succeeds();
        install_wrappers(&ws);
        let script = format!(
            "cd apt
             for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
                 [ ! -f $file ] ||
                     sed 's/^Types:.*/Types: deb-src/; s/^deb /deb-src /' $file >parts/${{file##*/}}
             done
             options=\"-q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$PWD/parts \
                 -o Dir::State::lists=$PWD/lists -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
                 -o APT::Sandbox::User=\"
             apt-get $options update
             apt-get $options source --download-only {package}
             tar --strip-components=1 -C ../project -xf *.orig.tar.[gx]z"
        );
        ws.shell(&format!("set -e; {script}"))
            .time_limit(LONG)
            .finish()
            .succeeds();
        ws
    }

    const LONG: Duration = Duration::from_secs(900);

    #[track_caller]
    fn build_slowly(ws: &Workspace, line: &str) -> Outcome {
        ws.shell(&format!(
            "export PATH=$PWD/tools:$PATH; cd project && {line}"
        ))
        .time_limit(LONG)
        .finish()
    }

    /// Its library of functions is compiled by a program of its own, fbc.
    #[test]
    #[ignore = "long: configures and builds bc"]
    fn bc_whose_generator_is_left_alone() {
        let ws = source_of("bc");
        build_slowly(
            &ws,
            "mkdir ../plain && cd ../plain && ../project/configure -q CC=cc",
        )
        .succeeds();
        let wrapper = format!("sandbox-patch link --only bc dc {POLICY} -- cc");
        build_slowly(&ws, &format!("./configure -q CC='{wrapper}'")).succeeds();
        assert_eq!(ws.read("project/config.h"), ws.read("plain/config.h"));
        for folder in ["lib", "bc", "dc"] {
            build_slowly(&ws, &format!("make -C {folder}")).succeeds();
        }
        build(&ws, &format!("sandbox-patch verify {POLICY} bc/bc dc/dc")).succeeds();
        build(&ws, "sandbox-patch verify bc/fbc").exits_with(1);
        build(&ws, "echo '2^64' | bc/bc").prints_only("18446744073709551616\n");
    }

    #[test]
    #[ignore = "long: builds Lua"]
    fn lua_by_the_makefile_that_it_has() {
        let ws = source_of("lua5.4");
        let options = format!("SANDBOX_PATCH_OPTIONS='{POLICY}'");
        build_slowly(
            &ws,
            &format!("{options} make -C src linux CC='sandbox-patch-gcc -std=gnu99'"),
        )
        .succeeds();
        build(
            &ws,
            &format!("sandbox-patch verify {POLICY} src/lua src/luac"),
        )
        .succeeds();
        build(&ws, "src/lua -e 'print(6 * 7)'").prints_only("42\n");
    }

    /// By libtool, which links programs under other names than they get.
    #[test]
    #[ignore = "long: configures and builds XZ"]
    fn xz_whose_programs_are_installed() {
        let ws = source_of("xz-utils");
        let configure = "configure -q --disable-doc --disable-nls --disable-scripts";
        build_slowly(
            &ws,
            &format!("mkdir ../plain && cd ../plain && ../project/{configure} CC=cc"),
        )
        .succeeds();
        let wrapper = format!("sandbox-patch link {POLICY} -- cc");
        build_slowly(&ws, &format!("./{configure} CC='{wrapper}'")).succeeds();
        assert_eq!(ws.read("project/config.h"), ws.read("plain/config.h"));
        build_slowly(&ws, "make -s && make -s install DESTDIR=$PWD/root").succeeds();
        build(&ws, &format!("sandbox-patch verify -r {POLICY} root")).succeeds();
        build(
            &ws,
            "export LD_LIBRARY_PATH=$PWD/root/usr/local/lib; echo text | root/usr/local/bin/xz | \
             root/usr/local/bin/xz -d",
        )
        .prints_only("text\n");
    }
}

mod documentation {
    const PAGE: &str = include_str!("../../docs/build-pipelines.md");

    /// The commands for a shell in a section, of which there are several.
    pub(crate) fn commands(heading: &str, index: usize) -> String {
        let section = PAGE
            .split_once(&format!("{heading}\n"))
            .expect("the section")
            .1;
        let section = section.split("\n#").next().expect("its text");
        let mut blocks = section.split("```sh\n").skip(1);
        let block = blocks.nth(index).expect("commands");
        let lines = block.split("```").next().expect("the end of the block");
        format!("set -e; {lines}")
    }

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
        for (file, count) in [
            (include_str!("../../fixtures/projects/make/Makefile"), 1),
            (
                include_str!("../../fixtures/projects/cmake/CMakeLists.txt"),
                2,
            ),
            (include_str!("../../fixtures/projects/meson/meson.build"), 1),
            (
                include_str!("../../fixtures/projects/cargo/.cargo/config.toml"),
                1,
            ),
        ] {
            let recipes = recipes(file);
            assert_eq!(recipes.len(), count, "{file}");
            for recipe in recipes {
                assert!(
                    PAGE.contains(&recipe),
                    "not in the documentation:\n{recipe}"
                );
            }
        }
    }
}
