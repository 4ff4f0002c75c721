//! Prometheus metrics: their names, what they mean, and one function for each thing that is counted.
//!
//! Labels hold words from fixed lists only, never anything a request brought along.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

const BUILD_INFO: &str = "voicehive_build_info";
const START_TIME: &str = "voicehive_start_time_seconds";
const REQUESTS: &str = "voicehive_http_requests_total";
const REQUEST_SECONDS: &str = "voicehive_http_request_duration_seconds";
const REQUESTS_RUNNING: &str = "voicehive_http_requests_in_flight";
const GRAPHQL_ERRORS: &str = "voicehive_graphql_errors_total";
const STATEMENTS: &str = "voicehive_sql_statements_total";
const LOGIN_ATTEMPTS: &str = "voicehive_user_login_attempts_total";
const LOCKOUTS: &str = "voicehive_user_lockouts_total";
const REFRESHES: &str = "voicehive_user_session_refreshes_total";
const API_KEY_CHECKS: &str = "voicehive_api_key_checks_total";
const SESSIONS_ACTIVE: &str = "voicehive_user_sessions_active";
const HASHING_QUEUE: &str = "voicehive_password_hashing_queue_length";
const HASHING_WAIT: &str = "voicehive_password_hashing_wait_seconds";
const HASHING_SECONDS: &str = "voicehive_password_hashing_duration_seconds";
const DATABASE_CONNECTIONS: &str = "voicehive_database_connections_total";
const DATABASE_POOL: &str = "voicehive_database_pool_connections";
const DATABASE_OVERFLOW: &str = "voicehive_database_pool_overflow_connections";
const DATABASE_POOL_MAX: &str = "voicehive_database_pool_max_connections";
const DATABASE_LOCK_WAIT: &str = "voicehive_database_lock_wait_seconds";
const DATABASE_POOL_WAIT: &str = "voicehive_database_pool_wait_seconds";
const DATABASE_POOL_TIMEOUTS: &str = "voicehive_database_pool_timeouts_total";
const REPLICA_READS: &str = "voicehive_database_replica_reads_total";
const DATABASE_ERRORS: &str = "voicehive_database_errors_total";
const CHANGES_FOLLOWED: &str = "voicehive_change_notifications_followed";
const PRINCIPAL_CHECKS: &str = "voicehive_principal_checks_total";
const AUDIT_BACKLOG: &str = "voicehive_audit_unsealed_events";
const JOB_SECONDS: &str = "voicehive_background_job_duration_seconds";
const JOB_FAILURES: &str = "voicehive_background_job_failures_total";
const JOB_LAST_SUCCESS: &str = "voicehive_background_job_last_success_timestamp_seconds";

/// Seconds; of what should take milliseconds.
const BUCKETS: [f64; 15] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const LOGIN_RESULTS: [&str; 5] = ["success", "failure", "locked", "rate_limited", "error"];
const REFRESH_RESULTS: [&str; 4] = ["success", "failure", "reused", "error"];
/// The words of `store`.
const DATABASE_ERROR_KINDS: [&str; 9] = [
    "connection",
    "deadlock",
    "idle_transaction_timeout",
    "lock_timeout",
    "out_of_resources",
    "pool_timeout",
    "serialization",
    "shutdown",
    "statement_timeout",
];
/// The contract's codes.
const GRAPHQL_CODES: [&str; 10] = [
    "BAD_USER_INPUT",
    "FORBIDDEN",
    "INTERNAL",
    "MFA_REQUIRED",
    "PASSWORD_CHANGE_REQUIRED",
    "PERSISTED_QUERY_NOT_FOUND",
    "QUERY_TOO_COMPLEX",
    "RATE_LIMITED",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
];

