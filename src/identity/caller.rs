//! Who makes a request, from where, and the transaction it reads in.

use std::sync::Arc;

use uuid::Uuid;

use super::audit::{Person, user_gid};
use super::permissions::PERMISSIONS;
use super::{Error, Identity, Result, rules};
use crate::store::access::SessionAccess;
use crate::store::users::HotelScope;
use crate::store::{self, Reads, Scope, StatementCount, Transaction};

/// Where a request comes from, as far as it can be told.
#[derive(Clone, Debug, Default)]
pub struct Client {
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub device_fingerprint: Option<String>,
}

/// Who makes a request.
#[derive(Clone, Debug)]
pub enum Principal {
    /// Nobody: without credentials one can sign in, and little else.
    Anonymous,
    User(Arc<UserPrincipal>),
}

/// A user in a session, as of the beginning of this request; or the operator.
#[derive(Clone, Debug)]
pub struct UserPrincipal {
    pub access: SessionAccess,
    /// Must change the password, and can do nothing else before.
    pub confined: bool,
    /// Whoever has the machine and its command line: may do everything, and is no user.
    pub operator: bool,
}

/// As logs name who did something.
impl std::fmt::Display for UserPrincipal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.id() {
            Some(id) => id.fmt(formatter),
            None => formatter.write_str("operator"),
        }
    }
}

impl UserPrincipal {
    pub fn may(&self, permission: &str) -> bool {
        self.access.permissions.iter().any(|held| held == permission)
    }

    /// The user's id; the operator has none.
    pub(super) fn id(&self) -> Option<Uuid> {
        (!self.operator).then_some(self.access.user_id)
    }

    /// Themself, as an audit event is about them.
    pub(super) fn person(&self) -> Person<'_> {
        let access = &self.access;
        Person { user_id: access.user_id, hotel_scope: access.hotel_scope, hotels: &access.hotels }
    }

    /// The global id, as the audit trail names users.
    pub fn global_id(&self) -> String {
        user_gid(self.access.user_id)
    }
}

/// One request's principal and surroundings.
pub struct Caller {
    pub principal: Principal,
    pub client: Client,
    pub request_id: String,
    pub statements: StatementCount,
    scope: Scope,
    reads: Reads,
}

impl Caller {
    /// The session in which it is asked; None for strangers.
    pub fn session_id(&self) -> Option<Uuid> {
        match &self.principal {
            Principal::User(user) => Some(user.access.session_id),
            Principal::Anonymous => None,
        }
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The request's read transaction, for a signed-in principal who may do more than change the password.
    pub(super) async fn read(&self) -> Result<impl std::ops::DerefMut<Target = Transaction> + '_> {
        rules::ready(&self.principal)?;
        Ok(self.reads.begin().await?)
    }

    /// The request's read transaction, for what every signed-in principal may see of themself.
    pub(super) async fn read_own(&self) -> Result<impl std::ops::DerefMut<Target = Transaction> + '_> {
        rules::signed_in(&self.principal)?;
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
        let now = self.clock.now();
        let access = SessionAccess {
            session_id: Uuid::nil(),
            session_created_at: now,
            session_accessed_at: now,
            session_expires_at: now,
            user_id: Uuid::nil(),
            email: String::new(),
            must_change_password: false,
            hotel_scope: HotelScope::All,
            roles: Vec::new(),
            permissions: PERMISSIONS.iter().map(|(name, _)| (*name).to_owned()).collect(),
            hotels: Vec::new(),
        };
        let principal = UserPrincipal { access, confined: false, operator: true };
        let client = Client { user_agent: Some("voicehive command line".to_owned()), ..Client::default() };
        self.caller(Principal::User(Arc::new(principal)), client, self.clock.new_id().to_string())
    }

    /// The same request, now made by whom it has just signed in.
    pub fn caller_after_sign_in(&self, before: &Caller, principal: Arc<UserPrincipal>) -> Caller {
        let principal = Principal::User(principal);
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
        Caller { principal, client, request_id, statements, scope, reads }
    }

    /// Who holds this access token. No token is nobody; a token that does not hold is an error.
    pub async fn authenticate(&self, access_token: Option<&str>) -> Result<Principal> {
        let Some(token) = access_token else { return Ok(Principal::Anonymous) };
        self.look_for_key_of(token).await;
        let now = self.clock.now();
        let claims = self.tokens.read_access_token(token, now).map_err(|_| INVALID_TOKEN)?;
        let mut transaction = self.database.read(&Scope::system(), &StatementCount::default()).await?;
        let access = store::access::of_session(&mut transaction, claims.session_id, now).await?;
        let access = access.filter(|access| access.user_id == claims.user_id).ok_or(INVALID_TOKEN)?;
        self.used_sessions.note(&access, now);
        Ok(Principal::User(Arc::new(self.user_principal(access))))
    }

    pub(super) fn user_principal(&self, access: SessionAccess) -> UserPrincipal {
        let confined = access.must_change_password && self.settings.enforce_password_change;
        UserPrincipal { access, confined, operator: false }
    }
}

const INVALID_TOKEN: Error =
    Error::Unauthenticated("the access token is not valid, has expired or its session has ended; sign in again");

/// Refuses a caller who is not signed in, or must change the password first.
pub fn require_ready(caller: &Caller) -> Result<()> {
    rules::ready(&caller.principal).map(|_| ())
}
