//! Work that nobody waits for: writing down when sessions and API keys were last used, sweeping what is over, and sealing and keeping the
//! audit trail.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Identity;
use super::idempotency::REMEMBERED;
use crate::store::{self, audit, idempotency as idempotency_keys, sessions, sign_in_failures};
use crate::telemetry::metrics;

const TOUCH_EVERY: Duration = Duration::from_secs(15);
const SWEEP_EVERY: Duration = Duration::from_mins(1);
const LOOK_FOR_KEYS_EVERY: Duration = Duration::from_secs(15);
const TELL_REPEATS_EVERY: Duration = Duration::from_secs(5);
const SEAL_EVERY: Duration = Duration::from_secs(2);
const KEEP_PARTITIONS_EVERY: Duration = Duration::from_hours(1);

const JOBS: [&str; 7] = [
    "shorten_sessions",
    "write_last_uses",
    "sweep",
    "tell_repeats",
    "seal_audit_events",
    "load_signing_keys",
    "keep_audit_partitions",
];

impl Identity {
    /// Runs until it is cancelled, and then writes down what is left to write.
    pub async fn work_in_background(&self, stop: CancellationToken) {
        for job in JOBS {
            metrics::background_job_known(job);
        }
        let mut touch = tokio::time::interval(TOUCH_EVERY);
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        let mut tell_repeats = tokio::time::interval(TELL_REPEATS_EVERY);
        let mut seal = tokio::time::interval(SEAL_EVERY);
        let mut look_for_keys = tokio::time::interval(LOOK_FOR_KEYS_EVERY);
        let mut keep_partitions = tokio::time::interval(KEEP_PARTITIONS_EVERY);
        run("shorten_sessions", self.shorten_sessions()).await;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = touch.tick() => run("write_last_uses", self.write_last_uses()).await,
                _ = sweep.tick() => run("sweep", self.sweep()).await,
                _ = tell_repeats.tick() => run("tell_repeats", self.tell_repeats()).await,
                _ = seal.tick() => run("seal_audit_events", self.seal_audit_events()).await,
                _ = look_for_keys.tick() => run("load_signing_keys", self.load_keys()).await,
                _ = keep_partitions.tick() => run("keep_audit_partitions", self.keep_audit_partitions()).await,
            }
        }
        run("write_last_uses", self.write_last_uses()).await;
    }

    /// Ends what has expired, deletes what was kept long enough, and counts what is left; how many sessions
    /// expired, and how many were deleted.
    pub async fn sweep(&self) -> store::Result<(u64, u64)> {
        self.throttle.sweep();
        let now = self.clock.now();
        let mut transaction = self.database.background().await?;
        let (expired, deleted) = sessions::sweep(&mut transaction, now, now - self.settings.session_retention).await?;
        idempotency_keys::sweep(&mut transaction, now - REMEMBERED).await?;
        sign_in_failures::sweep(&mut transaction, now - self.settings.lockout.duration).await?;
        let active = sessions::count_active(&mut transaction, now).await?;
        let unsealed = audit::chain::backlog(&mut transaction).await?;
        transaction.commit().await?;
        metrics::swept(active, unsealed);
        if expired + deleted > 0 {
            tracing::info!(expired, deleted, active, "user_sessions_swept");
        }
        Ok((expired, deleted))
    }
}

/// Does a job, and tells how it went: the next time it is due it is tried again.
async fn run<T, E: std::fmt::Display>(job: &'static str, work: impl Future<Output = Result<T, E>>) {
    let began = Instant::now();
    let done = work.await;
    metrics::background_job(job, done.is_ok(), began.elapsed());
    if let Err(error) = done {
        tracing::warn!(job, %error, "background_work_failed");
    }
}
