//! A connection taken from the pool, and when it is closed rather than kept.
//!
//! sqlx's pool closes a connection only when it was idle for long; but it goes round all that it has, so that after a rush
//! none ever is. So whoever gives one back looks whether there are more than are to be kept.

use std::io::{self, ErrorKind};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::telemetry::metrics;

/// The pool's connections, of which `kept` stay open when a rush is over.
#[derive(Clone)]
pub(super) struct Leases {
    pool: PgPool,
    kept: u32,
    /// Whoever has a connection or waits for one: the pool counts connections that are still being opened, too, and must
    /// not look too large while it grows.
    asking: Arc<AtomicU32>,
    holding: Arc<AtomicU32>,
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
    pub(super) fn new(pool: PgPool, kept: u32) -> Self {
        Self { pool, kept, asking: Arc::default(), holding: Arc::default() }
    }

    /// A connection within this time.
    pub(super) async fn acquire(&self, timeout: Duration) -> sqlx::Result<Lease> {
        let began = Instant::now();
        let asking = Counted::among(&self.asking);
        match tokio::time::timeout(timeout, self.pool.acquire()).await {
            Ok(Ok(connection)) => {
                metrics::database_pool_waited(began.elapsed());
                let holding = Counted::among(&self.holding);
                Ok(Lease { connection, asking, _holding: holding, pool: self.pool.clone(), kept: self.kept })
            }
            Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => Err(self.why_none()),
            Ok(Err(error)) => Err(error),
        }
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
    asking: Counted,
    _holding: Counted,
    pool: PgPool,
    kept: u32,
}

impl Lease {
    /// It is broken, or nobody knows what state it is in.
    pub(super) fn discard(mut self) {
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
        if self.pool.size().saturating_sub(self.asking.others()) > self.kept {
            self.connection.close_on_drop();
        }
    }
}
