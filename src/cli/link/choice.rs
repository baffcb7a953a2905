//! Which of the programs that a build links get the policy.
//!
//! A build links programs for itself, too: to find out what the system can do,
//! and to make sources from other files. These run while the build does, and
//! need other system calls than the program that it is for. Stopped by that
//! program's policy, a check gives another answer, mostly without a word.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use super::outputs::Outputs;
use crate::cli::options::{ChoiceArguments, Glob};

/// Why a program is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is a program of the build itself, as this tool links them.
    Probe(&'static str),
    /// A pattern of --except is for it.
    Excepted,
    /// No pattern of --only is for it.
    NotNamed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(tool) => write!(
                f,
                "it looks like a program that {tool} makes for the build itself; --probes patches \
                 these, too"
            ),
            Self::Excepted => f.write_str("--except names it"),
            Self::NotNamed => f.write_str("--only does not name it"),
        }
    }
}

impl ChoiceArguments {
    /// Why the program that is written at `output`, an absolute path, is to be
    /// left alone; `None` if it gets the policy.
    pub(super) fn why_not(&self, output: &Path, command: &Outputs) -> Option<Reason> {
        let names_it = |globs: &[Glob]| globs.iter().any(|glob| glob.is_for(output));
        if names_it(&self.except) {
            return Some(Reason::Excepted);
        }
        if !self.only.is_empty() && !names_it(&self.only) {
            return Some(Reason::NotNamed);
        }
        let probe = if self.probes {
            None
        } else {
            maker_of_probe(output, command)
        };
        probe.map(Reason::Probe)
    }
}

/// The programs that tools link to run them, or to read them, during the build.
const PROBES: &[(&str, &str)] = &[
    // AC_LINK_IFELSE and AC_RUN_IFELSE (autoconf, lib/autoconf/c.m4); Ruby's
    // mkmf (CONFTEST), SCons (SConf.py) and autosetup took the name over.
    ("autoconf", "conftest"),
    ("autoconf", "conftest[._0-9]*"),
    // try_compile and try_run, also with NO_CACHE (cmCoreTryCompile.cxx).
    ("CMake", "cmTC_*"),
    ("CMake", "CMakeFiles/CMakeTmp/**"),
    ("CMake", "CMakeFiles/CMakeScratch/**"),
    // Modules/CMakeDetermineCompilerId.cmake
    ("CMake", "CMakeFiles/*/CompilerId*/*"),
    // mesonbuild/environment.py, Environment.private_dir
    ("Meson", "meson-private/**"),
    // rustc links the target `build-script-build` for cargo.
    ("cargo", "build_script_*-????????????????"),
    // cgo reads which libraries it needs (cmd/go, Builder.dynimport); the linker
    // tries options (cmd/link, linkerFlagSupported).
    ("go", "_cgo_.o"),
    ("go", "go-link-*/*"),
    // waflib/Configure.py, run_build
    ("waf", ".conf_check_*/**"),
    ("SCons", ".sconf_temp/**"),
    ("qmake", "config.tests/**"),
    // distutils/command/config.py
    ("distutils", "_configtest*"),
    // Configure scripts of their own: auto/feature of nginx, test_ld of FFmpeg,
    // do_cc of QEMU, zlib, and Perl's, made by metaconfig.
    ("nginx's configure", "autotest"),
    ("FFmpeg's configure", "ffconf.*/*"),
    ("QEMU's configure", "config-temp/*"),
    ("zlib's configure", "ztest[0-9]*"),
    ("Perl's Configure", "UU/*"),
];

