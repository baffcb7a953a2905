//! Which files are being run.

use std::collections::HashMap;
use std::fs;
use std::sync::OnceLock;

use rustix::fs::stat;

use crate::file::{Identity, Status};

/// The processes that run a file, as far as /proc shows them (proc(5)): those of another
/// user are hidden from ordinary users.
pub(super) fn processes_of(file: Identity) -> &'static [u32] {
    static RUNNING: OnceLock<HashMap<Identity, Vec<u32>>> = OnceLock::new();
    // Once a run: a tree has thousands of files, a system thousands of processes.
    let running = RUNNING.get_or_init(|| {
        let mut running: HashMap<_, Vec<u32>> = HashMap::new();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for entry in entries {
            let Ok(process) = entry.file_name().to_string_lossy().parse() else {
                continue;
            };
            // Followed, as if it were an ordinary link: also where the file was
            // replaced since.
            if let Ok(file) = stat(entry.path().join("exe")) {
                let file = Status::from(file).identity();
                running.entry(file).or_default().push(process);
            }
        }
        running
    });
    running.get(&file).map_or(&[], Vec::as_slice)
}
