//! The connection pool and how it is tuned: what a request waits at most, how long a connection lives.

use std::fmt::Write;
use std::io::ErrorKind;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use tracing::log::LevelFilter;

use super::catalogue::{self, Catalogue};
use super::changes::{Changes, keep_time};
use super::lease::Leases;
use super::replica::Replica;
use super::route::{Routes, Servers, at};
use super::transaction::{Beginning, Scope};
use super::{Result, StatementCount, Transaction, Walls};
use crate::clock::Clock;
use crate::telemetry::metrics;

/// A statement that takes longer is logged as a warning.
const SLOW: Duration = Duration::from_secs(5);

/// How the pool behaves. Sizes count connections.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Connections kept open once made.
    pub size: u32,
    /// Connections beyond `size` that a rush may open; they are closed when it is over.
    pub overflow: u32,
    /// How long background work waits for a connection.
    pub timeout: Duration,
    /// How long a request waits for a connection before it is answered with UNAVAILABLE.
    pub request_timeout: Duration,
    /// A connection older than this is replaced.
    pub recycle: Duration,
    /// The longest a single statement may run.
    pub statement_timeout: Duration,
    /// The longest a single statement waits for a lock.
    pub lock_timeout: Duration,
    /// The longest a transaction may be open and do nothing.
    pub idle_transaction_timeout: Duration,
}

/// What `/healthz` and the metrics tell of the pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolFigures {
    pub size: u32,
    pub checked_in: u32,
    pub checked_out: u32,
    pub overflow: u32,
    /// Connections that may be open at most.
    pub max: u32,
}

/// The way to PostgreSQL. Clones share one pool.
#[derive(Clone)]
pub struct Database {
    leases: Leases,
    settings: PoolSettings,
    /// How whoever owns the tables connects.
    owner: PgConnectOptions,
    /// How the role that serves connects, past a pooler.
    serving: PgConnectOptions,
    servers: Servers,
    /// The pool goes where the primary is.
    moves: bool,
    /// What a transaction sets where its connection has no limits of time from the start.
    limits: Option<Arc<str>>,
    replica: Option<Replica>,
    walls: Walls,
    changes: Arc<Changes>,
    /// With the version at which it was read.
    catalogue: Arc<RwLock<Option<(u64, Arc<Catalogue>)>>>,
}

impl Database {
    /// Makes the pool; connections are opened when they are first needed.
    pub fn new(options: PgConnectOptions, settings: PoolSettings, routes: Routes) -> Self {
        let limits = [
            ("statement_timeout", settings.statement_timeout),
            ("lock_timeout", settings.lock_timeout),
            ("idle_in_transaction_session_timeout", settings.idle_transaction_timeout),
        ]
        .map(|(name, length)| (name, length.as_millis().to_string()));
        // A schema of the role's own, which it would look through first, holds nothing of ours.
        let [one, two, three] = limits;
        let limits = [one, two, three, ("search_path", "public".to_owned())];
        let options = options.log_statements(LevelFilter::Trace).log_slow_statements(LevelFilter::Warn, SLOW);
        let owner = options.clone().application_name("voicehive migrations");
        let serving = options.clone().application_name("voicehive").options(limits.clone());
        let servers = Servers::new(routes.servers);
        // A pooler gives every transaction another connection, which knows nothing of the one before.
        let (pooled, limits) = if routes.by_pooler {
            (options.application_name("voicehive"), Some(limits_statement(&limits).into()))
        } else {
            (servers.at_primary(serving.clone()), None)
        };
        let moves = (!routes.by_pooler && servers.are_several()).then(|| servers.clone());
        let leases = leases(&settings, pooled, moves.clone());
        let replica = routes.replica.map(|address| {
            let primary = serving.clone().application_name("voicehive position");
            Replica::new(self::leases(&settings, at(serving.clone(), &address), None), primary, servers.clone())
        });
        Self {
            leases,
            settings,
            owner,
            serving,
            servers,
            moves: moves.is_some(),
            limits,
            replica,
            walls: Walls::Both,
            changes: Arc::default(),
            catalogue: Arc::default(),
        }
    }

