//! What a policy does, and where it may come from.

use crate::launcher::*;

#[test]
fn holds_for_every_kind_of_program() {
    for compiler in every_kind() {
        let ws = Workspace::with_myos(compiler);
        ws.run("sandboxify -q --deny ptrace ./myos")
            .succeeds()
            .is_silent()
            .prints_only("My OS is Linux!\n");
        ws.run("sandboxify --deny uname ./myos")
            .dies_by(Signal::SYS)
            .prints_only("")
            .is_silent();
        ws.run("sandboxify --deny uname --action errno:ENETDOWN ./myos")
            .exits_with(1)
            .complains_in_one_line("uname failed: : Network is down");
    }
}

/// In every thread.
#[test]
fn holds_for_programs_of_go() {
    let ws = Workspace::new();
    ws.compile_go(&[], "forbidden.go");
    let getppid = 110;
    ws.run(&format!(
        "sandboxify -q --deny ptrace ./forbidden {getppid}"
    ))
    .succeeds()
    .prints_only("passed\n");
    ws.run(&format!(
        "sandboxify -q --deny getppid ./forbidden {getppid}"
    ))
    .dies_by(Signal::SYS)
    .prints_only("");
    ws.run(&format!(
        "sandboxify -q --deny getppid --action errno:EPERM ./forbidden {getppid}"
    ))
    .succeeds()
    .prints_only("failed: operation not permitted\n");
}

/// What start-up needs beside the four calls of the program itself. With
/// any of them left out, the program dies.
#[test]
fn needs_what_start_up_needs() {
    let own = ["exit_group", "fstat", "uname", "write"];
    for (compiler, start) in [
        ("musl-gcc -static", "arch_prctl:set_tid_address"),
        ("musl-gcc", "arch_prctl:brk:mmap:mprotect:set_tid_address"),
        (
            "gcc -static",
            "arch_prctl:brk:getrandom:mprotect:prlimit64:readlink:rseq:set_robust_list:\
                 set_tid_address",
        ),
        (
            "gcc",
            "access:arch_prctl:brk:close:getrandom:mmap:mprotect:munmap:openat:pread64:\
                 prlimit64:read:rseq:set_robust_list:set_tid_address",
        ),
    ] {
        let ws = Workspace::with_myos(compiler);
        let start: Vec<&str> = start.split(':').collect();
        let all = [&own[..], &start[..]].concat();
        ws.run(&format!("sandboxify --allow {} ./myos", all.join(":")))
            .succeeds()
            .is_silent()
            .prints_only("My OS is Linux!\n");
        for missing in &start {
            let rest: Vec<&str> = all.iter().copied().filter(|it| it != missing).collect();
            let line = format!(
                "sandboxify --exact --allow newfstatat:writev:ioctl:{} ./myos",
                rest.join(":")
            );
            ws.run(&line).dies_by(Signal::SYS).prints_only("");
        }
    }
}

/// The shell of a static busybox has most of its tools in itself.
#[test]
fn lets_a_shell_work_that_needs_no_other_program() {
    let ws = Workspace::new();
    let script = "set -e
            mkdir folder; touch folder/file; ls folder
            printf 'c\\na\\nb\\n' | sort | tac | awk '{ print NR, $1 }'
            seq 3 | head -2 | fold -w 1 | paste - -
            expr 1 + 1; basename /a/b; dirname /a/b
            cp folder/file copy; mv copy moved; ln moved linked; chmod 640 linked
            stat -c '%a %h' moved; find folder -type f
            echo text | md5sum | cut -c 1-8; echo text | hexdump -C
            dd if=/dev/zero of=zeros bs=8 count=2 2>/dev/null; stat -c %s zeros
            env >/dev/null; uname
            realpath / ; readlink /proc/self/exe; date -u +%Z
            rm -r folder zeros moved linked
            exit 5
";
    let direct = ws.shell("busybox sh").input(script).finish();
    direct
        .exits_with(5)
        .is_silent()
        .prints("file\n1 c\n2 b\n3 a\n1\t2\n2\nb\n/a\n640 2\nfolder/file\n")
        .prints("16\n")
        .prints("UTC\n");
    ws.shell("sandboxify -q --deny execve,execveat,ptrace,mount busybox sh")
        .input(script)
        .finish()
        .exits_with(5)
        .is_silent()
        .prints_only(&direct.stdout);
    ws.run("sandboxify -q --deny execve busybox sh -c '/bin/true; echo status $?'")
        .prints_only("status 159\n");
}

