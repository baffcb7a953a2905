//! `sandbox-inline`: the runtime that a program carries inside of it. Applies
//! the policy that lies beside it, or ends the process.
//!
//! * `blob`: how the program comes here and goes on, and where the notes are.
//! * `auxiliary`: what the kernel told the process.
//! * `loader`: the C library's allocator, of a dynamic program. With `sys`, these
//!   are all that is not safe Rust.
//! * `sys`, `notes`, `install`, `die`, `identity`: as in `libsandbox.so` (lib.rs).
//!
//! The file is not a program to be started: `sandbox-patch` copies its first
//! segment, the blob, into others (see [`sandbox_format::inline`]). It needs no
//! C library, which may not have begun yet, and no loader, which there may not
//! be: the notes are found by their distance from the code. Both lie in one
//! segment that is not writable, so that there is nothing else to look at.

#![no_std]
#![no_main]

mod auxiliary;
mod blob;
mod die;
mod identity;
mod install;
mod loader;
mod notes;
mod sys;

use auxiliary::Auxiliary;
use die::{die, die_of_note};
use install::{install, is_in_force, require};
use notes::{GONE, Notes};

/// What messages begin with.
const NAME: &[u8] = b"sandbox";

/// Puts the policy of the notes in force, whose records are padded to `align`,
/// unless the process is under it already, and before that warms the heap.
fn enforce(
    bytes: &'static [u8],
    align: u64,
    auxiliary: Option<Auxiliary>,
    warm_heap: impl FnOnce(),
) {
    // `strip -R` clears them, and may cut off the pages behind these bytes.
    if bytes.first_chunk() == Some(&[0; 8]) {
        die(GONE);
    }
    let mut notes = Notes::new();
    notes.add(bytes, align);
    let Some(embedded) = notes.finish() else {
        die(GONE);
    };
    let (header, seccomp) = (&embedded.header, &embedded.seccomp);
    // Asks to protect a dynamic section that the patcher moved: it would have
    // to know that this runtime does not.
    let asked = header.protect_address | header.protect_size | header.dynamic_address;
    if asked != 0 || !header.is_inline() {
        die_of_note("is for libsandbox.so");
    }
    // As in `libsandbox.so`: with privileges, or where that can't be told, nobody
    // is asked.
    let may_ask = auxiliary.is_some_and(|it| !it.is_secure()) && !seccomp.log;
    if may_ask && is_in_force(seccomp.identity) {
        return;
    }
    warm_heap();
    install(seccomp.instructions, seccomp.log);
    require(seccomp.identity);
}

/// Nothing here is meant to panic; should it happen all the same, the policy
/// is not in force. (Lints look at programs in test form, too, which has the
/// handler of std.)
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    die("internal error")
}