    /// The same database, with its tables owned by another role than the one that serves.
    #[must_use]
    pub fn owned_by(mut self, username: &str, password: Option<&str>) -> Self {
        self.owner = self.owner.username(username);
        if let Some(password) = password {
            self.owner = self.owner.password(password);
        }
        self
    }

    /// The same database with only row-level security to keep tenants apart: for the tests that prove that it does.
    #[must_use]
    pub fn with_row_security_alone(mut self) -> Self {
        self.walls = Walls::RowSecurityAlone;
        self
    }

    /// What has changed, for those who remember what they have read.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Whether what requests were told may be told to others from memory.
    pub fn may_remember(&self) -> bool {
        // Row-level security is asked by statements alone.
        self.walls == Walls::Both
    }

    /// All roles and hotels, where they are sure to be as they are in the tables.
    pub fn catalogue(&self) -> Option<Arc<Catalogue>> {
        if !self.may_remember() {
            return None;
        }
        let kept = self.catalogue.read().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(version, _)| self.changes.holds(*version, &catalogue::TOPICS)).map(|kept| kept.1.clone())
    }

    /// Whether the catalogue need not be read anew.
    pub(super) fn has_catalogue(&self) -> bool {
        let kept = self.catalogue.read().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().is_some_and(|(version, _)| *version == self.changes.version(&catalogue::TOPICS))
    }

    pub(super) fn keep_catalogue(&self, version: u64, catalogue: Catalogue) {
        *self.catalogue.write().unwrap_or_else(PoisonError::into_inner) = Some((version, Arc::new(catalogue)));
    }

    /// How the role that serves connects, past a pooler.
    pub(super) fn serving_options(&self) -> PgConnectOptions {
        self.servers.at_primary(self.serving.clone())
    }

    /// Finds the primary where it is one of several servers; whether it is another one than before.
    ///
    /// # Errors
    /// [`super::Error::Unavailable`] where none is, or none answers.
    pub async fn settle_on_primary(&self) -> Result<bool> {
        if !self.servers.are_several() {
            return Ok(false);
        }
        let moved = self.servers.find_primary(&self.serving).await?;
        if moved && self.moves {
            self.leases.pool().set_connect_options(self.serving_options());
        }
        Ok(moved)
    }

    /// Begins a transaction that only reads, for a request. No pooled connection it may get is trusted blindly: one
    /// that broke since its last use is replaced, so a restart of PostgreSQL costs no request but those it cut off.
    pub async fn read(&self, scope: &Scope, count: &StatementCount) -> Result<Transaction> {
        self.begin(self.settings.request_timeout, scope, count, true).await
    }

    /// Begins a transaction that writes, for a request. Nothing is kept unless it is committed.
    pub async fn write(&self, scope: &Scope, count: &StatementCount) -> Result<Transaction> {
        self.begin(self.settings.request_timeout, scope, count, false).await
    }

    /// Begins a transaction of the system itself for background work, which can wait longer than a request.
    pub async fn background(&self) -> Result<Transaction> {
        self.begin(self.settings.timeout, &Scope::system(), &StatementCount::default(), false).await
    }

    /// Begins a transaction that only reads, on a replica where there is one that has all that was written before.
    pub(super) async fn read_anywhere(&self, scope: &Scope, count: &StatementCount) -> Result<Transaction> {
        if let Some(replica) = &self.replica
            && let Some(lease) = replica.lease().await
        {
            let beginning = Beginning { limits: None, ..self.beginning(scope, count, true) };
            // What goes wrong there goes right here, or is told from here.
            let begun =
                tokio::time::timeout(self.settings.request_timeout, Transaction::begin_on(lease, &beginning)).await;
            if let Ok(Ok(Some(transaction))) = begun {
                return Ok(transaction);
            }
        }
        self.read(scope, count).await
    }

    async fn begin(
        &self,
        timeout: Duration,
        scope: &Scope,
        count: &StatementCount,
        read_only: bool,
    ) -> Result<Transaction> {
        Transaction::begin(&self.leases, timeout, self.beginning(scope, count, read_only)).await
    }

    fn beginning<'a>(&'a self, scope: &'a Scope, count: &'a StatementCount, read_only: bool) -> Beginning<'a> {
        let limits = self.limits.as_ref();
        Beginning { scope, count, read_only, walls: self.walls, changes: &self.changes, limits }
    }

    /// A connection outside the pool, as the owner: for what changes the schema. Its statements take what they need, but
    /// wait for no lock for long: nothing may queue up behind it.
    pub(super) async fn owner_connection(&self) -> Result<PgConnection> {
        let options = [("lock_timeout", "10s"), ("statement_timeout", "0"), ("search_path", "public")];
        self.connect(&self.owner.clone().options(options)).await
    }

    /// The same to another database of the server.
    pub(super) async fn owner_connection_to(&self, database: &str) -> Result<PgConnection> {
        self.connect(&self.owner.clone().database(database)).await
    }

    /// A connection outside the pool, as the role that serves.
    pub(super) async fn serving_connection(&self) -> Result<PgConnection> {
        self.connect(&self.serving_options()).await
    }

    /// Sets the clock by the database's.
    pub async fn set_clock(&self, clock: &Clock) -> Result<()> {
        let mut connection = self.serving_connection().await?;
        let asked_at = Instant::now();
        let time = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "time!""#).fetch_one(&mut connection).await?;
        keep_time(clock, time, asked_at);
        Ok(())
    }

    /// Connects as the role that serves, and asks something.
    pub async fn connect_once(&self) -> Result<()> {
        Ok(self.serving_connection().await?.ping().await?)
    }

    /// A host that answers nothing must not be waited for until the network gives up.
    async fn connect(&self, options: &PgConnectOptions) -> Result<PgConnection> {
        let options = self.servers.at_primary(options.clone());
        let connected = tokio::time::timeout(self.settings.timeout, PgConnection::connect_with(&options)).await;
        Ok(connected.map_err(|_| silent())??)
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        self.owner.get_database().unwrap_or_else(|| self.owner.get_username())
    }

    /// The role that serves.
    pub fn username(&self) -> String {
        self.serving.get_username().to_owned()
    }

    /// Asks the database for a sign of life, within the time a request would wait.
    pub async fn ping(&self) -> Result<()> {
        self.read(&Scope::default(), &StatementCount::default()).await.map(drop)
    }

    pub fn figures(&self) -> PoolFigures {
        let pool = self.leases.pool();
        let open = pool.size();
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX).min(open);
        PoolFigures {
            size: self.settings.size,
            checked_in: idle,
            checked_out: open - idle,
            overflow: open.saturating_sub(self.settings.size),
            max: self.settings.size.saturating_add(self.settings.overflow),
        }
    }

    /// Closes every connection, after those in use have come back.
    pub async fn close(&self) {
        self.leases.pool().close().await;
        if let Some(replica) = &self.replica {
            replica.close().await;
        }
    }
}