#[test]
fn in_the_program_is_enough() {
    for compiler in ["gcc", "musl-gcc", "gcc -static", "musl-gcc -static"] {
        let ws = Workspace::with_myos(compiler);
        ws.run("sandbox-patch --deny uname ./myos").succeeds();
        for options in ["", "--require-policy"] {
            ws.run(&format!("sandboxify {options} ./myos"))
                .dies_by(Signal::SYS)
                .is_silent();
        }
        ws.write("script", format!("#!{}\n", ws.path("myos").display()));
        ws.run("chmod +x script; sandboxify --require-policy ./script")
            .dies_by(Signal::SYS)
            .is_silent();
    }
}

#[test]
fn in_the_program_that_is_not_sound_is_warned_of_or_refused() {
    let ws = Workspace::with_myos("gcc");
    let library = crate::support::library();
    ws.run(&format!(
            "cp {library} . && sandbox-patch -q --deny uname --lib ./libsandbox.so --allow-relative-lib myos"
        ))
        .succeeds();
    let doubt = "its own policy can't be relied on";
    ws.run("sandboxify ./myos")
        .dies_by(Signal::SYS)
        .complains_in_one_line(&format!("sandboxify: ./myos: warning: {doubt}"));
    ws.run("sandboxify --require-policy ./myos")
        .exits_with(121)
        .complains_in_one_line(&format!("sandboxify: ./myos: {doubt}"));
}

/// No policy takes another one's place.
#[test]
fn adds_to_those_that_are_there() {
    let ws = Workspace::with_myos("gcc");
    ws.run("sandbox-patch --deny uname --action errno:EPERM ./myos")
        .succeeds();
    ws.run("sandboxify -q --deny ptrace ./myos")
        .exits_with(1)
        .complains("not permitted");
    ws.run("sandboxify --deny uname ./myos")
        .dies_by(Signal::SYS);
    ws.run(
        "sandboxify -q --deny ptrace sandboxify -q --deny getpid sandboxify --deny uname ./myos",
    )
    .dies_by(Signal::SYS);
    ws.run("sandboxify -q --deny execve sandboxify -q --deny ptrace ./myos")
        .dies_by(Signal::SYS)
        .is_silent();
}

#[test]
fn that_is_missing_is_told_or_refused() {
    let ws = Workspace::with_myos("gcc -static");
    ws.run("sandboxify ./myos")
        .succeeds()
        .prints_only("My OS is Linux!\n")
        .complains_in_one_line("sandboxify: ./myos: warning: it runs without a policy");
    ws.run("sandboxify -q ./myos").succeeds().is_silent();
    ws.run("sandboxify -q --require-policy ./myos")
        .exits_with(121)
        .prints_only("")
        .complains_in_one_line("sandboxify: ./myos: there is no policy");
    ws.run("sandboxify -q sh -c 'grep -E \"NoNewPrivs|Seccomp:\" /proc/self/status'")
        .prints_only("NoNewPrivs:\t0\nSeccomp:\t0\n");
}

/// A variable that nobody filled in, say.
#[test]
fn that_denies_nothing_is_told_or_refused() {
    let ws = Workspace::with_myos("gcc -static");
    for (variable, options) in [
        ("SECCOMP_SYSCALL_DENY=", ""),
        ("SECCOMP_SYSCALL_DENY=:", ""),
        ("", "--deny ''"),
        ("", "--deny '#uname'"),
    ] {
        ws.run(&format!("{variable} sandboxify {options} ./myos"))
            .succeeds()
            .complains_in_one_line("warning: the policy denies no system call at all");
        ws.run(&format!(
            "{variable} sandboxify -q --require-policy {options} ./myos"
        ))
        .exits_with(121)
        .prints_only("")
        .complains_in_one_line("sandboxify: the policy denies no system call at all");
    }
}

