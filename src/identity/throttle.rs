//! How often one caller may ask: counted on each server by itself, so that N servers together allow at most N times as much.
//! Failed sign-ins are not here: those are counted in the database, for all servers ([`lockout`](super::lockout)).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use super::{Client, Error, Identity, Principal, Result};

const WINDOW: Duration = Duration::from_mins(1);

/// What one caller may do on one server.
#[derive(Clone, Copy, Debug)]
pub struct ThrottleSettings {
    /// Requests a minute of one principal, or of one address without one.
    pub requests_per_minute: NonZeroU32,
    /// How many of them may come at once.
    pub request_burst: NonZeroU32,
    /// Requests a minute of one API key; so many may come at once, too.
    pub requests_per_api_key: NonZeroU32,
    /// API keys a minute from one address that are not honoured.
    pub failed_api_keys_per_minute: NonZeroU32,
    /// Refreshes a minute from one address.
    pub refreshes_per_minute: NonZeroU32,
    /// Documents a minute from one address that are not known yet.
    pub new_documents_per_minute: NonZeroU32,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Whose {
    User(Uuid),
    ApiKey(Uuid),
    /// None where the address is not known.
    Address(Option<IpAddr>),
}

/// What is left of a caller's requests.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Requests in `window`.
    pub limit: u32,
    pub window: Duration,
    /// How many could come at once now.
    pub remaining: u32,
    /// How long until there is another one, where none remains.
    pub retry_after: Option<Duration>,
}

impl Identity {
    /// Counts one more request of this principal from this client; what is left to them. To be asked before it is run.
    pub fn allowance(&self, principal: &Principal, client: &Client) -> Allowance {
        self.throttle.request(principal, client)
    }

    /// Counts one more document from this client that nobody has looked at yet, before that is done: it takes time, and
    /// whoever sends it need not have signed in.
    pub fn allow_new_document(&self, client: &Client) -> Result<()> {
        let throttle = &self.throttle;
        one_more(&throttle.new_documents, client, throttle.settings.new_documents_per_minute)
    }
}

fn one_more(limiter: &Limiter, client: &Client, limit: NonZeroU32) -> Result<()> {
    match ask(limiter, Whose::Address(address_of(client)), limit).retry_after {
        Some(retry_after) => Err(Error::RateLimited { retry_after }),
        None => Ok(()),
    }
}

type Limiter = RateLimiter<Whose, DefaultKeyedStateStore<Whose>, DefaultClock, StateInformationMiddleware>;

/// Counts by the generic cell rate algorithm: what was not used comes back evenly.
pub(super) struct Throttle {
    requests: Limiter,
    api_key_requests: Limiter,
    refreshes: Limiter,
    new_documents: Limiter,
    failed_keys: Limiter,
    /// Addresses that have sent as many of those as they may, and until when nobody looks at another.
    barred: Mutex<HashMap<Option<IpAddr>, Instant>>,
    settings: ThrottleSettings,
}

impl Throttle {
    pub fn new(settings: ThrottleSettings) -> Self {
        let limiter = |quota: Quota| RateLimiter::keyed(quota).with_middleware();
        let requests = Quota::per_minute(settings.requests_per_minute).allow_burst(settings.request_burst);
        let refreshes = limiter(Quota::per_minute(settings.refreshes_per_minute));
        let new_documents = limiter(Quota::per_minute(settings.new_documents_per_minute));
        let api_key_requests = limiter(Quota::per_minute(settings.requests_per_api_key));
        let failed_keys = limiter(Quota::per_minute(settings.failed_api_keys_per_minute));
        let barred = Mutex::default();
        Self { failed_keys, barred, requests: limiter(requests), api_key_requests, refreshes, new_documents, settings }
    }

    /// One more request of this caller; what is left of them.
    pub fn request(&self, principal: &Principal, client: &Client) -> Allowance {
        let actor = if let Principal::Known(actor) = principal { Some(actor) } else { None };
        if let Some(id) = actor.and_then(|actor| actor.api_key_id()) {
            return ask(&self.api_key_requests, Whose::ApiKey(id), self.settings.requests_per_api_key);
        }
        let user = actor.and_then(|actor| actor.user_id());
        let key = user.map_or_else(|| Whose::Address(address_of(client)), Whose::User);
        ask(&self.requests, key, self.settings.requests_per_minute)
    }

    /// One more refresh from this client.
    pub fn refresh(&self, client: &Client) -> Result<()> {
        one_more(&self.refreshes, client, self.settings.refreshes_per_minute)
    }

    /// Whether this client's next API key is looked at: each takes a look into the database.
    pub fn may_send_key(&self, client: &Client) -> Result<()> {
        let barred = self.barred.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = barred.get(&address_of(client)).map(|until| until.saturating_duration_since(Instant::now()));
        match wait.filter(|wait| !wait.is_zero()) {
            Some(retry_after) => Err(Error::RateLimited { retry_after }),
            None => Ok(()),
        }
    }

    /// One more API key from this client that is not honoured.
    pub fn key_failed(&self, client: &Client) {
        let address = address_of(client);
        let limit = self.settings.failed_api_keys_per_minute;
        if let Some(wait) = ask(&self.failed_keys, Whose::Address(address), limit).retry_after {
            let mut barred = self.barred.lock().unwrap_or_else(PoisonError::into_inner);
            barred.insert(address, Instant::now() + wait);
        }
    }

    /// Forgets callers who have not been here for a while.
    pub fn sweep(&self) {
        let mut barred = self.barred.lock().unwrap_or_else(PoisonError::into_inner);
        barred.retain(|_, until| *until > Instant::now());
        drop(barred);
        for limiter in [&self.requests, &self.api_key_requests, &self.refreshes, &self.new_documents, &self.failed_keys]
        {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

fn ask(limiter: &Limiter, key: Whose, limit: NonZeroU32) -> Allowance {
    let (remaining, retry_after) = match limiter.check_key(&key) {
        Ok(state) => (state.remaining_burst_capacity(), None),
        Err(not_yet) => (0, Some(not_yet.wait_time_from(limiter.clock().now()))),
    };
    Allowance { limit: limit.get(), window: WINDOW, remaining, retry_after }
}

fn address_of(client: &Client) -> Option<IpAddr> {
    client.address().map(network_of)
}

/// The address that stands for a client: whoever has an IPv6 address has all of its network's 2^64.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}
