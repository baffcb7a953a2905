//! Changes after which the kernel or the loader sees another program than the file shows:
//! each would keep the policy from being in force, or could.

use crate::support::Workspace;
use crate::verified::mutate::{
    Changed, DT_NEEDED, DT_RELA, ENTRY, P_FILESZ, P_MEMSZ, P_OFFSET, P_VADDR, PT_INTERP, PT_LOAD,
    PT_NOTE, PT_PHDR, SEGMENT,
};

const DT_DEBUG: u64 = 21;
const DT_FINI: u64 = 13;
const DT_INIT: u64 = 12;
const DT_INIT_ARRAY: u64 = 25;
const PT_GNU_STACK: u64 = 0x6474_e551;

const GLIBC: &str = "gcc -DOTHER=\"/some/other\"";
const BARE: &str =
    "gcc -DOTHER=\"/some/other\" -DBARE -nostartfiles -fPIE -pie -Wl,--no-as-needed -lc";
/// The end of its data and the start of its dynamic section are in one page.
const NO_RELRO: &str = "gcc -DOTHER=\"/some/other\" -Wl,-z,norelro";

/// A patched program, and how it is changed.
struct Story {
    ws: Workspace,
    program: Changed,
}

impl Story {
    fn unpatched(compiler: &str) -> Self {
        let ws = Workspace::new();
        ws.compile_as(compiler, "verified/forbidden.c", "program");
        let program = Changed::new(&ws.read("program"));
        Self { ws, program }
    }

    fn patched(compiler: &str) -> Self {
        let mut story = Self::unpatched(compiler);
        story
            .ws
            .run("sandbox-patch -q --deny exit program && sandbox-patch verify program")
            .succeeds();
        story.program = Changed::new(&story.ws.read("program"));
        story
    }

    /// Where the first program header of a type is in the file.
    fn segment(&self, kind: u64) -> usize {
        let mut all = self.program.segments();
        all.find(|&at| self.program.get(at, 4) == kind)
            .expect("the program header")
    }

    /// Where the first dynamic entry with a tag is in the file.
    fn entry(&self, tag: u64) -> usize {
        let mut all = self.program.entries();
        all.find(|&at| self.program.get(at, 8) == tag)
            .expect("the dynamic entry")
    }

    fn word(&self, at: usize) -> u64 {
        self.program.get(at, 8)
    }

    fn set(&mut self, at: usize, value: u64) -> &mut Self {
        self.program.put(at, 8, value);
        self
    }

    /// Where a text begins that ends with this one, in the file and in memory.
    fn string(&self, end: &str) -> (u64, u64) {
        let bytes = &self.program.bytes;
        let end = format!("{end}\0");
        let found = bytes.windows(end.len()).position(|it| it == end.as_bytes());
        let found = found.expect("the text");
        let start = bytes[..found].iter().rposition(|&byte| byte == 0);
        let start = start.map_or(0, |zero| zero + 1);
        let address = self.program.address_of(start).expect("a text in memory");
        (start as u64, address)
    }

    fn write(&self) {
        self.ws.write("program", &self.program.bytes);
    }

    #[track_caller]
    fn is_rejected(&self, reason: &str) {
        self.is_not_accepted(reason);
        self.ws
            .run("sandboxify --require-policy ./program")
            .exits_with(121);
    }

    /// The launcher does not start it anyway.
    #[track_caller]
    fn is_not_accepted(&self, reason: &str) {
        self.write();
        self.ws
            .assert_refused("sandbox-patch verify program", "program", reason);
    }
}

/// The kernel then starts the program itself, and nobody loads its libraries.
#[test]
fn a_program_without_loader_loads_no_runtime() {
    for compiler in [GLIBC, BARE] {
        let mut story = Story::patched(compiler);
        let interpreter = story.segment(PT_INTERP);
        story.program.put(interpreter, 4, 0);
        story.is_rejected("it names no loader");
    }
}

/// Right behind the last segment's content, in the same page: since Linux 6.6 that page
/// holds zeros then.
fn cover(story: &mut Story) {
    let is_writable =
        |&at: &usize| story.program.get(at, 4) == PT_LOAD && story.program.get(at + 4, 4) == 6;
    let data = story.program.segments().find(is_writable).expect("data");
    let end = story.word(data + P_VADDR) + story.word(data + P_MEMSZ);
    let offset = story.word(data + P_OFFSET) + story.word(data + P_FILESZ);
    let stack = story.segment(PT_GNU_STACK);
    let (from, to) = (data + SEGMENT, data + 2 * SEGMENT);
    story.program.bytes.copy_within(from..stack, to);
    story.program.put(from, 4, PT_LOAD);
    story.program.put(from + 4, 4, 6);
    for (field, value) in [
        (P_OFFSET, offset),
        (P_VADDR, end),
        (P_FILESZ, 0),
        (P_MEMSZ, 16),
    ] {
        story.set(from + field, value);
    }
}

