//! When the policy is put in force and on whom, and that the program does not
//! run where the kernel does not let that be.

use crate::support::{Signal, Workspace, library};

const COMPILERS: [&str; 2] = ["gcc", "musl-gcc"];

mod moment {
    use super::*;

    const LIBRARIES: &str = "inner initialised\nouter initialised\n";

    /// `./program`, which needs libouter.so, which needs libinner.so; all say
    /// when they are initialised.
    fn program_with_libraries(compiler: &str) -> Workspace {
        let ws = Workspace::new();
        let place = format!("-L. -Wl,-rpath,{} -Wl,--no-as-needed", ws.root().display());
        let library = |name: &str, needs: &str| {
            ws.compile_as(
                &format!(
                    "{compiler} -shared -fPIC -DNAME=\"{name}\" -Wl,-soname,lib{name}.so {place} {needs}"
                ),
                "constructor_order.c",
                &format!("lib{name}.so"),
            );
        };
        library("inner", "");
        library("outer", "-linner");
        ws.compile_as(
            &format!("{compiler} -DNAME=\"program\" -DPROGRAM {place} -louter"),
            "constructor_order.c",
            "program",
        );
        ws
    }

    #[test]
    fn it_is_after_the_libraries_and_before_the_program() {
        for compiler in COMPILERS {
            let ws = program_with_libraries(compiler);
            ws.run("./program")
                .succeeds()
                .prints_only(&format!("{LIBRARIES}program initialised\nmain\n"));
            ws.run("sandbox-patch --deny uname ./program").succeeds();
            ws.run("./program")
                .dies_by(Signal::SYS)
                .prints_only(LIBRARIES);
        }
    }

    #[test]
    fn it_is_the_same_for_a_preloaded_runtime_under_glibc() {
        let library = library();
        let ws = program_with_libraries("gcc");
        ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=uname ./program"
        ))
        .dies_by(Signal::SYS)
        .prints_only(LIBRARIES);
    }

    #[test]
    fn the_libraries_may_do_what_the_policy_forbids_the_program() {
        for compiler in COMPILERS {
            let ws = program_with_libraries(compiler);
            ws.run("sandbox-patch --deny uname --action errno:EPERM ./program")
                .succeeds();
            // Its constructor calls uname and gives up.
            ws.run("./program").exits_with(1).prints_only(LIBRARIES);
        }
    }
}

mod threads {
    use super::*;

    const THREAD: &str = "the thread called uname\n";
    const GETUID: u32 = 102;

    /// `./forbidden` with a library that starts a thread in its constructor.
    fn program_with_thread(compiler: &str) -> Workspace {
        let ws = Workspace::new();
        ws.compile_as(
            &format!("{compiler} -shared -fPIC -pthread -Wl,-soname,libthread.so"),
            "thread_in_constructor.c",
            "libthread.so",
        );
        let place = format!("-L. -Wl,-rpath,{}", ws.root().display());
        ws.compile(
            &format!("{compiler} {place} -Wl,--no-as-needed -lthread"),
            "forbidden.c",
        );
        ws
    }

    #[test]
    fn those_that_are_older_than_the_policy_are_under_it() {
        for compiler in COMPILERS {
            let ws = program_with_thread(compiler);
            ws.run(&format!("./forbidden {GETUID}"))
                .succeeds()
                .prints(THREAD);
            ws.run("sandbox-patch --deny uname ./forbidden").succeeds();
            ws.run(&format!("./forbidden {GETUID}"))
                .dies_by(Signal::SYS)
                .does_not_print(THREAD);
        }
    }

    #[test]
    fn one_that_cannot_be_put_under_it_stops_the_program() {
        for compiler in COMPILERS {
            let ws = program_with_thread(compiler);
            ws.run("sandbox-patch --deny uname ./forbidden").succeeds();
            ws.run(&format!("FILTER=1 ./forbidden {GETUID}"))
                .exits_with(121)
                .prints_only("")
                .complains_in_one_line("thread");
        }
    }
}

