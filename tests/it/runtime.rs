//! What `libsandbox.so` does in a patched program when all is not well: the
//! program does not run, and one line says why.

use crate::support::{Kind, Outcome, PatchedFile, Signal, Workspace, as_root, library};

const COMPILERS: [&str; 2] = ["gcc", "musl-gcc"];

const LINE: &str = "My OS is Linux!\n";

/// Runs the story with `./myos` patched by these options, for each C library.
fn for_each_patched(options: &str, story: impl Fn(&Workspace)) {
    for compiler in COMPILERS {
        let ws = Workspace::with_myos(compiler);
        ws.run(&format!("sandbox-patch {options} ./myos"))
            .succeeds();
        story(&ws);
    }
}

/// The program was stopped by the runtime, which says why in one line.
#[track_caller]
fn assert_refused(outcome: &Outcome, reason: &str) {
    outcome
        .exits_with(121)
        .prints_only("")
        .complains_in_one_line(reason);
}

/// Damages the notes of an allowed program and checks that it is refused.
fn assert_damage_is_refused(reason: &str, damage: impl Fn(PatchedFile) -> PatchedFile) {
    for_each_patched("--allow exit_group:fstat:uname:write", |ws| {
        ws.run("./myos").succeeds();
        damage(PatchedFile::open(&ws.path("myos"))).save();
        assert_refused(&ws.run("./myos"), reason);
    });
}

mod damaged_notes {
    use super::*;

    #[test]
    fn a_program_whose_notes_are_gone_does_not_run() {
        assert_damage_is_refused("note", PatchedFile::hide_segment);
    }

    #[test]
    fn notes_that_end_too_early_are_refused() {
        assert_damage_is_refused("is truncated", |file| {
            file.end_segment_within(Kind::Restriction)
        });
    }

    #[test]
    fn a_note_larger_than_its_segment_is_refused() {
        assert_damage_is_refused("is truncated", |file| {
            file.set_size(Kind::Restriction, 0x7fff_fff0)
        });
    }

    #[test]
    fn a_note_whose_size_would_wrap_around_is_refused() {
        // As the first note, it hides all.
        assert_damage_is_refused("notes are gone", |file| {
            file.set_size(Kind::Policy, u32::MAX)
        });
    }

    #[test]
    fn a_second_policy_is_refused() {
        assert_damage_is_refused("is there twice", |file| {
            file.set_kind(Kind::Header, Kind::Policy as u32)
        });
    }

    #[test]
    fn a_note_of_unknown_type_is_refused() {
        assert_damage_is_refused("is of an unknown type", |file| {
            file.set_kind(Kind::Policy, 99)
        });
    }

    #[test]
    fn each_note_is_missed() {
        for kind in [Kind::Policy, Kind::Header, Kind::Restriction] {
            assert_damage_is_refused("lacks its policy or a restriction", |file| {
                file.disown(kind)
            });
        }
    }

    #[test]
    fn notes_of_earlier_and_later_versions_are_refused() {
        for version in [1, 3] {
            assert_damage_is_refused("is of an unknown version", |file| {
                file.set_word(Kind::Header, 0, version).seal()
            });
        }
    }

    #[test]
    fn unknown_flags_are_refused() {
        for flags in [2, 0x8000_0000] {
            assert_damage_is_refused("has unknown flags", |file| {
                file.set_word(Kind::Header, 4, flags).seal()
            });
        }
        // Of the restriction, and of seccomp(2).
        for (offset, flags) in [(4, 1), (4, 2), (12, 1), (12, 4)] {
            assert_damage_is_refused("has unknown flags", |file| {
                file.set_word(Kind::Restriction, offset, flags).seal()
            });
        }
    }

    #[test]
    fn a_restriction_of_a_later_version_is_refused_unless_it_may_be_passed_over() {
        let damage = |file: PatchedFile| file.set_word(Kind::Restriction, 0, 2);
        assert_damage_is_refused(
            "has a restriction that this version does not know",
            |file| damage(file).seal(),
        );
        // Passed over, and then there is none.
        assert_damage_is_refused("lacks its policy or a restriction", |file| {
            damage(file).set_word(Kind::Restriction, 4, 1).seal()
        });
    }

