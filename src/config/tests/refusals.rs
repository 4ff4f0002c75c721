//! What is refused, and in which words.

use super::*;

#[test]
fn unknown_keys_are_refused_at_every_level() {
    let (mut keys, mut sections) = (BTreeSet::new(), BTreeSet::new());
    known("", &mut keys, &mut sections);
    assert_eq!(sections.len(), 15, "{sections:?}");
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
        (
            "limits: {body_bytes: '4194305', bodies_bytes: '8388608'}",
            "limits.bodies_bytes in FILE: found 8388608, expected at least 2 times limits.body_bytes, which is 4194305",
        ),
        (
            "limits: {stranger_body_bytes: '1048576', bodies_bytes: '2097152'}",
            "limits.bodies_bytes in FILE: found 2097152, expected at least 8 times limits.stranger_body_bytes",
        ),
        ("graphql: {introspection: 1}", "expected true or false"),
        (
            "http: {trusted_proxies: [10.0.0.0/8, ten]}",
            "http.trusted_proxies in FILE: found a list, expected addresses",
        ),
        ("http: {trusted_proxies: [10.0.0.0/8, ten]}", r#""ten" is neither"#),
        (
            "http: {forwarded_header: via}",
            r#"http.forwarded_header in FILE: found "via", expected one of x-forwarded-for, forwarded"#,
        ),
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
        ("database: {host: 'db1,'}", "database.host in FILE: found no list of addresses, expected one such as"),
        ("database: {host: a, replica_host: 'a,b'}", "database.replica_host in FILE: found several, expected one"),
        (
            "database: {host: a, pooler: transaction}",
            "database.direct_host in the defaults: found nothing, expected where",
        ),
        (
            "database: {host: 'a,b', direct_host: c, pooler: transaction}",
            "database.host in FILE: found several, expected one pooler",
        ),
        ("database: {replica_host: r}", "database.replica_host in FILE: found one beside no database.host"),
        (
            "database: {host: a, pooler: session}",
            "database.pooler in FILE: found \"session\", expected one of none, transaction",
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
        ("http: {public_url: 'id.example.com'}", r#""id.example.com" is none"#),
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
