//! What has changed meanwhile, so that nothing held in memory is believed for longer than it may be.
//!
//! Triggers tell every change of who may do what to all servers (`migrations/0008_wider_role_and_notifications.sql`), whoever made it: another
//! server, the command line or a person with psql. [`follow`] hears them on a connection of its own, on which it also asks
//! for a sign of life at short intervals: as long as the answers come, nothing has changed unheard for longer than
//! [`TRUSTED_FOR`]. When they do not come, nothing that is remembered holds any more, until they come again.
//!
//! Nothing is looked for and thrown away. Each topic has a number that every change of it raises; who remembers something
//! keeps the sum of its topics' numbers from *before* it was read, and believes it while the sum is still the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Database, Result, catalogue};
use crate::clock::Clock;
use crate::telemetry::metrics;

const CHANNEL: &str = "voicehive_changes";
/// How often a sign of life is asked for.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// How long the answer holds, from when it was asked for. A change must take effect within a second.
const TRUSTED_FOR: Duration = Duration::from_millis(800);
/// How long after the connection was lost it is made anew; the database may be away for long.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long the catalogue may take to be read.
const READING_TIMEOUT: Duration = Duration::from_secs(10);

/// A clock that was less wrong than this is set without a word.
const TOLD_FROM: TimeDelta = TimeDelta::seconds(1);

/// Users, sessions and API keys share this many numbers: where two meet, one is read once more than it had to be.
const SLOTS: usize = 4096;

/// What something in memory depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A user, with roles and hotels assigned. Not: sign-ins, failed ones and the locks that follow.
    User(Uuid),
    /// That a session goes on.
    Session(Uuid),
    /// Any role.
    Roles,
    /// Any hotel.
    Hotels,
    /// Any API key.
    ApiKeys,
    /// Any of these.
    Everything,
}

/// The numbers of all topics, and until when they can be trusted. One for all requests of a server.
pub struct Changes {
    began: Instant,
    /// In milliseconds since `began`.
    trusted_until: AtomicU64,
    everything: AtomicU64,
    roles: AtomicU64,
    hotels: AtomicU64,
    api_keys: AtomicU64,
    slots: Box<[AtomicU64]>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            trusted_until: AtomicU64::default(),
            everything: AtomicU64::default(),
            roles: AtomicU64::default(),
            hotels: AtomicU64::default(),
            api_keys: AtomicU64::default(),
            slots: (0..SLOTS).map(|_| AtomicU64::default()).collect(),
        }
    }
}

impl Changes {
    fn number(&self, topic: Topic) -> &AtomicU64 {
        let slot = |id: Uuid| {
            let [.., high, low] = id.into_bytes();
            // By the remainder it is always one of them.
            self.slots.get(usize::from(u16::from_be_bytes([high, low])) % SLOTS).unwrap_or(&self.everything)
        };
        match topic {
            Topic::User(id) | Topic::Session(id) => slot(id),
            Topic::Roles => &self.roles,
            Topic::Hotels => &self.hotels,
            Topic::ApiKeys => &self.api_keys,
            Topic::Everything => &self.everything,
        }
    }

    /// The version of what depends on these. To be asked for before it is read: then no change during that goes unnoticed.
    pub fn version(&self, topics: &[Topic]) -> u64 {
        let of = |topic| self.number(topic).load(Ordering::Acquire);
        topics.iter().map(|topic| of(*topic)).fold(of(Topic::Everything), u64::wrapping_add)
    }

    /// Whether what depends on these, and was read at this version, still is as it was.
    pub fn holds(&self, version: u64, topics: &[Topic]) -> bool {
        self.is_trusted() && self.version(topics) == version
    }

    /// Whether changes are being heard.
    pub fn is_trusted(&self) -> bool {
        self.now() < self.trusted_until.load(Ordering::Acquire)
    }

    pub(super) fn note(&self, topic: Topic) {
        self.number(topic).fetch_add(1, Ordering::AcqRel);
    }

    fn now(&self) -> u64 {
        self.milliseconds(Instant::now())
    }

    fn milliseconds(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    fn trust_from(&self, asked_at: Instant) {
        self.trusted_until.store(self.milliseconds(asked_at + TRUSTED_FOR), Ordering::Release);
    }

    /// Nothing that was remembered so far holds any more.
    pub fn forget_everything(&self) {
        self.note(Topic::Everything);
    }

    fn distrust(&self) {
        self.trusted_until.store(0, Ordering::Release);
        self.forget_everything();
    }
}

/// What a notification tells. What is not understood may come from a newer release, and can be anything.
fn topics(payload: &str) -> Vec<Topic> {
    let ids = |ids: &str, topic: fn(Uuid) -> Topic| ids.split(',').map(|id| id.parse().map(topic)).collect();
    let told = match payload.split_once(' ') {
        Some(("user", users)) => ids(users, Topic::User),
        Some(("session", sessions)) => ids(sessions, Topic::Session),
        _ => match payload {
            "roles" => Ok(vec![Topic::Roles]),
            "hotels" => Ok(vec![Topic::Hotels]),
            "api_keys" => Ok(vec![Topic::ApiKeys]),
            _ => Ok(vec![Topic::Everything]),
        },
    };
    told.unwrap_or_else(|_: uuid::Error| vec![Topic::Everything])
}

/// Hears what changes, and keeps the catalogue and the time, until it is stopped.
pub async fn follow(database: &Database, clock: &Clock, stop: CancellationToken) {
    let mut was_lost = false;
    loop {
        let lost = tokio::select! {
            () = stop.cancelled() => break,
            Err(error) = listen(database, clock, &mut was_lost) => error,
        };
        database.changes().distrust();
        metrics::changes_followed(false);
        if !was_lost {
            tracing::warn!(error = %lost, "change_notifications_lost");
        }
        was_lost = true;
        tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(TRY_AGAIN_AFTER) => {} }
    }
    database.changes().distrust();
}

