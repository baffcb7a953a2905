//! The language in which files of `fixtures/layouts` say what programs are made of
//! them; CONTRIBUTING.md describes it. It is strict: a case that is left out by
//! mistake would look like one that succeeds.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::{Case, Expected};

/// What a line with a directive begins with, in the comments of the languages.
const MARKS: [&str; 4] = ["//#", "##", "!#", ";#"];

/// Where the options of a case go in a build.
const OPTIONS: &str = "{options}";

/// The cases in a file of `fixtures/layouts`, or in which line what is wrong.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Case>, String> {
    let mut rest = directives(file, text)?.into_iter().peekable();
    let mut cases = Vec::new();
    while let Some(first) = rest.peek().cloned() {
        let group = Group::read(file, &mut rest)?;
        if group.build.is_empty() {
            return Err(first.fault(&format!("`{}:` without a build before", first.key)));
        }
        let before = cases.len();
        while let Some(head) = rest.next_if(|line| line.key == "case") {
            cases.push(group.case(head, &mut rest)?);
        }
        if cases.len() == before {
            return Err(first.fault("a build without a case"));
        }
    }
    Ok(cases)
}

#[derive(Clone)]
struct Directive {
    /// File and line.
    place: String,
    key: String,
    value: String,
}

impl Directive {
    fn fault(&self, what: &str) -> String {
        format!("{}: {what}", self.place)
    }
}

type Lines = Peekable<IntoIter<Directive>>;

fn directives(file: &str, text: &str) -> Result<Vec<Directive>, String> {
    let directive = |(index, line): (usize, &str)| {
        let line = line.trim();
        let text = MARKS.iter().find_map(|mark| line.strip_prefix(mark))?;
        let (key, value) = text.split_once(':').unwrap_or((text, ""));
        let directive = Directive {
            place: format!("fixtures/layouts/{file}:{}", index + 1),
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
        };
        Some(match directive.key.as_str() {
            "build" | "case" | "options" | "expect" if directive.value.is_empty() => {
                Err(directive.fault("nothing behind the colon"))
            }
            "build" | "case" | "options" | "expect" => Ok(directive),
            key => Err(directive.fault(&format!("no directive is called `{key}`"))),
        })
    };
    text.lines().enumerate().filter_map(directive).collect()
}

/// What the cases behind a build have in common.
#[derive(Default)]
struct Group {
    build: String,
    expected: Expected,
}

impl Group {
    fn read(file: &str, rest: &mut Lines) -> Result<Self, String> {
        let mut commands = Vec::new();
        while let Some(line) = rest.next_if(|line| line.key == "build") {
            let source = format!("\"$FIXTURES/layouts/{file}\"");
            commands.push(line.value.replace("{source}", &source));
        }
        let mut group = Self {
            build: commands.join("\n"),
            ..Self::default()
        };
        while let Some(line) = rest.next_if(|line| line.key == "expect") {
            group.expected.add(&line)?;
        }
        Ok(group)
    }

    fn case(&self, head: Directive, rest: &mut Lines) -> Result<Case, String> {
        let mut options = None;
        let mut expected = self.expected.clone();
        while let Some(line) = rest.next_if(|line| ["options", "expect"].contains(&&*line.key)) {
            if line.key == "expect" {
                expected.add(&line)?;
            } else if options.replace(line.value.clone()).is_some() {
                return Err(line.fault("the case has options already"));
            }
        }
        let build = match options {
            Some(options) if self.build.contains(OPTIONS) => self.build.replace(OPTIONS, &options),
            None if !self.build.contains(OPTIONS) => self.build.clone(),
            Some(_) => return Err(head.fault("options, but no {options} in the build")),
            None => return Err(head.fault("no options, but {options} in the build")),
        };
        Ok(Case {
            name: head.value,
            place: head.place,
            build,
            expected,
        })
    }
}

