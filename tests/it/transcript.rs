//! What pages of the documentation show of a terminal.

use sandbox_support::Outcome;

/// A command, and what it prints. `…` stands for anything.
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) expected: String,
}

/// The commands of a block, each behind `$ `, and what they print.
pub(crate) fn steps(block: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block {
        if let Some(command) = line.strip_prefix("$ ") {
            let command = command.to_owned();
            let expected = String::new();
            steps.push(Step { command, expected });
        } else {
            let step = steps.last_mut().expect("a command comes first");
            step.expected.push_str(line);
            step.expected.push('\n');
        }
    }
    steps
}

/// Separates what the commands print.
pub(crate) const MARK: &str = "@@ next command";

/// What each command of a script printed that writes the mark after each.
#[track_caller]
pub(crate) fn printed(outcome: &Outcome, steps: &[Step]) -> Vec<String> {
    // A terminal ends its lines so.
    let stdout = outcome.stdout.replace('\r', "");
    let mark = format!("{MARK}\n");
    let mut printed: Vec<String> = stdout.split(&mark).map(str::to_owned).collect();
    printed.pop();
    assert_eq!(printed.len(), steps.len(), "{outcome}");
    printed
}

/// Whether the text is the pattern, in which `…` stands for anything.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('…') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    // A line of its own stands for no line, too.
    let rest = rest
        .strip_prefix('\n')
        .filter(|_| start.is_empty() || start.ends_with('\n'));
    let rest = rest.unwrap_or_else(|| pattern.split_once('…').map_or("", |(_, rest)| rest));
    (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .any(|at| matches(rest, &text[at..]))
}
