//! A connection taken from the pool, and when it is closed rather than kept.
//!
//! sqlx's pool closes a connection only when it was idle for long; but it goes round all that it has, so that after a rush
//! none ever is. So whoever gives one back looks whether there are more than are to be kept, once a rush has calmed down:
//! closed any sooner, they would have to be opened again at once.

use std::io::{self, ErrorKind};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::telemetry::metrics;

/// How long nobody may have needed more than the connections to keep before the others are closed.
const CALM: Duration = Duration::from_secs(2);

/// How long one of the connections that stay open is waited for before another is opened.
const OVERFLOW_AFTER: Duration = Duration::from_millis(25);

/// How much longer than a statement may run a connection may take to give an answer.
const GRACE: Duration = Duration::from_secs(1);

/// The pool's connections, of which `kept` stay open when a rush is over.
#[derive(Clone)]
pub(super) struct Leases {
    pool: PgPool,
    kept: u32,
    /// One for each connection that stays open, from when it is asked for until it is back in the pool.
    places: Arc<Semaphore>,
    /// How long a connection that is left behind may take to end what it was doing.
    patience: Duration,
    /// Whoever has a connection or waits for one: the pool counts connections that are still being opened, too, and must
    /// not look too large while it grows.
    asking: Arc<AtomicU32>,
    holding: Arc<AtomicU32>,
    began: Instant,
    /// When more were last asked for than are kept, in milliseconds since `began`.
    last_rush: Arc<AtomicU64>,
}

/// One of those that a number counts, until it is dropped.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn among(number: &Arc<AtomicU32>) -> Self {
        number.fetch_add(1, Ordering::Relaxed);
        Self(number.clone())
    }

    fn others(&self) -> u32 {
        self.0.load(Ordering::Relaxed).saturating_sub(1)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Leases {
    /// `longest` is how long PostgreSQL lets a statement run.
    pub(super) fn new(pool: PgPool, kept: u32, longest: Duration) -> Self {
        Self {
            pool,
            kept,
            places: Arc::new(Semaphore::new(kept as usize)),
            patience: longest + GRACE,
            asking: Arc::default(),
            holding: Arc::default(),
            began: Instant::now(),
            last_rush: Arc::default(),
        }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection within this time.
    pub(super) async fn acquire(&self, timeout: Duration) -> sqlx::Result<Lease> {
        let began = Instant::now();
        let asking = Counted::among(&self.asking);
        // Most hold one for a millisecond: to open another takes longer, and costs more than many statements.
        let place = tokio::time::timeout(OVERFLOW_AFTER.min(timeout), self.places.clone().acquire_owned()).await;
        let place = place.ok().and_then(Result::ok);
        if place.is_none() {
            self.last_rush.store(self.now(), Ordering::Relaxed);
        }
        let timeout = timeout.saturating_sub(began.elapsed());
        match tokio::time::timeout(timeout, self.pool.acquire()).await {
            Ok(Ok(connection)) => {
                metrics::database_pool_waited(began.elapsed());
                let holding = Counted::among(&self.holding);
                Ok(Lease { connection, is_discarded: false, asking, _holding: holding, place, leases: self.clone() })
            }
            Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => Err(self.why_none()),
            Ok(Err(error)) => Err(error),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_calm(&self) -> bool {
        u128::from(self.now().saturating_sub(self.last_rush.load(Ordering::Relaxed))) >= CALM.as_millis()
    }

    /// Why nobody got a connection in time. The pool itself goes on trying where none can be opened, until it looks as if
    /// all were in use.
    fn why_none(&self) -> sqlx::Error {
        if self.holding.load(Ordering::Relaxed) < self.pool.options().get_max_connections() {
            return sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, "no connection could be opened in time"));
        }
        metrics::database_pool_timed_out();
        sqlx::Error::PoolTimedOut
    }
}

/// One connection, until it is dropped.
pub(super) struct Lease {
    connection: PoolConnection<Postgres>,
    is_discarded: bool,
    asking: Counted,
    _holding: Counted,
    /// Among those that stay open; None for one beyond.
    place: Option<OwnedSemaphorePermit>,
    leases: Leases,
}

impl Lease {
    /// How long an answer is waited for by those who have nothing else to do.
    pub(super) fn patience(&self) -> Duration {
        self.leases.patience
    }

    /// It is broken, or nobody knows what state it is in.
    pub(super) fn discard(mut self) {
        self.is_discarded = true;
        self.connection.close_on_drop();
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Idle ones, and those on their way back to the pool.
        let spare = self.leases.pool.size().saturating_sub(self.asking.others());
        if spare > self.leases.kept && self.leases.is_calm() {
            self.connection.close_on_drop();
        } else if !self.is_discarded
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            // The pool asks whether it lives, and would wait for ever. Its place is free when it is back.
            let (place, patience) = (self.place.take(), self.leases.patience);
            let back = self.connection.return_to_pool();
            runtime.spawn(async move {
                let _ = tokio::time::timeout(patience, back).await;
                drop(place);
            });
        }
    }
}
