//! What a whole run leaves in the log, at the most talkative level: none of the secrets that were used in it.

use std::fs::{File, read_to_string, write};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sqlx::Connection;

use super::support::{Client, ExternalServer};

/// A run on an external database, each program of it with a log of its own.
struct Run {
    server: ExternalServer,
    logs: Vec<PathBuf>,
    secrets: Vec<String>,
}

impl Run {
    fn command(&mut self, arguments: &[&str]) -> Command {
        let log = self.server.folder.join(format!("run-{}.log", self.logs.len()));
        let mut command = self.server.voicehive(
            arguments,
            &[
                ("VOICEHIVE_DATABASE__MIGRATION_USERNAME", "owner"),
                ("VOICEHIVE_DATABASE__MIGRATION_PASSWORD", "owner pass"),
                ("VOICEHIVE_BOOTSTRAP__ADMINISTRATOR__EMAIL", "first@hotel.test"),
                ("VOICEHIVE_BOOTSTRAP__ADMINISTRATOR__PASSWORD", "first of them all"),
                ("VOICEHIVE_AUTH__ENFORCE_PASSWORD_CHANGE", "false"),
                ("VOICEHIVE_LISTEN", "127.0.0.1:0"),
                ("VOICEHIVE_LOG__LEVEL", "trace"),
            ],
        );
        command.stdout(Stdio::piped()).stderr(File::create(&log).expect("a log"));
        self.logs.push(log);
        command
    }

