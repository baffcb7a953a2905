use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::policy::calls;
use crate::policy::multiplexed;
use crate::policy::names::numbers as call_numbers;
use crate::policy::signatures;

/// How many constants the headers of Linux 6.1 may not have: those that are newer, those
/// that only the kernel's own headers have, and DRM's, whose headers are another package's.
const UNKNOWN_TO_LINUX_6_1: usize = 316;

/// Headers of the kernel that go together.
const KERNEL: &[&str] = &[
    "asm/ioctls.h",
    "asm/prctl.h",
    "asm/socket.h",
    "asm/termbits.h",
    "asm/termios.h",
    "drm/drm.h",
    "linux/blktrace_api.h",
    "linux/blkzoned.h",
    "linux/bpf.h",
    "linux/close_range.h",
    "linux/dma-buf.h",
    "linux/dma-heap.h",
    "linux/eventfd.h",
    "linux/eventpoll.h",
    "linux/fadvise.h",
    "linux/falloc.h",
    "linux/fanotify.h",
    "linux/fb.h",
    "linux/fcntl.h",
    "linux/fiemap.h",
    "linux/fs.h",
    "linux/fscrypt.h",
    "linux/fsverity.h",
    "linux/fuse.h",
    "linux/futex.h",
    "linux/gpio.h",
    "linux/hidraw.h",
    "linux/i2c-dev.h",
    "linux/in.h",
    "linux/in6.h",
    "linux/inotify.h",
    "linux/io_uring.h",
    "linux/ioprio.h",
    "linux/ipc.h",
    "linux/kcmp.h",
    "linux/kd.h",
    "linux/kexec.h",
    "linux/keyctl.h",
    "linux/kvm.h",
    "linux/landlock.h",
    "linux/loop.h",
    "linux/lsm.h",
    "linux/membarrier.h",
    "linux/memfd.h",
    "linux/mempolicy.h",
    "linux/mman.h",
    "linux/module.h",
    "linux/mount.h",
    "linux/msdos_fs.h",
    "linux/msg.h",
    "linux/nbd.h",
    "linux/net.h",
    "linux/netlink.h",
    "linux/nsfs.h",
    "linux/nvme_ioctl.h",
    "linux/perf_event.h",
    "linux/personality.h",
    "linux/pidfd.h",
    "linux/pr.h",
    "linux/prctl.h",
    "linux/ptrace.h",
    "linux/random.h",
    "linux/reboot.h",
    "linux/resource.h",
    "linux/rseq.h",
    "linux/rtc.h",
    "linux/sched.h",
    "linux/seccomp.h",
    "linux/sem.h",
    "linux/serial.h",
    "linux/shm.h",
    "linux/signal.h",
    "linux/signalfd.h",
    "linux/sockios.h",
    "linux/stat.h",
    "linux/suspend_ioctls.h",
    "linux/sync_file.h",
    "linux/tcp.h",
    "linux/time.h",
    "linux/timerfd.h",
    "linux/udmabuf.h",
    "linux/udp.h",
    "linux/usbdevice_fs.h",
    "linux/userfaultfd.h",
    "linux/vt.h",
    "linux/wait.h",
    "linux/watchdog.h",
    "linux/xattr.h",
];

/// Headers of the kernel that include some of the C library's.
const MIXED: &[&str] = &[
    "scsi/sg.h",
    "linux/if_tun.h",
    "linux/if_pppox.h",
    "linux/ppp-ioctl.h",
    "linux/input.h",
    "linux/uinput.h",
    "linux/vm_sockets.h",
];

/// Headers of the C library.
const LIBRARY: &[&str] = &[
    "fcntl.h",
    "netinet/in.h",
    "netinet/tcp.h",
    "netinet/udp.h",
    "sched.h",
    "sys/eventfd.h",
    "sys/mman.h",
    "sys/mount.h",
    "sys/ptrace.h",
    "sys/resource.h",
    "sys/socket.h",
    "sys/swap.h",
    "unistd.h",
];

