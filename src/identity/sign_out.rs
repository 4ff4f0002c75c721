//! Sign-out, and changing one's own password: what a person does to their own sessions.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::audit::Happening;
use super::caller::person;
use super::password_check::Purpose;
use super::password_rules::Owner;
use super::passwords::prepared;
use super::{Caller, Error, Failure, Identity, Principal, Refusal, RefusalCode, rules};
use crate::store::Writes;
use crate::store::sessions::{self, Ending};
use crate::store::users::sign_in as accounts;

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
    /// Ends sessions of the caller's own; how many. Whose access token does not hold any more is known by the refresh token:
    /// who comes back after a while signs out as well as anyone.
    pub async fn sign_out(&self, caller: &Caller, which: SignOut, refresh_token: Option<&str>) -> Result<u64, Failure> {
        caller.end_reads().await;
        let actor = match (&caller.principal, refresh_token) {
            (Principal::Anonymous, Some(token)) => match self.bearer_of(caller, token).await? {
                Some(bearer) => Arc::new(bearer),
                None => return Ok(0),
            },
            (principal, _) => rules::known(principal)?.clone(),
        };
        let access = actor.user().ok_or(Error::Forbidden("a session of your own"))?;
        let now = self.clock.now();
        let mut transaction = self.database.write(&rules::scope_of_actor(&actor), &caller.statements).await?;
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
        let purpose = Purpose { field: "currentPassword", failed: "password_change_failed" };
        let proof = self.check_password(caller, change.current, purpose).await?;
        let account = &proof.account;
        let owner = Owner {
            email: &account.email,
            first_name: account.first_name.as_deref(),
            last_name: account.last_name.as_deref(),
        };
        self.password_rules.check(change.new, owner, "newPassword")?;
        if prepared(change.new) == prepared(change.current) {
            let message = "The new password is the current one: choose another.";
            return Err(Refusal::new(RefusalCode::WeakPassword, "newPassword", message).into());
        }
        let new_hash = self.hasher.of(&caller.client).hash(change.new).await?;

        // As the system while it is looked who asks, and as oneself from there on.
        let (mut transaction, actor) = self.begin_proven(caller, &proof).await?;
        let access = actor.user().ok_or_else(|| purpose.wrong())?;
        let (id, now) = (access.user_id, self.clock.now());
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Nothing).await?;
        if !accounts::change_password(&mut transaction, account, &new_hash, now).await? {
            return Err(purpose.wrong());
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
