//! Programs that other tools changed, or that do with ELF what few do: patched
//! right, or refused with the reason and left alone.

use crate::support::{Signal, Workspace, assert_faithful};

const PATCH: &str = "sandbox-patch --deny uname -q";

/// `before` prints the same when it is patched.
#[track_caller]
fn assert_prints_the_same(ws: &Workspace, before: &str) {
    let expected = ws.run(&format!("./{before}")).succeeds().stdout.clone();
    ws.run(&format!("sandbox-patch --deny reboot -q -o after {before}"))
        .succeeds();
    assert_faithful(ws, before, "after");
    ws.run("./after").succeeds().prints_only(&expected);
}

mod data_in_sections_that_move {
    use super::*;

    const MAKES: [&str; 7] = [
        "gcc",
        "gcc -no-pie",
        "clang",
        "clang -fuse-ld=lld",
        "gcc -fuse-ld=mold",
        "gcc -s",
        "musl-gcc",
    ];

    /// Refused, or right: never overwritten.
    fn assert_kept(fixture: &str, makes: &[&str]) {
        for make in makes {
            println!("{make}");
            let ws = Workspace::new();
            ws.compile_as(make, fixture, "before");
            let before = ws.read("before");
            let outcome = ws.run("sandbox-patch --deny reboot -q -o after before");
            if outcome.status() == Some(0) {
                assert_prints_the_same(&ws, "before");
            } else {
                outcome.exits_with(1).complains("no room");
            }
            assert_eq!(ws.read("before"), before);
        }
    }

    #[test]
    fn a_note_that_the_program_reads_by_its_name_is_not_overwritten() {
        assert_kept("reads_own_note.c", &MAKES);
    }

    /// As far as a symbol tells: of `-s` nothing is left that could.
    #[test]
    fn an_interpreter_that_the_program_reads_by_its_name_is_not_overwritten() {
        let makes = MAKES.into_iter().filter(|make| !make.ends_with("-s"));
        assert_kept("reads_own_interpreter.c", &makes.collect::<Vec<_>>());
    }
}

mod changed_by_patchelf {
    use super::*;

    fn assert_patched_after(change: &str) {
        for make in ["gcc", "gcc -no-pie", "clang -fuse-ld=lld", "musl-gcc"] {
            println!("{make}: patchelf {change}");
            let ws = Workspace::with_myos(make);
            ws.run(&format!("patchelf {change} myos")).succeeds();
            let changed = ws.read("myos");
            let outcome = ws.run(&format!("{PATCH} myos"));
            if outcome.status() == Some(0) {
                ws.run("./myos").dies_by(Signal::SYS);
                ws.run("sandbox-patch remove myos").succeeds();
            } else {
                outcome.exits_with(1).complains("no room");
            }
            assert!(ws.read("myos") == changed);
            ws.run("./myos").succeeds();
        }
    }

    #[test]
    fn with_a_run_path() {
        assert_patched_after("--set-rpath /opt/some/where/that/is/long/enough/to/need/room");
    }

    #[test]
    fn with_another_library() {
        assert_patched_after("--add-needed libm.so.6 --remove-needed libm.so.6");
    }
}

mod changed_by_other_tools {
    use super::*;

    /// Both ways to put a policy into `./before`: it does what it did, and dies of
    /// what is denied.
    #[track_caller]
    fn assert_patched_right(ws: &Workspace) {
        for way in ["", "--inline"] {
            println!("{way}");
            ws.run(&format!(
                "sandbox-patch --deny reboot {way} -q -o after before"
            ))
            .succeeds();
            assert_faithful(ws, "before", "after");
            let expected = ws.run("./before").succeeds().stdout.clone();
            ws.run("./after").succeeds().prints_only(&expected);
            ws.run("sandbox-patch verify -q after").succeeds();
            ws.run("sandbox-patch remove -q after && cmp before after")
                .succeeds();
            ws.run(&format!("{PATCH} {way} -o denied before && ./denied"))
                .dies_by(Signal::SYS);
        }
    }

