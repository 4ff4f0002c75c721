//! What an operator can set, and where it comes from: built-in defaults, then the YAML file, then the environment.
//!
//! The structs here are the one list of keys. `tree` reads file and environment into them and says where each value
//! came from, `values` reads single values. Whatever is unknown or wrong stops the start with one line that names it.

mod check;
mod database;
mod defaults;
mod environment;
mod error;
#[cfg(test)]
mod tests;
mod tree;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

pub use self::database::{DatabaseConfig, Pooler, SslMode, addresses};
pub use self::error::Error;
use self::tree::Node;
pub use self::values::Secret;
use self::values::{
    duration, duration_or_none, listen_address, listen_address_or_none, networks, origin_or_none, origins, whole,
    whole_or_none,
};

/// The file that is read when `VOICEHIVE_CONFIG` names none.
const DEFAULT_FILE: &str = "voicehive.yaml";

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Host and port to serve on. Default 127.0.0.1:8000.
    #[serde(deserialize_with = "listen_address")]
    pub listen: String,
    /// Folder for the embedded database and the signing keys. Default: the embedded database chooses.
    pub data_dir: Option<PathBuf>,
    /// What this installation is for; decides other defaults. Default development.
    pub environment: Environment,
    /// How to reach the database.
    pub database: DatabaseConfig,
    /// Sign-in, sessions and passwords.
    pub auth: AuthConfig,
    /// Access tokens and the keys that sign them.
    pub jwt: JwtConfig,
    /// What one client may do before it is refused.
    pub limits: LimitsConfig,
    /// The GraphQL endpoint.
    pub graphql: GraphqlConfig,
    /// The HTTP server.
    pub http: HttpConfig,
    /// What `/healthz` returns.
    pub health: HealthConfig,
    /// The audit trail.
    pub audit: AuditConfig,
    /// Logging.
    pub log: LogConfig,
    /// Traces.
    pub traces: TracesConfig,
    /// Who exists at the first start.
    pub bootstrap: BootstrapConfig,
}

/// What an installation is for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    Development,
    Production,
}

/// Sign-in, sessions and passwords.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// How long an access token is good. Default 15 min.
    #[serde(deserialize_with = "duration")]
    pub access_token_lifetime: Duration,
    /// How long a session lives without use. Default 7 days.
    #[serde(deserialize_with = "duration")]
    pub session_lifetime: Duration,
    /// The same for a sign-in with "remember me". Default 30 days.
    #[serde(deserialize_with = "duration")]
    pub remember_me_lifetime: Duration,
    /// How long a session lives however much it is used. Default 90 days.
    #[serde(deserialize_with = "duration")]
    pub session_absolute_lifetime: Duration,
    /// When failed sign-ins lock an account.
    pub lockout: LockoutConfig,
    /// The cost of a password hash.
    pub hashing: HashingConfig,
    /// A larger list of passwords that nobody may choose: sorted SHA-1 hashes, one a line. Default: none.
    pub common_passwords_file: Option<PathBuf>,
    /// Whether a demo user can do nothing before changing the password. Default: yes on an external database.
    pub enforce_password_change: Option<bool>,
    /// How long ended sessions are kept. Default 90 days.
    #[serde(deserialize_with = "duration")]
    pub session_retention: Duration,
    /// The key under which digests of failed sign-ins and of requests sent again are made. Default: one that the server makes in
    /// its data folder.
    pub server_key_file: Option<PathBuf>,
}

/// When failed sign-ins lock an account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LockoutConfig {
    /// Failed sign-ins until the lock. Default 5.
    #[serde(deserialize_with = "whole::<1, 1_000, _, _>")]
    pub threshold: u32,
    /// How long the lock holds. Default 15 min.
    #[serde(deserialize_with = "duration")]
    pub duration: Duration,
}

/// The cost of a password hash (argon2id). The defaults are also the least that is taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HashingConfig {
    /// Memory of one hash in KiB. Default 19456, at most 4 GiB.
    #[serde(deserialize_with = "whole::<19_456, 4_194_304, _, _>")]
    pub memory_kib: u32,
    /// Passes over that memory. Default 2.
    #[serde(deserialize_with = "whole::<2, 100, _, _>")]
    pub iterations: u32,
    /// Lanes of one hash. Default 1.
    #[serde(deserialize_with = "whole::<1, 64, _, _>")]
    pub parallelism: u32,
    /// Hashes computed at a time. Default: the number of CPUs.
    #[serde(deserialize_with = "whole_or_none::<1, 1_024, _, _>")]
    pub workers: Option<usize>,
    /// How long a sign-in waits for a worker. Default 5 s.
    #[serde(deserialize_with = "duration")]
    pub queue_timeout: Duration,
}

/// Access tokens and the keys that sign them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JwtConfig {
    /// The `iss` claim. Default voicehive-identity.
    pub issuer: String,
    /// The `aud` claim. Default voicehive.
    pub audience: String,
    /// How tokens are signed. Default `EdDSA`.
    pub algorithm: JwtAlgorithm,
    /// The private key (PEM). Default: keys in the database, made there and shared by all servers.
    pub signing_key_file: Option<PathBuf>,
    /// Keys used before, whose tokens are still taken. Default: none.
    pub previous_key_files: Vec<PathBuf>,
}

