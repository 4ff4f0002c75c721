//! Refresh: a session's next tokens.
//!
//! The current refresh token is replaced by one conditional UPDATE. The token before it is answered with the current one
//! again for a short while: two tabs, or an answer that got lost, sign nobody out and fork nothing. Any older token has
//! been stolen or copied: the session ends.

use std::time::Duration;

use super::audit::{Happening, Person};
use super::tokens::{RefreshContent, RefreshToken};
use super::{Actor, Caller, Error, Failure, Identity, Refusal, RefusalCode, SignedIn};
use crate::clock::after;
use crate::store::access;
use crate::store::sessions::{self, Ending, NextTokens, Rotation};
use crate::store::users::changes;
use crate::store::{Scope, Transaction};
use crate::telemetry::metrics;

/// How long the token before the current one is still answered.
const ONE_STEP_BACK: Duration = Duration::from_secs(30);

/// What a presented refresh token is to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presented {
    Current,
    /// The one before, soon enough.
    OneStepBack,
    /// Older, or later than that: somebody else has used it.
    Reused,
}

fn presented(token: &RefreshToken, session: &Rotation, now: chrono::DateTime<chrono::Utc>) -> Presented {
    let current = session.refresh_token_generation;
    if token.generation == current && token.jti == session.refresh_token_jti {
        Presented::Current
    } else if token.generation == current - 1
        && Some(token.jti) == session.previous_refresh_token_jti
        && now <= after(session.rotated_at, ONE_STEP_BACK)
    {
        Presented::OneStepBack
    } else {
        Presented::Reused
    }
}

/// What became of a token that was whole.
enum Refreshed {
    SignedIn(Box<SignedIn>),
    /// It was used before, and its session has ended.
    Reused,
}

impl Identity {
    /// The next tokens of the session that this refresh token belongs to.
    pub async fn refresh(&self, caller: &Caller, refresh_token: &str) -> Result<SignedIn, Failure> {
        self.throttle.refresh(&caller.client)?;
        let outcome = self.try_refresh(caller, refresh_token).await;
        metrics::refresh(match &outcome {
            Ok(Refreshed::SignedIn(_)) => "success",
            Ok(Refreshed::Reused) => "reused",
            Err(Failure::Error(Error::Unavailable(_) | Error::Internal(_))) => "error",
            Err(_) => "failure",
        });
        match outcome? {
            Refreshed::SignedIn(signed_in) => Ok(*signed_in),
            Refreshed::Reused => Err(invalid()),
        }
    }

    async fn try_refresh(&self, caller: &Caller, refresh_token: &str) -> Result<Refreshed, Failure> {
        caller.end_reads().await;
        self.look_for_key_of(refresh_token).await;
        let now = self.clock.now();
        let token = self.tokens.read_refresh_token(refresh_token, now).map_err(|_| invalid())?;
        let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
        let lifetimes = self.settings.session_lifetimes;
        let session = sessions::rotation(&mut transaction, token.session_id, lifetimes, now).await?;
        let mut session = session.filter(|session| session.user_id == token.user_id).ok_or_else(invalid)?;
        let mut content = None;
        if presented(&token, &session, now) == Presented::Current {
            // One that comes by itself leaves the session as it was used last.
            let used_at = if caller.client.in_background { session.accessed_at } else { now };
            let next = NextTokens {
                access_token_jti: self.clock.new_id(),
                refresh_token_jti: self.clock.new_id(),
                used_at,
                expires_at: lifetimes.end(session.remember_me, session.created_at, used_at),
            };
            if sessions::rotate(&mut transaction, token.session_id, &session, &next, now).await? {
                content =
                    Some((next.access_token_jti, next.refresh_token_jti, session.refresh_token_generation + 1, now));
            } else {
                // Another request was quicker, with this very token or by ending the session. See where that left it.
                let moved = sessions::rotation(&mut transaction, token.session_id, lifetimes, now).await?;
                session = moved.ok_or_else(invalid)?;
            }
        }
        let (access_token_jti, jti, generation, issued_at) = match (content, presented(&token, &session, now)) {
            (Some(rotated), _) => rotated,
            (None, Presented::OneStepBack) => (
                session.access_token_jti,
                session.refresh_token_jti,
                session.refresh_token_generation,
                session.rotated_at,
            ),
            (None, Presented::Current) => return Err(Error::Unavailable(None).into()),
            (None, Presented::Reused) => {
                self.end_reused(transaction, caller, &token, &session, now).await?;
                return Ok(Refreshed::Reused);
            }
        };
        let access =
            access::of_session(&mut transaction, token.session_id, lifetimes, now).await?.ok_or_else(invalid)?;
        let refresh = RefreshContent { jti, generation, issued_at };
        let signed_in = self.signed_in(access, access_token_jti, &refresh, now)?;
        transaction.commit().await?;
        tracing::info!(session_id = %token.session_id, generation, "user_session_refreshed");
        Ok(Refreshed::SignedIn(Box::new(signed_in)))
    }

