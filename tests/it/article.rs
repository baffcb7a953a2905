//! The experiments of the article "Sandboxing in Linux with zero lines of code"
//! (Cloudflare, 2020) and of its toolkit's README, one by one, with one
//! difference: they work on the C libraries of today, and on two of them.

use crate::support::{Signal, Workspace, library};

/// The command lines of the article are to hold for both C libraries.
const COMPILERS: [&str; 2] = ["gcc", "musl-gcc"];

const LIST: &str = "exit_group:fstat:uname:write";

fn for_each_libc(story: impl Fn(&Workspace)) {
    for compiler in COMPILERS {
        story(&Workspace::with_myos(compiler));
    }
}

#[test]
fn without_a_sandbox_the_program_names_the_system() {
    for_each_libc(|ws| {
        ws.run("./myos")
            .succeeds()
            .is_silent()
            .prints_only("My OS is Linux!\n");
    });
}

#[test]
fn a_denied_uname_fails_with_the_error_that_the_action_names() {
    for_each_libc(|ws| {
        ws.run("sandbox-patch --deny uname --action errno:EPERM ./myos")
            .succeeds();
        ws.run("./myos")
            .exits_with(1)
            .prints_only("")
            .complains_in_one_line("uname failed: : Operation not permitted");
    });
}

#[test]
fn the_error_can_be_any_even_that_the_network_is_down() {
    for_each_libc(|ws| {
        ws.run("sandbox-patch --deny uname --action errno:ENETDOWN ./myos")
            .succeeds();
        ws.run("./myos")
            .exits_with(1)
            .prints_only("")
            .complains_in_one_line("uname failed: : Network is down");
    });
}

#[test]
fn an_error_can_be_given_by_number() {
    for_each_libc(|ws| {
        ws.run("sandbox-patch --deny uname --action errno:100 ./myos")
            .succeeds();
        ws.run("./myos").exits_with(1).complains("Network is down");
    });
}

#[test]
fn a_denied_uname_ends_the_program_by_default() {
    for_each_libc(|ws| {
        ws.run("sandbox-patch --deny uname ./myos").succeeds();
        ws.run("./myos")
            .dies_by(Signal::SYS)
            .prints_only("")
            .is_silent();
    });
}

#[test]
fn a_shell_reports_the_death_as_a_bad_system_call() {
    for_each_libc(|ws| {
        ws.run("sandbox-patch --deny uname ./myos").succeeds();
        ws.run("./myos; echo status $?")
            .prints("status 159")
            .complains("Bad system call");
    });
}

#[test]
fn the_four_calls_of_the_article_are_all_that_the_program_needs() {
    for_each_libc(|ws| {
        ws.run(&format!("sandbox-patch --allow {LIST} ./myos"))
            .succeeds();
        ws.run("./myos")
            .succeeds()
            .is_silent()
            .prints_only("My OS is Linux!\n");
    });
}

#[test]
fn without_uname_among_the_allowed_calls_the_program_dies() {
    for_each_libc(|ws| {
        ws.run("sandbox-patch --allow exit_group:fstat:write ./myos")
            .succeeds();
        ws.run("./myos").dies_by(Signal::SYS).prints_only("");
    });
}

#[test]
fn the_patched_program_names_the_runtime_among_its_libraries() {
    let ws = Workspace::with_myos("gcc");
    ws.run("ldd ./myos")
        .succeeds()
        .does_not_print("libsandbox.so");
    ws.run(&format!("sandbox-patch --allow {LIST} ./myos"))
        .succeeds();
    ws.run("ldd ./myos").succeeds().prints(&library());
}

#[test]
fn a_preloaded_runtime_denies_what_the_environment_says() {
    let library = library();
    for_each_libc(|ws| {
        ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=uname ./myos"
        ))
        .dies_by(Signal::SYS)
        .prints_only("")
        .complains_in_one_line("adding uname to the process seccomp filter");
    });
}

#[test]
fn a_preloaded_runtime_allows_what_the_environment_says() {
    let library = library();
    for_each_libc(|ws| {
        let outcome = ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_ALLOW={LIST} ./myos"
        ));
        outcome.succeeds().prints_only("My OS is Linux!\n");
        assert_eq!(
            outcome.stderr,
            "adding exit_group to the process seccomp filter\n\
             adding fstat to the process seccomp filter\n\
             adding uname to the process seccomp filter\n\
             adding write to the process seccomp filter\n",
        );
    });
}