/// Starts collecting, once in a process; the handle renders what was collected.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for name in [REQUEST_SECONDS, HASHING_WAIT, HASHING_SECONDS, DATABASE_POOL_WAIT, DATABASE_LOCK_WAIT, JOB_SECONDS] {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &BUCKETS)?;
    }
    let handle = builder.install_recorder()?;
    describe_gauge!(BUILD_INFO, "1; the label tells the version that runs.");
    describe_gauge!(START_TIME, "When the server started, in seconds since 1970.");
    describe_counter!(REQUESTS, "HTTP requests answered, by method, route and status.");
    describe_histogram!(REQUEST_SECONDS, "Seconds from a request's head to its answer's head, by method and route.");
    describe_gauge!(REQUESTS_RUNNING, "HTTP requests that are being answered.");
    describe_counter!(GRAPHQL_ERRORS, "Errors in GraphQL answers, by the contract's code.");
    describe_counter!(STATEMENTS, "SQL statements run for requests, sign-in checks left out.");
    describe_counter!(
        LOGIN_ATTEMPTS,
        "Sign-ins by result: success, failure, locked, rate_limited, or error for our own trouble."
    );
    describe_counter!(LOCKOUTS, "Email addresses that failed sign-ins have locked, known or not.");
    describe_counter!(
        REFRESHES,
        "Refreshes by result: success, failure, reused for a token that was used before, or error for our own trouble."
    );
    describe_counter!(
        API_KEY_CHECKS,
        "Requests with an API key by result: success, or failure for one that is not honoured."
    );
    describe_gauge!(SESSIONS_ACTIVE, "Sessions that have neither ended nor expired, as of the last sweep.");
    describe_gauge!(HASHING_QUEUE, "Passwords waiting for a hashing worker.");
    describe_histogram!(HASHING_WAIT, "Seconds that a password waited for a hashing worker.");
    describe_histogram!(HASHING_SECONDS, "Seconds that a worker took for a password, by work: hash or verify.");
    describe_counter!(DATABASE_CONNECTIONS, "Connections opened to PostgreSQL since the server started.");
    describe_gauge!(DATABASE_POOL, "Open connections to PostgreSQL by state: checked_in or checked_out.");
    describe_gauge!(DATABASE_OVERFLOW, "Open connections beyond the pool's size.");
    describe_gauge!(DATABASE_POOL_MAX, "Connections that may be open at most, overflow included.");
    describe_histogram!(DATABASE_LOCK_WAIT, "Seconds that a change took to get what it locks, by lock.");
    describe_histogram!(DATABASE_POOL_WAIT, "Seconds that a transaction waited for a connection.");
    describe_counter!(DATABASE_POOL_TIMEOUTS, "Transactions that got no connection in time.");
    describe_counter!(REPLICA_READS, "Reads that a replica might have answered, by what became of them.");
    describe_counter!(DATABASE_ERRORS, "Statements that PostgreSQL or the way to it failed, by kind.");
    describe_gauge!(
        CHANGES_FOLLOWED,
        "1 while changes made elsewhere are heard, so that principals, roles and hotels are kept in memory."
    );
    describe_counter!(
        PRINCIPAL_CHECKS,
        "Principals that requests named, by where they were found: memory or database."
    );
    describe_gauge!(AUDIT_BACKLOG, "Audit events that await their seal, at most 100000, as of the last sweep.");
    describe_histogram!(JOB_SECONDS, "Seconds that a background job took, by task.");
    describe_counter!(JOB_FAILURES, "Background jobs that failed, by task.");
    describe_gauge!(
        JOB_LAST_SUCCESS,
        "When a background job last succeeded, or the server started, in seconds since 1970, by task."
    );
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1);
    gauge!(START_TIME).set(seconds_since_1970());
    for result in LOGIN_RESULTS {
        counter!(LOGIN_ATTEMPTS, "result" => result).absolute(0);
    }
    for result in REFRESH_RESULTS {
        counter!(REFRESHES, "result" => result).absolute(0);
    }
    for result in ["success", "failure"] {
        counter!(API_KEY_CHECKS, "result" => result).absolute(0);
    }
    // A rate needs a first value: the first error of a kind would not show otherwise.
    for kind in DATABASE_ERROR_KINDS.into_iter().chain(["other"]) {
        counter!(DATABASE_ERRORS, "kind" => kind).absolute(0);
    }
    for code in GRAPHQL_CODES {
        counter!(GRAPHQL_ERRORS, "code" => code).absolute(0);
    }
    for name in [LOCKOUTS, DATABASE_CONNECTIONS, DATABASE_POOL_TIMEOUTS] {
        counter!(name).absolute(0);
    }
    for outcome in ["served", "behind", "unavailable"] {
        counter!(REPLICA_READS, "outcome" => outcome).absolute(0);
    }
    for source in ["memory", "database"] {
        counter!(PRINCIPAL_CHECKS, "source" => source).absolute(0);
    }
    for name in [SESSIONS_ACTIVE, HASHING_QUEUE, AUDIT_BACKLOG, CHANGES_FOLLOWED] {
        gauge!(name).set(0);
    }
    Ok(handle)
}

fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Counts a request as being answered until it is dropped.
pub struct RunningRequest(());

