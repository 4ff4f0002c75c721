//! Any text as a document, with any JSON as its variables: it is refused or ready, and nothing else happens.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use voicehive_identity::graphql::documents::{Asked, Documents, Trusted};
use voicehive_identity::graphql::guard::Limits;
use voicehive_identity::graphql::sdl;

static DOCUMENTS: LazyLock<Documents> = LazyLock::new(|| {
    let limits = Limits { tokens: 5_000, directives: 100, aliases: 500, root_fields: 50, depth: 15, cost: 100_000 };
    Documents::new(&sdl(false), limits, Trusted::default()).expect("the schema is valid")
});

fuzz_target!(|input: (String, String, Option<String>)| {
    let (query, variables, operation_name) = input;
    let variables = serde_json::from_str(&variables).unwrap_or_default();
    let asked = Asked { query: Some(query), hash: None, operation_name, variables };
    if let Ok(known) = DOCUMENTS.find(&asked) {
        known.signs_in(&asked);
        let _ = DOCUMENTS.ready(&known, asked);
    }
});
