//! Finding out which system calls a program makes.
//!
//! * [`trace`]: by running it;
//! * [`analyse`]: by reading it;
//! * [`Learned`]: what came of one run or several, as a policy file that remembers in how
//!   many of them each call was seen.

pub mod analyse;
mod learned;
pub mod trace;

pub use learned::{Learned, Misfit, Seen};
