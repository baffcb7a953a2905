//! Taking a patch out of a file that was changed after it was patched, as far as
//! it carries a record of the original.

#![no_main]

use sandbox_oracle::{content_of, file};
use sandbox_patch::elf::{self, Layout, Original, best_effort, embedded};

/// More than any restored file has, in bytes: the inputs are a few kilobytes.
const LARGEST: u64 = 64 << 20;

sandbox_fuzz::fuzz_elf!(|data| {
    let Ok(layout) = Layout::read(data) else {
        return;
    };
    let Ok(Some(found)) = embedded::read(&layout, data) else {
        return;
    };
    let Some(undo) = found.undo else { return };
    let patched = file(data);
    if undo.is_exact(data).expect("reading from memory") {
        assert!(undo.length < LARGEST);
        let restored = file(&[]);
        let original = Original::Restored(&patched, &undo);
        original.copy_to(&restored).expect("writing to memory");
        assert_eq!(content_of(&restored).len() as u64, undo.length);
    }
    if let Ok(plan) = best_effort::plan(&layout, data, &undo) {
        assert!(plan.length() < LARGEST);
        let restored = file(&[]);
        let whole = Original::Whole(&patched);
        elf::write(&plan, &whole, &restored).expect("writing to memory");
        let restored = content_of(&restored);
        let again = Layout::read(&restored[..]).expect("what is left is an ELF file");
        assert!(again.segments.len() < layout.segments.len());
    }
});
