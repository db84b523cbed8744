#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| confluo_fuzz::wreck::sled_log(bytes));
