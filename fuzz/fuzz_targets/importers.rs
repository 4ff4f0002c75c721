//! Any bytes as a file of users, in both forms: rows and reasons, and what can be read is written and read as the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| voicehive_identity::cli::fuzzing::importers(bytes));
