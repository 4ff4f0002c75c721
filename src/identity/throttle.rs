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
    /// Changes a minute of one user; so many may come at once, too.
    pub changes_per_minute: NonZeroU32,
    /// Sign-ins an hour of one user; so many may come at once, too.
    pub sign_ins_per_user: NonZeroU32,
}

/// Requests a day under keys of one caller's own; so many may come at once, too.
const KEYS_A_DAY: u32 = 50_000;
/// KiB a day of one caller's answers that are kept under such keys; so many may come at once, too.
const KEPT_KIB_A_DAY: u32 = 32 * 1024;
const DAY: Duration = Duration::from_hours(24);

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

    /// Counts so many more changes of this principal, before they are made: each leaves an event in the audit trail.
    pub fn allow_changes(&self, principal: &Principal, number: usize) -> Result<()> {
        match u32::try_from(number).ok().and_then(NonZeroU32::new) {
            Some(number) => self.throttle.changes(principal, number),
            None => Ok(()),
        }
    }

    /// Counts one more document from this client that nobody has looked at yet, before that is done: it takes time, and
    /// whoever sends it need not have signed in.
    pub fn allow_new_document(&self, client: &Client) -> Result<()> {
        let throttle = &self.throttle;
        one_more(&throttle.new_documents, client, throttle.settings.new_documents_per_minute)
    }
}

/// So many in this time, evenly; and all of them may come at once.
fn quota(number: NonZeroU32, time: Duration) -> Quota {
    let each = (time / number.get()).max(Duration::from_nanos(1));
    Quota::with_period(each).map_or_else(|| Quota::per_second(number), |quota| quota.allow_burst(number))
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
    changes: Limiter,
    sign_ins: Limiter,
    keys: Limiter,
    kept: Limiter,
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
        let changes = limiter(quota(settings.changes_per_minute, WINDOW));
        let sign_ins = limiter(quota(settings.sign_ins_per_user, Duration::from_hours(1)));
        let a_day = |number| limiter(quota(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN), DAY));
        let (keys, kept) = (a_day(KEYS_A_DAY), a_day(KEPT_KIB_A_DAY));
        let barred = Mutex::default();
        Self {
            changes,
            sign_ins,
            keys,
            kept,
            failed_keys,
            barred,
            requests: limiter(requests),
            api_key_requests,
            refreshes,
            new_documents,
            settings,
        }
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

    /// So many more changes, in one request, of this principal. API keys have their requests counted, and strangers' sign-ins
    /// have counters of their own.
    fn changes(&self, principal: &Principal, number: NonZeroU32) -> Result<()> {
        let user = if let Principal::Known(actor) = principal { actor.user_id() } else { None };
        user.map_or(Ok(()), |user| take(&self.changes, Whose::User(user), number))
    }

    /// One more session of this user.
    pub fn sign_in(&self, user: Uuid) -> Result<()> {
        take(&self.sign_ins, Whose::User(user), NonZeroU32::MIN)
    }

    /// One more request under a key of this caller's own.
    pub fn key(&self, caller: Uuid) -> Result<()> {
        take(&self.keys, Whose::User(caller), NonZeroU32::MIN)
    }

    /// Whether an answer of so many bytes is kept for this caller.
    pub fn keeps_answer(&self, caller: Uuid, bytes: usize) -> bool {
        let kib = u32::try_from(bytes.div_ceil(1024)).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        take(&self.kept, Whose::User(caller), kib).is_ok()
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
        let by_address = [&self.requests, &self.refreshes, &self.new_documents, &self.failed_keys];
        let by_caller = [&self.api_key_requests, &self.changes, &self.sign_ins, &self.keys, &self.kept];
        for limiter in by_address.into_iter().chain(by_caller) {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// Takes so many, if there are.
fn take(limiter: &Limiter, whose: Whose, number: NonZeroU32) -> Result<()> {
    let retry_after = match limiter.check_key_n(&whose, number) {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(not_yet)) => not_yet.wait_time_from(limiter.clock().now()),
        // More than there ever are at once.
        Err(_) => WINDOW,
    };
    Err(Error::RateLimited { retry_after })
}

fn ask(limiter: &Limiter, key: Whose, limit: NonZeroU32) -> Allowance {
    let (remaining, retry_after) = match limiter.check_key(&key) {
        Ok(state) => (state.remaining_burst_capacity(), None),
        Err(not_yet) => (0, Some(not_yet.wait_time_from(limiter.clock().now()))),
    };
    Allowance { limit: limit.get(), window: WINDOW, remaining, retry_after }
}

/// The network that a client's requests are counted for; None where it is not known.
pub(super) fn address_of(client: &Client) -> Option<IpAddr> {
    client.address().map(network_of)
}

/// The address that stands for a client: whoever has an IPv6 address has all of its network's 2^64.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle() -> Throttle {
        let some = |number| NonZeroU32::new(number).unwrap();
        Throttle::new(ThrottleSettings {
            requests_per_minute: some(1),
            request_burst: some(1),
            requests_per_api_key: some(1),
            failed_api_keys_per_minute: some(1),
            refreshes_per_minute: some(1),
            new_documents_per_minute: some(1),
            changes_per_minute: some(1),
            sign_ins_per_user: some(1),
        })
    }

    #[test]
    fn keys_and_kept_answers_of_one_caller_are_so_many() {
        let throttle = throttle();
        let (caller, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let taken = (0..KEYS_A_DAY + 100).filter(|_| throttle.key(caller).is_ok()).count();
        assert!((KEYS_A_DAY as usize..KEYS_A_DAY as usize + 100).contains(&taken), "{taken}");
        assert!(throttle.key(other).is_ok());
        // An answer of a few bytes is kept at the price of a whole KiB, and the largest one for all of its own.
        let kept = (0..200).filter(|_| throttle.keeps_answer(caller, 256 * 1024)).count();
        assert_eq!(kept, 128);
        assert!(!throttle.keeps_answer(caller, 256 * 1024) && throttle.keeps_answer(other, 256 * 1024));
        let kept = (0..40_000).filter(|_| throttle.keeps_answer(Uuid::from_u128(3), 10)).count();
        assert!((32_768..33_000).contains(&kept), "{kept}");
    }

    #[test]
    fn what_was_not_used_comes_back_evenly() {
        let number = NonZeroU32::new(600).unwrap();
        let quota = quota(number, Duration::from_mins(1));
        assert_eq!((quota.burst_size(), quota.replenish_interval()), (number, Duration::from_millis(100)));
        let greedy = NonZeroU32::new(10_000_000).unwrap();
        assert_eq!(self::quota(greedy, Duration::from_mins(1)).burst_size(), greedy);
    }
}