    #[test]
    fn a_filter_for_another_architecture_is_refused() {
        const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;
        assert_damage_is_refused("architecture", |file| {
            file.set_word(Kind::Restriction, 8, AUDIT_ARCH_AARCH64)
                .seal()
        });
    }

    #[test]
    fn another_number_of_restrictions_is_refused() {
        for count in [0, 2, u32::MAX] {
            assert_damage_is_refused("lacks its policy or a restriction", |file| {
                file.set_word(Kind::Header, 8, count).seal()
            });
        }
    }

    #[test]
    fn a_filter_of_impossible_length_is_refused() {
        assert_damage_is_refused("impossible length", |file| {
            file.set_size(Kind::Restriction, 24).seal()
        });
    }

    /// lld leaves no room in the dynamic section, so that it moves to pages of its own.
    #[test]
    fn only_whole_pages_of_the_program_become_read_only() {
        const ADDRESS: usize = 24;
        const SIZE: usize = 32;
        let ws = Workspace::with_myos("clang -fuse-ld=lld");
        ws.run("sandbox-patch -q --deny ptrace ./myos && cp myos patched && ./myos")
            .succeeds();
        for (offset, added) in [
            (ADDRESS, 8),
            (SIZE, 8),
            (ADDRESS, 0x10_0000),
            (SIZE, 0x10_0000),
        ] {
            ws.run("cp patched myos").succeeds();
            let file = PatchedFile::open(&ws.path("myos"));
            let word = file.word(Kind::Header, offset);
            assert_ne!(word, 0, "it has moved");
            file.set_word(Kind::Header, offset, word + added)
                .seal()
                .save();
            assert_refused(&ws.run("./myos"), "misplaces the dynamic section");
        }
    }

    /// What runs before the policy is in force, the constructors of libraries, could change
    /// them.
    #[test]
    fn notes_that_can_be_written_are_refused() {
        assert_damage_is_refused("is in writable memory", PatchedFile::make_segment_writable);
    }

    #[test]
    fn a_changed_policy_does_not_go_with_the_filter() {
        assert_damage_is_refused("does not match its digest", |file| {
            file.flip_last_byte(Kind::Policy)
        });
    }

    #[test]
    fn a_changed_hash_does_not_go_with_the_policy() {
        assert_damage_is_refused("does not match its digest", |file| {
            let word = file.word(Kind::Header, 16);
            file.set_word(Kind::Header, 16, !word)
        });
    }

    #[test]
    fn a_changed_instruction_does_not_go_with_the_hash() {
        // Both accepted by the kernel: an instruction's constant, and the
        // architecture that the filter claims to be for.
        for offset in [28, 8] {
            assert_damage_is_refused("does not match its digest", |file| {
                let word = file.word(Kind::Restriction, offset);
                file.set_word(Kind::Restriction, offset, word ^ 1)
            });
        }
    }

    /// Nobody would enforce the policy: the program has only the library.
    #[test]
    fn a_filter_for_a_runtime_inside_the_program_stops_one_that_loads_the_library() {
        const INLINE: u32 = 1;
        assert_damage_is_refused("is for a runtime inside the program", |file| {
            file.set_word(Kind::Header, 4, INLINE).seal()
        });
    }

    #[test]
    fn a_filter_that_the_kernel_refuses_stops_the_program() {
        // An operation that no BPF program knows.
        assert_damage_is_refused("EINVAL", |file| {
            file.set_word(Kind::Restriction, 24, 0xffff).seal()
        });
    }
}

mod environment {
    use super::*;

    /// Everything in the environment that might loosen a policy.
    const LOOSE: &str = "SECCOMP_SYSCALL_ALLOW=exit_group:fstat:uname:write:newfstatat \
                         SECCOMP_DEFAULT_ACTION=log SANDBOX_EXACT=0";

    #[test]
    fn it_does_not_loosen_an_embedded_policy() {
        for_each_patched("--deny uname", |ws| {
            ws.run(&format!("{LOOSE} ./myos"))
                .dies_by(Signal::SYS)
                .prints_only("")
                .is_silent();
            ws.run("SECCOMP_SYSCALL_DENY='' ./myos")
                .dies_by(Signal::SYS)
                .is_silent();
        });
    }

