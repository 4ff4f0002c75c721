//! Access and refresh tokens: JWTs that this service signs, and what a token must be to be believed.
//!
//! An access token (`typ: at+jwt`, RFC 9068) tells other services who its bearer is and what they may do; whoever holds it
//! can read it, so it carries no name and no email address. A refresh token carries its session and its generation.
//! Both are bound to a session: whether that still goes is the database's to say, not the token's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Header, Validation, decode, decode_header, encode};
use quick_cache::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::keys::Keys;
use super::{Error, Result};
use crate::store::access::SessionAccess;
use crate::store::users::HotelScope;

const ACCESS: &str = "at+jwt";
const REFRESH: &str = "rt+jwt";
/// More hotels than this do not go into an access token: it travels in a header.
const MAX_HOTELS: usize = 100;
/// Longer than any token of ours.
const MAX_BYTES: usize = 16 * 1024;
/// How far the clocks of two of our servers may be apart, in seconds.
const CLOCK_SKEW: i64 = 5;

/// What a sign-in or a refresh hands out.
#[derive(Clone)]
pub struct IssuedTokens {
    pub access_token: String,
    pub refresh_token: String,
    /// The access token's lifetime.
    pub expires_in: Duration,
}

/// Not a token of ours, or not one that holds now.
#[derive(Debug)]
pub(super) struct InvalidToken;

