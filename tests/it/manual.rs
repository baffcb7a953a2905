//! What `sandbox-patch generate` writes: the man pages, as man(1) shows them, and
//! the completions, as the shells offer them.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::support::Workspace;

/// The commands with a page of their own.
const COMMANDS: [&str; 7] = [
    "inspect", "verify", "remove", "link", "learn", "groups", "convert",
];

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
                "{-p FILE | --allow LIST | --deny LIST}",
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
            &[
                "[-p FILE | --allow LIST | --deny LIST]",
                "[--] PROGRAM [ARGUMENT...]",
            ],
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
        ("sandbox-patch-groups", &["0", "1", "2"]),
        ("sandbox-patch-convert", &["0", "1", "2"]),
        ("sandbox-patch-learn", &["1", "2"]),
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
        assert!(short.stdout.lines().count() <= 42, "{}", short.stdout);
        ws.run(&format!("{program} --help"))
            .succeeds()
            .prints("Exit status");
    }
    ws.run("sandbox-patch --help")
        .succeeds()
        .prints("Exit status")
        .prints("./inspect");
}

/// The options that only patching has, and some that each verb has.
const FOR_PATCHING: [&str; 3] = ["--inline", "--dry-run", "--replace"];
const OF_VERBS: [(&str, &str); 4] = [
    ("inspect", "--bpf"),
    ("verify", "--policy"),
    ("remove", "--best-effort"),
    ("link", "--inline"),
];

#[test]
fn bash_offers_the_options_of_each_verb() {
    let ws = Workspace::new();
    ws.run("sandbox-patch generate --completions .").succeeds();
    for (verb, option) in OF_VERBS {
        let offered = ws.run(&format!(
            "source sandbox-patch.bash; COMP_WORDS=(sandbox-patch {verb} --); COMP_CWORD=2; \
             _sandbox__patch sandbox-patch -- {verb}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        ));
        offered.succeeds().prints(&format!("{option}\n"));
        offered.does_not_print("--dry-run");
    }
}

#[test]
fn fish_offers_the_options_of_each_verb() {
    let ws = Workspace::new();
    ws.run("sandbox-patch generate --completions .").succeeds();
    for (verb, option) in OF_VERBS {
        let offered = ws.run(&format!(
            "fish -c \"source sandbox-patch.fish; complete -C 'sandbox-patch {verb} --'\""
        ));
        offered.succeeds().prints(&format!("{option}\t"));
        offered.does_not_print("--dry-run");
    }
}

#[test]
fn zsh_offers_verbs_and_files_and_the_options_of_what_was_chosen() {
    let ws = Workspace::new();
    ws.run("sandbox-patch generate --completions .").succeeds();
    ws.write("a-program", "");
    let mut zsh = Zsh::start(&ws);
    for (verb, option) in OF_VERBS {
        let offered = zsh.complete(&format!("sandbox-patch {verb} --"), option);
        let for_patching = FOR_PATCHING.iter().filter(|other| **other != option);
        for other in for_patching.filter(|_| verb != "link") {
            assert!(!offered.contains(other), "{verb}: {other}\n{offered}");
        }
    }
    zsh.complete("sandbox-patch ", "inspect ");
    // The rest of a word is added, or the line drawn anew.
    zsh.complete("sandbox-patch a-pro", "gram");
    zsh.complete("sandbox-patch inspect a-pro", "gram");
    zsh.complete("sandbox-patch a-program --rep", "lace");
    zsh.complete("sandboxify --req", "uire-policy");
}

/// A zsh that reads keys from a terminal.
struct Zsh {
    keys: std::process::ChildStdin,
    screen: std::process::ChildStdout,
    process: std::process::Child,
}

impl Zsh {
    const PROMPT: &str = "READY>";

    /// Without the user's and the system's start-up files; the completions are
    /// those in the folder.
    fn start(ws: &Workspace) -> Self {
        let mut process = Command::new("timeout")
            .args([
                "15",
                "script",
                "--quiet",
                "--command",
                "exec zsh -f -i",
                "/dev/null",
            ])
            .current_dir(ws.root())
            .env("TERM", "dumb")
            .env("LC_ALL", "C")
            // bash, where it is the shell that script(1) starts, drops PS1.
            .env("SHELL", "/bin/sh")
            .env("PS1", "START>")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script(1) starts");
        let mut zsh = Self {
            keys: process.stdin.take().expect("a pipe"),
            screen: process.stdout.take().expect("a pipe"),
            process,
        };
        zsh.wait_for("START>");
        zsh.press(
            "stty cols 300; LISTMAX=0; fpath=($PWD $fpath); autoload -U compinit; \
             compinit -u -D; PS1=REA; PS1+='DY>'\n",
        );
        zsh.wait_for(Self::PROMPT);
        zsh
    }

    fn press(&mut self, keys: &str) {
        let pressed = self.keys.write_all(keys.as_bytes());
        pressed.and_then(|()| self.keys.flush()).expect("a pipe");
    }

    /// Types the words and the tab key until zsh shows the expected text behind
    /// what was typed, and returns all that it shows.
    fn complete(&mut self, words: &str, expected: &str) -> String {
        self.press(words);
        self.wait_for(words);
        self.press("\t");
        let shown = self.wait_for(expected);
        // Away with the line, and with what else is listed.
        self.press("\x15true\n");
        shown + &self.wait_for(Self::PROMPT)
    }

    /// What zsh shows until the text comes.
    fn wait_for(&mut self, text: &str) -> String {
        let mut shown = Vec::new();
        let mut byte = [0];
        while !shown.ends_with(text.as_bytes()) {
            let read = self.screen.read(&mut byte).expect("a pipe");
            assert!(read > 0, "zsh ended:\n{}", String::from_utf8_lossy(&shown));
            shown.push(byte[0]);
        }
        String::from_utf8_lossy(&shown).into_owned()
    }
}

impl Drop for Zsh {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
