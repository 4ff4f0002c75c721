//! Floor 4: HTTP. One file a surface; every request passes [`request`] first and then its handler.
//!
//! Handlers make a principal out of headers and hand the rest down. Each request runs to its end: a client that hangs up
//! leaves nothing half-way.

mod admission;
mod authzen;
mod body;
mod client;
mod cookie;
mod forwarded;
mod front_ends;
mod graphql;
mod head;
mod headers;
mod health;
mod idempotency;
mod media_type;
mod oauth;
mod request;
mod rest;
mod server;
mod shares;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::routing::{any, delete, get, post};
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use body::AllBodies;
pub use body::BodyLimits;
use client::Believed;
pub use front_ends::dashboard_is_built_in;
pub use server::{Certificate, ServerSettings, serve};
use shares::Shares;

use crate::graphql::documents::{Documents, SchemaError, Trusted};
use crate::graphql::guard::Limits;
use crate::graphql::{self as schema, Schema, SchemaOptions};
use crate::identity::Identity;

/// What the HTTP surface goes by.
#[derive(Clone, Debug)]
pub struct Options {
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What they say stands in `Forwarded` (RFC 7239), and not in `X-Forwarded-For` and `X-Forwarded-Proto`.
    pub reads_forwarded: bool,
    pub bodies: BodyLimits,
    /// Requests answered at a time.
    pub max_requests: usize,
    /// Of them, those of one client.
    pub max_requests_per_address: usize,
    /// Browsers keep refresh tokens in a cookie, and no answer holds one.
    pub refresh_cookie: bool,
    /// Where clients find this server, such as `https://id.example.com`; None: as each request says.
    pub public_url: Option<String>,
    /// Origins of other sites whose pages may use the API.
    pub cors_origins: Vec<String>,
    pub limits: Limits,
    pub trusted: Trusted,
    pub schema: SchemaOptions,
    pub explorer: bool,
    pub dashboard: bool,
    /// `/metrics` is served elsewhere, by [`private_router`].
    pub private_metrics: bool,
    /// So are the version and the pool's figures of `/healthz`.
    pub private_health_details: bool,
    /// Tell each answer's number of SQL statements in a header.
    pub show_statements: bool,
}

impl Options {
    fn believed(&self) -> Believed<'_> {
        Believed { proxies: &self.trusted_proxies, reads_forwarded: self.reads_forwarded }
    }
}

/// What all handlers share.
pub struct App {
    identity: Arc<Identity>,
    schema: Schema,
    documents: Documents,
    options: Options,
    metrics: Option<PrometheusHandle>,
    ready: AtomicBool,
    heartbeat: health::Heartbeat,
    places: Arc<Semaphore>,
    places_by_address: Arc<Shares>,
    bodies: AllBodies,
}

impl App {
    /// `metrics` renders what `/metrics` answers; without it, that path is not there.
    pub fn new(
        identity: Arc<Identity>,
        options: Options,
        metrics: Option<PrometheusHandle>,
    ) -> Result<Arc<Self>, SchemaError> {
        let SchemaOptions { federation, .. } = options.schema;
        let schema = schema::schema(options.schema);
        let documents = Documents::new(&schema::sdl(federation), options.limits, options.trusted.clone())?;
        let places = Arc::new(Semaphore::new(options.max_requests));
        let places_by_address = Shares::new(options.max_requests_per_address, Vec::new());
        let bodies = AllBodies::new(&options.bodies);
        Ok(Arc::new(Self {
            identity,
            schema,
            documents,
            options,
            metrics,
            ready: AtomicBool::new(true),
            heartbeat: health::Heartbeat::default(),
            places,
            places_by_address,
            bodies,
        }))
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
        .route("/auth/api-keys", post(rest::api_keys::create).get(rest::api_keys::list))
        .route("/auth/api-keys/{id}", delete(rest::api_keys::revoke))
        .route("/access/v1/evaluation", post(authzen::evaluation))
        .route("/access/v1/evaluations", post(authzen::evaluations))
        .route("/access/v1/search/subject", post(authzen::search::subject))
        .route("/access/v1/search/resource", post(authzen::search::resource))
        .route("/access/v1/search/action", post(authzen::search::action))
        .route("/.well-known/authzen-configuration", get(authzen::metadata))
        .route("/oauth2/introspect", post(oauth::introspect))
        .route("/oauth2/revoke", post(oauth::revoke))
        .route("/.well-known/oauth-authorization-server", get(oauth::metadata))
        .route("/healthz", get(health::healthz))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/.well-known/jwks.json", get(health::jwks));
    if app.options.explorer {
        router = router.route("/", get(front_ends::to_explorer)).route("/explorer/{*path}", get(front_ends::explorer));
    }
    if app.options.dashboard {
        router = router
            .route("/admin", get(front_ends::to_dashboard))
            .route("/admin/", get(front_ends::dashboard))
            .route("/admin/{*path}", get(front_ends::dashboard));
    }
    if app.metrics.is_some() && !app.options.private_metrics {
        router = router.route("/metrics", get(health::metrics));
    }
    surround(app, router.fallback(request::not_found))
}

/// Puts around routes what every request passes.
pub fn surround(app: Arc<App>, routes: Router<Arc<App>>) -> Router {
    let mut whole = routes
        .layer(axum::middleware::from_fn_with_state(app.clone(), admission::admit))
        .layer(axum::middleware::from_fn(head::check));
    // Pages of other origins may read what is wrong with a head, too.
    if let Some(cors) = headers::cors(&app.options.cors_origins) {
        whole = whole.layer(cors);
    }
    whole
        .layer(axum::middleware::map_response(headers::protect))
        .layer(axum::middleware::from_fn_with_state(app.clone(), request::run_to_the_end))
        .with_state(app)
}

/// `/metrics` and all of `/healthz`, for a listener that the outside world does not reach.
pub fn private_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::detailed_healthz))
        .layer(axum::middleware::from_fn(head::check))
        .with_state(app)
}
