//! What a resolver finds in its context: the system, the caller, and the loaders of this request.

use std::sync::{Arc, PoisonError, RwLock};

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, HashMapCache};

use super::loaders::{Loaders, forget};
use crate::identity::{Caller, Identity, UserPrincipal};

/// One request: its caller changes when it signs in.
pub struct Request {
    pub identity: Arc<Identity>,
    caller: RwLock<Arc<Caller>>,
}

impl Request {
    pub fn new(identity: Arc<Identity>, caller: Caller) -> Self {
        Self { identity, caller: RwLock::new(Arc::new(caller)) }
    }

    pub fn caller(&self) -> Arc<Caller> {
        self.caller.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub type RequestLoader = DataLoader<Loaders, HashMapCache>;

/// The face that resolvers see of their request.
pub trait RequestContext {
    fn identity(&self) -> &Identity;
    fn caller(&self) -> Arc<Caller>;
    fn loader(&self) -> &RequestLoader;
    /// To be called after a write: what was loaded before it may not be so any more.
    fn forget_loaded(&self);
    /// Goes on as the user who has just signed in: what the payload reads is read with their eyes.
    fn go_on_as(&self, principal: &Arc<UserPrincipal>);
}

impl RequestContext for Context<'_> {
    fn identity(&self) -> &Identity {
        &self.data_unchecked::<Arc<Request>>().identity
    }

    fn caller(&self) -> Arc<Caller> {
        self.data_unchecked::<Arc<Request>>().caller()
    }

    fn loader(&self) -> &RequestLoader {
        self.data_unchecked::<RequestLoader>()
    }

    fn forget_loaded(&self) {
        forget(self.loader());
    }

    fn go_on_as(&self, principal: &Arc<UserPrincipal>) {
        let request = self.data_unchecked::<Arc<Request>>();
        let next = request.identity.caller_after_sign_in(&request.caller(), principal.clone());
        *request.caller.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }
}
