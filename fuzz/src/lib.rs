//! What must hold for any input, a mutator that knows where an ELF file's headers
//! are and one for text, and a bound on memory. libFuzzer calls them in `fuzz_targets`, and the
//! program `bounded` without it.

mod memory;
mod mutate;
pub mod targets;

pub use mutate::{Random, mutate, mutate_text};

/// Defines a target that is fed ELF files.
#[macro_export]
macro_rules! fuzz_elf {
    ($target:path) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            $target(data);
        });
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            let mut random = $crate::Random::new(seed.into());
            if random.below(8) == 0 {
                return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
            }
            $crate::mutate(&mut data[..size], &mut random);
            size
        });
    };
}
