//! The variables, as in the article's toolkit; more of it is in `tests/it/article.rs`.

use crate::launcher::*;

#[test]
fn counts_where_no_option_does() {
    let ws = Workspace::with_myos("gcc -static");
    ws.run("SECCOMP_SYSCALL_DENY=::uname:uname: sandboxify ./myos")
        .dies_by(Signal::SYS)
        .complains("adding uname to the process seccomp filter\nadding uname");
    ws.run("SECCOMP_SYSCALL_DENY=uname sandboxify -q ./myos")
        .dies_by(Signal::SYS)
        .is_silent();
    ws.run("SECCOMP_SYSCALL_DENY=uname sandboxify -q --deny ptrace ./myos")
        .succeeds();
    ws.run("SECCOMP_SYSCALL_DENY=uname sandboxify --deny nfsservctl ./myos")
        .succeeds()
        .complains_in_one_line("warning: SECCOMP_SYSCALL_DENY is not looked at");
}

#[test]
fn is_not_shown_to_the_program() {
    let ws = Workspace::new();
    let variables = "SECCOMP_SYSCALL_DENY=ptrace SECCOMP_DEFAULT_ACTION=log SANDBOX_EXACT=1";
    for options in ["", "--deny mount"] {
        ws.run(&format!("KEPT=1 {variables} sandboxify {options} env"))
            .succeeds()
            .prints("KEPT=1\n")
            .does_not_print("SECCOMP_")
            .does_not_print("SANDBOX_EXACT");
    }
}

#[test]
fn can_ask_for_exact_names_and_for_a_log() {
    let ws = Workspace::with_myos("musl-gcc -static");
    let list = "SECCOMP_SYSCALL_ALLOW=arch_prctl:set_tid_address:uname:write:exit_group";
    ws.run(&format!("{list} sandboxify ./myos")).succeeds();
    // musl's write is writev.
    ws.run(&format!("SANDBOX_EXACT=1 {list} sandboxify ./myos"))
        .dies_by(Signal::SYS);
    ws.run("SECCOMP_SYSCALL_ALLOW= SECCOMP_DEFAULT_ACTION=log sandboxify ./myos")
        .succeeds()
        .is_silent();
    ws.run("SECCOMP_SYSCALL_ALLOW= SECCOMP_DEFAULT_ACTION=LOG sandboxify ./myos")
        .dies_by(Signal::SYS);
}

#[test]
fn with_an_unknown_name_starts_nothing() {
    let ws = Workspace::with_myos("gcc -static");
    for name in ["unmae", "fstat64", "$'\\xff'"] {
        ws.run(&format!(
            "SECCOMP_SYSCALL_DENY=uname:{name} sandboxify -q ./myos"
        ))
        .exits_with(121)
        .prints_only("")
        .complains_in_one_line("in SECCOMP_SYSCALL_DENY; the program was not started");
    }
}
