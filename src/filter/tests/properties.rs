//! Any policy and any program.

use proptest::prelude::*;
use sandbox_format::bpf::{Comparison, Test, op, ret};

use super::*;

/// Conditions on different arguments.
fn conditions(ordered: bool) -> impl Strategy<Value = Vec<Test>> {
    let mask = prop_oneof![
        4 => Just(u64::from(u32::MAX)),
        2 => Just(u64::MAX),
        1 => Just(0x1000),
        2 => 1..=u64::MAX,
    ];
    let all = [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];
    let comparison = prop::sample::select(all[..if ordered { 6 } else { 1 }].to_vec());
    let condition = (mask, prop_oneof![0..4_u64, any::<u64>()], comparison);
    prop::collection::btree_map(0..6_u8, condition, 0..3).prop_map(|map| {
        // libseccomp masks for equality only.
        let condition = |(arg, (mask, value, comparison))| match comparison {
            Comparison::Equal => Test::equal(arg, mask, value & mask),
            comparison => Test {
                comparison,
                ..Test::equal(arg, u64::MAX, value)
            },
        };
        map.into_iter().map(condition).collect()
    })
}

/// Policies of rules with such actions, for any numbers: several for one, or one for each.
/// `None` is the action of the list.
fn policies(
    ordered: bool,
    actions: &'static [Option<Action>],
    several: bool,
) -> impl Strategy<Value = Resolved> {
    let rule = (
        prop_oneof![0..40_u32, 0..330_u32],
        conditions(ordered),
        prop::sample::select(actions),
    );
    let violation = prop_oneof![
        Just(Action::KillProcess),
        Just(Action::Log),
        (1..4095_u16).prop_map(Action::Errno)
    ];
    let rules = prop::collection::vec(rule, 0..60);
    (rules, violation, any::<bool>()).prop_map(move |(rules, violation, deny)| {
        let list = if deny { List::Deny } else { List::Allow };
        // The name stands for the list's action alone.
        let policy = with_action(list, ["read"], true, violation);
        let listed = policy.rules[0].action;
        let rule = |(number, when, action): (_, _, Option<Action>)| ResolvedRule {
            name: call_name(number, Arch::X86_64).unwrap(),
            number,
            when,
            action: action.unwrap_or(listed),
            because: None,
            rule: None,
        };
        let mut rules: Vec<_> = rules.into_iter().map(rule).collect();
        if !several {
            rules.sort_by_key(|rule| rule.number);
            rules.dedup_by_key(|rule| rule.number);
        }
        Resolved {
            policy,
            arch: Arch::X86_64,
            abis: vec![Abi {
                arch: Arch::X86_64,
                rules,
                unknown_from: None,
            }],
            version: "0".to_owned(),
        }
    })
}

const OF_THE_LIST: &[Option<Action>] = &[None];
const OF_THEIR_OWN: &[Option<Action>] = &[
    None,
    Some(Action::Allow),
    Some(Action::Trap),
    Some(Action::Errno(38)),
];

/// What a policy says of a call of its architecture.
fn meaning(resolved: &Resolved, call: &Data) -> u32 {
    let argument = |condition: &Test| call.args[usize::from(condition.arg)];
    let holds = |rule: &&ResolvedRule| {
        rule.number == call.nr && rule.when.iter().all(|it| it.holds(argument(it)))
    };
    let rule = resolved.rules().iter().find(holds);
    return_value(rule.map_or(resolved.policy.default, |rule| rule.action))
}

fn instructions() -> impl Strategy<Value = Vec<Instruction>> {
    let known = prop::sample::select(vec![
        0x20, 0x80, 0x81, 0x00, 0x01, 0x60, 0x61, 0x02, 0x03, 0x07, 0x87, 0x06, 0x16, 0x05, 0x84,
        0x04, 0x0c, 0x34, 0x3c, 0x54, 0x64, 0x6c, 0x15, 0x1d, 0x25, 0x35, 0x45,
    ]);
    let code = prop_oneof![8 => known, 1 => any::<u16>()];
    let small = || prop_oneof![4 => 0..4_u8, 1 => any::<u8>()];
    let k = prop_oneof![4 => (0..16_u32).prop_map(|k| 4 * k), 2 => 0..16_u32, 1 => any::<u32>()];
    let one =
        (code, small(), small(), k).prop_map(|(code, jt, jf, k)| instruction(code, jt, jf, k));
    prop::collection::vec(one, 0..12).prop_map(|mut program| {
        program.push(instruction(op::RETURN, 0, 0, ret::ALLOW));
        program
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_policy_means_what_libseccomp_makes_of_it(
        resolved in policies(false, OF_THE_LIST, true),
    ) {
        assert_equal_to_libseccomp(&resolved);
    }

    /// Of several ordered ones for a number libseccomp 2.5.4 loses some.
    #[test]
    fn any_comparison_means_what_libseccomp_makes_of_it(
        resolved in policies(true, OF_THE_LIST, false),
    ) {
        assert_equal_to_libseccomp(&resolved);
    }

    #[test]
    fn any_policy_means_what_its_rules_say(resolved in policies(true, OF_THEIR_OWN, true)) {
        let compiled = compile(&resolved).unwrap();
        let program = Program::new(&compiled.program, false).unwrap();
        for call in boundary_calls(&resolved) {
            let is_native = call.arch == Arch::X86_64.audit() && call.nr < 512;
            if is_native && answer(&call, &resolved, compiled.identity).is_none() {
                prop_assert_eq!(program.run(&call), meaning(&resolved, &call), "{:x?}", call);
            }
        }
    }
}

proptest! {
    #[test]
    fn hostile_filters_are_shown_and_refused_or_run(program in instructions(), args: [u64; 6]) {
        let lines = disassemble(&program, Arch::Ppc).to_string().lines().count();
        prop_assert_eq!(lines, program.len());
        if let Ok(program) = Program::new(&program, true) {
            let call = Data { nr: 1, arch: 2, ip: 3, args };
            prop_assert_eq!(program.run(&call), program.run(&call));
        }
    }
}
