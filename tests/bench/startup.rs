//! What a policy costs at the start of a program: `make bench`.
//!
//! The article's program is started again and again in five ways, in turn, so
//! that whatever else the machine does meets all of them alike:
//!
//! * as it is;
//! * linked to a library that does nothing, which is what a library costs;
//! * patched;
//! * with the very same filter installed by its own source, the least that a
//!   filter can cost;
//! * with a preloaded library that builds its filter with libseccomp.
//!
//! The result is a table for `docs/measurements.md`.

mod starts;
#[path = "../support/mod.rs"]
mod support;

use libseccomp::ScmpSyscall;
use starts::{Kind, medians};
use support::{PatchedFile, Workspace, fixture_path};

/// Starts of each kind.
const ROUNDS: usize = 3000;

/// What the program needs.
const NEEDED: [&str; 4] = ["exit_group", "fstat", "uname", "write"];

/// What the C library calls for `fstat`, which libseccomp is not told by
/// itself.
const NEEDED_BY_GLIBC: &str = "newfstatat";

/// The most that the cost may be, as a part of the others' cost.
struct Goal {
    of_source: f64,
    of_libseccomp: f64,
}

fn main() {
    println!("| names | | median start (µs) | cost of the policy (µs) |");
    println!("| ---: | --- | ---: | ---: |");
    let few = Goal {
        of_source: 1.3,
        of_libseccomp: 0.6,
    };
    let many = Goal {
        of_source: 1.3,
        of_libseccomp: 0.25,
    };
    let verdicts = [
        measure(&NEEDED.map(str::to_owned), &few),
        measure(&names(300), &many),
    ];
    println!("\n{}", verdicts.concat());
}

/// So many names: those that are needed, then five of six in the order of
/// their numbers, which leaves no long run of neighbours to be merged.
fn names(count: usize) -> Vec<String> {
    let others = (0..)
        .filter(|number| number % 6 != 2)
        .map_while(|number| (number < 500).then(|| ScmpSyscall::from_raw_syscall(number)))
        .filter_map(|call| call.get_name().ok())
        .filter(|name| !NEEDED.contains(&name.as_str()));
    let names: Vec<String> = NEEDED
        .map(str::to_owned)
        .into_iter()
        .chain(others)
        .collect();
    names.into_iter().take(count).collect()
}

/// Places among the kinds of [`measure`].
const PATCHED: usize = 2;
const IN_SOURCE: usize = 3;
const AT_START: usize = 4;

/// Prints the rows for a policy, and returns how it stands with the goal.
fn measure(names: &[String], goal: &Goal) -> String {
    let ws = Workspace::with_myos("gcc -O2");
    let list = names.join(":");
    ws.run(&format!(
        "sandbox-patch --quiet --allow {list} -o patched myos"
    ))
    .succeeds();
    build_others(&ws);

    let mut kinds = [
        Kind::new(&ws, "unpatched", "myos"),
        Kind::new(&ws, "linked to an empty library", "with_empty"),
        Kind::new(&ws, "patched", "patched"),
        Kind::new(&ws, "filter in the source", "filter_in_source"),
        Kind::new(&ws, "libseccomp at start", "myos"),
    ];
    kinds[AT_START]
        .command
        .env("LD_PRELOAD", ws.path("libseccomp_at_start.so"))
        .env("SECCOMP_SYSCALL_ALLOW", format!("{list}:{NEEDED_BY_GLIBC}"));

    let medians = medians(&mut kinds, ROUNDS);
    let costs = medians.map(|median| median - medians[0]);
    for ((kind, median), cost) in kinds.iter().zip(medians).zip(costs) {
        println!(
            "| {} | {} | {median:.0} | {cost:.0} |",
            names.len(),
            kind.name
        );
    }
    format!(
        "{} names: patching costs {:.2} × what the filter in the source does (goal: {}), \
         {:.2} × what libseccomp does (goal: {}).\n",
        names.len(),
        costs[PATCHED] / costs[IN_SOURCE],
        goal.of_source,
        costs[PATCHED] / costs[AT_START],
        goal.of_libseccomp,
    )
}

/// The program with the filter of `./patched` in its source, the library that
/// builds one, and the program with the library that does nothing.
fn build_others(ws: &Workspace) {
    let patched = PatchedFile::open(&ws.path("patched"));
    let instructions: String = patched
        .instructions()
        .map(|(code, jt, jf, k)| format!("{{ {code}, {jt}, {jf}, {k}U }},\n"))
        .collect();
    ws.write("filter.h", instructions);
    // SECCOMP_FILTER_FLAG_TSYNC, which the runtime always sets.
    let flags = patched.flags() | 1;
    ws.compile(
        &format!(
            "gcc -O2 -I{} -DFILTER=\"{}\" -DFLAGS={flags}",
            fixture_path("").display(),
            ws.path("filter.h").display()
        ),
        "filter_in_source.c",
    );
    ws.compile_as(
        "gcc -O2 -shared -fPIC -Wl,-Bstatic -lseccomp -Wl,-Bdynamic",
        "libseccomp_at_start.c",
        "libseccomp_at_start.so",
    );
    ws.compile_as("gcc -shared -fPIC -nostdlib", "empty.c", "empty.so");
    ws.run("patchelf --add-needed $PWD/empty.so --output with_empty myos")
        .succeeds();
}