#[test]
fn a_preloaded_runtime_ends_what_the_environment_does_not_allow() {
    let library = library();
    for_each_libc(|ws| {
        ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_ALLOW=exit_group:fstat:write ./myos"
        ))
        .dies_by(Signal::SYS)
        .prints_only("");
    });
}

#[test]
fn a_preloaded_runtime_without_variables_changes_nothing() {
    let library = library();
    for_each_libc(|ws| {
        ws.run(&format!("LD_PRELOAD={library} ./myos"))
            .succeeds()
            .is_silent()
            .prints_only("My OS is Linux!\n");
    });
}

#[test]
fn the_log_action_allows_everything_while_the_policy_is_being_found() {
    let library = library();
    for_each_libc(|ws| {
        ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_ALLOW='' SECCOMP_DEFAULT_ACTION=log ./myos"
        ))
        .succeeds()
        .is_silent()
        .prints_only("My OS is Linux!\n");

        ws.run("sandbox-patch --allow '' --action log ./myos")
            .succeeds();
        ws.run("./myos")
            .succeeds()
            .is_silent()
            .prints_only("My OS is Linux!\n");
    });
}

#[test]
fn a_preloaded_shell_without_execve_cannot_start_programs() {
    let library = library();
    let ws = Workspace::new();
    ws.shell(&format!(
        "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=execve bash"
    ))
    .input("echo before\nls /\necho status $?\n")
    .finish()
    .succeeds()
    .prints_only("before\nstatus 159\n")
    .complains("adding execve to the process seccomp filter")
    .complains("Bad system call");
}

#[test]
fn a_program_linked_to_the_runtime_by_patchelf_heeds_the_environment() {
    let library = library();
    for_each_libc(|ws| {
        ws.run(&format!("patchelf --add-needed {library} ./myos"))
            .succeeds();
        ws.run("./myos")
            .succeeds()
            .is_silent()
            .prints_only("My OS is Linux!\n");
        ws.run("SECCOMP_SYSCALL_DENY=uname ./myos")
            .dies_by(Signal::SYS)
            .complains_in_one_line("adding uname to the process seccomp filter");
        ws.run(&format!("SECCOMP_SYSCALL_ALLOW={LIST} ./myos"))
            .succeeds()
            .prints_only("My OS is Linux!\n")
            .complains("adding write to the process seccomp filter");
        ws.run("SECCOMP_SYSCALL_ALLOW=exit_group:fstat:write ./myos")
            .dies_by(Signal::SYS)
            .prints_only("");
    });
}

#[test]
fn proc_status_shows_that_a_filter_is_in_force() {
    let library = library();
    let ws = Workspace::new();
    ws.run("grep Seccomp: /proc/self/status")
        .succeeds()
        .prints_only("Seccomp:\t0\n");
    ws.run(&format!(
        "LD_PRELOAD={library} SECCOMP_DEFAULT_ACTION=log \
         SECCOMP_SYSCALL_ALLOW=brk:close:exit_group:fstat:futex:mmap:openat:read:rt_sigaction:sigaltstack:stat:write \
         grep Seccomp: /proc/self/status"
    ))
    .succeeds()
    .prints_only("Seccomp:\t2\n");
}

#[test]
fn the_allow_list_wins_when_the_environment_gives_both() {
    let library = library();
    for_each_libc(|ws| {
        let outcome = ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_ALLOW={LIST} SECCOMP_SYSCALL_DENY=uname ./myos"
        ));
        outcome.succeeds().prints_only("My OS is Linux!\n");
        assert_eq!(
            outcome.stderr.matches("adding uname").count(),
            1,
            "{outcome}"
        );
    });
}

#[test]
fn empty_elements_of_a_list_are_skipped() {
    let library = library();
    for_each_libc(|ws| {
        ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=::uname: ./myos"
        ))
        .dies_by(Signal::SYS)
        .complains_in_one_line("adding uname to the process seccomp filter");
    });
}

#[test]
fn an_unknown_name_in_the_environment_ends_the_program() {
    let library = library();
    for_each_libc(|ws| {
        ws.run(&format!(
            "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=unmae ./myos"
        ))
        .exits_with(121)
        .prints_only("")
        .complains("unmae");
    });
}

