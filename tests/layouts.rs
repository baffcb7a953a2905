//! Programs of all layouts are patched right, whatever is done to them
//! afterwards. A test for each program of the corpus.

use libtest_mimic::{Arguments, Trial};
use object::elf::PT_GNU_PROPERTY;
use sandbox_patch::elf::{Layout, Source};
use sandbox_support::corpus::{self, Case};
use sandbox_support::{Outcome, Signal, Workspace, assert_faithful, new_faults, warnings};

/// The warning that GNU tools are to be used before.
const HEADERS_MOVED: &str = "strip it before patching, not afterwards";

/// What it says where program headers have left the place that kernels before 5.18
/// compute: llvm-strip and eu-strip leave out the hole in front of moved ones.
const HEADERS_LOST: &str = "its program headers are not where kernels before Linux 5.18";

/// A policy that no program of the corpus violates.
const HARMLESS: &str = "sandbox-patch -q --deny ptrace:mount:reboot";

/// A policy that all of them violate, for all of them print.
const FATAL: &str = "sandbox-patch -q --deny write:writev";

/// What is done to programs when they are packed for shipping.
const TOOLS: [&str; 2] = ["llvm-strip FILE", "eu-strip FILE"];

/// The same, by tools that write the program headers right behind the file
/// header, wherever they were (binutils, bfd/elf.c).
const GNU_TOOLS: [&str; 4] = [
    "strip FILE",
    "strip -g FILE",
    "objcopy FILE",
    "objcopy --only-keep-debug FILE FILE.debug && \
     objcopy --strip-debug --add-gnu-debuglink=FILE.debug FILE",
];

fn main() {
    let arguments = Arguments::from_args();
    let test = |case: Case| {
        Trial::test(case.name.clone(), move || {
            check(&case);
            Ok(())
        })
    };
    libtest_mimic::run(&arguments, corpus::all().into_iter().map(test).collect()).exit();
}

fn check(case: &Case) {
    let ws = Workspace::new();
    case.build(&ws);
    if let Some(reason) = &case.expected.refused {
        return ws.assert_refused(&format!("{HARMLESS} -o after before"), "before", reason);
    }
    let program = Program::new(&ws, case);
    let patching = program.assert_patched_right();
    if case.expected.headers_move {
        patching.complains(HEADERS_MOVED);
        // Where strip does not break the program itself.
        if program.is_left_intact("strip before") {
            program.assert_patched_right();
        }
    } else {
        patching.does_not_complain(HEADERS_MOVED);
        for tool in GNU_TOOLS {
            program.assert_survives(tool);
        }
    }
}

/// A program in its workspace, and what it prints.
struct Program<'a> {
    ws: &'a Workspace,
    case: &'a Case,
    prints: String,
}

impl<'a> Program<'a> {
    fn new(ws: &'a Workspace, case: &'a Case) -> Self {
        let prints = ws.run("./before").succeeds().is_silent().stdout.clone();
        assert!(!prints.is_empty(), "a program of the corpus prints");
        Self { ws, case, prints }
    }

    #[track_caller]
    fn assert_runs(&self, file: &str) {
        self.ws
            .run(&format!("./{file}"))
            .succeeds()
            .is_silent()
            .prints_only(&self.prints);
    }

    /// Patches `before` to `after`; returns what was said to that.
    #[track_caller]
    fn assert_patched_right(&self) -> Outcome {
        let patching = self.ws.run(&format!("{HARMLESS} -o after before"));
        patching.succeeds();
        self.ws.run(&format!("{FATAL} -o denied before")).succeeds();
        self.assert_under_policy("after", "denied", None);
        assert_loads_as_before(self.ws);
        if !self.case.expected.sections_lie {
            assert_reads_as_before(self.ws);
        }
        for tool in TOOLS {
            self.assert_survives(tool);
        }
        assert_faithful(self.ws, "before", "after");
        patching
    }

    /// One file works as ever under the harmless policy, the other dies by the
    /// fatal one, and `verify` accepts both, or says what got lost.
    #[track_caller]
    fn assert_under_policy(&self, harmless: &str, fatal: &str, lost: Option<&str>) {
        self.assert_runs(harmless);
        self.ws
            .run(&format!("./{fatal}"))
            .dies_by(Signal::SYS)
            .prints_only("");
        let verified = self
            .ws
            .run(&format!("sandbox-patch verify {harmless} {fatal}"));
        let lost = lost.filter(|_| verified.status() != Some(0));
        match lost.or(self.case.expected.verify_refuses.as_deref()) {
            Some(reason) => verified.exits_with(1).complains(reason),
            None => verified.succeeds(),
        };
    }

