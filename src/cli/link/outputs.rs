//! Which files a compiler or linker will write, by its command line.
//!
//! The options are those of GCC (gcc(1), "Overall Options", "Options for
//! Linking") and GNU ld (ld(1)), which clang, lld and mold share.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::response_file;

/// The output where the command line names none.
const DEFAULT: &str = "a.out";

/// What a command line says of what it will write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outputs {
    /// Every file that it names as an output; which of them were written is
    /// seen afterwards.
    pub(super) paths: Vec<PathBuf>,
    /// Whether it names any, else they are the default.
    pub(super) named: bool,
    /// What it is given to work on.
    pub(super) inputs: Vec<PathBuf>,
    /// Whether a program should come of it, as far as the options tell: there
    /// is something to link, and nothing else is asked for.
    pub(super) links: bool,
}

impl Outputs {
    /// Reads a command line.
    pub(super) fn of(command: &[OsString]) -> Self {
        let mut found = Found::default();
        found.scan(response_file::expand(arguments(command).iter().cloned()));
        // What a compiler is given has been seen; the linker gets more.
        let inputs = std::mem::take(&mut found.operands);
        let for_linker = std::mem::take(&mut found.for_linker);
        found.scan(response_file::expand(for_linker));
        let mut paths = found.outputs;
        paths.retain(|output| !output.as_os_str().is_empty());
        let named = !paths.is_empty();
        if !named {
            paths.push(PathBuf::from(DEFAULT));
        }
        Self {
            paths,
            named,
            links: !inputs.is_empty() && !found.asks_otherwise,
            inputs,
        }
    }
}

/// The arguments of the compiler or linker, which may stand behind the name of a
/// program that keeps results or sends work elsewhere.
fn arguments(command: &[OsString]) -> &[OsString] {
    const LAUNCHERS: [&str; 5] = ["ccache", "sccache", "distcc", "icecc", "nice"];
    let Some((program, arguments)) = command.split_first() else {
        return &[];
    };
    let name = Path::new(program).file_name();
    match arguments.split_first() {
        Some((compiler, _)) if compiler.as_bytes().starts_with(b"-") => arguments,
        Some((_, rest)) if LAUNCHERS.iter().any(|it| name == Some(OsStr::new(it))) => rest,
        _ => arguments,
    }
}

/// Options for something else than a program: an earlier stage or a check of
/// the compiler, another kind of output, or a question, as configuration
/// scripts put it.
fn asks_otherwise(option: &[u8]) -> bool {
    const WHOLE: [&[u8]; 17] = [
        b"-c",
        b"-E",
        b"-S",
        b"-M",
        b"-MM",
        b"-r",
        b"--relocatable",
        b"-shared",
        b"--shared",
        b"-fsyntax-only",
        b"--analyze",
        b"-###",
        b"-h",
        b"-V",
        b"-vV",
        b"--version",
        b"-version",
    ];
    const STARTS: [&[u8]; 6] = [
        b"-print",
        b"--print",
        b"-dump",
        b"-help",
        b"--help",
        b"--target-help",
    ];
    WHOLE.contains(&option) || STARTS.iter().any(|start| option.starts_with(start))
}

#[derive(Default)]
struct Found {
    outputs: Vec<PathBuf>,
    /// What a compiler hands on to the linker.
    for_linker: Vec<OsString>,
    operands: Vec<PathBuf>,
    asks_otherwise: bool,
}

