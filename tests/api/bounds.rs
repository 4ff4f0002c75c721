//! What anybody can make the service store in an hour at full rate: all mutations of the schema and all other calls that are
//! no reads, made by a stranger, by somebody whose account is locked, and by somebody who is signed in. Nothing is named here:
//! a new mutation or call is among them. What an hour comes to is computed from short runs and from the limits of
//! src/config/defaults.rs, and is held against the bounds that SECURITY.md states.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use apollo_compiler::Schema;
use apollo_compiler::ast::{InputValueDefinition, Type};
use apollo_compiler::schema::ExtendedType;
use serde_json::{Value, json};
use sqlx::Row;
use voicehive_identity::config::LimitsConfig;

use super::support::{Answer, Client, PASSWORD, Setup, TestApp};

const SCHEMA: &str = include_str!("../../schema.graphql");
const ROUTES: &str = include_str!("../../src/http/mod.rs");
const SECURITY: &str = include_str!("../../SECURITY.md");
/// Calls in one minute: of two numbers, what each call stores is told from what each minute stores.
const FEW: u32 = 3;
const MORE: u32 = 8;
/// Calls until one is refused for their number: more than any lock of an address takes.
const UNTIL_REFUSED: u32 = 400;
const LOCKED: &str = "\u{f6}zlem.locked@h.test";
const VICTIM: &str = "\u{142}ukasz.victim@h.test";

/// What each table holds: rows, and their bytes.
type Stored = BTreeMap<String, (f64, f64)>;

async fn stored(app: &TestApp) -> Stored {
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
                     AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> '_sqlx_migrations'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&app.database.superuser).await.expect("tables");
    let each: Vec<_> = tables
        .iter()
        .map(|table| {
            format!("SELECT '{table}' AS name, count(*) AS rows, coalesce(sum(pg_column_size(t.*)), 0) AS bytes FROM {table} t")
        })
        .collect();
    let rows = sqlx::query(sqlx::AssertSqlSafe(each.join(" UNION ALL "))).fetch_all(&app.database.superuser).await;
    #[allow(clippy::cast_precision_loss, reason = "far below where it would be one")]
    let number = |row: &sqlx::postgres::PgRow, name: &str| row.get::<i64, _>(name) as f64;
    rows.expect("sizes").iter().map(|row| (row.get("name"), (number(row, "rows"), number(row, "bytes")))).collect()
}

/// Something that can be asked for.
#[derive(Clone)]
enum Call {
    Mutation(String),
    Other { method: reqwest::Method, path: String, form: bool },
}

impl Call {
    fn name(&self) -> String {
        match self {
            Self::Mutation(name) => name.clone(),
            Self::Other { method, path, form } => format!("{method} {path}{}", if *form { " (form)" } else { "" }),
        }
    }
}

fn calls(schema: &Schema) -> Vec<Call> {
    let Some(ExtendedType::Object(mutations)) = schema.types.get("Mutation") else { panic!("there are mutations") };
    let mut calls: Vec<_> = mutations.fields.keys().map(|name| Call::Mutation(name.to_string())).collect();
    for route in ROUTES.split(".route(\"").skip(1) {
        let (path, handler) = route.split_once("\",").expect("a handler");
        let handler = handler.lines().next().unwrap_or_default();
        for (method, writes) in [(reqwest::Method::POST, "post("), (reqwest::Method::DELETE, "delete(")] {
            if handler.contains(writes) {
                let path = path.replace("{id}", "00000000-0000-7000-8000-000000000007");
                calls.extend([false, true].map(|form| Call::Other {
                    method: method.clone(),
                    path: path.clone(),
                    form,
                }));
            }
        }
    }
    calls
}