    /// With more dynamic strings than fit the first page.
    const LONG_NAMES: &str = "gcc -no-pie -rdynamic -include functions.h";

    /// patchelf 0.14 cuts a program that is not position-independent in two, where
    /// the first page ends, be it in the middle of a table.
    #[test]
    fn a_table_may_go_on_in_the_next_segment() {
        for change in [
            "--set-rpath /some/where",
            "--set-interpreter /lib64/ld-linux-x86-64.so.2",
        ] {
            let ws = Workspace::new();
            let names: String = (0..400)
                .map(|index| {
                    format!("int a_name_that_is_rather_long_{index}(void) {{ return 0; }}\n")
                })
                .collect();
            ws.write("functions.h", names);
            let long_names =
                LONG_NAMES.replace("functions.h", &ws.path("functions.h").display().to_string());
            ws.compile_as(&long_names, "myos.c", "before");
            ws.run(&format!("patchelf {change} before")).succeeds();
            assert_patched_right(&ws);
        }
    }

    /// A segment in two, at a place: each half has a header.
    fn cut(program: &mut [u8], at: u64) {
        let mut headers: Vec<Vec<u8>> = table(program)
            .chunks_exact(PHDR)
            .map(<[u8]>::to_vec)
            .collect();
        let holds = |header: &Vec<u8>| {
            let [start, size] = [8, 32].map(|field| number(header, field));
            header.starts_with(&PT_LOAD) && (start + 1..start + size).contains(&at)
        };
        let index = headers
            .iter()
            .position(holds)
            .expect("a segment with that place");
        let first = number(&headers[index], 8);
        let mut second = headers[index].clone();
        // p_offset, p_vaddr, p_paddr go on, p_filesz and p_memsz end there.
        for field in [8, 16, 24] {
            let value = number(&second, field) + (at - first);
            second[field..field + 8].copy_from_slice(&value.to_le_bytes());
        }
        for field in [32, 40] {
            let value = number(&second, field) - (at - first);
            second[field..field + 8].copy_from_slice(&value.to_le_bytes());
            headers[index][field..field + 8].copy_from_slice(&(at - first).to_le_bytes());
        }
        headers.insert(index + 1, second);
        // Nobody but unwinders misses it.
        headers.retain(|header| !header.starts_with(&PT_GNU_EH_FRAME));
        let start = usize::try_from(number(program, 32)).expect("a small file");
        program[start..start + headers.len() * PHDR].copy_from_slice(&headers.concat());
    }

    const PHDR: usize = 56;
    const PT_LOAD: [u8; 4] = [1, 0, 0, 0];
    const PT_GNU_EH_FRAME: [u8; 4] = [0x50, 0xe5, 0x74, 0x64];

