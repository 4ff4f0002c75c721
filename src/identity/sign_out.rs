//! Sign-out, and changing one's own password: what a person does to their own sessions.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::audit::Happening;
use super::caller::person;
use super::lockout::Counters;
use super::password_rules::Owner;
use super::passwords::{MAX_BYTES, Verdict, prepared};
use super::{Caller, Failure, Identity, Refusal, RefusalCode, rules};
use crate::clock::seconds_until;
use crate::store::sessions::{self, Ending};
use crate::store::sign_in_failures as failures;
use crate::store::users::sign_in as accounts;
use crate::store::{Scope, Writes};

/// Which of the caller's own sessions end.
#[derive(Clone, Copy, Debug)]
pub enum SignOut {
    Current,
    Session(Uuid),
    All,
}

/// A new password for oneself.
pub struct PasswordChange<'a> {
    pub current: &'a str,
    pub new: &'a str,
    pub end_other_sessions: bool,
}

impl Identity {
    /// Ends sessions of the caller's own; how many.
    pub async fn sign_out(&self, caller: &Caller, which: SignOut) -> Result<u64, Failure> {
        let access = rules::in_session(&caller.principal)?;
        caller.end_reads().await;
        let now = self.clock.now();
        let mut transaction = self.database.write(caller.scope(), &caller.statements).await?;
        let ending = match which {
            SignOut::Current => Ending::One(access.session_id),
            SignOut::Session(id) => Ending::One(id),
            SignOut::All => Ending::All,
        };
        if let SignOut::Session(id) = which {
            let found = sessions::by_ids(&mut transaction, &[id]).await?;
            if !found.iter().any(|session| session.user_id == access.user_id) {
                let message = "None of your sessions has this id.";
                return Err(Refusal::new(RefusalCode::NotFound, "session", message).into());
            }
        }
        let ended = sessions::end(&mut transaction, access.user_id, ending, "signed_out", now).await?;
        let happening =
            Happening::new("user_signed_out").by_user(access.user_id).about(person(access)).with("sessions", ended);
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(user_id = %access.user_id, sessions = ended, "user_signed_out");
        Ok(ended)
    }

    /// Sets the caller's own password.
    pub async fn change_password(&self, caller: &Caller, change: PasswordChange<'_>) -> Result<Uuid, Failure> {
        let access = rules::in_session(&caller.principal)?;
        caller.end_reads().await;
        let id = access.user_id;
        let wrong = || {
            let message = "The current password is wrong.";
            Failure::from(Refusal::new(RefusalCode::InvalidCredentials, "currentPassword", message))
        };
        if change.current.len() > MAX_BYTES || change.current.contains('\0') {
            return Err(wrong());
        }
        let now = self.clock.now();
        let counters = Counters::of(&self.server_key, &access.email, &caller.client);
        let (account, lock) = {
            let mut transaction = self.database.read(&Scope::system(), &caller.statements).await?;
            let account = accounts::credentials_by_id(&mut transaction, id).await?.ok_or_else(wrong)?;
            let own = [counters.device];
            let counts = failures::read(&mut transaction, &own, self.settings.lockout.duration, now).await?;
            (account, counts.first().and_then(|count| count.locked_until))
        };
        // Whoever sits at somebody's open session may guess no more often than anyone else.
        if let Some(until) = lock.filter(|until| *until > now) {
            let retry_after = Duration::from_secs(seconds_until(until, now));
            return Err(Refusal { field: Some("currentPassword"), ..Refusal::locked(retry_after) }.into());
        }
        let owner = Owner {
            email: &account.email,
            first_name: account.first_name.as_deref(),
            last_name: account.last_name.as_deref(),
        };
        self.password_rules.check(change.new, owner, "newPassword")?;
        if let Verdict::Wrong = self.hasher.verify(change.current, Some(&account.password_hash)).await? {
            let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
            failures::add(&mut transaction, &counters.device, self.settings.lockout.of_account(), now).await?;
            let happening = Happening::failed("password_change_failed")
                .by_user(id)
                .about(person(access))
                .with("reason", "wrong_password");
            self.record(&mut transaction, caller, vec![happening], now).await?;
            transaction.commit().await?;
            return Err(wrong());
        }
        if prepared(change.new) == prepared(change.current) {
            let message = "The new password is the current one: choose another.";
            return Err(Refusal::new(RefusalCode::WeakPassword, "newPassword", message).into());
        }
        let new_hash = self.hasher.hash(change.new).await?;

        let now = self.clock.now();
        // As the system while the key is taken, and as oneself from there on.
        let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
        self.claim_key(&mut transaction, caller).await?;
        transaction.act_as(caller.scope(), Writes::Nothing).await?;
        if !accounts::change_password(&mut transaction, &account, &new_hash, now).await? {
            return Err(wrong());
        }
        let mut ended = 0;
        if change.end_other_sessions {
            let others = Ending::AllBut(access.session_id);
            ended = sessions::end(&mut transaction, id, others, "password_changed", now).await?;
        }
        let changes = if access.must_change_password {
            json!({ "must_change_password": { "before": true, "after": false } })
        } else {
            json!({})
        };
        let happening = Happening::new("password_changed")
            .by_user(id)
            .about(person(access))
            .with("sessions_ended", ended)
            .with("changes", changes);
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(user_id = %id, sessions_ended = ended, "user_password_changed");
        Ok(id)
    }
}
