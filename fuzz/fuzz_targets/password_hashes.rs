//! Any text as a stored password hash: a password is right or wrong for it, and soon.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| voicehive_identity::identity::fuzzing::password_hashes(text));
