#![no_main]
#![doc = "The target of this name under libFuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sandbox_fuzz::targets::policy(data);
});