#[test]
fn in_the_program_that_denies_nothing_is_told_or_refused() {
    let ws = Workspace::with_myos("gcc -static");
    ws.run("sandbox-patch -q --deny '' ./myos").succeeds();
    let reason = "its own policy can't be relied on: the policy denies no system call at all";
    ws.run("sandboxify ./myos")
        .succeeds()
        .complains_in_one_line(&format!("./myos: warning: {reason}"));
    ws.run("sandboxify -q --require-policy ./myos")
        .exits_with(121)
        .complains_in_one_line(&format!("./myos: {reason}"));
}

/// `by_number NR A B C` on i386: socketcall is 102, ipc 117, socket 359. ipc(2)
/// is called in version 1 as well.
#[test]
fn that_denies_a_call_also_denies_it_by_a_multiplexer() {
    let ws = Workspace::new();
    ws.compile("i686-linux-gnu-gcc -nostdlib -static", "by_number.S");
    let (socket, shmget, version_1) = ("102 1 @ 0", "117 23 0 4096", 1 << 16 | 23);
    let shmget_1 = format!("117 {version_1} 0 4096");
    for call in ["359 2 1 0", socket, shmget, &shmget_1] {
        ws.run(&format!("./by_number {call}")).succeeds();
        ws.run(&format!(
            "sandboxify -q --deny socket:shmget ./by_number {call}"
        ))
        .dies_by(Signal::SYS);
        ws.run(&format!(
            "sandboxify -q --deny bind:shmat ./by_number {call}"
        ))
        .succeeds();
        ws.run(&format!(
            "sandboxify -q --allow socket:shmget:exit ./by_number {call}"
        ))
        .succeeds();
        ws.run(&format!(
            "sandboxify -q --allow bind:shmat:exit ./by_number {call}"
        ))
        .dies_by(Signal::SYS);
    }
}

/// On i386: chown 182 and chown32 212, setuid 23 and setuid32 213, stat 106,
/// oldstat 18 and stat64 195, fcntl 55 and fcntl64 221.
#[test]
fn means_every_variant_of_a_call() {
    let ws = Workspace::new();
    ws.compile("i686-linux-gnu-gcc -nostdlib -static", "by_number.S");
    for (name, numbers) in [
        ("chown", [182, 212].as_slice()),
        ("setuid32", &[23, 213]),
        ("stat", &[18, 106, 195]),
        ("fcntl", &[55, 221]),
        ("uname", &[59, 109, 122]),
        ("clock_settime", &[264, 404]),
    ] {
        for number in numbers {
            ws.run(&format!(
                "sandboxify -q --deny {name} ./by_number {number} 99 99 0"
            ))
            .dies_by(Signal::SYS);
            let passed = ws.run(&format!(
                "sandboxify -q --allow {name}:exit ./by_number {number} 99 99 0"
            ));
            assert!(passed.status().is_some(), "{name}: {number}");
        }
    }
}

/// On i386 mmap, 90, gets a pointer to its arguments, and mmap2, 192, gets them
/// in registers.
#[test]
fn sees_no_arguments_behind_a_pointer() {
    let ws = Workspace::new();
    ws.compile("i686-linux-gnu-gcc -nostdlib -static", "by_number.S");
    for (call, passes) in [
        ("90 = 0 3", false),
        ("192 0 4096 3", true),
        ("192 0 4096 7", false),
    ] {
        let outcome = ws.run(&format!(
            "sandboxify -q --allow brk:exit ./by_number {call}"
        ));
        if passes {
            outcome.succeeds();
        } else {
            outcome.dies_by(Signal::SYS);
        }
    }
}

