//! What the environment says: a variable for every key, and none of others.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::*;

const MIGRATION_USERNAME: (&str, &str) = ("VOICEHIVE_DATABASE__MIGRATION_USERNAME", "owner");
const HOST: (&str, &str) = ("DATABASE_HOST", "db");
const DIRECT_HOST: (&str, &str) = ("VOICEHIVE_DATABASE__DIRECT_HOST", "db");
const SSL_CERTIFICATE: (&str, &str) = ("VOICEHIVE_DATABASE__SSL_CERTIFICATE", "c.pem");
const SSL_KEY: (&str, &str) = ("VOICEHIVE_DATABASE__SSL_KEY", "k.pem");

#[test]
fn every_key_has_a_variable() {
    // A variable, its value, and what the configuration then shows.
    let table = [
        ("DATABASE_URL", "postgres://u:p@h/d", "url: Some(***)"),
        ("DATABASE_HOST", "db", r#"host: Some("db")"#),
        ("DATABASE_PORT", "6432", "port: 6432"),
        ("DATABASE_NAME", "12", r#"database: "12""#),
        ("DATABASE_USER", "me", r#"username: "me""#),
        ("DATABASE_PASSWORD", "007", "password: Some(***)"),
        ("DATABASE_SSL_MODE", "verify-full", "ssl_mode: Some(VerifyFull)"),
        ("DATABASE_POOL_SIZE", "3", "pool_size: 3"),
        ("DATABASE_MAX_OVERFLOW", "0", "max_overflow: 0"),
        ("VOICEHIVE_LISTEN", "[::1]:0", r#"listen: "[::1]:0""#),
        ("VOICEHIVE_DATA_DIR", "/data", r#"data_dir: Some("/data")"#),
        ("VOICEHIVE_ENVIRONMENT", "production", "environment: Production"),
        ("VOICEHIVE_DATABASE__URL", "postgresql://h/d", "url: Some(***)"),
        ("VOICEHIVE_DATABASE__HOST", "db", r#"host: Some("db")"#),
        ("VOICEHIVE_DATABASE__PORT", "1", "port: 1,"),
        ("VOICEHIVE_DATABASE__DIRECT_PORT", "2", "direct_port: 2,"),
        ("VOICEHIVE_DATABASE__REPLICA_PORT", "3", "replica_port: 3,"),
        ("VOICEHIVE_DATABASE__DATABASE", "d", r#"database: "d""#),
        ("VOICEHIVE_DATABASE__USERNAME", "u", r#"username: "u""#),
        ("VOICEHIVE_DATABASE__PASSWORD", "p", "password: Some(***)"),
        ("VOICEHIVE_DATABASE__MIGRATION_USERNAME", "owner", r#"migration_username: Some("owner")"#),
        ("VOICEHIVE_DATABASE__ALLOW_SUPERUSER", "true", "allow_superuser: true"),
        ("VOICEHIVE_DATABASE__SSL_MODE", "verify-ca", "ssl_mode: Some(VerifyCa)"),
        ("VOICEHIVE_DATABASE__POOL_SIZE", "4", "pool_size: 4"),
        ("VOICEHIVE_DATABASE__MAX_OVERFLOW", "5", "max_overflow: 5"),
        ("VOICEHIVE_DATABASE__POOL_TIMEOUT", "41", "pool_timeout: 41s"),
        ("VOICEHIVE_DATABASE__REQUEST_TIMEOUT", "42s", "request_timeout: 42s"),
        ("VOICEHIVE_DATABASE__RECYCLE", "1m", "recycle: 60s"),
        ("VOICEHIVE_DATABASE__STATEMENT_TIMEOUT", "24d", "statement_timeout: 2073600s"),
        ("VOICEHIVE_DATABASE__LOCK_TIMEOUT", "2s", "lock_timeout: 2s"),
        ("VOICEHIVE_DATABASE__IDLE_TRANSACTION_TIMEOUT", "3s", "idle_transaction_timeout: 3s"),
        ("VOICEHIVE_AUTH__ACCESS_TOKEN_LIFETIME", "5m", "access_token_lifetime: 300s"),
        ("VOICEHIVE_AUTH__SESSION_LIFETIME", "12h", "session_lifetime: 43200s"),
        ("VOICEHIVE_AUTH__REMEMBER_ME_LIFETIME", "7d", "remember_me_lifetime: 604800s"),
        ("VOICEHIVE_AUTH__SESSION_ABSOLUTE_LIFETIME", "60d", "session_absolute_lifetime: 5184000s"),
        ("VOICEHIVE_AUTH__LOCKOUT__THRESHOLD", "1", "threshold: 1,"),
        ("VOICEHIVE_AUTH__LOCKOUT__DURATION", "61", "duration: 61s"),
        ("VOICEHIVE_AUTH__HASHING__MEMORY_KIB", "65536", "memory_kib: 65536"),
        ("VOICEHIVE_AUTH__HASHING__ITERATIONS", "3", "iterations: 3"),
        ("VOICEHIVE_AUTH__HASHING__PARALLELISM", "4", "parallelism: 4"),
        ("VOICEHIVE_AUTH__HASHING__WORKERS", "6", "workers: Some(6)"),
        ("VOICEHIVE_AUTH__HASHING__QUEUE_TIMEOUT", "7", "queue_timeout: 7s"),
        ("VOICEHIVE_AUTH__SERVER_KEY_FILE", "s.key", r#"server_key_file: Some("s.key")"#),
        ("VOICEHIVE_AUTH__COMMON_PASSWORDS_FILE", "p.txt", r#"common_passwords_file: Some("p.txt")"#),
        ("VOICEHIVE_AUTH__ENFORCE_PASSWORD_CHANGE", "false", "enforce_password_change: Some(false)"),
        ("VOICEHIVE_AUTH__SESSION_RETENTION", "1d", "session_retention: 86400s"),
        ("VOICEHIVE_JWT__ISSUER", "i", r#"issuer: "i""#),
        ("VOICEHIVE_JWT__AUDIENCE", "a", r#"audience: "a""#),
        ("VOICEHIVE_JWT__ALGORITHM", "RS256", "algorithm: Rs256"),
        ("VOICEHIVE_JWT__SIGNING_KEY_FILE", "k.pem", r#"signing_key_file: Some("k.pem")"#),
        ("VOICEHIVE_JWT__PREVIOUS_KEY_FILES", "a.pem,b.pem", r#"previous_key_files: ["a.pem", "b.pem"]"#),
        ("VOICEHIVE_LIMITS__SIGN_INS_PER_ADDRESS", "8", "sign_ins_per_address: 8"),
        ("VOICEHIVE_LIMITS__REQUESTS_PER_MINUTE", "61", "requests_per_minute: 61,"),
        ("VOICEHIVE_LIMITS__REQUEST_BURST", "62", "request_burst: 62,"),
        ("VOICEHIVE_LIMITS__REQUESTS_PER_API_KEY", "65", "requests_per_api_key: 65,"),
        ("VOICEHIVE_LIMITS__FAILED_API_KEYS_PER_MINUTE", "66", "failed_api_keys_per_minute: 66,"),
        ("VOICEHIVE_LIMITS__REFRESHES_PER_MINUTE", "63", "refreshes_per_minute: 63,"),
        ("VOICEHIVE_LIMITS__NEW_DOCUMENTS_PER_MINUTE", "64", "new_documents_per_minute: 64,"),
        ("VOICEHIVE_LIMITS__CHANGES_PER_MINUTE", "67", "changes_per_minute: 67,"),
        ("VOICEHIVE_LIMITS__SIGN_INS_PER_USER", "68", "sign_ins_per_user: 68,"),
        ("VOICEHIVE_LIMITS__BODY_BYTES", "1024", " body_bytes: 1024,"),
        ("VOICEHIVE_LIMITS__STRANGER_BODY_BYTES", "1028", "stranger_body_bytes: 1028,"),
        ("VOICEHIVE_LIMITS__BODY_VALUES", "129", " body_values: 129,"),
        ("VOICEHIVE_LIMITS__STRANGER_BODY_VALUES", "130", "stranger_body_values: 130,"),
        ("VOICEHIVE_LIMITS__BODIES_BYTES", "16777216", "bodies_bytes: Some(16777216) "),
        ("VOICEHIVE_GRAPHQL__INTROSPECTION", "false", "introspection: false"),
        ("VOICEHIVE_GRAPHQL__FEDERATION", "true", "federation: true"),
        ("VOICEHIVE_GRAPHQL__EXPLORER", "false", "explorer: false"),
        ("VOICEHIVE_GRAPHQL__MAX_DEPTH", "16", "max_depth: 16"),
        ("VOICEHIVE_GRAPHQL__MAX_COMPLEXITY", "17", "max_complexity: 17,"),
        ("VOICEHIVE_GRAPHQL__MAX_TOKENS", "18", "max_tokens: 18,"),
        ("VOICEHIVE_GRAPHQL__MAX_ALIASES", "19", "max_aliases: 19,"),
        ("VOICEHIVE_GRAPHQL__MAX_DIRECTIVES", "21", "max_directives: 21,"),
        ("VOICEHIVE_GRAPHQL__MAX_ROOT_FIELDS", "22", "max_root_fields: 22,"),
        ("VOICEHIVE_GRAPHQL__TRUSTED_DOCUMENTS", "t.json", r#"trusted_documents: Some("t.json")"#),
        ("VOICEHIVE_HTTP__TRUSTED_PROXIES", "10.0.0.1", "trusted_proxies: [10.0.0.1/32]"),
        ("VOICEHIVE_HTTP__FORWARDED_HEADER", "forwarded", "forwarded_header: Forwarded,"),
        ("VOICEHIVE_HTTP__METRICS_LISTEN", "10.0.0.1:9464", r#"metrics_listen: Some("10.0.0.1:9464")"#),
        ("VOICEHIVE_HEALTH__DETAILS", "private", "details: Some(Private)"),
        ("VOICEHIVE_HTTP__HEADER_TIMEOUT", "19", "header_timeout: 19s"),
        ("VOICEHIVE_HTTP__BODY_TIMEOUT", "23", "body_timeout: 23s"),
        ("VOICEHIVE_HTTP__IDLE_TIMEOUT", "24", "idle_timeout: 24s"),
        ("VOICEHIVE_HTTP__MAX_REQUESTS", "25", "max_requests: 25,"),
        ("VOICEHIVE_HTTP__MAX_REQUESTS_PER_ADDRESS", "27", "max_requests_per_address: 27,"),
        ("VOICEHIVE_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "26", "max_connections_per_address: 26,"),
        ("VOICEHIVE_HTTP__PUBLIC_URL", "https://id.example.com", "public_url: Some(\"https://id.example.com\")"),
        (
            "VOICEHIVE_HTTP__CORS_ORIGINS",
            "https://a.example,https://b.example:8443",
            r#"["https://a.example", "https://b"#,
        ),
        ("VOICEHIVE_HTTP__DASHBOARD", "false", "dashboard: false"),
        ("VOICEHIVE_HTTP__REFRESH_COOKIE", "true", "refresh_cookie: true"),
        ("VOICEHIVE_HTTP__MAX_CONNECTIONS", "20", "max_connections: 20,"),
        ("VOICEHIVE_HTTP__DRAIN_TIMEOUT", "5s", "drain_timeout: Some(5s)"),
        ("VOICEHIVE_HTTP__SHUTDOWN_TIMEOUT", "21", "shutdown_timeout: 21s"),
        ("VOICEHIVE_AUDIT__RETENTION", "400d", "retention: Some(34560000s)"),
        ("VOICEHIVE_AUDIT__KEY_FILE", "a.key", r#"key_file: Some("a.key")"#),
        ("VOICEHIVE_AUDIT__PREVIOUS_KEY_FILES", "b.key", r#"previous_key_files: ["b.key"]"#),
        ("VOICEHIVE_LOG__FORMAT", "json", "format: Json"),
        ("VOICEHIVE_LOG__LEVEL", "info,sqlx=warn", r#"level: "info,sqlx=warn""#),
        ("VOICEHIVE_TRACES__OTLP_ENDPOINT", "http://h", r#"otlp_endpoint: Some("http://h")"#),
        ("VOICEHIVE_BOOTSTRAP__DEMO_USERS", "true", "demo_users: Some(true)"),
    ];
    // The same of those that come in pairs.
    let pairs = [
        (HOST, "VOICEHIVE_DATABASE__DIRECT_HOST", "a,b:1", r#"direct_host: Some("a,b:1")"#),
        (HOST, "VOICEHIVE_DATABASE__REPLICA_HOST", "r", r#"replica_host: Some("r")"#),
        (MIGRATION_USERNAME, "VOICEHIVE_DATABASE__MIGRATION_PASSWORD", "p", "migration_password: Some(***)"),
        (
            ("DATABASE_SSL_MODE", "verify-full"),
            "VOICEHIVE_DATABASE__SSL_ROOT_CERTIFICATE",
            "ca.pem",
            r#"ssl_root_certificate: Some("ca.pem")"#,
        ),
        (
            ("VOICEHIVE_GRAPHQL__TRUSTED_DOCUMENTS", "t.json"),
            "VOICEHIVE_GRAPHQL__ONLY_TRUSTED_DOCUMENTS",
            "true",
            "only_trusted_documents: true",
        ),
        (("VOICEHIVE_HTTP__TLS_KEY", "k"), "VOICEHIVE_HTTP__TLS_CERTIFICATE", "c", r#"tls_certificate: Some("c")"#),
        (("VOICEHIVE_HTTP__TLS_CERTIFICATE", "c"), "VOICEHIVE_HTTP__TLS_KEY", "k", r#"tls_key: Some("k")"#),
        (SSL_KEY, "VOICEHIVE_DATABASE__SSL_CERTIFICATE", "c.pem", r#"ssl_certificate: Some("c.pem")"#),
        (SSL_CERTIFICATE, SSL_KEY.0, "k.pem", r#"ssl_key: Some("k.pem")"#),
        (ADMINISTRATOR_PASSWORD, ADMINISTRATOR_EMAIL.0, "c@d", r#"email: "c@d""#),
        (ADMINISTRATOR_EMAIL, ADMINISTRATOR_PASSWORD.0, "p", "password: Some(***)"),
        (
            ADMINISTRATOR_EMAIL,
            "VOICEHIVE_BOOTSTRAP__ADMINISTRATOR__PASSWORD_FILE",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            "password_file: Some(",
        ),
    ];
    let rows = table.map(|(variable, value, shown)| (("OTHER", ""), variable, value, shown));
    let rows =
        rows.into_iter().chain(pairs).map(|(other, variable, value, shown)| (vec![other], variable, value, shown));
    let pooler = (vec![HOST, DIRECT_HOST], "VOICEHIVE_DATABASE__POOLER", "transaction", "pooler: Transaction");
    let rows: Vec<_> = rows.chain([pooler]).collect();
    for (others, variable, value, shown) in &rows {
        let environment: Vec<_> = others.iter().copied().chain([(*variable, *value)]).collect();
        let config = Config::from_parts(None, variables(&environment)).map(|config| format!("{config:?}"));
        assert!(config.as_ref().is_ok_and(|config| config.contains(shown)), "{variable}: {config:?}");
        assert!(!format!("{:?}", Config::default()).contains(shown), "{variable} shows nothing");
    }

    let own = rows.iter().map(|row| row.1).filter(|variable| variable.starts_with("VOICEHIVE_"));
    let covered: BTreeSet<String> = own.map(|variable| environment::key_path(variable).unwrap().join(".")).collect();
    assert_eq!(covered, known_keys());
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [("DATABASE_FOO", "x"), ("PATH", "/bin"), ("VOICEHIVE_CONFIG", "/nowhere"), ("VOICEHIVE", "x")];
    assert_eq!(format!("{:?}", read("", &others).unwrap()), format!("{:?}", Config::default()));
}

#[test]
fn bytes_that_are_no_text_are_refused_in_our_variables_only() {
    let bytes = || OsString::from_vec(vec![b'a', 0xff]);
    for variable in ["DATABASE_PASSWORD", "VOICEHIVE_LISTEN", "VOICEHIVE_CONFIG"] {
        let line = environment::ours(&variable.into(), bytes()).unwrap().unwrap_err().to_string();
        assert_eq!(line, format!("{variable}: found bytes that are no text, expected UTF-8"));
    }
    let name = OsString::from_vec(b"VOICEHIVE_\xff".to_vec());
    assert!(environment::ours(&name, "1".into()).unwrap().is_err());
    assert!(environment::ours(&"PATH".into(), bytes()).is_none());
}
