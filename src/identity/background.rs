//! Work that nobody waits for: writing down when sessions were last used, sweeping what is over, and sealing and keeping the
//! audit trail.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Identity;
use crate::store::{self, sessions, sign_in_failures};
use crate::telemetry::metrics;

const TOUCH_EVERY: Duration = Duration::from_secs(15);
const SWEEP_EVERY: Duration = Duration::from_mins(1);
const LOOK_FOR_KEYS_EVERY: Duration = Duration::from_secs(15);
const SEAL_EVERY: Duration = Duration::from_secs(2);
const KEEP_PARTITIONS_EVERY: Duration = Duration::from_hours(1);

impl Identity {
    /// Runs until it is cancelled, and then writes down what is left to write.
    pub async fn work_in_background(&self, stop: CancellationToken) {
        let mut touch = tokio::time::interval(TOUCH_EVERY);
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        let mut seal = tokio::time::interval(SEAL_EVERY);
        let mut look_for_keys = tokio::time::interval(LOOK_FOR_KEYS_EVERY);
        let mut keep_partitions = tokio::time::interval(KEEP_PARTITIONS_EVERY);
        loop {
            let done = tokio::select! {
                () = stop.cancelled() => break,
                _ = touch.tick() => self.write_used_sessions().await,
                _ = sweep.tick() => self.sweep().await.map(drop),
                _ = seal.tick() => self.seal_audit_events().await.map(drop),
                _ = look_for_keys.tick() => {
                    if let Err(error) = self.load_keys().await {
                        tracing::warn!(%error, "signing_keys_not_read");
                    }
                    Ok(())
                }
                _ = keep_partitions.tick() => self.keep_audit_partitions().await,
            };
            if let Err(error) = done {
                tracing::warn!(%error, "background_work_failed");
            }
        }
        if let Err(error) = self.write_used_sessions().await {
            tracing::warn!(%error, "background_work_failed");
        }
    }

    /// Ends what has expired, deletes what was kept long enough, and counts what is left; how many sessions
    /// expired, and how many were deleted.
    pub async fn sweep(&self) -> store::Result<(u64, u64)> {
        let now = self.clock.now();
        let mut transaction = self.database.background().await?;
        let (expired, deleted) = sessions::sweep(&mut transaction, now, now - self.settings.session_retention).await?;
        sign_in_failures::sweep(&mut transaction, now - self.settings.lockout.duration).await?;
        let active = sessions::count_active(&mut transaction, now).await?;
        transaction.commit().await?;
        metrics::sessions_active(active);
        if expired + deleted > 0 {
            tracing::info!(expired, deleted, active, "user_sessions_swept");
        }
        Ok((expired, deleted))
    }
}
