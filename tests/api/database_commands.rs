//! `voicehive database ...` as the migration guide tells operators to use it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::support::{
    Client, Setup, TestApp, TestDatabase, cluster_folder, one_line, run_with_input, told, told_json, voicehive,
};

#[tokio::test]
async fn init_makes_everything_and_run_again_changes_nothing() {
    let database = TestDatabase::create_empty().await;
    let options = &database.options;
    let before = told_json_failing(options, &["database", "status", "--json"]);
    assert_eq!((before["applied"].as_array().map(Vec::len), &before["drift"]), (Some(0), &json!([])));
    assert!(before["pending"].as_array().is_some_and(|pending| pending.len() >= 5));

    let first = told_json(voicehive(options, &["database", "init", "--json"]));
    assert_eq!((&first["users"], &first["roles"], &first["hotels"]), (&json!(3), &json!(4), &json!(1)));
    assert_eq!((&first["row_level_security"], &first["reset"]), (&json!(true), &json!(false)));
    let again = told_json(voicehive(options, &["database", "init", "--json"]));
    assert_eq!((&again["migrations_applied"], &again["users"]), (&json!(0), &json!(3)));
    let told = told(voicehive(options, &["database", "init"]));
    assert!(told.contains("is ready: 0 migrations applied now, row-level security on, 3 users"), "{told}");
    let migrated = told_json(voicehive(options, &["database", "migrate", "--json"]));
    assert_eq!(migrated["applied"], json!(0));
    let status = told_json(voicehive(options, &["database", "status", "--json"]));
    // A line here is one to add to migrations/schema.txt, or to take from it.
    assert_eq!(status["drift"], json!([]), "{}", lines(&status["drift"]));
    assert_eq!((&status["pending"], &status["row_level_security"]), (&json!([]), &json!("on")));
}

fn lines(drift: &serde_json::Value) -> String {
    drift.as_array().expect("a list").iter().filter_map(|line| line.as_str()).collect::<Vec<_>>().join("\n")
}

