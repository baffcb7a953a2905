//! What a policy costs at the start of a program: `make bench`.
//!
//! The article's program is started again and again in several ways, in turn, so
//! that whatever else the machine does meets all of them alike. Linked to the
//! dynamic C library:
//!
//! * as it is;
//! * linked to a library that does nothing, which is what a library costs;
//! * patched, to load the library with the runtime;
//! * patched, with the runtime inside;
//! * with the very same filter installed by its own source, the least that a
//!   filter can cost;
//! * with a preloaded library that builds its filter with libseccomp.
//!
//! Linked statically: as it is, patched, and with the filter in its source.
//!
//! The result is a table for `docs/measurements.md`.

mod starts;

use libseccomp::ScmpSyscall;
use sandbox_support::{PatchedFile, Workspace, fixture_path};
use starts::{Kind, medians};

/// Starts of each kind.
const ROUNDS: usize = 3000;

/// What the program needs.
const NEEDED: [&str; 4] = ["exit_group", "fstat", "uname", "write"];

/// What the C library calls for `fstat`, which libseccomp is not told by
/// itself.
const NEEDED_BY_GLIBC: &str = "newfstatat";

/// The most that a policy may cost, as a multiple of the same filter in the source.
const INLINE: f64 = 1.15;
const STATIC: f64 = 1.2;

/// And with the library, in microseconds more.
const LIBRARY: f64 = 30.0;

fn main() {
    println!("| names | | median start (µs) | cost of the policy (µs) |");
    println!("| ---: | --- | ---: | ---: |");
    let verdicts = [measure(&NEEDED.map(str::to_owned)), measure(&names(300))];
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

/// Prints the rows for a policy, and returns how it stands with the goals.
fn measure(names: &[String]) -> String {
    let ws = Workspace::with_myos("gcc -O2");
    ws.compile_as("gcc -O2 -static", "myos.c", "static");
    let list = names.join(":");
    for patch in [
        "--allow $LIST -o patched myos",
        "--inline --allow $LIST -o inline myos",
        "--allow $LIST -o static_inline static",
    ] {
        ws.shell(&format!("sandbox-patch --quiet {patch}"))
            .env("LIST", &list)
            .finish()
            .succeeds();
    }
    build_others(&ws);

    let preload = ws.path("libseccomp_at_start.so");
    let kind = |name, program| Kind::copied(&ws, name, program);
    let mut at_start = kind("libseccomp at start", "myos");
    at_start
        .command
        .env("LD_PRELOAD", preload)
        .env("SECCOMP_SYSCALL_ALLOW", format!("{list}:{NEEDED_BY_GLIBC}"));
    let mut kinds = [
        kind("unpatched", "myos"),
        kind("linked to an empty library", "with_empty"),
        kind("patched", "patched"),
        kind("patched `--inline`", "inline"),
        kind("filter in the source", "filter_in_source"),
        at_start,
        kind("static: unpatched", "static"),
        kind("static: patched", "static_inline"),
        kind("static: filter in the source", "static_filter_in_source"),
    ];
    let medians = medians(&mut kinds, ROUNDS);
    let static_from = 6;
    let costs: [f64; 9] = std::array::from_fn(|at| {
        let base = if at < static_from { 0 } else { static_from };
        medians[at] - medians[base]
    });
    for ((kind, median), cost) in kinds.iter().zip(medians).zip(costs) {
        println!(
            "| {} | {} | {median:.0} | {cost:.0} |",
            names.len(),
            kind.name
        );
    }

    let [
        _,
        _,
        patched,
        inline,
        in_source,
        at_start,
        _,
        static_inline,
        static_in_source,
    ] = costs;
    let source = "the filter in the source";
    let ratio = |what, cost: f64, of, other: f64, goal: &str| {
        format!("* {what}: {:.2} × {of}{goal}\n", cost / other)
    };
    let to_source = |what, cost, other, goal: f64| {
        ratio(what, cost, source, other, &format!(" (goal: {goal})"))
    };
    let whole = |what, at: usize, floor: usize| {
        let ratio = medians[at] / medians[floor];
        format!("* {what}: the whole start is {ratio:.2} × that with {source}\n")
    };
    [
        format!("{} names, cost of the policy:\n", names.len()),
        format!(
            "* patched: {:.0} µs more than {source} (goal: {LIBRARY})\n",
            patched - in_source
        ),
        ratio("patched", patched, source, in_source, ""),
        ratio("patched", patched, "libseccomp at start", at_start, ""),
        to_source("inline", inline, in_source, INLINE),
        to_source("static, inline", static_inline, static_in_source, STATIC),
        whole("inline", 3, 4),
        whole("static, inline", 7, 8),
    ]
    .concat()
}

/// The programs with the filter of `./patched` in their source, the library that
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
    let compiler = format!(
        "gcc -O2 -I{} -DFILTER=\"{}\" -DFLAGS={flags}",
        fixture_path("").display(),
        ws.path("filter.h").display()
    );
    ws.compile(&compiler, "filter_in_source.c");
    ws.compile_as(
        &format!("{compiler} -static"),
        "filter_in_source.c",
        "static_filter_in_source",
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
