//! Clients that do what clients do, all the time, and write down what they were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::cluster::{FRONT, SERVERS, text};

pub const PASSWORD: &str = "harbour lamp nine";
/// How long a client waits for an answer before it takes it for lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after a revocation a token is still tried.
const TRIED_FOR: Duration = Duration::from_millis(1500);

/// Why there is no answer that could be relied on: the request may or may not have been done.
#[derive(Debug)]
pub struct Unanswered;

/// What the clients of one fault were told.
#[derive(Default)]
pub struct Ledger {
    pub requests: AtomicU64,
    pub acknowledged: AtomicU64,
    /// Names of API keys, and whether their making was acknowledged.
    pub keys: Mutex<BTreeMap<String, bool>>,
    /// Sessions that began.
    pub sessions: Mutex<Vec<String>>,
    /// The last name that was acknowledged, by the user's id.
    pub last_names: Mutex<BTreeMap<String, u64>>,
    /// When writes were acknowledged that leave a trace in the audit trail.
    pub written_at: Mutex<Vec<Instant>>,
    /// The longest time after its revocation at which a token was taken.
    pub honoured: Mutex<Duration>,
    /// What must not be.
    pub wrong: Mutex<Vec<String>>,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    fn wrong(&self, what: String) {
        lock(&self.wrong).push(what);
    }

    fn wrote(&self) {
        lock(&self.written_at).push(Instant::now());
    }

    fn was_honoured_for(&self, time: Duration) {
        let mut longest = lock(&self.honoured);
        *longest = time.max(*longest);
    }

    /// The longest time in which no such write was acknowledged.
    pub fn longest_gap(&self) -> Duration {
        let times = lock(&self.written_at);
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

/// One who asks, by way of the front unless told otherwise.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    ledger: Arc<Ledger>,
    token: String,
}

impl Client {
    pub fn new(ledger: Arc<Ledger>) -> Self {
        // A connection for each request, as from many clients.
        let http = reqwest::Client::builder().timeout(PATIENCE).pool_max_idle_per_host(0).build().expect("a client");
        Self { http, ledger, token: String::new() }
    }

    async fn send(&self, to: &str, key: Option<&str>, query: &str, input: &Value) -> Result<(u16, Value), Unanswered> {
        let body = json!({ "query": query, "variables": { "input": input } });
        let mut request = self.http.post(format!("{to}/graphql")).json(&body);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.map_err(|_| Unanswered)?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|_| Unanswered)?;
        if status.is_server_error() { Err(Unanswered) } else { Ok((status.as_u16(), body)) }
    }

    /// Counted, by way of the front. Null: it was done at an earlier try, whose answer nobody has.
    async fn ask(&self, key: Option<&str>, query: &str, input: Value) -> Result<Value, Unanswered> {
        self.ledger.requests.fetch_add(1, Ordering::Relaxed);
        let (status, answer) = self.send(FRONT, key, query, &input).await?;
        if status == 409 && key.is_some() {
            return Ok(Value::Null);
        }
        if answer["errors"].is_array() {
            self.ledger.wrong(format!("{query}: {answer}"));
        }
        self.ledger.acknowledged.fetch_add(1, Ordering::Relaxed);
        Ok(answer["data"].clone())
    }

    /// Asks until there is an answer, with the same key each time.
    async fn ask_until_answered(
        &self,
        key: Option<&str>,
        query: &str,
        input: &Value,
        stop: &AtomicBool,
    ) -> Option<Value> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match self.ask(key, query, input.clone()).await {
                Ok(data) => return Some(data),
                Err(Unanswered) if stop.load(Ordering::Relaxed) && Instant::now() > until => return None,
                Err(Unanswered) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Signs in; the id of the session, the access token and the refresh token.
    pub async fn sign_in(&self, email: &str, password: &str) -> Option<(Self, String, String)> {
        const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) {
            tokens { accessToken refreshToken } session { id } errors { code } } }";
        let data = self.ask(None, LOGIN, json!({ "email": email, "password": password })).await.ok()?;
        let login = &data["login"];
        if login["errors"] != json!([]) {
            self.ledger.wrong(format!("sign-in of {email}: {login}"));
            return None;
        }
        let client = Self { token: text(login, "tokens.accessToken").to_owned(), ..self.clone() };
        let session = text(login, "session.id").to_owned();
        lock(&self.ledger.sessions).push(session.clone());
        Some((client, session, text(login, "tokens.refreshToken").to_owned()))
    }

    /// Adds a user with the usual password; the id.
    pub async fn add_user(&self, email: &str) -> String {
        const CREATE: &str =
            "mutation($input: CreateUserInput!) { createUser(input: $input) { user { id } errors { code message } } }";
        let input =
            json!({ "email": email, "password": PASSWORD, "emailVerified": true, "hotels": ["hotel:hotel-001"] });
        let data = self.ask(None, CREATE, input).await.expect("an answer");
        let id = text(&data, "createUser.user.id");
        assert!(!id.is_empty(), "{data}");
        id.to_owned()
    }

    /// Whether a server takes the token; None where it does not answer.
    async fn is_taken(&self, by: &str) -> Option<bool> {
        let (_, answer) = self.send(by, None, "{ me { id } }", &Value::Null).await.ok()?;
        Some(answer["data"]["me"]["id"].is_string())
    }
}

