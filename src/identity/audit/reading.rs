//! Reading the trail. Everyone may read what is about themself; the rest needs system:monitor or system:admin, within the
//! hotel scope.

use serde_json::Value;
use uuid::Uuid;

use crate::identity::{Caller, Identity, Result};
use crate::store::audit::events::{self, AuditEvent, AuditEventFilter, EventCursor};
use crate::store::page::{Page, PageRequest};

impl Identity {
    pub async fn audit_event_page(
        &self,
        caller: &Caller,
        filter: &AuditEventFilter,
        page: &PageRequest<EventCursor>,
    ) -> Result<Page<AuditEvent>> {
        Ok(events::page(&mut *caller.read().await?, filter, page).await?)
    }

    pub async fn audit_event_count(
        &self,
        caller: &Caller,
        filter: &AuditEventFilter,
        at_most: Option<i64>,
    ) -> Result<i64> {
        Ok(events::count(&mut *caller.read().await?, filter, at_most).await?)
    }

    /// The visible ones among these events.
    pub async fn audit_events_by_id(&self, caller: &Caller, ids: &[Uuid]) -> Result<Vec<AuditEvent>> {
        Ok(events::by_ids(&mut *caller.read().await?, ids).await?)
    }
}

/// An event's detail without the PMS settings that events told of once.
pub(super) fn detail_without_settings(event: &AuditEvent) -> Value {
    let mut detail = event.detail.clone();
    if let Some(settings) = detail.pointer_mut("/changes/pms_config") {
        *settings = Value::Null;
    }
    detail
}

/// The same with what it tells of a person, as far as that has not been erased.
pub fn whole_detail(event: &AuditEvent) -> Value {
    let mut detail = detail_without_settings(event);
    if let Some(personal) = &event.personal {
        merge(&mut detail, personal);
    }
    detail
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_personal_stands_among_the_rest() {
        let mut detail = json!({"changes": {"email": null, "active": {"before": true, "after": false}}, "n": 1});
        merge(&mut detail, &json!({"changes": {"email": {"before": "a", "after": "b"}}, "reason": "r"}));
        let expected = json!({
            "changes": {"email": {"before": "a", "after": "b"}, "active": {"before": true, "after": false}},
            "n": 1, "reason": "r"
        });
        assert_eq!(detail, expected);
    }
}
