//! Programs that can't carry the runtime: one line, nothing written.

use crate::inline::PATCH;
use crate::support::Workspace;

#[track_caller]
fn assert_refused(ws: &Workspace, program: &str, reason: &str) {
    let line = format!("{PATCH} ./{program}");
    ws.assert_refused(&line, &format!("./{program}"), reason);
}

#[test]
fn those_of_other_architectures() {
    for make in [
        "i686-linux-gnu-gcc -static",
        "aarch64-linux-gnu-gcc -static",
        "i686-linux-gnu-gcc",
        "aarch64-linux-gnu-gcc",
    ] {
        let ws = Workspace::with_myos(make);
        assert_refused(&ws, "myos", "no runtime for its architecture");
    }
}

#[test]
fn those_that_say_that_they_are_for_another_processor() {
    let ws = Workspace::with_myos("gcc -static");
    let mut program = ws.read("myos");
    // e_machine of Elf64_Ehdr becomes EM_AARCH64.
    program[18..20].copy_from_slice(&183_u16.to_le_bytes());
    ws.write("myos", program);
    assert_refused(&ws, "myos", "no runtime for its architecture");
}

/// A kernel has the form of a static program.
#[test]
fn those_at_addresses_that_only_a_kernel_has() {
    let ws = Workspace::new();
    ws.compile(
        "gcc -static -fno-pie -nostdlib -nostartfiles -mcmodel=kernel -Wl,-Ttext=0xffffffff81000000",
        "no_libc.c",
    );
    assert_refused(&ws, "no_libc", "a program that Linux does not start");
}

#[test]
fn those_whose_entry_point_leads_nowhere() {
    for entry in [0_u64, 0x100, 0x4a_0000] {
        let ws = Workspace::with_myos("gcc -static");
        let mut program = ws.read("myos");
        // e_entry of Elf64_Ehdr.
        program[24..32].copy_from_slice(&entry.to_le_bytes());
        ws.write("myos", program);
        let line = format!("{PATCH} --from entry ./myos");
        ws.assert_refused(&line, "./myos", "its entry point leads to no code");
    }
}

#[test]
fn libraries_objects_and_scripts() {
    let ws = Workspace::new();
    ws.compile_as("gcc -shared -fPIC", "empty.c", "library.so");
    ws.compile_as("gcc -c", "myos.c", "object.o");
    ws.write("script", "#!/bin/sh\n");
    assert_refused(&ws, "library.so", "shared library");
    assert_refused(&ws, "object.o", "relocatable object");
    assert_refused(&ws, "script", "not an ELF file");
}

#[test]
fn an_earlier_moment_than_the_library_allows() {
    let ws = Workspace::with_myos("gcc");
    ws.assert_refused(
        "sandbox-patch --deny uname --from main ./myos",
        "./myos",
        "add --inline",
    );
}

/// Behind the program headers UPX has a record of its own.
#[test]
fn those_that_upx_has_packed() {
    let ws = Workspace::with_myos("gcc -static");
    let mut program = ws.read("myos");
    let e_phnum = usize::from(u16::from_le_bytes([program[56], program[57]]));
    let l_magic = 64 + 56 * e_phnum + 4;
    program[l_magic..l_magic + 4].copy_from_slice(b"UPX!");
    ws.write("myos", program);
    assert_refused(&ws, "myos", "it is packed by UPX");
}
