//! Erasing a user for good.

use uuid::Uuid;

use super::change::as_allowed;
use crate::identity::audit::{Happening, fields_of_user, user_gid};
use crate::identity::rules::{self, UserAction};
use crate::identity::{Caller, Failure, Identity};
use crate::store::users::changes;
use crate::store::{Writes, audit};

impl Identity {
    /// Erases a user: name, email address, sessions, what was counted against them, and what the audit trail tells of them.
    /// That something happened to this id stays.
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
        audit::repeats::erase_person(&mut transaction, id).await?;
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Users).await?;
        as_allowed(changes::delete(&mut transaction, id).await?, 1)?;
        audit::erase_person(&mut transaction, id).await?;
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
}
