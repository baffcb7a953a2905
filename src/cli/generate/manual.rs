//! Man pages: what the command line's definition says, set into a frame that a
//! person wrote (`docs/man`, in the macros of man(7)).
//!
//! A frame has everything that no definition holds (synopsis, exit status,
//! environment, examples), and a line for each part that is taken from the
//! definition: `@DESCRIPTION@`, `@OPTIONS@` and `@COMMANDS@`.

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

/// The frame of each page, by the name of its command.
const FRAMES: [(&str, &str); 9] = [
    (
        "sandbox-patch",
        include_str!("../../../docs/man/sandbox-patch.1.in"),
    ),
    ("inspect", include_str!("../../../docs/man/inspect.1.in")),
    ("verify", include_str!("../../../docs/man/verify.1.in")),
    ("remove", include_str!("../../../docs/man/remove.1.in")),
    ("link", include_str!("../../../docs/man/link.1.in")),
    ("learn", include_str!("../../../docs/man/learn.1.in")),
    ("groups", include_str!("../../../docs/man/groups.1.in")),
    ("convert", include_str!("../../../docs/man/convert.1.in")),
    (
        "sandboxify",
        include_str!("../../../docs/man/sandboxify.1.in"),
    ),
];

/// A page of the manual.
pub(super) struct Page {
    pub(super) file_name: String,
    /// In the macros of man(7).
    pub(super) text: Vec<u8>,
}

/// The page of the program, and one for each command that is not hidden.
pub(super) fn pages(program: &Command) -> Vec<Page> {
    let mut program = program
        .clone()
        .disable_help_subcommand(true)
        .subcommand_help_heading("COMMANDS");
    program.build();
    let commands = program.get_subcommands().filter(|verb| !verb.is_hide_set());
    std::iter::once(&program)
        .chain(commands)
        .map(page)
        .collect()
}

fn page(command: &Command) -> Page {
    let (_, frame) = FRAMES
        .into_iter()
        .find(|(name, _)| *name == command.get_name())
        .unwrap_or_else(|| panic!("{} has no frame for its page", command.get_name()));
    let man = Man::new(command.clone());
    let name = command.get_display_name().unwrap_or(command.get_name());
    // Not with Man::render_title: it leaves the date out, an empty argument, so
    // that the ones behind it move to its place.
    let mut text = format!(
        ".TH {name} 1 \"\" \"sandbox-patch {}\" \"User Commands\"\n\
         .\\\" No hyphens but those of names (an-old.tmac sets them at each heading\n\
         .\\\" from this register), and no stretched spaces.\n\
         .nr HY 0\n\
         .hy 0\n\
         .ad l\n",
        env!("CARGO_PKG_VERSION")
    )
    .into_bytes();
    let written = "memory can be written";
    man.render_name_section(&mut text).expect(written);
    for line in frame.lines() {
        match line {
            "@DESCRIPTION@" => description(command).to_writer(&mut text).expect(written),
            "@OPTIONS@" => options(command).to_writer(&mut text).expect(written),
            "@COMMANDS@" => man.render_subcommands_section(&mut text).expect(written),
            line => text.extend_from_slice(format!("{line}\n").as_bytes()),
        }
    }
    Page {
        file_name: man.get_filename(),
        text,
    }
}

fn description(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    for (index, paragraph) in about.split("\n\n").enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(sentence(paragraph))]);
    }
    roff
}

/// The options, as manuals show them: literal text in bold, values in italics.
fn options(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["OPTIONS"]);
    let is_shown = |option: &&Arg| !option.is_positional() && !option.is_hide_set();
    for option in command.get_arguments().filter(is_shown) {
        let mut heading = Vec::new();
        if let Some(short) = option.get_short() {
            heading.extend([bold(format!("-{short}")), roman(", ")]);
        }
        heading.push(bold(format!("--{}", option.get_long().unwrap_or_default())));
        if option.get_action().takes_values() {
            let names = option.get_value_names().unwrap_or_default();
            heading.extend([roman(" "), italic(names.join(" "))]);
        }
        roff.control("TP", []).text(heading);
        let help = option.get_long_help().or(option.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        // The summary of `-h` is the first sentence of the text.
        roff.text([roman(sentence(&help.replace("\n\n", " ")))]);
        if option.get_action().takes_values() {
            for fact in values(option) {
                roff.text([roman(fact)]);
            }
        }
    }
    roff
}

/// What can be given to an option, and what counts when it is not.
fn values(option: &Arg) -> impl Iterator<Item = String> {
    let possible = option.get_possible_values();
    let names: Vec<&str> = possible.iter().map(|value| value.get_name()).collect();
    let choice = (!names.is_empty()).then(|| format!("One of {}.", names.join(", ")));
    let default = option.get_default_values().first();
    let default = default.map(|value| format!("Default: {}", value.display()));
    choice.into_iter().chain(default)
}

/// Text with a full stop, which clap takes from texts of one paragraph.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{text}{end}")
}
