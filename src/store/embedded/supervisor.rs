//! Watches over a running PostgreSQL: starts it again when it dies, and ends it when told to.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::cluster::Cluster;
use super::folders::Lock;
use super::postmaster::{Postmaster, Startup};
use super::{Error, elapsed_ms};

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A PostgreSQL that ran this long before it died is no longer held to be failing again and again.
const STEADY: Duration = Duration::from_secs(10);

/// Ends when told to, or when whoever could tell it is gone. Keeps the lock until PostgreSQL has ended.
pub(super) async fn supervise(cluster: Cluster, postmaster: Postmaster, lock: Lock, mut stop: oneshot::Receiver<()>) {
    let mut pause = SHORTEST_PAUSE;
    let mut running = Some(postmaster);
    while let Some(mut postmaster) = running.take() {
        let begun = Instant::now();
        tokio::select! {
            _ = &mut stop => {
                postmaster.stop().await;
                break;
            }
            status = postmaster.until_ended() => tell_of_end(&cluster, &mut postmaster, status).await,
        }
        if begun.elapsed() > STEADY {
            pause = SHORTEST_PAUSE;
        }
        running = restart(&cluster, &mut pause, &mut stop).await;
    }
    info!(data_dir = %cluster.folders.root.display(), expected = true, "embedded_database_stopped");
    drop(lock);
}

/// Tries until it runs; none when told to stop meanwhile.
async fn restart(cluster: &Cluster, pause: &mut Duration, stop: &mut oneshot::Receiver<()>) -> Option<Postmaster> {
    let begun = Instant::now();
    loop {
        tokio::select! {
            _ = &mut *stop => return None,
            () = sleep(*pause) => {}
        }
        *pause = LONGEST_PAUSE.min(*pause * 2);
        match try_once(cluster, stop).await {
            Ok(Some(postmaster)) => {
                info!(
                    data_dir = %cluster.folders.root.display(),
                    version = %cluster.binaries.version,
                    pid = postmaster.pid(),
                    elapsed_ms = elapsed_ms(begun),
                    "embedded_database_started"
                );
                return Some(postmaster);
            }
            Ok(None) => return None,
            Err(error) => warn!(%error, "embedded_database_start_failed"),
        }
    }
}

/// None when told to stop meanwhile.
async fn try_once(cluster: &Cluster, stop: &mut oneshot::Receiver<()>) -> Result<Option<Postmaster>, Error> {
    let pid_file = cluster.pid_file();
    tokio::select! {
        _ = &mut *stop => return Ok(None),
        cleared = cluster.clear_the_way() => cleared?,
    }
    let mut postmaster = cluster.spawn()?;
    tokio::select! {
        _ = &mut *stop => {
            postmaster.stop().await;
            Ok(None)
        }
        // However long its recovery takes: ending it half-way would only make the next one begin anew.
        startup = postmaster.until_ready(&pid_file, Duration::MAX) => match startup {
            Startup::Ready | Startup::TimedOut => Ok(Some(postmaster)),
            Startup::Ended(complaint) => Err(Error::Start { path: cluster.folders.cluster(), complaint }),
        },
    }
}

/// Also lets its last processes go, which would be in the way of the next one.
async fn tell_of_end(cluster: &Cluster, postmaster: &mut Postmaster, status: io::Result<ExitStatus>) {
    let last_words = postmaster.last_words().await;
    error!(
        data_dir = %cluster.folders.root.display(),
        pid = postmaster.pid(),
        status = status.map_or_else(|error| error.to_string(), |status| status.to_string()),
        last_words,
        expected = false,
        "embedded_database_stopped"
    );
}
