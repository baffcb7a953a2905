//! Patching a program of any content: it is refused, or becomes the same program
//! with a policy, and can be restored.

#![no_main]

use sandbox_oracle::{round_trip, round_trip_inline};
use sandbox_patch::elf::{Position, Start};

sandbox_fuzz::fuzz_elf!(|data| {
    // Odd and even lengths are alike in all else.
    let positions = [Position::First, Position::Last];
    let _ = round_trip(data, positions[data.len() % 2]);
    let starts = [Start::Entry, Start::Main];
    let _ = round_trip_inline(data, starts[data.len() % 2]);
});
