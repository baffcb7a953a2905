//! In which form a file is written.
//!
//! One line proves nothing: a deny-list of one form may be read out of an allow-list of
//! another. A form is recognised if the whole file looks like it, and like no other.

use std::ffi::OsStr;
use std::path::Path;

use toml::de::DeTable;

use super::Format;

/// The form of a file, by its name or, if that tells nothing, by what is in it.
pub(super) fn recognise(path: &Path, text: &str) -> Option<Format> {
    by_name(path).or_else(|| by_content(text))
}

/// The form that the end of a name stands for.
pub(super) fn by_name(path: &Path) -> Option<Format> {
    Some(match path.extension().and_then(OsStr::to_str)? {
        "toml" => Format::Toml,
        "kafel" => Format::Kafel,
        "policy" => Format::Minijail,
        "service" | "socket" | "mount" | "swap" => Format::Systemd,
        "profile" | "inc" => Format::Firejail,
        _ => return None,
    })
}

fn by_content(text: &str) -> Option<Format> {
    if is_object(text) {
        return Some(of_json(text));
    }
    if DeTable::parse(text).is_ok() || text.lines().any(is_key_of_ours) {
        return Some(Format::Toml);
    }
    if is_spo(text) {
        return Some(Format::Spo);
    }
    let shapes = [
        (Format::Systemd, is_systemd as fn(&str) -> bool),
        (Format::Minijail, is_minijail),
        (Format::Firejail, is_firejail),
        (Format::Kafel, is_kafel),
    ];
    let mut alike = shapes.into_iter().filter(|(_, is_it)| is_it(text));
    let (format, _) = alike.next()?;
    alike.next().is_none().then_some(format)
}

/// Whether it is an object of JSON. To minijail a line may begin with a brace, too.
fn is_object(text: &str) -> bool {
    let inside = text.trim_start().strip_prefix('{').map(str::trim_start);
    inside.is_some_and(|inside| inside.is_empty() || inside.starts_with(['"', '}']))
}

fn of_json(text: &str) -> Format {
    let has = |key: &str| text.contains(&format!("\"{key}\""));
    let has_one_of = |keys: &[&str]| keys.iter().any(|key| has(key));
    if has_one_of(&["mismatch_action", "default_action"]) {
        Format::Seccompiler
    } else if has("kind") && has("spec") {
        Format::Spo
    } else if has_one_of(&["archMap", "includes", "excludes"]) {
        Format::Docker
    } else {
        Format::Oci
    }
}

/// Whether a line is one of ours even if others can't be read: what is meant to be TOML, and
/// has a mistake, is no policy of another form.
fn is_key_of_ours(line: &str) -> bool {
    let line = line.trim();
    let key = line.split_once('=').map(|(key, value)| (key.trim(), value));
    line == "[calls]"
        || key
            .is_some_and(|(key, value)| super::toml::KEYS.contains(&key) && !value.starts_with('='))
}

fn is_spo(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("kind:") && has("spec:")
}

/// Sections and settings, of which one is about system calls.
fn is_systemd(text: &str) -> bool {
    let is_of_unit = |line: &str| {
        line.starts_with('[')
            || line.split_once('=').is_some_and(|(key, _)| {
                key.starts_with(|c: char| c.is_ascii_uppercase()) && is_word(key.trim_end())
            })
    };
    let mut lines = said(text, &['#', ';']);
    lines.any(|line| line.starts_with("SystemCall"))
        && whole(text, &['#', ';']).iter().all(|line| is_of_unit(line))
}

/// Filters, `name: expression`, and statements.
fn is_minijail(text: &str) -> bool {
    let is_statement = |line: &str| {
        let head = line.split_once(':').map_or("", |(head, _)| head);
        let names = head.split(['{', '}', '[', ']', ',', ' ', '\t', '=', ';']);
        let is_filter = !head.is_empty() && names.into_iter().all(is_word_or_nothing);
        line.starts_with('@') || is_filter
    };
    let lines = whole(text, &['#']);
    !lines.is_empty() && lines.iter().all(|line| is_statement(line))
}

