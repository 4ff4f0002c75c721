//! The data loaders: each gathers what many resolvers ask for and fetches it in one statement.
//!
//! A key of a list holds its parent and the list's arguments; keys with equal arguments are fetched together, so that a
//! document costs statements by its fields, never by its rows.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use super::context::{Request, RequestLoader};
use crate::identity::{Error, Reach};
use crate::store::api_keys::ApiKey;
use crate::store::audit::events::AuditEvent;
use crate::store::hotels::{Hotel, HotelsOf};
use crate::store::page::{Page, PageRequest};
use crate::store::roles::Role;
use crate::store::sessions::{Session, SessionCursor, SessionFilter, SessionsOf};
use crate::store::users::{User, UserCursor, UserFilter, UserOrder, UsersOf, With};

/// All loaders of one request.
pub struct Loaders(pub Arc<Request>);

type Loaded<K, V> = Result<HashMap<K, V>, Arc<Error>>;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserById(pub Uuid);
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoleById(pub Uuid);
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HotelById(pub String);
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionById(pub Uuid);
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditEventById(pub Uuid);
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiKeyById(pub Uuid);
/// Where a user may do something, or anything where no permission is named.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ReachOf {
    pub user: Uuid,
    pub permission: Option<String>,
}
/// The roles of a user.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RolesOf(pub Uuid);

impl Loader<UserById> for Loaders {
    type Value = Arc<User>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[UserById]) -> Loaded<UserById, Arc<User>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let users = self.0.identity.users_by_id(&self.0.caller(), &ids).await?;
        Ok(users.into_iter().map(|user| (UserById(user.id), Arc::new(user))).collect())
    }
}

impl Loader<RoleById> for Loaders {
    type Value = Arc<Role>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[RoleById]) -> Loaded<RoleById, Arc<Role>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let roles = self.0.identity.roles_by_id(&self.0.caller(), &ids).await?;
        Ok(roles.into_iter().map(|role| (RoleById(role.id), role)).collect())
    }
}

impl Loader<HotelById> for Loaders {
    type Value = Arc<Hotel>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[HotelById]) -> Loaded<HotelById, Arc<Hotel>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0.clone()).collect();
        let hotels = self.0.identity.hotels_by_id(&self.0.caller(), &ids).await?;
        Ok(hotels.into_iter().map(|hotel| (HotelById(hotel.id.clone()), hotel)).collect())
    }
}

impl Loader<SessionById> for Loaders {
    type Value = Session;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[SessionById]) -> Loaded<SessionById, Session> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let sessions = self.0.identity.sessions_by_id(&self.0.caller(), &ids).await?;
        Ok(sessions.into_iter().map(|session| (SessionById(session.id), session)).collect())
    }
}

impl Loader<AuditEventById> for Loaders {
    type Value = AuditEvent;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[AuditEventById]) -> Loaded<AuditEventById, AuditEvent> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let events = self.0.identity.audit_events_by_id(&self.0.caller(), &ids).await?;
        Ok(events.into_iter().map(|event| (AuditEventById(event.id), event)).collect())
    }
}

impl Loader<ApiKeyById> for Loaders {
    type Value = ApiKey;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[ApiKeyById]) -> Loaded<ApiKeyById, ApiKey> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = self.0.identity.api_keys_by_id(&self.0.caller(), &ids).await?;
        Ok(found.into_iter().map(|key| (ApiKeyById(key.id), key)).collect())
    }
}

impl Loader<ReachOf> for Loaders {
    type Value = Reach;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[ReachOf]) -> Loaded<ReachOf, Reach> {
        let asked: Vec<_> = keys.iter().map(|key| (key.user, key.permission.clone())).collect();
        let reaches = self.0.identity.reaches(&self.0.caller(), &asked).await?;
        Ok(reaches.into_iter().map(|((user, permission), reach)| (ReachOf { user, permission }, reach)).collect())
    }
}

impl Loader<RolesOf> for Loaders {
    type Value = Vec<Arc<Role>>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[RolesOf]) -> Loaded<RolesOf, Vec<Arc<Role>>> {
        let users: Vec<_> = keys.iter().map(|key| key.0).collect();
        let roles = self.0.identity.roles_by_user(&self.0.caller(), &users).await?;
        Ok(roles.into_iter().map(|(user, roles)| (RolesOf(user), roles)).collect())
    }
}

/// Forgets everything that was loaded.
pub fn forget(loader: &RequestLoader) {
    loader.clear::<UserById>();
    loader.clear::<RoleById>();
    loader.clear::<HotelById>();
    loader.clear::<SessionById>();
    loader.clear::<AuditEventById>();
    loader.clear::<ApiKeyById>();
    loader.clear::<ReachOf>();
    loader.clear::<RolesOf>();
    loader.clear::<UserPage>();
    loader.clear::<UserCount>();
    loader.clear::<HotelPage>();
    loader.clear::<HotelCount>();
    loader.clear::<SessionPage>();
    loader.clear::<SessionCount>();
}

/// A page of users of a parent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserPage {
    pub parent: UsersOf,
    pub list: Arc<UserList>,
}

/// What a list of users is asked for.
#[derive(PartialEq, Eq, Hash)]
pub struct UserList {
    pub filter: Arc<UserFilter>,
    pub order: UserOrder,
    pub page: PageRequest<UserCursor>,
    pub with: With,
}

/// How many users a parent has.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserCount {
    pub parent: UsersOf,
    pub filter: Arc<UserFilter>,
    pub at_most: Option<i64>,
}