#[derive(Serialize, Deserialize)]
struct AccessClaims {
    iss: String,
    aud: String,
    sub: Uuid,
    jti: Uuid,
    sid: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
    roles: Vec<String>,
    permissions: Vec<String>,
    hotel_scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hotel_ids: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct RefreshClaims {
    iss: String,
    aud: String,
    sub: Uuid,
    jti: Uuid,
    sid: Uuid,
    generation: i32,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// What an access token says of its bearer.
#[derive(Clone, Copy)]
pub(super) struct AccessToken {
    pub user_id: Uuid,
    pub session_id: Uuid,
    pub jti: Uuid,
    /// In seconds since 1970.
    pub issued_at: i64,
    not_before: i64,
    pub expires_at: i64,
}

/// Access tokens whose signature has been checked are known by their SHA-256: checking one again is most of what a request
/// costs that is answered from memory.
const CHECKED_TOKENS: usize = 10_000;

/// A token that was found to be signed by one of the keys of a set.
#[derive(Clone, Copy)]
struct Checked {
    token: AccessToken,
    keys: u64,
}

/// What a refresh token says.
pub(super) struct RefreshToken {
    pub session_id: Uuid,
    pub user_id: Uuid,
    pub jti: Uuid,
    pub generation: i32,
    /// In seconds since 1970.
    pub issued_at: i64,
    pub expires_at: i64,
}

/// A refresh token to sign. The same content makes the same token.
pub(super) struct RefreshContent {
    pub jti: Uuid,
    pub generation: i32,
    pub issued_at: DateTime<Utc>,
}

pub(super) struct Tokens {
    keys: RwLock<Arc<Keys>>,
    /// Raised whenever the keys are replaced.
    keys_number: AtomicU64,
    checked: Cache<[u8; 32], Checked>,
    issuer: String,
    audience: String,
}

impl Tokens {
    pub fn new(keys: Keys, issuer: String, audience: String) -> Self {
        let (keys, checked) = (RwLock::new(Arc::new(keys)), Cache::new(CHECKED_TOKENS));
        Self { keys, keys_number: AtomicU64::default(), checked, issuer, audience }
    }

    /// The keys as they are now.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn replace_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        self.keys_number.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether the key that this token names is one of ours; not whether it signed it.
    pub fn knows_key_of(&self, token: &str) -> bool {
        let Ok(header) = decode_header(token) else { return true };
        let keys = self.keys();
        header.kid.is_none_or(|id| keys.verifying.iter().any(|key| key.key_id == id))
    }

    /// Signs an access token of this session, valid from `now`.
    pub fn sign_access(
        &self,
        access: &SessionAccess,
        jti: Uuid,
        now: DateTime<Utc>,
        lifetime: Duration,
    ) -> Result<String> {
        let all = access.hotel_scope == HotelScope::All;
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: access.user_id,
            jti,
            sid: access.session_id,
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: now.timestamp().saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)),
            roles: access.roles.clone(),
            permissions: access.permissions.clone(),
            hotel_scope: if all { "ALL" } else { "ASSIGNED" }.to_owned(),
            hotel_ids: (!all && access.hotels.len() <= MAX_HOTELS).then(|| access.hotels.clone()),
        };
        self.sign(ACCESS, &claims)
    }

    /// Signs a refresh token of this session. It is good as long as that, which ends at the latest then unless it is refreshed.
    pub fn sign_refresh(
        &self,
        access: &SessionAccess,
        content: &RefreshContent,
        ends_at: DateTime<Utc>,
    ) -> Result<String> {
        let claims = RefreshClaims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: access.user_id,
            jti: content.jti,
            sid: access.session_id,
            generation: content.generation,
            iat: content.issued_at.timestamp(),
            nbf: content.issued_at.timestamp(),
            exp: ends_at.timestamp(),
        };
        self.sign(REFRESH, &claims)
    }

    fn sign<T: Serialize>(&self, kind: &str, claims: &T) -> Result<String> {
        let keys = self.keys();
        let Some((key_id, signing)) = &keys.signing else {
            return Err(Error::Internal("the signing keys have not been read".to_owned()));
        };
        let mut header = Header::new(signing.algorithm.jwa());
        header.typ = Some(kind.to_owned());
        header.kid = Some(key_id.clone());
        encode(&header, claims, &signing.key)
            .map_err(|error| Error::Internal(format!("a token could not be signed: {error}")))
    }

    /// The token, if it was checked before, by the keys as they still are, and holds now.
    pub fn known_access_token(&self, token: &str, now: DateTime<Utc>) -> Option<AccessToken> {
        let checked = self.checked.get::<[u8; 32]>(&Sha256::digest(token).into())?;
        let token = checked.token;
        let holds = checked.keys == self.keys_number.load(Ordering::Acquire)
            && holds(token.not_before, token.expires_at, now).is_ok();
        holds.then_some(token)
    }

    pub fn read_access_token(&self, token: &str, now: DateTime<Utc>) -> Result<AccessToken, InvalidToken> {
        // Before the keys are looked at: a token that a replaced key has signed must not be known by the new ones.
        let keys = self.keys_number.load(Ordering::Acquire);
        let claims: AccessClaims = self.read(token, ACCESS, &self.audience)?;
        holds(claims.nbf, claims.exp, now)?;
        let read = AccessToken {
            user_id: claims.sub,
            session_id: claims.sid,
            jti: claims.jti,
            issued_at: claims.iat,
            not_before: claims.nbf,
            expires_at: claims.exp,
        };
        self.checked.insert(Sha256::digest(token).into(), Checked { token: read, keys });
        Ok(read)
    }

    pub fn read_refresh_token(&self, token: &str, now: DateTime<Utc>) -> Result<RefreshToken, InvalidToken> {
        let claims: RefreshClaims = self.read(token, REFRESH, &self.issuer)?;
        holds(claims.nbf, claims.exp, now)?;
        Ok(RefreshToken {
            session_id: claims.sid,
            user_id: claims.sub,
            jti: claims.jti,
            generation: claims.generation,
            issued_at: claims.iat,
            expires_at: claims.exp,
        })
    }

    /// The claims of a token of this kind: signed by one of our keys with that key's own algorithm, for this audience.
    fn read<T: DeserializeOwned>(&self, token: &str, kind: &str, audience: &str) -> Result<T, InvalidToken> {
        if token.len() > MAX_BYTES {
            return Err(InvalidToken);
        }
        let header = decode_header(token).map_err(|_| InvalidToken)?;
        if header.typ.as_deref() != Some(kind) || has_critical_headers(token) {
            return Err(InvalidToken);
        }
        let (keys, key_id) = (self.keys(), header.kid.ok_or(InvalidToken)?);
        let key = keys.verifying.iter().find(|key| key.key_id == key_id).ok_or(InvalidToken)?;
        let mut validation = Validation::new(key.algorithm.jwa());
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[audience]);
        // Times are held against this service's clock, by `holds`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        decode(token, &key.key, &validation).map(|read| read.claims).map_err(|_| InvalidToken)
    }
}

/// Whether the token asks whoever does not understand some header to refuse it (`crit`, RFC 7515): none is understood here, and
/// the decoder reads past it.
fn has_critical_headers(token: &str) -> bool {
    let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    let header = header.and_then(|header| serde_json::from_slice::<Map<String, Value>>(&header).ok());
    header.is_none_or(|header| header.contains_key("crit"))
}

fn holds(not_before: i64, expires: i64, now: DateTime<Utc>) -> Result<(), InvalidToken> {
    let now = now.timestamp();
    if not_before <= now.saturating_add(CLOCK_SKEW) && now < expires { Ok(()) } else { Err(InvalidToken) }
}
