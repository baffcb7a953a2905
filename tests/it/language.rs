//! What people write in policies, and what it does to programs.

use sandbox_support::{Signal, Workspace};

fn arguments() -> Workspace {
    let ws = Workspace::new();
    ws.compile("gcc", "arguments.c");
    ws
}

#[test]
fn a_condition_permits_some_arguments_only() {
    let ws = arguments();
    ws.run("sandbox-patch --allow '@stdio:socket(domain == AF_UNIX)' ./arguments")
        .succeeds();
    ws.run("./arguments unix").prints_only("unix: Success\n");
    for forbidden in ["inet", "inet-with-more-bits", "exec"] {
        ws.run(&format!("./arguments {forbidden}"))
            .dies_by(Signal::SYS);
    }
}

#[test]
fn a_condition_denies_some_arguments_only() {
    let ws = arguments();
    for (item, permitted, denied) in [
        ("socket(domain != AF_UNIX)", "unix", "inet"),
        ("socket(domain != AF_UNIX)", "unix", "inet-with-more-bits"),
        ("ioctl(request in {TIOCSTI, TIOCLINUX})", "unix", "sti"),
        ("mmap(prot & PROT_EXEC && prot & PROT_WRITE)", "map", "exec"),
        (
            "prctl(!(option in {PR_SET_NAME, PR_GET_NAME}))",
            "name",
            "dumpable",
        ),
        ("openat(flags & O_ACCMODE != O_RDONLY)", "read", "write"),
    ] {
        ws.run(&format!(
            "sandbox-patch -q --replace --deny '{item}=errno:EBUSY' ./arguments"
        ))
        .succeeds();
        ws.run(&format!("./arguments {permitted} {denied}"))
            .prints_only(&format!(
                "{permitted}: Success\n{denied}: Device or resource busy\n"
            ));
        ws.run("sandbox-patch verify ./arguments").succeeds();
        let shown = item.replace(
            "prot & PROT_EXEC && prot & PROT_WRITE",
            "prot & PROT_EXEC != 0 && prot & PROT_WRITE != 0",
        );
        ws.run("sandbox-patch inspect ./arguments").prints(&shown);
    }
}

#[test]
fn denials_come_before_permissions_wherever_they_stand() {
    let ws = arguments();
    for lists in [
        "--allow @known --deny socket=errno:EACCES",
        "--deny socket=errno:EACCES --allow @known",
        "--allow 'socket(domain == AF_UNIX)=errno:EACCES:socket=errno:EACCES:@known'",
    ] {
        ws.run(&format!("sandbox-patch -q --replace {lists} ./arguments"))
            .succeeds();
        ws.run("./arguments unix map")
            .prints_only("unix: Permission denied\nmap: Success\n");
    }
}

#[test]
fn a_rule_that_never_decides_is_warned_of() {
    let ws = arguments();
    ws.run("sandbox-patch --allow uname:@stdio --deny uname ./arguments")
        .succeeds()
        .complains("uname=allow never decides, since uname=kill-process comes first");
}

#[test]
fn calls_of_newer_kernels_can_fail_without_harm() {
    let ws = arguments();
    ws.run("sandbox-patch -q --allow @stdio ./arguments")
        .succeeds();
    ws.run("./arguments newest").dies_by(Signal::SYS);
    ws.run("sandbox-patch -q --replace --allow @stdio --unknown errno:ENOSYS ./arguments")
        .succeeds();
    ws.run("./arguments newest")
        .prints_only("newest: Function not implemented\n");
}

#[test]
fn the_launcher_understands_the_same() {
    let ws = arguments();
    let out = "inet: Permission denied\nunix: Success\n";
    let item = "socket(domain == AF_INET)=errno:EACCES";
    ws.run(&format!("sandboxify --deny '{item}' ./arguments inet unix"))
        .prints(out);
    ws.run(&format!(
        "SECCOMP_SYSCALL_DENY='{item}' sandboxify ./arguments inet unix"
    ))
    .prints(out);
}

/// A static shell starts a program of the other kind.
#[test]
fn a_deny_list_leaves_programs_of_other_abis_alone_and_holds_for_them() {
    let ws = Workspace::new();
    ws.compile_as("i686-linux-gnu-gcc -static", "forbidden.c", "of-32-bits");
    ws.run("cp /bin/dash sh && sandbox-patch -q --deny getsid ./sh")
        .succeeds();
    ws.run("./of-32-bits 147").prints_only("passed\n");
    ws.run("./sh -c './of-32-bits 147; exit $?'")
        .exits_with(128 + 31);
    ws.run("sandbox-patch -q --replace --deny reboot ./sh")
        .succeeds();
    ws.run("./sh -c './of-32-bits 147; exit $?'").exits_with(0);
}

#[test]
fn what_is_wrong_with_an_item_is_said_in_one_line() {
    let ws = arguments();
    for (item, problem) in [
        (
            "socket(domian == 1)",
            "socket has no argument \"domian\"; it has domain, type, protocol",
        ),
        (
            "socket(domain == AF_UNIC)",
            "\"AF_UNIC\" is no known value of domain; did you mean AF_UNIX?",
        ),
        (
            "open(pathname == 7)",
            "pathname points to memory, which a filter can't read",
        ),
        ("socket(domain = 1)", "'=' is no comparison; write =="),
        ("socket(domain == 1", "the ( is never closed"),
        (
            "@netwrk-io",
            "unknown group \"@netwrk-io\"; did you mean @network-io?",
        ),
        ("read=notify", "nobody would hold the listener"),
        (
            "kill(pid == 0x100000000)",
            "does not fit pid, of which the kernel takes 32 bits",
        ),
    ] {
        ws.run(&format!("sandbox-patch --allow '{item}' ./arguments"))
            .exits_with(1)
            .complains_in_one_line(problem);
        ws.run("./arguments unix").prints("unix: Success");
    }
}

#[test]
fn what_libraries_call_instead_of_a_call_that_is_denied_in_part_is_warned_of() {
    let ws = arguments();
    let open = "clone(flags & CLONE_NEWUSER != 0) is denied, but clone3 can do nearly the same";
    let denied = "clone(flags & CLONE_NEWUSER != 0)";
    ws.run(&format!(
        "sandbox-patch --dry-run --deny '{denied}' ./arguments"
    ))
    .complains(open);
    let quiet = ws.run(&format!(
        "sandbox-patch --dry-run --deny '{denied}, clone3=errno:ENOSYS' ./arguments"
    ));
    quiet.succeeds();
    assert!(!quiet.stderr.contains("clone3 can"), "{}", quiet.stderr);
    ws.run("sandbox-patch --dry-run --deny 'open(flags & O_CREAT)' ./arguments")
        .complains("open(flags & O_CREAT != 0) is denied, but openat, openat2 can do nearly");
    ws.run("sandbox-patch --dry-run --deny 'socket(domain != AF_UNIX)' ./arguments")
        .is_silent();
}