/// Kernels before 5.4 took 520 for an execve.
#[test]
fn refuses_the_numbers_of_x32_without_its_bit() {
    let ws = Workspace::new();
    ws.compile("gcc -static", "forbidden.c");
    for policy in ["--deny ptrace", "--deny ptrace --action errno:EPERM"] {
        for number in [512, 520, 547] {
            ws.run(&format!("sandboxify -q {policy} ./forbidden {number}"))
                .dies_by(Signal::SYS);
        }
        for number in [511, 548] {
            ws.run(&format!("sandboxify -q {policy} ./forbidden {number}"))
                .prints_only("failed: Function not implemented\n");
        }
    }
}

/// The kernel looks at `e_machine` alone.
#[test]
fn is_for_the_architecture_that_the_kernel_takes_a_program_for() {
    let ws = Workspace::with_myos("i686-linux-gnu-gcc -static");
    let program = ws.read("myos");
    let (ei_class, ei_data, e_shentsize, e_machine) = (4, 5, 46, 18);
    for (at, value) in [
        (ei_class, 2),
        (ei_data, 2),
        (e_shentsize, 0),
        (e_machine, 6),
    ] {
        let mut odd = program.clone();
        odd[at] = value;
        ws.write("odd", odd);
        ws.run("chmod +x odd").succeeds();
        ws.run("./odd").prints_only("My OS is Linux!\n");
        ws.run("sandboxify -q --deny ptrace ./odd")
            .succeeds()
            .prints_only("My OS is Linux!\n");
        ws.run("sandboxify -q --deny uname ./odd")
            .dies_by(Signal::SYS);
    }
}

#[test]
fn that_is_wrong_starts_nothing() {
    let ws = Workspace::with_myos("gcc -static");
    ws.run("sandboxify --allow opena ./myos")
        .exits_with(121)
        .complains_in_one_line("sandboxify: unknown system call \"opena\"; did you mean openat");
    for (line, reason) in [
        (
            "sandboxify --action log ./myos",
            "give --allow, --deny or --policy",
        ),
        (
            "SECCOMP_SYSCALL_DENY=uname sandboxify --exact ./myos",
            "give --allow, --deny or --policy",
        ),
        (
            "sandboxify --allow - ./myos",
            "standard input belongs to the program",
        ),
        ("sandboxify --deny uname", "PROGRAM"),
        ("sandboxify --unknown ./myos", "--unknown"),
    ] {
        ws.assert_usage_error(line, reason);
    }
}

#[test]
fn of_which_relatives_stay_open_is_warned_of() {
    let ws = Workspace::with_myos("gcc -static");
    ws.run("sandboxify --deny execve ./myos")
        .succeeds()
        .complains_in_one_line("sandboxify: warning: execve is denied, but execveat");
    ws.run("sandboxify -q --deny execve ./myos")
        .succeeds()
        .is_silent();
}

/// Whoever asks for it: the launcher over and over, or the program itself.
#[test]
fn is_put_in_force_once() {
    const ONE_FILTER: &str = "NoNewPrivs:\t1\nSeccomp_filters:\t1\n";
    let policy = "--deny ptrace,process_vm_readv";
    let sandboxify = format!("sandboxify -q {policy}");
    for compiler in ["gcc", "musl-gcc -static"] {
        let ws = Workspace::new();
        ws.compile(compiler, "reloads.c");
        ws.run(&format!("{sandboxify} ./reloads 9"))
            .succeeds()
            .prints_only(ONE_FILTER);
        ws.run(&format!(
            "{}./reloads 9",
            format!("{sandboxify} ").repeat(40)
        ))
        .succeeds()
        .is_silent()
        .prints_only(ONE_FILTER);
        ws.run(&format!("sandbox-patch -q {policy} -o patched ./reloads"))
            .succeeds();
        ws.run(&format!("{sandboxify} ./patched 9"))
            .succeeds()
            .is_silent()
            .prints_only(ONE_FILTER);
        // Another policy, be it looser, is another filter.
        ws.run(&format!(
            "{sandboxify} sandboxify -q --deny ptrace ./reloads"
        ))
        .succeeds()
        .prints_only("NoNewPrivs:\t1\nSeccomp_filters:\t2\n");
    }
}