    fn number(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    /// The program headers, where e_phoff says.
    fn table(program: &[u8]) -> &[u8] {
        let count = usize::from(u16::from_le_bytes([program[56], program[57]]));
        let start = usize::try_from(number(program, 32)).expect("a small file");
        &program[start..start + count * PHDR]
    }

    /// Where a section begins and how long it is, as readelf(1) says.
    fn section(ws: &Workspace, name: &str) -> (u64, u64) {
        let line = ws.run(&format!(
            "readelf -SW before | sed 's/^ *\\[ *[0-9]*\\]//' | grep '^ [.]{name} '"
        ));
        let words: Vec<&str> = line.succeeds().stdout.split_whitespace().collect();
        let hexadecimal = |word: &str| u64::from_str_radix(word, 16).expect("a number");
        (hexadecimal(words[3]), hexadecimal(words[4]))
    }

    #[test]
    fn any_table_of_the_loader_may_go_on_in_the_next_segment() {
        for name in [
            "note.ABI-tag",
            "gnu.hash",
            "dynsym",
            "dynstr",
            "gnu.version",
            "gnu.version_r",
            "rela.dyn",
            "rela.plt",
            "dynamic",
            "init_array",
        ] {
            println!("{name}");
            let ws = Workspace::new();
            ws.compile_as(
                "gcc -no-pie -O2 -Wl,-z,noseparate-code -Wl,-z,norelro",
                "myos.c",
                "before",
            );
            let mut program = ws.read("before");
            let (start, size) = section(&ws, name);
            cut(&mut program, start + size / 2 / 4 * 4);
            ws.write("before", program);
            ws.run("./before").succeeds();
            assert_patched_right(&ws);
        }
    }

    /// LIEF puts the program headers behind the code, wherever that ends.
    #[test]
    fn program_headers_may_be_at_any_address() {
        for distance in 1..8 {
            println!("{distance}");
            let ws = Workspace::new();
            ws.compile_as("gcc -no-pie -Wl,-z,separate-code", "myos.c", "before");
            let mut program = ws.read("before");
            let headers = table(&program).to_vec();
            let is_code = |header: &&[u8]| header.starts_with(&PT_LOAD) && header[4] & 1 == 1;
            let code = headers
                .chunks_exact(PHDR)
                .find(is_code)
                .expect("code")
                .to_vec();
            let place = (number(&code, 8) + number(&code, 32)).next_multiple_of(8) + distance;
            let (start, from) = (
                usize::try_from(place).expect("a small file"),
                number(&code, 8),
            );
            let moved: Vec<u8> = headers
                .chunks_exact(PHDR)
                .flat_map(|header| {
                    let mut header = header.to_vec();
                    let set = |header: &mut Vec<u8>, field: usize, value: u64| {
                        header[field..field + 8].copy_from_slice(&value.to_le_bytes());
                    };
                    if header.starts_with(&[6, 0, 0, 0]) {
                        let address = number(&code, 16) + place - from;
                        for (field, value) in [(8, place), (16, address), (24, address)] {
                            set(&mut header, field, value);
                        }
                    } else if header == code {
                        let size = place + headers.len() as u64 - from;
                        set(&mut header, 32, size);
                        set(&mut header, 40, size);
                    }
                    header
                })
                .collect();
            program[start..start + moved.len()].copy_from_slice(&moved);
            program[32..40].copy_from_slice(&place.to_le_bytes());
            ws.write("before", program);
            ws.run("./before").succeeds();
            assert_patched_right(&ws);
        }
    }

    /// The dynamic section, the notes and the section headers.
    #[test]
    fn what_loaders_read_may_be_at_any_address() {
        let ws = Workspace::new();
        ws.compile_as("gcc -no-pie -O2 -Wl,-z,norelro", "myos.c", "before");
        let mut program = ws.read("before");
        let (start, size) = section(&ws, "dynamic");
        let (start, size) = (
            usize::try_from(start).expect("small"),
            usize::try_from(size).expect("small"),
        );
        // Spare entries are at its end.
        let entries = program[start..start + size - 16].to_vec();
        program[start + 1..start + 1 + entries.len()].copy_from_slice(&entries);
        let headers = table(&program).to_vec();
        let at = usize::try_from(number(&program, 32)).expect("small");
        for (index, header) in headers.chunks_exact(PHDR).enumerate() {
            if header.starts_with(&[2, 0, 0, 0]) {
                for field in [8, 16, 24] {
                    let place = at + index * PHDR + field;
                    let value = number(header, field) + 1;
                    program[place..place + 8].copy_from_slice(&value.to_le_bytes());
                }
                for field in [32, 40] {
                    let place = at + index * PHDR + field;
                    let value = number(header, field) - 16;
                    program[place..place + 8].copy_from_slice(&value.to_le_bytes());
                }
            }
        }
        ws.write("before", program);
        ws.run("./before").succeeds();
        assert_patched_right(&ws);
    }

    /// mold has one program header for all notes, which GNU strip leaves without an
    /// address where the first of them goes.
    #[test]
    fn a_program_header_of_notes_may_be_nobodys() {
        for how in ["", "-no-pie", "-static"] {
            for removed in [".note.gnu.property", ".note.gnu.build-id", ".note.ABI-tag"] {
                println!("{how} {removed}");
                let ws = Workspace::new();
                ws.compile_as(&format!("gcc {how} -fuse-ld=mold"), "myos.c", "before");
                ws.run(&format!("strip -R {removed} before && ./before"))
                    .succeeds();
                assert_patched_right(&ws);
            }
        }
    }
}

mod linked_with_options {
    use super::*;