impl RunningRequest {
    pub fn begin() -> Self {
        gauge!(REQUESTS_RUNNING).increment(1);
        Self(())
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        gauge!(REQUESTS_RUNNING).decrement(1);
    }
}

/// `route` is the router's own pattern, never the path that was asked for.
pub fn request(method: &'static str, route: &str, status: u16, took: Duration) {
    let route = route.to_owned();
    counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status.to_string()).increment(1);
    histogram!(REQUEST_SECONDS, "method" => method, "route" => route).record(took);
}

/// `code` is one of the contract's.
pub fn graphql_error(code: &'static str) {
    counter!(GRAPHQL_ERRORS, "code" => code).increment(1);
}

pub fn sql_statements(statements: u64) {
    counter!(STATEMENTS).increment(statements);
}

/// `result` is one of success, failure, locked, `rate_limited`, error.
pub fn login_attempt(result: &'static str) {
    counter!(LOGIN_ATTEMPTS, "result" => result).increment(1);
}

pub fn lockout() {
    counter!(LOCKOUTS).increment(1);
}

/// `result` is one of success, failure, reused, error.
pub fn refresh(result: &'static str) {
    counter!(REFRESHES, "result" => result).increment(1);
}

/// A request came with an API key, which is honoured or not.
pub fn api_key_checked(honoured: bool) {
    counter!(API_KEY_CHECKS, "result" => if honoured { "success" } else { "failure" }).increment(1);
}

/// Whether changes made elsewhere are heard.
pub fn changes_followed(followed: bool) {
    gauge!(CHANGES_FOLLOWED).set(u8::from(followed));
}

/// A principal was found, in memory or in the database.
pub fn principal_checked(in_memory: bool) {
    counter!(PRINCIPAL_CHECKS, "source" => if in_memory { "memory" } else { "database" }).increment(1);
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; sessions and events stay far below 2^53")]
pub fn swept(sessions_active: i64, unsealed_events: i64) {
    gauge!(SESSIONS_ACTIVE).set(sessions_active as f64);
    gauge!(AUDIT_BACKLOG).set(unsealed_events as f64);
}

pub fn hashing_queued() {
    gauge!(HASHING_QUEUE).increment(1);
}

pub fn hashing_unqueued() {
    gauge!(HASHING_QUEUE).decrement(1);
}

pub fn hashing_waited(wait: Duration) {
    histogram!(HASHING_WAIT).record(wait);
}

/// `work` is hash or verify.
pub fn hashing_took(work: &'static str, took: Duration) {
    histogram!(HASHING_SECONDS, "work" => work).record(took);
}

pub fn database_connection_opened() {
    counter!(DATABASE_CONNECTIONS).increment(1);
}

pub fn database_pool(checked_in: u32, checked_out: u32, overflow: u32, max: u32) {
    gauge!(DATABASE_POOL_MAX).set(max);
    for (state, connections) in [("checked_in", checked_in), ("checked_out", checked_out)] {
        gauge!(DATABASE_POOL, "state" => state).set(connections);
    }
    gauge!(DATABASE_OVERFLOW).set(overflow);
}

pub fn database_pool_waited(wait: Duration) {
    histogram!(DATABASE_POOL_WAIT).record(wait);
}

pub fn database_pool_timed_out() {
    counter!(DATABASE_POOL_TIMEOUTS).increment(1);
}

/// What became of a read that a replica might answer: it was served, the replica was behind, or unavailable.
pub fn replica_asked(outcome: &'static str) {
    counter!(REPLICA_READS, "outcome" => outcome).increment(1);
}

/// `lock` is administrators, email or users.
pub fn database_locked(lock: &'static str, wait: Duration) {
    histogram!(DATABASE_LOCK_WAIT, "lock" => lock).record(wait);
}

/// `kind` is a word of the store's own.
pub fn database_error(kind: &'static str) {
    counter!(DATABASE_ERRORS, "kind" => kind).increment(1);
}

/// `job` is the name of a background job that is about to begin.
pub fn background_job_known(job: &'static str) {
    counter!(JOB_FAILURES, "task" => job).absolute(0);
    gauge!(JOB_LAST_SUCCESS, "task" => job).set(seconds_since_1970());
}

/// `job` is the name of a background job.
pub fn background_job(job: &'static str, succeeded: bool, took: Duration) {
    histogram!(JOB_SECONDS, "task" => job).record(took);
    if succeeded {
        gauge!(JOB_LAST_SUCCESS, "task" => job).set(seconds_since_1970());
    } else {
        counter!(JOB_FAILURES, "task" => job).increment(1);
    }
}
