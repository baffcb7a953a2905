//! Patched programs that were changed so that the policy would not be in force:
//! `verify` takes none of them.

use object::elf;
use sandbox_patch::elf::{Image, Layout, VirtAddr};

use crate::support::Workspace;

/// A patched program, and what its headers say.
struct Patched {
    ws: Workspace,
    program: Vec<u8>,
    layout: Layout,
}

impl Patched {
    /// The article's program, which may not call uname.
    fn new(make: &str, from: &str) -> Self {
        let ws = Workspace::with_myos(make);
        ws.run(&format!(
            "sandbox-patch -q --inline --from {from} --deny uname ./myos"
        ))
        .succeeds();
        ws.run("sandbox-patch verify ./myos").succeeds();
        let program = ws.read("myos");
        let layout = Layout::read(&program[..]).expect("a program");
        Self {
            ws,
            program,
            layout,
        }
    }

    /// Where an address is in the file.
    fn offset(&self, address: u64) -> usize {
        let offset = self.layout.offset_of(VirtAddr(address));
        place(offset.expect("an address in the file").0)
    }

    /// The runtime's address, and where it is in the file.
    fn runtime(&self) -> (u64, usize) {
        let text = self.section(".sandbox.text");
        let (sh_addr, sh_offset) = (16, 24);
        let address = self.word(text + sh_addr);
        (address, place(self.word(text + sh_offset)))
    }

    /// Where a dynamic entry is in the file.
    fn entry(&self, tag: elf::DynamicTag) -> usize {
        let dynamic = self.layout.dynamic.as_ref().expect("a dynamic section");
        let index = dynamic.entries.iter().position(|entry| entry.tag == tag);
        place(dynamic.range.start.0) + 16 * index.expect("the entry")
    }

    /// Where a section header is in the file.
    fn section(&self, name: &str) -> usize {
        let image = Image::read(&self.program[..]).expect("a program");
        let index = image
            .sections
            .iter()
            .position(|it| image.section_name(it) == name);
        place(self.layout.header.shoff.0) + 64 * index.expect("the section")
    }

    fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.program[at..at + 8].try_into().expect("eight bytes"))
    }

    fn set(&mut self, at: usize, word: u64) -> &mut Self {
        self.program[at..at + 8].copy_from_slice(&word.to_le_bytes());
        self
    }

    #[track_caller]
    fn assert_rejected(&self, reason: &str) {
        self.ws.write("myos", &self.program);
        self.ws
            .assert_refused("sandbox-patch verify ./myos", "./myos", reason);
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a small file")
}

const NOT_LED: &str = "nothing in it leads to its runtime";

const E_ENTRY: usize = 24;

#[test]
fn an_entry_point_that_passes_the_c_library_s_by() {
    for make in ["gcc -static", "gcc", "musl-gcc -static"] {
        let mut patched = Patched::new(make, "main");
        let behind = patched.word(E_ENTRY) + 20;
        patched.set(E_ENTRY, behind).assert_rejected(NOT_LED);
    }
}

/// Loaders do not look at section headers.
#[test]
fn a_list_of_initialisers_that_only_a_section_header_names() {
    let mut patched = Patched::new("gcc -no-pie", "main");
    let unknown = 0x6000_0000;
    let d_tag = patched.entry(elf::DT_INIT_ARRAY);
    patched.set(d_tag, unknown).assert_rejected(NOT_LED);
}

/// Loaders leave out what is no whole word.
#[test]
fn a_list_of_initialisers_that_ends_within_a_word() {
    let mut patched = Patched::new("gcc -no-pie", "main");
    let d_val = patched.entry(elf::DT_INIT_ARRAYSZ) + 8;
    let longer = patched.word(d_val) + 7;
    patched.set(d_val, longer).assert_rejected(NOT_LED);
}