    /// Runs a command to its end; what it printed for the operator, which may be a secret.
    fn told(&mut self, arguments: &[&str], input: &str) -> Value {
        let mut process = self.command(arguments).stdin(Stdio::piped()).spawn().expect("starts");
        process.stdin.take().expect("its input").write_all(input.as_bytes()).expect("reads");
        let output = process.wait_with_output().expect("ends");
        assert!(output.status.success(), "{arguments:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    fn secret(&mut self, text: impl Into<String>) -> String {
        let text = text.into();
        self.secrets.push(text.clone());
        text
    }

    fn tokens_of(&mut self, client: &Client) {
        self.secret(client.access_token.clone().expect("a token"));
        self.secret(client.refresh_token.clone());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_whole_run_is_in_its_logs() {
    let mut run = Run { server: ExternalServer::start().await, logs: Vec::new(), secrets: Vec::new() };
    for password in ["owner pass", "serve pass", "first of them all", "admin123", "operator123", "manager123"] {
        run.secret(password);
    }
    run.told(&["database", "init", "--json"], "");
    let mut serving = run.command(&["serve"]).spawn().expect("starts");
    let mut first = String::new();
    BufReader::new(serving.stdout.take().expect("its output")).read_line(&mut first).expect("a line");
    let client = Client::new(first.trim().rsplit("http://").next().expect("an address").parse().expect("an address"));

    // Sign-ins, good and bad, new and old.
    let wrong = run.secret("a wrong guess 1");
    client.try_sign_in("first@hotel.test", &wrong).await;
    let admin = client.clone().sign_in("first@hotel.test", "first of them all").await;
    run.tokens_of(&admin);
    let admin = admin.refresh().await;
    run.tokens_of(&admin);
    let wrong = run.secret("another wrong guess");
    client.post("/auth/login", json!({ "email": "admin@voicehive-hotels.eu", "password": wrong })).await;
    let old = client.post("/auth/login", json!({ "email": "admin@voicehive-hotels.eu", "password": "admin123" })).await;
    for token in ["access_token", "refresh_token"] {
        run.secret(old.body[token].as_str().expect("a token"));
    }
    client.post("/auth/refresh", json!({ "refresh_token": old.body["refresh_token"] })).await;
    let forged = run.secret("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.");
    client.clone().with_token(&forged).query("{ me { id } }").await;
    client.try_refresh(&forged).await;
    // Secrets in the wrong places: in the address, in a document with an error, in a body that is none.
    let lost = run.secret("lost in the address");
    client.get(&format!("/auth/me?token={}", lost.replace(' ', "%20"))).await;
    run.secret(lost.replace(' ', "%20"));
    let lost = run.secret("lost in a document");
    client.query(&format!("mutation {{ login(input: {{password: \"{lost}\", email: 1}}) {{ nothing }} }}")).await;
    let lost = run.secret("lost in a body");
    client
        .send(
            client
                .http
                .post(client.url("/auth/login"))
                .header("content-type", "application/json")
                .body(format!("{{\"password\": \"{lost}")),
        )
        .await;

    // Changes.
    let next = run.secret("harbour lamp nine");
    let change = json!({ "currentPassword": "first of them all", "newPassword": next });
    Client::done(&admin.mutate("changePassword", change, "").await, "changePassword");
    let given = run.secret("given by another");
    let new = json!({ "email": "ida@hotel.test", "password": given, "hotelScope": "ASSIGNED" });
    let made = admin.mutate("createUser", new, "user { id }").await;
    Client::done(&made, "createUser");
    let reset = json!({ "id": made.data("/createUser/user/id") });
    let reset = admin.mutate("resetUserPassword", reset, "temporaryPassword").await;
    run.secret(reset.data("/resetUserPassword/temporaryPassword").as_str().expect("a password"));
    // API keys, good and bad, and tokens in forms.
    let key = json!({ "name": "k", "serviceName": "s", "permissions": ["user:view"], "hotelScope": "ALL" });
    let made = admin.mutate("createApiKey", key, "secret").await;
    let key = run.secret(made.data("/createApiKey/secret").as_str().expect("a key"));
    let service = client.clone().with_header("x-api-key", &key);
    service.query("{ viewer { __typename } }").await.data("/viewer");
    let old = json!({ "name": "k", "service_name": "s", "permissions": ["user:view"] });
    let old = admin.post("/auth/api-keys", old).await;
    let old = run.secret(old.body["api_key"].as_str().expect("a key"));
    client.clone().with_header("authorization", &format!("ApiKey {old}")).get("/auth/api-keys").await;
    let bad = run.secret("vhh_of-nobody-at-all");
    client.clone().with_header("x-api-key", &bad).post("/access/v1/evaluation", json!({})).await;
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        let lost = run.secret(format!("lost-in-{}", path.len()));
        let form = service.http.post(service.url(path)).header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(service.send(form.body(format!("token={lost}"))).await.status, 200);
    }
    let pms = run.secret("s3cr3t-of-the-pms");
    let hotel =
        json!({ "pmsHotelId": "h-9", "name": "Nine", "pmsType": "mews", "pmsConfig": { "client_secret": pms } });
    Client::done(&admin.mutate("createHotel", hotel, "").await, "createHotel");

    // The command line.
    let typed = run.secret("typed by the operator");
    run.told(&["users", "create", "own@hotel.test", "--password-file", "-"], &format!("{typed}\n"));
    let reset = run.told(&["users", "reset-password", "own@hotel.test", "--json"], "");
    run.secret(reset["temporary_password"].as_str().expect("a password"));
    let hash = run.secret(bcrypt::hash("night shift 44", 4).expect("a hash"));
    let rows = json!({ "email": "old@hotel.test", "password_hash": hash, "email_verified": true }).to_string();
    run.told(&["users", "import", "-", "--json"], &rows);
    run.secret("night shift 44");
    client.try_sign_in("old@hotel.test", "night shift 44").await;
    let file = run.server.file("mock-users.yaml");
    let plain = run.secret("plain in a file 7");
    let users = format!(
        "x@hotel.test: {{user_id: x-1, email: x@hotel.test, password: {plain}, roles: [guest_user], hotel_ids: [], active: true}}\n"
    );
    write(&file, users).expect("written");
    run.told(&["import", "mock-users", &file], "");
    run.told(&["keys", "rotate"], "");
    run.told(&["users", "export", "--output", &run.server.file("users.csv")], "");
    run.told(&["audit", "verify"], "");

    // And the keys and hashes that the database holds by now.
    let mut owner = run.server.superuser_of("voicehive").await.expect("connects");
    let kept: Vec<String> =
        sqlx::query_scalar("SELECT password_hash FROM users UNION ALL SELECT private_key FROM signing_keys")
            .fetch_all(&mut owner)
            .await
            .expect("secrets");
    owner.close().await.expect("closed");
    assert!(kept.len() > 8, "users and two keys");
    for kept in kept {
        // A key is a text of several lines.
        let line = kept.lines().find(|line| !line.starts_with('-')).expect("a line");
        run.secret(line);
    }
    let audit_key = super::support::cluster_folder().join("keys/audit.key");
    run.secret(read_to_string(audit_key).expect("the trail's key").trim());
    let server_key = super::support::cluster_folder().join("keys/server.key");
    run.secret(read_to_string(server_key).expect("the server's key").trim());

    let id = serving.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("sent").success());
    assert!(serving.wait().expect("ends").success());
    let mut lines = 0;
    for log in &run.logs {
        let text = read_to_string(log).expect("a log");
        lines += text.lines().count();
        for secret in &run.secrets {
            let place = text.lines().find(|line| line.contains(secret.as_str()));
            assert!(place.is_none(), "{secret:.24}... is in {}: {}", log.display(), place.unwrap_or_default());
        }
    }
    assert!(lines > 300, "only {lines} lines were looked at");
    assert!(run.secrets.len() > 30, "{}", run.secrets.len());
}