    /// A tool changes the patched program as it would the unpatched one: the
    /// policy stays in force, the patch can be taken out and put in again.
    #[track_caller]
    fn assert_survives(&self, tool: &str) {
        let with = |name: &str| tool.replace("FILE", name);
        self.ws.run("cp before changed-before").succeeds();
        if !self.is_left_intact(&with("changed-before")) {
            // No judge: it can't handle the program itself.
            return;
        }
        for (file, name) in [("after", "changed"), ("denied", "changed-denied")] {
            self.ws
                .run(&format!("cp {file} {name} && {}", with(name)))
                .succeeds();
        }
        let lost = self.case.expected.headers_move.then_some(HEADERS_LOST);
        self.assert_under_policy("changed", "changed-denied", lost);
        self.assert_removed_exactly_or_by_effort();
        self.ws
            .run(&format!("{HARMLESS} -o again changed"))
            .succeeds();
        self.assert_runs("again");
        self.ws
            .run("sandbox-patch remove -q again && cmp again changed")
            .succeeds();
    }

    /// Whether a tool leaves the unpatched program what it was.
    fn is_left_intact(&self, tool: &str) -> bool {
        let file = tool.split(' ').next_back().expect("a file's name");
        let [change, run] = [tool, &format!("./{file}")].map(|line| self.ws.run(line));
        change.status() == Some(0) && run.status() == Some(0) && run.stdout == self.prints
    }

    /// Takes the patch out of `changed`.
    #[track_caller]
    fn assert_removed_exactly_or_by_effort(&self) {
        let patched = self.ws.read("changed");
        let outcome = self.ws.run("sandbox-patch remove -q changed");
        if outcome.status() == Some(0) {
            let restored = self.ws.read("changed");
            let exact = ["before", "changed-before"].map(|file| self.ws.read(file) == restored);
            assert!(exact.contains(&true), "not what it was, and not refused");
            return;
        }
        outcome.exits_with(1).complains("--best-effort");
        assert!(self.ws.read("changed") == patched, "refused, but changed");
        self.ws
            .run("sandbox-patch remove -q --best-effort changed")
            .succeeds();
        self.assert_runs("changed");
    }
}

/// To readers of ELF files, which go by the section headers, `after` is as good
/// a file as `before`.
fn assert_reads_as_before(ws: &Workspace) {
    let [before, after] = ["before", "after"].map(|file| warnings(ws, "readelf -aW", file));
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "readelf: {new:#?}");
    let new = new_faults(ws, "before", "after");
    assert!(new.is_empty(), "eu-elflint: {new:#?}");
}

/// What the program headers lead to is in `after` what it is in `before`: the
/// notes that loaders, kernels and debuggers know, and the rights of the stack.
fn assert_loads_as_before(ws: &Workspace) {
    let property = ["before", "after"].map(|file| property_note(&ws.read(file)));
    assert_eq!(property[0], property[1], "the note of PT_GNU_PROPERTY");
    for command in [
        "readelf -nW FILE | grep -E 'Build ID|Properties|x86|OS: ' | sort",
        "readelf -lW FILE | grep GNU_STACK | tr -s ' ' | cut -d' ' -f8-",
    ] {
        let [before, after] = ["before", "after"].map(|file| {
            let name = format!("{file}-without-sections");
            ws.write(&name, without_section_headers(ws.read(file)));
            ws.run(&command.replace("FILE", &name)).stdout
        });
        assert_eq!(before, after, "{command}");
    }
}

/// Has a 64-bit file say that it has no section headers (e_shoff, e_shnum,
/// e_shstrndx), so that readers go by the program headers.
fn without_section_headers(mut program: Vec<u8>) -> Vec<u8> {
    program[40..48].fill(0);
    program[60..64].fill(0);
    program
}

/// What the loader finds at PT_GNU_PROPERTY, in memory, if it is the note that
/// should be there: patchelf leaves other things there.
fn property_note(program: &[u8]) -> Option<Vec<u8>> {
    let layout = Layout::read(program).expect("an ELF file");
    let header = layout.segment(PT_GNU_PROPERTY)?;
    let load = layout
        .load_of(header.vaddr)
        .expect("a loaded property note");
    let offset = load.offset + (header.vaddr - load.vaddr);
    let note = program.read_at(offset, header.filesz).expect("the note");
    if note.get(12..16) != Some(b"GNU\0") {
        return None;
    }
    assert_eq!(offset, header.offset, "PT_GNU_PROPERTY");
    Some(note)
}
