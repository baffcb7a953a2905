mod properties;

use sandbox_format::bpf::Test;

use super::*;

/// How the names of a policy are meant.
#[derive(Clone, Copy, Debug)]
enum List {
    Allow,
    Deny,
}

fn policy(list: List, names: &str) -> Policy {
    let names = names.split(':').filter(|name| !name.is_empty());
    match list {
        List::Allow => Policy::allow(names, Action::KillProcess),
        List::Deny => Policy::deny(names, Action::KillProcess),
    }
}

fn allow(names: &str) -> Policy {
    policy(List::Allow, names)
}

fn exact(names: &str) -> Policy {
    Policy {
        exact: true,
        ..allow(names)
    }
}

fn calls(resolved: &Resolved) -> Vec<(&str, u32)> {
    resolved
        .rules()
        .iter()
        .map(|rule| (rule.name.as_str(), rule.number))
        .collect()
}

fn message(policy: &Policy, arch: Arch) -> String {
    resolve(policy, arch).unwrap_err().to_string()
}

fn warnings(policy: &Policy, arch: Arch) -> Vec<String> {
    resolve(policy, arch)
        .unwrap()
        .1
        .iter()
        .map(Warning::to_string)
        .collect()
}

#[test]
fn actions_are_written_as_they_are_read() {
    for text in [
        "kill-process",
        "kill-thread",
        "trap",
        "errno:EPERM",
        "errno:ENETDOWN",
    ]
    .into_iter()
    .chain(["errno:4095", "trace", "trace:65535", "log", "allow"])
    {
        assert_eq!(text.parse::<Action>().unwrap().to_string(), text);
    }
    for (text, canonical) in [
        ("errno:1", "errno:EPERM"),
        ("errno:EWOULDBLOCK", "errno:EAGAIN"),
        ("trace:0", "trace"),
    ] {
        assert_eq!(text.parse::<Action>().unwrap().to_string(), canonical);
    }
    for text in [
        "",
        "kill",
        "errno",
        "errno:",
        "errno:0",
        "errno:4096",
        "errno:EFOO",
        "trace:x",
    ]
    .into_iter()
    .chain(["trace:65536", "log:1", "LOG", "allow:1", "notify"])
    {
        assert!(text.parse::<Action>().is_err(), "{text}");
    }
}

#[test]
fn architectures_come_from_elf_headers() {
    for (header, name) in [
        ((62, true, false, 0), Some("x86_64")),
        ((62, false, false, 0), Some("x32")),
        ((62, true, true, 0), None),
        ((3, false, false, 0), Some("x86")),
        ((183, true, false, 0), Some("aarch64")),
        ((183, false, false, 0), None),
        ((40, false, true, 0), None),
        ((243, true, false, 5), Some("riscv64")),
        ((21, true, false, 2), Some("ppc64le")),
        ((21, true, true, 1), Some("ppc64")),
        ((22, true, true, 0), Some("s390x")),
        ((8, false, true, 0x1007), Some("mips")),
        ((8, false, false, 0x27), Some("mipsel64n32")),
        ((8, true, false, 0x7), Some("mipsel64")),
        ((0xffff, true, false, 0), None),
    ] {
        let (machine, is_64, big_endian, flags) = header;
        let arch = Arch::from_elf(machine, is_64, big_endian, flags);
        assert_eq!(arch.map(Arch::name), name, "{header:?}");
    }
    for arch in Arch::all() {
        assert_eq!(Arch::from_name(arch.name()), Some(arch));
        let shared = arch == Arch::X32;
        assert_eq!(Arch::from_audit(arch.audit()) == Some(arch), !shared);
    }
}

#[test]
fn exact_policies_are_taken_literally() {
    let (resolved, warnings) =
        resolve(&exact("exit_group:fstat:uname:write"), Arch::X86_64).unwrap();
    let expected = [
        ("write", 1),
        ("fstat", 5),
        ("uname", 63),
        ("exit_group", 231),
    ];
    assert_eq!(calls(&resolved), expected);
    assert_eq!(resolved.added().count(), 0);
    assert_eq!(warnings, []);
}