/// The pool to this address. Connections to a server that is no longer the primary are not used again.
fn leases(settings: &PoolSettings, options: PgConnectOptions, moves: Option<Servers>) -> Leases {
    let pool = PgPoolOptions::new()
        .max_connections(settings.size.saturating_add(settings.overflow))
        .min_connections(0)
        .acquire_timeout(settings.timeout)
        .acquire_slow_level(LevelFilter::Off)
        .max_lifetime(settings.recycle)
        .idle_timeout(Duration::from_mins(5))
        // BEGIN finds out what a ping would, and is sent anyway.
        .test_before_acquire(false)
        .after_connect(|_: &mut PgConnection, _| {
            metrics::database_connection_opened();
            Box::pin(async { Ok(()) })
        });
    let pool = match moves {
        None => pool,
        Some(servers) => pool.before_acquire(move |_, connection| {
            let is_to_primary = connection.age < servers.settled_for();
            Box::pin(async move { Ok(is_to_primary) })
        }),
    };
    Leases::new(pool.connect_lazy_with(options), settings.size, settings.statement_timeout)
}

/// Goes behind what a transaction begins with. The lengths are numbers of ours.
fn limits_statement(limits: &[(&str, String)]) -> String {
    limits.iter().fold(String::new(), |mut statement, (name, length)| {
        let _ = write!(statement, ", set_config('{name}', '{length}', true)");
        statement
    })
}

pub(super) fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(ErrorKind::TimedOut, "it does not answer"))
}
