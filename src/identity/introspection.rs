//! Tokens as they stand at this moment, for services that want the live answer, and their end.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::audit::Happening;
use super::caller::person;
use super::{Caller, Failure, Identity, Result, rules};
use crate::store::access::{self, SessionAccess};
use crate::store::sessions::{self, Ending};
use crate::store::{Scope, StatementCount, users};

/// A token that is honoured, and what its bearer holds now.
pub struct LiveToken {
    pub access: SessionAccess,
    pub jti: Uuid,
    pub issued_at: i64,
    pub expires_at: i64,
    pub is_refresh_token: bool,
}

/// What a token says of itself, whether or not its session goes on.
struct Claimed {
    session_id: Uuid,
    user_id: Uuid,
    jti: Uuid,
    issued_at: i64,
    expires_at: i64,
    is_refresh_token: bool,
}

impl Identity {
    /// The token as it stands. None where it is not honoured, and where the caller may not see whose it is.
    pub async fn introspect(&self, caller: &Caller, token: &str) -> Result<Option<LiveToken>> {
        let actor = rules::ready(&caller.principal)?;
        rules::may_check_access(actor)?;
        let (now, lifetimes) = (self.clock.now(), self.settings.session_lifetimes);
        let Some(claimed) = self.claimed(token, now).await else { return Ok(None) };
        let access = {
            let mut transaction = self.database.read(&Scope::system(), &caller.statements).await?;
            if claimed.is_refresh_token {
                let session = sessions::rotation(&mut transaction, claimed.session_id, lifetimes, now).await?;
                if session.is_none_or(|session| session.refresh_token_jti != claimed.jti) {
                    return Ok(None);
                }
            }
            access::of_session(&mut transaction, claimed.session_id, lifetimes, now).await?
        };
        let Some(mut access) = access.filter(|access| access.user_id == claimed.user_id) else { return Ok(None) };
        if users::by_ids(&mut *caller.read().await?, &[access.user_id]).await?.is_empty() {
            return Ok(None);
        }
        access = self.as_told(&access).into_owned();
        // Nothing hints at hotels elsewhere.
        access.hotels.retain(|hotel| rules::reaches(actor, hotel));
        let Claimed { jti, issued_at, is_refresh_token, .. } = claimed;
        // The session may end before its token would.
        let expires_at = claimed.expires_at.min(access.session_expires_at.timestamp());
        Ok(Some(LiveToken { access, jti, issued_at, expires_at, is_refresh_token }))
    }

    /// Ends the session of a token, access or refresh token, whoever brings it; whether there was one.
    pub async fn revoke_token(&self, caller: &Caller, token: &str) -> Result<bool, Failure> {
        let now = self.clock.now();
        let Some(claimed) = self.claimed(token, now).await else { return Ok(false) };
        let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
        let lifetimes = self.settings.session_lifetimes;
        let access = access::of_session(&mut transaction, claimed.session_id, lifetimes, now).await?;
        let Some(access) = access.filter(|access| access.user_id == claimed.user_id) else { return Ok(false) };
        let ended =
            sessions::end(&mut transaction, access.user_id, Ending::One(access.session_id), "signed_out", now).await?;
        let happening =
            Happening::new("user_signed_out").by_user(access.user_id).about(person(&access)).with("sessions", ended);
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(user_id = %access.user_id, sessions = ended, "user_signed_out");
        Ok(true)
    }

    /// Whether the session of this token goes on. What is no token of ours has none.
    pub async fn goes_on(&self, statements: &StatementCount, token: &str) -> Result<bool> {
        let now = self.clock.now();
        let Some(claimed) = self.claimed(token, now).await else { return Ok(false) };
        let mut transaction = self.database.read(&Scope::system(), statements).await?;
        let lifetimes = self.settings.session_lifetimes;
        Ok(access::of_session(&mut transaction, claimed.session_id, lifetimes, now).await?.is_some())
    }

    async fn claimed(&self, token: &str, now: DateTime<Utc>) -> Option<Claimed> {
        self.look_for_key_of(token).await;
        if let Ok(token) = self.tokens.read_access_token(token, now) {
            return Some(Claimed {
                session_id: token.session_id,
                user_id: token.user_id,
                jti: token.jti,
                issued_at: token.issued_at,
                expires_at: token.expires_at,
                is_refresh_token: false,
            });
        }
        let token = self.tokens.read_refresh_token(token, now).ok()?;
        Some(Claimed {
            session_id: token.session_id,
            user_id: token.user_id,
            jti: token.jti,
            issued_at: token.issued_at,
            expires_at: token.expires_at,
            is_refresh_token: true,
        })
    }

    /// Who signs tokens, as they name it.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Whom access tokens are for, as they name it.
    pub fn audience(&self) -> &str {
        &self.settings.audience
    }
}
