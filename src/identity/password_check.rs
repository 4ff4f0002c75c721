//! The one check of the password of somebody who is signed in: the proof, for what is sensitive, that it is still they who ask.
//!
//! Whoever sits at somebody's open session may guess no more often than at the door. Wrong passwords are counted by user and by
//! client address, in the database for all servers and whatever the client calls itself; when there are too many, no session
//! of that user may try for a while, and the one that tried too often ends.

use std::time::Duration;

use super::audit::Happening;
use super::caller::person;
use super::lockout::{of_address, of_proofs};
use super::passwords::{MAX_BYTES, Verdict};
use super::{Actor, Caller, Error, Failure, Identity, Refusal, RefusalCode, rules};
use crate::clock::seconds_until;
use crate::store::access::SessionAccess;
use crate::store::sessions::{self, Ending};
use crate::store::sign_in_failures::{self as failures, Counter};
use crate::store::users::changes;
use crate::store::users::sign_in::{self as accounts, Credentials};
use crate::store::{Scope, Transaction};

/// For what the password is asked.
#[derive(Clone, Copy)]
pub(super) struct Purpose {
    /// The field of the input that holds it.
    pub field: &'static str,
    /// The event of a wrong one.
    pub failed: &'static str,
}

/// A password that was right when it was compared. It counts in the transaction of [`Identity::begin_proven`] alone.
pub(super) struct Proof {
    /// As it was then.
    pub account: Credentials,
    purpose: Purpose,
    counter: Counter,
}

impl Purpose {
    pub fn wrong(self) -> Failure {
        let message = "The current password is wrong.";
        Refusal::new(RefusalCode::InvalidCredentials, self.field, message).into()
    }

    fn locked(self, wait: Duration) -> Failure {
        Refusal { field: Some(self.field), ..Refusal::locked(wait) }.into()
    }
}

impl Identity {
    /// Compares a password with that of the user who asks.
    pub(super) async fn check_password(
        &self,
        caller: &Caller,
        password: &str,
        purpose: Purpose,
    ) -> Result<Proof, Failure> {
        let access = rules::in_session(&caller.principal)?;
        caller.end_reads().await;
        // No stored hash is of such a password, so it is no guess.
        if password.len() > MAX_BYTES || password.contains('\0') {
            return Err(purpose.wrong());
        }
        let now = self.clock.now();
        let counters = [of_proofs(&self.server_key, access.user_id), of_address(&self.server_key, &caller.client)];
        let (account, known, counts) = {
            let mut transaction = self.database.read(&Scope::system(), &caller.statements).await?;
            let account = accounts::credentials_by_id(&mut transaction, access.user_id).await?;
            let known =
                sessions::device_is_known(&mut transaction, Some(access.user_id), &caller.client.device()).await?;
            let counts = failures::read(&mut transaction, &counters, self.settings.lockout.duration, now).await?;
            (account.ok_or_else(|| purpose.wrong())?, known, counts)
        };
        let [proofs, address] = [0, 1].map(|place| {
            let until = counts.get(place).and_then(|count| count.locked_until).filter(|until| *until > now);
            until.map(|until| Duration::from_secs(seconds_until(until, now)))
        });
        if let Some(wait) = proofs {
            return Err(purpose.locked(wait));
        }
        // As at sign-in: who has signed in from here before is not held up by others behind the same address.
        if let Some(retry_after) = address.filter(|_| !known) {
            return Err(Error::RateLimited { retry_after }.into());
        }
        match self.hasher.of(&caller.client).verify(password, Some(&account.password_hash)).await? {
            Verdict::Right | Verdict::RightOutdated(_) => {
                Ok(Proof { account, purpose, counter: of_proofs(&self.server_key, access.user_id) })
            }
            Verdict::Wrong => Err(self.record_wrong_password(caller, access, purpose).await?),
        }
    }

    /// The transaction in which what was proven is made use of, as the system, and who asks, as of now. Wrong passwords that
    /// were sent at the same time were counted meanwhile: a right one among them comes too late like any other. What ends
    /// the session, or the user's right to sign in, while it is waited for leaves nothing to prove.
    pub(super) async fn begin_proven(&self, caller: &Caller, proof: &Proof) -> Result<(Transaction, Actor), Failure> {
        let mut transaction = self.begin_change(caller).await?;
        let now = self.clock.now();
        let locked = failures::hold(&mut transaction, &[proof.counter]).await?.into_iter().flatten().next();
        if let Some(until) = locked.filter(|until| *until > now) {
            return Err(proof.purpose.locked(Duration::from_secs(seconds_until(until, now))));
        }
        failures::clear(&mut transaction, &[proof.counter]).await?;
        changes::lock(&mut transaction, &[proof.account.user_id]).await?;
        let actor = self.present_actor(&mut transaction, caller).await?;
        Ok((transaction, actor))
    }

    /// Counts a wrong password, ends the session where it was one too many, and returns the refusal.
    async fn record_wrong_password(
        &self,
        caller: &Caller,
        access: &SessionAccess,
        purpose: Purpose,
    ) -> Result<Failure, Failure> {
        let now = self.clock.now();
        let lockout = self.settings.lockout;
        let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
        let count =
            failures::add(&mut transaction, &of_proofs(&self.server_key, access.user_id), lockout.of_account(), now)
                .await?;
        failures::add(&mut transaction, &of_address(&self.server_key, &caller.client), lockout.of_address(), now)
            .await?;
        let happening = |happening: Happening| happening.by_user(access.user_id).about(person(access));
        let mut happenings = vec![happening(Happening::failed(purpose.failed)).with("reason", "wrong_password")];
        let mut ended = 0;
        if count.failures >= lockout.of_account().failures {
            let (one, reason) = (Ending::One(access.session_id), "too_many_wrong_passwords");
            ended = sessions::end(&mut transaction, access.user_id, one, reason, now).await?;
        }
        if ended > 0 {
            happenings.push(
                happening(Happening::failed("session_ended"))
                    .to(format!("session:{}", access.session_id))
                    .with("reason", "too_many_wrong_passwords")
                    .with("failures", count.failures)
                    .with("locked_until", count.locked_until.map(|until| until.to_rfc3339())),
            );
        }
        self.record(&mut transaction, caller, happenings, now).await?;
        transaction.commit().await?;
        let (user_id, session_id) = (access.user_id, access.session_id);
        tracing::warn!(%user_id, reason = "wrong_password", ip_address = caller.client.ip_address, "{}", purpose.failed);
        if ended > 0 {
            tracing::warn!(%user_id, %session_id, reason = "too_many_wrong_passwords", "user_session_ended");
        }
        // As a right password that came too late is answered.
        Ok(match lockout.of_account().locked_before(count) {
            Some(until) => purpose.locked(Duration::from_secs(seconds_until(until, now))),
            None => purpose.wrong(),
        })
    }
}
