//! Any record and any text.

use proptest::prelude::*;

use super::*;

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
        |(arg, mask, value, comparison)| Condition {
            arg,
            mask,
            value,
            comparison,
        },
    );
    let conditions = prop::collection::vec(condition, 0..3);
    let verdict = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Verdict::Allow)),
        1 => Just(Some(Verdict::Act(Action::Errno(38)))),
    ];
    let because = prop::option::of(name);
    let rule = (name, any::<u32>(), conditions, verdict, because).prop_map(
        |(name, number, when, verdict, because)| ResolvedRule {
            name,
            number,
            when,
            verdict,
            because,
        },
    );
    let action = prop_oneof![
        Just(Action::KillProcess),
        Just(Action::KillThread),
        Just(Action::Trap),
        Just(Action::Log),
        (1..=4095_u16).prop_map(Action::Errno),
        any::<u16>().prop_map(Action::Trace),
    ];
    (
        prop::collection::btree_set(name, 0..5),
        action,
        any::<(bool, bool)>(),
        prop::sample::select(Arch::all().collect::<Vec<_>>()),
        prop::collection::vec(rule, 0..5),
    )
        .prop_map(|(names, action, (deny, exact), arch, rules)| Resolved {
            policy: Policy {
                list: if deny { List::Deny } else { List::Allow },
                names,
                action,
                exact,
            },
            arch,
            rules,
            version: "0.1.0".to_owned(),
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
    fn any_text_is_a_list_of_names(text: String) {
        for name in parse_names(&text) {
            prop_assert!(!name.is_empty() && !name.contains([':', ',', '#', '\n']));
        }
    }
}
