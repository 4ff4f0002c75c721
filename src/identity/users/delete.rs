//! Erasing a user for good.

use std::time::Duration;

use uuid::Uuid;

use super::change::as_allowed;
use crate::clock::after;
use crate::identity::audit::{Happening, fields_of_user, user_gid};
use crate::identity::rules::{self, UserAction};
use crate::identity::{Caller, Failure, Identity};
use crate::store::audit::erasures::{self, Erasure};
use crate::store::audit::repeats;
use crate::store::users::changes;
use crate::store::{self, Transaction, Writes};

/// Events that are gone over in one transaction.
const BATCH: i32 = 1_000;
/// Until somebody is tried again whose traces could not be erased.
const TRY_AGAIN_AFTER: Duration = Duration::from_mins(1);

impl Identity {
    /// Erases a user: name, email address, sessions and what was counted against them at once, and soon after what the audit
    /// trail tells of them, however much that is. That something happened to this id stays.
    pub async fn delete_user(&self, caller: &Caller, id: Uuid) -> Result<(), Failure> {
        let outcome = self.try_delete_user(caller, id).await;
        self.noting_refusals(caller, "delete_user", Some(user_gid(id)), outcome).await
    }

    async fn try_delete_user(&self, caller: &Caller, id: Uuid) -> Result<(), Failure> {
        let action = UserAction::Delete;
        rules::may_begin(rules::ready(&caller.principal)?, action, false)?;
        let mut transaction = self.begin_change(caller).await?;
        changes::lock_administrators(&mut transaction).await?;
        self.forget_failures(&mut transaction, caller, action, id).await?;
        let mut change = self.begin_user_change(transaction, caller, action, &[id], "id").await?;
        let Some(user) = change.users.pop() else { return Err(rules::no_such("user", "id").into()) };
        let (mut transaction, actor, now) = (change.transaction, change.actor, change.now);
        if rules::administers(&user) {
            let others = changes::administrators_besides(&mut transaction, &[id], rules::ADMINISTRATOR).await?;
            rules::keeps_an_administrator(others, "id")?;
        }
        repeats::erase_person(&mut transaction, id).await?;
        erasures::begin(&mut transaction, id, now).await?;
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Users).await?;
        as_allowed(changes::delete(&mut transaction, id).await?, 1)?;
        let happening = Happening::new("user_deleted")
            .by(&actor)
            .about((&user).into())
            .with_changes(&fields_of_user(&user), &[])
            .without_personal();
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, user_id = %id, "user_deleted");
        Ok(())
    }

    /// Erases what the audit trail tells of people whose accounts are gone; how many events there were. Cut off anywhere, it is
    /// gone on with from there, by this server or another. Who cannot be erased keeps nobody else from it.
    pub async fn erase_traces(&self) -> store::Result<u64> {
        let mut events = 0;
        loop {
            let mut transaction = self.database.background().await?;
            let Some(erasure) = erasures::next(&mut transaction, self.clock.now()).await? else { return Ok(events) };
            match self.erase_some_traces(transaction, &erasure).await {
                Ok(found) => events += u64::from(found.unsigned_abs()),
                Err(error) => {
                    tracing::warn!(user_id = %erasure.user_id, %error, "user_not_erased");
                    let mut transaction = self.database.background().await?;
                    erasures::put_off(&mut transaction, erasure.user_id, after(self.clock.now(), TRY_AGAIN_AFTER))
                        .await?;
                    transaction.commit().await?;
                }
            }
        }
    }

    async fn erase_some_traces(&self, mut transaction: Transaction, erasure: &Erasure) -> store::Result<i32> {
        let person = erasure.user_id;
        let found = erasures::go_on(&mut transaction, person, BATCH).await?;
        if found < BATCH && erasure.is_last_time {
            let all = erasures::finish(&mut transaction, person).await?;
            let happening = Happening::new("user_erased").to(user_gid(person)).with("events", all);
            self.record_own(&mut transaction, happening, self.clock.now()).await?;
            tracing::info!(user_id = %person, events = all, "user_erased");
        } else if found < BATCH {
            repeats::erase_person(&mut transaction, person).await?;
            erasures::go_over_again(&mut transaction, erasure).await?;
        }
        transaction.commit().await?;
        Ok(found)
    }
}
