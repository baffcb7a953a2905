//! What it costs to start a program through a launcher: `make bench`.
//!
//! The article's program, dynamic and static, under a policy that denies two
//! calls which it does not make:
//!
//! * with the filter installed by its own source, the least that one costs;
//! * through a static program that does nothing but install the filter and
//!   execute the other, the least that a launcher costs;
//! * through `sandboxify`, as `make build` and as `make static` leave it;
//! * through `setpriv`, which installs no filter;
//! * through `bwrap --seccomp`, which is handed the filter.
//!
//! The result is a table for `docs/measurements.md`.

mod starts;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;

use sandbox_support::{PatchedFile, Workspace, fixture_path, program, target_folder};
use starts::{Kind, medians};

/// Starts of each kind.
const ROUNDS: usize = 2000;

/// Any policy that permits what all of these do.
const POLICY: &str = "--deny=ptrace,process_vm_readv";

/// The most that the launcher may take, as a multiple of the time of the program that has
/// the filter in its source.
const GOAL: f64 = 1.7;

fn main() {
    println!("| program | started | median (µs) | ÷ filter in its source |");
    println!("| --- | --- | ---: | ---: |");
    for (name, compiler) in [("dynamic", "gcc -O2"), ("static", "gcc -O2 -static")] {
        measure(name, compiler);
    }
    println!("\nThe goal for sandboxify, linked statically, is {GOAL} with a dynamic program.");
}

/// Prints the rows of one kind of program.
fn measure(name: &str, compiler: &str) {
    let ws = Workspace::with_myos(compiler);
    build_others(&ws, compiler);
    let launch = |name, launcher: &str, arguments: &[&str]| {
        let mut kind = Kind::new(&ws, name, launcher);
        kind.command.args(arguments).arg(ws.path("myos"));
        kind
    };
    let sandboxify = program().with_file_name("sandboxify");
    let sandboxify = sandboxify.to_str().expect("a path in UTF-8");
    let linked_statically = target_folder().join("static/sandboxify");
    let linked_statically = linked_statically.to_str().expect("a path in UTF-8");
    let mut bwrap = launch("bwrap --seccomp", "/usr/bin/bwrap", &BWRAP);
    let filter = File::open(ws.path("filter.bpf")).expect("an own file");
    hand_over(&mut bwrap, filter);
    let mut kinds = [
        Kind::copied(&ws, "filter in its source", "filter_in_source"),
        Kind::copied(&ws, "without filter", "myos"),
        launch("least launcher", "launcher_in_c", &[]),
        launch("sandboxify", sandboxify, &["-q", POLICY]),
        launch("sandboxify, static", linked_statically, &["-q", POLICY]),
        launch(
            "setpriv, no filter",
            "/usr/bin/setpriv",
            &["--no-new-privs"],
        ),
        bwrap,
    ];
    let medians = medians(&mut kinds, ROUNDS);
    for (kind, median) in kinds.iter().zip(medians) {
        let ratio = median / medians[0];
        println!("| {name} | {} | {median:.0} | {ratio:.2} |", kind.name);
    }
}

/// No namespace but the one that bwrap needs for its own mounts.
const BWRAP: [&str; 5] = ["--dev-bind", "/", "/", "--seccomp", FILTER];

/// The descriptor of the filter in bwrap.
const FILTER: &str = "3";

/// Has each start find the filter at its beginning.
fn hand_over(kind: &mut Kind, filter: File) {
    // SAFETY: dup2 and lseek may be called between fork and execve
    // (signal-safety(7)).
    unsafe {
        kind.command.pre_exec(move || {
            let number = FILTER.parse().expect("a number");
            libc::lseek(filter.as_raw_fd(), 0, libc::SEEK_SET);
            libc::dup2(filter.as_raw_fd(), number);
            Ok(())
        });
    }
}

/// The program with the filter in its source, the least launcher, and the
/// filter as bwrap reads it.
fn build_others(ws: &Workspace, compiler: &str) {
    ws.compile_as("gcc", "myos.c", "patched");
    ws.run(&format!("sandbox-patch -q {POLICY} patched"))
        .succeeds();
    let patched = PatchedFile::open(&ws.path("patched"));
    let instructions: Vec<_> = patched.instructions().collect();
    let source =
        |(code, jt, jf, k): &(u16, u8, u8, u32)| format!("{{ {code}, {jt}, {jf}, {k}U }},\n");
    ws.write(
        "filter.h",
        instructions.iter().map(source).collect::<String>(),
    );
    let bytes = |(code, jt, jf, k): &(u16, u8, u8, u32)| {
        let ([a, b], [c, d, e, f]) = (code.to_ne_bytes(), k.to_ne_bytes());
        [a, b, *jt, *jf, c, d, e, f]
    };
    ws.write(
        "filter.bpf",
        instructions.iter().flat_map(bytes).collect::<Vec<u8>>(),
    );
    let flags = format!(
        "-I{} -DFILTER=\"{}\" -DFLAGS=0",
        fixture_path("").display(),
        ws.path("filter.h").display()
    );
    ws.compile(&format!("{compiler} {flags}"), "filter_in_source.c");
    ws.compile(&format!("gcc -O2 -static {flags}"), "launcher_in_c.c");
}
