//! What the fuzzer reaches of this floor.

use std::sync::LazyLock;

use chrono::DateTime;

use super::Algorithm;
use super::foreign_hashes::{Argon2Hash, ForeignHash};
use super::keys::{Keys, PrivateKey, make};
use super::tokens::Tokens;

/// Of one key of each kind, which nobody else has.
static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let mut keys = Keys::default();
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let key = make(algorithm).ok().and_then(|pem| PrivateKey::parse(pem.as_bytes()));
        let made = key.map(|key| keys.sign_with(key));
        assert!(made.is_some_and(|made| made.is_ok()), "keys can be made");
    }
    Tokens::new(keys, "issuer".to_owned(), "audience".to_owned())
});

/// Reads a text as a token: it is none of ours, whatever it is.
pub fn tokens(text: &str) {
    let now = DateTime::UNIX_EPOCH;
    assert!(TOKENS.read_access_token(text, now).is_err());
    assert!(TOKENS.read_refresh_token(text, now).is_err());
    let _ = TOKENS.knows_key_of(text);
}

/// Reads a text as a stored password hash. What is known is checked, however dear: it may take seconds, and no more.
pub fn password_hashes(text: &str) {
    if let Some(hash) = ForeignHash::read(text) {
        let _ = hash.verify("correct horse");
    }
    assert!(Argon2Hash::read(text, None).is_none() || text.contains("$argon2"));
}
