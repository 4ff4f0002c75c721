//! Work that nobody waits for: writing down when sessions and API keys were last used, sweeping what is over, erasing who is
//! gone, and sealing and keeping the audit trail. Each job goes by its own time: none waits for another.

use std::fmt::Display;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Identity;
use super::idempotency::REMEMBERED;
use crate::store::{self, audit, idempotency as idempotency_keys, session_batches, sessions, sign_in_failures};
use crate::telemetry::metrics;

const TOUCH_EVERY: Duration = Duration::from_secs(15);
const SWEEP_EVERY: Duration = Duration::from_mins(1);
const LOOK_FOR_KEYS_EVERY: Duration = Duration::from_secs(15);
const TELL_REPEATS_EVERY: Duration = Duration::from_secs(5);
const SEAL_EVERY: Duration = Duration::from_secs(2);
const ERASE_EVERY: Duration = Duration::from_secs(2);
const KEEP_PARTITIONS_EVERY: Duration = Duration::from_hours(1);

/// Rows of one transaction of a sweep: however many are over, nobody waits for long, and what is done stays done.
const BATCH: i64 = 1_000;

/// How many sessions a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Expired, and marked so.
    pub expired: u64,
    /// Kept long enough, and deleted.
    pub deleted: u64,
}

impl Identity {
    /// Runs until it is cancelled, and then writes down what is left to write.
    pub async fn work_in_background(&self, stop: CancellationToken) {
        let short = async {
            tokio::join!(
                repeat("write_last_uses", TOUCH_EVERY, &stop, || self.write_last_uses()),
                repeat("load_signing_keys", LOOK_FOR_KEYS_EVERY, &stop, || self.load_keys()),
                repeat("tell_repeats", TELL_REPEATS_EVERY, &stop, || self.tell_repeats()),
                repeat("seal_audit_events", SEAL_EVERY, &stop, || self.seal_audit_events()),
                repeat("keep_audit_partitions", KEEP_PARTITIONS_EVERY, &stop, || self.keep_audit_partitions()),
                repeat("count_sessions", SWEEP_EVERY, &stop, || self.count_what_is_left()),
            );
        };
        // These may take long, and are cut off: what they have not committed is done another time.
        let long = async {
            tokio::join!(
                until_done("shorten_sessions", SWEEP_EVERY, || self.shorten_sessions()),
                repeat("sweep", SWEEP_EVERY, &stop, || self.sweep_sessions(|_| ())),
                repeat("sweep_idempotency_keys", SWEEP_EVERY, &stop, || self.sweep_idempotency_keys()),
                repeat("sweep_sign_in_failures", SWEEP_EVERY, &stop, || self.sweep_sign_in_failures()),
                repeat("end_sessions", ERASE_EVERY, &stop, || self.end_revoked_sessions()),
                repeat("erase_traces", ERASE_EVERY, &stop, || self.erase_traces()),
            );
        };
        tokio::join!(short, async {
            tokio::select! { () = stop.cancelled() => {}, () = long => {} }
        });
        run("write_last_uses", self.write_last_uses()).await;
    }

    /// Does at once what the sweeping jobs do in their time.
    pub async fn sweep(&self) -> store::Result<Swept> {
        let swept = self.sweep_sessions(|_| ()).await?;
        self.sweep_idempotency_keys().await?;
        self.sweep_sign_in_failures().await?;
        self.count_what_is_left().await?;
        Ok(swept)
    }

    /// Ends what has expired, and deletes what was kept long enough. `progress` hears how far it is.
    pub async fn sweep_sessions(&self, mut progress: impl FnMut(Swept)) -> store::Result<Swept> {
        self.throttle.sweep();
        let now = self.clock.now();
        let keep_since = now - self.settings.session_retention;
        let mut swept = Swept::default();
        loop {
            let mut transaction = self.database.background().await?;
            let expired = session_batches::expire(&mut transaction, now, BATCH).await?;
            transaction.commit().await?;
            swept.expired += expired;
            progress(swept);
            if is_last(expired) {
                break;
            }
        }
        loop {
            let mut transaction = self.database.background().await?;
            let deleted = session_batches::delete(&mut transaction, keep_since, BATCH).await?;
            transaction.commit().await?;
            swept.deleted += deleted;
            progress(swept);
            if is_last(deleted) {
                break;
            }
        }
        if swept != Swept::default() {
            tracing::info!(expired = swept.expired, deleted = swept.deleted, "user_sessions_swept");
        }
        Ok(swept)
    }

    async fn sweep_idempotency_keys(&self) -> store::Result<()> {
        let before = self.clock.now() - REMEMBERED;
        loop {
            let mut transaction = self.database.background().await?;
            let deleted = idempotency_keys::sweep(&mut transaction, before, BATCH).await?;
            transaction.commit().await?;
            if is_last(deleted) {
                return Ok(());
            }
        }
    }

    async fn sweep_sign_in_failures(&self) -> store::Result<()> {
        let before = self.clock.now() - self.settings.lockout.duration;
        loop {
            let mut transaction = self.database.background().await?;
            let deleted = sign_in_failures::sweep(&mut transaction, before, BATCH).await?;
            transaction.commit().await?;
            if is_last(deleted) {
                return Ok(());
            }
        }
    }

    /// For the metrics.
    async fn count_what_is_left(&self) -> store::Result<()> {
        let mut transaction = self.database.background().await?;
        let active = sessions::count_active(&mut transaction, self.clock.now()).await?;
        let unsealed = audit::chain::backlog(&mut transaction).await?;
        metrics::swept(active, unsealed);
        Ok(())
    }
}

/// Whether a batch found less than it would have taken.
fn is_last(found: u64) -> bool {
    i64::try_from(found).is_ok_and(|found| found < BATCH)
}

/// Does a job again and again until it is told to stop; one that has begun ends.
async fn repeat<T, E: Display, F: Future<Output = Result<T, E>>>(
    job: &'static str,
    every: Duration,
    stop: &CancellationToken,
    work: impl Fn() -> F,
) {
    metrics::background_job_known(job);
    let mut due = tokio::time::interval(every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = due.tick() => { run(job, Box::pin(work())).await; }
        }
    }
}

/// Does a job that is to be done once, and again and again only until it is.
async fn until_done<T, E: Display, F: Future<Output = Result<T, E>>>(
    job: &'static str,
    every: Duration,
    work: impl Fn() -> F,
) {
    metrics::background_job_known(job);
    while !run(job, Box::pin(work())).await {
        tokio::time::sleep(every).await;
    }
}

/// Does a job, and tells how it went, and whether it was done: the next time it is due it is tried again.
async fn run<T, E: Display>(job: &'static str, work: impl Future<Output = Result<T, E>>) -> bool {
    let began = Instant::now();
    let done = work.await;
    metrics::background_job(job, done.is_ok(), began.elapsed());
    if let Err(error) = &done {
        tracing::warn!(job, %error, "background_work_failed");
    }
    done.is_ok()
}
