//! Run a program under a seccomp policy.
//!
//! The C library calls this `main` itself. Rust's own start-up, in between,
//! would change what the program inherits: it ignores SIGPIPE and opens
//! /dev/null in the place of closed standard streams (library/std/src/sys/pal/
//! unix/mod.rs, `init`).

#![no_main]

use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, argv: *const *const c_char, envp: *const *const c_char) -> c_int {
    // SAFETY: these are the vectors that the C library was given by the kernel;
    // nothing changes them in a program with one thread that sets no variable.
    unsafe { sandbox_patch::cli::launch::main(argv, envp) }
}
