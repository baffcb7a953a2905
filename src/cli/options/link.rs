//! What is said to `link`: on its command line and in the environment.

use std::ffi::OsString;
use std::path::Path;
use std::str::FromStr;

use clap::{Args, Parser};
use glob::{MatchOptions, Pattern, PatternError};

use super::ContentArguments;

#[derive(Debug, Args)]
pub(in crate::cli) struct LinkArguments {
    #[command(flatten)]
    pub(in crate::cli) content: ContentArguments,

    #[command(flatten)]
    pub(in crate::cli) choice: ChoiceArguments,

    /// The compiler or linker, and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(in crate::cli) command: Vec<OsString>,
}

/// The variable SANDBOX_PATCH_OPTIONS, which belongs to the verb `link`.
#[derive(Debug, Parser)]
#[command(
    name = "SANDBOX_PATCH_OPTIONS",
    no_binary_name = true,
    disable_help_flag = true,
    override_usage = "SANDBOX_PATCH_OPTIONS='[OPTIONS]'"
)]
pub(in crate::cli) struct EnvironmentArguments {
    #[command(flatten)]
    pub(in crate::cli) content: ContentArguments,

    #[command(flatten)]
    pub(in crate::cli) choice: ChoiceArguments,

    /// Say what was done, or why nothing was, and print warnings.
    #[arg(short, long)]
    pub(in crate::cli) verbose: bool,

    /// Print no warnings, not even with --verbose.
    #[arg(long)]
    pub(in crate::cli) no_warn: bool,
}

/// Which of the programs that a build links get the policy.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct ChoiceArguments {
    /// Patch only programs that match one of these patterns.
    ///
    /// Patterns may use the wildcards *, ? and [...]. A pattern without a slash matches the
    /// file name; one with a slash matches the end of the path, or the whole path if it
    /// begins with a slash; ** matches any number of directories.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub(in crate::cli) only: Vec<Glob>,

    /// Do not patch programs that match one of these patterns.
    ///
    /// For programs that the build itself runs, for example to generate sources. Same
    /// patterns as --only.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub(in crate::cli) except: Vec<Glob>,

    /// Also patch the programs of configuration checks and build scripts.
    ///
    /// By default they are not patched (those of autoconf, CMake, Meson and others, and the
    /// build scripts of cargo), since the build itself runs them.
    #[arg(long)]
    pub(in crate::cli) probes: bool,
}

impl ChoiceArguments {
    /// These and `earlier` ones together.
    pub(in crate::cli) fn after(self, earlier: Self) -> Self {
        Self {
            only: [earlier.only, self.only].concat(),
            except: [earlier.except, self.except].concat(),
            probes: self.probes || earlier.probes,
        }
    }
}

/// A pattern for files, as shells write it.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Glob {
    pattern: Pattern,
    /// Whether it is for a file's path, and not for its name.
    of_path: bool,
}

impl FromStr for Glob {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix("./").unwrap_or(text);
        let of_path = text.contains('/');
        let pattern = if of_path && !text.starts_with('/') {
            Pattern::new(&format!("**/{text}"))
        } else {
            Pattern::new(text)
        };
        pattern.map(|pattern| Self { pattern, of_path })
    }
}

impl Glob {
    /// Whether it names the file at an absolute path.
    pub(in crate::cli) fn is_for(&self, path: &Path) -> bool {
        let text = if self.of_path {
            path.to_string_lossy()
        } else {
            path.file_name().unwrap_or_default().to_string_lossy()
        };
        let options = MatchOptions {
            require_literal_separator: true,
            ..MatchOptions::new()
        };
        self.pattern.matches_with(&text, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_for(glob: &str, path: &str) -> bool {
        let glob: Glob = glob.parse().expect("a pattern");
        glob.is_for(Path::new(path))
    }

    #[test]
    fn a_pattern_without_a_slash_is_for_the_name() {
        for (glob, path) in [
            ("prog", "/build/prog"),
            ("prog", "/build/.libs/prog"),
            ("p?o[a-h]", "/prog"),
            ("*-test", "/a/b-test"),
            ("*", "/build/.hidden"),
        ] {
            assert!(is_for(glob, path), "{glob} {path}");
        }
        for (glob, path) in [
            ("prog", "/build/prog2"),
            ("prog", "/prog/other"),
            ("build*", "/build/prog"),
        ] {
            assert!(!is_for(glob, path), "{glob} {path}");
        }
    }

    #[test]
    fn a_pattern_with_a_slash_is_for_the_end_of_the_path() {
        for (glob, path) in [
            ("src/prog", "/build/src/prog"),
            ("./src/prog", "/src/prog"),
            ("*/prog", "/build/src/prog"),
            ("tests/**", "/build/tests/a"),
            ("tests/**", "/build/tests/a/b"),
            ("tests/**/b", "/build/tests/b"),
            ("/build/*", "/build/prog"),
            ("/build/**", "/build/a/prog"),
        ] {
            assert!(is_for(glob, path), "{glob} {path}");
        }
        for (glob, path) in [
            ("src/prog", "/build/othersrc/prog"),
            ("src/*", "/src/a/b"),
            ("/prog", "/build/prog"),
            ("/build/*", "/build/a/prog"),
        ] {
            assert!(!is_for(glob, path), "{glob} {path}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_an_error() {
        for text in ["[a", "a**", "***"] {
            assert!(text.parse::<Glob>().is_err(), "{text}");
        }
    }
}
