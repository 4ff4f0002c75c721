//! Who makes a request, from where, and the transaction it reads in.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::audit::{Person, key_gid, user_gid};
use super::principals::{Kept, topics_of_session};
use super::throttle::network_of;
use super::{Error, Identity, Repeatable, Result, rules};
use crate::address;
use crate::store::access::SessionAccess;
use crate::store::api_keys::KeyAccess;
use crate::store::changes::Topic;
use crate::store::sessions::Device;
use crate::store::users::HotelScope;
use crate::store::{self, Reads, Scope, StatementCount, Transaction};
use crate::telemetry::metrics;

/// Where a request comes from, as far as it can be told.
#[derive(Clone, Debug, Default)]
pub struct Client {
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub device_fingerprint: Option<String>,
    /// It asks by itself, such as by a timer: nobody has done anything, and a session that nobody uses runs out all the same.
    pub in_background: bool,
}

impl Client {
    /// The address, where one is known.
    pub fn address(&self) -> Option<IpAddr> {
        self.ip_address.as_deref().and_then(address::parse)
    }

    /// What stands for its address where clients are counted or known again.
    pub(super) fn network(&self) -> Option<String> {
        self.address().map(|address| network_of(address).to_string()).or_else(|| self.ip_address.clone())
    }

    /// The device, as sessions remember it.
    pub(super) fn device(&self) -> Device {
        Device {
            fingerprint: self.device_fingerprint.clone().unwrap_or_default(),
            ip_address: self.ip_address.clone(),
            ip_network: self.network(),
        }
    }
}

/// Who makes a request.
#[derive(Clone, Debug)]
pub enum Principal {
    /// Nobody: without credentials one can sign in, and little else.
    Anonymous,
    Known(Arc<Actor>),
}

/// Somebody who can be named, with what they hold as of the beginning of this request.
#[derive(Clone, Debug)]
pub struct Actor {
    pub who: Who,
    /// A user who must change the password, and can do nothing else before.
    pub confined: bool,
}

#[derive(Clone, Debug)]
pub enum Who {
    /// In a session.
    User(SessionAccess),
    /// A back-end service.
    ApiKey(KeyAccess),
    /// Whoever has the machine and its command line: may do everything, and is no user.
    Operator,
}

/// As logs name who did something.
impl std::fmt::Display for Actor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.who {
            Who::User(access) => access.user_id.fmt(formatter),
            Who::ApiKey(key) => write!(formatter, "{}", key_gid(key.id)),
            Who::Operator => formatter.write_str("operator"),
        }
    }
}

impl Actor {
    pub fn may(&self, permission: &str) -> bool {
        let held = match &self.who {
            Who::User(access) => &access.permissions,
            Who::ApiKey(key) => &key.permissions,
            Who::Operator => return true,
        };
        held.iter().any(|held| held == permission)
    }

    pub fn hotel_scope(&self) -> HotelScope {
        match &self.who {
            Who::User(access) => access.hotel_scope,
            Who::ApiKey(key) => key.hotel_scope,
            Who::Operator => HotelScope::All,
        }
    }

    /// The active ones of the hotels assigned; under scope ALL they add nothing.
    pub fn hotels(&self) -> &[String] {
        match &self.who {
            Who::User(access) => &access.hotels,
            Who::ApiKey(key) => &key.hotels,
            Who::Operator => &[],
        }
    }

    /// Every hotel assigned, active or not.
    pub(super) fn assigned_hotels(&self) -> &[String] {
        match &self.who {
            Who::User(access) => &access.assigned_hotels,
            Who::ApiKey(key) => &key.assigned_hotels,
            Who::Operator => &[],
        }
    }

    /// The user, and the session in which they ask.
    pub fn user(&self) -> Option<&SessionAccess> {
        if let Who::User(access) = &self.who { Some(access) } else { None }
    }

    pub fn user_id(&self) -> Option<Uuid> {
        self.user().map(|access| access.user_id)
    }

    pub fn api_key_id(&self) -> Option<Uuid> {
        if let Who::ApiKey(key) = &self.who { Some(key.id) } else { None }
    }

    /// Who made the API key that asks.
    pub(super) fn key_owner(&self) -> Option<Uuid> {
        if let Who::ApiKey(key) = &self.who { key.owner.as_ref().map(|owner| owner.id) } else { None }
    }

    /// Who is written down as having made or changed a row: the id of the user or the API key; the operator has none.
    pub(super) fn id(&self) -> Option<Uuid> {
        self.user_id().or(self.api_key_id())
    }

    /// The global id, as the audit trail names who does something; the operator has none.
    pub fn global_id(&self) -> Option<String> {
        self.user_id().map(user_gid).or(self.api_key_id().map(key_gid))
    }

    pub(super) fn is_operator(&self) -> bool {
        matches!(self.who, Who::Operator)
    }
}

/// A session's user, as an audit event is about them.
pub(super) fn person(access: &SessionAccess) -> Person<'_> {
    Person { user_id: access.user_id, hotel_scope: access.hotel_scope, hotels: &access.assigned_hotels }
}

/// One request's principal and surroundings.
pub struct Caller {
    pub principal: Principal,
    pub client: Client,
    pub request_id: String,
    pub statements: StatementCount,
    /// The key under which it may be sent again.
    pub(super) repeatable: Option<Arc<Repeatable>>,
    scope: Scope,
    reads: Reads,
}

