//! Time and ids. Everything that asks for either gets a [`Clock`], so that a test can move time instead of waiting.
//!
//! Servers whose machines do not agree on the time would not take each other's tokens: what is not to be used before one
//! machine's now is in another's future. So the time is the database's, which they all ask, carried on by a timer that runs
//! evenly whatever becomes of the machine's own clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// How far a clock may be from the database's before it is set: no time that is kept for anybody is as exact.
const TOLERATED: TimeDelta = TimeDelta::milliseconds(50);

/// The current time, and new ids made from it. Clones share one time.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    began: Instant,
    /// The time it was then.
    began_at: DateTime<Utc>,
    /// By how much that was wrong.
    behind_micros: AtomicI64,
    /// What a test has added.
    ahead_micros: AtomicI64,
    /// Keeps ids of one millisecond in the order they were made.
    counter: Mutex<ContextV7>,
}

impl Default for Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn default() -> Self {
        Self::starting_at(Utc::now())
    }
}

impl Clock {
    /// A clock that shows this time now.
    pub fn starting_at(time: DateTime<Utc>) -> Self {
        Self(Arc::new(Inner {
            began: Instant::now(),
            began_at: time,
            behind_micros: AtomicI64::default(),
            ahead_micros: AtomicI64::default(),
            counter: Mutex::default(),
        }))
    }

    /// Now, in the microseconds that PostgreSQL keeps: a time that was stored and read back equals itself.
    pub fn now(&self) -> DateTime<Utc> {
        let ahead = TimeDelta::microseconds(self.0.ahead_micros.load(Ordering::Relaxed));
        (self.at(Instant::now()) + ahead).trunc_subsecs(6)
    }

    /// The time at a moment, as far as it is known and without what a test has added.
    fn at(&self, moment: Instant) -> DateTime<Utc> {
        let behind = TimeDelta::microseconds(self.0.behind_micros.load(Ordering::Relaxed));
        after(self.0.began_at, moment.saturating_duration_since(self.0.began)) + behind
    }

    /// Goes by the database's time, read between two moments. By how much this clock was behind, where it had to be set.
    pub fn agree_with(&self, database: DateTime<Utc>, asked_at: Instant, answered_at: Instant) -> Option<TimeDelta> {
        let taken = answered_at.saturating_duration_since(asked_at);
        let behind = database - self.at(asked_at + taken / 2);
        // Where between the two it was read is not known.
        if behind.abs() <= TOLERATED + TimeDelta::from_std(taken).unwrap_or(TimeDelta::MAX) {
            return None;
        }
        self.0.behind_micros.fetch_add(behind.num_microseconds().unwrap_or(0), Ordering::Relaxed);
        Some(behind)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_by_the_databases_time_as_far_as_that_is_known() {
        let began_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        // how far the database is ahead, how long its answer took, both in milliseconds -> by how much the clock is set
        let table = [
            (0, 0, None),
            (50, 0, None),
            (-50, 0, None),
            (51, 0, Some(51)),
            (-51, 0, Some(-51)),
            (120_000, 10, Some(120_000)),
            (-120_000, 10, Some(-120_000)),
            (400, 400, None),
            (451, 400, Some(451)),
        ];
        for (ahead, taken, expected) in table {
            let clock = Clock::starting_at(began_at);
            clock.advance(Duration::from_hours(1));
            let asked_at = clock.0.began + Duration::from_mins(1);
            let taken = Duration::from_millis(taken);
            let database = after(began_at, Duration::from_mins(1) + taken / 2) + TimeDelta::milliseconds(ahead);
            let set = clock.agree_with(database, asked_at, asked_at + taken);
            assert_eq!(set, expected.map(TimeDelta::milliseconds), "{ahead} ms ahead, told in {taken:?}");
            let now_agrees = clock.agree_with(database, asked_at, asked_at + taken);
            assert_eq!(now_agrees, None, "{ahead} ms ahead, told in {taken:?}");
            assert!(clock.now() >= began_at + TimeDelta::hours(1) + set.unwrap_or_default(), "what a test adds stays");
        }
    }
}
