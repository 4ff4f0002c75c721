//! Changing a user's particulars.

use uuid::Uuid;

use super::change::Consequences;
use super::create::MAX_NAME;
use crate::identity::audit::user_gid;
use crate::identity::fields::{self, Edit, Problems};
use crate::identity::rules::{self, UserAction};
use crate::identity::{Caller, Failure, Identity, Refusal, RefusalCode};
use crate::store::users::HotelScope;
use crate::store::users::changes;

/// What is to change; what is kept stays. A name can be cleared: `Edit::Clear`.
#[derive(Default)]
pub struct UserUpdate {
    pub email: Edit<String>,
    pub first_name: Edit<String>,
    pub last_name: Edit<String>,
    pub email_verified: Edit<bool>,
    pub hotel_scope: Edit<HotelScope>,
}

impl Identity {
    /// Changes a user.
    pub async fn update_user(&self, caller: &Caller, id: Uuid, update: UserUpdate) -> Result<(), Failure> {
        let outcome = self.try_update_user(caller, id, update).await;
        self.noting_refusals(caller, "update_user", Some(user_gid(id)), outcome).await
    }

    async fn try_update_user(&self, caller: &Caller, id: Uuid, update: UserUpdate) -> Result<(), Failure> {
        let names_alone = update.email.is_kept() && update.email_verified.is_kept() && update.hotel_scope.is_kept();
        let action = if names_alone { UserAction::Rename } else { UserAction::Update };
        let user = rules::ready(&caller.principal)?;
        rules::may_begin(user, action, user.user_id() == Some(id))?;
        let mut problems = Problems::default();
        let email = update.email.given(|email| {
            problems.check(fields::not_null("email", email).and_then(|email| fields::email("email", &email)))
        });
        let first_name =
            update.first_name.given(|name| problems.check(fields::optional("firstName", name.as_deref(), MAX_NAME)));
        let last_name =
            update.last_name.given(|name| problems.check(fields::optional("lastName", name.as_deref(), MAX_NAME)));
        let email_verified =
            update.email_verified.given(|verified| problems.check(fields::not_null("emailVerified", verified)));
        let hotel_scope =
            update.hotel_scope.given(|scope| problems.check(fields::not_null("hotelScope", scope).map(Some))).flatten();
        problems.settle()?;

        let mut transaction = self.begin_change(caller).await?;
        // With another address one may stop being an administrator as well.
        if email.is_some() || email_verified == Some(false) || hotel_scope == Some(HotelScope::Assigned) {
            changes::lock_administrators(&mut transaction).await?;
        }
        if email.is_some() {
            changes::lock_email(&mut transaction, id).await?;
        }
        let change = self.begin_user_change(transaction, caller, action, &[id], "id").await?;
        let verified = change.users.first().map(|user| {
            let address_changes = email.as_ref().is_some_and(|email| *email != user.email);
            rules::is_verified_after(&change.actor, user, address_changes, email_verified)
        });
        let verified = verified.transpose()?;
        if hotel_scope.is_some_and(|scope| !rules::may_give_scope(&change.actor, scope)) {
            let message = "You do not reach every hotel yourself.";
            return Err(Refusal::new(RefusalCode::PrivilegeEscalation, "hotelScope", message).into());
        }
        self.finish_user_change(caller, change, "user_updated", Consequences::default(), |user| {
            if let Some(email) = &email {
                user.email.clone_from(email);
            }
            if let Some(name) = &first_name {
                user.first_name.clone_from(name);
            }
            if let Some(name) = &last_name {
                user.last_name.clone_from(name);
            }
            user.email_verified = verified.unwrap_or(user.email_verified);
            user.hotel_scope = hotel_scope.unwrap_or(user.hotel_scope);
        })
        .await
    }
}
