//! Files that were made to mislead whoever looks at them, and file names.

mod bombs;
use crate::support::{Kind, PatchedFile, Workspace, library};

/// Offsets in a FILTER descriptor.
const PROTECT_ADDRESS: usize = 24;
const PROTECT_SIZE: usize = 32;
const DYNAMIC_ADDRESS: usize = 40;

fn patched(compiler: &str) -> Workspace {
    let ws = Workspace::with_myos(compiler);
    ws.run("sandbox-patch --allow exit_group:fstat:uname:write ./myos")
        .succeeds();
    ws
}

/// Puts other bytes in the place of the first ones that are these.
fn replace(ws: &Workspace, file: &str, old: &[u8], new: &[u8]) {
    assert_eq!(old.len(), new.len(), "the file keeps its length");
    let mut bytes = ws.read(file);
    let at = bytes.windows(old.len()).position(|window| window == old);
    let at = at.expect("the bytes are in the file");
    bytes[at..at + old.len()].copy_from_slice(new);
    ws.write(file, bytes);
}

const PT_DYNAMIC: [u8; 4] = [2, 0, 0, 0];

/// The program header of the dynamic section, which a patched file that has
/// moved it holds in its record only.
fn dynamic_header(program: &[u8]) -> Vec<u8> {
    let headers = program[64..].chunks_exact(56);
    let mut dynamic = headers.filter(|header| header.starts_with(&PT_DYNAMIC));
    dynamic.next().expect("a dynamic section").to_vec()
}

/// Nothing of what was printed acts on a terminal.
#[track_caller]
fn assert_harmless(text: &str) {
    let is_harmful = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(is_harmful), "{text:?}");
}

mod verify {
    use super::*;

    #[track_caller]
    fn assert_rejected(ws: &Workspace, reason: &str) {
        ws.assert_refused("sandbox-patch verify ./myos", "./myos", reason);
    }

    #[test]
    fn it_rejects_flags_that_patching_does_not_set() {
        for (kind, offset, flags, reason) in [
            (Kind::Header, 4, 2, "unknown flags"),
            (Kind::Restriction, 12, 2, "all actions logged"),
            (Kind::Restriction, 12, 4, "unknown flags"),
        ] {
            let ws = patched("gcc");
            PatchedFile::open(&ws.path("myos"))
                .set_word(kind, offset, flags)
                .seal()
                .save();
            assert_rejected(&ws, reason);
        }
    }

    #[test]
    fn it_rejects_a_dynamic_section_that_stays_writable() {
        // lld leaves no room in the dynamic section, so that it moves.
        let ws = patched("clang -fuse-ld=lld");
        ws.run("sandbox-patch verify ./myos").succeeds();
        let file = PatchedFile::open(&ws.path("myos"));
        assert_ne!(file.word(Kind::Header, PROTECT_SIZE), 0, "it has moved");
        file.set_word(Kind::Header, PROTECT_SIZE, 0).seal().save();
        assert_rejected(&ws, "read-only");
    }

    #[test]
    fn it_rejects_a_range_that_is_not_the_dynamic_section() {
        let ws = patched("gcc");
        PatchedFile::open(&ws.path("myos"))
            .set_word(Kind::Header, PROTECT_ADDRESS, 0x4000)
            .set_word(Kind::Header, PROTECT_SIZE, 0x1000)
            .seal()
            .save();
        assert_rejected(&ws, "read-only");
    }

    #[test]
    fn it_rejects_another_place_for_the_copy_of_the_dynamic_section() {
        let ws = patched("clang -fuse-ld=lld");
        PatchedFile::open(&ws.path("myos"))
            .set_word(Kind::Header, DYNAMIC_ADDRESS, 0x4000)
            .seal()
            .save();
        assert_rejected(&ws, "not where it is said to have been");
    }

