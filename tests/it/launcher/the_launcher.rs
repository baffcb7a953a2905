//! What the launcher says and checks.

use crate::launcher::*;

#[test]
fn says_beforehand_what_keeps_the_program_from_starting() {
    let ws = Workspace::with_myos("gcc");
    ws.run("mkdir folder; mkfifo pipe; cp myos mode; chmod -x mode")
        .succeeds();
    ws.run("cp myos loader; patchelf --set-interpreter /none/ld.so loader")
        .succeeds();
    for (name, text) in [
        ("text", "echo it is a script"),
        ("empty", ""),
        ("blank", "#! \n"),
        ("long", &format!("#!/{}", "x".repeat(300))),
        ("gone", "#!/none/interpreter -x\n"),
        ("folders", "#!./folder\n"),
        ("returns", "#!/bin/sh\r\n"),
        ("round", "#!./round\n"),
    ] {
        ws.write(name, text);
        ws.run(&format!("chmod +x {name}")).succeeds();
    }
    for (program, status, reason) in [
        ("./none", 127, "there is no such file"),
        ("./none/none", 127, "there is no such file"),
        ("''", 127, "there is no such file"),
        ("./myos/none", 126, "it can't be reached: Not a directory"),
        ("./folder", 126, "it is a directory"),
        ("./pipe", 126, "it is not a regular file"),
        ("./mode", 126, "it may not be executed: Permission denied"),
        (
            "./loader",
            127,
            "its dynamic loader /none/ld.so: there is no such file",
        ),
        (
            "./text",
            126,
            "it is neither an ELF file nor begins with #!",
        ),
        (
            "./empty",
            126,
            "it is neither an ELF file nor begins with #!",
        ),
        (
            "./blank",
            126,
            "it is neither an ELF file nor begins with #!",
        ),
        (
            "./long",
            126,
            "it is neither an ELF file nor begins with #!",
        ),
        (
            "./gone",
            127,
            "its interpreter /none/interpreter: there is no such file",
        ),
        (
            "./folders",
            126,
            "its interpreter ./folder: it is a directory",
        ),
        (
            "./returns",
            127,
            "its interpreter /bin/sh\\r: there is no such file",
        ),
        (
            "./round",
            126,
            "its interpreter is a script, whose interpreter is a script",
        ),
    ] {
        // Nothing of this needs the filter's permission.
        ws.run(&format!("sandboxify --allow '' {program}"))
            .exits_with(status)
            .prints_only("")
            .complains(&format!(": {reason}"))
            .complains("sandboxify: ");
    }
}

/// The kernel may have a handler for files of any content (binfmt_misc).
#[test]
fn leaves_a_text_to_a_handler_if_there_is_one() {
    let ws = Workspace::new();
    ws.write("text", "no program\n");
    for (handlers, reason) in [
        ("", "it is neither an ELF file nor begins with #!"),
        ("handler", "it can't be started: ENOEXEC"),
    ] {
        ws.run_with_mounts(&format!(
            "chmod +x text; mount -t tmpfs tmpfs /proc/sys/fs; mkdir /proc/sys/fs/binfmt_misc; \
             (cd /proc/sys/fs/binfmt_misc; touch register status {handlers}); \
             exec sandboxify -q --deny ptrace ./text"
        ))
        .exits_with(126)
        .complains_in_one_line(&format!("sandboxify: ./text: {reason}"));
    }
}

#[test]
fn says_what_it_learns_too_late_if_it_may() {
    let ws = Workspace::with_myos("gcc -static");
    ws.write(
        "damaged",
        [&ws.read("myos")[..16], &[0xff; 100][..]].concat(),
    );
    ws.run("chmod +x damaged").succeeds();
    let complaint = "sandboxify: ./damaged: it can't be started: ENOEXEC";
    for policy in [
        "--deny ptrace",
        "--allow write",
        "--allow write,exit_group",
        "--allow '' --action log",
    ] {
        ws.run(&format!("sandboxify -q {policy} ./damaged"))
            .exits_with(126)
            .complains_in_one_line(complaint);
    }
    // Whatever the policy says about execve and exit_group.
    for policy in [
        "--allow ''",
        "--allow exit_group",
        "--deny write",
        "--deny write,execve,exit_group --action errno:EPERM",
        "--deny write,execve,exit_group --action trap",
    ] {
        ws.run(&format!("sandboxify -q {policy} ./damaged"))
            .exits_with(126)
            .prints_only("")
            .is_silent();
    }
    // No text, so that something may run it.
    ws.write("binary", "first\0line\n");
    ws.run("chmod +x binary && sandboxify -q --deny ptrace ./binary")
        .exits_with(126)
        .complains_in_one_line("sandboxify: ./binary: it can't be started: ENOEXEC");
    // Open for writing.
    ws.run("exec 3>>./myos; sandboxify -q --deny ptrace ./myos")
        .exits_with(126)
        .complains_in_one_line("sandboxify: ./myos: it can't be started: ETXTBSY");
    ws.run("sandboxify -q ./damaged")
        .exits_with(126)
        .complains_in_one_line("./damaged: it can't be started");
}

