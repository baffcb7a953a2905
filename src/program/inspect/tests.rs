use sandbox_format::bpf::{Comparison, Test};

use super::*;
use crate::elf::SMALLEST_PAGE as PAGE;
use crate::elf::VirtAddr;
use crate::elf::build::LayoutBuilder;
use crate::policy::{Action, Policy, resolve};

/// What is known about a program that carries nothing.
fn bare() -> Inspection {
    let file = LayoutBuilder::new(elf::ET_EXEC).build();
    let mut found = Inspection::of("program", &file[..], &Surroundings::default()).unwrap();
    found.problems.clear();
    found
}

fn resolved(names: &[&str]) -> Resolved {
    let policy = Policy::allow(names.iter().copied(), Action::KillProcess);
    resolve(&policy, Arch::X86_64).unwrap().0
}

/// What is found in the rules of a policy of a given version.
fn judged(version: &str, mut resolved: Resolved) -> (Vec<Problem>, Vec<Remark>) {
    resolved.version = version.to_owned();
    let mut found = bare();
    found.check_expansion(&resolved);
    (found.problems, found.notices)
}

const THIS: &str = env!("CARGO_PKG_VERSION");
const ANOTHER: &str = "0.0.1";

#[test]
fn rules_that_names_stand_for_are_no_reason_to_say_anything() {
    for version in [THIS, ANOTHER] {
        assert_eq!(judged(version, resolved(&["write"])), (vec![], vec![]));
    }
}

/// Names may be made portable differently by other versions, but not by the same one.
#[test]
fn other_rules_are_those_of_another_version_or_wrong() {
    let fewer = || {
        let mut fewer = resolved(&["write"]);
        fewer.abis[0].rules.retain(|rule| rule.because.is_none());
        fewer
    };
    assert_eq!(judged(THIS, fewer()), (vec![Problem::Rules], vec![]));
    let told = Remark::OldRules(ANOTHER.to_owned());
    assert_eq!(judged(ANOTHER, fewer()), (vec![], vec![told]));
}

#[test]
fn rules_that_contradict_the_names_are_wrong_whoever_wrote_them() {
    for version in [THIS, ANOTHER] {
        let mut other = resolved(&["write", "uname"]);
        other
            .policy
            .rules
            .retain(|rule| rule.to_string() != "uname");
        assert_eq!(judged(version, other), (vec![Problem::Rules], vec![]));
    }
}

/// Nothing that is shown says what such a rule does.
#[test]
fn rules_of_their_own_mind_are_wrong_whoever_wrote_them() {
    let greater = Test {
        comparison: Comparison::Greater,
        ..Test::equal(0, u64::MAX, 7)
    };
    for version in [THIS, ANOTHER] {
        let mut verdict = resolved(&["write", "uname"]);
        verdict.abis[0].rules[0].action = Action::Trap;
        let mut condition = resolved(&["write", "uname"]);
        condition.abis[0].rules[0].when.push(greater);
        for changed in [verdict, condition] {
            assert_eq!(judged(version, changed), (vec![Problem::Rules], vec![]));
        }
    }
}

fn segment(kind: elf::ProgramType, vaddr: u64, memsz: u64, flags: u32) -> ProgramHeader {
    ProgramHeader {
        kind,
        flags: elf::ProgramFlags(flags),
        offset: FileOffset(vaddr),
        vaddr: VirtAddr(vaddr),
        paddr: vaddr,
        filesz: memsz,
        memsz,
        align: PAGE,
    }
}

/// Recognising a dynamic section that patching moved to pages of its own.
#[test]
fn a_dynamic_section_that_moved_fills_writable_pages_of_its_own() {
    const AT: u64 = 4 * PAGE;
    let writable = elf::PF_R.0 | elf::PF_W.0;
    let own = |dynamic: (u64, u64), load: (u64, u64, u32), relro: Option<(u64, u64)>| {
        let file = LayoutBuilder::new(elf::ET_DYN).build();
        let mut layout = Layout::read(&file[..]).unwrap();
        layout.segments = vec![
            segment(elf::PT_LOAD, 0, PAGE, writable),
            segment(elf::PT_LOAD, load.0, load.1, load.2),
            segment(elf::PT_DYNAMIC, dynamic.0, dynamic.1, writable),
        ];
        let relro = relro.map(|(at, size)| segment(elf::PT_GNU_RELRO, at, size, elf::PF_R.0));
        layout.segments.extend(relro);
        own_dynamic_pages(&layout)
    };
    let whole = (AT, PAGE, writable);
    let moved = Some((AT, PAGE));
    assert_eq!(own((AT, PAGE), whole, None), moved);
    assert_eq!(own((AT, PAGE), whole, Some((AT + PAGE, PAGE))), moved);
    assert_eq!(own((AT, PAGE), whole, Some((AT, PAGE))), None);
    for load in [
        (AT, PAGE, elf::PF_R.0),
        (AT, 2 * PAGE, writable),
        (AT - PAGE, PAGE, writable),
    ] {
        assert_eq!(own((AT, PAGE), load, None), None);
    }
    let (middle, part) = (AT + 64, PAGE - 64);
    assert_eq!(own((middle, PAGE), (middle, PAGE, writable), None), None);
    assert_eq!(own((AT, part), (AT, part, writable), None), None);
}

/// What is found if a library is to enforce the policy.
fn enforced(loader: Option<&str>, needed: &[&str], resolved: Option<Resolved>) -> Inspection {
    let mut builder = LayoutBuilder::new(elf::ET_DYN);
    if let Some(loader) = loader {
        builder = builder.interpreter(loader);
    }
    let (mut builder, places) = builder.strings(needed);
    for place in places {
        builder = builder.dynamic(elf::DT_NEEDED, place);
    }
    let file = builder.build();
    let mut found = bare();
    found.interpreter = loader.map(str::to_owned);
    found.resolved = resolved;
    let image = Image::read(&file[..]).unwrap();
    found.runtime(&image, Path::new("/")).unwrap();
    found
}

const RUNTIME: &str = "/nowhere/libsandbox.so";
const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";

#[test]
fn the_moment_of_a_library_is_that_of_its_place() {
    for (loader, needed, moment) in [
        (GLIBC, [RUNTIME, "libc.so.6"], Moment::AfterLibraries),
        ("/opt/loader", [RUNTIME, "libx.so"], Moment::Unknown),
        (
            "/lib/ld-musl-x86_64.so.1",
            [RUNTIME, "libx.so"],
            Moment::AmongLibraries,
        ),
    ] {
        let found = enforced(Some(loader), &needed, Some(resolved(&["write"])));
        assert_eq!(found.enforced, Some(moment));
        let is_told = found.notices.contains(&Remark::LibrariesAdded);
        assert_eq!(is_told, moment == Moment::AmongLibraries);
    }
}

#[test]
fn a_program_is_protected_by_a_policy_and_a_loader() {
    let policy = || Some(resolved(&["write"]));
    assert!(enforced(Some(GLIBC), &[RUNTIME], policy()).protected);
    assert!(!enforced(Some(GLIBC), &[RUNTIME], None).protected);
    assert!(!enforced(None, &[RUNTIME], policy()).protected);
    assert_eq!(enforced(None, &[RUNTIME], policy()).enforced, None);
}