/// The constants that these headers have, of those with these names.
fn in_headers(directory: &Path, headers: &[&str], names: &BTreeSet<&str>) -> BTreeMap<String, u64> {
    let mut includes = String::from("#define _GNU_SOURCE\n");
    for header in headers {
        let _ = writeln!(
            includes,
            "#if __has_include(<{header}>)\n#include <{header}>\n#endif"
        );
    }
    let source = directory.join("constants.c");
    let gcc = |arguments: &[&str]| {
        let output = Command::new("gcc")
            .args(arguments)
            .arg(&source)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    };

    // Macros are told by #ifdef; an enumerator is a word that is left after these are
    // replaced.
    fs::write(&source, &includes).unwrap();
    let preprocessed = gcc(&["-E", "-P"]);
    let words: BTreeSet<&str> = preprocessed
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();

    let mut program = includes + "#include <stdio.h>\nint main(void) {\n";
    for name in names {
        let print = format!("printf(\"%s %llu\\n\", \"{name}\", (unsigned long long)({name}));");
        let _ = match words.contains(name) {
            true => writeln!(program, "{print}"),
            false => writeln!(program, "#ifdef {name}\n{print}\n#endif"),
        };
    }
    program += "}\n";
    fs::write(&source, program).unwrap();
    let executable = directory.join("constants");
    gcc(&["-w", "-O0", "-o", executable.to_str().unwrap()]);
    let output = Command::new(executable).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let (name, number) = line.split_once(' ').unwrap();
            (name.to_owned(), number.parse().unwrap())
        })
        .collect()
}

fn all_families() -> impl Iterator<Item = Family> {
    sets().map(|set| set.family).chain([Family::Request])
}

#[test]
fn numbers_are_those_of_the_machine_s_headers() {
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let all: BTreeMap<&str, u64> = all_families()
        .flat_map(|family| names(family).map(move |name| (family, name)))
        .filter_map(|(family, name)| Some((name, value(family, name, Arch::X86_64)?)))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let mut unknown: BTreeSet<&str> = all.keys().copied().collect();
    for headers in [KERNEL, MIXED, LIBRARY] {
        for (name, number) in in_headers(directory.path(), headers, &unknown) {
            let expected = all[name.as_str()];
            assert_eq!(number, expected, "{name}: {number:#x}, {expected:#x}");
            unknown.remove(name.as_str());
        }
    }
    assert!(
        unknown.len() <= UNKNOWN_TO_LINUX_6_1,
        "{} {unknown:?}",
        unknown.len()
    );
}

#[test]
fn every_family_is_there_once_and_has_each_name_once() {
    let families: BTreeSet<_> = all_families().collect();
    assert_eq!(families.len(), all_families().count());
    for family in families {
        let distinct: BTreeSet<_> = names(family).collect();
        assert!(!distinct.is_empty(), "{family:?}");
        assert_eq!(distinct.len(), names(family).count(), "{family:?}");
    }
    for arch in Arch::all() {
        for call in call_numbers(arch).filter_map(|number| calls::name(number, arch)) {
            let parameters = signatures::of(call).unwrap();
            for family in parameters.iter().filter_map(|parameter| parameter.family) {
                assert!(names(family).next().is_some(), "{call} {family:?}");
            }
        }
    }
}

#[test]
fn a_constant_has_one_number_whatever_the_family() {
    let mut seen = BTreeMap::new();
    for family in all_families() {
        for name in names(family) {
            let number = value(family, name, Arch::X86_64);
            assert_eq!(*seen.entry(name).or_insert(number), number, "{name}");
        }
    }
}

#[test]
fn exceptions_are_to_a_rule_and_not_to_each_other() {
    let known: BTreeSet<_> = all_families().flat_map(names).collect();
    for arch in Arch::all() {
        let mut seen = BTreeSet::new();
        let exceptions = exceptions::EXCEPTIONS
            .iter()
            .filter(|exceptions| exceptions.architectures.contains(&arch));
        for (name, _) in exceptions.flat_map(|exceptions| exceptions.constants) {
            assert!(known.contains(name), "{name}");
            assert!(seen.insert(name), "{name} {arch}");
        }
    }
}

#[test]
fn a_number_s_name_is_of_that_number() {
    for arch in Arch::all() {
        for set in sets() {
            for (constant, _) in set.constants {
                let Some(number) = value(set.family, constant, arch) else {
                    continue;
                };
                let name = name(set.family, number, arch).unwrap();
                assert_eq!(value(set.family, name, arch), Some(number), "{name}");
            }
        }
    }
    for constant in ["TIOCSTI", "TIOCGPTN", "SIOCGIFADDR", "FICLONE"] {
        for arch in Arch::all() {
            let number = value(Family::Request, constant, arch).unwrap();
            assert_eq!(name(Family::Request, number, arch), Some(constant));
        }
    }
}

#[test]
fn the_better_known_name_is_preferred() {
    let preferred = |family, number| name(family, number, Arch::X86_64);
    assert_eq!(preferred(Family::AddressFamily, 1), Some("AF_UNIX"));
    assert_eq!(preferred(Family::Request, 0x541b), Some("FIONREAD"));
    assert_eq!(preferred(Family::Signal, 6), Some("SIGABRT"));
    assert_eq!(preferred(Family::SchedulingPolicy, 0), Some("SCHED_OTHER"));
    assert_eq!(preferred(Family::PtraceRequest, 3), Some("PTRACE_PEEKUSER"));
    // Of protocol and option numbers, those of the internet and of SOL_SOCKET.
    assert_eq!(preferred(Family::Protocol, 6), Some("IPPROTO_TCP"));
    assert_eq!(preferred(Family::Protocol, 16), None);
    assert_eq!(preferred(Family::SocketOption, 1), Some("SO_DEBUG"));
    assert_eq!(preferred(Family::AtFlags, 0), None);
}