/// Commands in small letters, of which one is about system calls.
fn is_firejail(text: &str) -> bool {
    let command = |line: &str| {
        line.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let is_command = |word: &str| {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        word.starts_with('?') || (word != "kind:" && word.chars().all(known))
    };
    let about = |line: &str| command(line).to_ascii_lowercase().starts_with("seccomp");
    said(text, &['#']).any(about) && said(text, &['#']).all(|line| is_command(&command(line)))
}

/// Definitions, uses of them, or actions with calls in braces.
fn is_kafel(text: &str) -> bool {
    const HEADS: [&str; 13] = [
        "POLICY",
        "USE",
        "DEFAULT",
        "ALLOW",
        "LOG",
        "ERRNO",
        "KILL",
        "KILL_PROCESS",
        "KILL_THREAD",
        "DENY",
        "TRAP",
        "TRACE",
        "USER_NOTIF",
    ];
    let head = |line: &str| {
        line.split([' ', '\t', '(', '{'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    said(text, &['/'])
        .any(|line| HEADS.contains(&head(line).as_str()) || line.starts_with("#define "))
}

/// The lines that say something, without blanks around them.
fn said<'a>(text: &'a str, comments: &'a [char]) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().map(str::trim);
    lines.filter(move |line| !line.is_empty() && !line.starts_with(comments))
}

/// The same without those that continue others.
fn whole<'a>(text: &'a str, comments: &'a [char]) -> Vec<&'a str> {
    let mut continues = false;
    let mut lines: Vec<_> = said(text, comments).collect();
    lines.retain(|line| {
        let keep = !continues;
        continues = line.ends_with('\\');
        keep
    });
    lines
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && is_word_or_nothing(text)
}

fn is_word_or_nothing(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Format> {
        recognise(Path::new("policy"), text)
    }

    #[test]
    fn no_single_line_decides() {
        for line in [
            "seccomp",
            "seccomp.drop ptrace",
            "SystemCallFilter=~ptrace",
            "[Service]",
            "USE x",
            "POLICY a {",
            "DEFAULT ALLOW",
            "ptrace: 0",
            "@denylist",
            "kind: x",
            "spec: y",
        ] {
            for text in [
                format!("description = '''\n{line}\n'''\nallow = ['read']\n"),
                format!("allow = ['''\n{line}\n''', 'read']\n"),
                format!("# {line}\nallow = [\n\"read\",\n]\n"),
                // Mistakes in what is meant to be TOML.
                format!("allow = ['read'\n{line}\n"),
                format!("{line}\nallow = ['read']\n"),
                format!("[calls]\nread = 'allow'\n{line}\n"),
            ] {
                assert_eq!(of(&text), Some(Format::Toml), "{text}");
            }
        }
    }

    #[test]
    fn what_looks_like_several_forms_or_none_is_not_recognised() {
        for text in [
            "read\nwrite\n",
            "read: 1\nseccomp.drop ptrace\n",
            "read: 1\nSystemCallFilter=~ptrace\n",
            "[Service]\nSystemCallFilter=~ptrace\nread: 1\n",
            "[Service]\nSystemCallFilter=~ptrace\nseccomp\n",
            "seccomp\nPOLICY a { ALLOW { read } }\nUSE a DEFAULT KILL\nread 1 = 2\n",
            "Seccomp.keep=read\nseccomp\n",
        ] {
            let found = of(text);
            let is_kafel = text.contains("POLICY") && found == Some(Format::Kafel);
            assert!(found.is_none() || is_kafel, "{text}: {found:?}");
        }
    }

    #[test]
    fn forms_are_recognised() {
        for (text, format) in [
            ("", Format::Toml),
            ("deny = 'ptrace'\n", Format::Toml),
            ("{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }", Format::Oci),
            ("{", Format::Oci),
            ("{ \"archMap\": [] }", Format::Docker),
            (
                "{\"a\": {\"default_action\": \"allow\"}}",
                Format::Seccompiler,
            ),
            (
                "{\"a\": {\"mismatch_action\": \"allow\"}}",
                Format::Seccompiler,
            ),
            (
                "apiVersion: x\nkind: SeccompProfile\nspec:\n  syscalls:\n",
                Format::Spo,
            ),
            ("SystemCallFilter=~ptrace\n", Format::Systemd),
            (
                "; x\n[Service]\nExecStart=a=b \\\n  c d\nSystemCallFilter=a\n",
                Format::Systemd,
            ),
            (
                "# x\nread: 1\nwrite : arg0 == 1; return \\\n  1\n",
                Format::Minijail,
            ),
            (
                "@include ./x\n{read, write}: 1\nopen[arch=x86_64]: 1\n",
                Format::Minijail,
            ),
            ("{read, write}: 1\n", Format::Minijail),
            (
                "include x.local\ncaps.drop all\nseccomp !chroot\n",
                Format::Firejail,
            ),
            ("?HAS_X: seccomp\nseccomp.drop a,b\n", Format::Firejail),
            (
                "// x\nPOLICY a {\n  ALLOW { read }\n}\nUSE a DEFAULT KILL\n",
                Format::Kafel,
            ),
            ("ALLOW { read } DEFAULT KILL", Format::Kafel),
            ("#define x 1\nERRNO(x) { read }", Format::Kafel),
        ] {
            assert_eq!(of(text), Some(format), "{text}");
        }
        assert_eq!(
            recognise(Path::new("a.policy"), "seccomp"),
            Some(Format::Minijail)
        );
        assert_eq!(
            recognise(Path::new("a.toml"), "seccomp"),
            Some(Format::Toml)
        );
    }
}
