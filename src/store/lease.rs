//! A connection taken from the pool, and when it is closed rather than kept.
//!
//! sqlx's pool closes a connection only when it was idle for long; but it goes round all that it has, so that after a rush
//! none ever is. So whoever gives one back looks whether there are more than are to be kept.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::telemetry::metrics;

/// The pool's connections, of which `kept` stay open when a rush is over.
#[derive(Clone)]
pub(super) struct Leases {
    pool: PgPool,
    in_use: Arc<AtomicU32>,
    kept: u32,
}

impl Leases {
    pub(super) fn new(pool: PgPool, kept: u32) -> Self {
        Self { pool, in_use: Arc::default(), kept }
    }

    pub(super) async fn acquire(&self) -> sqlx::Result<Lease> {
        let began = Instant::now();
        let connection = self.pool.acquire().await?;
        metrics::database_pool_waited(began.elapsed());
        self.in_use.fetch_add(1, Ordering::Relaxed);
        Ok(Lease { connection, leases: self.clone() })
    }
}

/// One connection, until it is dropped.
pub(super) struct Lease {
    connection: PoolConnection<Postgres>,
    leases: Leases,
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
        let others = self.leases.in_use.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
        // Idle ones, and those on their way back to the pool.
        if self.leases.pool.size().saturating_sub(others) > self.leases.kept {
            self.connection.close_on_drop();
        }
    }
}
