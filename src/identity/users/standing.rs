//! Whether a user can sign in: deactivate, reactivate, unlock, and set a temporary password.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::change::{Consequences, UserChange};
use crate::identity::audit::user_gid;
use crate::identity::fields::{self, Problems};
use crate::identity::lockout::{Counters, of_proofs};
use crate::identity::password_rules::Owner;
use crate::identity::rules::{self, UserAction};
use crate::identity::{Caller, Client, Failure, Identity, passwords};
use crate::store::users::changes::{self, NewPassword};
use crate::store::{Transaction, sessions, sign_in_failures};

/// The longest reason, in characters.
pub(in crate::identity) const MAX_REASON: usize = 500;
/// How long a password that somebody else has set opens an account.
const TEMPORARY_PASSWORD_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// What is told of a password that was set for somebody.
#[derive(Default)]
pub struct PasswordSet {
    /// The password, where one was made.
    pub made: Option<String>,
    /// From when on it opens nothing; None where there is no password.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Identity {
    /// Lets a user sign in no more; sessions end at once.
    pub async fn deactivate_user(&self, caller: &Caller, id: Uuid, reason: Option<&str>) -> Result<(), Failure> {
        let outcome = self.try_deactivate_user(caller, id, reason).await;
        self.noting_refusals(caller, "deactivate_user", Some(user_gid(id)), outcome).await
    }

    async fn try_deactivate_user(&self, caller: &Caller, id: Uuid, reason: Option<&str>) -> Result<(), Failure> {
        let action = UserAction::Deactivate;
        rules::may_begin(rules::ready(&caller.principal)?, action, false)?;
        let mut problems = Problems::default();
        let reason = problems.check(fields::optional("reason", reason, MAX_REASON));
        problems.settle()?;
        let mut transaction = self.begin_change(caller).await?;
        changes::lock_administrators(&mut transaction).await?;
        let change = self.begin_user_change(transaction, caller, action, &[id], "id").await?;
        let consequences = Consequences { end_sessions: Some("user_deactivated"), reason, ..Consequences::default() };
        self.finish_user_change(caller, change, "user_deactivated", consequences, |user| user.active = false).await
    }

    /// Lets a deactivated user sign in again.
    pub async fn reactivate_user(&self, caller: &Caller, id: Uuid) -> Result<(), Failure> {
        let outcome = self.try_reactivate_user(caller, id).await;
        self.noting_refusals(caller, "reactivate_user", Some(user_gid(id)), outcome).await
    }

    async fn try_reactivate_user(&self, caller: &Caller, id: Uuid) -> Result<(), Failure> {
        let action = UserAction::Reactivate;
        rules::may_begin(rules::ready(&caller.principal)?, action, false)?;
        let transaction = self.begin_change(caller).await?;
        let change = self.begin_user_change(transaction, caller, action, &[id], "id").await?;
        let consequences = Consequences::default();
        self.finish_user_change(caller, change, "user_reactivated", consequences, |user| user.active = true).await
    }

    /// Forgets failed sign-ins, and lifts the lock that they brought about.
    pub async fn unlock_user(&self, caller: &Caller, id: Uuid) -> Result<(), Failure> {
        let outcome = self.try_unlock_user(caller, id).await;
        self.noting_refusals(caller, "unlock_user", Some(user_gid(id)), outcome).await
    }

    async fn try_unlock_user(&self, caller: &Caller, id: Uuid) -> Result<(), Failure> {
        let action = UserAction::Unlock;
        rules::may_begin(rules::ready(&caller.principal)?, action, false)?;
        let transaction = self.begin_change(caller).await?;
        let (change, forgotten) = self.forget_failures_and_begin(transaction, caller, action, id).await?;
        let consequences = Consequences { beside: forgotten > 0, ..Consequences::default() };
        self.finish_user_change(caller, change, "user_unlocked", consequences, |user| {
            user.failed_login_attempts = 0;
            user.locked_until = None;
        })
        .await
    }

