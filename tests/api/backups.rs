//! The recipes of docs/operations.md: what is backed up comes back.

use std::process::Command;

use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::support::{TestApp, told, told_json, voicehive};

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
    let dump = super::support::cluster_folder().join(format!("{name}.dump"));
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
