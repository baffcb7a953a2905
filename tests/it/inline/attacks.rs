//! What whoever starts a program can do to its policy through the loader. Both
//! ways to enforce it are compared.

use crate::inline::PATCH;
use crate::support::{Signal, Workspace, library};

/// `./inline` and `./loading`, which may not call uname, and libraries of the
/// attacker's in `attack`.
fn workspace() -> Workspace {
    let ws = Workspace::with_myos("gcc");
    ws.run("cp -L $(dirname $(type -p sandbox-patch))/libsandbox.so . && mkdir attack")
        .succeeds();
    ws.run(&format!("{PATCH} -o inline myos")).succeeds();
    ws.run("sandbox-patch -q --deny uname --lib $PWD/libsandbox.so -o loading myos")
        .succeeds();
    ws.compile_as(
        "gcc -shared -fPIC -Wl,-soname,libsandbox.so",
        "empty.c",
        "attack/libsandbox.so",
    );
    let path = ws.path("libsandbox.so");
    ws.compile_as(
        &format!("gcc -shared -fPIC -Wl,-soname,{}", path.display()),
        "empty.c",
        "attack/poses.so",
    );
    ws
}

const PROGRAMS: [&str; 2] = ["./inline", "./loading"];

#[track_caller]
fn assert_holds(ws: &Workspace, program: &str, environment: &str) {
    ws.run(&format!("{environment} {program}"))
        .dies_by(Signal::SYS)
        .prints_only("");
}

#[test]
fn a_library_of_the_runtime_s_name_changes_nothing() {
    let ws = workspace();
    for program in PROGRAMS {
        for environment in [
            "LD_PRELOAD=attack/libsandbox.so",
            "LD_LIBRARY_PATH=attack",
            "LD_AUDIT=attack/libsandbox.so",
        ] {
            assert_holds(&ws, program, environment);
        }
    }
}

/// glibc takes a library with that DT_SONAME for the one that is needed.
#[test]
fn a_library_that_poses_as_the_runtime_s_very_path_deceives_the_loader_only() {
    let ws = workspace();
    let environment = "LD_PRELOAD=attack/poses.so";
    assert_holds(&ws, "./inline", environment);
    ws.run(&format!("{environment} ./loading"))
        .succeeds()
        .prints_only("My OS is Linux!\n");
}

#[test]
fn a_missing_library_keeps_only_programs_that_load_it_from_starting() {
    let ws = workspace();
    ws.run("rm libsandbox.so").succeeds();
    assert_holds(&ws, "./inline", "");
    ws.run("./loading").exits_with(127).prints_only("");
}

/// A preloaded library takes the place of the C library's start, and calls no
/// initialisers.
#[test]
fn a_library_that_starts_the_program_itself_comes_before_its_initialisers() {
    let ws = workspace();
    ws.write(
        "starts.c",
        "#include <unistd.h>\n\
         int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv)\n\
         { _exit(main(argc, argv, argv + argc + 1)); }\n",
    );
    ws.run("gcc -shared -fPIC starts.c -o attack/starts.so")
        .succeeds();
    assert_holds(&ws, "./loading", "LD_PRELOAD=attack/starts.so");
    assert_holds(&ws, "./inline", "LD_PRELOAD=attack/starts.so");
    ws.run("sandbox-patch -q --inline --from main --deny uname -o main myos")
        .succeeds();
    // Its output stays in a buffer.
    ws.run("LD_PRELOAD=attack/starts.so ./main").succeeds();
}

/// The policy of the environment comes on top.
#[test]
fn the_library_can_be_preloaded_and_leaves_the_program_s_policy_to_it() {
    let ws = workspace();
    let library = library();
    assert_holds(&ws, "./inline", &format!("LD_PRELOAD={library}"));
    let loosened = format!("LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=ptrace");
    assert_holds(&ws, "./inline", &loosened);
    ws.run("sandbox-patch -q --inline --deny ptrace -o harmless myos")
        .succeeds();
    ws.run(&format!("LD_PRELOAD={library} ./harmless"))
        .succeeds()
        .is_silent()
        .prints_only("My OS is Linux!\n");
}
