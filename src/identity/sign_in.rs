//! Sign-in: from an email address and a password to a session and its tokens.
//!
//! Every way of failing runs the same steps (one look, one hash, one write) and gives the same answer, so that neither
//! the answer nor the time it takes tells whether there is such an account. What is locked is told so without a hash.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::audit::{Happening, Person, user_gid};
use super::lockout::{AccountLock, Counters, Gate, Standing, gate, of_proofs};
use super::passwords::{MAX_BYTES, Verdict};
use super::throttle::address_of;
use super::tokens::{IssuedTokens, RefreshContent};
use super::users::email_to_look_up;
use super::{Caller, Error, Failure, Identity, Refusal, rules};
use crate::clock::seconds_until;
use crate::store::access::{self, SessionAccess};
use crate::store::sessions::{self, NewSession};
use crate::store::sign_in_failures as failures;
use crate::store::users::sign_in::{self as accounts, Credentials};
use crate::store::{Scope, Transaction};
use crate::telemetry::metrics;

/// Sessions that one user may have at once: another one ends the oldest.
const MAX_SESSIONS: i64 = 100;

/// What a person types in.
pub struct SignIn<'a> {
    pub email: &'a str,
    pub password: &'a str,
    pub remember_me: bool,
}

/// A session that has just begun or gone on.
pub struct SignedIn {
    pub tokens: IssuedTokens,
    pub access: SessionAccess,
}

impl Identity {
    /// Begins a session.
    pub async fn sign_in(&self, caller: &Caller, sign_in: SignIn<'_>) -> Result<SignedIn, Failure> {
        caller.end_reads().await;
        let outcome = self.try_sign_in(caller, &sign_in).await;
        metrics::login_attempt(match &outcome {
            Ok(_) => "success",
            Err(Failure::Error(Error::RateLimited { .. })) => "rate_limited",
            Err(Failure::Refused(refusals)) if refusals.iter().any(|refusal| refusal.retry_after.is_some()) => "locked",
            Err(Failure::Error(Error::Unavailable(_) | Error::Internal(_))) => "error",
            Err(_) => "failure",
        });
        outcome
    }

    async fn try_sign_in(&self, caller: &Caller, sign_in: &SignIn<'_>) -> Result<SignedIn, Failure> {
        // No account has such an address, and no stored hash is of such a password: nothing to hide behind a hash.
        let Some(email) = email_to_look_up(sign_in.email) else { return Err(Refusal::invalid_credentials().into()) };
        if sign_in.password.len() > MAX_BYTES || sign_in.password.contains('\0') {
            return Err(Refusal::invalid_credentials().into());
        }
        let now = self.clock.now();
        let counters = Counters::of(&self.server_key, &email, &caller.client);
        let (account, standing) = self.look(caller, &email, &counters, now).await?;

        match gate(&standing, now) {
            Gate::AddressShut(until) => {
                tracing::warn!(ip_address = caller.client.ip_address, "sign_in_rate_limited");
                return Err(Error::RateLimited { retry_after: Duration::from_secs(seconds_until(until, now)) }.into());
            }
            Gate::Locked(until) => {
                // Said plainly, to known and unknown addresses alike: there is nothing to hide behind a hash.
                self.note_refused_while_locked(caller, account.as_ref(), &counters, now).await?;
                return Err(Refusal::locked(Duration::from_secs(seconds_until(until, now))).into());
            }
            Gate::Open | Gate::Barred => {}
        }
        let may_sign_in =
            gate(&standing, now) == Gate::Open && account.as_ref().is_some_and(|account| rules::opens(account, now));
        let hash = account.as_ref().map(|account| account.password_hash.as_str());
        let verdict = self.hasher.of(&caller.client).verify(sign_in.password, hash).await?;
        let new_hash = match verdict {
            Verdict::Right => None,
            Verdict::RightOutdated(hash) => Some(hash),
            Verdict::Wrong => {
                return Err(self
                    .note_failure(caller, account.as_ref(), &counters, &standing, "wrong_password")
                    .await?);
            }
        };
        match account {
            Some(account) if may_sign_in => {
                self.begin_session(caller, sign_in, &account, new_hash, &counters, &standing).await
            }
            account => Err(self.note_failure(caller, account.as_ref(), &counters, &standing, "account_closed").await?),
        }
    }