/// The tool that links such a program for the build itself, if it is one.
fn maker_of_probe(output: &Path, command: &Outputs) -> Option<&'static str> {
    let is_for = |glob: &str| {
        let glob: Glob = glob.parse().expect("the patterns above are sound");
        glob.is_for(output)
    };
    // The first check of a configure script names no output.
    let from_conftest = || {
        let is_conftest = |input: &Path| input.file_stem() == Some(OsStr::new("conftest"));
        !command.named && command.inputs.iter().any(|input| is_conftest(input))
    };
    let listed = PROBES.iter().find(|(_, glob)| is_for(glob));
    let tool = listed.map(|(tool, _)| *tool);
    tool.or_else(|| from_conftest().then_some("autoconf"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::Parser;

    use super::*;
    use crate::cli::options::EnvironmentArguments;

    /// Why a command, run in /build, leaves its output alone.
    fn why_not(options: &str, line: &str) -> Option<Reason> {
        let arguments = EnvironmentArguments::parse_from(options.split_whitespace());
        let command: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let outputs = Outputs::of(&command);
        let output = Path::new("/build").join(&outputs.paths[0]);
        arguments.choice.why_not(&output, &outputs)
    }

    #[test]
    fn programs_of_the_build_itself_are_left_alone() {
        for (tool, line) in [
            ("autoconf", "cc conftest.c"),
            ("autoconf", "cc -o conftest conftest.c"),
            ("autoconf", "g++ -o conftest.exe conftest.cpp"),
            (
                "autoconf",
                "cc .sconf_temp/conftest_1.o -o .sconf_temp/conftest_1",
            ),
            ("CMake", "cc CMakeFiles/cmTC_1a2b3.dir/t.c.o -o cmTC_1a2b3"),
            ("CMake", "ld -o CMakeFiles/CMakeScratch/TryCompile-x/p x.o"),
            (
                "CMake",
                "cc -o CMakeFiles/3.25.1/CompilerIdC/a.out CMakeCCompilerId.c",
            ),
            (
                "Meson",
                "cc -o /b/meson-private/tmp123/output.exe testfile.c",
            ),
            ("Meson", "cc x.c -o /b/meson-private/sanitycheckc.exe"),
            (
                "cargo",
                "cc -o target/debug/build/x-1/build_script_build-0123456789abcdef x.o",
            ),
            ("go", "gcc -o /tmp/go-build1/b001/_cgo_.o x.o"),
            (
                "go",
                "gcc -o /tmp/go-link-123/a.out /tmp/go-link-123/trivial.c",
            ),
            ("waf", "cc x.o -o build/.conf_check_a1/testbuild/testprog"),
            ("SCons", "cc x.o -o .sconf_temp/x"),
            ("qmake", "g++ -o config.tests/egl/egl main.o"),
            ("distutils", "cc _configtest.o -o _configtest"),
            ("nginx's configure", "cc -o objs/autotest objs/autotest.c"),
            ("FFmpeg's configure", "cc -o /tmp/ffconf.AbCd/test test.o"),
            ("QEMU's configure", "cc -o config-temp/qemu-conf.exe x.c"),
            ("zlib's configure", "cc -o ztest4711 ztest4711.c"),
            ("Perl's Configure", "cc -o UU/try try.c"),
        ] {
            assert_eq!(why_not("", line), Some(Reason::Probe(tool)), "{line}");
            assert_eq!(why_not("--probes", line), None, "{line}");
        }
    }

    #[test]
    fn other_programs_are_not() {
        for line in [
            "cc prog.c",
            "cc -o prog conftest.c",
            "cc -o conftester conftester.c",
            "cc -o CMakeFiles/prog x.o",
            "cc -o target/debug/deps/forbidden-0123456789abcdef x.o",
            "cc -o build_script_runner x.o",
            "gcc -o /tmp/go-build1/b001/exe/a.out /tmp/go-link-1/go.o",
        ] {
            assert_eq!(why_not("", line), None, "{line}");
        }
    }

    #[test]
    fn patterns_choose_among_the_programs() {
        let not_named = Some(Reason::NotNamed);
        let excepted = Some(Reason::Excepted);
        for (options, line, expected) in [
            ("--only prog", "cc -o prog x.c", None),
            ("--only prog", "cc -o src/.libs/prog x.o", None),
            ("--only prog", "cc -o gen x.c", not_named),
            ("--only a b --only c", "cc -o c x.c", None),
            ("--only /build/p*", "cc -o prog x.c", None),
            ("--except gen", "cc -o gen x.c", excepted),
            ("--except gen", "cc -o prog x.c", None),
            ("--except tools/*", "cc -o tools/gen x.c", excepted),
            ("--only *t --except gent", "cc -o gent x.c", excepted),
            ("--except a.out", "cc x.c", excepted),
        ] {
            assert_eq!(why_not(options, line), expected, "{options}: {line}");
        }
    }
}