impl Found {
    fn scan(&mut self, words: Vec<OsString>) {
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let word = word.as_bytes();
            match word {
                b"-o" | b"--output" => self.outputs.extend(words.next().map(PathBuf::from)),
                b"-Xlinker" => self.for_linker.extend(words.next()),
                // The next word is for somebody else, even if it is `-o`.
                b"-Xassembler" | b"-Xpreprocessor" | b"-Xclang" => drop(words.next()),
                // The language and the emulation, which questions name, too.
                b"-x" | b"-m" => drop(words.next()),
                _ if asks_otherwise(word) => self.asks_otherwise = true,
                // `-` is standard input.
                [b'-', _, ..] => self.joined(word),
                _ => self.operands.push(PathBuf::from(OsStr::from_bytes(word))),
            }
        }
    }

    /// An option and its value in one word.
    fn joined(&mut self, word: &[u8]) {
        if let Some(list) = word.strip_prefix(b"-Wl,") {
            let words = list.split(|&byte| byte == b',');
            self.for_linker
                .extend(words.map(|word| OsStr::from_bytes(word).to_owned()));
        } else if let Some(name) = word
            .strip_prefix(b"--output=")
            .or_else(|| word.strip_prefix(b"-o"))
        {
            self.outputs.push(PathBuf::from(OsStr::from_bytes(name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outputs(line: &str) -> Vec<String> {
        let command: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let outputs = Outputs::of(&command).paths.into_iter();
        outputs.map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn an_output_is_named_in_several_ways() {
        for line in [
            "cc x.c -o x",
            "cc -ox x.c",
            "ld x.o --output x",
            "ld --output=x x.o",
            "cc x.c -Wl,-o,x",
            "cc x.c -Wl,-ox",
            "cc x.c -Wl,-z,now,--output=x",
            "cc x.c -Wl,-o -Wl,x",
            "cc x.c -Xlinker -o -Xlinker x",
        ] {
            assert_eq!(outputs(line), ["x"], "{line}");
        }
    }

    #[test]
    fn without_a_name_the_output_is_a_out() {
        for line in ["cc x.c", "cc", "cc -o", "cc x.c -o ", "cc -Wl,-o, x.c"] {
            assert_eq!(outputs(line), ["a.out"], "{line}");
        }
    }

    #[test]
    fn all_named_outputs_are_watched() {
        assert_eq!(outputs("cc -o x y.c -oz -Wl,-o,w"), ["x", "z", "w"]);
    }

    #[test]
    fn what_is_for_others_names_no_output() {
        for line in [
            "cc -Xassembler -o x.c",
            "cc -Xpreprocessor -o x.c",
            "cc -Xclang -o x.c",
            "cc -O2 x.c",
            "cc -Wa,-o,x x.c",
        ] {
            assert_eq!(outputs(line), ["a.out"], "{line}");
        }
    }

    fn links(line: &str) -> bool {
        let command: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Outputs::of(&command).links
    }

    #[test]
    fn a_program_is_to_come_of_what_is_linked() {
        for line in [
            "cc x.c",
            "ld x.o -lc",
            "cc -x c -",
            "/usr/bin/ccache cc x.c",
            "rustc x.rs",
            "go build .",
            "cc -MD -v x.c",
        ] {
            assert!(links(line), "{line}");
        }
    }

    #[test]
    fn no_program_is_to_come_of_other_work_and_of_questions() {
        for line in [
            "cc",
            "cc -v",
            "ccache cc -v",
            "cc -c x.c",
            "cc -dM -E -",
            "cc -fsyntax-only x.c",
            "cc -shared x.c",
            "cc -print-file-name=plugin",
            "cc --print-search-dirs x.c",
            "cc -Wl,--version",
            "cc -Wl,--version x.c",
            "ld -m elf_x86_64 -v",
            "rustc -vV",
            "rustc - --print=cfg",
        ] {
            assert!(!links(line), "{line}");
        }
    }

    #[test]
    fn the_command_itself_is_no_option() {
        assert_eq!(outputs("-ocompiler x.c"), ["a.out"]);
    }

    proptest! {
        #[test]
        fn every_command_line_has_an_output(
            words in prop::collection::vec("(-o|--output=?|-Xlinker|-Wl,|,|@|)[-o,a-z\"\\\\]{0,4}", 1..8)
        ) {
            let command: Vec<OsString> = words.iter().map(OsString::from).collect();
            prop_assert!(!Outputs::of(&command).paths.is_empty());
        }
    }
}