    /// Gives the place of PT_GNU_EH_FRAME, which only unwinders look for, to a
    /// program header that is made from the others.
    fn add_header(program: &mut [u8], make: impl Fn(&[Vec<u8>]) -> Vec<u8>) {
        let table = headers(program);
        let mut headers: Vec<Vec<u8>> = program[table.clone()]
            .chunks_exact(56)
            .map(<[u8]>::to_vec)
            .collect();
        let added = make(&headers);
        // The loadable ones stay in order of address.
        let last = headers.iter().rposition(|header| is_load(header));
        headers.insert(last.expect("a loadable segment") + 1, added);
        headers.retain(|header| !header.starts_with(&PT_GNU_EH_FRAME));
        program[table].copy_from_slice(&headers.concat());
    }

    /// Where the program headers are: behind the ELF header, e_phnum of them.
    fn headers(program: &[u8]) -> std::ops::Range<usize> {
        64..64 + 56 * usize::from(u16::from_le_bytes([program[56], program[57]]))
    }

    const PT_GNU_EH_FRAME: [u8; 4] = [0x50, 0xe5, 0x74, 0x64];

    fn is_load(header: &[u8]) -> bool {
        header.starts_with(&[1, 0, 0, 0])
    }

    fn number(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    /// p_offset, p_vaddr and p_filesz of Elf64_Phdr.
    const OFFSET: usize = 8;
    const ADDRESS: usize = 16;
    const FILE_SIZE: usize = 32;

    #[test]
    fn it_rejects_a_second_dynamic_section_which_loaders_would_follow() {
        let ws = patched("gcc -no-pie");
        let mut program = ws.read("myos");
        add_header(&mut program, |headers| {
            let dynamic = headers.iter().find(|it| it.starts_with(&PT_DYNAMIC));
            let mut second = dynamic.expect("a dynamic section").clone();
            // Without its first entry, which names the runtime.
            for field in [OFFSET, ADDRESS] {
                let moved = number(&second, field) + 16;
                second[field..field + 8].copy_from_slice(&moved.to_le_bytes());
            }
            second
        });
        ws.write("myos", program);
        ws.run("./myos").succeeds();
        assert_rejected(&ws, "two dynamic sections");
    }

    /// Has the dynamic section name a table once more, at its end.
    fn repeat_entry(program: &mut [u8], tag: u64) {
        let dynamic = dynamic_header(program);
        let start = usize::try_from(number(&dynamic, OFFSET)).expect("a small file");
        let size = usize::try_from(number(&dynamic, FILE_SIZE)).expect("a small file");
        let entries = &mut program[start..start + size];
        let find = |entries: &[u8], tag: u64| {
            let mut found = entries.chunks_exact(16);
            found.position(|entry| number(entry, 0) == tag)
        };
        let table = find(entries, tag).expect("the entry") * 16;
        let table = entries[table..table + 16].to_vec();
        let end = find(entries, 0).expect("DT_NULL") * 16;
        entries[end..end + 16].copy_from_slice(&table);
    }

    #[test]
    fn it_rejects_a_second_string_table_which_loaders_would_take_the_names_from() {
        const DT_STRTAB: u64 = 5;
        let ws = patched("gcc -no-pie");
        let mut program = ws.read("myos");
        repeat_entry(&mut program, DT_STRTAB);
        ws.write("myos", program);
        assert_rejected(&ws, "names a table twice");
    }

    #[test]
    fn it_rejects_a_second_list_of_initialisers_which_loaders_would_call() {
        const DT_INIT_ARRAY: u64 = 25;
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch -q --inline --from main --deny uname ./myos")
            .succeeds();
        ws.run("sandbox-patch verify ./myos").succeeds();
        let mut program = ws.read("myos");
        repeat_entry(&mut program, DT_INIT_ARRAY);
        ws.write("myos", program);
        assert_rejected(&ws, "names a table twice");
    }

    /// Whole pages are mapped: behind the policy, in its last one.
    #[test]
    fn it_rejects_writable_memory_in_the_page_of_the_policy() {
        let ws = patched("gcc");
        let mut program = ws.read("myos");
        add_header(&mut program, |headers| {
            let last = headers.iter().rfind(|header| is_load(header));
            let mut behind = last.expect("a loadable segment").clone();
            let size = number(&behind, FILE_SIZE);
            for field in [OFFSET, ADDRESS] {
                let end = number(&behind, field) + size;
                behind[field..field + 8].copy_from_slice(&end.to_le_bytes());
            }
            let (p_flags, p_memsz) = (4, 40);
            behind[p_flags] = 6;
            for (field, value) in [(FILE_SIZE, 0_u64), (p_memsz, 8)] {
                behind[field..field + 8].copy_from_slice(&value.to_le_bytes());
            }
            behind
        });
        ws.write("myos", program);
        assert_rejected(&ws, "its policy is in memory that can be written");
    }

    #[test]
    fn it_rejects_a_segment_that_hides_another_in_memory() {
        let ws = patched("gcc");
        let mut program = ws.read("myos");
        let offset = (program.len() as u64).next_multiple_of(4096);
        let mut table = program[headers(&program)].chunks_exact(56);
        let last = table.rfind(|header| is_load(header));
        let last = last.expect("the policy's segment").to_vec();
        let [from, size] = [OFFSET, FILE_SIZE].map(|field| number(&last, field));
        add_header(&mut program, |_| {
            let mut hiding = last.clone();
            let address = number(&hiding, ADDRESS) + size;
            // The last is p_memsz.
            for (field, value) in [
                (OFFSET, offset + size),
                (ADDRESS, address),
                (FILE_SIZE, 8),
                (FILE_SIZE + 8, 8),
            ] {
                hiding[field..field + 8].copy_from_slice(&u64::to_le_bytes(value));
            }
            hiding
        });
        // The same page once more, but for the runtime's name.
        let start = usize::try_from(from).expect("a small file");
        let size = usize::try_from(size).expect("a small file");
        let mut hidden = program[start..start + size].to_vec();
        let library = library();
        let mut windows = hidden.windows(library.len());
        let at = windows.position(|it| it == library.as_bytes());
        let at = at.expect("the runtime's name");
        hidden[at..at + 10].copy_from_slice(b"libc.so.6\0");
        hidden.extend([0; 8]);
        program.resize(usize::try_from(offset).expect("a small file"), 0);
        program.extend(hidden);
        ws.write("myos", program);
        ws.run("./myos").succeeds();
        assert_rejected(&ws, "overlap");
    }

    #[test]
    fn it_follows_absolute_symbolic_links_below_the_root() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --lib /opt/libsandbox.so --deny uname ./myos")
            .succeeds();
        ws.run("mkdir -p image/opt image/usr/lib").succeeds();
        ws.run(&format!("cp {} $PWD/outside.so", library()))
            .succeeds();
        // On the host there is a library, below the root there is none.
        ws.run("ln -s $PWD/outside.so image/opt/libsandbox.so")
            .succeeds();
        ws.run("sandbox-patch verify --root image ./myos")
            .exits_with(1)
            .complains("does not exist");
        // And the other way round.
        ws.run(&format!("cp {} image/usr/lib/real.so", library()))
            .succeeds();
        ws.run("ln -sf /usr/lib/real.so image/opt/libsandbox.so")
            .succeeds();
        ws.run("sandbox-patch verify --root image ./myos")
            .succeeds();
    }

