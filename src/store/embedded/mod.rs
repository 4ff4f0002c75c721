//! A private PostgreSQL of the machine's own binaries, in a folder of ours, for a server that was given no database.
//!
//! It listens on a unix socket in a closed folder only, lives and ends with the server, and outlasts a `kill -9` of
//! either: whoever holds the lock of the data folder owns what runs in it. Knows nothing of our tables.

mod account;
mod binaries;
mod cluster;
mod error;
mod folders;
mod postmaster;
mod server_log;
mod supervisor;

use std::path::Path;
use std::time::Instant;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{info, warn};

pub use error::Error;
pub use folders::DataDir;

use account::Account;
use binaries::Binaries;
use cluster::Cluster;
use folders::{Folders, SOCKET_PORT};

/// A PostgreSQL that runs for us. Dropping it without [`Embedded::stop`] still asks PostgreSQL to end, but nobody waits.
#[derive(Debug)]
pub struct Embedded {
    options: PgConnectOptions,
    stop: oneshot::Sender<()>,
    supervisor: JoinHandle<()>,
}

impl Embedded {
    /// Finds, initialises and starts PostgreSQL in `data_dir`; returns when it takes connections to the database `voicehive`.
    pub async fn start(data_dir: &DataDir) -> Result<Self, Error> {
        let begun = Instant::now();
        let folders = Folders::new(data_dir.resolve()?);
        let account = Account::choose(&folders.cluster())?;
        // Looked for before any folder is made, so that a machine without PostgreSQL is left as it was.
        let binaries = Binaries::find(&account, &folders.cluster()).await?;
        let (folders, lock) = folders.prepare(&account)?;

        let cluster = Cluster { folders, account, binaries };
        if !cluster.is_initialised()? {
            cluster.initialise().await?;
            info!(
                data_dir = %cluster.folders.root.display(),
                version = %cluster.binaries.version,
                elapsed_ms = elapsed_ms(begun),
                "embedded_database_initialized"
            );
        }
        let postmaster = cluster.start().await?;
        let socket_folder = cluster.folders.sockets();
        if let Err(error) = make_role_and_database(&socket_folder).await {
            postmaster.stop().await;
            return Err(Error::Provision(error));
        }

        info!(
            data_dir = %cluster.folders.root.display(),
            version = %cluster.binaries.version,
            pid = postmaster.pid(),
            elapsed_ms = elapsed_ms(begun),
            "embedded_database_started"
        );
        let (stop, stopped) = oneshot::channel();
        let supervisor = tokio::spawn(supervisor::supervise(cluster, postmaster, lock, stopped));
        Ok(Self { options: owner_options(&socket_folder), stop, supervisor })
    }

    /// How to connect as the owner of the database (role `voicehive`, database `voicehive`), over the unix socket.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Shuts PostgreSQL down (open connections are ended, nothing acknowledged is lost) and waits for its end.
    pub async fn stop(self) {
        // Refused only when the supervisor is gone, and then so is PostgreSQL.
        let _ = self.stop.send(());
        if let Err(error) = self.supervisor.await {
            warn!(%error, "embedded_database_supervisor_failed");
        }
    }
}

/// How to connect to the embedded database that another `voicehive` runs in `data_dir`; none if none is running.
///
/// A server that has only just begun to start counts as running: connecting may then fail for a moment.
#[expect(clippy::unused_async, reason = "callers await it like the rest of this module's face")]
pub async fn running(data_dir: &DataDir) -> Result<Option<PgConnectOptions>, Error> {
    let folders = Folders::new(data_dir.resolve()?);
    Ok(folders.existing_and_locked()?.map(|folders| owner_options(&folders.sockets())))
}

fn owner_options(socket_folder: &Path) -> PgConnectOptions {
    options(socket_folder).username("voicehive").database("voicehive")
}

fn options(socket_folder: &Path) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(socket_folder).port(SOCKET_PORT).ssl_mode(PgSslMode::Disable)
}

/// Makes what is missing, at every start: a `kill -9` may have come between the two.
async fn make_role_and_database(socket_folder: &Path) -> Result<(), sqlx::Error> {
    let superuser = options(socket_folder).username("postgres").database("postgres").disable_statement_logging();
    let mut connection = superuser.connect().await?;
    let (role_exists, database_exists): (bool, bool) = sqlx::query_as(
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'voicehive'),
                EXISTS (SELECT FROM pg_database WHERE datname = 'voicehive')",
    )
    .fetch_one(&mut connection)
    .await?;
    if !role_exists {
        sqlx::query("CREATE ROLE voicehive LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS").execute(&mut connection).await?;
    }
    if !database_exists {
        sqlx::query("CREATE DATABASE voicehive OWNER voicehive").execute(&mut connection).await?;
    }
    connection.close().await
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