    /// The account, and what was counted.
    async fn look(
        &self,
        caller: &Caller,
        email: &str,
        counters: &Counters,
        now: DateTime<Utc>,
    ) -> Result<(Option<Credentials>, Standing), Failure> {
        let mut transaction = self.database.read(&Scope::system(), &caller.statements).await?;
        let account = accounts::credentials_by_email(&mut transaction, email).await?;
        let user_id = account.as_ref().map(|account| account.user_id);
        let known = sessions::device_is_known(&mut transaction, user_id, &caller.client.device()).await?;
        let all = [counters.email, counters.device, counters.address];
        let counts = failures::read(&mut transaction, &all, self.settings.lockout.duration, now).await?;
        let count = |index: usize| counts.get(index).copied().unwrap_or_default();
        let standing = Standing {
            email: count(0),
            known_device: known.then(|| count(1)),
            address: count(2),
            account: account.as_ref().map(|account| AccountLock(account.locked_until)),
        };
        Ok((account, standing))
    }

    /// Counts a failure and returns the refusal.
    async fn note_failure(
        &self,
        caller: &Caller,
        account: Option<&Credentials>,
        counters: &Counters,
        standing: &Standing,
        reason: &'static str,
    ) -> Result<Failure, Failure> {
        let now = self.clock.now();
        let lockout = self.settings.lockout;
        let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
        if was_unlocked_by_hand(standing, now) {
            failures::clear(&mut transaction, &[counters.email]).await?;
        }
        let count = failures::add(&mut transaction, &counters.email, lockout.of_account(), now).await?;
        let device = match standing.known_device {
            Some(_) => Some(failures::add(&mut transaction, &counters.device, lockout.of_account(), now).await?),
            None => None,
        };
        let address = failures::add(&mut transaction, &counters.address, lockout.of_address(), now).await?;
        // A lock that was set by hand stays as it was set.
        let barred = gate(standing, now) == Gate::Barred;
        let shown = account.filter(|_| !barred).map(|account| account.user_id);
        accounts::record_failures(&mut transaction, shown, count.failures, count.locked_until).await?;
        self.record_failed(&mut transaction, caller, account, reason, now).await?;
        let locked_now = count.failures == lockout.of_account().failures;
        if locked_now {
            let happening = Happening::failed("account_locked")
                .with("failures", count.failures)
                .with("locked_until", count.locked_until.map(|until| until.to_rfc3339()));
            let happening = about(happening, account).counted(whose(caller, account), "failures");
            self.record(&mut transaction, caller, vec![happening], now).await?;
        }
        transaction.commit().await?;
        let user_id = account.map(|account| account.user_id.to_string());
        tracing::warn!(user_id, reason, ip_address = caller.client.ip_address, "user_authentication_failed");
        if locked_now {
            metrics::lockout();
            tracing::warn!(user_id, "user_account_locked");
        }
        // What came too late is answered as a right password that came too late is: among guesses made at once nobody can tell it.
        let wait = |until| Duration::from_secs(seconds_until(until, now));
        Ok(match (device, lockout.of_address().locked_before(address)) {
            (None, Some(until)) => Error::RateLimited { retry_after: wait(until) }.into(),
            _ => match lockout.of_account().locked_before(device.unwrap_or(count)) {
                Some(until) => Refusal::locked(wait(until)).into(),
                None => Refusal::invalid_credentials().into(),
            },
        })
    }

    async fn note_refused_while_locked(
        &self,
        caller: &Caller,
        account: Option<&Credentials>,
        counters: &Counters,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
        // Whoever goes on is shut out, and then nothing is written any more.
        failures::add(&mut transaction, &counters.address, self.settings.lockout.of_address(), now).await?;
        self.record_failed(&mut transaction, caller, account, "account_locked", now).await?;
        transaction.commit().await?;
        tracing::warn!(reason = "account_locked", ip_address = caller.client.ip_address, "user_authentication_failed");
        Ok(())
    }

    async fn record_failed(
        &self,
        transaction: &mut Transaction,
        caller: &Caller,
        account: Option<&Credentials>,
        reason: &'static str,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let happening = about(Happening::failed("login_failed"), account);
        let happening = happening.counted(whose(caller, account), reason);
        Ok(self.record(transaction, caller, vec![happening], now).await?)
    }

