//! Put a seccomp policy into a Linux program, so that it sandboxes itself.
pub mod cli;
pub mod elf;
pub mod file;
pub mod filter;
pub mod note;
pub mod policy;
