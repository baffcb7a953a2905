//! Programs for other processors: ELF32 and ELF64, both byte orders. They are
//! built by cross compilers and run by QEMU's user mode. There is no runtime for
//! them yet, so that another library stands in for it: what is tested is that
//! the loader takes the patched program.

use std::collections::BTreeSet;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

use crate::support::{Workspace, assert_faithful};

struct Target {
    triple: &'static str,
    /// What the policy calls the architecture.
    arch: &'static str,
    /// What QEMU calls it.
    qemu: &'static str,
    /// A system call to deny, one that x86_64 does not have if there is one.
    call: &'static str,
    /// Whether clang and lld link programs that run, unpatched, with the
    /// distribution's libraries.
    lld: bool,
}

const fn target(
    triple: &'static str,
    arch: &'static str,
    qemu: &'static str,
    call: &'static str,
    lld: bool,
) -> Target {
    Target {
        triple,
        arch,
        qemu,
        call,
        lld,
    }
}

/// lld 14 lacks s390x, ppc64 with function descriptors and the relaxation that
/// riscv64's start files ask for; what it makes for ppc crashes.
#[rustfmt::skip]
const TARGETS: [Target; 10] = [
    target("i686-linux-gnu", "x86", "i386", "vm86", true),
    target("aarch64-linux-gnu", "aarch64", "aarch64", "memfd_secret", true),
    target("arm-linux-gnueabihf", "arm", "arm", "set_tls", true),
    target("riscv64-linux-gnu", "riscv64", "riscv64", "riscv_flush_icache", false),
    target("powerpc64le-linux-gnu", "ppc64le", "ppc64le", "swapcontext", true),
    target("powerpc64-linux-gnu", "ppc64", "ppc64", "subpage_prot", false),
    target("powerpc-linux-gnu", "ppc", "ppc", "pciconfig_iobase", false),
    target("s390x-linux-gnu", "s390x", "s390x", "s390_runtime_instr", false),
    target("mips-linux-gnu", "mips", "mips", "sysmips", true),
    target("mips64el-linux-gnuabi64", "mipsel64", "mips64el", "cachectl", true),
];

impl Target {
    fn of(arch: &str) -> &'static Self {
        let target = TARGETS.iter().find(|target| target.arch == arch);
        target.expect("one of the table")
    }

    /// Command lines that compile and link.
    fn makes(&self) -> Vec<String> {
        let gcc = format!("{}-gcc", self.triple);
        let clang = format!("clang --target={} -fuse-ld=lld", self.triple);
        let compilers = [Some(gcc), self.lld.then_some(clang)];
        compilers
            .into_iter()
            .flatten()
            .flat_map(|compiler| ["-pie", "-no-pie"].map(|kind| format!("{compiler} {kind}")))
            .collect()
    }

    fn run(&self, program: &str) -> String {
        let Self { triple, qemu, .. } = self;
        format!("qemu-{qemu} -L /usr/{triple} ./{program}")
    }

    fn compile(&self, make: &str) -> Vec<u8> {
        let ws = Workspace::new();
        ws.compile_as(&format!("{make} -fexceptions"), "knows_itself.c", "before");
        ws.read("before")
    }

    /// `./before`, and `./after`, which is patched.
    fn patched(&self, program: &[u8]) -> Workspace {
        let ws = Workspace::new();
        let path = ws.write("before", program);
        set_permissions(path, Permissions::from_mode(0o755)).expect("an own file");
        let library = ws.path("libsandbox.so");
        ws.run(&format!(
            "sandbox-patch --lib {} --deny {} -o after before",
            library.display(),
            self.call
        ))
        .succeeds()
        .complains("libsandbox.so does not exist here");
        assert_faithful(&ws, "before", "after");
        ws
    }

    /// Puts the library that stands in for the runtime in its place.
    fn build_stand_in(&self, ws: &Workspace) {
        let make = format!("{}-gcc -shared -fPIC -nostartfiles", self.triple);
        ws.compile_as(&make, "stand_in.c", "libsandbox.so");
    }
}

