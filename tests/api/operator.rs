//! Users and sessions from the command line: `voicehive users list|create|unlock|reset-password|deactivate|reactivate` and
//! `voicehive sessions cleanup|revoke`.

use serde_json::{Value, json};

use super::support::{Setup, TestApp, eventually, one_line, run_with_input, told, told_json, voicehive};

/// How a sign-in by the old call is answered.
async fn sign_in(app: &TestApp, email: &str, password: &str) -> u16 {
    app.anonymous().post("/auth/login", json!({ "email": email, "password": password })).await.status.as_u16()
}

#[tokio::test]
async fn the_operator_adds_users_and_looks_them_up() {
    let app = TestApp::start().await;
    let options = &app.database.options;
    let new =
        ["users", "create", "Ida@Hotel.test", "--first-name", "Ida", "--role", "HOTEL_STAFF", "--hotel", "hotel-001"];
    let made = told_json(voicehive(options, &[&new[..], &["--json"]].concat()));
    assert_eq!(made["email"], "Ida@Hotel.test");
    let temporary = made["temporary_password"].as_str().expect("a password");
    assert_eq!(sign_in(&app, "ida@hotel.test", temporary).await, 200);
    let again = voicehive(options, &new).output().expect("runs");
    assert_eq!(one_line(&again), "voicehive: email: Somebody has this email address already.");

    let new = ["users", "create", "own@hotel.test", "--all-hotels", "--role", "SYSTEM_ADMIN", "--password-file", "-"];
    let output = run_with_input(voicehive(options, &new), "a long enough one\n");
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("temporary"));
    assert_eq!(sign_in(&app, "own@hotel.test", "a long enough one").await, 200);
    let weak =
        run_with_input(voicehive(options, &["users", "create", "w@hotel.test", "--password-file", "-"]), "short");
    assert!(one_line(&weak).starts_with("voicehive: password: "));

    let list = |arguments: &[&str]| -> Vec<Value> {
        let arguments = [&["users", "list", "--json"], arguments].concat();
        told(voicehive(options, &arguments)).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let emails = |users: &[Value]| users.iter().map(|user| user["email"].clone()).collect::<Vec<_>>();
    assert_eq!(emails(&list(&["--search", "ida"])), ["ida@hotel.test"]);
    assert_eq!(emails(&list(&["--role", "SYSTEM_ADMIN"])), ["admin@voicehive-hotels.eu", "own@hotel.test"]);
    assert_eq!(list(&[]).len(), 5);
    assert_eq!(list(&["--active", "false"]).len(), 0);
    let text = told(voicehive(options, &["users", "list", "--hotel", "hotel-001", "--search", "ida"]));
    assert!(text.contains("active    ida@hotel.test  HOTEL_STAFF"), "{text}");
    let unknown = voicehive(options, &["users", "list", "--role", "NOBODY"]).output().expect("runs");
    assert!(one_line(&unknown).starts_with("voicehive: there is no role \"NOBODY\""));

    let event: (Option<String>, String) =
        sqlx::query_as("SELECT actor, user_agent FROM audit_events WHERE type = 'user_created' AND subject = $1")
            .bind(made["id"].as_str())
            .fetch_one(&app.database.superuser)
            .await
            .expect("the event");
    assert_eq!(event, (None, "voicehive command line".to_owned()));
}

#[tokio::test]
async fn the_operator_lets_users_in_and_keeps_them_out() {
    let mut setup = Setup::usual();
    setup.settings.lockout.threshold = 2;
    let app = TestApp::start_with(setup).await;
    let options = &app.database.options;
    let email = "manager@hotel1.com";
    let locked = || {
        let text = told(voicehive(options, &["users", "list", "--json", "--locked", "true"]));
        text.lines().count()
    };
    for _ in 0..2 {
        sign_in(&app, email, "wrong").await;
    }
    assert_ne!(sign_in(&app, email, "manager123").await, 200);
    assert_eq!(locked(), 1);
    assert!(told(voicehive(options, &["users", "unlock", email])).contains("was unlocked"));
    assert_eq!((locked(), sign_in(&app, email, "manager123").await), (0, 200));

    let reset = told_json(voicehive(options, &["users", "reset-password", email, "--json"]));
    assert_ne!(sign_in(&app, email, "manager123").await, 200);
    assert_eq!(sign_in(&app, email, reset["temporary_password"].as_str().expect("a password")).await, 200);
    let id = reset["id"].as_str().expect("an id").to_owned();
    let reset = run_with_input(
        voicehive(options, &["users", "reset-password", &id, "--password-file", "-"]),
        "quite another\n",
    );
    assert!(reset.status.success(), "{reset:?}");
    assert_eq!(sign_in(&app, email, "quite another").await, 200);

    told(voicehive(options, &["users", "deactivate", email, "--reason", "left"]));
    assert_ne!(sign_in(&app, email, "quite another").await, 200);
    told(voicehive(options, &["users", "reactivate", email]));
    assert_eq!(sign_in(&app, email, "quite another").await, 200);

    let last = voicehive(options, &["users", "deactivate", "admin@voicehive-hotels.eu"]).output().expect("runs");
    assert!(one_line(&last).contains("Nobody could administer the system"));
    let nobody = voicehive(options, &["users", "unlock", "nobody@hotel.test"]).output().expect("runs");
    assert!(one_line(&nobody).starts_with("voicehive: there is no user \"nobody@hotel.test\""));
}

#[tokio::test]
async fn the_operator_ends_sessions() {
    let app = TestApp::start().await;
    let options = &app.database.options;
    let (admin, manager) = (app.admin().await, app.signed_in("manager@hotel1.com").await);
    let works = async |client: &super::support::Client| client.get("/auth/me").await.status == 200;
    assert!(works(&admin).await && works(&manager).await);
    let revoked = told_json(voicehive(options, &["sessions", "revoke", "manager@hotel1.com", "--json"]));
    assert_eq!(revoked, json!({ "revoked": 1 }));
    // The server is another process, and hears of it.
    eventually("the server has heard of it", async || !works(&manager).await).await;
    assert!(works(&admin).await);
    let revoked = told_json(voicehive(options, &["sessions", "revoke", "--everyone", "--reason", "a leak", "--json"]));
    assert_eq!(revoked, json!({ "revoked": 1 }));
    eventually("the server has heard of it", async || !works(&admin).await).await;
    let stayed = told_json(voicehive(options, &["sessions", "cleanup", "--json"]));
    assert_eq!(stayed, json!({ "expired": 0, "deleted": 0 }));
    sqlx::query("UPDATE user_sessions SET expires_at = now() - interval '1 day', revoked = false, active = true")
        .execute(&app.database.superuser)
        .await
        .expect("aged");
    let swept = told_json(voicehive(options, &["sessions", "cleanup", "--json"]));
    assert_eq!(swept, json!({ "expired": 2, "deleted": 0 }));
}

#[tokio::test]
async fn the_first_administrator_has_no_common_password() {
    let database = super::support::TestDatabase::create_empty().await;
    let init = |password: &str| {
        let mut command = voicehive(&database.options, &["database", "init"]);
        command.env("VOICEHIVE_BOOTSTRAP__ADMINISTRATOR__EMAIL", "first@hotel.test");
        command.env("VOICEHIVE_BOOTSTRAP__ADMINISTRATOR__PASSWORD", password);
        command.output().expect("runs")
    };
    let line = one_line(&init("password123"));
    assert!(line.contains("bootstrap.administrator.password") && !line.contains("password123"), "{line}");
    assert!(init("harbour lamp nine").status.success());
}