/// All clients, until they are stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    pub fn start(admin: &Client, users: &[(String, String)]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..3 {
            tasks.spawn(make_keys(admin.clone(), stop.clone()));
        }
        for _ in 0..2 {
            tasks.spawn(read(admin.clone(), stop.clone()));
        }
        let emails: Vec<String> = users.iter().map(|(email, _)| email.clone()).collect();
        tasks.spawn(sign_in(admin.clone(), emails.clone(), stop.clone()));
        for email in &emails[..2] {
            tasks.spawn(refresh(admin.clone(), email.clone(), stop.clone()));
        }
        tasks.spawn(rename(admin.clone(), users[2].1.clone(), stop.clone()));
        tasks.spawn(revoke(admin.clone(), emails[3].clone(), stop.clone()));
        Self { stop, tasks }
    }

    /// Stops them; what is on its way comes to its end first.
    pub async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
    }
}

async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// Makes API keys, whose names may meet: what is done twice is seen. What was made is looked for at once.
async fn make_keys(admin: Client, stop: Arc<AtomicBool>) {
    const CREATE: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret errors { code message } } }";
    const FIND: &str = "query($input: ID!) { node(id: $input) { id } }";
    while !stop.load(Ordering::Relaxed) {
        let name = Uuid::now_v7().to_string();
        lock(&admin.ledger.keys).insert(name.clone(), false);
        let input = json!({ "name": name, "serviceName": "load", "permissions": ["user:view"], "hotelScope": "ALL" });
        let Some(data) = admin.ask_until_answered(Some(&name), CREATE, &input, &stop).await else { continue };
        if data.is_null() {
            lock(&admin.ledger.keys).insert(name, true);
            continue;
        }
        let id = text(&data, "createApiKey.apiKey.id");
        if id.is_empty() || text(&data, "createApiKey.secret").is_empty() {
            admin.ledger.wrong(format!("{name}: {data}"));
            continue;
        }
        lock(&admin.ledger.keys).insert(name.clone(), true);
        admin.ledger.wrote();
        if let Ok(found) = admin.ask(None, FIND, json!(id)).await
            && text(&found, "node.id") != id
        {
            admin.ledger.wrong(format!("{name} was acknowledged and not found: {found}"));
        }
        pause(20).await;
    }
}

async fn read(admin: Client, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let users = "{ users(first: 20) { nodes { email roles { name } hotels { nodes { id } } } } }";
        if let Ok(data) = admin.ask(None, users, Value::Null).await
            && data["users"]["nodes"].as_array().is_none_or(Vec::is_empty)
        {
            admin.ledger.wrong(format!("no users: {data}"));
        }
        pause(20).await;
    }
}

async fn sign_in(admin: Client, emails: Vec<String>, stop: Arc<AtomicBool>) {
    let stranger = Client { token: String::new(), ..admin };
    let mut next = emails.iter().cycle();
    while !stop.load(Ordering::Relaxed) {
        if let Some(email) = next.next() {
            stranger.sign_in(email, PASSWORD).await;
        }
        pause(150).await;
    }
}

/// Exchanges one token for the next; where no answer came, the same once more.
async fn refresh(admin: Client, email: String, stop: Arc<AtomicBool>) {
    const REFRESH: &str =
        "mutation($input: RefreshInput!) { refresh(input: $input) { tokens { refreshToken } errors { code } } }";
    let stranger = Client { token: String::new(), ..admin };
    let Some((_, session, mut token)) = stranger.sign_in(&email, PASSWORD).await else { return };
    let mut last = false;
    while !last {
        // Once more when all is over: what was acknowledged last still holds.
        last = stop.load(Ordering::Relaxed);
        let input = json!({ "refreshToken": token });
        let Some(data) = stranger.ask_until_answered(None, REFRESH, &input, &stop).await else { continue };
        let next = text(&data, "refresh.tokens.refreshToken");
        if next.is_empty() {
            stranger.ledger.wrong(format!("{session} was lost: {data}"));
            return;
        }
        next.clone_into(&mut token);
        pause(50).await;
    }
}

/// Gives a user one last name after another.
async fn rename(admin: Client, id: String, stop: Arc<AtomicBool>) {
    const UPDATE: &str =
        "mutation($input: UpdateUserInput!) { updateUser(input: $input) { user { lastName } errors { code } } }";
    for number in 1.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let input = json!({ "id": id, "lastName": number.to_string() });
        if let Some(data) = admin.ask_until_answered(None, UPDATE, &input, &stop).await {
            if text(&data, "updateUser.user.lastName") != number.to_string() {
                admin.ledger.wrong(format!("{number}: {data}"));
            }
            lock(&admin.ledger.last_names).insert(id.clone(), number);
            admin.ledger.wrote();
        }
        pause(30).await;
    }
}

/// Ends sessions, and tries their tokens at each server.
async fn revoke(admin: Client, email: String, stop: Arc<AtomicBool>) {
    const REVOKE: &str = "mutation($input: RevokeSessionInput!) { revokeSession(input: $input) { errors { code } } }";
    let stranger = Client { token: String::new(), ..admin.clone() };
    while !stop.load(Ordering::Relaxed) {
        let Some((client, session, _)) = stranger.sign_in(&email, PASSWORD).await else {
            pause(50).await;
            continue;
        };
        // So that each has it in memory.
        for server in SERVERS {
            client.is_taken(server).await;
        }
        let input = json!({ "id": session });
        if admin.ask_until_answered(None, REVOKE, &input, &stop).await.is_none() {
            continue;
        }
        let revoked_at = Instant::now();
        let mut trying = JoinSet::new();
        for server in SERVERS {
            let client = client.clone();
            trying.spawn(async move {
                let mut longest = Duration::ZERO;
                while revoked_at.elapsed() < TRIED_FOR {
                    let asked = revoked_at.elapsed();
                    match client.is_taken(server).await {
                        Some(true) => longest = longest.max(asked),
                        Some(false) => break,
                        None => pause(20).await,
                    }
                }
                longest
            });
        }
        let longest = trying.join_all().await.into_iter().max().unwrap_or_default();
        admin.ledger.was_honoured_for(longest);
        pause(50).await;
    }
}