/// The runtime is in the list of what is called at the end, and a section header
/// calls that one the initialisers.
#[test]
fn a_section_header_that_names_another_list() {
    let mut patched = Patched::new("gcc -static", "main");
    let (sh_type, sh_addr, sh_offset) = (4, 16, 24);
    let init = patched.section(".init_array");
    let fini = patched.section(".fini_array");
    let last = |list: usize| {
        let size = patched.word(list + 32);
        place(patched.word(list + sh_offset) + size - 8)
    };
    let (init_slot, fini_slot) = (last(init), last(fini));
    let (runtime, place) = patched.runtime();
    let jump = &patched.program[place + 9..place + 13];
    let distance = i32::from_le_bytes(jump.try_into().expect("four bytes"));
    let original = (runtime + 13).wrapping_add_signed(distance.into());
    patched.set(init_slot, original);
    patched.set(fini_slot, runtime);
    // Only one section may be of the type.
    patched.program[init + sh_type] = 1;
    patched.program[fini + sh_type] = 14;
    assert_ne!(patched.word(fini + sh_addr), patched.word(init + sh_addr));
    patched.assert_rejected(NOT_LED);
}

#[test]
fn other_notes_for_the_runtime_than_for_tools() {
    let (size, align, reserved) = (24, 32, 40);
    for (field, value) in [(size, 0), (align, 16), (reserved, 1)] {
        let mut patched = Patched::new("gcc -static", "entry");
        let (_, place) = patched.runtime();
        patched.set(place + field, value);
        patched.assert_rejected("its runtime is not beside its policy");
    }
}

/// With text relocations the loader makes all of the program writable.
#[test]
fn a_relocation_that_changes_the_runtime() {
    for from in ["entry", "main"] {
        let mut patched = Patched::new("gcc -no-pie", from);
        let relocations = patched.entry(elf::DT_RELA) + 8;
        let relocations = patched.offset(patched.word(relocations));
        let (runtime, _) = patched.runtime();
        let d_tag = patched.entry(elf::DT_DEBUG);
        let text_relocations = u64::try_from(elf::DT_TEXTREL.0).expect("a small number");
        let flags = u64::try_from(elf::DT_FLAGS.0).expect("a small number");
        patched.set(relocations, runtime);
        for (tag, value) in [(text_relocations, 0), (flags, elf::DF_TEXTREL.0)] {
            patched.set(d_tag, tag).set(d_tag + 8, value);
            patched.assert_rejected("a relocation changes its policy before that is in force");
        }
        // Of two entries the loader takes the last.
        let end = patched.layout.dynamic.as_ref().expect("a dynamic section");
        let end = place(end.range.start.0) + 16 * end.entries.len();
        patched.set(d_tag, flags).set(d_tag + 8, 0);
        patched.set(end, flags);
        patched.set(end + 8, elf::DF_TEXTREL.0);
        patched.assert_rejected("a relocation changes its policy before that is in force");
    }
}

/// It would lead the loader to other initialisers.
#[test]
fn a_relocation_that_changes_the_dynamic_section() {
    let mut patched = Patched::new("gcc -no-pie", "main");
    let relocations = patched.entry(elf::DT_RELA) + 8;
    let relocations = patched.offset(patched.word(relocations));
    let dynamic = patched.layout.segment(elf::PT_DYNAMIC);
    let dynamic = dynamic.expect("a dynamic section").vaddr;
    patched.set(relocations, dynamic.0 + 8);
    patched.assert_rejected(NOT_LED);
}

/// R_X86_64_TLSDESC fills two words.
#[test]
fn a_relocation_that_reaches_into_the_last_initialiser() {
    const R_X86_64_TLSDESC: u64 = 36;
    let mut patched = Patched::new("gcc -no-pie", "main");
    let list = patched.word(patched.entry(elf::DT_INIT_ARRAY) + 8);
    let size = patched.word(patched.entry(elf::DT_INIT_ARRAYSZ) + 8);
    let relocations = patched.entry(elf::DT_RELA) + 8;
    let relocations = patched.offset(patched.word(relocations));
    patched.set(relocations, list + size - 16);
    patched.set(relocations + 8, R_X86_64_TLSDESC);
    patched.assert_rejected(NOT_LED);
}

#[test]
fn code_that_was_not_released() {
    let mut patched = Patched::new("gcc", "entry");
    let (_, place) = patched.runtime();
    patched.program[place + 0x400] ^= 1;
    patched.assert_rejected("its runtime is neither that of this version nor that of an earlier");
    // Where there is none to compare it with, it may be one that is not released yet.
    patched
        .ws
        .run("cp $(command -v sandbox-patch) alone && ./alone verify ./myos")
        .exits_with(1)
        .complains_in_one_line("its runtime can't be compared: ");
}