/// A program for a target, and how it was made.
struct Program {
    target: &'static Target,
    make: String,
    bytes: Vec<u8>,
}

/// For each target and each way to link for it.
fn for_each_make(story: impl Fn(&Target, &Workspace)) {
    static PROGRAMS: LazyLock<Vec<Program>> = LazyLock::new(|| {
        let programs = |target: &'static Target| {
            target.makes().into_iter().map(move |make| Program {
                target,
                bytes: target.compile(&make),
                make,
            })
        };
        TARGETS.iter().flat_map(programs).collect()
    });
    for program in PROGRAMS.iter() {
        println!("{}", program.make);
        story(program.target, &program.target.patched(&program.bytes));
    }
}

/// What a program prints that finds all in order.
fn report_of_before(target: &Target, ws: &Workspace) -> String {
    let outcome = ws.run(&target.run("before"));
    outcome
        .succeeds()
        .prints("ready 42\n")
        .prints("started at _start\n")
        .prints("loader's record found\n")
        .prints("main is below its caller\n");
    outcome.stdout
}

#[test]
fn a_patched_program_needs_the_library_and_runs_as_before_with_it() {
    for_each_make(|target, ws| {
        let before = report_of_before(target, ws);
        ws.run(&target.run("after"))
            .exits_with(127)
            .prints_only("")
            .complains("libsandbox.so: cannot open shared object file");
        target.build_stand_in(ws);
        ws.run(&target.run("after"))
            .succeeds()
            .prints_only(&format!("loaded\n{before}"));
    });
}

#[test]
fn a_patched_program_runs_when_stripped() {
    for_each_make(|target, ws| {
        let before = report_of_before(target, ws);
        target.build_stand_in(ws);
        for strip in [
            &format!("{}-strip", target.triple),
            "llvm-strip",
            "eu-strip",
        ] {
            ws.run(&format!("{strip} -o stripped after"))
                .succeeds()
                .is_silent();
            ws.run(&target.run("stripped"))
                .succeeds()
                .prints_only(&format!("loaded\n{before}"));
        }
    });
}

#[test]
fn readelf_finds_no_fault_that_was_not_there() {
    for_each_make(|target, ws| {
        let warnings = |file: &str| -> BTreeSet<String> {
            let outcome = ws.run(&format!("{}-readelf -aW {file} 2>&1", target.triple));
            outcome
                .stdout
                .lines()
                .filter(|line| line.contains("readelf: "))
                .map(|line| line.replace(file, "FILE"))
                .collect()
        };
        assert_eq!(warnings("before"), warnings("after"));
    });
}

#[test]
fn the_policy_is_shown_with_its_architecture() {
    for_each_make(|target, ws| {
        ws.run("sandbox-patch inspect after")
            .succeeds()
            .prints(&format!("dynamic program for {}\n", target.arch))
            .prints(&format!("deny {}", target.call));
        ws.run("sandbox-patch inspect --json after")
            .succeeds()
            .prints(&format!("\"arch\":\"{}\"", target.arch))
            .prints("\"matches_policy\":true");
    });
}

#[test]
fn taking_the_patch_out_restores_the_file_byte_for_byte() {
    for_each_make(|target, ws| {
        ws.run(&format!("{}-strip -o stripped after", target.triple))
            .succeeds();
        ws.run("sandbox-patch remove ./after").succeeds();
        assert!(ws.read("before") == ws.read("after"));

        ws.run("sandbox-patch remove --best-effort ./stripped")
            .succeeds();
        let before = report_of_before(target, ws);
        ws.run(&target.run("stripped"))
            .succeeds()
            .prints_only(&before);
    });
}

