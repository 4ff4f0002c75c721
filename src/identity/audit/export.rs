//! Everything that is kept about one person, for a subject access request.

use serde_json::{Value, json};
use uuid::Uuid;

use super::reading::detail_without_settings;
use super::{Happening, whole_detail};
use crate::identity::{Identity, users};
use crate::store::audit::events::{self, AuditEvent, EventCursor};
use crate::store::page::PageRequest;
use crate::store::sessions::{self, SessionCursor, SessionFilter, SessionsOf};
use crate::store::users::changes::{self, UserState};
use crate::store::users::{self as accounts, User};
use crate::store::{self, Scope, StatementCount, Transaction};

const PAGE: u32 = 500;

/// One of the things that are kept about a person.
pub struct Exported(pub Value);

impl Identity {
    /// Hands everything that is kept about a person to `give`, one thing at a time: the account, the sessions, and the audit
    /// events about them or by them. The person is named by id, also after the account was deleted, or by email address.
    /// How many things; None where there is no such person. The trail tells that it was done.
    pub async fn export_person<E: From<store::Error>>(
        &self,
        person: &str,
        mut give: impl FnMut(Exported) -> Result<(), E>,
    ) -> Result<Option<u64>, E> {
        let mut transaction = self.database.read(&Scope::system(), &StatementCount::default()).await?;
        transaction.take_time().await?;
        let Some(id) = find(&mut transaction, person).await? else { return Ok(None) };
        let mut given = 0;
        let account = accounts::by_ids(&mut transaction, &[id]).await?.into_iter().next();
        let state = changes::states(&mut transaction, &[id]).await?.into_iter().next();
        let known = account.is_some();
        if let (Some(account), Some(state)) = (&account, &state) {
            give(Exported(account_of(account, state)))?;
            given += 1;
        }
        given += give_sessions(&mut transaction, id, &mut give).await?;
        given += give_events(&mut transaction, id, &mut give).await?;
        drop(transaction);
        if !known && given == 0 {
            return Ok(None);
        }
        let mut happening = Happening::new("personal_data_exported").with("things", given);
        if let Some(state) = &state {
            happening = happening.about(state.into());
        }
        let mut transaction = self.database.background().await?;
        self.record_own(&mut transaction, happening.to(super::user_gid(id)), self.clock.now()).await?;
        transaction.commit().await?;
        Ok(Some(given))
    }
}

async fn find(transaction: &mut Transaction, person: &str) -> store::Result<Option<Uuid>> {
    if let Ok(id) = person.strip_prefix("user:").unwrap_or(person).parse() {
        return Ok(Some(id));
    }
    let Some(email) = users::email_to_look_up(person) else { return Ok(None) };
    Ok(accounts::by_email(transaction, &email).await?.map(|user| user.id))
}

fn account_of(user: &User, state: &UserState) -> Value {
    json!({
        "kind": "user",
        "id": super::user_gid(user.id),
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "active": user.active,
        "email_verified": user.email_verified,
        "failed_login_attempts": user.failed_login_attempts,
        "locked_until": user.locked_until,
        "last_login_at": user.last_login_at,
        "password_changed_at": user.password_changed_at,
        "must_change_password": user.must_change_password,
        "roles": state.roles,
        "permissions": state.permissions,
        "hotels": state.hotels,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    })
}

async fn give_sessions<E: From<store::Error>>(
    transaction: &mut Transaction,
    id: Uuid,
    give: &mut impl FnMut(Exported) -> Result<(), E>,
) -> Result<u64, E> {
    let mut given = 0;
    let mut page = PageRequest { limit: PAGE, backward: false, cursor: None };
    let parent = SessionsOf::User(id);
    loop {
        let mut pages = sessions::pages(transaction, &[parent], &SessionFilter::default(), &page).await?;
        let Some(found) = pages.remove(&parent) else { return Ok(given) };
        for session in &found.rows {
            page.cursor = Some(SessionCursor { created_at: session.created_at, id: session.id });
            given += 1;
            give(Exported(json!({
                "kind": "session",
                "id": format!("session:{}", session.id),
                "ip_address": session.ip_address,
                "user_agent": session.user_agent,
                "device_fingerprint": session.device_fingerprint,
                "created_at": session.created_at,
                "last_used_at": session.accessed_at,
                "expires_at": session.expires_at,
                "revoked_at": session.revoked_at,
                "revoke_reason": session.revoke_reason,
            })))?;
        }
        if !found.has_next {
            return Ok(given);
        }
    }
}

async fn give_events<E: From<store::Error>>(
    transaction: &mut Transaction,
    id: Uuid,
    give: &mut impl FnMut(Exported) -> Result<(), E>,
) -> Result<u64, E> {
    let mut given = 0;
    let mut after = EventCursor { occurred_at: chrono::DateTime::UNIX_EPOCH, id: Uuid::nil() };
    loop {
        let found = events::of_person(transaction, id, &after, i64::from(PAGE)).await?;
        for event in &found {
            after = EventCursor { occurred_at: event.occurred_at, id: event.id };
            given += 1;
            give(Exported(event_of(event, id)))?;
        }
        if found.len() < PAGE as usize {
            return Ok(given);
        }
    }
}

/// An event as its person may have it: of others it tells neither who they are nor where they were.
fn event_of(event: &AuditEvent, person: Uuid) -> Value {
    let by_person = event.actor.as_deref() == Some(super::user_gid(person).as_str());
    let own_origin = by_person || event.actor.is_none();
    let about_person = event.about == Some(person);
    json!({
        "kind": "event",
        "id": format!("audit:{}", event.id),
        "occurred_at": event.occurred_at,
        "type": event.event_type,
        "outcome": event.outcome,
        "by_this_person": by_person,
        "subject": event.subject,
        "ip_address": event.ip_address.as_ref().filter(|_| own_origin),
        "user_agent": event.user_agent.as_ref().filter(|_| own_origin),
        "detail": if about_person { whole_detail(event) } else { detail_without_settings(event) },
    })
}
