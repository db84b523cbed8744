#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| confluo_fuzz::protocol::awareness(bytes));