fn fields_that_may_be_left_out(schema: &Schema, call: &Call) -> Vec<String> {
    let (Call::Mutation(name), Some(ExtendedType::Object(mutations))) = (call, schema.types.get("Mutation")) else {
        return Vec::new();
    };
    let inputs = mutations.fields[name.as_str()].arguments.iter().map(|argument| argument.ty.inner_named_type());
    let fields = inputs.filter_map(|input| match schema.types.get(input) {
        Some(ExtendedType::InputObject(input)) => Some(input.fields.values()),
        _ => None,
    });
    fields.flatten().filter(|field| !field.is_required()).map(|field| field.name.to_string()).collect()
}

/// What a call's arguments are made of.
#[derive(Clone)]
struct Words {
    /// None: another one each time.
    email: Option<&'static str>,
    password: &'static str,
    id: String,
    refresh_token: String,
    number: u32,
    /// Of the fields that may be left out, this one alone is there; None: all of them are.
    alone: Option<String>,
}

impl Words {
    fn value(&self, schema: &Schema, name: &str, kind: &Type) -> Value {
        if let Type::List(inner) | Type::NonNullList(inner) = kind {
            return json!([self.value(schema, name, inner)]);
        }
        let lower = name.to_lowercase();
        match schema.types.get(kind.inner_named_type()) {
            Some(ExtendedType::InputObject(input)) => {
                let given = |field: &InputValueDefinition| {
                    field.is_required() || self.alone.as_ref().is_none_or(|alone| field.name.as_str() == alone)
                };
                let fields = input.fields.values().filter(|field| given(field));
                let fields = fields.map(|field| (field.name.to_string(), self.value(schema, &field.name, &field.ty)));
                Value::Object(fields.collect())
            }
            Some(ExtendedType::Enum(values)) => json!(values.values.keys().next().expect("a value").as_str()),
            _ => match kind.inner_named_type().as_str() {
                "Boolean" => json!(true),
                "Int" => json!(1),
                "ID" => json!(self.id),
                "JSON" => json!({ "endpoint": "x".repeat(1000), "number": self.number }),
                "DateTime" => json!("2100-01-01T00:00:00Z"),
                _ if lower.contains("email") => json!(self.email()),
                _ if lower.contains("newpassword") => json!(format!("harbour lamp nine {}", self.number)),
                _ if lower.contains("password") => json!(self.password),
                _ if lower.contains("token") => json!(self.refresh_token),
                _ if lower == "country" => json!("FR"),
                _ if lower.contains("permission") => json!("call:view"),
                _ => json!(format!("{}{:07}", "N".repeat(60), self.number)),
            },
        }
    }

    fn email(&self) -> String {
        self.email.map_or_else(|| format!("nobody{}@h.test", self.number), str::to_owned)
    }

    async fn send(&self, schema: &Schema, client: &Client, call: &Call) -> Answer {
        match call {
            Call::Mutation(name) => {
                let Some(ExtendedType::Object(mutations)) = schema.types.get("Mutation") else { panic!("mutations") };
                let arguments = &mutations.fields[name.as_str()].arguments;
                let (mut declared, mut given, mut variables) = (Vec::new(), Vec::new(), serde_json::Map::new());
                for argument in arguments {
                    declared.push(format!("${}: {}", argument.name, argument.ty));
                    given.push(format!("{0}: ${0}", argument.name));
                    variables.insert(argument.name.to_string(), self.value(schema, &argument.name, &argument.ty));
                }
                let document =
                    format!("mutation({}) {{ {name}({}) {{ __typename }} }}", declared.join(", "), given.join(", "));
                // Under another key of the client's each time, so that what is kept of that is seen, too.
                let client = client.clone().with_header("idempotency-key", &format!("{:036}", self.number));
                client.graphql(&document, Value::Object(variables)).await
            }
            Call::Other { method, path, form } => {
                let request = client.http.request(method.clone(), client.url(path));
                let texts = json!({ "email": self.email(), "password": self.password, "token": self.refresh_token,
                    "refresh_token": self.refresh_token, "name": format!("N{}", self.number) });
                if *form {
                    let body = serde_urlencoded::to_string(texts.as_object().expect("texts")).expect("a form");
                    let form = "application/x-www-form-urlencoded";
                    return client.send(request.header("content-type", form).body(body)).await;
                }
                let mut body = json!({ "service_name": "calls", "permissions": ["call:view"], "hotel_scope": "ALL",
                    "subject": { "type": "user", "id": self.id }, "resource": { "type": "hotel", "id": "hotel-001" },
                    "action": { "name": "call:view" }, "remember_me": true });
                let body_fields = body.as_object_mut().expect("an object");
                body_fields.extend(texts.as_object().expect("an object").clone());
                client.send(request.json(&body)).await
            }
        }
    }
}