impl Expected {
    fn add(&mut self, line: &Directive) -> Result<(), String> {
        let (what, message) = line.value.split_once(": ").unwrap_or((&line.value, ""));
        let message = message.trim().to_owned();
        match (what, message.is_empty()) {
            ("headers move", true) => self.headers_move = true,
            ("no libraries", true) => self.loads_no_libraries = true,
            ("section headers lie", true) => self.sections_lie = true,
            ("verify refuses", false) => self.verify_refuses = Some(message),
            ("refused", false) => self.refused = Some(message),
            _ => return Err(line.fault(&format!("nothing is known of `{}`", line.value))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        read("a.c", text).expect_err("a fault")
    }

    #[test]
    fn a_build_serves_several_cases() {
        let text = "// A program.\n\
                    //# build: cc {options} {source} -o before\n\
                    //# build: strip before\n\
                    //# case: one, GNU ld\n\
                    //# options: -pie '$ORIGIN'\n\
                    //# expect: headers move\n\
                    // In other words.\n\
                    //# case: two: not PIE\n\
                    //# options: -no-pie\n\
                    int main(void) {}\n";
        let [one, two]: [Case; 2] = read("a.c", text).unwrap().try_into().unwrap();
        assert_eq!(
            (one.name.as_str(), two.name.as_str()),
            ("one, GNU ld", "two: not PIE")
        );
        assert_eq!(
            one.build,
            "cc -pie '$ORIGIN' \"$FIXTURES/layouts/a.c\" -o before\nstrip before"
        );
        assert_eq!(two.place, "fixtures/layouts/a.c:8");
        assert!(one.expected.headers_move);
        assert_eq!(two.expected, Expected::default());
    }

    #[test]
    fn what_is_expected_in_front_of_cases_goes_for_all_up_to_the_next_build() {
        let text = "## build: one\n## expect: no libraries\n## case: 1\n\
                    ## expect: verify refuses: for a reason: this\n## case: 2\n\
                    ## build: two\n## case: 3\n";
        let cases = read("a.py", text).unwrap();
        let static_ones: Vec<_> = cases
            .iter()
            .map(|case| case.expected.loads_no_libraries)
            .collect();
        assert_eq!(static_ones, [true, true, false]);
        assert_eq!(
            cases[0].expected.verify_refuses.as_deref(),
            Some("for a reason: this")
        );
        assert_eq!(cases[1].expected.verify_refuses, None);
        assert_eq!(cases[2].build, "two");
    }

    #[test]
    fn directives_stand_in_comments_of_any_language() {
        for mark in MARKS {
            let text = format!("{mark} build: make\n  {mark}case:name\n");
            assert_eq!(read("a", &text).unwrap()[0].name, "name", "{mark}");
        }
        assert!(
            read("a.c", "// case: none\n# define A a##b\n")
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        for (text, line, what) in [
            ("\n//# bulid: cc", 2, "no directive is called `bulid`"),
            ("//#", 1, "no directive is called ``"),
            ("//# case one", 1, "no directive is called `case one`"),
            ("//# build:", 1, "nothing behind the colon"),
            ("//# case: 1", 1, "`case:` without a build before"),
            (
                "//# expect: headers move",
                1,
                "`expect:` without a build before",
            ),
            (
                "//# build: cc\n//# options: -g\n//# case: 1",
                1,
                "a build without a case",
            ),
            (
                "//# build: cc\n//# case: 1\n//# build: cc",
                3,
                "a build without a case",
            ),
            (
                "//# build: cc\n//# case: 1\n//# options: -g",
                2,
                "no {options} in the build",
            ),
            ("//# build: cc {options}\n//# case: 1", 2, "no options, but"),
            (
                "//# build: cc {options}\n//# case: 1\n//# options: a\n//# options: b",
                4,
                "already",
            ),
            (
                "//# build: cc\n//# case: 1\n//# expect: luck",
                3,
                "nothing is known of `luck`",
            ),
            (
                "//# build: cc\n//# expect: refused",
                2,
                "nothing is known of `refused`",
            ),
        ] {
            let fault = fault(text);
            assert!(
                fault.starts_with(&format!("fixtures/layouts/a.c:{line}: ")),
                "{fault}"
            );
            assert!(fault.contains(what), "{text}: {fault}");
        }
    }
}