/// It trusts no filter of its parent's that answers in the kernel's place.
#[test]
fn starts_nothing_if_the_kernel_refuses() {
    let ws = Workspace::with_myos("gcc -static");
    ws.compile("gcc", "refuse_seccomp.c");
    for (refusal, reason) in [
        (
            "seccomp 1",
            "the kernel refused the filter: Operation not permitted",
        ),
        ("seccomp 38", "the kernel refused the filter"),
        ("seccomp 0", "the kernel's answer can't be trusted"),
        // The installation alone; and the secret, of which nothing is there then.
        ("seccomp:1 0", "the kernel's answer can't be trusted"),
        ("getrandom 0", "the kernel's answer can't be trusted"),
        ("prctl 22", "the kernel refused no_new_privs"),
        ("prctl 0", "the kernel's answer can't be trusted"),
    ] {
        ws.run(&format!(
            "./refuse_seccomp {refusal} sandboxify --deny uname ./myos"
        ))
        .exits_with(121)
        .prints_only("")
        .complains_in_one_line(&format!("sandboxify: ./myos: {reason}"));
    }
    // A filter for another architecture can't be asked whether it is in force.
    ws.compile_as("i686-linux-gnu-gcc -static", "myos.c", "other");
    ws.run("./refuse_seccomp seccomp 0 sandboxify --deny uname ./other")
        .exits_with(121)
        .prints_only("")
        .complains("the kernel's answer can't be trusted");
}

/// A message into a pipe that nobody reads would end it by SIGPIPE.
#[test]
fn starts_the_program_also_where_nobody_reads_its_warnings() {
    let ws = Workspace::with_myos("gcc -static");
    for line in [
        "sandboxify --deny execve ./myos",
        "sandboxify ./myos",
        "SECCOMP_SYSCALL_DENY=execve sandboxify ./myos",
    ] {
        ws.run(&format!(
            "{{ sleep 0.2; {line} >output; echo $? >status; }} 2>&1 | true; \
             while ! [ -s status ]; do sleep 0.1; done; cat output status"
        ))
        .prints_only("My OS is Linux!\n0\n");
    }
}

/// The same for a socket whose other end is closed.
#[test]
fn starts_the_program_also_where_the_other_end_of_a_socket_is_closed() {
    let ws = Workspace::with_myos("gcc -static");
    ws.write(
        "closed.py",
        "import os, signal, socket, sys\n\
         # Python ignores it, and so would what it executes.\n\
         signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n\
         near, far = socket.socketpair()\n\
         far.close()\n\
         os.dup2(near.fileno(), 2)\n\
         os.execvp(sys.argv[1], sys.argv[1:])\n",
    );
    ws.run("python3 closed.py sandboxify --deny execve ./myos")
        .succeeds()
        .prints_only("My OS is Linux!\n");
}

/// Filters of older container managers answer so for calls that they do not know.
#[test]
fn takes_a_strange_answer_about_a_file_for_none() {
    let ws = Workspace::with_myos("gcc -static");
    for error in ["EPERM", "ENOSYS"] {
        ws.run(&format!(
            "sandboxify -q --deny faccessat2 --action errno:{error} \
             sandboxify -q --deny ptrace ./myos"
        ))
        .succeeds()
        .prints_only("My OS is Linux!\n");
    }
}

#[test]
fn shows_its_help_and_version() {
    let ws = Workspace::new();
    ws.run("sandboxify --version")
        .succeeds()
        .prints("sandboxify ");
    ws.run("sandboxify --help")
        .succeeds()
        .prints("--require-policy");
    ws.run("sandboxify --help >/dev/full")
        .exits_with(1)
        .complains_in_one_line("sandboxify: standard output can't be written");
}
