//! docs/architecture.md has the directories of src in an order: each may use those that come
//! after it, and none before. `cargo test --test it architecture:: -- --nocapture` prints which
//! uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
const DOCUMENT: &str = include_str!("../../docs/architecture.md");

/// The directories in the order of the document, without `bin`.
fn rooms() -> Vec<&'static str> {
    let rows = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("| `src/"));
    let names = rows.filter_map(|row| row.split('`').next());
    names.filter(|name| *name != "bin").collect()
}

/// What the files of a room name by `crate::`, but for its own.
fn uses(room: &str) -> BTreeSet<String> {
    let mut texts = Vec::new();
    let file = Path::new(SOURCE).join(room).with_extension("rs");
    texts.extend(std::fs::read_to_string(file));
    let mut directories = vec![Path::new(SOURCE).join(room)];
    while let Some(directory) = directories.pop() {
        for entry in directory.read_dir().into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else {
                texts.extend(std::fs::read_to_string(path));
            }
        }
    }
    assert!(!texts.is_empty(), "{room} has no source");
    let mut found = BTreeSet::new();
    for text in &texts {
        let words = text.split("crate::").skip(1);
        // Both `crate::a::b` and `crate::{a, b::c}`.
        for rest in words {
            let first = |text: &str| {
                let name: String = text
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                name
            };
            match rest.strip_prefix('{') {
                Some(list) => {
                    let list = list.split('}').next().unwrap_or_default();
                    found.extend(list.split(',').map(|item| first(item.trim())));
                }
                None => {
                    found.insert(first(rest));
                }
            }
        }
    }
    found.remove(room);
    found
}

#[test]
fn every_room_is_in_the_document() {
    let rooms = rooms();
    let source = Path::new(SOURCE).read_dir().expect("the source");
    for entry in source.flatten() {
        let path = entry.path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        if !["lib", "bin"].contains(&&*name) {
            assert!(
                rooms.contains(&&*name),
                "{name} is not in docs/architecture.md"
            );
        }
    }
}

#[test]
fn each_uses_only_what_comes_after_it() {
    let rooms = rooms();
    let order: BTreeMap<_, _> = rooms.iter().zip(0..).collect();
    for room in &rooms {
        let used: Vec<_> = uses(room)
            .into_iter()
            .filter(|name| order.contains_key(&&**name))
            .collect();
        println!("{room}: {}", used.join(", "));
        for other in &used {
            assert!(order[&&**other] > order[room], "{room} uses {other}");
        }
    }
}
