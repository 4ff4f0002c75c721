//! Audit events: appended in the transaction that does what they tell of.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Result, Transaction};

/// Something that happened. `actor` and `subject` are global ids, such as `user:<uuid>`.
#[derive(Clone, Debug)]
pub struct NewEvent<'a> {
    pub id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub event_type: &'static str,
    pub success: bool,
    pub actor: Option<String>,
    pub subject: Option<String>,
    pub ip_address: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub request_id: &'a str,
    /// Never holds a secret.
    pub detail: Value,
}

/// Appends an event.
pub async fn append(transaction: &mut Transaction, event: NewEvent<'_>) -> Result<()> {
    sqlx::query!(
        "INSERT INTO audit_events (id, occurred_at, type, outcome, actor, subject, ip_address, user_agent, request_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        event.id,
        event.occurred_at,
        event.event_type,
        if event.success { "SUCCESS" } else { "FAILURE" },
        event.actor,
        event.subject,
        event.ip_address,
        event.user_agent,
        event.request_id,
        event.detail
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}
