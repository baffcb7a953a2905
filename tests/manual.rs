//! The man pages, as `sandbox-patch generate --man` writes them and man(1)
//! shows them.

mod support;

use std::collections::BTreeSet;

use support::Workspace;

/// The commands with a page of their own.
const COMMANDS: [&str; 4] = ["inspect", "verify", "remove", "link"];

/// The pages, written into a workspace.
struct Manual(Workspace);

impl Manual {
    fn write() -> Self {
        let ws = Workspace::new();
        ws.run("sandbox-patch generate --man .")
            .succeeds()
            .is_silent();
        Self(ws)
    }

    /// The page as a reader sees it, on wide paper, so that nothing that is
    /// looked for is broken by the end of a line. man has nothing to warn about.
    fn shown(&self, page: &str) -> String {
        let line = format!("MANWIDTH=2000 man --warnings -l {page}.1");
        let outcome = self.0.run(&line);
        outcome.succeeds().is_silent();
        outcome.stdout
    }

    /// Each page, with the command line that it is about.
    fn pages(&self) -> Vec<(String, String)> {
        let of_command = |name| {
            (
                format!("sandbox-patch {name}"),
                format!("sandbox-patch-{name}"),
            )
        };
        ["sandbox-patch", "sandboxify"]
            .map(|name| (name.to_owned(), name.to_owned()))
            .into_iter()
            .chain(COMMANDS.map(of_command))
            .map(|(command, page)| (command, self.shown(&page)))
            .collect()
    }
}

/// The long options at the beginning of lines: those that are described, and
/// not those that a text mentions.
fn described(text: &str) -> BTreeSet<&str> {
    let described = |line| {
        let line: &str = line;
        let line = line.trim_start();
        let rest = match line.split_once(", ") {
            Some((short, rest)) if short.len() == 2 && short.starts_with('-') => rest,
            _ => line,
        };
        let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        rest.starts_with("--").then(|| &rest[..end])
    };
    text.lines().filter_map(described).collect()
}

/// The sections in their order: the lines that are not indented, without the
/// page's first and last.
fn sections(page: &str) -> Vec<&str> {
    let is_heading = |line: &&str| line.starts_with(|c: char| c.is_ascii_uppercase());
    page.lines().filter(is_heading).collect()
}

