//! A C library asks about standard output before it writes to it, and asks
//! differently about a terminal than about a file. Whatever it is: the four
//! names of the article suffice.

use crate::support::{Output, Signal, Workspace};

const LINE: &str = "My OS is Linux!";

/// `./myos`, patched with the article's command, under every kind of output.
fn the_command_works_with_every_kind_of_output(compiler: &str) {
    the_options_work_with_every_kind_of_output(compiler, "");
}

fn the_options_work_with_every_kind_of_output(compiler: &str, options: &str) {
    let ws = Workspace::with_myos(compiler);
    ws.run(&format!(
        "sandbox-patch {options} --allow exit_group:fstat:uname:write ./myos"
    ))
    .succeeds();
    for output in Output::ALL {
        let outcome = ws.shell("./myos").output_to(output).finish();
        println!("{compiler}, {output:?}:\n{outcome}");
        outcome.succeeds().is_silent();
        assert_eq!(outcome.stdout.trim_end(), output.shows(LINE));
    }
}

/// The same must not be because the filter is not there.
fn a_forbidden_call_is_fatal_with_every_kind_of_output(compiler: &str) {
    let ws = Workspace::with_myos(compiler);
    ws.run("sandbox-patch --allow exit_group:fstat:write ./myos")
        .succeeds();
    for output in Output::ALL {
        ws.shell("./myos")
            .output_to(output)
            .finish()
            .dies_by(Signal::SYS)
            .prints_only("");
    }
}

#[test]
fn a_glibc_pie_works_with_every_kind_of_output() {
    the_command_works_with_every_kind_of_output("gcc -pie -fPIE");
}

#[test]
fn a_glibc_program_at_a_fixed_address_works_with_every_kind_of_output() {
    the_command_works_with_every_kind_of_output("gcc -no-pie");
}

#[test]
fn a_musl_pie_works_with_every_kind_of_output() {
    the_command_works_with_every_kind_of_output("musl-gcc -pie -fPIE");
}

#[test]
fn a_musl_program_at_a_fixed_address_works_with_every_kind_of_output() {
    the_command_works_with_every_kind_of_output("musl-gcc -no-pie");
}

/// The runtime inside finds the C library's allocator by the loader's list.
#[test]
fn a_dynamic_program_with_the_runtime_inside_works_with_every_kind_of_output() {
    for compiler in [
        "gcc",
        "gcc -no-pie",
        "gcc -Wl,--hash-style=sysv",
        "musl-gcc",
        "musl-gcc -no-pie",
    ] {
        for from in ["", "--from main"] {
            the_options_work_with_every_kind_of_output(compiler, &format!("--inline {from}"));
        }
    }
}

#[test]
fn a_forbidden_call_is_fatal_under_glibc_with_every_kind_of_output() {
    a_forbidden_call_is_fatal_with_every_kind_of_output("gcc");
}

#[test]
fn a_forbidden_call_is_fatal_under_musl_with_every_kind_of_output() {
    a_forbidden_call_is_fatal_with_every_kind_of_output("musl-gcc");
}

#[test]
fn the_unpatched_program_shows_the_same_so_the_stage_is_sound() {
    let ws = Workspace::with_myos("gcc");
    for output in Output::ALL {
        let outcome = ws.shell("./myos").output_to(output).finish();
        outcome.succeeds().is_silent();
        assert_eq!(outcome.stdout.trim_end(), output.shows(LINE), "{output:?}");
    }
    ws.shell("test -t 1")
        .output_to(Output::Terminal)
        .finish()
        .succeeds();
    ws.shell("test -S /dev/stdout")
        .output_to(Output::Socket)
        .finish()
        .succeeds();
    ws.shell("test -f /dev/stdout")
        .output_to(Output::File)
        .finish()
        .succeeds();
    ws.shell("test -p /dev/stdout")
        .output_to(Output::Pipe)
        .finish()
        .succeeds();
    ws.shell("test -c /dev/stdout")
        .output_to(Output::Null)
        .finish()
        .succeeds();
}
