//! What holds where nothing is set; `voicehive.example.yaml` says the same, and a test compares the two.

use std::time::Duration;

use super::{
    AuditConfig, AuthConfig, BootstrapConfig, Config, DatabaseConfig, Environment, ForwardedHeader, GraphqlConfig,
    HashingConfig, HealthConfig, HttpConfig, JwtAlgorithm, JwtConfig, LimitsConfig, LockoutConfig, LogConfig,
    LogFormat, Pooler, TracesConfig,
};

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8000".to_owned(),
            data_dir: None,
            environment: Environment::Development,
            database: DatabaseConfig::default(),
            auth: AuthConfig::default(),
            jwt: JwtConfig::default(),
            limits: LimitsConfig::default(),
            graphql: GraphqlConfig::default(),
            http: HttpConfig::default(),
            health: HealthConfig::default(),
            audit: AuditConfig::default(),
            log: LogConfig::default(),
            traces: TracesConfig::default(),
            bootstrap: BootstrapConfig::default(),
        }
    }
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: None,
            host: None,
            port: 5432,
            pooler: Pooler::None,
            direct_host: None,
            direct_port: 5432,
            replica_host: None,
            replica_port: 5432,
            database: "voicehive".to_owned(),
            username: "voicehive".to_owned(),
            password: None,
            migration_username: None,
            migration_password: None,
            allow_superuser: false,
            ssl_mode: None,
            ssl_root_certificate: None,
            ssl_certificate: None,
            ssl_key: None,
            pool_size: 10,
            max_overflow: 20,
            pool_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(3),
            recycle: Duration::from_hours(1),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            idle_transaction_timeout: Duration::from_mins(1),
        }
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            access_token_lifetime: Duration::from_mins(15),
            session_lifetime: days(7),
            remember_me_lifetime: days(30),
            session_absolute_lifetime: days(90),
            lockout: LockoutConfig::default(),
            hashing: HashingConfig::default(),
            common_passwords_file: None,
            enforce_password_change: None,
            session_retention: days(90),
            server_key_file: None,
        }
    }
}

impl Default for LockoutConfig {
    fn default() -> Self {
        Self { threshold: 5, duration: Duration::from_mins(15) }
    }
}

impl Default for HashingConfig {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1, workers: None, queue_timeout: Duration::from_secs(5) }
    }
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            issuer: "voicehive-identity".to_owned(),
            audience: "voicehive".to_owned(),
            algorithm: JwtAlgorithm::EdDsa,
            signing_key_file: None,
            previous_key_files: Vec::new(),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            sign_ins_per_address: 300,
            requests_per_minute: 6000,
            request_burst: 1000,
            requests_per_api_key: 60_000,
            failed_api_keys_per_minute: 600,
            refreshes_per_minute: 600,
            new_documents_per_minute: 600,
            changes_per_minute: 600,
            sign_ins_per_user: 600,
            body_bytes: 1024 * 1024,
            stranger_body_bytes: 64 * 1024,
            body_values: 20_000,
            stranger_body_values: 1000,
            bodies_bytes: None,
        }
    }
}

impl Default for GraphqlConfig {
    fn default() -> Self {
        Self {
            introspection: true,
            federation: false,
            explorer: true,
            max_depth: 15,
            max_complexity: 100_000,
            max_tokens: 5_000,
            max_aliases: 500,
            max_directives: 100,
            max_root_fields: 50,
            trusted_documents: None,
            only_trusted_documents: false,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
            metrics_listen: None,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_requests: 1024,
            max_requests_per_address: 256,
            max_connections_per_address: 256,
            tls_certificate: None,
            tls_key: None,
            dashboard: true,
            refresh_cookie: false,
            public_url: None,
            cors_origins: Vec::new(),
            max_connections: 4096,
            drain_timeout: None,
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned() }
    }
}

pub(super) const fn days(count: u64) -> Duration {
    Duration::from_hours(24 * count)
}