/// The text of a section, in one line.
fn section(page: &str, heading: &str) -> String {
    let lines = page.lines().skip_while(|line| *line != heading).skip(1);
    let text = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    text.flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_command_has_a_page_and_nothing_else_has() {
    let manual = Manual::write();
    let mut expected: Vec<String> = COMMANDS
        .iter()
        .map(|name| format!("sandbox-patch-{name}.1"))
        .chain(["sandbox-patch.1".to_owned(), "sandboxify.1".to_owned()])
        .collect();
    expected.sort();
    assert_eq!(manual.0.listing(), expected);
    let help = manual.0.run("sandbox-patch -h").stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .map_while(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert_eq!(commands, COMMANDS);
}

#[test]
fn every_page_has_the_sections_of_a_command_in_their_order() {
    let manual = Manual::write();
    for (command, page) in manual.pages() {
        let found = sections(&page);
        let usual = [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXIT STATUS",
            "EXAMPLES",
            "SEE ALSO",
        ];
        let kept: Vec<&str> = found
            .iter()
            .copied()
            .filter(|heading| usual.contains(heading))
            .collect();
        assert_eq!(kept, usual, "{command}");
        assert!(!found.contains(&"EXTRA"), "{command}");
    }
    assert_eq!(
        sections(&manual.shown("sandbox-patch")),
        [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "ACTIONS",
            "COMMANDS",
            "EXIT STATUS",
            "ENVIRONMENT",
            "FILES",
            "NOTES",
            "EXAMPLES",
            "SEE ALSO",
        ]
    );
}

#[test]
fn every_page_describes_the_options_of_help() {
    let manual = Manual::write();
    for (command, page) in manual.pages() {
        let help = manual.0.run(&format!("{command} --help"));
        help.succeeds().is_silent();
        let options = described(&help.stdout);
        assert!(options.contains("--help"), "{command}");
        assert_eq!(described(&page), options, "{command}");
    }
}

/// The options that concern one command are in the line that shows how to call
/// it, with their values.
#[test]
fn the_synopsis_shows_values_and_repetition() {
    let manual = Manual::write();
    for (page, forms) in [
        (
            "sandbox-patch",
            &[
                "{--allow LIST | --deny LIST}",
                "[--action ACTION]",
                "FILE...",
            ][..],
        ),
        ("sandbox-patch-inspect", &["[--root DIR]", "FILE..."]),
        ("sandbox-patch-verify", &["[--root DIR]", "FILE..."]),
        (
            "sandbox-patch-remove",
            &["[-o PATH]", "[--best-effort]", "FILE..."],
        ),
        (
            "sandbox-patch-link",
            &["-- COMMAND [ARGUMENT...]", "sandbox-patch-NAME"],
        ),
        (
            "sandboxify",
            &["[--allow LIST | --deny LIST]", "[--] PROGRAM [ARGUMENT...]"],
        ),
    ] {
        let synopsis = section(&manual.shown(page), "SYNOPSIS");
        for form in forms {
            assert!(synopsis.contains(form), "{page}: {form} in {synopsis}");
        }
    }
}

#[test]
fn the_exit_statuses_are_told() {
    let manual = Manual::write();
    for (page, statuses) in [
        ("sandbox-patch", &["0", "1", "2", "121", "127", "159"][..]),
        ("sandbox-patch-inspect", &["0", "1", "2"]),
        ("sandbox-patch-verify", &["0", "1", "2"]),
        ("sandbox-patch-remove", &["0", "1", "2"]),
        ("sandbox-patch-link", &["1", "2", "126", "127"]),
        ("sandboxify", &["2", "121", "126", "127", "159"]),
    ] {
        let text = section(&manual.shown(page), "EXIT STATUS");
        let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        for status in statuses {
            assert!(words.contains(status), "{page}: {status} in {text}");
        }
    }
}

#[test]
fn the_variables_are_told_where_they_count() {
    let manual = Manual::write();
    let environment = |page| section(&manual.shown(page), "ENVIRONMENT");
    for variable in [
        "SECCOMP_SYSCALL_ALLOW",
        "SECCOMP_SYSCALL_DENY",
        "SECCOMP_DEFAULT_ACTION",
        "SANDBOX_EXACT",
    ] {
        for page in ["sandbox-patch", "sandboxify"] {
            assert!(environment(page).contains(variable), "{page}: {variable}");
        }
    }
    assert!(environment("sandbox-patch-link").contains("SANDBOX_PATCH_OPTIONS"));
}

/// Every page is found from the main one, and leads back to it.
#[test]
fn the_pages_refer_to_each_other() {
    let manual = Manual::write();
    let main = section(&manual.shown("sandbox-patch"), "SEE ALSO");
    for name in COMMANDS {
        assert!(main.contains(&format!("sandbox-patch-{name}(1)")), "{main}");
        let page = manual.shown(&format!("sandbox-patch-{name}"));
        assert!(
            section(&page, "SEE ALSO").contains("sandbox-patch(1)"),
            "{name}"
        );
    }
    let launcher = section(&manual.shown("sandboxify"), "SEE ALSO");
    assert!(launcher.contains("sandbox-patch(1)"), "{launcher}");
    for other in ["sandboxify(1)", "patchelf(1)", "seccomp(2)", "ld.so(8)"] {
        assert!(main.contains(other), "{other}");
    }
}

#[test]
fn short_help_fits_on_a_screen_and_says_where_the_rest_is() {
    let ws = Workspace::new();
    for program in ["sandbox-patch", "sandboxify"] {
        let short = ws.run(&format!("{program} -h"));
        short
            .succeeds()
            .prints("--help")
            .does_not_print("Exit status");
        assert!(short.stdout.lines().count() <= 40, "{}", short.stdout);
        ws.run(&format!("{program} --help"))
            .succeeds()
            .prints("Exit status");
    }
    ws.run("sandbox-patch --help")
        .succeeds()
        .prints("Exit status")
        .prints("./inspect");
}
