//! The program itself, as an operator starts and kills it: its embedded database, its lines, its exit codes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{Client, Program, cluster_folder, eventually};

/// A data folder of its own, next to the run's database, and removed with it.
fn folder(name: &str) -> PathBuf {
    cluster_folder().join(format!("process-{name}"))
}

fn voicehive(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voicehive"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("VOICEHIVE_DATA_DIR", data_dir).env("VOICEHIVE_LISTEN", "127.0.0.1:0");
    command.stdin(Stdio::null());
    command
}

/// A server in a process of its own. Dropped, it is killed, and so is its database.
struct Server {
    program: Program,
    data_dir: PathBuf,
}

impl std::ops::Deref for Server {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl Server {
    fn start(data_dir: &Path) -> Self {
        Self::start_as(voicehive(data_dir), data_dir)
    }

    fn start_as(command: Command, data_dir: &Path) -> Self {
        Self { program: Program::start(command), data_dir: data_dir.to_owned() }
    }

    fn database_pid(&self) -> Option<i32> {
        postmaster_pid(&self.data_dir)
    }

    fn signal(&self, signal: &str) {
        kill(signal, i32::try_from(self.process.id()).expect("a pid"));
    }

    fn wait(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            if let Some(status) = self.program.process.try_wait().expect("a status") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.program.kill();
        if let Some(pid) = self.database_pid() {
            kill("INT", pid);
            while alive(pid) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn postmaster_pid(data_dir: &Path) -> Option<i32> {
    std::fs::read_to_string(data_dir.join("postgres/postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
}

fn kill(signal: &str, pid: i32) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

fn alive(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

/// Runs a command that must fail; its one line.
fn one_line(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

#[tokio::test]
async fn from_nothing_to_a_sign_in_and_back() {
    let data_dir = folder("first");
    let mut server = Server::start(&data_dir);
    let login = json!({ "email": "admin@voicehive-hotels.eu", "password": "admin123" });
    let answer = server.client.post("/auth/login", login).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let database = server.database_pid().expect("its database runs");

    let health = voicehive(&data_dir).args(["database", "health"]).output().expect("runs");
    assert!(health.status.success(), "{health:?}");
    assert!(String::from_utf8_lossy(&health.stdout).contains("is healthy"));
    let verified = voicehive(&data_dir).args(["audit", "verify", "--json"]).output().expect("runs");
    let verification: Value = serde_json::from_slice(&verified.stdout).expect("JSON");
    assert!(verified.status.success() && verification["findings"] == json!([]), "{verification}");
    let export = |user: &str| voicehive(&data_dir).args(["users", "export", "--user", user]).output().expect("runs");
    let exported = export("Admin@voicehive-hotels.eu");
    let things: Vec<Value> = String::from_utf8_lossy(&exported.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect();
    let kinds: Vec<_> = things.iter().map(|thing| thing["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["user", "session", "event", "event"], "{things:?}");
    assert_eq!(things[0]["roles"], json!(["SYSTEM_ADMIN"]));
    assert_eq!((&things[2]["type"], &things[3]["type"]), (&json!("user_created"), &json!("user_authenticated")));
    assert!(!String::from_utf8_lossy(&exported.stdout).contains("argon2"));
    assert!(one_line(&export("nobody@h.test")).contains("nothing is kept about"));
    let second = voicehive(&data_dir).output().expect("runs");
    let line = one_line(&second);
    assert!(line.contains(&server.process.id().to_string()), "names the first one: {line}");

    server.signal("TERM");
    assert!(server.wait().success());
    assert!(!alive(database), "the database ends with its server");
    let health = voicehive(&data_dir).args(["database", "health"]).output().expect("runs");
    assert!(one_line(&health).contains("does not run"));
    // On the database at rest: it is started for it, and stopped again.
    let verified = voicehive(&data_dir).args(["audit", "verify"]).output().expect("runs");
    assert!(String::from_utf8_lossy(&verified.stdout).contains("The audit trail is whole"), "{verified:?}");
    assert!(postmaster_pid(&data_dir).is_none_or(|pid| !alive(pid)), "what was started for it is stopped");

    // Again, on what is there now: ready in no time, and everyone is still there.
    let token = answer.body["access_token"].as_str().expect("a token").to_owned();
    let server = Server::start(&data_dir);
    assert!(server.client.clone().with_token(&token).is_signed_in().await, "sessions outlive a restart");
    println!("ready after {} ms", server.took.as_millis());
    let memory = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).expect("Linux tells");
    println!("{}", memory.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS"));
}

#[tokio::test]
async fn what_was_acknowledged_survives_being_killed() {
    let data_dir = folder("killed");
    let mut acknowledged: Vec<String> = Vec::new();
    for victim in ["server", "database", "both"] {
        let mut server = Server::start(&data_dir);
        let mut sign_ins = tokio::task::JoinSet::new();
        let killed = tokio_util::sync::CancellationToken::new();
        let answered = Arc::new(AtomicUsize::new(0));
        for _ in 0..4 {
            let client = server.client.clone();
            let (killed, answered) = (killed.clone(), answered.clone());
            sign_ins.spawn(async move {
                let mut tokens = Vec::new();
                loop {
                    if killed.is_cancelled() {
                        return tokens;
                    }
                    let body = json!({ "email": "manager@hotel1.com", "password": "manager123" });
                    let Ok(answer) = client.http.post(client.url("/auth/login")).json(&body).send().await else {
                        return tokens;
                    };
                    let Ok(answer) = answer.json::<Value>().await else { return tokens };
                    match answer["access_token"].as_str() {
                        Some(token) => {
                            tokens.push(token.to_owned());
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        None => return tokens,
                    }
                }
            });
        }
        // In the midst of them.
        eventually("sign-ins are under way", async || answered.load(Ordering::Relaxed) > 20).await;
        let database = server.database_pid().expect("its database runs");
        if victim != "database" {
            server.signal("KILL");
        }
        if victim != "server" {
            kill("KILL", database);
        }
        killed.cancel();
        let tokens: Vec<String> = sign_ins.join_all().await.concat();
        assert!(tokens.len() > 3, "{} sign-ins while {victim} was there", tokens.len());
        acknowledged.extend(tokens);
        if victim == "database" {
            let client = server.client.clone();
            eventually("the database is back by itself", async || client.get("/readyz").await.status == 200).await;
        } else {
            server.wait();
            // As after a crash: nothing is cleaned up.
            std::mem::forget(std::mem::replace(&mut server, Server::start(&data_dir)));
        }
        for token in &acknowledged {
            assert!(server.client.clone().with_token(token).is_signed_in().await, "after killing {victim}");
        }
        server.signal("TERM");
        assert!(server.wait().success());
    }
    println!("{} acknowledged sign-ins, all there", acknowledged.len());
}

#[tokio::test]
async fn what_is_wrong_is_said_in_one_line() {
    let data_dir = folder("wrong");
    std::fs::create_dir_all(&data_dir).expect("a folder");
    let config = data_dir.join("config.yaml");
    std::fs::write(&config, "auth:\n  lockout:\n    treshold: 3\n").expect("written");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let file = data_dir.join("a-file");
    std::fs::write(&file, "").expect("written");
    let cases: [(&str, String, &str); 8] = [
        ("VOICEHIVE_LISTEN", taken.clone(), "is taken by another program"),
        ("VOICEHIVE_LISTEN", "nonsense".to_owned(), "nonsense"),
        ("VOICEHIVE_CONFIG", config.display().to_string(), "treshold"),
        ("VOICEHIVE_CONFIG", "/nowhere/config.yaml".to_owned(), "/nowhere/config.yaml"),
        ("VOICEHIVE_AUTH__NONSENSE", "1".to_owned(), "nonsense"),
        ("DATABASE_PORT", "many".to_owned(), "DATABASE_PORT"),
        ("DATABASE_URL", "mysql://x".to_owned(), "postgres://"),
        ("VOICEHIVE_DATA_DIR", file.display().to_string(), "a-file"),
    ];
    for (variable, value, expected) in cases {
        let output = voicehive(&data_dir).env(variable, &value).output().expect("runs");
        let line = one_line(&output);
        assert!(line.to_lowercase().contains(&expected.to_lowercase()), "{variable}={value}: {line}");
    }
    let away = voicehive(&data_dir).env("DATABASE_URL", "postgres://u:hush@127.0.0.1:1/d").output().expect("runs");
    let line = one_line(&away);
    assert!(line.contains("cannot be reached") && !line.contains("hush"), "{line}");

    std::fs::create_dir_all(data_dir.join("postgres")).expect("a folder");
    std::fs::write(data_dir.join("postgres/PG_VERSION"), "9\n").expect("written");
    let line = one_line(&voicehive(&data_dir).output().expect("runs"));
    assert!(line.contains('9'), "{line}");
}

#[tokio::test]
async fn the_log_is_json_with_request_ids_and_without_secrets() {
    let data_dir = folder("log");
    let mut command = voicehive(&data_dir);
    let log = cluster_folder().join("process-log.log");
    command.env("VOICEHIVE_LOG__LEVEL", "debug");
    command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).expect("a log"));
    let mut process = command.spawn().expect("starts");
    let first =
        BufReader::new(process.stdout.take().expect("its output")).lines().next().expect("a line").expect("a line");
    let client = Client::new(first.rsplit("http://").next().expect("an address").parse().expect("an address"));
    let client = client.with_header("x-request-id", "traced-1");
    let signed_in = client.clone().sign_in("admin@voicehive-hotels.eu", "admin123").await;
    client.try_sign_in("admin@voicehive-hotels.eu", "a-wrong-password").await;
    let change = "mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) { errors { code } } }";
    signed_in
        .graphql(change, json!({ "c": "admin123", "n": "harbour-lamp-nine" }))
        .await
        .data("/changePassword/errors");
    let refreshed = signed_in.clone().refresh().await;
    let hash = std::fs::read_to_string(data_dir.join("keys/audit.key")).expect("the key");
    kill("TERM", i32::try_from(process.id()).expect("a pid"));
    assert!(process.wait().expect("ends").success());

    let text = std::fs::read_to_string(&log).expect("the log");
    let events: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    for name in [
        "database_initialized",
        "database_tables_created",
        "mock_user_migration_completed",
        "server_ready",
        "user_authenticated",
        "user_authentication_failed",
        "user_password_changed",
        "user_session_refreshed",
        "request_completed",
        "server_stopping",
        "server_stopped",
    ] {
        assert!(!named(name).is_empty(), "{name}");
    }
    for event in named("user_authenticated").into_iter().chain(named("request_completed")) {
        assert_eq!(event["request_id"], "traced-1");
    }
    assert!(named("request_completed").iter().all(|event| event["sql_statements"].is_u64()));
    let key = hash.trim();
    let tokens = [&signed_in, &refreshed]
        .map(|client| [client.access_token.clone().expect("a token"), client.refresh_token.clone()])
        .concat();
    // How every Ed25519 key begins (RFC 8410).
    const PRIVATE_KEY: &str = "MC4CAQAwBQYDK2Vw";
    let secrets = ["admin123", "a-wrong-password", "harbour-lamp-nine", "$argon2id$", key, PRIVATE_KEY];
    for secret in secrets.into_iter().chain(tokens.iter().map(String::as_str)) {
        assert!(!text.contains(secret), "the log holds {secret:.12}...");
    }
}

#[tokio::test]
async fn clients_that_stall_do_not_hold_up_the_end() {
    use std::io::Write;
    let data_dir = folder("stalled");
    let mut command = voicehive(&data_dir);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().expect("starts");
    let first =
        BufReader::new(process.stdout.take().expect("its output")).lines().next().expect("a line").expect("a line");
    let address: std::net::SocketAddr =
        first.rsplit("http://").next().expect("an address").parse().expect("an address");
    let stalled: Vec<_> = [
        "",
        "GET /livez HTTP/1.1\r\nHost",
        "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0",
    ]
    .map(|sent| {
        let mut stream = std::net::TcpStream::connect(address).expect("connects");
        stream.write_all(sent.as_bytes()).expect("sent");
        stream
    })
    .into();
    assert_eq!(Client::new(address).get("/readyz").await.status, 200);
    let began = Instant::now();
    kill("TERM", i32::try_from(process.id()).expect("a pid"));
    assert!(process.wait().expect("ends").success());
    assert!(began.elapsed() < Duration::from_secs(35), "{:?}", began.elapsed());
    drop(stalled);
}

/// A balancer asks every so often, and sends requests until it has been told no.
#[tokio::test]
async fn requests_are_taken_until_whoever_sends_them_has_noticed() {
    let data_dir = folder("drain");
    let mut command = voicehive(&data_dir);
    command.env("VOICEHIVE_HTTP__DRAIN_TIMEOUT", "2s");
    let mut server = Server::start_as(command, &data_dir);
    assert_eq!(server.client.get("/readyz").await.status, 200);
    let told_at = Instant::now();
    server.signal("TERM");
    eventually("it says that it stops", async || server.client.get("/readyz").await.status == 503).await;
    // Over a new connection each.
    for _ in 0..5 {
        assert_eq!(Client::new(server.client.address).get("/livez").await.status, 200);
    }
    assert!(server.wait().success());
    assert!(told_at.elapsed() >= Duration::from_secs(2), "it waited");
}

#[tokio::test]
async fn the_schema_is_printed_without_a_database() {
    let output = voicehive(&folder("schema")).arg("schema").output().expect("runs");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), voicehive_identity::graphql::sdl(false));
    assert!(!folder("schema").exists());
}