#[test]
fn a_default_action_other_than_log_does_not_spare_the_program() {
    let library = library();
    for_each_libc(|ws| {
        for action in ["allow", "LOG", "logs", "''"] {
            ws.run(&format!(
                "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=uname SECCOMP_DEFAULT_ACTION={action} ./myos"
            ))
            .dies_by(Signal::SYS)
            .prints_only("");
        }
    });
}

#[test]
fn the_program_does_not_see_the_variables() {
    let library = library();
    let ws = Workspace::new();
    ws.run(&format!(
        "LD_PRELOAD={library} KEPT=1 SECCOMP_SYSCALL_DENY=ptrace SECCOMP_DEFAULT_ACTION=log env"
    ))
    .succeeds()
    .prints("KEPT=1\n")
    .does_not_print("SECCOMP_");
    ws.run(&format!(
        "LD_PRELOAD={library} SECCOMP_SYSCALL_ALLOW='' SECCOMP_SYSCALL_DENY=ptrace SECCOMP_DEFAULT_ACTION=log env"
    ))
    .succeeds()
    .does_not_print("SECCOMP_");
}

#[test]
fn exact_names_leave_out_what_the_c_library_calls_in_their_place() {
    let library = library();
    let ws = Workspace::with_myos("gcc");
    let list = format!("LD_PRELOAD={library} SECCOMP_SYSCALL_ALLOW={LIST}");
    // The fstat of glibc 2.33 to 2.38 is newfstatat.
    ws.run(&format!("{list} SANDBOX_EXACT=1 ./myos"))
        .dies_by(Signal::SYS);
    ws.run(&format!("{list}:newfstatat SANDBOX_EXACT=1 ./myos"))
        .succeeds();

    ws.run(&format!("sandbox-patch --exact --allow {LIST} ./myos"))
        .succeeds();
    ws.run("./myos").dies_by(Signal::SYS);
}

/// The article's launcher, for programs that load no library.
mod the_launcher {
    use super::*;

    const STATIC: [&str; 3] = ["gcc -static", "gcc -static-pie", "musl-gcc -static"];

    #[test]
    fn does_not_change_a_program_without_variables() {
        for compiler in STATIC {
            let ws = Workspace::with_myos(compiler);
            ws.run("ldd ./myos").does_not_print("=>");
            ws.run("sandboxify ./myos")
                .succeeds()
                .prints_only("My OS is Linux!\n")
                .complains_in_one_line("without a policy");
        }
    }

    #[test]
    fn denies_a_static_program_what_the_environment_says() {
        for compiler in STATIC {
            Workspace::with_myos(compiler)
                .run("SECCOMP_SYSCALL_DENY=uname sandboxify ./myos")
                .dies_by(Signal::SYS)
                .prints_only("")
                .complains_in_one_line("adding uname to the process seccomp filter");
        }
    }

    #[test]
    fn starts_a_shell_that_cannot_start_programs() {
        let ws = Workspace::new();
        ws.shell("SECCOMP_SYSCALL_DENY=execve sandboxify bash")
            .input("echo before\nls /\necho status $?\n")
            .finish()
            .succeeds()
            .prints_only("before\nstatus 159\n")
            .complains("adding execve to the process seccomp filter")
            .complains("Bad system call");
        ws.run("SECCOMP_SYSCALL_DENY=execve sandboxify bash -c /bin/ls")
            .dies_by(Signal::SYS)
            .complains_in_one_line("adding execve to the process seccomp filter");
    }

    /// Other than a preloaded library, it is there before the dynamic loader.
    #[test]
    fn needs_the_loaders_calls_on_the_list() {
        let ws = Workspace::with_myos("gcc");
        ws.run(&format!("SECCOMP_SYSCALL_ALLOW={LIST} sandboxify ./myos"))
            .dies_by(Signal::SYS)
            .prints_only("");
        let start = "access:arch_prctl:brk:close:getrandom:mmap:mprotect:munmap:openat:pread64:\
                     prlimit64:read:rseq:set_robust_list:set_tid_address";
        ws.run(&format!(
            "SECCOMP_SYSCALL_ALLOW={LIST}:{start} sandboxify ./myos"
        ))
        .succeeds()
        .prints_only("My OS is Linux!\n");
    }
}