    #[test]
    fn it_does_not_wait_for_a_pipe_or_a_device_in_the_librarys_place() {
        let ws = Workspace::with_myos("gcc");
        let path = ws.path("libsandbox.so").display().to_string();
        ws.run(&format!("sandbox-patch --lib {path} --deny uname ./myos"))
            .succeeds();
        for place in [
            "mkfifo libsandbox.so",
            "ln -sf /dev/zero libsandbox.so",
            "rm libsandbox.so && mkdir libsandbox.so",
        ] {
            ws.run(place).succeeds();
            assert_rejected(&ws, "it is not a regular file");
        }
    }

    #[test]
    fn it_opens_no_other_library() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch --lib /opt/libsandbox.so --deny uname ./myos")
            .succeeds();
        ws.run("mkfifo pipe").succeeds();
        replace(&ws, "myos", b"/opt/libsandbox.so", b"/opt/libsandbax.so");
        ws.run("strace -f -e trace=file -o trace sandbox-patch inspect ./myos")
            .succeeds()
            .prints("not protected");
        let trace = String::from_utf8_lossy(&ws.read("trace")).into_owned();
        assert!(
            trace.contains("myos") && !trace.contains("sandbax"),
            "{trace}"
        );
    }
}

mod remove {
    use super::*;

