//! Requests that a client may send again under a key of its own: what was asked for is done once, and answered as it was.
//!
//! The key is taken in the transaction that makes the change, so they are kept together or not at all, and two requests at
//! once wait for each other. The answer may hold a secret that is told once: it is encrypted under the server key and the
//! client's, of which the one is in no database and the other is kept nowhere. Of what was asked for, secrets apart, there is
//! a digest under the server key.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::server_key::{Purpose, ServerKey};
use super::{Actor, Caller, Error, Failure, Identity, Result};
use crate::store::{Scope, StatementCount, Transaction, idempotency};

/// How long what was done under a key is remembered.
pub(super) const REMEMBERED: Duration = Duration::from_hours(24);
/// How long an answer is waited for that another server is about to keep, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// A request under a client's key.
pub struct Repeatable {
    caller: String,
    /// The user or API key.
    caller_id: Uuid,
    key_hash: [u8; 32],
    /// The server key that the rest is derived under.
    key_id: String,
    request_hash: [u8; 32],
    answer_key: Zeroizing<[u8; 32]>,
    claim: OnceLock<Uuid>,
    was_done: AtomicBool,
}

/// What became of a key before.
pub enum Before {
    /// It was done, and this was the answer.
    Answered(Vec<u8>),
    /// It was done, and its answer is lost.
    Unanswered,
    /// Something else was done under this key.
    OtherRequest,
}

impl Repeatable {
    fn new(server_key: &ServerKey, (caller, caller_id): (String, Uuid), key: &str, request: &[u8]) -> Self {
        let key_hash = name_of(&caller, key);
        let derive = |purpose, content| server_key.derive(purpose, &[caller.as_bytes(), key.as_bytes(), content]);
        Self {
            key_hash,
            key_id: server_key.id().to_owned(),
            request_hash: derive(Purpose::Requests, request),
            answer_key: Zeroizing::new(derive(Purpose::Answers, b"")),
            claim: OnceLock::new(),
            was_done: AtomicBool::new(false),
            caller,
            caller_id,
        }
    }

    fn name(&self) -> (&str, &[u8]) {
        (&self.caller, &self.key_hash)
    }

    /// Whether it turned out to have been done by another request while this one was on its way.
    pub fn was_done(&self) -> bool {
        self.was_done.load(Ordering::Acquire)
    }

    async fn claim(&self, transaction: &mut Transaction, fresh: Uuid, now: DateTime<Utc>) -> Result<()> {
        let claim = *self.claim.get_or_init(|| fresh);
        let request = (self.key_id.as_str(), &self.request_hash[..]);
        if idempotency::claim(transaction, self.name(), request, claim, now).await? {
            return Ok(());
        }
        self.was_done.store(true, Ordering::Release);
        Err(Error::Unavailable(None))
    }

    fn encrypted(&self, answer: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::Internal("an answer could not be encrypted".to_owned());
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.answer_key.as_slice()).map_err(failed)?;
        let mut text = answer.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(&self.request_hash), &mut text).map_err(failed)?;
        Ok([&nonce.as_ref()[..], &text].concat())
    }

    /// None: it is not what was kept under this key.
    fn decrypted(&self, kept: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = kept.split_at_checked(NONCE_LEN)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.answer_key.as_slice()).ok()?;
        let mut text = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let answer = key.open_in_place(nonce, Aad::from(&self.request_hash), &mut text).ok()?;
        Some(answer.to_vec())
    }
}

/// What a client's key is found by, whichever server key there is: a request that was sent before is never done again. No
/// secret, nor made of one: with the client's key alone nobody reads an answer.
fn name_of(caller: &str, key: &str) -> [u8; 32] {
    let parts = ["idempotency key", caller, key];
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part).chain_update([0])).finalize().into()
}

impl Identity {
    /// `key` is the client's own, `request` everything that says what is asked for, but for secrets. None for the operator.
    pub fn repeatable(&self, actor: &Actor, key: &str, request: &[u8]) -> Option<Repeatable> {
        let caller = actor.global_id().zip(actor.id())?;
        Some(Repeatable::new(&self.server_key, caller, key, request))
    }

    /// Counts one more request under a key that nothing was done under.
    pub fn allow_key(&self, repeatable: &Repeatable) -> Result<()> {
        self.throttle.key(repeatable.caller_id)
    }

    /// Takes the caller's key, where the request came with one, for what this transaction does.
    pub(super) async fn claim_key(&self, transaction: &mut Transaction, caller: &Caller) -> Result<(), Failure> {
        if let Some(repeatable) = &caller.repeatable {
            repeatable.claim(transaction, self.clock.new_id(), self.clock.now()).await?;
        }
        Ok(())
    }

    /// What was done under this key before; None where nothing was.
    pub async fn done_before(&self, repeatable: &Repeatable) -> Result<Option<Before>> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut transaction = self.database.read(&Scope::system(), &StatementCount::default()).await?;
            let Some(done) = idempotency::find(&mut transaction, repeatable.name()).await? else { return Ok(None) };
            drop(transaction);
            if done.key_id.as_ref() != Some(&repeatable.key_id) {
                // Under another server key: what was asked for then cannot be told from what is asked for now.
                return Ok(Some(Before::Unanswered));
            }
            if done.request_hash != repeatable.request_hash {
                return Ok(Some(Before::OtherRequest));
            }
            if let Some(answer) = done.answer {
                return Ok(Some(repeatable.decrypted(&answer).map_or(Before::Unanswered, Before::Answered)));
            }
            if tokio::time::Instant::now() >= until {
                return Ok(Some(Before::Unanswered));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Keeps the answer to what was done under a key, for whoever asks for it again. Without effect where nothing was.
    pub async fn keep_answer(&self, repeatable: &Repeatable, answer: &[u8]) -> Result<()> {
        let Some(claim) = repeatable.claim.get() else { return Ok(()) };
        if !self.throttle.keeps_answer(repeatable.caller_id, answer.len()) {
            tracing::warn!(caller = repeatable.caller, "answer_not_kept");
            return Ok(());
        }
        let mut transaction = self.database.write(&Scope::system(), &StatementCount::default()).await?;
        idempotency::keep_answer(&mut transaction, repeatable.name(), *claim, &repeatable.encrypted(answer)?).await?;
        transaction.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_the_same_caller_with_the_same_keys_and_request_alone() {
        let kept = Repeatable::new(&ServerKey::for_tests(1), ("user:1".to_owned(), Uuid::nil()), "key", b"request");
        let encrypted = kept.encrypted(b"secret").expect("encrypted");
        assert!(!encrypted.windows(6).any(|window| window == b"secret"));
        let table = [
            (1, "user:1", "key", "request", true),
            (2, "user:1", "key", "request", false),
            (1, "user:2", "key", "request", false),
            (1, "user:1", "other", "request", false),
            (1, "user:1", "key", "other", false),
        ];
        for (server_key, caller, key, request, reads) in table {
            let server_key = ServerKey::for_tests(server_key);
            let other = Repeatable::new(&server_key, (caller.to_owned(), Uuid::nil()), key, request.as_bytes());
            let read = other.decrypted(&encrypted);
            assert_eq!(read.as_deref(), reads.then_some(&b"secret"[..]), "{caller} {key} {request}");
        }
        assert_eq!(kept.decrypted(b"short"), None);
    }
}
