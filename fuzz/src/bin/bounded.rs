//! Runs the targets with the same inputs each time, on any machine that makes the
//! same seeds: libFuzzer's runs depend on addresses and on time, so that a gate
//! would throw dice with it.
//!
//!     bounded SEEDS RUNS [TARGET…]
//!
//! An input is a mutated seed, or a mutated input that its target could do
//! something with. What fails is left in `artifacts/TARGET/bounded`, for the
//! target's program.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sandbox_fuzz::{Random, mutate, mutate_text, targets};

type Target = fn(&[u8]) -> bool;

/// Changes an input, also by what is in others.
type Mutator = fn(&mut Vec<u8>, &[Vec<u8>], &mut Random);

fn mutate_elf(input: &mut Vec<u8>, _: &[Vec<u8>], random: &mut Random) {
    mutate(input, random);
}

const TARGETS: [(&str, Target, Mutator); 5] = [
    ("layout", targets::layout, mutate_elf),
    ("patch", targets::patch, mutate_elf),
    ("remove", targets::remove, mutate_elf),
    ("note", targets::note, mutate_elf),
    ("policy", targets::policy, mutate_text),
];

/// After so many changes on top of each other it begins with a seed again.
const LONGEST_WALK: usize = 32;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let runs = arguments
        .get(1)
        .and_then(|runs| runs.to_str()?.parse().ok());
    let (Some(seeds), Some(runs)) = (arguments.first(), runs) else {
        eprintln!("usage: bounded SEEDS RUNS [TARGET…]");
        return ExitCode::from(2);
    };
    let wanted = arguments.get(2..).unwrap_or_default();
    let is_known = |name: &&OsString| TARGETS.iter().any(|(known, ..)| *name == known);
    if let Some(unknown) = wanted.iter().find(|name| !is_known(name)) {
        eprintln!("bounded: there is no target {}", unknown.display());
        return ExitCode::from(2);
    }
    for (name, target, mutator) in TARGETS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        match run(
            &Path::new(seeds).join(name),
            Path::new("artifacts"),
            name,
            (target, mutator),
            runs,
        ) {
            Ok(useful) => println!("{name}: {runs} runs, {useful} with a use for the input"),
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Tells for how many inputs the target had a use.
fn run(
    seeds: &Path,
    artifacts: &Path,
    name: &str,
    (target, mutator): (Target, Mutator),
    runs: u32,
) -> io::Result<u32> {
    let seeds = contents(seeds)?;
    let mut random = Random::new(1);
    let mut input = Vec::new();
    let mut left = 0;
    let mut useful = 0;
    fs::create_dir_all(artifacts.join(name))?;
    let artifact = artifacts.join(name).join("bounded");
    let file = File::create(&artifact)?;
    for _ in 0..runs {
        if left == 0 {
            input.clone_from(random.pick(&seeds));
            left = 1 + random.below(LONGEST_WALK);
        }
        left -= 1;
        let before = input.clone();
        mutator(&mut input, &seeds, &mut random);
        // Before it is used: it may end the process.
        file.set_len(input.len() as u64)?;
        file.write_all_at(&input, 0)?;
        if target(&input) {
            useful += 1;
        } else {
            input = before;
        }
    }
    fs::remove_file(&artifact)?;
    Ok(useful)
}

/// The files of a folder in the order of their names.
fn contents(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let files = fs::read_dir(folder)?.map(|file| Ok(file?.path()));
    let mut files = files.collect::<io::Result<Vec<PathBuf>>>()?;
    files.sort();
    files.iter().map(fs::read).collect()
}
