//! `voicehive serve`: brings up the database where it is ours, migrates it, and serves until told to stop.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::system;
use crate::config::{Config, Environment};
use crate::http::{self, App};
use crate::store::embedded::Embedded;
use crate::store::migrations::{self, Wanted};
use crate::store::serving_role::{self, Tolerated};
use crate::store::{Database, changes, text_keys};
use crate::telemetry::metrics;

/// How long statements under way may take to end when everything else has: what is cut off is rolled back.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(2);

pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    // The port first: a second server must not touch the first one's database before it finds the port taken.
    let listener = listen(&config.listen).await?;
    let metrics_listener = match &config.http.metrics_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let stop = stop_on_signal()?;
    let metrics = metrics::install()?;
    let (options, embedded) = if let Some(options) = system::external_database(&config)? {
        (options, None)
    } else {
        let embedded = Embedded::start(&system::data_dir(&config)).await?;
        (embedded.connect_options(), Some(embedded))
    };
    // Also when the start failed half-way: nothing of ours stays behind.
    let served = match system::database(&config, options).await {
        Ok(database) => {
            let served = serve_on(&config, (listener, metrics_listener), database.clone(), metrics, stop).await;
            if tokio::time::timeout(CLOSING_TIMEOUT, database.close()).await.is_err() {
                tracing::warn!("database_connections_cut_off");
            }
            served
        }
        Err(error) => Err(error),
    };
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    tracing::info!("server_stopped");
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve_on(
    config: &Config,
    (listener, metrics_listener): (TcpListener, Option<TcpListener>),
    database: Database,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let applied = migrations::run(&database, Wanted::default()).await?;
    if applied.now == applied.all {
        tracing::info!(migrations = applied.all, "database_tables_created");
    }
    tracing::info!(migrations_applied = applied.now, "database_initialized");
    let allowed = config.database.allow_superuser;
    let tolerated = Tolerated {
        mighty_roles: allowed || !config.is_external(),
        no_row_security: allowed || config.environment != Environment::Production,
    };
    serving_role::check(&database, tolerated).await?;
    let identity = system::identity(config, database).await?;
    identity.load_keys().await?;
    let demo_users = system::bootstrap(config, &identity).await?;

    let work_stop = CancellationToken::new();
    let following = tokio::spawn({
        let (identity, stop) = (identity.clone(), work_stop.clone());
        async move { changes::follow(identity.database(), identity.clock(), stop).await }
    });
    let work = tokio::spawn({
        let (identity, stop) = (identity.clone(), work_stop.clone());
        async move { identity.work_in_background(stop).await }
    });
    let filling = tokio::spawn({
        let (identity, stop) = (identity.clone(), work_stop.clone());
        async move { text_keys::follow(identity.database(), stop).await }
    });
    let upkeep = tokio::spawn({
        let metrics = metrics.clone();
        async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                metrics.run_upkeep();
            }
        }
    });
    let settings = system::server_settings(config)?;
    let app = App::new(identity, system::http_options(config)?, Some(metrics))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "server_ready");
    announce(address, settings.certificate.is_some(), config, demo_users);
    let close = CancellationToken::new();
    tokio::spawn({
        let (app, close, drain) = (app.clone(), close.clone(), config.http.drain_timeout);
        async move {
            stop.cancelled().await;
            tracing::info!("server_stopping");
            app.stop_taking_work();
            // Whoever sends requests here still does, until it has noticed.
            tokio::time::sleep(drain.unwrap_or_default()).await;
            close.cancel();
        }
    });
    let certificate = settings.certificate.clone();
    if let Some(certificate) = certificate {
        let stop = work_stop.clone();
        tokio::spawn(async move { certificate.follow(stop).await });
    }
    if let Some(listener) = metrics_listener {
        // It ends with the process: whoever scrapes sees the last requests, too.
        let router = http::private_router(app.clone());
        let settings = http::ServerSettings { certificate: None, ..settings.clone() };
        tokio::spawn(http::serve(listener, router, settings, CancellationToken::new()));
    }
    http::serve(listener, http::router(app), settings, close).await;
    work_stop.cancel();
    if tokio::time::timeout(system::BACKGROUND_TIMEOUT, work).await.is_err() {
        tracing::warn!("background_work_cut_off");
    }
    following.abort();
    filling.abort();
    upkeep.abort();
    Ok(())
}

async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => {
                anyhow!("{address} is taken by another program; stop that one, or set VOICEHIVE_LISTEN or http.metrics_listen")
            }
            _ => anyhow!(error),
        })
        .with_context(|| format!("cannot listen on {address}"))
}

/// Cancelled at the first SIGTERM or SIGINT; the second ends the process at once.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        told.cancel();
    });
    Ok(stop)
}

/// For the person who started it; programs read the log on standard error. Nobody need be there to read it.
fn announce(address: SocketAddr, encrypted: bool, config: &Config, demo_users: bool) {
    let scheme = if encrypted { "https" } else { "http" };
    let mut text = format!("VoiceHive Identity serves at {scheme}://{address}\n");
    if config.graphql.explorer {
        let _ = writeln!(text, "  explorer      {scheme}://{address}/graphql (open it in a browser)");
    }
    if config.http.dashboard && http::dashboard_is_built_in() {
        let _ = writeln!(text, "  dashboard     {scheme}://{address}/admin");
    }
    if demo_users {
        text.push_str("  demo sign-in  admin@voicehive-hotels.eu / admin123\n");
    }
    let _ = std::io::stdout().write_all(text.as_bytes());
}