/// Whoever makes the calls.
struct Person {
    name: &'static str,
    /// The row of SECURITY.md that bounds them.
    row: &'static str,
    client: Client,
    words: Vec<Words>,
    signs_in_as: Option<&'static str>,
    is_locked: bool,
}

/// What one call comes to: of each minute in which it is made, and of each time.
#[derive(Default)]
struct Growth {
    by_minute: Stored,
    by_call: Stored,
    /// How often it can be made in an hour.
    calls: f64,
}

struct Run<'a> {
    app: &'a TestApp,
    schema: &'a Schema,
    limits: LimitsConfig,
    number: u32,
}

impl Run<'_> {
    /// Begins a minute, with everybody as they were and everything told that was counted before.
    async fn begin_minute(&mut self, person: &mut Person) {
        let clock = &self.app.clock;
        if let Some(email) = person.signs_in_as {
            self.app.sql("DELETE FROM sign_in_failures").await;
            self.app
                .sql(&format!(
                    "UPDATE users u SET password_hash = v.password_hash, locked_until = NULL, failed_login_attempts = 0
                       FROM users v WHERE u.email = '{email}' AND v.email = '{VICTIM}'"
                ))
                .await;
            if !person.client.is_signed_in().await {
                person.client = Client { access_token: None, ..person.client.clone() }.sign_in(email, PASSWORD).await;
            }
        }
        if person.is_locked {
            let elsewhere = self.app.anonymous().with_header("x-forwarded-for", "198.51.100.1");
            loop {
                let answer = elsewhere.try_sign_in(LOCKED, "wrong").await;
                match answer.data("/login/retryAfter").as_u64() {
                    // Long enough for all that a minute takes here.
                    Some(wait) if wait > 300 => break,
                    Some(wait) => clock.advance(Duration::from_secs(wait + 1)),
                    None => {}
                }
            }
        }
        let second = clock.now().timestamp().rem_euclid(60);
        clock.advance(Duration::from_secs(u64::try_from(60 - second).expect("seconds")));
        self.app.identity.tell_repeats().await.expect("told");
    }

    async fn call(&mut self, person: &mut Person, words: &Words, call: &Call) -> Answer {
        self.number += 1;
        let mut words = words.clone();
        (words.number, words.refresh_token) = (self.number, person.client.refresh_token.clone());
        let answer = words.send(self.schema, &person.client, call).await;
        if let Some(email) = person.signs_in_as.filter(|_| answer.status == 401) {
            // Whose session has ended signs in again; that is part of what the call costs.
            let client = Client { access_token: None, ..person.client.clone() };
            if client.try_sign_in(email, PASSWORD).await.body["data"]["login"]["tokens"].is_object() {
                person.client = client.sign_in(email, PASSWORD).await;
            }
        }
        answer
    }

    async fn in_a_minute(&mut self, person: &mut Person, words: &Words, call: &Call, times: u32) -> Stored {
        self.begin_minute(person).await;
        let before = stored(self.app).await;
        for _ in 0..times {
            self.call(person, words, call).await;
        }
        self.app.clock.advance(Duration::from_mins(1));
        self.app.identity.tell_repeats().await.expect("told");
        let after = stored(self.app).await;
        let more = |(table, (rows, bytes)): (String, (f64, f64))| {
            let (rows_before, bytes_before) = before[&table];
            (table, ((rows - rows_before).max(0.0), (bytes - bytes_before).max(0.0)))
        };
        after.into_iter().map(more).collect()
    }

    async fn growth(&mut self, person: &mut Person, words: &Words, call: &Call) -> Growth {
        let few = self.in_a_minute(person, words, call, FEW).await;
        let more = self.in_a_minute(person, words, call, MORE).await;
        let mut growth = Growth::default();
        for (table, (rows, bytes)) in more {
            let (few_rows, few_bytes) = few[&table];
            let steps = f64::from(MORE - FEW);
            let each = (((rows - few_rows) / steps).max(0.0), ((bytes - few_bytes) / steps).max(0.0));
            let minute = (few_rows - each.0 * f64::from(FEW), few_bytes - each.1 * f64::from(FEW));
            growth.by_minute.insert(table.clone(), (minute.0.max(0.0), minute.1.max(0.0)));
            growth.by_call.insert(table, each);
        }
        growth.calls = self.calls_in_an_hour(person, words, call, &growth).await;
        growth
    }

    /// By the limits: as counted requests or changes, or as far as it gets until its address is shut.
    async fn calls_in_an_hour(&mut self, person: &mut Person, words: &Words, call: &Call, growth: &Growth) -> f64 {
        let limits = &self.limits;
        let requests = f64::from(limits.requests_per_minute * 60 + limits.request_burst);
        if growth.by_call.values().all(|(rows, bytes)| *rows == 0.0 && *bytes == 0.0) {
            return requests;
        }
        if person.signs_in_as.is_some() {
            let makes_sessions = growth.by_call.get("user_sessions").is_some_and(|(rows, _)| *rows > 0.0);
            return f64::from(match call {
                // All at once, and evenly as many again.
                _ if makes_sessions => limits.sign_ins_per_user * 2,
                Call::Mutation(_) => limits.changes_per_minute * 61,
                Call::Other { .. } => limits.requests_per_minute * 60 + limits.request_burst,
            });
        }
        self.begin_minute(person).await;
        for made in 1..=UNTIL_REFUSED {
            let answer = self.call(person, words, call).await;
            if answer.status == 429 {
                let wait = answer.headers["retry-after"].to_str().expect("text").parse::<u32>().expect("seconds");
                self.app.clock.advance(Duration::from_secs(u64::from(wait) + 1));
                self.app.identity.tell_repeats().await.expect("told");
                return f64::from(made) * (3600.0 / f64::from(wait)).ceil();
            }
        }
        requests
    }
}