#[test]
fn a_segment_without_content_takes_the_page_that_it_begins_in() {
    let mut story = Story::patched(NO_RELRO);
    cover(&mut story);
    story.is_rejected("overlap in memory");
}

#[test]
fn a_program_whose_segments_take_each_other_s_pages_is_not_patched() {
    let mut story = Story::unpatched(NO_RELRO);
    cover(&mut story);
    story.write();
    story.ws.assert_refused(
        "sandbox-patch -q --deny exit program",
        "program",
        "overlap in memory",
    );
}

#[test]
fn the_kernel_follows_the_first_name_of_a_loader_and_loaders_the_last() {
    let mut story = Story::patched(GLIBC);
    let (first, other) = (story.segment(PT_INTERP), story.segment(PT_GNU_STACK));
    story
        .program
        .bytes
        .copy_within(first..first + SEGMENT, other);
    story.is_rejected("it names two loaders");
}

/// A loader takes itself for the library that has its name.
#[test]
fn the_name_of_the_loader_in_memory_is_the_one_in_the_file() {
    let mut story = Story::patched(GLIBC);
    let (_, runtime) = story.string("/libsandbox.so");
    let interpreter = story.segment(PT_INTERP);
    story.set(interpreter + P_VADDR, runtime);
    story.is_rejected("the name of its loader is not in memory");
}

#[test]
fn another_program_in_the_loader_s_place_is_not_known() {
    for more in [0, 1] {
        let mut story = Story::patched(GLIBC);
        let (offset, address) = story.string("/some/other");
        let interpreter = story.segment(PT_INTERP);
        story.set(interpreter + P_OFFSET, offset);
        story.set(interpreter + P_VADDR, address);
        // The kernel takes the name up to the first zero byte.
        let end = usize::try_from(offset).expect("a small file") + "/some/other".len();
        story.program.put(end + 1, 1, 0);
        story.set(
            interpreter + P_FILESZ,
            "/some/other".len() as u64 + 1 + more,
        );
        story.is_not_accepted("the loader /some/other is not known");
    }
}

#[test]
fn a_loader_in_the_working_directory_can_be_replaced() {
    let mut story = Story::patched(GLIBC);
    let interpreter = story.segment(PT_INTERP);
    for (field, step) in [(P_OFFSET, 1), (P_VADDR, 1), (P_FILESZ, -1)] {
        let value = story.word(interpreter + field).wrapping_add_signed(step);
        story.set(interpreter + field, value);
    }
    story.is_not_accepted("the path of its loader");
}

/// Loaders take the difference for the place of the program.
#[test]
fn the_headers_say_where_they_are() {
    let mut story = Story::patched(GLIBC);
    let headers = story.segment(PT_PHDR);
    let elsewhere = story.word(headers + P_VADDR) + SEGMENT as u64;
    story.set(headers + P_VADDR, elsewhere);
    story.is_rejected("do not say where they are");
    story.program.put(headers, 4, 0);
    story.is_rejected("do not say where they are");
}

#[test]
fn the_headers_are_in_memory_where_the_kernel_says() {
    let mut story = Story::patched(GLIBC);
    let (e_phoff, e_phnum) = (32, 56);
    let start = usize::try_from(story.word(e_phoff)).expect("a small file");
    let size = SEGMENT * usize::try_from(story.program.get(e_phnum, 2)).expect("a number");
    let end = story.program.bytes.len().next_multiple_of(8);
    story.program.bytes.resize(end + size, 0);
    story.program.bytes.copy_within(start..start + size, end);
    story.set(e_phoff, end as u64);
    story.is_rejected("not where the kernel tells the loader");
}

/// glibc does not load what has that name already.
#[test]
fn a_program_that_has_the_runtime_s_name_does_not_load_it() {
    const DT_SONAME: u64 = 14;
    let mut story = Story::patched(GLIBC);
    let name = story.word(story.entry(DT_NEEDED) + 8);
    let spare = story.entry(DT_DEBUG);
    story.set(spare, DT_SONAME).set(spare + 8, name);
    story.is_rejected("takes the program itself for its runtime");
}