    /// gcc's library of it ends a program in whose list it does not come first.
    #[test]
    fn address_sanitizer_is_warned_of_and_works_with_the_runtime_inside() {
        let ws = Workspace::with_myos("gcc -fsanitize=address");
        ws.run("sandbox-patch -q --deny reboot -o after myos")
            .succeeds()
            .complains("its library libasan.so")
            .complains("put the runtime into it");
        ws.run("sandbox-patch inspect after")
            .succeeds()
            .prints("its library libasan.so");
        ws.run("./after").fails().complains("does not come first");
        ws.run("ASAN_OPTIONS=verify_asan_link_order=0 ./after")
            .succeeds();
        ws.run("sandbox-patch -q --inline --deny reboot -o inside myos")
            .succeeds()
            .does_not_complain("libasan");
        ws.run("./inside").succeeds();
        for other in ["thread", "leak", "undefined"] {
            let ws = Workspace::with_myos(&format!("gcc -fsanitize={other}"));
            ws.run("sandbox-patch -q --deny reboot myos")
                .succeeds()
                .does_not_complain("first");
            ws.run("./myos").succeeds();
        }
    }

    #[test]
    fn a_dynamic_section_without_spare_entries_moves() {
        let ws = Workspace::with_myos("gcc -Wl,--spare-dynamic-tags=0");
        assert_prints_the_same(&ws, "myos");
        ws.run(&format!("{PATCH} myos && ./myos"))
            .dies_by(Signal::SYS);
    }

    #[test]
    fn an_executable_stack_stays_as_it_is() {
        let ws = Workspace::with_myos("gcc -z execstack");
        assert_prints_the_same(&ws, "myos");
        ws.run(&format!("{PATCH} myos && readelf -lW myos | grep STACK"))
            .succeeds()
            .prints("RWE");
    }

    #[test]
    fn a_huge_bss_costs_nothing() {
        let ws = Workspace::new();
        ws.compile_as(
            "gcc -DSIZE=(1UL<<30) -mcmodel=medium",
            "large_bss.c",
            "before",
        );
        assert_prints_the_same(&ws, "before");
        ws.run("test $(stat -c %s before) -lt 100000").succeeds();
    }

    #[test]
    fn holes_stay_holes() {
        let ws = Workspace::with_myos("gcc");
        ws.run("truncate -s 64M myos").succeeds();
        assert_prints_the_same(&ws, "myos");
        ws.run("test $(du -k myos | cut -f1) -lt 1000").succeeds();
        ws.run(&format!(
            "{PATCH} myos && test $(du -k myos | cut -f1) -lt 1000"
        ))
        .succeeds();
    }
}

/// A linker script may put code right behind the program headers, where they
/// can't grow. They move to the new segment then.
mod code_behind_the_program_headers {
    use super::*;

    const MAKES: [&str; 4] = [
        "gcc",
        "gcc -s",
        "gcc -Wl,-z,noseparate-code",
        "gcc -Wl,--spare-dynamic-tags=0",
    ];

    const OUTPUT: &str = "8, headers right, in place yes\n";

    /// `./before`, linked with GNU ld's own script and `.early` in front.
    fn linked(make: &str) -> Workspace {
        let ws = Workspace::new();
        ws.run(&format!(
            "{make} -Wl,--verbose -o verbose -x c - < /dev/null > verbose.txt 2> errors; \
             sed -n '/^=====/,/^=====/{{/^=====/d; \
             s/^  [.]interp /  .early : {{ KEEP (*(.early)) }}\\n&/; p}}' verbose.txt > script"
        ))
        .succeeds();
        ws.run("grep -q -F .early script").succeeds();
        ws.compile_as(
            &format!("{make} -Wl,-T,script"),
            "text_behind_headers.c",
            "before",
        );
        ws.run("./before").succeeds().prints_only(OUTPUT);
        ws
    }

