//! A PostgreSQL server of its own over TCP, with TLS, roles with passwords and certificates, as an operator has one.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};

use super::{cluster_folder, eventually, one_line, told_json};

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A PostgreSQL that takes no connection over TCP without TLS, but for the role `plain`.
pub struct ExternalServer {
    pub folder: PathBuf,
    pub port: u16,
    process: Child,
}

const MAKE: &str = r#"
    set -eu
    cd "$1"
    if [ -n "$3" ]; then
        # Where the account that runs it can read it.
        cp -R "$3/.." other
        binaries=$1/other/bin
    else
        initdb=$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
        binaries=$(dirname "$(readlink -f "$initdb")")
    fi
    run() { "$@"; }
    if [ "$(id -u)" = 0 ]; then
        chown -R postgres .
        run() { exec setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
    fi
    (run "$binaries/initdb" -D data -U postgres --auth=trust --encoding=UTF8) >/dev/null
    cat >data/pg_hba.conf <<HBA
local   all all trust
local   replication all trust
hostssl all by_certificate 127.0.0.1/32 cert
hostssl all all            127.0.0.1/32 scram-sha-256
hostnossl all plain        127.0.0.1/32 scram-sha-256
HBA
    run "$binaries/postgres" -D data -c port="$2" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$1" \
        -c fsync=off -c ssl=on -c ssl_cert_file="$1/server.pem" -c ssl_key_file="$1/server.key" -c ssl_ca_file="$1/ca.pem"
"#;

impl ExternalServer {
    pub async fn start() -> Self {
        Self::start_programs("").await
    }

    /// Another major version than the machine's own.
    pub async fn start_version(major: u32) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/install-other-postgresql");
        let programs = Command::new(script).arg(major.to_string()).output().expect("runs");
        assert!(programs.status.success(), "{programs:?}");
        Self::start_programs(String::from_utf8(programs.stdout).expect("a path").trim()).await
    }

    async fn start_programs(programs: &str) -> Self {
        let folder = cluster_folder().join(format!("external-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&folder).expect("a folder");
        make_certificates(&folder);
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let process = Command::new("sh")
            .args(["-c", MAKE, "make"])
            .arg(&folder)
            .arg(port.to_string())
            .arg(programs)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.with_extension("log")).expect("a log"))
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

    pub async fn superuser(&self) -> sqlx::Result<PgConnection> {
        self.superuser_of("postgres").await
    }

    pub async fn superuser_of(&self, database: &str) -> sqlx::Result<PgConnection> {
        let options = PgConnectOptions::new_without_pgpass().socket(&self.folder).port(self.port);
        PgConnection::connect_with(&options.username("postgres").database(database)).await
    }

    pub fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("a path").to_owned()
    }

    /// The program with these variables beside those that lead to the server.
    pub fn voicehive(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
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
    pub fn is_healthy(&self, variables: &[(&str, &str)]) {
        let health = told_json(self.voicehive(&["database", "health", "--json"], variables));
        assert_eq!(health["status"], "healthy", "{variables:?}");
    }

    #[track_caller]
    pub fn is_refused(&self, variables: &[(&str, &str)], expected: &str) {
        let line = one_line(&self.voicehive(&["database", "health"], variables).output().expect("runs"));
        assert!(
            line.contains(expected) && !["serve pass", "wrong pass"].iter().any(|secret| line.contains(secret)),
            "{variables:?}: {line}"
        );
    }
}

impl Drop for ExternalServer {
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
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("private");
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
