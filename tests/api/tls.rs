//! An external PostgreSQL over TCP: TLS in each mode, certificates right and wrong, passwords, rights, other versions.

use serde_json::json;

use super::support::{ExternalServer, one_line, told_json};

/// The role that owns the tables, beside the one that serves.
const OWNER: [(&str, &str); 2] =
    [("VOICEHIVE_DATABASE__MIGRATION_USERNAME", "owner"), ("VOICEHIVE_DATABASE__MIGRATION_PASSWORD", "owner pass")];

#[tokio::test]
async fn connections_are_encrypted_and_certificates_checked_as_configured() {
    let server = ExternalServer::start().await;
    let (ca, other_ca) = (server.file("ca.pem"), server.file("other-ca.pem"));
    let root = "VOICEHIVE_DATABASE__SSL_ROOT_CERTIFICATE";
    let mode = |mode: &'static str| ("DATABASE_SSL_MODE", mode);
    let localhost = ("DATABASE_HOST", "localhost");

    // The server takes this role over TLS only: whoever gets in, got in over TLS.
    server.is_refused(&[mode("disable")], "no pg_hba.conf entry");
    server.is_healthy(&[]);
    server.is_healthy(&[mode("prefer")]);
    server.is_healthy(&[mode("require")]);
    // Without TLS where both sides can do without.
    let plain = [("DATABASE_USER", "plain"), ("DATABASE_PASSWORD", "plain pass")];
    server.is_healthy(&[plain[0], plain[1], mode("disable")]);

    server.is_healthy(&[mode("verify-ca"), (root, &ca)]);
    server.is_refused(&[mode("verify-ca"), (root, &other_ca)], "database.ssl_root_certificate");
    server.is_refused(&[mode("verify-ca")], "database.ssl_root_certificate");
    server.is_healthy(&[mode("verify-full"), (root, &ca), localhost]);
    server.is_refused(&[mode("verify-full"), (root, &ca)], "database.ssl_mode");
    server.is_refused(&[mode("verify-full"), (root, &other_ca), localhost], "database.ssl_root_certificate");
    server.is_refused(&[mode("verify-ca"), (root, "/nowhere/ca.pem")], "/nowhere/ca.pem");

    let certificate = |name: &str| (server.file(&format!("{name}.pem")), server.file(&format!("{name}.key")));
    let with = |files: &(String, String)| {
        let (file, key) = files.clone();
        server.voicehive(
            &["database", "health"],
            &[
                ("DATABASE_USER", "by_certificate"),
                mode("verify-ca"),
                (root, &ca),
                ("VOICEHIVE_DATABASE__SSL_CERTIFICATE", &file),
                ("VOICEHIVE_DATABASE__SSL_KEY", &key),
            ],
        )
    };
    assert!(with(&certificate("client")).output().expect("runs").status.success());
    one_line(&with(&certificate("other-client")).output().expect("runs"));
    server.is_refused(&[("DATABASE_USER", "by_certificate")], "certificate");

    server.is_refused(&[mode("require"), (root, &ca)], "database.ssl_mode");

    let url = format!(
        "postgres://voicehive:serve%20pass@localhost:{}/voicehive?sslmode=verify-full&sslrootcert={ca}",
        server.port
    );
    let mut by_url = server.voicehive(&["database", "health", "--json"], &[("DATABASE_URL", &url)]);
    for part in ["HOST", "PORT", "NAME", "USER", "PASSWORD"] {
        by_url.env_remove(format!("DATABASE_{part}"));
    }
    assert_eq!(told_json(by_url)["status"], "healthy");
    // The mode is also for a URL that says none: this server's authority is not a public one.
    let url = format!("postgres://voicehive:serve%20pass@localhost:{}/voicehive", server.port);
    let mut by_url = server.voicehive(&["database", "health"], &[("DATABASE_URL", &url), mode("verify-full")]);
    for part in ["HOST", "PORT", "NAME", "USER", "PASSWORD"] {
        by_url.env_remove(format!("DATABASE_{part}"));
    }
    assert!(one_line(&by_url.output().expect("runs")).contains("database.ssl_root_certificate"));

    server.is_refused(&[("DATABASE_PASSWORD", "wrong pass")], "check DATABASE_USER and DATABASE_PASSWORD");
    server.is_refused(&[("DATABASE_NAME", "nowhere")], "`voicehive database init --create-db`");
    server.is_refused(&[("DATABASE_PORT", "1")], "check DATABASE_HOST and DATABASE_PORT");

    // Migrations take a role that may make tables; what fails leaves nothing behind.
    let init = ["database", "init", "--json"];
    let refused = one_line(&server.voicehive(&init, &[]).output().expect("runs"));
    assert!(refused.contains("must own the database's schema"), "{refused}");
    let status = server.voicehive(&["database", "status", "--json"], &OWNER).output().expect("runs");
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["applied"], json!([]), "nothing half-done");
    let done = told_json(server.voicehive(&init, &OWNER));
    assert_eq!(done["users"], 3);
    let counted = server.voicehive(&["users", "count"], &OWNER).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&counted.stdout).trim(), "3");
}

#[tokio::test]
async fn an_older_postgresql_than_supported_is_refused_in_one_line() {
    let server = ExternalServer::start_version(14).await;
    for command in [&["database", "init"][..], &["database", "migrate"], &["serve"]] {
        let line = one_line(&server.voicehive(command, &OWNER).output().expect("runs"));
        assert!(line.contains("version 14.") && line.contains("needs 15 or newer"), "{command:?}: {line}");
    }
    let mut owner = server.superuser_of("voicehive").await.expect("connects");
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&mut owner)
        .await
        .expect("counted");
    assert_eq!(tables, 0, "nothing half-done");
}

#[tokio::test]
async fn the_newest_postgresql_serves() {
    let server = ExternalServer::start_version(18).await;
    assert_eq!(told_json(server.voicehive(&["database", "init", "--json"], &OWNER))["users"], 3);
    server.is_healthy(&OWNER);
    let status = told_json(server.voicehive(&["database", "status", "--json"], &OWNER));
    assert_eq!((&status["pending"], &status["drift"]), (&json!([]), &json!([])), "{status}");
}
