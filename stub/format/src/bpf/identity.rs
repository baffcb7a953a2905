//! Asking whether a filter is in force.
//!
//! A program that executes itself again, as daemons do to reload, would get its
//! filter once more each time, until the kernel has no room for it. So the
//! filters that go into programs answer one question, put as calls of
//! seccomp(2) that no kernel knows: the operation is one of [`OPERATIONS`], and
//! the low 32 bits of the next two arguments are the halves of a number that
//! stands for one filter, the low one first. The filter with that number fails them with the error of
//! the same index in [`ANSWERS`]; the kernel by itself fails both with EINVAL.
//! There are two since a filter may well fail all calls of seccomp(2) with one
//! error, whatever that is, but not with two.
//!
//! The number is taken from the filter without these rules: the XXH3-64 of its
//! instructions as they stand in a note. Anyone who could have a filter with another's
//! number could have one that answers in its place.

use super::{Rule, Test, ret};

/// The operations, of which seccomp(2) has four, numbered from 0.
pub const OPERATIONS: [u32; 2] = [0x7362_7831, 0x7362_7832];

/// The error numbers. Those of Linux end at 133 (1133 on MIPS), what the kernel
/// keeps to itself lies between 512 and 600, and a filter can return up to 4095
/// (`MAX_ERRNO`, kernel/seccomp.c).
pub const ANSWERS: [u16; 2] = [2871, 2872];

/// What a filter answers with.
#[derive(Clone, Copy, Debug)]
pub struct Answers([[Test; 3]; 2]);

impl Answers {
    /// For the filter of that number.
    #[must_use]
    pub fn of(number: u64) -> Self {
        let half = |shift| number >> shift & u64::from(u32::MAX);
        // The kernel takes the operation and the flags, which come next, for
        // numbers of 32 bits.
        let word = |arg, value| Test::equal(arg, u32::MAX.into(), value);
        Self(OPERATIONS.map(|operation| {
            [
                word(0, operation.into()),
                word(1, half(0)),
                word(2, half(32)),
            ]
        }))
    }

    /// The rules, which come before those of the policy; `seccomp` is the number
    /// of seccomp(2) on the filter's architecture.
    #[must_use]
    pub fn rules(&self, seccomp: u32) -> [Rule<'_>; 2] {
        let Self([first, second]) = self;
        let [to_first, to_second] = ANSWERS;
        // The order in which they are tried is part of all programs that were ever patched.
        [(second, to_second), (first, to_first)].map(|(when, answer)| Rule {
            number: seccomp,
            verdict: ret::ERRNO | u32::from(answer),
            when,
        })
    }
}