#[test]
fn a_library_in_front_of_the_runtime_can_have_its_name() {
    let mut story = Story::patched(GLIBC);
    let first = story.entry(DT_NEEDED);
    let (runtime, other) = (story.word(first + 8), story.word(first + ENTRY + 8));
    assert_eq!(story.word(first + ENTRY), DT_NEEDED);
    story.set(first + 8, other).set(first + ENTRY + 8, runtime);
    story.is_rejected("it loads libc.so.6 before its runtime");
}

#[test]
fn a_second_library_can_have_the_runtime_s_name() {
    let mut story = Story::patched(GLIBC);
    let first = story.entry(DT_NEEDED);
    let runtime = story.word(first + 8);
    story.set(first + ENTRY + 8, runtime);
    story.is_not_accepted("it loads two libraries named libsandbox.so");
}

#[test]
fn the_runtime_is_no_debugger_s_entry() {
    let mut story = Story::patched(GLIBC);
    let runtime = story.entry(DT_NEEDED);
    story.set(runtime, DT_DEBUG);
    story.is_rejected("does not load libsandbox.so");
}

#[test]
fn entries_that_load_other_libraries_first_are_refused() {
    let (audit, depaudit, auxiliary, filter) = (0x6fff_fefc, 0x6fff_fefb, 0x7fff_fffd, 0x7fff_ffff);
    for tag in [audit, depaudit, auxiliary, filter] {
        let mut story = Story::patched(GLIBC);
        let name = story.word(story.entry(DT_NEEDED) + ENTRY + 8);
        let spare = story.entry(DT_DEBUG);
        story.set(spare, tag).set(spare + 8, name);
        story.is_rejected("loads more than its list of libraries says");
    }
}

#[test]
fn of_two_entries_the_loader_takes_the_last() {
    let mut story = Story::patched(GLIBC);
    let spare = story.entry(DT_DEBUG);
    story.set(spare, DT_INIT);
    story.is_rejected("two entries of type 0xc");
}

#[test]
fn functions_before_all_constructors_are_outside_of_the_policy() {
    const DT_PREINIT_ARRAY: u64 = 32;
    const DT_PREINIT_ARRAYSZ: u64 = 33;
    let mut story = Story::patched(GLIBC);
    let list = story.word(story.entry(DT_INIT_ARRAY) + 8);
    let (one, other) = (story.entry(DT_DEBUG), story.entry(DT_FINI));
    story.set(one, DT_PREINIT_ARRAY).set(one + 8, list);
    story.set(other, DT_PREINIT_ARRAYSZ).set(other + 8, 8);
    story.is_rejected("DT_PREINIT_ARRAY");
}

#[test]
fn a_relocation_that_changes_the_headers() {
    let mut story = Story::patched(GLIBC);
    let headers = story.word(story.segment(PT_PHDR) + P_VADDR);
    let relocation = story
        .program
        .offset_of(story.word(story.entry(DT_RELA) + 8));
    let relocation = relocation.expect("the relocations");
    story.set(relocation, headers);
    story.is_rejected("a relocation changes its headers");
}

#[test]
fn a_relocation_that_calls_the_program() {
    const R_X86_64_IRELATIVE: u64 = 37;
    let mut story = Story::patched(GLIBC);
    let relocation = story
        .program
        .offset_of(story.word(story.entry(DT_RELA) + 8));
    let relocation = relocation.expect("the relocations");
    story.program.put(relocation + 8, 4, R_X86_64_IRELATIVE);
    story.is_rejected("indirect functions");
}

#[test]
fn patching_says_what_will_not_be_accepted() {
    let ws = Workspace::new();
    ws.compile_as("gcc", "layouts/ifunc.c", "program");
    ws.run("sandbox-patch --deny reboot program")
        .succeeds()
        .complains("indirect functions")
        .complains("it does not pass verification");
    ws.assert_refused(
        "sandbox-patch verify program",
        "program",
        "indirect functions",
    );
}

#[test]
fn notes_that_end_within_the_first_words_of_a_record() {
    let mut story = Story::unpatched(GLIBC);
    let notes = story.segment(PT_NOTE);
    for size in 0..20 {
        story.set(notes + P_FILESZ, size);
        story.write();
        story.ws.run("sandbox-patch inspect program").succeeds();
    }
}