    /// The password was right: one transaction makes the session, or finds that it came too late.
    async fn begin_session(
        &self,
        caller: &Caller,
        sign_in: &SignIn<'_>,
        account: &Credentials,
        new_hash: Option<String>,
        counters: &Counters,
        standing: &Standing,
    ) -> Result<SignedIn, Failure> {
        let now = self.clock.now();
        self.throttle.sign_in(account.user_id)?;
        let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
        // Guesses made at the same time were counted meanwhile: a right one among them comes too late like any other.
        let proofs = of_proofs(&self.server_key, account.user_id);
        let known = standing.known_device.is_some();
        let deciding = if known {
            vec![counters.device, counters.email, proofs]
        } else {
            vec![counters.email, counters.address, counters.device, proofs]
        };
        let locks = failures::hold(&mut transaction, &deciding).await?;
        let locked = |place: usize| locks.get(place).copied().flatten().filter(|until| *until > now);
        if let Some(until) = locked(1).filter(|_| !known) {
            return Err(Error::RateLimited { retry_after: Duration::from_secs(seconds_until(until, now)) }.into());
        }
        if let Some(until) = locked(0)
            && !was_unlocked_by_hand(standing, now)
        {
            return Err(Refusal::locked(Duration::from_secs(seconds_until(until, now))).into());
        }
        // A known device gets in past a lock that others brought about; for them it stays.
        let lift_lock = standing.known_device.is_none() || standing.email.locked_until.is_none();
        if !accounts::record_sign_in(&mut transaction, account, new_hash.as_deref(), lift_lock, now).await? {
            drop(transaction);
            return Err(self.note_failure(caller, Some(account), counters, standing, "account_closed").await?);
        }
        // Whoever has proven who they are here may go on proving it.
        let over =
            if lift_lock { vec![counters.device, proofs, counters.email] } else { vec![counters.device, proofs] };
        failures::clear(&mut transaction, &over).await?;
        let lifetimes = self.settings.session_lifetimes;
        let session = NewSession {
            id: self.clock.new_id(),
            user_id: account.user_id,
            access_token_jti: self.clock.new_id(),
            refresh_token_jti: self.clock.new_id(),
            remember_me: sign_in.remember_me,
            ip_address: caller.client.ip_address.clone(),
            ip_network: caller.client.network(),
            user_agent: caller.client.user_agent.clone(),
            device_fingerprint: caller.client.device_fingerprint.clone(),
            created_at: now,
            expires_at: lifetimes.end(sign_in.remember_me, now, now),
        };
        sessions::insert(&mut transaction, &session).await?;
        let ended =
            sessions::end_oldest(&mut transaction, (account.user_id, session.id), MAX_SESSIONS - 1, now).await?;
        let happening = about(Happening::new("user_authenticated").by_user(account.user_id), Some(account))
            .to(format!("session:{}", session.id))
            .with("rehashed", new_hash.is_some())
            .with("remember_me", sign_in.remember_me);
        let happening = if ended > 0 { happening.with("oldest_sessions_ended", ended) } else { happening };
        self.record(&mut transaction, caller, vec![happening], now).await?;
        let access = access::of_session(&mut transaction, session.id, lifetimes, now).await?;
        // Everybody's sessions are being ended in this moment, the one that began in it among them.
        let access = access.ok_or(Error::Unavailable(None))?;
        let refresh = RefreshContent { jti: session.refresh_token_jti, generation: 0, issued_at: now };
        let signed_in = self.signed_in(access, session.access_token_jti, &refresh, now)?;
        transaction.commit().await?;
        let SessionAccess { email, roles, .. } = &signed_in.access;
        tracing::info!(user_id = %account.user_id, email, ?roles, session_id = %session.id, "user_authenticated");
        if signed_in.access.must_change_password {
            tracing::warn!(user_id = %account.user_id, "user_must_change_password");
        }
        Ok(signed_in)
    }

    /// The tokens of a session as it stands, and its principal.
    pub(super) fn signed_in(
        &self,
        access: SessionAccess,
        access_token_jti: Uuid,
        refresh: &RefreshContent,
        now: DateTime<Utc>,
    ) -> Result<SignedIn, Error> {
        let left = (access.session_expires_at - now).to_std().unwrap_or_default();
        let expires_in = self.settings.access_token_lifetime.min(Duration::from_secs(left.as_secs()));
        let refresh_token_ends =
            self.settings.session_lifetimes.end(access.remember_me, access.session_created_at, refresh.issued_at);
        let tokens = IssuedTokens {
            access_token: self.tokens.sign_access(&self.as_told(&access), access_token_jti, now, expires_in)?,
            refresh_token: self.tokens.sign_refresh(&access, refresh, refresh_token_ends)?,
            expires_in,
        };
        Ok(SignedIn { tokens, access })
    }
}

/// An event about this account, if there is one.
fn about(happening: Happening, account: Option<&Credentials>) -> Happening {
    let Some(account) = account else { return happening };
    happening.about(Person { user_id: account.user_id, hotel_scope: account.hotel_scope, hotels: &account.hotels })
}

/// What failed sign-ins are told together for: the account, or else where they come from, whatever was typed.
fn whose(caller: &Caller, account: Option<&Credentials>) -> String {
    match account {
        Some(account) => user_gid(account.user_id),
        None => address_of(&caller.client).map_or_else(|| "address".to_owned(), |address| format!("address:{address}")),
    }
}

/// Counted as locked while the account is not: an operator has cleared `locked_until`.
fn was_unlocked_by_hand(standing: &Standing, now: DateTime<Utc>) -> bool {
    let ahead = |time: Option<DateTime<Utc>>| time.is_some_and(|time| time > now);
    ahead(standing.email.locked_until) && standing.account.is_some_and(|account| !ahead(account.0))
}
