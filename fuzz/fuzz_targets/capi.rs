#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| hrvit_fuzz_targets::run(hrvit_fuzz::capi, data));
