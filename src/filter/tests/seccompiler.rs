//! Filters in seccompiler's JSON, as the crate itself compiles them.

use std::path::Path;

use proptest::prelude::*;
use sandbox_format::bpf::Instruction;
use serde_json::{Value, json};

use super::*;
use crate::policy::source::{self, Format, Library, Options};

/// What the crate makes of the only filter of a file.
fn of_crate(text: &str, arch: &str) -> Vec<Instruction> {
    let arch = arch.try_into().unwrap();
    let mut filters = ::seccompiler::compile_from_json(text.as_bytes(), arch).unwrap();
    let program = filters.drain().next().unwrap().1;
    let instruction = |it: &::seccompiler::sock_filter| Instruction {
        code: it.code,
        jt: it.jt,
        jf: it.jf,
        k: it.k,
    };
    program.iter().map(instruction).collect()
}

fn imported(text: &str, arch: Arch) -> Resolved {
    let options = Options {
        format: Some(Format::Seccompiler),
        ..Options::new(arch)
    };
    let draft = source::parse(
        text.as_bytes(),
        Path::new("vmm.json"),
        &Library::default(),
        &options,
    );
    resolved(&draft.unwrap().finish().unwrap(), arch)
}

/// Compares on the calls at which either could change its answer. seccompiler has no word
/// for x32, whose calls ours ends.
fn assert_equal(theirs: &[Instruction], resolved: &Resolved, text: &str) {
    let ours = export::instructions(resolved).unwrap();
    let ours = Program::new(&ours, false).unwrap();
    let theirs = Program::new(theirs, false).unwrap();
    let is_x32 = |call: &Data| {
        call.arch == Arch::X86_64.audit()
            && (call.nr >= 0x4000_0000 || (512..=547).contains(&call.nr))
    };
    for call in boundary_calls(resolved) {
        if !is_x32(&call) {
            assert_eq!(ours.run(&call), theirs.run(&call), "{call:x?} under {text}");
        }
    }
}

fn entries() -> impl Strategy<Value = Vec<Value>> {
    let operator = prop_oneof![
        prop::sample::select(vec!["eq", "ge", "gt", "le", "lt", "ne"]).prop_map(Value::from),
        any::<u64>().prop_map(|mask| json!({ "masked_eq": mask })),
        Just(json!({ "masked_eq": 0xf })),
    ];
    let number = prop_oneof![0..4_u64, any::<u64>(), any::<u32>().prop_map(u64::from)];
    let width = prop::sample::select(vec!["dword", "qword"]);
    let argument = (0..3_u8, width, operator, number).prop_map(
        |(index, width, op, val)| json!({ "index": index, "type": width, "op": op, "val": val }),
    );
    let names = vec!["read", "write", "ioctl", "fcntl", "openat2", "mmap"];
    let entry = (
        prop::sample::select(names),
        prop::option::weighted(0.7, prop::collection::vec(argument, 1..4)),
    )
        .prop_map(|(name, arguments)| match arguments {
            Some(arguments) => json!({ "syscall": name, "args": arguments }),
            None => json!({ "syscall": name }),
        });
    prop::collection::vec(entry, 0..8)
}

fn actions() -> impl Strategy<Value = (Value, Value)> {
    let action = prop_oneof![
        prop::sample::select(vec!["allow", "kill_thread", "kill_process", "log", "trap"])
            .prop_map(Value::from),
        (1..4096_u32).prop_map(|number| json!({ "errno": number })),
        (0..65536_u32).prop_map(|number| json!({ "trace": number })),
    ];
    let pair = (action.clone(), action);
    pair.prop_filter("they differ", |(one, other)| one != other)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_filter_means_what_the_crate_makes_of_it(
        (mismatch, matched) in actions(),
        entries in entries(),
        arch in prop::sample::select(vec![Arch::X86_64, Arch::Aarch64, Arch::Riscv64]),
    ) {
        let file = json!({ "main": {
            "mismatch_action": mismatch, "match_action": matched, "filter": entries,
        }});
        let text = file.to_string();
        let imported = imported(&text, arch);
        assert_equal(&of_crate(&text, arch.name()), &imported, &text);

        let written = source::write(&imported, Format::Seccompiler, false);
        // A few comparisons come to more masks than are written.
        if let Ok((written, _)) = written {
            assert_equal(&of_crate(&written, arch.name()), &imported, &written);
        }
    }
}

#[test]
fn a_list_of_our_own_is_what_the_crate_makes_of_it() {
    let mut draft = Draft {
        architectures: Some(Vec::new()),
        ..Draft::default()
    };
    let list = "@stdio:socket(domain == AF_UNIX):ioctl(request in {TCGETS, TIOCGWINSZ})";
    draft.allow(list).unwrap();
    let resolved = resolved(&draft.finish().unwrap(), Arch::X86_64);
    let (written, left_out) = source::write(&resolved, Format::Seccompiler, false).unwrap();
    assert!(left_out.is_empty());
    assert_equal(&of_crate(&written, "x86_64"), &resolved, &written);
}
