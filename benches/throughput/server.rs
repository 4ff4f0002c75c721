//! The server under load: the program itself in a process of its own, and whoever is signed in to it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;

use crate::http::Connection;
use crate::world::{ADMINISTRATORS, Names, PASSWORD, World};

const STAFF: u64 = 200;
const HOTEL_ADMINISTRATORS: u64 = 20;
/// As many sessions to refresh as there are connections at most.
pub const CHAINS: u64 = 64;

pub const LOGIN: &str = "mutation($input:LoginInput!){login(input:$input){tokens{accessToken refreshToken}}}";

/// Limits stay on, and are where the load of one address passes.
const LIMITS: [(&str, &str); 8] = [
    ("VOICEHIVE_LIMITS__SIGN_INS_PER_ADDRESS", "1000000"),
    ("VOICEHIVE_LIMITS__REQUESTS_PER_MINUTE", "10000000"),
    ("VOICEHIVE_LIMITS__REQUEST_BURST", "1000000"),
    ("VOICEHIVE_LIMITS__CHANGES_PER_MINUTE", "10000000"),
    ("VOICEHIVE_LIMITS__SIGN_INS_PER_USER", "10000000"),
    ("VOICEHIVE_LIMITS__REQUESTS_PER_API_KEY", "10000000"),
    ("VOICEHIVE_LIMITS__REFRESHES_PER_MINUTE", "10000000"),
    ("VOICEHIVE_LIMITS__NEW_DOCUMENTS_PER_MINUTE", "100000"),
];

pub struct Server {
    pub address: SocketAddr,
    pub pid: u32,
    process: Child,
}

/// The program, on the database of `options`, with its files in `folder`.
pub fn program(binary: &Path, folder: &Path, options: &PgConnectOptions) -> Command {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).expect("a folder");
    // Whatever the umask is: keys lie closed in a folder of their own below it.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("an open folder");
    let mut command = Command::new(binary);
    let host = options.get_socket().map_or_else(|| PathBuf::from(options.get_host()), Clone::clone);
    command.env_clear().envs(LIMITS).env("DATABASE_HOST", host).env("DATABASE_PORT", options.get_port().to_string());
    command.envs([("DATABASE_NAME", "voicehive"), ("DATABASE_USER", "voicehive"), ("DATABASE_SSL_MODE", "disable")]);
    command.env("VOICEHIVE_DATA_DIR", folder).env("VOICEHIVE_LISTEN", "127.0.0.1:0");
    // In development, answers tell how many statements they took.
    command.env("VOICEHIVE_ENVIRONMENT", "development").env("VOICEHIVE_BOOTSTRAP__DEMO_USERS", "false");
    command.env("VOICEHIVE_AUTH__ACCESS_TOKEN_LIFETIME", "12h");
    // Without a configuration file of the folder that we happen to be in.
    command.current_dir(folder).stdin(Stdio::null());
    command
}

impl Server {
    pub fn start(mut command: Command, log: &Path) -> Self {
        let log = fs::File::create(log).expect("a log");
        let mut process =
            command.process_group(0).stdout(Stdio::piped()).stderr(log).spawn().expect("the server starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let first = lines.next().and_then(Result::ok).expect("the server says where it listens");
        let address = first.rsplit("http://").next().and_then(|address| address.trim().parse().ok());
        std::thread::spawn(move || lines.for_each(drop));
        Self { address: address.expect("an address"), pid: process.id(), process }
    }
}

impl Server {
    /// For a server whose way to the database this process itself keeps open: waiting must not hold that up.
    pub async fn start_beside(command: Command, log: &Path) -> Self {
        let log = log.to_owned();
        tokio::task::spawn_blocking(move || Self::start(command, &log)).await.expect("the server starts")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Header lines of whoever asks.
pub struct Callers {
    pub administrators: Vec<String>,
    pub staff: Vec<String>,
    /// Each with the hotel that is theirs.
    pub hotel_administrators: Vec<(String, String)>,
    pub service: String,
    /// The next refresh token of each of these sessions.
    pub chains: Vec<Mutex<String>>,
}

pub fn data<'a>(answer: &'a Value, pointer: &str) -> &'a str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {answer}"))
}

/// Access and refresh token of user `n`.
async fn sign_in(connection: &mut Connection, email: &str) -> (String, String) {
    let body = json!({ "query": LOGIN, "variables": { "input": { "email": email, "password": PASSWORD } } });
    let answer: Value = serde_json::from_str(connection.ask("", &body.to_string()).await.body).expect("JSON");
    let token = |name: &str| data(&answer, &format!("/data/login/tokens/{name}")).to_owned();
    (format!("authorization: Bearer {}\r\n", token("accessToken")), token("refreshToken"))
}

impl Callers {
    pub async fn sign_in(server: &Server, world: &World, names: &Names) -> Self {
        let mut connection = Connection::open(server.address).await;
        let mut administrators = Vec::new();
        for n in 1..=ADMINISTRATORS {
            administrators.push(sign_in(&mut connection, &names.email(n)).await.0);
        }
        let (mut staff, mut chains) = (Vec::new(), Vec::new());
        for which in 0..STAFF {
            let (access, refresh) = sign_in(&mut connection, &names.email(world.staff_member(which))).await;
            staff.push(access);
            chains.push(Mutex::new(refresh));
        }
        chains.truncate(usize::try_from(CHAINS).expect("fits"));
        let mut hotel_administrators = Vec::new();
        for which in 0..HOTEL_ADMINISTRATORS {
            let n = World::hotel_administrator(which);
            let (access, _) = sign_in(&mut connection, &names.email(n)).await;
            hotel_administrators.push((access, World::hotel_of(n)));
        }
        let input =
            json!({ "name": "Bench", "serviceName": "bench", "permissions": ["user:view"], "hotelScope": "ALL" });
        let document = "mutation($input:CreateApiKeyInput!){createApiKey(input:$input){secret}}";
        let body = json!({ "query": document, "variables": { "input": input } }).to_string();
        let answer: Value = serde_json::from_str(connection.ask(&administrators[0], &body).await.body).expect("JSON");
        let service = format!("x-api-key: {}\r\n", data(&answer, "/data/createApiKey/secret"));
        Self { administrators, staff, hotel_administrators, service, chains }
    }
}