    #[test]
    fn it_does_not_tighten_an_embedded_policy_either() {
        for_each_patched("--deny ptrace", |ws| {
            ws.run("SECCOMP_SYSCALL_DENY=uname ./myos")
                .succeeds()
                .is_silent()
                .prints_only(LINE);
        });
    }

    #[test]
    fn preloading_the_runtime_changes_nothing_for_a_patched_program() {
        let library = library();
        for_each_patched("--allow exit_group:fstat:uname:write", |ws| {
            ws.run(&format!("LD_PRELOAD={library} ./myos"))
                .succeeds()
                .is_silent()
                .prints_only(LINE);
        });
        for_each_patched("--deny uname", |ws| {
            ws.run(&format!("LD_PRELOAD={library} {LOOSE} ./myos"))
                .dies_by(Signal::SYS)
                .prints_only("")
                .is_silent();
        });
    }

    #[test]
    fn preloading_a_copy_of_the_runtime_does_not_loosen_the_policy() {
        let library = library();
        for_each_patched("--deny uname", |ws| {
            ws.run(&format!("cp {library} copy.so")).succeeds();
            ws.run(&format!("LD_PRELOAD=$PWD/copy.so {LOOSE} ./myos"))
                .dies_by(Signal::SYS)
                .prints_only("");
        });
    }

    #[test]
    fn a_library_path_does_not_divert_the_runtime() {
        let library = library();
        let name = library.rsplit('/').next().expect("a path").to_owned();
        for_each_patched("--deny uname", |ws| {
            ws.compile_as("gcc -shared -fPIC", "empty.c", &name);
            ws.run("LD_LIBRARY_PATH=$PWD ./myos")
                .dies_by(Signal::SYS)
                .prints_only("");
        });
    }
}

mod environment_mode {
    use super::*;

    /// clock_gettime, which the vDSO answers on most hosts: every allow-list permits it
    /// unless it is exact, and no deny-list forbids it.
    #[test]
    fn what_the_vdso_answers_is_added_to_lists_that_permit() {
        const CLOCK_GETTIME: &str = "228";
        let library = library();
        let needed = "exit_group:write:fstat:brk:getrandom:lseek:ioctl";
        for compiler in COMPILERS {
            let ws = Workspace::new();
            ws.compile(compiler, "forbidden.c");
            let run = |variables: &str| {
                ws.run(&format!(
                    "LD_PRELOAD={library} {variables} ./forbidden {CLOCK_GETTIME}"
                ))
            };
            run("SECCOMP_SYSCALL_DENY=uname").succeeds();
            let allow = format!("SECCOMP_SYSCALL_ALLOW={needed}");
            run(&allow).succeeds();
            let exact = format!("{allow}:newfstatat:writev SANDBOX_EXACT=1");
            run(&exact).dies_by(Signal::SYS);
        }
    }

    #[test]
    fn a_name_may_be_given_any_number_of_times() {
        let list = "exit_group:fstat:uname:write:".repeat(1000);
        let library = library();
        for compiler in COMPILERS {
            let ws = Workspace::with_myos(compiler);
            ws.shell(&format!(
                "LD_PRELOAD={library} SECCOMP_SYSCALL_ALLOW=$LIST ./myos"
            ))
            .env("LIST", &list)
            .finish()
            .succeeds()
            .prints_only(LINE);
        }
    }

    #[test]
    fn groups_are_understood_as_far_as_they_have_no_conditions() {
        let library = library();
        for compiler in COMPILERS {
            let ws = Workspace::with_myos(compiler);
            let run = |variables: &str| ws.run(&format!("LD_PRELOAD={library} {variables} ./myos"));
            for allowed in [
                "@known",
                "@system-service",
                "@default:@basic-io:@file-system:uname:ioctl",
                "@vminfo:@exec:exit_group:fstat:uname:write",
            ] {
                let groups = allowed
                    .split(':')
                    .map(|name| format!("adding {name} to the process seccomp filter\n"));
                run(&format!("SECCOMP_SYSCALL_ALLOW={allowed}"))
                    .succeeds()
                    .prints_only(LINE)
                    .complains(&groups.collect::<String>());
            }
            run("SECCOMP_SYSCALL_ALLOW=@default:@basic-io:@file-system").dies_by(Signal::SYS);
            run("SECCOMP_SYSCALL_DENY=@reboot:@system-service").dies_by(Signal::SYS);
            run("SECCOMP_SYSCALL_DENY=@reboot:@clock").succeeds();
            for (list, problem) in [
                ("@reboo", "unknown group \"@reboo\" in SECCOMP_SYSCALL_DENY"),
                ("@", "unknown group \"@\" in SECCOMP_SYSCALL_DENY"),
                (
                    "@stdio",
                    "conditions on arguments, which only sandboxify reads, are in group \"@stdio\" \
                     in SECCOMP_SYSCALL_DENY; the program was not started",
                ),
            ] {
                run(&format!("SECCOMP_SYSCALL_DENY=uname:{list}"))
                    .exits_with(121)
                    .complains(problem);
            }
        }
    }

