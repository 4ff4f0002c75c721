//! Any text as an id or a cursor: what can be read is written as the same text again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| voicehive_identity::graphql::fuzzing::ids_and_cursors(text));