impl Caller {
    /// The session in which it is asked; None for strangers and API keys.
    pub fn session_id(&self) -> Option<Uuid> {
        match &self.principal {
            Principal::Known(actor) => actor.user().map(|access| access.session_id),
            Principal::Anonymous => None,
        }
    }

    /// The same request under a key of the client's: what it changes is changed once.
    #[must_use]
    pub fn once(self, repeatable: Option<Arc<Repeatable>>) -> Self {
        Self { repeatable, ..self }
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The request's read transaction, for a principal who may do more than change the password.
    pub(super) async fn read(&self) -> Result<impl std::ops::DerefMut<Target = Transaction> + '_> {
        rules::ready(&self.principal)?;
        Ok(self.reads.begin().await?)
    }

    /// The request's read transaction, for what every principal may see of themself.
    pub(super) async fn read_own(&self) -> Result<impl std::ops::DerefMut<Target = Transaction> + '_> {
        rules::known(&self.principal)?;
        Ok(self.reads.begin().await?)
    }

    /// To be called before a write, so that the reads after it see what it did and it never waits for this connection.
    pub(super) async fn end_reads(&self) {
        self.reads.end().await;
    }
}

impl Identity {
    /// A request of `principal`. Everything it reads comes from one transaction, begun when it is first needed.
    pub fn caller(&self, principal: Principal, client: Client, request_id: String) -> Caller {
        self.caller_counting(principal, client, request_id, StatementCount::default())
    }

    /// What the operator asks for at the command line.
    pub fn operator(&self) -> Caller {
        let operator = Actor { who: Who::Operator, confined: false };
        let client = Client { user_agent: Some("voicehive command line".to_owned()), ..Client::default() };
        self.caller(Principal::Known(Arc::new(operator)), client, self.clock.new_id().to_string())
    }

    /// The same request, now made by whom it has just signed in.
    pub fn caller_after_sign_in(&self, before: &Caller, access: SessionAccess) -> Caller {
        let principal = Principal::Known(Arc::new(self.in_session(access)));
        self.caller_counting(principal, before.client.clone(), before.request_id.clone(), before.statements.clone())
    }

    fn caller_counting(
        &self,
        principal: Principal,
        client: Client,
        request_id: String,
        statements: StatementCount,
    ) -> Caller {
        let scope = rules::scope_of(&principal);
        let reads = Reads::new(self.database.clone(), scope.clone(), statements.clone());
        Caller { principal, client, request_id, statements, repeatable: None, scope, reads }
    }

    /// Who holds this access token.
    pub async fn authenticate(&self, token: &str, client: &Client) -> Result<Principal> {
        let now = self.clock.now();
        let claims = self.access_token(token, now).await.ok_or(INVALID_TOKEN)?;
        let topics = topics_of_session(claims.session_id, claims.user_id);
        let kept = self.kept_session(claims.session_id, &topics, now);
        metrics::principal_checked(kept.is_some());
        let kept = match kept {
            Some(kept) => kept,
            None => self.read_session(claims.session_id, &topics, now).await?,
        };
        if kept.actor.user_id() != Some(claims.user_id) {
            return Err(INVALID_TOKEN);
        }
        if !client.in_background && self.used_sessions.note(claims.session_id, kept.noted(), now) {
            kept.note(now);
        }
        Ok(Principal::Known(kept.actor.clone()))
    }

    async fn read_session(&self, id: Uuid, topics: &[Topic], now: DateTime<Utc>) -> Result<Arc<Kept>> {
        let version = self.database.changes().version(topics);
        let mut transaction = self.database.read(&Scope::system(), &StatementCount::default()).await?;
        let access = store::access::of_session(&mut transaction, id, self.settings.session_lifetimes, now)
            .await?
            .ok_or(INVALID_TOKEN)?;
        let ends_at = access.password_expires_at.unwrap_or(access.session_expires_at).min(access.session_expires_at);
        let used = access.session_accessed_at;
        let kept = Kept::new(Arc::new(self.in_session(access)), version, Some(ends_at), Some(used));
        self.keep_session(id, kept.clone());
        Ok(kept)
    }

    /// A user in a session.
    pub(super) fn in_session(&self, access: SessionAccess) -> Actor {
        let confined = self.is_confined(&access);
        Actor { who: Who::User(access), confined }
    }

    fn is_confined(&self, access: &SessionAccess) -> bool {
        access.must_change_password && self.settings.enforce_password_change
    }

    /// What a session's user holds, as services are told: nothing while the password must be changed. They cannot know that such
    /// a user may do nothing here before.
    pub fn as_told<'a>(&self, access: &'a SessionAccess) -> Cow<'a, SessionAccess> {
        if !self.is_confined(access) {
            return Cow::Borrowed(access);
        }
        let (roles, permissions, hotels) = Default::default();
        Cow::Owned(SessionAccess { roles, permissions, hotels, hotel_scope: HotelScope::Assigned, ..access.clone() })
    }
}

const INVALID_TOKEN: Error =
    Error::Unauthenticated("the access token is not valid, has expired or its session has ended; sign in again");

/// Refuses a caller who is not signed in, or must change the password first.
pub fn require_ready(caller: &Caller) -> Result<()> {
    rules::ready(&caller.principal).map(|_| ())
}
