//! The audit trail: what is written down, and in which words. Reading it is in [`reading`], what proves it whole in
//! [`chain`], what a person may have of it in [`export`].

pub(super) mod chain;
mod export;
mod reading;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use chain::{Finding, Verification};
pub use export::Exported;
pub use reading::whole_detail;

use super::caller::person as person_in;
use super::{Actor, Caller, Error, Failure, Identity, Principal, RefusalCode, Who};
use crate::store::api_keys::ApiKey;
use crate::store::audit::repeats::{self, Repeated};
use crate::store::audit::{self, NewEvent, Origin};
use crate::store::hotels::Hotel;
use crate::store::roles::Role;
use crate::store::users::HotelScope;
use crate::store::users::changes::UserState;
use crate::store::{self, Scope, Transaction};

/// What an event tells, beside when and from where.
#[derive(Clone)]
pub(super) struct Happening {
    event_type: &'static str,
    success: bool,
    actor: Option<String>,
    subject: Option<String>,
    about: Option<Uuid>,
    hotels: Vec<String>,
    detail: Map<String, Value>,
    personal: Map<String, Value>,
    counted: Option<Counted>,
}

/// What is tried again and again makes no event each time: what is `whose` is counted together, by the minute.
#[derive(Clone)]
struct Counted {
    whose: String,
    reason: &'static str,
}

/// Whom an event is about, and where they belonged at the time.
#[derive(Clone, Copy)]
pub(super) struct Person<'a> {
    pub user_id: Uuid,
    pub hotel_scope: HotelScope,
    pub hotels: &'a [String],
}

impl<'a> From<&'a UserState> for Person<'a> {
    fn from(user: &'a UserState) -> Self {
        Self { user_id: user.id, hotel_scope: user.hotel_scope, hotels: &user.hotels }
    }
}

pub(super) fn user_gid(id: Uuid) -> String {
    format!("user:{id}")
}

pub(super) fn key_gid(id: Uuid) -> String {
    format!("apikey:{id}")
}

impl Happening {
    pub fn new(event_type: &'static str) -> Self {
        Self {
            event_type,
            success: true,
            actor: None,
            subject: None,
            about: None,
            hotels: Vec::new(),
            detail: Map::new(),
            personal: Map::new(),
            counted: None,
        }
    }

    pub fn failed(event_type: &'static str) -> Self {
        Self { success: false, ..Self::new(event_type) }
    }

    /// Done by a user or an API key; the operator at the command line is nobody in the trail.
    pub fn by(self, actor: &Actor) -> Self {
        Self { actor: actor.global_id(), ..self }
    }

    /// Done by a user whose session it is about.
    pub fn by_user(self, id: Uuid) -> Self {
        Self { actor: Some(user_gid(id)), ..self }
    }

    /// Done to this user, or to something of theirs, which [`Happening::to`] then names.
    pub fn about(mut self, person: Person<'_>) -> Self {
        self.about = Some(person.user_id);
        self.subject = Some(user_gid(person.user_id));
        // Who reaches every hotel belongs to none of them.
        if person.hotel_scope == HotelScope::Assigned {
            self.hotels
                .extend(person.hotels.iter().filter(|hotel| !self.hotels.contains(hotel)).cloned().collect::<Vec<_>>());
        } else {
            self.hotels.clear();
        }
        self
    }

    /// Done to this, by global id.
    pub fn to(self, subject: String) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// Of these hotels; of none where it is of every one.
    pub fn within(self, hotel_scope: HotelScope, hotels: &[String]) -> Self {
        let hotels = if hotel_scope == HotelScope::Assigned { hotels.to_vec() } else { Vec::new() };
        Self { hotels, ..self }
    }