/// The bound that SECURITY.md states for a person and a table, in bytes an hour.
fn bound(row: &str, table: &str) -> f64 {
    let stated = SECURITY.lines().find_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        match cells.as_slice() {
            [who, what, bound] if *who == row && what.split(", ").any(|one| one.trim_matches('`') == table) => {
                bound.strip_suffix(" MiB")?.parse::<f64>().ok()
            }
            _ => None,
        }
    });
    stated.map_or(0.0, |mib| mib * 1024.0 * 1024.0)
}

fn setup() -> Setup {
    let mut setup = Setup::usual();
    let limits = LimitsConfig::default();
    setup.settings.lockout.failures_per_address = limits.sign_ins_per_address;
    setup.settings.access_token_lifetime = Duration::from_hours(144);
    setup.settings.hashing.workers = 1;
    setup.settings.throttle.sign_ins_per_user = NonZeroU32::new(100_000).expect("some");
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    setup
}

#[tokio::test]
async fn what_anybody_can_make_the_service_store_is_bounded() {
    let app = TestApp::start_with(setup()).await;
    for email in [LOCKED, VICTIM, "\u{3bc}\u{3b1}\u{3c1}\u{3af}\u{3b1}@h.test"] {
        app.user(email).role("HOTEL_STAFF").hotel("hotel-001").create().await;
    }
    let maria = "\u{3bc}\u{3b1}\u{3c1}\u{3af}\u{3b1}@h.test";
    let from = |address: &str| app.anonymous().with_header("x-forwarded-for", address);
    let client = from("192.0.2.3").sign_in(maria, PASSWORD).await;
    let own = client.query("{ me { id } currentSession { id } }").await;
    let id = |pointer: &str| own.data(pointer).as_str().expect("an id").to_owned();
    let words = |email, password, id: &str| Words {
        email,
        password,
        id: id.to_owned(),
        refresh_token: "x.y.z".to_owned(),
        number: 0,
        alone: None,
    };
    let somebody = "user:00000000-0000-7000-8000-000000000007";
    let ids = [id("/me/id"), id("/currentSession/id"), "hotel:hotel-001".to_owned(), somebody.to_owned()];
    let mut people = [
        Person {
            name: "a stranger",
            row: "a stranger, from one address",
            client: from("192.0.2.1"),
            words: vec![words(None, "wrong", somebody), words(Some(VICTIM), "wrong", somebody)],
            signs_in_as: None,
            is_locked: false,
        },
        Person {
            name: "a person whose account is locked",
            row: "a person whose account is locked",
            client: from("192.0.2.2"),
            words: vec![words(Some(LOCKED), PASSWORD, somebody)],
            signs_in_as: None,
            is_locked: true,
        },
        Person {
            name: "a person who is signed in",
            row: "a person who is signed in",
            client,
            words: ids.iter().map(|id| words(Some(maria), PASSWORD, id)).collect(),
            signs_in_as: Some(maria),
            is_locked: false,
        },
    ];
    let schema = Schema::parse_and_validate(SCHEMA, "schema.graphql").expect("the schema");
    let calls = calls(&schema);
    assert!(calls.len() > 40, "{}", calls.len());
    let mut run = Run { app: &app, schema: &schema, limits: LimitsConfig::default(), number: 0 };
    let mut over = Vec::new();
    for person in &mut people {
        let mut every_minute = Stored::new();
        let mut most: BTreeMap<String, (f64, f64, String)> = BTreeMap::new();
        for call in &calls {
            // What is refused as a whole may be done in parts.
            let mut alone = vec![None];
            if person.signs_in_as.is_some() {
                alone.extend(fields_that_may_be_left_out(&schema, call).into_iter().map(Some));
            }
            let variants = person
                .words
                .iter()
                .flat_map(|words| alone.iter().map(|alone| Words { alone: alone.clone(), ..words.clone() }));
            for words in variants.collect::<Vec<_>>() {
                let growth = run.growth(person, &words, call).await;
                for (table, (rows, bytes)) in growth.by_minute {
                    let sum = every_minute.entry(table).or_default();
                    *sum = (sum.0 + 60.0 * rows, sum.1 + 60.0 * bytes);
                }
                for (table, (rows, bytes)) in growth.by_call {
                    let hour = (rows * growth.calls, bytes * growth.calls);
                    let most = most.entry(table).or_default();
                    if hour.1 > most.1 {
                        *most = (hour.0, hour.1, call.name());
                    }
                }
            }
        }
        // Requests are counted together whatever they ask for, so the call that stores most is the most that there is; what
        // each minute stores comes with every call.
        println!("{} can make the service store in an hour, at one server:", person.name);
        for (table, (rows, bytes, call)) in most {
            let minutes = every_minute.remove(&table).unwrap_or_default();
            let (rows, bytes) = (rows + minutes.0, bytes + minutes.1);
            if bytes > 0.0 {
                let (mib, bound) = (bytes / 1024.0 / 1024.0, bound(person.row, &table));
                println!(
                    "  {table:22} {rows:9.0} rows {mib:8.2} MiB of {:6.2}  most by {call}",
                    bound / 1024.0 / 1024.0
                );
                if bytes > bound {
                    over.push(format!("{}: {table}: {mib:.2} MiB", person.name));
                }
            }
        }
    }
    assert!(over.is_empty(), "more than SECURITY.md states: {over:#?}");
}