/// How tokens are signed, by the names of RFC 7518 and RFC 8037.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum JwtAlgorithm {
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
}

/// What one client may do before it is refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Failed sign-ins from one client address within `auth.lockout.duration`. Default 300.
    #[serde(deserialize_with = "whole::<1, 1_000_000, _, _>")]
    pub sign_ins_per_address: u32,
    /// Requests a minute of one principal, or of one address without one, on one server. Default 6000.
    #[serde(deserialize_with = "whole::<1, 10_000_000, _, _>")]
    pub requests_per_minute: u32,
    /// How many of them may come at once. Default 1000.
    #[serde(deserialize_with = "whole::<1, 1_000_000, _, _>")]
    pub request_burst: u32,
    /// Requests a minute of one API key, on one server; so many may come at once. Default 60000.
    #[serde(deserialize_with = "whole::<1, 10_000_000, _, _>")]
    pub requests_per_api_key: u32,
    /// API keys a minute from one address that are not honoured, on one server. Default 600.
    #[serde(deserialize_with = "whole::<1, 10_000_000, _, _>")]
    pub failed_api_keys_per_minute: u32,
    /// Refreshes a minute from one address, on one server. Default 600.
    #[serde(deserialize_with = "whole::<1, 10_000_000, _, _>")]
    pub refreshes_per_minute: u32,
    /// Documents a minute from one address that a server has not seen before. Default 600.
    #[serde(deserialize_with = "whole::<1, 10_000_000, _, _>")]
    pub new_documents_per_minute: u32,
    /// Changes a minute of one user who is signed in. Default 600.
    #[serde(deserialize_with = "whole::<1, 10_000_000, _, _>")]
    pub changes_per_minute: u32,
    /// Sign-ins an hour of one user. Default 600.
    #[serde(deserialize_with = "whole::<1, 10_000_000, _, _>")]
    pub sign_ins_per_user: u32,
    /// Size of a request body in bytes, of whoever has a credential that holds. Default 1 MiB.
    #[serde(deserialize_with = "whole::<1_024, 1_073_741_824, _, _>")]
    pub body_bytes: usize,
    /// The same of anybody else. Default 64 KiB.
    #[serde(deserialize_with = "whole::<1_024, 1_073_741_824, _, _>")]
    pub stranger_body_bytes: usize,
    /// JSON values in a body, of whoever has a credential that holds. Default 20000.
    #[serde(deserialize_with = "whole::<100, 10_000_000, _, _>")]
    pub body_values: usize,
    /// The same of anybody else. Default 1000.
    #[serde(deserialize_with = "whole::<100, 10_000_000, _, _>")]
    pub stranger_body_values: usize,
    /// Bytes of bodies that are read at once. Default 8 MiB, or where larger ones are taken, as many as let them in.
    #[serde(deserialize_with = "whole_or_none::<1_048_576, 1_073_741_824, _, _>")]
    pub bodies_bytes: Option<usize>,
}

/// The GraphQL endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GraphqlConfig {
    /// Whether clients can ask for the schema. Default true.
    pub introspection: bool,
    /// Whether the schema is a subgraph of Apollo Federation 2. Default false.
    pub federation: bool,
    /// Whether a browser gets the explorer. Default true.
    pub explorer: bool,
    /// How deep a document may nest. Default 15.
    #[serde(deserialize_with = "whole::<1, 100, _, _>")]
    pub max_depth: u64,
    /// What a document may cost. Default 100000.
    #[serde(deserialize_with = "whole::<1, 1_000_000_000, _, _>")]
    pub max_complexity: u64,
    /// Tokens in a document. Default 5000.
    #[serde(deserialize_with = "whole::<1, 1_000_000, _, _>")]
    pub max_tokens: u64,
    /// Fields of a document with another name in the answer. Default 500.
    #[serde(deserialize_with = "whole::<0, 100_000, _, _>")]
    pub max_aliases: u64,
    /// Directives in a document. Default 100.
    #[serde(deserialize_with = "whole::<0, 100_000, _, _>")]
    pub max_directives: u64,
    /// Fields at the top of a query. Default 50.
    #[serde(deserialize_with = "whole::<1, 10_000, _, _>")]
    pub max_root_fields: u64,
    /// A manifest of documents that clients may ask for by their SHA-256. Default: none.
    pub trusted_documents: Option<PathBuf>,
    /// Whether nothing but the documents of the manifest is run. Default false.
    pub only_trusted_documents: bool,
}