/// A page of the hotels that a user or an API key reaches.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HotelPage {
    pub of: HotelsOf,
    pub page: PageRequest<String>,
}

/// How many hotels a user or an API key reaches.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HotelCount {
    pub of: HotelsOf,
    pub at_most: Option<i64>,
}

/// A page of sessions of a parent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionPage {
    pub parent: SessionsOf,
    pub filter: Arc<SessionFilter>,
    pub page: PageRequest<SessionCursor>,
}

/// How many sessions a parent has.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionCount {
    pub parent: SessionsOf,
    pub filter: Arc<SessionFilter>,
    pub at_most: Option<i64>,
}

/// The parents in `keys` by the arguments they share.
fn by_arguments<K, A: Eq + Hash, P>(keys: &[K], split: impl Fn(&K) -> (A, P)) -> HashMap<A, Vec<P>> {
    let mut groups: HashMap<A, Vec<P>> = HashMap::new();
    for (arguments, parent) in keys.iter().map(split) {
        groups.entry(arguments).or_default().push(parent);
    }
    groups
}

/// Whether a parent is a role, a hotel or none: only parents of one kind are fetched together.
fn kind_of(parent: &UsersOf) -> std::mem::Discriminant<UsersOf> {
    std::mem::discriminant(parent)
}

impl Loader<UserPage> for Loaders {
    type Value = Arc<Page<Arc<User>>>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[UserPage]) -> Loaded<UserPage, Arc<Page<Arc<User>>>> {
        let caller = self.0.caller();
        let mut loaded = HashMap::new();
        for ((list, _), parents) in
            by_arguments(keys, |key| ((key.list.clone(), kind_of(&key.parent)), key.parent.clone()))
        {
            let (identity, UserList { filter, order, page, with }) = (&self.0.identity, &*list);
            let pages = identity.user_pages(&caller, &parents, filter, *order, page, *with).await?;
            let key = |parent| UserPage { parent, list: list.clone() };
            loaded.extend(pages.into_iter().map(|(parent, page)| (key(parent), Arc::new(page.map(Arc::new)))));
        }
        Ok(loaded)
    }
}

impl Loader<UserCount> for Loaders {
    type Value = i64;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[UserCount]) -> Loaded<UserCount, i64> {
        let caller = self.0.caller();
        let mut loaded = HashMap::new();
        let groups =
            by_arguments(keys, |key| ((key.filter.clone(), key.at_most, kind_of(&key.parent)), key.parent.clone()));
        for ((filter, at_most, _), parents) in groups {
            let counts = self.0.identity.user_counts(&caller, &parents, &filter, at_most).await?;
            let key = |parent| UserCount { parent, filter: filter.clone(), at_most };
            loaded.extend(counts.into_iter().map(|(parent, count)| (key(parent), count)));
        }
        Ok(loaded)
    }
}

impl Loader<HotelPage> for Loaders {
    type Value = Page<Arc<Hotel>>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[HotelPage]) -> Loaded<HotelPage, Page<Arc<Hotel>>> {
        let caller = self.0.caller();
        let mut loaded = HashMap::new();
        for ((page, _), holders) in by_arguments(keys, |key| ((key.page.clone(), key.of.holder), key.of)) {
            let pages = self.0.identity.hotel_pages_by_holder(&caller, &holders, &page).await?;
            loaded.extend(pages.into_iter().map(|(of, hotels)| (HotelPage { of, page: page.clone() }, hotels)));
        }
        Ok(loaded)
    }
}

impl Loader<HotelCount> for Loaders {
    type Value = i64;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[HotelCount]) -> Loaded<HotelCount, i64> {
        let caller = self.0.caller();
        let mut loaded = HashMap::new();
        for ((at_most, _), holders) in by_arguments(keys, |key| ((key.at_most, key.of.holder), key.of)) {
            let counts = self.0.identity.hotel_counts_by_holder(&caller, &holders, at_most).await?;
            loaded.extend(counts.into_iter().map(|(of, count)| (HotelCount { of, at_most }, count)));
        }
        Ok(loaded)
    }
}

impl Loader<SessionPage> for Loaders {
    type Value = Page<Session>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[SessionPage]) -> Loaded<SessionPage, Page<Session>> {
        let caller = self.0.caller();
        let mut loaded = HashMap::new();
        let kind = |parent: &SessionsOf| *parent == SessionsOf::Everyone;
        let groups = by_arguments(keys, |key| ((key.filter.clone(), key.page.clone(), kind(&key.parent)), key.parent));
        for ((filter, page, _), parents) in groups {
            let pages = self.0.identity.session_pages(&caller, &parents, &filter, &page).await?;
            let key = |parent| SessionPage { parent, filter: filter.clone(), page: page.clone() };
            loaded.extend(pages.into_iter().map(|(parent, sessions)| (key(parent), sessions)));
        }
        Ok(loaded)
    }
}

impl Loader<SessionCount> for Loaders {
    type Value = i64;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[SessionCount]) -> Loaded<SessionCount, i64> {
        let caller = self.0.caller();
        let mut loaded = HashMap::new();
        let kind = |parent: &SessionsOf| *parent == SessionsOf::Everyone;
        let groups = by_arguments(keys, |key| ((key.filter.clone(), key.at_most, kind(&key.parent)), key.parent));
        for ((filter, at_most, _), parents) in groups {
            let counts = self.0.identity.session_counts(&caller, &parents, &filter, at_most).await?;
            let key = |parent| SessionCount { parent, filter: filter.clone(), at_most };
            loaded.extend(counts.into_iter().map(|(parent, count)| (key(parent), count)));
        }
        Ok(loaded)
    }
}
