//! Shell completions: what clap_complete makes of the grammar, mended where it
//! does not understand it.

use clap::Command;
use clap_complete::Shell;

/// The shells that completions are made for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// A file of completions.
pub(super) struct Script {
    pub(super) file_name: String,
    pub(super) text: String,
}

/// The completions of a program, a file a shell.
pub(super) fn scripts(program: &Command) -> impl Iterator<Item = Script> + '_ {
    SHELLS.into_iter().map(|shell| {
        let name = program.get_name();
        let mut bytes = Vec::new();
        clap_complete::generate(shell, &mut program.clone(), name, &mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Script {
            file_name: clap_complete::Generator::file_name(&shell, name),
            text: match shell {
                Shell::Bash => with_one_name_of_each_verb(&text, name),
                Shell::Zsh => with_verbs_before_files(&text, program),
                _ => text,
            },
        }
    })
}

/// The script for bash calls a verb by one name where it sees the verb, and by
/// another where it says what to offer, if the program's name has a '-'.
fn with_one_name_of_each_verb(script: &str, program: &str) -> String {
    let [offered, seen] = ["__subcmd__", "__"].map(|separator| program.replace('-', separator));
    script.replace(&offered, &seen)
}

/// The script for zsh takes the first word for a file, and only the second for a
/// verb, where either may come first. Here the first word is either; behind a
/// file come the program's own options and more files.
fn with_verbs_before_files(script: &str, program: &Command) -> String {
    const OPTIONS: &str = "    _arguments ";
    const CHOICE: &str = "        case $line[2] in\n";
    let is_files = |line: &&str| line.starts_with("':files -- ");
    let Some(files) = script.lines().find(is_files) else {
        // A program without verbs.
        return script.to_owned();
    };
    let (_, from_options) = script.split_once(OPTIONS).unwrap_or_default();
    let (options, _) = from_options.split_once(files).unwrap_or_default();
    let more_files = format!("'*{}", files.trim_start_matches('\''));
    let all_verbs: Vec<_> = program.get_subcommands().map(Command::get_name).collect();
    let behind_a_file = format!(
        "        case $line[2] in\n            (help|{})\n;;\n            (*)\n\
         _arguments {options}{more_files}\n&& ret=0\nreturn ret\n;;\n        esac\n",
        all_verbs.join("|")
    );
    let name = program.get_name();
    let verbs = format!("'{name} commands' commands \"$@\"\n");
    script
        .replacen(&format!("{files}\n"), "", 1)
        .replacen(CHOICE, &format!("{behind_a_file}{CHOICE}"), 1)
        .replace("$line[2]", "$line[1]")
        .replacen(&verbs, &format!("{verbs}    _files\n"), 1)
}
