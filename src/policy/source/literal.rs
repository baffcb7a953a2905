//! Rules by names that mean one number each, as other tools than libseccomp have them.

use crate::policy::item::Item;
use crate::policy::{Action, Arch, Subject, call_number, multiplexed};

/// The items such that no name also means a call through socketcall or ipc: those are
/// decided first, by the rules that name them, and by the default where none of these holds.
pub(super) fn literal(items: Vec<Item>, default: Action, arch: Arch) -> Vec<Item> {
    let names: Vec<String> = items
        .iter()
        .filter_map(|item| match &item.subject {
            Subject::Call(name) => Some(name.clone()),
            Subject::Group(_) => None,
        })
        .collect();
    let through = |by: &str| {
        let mut others = names.iter().filter_map(|name| multiplexed::of(name));
        others.any(|(other, _)| other == by) && call_number(by, arch).is_some()
    };
    let mut first = Vec::new();
    let mut rest = items;
    for by in ["socketcall", "ipc"].into_iter().filter(|by| through(by)) {
        let is_by = |item: &Item| matches!(&item.subject, Subject::Call(name) if name == by);
        let (own, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_by);
        rest = others;
        first.extend(own);
        first.push(Item {
            action: Some(default),
            ..Item::of(Subject::Call(by.to_owned()))
        });
    }
    first.extend(rest);
    first
}
