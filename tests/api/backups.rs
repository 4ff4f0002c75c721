//! The recipes of docs/operations.md: what is backed up comes back.

use std::process::Command;

use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::support::{ExternalServer, TestApp, cluster_folder, eventually, told, told_json, voicehive};

/// A program of PostgreSQL on the test's cluster.
fn postgresql(program: &str) -> Command {
    let script = r#"
        program=$1; shift
        found=$(command -v "$program" || ls /usr/lib/postgresql/*/bin/"$program" | sort -V | tail -n 1)
        exec "$found" "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "postgresql", program]);
    command
}

#[tokio::test]
async fn a_dump_is_restored_whole() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let new = json!({ "email": "zoe@hotel1.com", "password": "a long enough one", "hotels": ["hotel:hotel-001"] });
    admin.mutate("createUser", new, "user { id }").await.data("/createUser/user/id");
    let options = &app.database.options;
    let reach = |command: &mut Command| {
        command
            .env("PGHOST", options.get_socket().expect("a socket"))
            .env("PGPORT", options.get_port().to_string())
            .env("PGUSER", options.get_username());
    };
    let name = options.get_database().expect("a name");
    let dump = cluster_folder().join(format!("{name}.dump"));
    let mut dumping = postgresql("pg_dump");
    reach(&mut dumping);
    dumping
        .env("PGOPTIONS", "-c app.principal=system")
        .args(["--format=custom", "--enable-row-security", "--file"])
        .args([dump.as_os_str(), name.as_ref()]);
    let dumped = dumping.output().expect("runs");
    assert!(dumped.status.success(), "{dumped:?}");

    let restored = format!("{name}_restored");
    let mut superuser =
        PgConnection::connect_with(&options.clone().username("postgres").database("postgres")).await.expect("connects");
    let create = format!("CREATE DATABASE {restored} TEMPLATE template0 OWNER {}", options.get_username());
    superuser.execute(AssertSqlSafe(create)).await.expect("a database");
    let mut restoring = postgresql("pg_restore");
    reach(&mut restoring);
    restoring.args(["--exit-on-error", "--no-owner", "--dbname", &restored]).arg(&dump);
    let output = restoring.output().expect("runs");
    assert!(output.status.success(), "{output:?}");

    let options = options.clone().database(&restored);
    let status = told_json(voicehive(&options, &["database", "status", "--json"]));
    assert_eq!((&status["drift"], &status["pending"]), (&json!([]), &json!([])));
    assert!(told(voicehive(&options, &["audit", "verify"])).starts_with("The audit trail is whole"));
    let export = |options| told(voicehive(options, &["users", "export"]));
    assert_eq!(export(&options), export(&app.database.options));
    assert!(export(&options).contains("zoe@hotel1.com"));
}

#[tokio::test]
async fn a_base_backup_is_started_whole() {
    let server = ExternalServer::start().await;
    let owner =
        [("VOICEHIVE_DATABASE__MIGRATION_USERNAME", "owner"), ("VOICEHIVE_DATABASE__MIGRATION_PASSWORD", "owner pass")];
    assert_eq!(told_json(server.voicehive(&["database", "init", "--json"], &owner))["users"], 3);
    // By the account that runs the server, as its files are that account's.
    let script = r#"
        set -eu
        cd "$1"
        # Not the distribution's wrapper, which lacks pg_ctl beside it.
        initdb=$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
        binaries=$(dirname "$(readlink -f "$initdb")")
        run() { "$@"; }
        if [ "$(id -u)" = 0 ]; then run() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }; fi
        run "$binaries/pg_basebackup" --host="$1" --port="$2" --username=postgres --pgdata="$1/base" \
            --wal-method=stream --checkpoint=fast
        run "$binaries/pg_ctl" -D base -w -l "$1/base.log" -o "-c port=$2 -c listen_addresses= -c unix_socket_directories=$1/base" start \
            >/dev/null"#;
    let port = server.port.to_string();
    let folder = server.folder.to_str().expect("a path");
    let done = Command::new("sh").args(["-c", script, "backup", folder, &port]).output().expect("runs");
    assert!(done.status.success(), "{done:?}");
    let base = PgConnectOptions::new_without_pgpass().socket(server.folder.join("base")).port(server.port);
    let base = base.username("owner").database("voicehive");
    assert_eq!(told(voicehive(&base, &["users", "count"])).trim(), "3");
    let status = told_json(voicehive(&base, &["database", "status", "--json"]));
    assert_eq!((&status["drift"], &status["pending"]), (&json!([]), &json!([])));
    let pid = std::fs::read_to_string(server.folder.join("base/postmaster.pid")).expect("it runs");
    let pid = pid.lines().next().expect("its id").to_owned();
    assert!(Command::new("kill").args(["-QUIT", &pid]).status().expect("sent").success());
    eventually("it stopped", async || !server.folder.join("base/postmaster.pid").exists()).await;
}
