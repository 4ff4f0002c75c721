//! An external PostgreSQL over TCP: TLS in each mode, certificates right and wrong, passwords, rights.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};

use super::support::{cluster_folder, eventually, one_line, told_json};

/// A PostgreSQL that takes no connection over TCP without TLS, but for the role `plain`.
struct TlsServer {
    folder: PathBuf,
    port: u16,
    process: Child,
}

const MAKE: &str = r#"
    set -eu
    cd "$1"
    initdb=$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
    binaries=$(dirname "$(readlink -f "$initdb")")
    run() { "$@"; }
    if [ "$(id -u)" = 0 ]; then
        chown -R postgres .
        run() { exec setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
    fi
    (run "$binaries/initdb" -D data -U postgres --auth=trust --encoding=UTF8) >/dev/null
    cat >data/pg_hba.conf <<HBA
local   all all trust
hostssl all by_certificate 127.0.0.1/32 cert
hostssl all all            127.0.0.1/32 scram-sha-256
hostnossl all plain        127.0.0.1/32 scram-sha-256
HBA
    run "$binaries/postgres" -D data -c port="$2" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$1" \
        -c fsync=off -c ssl=on -c ssl_cert_file="$1/server.pem" -c ssl_key_file="$1/server.key" -c ssl_ca_file="$1/ca.pem"
"#;

impl TlsServer {
    async fn start() -> Self {
        let folder = cluster_folder().join("tls");
        fs::create_dir_all(&folder).expect("a folder");
        make_certificates(&folder);
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let process = Command::new("sh")
            .args(["-c", MAKE, "make"])
            .arg(&folder)
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(cluster_folder().join("tls.log")).expect("a log"))
            .spawn()
            .expect("starts");
        let server = Self { folder, port, process };
        eventually("PostgreSQL with TLS starts", async || server.superuser().await.is_ok()).await;
        let mut superuser = server.superuser().await.expect("connects");
        superuser
            .execute(
                "CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'owner pass'; CREATE ROLE voicehive LOGIN PASSWORD 'serve pass';
                 CREATE ROLE by_certificate LOGIN; CREATE ROLE plain LOGIN PASSWORD 'plain pass'; CREATE ROLE voicehive_app",
            )
            .await
            .expect("roles");
        superuser.execute("GRANT voicehive_app TO owner WITH ADMIN OPTION").await.expect("granted");
        superuser.execute("CREATE DATABASE voicehive OWNER owner").await.expect("a database");
        server
    }

    async fn superuser(&self) -> sqlx::Result<PgConnection> {
        let options = PgConnectOptions::new_without_pgpass().socket(&self.folder).port(self.port);
        PgConnection::connect_with(&options.username("postgres").database("postgres")).await
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("a path").to_owned()
    }

    /// The program with these variables beside those that lead to the server.
    fn voicehive(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voicehive"));
        command
            .args(arguments)
            .env_clear()
            .envs([("DATABASE_HOST", "127.0.0.1"), ("DATABASE_USER", "voicehive"), ("DATABASE_PASSWORD", "serve pass")])
            .env("DATABASE_PORT", self.port.to_string())
            .env("DATABASE_NAME", "voicehive")
            .env("VOICEHIVE_DATA_DIR", cluster_folder())
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn is_healthy(&self, variables: &[(&str, &str)]) {
        let health = told_json(self.voicehive(&["database", "health", "--json"], variables));
        assert_eq!(health["status"], "healthy", "{variables:?}");
    }

    #[track_caller]
    fn is_refused(&self, variables: &[(&str, &str)], expected: &str) {
        let line = one_line(&self.voicehive(&["database", "health"], variables).output().expect("runs"));
        assert!(
            line.contains(expected) && !["serve pass", "wrong pass"].iter().any(|secret| line.contains(secret)),
            "{variables:?}: {line}"
        );
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        // SIGQUIT, the immediate stop: nothing of it is kept.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &id]).status();
        let _ = self.process.wait();
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

fn make_certificates(folder: &Path) {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).expect("written");
        let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
        fs::set_permissions(&path, mode).expect("private");
    };
    let (ours, other) = (authority("hotel group"), authority("somebody else"));
    write("ca.pem", ours.pem());
    write("other-ca.pem", other.pem());
    for (file, name, issuer) in [
        ("server", "localhost", &ours),
        ("client", "by_certificate", &ours),
        ("other-client", "by_certificate", &other),
    ] {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        write(&format!("{file}.pem"), params.signed_by(&key, issuer).expect("signed").pem());
        write(&format!("{file}.key"), key.serialize_pem());
    }
}

#[tokio::test]
async fn connections_are_encrypted_and_certificates_checked_as_configured() {
    let server = TlsServer::start().await;
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

    let url = format!(
        "postgres://voicehive:serve%20pass@localhost:{}/voicehive?sslmode=verify-full&sslrootcert={ca}",
        server.port
    );
    let mut by_url = server.voicehive(&["database", "health", "--json"], &[("DATABASE_URL", &url)]);
    for part in ["HOST", "PORT", "NAME", "USER", "PASSWORD"] {
        by_url.env_remove(format!("DATABASE_{part}"));
    }
    assert_eq!(told_json(by_url)["status"], "healthy");

    server.is_refused(&[("DATABASE_PASSWORD", "wrong pass")], "check DATABASE_USER and DATABASE_PASSWORD");
    server.is_refused(&[("DATABASE_NAME", "nowhere")], "`voicehive database init --create-db`");
    server.is_refused(&[("DATABASE_PORT", "1")], "check DATABASE_HOST and DATABASE_PORT");

    // Migrations take a role that may make tables; what fails leaves nothing behind.
    let init = ["database", "init", "--json"];
    let refused = one_line(&server.voicehive(&init, &[]).output().expect("runs"));
    assert!(refused.contains("must own the database's schema"), "{refused}");
    let owner =
        [("VOICEHIVE_DATABASE__MIGRATION_USERNAME", "owner"), ("VOICEHIVE_DATABASE__MIGRATION_PASSWORD", "owner pass")];
    let status = server.voicehive(&["database", "status", "--json"], &owner).output().expect("runs");
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["applied"], json!([]), "nothing half-done");
    let done = told_json(server.voicehive(&init, &owner));
    assert_eq!(done["users"], 3);
    let counted = server.voicehive(&["users", "count"], &owner).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&counted.stdout).trim(), "3");
}
