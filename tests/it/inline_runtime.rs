//! The runtime for the inside of programs: what its file is, and that it works
//! wherever a program is made to come by.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use object::Endianness;
use object::elf::{
    DT_JMPREL, DT_NEEDED, DT_REL, DT_RELA, DT_RELR, DT_TEXTREL, FileHeader64, PF_R, PF_X, PT_LOAD,
};
use object::read::elf::{Dyn, ElfFile, ProgramHeader};
use object::{Object, ObjectSection};
use sandbox_format::inline::{ALIGN, EXIT, Header, Place, SIZE};
use sandbox_format::note::{ByteOrder, Notes};
use sandbox_patch::filter;
use sandbox_patch::note::{Content, MovedDynamic};
use sandbox_patch::policy::{self, Action, Arch, Policy};

use crate::support::{Outcome, Signal, Workspace, fixture_path, inline_runtime};

/// Why a program without notes is not started.
const GONE: &str = "the program was patched, but its notes are gone";

type File<'data> = ElfFile<'data, FileHeader64<Endianness>>;

fn with_file<T>(look: impl Fn(&File<'_>, &[u8]) -> T) -> T {
    let bytes = std::fs::read(inline_runtime()).expect("the runtime was built");
    look(&File::parse(&*bytes).expect("an ELF file"), &bytes)
}

/// The bytes of the first loadable segment.
fn blob() -> Vec<u8> {
    with_file(|file, bytes| {
        let headers = file.elf_program_headers().iter();
        let mut loads = headers.filter(|it| it.p_type(file.endian()) == PT_LOAD);
        let first = loads.next().expect("a loadable segment");
        let data = first.data(file.endian(), bytes);
        data.expect("within the file").to_vec()
    })
}

/// A policy that denies a call.
fn denying(name: &str) -> Content {
    content(&Policy::deny([name], Action::KillProcess))
}

fn content(policy: &Policy) -> Content {
    let (resolved, _) = policy::resolve(policy, Arch::X86_64).expect("known names");
    let compiled = filter::compile(&resolved).expect("a small policy");
    Content {
        policy: resolved.to_json(),
        inline: true,
        arch: Arch::X86_64.audit(),
        program: compiled.program,
        identity: compiled.identity,
    }
}

/// The blob and the notes of a policy behind it.
fn carrying(content: &Content) -> Vec<u8> {
    image(&notes(content, 4), 4)
}

/// Notes padded to `align`.
fn notes(content: &Content, align: u8) -> Vec<u8> {
    let notes = content.to_bytes(ByteOrder::Little, align.into(), None, &[]);
    notes.expect("small notes")
}

/// The blob and notes behind it, as a program has them; it goes on behind both.
fn image(notes: &[u8], align: u8) -> Vec<u8> {
    let mut image = blob();
    image.resize(image.len().next_multiple_of(8), 0xcc);
    let place = Place {
        offset: image.len() as u64,
        size: notes.len() as u64,
        align: align.into(),
        reserved: 0,
    };
    image.extend(notes);
    let header = Header {
        next: i64::try_from(image.len()).expect("a small image"),
        notes: place,
    };
    header.write(&mut image).expect("a short jump");
    image
}

/// Compiles a fixture with an image inside, which goes on at `next`.
#[track_caller]
fn compile(ws: &Workspace, compiler: &str, image: &[u8], next: &str, fixture: &str) {
    ws.write("image", image);
    let blob = fixture_path("inline_blob.S");
    let blob = blob.to_str().expect("a source folder in UTF-8");
    ws.compile_as(
        &format!("{compiler} -DNEXT={next} {blob}"),
        fixture,
        "program",
    );
}

mod file {
    use super::*;
    use sandbox_format::note;
    use sandbox_patch::elf::Image;
    use sandbox_patch::rewrite::embedded;

    #[test]
    fn its_first_segment_lies_at_address_0_and_is_read_and_executed() {
        with_file(|file, _| {
            let endian = file.endian();
            let first = &file.elf_program_headers()[0];
            assert_eq!(first.p_type(endian), PT_LOAD);
            assert_eq!(first.p_vaddr(endian), 0);
            assert_eq!(first.p_flags(endian), PF_R | PF_X);
            assert_eq!(first.p_memsz(endian), first.p_filesz(endian));
            assert_eq!(file.entry(), 0);
        });
    }

    #[test]
    fn its_first_segment_is_below_8_kib_large() {
        let size = blob().len();
        assert!(size < 8 * 1024, "{size} bytes");
    }

    #[test]
    fn nothing_in_it_is_relocated_or_needed() {
        with_file(|file, bytes| {
            let endian = file.endian();
            let headers = file.elf_program_headers().iter();
            let entries: Vec<_> = headers
                .filter_map(|header| header.dynamic(endian, bytes).expect("readable"))
                .flatten()
                .map(|entry| entry.d_tag(endian))
                .collect();
            assert!(!entries.is_empty());
            for tag in [DT_NEEDED, DT_REL, DT_RELA, DT_RELR, DT_JMPREL, DT_TEXTREL] {
                assert!(!entries.contains(&tag), "{tag:?}");
            }
        });
    }

    #[test]
    fn what_it_contains_is_aligned_wherever_it_is_put() {
        with_file(|file, _| {
            let size = blob().len() as u64;
            let sections = file.sections().filter(|it| it.address() < size);
            let inside: Vec<_> = sections.filter(|it| it.size() != 0).collect();
            assert!(!inside.is_empty());
            for section in inside {
                assert!(section.align() <= ALIGN, "{:?}", section.name());
            }
        });
    }

    #[test]
    fn its_segment_begins_with_an_entry_a_jump_and_no_notes() {
        let blob = blob();
        // endbr64, a short jump to the code behind the header, breakpoints.
        assert_eq!(blob[..8], [0xf3, 0x0f, 0x1e, 0xfa, 0xeb, 42, 0xcc, 0xcc]);
        // A jump to what follows it, breakpoints.
        assert_eq!(blob[8..16], [0xe9, 0, 0, 0, 0, 0xcc, 0xcc, 0xcc]);
        assert_eq!(blob[16..48], [0; 32]);
        assert_eq!((EXIT, SIZE), (8, 48));
    }

    #[test]
    fn its_note_tells_its_version() {
        let file = std::fs::File::open(inline_runtime()).expect("the runtime was built");
        let image = Image::read(&file).expect("an ELF file");
        let runtime = embedded::runtime(&image).expect("readable");
        let runtime = runtime.expect("a note");
        assert_eq!(runtime.format, note::VERSION);
        assert_eq!(runtime.version, env!("CARGO_PKG_VERSION"));
    }
}

mod inside {
    use super::*;

    const COMPILERS: [&str; 7] = [
        "gcc",
        "gcc -no-pie",
        "gcc -static",
        "gcc -static-pie",
        "musl-gcc",
        "musl-gcc -no-pie",
        "musl-gcc -static",
    ];

    #[test]
    fn it_leaves_registers_flags_and_stack_as_they_were() {
        for align in [4, 8] {
            let image = image(&notes(&denying("uname"), align), align);
            let ws = Workspace::new();
            compile(&ws, "gcc -O2", &image, "landed", "inline_registers.c");
            ws.run("./program")
                .prints_only("compared 0xcd5\n")
                .dies_by(Signal::SYS);
        }
    }

    #[test]
    fn it_is_the_entry_of_programs_of_every_kind() {
        for compiler in COMPILERS {
            let compiler = &format!("{compiler} -Wl,-e,inline_blob");
            let ws = Workspace::new();
            let harmless = carrying(&denying("ptrace"));
            compile(&ws, compiler, &harmless, "_start", "myos.c");
            ws.run("./program")
                .succeeds()
                .prints_only("My OS is Linux!\n");
            let strict = carrying(&denying("uname"));
            compile(&ws, compiler, &strict, "_start", "myos.c");
            ws.run("./program").prints_only("").dies_by(Signal::SYS);
        }
    }

    #[test]
    fn it_is_an_initialiser_of_programs_of_every_kind() {
        let image = carrying(&denying("uname"));
        for compiler in COMPILERS {
            let ws = Workspace::new();
            compile(&ws, compiler, &image, "initialise", "inline_initialiser.c");
            ws.run("./program with arguments")
                .prints_only("initialised\n")
                .dies_by(Signal::SYS);
        }
    }

    /// Before `main` of a static program all is over that the C library does to
    /// start.
    #[test]
    fn four_names_do_for_a_static_program_whose_initialiser_it_is() {
        let article = ["exit_group", "fstat", "uname", "write"];
        let content = content(&Policy::allow(article, Action::KillProcess));
        let image = carrying(&content);
        for compiler in ["gcc -static", "gcc -static-pie", "musl-gcc -static"] {
            let ws = Workspace::new();
            compile(&ws, compiler, &image, "initialise", "inline_initialiser.c");
            ws.run("./program with arguments")
                .succeeds()
                .prints_only("initialised\n");
        }
    }
}

/// A program that takes an image from standard input and enters it.
struct Memory(Workspace);

impl Memory {
    fn new() -> Self {
        let ws = Workspace::new();
        ws.compile("gcc -O2", "inline_image.c");
        Self(ws)
    }

    #[track_caller]
    fn enter(&self, image: &[u8]) -> Outcome {
        self.0.shell("./inline_image").input(image).finish()
    }

    /// The same without a shell, for many images.
    fn enter_at_once(&self, image: &[u8]) -> Output {
        let mut child = Command::new(self.0.path("inline_image"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("an executable");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(image).expect("it reads all of its input");
        drop(input);
        child.wait_with_output().expect("an own child")
    }

    #[track_caller]
    fn assert_refused(&self, image: &[u8], reason: &str) {
        let outcome = self.enter(image);
        refused(&outcome, reason);
    }
}

#[track_caller]
fn refused(outcome: &Outcome, reason: &str) {
    let line = format!("sandbox: {reason}; the program was not started\n");
    outcome
        .exits_with(121)
        .prints_only("")
        .complains_in_one_line(&line);
}

mod refuses {
    use super::*;

    #[test]
    fn to_go_on_without_a_policy() {
        let memory = Memory::new();
        memory.assert_refused(&image(&[], 4), GONE);
        let mut disowned = notes(&denying("getuid"), 4);
        for at in positions(&disowned, b"sandbox\0") {
            disowned[at..at + 8].copy_from_slice(b"nobody\0\0");
        }
        memory.assert_refused(&image(&disowned, 4), GONE);
    }

    fn positions(bytes: &[u8], part: &[u8]) -> Vec<usize> {
        let windows = bytes.windows(part.len()).enumerate();
        let found: Vec<_> = windows.filter(|it| it.1 == part).map(|it| it.0).collect();
        assert!(!found.is_empty());
        found
    }

    #[test]
    fn notes_that_are_not_whole() {
        let memory = Memory::new();
        let notes = notes(&denying("getuid"), 4);
        let records: Vec<_> = Notes::new(&notes, ByteOrder::Little, 4)
            .map(|note| note.expect("a whole note").descriptor)
            .collect();
        let [policy, header, filter, undo] = records[..] else {
            panic!("four notes");
        };
        assert!(undo.is_empty());
        // Each record's header and owner take 20 bytes.
        let policy_end = 20 + policy.len().next_multiple_of(4);
        let header_end = policy_end + 20 + header.len();
        let filter_end = header_end + 20 + filter.len();
        let image_of = |notes: &[u8]| image(notes, 4);
        memory.assert_refused(
            &image_of(&notes[..filter_end - 1]),
            "the sandbox note is truncated",
        );
        for part in [
            &notes[..policy_end],
            &notes[..header_end],
            &notes[policy_end..],
        ] {
            memory.assert_refused(
                &image_of(part),
                "the sandbox note lacks its policy or a restriction",
            );
        }
        memory.assert_refused(
            &image_of(&[&notes[..policy_end], &notes].concat()),
            "the sandbox note is there twice",
        );
        // Padding that is not what the header says, but the same throughout, is as
        // good.
        let denying_getuid = super::notes(&denying("getuid"), 8);
        memory
            .enter(&image(&denying_getuid, 4))
            .dies_by(Signal::SYS);
    }

    #[test]
    fn filters_that_it_can_not_put_in_force() {
        const FOR_LIBRARY: &str = "the sandbox note is for libsandbox.so";
        let memory = Memory::new();
        let foreign = Content {
            arch: Arch::X86_64.audit() ^ 1,
            ..denying("getuid")
        };
        let for_library = Content {
            inline: false,
            ..denying("getuid")
        };
        for (content, reason) in [
            (for_library, FOR_LIBRARY),
            (foreign, "the sandbox note is for another architecture"),
        ] {
            memory.assert_refused(&carrying(&content), reason);
        }
        for (from, to, size) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
            let moved = Some(MovedDynamic { from, to, size });
            let notes = denying("getuid").to_bytes(ByteOrder::Little, 4, moved, &[]);
            memory.assert_refused(&image(&notes.expect("small notes"), 4), FOR_LIBRARY);
        }
    }

    #[test]
    fn a_kernel_that_refuses_or_pretends() {
        let memory = Memory::new();
        memory.0.compile("gcc", "refuse_seccomp.c");
        let image = carrying(&denying("getuid"));
        for (call, errno, reason) in [
            (
                "prctl",
                22,
                "the kernel refused no_new_privs: error 22 EINVAL",
            ),
            (
                "seccomp",
                38,
                "the kernel refused the filter: error 38 ENOSYS",
            ),
            ("seccomp", 0, "the kernel's answer can't be trusted"),
        ] {
            let line = format!("./refuse_seccomp {call} {errno} ./inline_image");
            let outcome = memory.0.shell(&line).input(&image).finish();
            refused(&outcome, reason);
        }
    }

    /// Some bits mean nothing: padding, and the sizes and types of notes of
    /// others. The filter is then in force all the same.
    #[test]
    fn to_go_on_without_the_filter_whichever_bit_of_the_notes_is_wrong() {
        let memory = Memory::new();
        for align in [4, 8] {
            let notes = notes(&denying("getuid"), align);
            let whole = image(&notes, align);
            memory
                .enter(&whole)
                .prints_only("started\n")
                .dies_by(Signal::SYS);
            let mut refused = 0;
            for at in whole.len() - notes.len()..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << (at % 8);
                let output = memory.enter_at_once(&damaged);
                if output.status.code() == Some(121) {
                    assert!(output.stdout.is_empty() && !output.stderr.is_empty());
                    refused += 1;
                } else {
                    let signal = output.status.signal();
                    assert_eq!(signal, Some(Signal::SYS.as_raw()), "byte {at}");
                }
            }
            assert!(refused > notes.len() * 9 / 10, "{refused}");
        }
    }
}
