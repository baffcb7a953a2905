//! From when on the policy is in force.

use crate::inline::{DYNAMIC, PATCH, STATIC};
use crate::support::{Signal, Workspace};

#[track_caller]
fn assert_begins(make: &str, from: &str, before: &str) {
    let ws = Workspace::new();
    ws.compile(make, "initialisers.c");
    ws.run("./initialisers")
        .succeeds()
        .prints_only("first\nsecond\nlast\nmain\n");
    ws.run(&format!("{PATCH} {from} ./initialisers"))
        .succeeds()
        .is_silent();
    ws.run("./initialisers")
        .dies_by(Signal::SYS)
        .prints_only(before);
}

#[test]
fn is_the_last_initialiser_where_possible() {
    for make in STATIC {
        // What patching warns of is said elsewhere.
        if make != "clang -static -fuse-ld=mold" {
            for from in ["", "--from main"] {
                assert_begins(make, from, "first\nsecond\n");
            }
        }
    }
    for make in DYNAMIC {
        assert_begins(make, "--from main", "first\nsecond\n");
    }
}

/// There a preloaded library can't pass it over.
#[test]
fn is_the_entry_point_of_dynamic_programs() {
    for make in DYNAMIC {
        assert_begins(make, "", "");
    }
}

#[test]
fn is_the_entry_point_by_request() {
    for make in ["gcc -static", "gcc -static-pie", "musl-gcc -static", "gcc"] {
        assert_begins(make, "--from entry", "");
    }
}

/// The policy is in force, though not as late as it could have been.
#[track_caller]
fn assert_falls_to_the_entry(ws: &Workspace, program: &str, why: &str, verified: i32) {
    let patched = ws.run(&format!("{PATCH} -o patched {program}"));
    let inspected = ws.run("sandbox-patch inspect patched");
    let is_dynamic = ws.run(&format!("readelf -lW {program} | grep INTERP"));
    if is_dynamic.status() == Some(0) {
        patched.succeeds();
        inspected.succeeds().prints("before its own");
    } else {
        patched
            .succeeds()
            .complains("the policy is in force from the entry point on")
            .complains(why);
        inspected
            .succeeds()
            .prints("the policy could not be put in force right before main")
            .prints(why);
    }
    ws.run("sandbox-patch verify patched").exits_with(verified);
    ws.run(&format!("{PATCH} --from main -o other {program}"))
        .exits_with(1)
        .complains_in_one_line("right before main")
        .complains(why)
        .complains("--from entry");
    assert!(!ws.path("other").exists());
}

/// Start-up code writes the function's address over whatever is in the file.
#[test]
fn is_the_entry_point_where_the_last_initialiser_is_an_indirect_function() {
    const UNKNOWN: &str = "its last initialiser is known only when it runs";
    for make in [
        "gcc -static",
        "gcc -static-pie",
        "gcc -pie",
        "clang -static -fuse-ld=mold",
        "clang -static-pie -fuse-ld=mold",
    ] {
        let ws = Workspace::new();
        ws.compile(make, "indirect_initialiser.c");
        // Of a dynamic program the loader has called resolvers before.
        let verified = i32::from(make == "gcc -pie");
        assert_falls_to_the_entry(&ws, "indirect_initialiser", UNKNOWN, verified);
        ws.run("./patched")
            .dies_by(Signal::SYS)
            .prints_only("initialised\n");
    }
}

/// These linkers lead there by code of a known address.
#[test]
fn is_the_last_initialiser_where_that_leads_to_an_indirect_function() {
    for make in [
        "gcc -static -fuse-ld=gold",
        "clang -static -fuse-ld=lld",
        "clang -static-pie -fuse-ld=lld",
    ] {
        let ws = Workspace::new();
        ws.compile(make, "indirect_initialiser.c");
        ws.run(&format!("{PATCH} --from main ./indirect_initialiser"))
            .succeeds();
        ws.run("./indirect_initialiser")
            .dies_by(Signal::SYS)
            .prints_only("initialised\n");
    }
}

#[test]
fn is_the_entry_point_where_the_last_initialiser_is_a_library_s() {
    let ws = Workspace::new();
    ws.write("library.c", "void initialise(void) {}\n");
    ws.write(
        "program.c",
        "void initialise(void);\n\
         __attribute__((section(\".init_array\"), used)) static void (*last)(void) = initialise;\n\
         int main(void) { return 0; }\n",
    );
    ws.run("gcc -shared -fPIC library.c -o liblibrary.so")
        .succeeds();
    ws.run("gcc -fPIC -pie program.c -L. -llibrary -Wl,-rpath,'$ORIGIN' -o program")
        .succeeds();
    assert_falls_to_the_entry(&ws, "program", "is known only when it runs", 0);
    ws.run("./patched").succeeds();
}

#[test]
fn is_the_entry_point_where_there_are_no_initialisers() {
    for make in [
        "gcc -static -nostdlib -nostartfiles",
        "gcc -nostdlib -nostartfiles -pie",
    ] {
        let ws = Workspace::new();
        ws.compile(make, "no_libc.c");
        assert_falls_to_the_entry(&ws, "no_libc", "it has no initialisers", 0);
        ws.run("./patched").succeeds().prints_only("started\n");
        ws.run("sandbox-patch -q --inline --deny getuid --replace ./patched")
            .succeeds();
        ws.run("./patched").dies_by(Signal::SYS).prints_only("");
    }
}

/// The policy would never be in force there.
#[test]
fn initialisers_that_nothing_calls_are_left_alone() {
    for make in [
        "gcc -DINITIALISER -static -nostdlib -nostartfiles",
        "gcc -DINITIALISER -pie -nostdlib -nostartfiles",
        "gcc -DINITIALISER -no-pie -nostartfiles",
    ] {
        println!("{make}");
        let ws = Workspace::new();
        ws.compile_as(make, "no_libc.c", "program");
        ws.run("./program").succeeds().prints_only("started\n");
        ws.assert_refused(
            "sandbox-patch --inline --from main --deny getuid ./program",
            "./program",
            "nothing in it calls its initialisers",
        );
        ws.run("sandbox-patch -q --inline --deny getuid program && ./program")
            .dies_by(Signal::SYS);
    }
}

/// The C library's start-up code is there, and never runs.
#[test]
fn is_the_entry_point_where_that_is_not_the_c_library_s() {
    for make in [
        "gcc -static",
        "gcc -static-pie",
        "musl-gcc -static",
        "gcc",
        "musl-gcc -no-pie",
    ] {
        let ws = Workspace::new();
        let make = format!("{make} -fno-stack-protector -Wl,-e,elsewhere");
        println!("{make}");
        ws.compile_as(&make, "entry_elsewhere.c", "program");
        ws.run("./program").succeeds().prints_only("started\n");
        ws.assert_refused(
            "sandbox-patch --inline --from main --deny uname ./program",
            "./program",
            "it does not begin with the start-up code of a C library",
        );
        ws.run("sandbox-patch -q --inline --deny uname program && ./program")
            .dies_by(Signal::SYS)
            .prints_only("");
    }
}
