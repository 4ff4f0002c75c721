//! Time and ids. Everything that asks for either gets a [`Clock`], so that a test can move time instead of waiting.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// The current time, and new ids made from it. Clones share one time.
#[derive(Clone, Default)]
pub struct Clock(Arc<Inner>);

#[derive(Default)]
struct Inner {
    ahead_micros: AtomicI64,
    /// Keeps ids of one millisecond in the order they were made.
    counter: Mutex<ContextV7>,
}

impl Clock {
    /// Now, in the microseconds that PostgreSQL keeps: a time that was stored and read back equals itself.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn now(&self) -> DateTime<Utc> {
        let ahead = TimeDelta::microseconds(self.0.ahead_micros.load(Ordering::Relaxed));
        (Utc::now() + ahead).trunc_subsecs(6)
    }

    /// A UUID of version 7: later ids sort after earlier ones.
    pub fn new_id(&self) -> Uuid {
        let now = self.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let counter = self.0.counter.lock().unwrap_or_else(PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(&*counter, seconds, now.timestamp_subsec_nanos()))
    }

    /// Moves time forward for this clock and all its clones.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.ahead_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

/// `from` plus `by`; the far end of time where that is more than a date can say.
pub fn after(from: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by).ok().and_then(|by| from.checked_add_signed(by)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Whole seconds from `now` until `then`, as [`whole_seconds`].
pub fn seconds_until(then: DateTime<Utc>, now: DateTime<Utc>) -> u64 {
    whole_seconds((then - now).to_std().unwrap_or_default())
}

/// The answer to "when again?" in seconds: rounded up, since who comes back too early is refused once more, and at least 1.
pub fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}
