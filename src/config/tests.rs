//! Tables of what is taken and what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use tempfile::NamedTempFile;

use super::defaults::days;
use super::*;

const EXAMPLE: &str = include_str!("../../voicehive.example.yaml");

fn file(yaml: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    file
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(yaml: &str, environment: &[(&str, &str)]) -> Result<Config, Error> {
    Config::from_parts(Some(file(yaml).path()), variables(environment))
}

/// The one line of the refusal, with the file's own path as FILE.
fn refusal(yaml: &str, environment: &[(&str, &str)]) -> String {
    let file = file(yaml);
    let line = match Config::from_parts(Some(file.path()), variables(environment)) {
        Ok(_) => panic!("taken: {yaml:?} {environment:?}"),
        Err(error) => error.to_string(),
    };
    assert!(!line.contains('\n'), "{line}");
    line.replace(&file.path().display().to_string(), "FILE")
}

/// Every key in dotted form, and the sections, as the structs themselves tell them in their refusals.
fn known(section: &str, keys: &mut BTreeSet<String>, sections: &mut BTreeSet<String>) {
    let dotted = |name: &str| if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
    let probe = format!("VOICEHIVE_{}", dotted("zz").to_uppercase().replace('.', "__"));
    let line = refusal("", &[(&probe, "1")]);
    let Some((_, names)) = line.split_once("unknown key, expected one of ") else {
        keys.insert(section.to_owned());
        return;
    };
    sections.insert(section.to_owned());
    for name in names.split(", ") {
        known(&dotted(name), keys, sections);
    }
}

fn known_keys() -> BTreeSet<String> {
    let (mut keys, mut sections) = (BTreeSet::new(), BTreeSet::new());
    known("", &mut keys, &mut sections);
    keys
}

#[test]
fn nothing_given_is_the_defaults() {
    let nothing = Config::from_parts(None, []).unwrap();
    assert_eq!(format!("{nothing:?}"), format!("{:?}", Config::default()));
    assert!(!nothing.is_external());
    for yaml in ["", "# only a comment\n", "---\n", "database:\nauth:\n  lockout:\nbootstrap:\n  administrator:\n"] {
        assert_eq!(format!("{:?}", read(yaml, &[]).unwrap()), format!("{nothing:?}"), "{yaml:?}");
    }
}

#[test]
fn environment_goes_over_file_and_file_over_default() {
    let yaml = "auth:\n  lockout:\n    threshold: 7\n    duration: 1h\nhttp:\n  trusted_proxies: [10.0.0.0/8, '::1']\n";
    let from_file = read(yaml, &[("VOICEHIVE_AUTH__LOCKOUT__THRESHOLD", "")]).unwrap();
    assert_eq!(from_file.auth.lockout.threshold, 7);
    assert_eq!(from_file.auth.lockout.duration, Duration::from_hours(1));
    assert_eq!(from_file.auth.session_lifetime, days(7));
    assert_eq!(from_file.http.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse::<IpNet>().unwrap()]);

    let environment =
        [("VOICEHIVE_AUTH__LOCKOUT__THRESHOLD", "9"), ("VOICEHIVE_HTTP__TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")];
    let from_environment = read(yaml, &environment).unwrap();
    assert_eq!(from_environment.auth.lockout.threshold, 9);
    assert_eq!(from_environment.auth.lockout.duration, Duration::from_hours(1));
    assert_eq!(
        from_environment.http.trusted_proxies,
        ["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse::<IpNet>().unwrap()]
    );
}

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
        ("VOICEHIVE_AUTH__LOCKOUT__THRESHOLD", "1", "threshold: 1,"),
        ("VOICEHIVE_AUTH__LOCKOUT__DURATION", "61", "duration: 61s"),
        ("VOICEHIVE_AUTH__HASHING__MEMORY_KIB", "65536", "memory_kib: 65536"),
        ("VOICEHIVE_AUTH__HASHING__ITERATIONS", "3", "iterations: 3"),
        ("VOICEHIVE_AUTH__HASHING__PARALLELISM", "4", "parallelism: 4"),
        ("VOICEHIVE_AUTH__HASHING__WORKERS", "6", "workers: Some(6)"),
        ("VOICEHIVE_AUTH__HASHING__QUEUE_TIMEOUT", "7", "queue_timeout: 7s"),
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
        ("VOICEHIVE_LIMITS__REFRESHES_PER_MINUTE", "63", "refreshes_per_minute: 63,"),
        ("VOICEHIVE_LIMITS__NEW_DOCUMENTS_PER_MINUTE", "64", "new_documents_per_minute: 64,"),
        ("VOICEHIVE_LIMITS__BODY_BYTES", "1024", "body_bytes: 1024 "),
        ("VOICEHIVE_GRAPHQL__INTROSPECTION", "false", "introspection: false"),
        ("VOICEHIVE_GRAPHQL__EXPLORER", "false", "explorer: false"),
        ("VOICEHIVE_GRAPHQL__MAX_DEPTH", "16", "max_depth: 16"),
        ("VOICEHIVE_GRAPHQL__MAX_COMPLEXITY", "17", "max_complexity: 17,"),
        ("VOICEHIVE_GRAPHQL__MAX_TOKENS", "18", "max_tokens: 18,"),
        ("VOICEHIVE_GRAPHQL__MAX_ALIASES", "19", "max_aliases: 19,"),
        ("VOICEHIVE_GRAPHQL__MAX_DIRECTIVES", "21", "max_directives: 21,"),
        ("VOICEHIVE_GRAPHQL__MAX_ROOT_FIELDS", "22", "max_root_fields: 22,"),
        ("VOICEHIVE_GRAPHQL__TRUSTED_DOCUMENTS", "t.json", r#"trusted_documents: Some("t.json")"#),
        ("VOICEHIVE_HTTP__TRUSTED_PROXIES", "10.0.0.1", "trusted_proxies: [10.0.0.1/32]"),
        ("VOICEHIVE_HTTP__METRICS_LISTEN", "10.0.0.1:9464", r#"metrics_listen: Some("10.0.0.1:9464")"#),
        ("VOICEHIVE_HTTP__HEADER_TIMEOUT", "19", "header_timeout: 19s"),
        ("VOICEHIVE_HTTP__BODY_TIMEOUT", "23", "body_timeout: 23s"),
        ("VOICEHIVE_HTTP__IDLE_TIMEOUT", "24", "idle_timeout: 24s"),
        ("VOICEHIVE_HTTP__MAX_REQUESTS", "25", "max_requests: 25,"),
        ("VOICEHIVE_HTTP__MAX_REQUESTS_PER_ADDRESS", "27", "max_requests_per_address: 27,"),
        ("VOICEHIVE_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "26", "max_connections_per_address: 26,"),
        (
            "VOICEHIVE_HTTP__CORS_ORIGINS",
            "https://a.example,https://b.example:8443",
            r#"["https://a.example", "https://b"#,
        ),
        ("VOICEHIVE_HTTP__REFRESH_COOKIE", "true", "refresh_cookie: true"),
        ("VOICEHIVE_HTTP__MAX_CONNECTIONS", "20", "max_connections: 20,"),
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
    let rows: Vec<_> = rows.into_iter().chain(pairs).collect();
    for (other, variable, value, shown) in &rows {
        let environment = [*other, (variable, value)];
        let config = Config::from_parts(None, variables(&environment)).map(|config| format!("{config:?}"));
        assert!(config.as_ref().is_ok_and(|config| config.contains(shown)), "{variable}: {config:?}");
        assert!(!format!("{:?}", Config::default()).contains(shown), "{variable} shows nothing");
    }

    let own = rows.iter().map(|row| row.1).filter(|variable| variable.starts_with("VOICEHIVE_"));
    let covered: BTreeSet<String> = own.map(|variable| environment::key_path(variable).unwrap().join(".")).collect();
    assert_eq!(covered, known_keys());
}

const MIGRATION_USERNAME: (&str, &str) = ("VOICEHIVE_DATABASE__MIGRATION_USERNAME", "owner");
const SSL_CERTIFICATE: (&str, &str) = ("VOICEHIVE_DATABASE__SSL_CERTIFICATE", "c.pem");
const SSL_KEY: (&str, &str) = ("VOICEHIVE_DATABASE__SSL_KEY", "k.pem");
const ADMINISTRATOR_EMAIL: (&str, &str) = ("VOICEHIVE_BOOTSTRAP__ADMINISTRATOR__EMAIL", "a@b");
const ADMINISTRATOR_PASSWORD: (&str, &str) = ("VOICEHIVE_BOOTSTRAP__ADMINISTRATOR__PASSWORD", "p");

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

#[test]
fn unknown_keys_are_refused_at_every_level() {
    let (mut keys, mut sections) = (BTreeSet::new(), BTreeSet::new());
    known("", &mut keys, &mut sections);
    assert_eq!(sections.len(), 14, "{sections:?}");
    for section in &sections {
        let path: Vec<&str> = section.split('.').filter(|name| !name.is_empty()).chain(["nope"]).collect();
        let key = path.join(".");
        for value in ["hunter2", "", "{a: 1}", "[1]"] {
            let yaml = format!("{}: {value}{}", path.join(": {"), "}".repeat(path.len() - 1));
            let line = refusal(&yaml, &[]);
            assert!(line.starts_with(&format!("{key} in FILE: unknown key, expected one of ")), "{line}");
            assert!(!line.contains("hunter2"), "{line}");
        }
        let variable = format!("VOICEHIVE_{}", path.join("__").to_uppercase());
        let line = refusal("", &[(&variable, "hunter2")]);
        assert!(line.starts_with(&format!("{key} in {variable}: unknown key, expected one of ")), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    for (yaml, variable, start) in [
        ("", "VOICEHIVE_listen", "listen in VOICEHIVE_listen: "),
        ("", "VOICEHIVE_Listen", "Listen in VOICEHIVE_Listen: unknown key"),
        ("", "VOICEHIVE_AUTH_LOCKOUT_THRESHOLD", "auth_lockout_threshold in VOICEHIVE_AUTH_LOCKOUT_THRESHOLD: unknown"),
        ("", "VOICEHIVE_LISTEN__X", "listen in VOICEHIVE_LISTEN__X: found a section, expected host:port"),
        ("listen: h:1", "VOICEHIVE_LISTEN__X", "listen.x in VOICEHIVE_LISTEN__X: unknown key, because the key above"),
        ("Listen: h:1", "X", "Listen in FILE: unknown key"),
        ("? \"a\\nb\"\n: 1", "X", "a b in FILE: unknown key"),
        ("1: 1", "X", "1 in FILE: unknown key"),
    ] {
        let line = refusal(yaml, &[(variable, "x")]);
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn bad_values_are_refused_with_key_place_found_and_expected() {
    for (yaml, expected) in [
        ("database: {port: abc}", r#"database.port in FILE: found "abc", expected a whole number from 1 to 65535"#),
        ("database: {port: 0}", r#"found "0", expected a whole number"#),
        ("database:\n  port: 0", r#"found "0", expected a whole number from 1 to 65535"#),
        ("database:\n  port: 65536", r#"found "65536", expected"#),
        ("database:\n  port: true", r#"found "true", expected"#),
        (
            "database:\n  pool_size: 2.7",
            r#"database.pool_size in FILE: found "2.7", expected a whole number from 1 to"#,
        ),
        ("database:\n  pool_size: -1", r#"found "-1""#),
        ("database:\n  pool_size: 0", "from 1 to"),
        ("database:\n  port:", "database.port in FILE: found nothing, expected a whole number"),
        ("database:\n  port: [1]", "database.port in FILE: found a list, expected a whole number"),
        ("database: {port: {a: 1}}", "database.port in FILE: found a section, expected a whole number"),
        ("database: 5", r#"database in FILE: found "5", expected a section of keys"#),
        ("database: x", r#"database in FILE: found "x", expected a section of keys"#),
        ("database: {username: ''}", "database.username in FILE: found nothing, expected a text"),
        ("database: {username: [a]}", "database.username in FILE: found a list, expected a text"),
        ("database: {ssl_mode: on}", r#"found "on", expected one of disable, prefer, require, verify-ca, verify-full"#),
        ("database: {ssl_mode: verify_ca}", "verify-ca"),
        ("database: {host: 'postgres://u:hunter2@h'}", "database.host in FILE: found more than a host"),
        ("database: {url: 'mysql://hunter2'}", "expected a URL that begins with postgres://"),
        ("database: {statement_timeout: 25d}", "database.statement_timeout in FILE: found more"),
        ("listen: '8000'", r#"listen in FILE: found "8000", expected host:port"#),
        ("listen: ':8000'", "expected host:port"),
        ("listen: 'h:65536'", "expected host:port"),
        ("listen: '::1:80'", "expected host:port"),
        ("listen: '[h]:80'", "expected host:port"),
        ("listen: 'http://h:80'", "listen in FILE: found a URL, expected host:port"),
        ("environment: staging", r#"environment in FILE: found "staging", expected one of development, production"#),
        ("auth: {lockout: {threshold: '0'}}", r#"auth.lockout.threshold in FILE: found "0", expected a whole number"#),
        ("auth: {lockout: {duration: 0s}}", r#"auth.lockout.duration in FILE: found "0s", expected a length of time"#),
        ("auth: {hashing: {memory_kib: '19455'}}", "from 19456 to"),
        ("auth: {hashing: {iterations: '1'}}", "from 2 to"),
        ("auth: {hashing: {parallelism: '0'}}", "from 1 to"),
        (
            "auth: {hashing: {workers: '0'}}",
            "auth.hashing.workers in FILE: found \"0\", expected a whole number from 1",
        ),
        ("auth: {enforce_password_change: yes}", r#"found "yes", expected true or false"#),
        (
            "auth: {access_token_lifetime: 7d}",
            "auth.access_token_lifetime in FILE: found 604800s, expected less than auth.session_lifetime, \
             which is 604800s in the defaults",
        ),
        ("auth: {session_lifetime: 31d}", "expected at most auth.remember_me_lifetime, which is 2592000s"),
        ("jwt: {algorithm: eddsa}", r#"jwt.algorithm in FILE: found "eddsa", expected one of EdDSA, ES256, RS256"#),
        ("jwt: {previous_key_files: [[a]]}", "found a list of lists or sections, expected a list of texts"),
        ("jwt: {previous_key_files: {a: 1}}", "found a section, expected a list of texts"),
        ("limits: {body_bytes: '1023'}", "from 1024 to"),
        ("limits: {body_bytes: 1MiB}", r#"found "1MiB""#),
        ("limits: {body_bytes: '99999999999999999999999'}", "from 1024 to"),
        ("graphql: {introspection: 1}", "expected true or false"),
        (
            "http: {trusted_proxies: [10.0.0.0/8, ten]}",
            "http.trusted_proxies in FILE: found a list, expected addresses",
        ),
        ("http: {trusted_proxies: [10.0.0.0/8, ten]}", r#""ten" is neither"#),
        ("log: {format: xml}", r#"log.format in FILE: found "xml", expected one of auto, json, pretty"#),
        ("bootstrap: {demo_users: maybe}", "expected true or false"),
        ("bootstrap: {administrator: {password: p}}", "bootstrap.administrator.email in FILE: found nothing"),
        (
            "bootstrap: {administrator: {email: a, password: p}}",
            "bootstrap.administrator.email in FILE: found \"a\", expected an email",
        ),
        (
            "bootstrap: {administrator: {email: a@b}}",
            "bootstrap.administrator in FILE: found neither, expected exactly one of",
        ),
        (
            "bootstrap: {administrator: {email: a@b, password: p, password_file: f}}",
            "found both, expected exactly one of password and",
        ),
        (
            "bootstrap: {administrator: {email: a@b, password_file: /no/such}}",
            "bootstrap.administrator.password_file in FILE: /no/such cannot be read: No such file",
        ),
        (
            "bootstrap: {administrator: {email: a@b, password_file: /dev/null}}",
            "bootstrap.administrator.password_file in FILE: /dev/null is empty",
        ),
        ("database: {ssl_key: k}", "database.ssl_certificate in the defaults: found nothing, expected a file"),
        ("database: {ssl_certificate: c}", "database.ssl_key in the defaults: found nothing, expected a file"),
        (
            "database: {ssl_mode: disable, ssl_certificate: c, ssl_key: k}",
            "database.ssl_mode in FILE: found disable beside",
        ),
        (
            "database: {ssl_mode: require, ssl_root_certificate: c}",
            "database.ssl_mode in FILE: found a root certificate",
        ),
        ("database: {url: 'postgres://h/d?sslmode=require&sslrootcert=c'}", "found a root certificate"),
        (
            "database: {url: 'postgres://h/d?sslmode=require', ssl_mode: verify-full}",
            "database.ssl_mode in FILE: found one beside the URL's sslmode",
        ),
        ("http: {tls_key: k}", "http.tls_certificate in the defaults: found nothing"),
        ("http: {cors_origins: ['https://a.example/x']}", r#""https://a.example/x" is none"#),
        ("http: {cors_origins: ['*']}", r#""*" is none"#),
        ("graphql: {only_trusted_documents: true}", "graphql.trusted_documents in the defaults: found nothing"),
        (
            "database: {url: 'postgres://h/d?sslpassword=hunter2'}",
            r#"database.url in FILE: found the unknown parameter "sslpassword", expected one of sslmode,"#,
        ),
        (
            "database: {migration_password: p}",
            "database.migration_username in the defaults: found nothing, expected the role",
        ),
        ("database: {lock_timeout: 25d}", "database.lock_timeout in FILE: found more than PostgreSQL takes"),
        ("a: b: c", "FILE: cannot be read as YAML: "),
        ("a: 1\n---\nb: 1", "FILE: cannot be read as YAML: expected one document"),
        ("listen: a:1\nlisten: b:1", "duplicated key"),
        ("hunter2", "FILE: cannot be read as YAML: expected one document of sections and keys"),
        ("[hunter2]", "FILE: cannot be read as YAML: expected one document of sections and keys"),
        ("database: {password: {[hunter2]: 1}}", "FILE: cannot be read as YAML: expected one document"),
    ] {
        let line = refusal(yaml, &[]);
        assert!(line.contains(expected), "{yaml:?}: {line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    let line = refusal("", &[("VOICEHIVE_AUTH__LOCKOUT__THRESHOLD", "five")]);
    let expected = "auth.lockout.threshold in VOICEHIVE_AUTH__LOCKOUT__THRESHOLD: found \"five\", \
                    expected a whole number from 1 to 1000";
    assert_eq!(line, expected);
    assert!(refusal("", &[("DATABASE_PORT", "tcp://10.0.0.1:5432")]).contains("found a URL, expected a whole number"));
}

#[test]
fn two_that_exclude_each_other_are_refused() {
    let url = ("DATABASE_URL", "postgres://u:hunter2@h/d");
    for (yaml, environment, expected) in [
        ("", [url, ("DATABASE_HOST", "db")], "database.host in DATABASE_HOST: database.url is set in DATABASE_URL too"),
        ("database: {host: db}", [url, ("X", "")], "database.host in FILE: database.url is set in DATABASE_URL too"),
        (
            "",
            [("VOICEHIVE_DATABASE__PORT", "1"), ("DATABASE_PORT", "2")],
            "database.port in VOICEHIVE_DATABASE__PORT: set in DATABASE_PORT too; remove one of the two",
        ),
    ] {
        let line = refusal(yaml, &environment);
        assert!(line.starts_with(expected), "{line}");
        assert!(line.contains("remove") && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn external_is_a_host_or_a_url() {
    assert!(read("database: {host: db}", &[]).unwrap().is_external());
    assert!(read("", &[("DATABASE_URL", "postgres://h/d")]).unwrap().is_external());
    assert!(!read("database: {port: 1}", &[("DATABASE_HOST", "")]).unwrap().is_external());
}

#[test]
fn durations() {
    for (text, seconds) in
        [("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("45", 45), ("3650d", 315_360_000)]
    {
        let yaml = format!("auth: {{session_retention: {text}}}");
        assert_eq!(read(&yaml, &[]).unwrap().auth.session_retention.as_secs(), seconds, "{text}");
    }
    for text in ["0", "0m", "-5s", "+5s", "5w", "s", "1.5h", "5 m", "15ss", "3651d", "99999999999999999999d", "1h30m"] {
        let line = refusal("", &[("VOICEHIVE_AUTH__SESSION_RETENTION", text)]);
        assert!(line.contains("90s, 15m, 12h, 7d or a bare number of seconds"), "{line}");
    }
}

#[test]
fn numbers_and_booleans_are_texts_where_a_text_is_wanted_and_nothing_is_lost() {
    for (scalar, expected) in [("12345", "12345"), ("1.5", "1.5"), ("true", "true"), ("no", "no"), ("'007'", "007")] {
        let yaml = format!("database:\n  database: {scalar}\n  password: {scalar} # a comment\n");
        let database = read(&yaml, &[]).unwrap().database;
        assert_eq!(database.database, expected);
        assert_eq!(database.password.unwrap().expose(), expected);
    }
    for scalar in ["007", "0x1F", "1.50", "True", "12e3", "[7]", "{seven: 7}"] {
        let line = refusal(&format!("database:\n  password: {scalar}\n"), &[]);
        assert!(line.starts_with("database.password in FILE: found "), "{line}");
        assert!(line.contains("expected a text") && !line.contains('7'), "{line}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let yaml =
        "database:\n  password: hunter2\n  port: abc\nbootstrap: {administrator: {email: a@b, password: hunter2}}\n";
    assert!(!refusal(yaml, &[]).contains("hunter2"));
    let config = read(&yaml.replace("abc", "1"), &[("DATABASE_URL", "postgres://u:hunter2@h/d")]).unwrap();
    let shown = format!("{config:?} {config:#?}");
    assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_administrators_password_comes_from_either_place() {
    for (text, password) in [("secret\n", "secret"), ("secret\r\n", "secret"), ("two\n\n", "two\n"), (" a ", " a ")] {
        let secret = file(text);
        let path = secret.path().display();
        let yaml = format!("bootstrap: {{administrator: {{email: a@b, password_file: {path}}}}}");
        let administrator = read(&yaml, &[]).unwrap().bootstrap.administrator.unwrap();
        assert_eq!(administrator.password().unwrap().expose(), password);
    }
    let administrator = read("", &[ADMINISTRATOR_EMAIL, ADMINISTRATOR_PASSWORD]).unwrap().bootstrap.administrator;
    assert_eq!(administrator.unwrap().password().unwrap().expose(), "p");
}

#[test]
fn an_unreadable_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let binary = NamedTempFile::new().unwrap();
    std::fs::write(binary.path(), b"listen: \xff").unwrap();
    for path in [folder.path(), &folder.path().join("none.yaml"), binary.path()] {
        let line = Config::from_parts(Some(path), []).unwrap_err().to_string();
        assert!(line.starts_with(&format!("{}: cannot be read", path.display())), "{line}");
        assert!(line.contains("VOICEHIVE_CONFIG") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn the_example_is_the_defaults() {
    assert_eq!(format!("{:?}", read(EXAMPLE, &[]).unwrap()), format!("{:?}", Config::default()));
}

#[test]
fn the_example_names_every_key_and_explains_it() {
    // A setting in a comment follows its "#" at once; a sentence stands off.
    let set: Vec<(String, &str)> = EXAMPLE
        .lines()
        .map(|line| {
            let text = line.trim_start();
            match text.strip_prefix('#') {
                Some(setting) if setting.starts_with(char::is_alphabetic) => (line.replacen('#', "", 1), setting),
                _ => (line.to_owned(), text),
            }
        })
        .collect();
    let yaml = set.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n");
    let tree: BTreeMap<String, config::Value> =
        config::Format::parse(&config::FileFormat::Yaml, None, &yaml).unwrap().into_iter().collect();
    let mut named = BTreeSet::new();
    for (name, value) in tree {
        leaves(&name, value, &mut named);
    }
    assert_eq!(named, known_keys());

    let is_key = |text: &str| !text.is_empty() && !text.starts_with('#');
    for pair in set.windows(2).filter(|pair| is_key(pair[1].1)) {
        assert!(pair[0].1.starts_with("# "), "not explained: {}", pair[1].0);
    }
}

fn leaves(key: &str, value: config::Value, named: &mut BTreeSet<String>) {
    match value.kind {
        config::ValueKind::Table(table) => {
            for (name, value) in table {
                leaves(&format!("{key}.{name}"), value, named);
            }
        }
        _ => assert!(named.insert(key.to_owned())),
    }
}
