//! The real server on a port of its own.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use voicehive_identity::clock::Clock;
use voicehive_identity::graphql::SchemaOptions;
use voicehive_identity::graphql::documents::Trusted;
use voicehive_identity::graphql::guard::Limits;
use voicehive_identity::http::{self, App, BodyLimits, Options, ServerSettings};
use voicehive_identity::identity::{Algorithm, HashingSettings, Identity, Lockout, Settings, ThrottleSettings};
use voicehive_identity::store::session_ends::Lifetimes;
use voicehive_identity::store::{Database, PoolSettings, Routes, changes};
use voicehive_identity::telemetry::metrics;

use super::client::Client;
use super::eventually;
use super::postgres::{TestDatabase, cluster_folder};

pub fn pool_settings() -> PoolSettings {
    PoolSettings {
        size: 5,
        overflow: 5,
        timeout: Duration::from_secs(30),
        request_timeout: Duration::from_secs(3),
        recycle: Duration::from_hours(1),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(10),
        idle_transaction_timeout: Duration::from_mins(1),
    }
}

pub fn server_settings() -> ServerSettings {
    ServerSettings {
        header_timeout: Duration::from_millis(500),
        idle_timeout: Duration::from_mins(1),
        max_connections: 1000,
        max_connections_per_address: 1000,
        trusted_proxies: Vec::new(),
        shutdown_timeout: Duration::from_secs(10),
        certificate: None,
    }
}

/// As the defaults, but for a client address that may fail often: all tests come from one.
pub fn identity_settings(folder: &Path) -> Settings {
    Settings {
        access_token_lifetime: Duration::from_mins(15),
        session_lifetimes: Lifetimes {
            idle: Duration::from_hours(168),
            remembered: Duration::from_hours(720),
            absolute: Duration::from_hours(2160),
        },
        session_retention: Duration::from_hours(2160),
        lockout: Lockout { threshold: 5, duration: Duration::from_mins(15), failures_per_address: 1000 },
        hashing: HashingSettings {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            workers: 2,
            queue_timeout: Duration::from_mins(1),
        },
        throttle: ThrottleSettings {
            requests_per_minute: NonZeroU32::new(1_000_000).expect("some"),
            request_burst: NonZeroU32::new(100_000).expect("some"),
            requests_per_api_key: NonZeroU32::new(1_000_000).expect("some"),
            failed_api_keys_per_minute: NonZeroU32::new(1_000_000).expect("some"),
            refreshes_per_minute: NonZeroU32::new(100_000).expect("some"),
            new_documents_per_minute: NonZeroU32::new(100_000).expect("some"),
            changes_per_minute: NonZeroU32::new(1_000_000).expect("some"),
            sign_ins_per_user: NonZeroU32::new(100_000).expect("some"),
        },
        common_passwords_file: None,
        enforce_password_change: false,
        issuer: "voicehive-identity".to_owned(),
        audience: "voicehive".to_owned(),
        algorithm: Algorithm::EdDsa,
        signing_key_file: Some(folder.join("keys").join("signing.pem")),
        previous_key_files: Vec::new(),
        audit_retention: None,
        audit_key_file: folder.join("keys").join("audit.key"),
        previous_audit_key_files: Vec::new(),
        server_key_file: folder.join("keys").join("server.key"),
    }
}

/// The metrics of this process; there can be one recorder only.
fn metrics_handle() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| metrics::install().expect("metrics")).clone()
}

/// What a test wants otherwise than usual.
pub struct Setup {
    pub settings: Settings,
    pub options: Options,
    pub server: ServerSettings,
    pub pool: PoolSettings,
    /// Another way to the database, such as through a proxy.
    pub connect: Option<PgConnectOptions>,
    /// Tenants are kept apart by row-level security alone.
    pub row_security_alone: bool,
    /// The clock of the server's machine.
    pub clock: Clock,
}

impl Setup {
    pub fn usual() -> Self {
        let limits =
            Limits { tokens: 10_000, directives: 100, aliases: 500, root_fields: 50, depth: 15, cost: 200_000 };
        let options = Options {
            trusted_proxies: Vec::new(),
            reads_forwarded: false,
            bodies: BodyLimits {
                bytes: 1024 * 1024,
                stranger_bytes: 64 * 1024,
                values: 20_000,
                stranger_values: 1000,
                bytes_at_once: 8 * 1024 * 1024,
                timeout: Duration::from_secs(2),
            },
            max_requests: 1024,
            max_requests_per_address: 1024,
            refresh_cookie: false,
            public_url: None,
            cors_origins: Vec::new(),
            limits,
            trusted: Trusted::default(),
            schema: SchemaOptions { introspection: true, federation: false },
            explorer: true,
            dashboard: true,
            private_metrics: false,
            private_health_details: false,
            show_statements: true,
        };
        Self {
            settings: identity_settings(cluster_folder()),
            options,
            server: server_settings(),
            pool: pool_settings(),
            connect: None,
            row_security_alone: false,
            clock: Clock::default(),
        }
    }
}

/// A server and its world.
pub struct TestApp {
    pub address: SocketAddr,
    pub clock: Clock,
    pub database: Arc<TestDatabase>,
    pub identity: Arc<Identity>,
    pub app: Arc<App>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(Setup::usual()).await
    }

    pub async fn start_with(setup: Setup) -> Self {
        Self::start_on(Arc::new(TestDatabase::create().await), setup).await
    }

    pub async fn start_on(database: Arc<TestDatabase>, setup: Setup) -> Self {
        let connect = setup.connect.unwrap_or_else(|| database.options.clone());
        let mut store = Database::new(connect, setup.pool, Routes::default());
        if setup.row_security_alone {
            store = store.with_row_security_alone();
        }
        let identity = Identity::new(store, setup.clock.clone(), setup.settings).expect("identity");
        if let Err(error) = identity.load_keys().await {
            // Servers on a database that is away begin like this too.
            eprintln!("{error}");
        }
        let stop = CancellationToken::new();
        tokio::spawn({
            let (identity, stop) = (identity.clone(), stop.clone());
            async move { changes::follow(identity.database(), identity.clock(), stop).await }
        });
        let app = App::new(identity.clone(), setup.options, Some(metrics_handle())).expect("the schema is valid");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(http::serve(listener, http::router(app.clone()), setup.server, stop.clone()));
        Self { address, clock: setup.clock, database, identity, app, stop, serving }
    }

    /// A client without a token.
    pub fn anonymous(&self) -> Client {
        Client::new(self.address)
    }

    /// A client signed in as one of the demo users, or a user made with the usual password.
    pub async fn signed_in(&self, email: &str) -> Client {
        let password = match email {
            "admin@voicehive-hotels.eu" => "admin123",
            "operator@voicehive-hotels.eu" => "operator123",
            "manager@hotel1.com" => "manager123",
            _ => super::PASSWORD,
        };
        self.anonymous().sign_in(email, password).await
    }

    /// Waits until principals, roles and hotels are answered for from memory.
    pub async fn hears_changes(&self) {
        let database = self.identity.database();
        eventually("changes are heard", async || database.catalogue().is_some()).await;
    }

    pub async fn admin(&self) -> Client {
        self.signed_in("admin@voicehive-hotels.eu").await
    }

    /// Stops the server; returns when it has.
    pub async fn stop(self) {
        self.stop.cancel();
        self.serving.await.expect("the server ends well");
    }
}
