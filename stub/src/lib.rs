//! `libsandbox.so`: applies the policy that a patched program carries, before
//! the program's own code runs, or ends the process.
//!
//! * `sys`: system calls, and what else any runtime needs that is not safe Rust.
//! * `loaded`: what is not safe Rust in a library: the entry, what the C library
//!   offers, memory of the main program.
//! * `program`: the main program as it lies in memory.
//! * `embedded`: the policy that `sandbox-patch` put into the program.
//! * `environment`: a policy from `SECCOMP_SYSCALL_ALLOW` and its relatives,
//!   for a program that carries none.
//! * `notes`: what is wrong with notes ends the process.
//! * `install`: the last steps, common to both.
//! * `die`: one line on standard error, and the end.
//! * `identity`: the note by which the patcher recognises this library.
//! * `arch`: all that differs between processors, a directory for each: how the kernel is
//!   called, how the library and the runtime inside of a program are entered and left.
//!
//! `sys`, `notes`, `install`, `die` and `identity` are also those of the runtime
//! that programs carry inside of them (inline.rs).
//!
//! The library stands in the symbol look-up scope of programs that know nothing
//! of it, so it exports nothing; it has to work under every C library, so it
//! needs none. In a patched program it keeps nothing and parses no more
//! than headers: the kernel gets the bytes of the note as they are.

#![no_std]
#![cfg_attr(not(test), warn(clippy::too_many_lines))]

mod die;
mod embedded;
mod environment;
mod identity;
mod install;
mod loaded;
mod notes;
mod program;
mod sys;

use loaded::Stack;
use program::Program;

/// What messages begin with.
const NAME: &[u8] = b"libsandbox.so";

/// Called once by the dynamic loader (see [`loaded`]). Returns only when the
/// policy is in force, or when none was asked for.
fn initialise(stack: Stack) {
    let listed = Program::of_c_library();
    if listed
        .as_ref()
        .is_some_and(|program| embedded::apply(program, stack))
    {
        return;
    }
    // A program or library may have a `dl_iterate_phdr` of its own, which knows
    // less than the C library's.
    let started = Program::of_kernel(stack);
    if started
        .as_ref()
        .is_some_and(|program| embedded::apply(program, stack))
    {
        return;
    }
    match listed.or(started) {
        Some(program) => environment::apply(&program, stack),
        None => die::die("the program headers can't be found"),
    }
}

/// Nothing here is meant to panic; should it happen all the same, the policy
/// is not in force. (Lints look at libraries in test form, too, which has the
/// handler of std.)
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    die::die("internal error")
}
