//! From the configuration to a system that runs: which database, with which settings.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::clock::Clock;
use crate::config::{
    self, Config, DatabaseConfig, Environment, ForwardedHeader, HealthDetails, JwtAlgorithm, Pooler, Secret, SslMode,
};
use crate::graphql::SchemaOptions;
use crate::graphql::documents::Trusted;
use crate::graphql::guard::Limits;
use crate::http::{BodyLimits, Certificate, Options, ServerSettings};
use crate::identity::{
    Administrator, Algorithm, HashingSettings, Identity, Lockout, Seeds, Settings, ThrottleSettings,
};
use crate::store::embedded::{self, DataDir, Embedded};
use crate::store::session_ends::Lifetimes;
use crate::store::{Address, Database, PoolSettings, Routes};

/// The folder for what this machine keeps.
pub fn data_dir(config: &Config) -> DataDir {
    config.data_dir.clone().map_or(DataDir::Default, DataDir::Given)
}

/// How to reach the configured external database; None where none is configured.
pub fn external_database(config: &Config) -> anyhow::Result<Option<PgConnectOptions>> {
    let database = &config.database;
    if let Some(url) = &database.url {
        // The parser's own error could quote the URL, and with it the password.
        let options = PgConnectOptions::from_str(url.expose()).map_err(|_| {
            anyhow::anyhow!("DATABASE_URL cannot be read; it looks like postgres://user:password@host:5432/database")
        })?;
        let options = match database.ssl_mode {
            Some(mode) => options.ssl_mode(in_the_drivers_words(mode)),
            None => options,
        };
        return Ok(Some(with_certificates(database, options)?));
    }
    // Of several, any will do: which one it is to be is found out later.
    let hosts = addresses(database.host.as_deref(), database.port);
    hosts.first().map(|address| with_certificates(database, from_parts(database, address))).transpose()
}

/// The database that is reached like this, as it is configured; its primary where there are several servers.
pub async fn database(config: &Config, options: PgConnectOptions) -> anyhow::Result<Database> {
    let settings = &config.database;
    let database = Database::new(options, pool_settings(config), routes(settings));
    database.settle_on_primary().await.context("no primary was found among the servers of the database")?;
    Ok(match &settings.migration_username {
        Some(owner) if config.is_external() => {
            database.owned_by(owner, settings.migration_password.as_ref().map(Secret::expose))
        }
        _ => database,
    })
}

fn routes(settings: &DatabaseConfig) -> Routes {
    let hosts = addresses(settings.host.as_deref(), settings.port);
    let direct = addresses(settings.direct_host.as_deref(), settings.direct_port);
    Routes {
        by_pooler: settings.pooler == Pooler::Transaction,
        servers: if direct.is_empty() { hosts } else { direct },
        replica: addresses(settings.replica_host.as_deref(), settings.replica_port).into_iter().next(),
    }
}

/// What the configuration has checked.
fn addresses(list: Option<&str>, port: u16) -> Vec<Address> {
    let read = list.and_then(|list| config::addresses(list, port)).unwrap_or_default();
    read.into_iter().map(|(host, port)| Address { host, port }).collect()
}

/// The files are also for a database that is given by its URL.
fn with_certificates(settings: &DatabaseConfig, mut options: PgConnectOptions) -> anyhow::Result<PgConnectOptions> {
    let readable = |key: &str, file: &PathBuf| {
        std::fs::File::open(file).with_context(|| format!("database.{key}: {} cannot be read", file.display()))
    };
    if let Some(file) = &settings.ssl_root_certificate {
        readable("ssl_root_certificate", file)?;
        options = options.ssl_root_cert(file);
    }
    if let Some(file) = &settings.ssl_certificate {
        readable("ssl_certificate", file)?;
        options = options.ssl_client_cert(file);
    }
    if let Some(file) = &settings.ssl_key {
        readable("ssl_key", file)?;
        options = options.ssl_client_key(file);
    }
    Ok(options)
}

fn from_parts(database: &DatabaseConfig, address: &Address) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&address.host)
        .port(address.port)
        .database(&database.database)
        .username(&database.username)
        .ssl_mode(in_the_drivers_words(database.ssl_mode.unwrap_or(SslMode::Prefer)));
    match &database.password {
        Some(password) => options.password(password.expose()),
        None => options,
    }
}