    #[test]
    fn a_message_holds_nothing_that_a_terminal_would_act_on() {
        let library = library();
        for compiler in COMPILERS {
            let ws = Workspace::with_myos(compiler);
            // Bytes for CSI, in one byte and in two, and DEL.
            ws.run(&format!(
                "LD_PRELOAD={library} SECCOMP_SYSCALL_DENY=$'\\x9b1m\\e[2m\\x7f' ./myos"
            ))
            .exits_with(121)
            .complains_in_one_line("unknown system call \"?1m?[2m?\"");
        }
    }

    #[test]
    fn it_works_when_the_loader_is_called_by_hand() {
        let library = library();
        let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"];
        for (compiler, loader) in COMPILERS.into_iter().zip(loaders) {
            let ws = Workspace::with_myos(compiler);
            ws.run(&format!(
                "SECCOMP_SYSCALL_DENY=uname {loader} --preload {library} ./myos"
            ))
            .dies_by(Signal::SYS);
            ws.run(&format!("{loader} --preload {library} ./myos"))
                .succeeds()
                .is_silent()
                .prints_only(LINE);
        }
    }
}

mod loading {
    use super::*;

    #[test]
    fn a_program_whose_runtime_is_missing_does_not_start() {
        let library = library();
        for compiler in COMPILERS {
            let ws = Workspace::with_myos(compiler);
            ws.run(&format!("cp {library} libsandbox.so")).succeeds();
            ws.run("sandbox-patch --lib $PWD/libsandbox.so --deny uname ./myos")
                .succeeds();
            ws.run("./myos").dies_by(Signal::SYS);
            ws.run("rm libsandbox.so; exec ./myos")
                .exits_with(127)
                .prints_only("")
                .complains("libsandbox.so");
        }
    }

    #[test]
    fn the_policy_holds_when_the_loader_is_called_by_hand() {
        let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"];
        for (compiler, loader) in COMPILERS.into_iter().zip(loaders) {
            for flags in ["", "-no-pie"] {
                let ws = Workspace::with_myos(&format!("{compiler} {flags}"));
                ws.run(&format!("{loader} ./myos"))
                    .succeeds()
                    .prints_only(LINE);
                ws.run("sandbox-patch --deny uname -o denied ./myos")
                    .succeeds();
                ws.run(&format!("{loader} ./denied"))
                    .dies_by(Signal::SYS)
                    .prints_only("");
                ws.run("sandbox-patch --allow exit_group:fstat:uname:write -o allowed ./myos")
                    .succeeds();
                ws.run(&format!("{loader} ./allowed"))
                    .succeeds()
                    .is_silent()
                    .prints_only(LINE);
            }
        }
    }

    #[test]
    fn the_policy_holds_in_a_chroot_without_proc() {
        let library = library();
        let ws = Workspace::with_myos("musl-gcc");
        // Where the program finds its loader and its runtime in there.
        ws.run("mkdir -p root/lib && cp -L /lib/ld-musl-x86_64.so.1 root/lib/")
            .succeeds();
        ws.run(&format!("cp {library} root/lib/")).succeeds();
        let patch = "sandbox-patch --lib /lib/libsandbox.so";
        ws.run(&format!("{patch} --deny uname -o root/denied ./myos"))
            .succeeds();
        ws.run(&format!(
            "{patch} --allow exit_group:fstat:uname:write -o root/allowed ./myos"
        ))
        .succeeds();
        let chroot = format!("{}chroot root", as_root());
        ws.run(&format!("{chroot} /denied")).dies_by(Signal::SYS);
        ws.run(&format!("{chroot} /allowed"))
            .succeeds()
            .is_silent()
            .prints_only(LINE);
    }
}