#[test]
fn a_negative_number_has_64_bits_or_32() {
    let directory = value(Family::AtDirectory, "AT_FDCWD", Arch::Arm).unwrap();
    assert_eq!(directory.cast_signed(), -100);
    for number in [directory, directory & 0xffff_ffff] {
        assert_eq!(
            name(Family::AtDirectory, number, Arch::Arm),
            Some("AT_FDCWD")
        );
    }
}

#[test]
fn architectures_differ() {
    use Arch::{Aarch64, Arm, Mips, Mips64, Mipsel64n32, Ppc, Ppc64le, S390x, X32, X86, X86_64};
    use Family::{MapFlags, OpenFlags, Request, Signal, SocketOption, SocketType};

    let table: &[(Family, &str, &[Arch], Option<u64>)] = &[
        (SocketType, "SOCK_STREAM", &[X86_64, Arm], Some(1)),
        (SocketType, "SOCK_STREAM", &[Mips, Mips64], Some(2)),
        (MapFlags, "MAP_ANONYMOUS", &[X86_64, Ppc], Some(0x20)),
        (MapFlags, "MAP_ANONYMOUS", &[Mipsel64n32], Some(0x800)),
        (MapFlags, "MAP_32BIT", &[X86_64, X32, X86], Some(0x40)),
        (MapFlags, "MAP_32BIT", &[Aarch64, Ppc, Mips], None),
        (OpenFlags, "O_DIRECTORY", &[X86_64, S390x], Some(0o200_000)),
        (
            OpenFlags,
            "O_DIRECTORY",
            &[Arm, Aarch64, Ppc],
            Some(0o40000),
        ),
        (OpenFlags, "O_LARGEFILE", &[X86_64, S390x], Some(0o100_000)),
        (OpenFlags, "O_LARGEFILE", &[Ppc64le], Some(0o200_000)),
        (Signal, "SIGCHLD", &[X86_64, Ppc], Some(17)),
        (Signal, "SIGCHLD", &[Mips64], Some(18)),
        (SocketOption, "SO_TIMESTAMP", &[X86_64], Some(29)),
        (SocketOption, "SO_TIMESTAMP", &[X86, Arm], None),
        (Request, "TIOCSTI", &[X86_64, Arm, Ppc], Some(0x5412)),
        (Request, "TIOCSTI", &[Mips], Some(0x5472)),
        (Request, "TCGETS", &[Ppc64le], Some(0x402c_7413)),
        (Request, "TUNSETIFF", &[X86_64, X86], Some(0x4004_54ca)),
        (Request, "TUNSETIFF", &[Ppc, Mips], Some(0x8004_54ca)),
        (Request, "FS_IOC_GETFLAGS", &[X86_64], Some(0x8008_6601)),
        (Request, "FS_IOC_GETFLAGS", &[Arm, X32], Some(0x8004_6601)),
        (Request, "FS_IOC_GETFLAGS", &[Mips64], Some(0x4008_6601)),
    ];
    for (family, name, architectures, number) in table {
        for arch in *architectures {
            assert_eq!(value(*family, name, *arch), *number, "{name} {arch}");
        }
    }
}

#[test]
fn constants_are_found_by_name() {
    let of = |name| families(name).collect::<Vec<_>>();
    assert_eq!(of("TIOCSTI"), [Family::Request]);
    assert_eq!(of("PROT_EXEC"), [Family::Protection]);
    assert!(of("O_CLOEXEC").contains(&Family::OpenFlags));
    assert!(of("NETLINK_ROUTE").contains(&Family::Protocol));
    assert!(of("NO_SUCH_CONSTANT").is_empty());
    assert!(is_flags(Family::Protection) && !is_flags(Family::Request));
}

#[test]
fn multiplexed_calls_are_the_same_as_elsewhere() {
    for (family, multiplexer, prefix) in [
        (Family::SocketCall, "socketcall", "SYS_"),
        (Family::IpcCall, "ipc", ""),
    ] {
        for constant in names(family) {
            let number = value(family, constant, Arch::X86).unwrap();
            let call = constant.strip_prefix(prefix).unwrap().to_lowercase();
            assert_eq!(
                multiplexed::name(multiplexer, number),
                Some(call.as_str()),
                "{constant}"
            );
        }
    }
}
