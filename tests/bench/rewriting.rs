//! What patching a large file costs: `make bench`.
//!
//! A program of 512 MiB is copied by cp(1), with and without waiting for the
//! disk, patched by sandbox-patch, which waits for it always, and by patchelf, in
//! turn, so that whatever else the machine does meets all of them alike.
//!
//! The result is a table for `docs/measurements.md`.

use std::time::{Duration, Instant};

use sandbox_support::Workspace;

const MIB: usize = 512;

const ROUNDS: usize = 9;

/// A command that makes `out`, or reads it.
struct Subject {
    name: &'static str,
    line: &'static str,
    times: Vec<Duration>,
    /// In KiB.
    memory: u64,
}

const fn subject(name: &'static str, line: &'static str) -> Subject {
    Subject {
        name,
        line,
        times: Vec::new(),
        memory: 0,
    }
}

fn main() {
    let ws = Workspace::new();
    // What does not compress and has no holes.
    ws.run(&format!("head -c {MIB}M /dev/urandom > content"))
        .succeeds();
    ws.compile_as("gcc -O2", "large_content.c", "large");
    ws.run("./large").succeeds();
    let mut subjects = [
        subject("`cp`", "cp large out"),
        subject("`cp`, then `sync`", "sh -c 'cp large out && sync out'"),
        subject(
            "`sandbox-patch`",
            "sandbox-patch --deny reboot -q -o out large",
        ),
        subject("`sandbox-patch inspect`", "sandbox-patch inspect patched"),
        subject("`sandbox-patch verify`", "sandbox-patch verify patched"),
        subject(
            "`sandbox-patch remove`",
            "sandbox-patch remove -q -o out patched",
        ),
        subject(
            "`patchelf --add-needed`",
            "patchelf --add-needed libm.so.6 --output out large",
        ),
    ];
    ws.run("sandbox-patch --deny reboot -q -o patched large")
        .succeeds();
    for subject in &mut subjects {
        subject.measure_memory(&ws);
    }
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            subject.measure(&ws);
        }
    }
    let [copied, synced] = [subjects[0].median(), subjects[1].median()];
    println!("| | median (ms) | ÷ `cp` | ÷ `cp`, then `sync` | peak memory (MiB) |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for subject in &mut subjects {
        let median = subject.median();
        println!(
            "| {} | {:.1} | {:.2} | {:.2} | {:.1} |",
            subject.name,
            median * 1e3,
            median / copied,
            median / synced,
            f64::from(u32::try_from(subject.memory).expect("less than 4 TiB")) / 1024.0
        );
    }
}

impl Subject {
    fn measure(&mut self, ws: &Workspace) {
        ws.run("rm -f out && sync .").succeeds();
        let line = format!("{} > output", self.line);
        let start = Instant::now();
        ws.run(&line).succeeds();
        self.times.push(start.elapsed());
    }

    fn measure_memory(&mut self, ws: &Workspace) {
        ws.run("rm -f out").succeeds();
        ws.run(&format!(
            "command time -f %M -o memory {} > output",
            self.line
        ))
        .succeeds();
        let memory = String::from_utf8(ws.read("memory")).expect("a number");
        self.memory = memory.trim().parse().expect("a number");
    }

    /// In seconds.
    fn median(&mut self) -> f64 {
        self.times.sort_unstable();
        self.times[self.times.len() / 2].as_secs_f64()
    }
}
