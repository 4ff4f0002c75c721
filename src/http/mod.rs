//! Floor 4: HTTP. One file a surface; every request passes [`request`] first and then its handler.
//!
//! Handlers make a principal out of headers and hand the rest down. Each request runs in a task of its own, to its end:
//! a client that hangs up leaves nothing half-way.

mod client;
mod explorer;
mod graphql;
mod health;
mod request;
mod rest;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::routing::{any, get, post};
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::set_header::SetResponseHeaderLayer;

pub use server::{ServerSettings, serve};

use crate::graphql::guard::Limits;
use crate::graphql::{self as schema, Schema};
use crate::identity::Identity;

/// What the HTTP surface goes by.
#[derive(Clone, Debug)]
pub struct Options {
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The largest request body, in bytes.
    pub max_body: usize,
    pub limits: Limits,
    pub introspection: bool,
    pub explorer: bool,
    /// `/metrics` is served elsewhere, by [`metrics_router`].
    pub private_metrics: bool,
    /// Tell each answer's number of SQL statements in a header.
    pub show_statements: bool,
}

/// What all handlers share.
pub struct App {
    identity: Arc<Identity>,
    schema: Schema,
    options: Options,
    metrics: Option<PrometheusHandle>,
    ready: AtomicBool,
}

impl App {
    /// `metrics` renders what `/metrics` answers; without it, that path is not there.
    pub fn new(identity: Arc<Identity>, options: Options, metrics: Option<PrometheusHandle>) -> Arc<Self> {
        let schema = schema::schema(options.introspection);
        Arc::new(Self { identity, schema, options, metrics, ready: AtomicBool::new(true) })
    }

    /// From now on `/readyz` says no: no new work is to be sent here.
    pub fn stop_taking_work(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }
}

/// The whole surface.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/graphql", any(graphql::endpoint))
        .route("/auth/login", post(rest::login))
        .route("/auth/refresh", post(rest::refresh))
        .route("/auth/logout", post(rest::logout))
        .route("/auth/me", get(rest::me))
        .route("/healthz", get(health::healthz))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/.well-known/jwks.json", get(health::jwks));
    if app.options.explorer {
        router = router
            .route("/", get(explorer::to_explorer))
            .route("/graphql/explorer.js", get(explorer::script))
            .route("/graphql/explorer.css", get(explorer::style));
    }
    if app.metrics.is_some() && !app.options.private_metrics {
        router = router.route("/metrics", get(health::metrics));
    }
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    router
        .fallback(request::not_found)
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(axum::middleware::from_fn_with_state(app.clone(), request::run_to_the_end))
        .with_state(app)
}

/// `/metrics` alone, for a listener that the outside world does not reach.
pub fn metrics_router(app: Arc<App>) -> Router {
    Router::new().route("/metrics", get(health::metrics)).with_state(app)
}
