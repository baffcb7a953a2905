//! Arguments in files: `@FILE`, as GCC and binutils read them (gcc(1),
//! "Overall Options": `@file`).

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::file;

/// How many files are read for one command line; files may name each other in
/// a circle. GCC gives up at this number, too (libiberty/argv.c, expandargv).
const LIMIT: usize = 2000;

/// Replaces each `@FILE` by the words in the file, and these likewise. Where
/// there is no such file, the word stands for itself.
pub(super) fn expand(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut expanded = Vec::new();
    let mut files = 0;
    // The next word is the last.
    let mut pending: Vec<OsString> = words.into_iter().collect();
    pending.reverse();
    while let Some(word) = pending.pop() {
        let name = word.as_bytes().strip_prefix(b"@");
        let text = name.filter(|_| files < LIMIT).and_then(read);
        match text {
            Some(text) => {
                files += 1;
                pending.extend(split(&text).into_iter().rev());
            }
            None => expanded.push(word),
        }
    }
    expanded
}

/// Pipes (of a shell's `@<(…)`) are the command's: what is read from them here
/// would be missing there.
fn read(name: &[u8]) -> Option<Vec<u8>> {
    let path = Path::new(OsStr::from_bytes(name));
    let (mut file, _) = file::open(path).ok()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).ok()?;
    Some(text)
}

/// The words of a response file. White space separates them, quotation marks
/// of both kinds keep it, and a backslash takes any character as it is, within
/// quotation marks as well.
fn split(text: &[u8]) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', _) => word.get_or_insert_default().extend(bytes.next()),
            (_, Some(mark)) if byte == mark => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(byte),
            (b'\'' | b'"', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            // isspace(3)
            (b' ' | b'\t'..=b'\r', None) => words.extend(word.take()),
            (_, None) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words.into_iter().map(OsString::from_vec).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        let words = split(text.as_bytes()).into_iter();
        words
            .map(|word| word.into_string().expect("text"))
            .collect()
    }

    #[test]
    fn white_space_separates_words() {
        assert_eq!(words(" -o\tx\r\n\n y.o\x0b\x0c"), ["-o", "x", "y.o"]);
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(words(" \n"), Vec::<String>::new());
    }

    #[test]
    fn quotation_marks_keep_white_space_and_each_other() {
        assert_eq!(
            words(r#"'a b' "c d"e 'it"s' "it's""#),
            ["a b", "c de", "it\"s", "it's"]
        );
        assert_eq!(words(r#"'' a"" """#), ["", "a", ""]);
    }

    #[test]
    fn a_backslash_takes_any_character_as_it_is() {
        assert_eq!(
            words(r#"a\ b \" 'c\'d' "e\"\\f""#),
            ["a b", "\"", "c'd", "e\"\\f"]
        );
    }

    #[test]
    fn an_open_quotation_and_a_last_backslash_end_with_the_file() {
        assert_eq!(words("'a b"), ["a b"]);
        assert_eq!(words("a\\"), ["a"]);
    }

    #[test]
    fn files_name_further_files() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("outer"), format!("-g '@{}' -O2", path("inner"))).expect("a file");
        fs::write(path("inner"), "-o x").expect("a file");
        let given = [
            "a.c".to_owned(),
            format!("@{}", path("outer")),
            "b.c".to_owned(),
        ];
        let expanded = expand(given.map(OsString::from));
        assert_eq!(expanded, ["a.c", "-g", "-o", "x", "-O2", "b.c"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_a_word() {
        let words = ["@", "@/nowhere/at/all", "@/", "@/dev/null"].map(OsString::from);
        assert_eq!(expand(words.clone()), words);
    }

    #[test]
    fn files_in_a_circle_have_an_end() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("circle");
        let word = OsString::from(format!("@{}", path.display()));
        fs::write(&path, format!("-x {}", path.display()).replace(" /", " @/")).expect("a file");
        let expanded = expand([word.clone()]);
        assert_eq!(expanded.len(), LIMIT + 1);
        assert_eq!(expanded.last(), Some(&word));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_split(text in prop::collection::vec(any::<u8>(), 0..64)) {
            split(&text);
        }

        #[test]
        fn words_with_every_byte_escaped_come_back(
            given in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..8), 0..8)
        ) {
            let text: Vec<u8> = given
                .iter()
                .flat_map(|word| word.iter().flat_map(|&byte| [b'\\', byte]).chain([b'\n']))
                .collect();
            let expected: Vec<OsString> = given.into_iter().map(OsString::from_vec).collect();
            prop_assert_eq!(split(&text), expected);
        }
    }
}