    pub fn at_hotel(self, hotel: &str) -> Self {
        Self { hotels: vec![hotel.to_owned()], subject: Some(format!("hotel:{hotel}")), ..self }
    }

    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }

    /// Tried by whoever may go on trying: in each minute the first of what is `whose` makes an event, and the rest another one
    /// that tells how many there were. Such an event tells nothing personal.
    pub fn counted(self, whose: impl Into<String>, reason: &'static str) -> Self {
        let counted = Some(Counted { whose: whose.into(), reason });
        Self { counted, ..self.with("reason", reason) }
    }

    /// What is erased with the person it is about.
    pub fn with_personal(mut self, key: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.personal.insert(key.to_owned(), value.into());
        }
        self
    }

    /// Leaves out what is about a person, as for one who has just been erased.
    pub fn without_personal(mut self) -> Self {
        self.personal.clear();
        self
    }

    /// The fields that differ, each with what it was and what it is. Nothing was before something is made, and nothing is
    /// after it has gone.
    pub fn with_changes(mut self, before: &[Field], after: &[Field]) -> Self {
        let (mut changes, mut personal) = (Map::new(), Map::new());
        let empty =
            |fields: &[Field]| fields.iter().map(|field| Field { value: Value::Null, ..*field }).collect::<Vec<_>>();
        let (before, after) = match (before.is_empty(), after.is_empty()) {
            (true, _) => (empty(after), after.to_vec()),
            (_, true) => (before.to_vec(), empty(before)),
            _ => (before.to_vec(), after.to_vec()),
        };
        for (old, new) in before.into_iter().zip(after).filter(|(old, new)| old.value != new.value) {
            let change = json!({ "before": old.value, "after": new.value });
            if old.personal {
                // That it changed stays when what it was is erased.
                changes.insert(old.name.to_owned(), Value::Null);
                personal.insert(old.name.to_owned(), change);
            } else {
                changes.insert(old.name.to_owned(), change);
            }
        }
        self.detail.insert("changes".to_owned(), changes.into());
        if !personal.is_empty() {
            self.personal.insert("changes".to_owned(), personal.into());
        }
        self
    }
}

/// A field of something that is changed, as the trail tells it.
#[derive(Clone, PartialEq)]
pub(super) struct Field {
    name: &'static str,
    personal: bool,
    value: Value,
}

fn field(name: &'static str, value: impl Into<Value>) -> Field {
    Field { name, personal: false, value: value.into() }
}

fn personal(name: &'static str, value: impl Into<Value>) -> Field {
    Field { name, personal: true, value: value.into() }
}

pub(super) fn fields_of_user(user: &UserState) -> Vec<Field> {
    let scope = if user.hotel_scope == HotelScope::All { "ALL" } else { "ASSIGNED" };
    vec![
        personal("email", user.email.as_str()),
        personal("first_name", user.first_name.as_deref()),
        personal("last_name", user.last_name.as_deref()),
        field("active", user.active),
        field("email_verified", user.email_verified),
        field("must_change_password", user.must_change_password),
        field("failed_login_attempts", user.failed_login_attempts),
        field("locked_until", user.locked_until.map(|until| until.to_rfc3339())),
        field("hotel_scope", scope),
        field("roles", user.roles.clone()),
        field("hotels", user.hotels.clone()),
    ]
}

pub(super) fn fields_of_role(role: &Role) -> Vec<Field> {
    vec![
        field("name", role.name.as_str()),
        field("display_name", role.display_name.as_str()),
        field("description", role.description.as_deref()),
        field("permissions", role.permissions.clone()),
        field("active", role.active),
    ]
}

pub(super) fn fields_of_hotel(hotel: &Hotel) -> Vec<Field> {
    vec![
        field("name", hotel.name.as_str()),
        field("brand", hotel.brand.as_deref()),
        field("country", hotel.country.as_deref()),
        field("city", hotel.city.as_deref()),
        field("address", hotel.address.as_deref()),
        field("pms_type", hotel.pms_type.as_str()),
        field("active", hotel.active),
    ]
}

pub(super) fn fields_of_api_key(key: &ApiKey) -> Vec<Field> {
    let scope = if key.hotel_scope == HotelScope::All { "ALL" } else { "ASSIGNED" };
    vec![
        field("name", key.name.as_str()),
        field("service_name", key.service_name.as_str()),
        field("permissions", key.permissions.clone()),
        field("hotel_scope", scope),
        field("hotels", key.hotels.clone()),
        field("expires_at", key.expires_at.map(|until| until.to_rfc3339())),
    ]
}

impl Identity {
    /// Appends audit events to the transaction that does what they tell of.
    pub(super) async fn record(
        &self,
        transaction: &mut Transaction,
        caller: &Caller,
        happenings: Vec<Happening>,
        now: DateTime<Utc>,
    ) -> store::Result<()> {
        let origin = Origin {
            ip_address: caller.client.ip_address.as_deref(),
            user_agent: caller.client.user_agent.as_deref(),
            request_id: Some(&caller.request_id),
        };
        let mut events = Vec::with_capacity(happenings.len());
        for happening in happenings {
            let counted = happening.counted.clone();
            let event = self.event(happening, now);
            let is_told = match &counted {
                Some(Counted { whose, reason }) => {
                    repeats::is_first(transaction, origin, &event, whose, reason).await?
                }
                None => true,
            };
            events.extend(is_told.then_some(event));
        }
        audit::append(transaction, origin, &events).await
    }

