//! Where the signing keys come from: a file that the configuration names, or the database, where all servers find the same.
//!
//! A new key is published before it signs, so that whoever keeps the published keys for a while has it by then; the key
//! before it is honoured until the last token that it signed has expired.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::audit::Happening;
use super::keys::{self, KeyError, Keys, PrivateKey};
use super::tokens::AccessToken;
use super::{Algorithm, Identity, Settings};
use crate::store::signing_keys::{self, SigningKey};

/// How long a new key is published before it signs: the published keys may be kept for five minutes, and a server looks
/// for new ones every few seconds.
const PUBLISHED_AHEAD: Duration = Duration::from_mins(10);
/// How often at most a token that names an unknown key makes a server look for new ones.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How a new key takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It is published now, and signs ten minutes later.
    PublishedAhead,
    /// It signs now; who keeps the published keys does not know it for some minutes.
    AtOnce,
    /// It signs now, and no token of any other key is honoured any more: for a key that leaked.
    Distrusting,
}

/// A key as an operator sees it.
pub struct ListedKey {
    pub id: String,
    pub algorithm: Algorithm,
    /// Times of keys that a file holds are not known.
    pub signs_from: Option<DateTime<Utc>>,
    pub honoured_until: Option<DateTime<Utc>>,
    pub signs: bool,
}

/// When this server last looked for keys because of a token. Held while keys are read: an older reading must not go over a
/// newer one, and whoever waits for it need not read them once more.
#[derive(Default)]
pub(super) struct LastLook(Mutex<Option<Instant>>);

/// The keys that files hold; where none of them signs, the database has the one that does.
pub(super) fn from_files(settings: &Settings) -> Result<Keys, KeyError> {
    let mut keys = Keys::default();
    if let Some(file) = &settings.signing_key_file {
        keys.sign_with(PrivateKey::read_or_make(file, settings.algorithm)?)?;
    }
    for file in &settings.previous_key_files {
        keys.honour(&PrivateKey::read(file)?)?;
    }
    Ok(keys)
}

/// A new private key as PKCS#8 PEM, for a file.
pub fn new_signing_key(algorithm: Algorithm) -> Result<Zeroizing<String>, KeyError> {
    keys::make(algorithm)
}

impl Identity {
    /// Reads the keys that servers share, and makes the first one where there is none. To be called before tokens are made
    /// or read, and every now and then. Where a file holds the key there is nothing to do.
    pub async fn load_keys(&self) -> Result<(), KeyError> {
        let _reading = self.last_look.0.lock().await;
        self.read_keys().await
    }

    async fn read_keys(&self) -> Result<(), KeyError> {
        if self.settings.signing_key_file.is_some() {
            return Ok(());
        }
        let mut transaction = self.database.background().await?;
        let now = self.clock.now();
        let mut stored = signing_keys::honoured(&mut transaction, now).await?;
        if stored.is_empty() {
            signing_keys::lock(&mut transaction).await?;
            // Another server may have made it meanwhile.
            stored = signing_keys::honoured(&mut transaction, now).await?;
            if stored.is_empty() {
                let key = new_key(self.settings.algorithm, now, now)?;
                signing_keys::succeed(&mut transaction, &key, now, None).await?;
                transaction.commit().await?;
                tracing::info!(key_id = key.id, "signing_key_made");
                stored.push(key);
            }
        }
        let mut keys = from_files(&self.settings)?;
        for key in &stored {
            let private = PrivateKey::parse(key.private_key.as_bytes());
            let private = private.ok_or_else(|| KeyError::UnreadableStored(key.id.clone()))?;
            // The clocks of servers differ: the first key signs, even where its time has not quite come here.
            let oldest = stored.last().is_some_and(|oldest| oldest.id == key.id);
            if keys.signing.is_none() && (key.signs_from <= now || oldest) {
                keys.sign_with(private)?;
            } else {
                keys.honour(&private)?;
            }
        }
        self.tokens.replace_keys(keys);
        Ok(())
    }