#[test]
fn portable_names_widen_allow_lists() {
    let (resolved, _) = resolve(&allow("fstat:write"), Arch::X86_64).unwrap();
    let newfstatat = resolved
        .rules()
        .iter()
        .find(|rule| rule.name == "newfstatat")
        .unwrap();
    assert_eq!(newfstatat.because.as_deref(), Some("fstat"));
    assert!(!newfstatat.when.is_empty());
    assert!(resolved.added().any(|rule| rule.name == "writev"));

    let (named, _) = resolve(&allow("fstat:newfstatat"), Arch::X86_64).unwrap();
    let rules: Vec<_> = named
        .rules()
        .iter()
        .filter(|rule| rule.name == "newfstatat")
        .collect();
    assert_eq!(
        rules.len(),
        1,
        "what is named needs no conditional rule: {rules:?}"
    );
    assert!(rules[0].when.is_empty() && rules[0].because.is_none());
}

#[test]
fn deny_lists_are_literal_and_name_what_they_leave_open() {
    let policy = policy(List::Deny, "read");
    let (resolved, _) = resolve(&policy, Arch::X86_64).unwrap();
    assert_eq!(calls(&resolved), [("read", 0)]);
    let text = warnings(&policy, Arch::X86_64).join("\n");
    assert!(text.starts_with("read is denied, but "), "{text}");
    for name in ["pread64", "readv", "io_uring_enter"] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[test]
fn a_denied_call_that_is_not_here_still_has_relatives() {
    let text = warnings(&policy(List::Deny, "open"), Arch::Aarch64);
    assert_eq!(text[0], "aarch64 has no system call open; it is left out");
    assert!(
        text[1].starts_with("open is denied, but ") && text[1].contains("openat"),
        "{text:?}"
    );
}

#[test]
fn relatives_that_are_denied_too_are_not_warned_of() {
    let text = warnings(&policy(List::Deny, "read:pread64"), Arch::X86_64).join("\n");
    assert!(!text.contains("pread64,"), "{text}");
}

#[test]
fn unknown_names_are_errors_that_offer_the_nearest() {
    let text = message(&allow("opena"), Arch::X86_64);
    assert!(
        text.starts_with("unknown system call \"opena\"; did you mean openat"),
        "{text}"
    );
    let text = message(&allow("opena:frobnicate"), Arch::X86_64);
    assert!(text.contains("\"opena\" (did you mean openat"), "{text}");
    assert!(text.contains("calls \"frobnicate\","), "{text}");
    let text = message(&allow("\u{1b}[31m"), Arch::X86_64);
    assert!(!text.contains('\u{1b}'), "control characters are escaped");
}

#[test]
fn names_of_other_architectures_are_skipped_unless_exact() {
    let text = warnings(&policy(List::Deny, "socketcall:read"), Arch::X86_64);
    assert_eq!(
        text[0],
        "x86_64 has no system call socketcall; it is left out"
    );
    let text = message(&exact("socketcall"), Arch::X86_64);
    assert_eq!(text, "x86_64 has no system call socketcall");
}

#[test]
fn substitutes_stand_in_for_what_the_architecture_lacks() {
    let (resolved, warnings) = resolve(&allow("open"), Arch::Aarch64).unwrap();
    assert!(calls(&resolved).contains(&("openat", 56)), "{resolved:?}");
    let Warning::NotHere { name, instead, .. } = &warnings[0] else {
        panic!("{warnings:?}")
    };
    assert_eq!(name, "open");
    assert!(instead.contains(&"openat".to_owned()));
}

#[test]
fn a_call_is_also_what_its_multiplexer_makes_of_it() {
    let (resolved, _) = resolve(&exact("socket:shmget:recv"), Arch::X86).unwrap();
    let expected = [
        ("socketcall", 102),
        ("socketcall", 102),
        ("ipc", 117),
        ("socket", 359),
        ("shmget", 395),
    ];
    assert_eq!(calls(&resolved), expected);
    let first: Vec<_> = resolved.rules()[..3]
        .iter()
        .map(|rule| rule.when[0])
        .collect();
    let is = |mask, value| Test::equal(0, mask, value);
    assert_eq!(
        first,
        [is(0xffff_ffff, 1), is(0xffff_ffff, 10), is(0xffff, 23)]
    );
    assert_eq!(resolved.rules()[0].because.as_deref(), Some("socket"));
    let (whole, _) = resolve(&exact("socket:socketcall"), Arch::X86).unwrap();
    assert_eq!(calls(&whole), [("socketcall", 102), ("socket", 359)]);
    let (direct, _) = resolve(&exact("socket:shmget"), Arch::Aarch64).unwrap();
    assert_eq!(calls(&direct), [("shmget", 194), ("socket", 198)]);
}

#[test]
fn a_list_means_every_variant_of_its_names() {
    for list in [List::Allow, List::Deny] {
        for (name, arch, expected) in [
            ("chown", Arch::X86, ["chown", "chown32"].as_slice()),
            ("setuid32", Arch::Arm, &["setuid", "setuid32"]),
            ("stat", Arch::X86, &["oldstat", "stat", "stat64"]),
            ("fcntl", Arch::Mips, &["fcntl", "fcntl64"]),
            ("lseek", Arch::Ppc, &["lseek", "_llseek"]),
            (
                "clock_settime",
                Arch::S390,
                &["clock_settime", "clock_settime64"],
            ),
            ("sigpending", Arch::S390x, &["sigpending", "rt_sigpending"]),
            ("getrlimit", Arch::X86, &["getrlimit", "ugetrlimit"]),
            ("stat64", Arch::X86_64, &["stat"]),
            ("sync_file_range", Arch::Ppc64, &["sync_file_range2"]),
        ] {
            let (resolved, _) = resolve(&policy(list, name), arch).unwrap();
            for call in expected {
                let is_whole = |rule: &&ResolvedRule| rule.name == *call && rule.when.is_empty();
                let found = resolved.rules().iter().find(is_whole);
                assert!(found.is_some(), "{call} for {name} on {arch}: {resolved:?}");
            }
            let (literal, _) = resolve(&exact("chown"), Arch::X86).unwrap();
            assert_eq!(calls(&literal), [("chown", 182)]);
        }
    }
}

#[test]
fn an_exact_deny_list_is_told_of_variants() {
    let literal = Policy {
        exact: true,
        ..policy(List::Deny, "chown")
    };
    assert!(warnings(&literal, Arch::X86)[0].contains(" chown32"));
    assert!(!warnings(&policy(List::Deny, "chown"), Arch::X86)[0].contains(" chown32"));
}

/// Names that need no list: not implemented by any current kernel, or without another
/// call that does the same.
#[test]
fn every_name_of_every_architecture_is_a_variant_or_has_relatives_or_stands_alone() {
    const NOT_IMPLEMENTED: &[&str] = &[
        "bdflush",
        "break",
        "ftime",
        "gtty",
        "idle",
        "lock",
        "mpx",
        "multiplexer",
        "prof",
        "profil",
        "stty",
        "timerfd",
        "ulimit",
    ];
    const ALONE: &[&str] = &[
        // Of the machine.
        "cachectl",
        "cacheflush",
        "pciconfig_iobase",
        "pciconfig_read",
        "pciconfig_write",
        "riscv_flush_icache",
        "riscv_hwprobe",
        "rtas",
        "s390_guarded_storage",
        "s390_pci_mmio_read",
        "s390_pci_mmio_write",
        "s390_runtime_instr",
        "s390_sthyi",
        "spu_create",
        "spu_run",
        "subpage_prot",
        "swapcontext",
        "switch_endian",
        "sys_debug_setcontext",
        "sysmips",
        "vm86",
        "vm86old",
        // The multiplexers; and that of all calls on mips, where the kernel shows
        // filters the call that is meant (arch/mips/kernel/scall32-o32.S).
        "ipc",
        "socketcall",
        "syscall",
    ];
    for arch in Arch::all().filter(|arch| *arch != Arch::X32) {
        for name in names::numbers(arch).filter_map(|number| call_name(number, arch)) {
            let is_alone =
                NOT_IMPLEMENTED.contains(&name.as_str()) || ALONE.contains(&name.as_str());
            let has_others = variants::of(&name).count() > 1 || relatives::of(&name).count() > 0;
            let elsewhere = !names::is_known(&name, Arch::X86_64);
            assert!(!elsewhere || is_alone != has_others, "{name} on {arch}");
        }
    }
}

#[test]
fn portable_names_are_restricted_where_the_arguments_can_be_seen() {
    // On i386, mmap's arguments are in memory; on s390x as well, and clone's are
    // in another order.
    for (name, by, arch) in [
        ("brk", "mmap", Arch::X86),
        ("brk", "mmap", Arch::S390x),
        ("fork", "clone", Arch::S390x),
        ("write", "ioctl", Arch::Ppc64le),
        ("brk", "mmap2", Arch::Mips),
    ] {
        let (resolved, _) = resolve(&allow(name), arch).unwrap();
        let found = resolved.rules().iter().find(|rule| rule.name == by);
        assert_eq!(found, None, "{name} on {arch}");
    }
    for (name, by, arch) in [
        ("brk", "mmap2", Arch::X86),
        ("brk", "mmap2", Arch::Arm),
        ("brk", "mmap", Arch::Ppc64le),
        ("write", "ioctl", Arch::S390x),
        ("open", "openat", Arch::Ppc64),
        ("fstat", "fstatat64", Arch::X86),
        ("read", "_llseek", Arch::X86),
    ] {
        let (resolved, _) = resolve(&allow(name), arch).unwrap();
        let found = resolved.rules().iter().find(|rule| rule.name == by);
        assert!(!found.unwrap().when.is_empty(), "{name} on {arch}");
    }
}

#[test]
fn conditions_in_other_constants_are_not_used() {
    let (resolved, warnings) = resolve(&allow("write"), Arch::Mips).unwrap();
    assert!(resolved.rules().iter().all(|rule| rule.name != "ioctl"));
    assert!(
        warnings
            .iter()
            .any(|w| matches!(w, Warning::PortableIncomplete { .. })),
        "{warnings:?}"
    );
}

#[test]
fn an_allow_list_has_what_the_vdso_answers_elsewhere() {
    let added = |policy: &Policy, arch| {
        let (resolved, _) = resolve(policy, arch).unwrap();
        let is_added = |rule: &&ResolvedRule| rule.because.as_deref() == Some(VDSO);
        let rules = resolved.rules().iter().filter(is_added);
        rules
            .map(|rule| rule.name.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (arch, expected) in [
        (
            Arch::X86_64,
            "gettimeofday time clock_gettime clock_getres getcpu",
        ),
        (Arch::Aarch64, "clock_gettime clock_getres gettimeofday"),
        (
            Arch::X86,
            "time gettimeofday clock_gettime clock_getres getcpu clock_gettime64 \
                     clock_getres_time64",
        ),
    ] {
        assert_eq!(added(&allow("write"), arch), expected);
        assert_eq!(added(&exact("write"), arch), "");
        assert_eq!(added(&allow(""), arch), "");
        assert_eq!(added(&policy(List::Deny, "write"), arch), "");
    }
    let named = allow("clock_gettime:time");
    assert_eq!(
        added(&named, Arch::X86_64),
        "gettimeofday clock_getres getcpu"
    );
}

#[test]
fn a_deny_list_is_told_of_the_vdso() {
    assert_eq!(
        warnings(
            &policy(List::Deny, "clock_gettime:getcpu:uname"),
            Arch::X86_64
        ),
        [
            "the vDSO answers clock_gettime, getcpu without the kernel where it can, whatever is denied"
        ]
    );
}

#[test]
fn an_empty_allow_list_is_warned_of() {
    assert_eq!(
        resolve(&allow(""), Arch::X86_64).unwrap().1,
        [Warning::NothingAllowed]
    );
    let logged = Policy::new(Action::Log);
    assert_eq!(
        resolve(&logged, Arch::X86_64).unwrap().1,
        [Warning::EverythingLogged]
    );
}

#[test]
fn a_deny_list_of_which_nothing_is_left_is_warned_of() {
    assert_eq!(
        resolve(&policy(List::Deny, ""), Arch::X86_64).unwrap().1,
        [Warning::NothingDenied]
    );
    let (_, warnings) = resolve(&policy(List::Deny, "waitpid"), Arch::X86_64).unwrap();
    assert_eq!(warnings.last(), Some(&Warning::NothingDenied));
}

#[test]
fn asking_for_rules_does_not_wait_for_suggestions() {
    let names: Vec<String> = (0..20_000).map(|number| format!("open{number}")).collect();
    let start = std::time::Instant::now();
    assert_eq!(resolve::abis(&allow(&names.join(":")), Arch::Aarch64), None);
    let taken = start.elapsed();
    assert!(taken < std::time::Duration::from_secs(1), "{taken:?}");
}

#[test]
fn rules_are_those_that_resolving_gives() {
    let portable = allow("open:write");
    let (resolved, _) = super::resolve(&portable, Arch::X86_64).unwrap();
    assert_eq!(resolve::abis(&portable, Arch::X86_64), Some(resolved.abis));
    assert_eq!(resolve::abis(&allow("opena"), Arch::X86_64), None);
    assert_eq!(resolve::abis(&exact("socketcall"), Arch::X86_64), None);
}

#[test]
fn error_numbers_of_another_meaning_are_warned_of() {
    let policy = Policy {
        default: "errno:ENETDOWN".parse().unwrap(),
        ..exact("read")
    };
    assert_eq!(resolve(&policy, Arch::X86_64).unwrap().1, []);
    let differs = Warning::ErrnoDiffers {
        number: 100,
        arch: Arch::Mips,
    };
    assert_eq!(resolve(&policy, Arch::Mips).unwrap().1, [differs]);
}

#[test]
fn x32_is_refused() {
    let text = message(&allow("read"), Arch::X32);
    assert_eq!(
        text,
        "programs for x32 are not supported; build for x86_64 instead"
    );
}

#[test]
fn the_recorded_text_is_canonical() {
    let mut draft = Draft {
        exact: Some(true),
        ..Draft::default()
    };
    draft.deny("uname=errno:ENOSYS").unwrap();
    draft.allow("write(fd == 1 && count <= 4096)").unwrap();
    let mut policy = draft.finish().unwrap();
    policy.rules[0].origin = Some(Origin {
        file: "base.toml".to_owned(),
        line: 3,
        column: 7,
    });
    policy.unknown = Some("errno:ENOSYS".parse().unwrap());
    policy.description = Some("A test.".to_owned());
    let (mut resolved, _) = resolve(&policy, Arch::X86_64).unwrap();
    resolved.version = "1.2.3".to_owned();
    resolved.abis[0].rules[0].because = Some("print".to_owned());
    resolved.abis[0].unknown_from = Some(480);
    let text = String::from_utf8(resolved.to_json()).unwrap();
    assert_eq!(
        text.trim_end_matches(' '),
        "{\"filters\":[{\"arch\":\"x86_64\",\"rules\":[{\"because\":\"print\",\
         \"name\":\"write\",\"number\":1,\"rule\":1,\
         \"when\":[{\"arg\":0,\"mask\":\"0xffffffff\",\"value\":\"0x1\"},\
         {\"arg\":2,\"mask\":\"0xffffffffffffffff\",\"op\":\"le\",\"value\":\"0x1000\"}]},\
         {\"name\":\"uname\",\"number\":63,\"rule\":0}],\"unknown_from\":480}],\"format\":3,\
         \"policy\":{\"default\":\"kill-process\",\"description\":\"A test.\",\"exact\":true,\
         \"rules\":[{\"action\":\"errno:ENOSYS\",\"at\":\"base.toml:3:7\",\"item\":\"uname\"},\
         {\"action\":\"allow\",\"item\":\"write(fd == 1 && count <= 4096)\"}],\
         \"unknown\":\"errno:ENOSYS\"},\"version\":\"1.2.3\"}"
    );
    assert_eq!(Resolved::from_json(text.as_bytes()).unwrap(), resolved);
}

/// What the first versions wrote is read for as long as their programs run.
#[test]
fn format_2_of_the_record_is_read() {
    let record = |list: &str| {
        let mut text = format!(
            "{{\"action\":\"kill-process\",\"exact\":false,\"filters\":[{{\"arch\":\"x86_64\",\
             \"rules\":[{{\"name\":\"write\",\"number\":1}},{{\"because\":\"write\",\
             \"name\":\"ioctl\",\"number\":16,\"when\":[{{\"arg\":1,\"mask\":\"0xffffffff\",\
             \"value\":\"0x5401\"}}]}},{{\"because\":\"vdso\",\"name\":\"time\",\
             \"number\":201}}]}}],\"format\":2,\"list\":\"{list}\",\"names\":[\"write\"],\
             \"version\":\"0.1.0\"}}"
        );
        text += &" ".repeat(8 - text.len() % 8);
        Resolved::from_json(text.as_bytes()).unwrap()
    };
    let allowed = record("allow");
    assert_eq!(
        allowed.policy.rules,
        [Rule::of_call("write", Action::Allow)]
    );
    assert_eq!(allowed.policy.default, Action::KillProcess);
    let [write, ioctl, time] = allowed.rules() else {
        panic!("{allowed:?}")
    };
    assert_eq!((write.action, write.rule), (Action::Allow, Some(0)));
    assert_eq!((ioctl.rule, ioctl.when.len()), (Some(0), 1));
    assert_eq!((time.action, time.rule), (Action::Allow, None));
    let denied = record("deny");
    assert_eq!(denied.policy.default, Action::Allow);
    assert_eq!(denied.rules()[0].action, Action::KillProcess);
    assert_eq!(denied.abis.len(), 1, "other ABIs were foreign to it");
}

/// Tools that round the size of a note, to 4 or to 8, then change nothing.
#[test]
fn the_recorded_text_is_padded() {
    for name in ["a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg"] {
        let names = "write:read:open:close:stat:fstat:poll:lseek";
        let (mut resolved, _) = resolve(&exact(names), Arch::X86_64).unwrap();
        resolved.version = name.to_owned();
        let text = resolved.to_json();
        assert_eq!(text.len() % 8, 0);
        let json = text.trim_ascii_end();
        assert!(text.len() - json.len() < 8);
        for other in [json.to_vec(), [&text[..], b"        "].concat()] {
            let read = Resolved::from_json(&other);
            assert!(other == text || read.is_err());
        }
    }
    let (shortest, _) = resolve(&exact(""), Arch::X86_64).unwrap();
    assert_eq!(shortest.to_json().len(), 256);
}

#[test]
fn records_that_are_not_ours_are_refused() {
    let (resolved, _) = resolve(&exact("uname:write"), Arch::X86_64).unwrap();
    let text = String::from_utf8(resolved.to_json()).unwrap();
    let read = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let mut other = text
            .trim_end_matches(' ')
            .replacen(from, to, 1)
            .into_bytes();
        pad(&mut other);
        Resolved::from_json(&other).unwrap_err()
    };
    assert!(matches!(
        read("\"format\":3", "\"format\":4"),
        Error::UnknownFormat(4)
    ));
    assert!(matches!(read("{", "{ "), Error::NotCanonical));
    assert!(matches!(
        read("\"item\":\"uname\"", "\"item\":\"uname \""),
        Error::NotCanonical
    ));
    assert!(matches!(
        read("\"item\":\"uname\"", "\"item\":\"uname:read\""),
        Error::BadField("item")
    ));
    assert!(matches!(
        read("\"rule\":0", "\"rule\":2"),
        Error::BadField("rule")
    ));
    assert!(matches!(
        read("\"exact\":", "\"extra\":0,\"exact\":"),
        Error::Syntax(_)
    ));
    assert!(matches!(
        read("\"item\":\"uname\"", "\"item\":\"\\u001b[2J\""),
        Error::BadField("item")
    ));
    assert!(matches!(
        read("x86_64", "pdp11"),
        Error::BadField("architecture")
    ));
    assert!(matches!(
        read("kill-process", "kill"),
        Error::BadField("action")
    ));
    let long = vec![b' '; 256 * 1024 + 1];
    assert!(matches!(
        Resolved::from_json(&long),
        Err(Error::TooLarge(_))
    ));
}

#[test]
fn a_lenient_policy_of_which_nothing_is_known_is_refused() {
    let of = |names: &[&str], arch| {
        let mut policy = Policy::new(Action::Allow);
        policy.lenient = true;
        policy.rules = names
            .iter()
            .map(|name| Rule::of_call(*name, Action::Trap))
            .collect();
        resolve(&policy, arch)
    };
    assert_eq!(
        of(&["ptrac", "mout"], Arch::X86_64)
            .unwrap_err()
            .to_string(),
        "nothing would be denied: ptrac is no system call that this version knows; it is left \
         out; did you mean ptrace?"
    );
    let (_, warnings) = of(&["ptrac", "mount"], Arch::X86_64).unwrap();
    assert!(
        matches!(warnings[0], Warning::LeftOut { .. }),
        "{warnings:?}"
    );
    // Other architectures have it.
    of(&["vm86"], Arch::X86_64).unwrap();
}