/// Until the connection is lost.
async fn listen(database: &Database, clock: &Clock, was_lost: &mut bool) -> Result<std::convert::Infallible> {
    let changes = database.changes();
    if database.settle_on_primary().await? {
        tracing::warn!("database_primary_changed");
    }
    // Of its own: the pool's connections are given back, and what they listened to with them. And not by a pooler.
    let options = database.serving_options().application_name("voicehive changes");
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(READING_TIMEOUT).connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    in_time(READING_TIMEOUT, listener.listen(CHANNEL)).await?;
    // What happened before is not told.
    changes.note(Topic::Everything);
    let mut ask = tokio::time::interval(ASK_EVERY);
    ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            heard = listener.try_recv() => match heard? {
                Some(notification) => hear(changes, notification.payload()),
                None => return Err(lost("the connection was lost").into()),
            },
            _ = ask.tick() => {
                let asked_at = Instant::now();
                // Not only that it lives: a pool between us may have given the listening connection to somebody else.
                let sign = sqlx::query!(
                    r#"SELECT EXISTS (SELECT FROM pg_listening_channels() AS channel WHERE channel = $1) AS "listens!",
                              clock_timestamp() AS "time!""#,
                    CHANNEL
                );
                let sign = in_time(TRUSTED_FOR, sign.fetch_one(&mut listener)).await?;
                keep_time(clock, sign.time, asked_at);
                if !sign.listens {
                    return Err(lost("the connection does not listen any more").into());
                }
                // What came before the answer counts before it.
                while let Some(notification) = listener.next_buffered() {
                    hear(changes, notification.payload());
                }
                changes.trust_from(asked_at);
                if std::mem::take(was_lost) {
                    tracing::info!("change_notifications_followed");
                }
                metrics::changes_followed(true);
            }
        }
        while let Some(notification) = listener.next_buffered() {
            hear(changes, notification.payload());
        }
        if !database.has_catalogue() {
            let version = changes.version(&catalogue::TOPICS);
            let read = in_time(READING_TIMEOUT, catalogue::read(&mut listener)).await?;
            database.keep_catalogue(version, read);
        }
    }
}

/// Sets the clock by the answer to a question that was asked then.
pub(super) fn keep_time(clock: &Clock, database: DateTime<Utc>, asked_at: Instant) {
    if let Some(behind) = clock.agree_with(database, asked_at, Instant::now()) {
        let behind_ms = behind.num_milliseconds();
        if behind.abs() > TOLD_FROM {
            tracing::warn!(behind_ms, "clock_set_by_database");
        } else {
            tracing::debug!(behind_ms, "clock_set_by_database");
        }
    }
}

fn lost(why: &'static str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::other(why))
}

fn hear(changes: &Changes, payload: &str) {
    for topic in topics(payload) {
        changes.note(topic);
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let silent = || sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer"));
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(silent()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_its_topics_or_means_everything() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let table = [
            ("user 00000000-0000-0000-0000-000000000001".to_owned(), vec![Topic::User(one)]),
            (format!("user {one},{other}"), vec![Topic::User(one), Topic::User(other)]),
            (format!("session {other}"), vec![Topic::Session(other)]),
            ("roles".to_owned(), vec![Topic::Roles]),
            ("hotels".to_owned(), vec![Topic::Hotels]),
            ("api_keys".to_owned(), vec![Topic::ApiKeys]),
            ("everything".to_owned(), vec![Topic::Everything]),
            (String::new(), vec![Topic::Everything]),
            ("user *".to_owned(), vec![Topic::Everything]),
            (format!("user {one},"), vec![Topic::Everything]),
            (format!("badge {one}"), vec![Topic::Everything]),
        ];
        for (payload, expected) in table {
            assert_eq!(topics(&payload), expected, "{payload}");
        }
    }

    #[test]
    fn what_is_remembered_holds_until_something_it_depends_on_changes() {
        let (user, session) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mine = [Topic::User(user), Topic::Session(session), Topic::Roles];
        let table = [
            (Topic::User(user), false),
            (Topic::Session(session), false),
            (Topic::Roles, false),
            (Topic::Everything, false),
            (Topic::Hotels, true),
            (Topic::ApiKeys, true),
            (Topic::User(Uuid::from_u128(3)), true),
        ];
        for (changed, still_holds) in table {
            let changes = Changes::default();
            let version = changes.version(&mine);
            assert!(!changes.holds(version, &mine), "nobody follows");
            changes.trust_from(Instant::now());
            assert!(changes.holds(version, &mine));
            changes.note(changed);
            assert_eq!(changes.holds(version, &mine), still_holds, "{changed:?}");
        }
    }

    #[test]
    fn nothing_holds_when_no_answer_came_for_too_long() {
        let changes = Changes::default();
        let version = changes.version(&[Topic::Roles]);
        let Some(long_ago) = Instant::now().checked_sub(TRUSTED_FOR) else { return };
        changes.trust_from(long_ago);
        assert!(!changes.holds(version, &[Topic::Roles]));
        changes.trust_from(Instant::now());
        assert!(changes.holds(version, &[Topic::Roles]));
        changes.distrust();
        changes.trust_from(Instant::now());
        assert!(!changes.holds(version, &[Topic::Roles]), "what was missed may have been anything");
    }
}
