//! The server key: what is kept of secrets, and of what people type, is derived under it, so that nobody who reads the
//! database can try what it was made of. It stands in a file and never in the database.
//!
//! Each purpose has a key of its own, by HKDF (RFC 5869), and what it derives says by its frame what it was derived from.

use std::path::Path;

use aws_lc_rs::{hkdf, hmac};

use super::keys::{KeyError, key_id, read_or_make_secret};

const WHOSE: &str = "the server";

/// What something is derived for: the label of its key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Digests of requests under a client's key.
    Requests,
    /// Keys that encrypt the answers to them.
    Answers,
    /// Digests of what failed sign-ins are counted for.
    Failures,
}

/// The keys of all purposes.
pub(super) struct ServerKey {
    id: String,
    requests: hmac::Key,
    answers: hmac::Key,
    failures: hmac::Key,
}

impl ServerKey {
    /// Reads the key; it is made if its file is not there.
    pub fn load(file: &Path) -> Result<Self, KeyError> {
        Self::of(&read_or_make_secret(file, WHOSE)?)
    }

    fn of(bytes: &[u8]) -> Result<Self, KeyError> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"voicehive server key").extract(bytes);
        let key = |label: &str| {
            let parts = [label.as_bytes()];
            let key = root.expand(&parts, hmac::HMAC_SHA256).map_err(|_| KeyError::Making)?;
            Ok::<_, KeyError>(hmac::Key::from(key))
        };
        Ok(Self {
            id: key_id("voicehive server key ", bytes),
            requests: key("requests sent again")?,
            answers: key("answers to requests sent again")?,
            failures: key("counters of failed sign-ins")?,
        })
    }

    /// What it is named by where something was derived under it; tells nothing of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What these parts come to for this purpose; ("ab", "c") and ("a", "bc") to something else.
    pub fn derive(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(match purpose {
            Purpose::Requests => &self.requests,
            Purpose::Answers => &self.answers,
            Purpose::Failures => &self.failures,
        });
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut derived = [0; 32];
        derived.copy_from_slice(context.sign().as_ref());
        derived
    }
}

#[cfg(test)]
impl ServerKey {
    pub fn for_tests(seed: u8) -> Self {
        Self::of(&[seed; 32]).expect("a key")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn other_keys_purposes_and_parts_come_to_something_else() {
        let (one, other) = (ServerKey::for_tests(1), ServerKey::for_tests(2));
        assert_ne!(one.id(), other.id());
        let purposes = [Purpose::Requests, Purpose::Answers, Purpose::Failures];
        let parts: [&[&[u8]]; 5] = [&[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""], &[]];
        let mut found = HashSet::new();
        for key in [&one, &other] {
            for purpose in purposes {
                for parts in parts {
                    assert_eq!(key.derive(purpose, parts), key.derive(purpose, parts));
                    found.insert(key.derive(purpose, parts));
                }
            }
        }
        assert_eq!(found.len(), 2 * purposes.len() * parts.len());
    }

    /// Nobody who has what goes in, and not the key, comes to what comes out: not by any hash that needs none.
    #[test]
    fn nothing_is_derived_without_the_key() {
        use sha2::{Digest, Sha256};
        let derived = ServerKey::for_tests(1).derive(Purpose::Failures, &[b"someone@h.test"]);
        let framed = [&14_u64.to_be_bytes()[..], b"someone@h.test"].concat();
        for guess in [&b"someone@h.test"[..], &framed] {
            assert_ne!(derived.as_slice(), Sha256::digest(guess).as_slice());
        }
    }
}
