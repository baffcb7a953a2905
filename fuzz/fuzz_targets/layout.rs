//! Looking at a file of any content: `inspect` and `verify` end, without panic
//! and without much memory.

#![no_main]

use std::path::Path;

use sandbox_patch::cli::examine::Examination;

sandbox_fuzz::fuzz_elf!(|data| {
    // No library is there.
    let root = Path::new("/dev/null");
    if let Ok(found) = Examination::of("file", data, root) {
        assert!(!found.sound, "it lacks at least its library");
    }
});