    #[test]
    fn it_makes_no_file_that_is_none_of_a_false_record() {
        // lld leaves no room in the dynamic section, so that it moves, and its
        // program header is put back.
        let ws = Workspace::with_myos("clang -fuse-ld=lld");
        let header = dynamic_header(&ws.read("myos"));
        ws.run("sandbox-patch --deny ptrace ./myos").succeeds();
        let mut false_header = header.clone();
        // p_filesz of Elf64_Phdr.
        false_header[36] = 1;
        replace(&ws, "myos", &header, &false_header);
        for line in [
            "sandbox-patch remove ./myos",
            "sandbox-patch remove --best-effort ./myos",
        ] {
            ws.assert_refused(line, "./myos", "");
        }
    }
}

mod patch {
    use super::*;

    /// A sparse file claims them without having them.
    #[test]
    fn it_does_not_read_millions_of_section_headers() {
        let ws = Workspace::with_myos("gcc");
        ws.run(
            "python3 -c 'import os, struct; program = open(\"myos\", \"r+b\"); \
             table = os.path.getsize(\"myos\") + 8 & ~7; count = 1 << 22; \
             program.seek(40); program.write(struct.pack(\"<Q\", table)); \
             program.seek(60); program.write(bytes(2)); \
             program.seek(table + 32); program.write(struct.pack(\"<Q\", count)); \
             program.truncate(table + 64 * count)'",
        )
        .succeeds();
        for verb in ["inspect", "verify", "--deny uname -o out"] {
            ws.run(&format!("ulimit -v 200000; sandbox-patch {verb} myos"))
                .exits_with(1)
                .complains("more than 65279 sections");
        }
    }

    #[test]
    fn it_does_not_read_the_symbols_of_each_of_many_tables() {
        let ws = Workspace::with_myos("gcc");
        let mut program = ws.read("myos");
        let field = |program: &[u8], at: usize| {
            u64::from_le_bytes(program[at..at + 8].try_into().expect("eight bytes"))
        };
        // e_shoff and e_shnum of Elf64_Ehdr.
        let sections = usize::try_from(field(&program, 40)).expect("a small file");
        let mut table = program[sections..].to_vec();
        let symbols = table
            .chunks_exact(64)
            .find(|header| header[4..8] == [2, 0, 0, 0])
            .expect("a symbol table");
        let mut symbols = symbols.to_vec();
        // sh_offset, sh_size: all of a file of 4 MiB.
        symbols[24..32].fill(0);
        symbols[32..40].copy_from_slice(&u64::to_le_bytes(4 << 20));
        const COUNT: u16 = 60_000;
        while table.len() < usize::from(COUNT) * 64 {
            table.extend(&symbols);
        }
        program[60..62].copy_from_slice(&COUNT.to_le_bytes());
        let offset = (program.len() as u64).next_multiple_of(8);
        program[40..48].copy_from_slice(&offset.to_le_bytes());
        program.resize(usize::try_from(offset).expect("a small file"), 0);
        program.extend(table);
        program.resize(program.len().max(5 << 20), 0);
        ws.write("myos", program);
        ws.run("timeout 10 sandbox-patch --deny ptrace -q ./myos")
            .succeeds();
    }
}

mod inspect {
    use super::*;

    #[test]
    fn it_does_not_promise_what_remove_refuses() {
        let ws = patched("gcc");
        ws.run("sandbox-patch inspect ./myos")
            .succeeds()
            .prints(", kept for 'sandbox-patch remove'")
            .does_not_print("--best-effort");
        ws.run("echo appended >>myos").succeeds();
        ws.run("sandbox-patch inspect ./myos")
            .succeeds()
            .prints("taken out with best effort");
    }

    #[test]
    fn it_knows_its_own_runtime() {
        let ws = Workspace::new();
        let library = library();
        ws.run(&format!("sandbox-patch inspect {library}"))
            .succeeds()
            .prints("this is the runtime, version ")
            .prints("shared library")
            .does_not_print("problem");
        ws.run(&format!("sandbox-patch verify {library}"))
            .exits_with(1)
            .complains("no sandbox policy");
    }