fn in_the_drivers_words(mode: SslMode) -> PgSslMode {
    match mode {
        SslMode::Disable => PgSslMode::Disable,
        SslMode::Prefer => PgSslMode::Prefer,
        SslMode::Require => PgSslMode::Require,
        SslMode::VerifyCa => PgSslMode::VerifyCa,
        SslMode::VerifyFull => PgSslMode::VerifyFull,
    }
}

fn pool_settings(config: &Config) -> PoolSettings {
    let database = &config.database;
    PoolSettings {
        size: database.pool_size,
        overflow: database.max_overflow,
        timeout: database.pool_timeout,
        request_timeout: database.request_timeout,
        recycle: database.recycle,
        statement_timeout: database.statement_timeout,
        lock_timeout: database.lock_timeout,
        idle_transaction_timeout: database.idle_transaction_timeout,
    }
}

/// How tokens are signed.
pub fn algorithm(config: &Config) -> Algorithm {
    match config.jwt.algorithm {
        JwtAlgorithm::EdDsa => Algorithm::EdDsa,
        JwtAlgorithm::Es256 => Algorithm::Es256,
        JwtAlgorithm::Rs256 => Algorithm::Rs256,
    }
}

/// The system, going by the database's time.
pub async fn identity(config: &Config, database: Database) -> anyhow::Result<Arc<Identity>> {
    let (auth, jwt) = (&config.auth, &config.jwt);
    let key_file = |named: &Option<PathBuf>, name: &str| match named {
        Some(path) => anyhow::Ok(path.clone()),
        None => Ok(data_dir(config).resolve()?.join("keys").join(name)),
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let settings = Settings {
        access_token_lifetime: auth.access_token_lifetime,
        session_lifetimes: Lifetimes {
            idle: auth.session_lifetime,
            remembered: auth.remember_me_lifetime,
            absolute: auth.session_absolute_lifetime,
        },
        session_retention: auth.session_retention,
        lockout: Lockout {
            threshold: auth.lockout.threshold,
            duration: auth.lockout.duration,
            failures_per_address: config.limits.sign_ins_per_address,
        },
        hashing: HashingSettings {
            memory_kib: auth.hashing.memory_kib,
            iterations: auth.hashing.iterations,
            parallelism: auth.hashing.parallelism,
            workers: auth.hashing.workers.unwrap_or(cores),
            queue_timeout: auth.hashing.queue_timeout,
        },
        throttle: ThrottleSettings {
            requests_per_minute: at_least_one(config.limits.requests_per_minute),
            request_burst: at_least_one(config.limits.request_burst),
            requests_per_api_key: at_least_one(config.limits.requests_per_api_key),
            failed_api_keys_per_minute: at_least_one(config.limits.failed_api_keys_per_minute),
            refreshes_per_minute: at_least_one(config.limits.refreshes_per_minute),
            new_documents_per_minute: at_least_one(config.limits.new_documents_per_minute),
            changes_per_minute: at_least_one(config.limits.changes_per_minute),
            sign_ins_per_user: at_least_one(config.limits.sign_ins_per_user),
        },
        common_passwords_file: auth.common_passwords_file.clone(),
        enforce_password_change: auth.enforce_password_change.unwrap_or(config.is_external()),
        issuer: jwt.issuer.clone(),
        audience: jwt.audience.clone(),
        algorithm: algorithm(config),
        signing_key_file: jwt.signing_key_file.clone(),
        previous_key_files: jwt.previous_key_files.clone(),
        audit_retention: config.audit.retention,
        audit_key_file: key_file(&config.audit.key_file, "audit.key")?,
        previous_audit_key_files: config.audit.previous_key_files.clone(),
        server_key_file: key_file(&auth.server_key_file, "server.key")?,
    };
    let clock = Clock::default();
    database.set_clock(&clock).await?;
    Ok(Identity::new(database, clock, settings)?)
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

/// Does something with the system from the command line: on the external database, or on the embedded one, which is started
/// for it where no server runs.
pub async fn with_identity<T>(
    config: &Config,
    work: impl AsyncFnOnce(Arc<Identity>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    with_database(config, async |database| work(identity(config, database).await?).await).await
}

/// The same with the database alone, which need not have a schema yet.
pub async fn with_database<T>(
    config: &Config,
    work: impl AsyncFnOnce(Database) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let there = match external_database(config)? {
        Some(options) => Some(options),
        None => embedded::running(&data_dir(config)).await?,
    };
    let (options, started) = if let Some(options) = there {
        (options, None)
    } else {
        let started = Embedded::start(&data_dir(config)).await?;
        (started.connect_options(), Some(started))
    };
    let done = match database(config, options).await {
        Ok(database) => {
            let done = work(database.clone()).await;
            database.close().await;
            done
        }
        Err(error) => Err(error),
    };
    // Also where it failed: nothing of ours stays behind.
    if let Some(started) = started {
        started.stop().await;
    }
    done
}

/// Puts in what a new system begins with; whether the demo users are among it.
pub async fn bootstrap(config: &Config, identity: &Identity) -> anyhow::Result<bool> {
    let bootstrap = &config.bootstrap;
    let demo_users = bootstrap.demo_users.unwrap_or(config.environment == Environment::Development);
    let password = bootstrap.administrator.as_ref().map(crate::config::AdministratorConfig::password).transpose()?;
    let administrator = bootstrap.administrator.as_ref().zip(password.as_ref());
    let administrator =
        administrator.map(|(who, password)| Administrator { email: &who.email, password: password.expose() });
    identity.bootstrap(&Seeds { demo_users, administrator }).await.context("the first users could not be made")?;
    Ok(demo_users)
}

pub fn http_options(config: &Config) -> anyhow::Result<Options> {
    let (graphql, limits) = (&config.graphql, &config.limits);
    let trusted = match &graphql.trusted_documents {
        Some(file) => Trusted::read(file, graphql.only_trusted_documents)?,
        None => Trusted::default(),
    };
    Ok(Options {
        trusted_proxies: config.http.trusted_proxies.clone(),
        reads_forwarded: config.http.forwarded_header == ForwardedHeader::Forwarded,
        bodies: BodyLimits {
            bytes: limits.body_bytes,
            stranger_bytes: limits.stranger_body_bytes,
            values: limits.body_values,
            stranger_values: limits.stranger_body_values,
            bytes_at_once: limits.bodies_at_once(),
            timeout: config.http.body_timeout,
        },
        max_requests: config.http.max_requests,
        max_requests_per_address: config.http.max_requests_per_address,
        refresh_cookie: config.http.refresh_cookie,
        public_url: config.http.public_url.clone(),
        cors_origins: config.http.cors_origins.clone(),
        limits: Limits {
            tokens: graphql.max_tokens,
            directives: graphql.max_directives,
            aliases: graphql.max_aliases,
            root_fields: graphql.max_root_fields,
            depth: graphql.max_depth,
            cost: graphql.max_complexity,
        },
        trusted,
        schema: SchemaOptions { introspection: graphql.introspection, federation: graphql.federation },
        explorer: config.graphql.explorer,
        dashboard: config.http.dashboard,
        private_metrics: config.http.metrics_listen.is_some(),
        private_health_details: match config.health.details {
            Some(details) => details == HealthDetails::Private,
            None => config.http.metrics_listen.is_some(),
        },
        show_statements: config.environment == Environment::Development,
    })
}

pub fn server_settings(config: &Config) -> anyhow::Result<ServerSettings> {
    let http = &config.http;
    let certificate = match (&http.tls_certificate, &http.tls_key) {
        (Some(certificate), Some(key)) => Some(Arc::new(Certificate::read(certificate.clone(), key.clone())?)),
        _ => None,
    };
    Ok(ServerSettings {
        header_timeout: http.header_timeout,
        idle_timeout: http.idle_timeout,
        max_connections: http.max_connections,
        max_connections_per_address: http.max_connections_per_address,
        trusted_proxies: http.trusted_proxies.clone(),
        shutdown_timeout: http.shutdown_timeout,
        certificate,
    })
}

/// How long work in the background may take to end.
pub const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(5);
