//! What the fuzz targets share: a mutator that knows where an ELF file's
//! headers are, and a bound on memory.

mod memory;
mod mutate;

pub use mutate::mutate;

/// Defines a target that is fed ELF files.
#[macro_export]
macro_rules! fuzz_elf {
    (|$data:ident| $body:block) => {
        libfuzzer_sys::fuzz_target!(|$data: &[u8]| $body);
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutate(data, size, max_size, seed)
        });
    };
}