    /// Who holds this refresh token, without its being used; None where its session is over. One that was used before ends it.
    pub(super) async fn bearer_of(&self, caller: &Caller, refresh_token: &str) -> Result<Option<Actor>, Failure> {
        self.throttle.refresh(&caller.client)?;
        self.look_for_key_of(refresh_token).await;
        let (now, lifetimes) = (self.clock.now(), self.settings.session_lifetimes);
        let token = self.tokens.read_refresh_token(refresh_token, now).map_err(|_| invalid())?;
        let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
        let session = sessions::rotation(&mut transaction, token.session_id, lifetimes, now).await?;
        let Some(session) = session.filter(|session| session.user_id == token.user_id) else { return Ok(None) };
        if presented(&token, &session, now) == Presented::Reused {
            self.end_reused(transaction, caller, &token, &session, now).await?;
            return Err(invalid());
        }
        let access = access::of_session(&mut transaction, token.session_id, lifetimes, now).await?;
        Ok(access.map(|access| self.in_session(access)))
    }

    async fn end_reused(
        &self,
        mut transaction: Transaction,
        caller: &Caller,
        token: &RefreshToken,
        session: &Rotation,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), Failure> {
        let reason = "refresh_token_reused";
        sessions::end(&mut transaction, session.user_id, Ending::One(token.session_id), reason, now).await?;
        let mut happening = Happening::failed("refresh_token_reused").by_user(session.user_id);
        if let Some(user) = changes::states(&mut transaction, &[session.user_id]).await?.first() {
            happening = happening.about(Person::from(user));
        }
        let happening = happening
            .to(format!("session:{}", token.session_id))
            .with("generation", token.generation)
            .with("current_generation", session.refresh_token_generation);
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::warn!(session_id = %token.session_id, user_id = %session.user_id, "refresh_token_reused");
        Ok(())
    }
}

fn invalid() -> Failure {
    let message = "The refresh token is not valid, has expired or was used before: sign in again.";
    Refusal::new(RefusalCode::InvalidToken, "refreshToken", message).into()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_a_refresh_token_is_to_its_session() {
        let rotated_at = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let id = |number: u128| Uuid::from_u128(number);
        let session = Rotation {
            user_id: id(1),
            access_token_jti: id(2),
            refresh_token_jti: id(33),
            refresh_token_generation: 3,
            previous_refresh_token_jti: Some(id(32)),
            rotated_at,
            remember_me: false,
            created_at: rotated_at,
            accessed_at: rotated_at,
        };
        // generation, jti, seconds since the rotation -> what it is
        let table = [
            (3, 33, 0, Presented::Current),
            (3, 33, 600_000, Presented::Current),
            (2, 32, 0, Presented::OneStepBack),
            (2, 32, 30, Presented::OneStepBack),
            (2, 32, 31, Presented::Reused),
            (1, 31, 0, Presented::Reused),
            (0, 30, 5, Presented::Reused),
            (3, 32, 0, Presented::Reused),
            (2, 33, 0, Presented::Reused),
            (4, 34, 0, Presented::Reused),
        ];
        for (generation, jti, seconds, expected) in table {
            let token = RefreshToken {
                session_id: id(9),
                user_id: id(1),
                jti: id(jti),
                generation,
                issued_at: 0,
                expires_at: 0,
            };
            let found = presented(&token, &session, rotated_at + TimeDelta::seconds(seconds));
            assert_eq!(found, expected, "generation {generation}, jti {jti}, after {seconds} s");
        }
    }
}