    #[test]
    fn the_program_headers_move_and_are_found() {
        for make in MAKES {
            println!("{make}");
            let ws = linked(make);
            ws.run("sandbox-patch --deny uname -q -o after before")
                .succeeds()
                .complains("its program headers had to move, since .early follows them");
            assert_faithful(&ws, "before", "after");
            // The kernel told where they are, the C library agrees, and so do
            // those who compute it as kernels before 5.18 did.
            ws.run("./after").succeeds().prints_only(OUTPUT);
            ws.run("/lib64/ld-linux-x86-64.so.2 ./after")
                .succeeds()
                .prints("headers");
            ws.run("readelf -aW after 2>&1 >/dev/null").prints_only("");
            ws.run("sandbox-patch verify -q after").succeeds();
            ws.run("sandbox-patch remove -q after && cmp after before")
                .succeeds();
        }
    }

    #[test]
    fn the_policy_is_in_force() {
        let ws = linked("gcc");
        ws.run("sandbox-patch --allow exit_group -q before && ./before")
            .dies_by(Signal::SYS);
    }

    /// llvm-strip closes the hole, so that kernels before 5.18 are lost.
    #[test]
    fn a_tool_that_keeps_them_there_does_no_harm_but_to_older_kernels() {
        for strip in ["llvm-strip", "eu-strip"] {
            let ws = linked("gcc");
            ws.run("sandbox-patch --deny uname -q -o after before")
                .succeeds();
            ws.run(&format!("{strip} after && ./after"))
                .succeeds()
                .prints("8, headers right");
            let verified = ws.run("sandbox-patch verify -q after");
            if strip == "llvm-strip" {
                // It leaves out the hole that was in front of them.
                verified
                    .exits_with(1)
                    .complains_in_one_line("where kernels before Linux 5.18 tell the loader");
            } else {
                verified.succeeds();
            }
            ws.run("sandbox-patch remove -q --best-effort after && ./after")
                .succeeds()
                .prints_only(OUTPUT);
            ws.run("readelf -SW after | grep '[.]sandbox' | grep -v NULL")
                .prints_only("");
        }
    }

    /// GNU strip puts them behind the file header, whatever is there. It was said
    /// not to do so, and the gate notices.
    #[test]
    fn a_tool_that_breaks_the_program_is_noticed() {
        let ws = linked("gcc");
        ws.run("sandbox-patch --deny uname -q before && strip before")
            .succeeds();
        ws.run("sandbox-patch verify -q before")
            .exits_with(1)
            .complains("malformed");
    }

    /// Before Linux 5.18 kernels find the table only at the first segment's
    /// distance of address and offset, which takes a hole as large as `.bss`.
    #[test]
    fn behind_a_large_bss_they_can_not_move() {
        let ws = linked("gcc -DBSS=0x40000000 -mcmodel=medium");
        ws.assert_refused(
            "sandbox-patch --deny uname ./before",
            "./before",
            "kernels before Linux 5.18 would find them only behind a hole of 10",
        );
        let ws = linked("gcc -DBSS=0x100000");
        assert_prints_the_same(&ws, "before");
        ws.run("sandbox-patch --deny uname -q before && test $(du -k before | cut -f1) -lt 100")
            .succeeds();
    }
}

/// The kernel puts it behind the last segment, and without randomisation right there.
mod the_heap {
    use super::*;

    const FIXED: [&str; 9] = [
        "gcc -no-pie",
        "gcc -no-pie -s",
        "gcc -no-pie -Wl,-z,noseparate-code",
        "gcc -no-pie -Wl,--spare-dynamic-tags=0",
        "gcc -no-pie -fuse-ld=gold -Wl,-z,max-page-size=0x200000",
        "clang -no-pie -fuse-ld=lld",
        "clang -no-pie -fuse-ld=mold",
        "gcc -static",
        "clang -static -fuse-ld=lld",
    ];

    /// The lowest address that a program may have.
    const LOWEST: &str = "gcc -no-pie -Wl,-Ttext-segment=0x10000";

    const WARNING: &str = "it asks for the place of its heap (sbrk)";