    /// What this access token says, if it is one of ours and holds.
    pub(super) async fn access_token(&self, token: &str, now: DateTime<Utc>) -> Option<AccessToken> {
        if let Some(known) = self.tokens.known_access_token(token, now) {
            return Some(known);
        }
        self.look_for_key_of(token).await;
        self.tokens.read_access_token(token, now).ok()
    }

    /// Looks for new keys where this token names one that is not known here: another server may have made it.
    pub(super) async fn look_for_key_of(&self, token: &str) {
        if self.settings.signing_key_file.is_some() || self.tokens.knows_key_of(token) {
            return;
        }
        let mut last = self.last_look.0.lock().await;
        if self.tokens.knows_key_of(token) || last.is_some_and(|last| last.elapsed() < LOOK_AGAIN) {
            return;
        }
        *last = Some(Instant::now());
        if let Err(error) = self.read_keys().await {
            tracing::warn!(%error, "signing_keys_not_read");
        }
    }

    /// Makes a new key; its id, and when it signs.
    pub async fn rotate_keys(&self, how: Rotation) -> Result<(String, DateTime<Utc>), KeyError> {
        if self.settings.signing_key_file.is_some() {
            return Err(KeyError::FromFile);
        }
        if how == Rotation::Distrusting && !self.settings.previous_key_files.is_empty() {
            return Err(KeyError::StillTrusted);
        }
        self.load_keys().await?;
        let now = self.clock.now();
        let signs_from = if how == Rotation::PublishedAhead { now + PUBLISHED_AHEAD } else { now };
        let longest = self.longest_session();
        let key = new_key(self.settings.algorithm, now, signs_from)?;
        let mut transaction = self.database.background().await?;
        signing_keys::lock(&mut transaction).await?;
        signing_keys::forget(&mut transaction, now).await?;
        // A server that has not looked yet signs with the key before for some seconds more. And servers may be set to let
        // sessions live longer than whoever rotates.
        let expiry = signing_keys::last_expiry(&mut transaction, now).await?;
        let last_token = (signs_from + longest).max(expiry.unwrap_or(now)) + PUBLISHED_AHEAD;
        let all_until = (how == Rotation::Distrusting).then_some(now);
        signing_keys::succeed(&mut transaction, &key, last_token, all_until).await?;
        let happening = Happening::new("signing_key_rotated")
            .with("key_id", key.id.as_str())
            .with("distrusting", how == Rotation::Distrusting);
        self.record_own(&mut transaction, happening, now).await?;
        transaction.commit().await?;
        tracing::info!(key_id = key.id, %signs_from, "signing_key_rotated");
        self.load_keys().await?;
        Ok((key.id, signs_from))
    }

    /// Every key whose tokens are honoured, the one that signs and those to come included.
    pub async fn list_keys(&self) -> Result<Vec<ListedKey>, KeyError> {
        self.load_keys().await?;
        let stored = match &self.settings.signing_key_file {
            Some(_) => Vec::new(),
            None => signing_keys::honoured(&mut self.database.background().await?, self.clock.now()).await?,
        };
        let keys = self.tokens.keys();
        let signing = keys.signing.as_ref().map(|(id, _)| id);
        let listed = keys.verifying.iter().map(|key| {
            let stored = stored.iter().find(|stored| stored.id == key.key_id);
            ListedKey {
                id: key.key_id.clone(),
                algorithm: key.algorithm,
                signs_from: stored.map(|stored| stored.signs_from),
                honoured_until: stored.and_then(|stored| stored.honoured_until),
                signs: signing == Some(&key.key_id),
            }
        });
        Ok(listed.collect())
    }
}

fn new_key(algorithm: Algorithm, now: DateTime<Utc>, signs_from: DateTime<Utc>) -> Result<SigningKey, KeyError> {
    let private_key = keys::make(algorithm)?;
    let id = PrivateKey::parse(private_key.as_bytes()).ok_or(KeyError::Making)?.id()?;
    Ok(SigningKey { id, private_key, created_at: now, signs_from, honoured_until: None })
}
