//! Any text as an access or a refresh token: none is believed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| voicehive_identity::identity::fuzzing::tokens(text));