mod secure_execution {
    use super::*;

    /// Owner of the set-user-ID program, and who runs it: neither is root.
    const OWNER: u32 = 1;
    const CALLER: u32 = 65534;

    /// Makes `./myos` set-user-ID, and returns a command prefix that runs a
    /// program as someone else.
    fn become_setuid(ws: &Workspace) -> String {
        let root = as_root();
        ws.run(&format!(
            "{root}chown {OWNER} myos && {root}chmod 4755 myos"
        ))
        .succeeds();
        format!("{root}setpriv --reuid {CALLER} --regid {CALLER} --clear-groups ")
    }

    #[test]
    fn the_environment_is_ignored() {
        let library = library();
        for compiler in COMPILERS {
            let ws = Workspace::with_myos(compiler);
            // The caller may have no access to the target folder.
            ws.run(&format!("cp {library} libsandbox.so")).succeeds();
            ws.run("patchelf --add-needed $PWD/libsandbox.so ./myos")
                .succeeds();
            ws.run("SECCOMP_SYSCALL_DENY=uname ./myos")
                .dies_by(Signal::SYS);
            let as_caller = become_setuid(&ws);
            ws.run(&format!("{as_caller}env SECCOMP_SYSCALL_DENY=uname ./myos"))
                .succeeds()
                .is_silent()
                .prints_only(LINE);
        }
    }

    /// Where whoever starts a program is trusted with that, a filter of theirs can
    /// claim that the program's own is in force.
    #[test]
    fn nobody_is_asked_whether_the_policy_is_in_force() {
        let library = library();
        for (compiler, options) in [
            ("gcc", "--lib $PWD/libsandbox.so"),
            ("musl-gcc", "--lib $PWD/libsandbox.so"),
            ("gcc", "--inline"),
            ("gcc -static", ""),
            ("gcc -static", "--from entry"),
            ("musl-gcc -static", ""),
        ] {
            let ws = Workspace::with_myos(compiler);
            ws.compile("gcc", "refuse_seccomp.c");
            ws.run(&format!("cp {library} libsandbox.so")).succeeds();
            ws.run(&format!("sandbox-patch -q {options} --deny uname ./myos"))
                .succeeds();
            let pretend = "./refuse_seccomp seccomp:0x73627831 2871 \
                           ./refuse_seccomp seccomp:0x73627832 2872";
            ws.run(&format!("{pretend} ./myos"))
                .succeeds()
                .prints_only(LINE);
            let as_caller = become_setuid(&ws);
            ws.run(&format!("{}{pretend} {as_caller} ./myos", as_root()))
                .dies_by(Signal::SYS)
                .prints_only("");
        }
    }

    #[test]
    fn an_embedded_policy_holds() {
        let library = library();
        for compiler in COMPILERS {
            let ws = Workspace::with_myos(compiler);
            ws.run(&format!("cp {library} libsandbox.so")).succeeds();
            ws.run("sandbox-patch --lib $PWD/libsandbox.so --deny uname ./myos")
                .succeeds();
            let as_caller = become_setuid(&ws);
            ws.run(&format!("{as_caller}./myos"))
                .dies_by(Signal::SYS)
                .prints_only("");
        }
    }
}

mod reloading {
    use super::*;

    /// What loading takes, and what a daemon that reloads is permitted besides.
    const LIST: &str = "execve:openat:write:close:fstat:exit_group:access:arch_prctl:brk:\
                        getrandom:mmap:mprotect:munmap:pread64:prlimit64:read:rseq:\
                        set_robust_list:set_tid_address:accept4:bind:chdir:clone3:\
                        epoll_create:epoll_ctl:epoll_wait:fcntl:futex:getpeername:getpid:\
                        ioctl:listen:lseek:pipe2:poll:rename:setsockopt:socket:socketpair:\
                        unlink:wait4:kill:getuid:geteuid:setuid:setgid:setgroups:\
                        rt_sigaction:rt_sigprocmask:madvise:sendto:recvfrom:sendmsg:recvmsg:\
                        getsockname:uname:sysinfo:getdents64:chmod:chown:dup2:nanosleep:\
                        readlink:readlinkat";

    /// More than the kernel has room for, in instructions of such filters.
    const RELOADS: u32 = 400;