/// What a command printed that found something to tell of.
fn told_json_failing(options: &sqlx::postgres::PgConnectOptions, arguments: &[&str]) -> serde_json::Value {
    let output = voicehive(options, arguments).output().expect("runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn users_that_were_skipped_stay_away_until_they_are_asked_for() {
    let database = TestDatabase::create_empty().await;
    let init = |arguments: &[&str]| {
        told_json(voicehive(&database.options, &[&["database", "init", "--json"], arguments].concat()))
    };
    assert_eq!(init(&["--skip-users"])["users"], json!(0));
    assert_eq!(init(&["--skip-users"])["users"], json!(0));
    // A server that starts now does not make them either.
    let identity = TestApp::start_on(database.into(), Setup::usual()).await;
    let seeds = voicehive_identity::identity::Seeds { demo_users: true, administrator: None };
    identity.identity.bootstrap(&seeds).await.expect("nothing to do");
    assert_eq!(identity.count("SELECT count(*) FROM users").await, 0);
    let asked = told_json(voicehive(&identity.database.options, &["database", "init", "--json"]));
    assert_eq!(asked["users"], json!(3));
}

#[tokio::test]
async fn security_can_be_left_off_and_put_on() {
    let database = TestDatabase::create_empty().await;
    let state = || told_json(voicehive(&database.options, &["database", "status", "--json"]));
    for (arguments, expected) in
        [(vec!["--skip-security", "--skip-users"], "off"), (vec!["--skip-security"], "off"), (vec![], "on")]
    {
        let arguments = [vec!["database", "init", "--json"], arguments].concat();
        told_json(voicehive(&database.options, &arguments));
        let status = state();
        assert_eq!((&status["row_level_security"], &status["drift"]), (&json!(expected), &json!([])), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_database_itself_is_made_where_it_is_asked_for() {
    let database = TestDatabase::create_empty().await;
    database.superuser.execute("CREATE ROLE database_maker LOGIN CREATEDB CREATEROLE").await.expect("a role");
    let name = format!("{}-made \"here\"", database.options.get_database().expect("a name"));
    let options = database.options.clone().username("database_maker").database(&name);
    // Its role is granted by whoever made it.
    database.superuser.execute("GRANT voicehive_app TO database_maker WITH ADMIN OPTION").await.expect("granted");

    let missing = voicehive(&options, &["database", "init"]).output().expect("runs");
    let line = one_line(&missing);
    assert!(line.contains("does not exist") && line.contains("--create-db"), "{line}");
    let made = told_json(voicehive(&options, &["database", "init", "--create-db", "--skip-users", "--json"]));
    assert_eq!((&made["created"], &made["users"]), (&json!(true), &json!(0)));
    let again = told_json(voicehive(&options, &["database", "init", "--create-db", "--json"]));
    assert_eq!((&again["created"], &again["users"]), (&json!(false), &json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_that_was_killed_is_ended_by_running_it_again() {
    let clean = TestDatabase::create_empty().await;
    let options = clean.options.clone().username("postgres");
    let mut half_way = 0;
    for round in 0..10_u64 {
        let name = format!("{}_killed_{round}", clean.options.get_database().expect("a name"));
        let options = options.clone().database(&name);
        let init = || {
            let mut command = voicehive(&options, &["database", "init", "--create-db", "--json"]);
            command.env("VOICEHIVE_DATABASE__ALLOW_SUPERUSER", "true");
            command
        };
        let mut process = init().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        // At another point of its way each time.
        tokio::time::sleep(Duration::from_millis(20 + 25 * round)).await;
        let id = process.id().to_string();
        let signal = if round % 2 == 0 { "-KILL" } else { "-INT" };
        let sent = Command::new("kill").args([signal, &id]).status().expect("sent").success();
        half_way += u32::from(sent && !process.wait().expect("ends").success());
        let done = told_json(init());
        assert_eq!((&done["users"], &done["roles"], &done["hotels"]), (&json!(3), &json!(4), &json!(1)), "{signal}");
        let status = told_json(voicehive(&options, &["database", "status", "--json"]));
        assert_eq!((&status["drift"], &status["pending"]), (&json!([]), &json!([])));
    }
    assert!(half_way > 0, "some were killed before they ended");
}

#[tokio::test]
async fn a_reset_asks_first_and_leaves_what_is_not_ours() {
    let database = TestDatabase::create().await;
    let options = &database.options;
    let name = options.get_database().expect("a name");
    let sql = async |sql: &'static str| database.superuser.execute(sql).await.expect(sql);
    sql("CREATE TABLE guests (host uuid REFERENCES users, name text); ALTER TABLE guests OWNER TO voicehive;
         INSERT INTO guests VALUES ((SELECT id FROM users LIMIT 1), 'Ada')")
    .await;
    let count =
        async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(&database.superuser).await.expect(sql) };
    let reset = |arguments: &[&str], production: bool| {
        let mut command = voicehive(options, &[&["database", "init", "--reset"], arguments].concat());
        if production {
            command.env("VOICEHIVE_ENVIRONMENT", "production");
        }
        command
    };
    sql("UPDATE users SET first_name = 'Marked'").await;
    let users = count("SELECT count(*) FROM users").await;
    for (arguments, production, typed) in [
        (&[][..], false, "\n"),
        (&[], false, "another\n"),
        (&[], true, name),
        (&["--yes"], true, ""),
        (&["--yes"], true, "another"),
    ] {
        let output = run_with_input(reset(arguments, production), typed);
        let line = one_line(&output);
        assert!(line.contains("--yes") || line.contains("is not the name of the database"), "{line}");
        assert_eq!(count("SELECT count(*) FROM users WHERE first_name = 'Marked'").await, users);
    }
    for (arguments, production, typed) in
        [(&["--json"][..], false, name), (&["--json", "--yes"], true, name), (&["--json", "--yes"], false, "")]
    {
        sql("UPDATE users SET first_name = 'Marked'").await;
        let output = run_with_input(reset(arguments, production), typed);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(count("SELECT count(*) FROM users WHERE first_name = 'Marked'").await, 0);
        assert_eq!(count("SELECT count(*) FROM guests").await, 1);
        let status = told_json(voicehive(options, &["database", "status", "--json"]));
        assert_eq!(status["drift"], json!([]));
    }
    // In production nobody is made unless asked for by name; the last reset was none.
    assert_eq!(count("SELECT count(*) FROM users").await, 3);
}

#[tokio::test]
async fn what_was_changed_by_hand_is_told() {
    let database = TestDatabase::create().await;
    let sql = async |sql: &'static str| database.superuser.execute(sql).await.expect(sql);
    for (change, told) in [
        ("DROP INDEX idx_users_last_login", "missing: index CREATE INDEX idx_users_last_login"),
        ("ALTER TABLE hotels ADD COLUMN stars integer", "not ours: column hotels.stars integer"),
        ("DROP POLICY people_of_my_hotels ON users", "missing: policy users.people_of_my_hotels"),
        ("GRANT UPDATE ON audit_events TO voicehive_app", "not ours: grant UPDATE on audit_events"),
        (
            "CREATE OR REPLACE FUNCTION principal_is_system() RETURNS boolean LANGUAGE sql STABLE RETURN true",
            "function principal_is_system()",
        ),
        ("UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 2", "migration 2 was changed"),
        (
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', true, '', 0)",
            "migration 9999 is of a newer release",
        ),
    ] {
        sql(change).await;
        let output = voicehive(&database.options, &["database", "status"]).output().expect("runs");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(told), "{change}: {text}");
    }
}

#[tokio::test]
async fn the_role_that_serves_need_own_nothing_and_must_not_be_mighty() {
    let database = TestDatabase::create_empty().await;
    let name = database.options.get_database().expect("a name").to_owned();
    let sql = async |sql: String| database.superuser.execute(AssertSqlSafe(sql)).await.expect("made").rows_affected();
    sql(format!("CREATE ROLE serving_{name} LOGIN; CREATE ROLE passing_{name} LOGIN BYPASSRLS")).await;

    // Before the migrations there is nobody to act as; afterwards the owner has admitted whom the configuration names.
    let as_role = |role: &str, arguments: &[&str]| {
        let mut command = voicehive(&database.options.clone().username(role), arguments);
        command.env("VOICEHIVE_DATABASE__MIGRATION_USERNAME", "voicehive");
        command
    };
    let serving = format!("serving_{name}");
    told(as_role(&serving, &["database", "init"]));
    let options = database.options.clone().username(&serving);
    let mut connection = PgConnection::connect_with(&options).await.expect("it may connect");
    let denied = connection.execute("CREATE TABLE mine (id integer)").await.expect_err("owns nothing").to_string();
    assert!(denied.contains("permission denied"), "{denied}");
    let mut setup = Setup::usual();
    setup.connect = Some(options);
    let app = TestApp::start_on(database.into(), setup).await;
    assert!(app.anonymous().sign_in("admin@voicehive-hotels.eu", "admin123").await.is_signed_in().await);

    let database = &app.database;
    let serve = |role: &str| {
        let mut command = voicehive(&database.options.clone().username(role), &["serve"]);
        command.env("VOICEHIVE_DATABASE__MIGRATION_USERNAME", "voicehive");
        one_line(&command.output().expect("runs"))
    };
    for (role, fault) in [("postgres".to_owned(), "is a superuser"), (format!("passing_{name}"), "bypasses row-level")]
    {
        let line = serve(&role);
        assert!(line.contains(fault) && line.contains("CREATE ROLE") && line.contains("allow_superuser"), "{line}");
    }
    // One that would see every tenant without asking for it.
    app.sql(&format!("CREATE ROLE wide_{name} LOGIN; GRANT voicehive_app, voicehive_all TO wide_{name}")).await;
    let line = serve(&format!("wide_{name}"));
    assert!(line.contains("rights of voicehive_all") && line.contains("REVOKE"), "{line}");
}

#[tokio::test]
async fn how_to_reach_it_is_told_without_the_password() {
    let database = TestDatabase::create_empty().await;
    let mut command = voicehive(&database.options, &["database", "url"]);
    command.env("DATABASE_PASSWORD", "hunter2");
    let url = told(command);
    assert!(url.contains("dbname='test_") && !url.contains("hunter2"), "{url}");
    let health = told_json(voicehive(&database.options, &["database", "health", "--json"]));
    assert_eq!((&health["status"], &health["kind"]), (&json!("healthy"), &json!("external")));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_started_at_once_on_an_empty_database_all_serve() {
    let database = TestDatabase::create_empty().await;
    let folder = cluster_folder().join("three-servers");
    let mut servers = Vec::new();
    for _ in 0..3 {
        let mut command = voicehive(&database.options, &["serve"]);
        let process = command.env("VOICEHIVE_DATA_DIR", &folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        servers.push(process.expect("starts"));
    }
    let mut made = 0;
    let mut clients = Vec::new();
    for server in &mut servers {
        let mut first = String::new();
        BufReader::new(server.stdout.as_mut().expect("its output")).read_line(&mut first).expect("a line");
        let address = first.trim().rsplit("http://").next().and_then(|address| address.parse().ok());
        clients.push(Client::new(address.unwrap_or_else(|| panic!("it says where it serves: {first:?}"))));
    }
    for client in &clients {
        assert_eq!(client.get("/readyz").await.status, 200);
        let login = json!({ "email": "operator@voicehive-hotels.eu", "password": "operator123" });
        assert_eq!(client.post("/auth/login", login).await.status, 200);
    }
    for mut server in servers {
        let id = server.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("sent").success());
        let mut log = String::new();
        server.stderr.take().expect("its log").read_to_string(&mut log).expect("a log");
        assert!(server.wait().expect("ends").success(), "{log}");
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
        let fine = |line: &serde_json::Value| line["level"] == "info" || line["event"] == "user_must_change_password";
        assert!(lines.iter().all(fine), "{log}");
        made += lines.iter().filter(|line| line["event"] == "database_tables_created").count();
    }
    assert_eq!(made, 1);
    let status = told_json(voicehive(&database.options, &["database", "status", "--json"]));
    assert_eq!(status["drift"], json!([]));
}
