//! Reads that a replica answers, as fresh as if the primary had.
//!
//! A replica is behind, by milliseconds or by minutes. So the primary is asked first how far it has written, which costs it
//! next to nothing, and only a replica that has replayed all of that is read from: whoever has just been told that
//! something was written finds it, whichever server they ask next. Requests that come while the question is under way share
//! the next one. This is how Raft's leaders serve reads from followers (the read index, in section 6.4 of Ongaro's thesis).
//!
//! How far that is has two measures, and either will do. The position in the write-ahead log fails where the primary's log
//! writer has written whole pages and stopped in the middle of a record: nothing can be replayed up to there until somebody
//! commits, which may take seconds. The ids of transactions fail while one is open that began before the question.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::Mutex;

use super::lease::{Lease, Leases};
use super::{Result, Servers};
use crate::telemetry::metrics;

/// How long a replica that was out of reach is left alone.
const LEAVE_ALONE: Duration = Duration::from_secs(1);
/// How long a connection to it is waited for: the primary is there, too.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long it is waited for to catch up, and how often it is asked. On a healthy network it takes a millisecond or two.
const CATCH_UP: Duration = Duration::from_millis(20);
const ASK_AGAIN: Duration = Duration::from_millis(2);

/// One replica, or whatever stands at its address. Clones share it.
#[derive(Clone)]
pub(super) struct Replica {
    leases: Leases,
    frontier: Arc<Frontier>,
    began: Instant,
    /// In milliseconds since `began`.
    alone_until: Arc<AtomicU64>,
}

impl Replica {
    pub fn new(leases: Leases, primary: PgConnectOptions, servers: Servers) -> Self {
        let frontier = Frontier { primary, servers, begun: AtomicU64::default(), last: Mutex::default() };
        Self { leases, frontier: Arc::new(frontier), began: Instant::now(), alone_until: Arc::default() }
    }

    pub async fn close(&self) {
        self.leases.pool().close().await;
    }

    /// A connection to it, where it has all that had been written when this was called. None: ask the primary.
    pub async fn lease(&self) -> Option<Lease> {
        if self.now() < self.alone_until.load(Ordering::Relaxed) {
            return None;
        }
        let lease = self.caught_up().await;
        metrics::replica_asked(match &lease {
            Ok(Some(_)) => "served",
            Ok(None) => "behind",
            Err(_) => "unavailable",
        });
        lease.unwrap_or_else(|error| {
            let until = self.now().saturating_add(u64::try_from(LEAVE_ALONE.as_millis()).unwrap_or(u64::MAX));
            // Told once: those who wait with it are told nothing new.
            if self.alone_until.fetch_max(until, Ordering::Relaxed) <= self.now() {
                tracing::warn!(%error, "replica_unavailable");
            }
            None
        })
    }

    async fn caught_up(&self) -> Result<Option<Lease>> {
        let Some(written) = tokio::time::timeout(PATIENCE, self.frontier.written()).await.ok().transpose()? else {
            // It is the primary that does not answer, which the read itself will find out.
            return Ok(None);
        };
        let mut lease = self.leases.acquire(PATIENCE).await?;
        let until = Instant::now() + CATCH_UP;
        // It was promoted where it is not in recovery: then whoever is to be primary must be found out first.
        let Written { position, next_id } = written;
        let ask = format!(
            "SELECT pg_is_in_recovery() AND (pg_last_wal_replay_lsn() >= '{position}'::pg_lsn
                 OR pg_snapshot_xmin(pg_current_snapshot()) >= '{next_id}'::xid8)"
        );
        loop {
            let query = sqlx::query_scalar::<_, bool>(AssertSqlSafe(ask.clone())).persistent(false);
            let asked = tokio::time::timeout(PATIENCE, query.fetch_one(&mut *lease)).await;
            match asked {
                Ok(Ok(true)) => return Ok(Some(lease)),
                Ok(Ok(false)) if Instant::now() < until => tokio::time::sleep(ASK_AGAIN).await,
                Ok(Ok(false)) => return Ok(None),
                Ok(Err(error)) => {
                    lease.discard();
                    return Err(error.into());
                }
                Err(_) => {
                    lease.discard();
                    return Err(super::pool::silent().into());
                }
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// How far the primary has written, as it says itself.
struct Frontier {
    primary: PgConnectOptions,
    servers: Servers,
    /// How many questions have been begun.
    begun: AtomicU64,
    last: Mutex<Answer>,
}

/// How far, as PostgreSQL writes it.
#[derive(Clone, Default)]
struct Written {
    /// In the write-ahead log: all that was acknowledged lies before it.
    position: String,
    /// All transactions that were acknowledged have smaller ids.
    next_id: String,
}

#[derive(Default)]
struct Answer {
    /// Which question it answers, counted from one.
    question: u64,
    written: Written,
    connection: Option<PgConnection>,
}

impl Frontier {
    /// The answer to a question that began after this was called.
    async fn written(&self) -> sqlx::Result<Written> {
        let needed = self.begun.load(Ordering::Acquire) + 1;
        let mut last = self.last.lock().await;
        if last.question >= needed {
            return Ok(last.written.clone());
        }
        let question = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        // Taken out, so that a connection on which somebody stopped waiting half-way is not used again.
        let mut connection = match last.connection.take() {
            Some(connection) => connection,
            None => PgConnection::connect_with(&self.servers.at_primary(self.primary.clone())).await?,
        };
        let written = sqlx::query_as!(
            Written,
            r#"SELECT pg_current_wal_flush_lsn()::text AS "position!",
                      pg_snapshot_xmax(pg_current_snapshot())::text AS "next_id!""#
        );
        last.written = written.fetch_one(&mut connection).await?;
        last.question = question;
        last.connection = Some(connection);
        Ok(last.written.clone())
    }
}