    #[test]
    fn of_a_program_at_fixed_addresses_begins_where_it_did() {
        for make in FIXED {
            println!("{make}");
            let ws = Workspace::new();
            ws.compile_as(make, "heap.c", "before");
            ws.run("setarch -R ./before").succeeds();
            for way in ["", "--inline"] {
                ws.run(&format!(
                    "sandbox-patch -q {way} --deny reboot -o after before"
                ))
                .is_silent();
                assert_faithful(&ws, "before", "after");
                for change in ["true", "strip after", "remove after"] {
                    let change = change.replace("remove", "sandbox-patch remove -q --best-effort");
                    ws.run(&change).succeeds();
                    ws.run("setarch -R ./after").succeeds();
                    ws.run("./after").prints("heap begins at");
                }
            }
        }
    }

    /// A loader that is started as a program maps segments more strictly than the
    /// kernel.
    #[test]
    fn and_the_loader_may_be_named_as_the_program() {
        for make in FIXED.into_iter().filter(|make| !make.contains("-static")) {
            println!("{make}");
            let ws = Workspace::new();
            ws.compile_as(make, "heap.c", "before");
            ws.run("sandbox-patch -q --deny reboot -o after before && sandbox-patch -q --deny openat -o bound before")
                .succeeds();
            let loader = "/lib64/ld-linux-x86-64.so.2";
            ws.run(&format!("{loader} ./after")).prints("data ends at");
            ws.run(&format!("{loader} ./bound")).dies_by(Signal::SYS);
        }
    }

    #[test]
    fn moves_with_a_warning_where_nothing_can_stand_in_front() {
        let ws = Workspace::new();
        ws.compile_as(LOWEST, "heap.c", "lowest");
        ws.compile_as("gcc -no-pie", "heap.c", "appended");
        ws.compile_as("gcc -pie -fPIE", "heap.c", "anywhere");
        // A payload that is found by its offset.
        ws.run("printf '%0999d' 7 >> appended && size=$(wc -c < appended) && \
                python3 -c \"import sys; sys.stdout.buffer.write(($size - 999).to_bytes(8, 'little'))\" >> appended")
            .succeeds();
        for fixed in ["lowest", "appended"] {
            ws.run(&format!("sandbox-patch -q --deny reboot {fixed}"))
                .succeeds()
                .complains(WARNING);
            ws.run(&format!("./{fixed}")).prints("heap begins at");
        }
        // There is randomisation between its data and its heap.
        ws.run("sandbox-patch -q --deny reboot anywhere")
            .succeeds()
            .does_not_complain("heap");
    }

    /// As `unexec` leaves them: all that was zero is in the file, and the program turns
    /// randomisation off.
    #[test]
    fn that_was_saved_is_found_again_or_the_program_refused() {
        let ws = Workspace::new();
        ws.write(
            "saved.c",
            "#include <sys/personality.h>\n#include <unistd.h>\n\
             int main(void) { return personality(-1) == -1 || !sbrk(0); }\n",
        );
        ws.run(&format!(
            "gcc -no-pie saved.c -o high && {LOWEST} saved.c -o low"
        ))
        .succeeds();
        for name in ["high", "low"] {
            // p_filesz of the last loadable segment becomes p_memsz.
            let mut program = ws.read(name);
            let headers = (64..).step_by(56).take(usize::from(program[56]));
            let last = headers
                .filter(|&at| program[at..].starts_with(&[1, 0, 0, 0]))
                .last();
            let last = last.expect("a loadable segment");
            let memory = program[last + 40..last + 48].to_vec();
            program[last + 32..last + 40].copy_from_slice(&memory);
            ws.write(name, program);
            ws.run(&format!("./{name}")).succeeds();
        }
        for way in ["", "--inline"] {
            ws.run(&format!("sandbox-patch -q {way} --deny reboot -o out high"))
                .is_silent();
            ws.run("./out").succeeds();
            ws.assert_refused(
                &format!("sandbox-patch -q {way} --deny reboot ./low"),
                "./low",
                "it is a saved heap (unexec)",
            );
        }
    }
}
