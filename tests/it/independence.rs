//! `libsandbox.so` relies on nothing that a program may have otherwise: programs
//! that define what it could take from the C library, that have none, or that
//! look for their own dynamic section.

use crate::support::{PatchedFile, Signal, Workspace, library};

const COMPILERS: [&str; 2] = ["gcc", "musl-gcc"];

#[test]
fn one_that_lists_its_objects_itself_is_under_its_policy() {
    for compiler in COMPILERS {
        for flags in ["", "-no-pie"] {
            let ws = Workspace::new();
            ws.compile(&format!("{compiler} {flags}"), "own_iterate_phdr.c");
            ws.run("./own_iterate_phdr").succeeds().prints("Linux");
            ws.run("sandbox-patch --deny uname ./own_iterate_phdr")
                .succeeds();
            ws.run("./own_iterate_phdr")
                .dies_by(Signal::SYS)
                .prints_only("");
        }
    }
}

#[test]
fn one_whose_library_lists_the_objects_is_under_its_policy() {
    for compiler in COMPILERS {
        let ws = Workspace::new();
        ws.compile_as(
            &format!("{compiler} -DLIBRARY -shared -fPIC -Wl,-soname,liblist.so"),
            "own_iterate_phdr.c",
            "liblist.so",
        );
        let place = format!("-L. -Wl,-rpath,{}", ws.root().display());
        ws.compile(
            &format!("{compiler} {place} -Wl,--no-as-needed -llist"),
            "myos.c",
        );
        ws.run("sandbox-patch --deny uname ./myos").succeeds();
        ws.run("./myos").dies_by(Signal::SYS).prints_only("");
    }
}

#[test]
fn one_that_is_not_patched_follows_the_environment_though_it_lists_its_objects() {
    let library = library();
    for compiler in COMPILERS {
        let ws = Workspace::new();
        ws.compile(compiler, "own_iterate_phdr.c");
        ws.run(&format!("LD_PRELOAD={library} ./own_iterate_phdr"))
            .succeeds()
            .is_silent();
        ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=uname ./own_iterate_phdr"
        ))
        .dies_by(Signal::SYS);
    }
}

#[test]
fn one_with_its_own_allocator_gets_to_prepare_it() {
    for compiler in COMPILERS {
        let ws = Workspace::new();
        ws.compile(&format!("{compiler} -fno-builtin"), "own_allocator.c");
        ws.run("sandbox-patch --deny uname ./own_allocator")
            .succeeds();
        ws.run("./own_allocator")
            .succeeds()
            .is_silent()
            .prints_only("allocated\n");
    }
}

/// An allocator that is called before that runs into nothing.
#[test]
fn one_with_its_own_allocator_is_told_what_its_list_may_lack() {
    const DOUBT: &str = "its allocator is its own, so it asks for its first memory under the \
                         policy; if it dies then, permit ";
    for compiler in COMPILERS {
        for options in ["", "--inline", "--inline --from main"] {
            let ws = Workspace::new();
            ws.compile(&format!("{compiler} -fno-builtin"), "own_allocator.c");
            for (more, missing) in [("", "brk, mmap\n"), (":brk --exact", "mmap\n")] {
                ws.run(&format!(
                    "sandbox-patch {options} --allow exit_group:write{more} -o patched \
                     ./own_allocator"
                ))
                .succeeds()
                .complains(&format!("{DOUBT}{missing}"));
                ws.run("./patched")
                    .succeeds()
                    .is_silent()
                    .prints_only("allocated\n");
            }
            for policy in ["--allow exit_group:write:brk", "--deny uname"] {
                let outcome = ws.run(&format!(
                    "sandbox-patch {options} {policy} -o patched ./own_allocator"
                ));
                outcome.succeeds();
                assert!(!outcome.stderr.contains(DOUBT), "{outcome}");
            }
        }
    }
}

#[test]
fn one_with_its_own_environ_keeps_it() {
    let library = library();
    for compiler in COMPILERS {
        let ws = Workspace::new();
        ws.compile(compiler, "own_environ.c");
        ws.run(&format!("LD_PRELOAD={library} ./own_environ"))
            .succeeds()
            .prints_only("air\n");
        ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=uname ./own_environ"
        ))
        .succeeds()
        .prints_only("air\n");
        ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=write:writev ./own_environ"
        ))
        .dies_by(Signal::SYS);
    }
}

mod without_c_library {
    use super::*;

    fn program() -> Workspace {
        let ws = Workspace::new();
        ws.compile("gcc -nostdlib -nostartfiles -fPIE -pie", "no_libc.c");
        ws.run("./no_libc").succeeds().prints_only("started\n");
        ws
    }

    #[test]
    fn the_policy_holds() {
        let ws = program();
        ws.run("sandbox-patch --allow exit_group:getuid:write -o allowed ./no_libc")
            .succeeds();
        ws.run("./allowed")
            .succeeds()
            .is_silent()
            .prints_only("started\n");
        ws.run("sandbox-patch --deny getuid -o denied ./no_libc")
            .succeeds();
        ws.run("./denied").dies_by(Signal::SYS).prints_only("");
    }

    #[test]
    fn the_environment_is_followed() {
        let library = library();
        let ws = program();
        ws.run(&format!("LD_PRELOAD={library} ./no_libc"))
            .succeeds()
            .is_silent()
            .prints_only("started\n");
        ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=getuid ./no_libc"
        ))
        .dies_by(Signal::SYS)
        .prints_only("");
    }
}

mod dynamic_section {
    use super::*;

    #[test]
    fn the_one_that_code_refers_to_is_up_to_date_and_read_only() {
        for compiler in [
            "gcc",
            "gcc -fuse-ld=lld",
            "gcc -fuse-ld=lld -no-pie",
            "clang -fuse-ld=lld",
            "clang -fuse-ld=lld -no-pie",
            "clang -fuse-ld=mold",
            "musl-gcc -fuse-ld=lld",
        ] {
            let ws = Workspace::new();
            ws.compile(compiler, "walks_dynamic.c");
            let before = ws.run("./walks_dynamic");
            before
                .succeeds()
                .prints_only("the program has a dynamic section\nr--p\n");
            ws.run("sandbox-patch --deny uname ./walks_dynamic")
                .succeeds();
            ws.run("./walks_dynamic")
                .succeeds()
                .is_silent()
                .prints_only(&before.stdout);
        }
    }

    /// Notes that are gone are noticed by what the dynamic section says.
    #[track_caller]
    fn assert_missing_notes_are_noticed(change: impl Fn(PatchedFile) -> PatchedFile) {
        for compiler in COMPILERS {
            let ws = Workspace::with_myos(compiler);
            ws.run("sandbox-patch --allow exit_group:fstat:uname:write ./myos")
                .succeeds();
            change(PatchedFile::open(&ws.path("myos"))).save();
            ws.run("./myos").succeeds();
            PatchedFile::open(&ws.path("myos")).hide_segment().save();
            ws.run("./myos")
                .exits_with(121)
                .prints_only("")
                .complains_in_one_line("notes are gone");
        }
    }

    #[test]
    fn is_read_to_its_end_whatever_size_its_header_says() {
        assert_missing_notes_are_noticed(PatchedFile::shorten_dynamic_segment);
    }

    #[test]
    fn is_the_last_one_as_for_loaders() {
        assert_missing_notes_are_noticed(PatchedFile::put_empty_dynamic_segment_first);
    }
}
