//! What operators and their programs ask: health, readiness, metrics, and the public keys.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::App;
use crate::store::Database;
use crate::telemetry::metrics;

const SERVICE: &str = env!("CARGO_PKG_NAME");

/// The database's state and, where everybody may know them, the version and the pool's figures; 503 while the database is away.
pub async fn healthz(State(app): State<Arc<App>>) -> Response {
    health(&app, !app.options.private_health_details).await
}

/// The same for operators alone.
pub async fn detailed_healthz(State(app): State<Arc<App>>) -> Response {
    health(&app, true).await
}

async fn health(app: &App, with_details: bool) -> Response {
    let database = app.identity.database();
    // Before it is asked: the question's own connection is not of interest.
    let figures = database.figures();
    let reached = app.heartbeat.is_there(database).await;
    let state = if reached { "healthy" } else { "unhealthy" };
    let timestamp = app.identity.clock().now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let body = if with_details {
        json!({
            "status": state,
            "service": SERVICE,
            "version": env!("CARGO_PKG_VERSION"),
            "timestamp": timestamp,
            "database": {
                "status": state,
                "connected": reached,
                "pool_stats": {
                    "size": figures.size,
                    "checked_in": figures.checked_in,
                    "checked_out": figures.checked_out,
                    "overflow": figures.overflow,
                },
            },
        })
    } else {
        json!({
            "status": state,
            "service": SERVICE,
            "timestamp": timestamp,
            "database": { "status": state, "connected": reached },
        })
    };
    answer(reached, body)
}

/// Whether the database is there, and when it was found out: asked once for all who wait to know, however many they are.
#[derive(Default)]
pub struct Heartbeat(Mutex<Option<(Instant, bool)>>);

impl Heartbeat {
    async fn is_there(&self, database: &Database) -> bool {
        let came = Instant::now();
        let mut last = self.0.lock().await;
        // So nobody waits for longer than one question takes.
        if let Some((_, there)) = last.filter(|(found, _)| *found >= came) {
            return there;
        }
        let reached = database.ping().await;
        if let Err(error) = &reached {
            tracing::warn!(%error, "database_health_check_failed");
        }
        *last = Some((Instant::now(), reached.is_ok()));
        reached.is_ok()
    }
}

/// The process runs and answers.
pub async fn livez() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// Requests may be sent here: the database is there, and the server is not about to stop.
pub async fn readyz(State(app): State<Arc<App>>) -> Response {
    if !app.ready.load(Ordering::Relaxed) {
        return answer(false, json!({ "status": "stopping" }));
    }
    let reached = app.heartbeat.is_there(app.identity.database()).await;
    answer(reached, json!({ "status": if reached { "ready" } else { "database unavailable" } }))
}

fn answer(well: bool, body: Value) -> Response {
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = (status, Json(body)).into_response();
    if !well {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Prometheus text format.
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    let Some(handle) = &app.metrics else { return StatusCode::NOT_FOUND.into_response() };
    let figures = app.identity.database().figures();
    metrics::database_pool(figures.checked_in, figures.checked_out, figures.overflow, figures.max);
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], handle.render()).into_response()
}

/// The public keys, for whoever checks access tokens by themself.
pub async fn jwks(State(app): State<Arc<App>>) -> Response {
    let cache = HeaderValue::from_static("public, max-age=300");
    ([(header::CACHE_CONTROL, cache)], Json(app.identity.public_keys())).into_response()
}
