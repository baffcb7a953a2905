//! What readers of ELF files complain about.

use std::collections::BTreeSet;

use super::Workspace;

/// What a command says about a file that is a warning or an error, without the
/// file's name.
pub fn warnings(ws: &Workspace, command: &str, file: &str) -> BTreeSet<String> {
    let outcome = ws.run(&format!("{command} {file} 2>&1"));
    outcome
        .stdout
        .lines()
        .filter(|line| {
            let line = line.to_ascii_lowercase();
            line.contains("warning:") || line.contains("error:")
        })
        .map(|line| line.replace(file, "FILE"))
        .collect()
}

/// What elflint says against the patched file `after` and not against `before`,
/// without the numbers: sections and headers may have got other indices.
pub fn new_faults(ws: &Workspace, before: &str, after: &str) -> Vec<String> {
    let faults = |file: &str| -> BTreeSet<String> {
        let outcome = ws.run(&format!("eu-elflint --gnu-ld {file} 2>&1"));
        let faults = outcome.stdout.lines().filter(|line| !is_expected(line));
        faults.map(without_numbers).collect()
    };
    faults(after).difference(&faults(before)).cloned().collect()
}

fn is_expected(fault: &str) -> bool {
    const EXPECTED: [&str; 3] = [
        // It can't know our notes, nor our dynamic entry.
        "with owner name 'sandbox'",
        "unknown tag",
        // What patchelf made for a dynamic section, which moves again.
        "is writable but contains no writable sections",
    ];
    EXPECTED.iter().any(|words| fault.contains(words))
}

fn without_numbers(fault: &str) -> String {
    // What comes behind these words is why any call failed last.
    const NO_REASON: &str = "cannot get content of note section";
    let end = fault.find(NO_REASON).map(|at| at + NO_REASON.len());
    let words = fault[..end.unwrap_or(fault.len())].split(' ');
    let is_word = |word: &&str| !word.contains(|letter: char| letter.is_ascii_digit());
    words.filter(is_word).collect::<Vec<_>>().join(" ")
}