    /// Compilers, and how the runtime gets into the process.
    const KINDS: [(&str, &str); 9] = [
        ("gcc", ""),
        ("musl-gcc", ""),
        ("gcc", "--inline"),
        ("gcc", "--inline --from main"),
        ("musl-gcc", "--inline"),
        ("musl-gcc", "--inline --from main"),
        ("gcc -static", ""),
        ("gcc -static-pie", "--from entry"),
        ("musl-gcc -static", ""),
    ];

    const ONE_FILTER: &str = "NoNewPrivs:\t1\nSeccomp_filters:\t1\n";

    #[test]
    fn a_program_that_executes_itself_gets_its_filter_once() {
        for (compiler, options) in KINDS {
            let ws = Workspace::new();
            ws.compile(compiler, "reloads.c");
            for more in ["", ":prctl:seccomp"] {
                ws.run(&format!(
                    "sandbox-patch -q {options} --allow {LIST}{more} -o patched ./reloads"
                ))
                .succeeds();
                ws.run(&format!("./patched {RELOADS}"))
                    .succeeds()
                    .is_silent()
                    .prints_only(ONE_FILTER);
            }
        }
    }

    #[test]
    fn whatever_the_policy_has_for_the_question() {
        for (compiler, options) in KINDS {
            let ws = Workspace::new();
            ws.compile(compiler, "reloads.c");
            for policy in [
                "--deny ptrace,process_vm_readv",
                "--deny seccomp,prctl",
                "--deny seccomp --action errno:2871",
                "--deny seccomp --action errno:2872",
                "--deny seccomp --action trap",
                "--deny seccomp --action log",
            ] {
                ws.run(&format!(
                    "sandbox-patch -q {options} {policy} -o patched ./reloads"
                ))
                .succeeds();
                ws.run("./patched 9")
                    .succeeds()
                    .is_silent()
                    .prints_only(ONE_FILTER);
            }
        }
    }

    /// An outer filter may fail all calls with one error, also with one of those by
    /// which a filter says that it is in force.
    #[test]
    fn one_error_for_all_questions_is_no_answer() {
        for (compiler, options) in KINDS {
            let ws = Workspace::with_myos(compiler);
            ws.run(&format!("sandbox-patch -q {options} --deny uname ./myos"))
                .succeeds();
            ws.compile("gcc", "refuse_seccomp.c");
            for errno in [2871, 2872] {
                let refuse =
                    |operation: &str| format!("./refuse_seccomp seccomp:{operation} {errno}");
                let questions = [refuse("0x73627831"), refuse("0x73627832")].join(" ");
                ws.run(&format!("{questions} ./myos"))
                    .dies_by(Signal::SYS)
                    .prints_only("");
                // Here the filter is refused with that error, too.
                ws.run(&format!("./refuse_seccomp seccomp {errno} ./myos"))
                    .exits_with(121)
                    .prints_only("")
                    .complains(&format!("the kernel refused the filter: error {errno}"));
            }
        }
    }
}

mod pretences {
    use super::*;

    const UNTRUSTED: &str = "the kernel's answer can't be trusted";

    /// 0 is no error, so that a filter claims success for the kernel.
    #[test]
    fn what_the_kernel_is_said_to_have_done_is_read_back() {
        for (compiler, options) in [
            ("gcc", ""),
            ("musl-gcc", ""),
            ("gcc", "--inline"),
            ("gcc -static", ""),
            ("musl-gcc -static", ""),
        ] {
            let ws = Workspace::with_myos(compiler);
            ws.compile("gcc", "refuse_seccomp.c");
            ws.run(&format!("sandbox-patch -q {options} --deny getppid ./myos"))
                .succeeds();
            // All calls, setting no_new_privs, asking for it, installing a filter.
            for call in ["prctl", "prctl:38", "prctl:39", "seccomp", "seccomp:1"] {
                let outcome = ws.run(&format!("./refuse_seccomp {call} 0 ./myos"));
                // Whoever is not privileged has no_new_privs with the outer filter.
                if call == "prctl:38" && outcome.stderr.is_empty() {
                    outcome.succeeds().prints_only(LINE);
                } else {
                    assert_refused(&outcome, UNTRUSTED);
                }
            }
        }
    }
}
