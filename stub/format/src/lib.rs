//! What the patcher writes and the runtime reads: one definition for both.
//!
//! # Terminology
//!
//! * **note**: an ELF note of owner `sandbox`; the layout is in [`note`] and,
//!   for readers in other languages, in `docs/note-format.md`.
//! * **rule**: a system call number, and conditions on its arguments that must
//!   all hold; several rules for one number are alternatives.
//! * **filter**: a classic BPF program for seccomp(2), made by [`bpf`].
//! * **portable name**: what a C library may call in place of the call that
//!   the policy names; the table is in [`portable`].
//!
//! The crate is `no_std` and allocates nothing. Of its tables there is a form
//! for the runtime that is small and free of pointers, each of which would be a
//! relocation.

#![no_std]
#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod bpf;
pub mod digest;
pub mod environment;
pub mod groups;
pub mod inline;
pub mod note;
pub mod portable;
pub mod syscall;

/// Exit status of a process whose policy could not be put in force, whoever was
/// to do that: the runtime or the launcher.
pub const NO_POLICY: u8 = 121;