mod kernel_refusal {
    use super::*;

    const EINVAL: u32 = 22;

    /// `./myos`, patched so that it may do all that it does, and what makes the
    /// kernel refuse things to it.
    fn workspace(compiler: &str) -> Workspace {
        let ws = Workspace::with_myos(compiler);
        ws.compile("gcc", "refuse_seccomp.c");
        ws
    }

    #[test]
    fn of_the_filter_stops_the_program() {
        for compiler in COMPILERS {
            let ws = workspace(compiler);
            ws.run("sandbox-patch --allow exit_group:fstat:uname:write ./myos")
                .succeeds();
            for (number, name) in [
                (1, "EPERM"),
                (EINVAL, "EINVAL"),
                (38, "ENOSYS"),
                (13, "EACCES"),
            ] {
                ws.run(&format!("./refuse_seccomp seccomp {number} ./myos"))
                    .exits_with(121)
                    .prints_only("")
                    .complains_in_one_line(name);
            }
        }
    }

    #[test]
    fn that_is_kept_from_the_program_stops_it() {
        for compiler in COMPILERS {
            let ws = workspace(compiler);
            ws.run("sandbox-patch --allow exit_group:fstat:uname:write ./myos")
                .succeeds();
            // An error number of 0 is no error to who made the call.
            ws.run("./refuse_seccomp seccomp 0 ./myos")
                .exits_with(121)
                .prints_only("")
                .complains_in_one_line("can't be trusted");
        }
    }

    #[test]
    fn of_no_new_privs_stops_the_program() {
        for compiler in COMPILERS {
            let ws = workspace(compiler);
            ws.run("sandbox-patch --allow exit_group:fstat:uname:write ./myos")
                .succeeds();
            ws.run(&format!("./refuse_seccomp prctl {EINVAL} ./myos"))
                .exits_with(121)
                .prints_only("")
                .complains_in_one_line("EINVAL");
        }
    }

    #[test]
    fn of_the_filter_stops_a_program_sandboxed_by_the_environment() {
        let library = library();
        for compiler in COMPILERS {
            let ws = workspace(compiler);
            ws.run(&format!("patchelf --add-needed {library} ./myos"))
                .succeeds();
            ws.run(&format!(
                "SECCOMP_SYSCALL_DENY=ptrace ./refuse_seccomp seccomp {EINVAL} ./myos"
            ))
            .exits_with(121)
            .prints_only("")
            .complains("EINVAL");
        }
    }

    #[test]
    fn even_of_exit_group_does_not_let_the_program_run() {
        for compiler in COMPILERS {
            let ws = workspace(compiler);
            ws.run("sandbox-patch --allow exit_group:fstat:uname:write ./myos")
                .succeeds();
            ws.run(&format!(
                "./refuse_seccomp exit_group 1 ./refuse_seccomp seccomp {EINVAL} ./myos"
            ))
            // From the instruction that x86 reserves for being undefined.
            .dies_by(Signal::ILL)
            .prints_only("");
        }
    }
}

#[test]
fn a_sandboxed_process_has_one_filter_and_cannot_gain_privileges() {
    let ws = Workspace::new();
    ws.run("cp /bin/grep . && sandbox-patch --deny ptrace ./grep")
        .succeeds();
    ws.run("./grep -E '^(NoNewPrivs|Seccomp|Seccomp_filters):' /proc/self/status")
        .succeeds()
        .prints_only("NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n");
}

#[test]
fn children_and_what_they_execute_inherit_the_policy() {
    const PTRACE: u32 = 101;
    let ws = Workspace::new();
    ws.compile("gcc", "forbidden.c");
    ws.run(&format!("./forbidden {PTRACE}"))
        .succeeds()
        .prints_only("passed\n");
    ws.run("cp /bin/bash . && sandbox-patch --deny ptrace ./bash")
        .succeeds();
    ws.run(&format!("./bash -c './forbidden {PTRACE}; echo status $?'"))
        .succeeds()
        .prints_only("status 159\n");
}
