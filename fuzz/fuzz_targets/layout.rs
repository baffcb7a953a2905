#![no_main]
#![doc = "The target of this name under libFuzzer."]

sandbox_fuzz::fuzz_elf!(sandbox_fuzz::targets::layout);
