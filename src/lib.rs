//! Put a seccomp policy into a Linux program, so that it sandboxes itself.
//!
//! The library behind the programs `sandbox-patch` and `sandboxify`, and for others that
//! want to know what a program may do:
//!
//! ```
//! use sandbox_patch::program::{Problem, Surroundings, inspect};
//! # fn main() -> Result<(), sandbox_patch::program::Error> {
//! let found = inspect("/bin/true".as_ref(), &Surroundings::default())?;
//! assert_eq!(found.kind, sandbox_patch::elf::Kind::DynamicProgram);
//! assert_eq!(found.problems, [Problem::NoPolicy]);
//! # Ok(())
//! # }
//! ```
//!
//! What a policy is on an architecture:
//!
//! ```
//! use sandbox_patch::filter;
//! use sandbox_patch::policy::{Action, Arch, Policy, resolve};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut policy = Policy::allow(["write", "exit_group"], Action::KillProcess);
//! policy.exact = true;
//! let (resolved, warnings) = resolve(&policy, Arch::X86_64)?;
//! assert!(warnings.is_empty());
//! let filter = filter::compile(&resolved)?;
//! println!("{}", filter::disassemble(&filter.program, Arch::X86_64));
//! # Ok(())
//! # }
//! ```
//!
//! Each verb is a function: [`program::patch`], [`program::inspect()`],
//! [`program::remove`], [`launch::launch`]. Data flows one way:
//!
//! * `cli`: the command line, and how results are shown (feature `cli`, on by default);
//! * [`program`]: the verbs;
//! * [`runtime`]: which runtime a program gets, and when it comes before what;
//! * [`policy`]: what may be called, from names to rules of an architecture;
//! * [`filter`]: from rules to BPF, and back to something readable;
//! * [`launch`]: starting a program under a filter;
//! * [`learn`]: finding out what a program calls;
//! * [`note`]: the bytes that go into the program;
//! * [`rewrite`]: putting the notes into the program, and the way back;
//! * [`elf`]: reading programs;
//! * [`mod@file`]: opening a file, and putting another in its place.

// Tables of cases are as long as they are (clippy.toml has the limit).
#![cfg_attr(not(test), warn(clippy::too_many_lines))]

#[cfg(feature = "cli")]
pub mod cli;
pub mod elf;
pub mod file;
pub mod filter;
pub mod launch;
pub mod learn;
pub mod note;
pub mod policy;
pub mod program;
pub mod rewrite;
pub mod runtime;