/// Where the dynamic section lacks room for two more entries, it moves; the hash
/// table of s390x is one of 8-byte words.
#[test]
fn programs_linked_with_unusual_options_run_as_before() {
    let no_spare_entries = "-Wl,--spare-dynamic-tags=0";
    for (arch, option) in [
        ("x86", no_spare_entries),
        ("ppc", no_spare_entries),
        ("mips", no_spare_entries),
        ("mipsel64", no_spare_entries),
        ("s390x", "-Wl,--hash-style=sysv"),
        ("ppc64", "-Wl,--hash-style=both"),
    ] {
        let target = Target::of(arch);
        let make = format!("{}-gcc {option}", target.triple);
        println!("{make}");
        let ws = target.patched(&target.compile(&make));
        let before = report_of_before(target, &ws);
        target.build_stand_in(&ws);
        ws.run(&target.run("after"))
            .succeeds()
            .prints_only(&format!("loaded\n{before}"));
    }
}

/// As on MIPS, and with lld's `-z rodynamic`: no writable memory is added.
#[test]
fn a_read_only_dynamic_section_that_moves_stays_read_only() {
    let mips = "clang --target=mips-linux-gnu -fuse-ld=lld";
    let aarch64 = "clang --target=aarch64-linux-gnu -fuse-ld=lld -Wl,-z,rodynamic";
    for (arch, make) in [("mips", mips), ("aarch64", aarch64)] {
        let target = Target::of(arch);
        let ws = target.patched(&target.compile(make));
        let of = |file: &str, word: &str| -> Vec<String> {
            let outcome = ws.run(&format!("readelf -lW {file} | grep '^  {word} '"));
            outcome
                .succeeds()
                .stdout
                .lines()
                .map(str::to_owned)
                .collect()
        };
        let dynamic = of("after", "DYNAMIC");
        assert_ne!(of("before", "DYNAMIC"), dynamic, "it did not move");
        assert!(!dynamic[0].contains(" RW "), "{dynamic:?}");
        let writable = |file: &str| {
            let loads = of(file, "LOAD");
            loads
                .into_iter()
                .filter(|load| load.contains(" RW "))
                .count()
        };
        assert_eq!(writable("before"), writable("after"), "{make}");

        target.build_stand_in(&ws);
        ws.run(&target.run("after"))
            .succeeds()
            .prints("loaded\nready 42\n");
    }
}

/// The kernel as the judge, not QEMU.
#[test]
fn a_program_for_i386_runs_on_the_kernel_itself() {
    let target = Target::of("x86");
    let libraries = format!("/usr/{}/lib", target.triple);
    for make in target.makes() {
        let native =
            format!("{make} -Wl,--dynamic-linker={libraries}/ld-linux.so.2,-rpath,{libraries}");
        let ws = target.patched(&target.compile(&native));
        let before = ws.run("./before");
        before.succeeds().prints("ready 42\n");
        target.build_stand_in(&ws);
        ws.run("./after")
            .succeeds()
            .prints_only(&format!("loaded\n{}", before.stdout));
    }
}

#[test]
fn the_runtime_for_another_architecture_is_refused() {
    let target = Target::of("aarch64");
    let ws = Workspace::with_myos(&format!("{}-gcc", target.triple));
    ws.assert_refused(
        "sandbox-patch --deny ptrace ./myos",
        "./myos",
        "it is for another architecture than the program",
    );
}

#[test]
fn an_architecture_without_known_filters_is_refused_and_named() {
    const EM_SPARCV9: u16 = 43;
    const EM_ALPHA: u16 = 0x9026;
    const E_MACHINE: usize = 18;

    let sparc = ("s390x", EM_SPARCV9.to_be_bytes());
    let alpha = ("aarch64", EM_ALPHA.to_le_bytes());
    for (alike, machine) in [sparc, alpha] {
        let ws = Workspace::with_myos(&format!("{}-gcc", Target::of(alike).triple));
        let mut program = ws.read("myos");
        program[E_MACHINE..E_MACHINE + 2].copy_from_slice(&machine);
        ws.write("myos", program);
        ws.assert_refused(
            "sandbox-patch --lib /usr/lib/libsandbox.so --deny ptrace ./myos",
            "./myos",
            "no filter can be made for its architecture (ELF machine",
        );
        ws.run("sandbox-patch inspect ./myos")
            .succeeds()
            .prints("dynamic program for an architecture without seccomp filters\n");
    }
}