    #[test]
    fn it_ends_where_standard_input_does_not() {
        let ws = patched("gcc");
        ws.run("sandbox-patch inspect - </dev/zero")
            .exits_with(1)
            .complains_in_one_line("not an ELF file");
        ws.run("cat myos /dev/zero | sandbox-patch inspect -")
            .exits_with(1)
            .complains_in_one_line("longer than 1024 MiB");
    }
}

mod names {
    use super::*;

    const NAME: &str = "a\x1b]0;PWNED\x07\nb: ok\u{9b}2J\u{202e}\u{2028}";

    fn with_hostile_name() -> Workspace {
        let ws = Workspace::with_myos("gcc");
        std::fs::rename(ws.path("myos"), ws.path(NAME)).expect("a strange name");
        ws
    }

    #[test]
    fn they_forge_no_line_and_reach_no_terminal() {
        let ws = with_hostile_name();
        for (command, lines) in [
            ("verify", 1),
            ("--deny uname", 5),
            ("--deny getpid", 1),
            ("inspect", 8),
            ("verify", 1),
            ("--color always verify", 1),
            ("remove", 1),
            ("remove", 1),
        ] {
            let outcome = ws.run(&format!("sandbox-patch {command} ./a*"));
            let text = format!("{}{}", outcome.stdout, outcome.stderr);
            assert_harmless(&text);
            assert!(text.contains(r"a\u{1b}]0;PWNED\u{7}\nb: ok\u{9b}2J\u{202e}\u{2028}"));
            assert_eq!(text.lines().count(), lines, "{outcome}");
        }
    }

    #[test]
    fn they_are_harmless_in_json_and_mean_the_same() {
        let ws = with_hostile_name();
        let outcome = ws.run("sandbox-patch inspect --json ./a*");
        assert_harmless(&outcome.succeeds().stdout);
        let found: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
        assert_eq!(found["file"], format!("./{NAME}"));
    }

    #[test]
    fn those_in_the_file_are_harmless_too() {
        let ws = patched("gcc");
        replace(
            &ws,
            "myos",
            b"/lib64/ld-linux-x86-64.so.2",
            b"\x1b]0;PWNED\x07\x1b[2J/lib\nsound\nxx",
        );
        let outcome = ws.run("sandbox-patch inspect ./myos");
        outcome.succeeds().prints(r"\u{1b}]0;PWNED");
        assert_harmless(&outcome.stdout);
        assert!(!outcome.stdout.contains("\nsound"), "{outcome}");
    }

    #[test]
    fn ordinary_ones_stay_as_they_are() {
        let ws = Workspace::with_myos("gcc");
        ws.run(r"mv myos 'Größe a\b 文件' && sandbox-patch --deny uname ./G*")
            .succeeds()
            .prints(r"./Größe a\b 文件: patched");
    }
}

mod a_full_disk_behind_standard_output {
    use super::*;

    const REASON: &str = "standard output can't be written: ";

    #[test]
    fn it_is_told_and_shows_in_the_status() {
        let ws = patched("gcc");
        for command in [
            "inspect ./myos",
            "inspect --json ./myos",
            "inspect --bpf ./myos",
            "verify ./myos",
            "--allow exit_group:fstat:uname:write ./myos",
            "remove -o restored ./myos",
            "--help",
            "--version",
        ] {
            ws.run(&format!("sandbox-patch {command} >/dev/full"))
                .exits_with(1)
                .complains_in_one_line(&format!("sandbox-patch: {REASON}"));
        }
    }

    #[test]
    fn the_other_files_are_handled_all_the_same() {
        let ws = Workspace::with_myos("gcc");
        ws.run("cp myos one && cp myos two").succeeds();
        ws.run("sandbox-patch --deny uname one two >/dev/full")
            .exits_with(1)
            .complains(REASON);
        ws.run("sandbox-patch verify one two").succeeds();
    }

    #[test]
    fn nor_does_standard_error_end_it() {
        let ws = Workspace::with_myos("gcc");
        ws.run("sandbox-patch verify ./myos 2>/dev/full")
            .exits_with(1);
        ws.run("sandbox-patch --deny read -o out ./myos 2>/dev/full")
            .succeeds();
    }
}
