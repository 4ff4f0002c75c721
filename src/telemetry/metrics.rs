//! Prometheus metrics: their names, what they mean, and one function for each thing that is counted.
//!
//! Labels hold words from fixed lists only, never anything a request brought along.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

const DATABASE_CONNECTIONS: &str = "voicehive_database_connections_total";
const DATABASE_POOL: &str = "voicehive_database_pool_connections";
const LOGIN_ATTEMPTS: &str = "voicehive_user_login_attempts_total";
const SESSIONS_ACTIVE: &str = "voicehive_user_sessions_active";
const REQUESTS: &str = "voicehive_http_requests_total";
const REQUEST_SECONDS: &str = "voicehive_http_request_duration_seconds";
const STATEMENTS: &str = "voicehive_sql_statements_total";
const HASHING_QUEUE: &str = "voicehive_password_hashing_queue_length";

/// Starts collecting, once in a process; the handle renders what was collected.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full(REQUEST_SECONDS.to_owned()),
            &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
        )?
        .install_recorder()?;
    describe_counter!(DATABASE_CONNECTIONS, "Connections opened to PostgreSQL since the server started.");
    describe_gauge!(DATABASE_POOL, "Connections to PostgreSQL by state: checked_in, checked_out or overflow.");
    describe_counter!(LOGIN_ATTEMPTS, "Sign-ins by result: success, failure, locked or rate_limited.");
    describe_gauge!(SESSIONS_ACTIVE, "Sessions that have neither ended nor expired, as of the last sweep.");
    describe_counter!(REQUESTS, "HTTP requests answered, by method, route and status.");
    describe_histogram!(REQUEST_SECONDS, "Seconds from a request's head to its answer's head, by method and route.");
    describe_counter!(STATEMENTS, "SQL statements run for GraphQL requests, sign-in checks left out.");
    describe_gauge!(HASHING_QUEUE, "Passwords waiting for a hashing worker.");
    for result in ["success", "failure", "locked", "rate_limited"] {
        counter!(LOGIN_ATTEMPTS, "result" => result).absolute(0);
    }
    counter!(DATABASE_CONNECTIONS).absolute(0);
    gauge!(SESSIONS_ACTIVE).set(0);
    Ok(handle)
}

pub fn database_connection_opened() {
    counter!(DATABASE_CONNECTIONS).increment(1);
}

pub fn database_pool(checked_in: u32, checked_out: u32, overflow: u32) {
    for (state, connections) in [("checked_in", checked_in), ("checked_out", checked_out), ("overflow", overflow)] {
        gauge!(DATABASE_POOL, "state" => state).set(connections);
    }
}

/// `result` is one of success, failure, locked, `rate_limited`.
pub fn login_attempt(result: &'static str) {
    counter!(LOGIN_ATTEMPTS, "result" => result).increment(1);
}

pub fn sessions_active(sessions: i64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; sessions stay far below 2^53")]
    gauge!(SESSIONS_ACTIVE).set(sessions as f64);
}

/// `route` is the router's own pattern, never the path that was asked for.
pub fn request(method: &'static str, route: &str, status: u16, took: Duration) {
    let route = route.to_owned();
    counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status.to_string()).increment(1);
    histogram!(REQUEST_SECONDS, "method" => method, "route" => route).record(took);
}

pub fn sql_statements(statements: u64) {
    counter!(STATEMENTS).increment(statements);
}

pub fn hashing_queue(waiting: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; the queue is a few hundred long at most")]
    gauge!(HASHING_QUEUE).set(waiting as f64);
}