/// The HTTP server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Proxies whose word on the client's address is taken: networks or single addresses. Default: none.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say it. Default x-forwarded-for.
    pub forwarded_header: ForwardedHeader,
    /// Host and port to serve `/metrics` on, instead of beside everything else. Default: none.
    #[serde(deserialize_with = "listen_address_or_none")]
    pub metrics_listen: Option<String>,
    /// How long a client may take to send the headers, once it has begun or, for the first request, is connected. Default 10 s.
    #[serde(deserialize_with = "duration")]
    pub header_timeout: Duration,
    /// How long a client may take to send the body. Default 10 s.
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Duration,
    /// How long a connection may be open and do nothing, answers that are not read included. Default 75 s.
    #[serde(deserialize_with = "duration")]
    pub idle_timeout: Duration,
    /// Requests answered at a time; more are refused with 503. Default 1024.
    #[serde(deserialize_with = "whole::<1, 1_000_000, _, _>")]
    pub max_requests: usize,
    /// Of them, those of one client address. Default 256.
    #[serde(deserialize_with = "whole::<1, 1_000_000, _, _>")]
    pub max_requests_per_address: usize,
    /// Connections open at a time from one address, `trusted_proxies` left out. Default 256.
    #[serde(deserialize_with = "whole::<1, 1_000_000, _, _>")]
    pub max_connections_per_address: usize,
    /// The certificates (PEM) to serve TLS with, its own first. Default: none, and no TLS.
    pub tls_certificate: Option<PathBuf>,
    /// The private key (PEM) of that certificate. Default: none.
    pub tls_key: Option<PathBuf>,
    /// Whether the dashboard is served at `/admin`. Default true.
    pub dashboard: bool,
    /// Whether browsers keep refresh tokens in a cookie, so that no answer holds one. Default false.
    pub refresh_cookie: bool,
    /// Where clients find this server, such as `https://id.example.com`. Default: none, as each request says.
    #[serde(deserialize_with = "origin_or_none")]
    pub public_url: Option<String>,
    /// Origins of other sites whose pages may use the API, such as `https://admin.example.com`. Default: none.
    #[serde(deserialize_with = "origins")]
    pub cors_origins: Vec<String>,
    /// Connections open at a time. Default 4096.
    #[serde(deserialize_with = "whole::<1, 1_000_000, _, _>")]
    pub max_connections: usize,
    /// How long new requests are still taken after the order to stop, while `/readyz` says no: until whatever sends them here
    /// has noticed. Default: not at all.
    #[serde(deserialize_with = "duration_or_none")]
    pub drain_timeout: Option<Duration>,
    /// How long requests may take to finish after the order to stop. Default 30 s.
    #[serde(deserialize_with = "duration")]
    pub shutdown_timeout: Duration,
}

/// What `/healthz` returns.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// Who reads the version and the pool's figures there: `public`, or `private`, on `http.metrics_listen` alone. Default:
    /// private where that is set, else public.
    pub details: Option<HealthDetails>,
}

/// Who reads the details of `/healthz`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HealthDetails {
    Public,
    Private,
}

/// Where proxies write a client's address.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, and `X-Forwarded-Proto`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The audit trail.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// How long events are kept, by whole months; at least 30 days. Default: for good.
    #[serde(deserialize_with = "duration_or_none")]
    pub retention: Option<Duration>,
    /// The key of the chain that proves the trail whole. Default: one that the server makes in its data folder.
    pub key_file: Option<PathBuf>,
    /// Keys used before, whose seals are still verified. Default: none.
    pub previous_key_files: Vec<PathBuf>,
}

/// Logging.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The form of a line. Default auto.
    pub format: LogFormat,
    /// What is logged, as in `RUST_LOG`: a level, or `target=level` pairs. Default info.
    pub level: String,
}

/// Traces of requests and statements.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracesConfig {
    /// Where they are sent by OTLP over HTTP. Default: nowhere.
    pub otlp_endpoint: Option<String>,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    Json,
    Pretty,
}

/// Who exists at the first start.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BootstrapConfig {
    /// Whether the demo users are made. Default: in development yes, in production no.
    pub demo_users: Option<bool>,
    /// The first administrator. Default: none.
    pub administrator: Option<AdministratorConfig>,
}

/// The first administrator; exactly one of the two ways to give the password.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdministratorConfig {
    /// Email address to sign in with. No default.
    pub email: String,
    /// The password itself. Default: none.
    pub password: Option<Secret>,
    /// A file with the password. Default: none.
    pub password_file: Option<PathBuf>,
}

impl Config {
    /// Reads the file and the environment of this process.
    pub fn load() -> Result<Self, Error> {
        let environment = environment::of_this_process()?;
        let named = environment.get(environment::CONFIG_FILE).filter(|name| !name.is_empty()).map(PathBuf::from);
        // Also a link that leads nowhere is meant to be read.
        let file = named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.symlink_metadata().is_ok()));
        Self::from_parts(file.as_deref(), environment)
    }

    /// The same from given parts, for tests.
    pub fn from_parts(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut tree = file.map(Node::read).transpose()?.unwrap_or_default();
        // In order, so that of several errors it is always the same one that is told.
        let variables: BTreeMap<String, String> = environment.into_iter().collect();
        for (variable, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
            if let Some(path) = environment::key_path(&variable) {
                tree.set(&path, &variable, value)?;
            }
        }
        let config = Self::deserialize(&tree)?;
        config.check(&tree)?;
        Ok(config)
    }

    /// Whether a database is configured; if not, the server runs one of its own.
    pub fn is_external(&self) -> bool {
        self.database.url.is_some() || self.database.host.is_some()
    }
}