    /// The same for what the system does by itself.
    pub(super) async fn record_own(
        &self,
        transaction: &mut Transaction,
        happening: Happening,
        now: DateTime<Utc>,
    ) -> store::Result<()> {
        audit::append(transaction, Origin::default(), &[self.event(happening, now)]).await
    }

    fn event(&self, happening: Happening, now: DateTime<Utc>) -> NewEvent {
        NewEvent {
            id: self.clock.new_id(),
            occurred_at: now,
            event_type: happening.event_type.to_owned(),
            success: happening.success,
            actor: happening.actor,
            subject: happening.subject,
            about: happening.about,
            hotels: happening.hotels,
            detail: happening.detail.into(),
            personal: (!happening.personal.is_empty()).then(|| happening.personal.into()),
        }
    }

    /// Tells how often what was counted in minutes that are over was tried, beside the first time. Exact whichever server
    /// counted, and whichever tells it: what is taken is told in the same transaction.
    pub async fn tell_repeats(&self) -> store::Result<usize> {
        let mut told = 0;
        loop {
            let mut transaction = self.database.background().await?;
            let taken = repeats::take(&mut transaction, self.clock.now()).await?;
            if taken.is_empty() {
                return Ok(told);
            }
            for repeated in taken.into_iter().filter(|repeated| repeated.repeats > 0) {
                let (ip_address, user_agent) = (repeated.ip_address.clone(), repeated.user_agent.clone());
                let origin =
                    Origin { ip_address: ip_address.as_deref(), user_agent: user_agent.as_deref(), request_id: None };
                audit::append(&mut transaction, origin, &[self.event_of_repeated(repeated)]).await?;
                told += 1;
            }
            transaction.commit().await?;
        }
    }

    fn event_of_repeated(&self, repeated: Repeated) -> NewEvent {
        let mut detail = repeated.detail;
        if let Value::Object(detail) = &mut detail {
            detail.remove("reason");
            detail.insert("count".to_owned(), repeated.repeats.into());
            detail.insert("reasons".to_owned(), repeated.reasons);
            detail.insert("since".to_owned(), repeated.minute.to_rfc3339().into());
        }
        NewEvent {
            id: self.clock.new_id(),
            occurred_at: repeated.last_at,
            event_type: repeated.event_type,
            success: false,
            actor: repeated.actor,
            subject: repeated.subject,
            about: repeated.about,
            hotels: repeated.hotels,
            detail,
            personal: None,
        }
    }

    /// Passes an outcome on, and writes down a refusal by rule: who tried what, on what.
    pub(super) async fn noting_refusals<T>(
        &self,
        caller: &Caller,
        operation: &'static str,
        subject: Option<String>,
        outcome: Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Err(failure) = &outcome else { return outcome };
        let (Some(reason), Principal::Known(actor)) = (reason_by_rule(failure), &caller.principal) else {
            return outcome;
        };
        // About whoever tried it: whom they tried it on need not be theirs to know of.
        let happening = match &actor.who {
            Who::User(access) => Happening::failed("change_refused").about(person_in(access)),
            Who::ApiKey(key) => Happening::failed("change_refused").within(key.hotel_scope, &key.hotels),
            Who::Operator => return outcome,
        };
        let mut happening = happening.by(actor).with("operation", operation);
        happening.subject = subject;
        let whose = format!("{}/{operation}", actor.global_id().unwrap_or_default());
        let happening = happening.counted(whose, reason);
        let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
        self.record(&mut transaction, caller, vec![happening], self.clock.now()).await?;
        transaction.commit().await?;
        tracing::warn!(actor = %actor, operation, reason, "change_refused");
        outcome
    }
}

/// Why a rule refused; None where it was not a rule that did.
fn reason_by_rule(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Error(Error::Forbidden(_)) => Some("forbidden"),
        Failure::Error(_) => None,
        Failure::Refused(refusals) => refusals.iter().find_map(|refusal| match refusal.code {
            RefusalCode::NotFound => Some("not_found"),
            RefusalCode::PrivilegeEscalation => Some("privilege_escalation"),
            RefusalCode::LastAdministrator => Some("last_administrator"),
            RefusalCode::SystemRole => Some("system_role"),
            _ => None,
        }),
    }
}
