//! What a resolver finds in its context: the system, the caller, and the loaders of this request.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

use super::loaders::{Loaders, forget};
use crate::identity::{Caller, Error, Identity};
use crate::store::access::SessionAccess;

/// One request: its caller changes when it signs in.
pub struct Request {
    pub identity: Arc<Identity>,
    caller: RwLock<Arc<Caller>>,
    now: DateTime<Utc>,
    keeper: Option<Arc<Keeper>>,
    /// What is at hand may be written at once.
    pub writes_at_once: bool,
}

/// Keeps a client's refresh token for it, so that it stands in no answer.
#[derive(Default)]
pub struct Keeper {
    presented: Option<String>,
    next: Mutex<Option<Kept>>,
}

/// What is to become of the token that is kept.
#[derive(Clone)]
pub enum Kept {
    /// This one takes its place.
    Token(String),
    /// There is none any more.
    Nothing,
}

impl Keeper {
    /// With the token that the client has kept so far.
    pub fn new(presented: Option<String>) -> Self {
        Self { presented, next: Mutex::default() }
    }

    /// None: what is kept stays as it is.
    pub fn next(&self) -> Option<Kept> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, next: Kept) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
    }
}

impl Request {
    pub fn new(identity: Arc<Identity>, caller: Caller, keeper: Option<Arc<Keeper>>, writes_at_once: bool) -> Self {
        let now = identity.clock().now();
        Self { identity, caller: RwLock::new(Arc::new(caller)), now, keeper, writes_at_once }
    }

    pub fn caller(&self) -> Arc<Caller> {
        self.caller.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub type RequestLoader = DataLoader<Loaders, HashMapCache>;

/// The face that resolvers see of their request.
pub trait RequestContext {
    fn request(&self) -> &Arc<Request>;
    fn identity(&self) -> &Identity;
    fn caller(&self) -> Arc<Caller>;
    fn loader(&self) -> &RequestLoader;
    /// One of what is loaded for many at once. On the heap, because the future of each field of a type takes as much room as
    /// that of the largest, and is made for every field of every row.
    fn load<K>(&self, key: K) -> BoxFuture<'_, Result<Option<<Loaders as Loader<K>>::Value>, Arc<Error>>>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        Loaders: Loader<K, Error = Arc<Error>>;
    /// The request's one moment: filters that hold a time each of their own would not be loaded together.
    fn now(&self) -> DateTime<Utc>;
    /// To be called after a write: what was loaded before it may not be so any more.
    fn forget_loaded(&self);
    /// Goes on as the user who has just signed in: what the payload reads is read with their eyes.
    fn go_on_as(&self, access: &SessionAccess);
    /// The refresh token that the client has somebody keep for it; empty where there is none.
    fn kept_token(&self) -> &str;
    /// Has a refresh token kept; whether there is anybody to keep it.
    fn keep_token(&self, next: Kept) -> bool;
}

impl RequestContext for Context<'_> {
    fn request(&self) -> &Arc<Request> {
        self.data_unchecked()
    }

    fn identity(&self) -> &Identity {
        &self.request().identity
    }

    fn caller(&self) -> Arc<Caller> {
        self.request().caller()
    }

    fn loader(&self) -> &RequestLoader {
        self.data_unchecked::<RequestLoader>()
    }

    fn load<K>(&self, key: K) -> BoxFuture<'_, Result<Option<<Loaders as Loader<K>>::Value>, Arc<Error>>>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        Loaders: Loader<K, Error = Arc<Error>>,
    {
        Box::pin(self.loader().load_one(key))
    }

    fn now(&self) -> DateTime<Utc> {
        self.request().now
    }

    fn forget_loaded(&self) {
        forget(self.loader());
    }

    fn kept_token(&self) -> &str {
        let keeper = self.request().keeper.as_ref();
        keeper.and_then(|keeper| keeper.presented.as_deref()).unwrap_or_default()
    }

    fn keep_token(&self, next: Kept) -> bool {
        let keeper = self.request().keeper.as_ref();
        keeper.map(|keeper| keeper.keep(next)).is_some()
    }

    fn go_on_as(&self, access: &SessionAccess) {
        let request = self.request();
        let next = request.identity.caller_after_sign_in(&request.caller(), access.clone());
        *request.caller.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }
}