    /// A password that somebody else sets, or the one that is made where none is given: it is temporary.
    pub(super) async fn temporary_password(
        &self,
        caller: &Caller,
        given: Option<&str>,
    ) -> Result<(NewPassword, PasswordSet), Failure> {
        let made = if given.is_none() { Some(passwords::temporary()?) } else { None };
        let hash = self.hasher.of(&caller.client).hash(given.or(made.as_deref()).unwrap_or_default()).await?;
        let expires_at = Some(self.clock.now() + TEMPORARY_PASSWORD_LIFETIME);
        Ok((NewPassword { hash, expires_at }, PasswordSet { made, expires_at }))
    }

    /// Sets a temporary password, which the user must change; lifts a lock, and ends all sessions.
    pub async fn reset_password(
        &self,
        caller: &Caller,
        id: Uuid,
        new_password: Option<&str>,
    ) -> Result<PasswordSet, Failure> {
        let outcome = self.try_reset_password(caller, id, new_password).await;
        self.noting_refusals(caller, "reset_user_password", Some(user_gid(id)), outcome).await
    }

    async fn try_reset_password(
        &self,
        caller: &Caller,
        id: Uuid,
        new_password: Option<&str>,
    ) -> Result<PasswordSet, Failure> {
        let action = UserAction::ResetPassword;
        rules::may_begin(rules::ready(&caller.principal)?, action, false)?;
        if let Some(password) = new_password {
            // Whether it is the user's own name can be told only of a user whom the caller may see and change.
            let transaction = self.begin_change(caller).await?;
            let change = self.begin_user_change(transaction, caller, action, &[id], "id").await?;
            for user in &change.users {
                let owner = Owner {
                    email: &user.email,
                    first_name: user.first_name.as_deref(),
                    last_name: user.last_name.as_deref(),
                };
                self.password_rules.check(password, owner, "newPassword")?;
            }
        }
        let (password, set) = self.temporary_password(caller, new_password).await?;

        let transaction = self.begin_change(caller).await?;
        let (change, _) = self.forget_failures_and_begin(transaction, caller, action, id).await?;
        let consequences =
            Consequences { end_sessions: Some("password_reset"), password: Some(password), ..Consequences::default() };
        self.finish_user_change(caller, change, "password_reset", consequences, |user| {
            user.must_change_password = true;
            user.failed_login_attempts = 0;
            user.locked_until = None;
        })
        .await?;
        Ok(set)
    }

    /// Clears what was counted against a user, and begins the change; nothing of it is kept where the rules refuse.
    async fn forget_failures_and_begin(
        &self,
        mut transaction: Transaction,
        caller: &Caller,
        action: UserAction,
        id: Uuid,
    ) -> Result<(UserChange, u64), Failure> {
        let forgotten = self.forget_failures(&mut transaction, caller, action, id).await?;
        Ok((self.begin_user_change(transaction, caller, action, &[id], "id").await?, forgotten))
    }

    /// Clears what was counted against a user, by email address and by device; how many counters. To be called before
    /// the user is locked: counters are locked first, as sign-in does it. So the rules are asked once more when the lock
    /// is there.
    pub(super) async fn forget_failures(
        &self,
        transaction: &mut Transaction,
        caller: &Caller,
        action: UserAction,
        id: Uuid,
    ) -> Result<u64, Failure> {
        changes::lock_email(transaction, id).await?;
        let user = changes::states(transaction, &[id]).await?.into_iter().next();
        let user = user.ok_or_else(|| rules::no_such("user", "id"))?;
        rules::on_user(rules::ready(&caller.principal)?, action, &user, "id")?;
        let key = &self.server_key;
        let mut counters = vec![Counters::of(key, &user.email, &Client::default()).email, of_proofs(key, id)];
        for (device_fingerprint, ip_address) in sessions::devices(transaction, id).await? {
            let client = Client { ip_address, device_fingerprint, ..Client::default() };
            counters.push(Counters::of(key, &user.email, &client).device);
        }
        Ok(sign_in_failures::clear(transaction, &counters).await?)
    }
}
