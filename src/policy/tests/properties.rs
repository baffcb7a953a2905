//! Any record and any text.

use proptest::prelude::*;

use sandbox_format::bpf::{Comparison, Test};

use super::*;
use crate::policy::condition::{Condition, Operand, Value};

fn resolved() -> impl Strategy<Value = Resolved> {
    let name = "[a-z_0-9]{1,20}";
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ]);
    let condition = (0..6_u8, any::<u64>(), any::<u64>(), comparison).prop_map(
        |(arg, mask, value, comparison)| Test {
            arg,
            mask,
            value,
            comparison,
        },
    );
    let conditions = prop::collection::vec(condition, 0..3);
    let because = prop::option::of(name);
    let rule =
        (name, any::<u32>(), conditions, because).prop_map(|(name, number, when, because)| {
            ResolvedRule {
                name,
                number,
                when,
                because,
                action: Action::Allow,
                rule: None,
            }
        });
    let archs = prop::sample::select(Arch::all().collect::<Vec<_>>());
    (
        policies(),
        archs,
        prop::collection::vec(rule, 0..5),
        prop::option::of(any::<u32>()),
    )
        .prop_map(|(policy, arch, mut rules, unknown_from)| {
            // Each rule of the policy is that of some call.
            for (index, rule) in policy.rules.iter().enumerate().take(rules.len()) {
                rules[index].action = rule.action;
                rules[index].rule = Some(index);
            }
            Resolved {
                policy,
                arch,
                abis: vec![Abi {
                    arch,
                    rules,
                    unknown_from,
                }],
                version: "0.1.0".to_owned(),
            }
        })
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::KillProcess),
        Just(Action::KillThread),
        Just(Action::Trap),
        Just(Action::Log),
        Just(Action::Allow),
        (1..=4095_u16).prop_map(Action::Errno),
        any::<u16>().prop_map(Action::Trace),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let name = "[a-z_][a-z_0-9]{1,20}";
    let subject = prop_oneof![
        name.prop_map(Subject::Call),
        "[a-z][a-z-]{1,20}".prop_map(Subject::Group),
    ];
    let origin = ("[a-z.:]{1,10}", any::<u32>(), any::<u32>());
    let origin = origin.prop_map(|(file, line, column)| Origin { file, line, column });
    let rule = (
        subject,
        actions(),
        prop::option::of(condition()),
        prop::option::of(origin),
    );
    let rule = rule.prop_map(|(subject, action, when, origin)| Rule {
        when: when.filter(|_| matches!(subject, Subject::Call(_))),
        subject,
        action,
        origin,
    });
    let archs = prop::collection::vec(prop::sample::select(vec![Arch::X86, Arch::Arm]), 0..2);
    (
        prop::collection::vec(rule, 0..5),
        (
            actions(),
            prop::option::of(actions()),
            prop::option::of(actions()),
        ),
        prop::option::of(archs),
        any::<bool>(),
        prop::option::of("[ -~]{0,40}"),
    )
        .prop_map(
            |(rules, (default, unknown, foreign), architectures, exact, description)| Policy {
                rules,
                default,
                unknown,
                foreign,
                architectures,
                exact,
                lenient: false,
                description,
            },
        )
}

/// Any condition that can be written.
fn condition() -> impl Strategy<Value = Condition> {
    let value = prop_oneof![
        any::<u64>().prop_map(|number| Value::Number(number.into())),
        (i64::MIN..0).prop_map(|number| Value::Number(number.into())),
        "[A-Z][A-Z_0-9]{0,8}".prop_map(Value::Name),
    ];
    let value = value.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(
                inner
                    .clone()
                    .prop_filter("flat", |it| { !matches!(it, Value::Union(_)) }),
                2..4
            )
            .prop_map(Value::Union),
            inner.prop_map(|value| Value::Complement(Box::new(value))),
        ]
    });
    let operator = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ]);
    let mask = prop::option::of(value.clone());
    let operand = ("[a-z_]{1,8}", any::<bool>(), mask).prop_map(|(parameter, raw, mask)| Operand {
        parameter: format!("{parameter}_"),
        raw,
        mask,
    });
    let leaf = prop_oneof![
        (operand.clone(), operator, value.clone())
            .prop_map(|(operand, operator, value)| Condition::Compare(operand, operator, value)),
        (operand, prop::collection::vec(value, 1..4))
            .prop_map(|(operand, values)| Condition::In(operand, values)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::All),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::Any),
            inner.prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(resolved in resolved()) {
        let text = resolved.to_json();
        prop_assert_eq!(Resolved::from_json(&text).unwrap(), resolved);
    }

    #[test]
    fn damaged_text_is_refused_or_means_what_it_says(
        resolved in resolved(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut text = resolved.to_json();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(read) = Resolved::from_json(&text) {
            prop_assert_eq!(read.to_json(), text);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        prop_assert!(Resolved::from_json(&bytes).is_err());
    }

    #[test]
    fn any_text_is_a_list_or_none(text: String) {
        let mut draft = Draft::default();
        if draft.allow(&text).is_ok() {
            let policy = draft.finish().unwrap();
            let shown: Vec<_> = policy.rules.iter().map(ToString::to_string).collect();
            let mut again = Draft::default();
            prop_assert!(again.allow(&shown.join("\n")).is_ok(), "{shown:?}");
            prop_assert_eq!(again.finish().unwrap().rules.len(), policy.rules.len());
        }
    }

    #[test]
    fn a_condition_is_read_as_it_is_written(condition in condition()) {
        let text = condition.to_string();
        prop_assert_eq!(Condition::parse(&text), Ok(condition), "{}", text);
    }

    #[test]
    fn any_text_is_a_condition_or_none(text in "[a-z0-9_ &|!=<>(){},~x-]{0,60}") {
        let _ = Condition::parse(&text);
    }
}
