//! What the library offers, as it was agreed: tests/public-api.rs.txt has all that is public,
//! without bodies and documentation. A change of it is seen there when it is reviewed;
//! `UPDATE=1 cargo test --test it public_api` writes it anew.
//!
//! All that says `pub` can be reached from outside: the lint `unreachable_pub` sees to that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::{Attribute, Fields, ImplItem, Item, TraitItem, Type, Visibility};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The command line is agreed on by its manual pages.
const NOT_THE_LIBRARY: [&str; 3] = ["src/cli", "src/cli.rs", "src/bin"];

#[test]
fn what_is_public_is_what_was_agreed() {
    let path = Path::new(ROOT).join("tests/public-api.rs.txt");
    let found = public_api();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &found).expect("writing to the source");
    }
    let agreed = std::fs::read_to_string(&path).expect("the agreed API");
    let lines = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let (was, is) = (lines(&agreed), lines(&found));
    let gone: String = was.difference(&is).map(|it| format!("- {it}\n")).collect();
    let new: String = is.difference(&was).map(|it| format!("+ {it}\n")).collect();
    assert!(
        agreed == found,
        "the public API changed; if that is meant, tell it in CHANGELOG.md and run\n\
         UPDATE=1 cargo test --test it public_api\n{gone}{new}"
    );
}

fn public_api() -> String {
    let mut files = Vec::new();
    collect(&Path::new(ROOT).join("src"), &mut files);
    files.sort();
    let parsed: Vec<(String, syn::File)> = files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).expect("source");
            let name = path.strip_prefix(ROOT).expect("a file of the source");
            let file = syn::parse_file(&text).expect("Rust");
            (name.display().to_string(), file)
        })
        .collect();
    let types: BTreeSet<String> = parsed
        .iter()
        .flat_map(|(_, file)| file.items.iter().filter_map(public_type))
        .collect();
    let mut text = String::new();
    for (name, file) in parsed {
        let items: Vec<Item> = file
            .items
            .into_iter()
            .filter_map(|item| signature(item, &types))
            .collect();
        if !items.is_empty() {
            let file = syn::File {
                shebang: None,
                frontmatter: None,
                attrs: Vec::new(),
                items,
            };
            text += &format!("// {name}\n\n{}\n", prettyplease::unparse(&file));
        }
    }
    text
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in directory.read_dir().expect("a directory of the source") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(ROOT).expect("a file of the source");
        if NOT_THE_LIBRARY.iter().any(|it| Path::new(it) == name) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
}

fn public_type(item: &Item) -> Option<String> {
    let (visibility, name) = match item {
        Item::Struct(it) => (&it.vis, &it.ident),
        Item::Enum(it) => (&it.vis, &it.ident),
        Item::Type(it) => (&it.vis, &it.ident),
        _ => return None,
    };
    is_public(visibility).then(|| name.to_string())
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// What of an item can be seen from outside.
fn signature(item: Item, types: &BTreeSet<String>) -> Option<Item> {
    let item = match item {
        Item::Fn(mut it) if is_public(&it.vis) => {
            it.block.stmts.clear();
            it.attrs.retain(is_told);
            Item::Fn(it)
        }
        Item::Struct(mut it) if is_public(&it.vis) => {
            it.attrs.retain(is_told);
            if let Fields::Named(fields) = &mut it.fields {
                let all = std::mem::take(&mut fields.named);
                fields.named = all.into_iter().filter(|it| is_public(&it.vis)).collect();
            }
            it.fields.iter_mut().for_each(|it| it.attrs.clear());
            Item::Struct(it)
        }
        Item::Enum(mut it) if is_public(&it.vis) => {
            it.attrs.retain(is_told);
            for variant in &mut it.variants {
                variant.attrs.clear();
                variant.fields.iter_mut().for_each(|it| it.attrs.clear());
            }
            Item::Enum(it)
        }
        Item::Trait(mut it) if is_public(&it.vis) => {
            it.attrs.retain(is_told);
            for item in &mut it.items {
                if let TraitItem::Fn(function) = item {
                    function.attrs.retain(is_told);
                    function.default.iter_mut().for_each(|it| it.stmts.clear());
                }
            }
            Item::Trait(it)
        }
        Item::Impl(it) => return implementation(it, types).map(Item::Impl),
        Item::Const(it) if is_public(&it.vis) => Item::Const(it),
        Item::Type(it) if is_public(&it.vis) => Item::Type(it),
        Item::Use(it) if is_public(&it.vis) => Item::Use(it),
        Item::Mod(it) if is_public(&it.vis) => Item::Mod(it),
        _ => return None,
    };
    Some(without_documentation(item))
}

fn implementation(mut it: syn::ItemImpl, types: &BTreeSet<String>) -> Option<syn::ItemImpl> {
    let Type::Path(path) = &*it.self_ty else {
        return None;
    };
    let name = path.path.segments.last()?.ident.to_string();
    if !types.contains(&name) || it.attrs.iter().any(|it| it.path().is_ident("cfg")) {
        return None;
    }
    it.attrs.clear();
    if it.trait_.is_some() {
        it.items.clear();
        return Some(it);
    }
    it.items.retain(|item| match item {
        ImplItem::Fn(it) => is_public(&it.vis),
        ImplItem::Const(it) => is_public(&it.vis),
        _ => false,
    });
    for item in &mut it.items {
        match item {
            ImplItem::Fn(it) => {
                it.block.stmts.clear();
                it.attrs.retain(is_told);
            }
            ImplItem::Const(it) => it.attrs.clear(),
            _ => {}
        }
    }
    (!it.items.is_empty()).then_some(it)
}

fn without_documentation(mut item: Item) -> Item {
    match &mut item {
        Item::Const(it) => it.attrs.clear(),
        Item::Type(it) => it.attrs.clear(),
        Item::Use(it) => it.attrs.clear(),
        Item::Mod(it) => it.attrs.retain(|it| it.path().is_ident("cfg")),
        _ => {}
    }
    item
}

/// Attributes on which users of an item depend.
fn is_told(attribute: &Attribute) -> bool {
    let kinds = ["derive", "non_exhaustive", "cfg"];
    kinds.iter().any(|it| attribute.path().is_ident(it))
}
