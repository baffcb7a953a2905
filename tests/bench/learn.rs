//! What recording a program costs: `make bench-learn`.
//!
//! Each command by itself, under `sandbox-patch learn` and under `strace -f -c`, in turn, so
//! that whatever else the machine does meets all of them alike. The result is a table for
//! `docs/learning.md`: medians, and multiples of the command by itself.

use std::time::{Duration, Instant};

use sandbox_support::Workspace;

const ROUNDS: usize = 3;

/// strace takes its time.
const LIMIT: Duration = Duration::from_secs(300);

/// Under strace the first would take seven minutes.
const COMMANDS: [(&str, &str); 5] = [
    (
        "`dd`, 4,000,000 calls of two kinds",
        "dd if=/dev/zero of=/dev/null bs=512 count=2000000 status=none",
    ),
    (
        "`dd`, 400,000 calls of two kinds",
        "dd if=/dev/zero of=/dev/null bs=512 count=200000 status=none",
    ),
    ("`find` in a tree of 20,000 files", "find tree -newer tree"),
    ("`gzip` of 20 MB", "gzip -c content"),
    (
        "`bash` that starts 100 programs",
        "bash -c 'for i in {1..100}; do /bin/true; done'",
    ),
];

const RECORDERS: [&str; 3] = [
    "",
    "sandbox-patch learn -q -o learned.toml --",
    "strace -f -c -o calls",
];

fn main() {
    let ws = Workspace::new();
    ws.run(
        "head -c 20000000 /dev/urandom >content; mkdir tree; cd tree
         for i in {1..200}; do mkdir $i; touch $i/{1..100}; done",
    )
    .succeeds();
    println!("| | by itself | `learn` | `strace -f -c` |");
    println!("| --- | ---: | ---: | ---: |");
    for (index, (name, command)) in COMMANDS.into_iter().enumerate() {
        let recorders = if index == 0 { 2 } else { RECORDERS.len() };
        let mut times = RECORDERS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (recorder, times) in RECORDERS[..recorders].iter().zip(&mut times) {
                let start = Instant::now();
                ws.shell(&format!("{recorder} {command} >/dev/null"))
                    .within(LIMIT)
                    .finish()
                    .succeeds();
                times.push(start.elapsed());
            }
        }
        let [alone, learn, strace] = times.map(median);
        let alone = alone.unwrap_or_default().as_secs_f64();
        let multiple = |time: Option<Duration>| {
            let multiple = time.map(|time| time.as_secs_f64() / alone);
            multiple.map_or("–".to_owned(), |multiple| format!("{multiple:.1} ×"))
        };
        let (learn, strace) = (multiple(learn), multiple(strace));
        println!("| {name} | {alone:.2} s | {learn} | {strace} |");
    }
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort();
    times.get(times.len() / 2).copied()
}
