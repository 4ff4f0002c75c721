//! What hostile documents and guesses cost and tell: the time that any refused document takes is bounded by that of accepted
//! ones, and every sign-in that fails, and every API key, takes as long as any other. Run alone, because it measures; figures are printed.

#[path = "../api/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other black-box tests, which use all of it")]
mod support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{PASSWORD, Setup, TestApp};
use voicehive_identity::graphql::documents::{Asked, Documents, Trusted};
use voicehive_identity::graphql::{guard::Limits, sdl};

/// Held while something is measured.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// How many documents are tried.
const DOCUMENTS: u64 = 100_000;
/// As the defaults.
const LIMITS: Limits =
    Limits { tokens: 5_000, directives: 100, aliases: 500, root_fields: 50, depth: 15, cost: 100_000 };

/// Numbers that are the same in each run (xorshift64*, Marsaglia 2003, Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> usize {
        usize::try_from(self.next() % end).expect("small")
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64)]
    }
}

const FIELDS: [&str; 12] = [
    "id",
    "email",
    "displayName",
    "__typename",
    "nonsense",
    "roles { name }",
    "hotels(first: 3) { nodes { id } }",
    "x: hotels(first: 1) { totalCount }",
    "x: hotels(first: 2) { totalCount }",
    "x: email",
    "x: id",
    "createdBy { id }",
];
const TOKENS: [&str; 26] = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "!",
    "$",
    "@",
    "...",
    "=",
    "|",
    "&",
    "\"",
    "\"\"\"",
    "#",
    ",",
    "1",
    "1e9",
    "name",
    "on",
    "fragment",
    "query",
    "mutation",
    "\u{feff}é\u{1F600}",
];

fn repeated(count: usize, mut one: impl FnMut(usize) -> String) -> String {
    (0..count).fold(String::new(), |text, number| text + &one(number))
}

/// A document that is meant to be dear. Few are valid.
fn hostile(numbers: &mut Numbers) -> String {
    // Most are small; some are as large as they may be, and larger.
    let most = match numbers.below(100) {
        0..60 => 5,
        60..90 => 30,
        90..98 => 300,
        _ => 3000,
    };
    let size = 1 + numbers.below(most);
    match numbers.below(14) {
        0 => format!("{{ node(id: {}1{}) {{ id }} }}", "[".repeat(size), "]".repeat(size)),
        1 => format!("{{ node(id: {}1{}) {{ id }} }}", "{a:".repeat(size), "}".repeat(size)),
        2 => {
            let fragments = repeated(size.min(400), |n| {
                format!("fragment F{n} on User {{ ...F{} ...F{} }} ", n + 1, (n + 1) * numbers.below(2))
            });
            format!("{{ me {{ ...F0 }} }} {fragments} fragment F{} on User {{ id }}", size.min(400))
        }
        3 => format!("{{ me {{ {} }} }}", repeated(size, |_| format!("{} ", numbers.one_of(&FIELDS)))),
        4 => format!("{{ me {{ {} }} }}", repeated(size, |n| format!("a{n}: {} ", numbers.one_of(&["id", "email"])))),
        5 => format!("{{ ... {} {{ me {{ id }} }} }}", "@include(if: true) ".repeat(size)),
        6 => format!("{} {{ id }} {}", "{ me ".repeat(size), "}".repeat(size)),
        7 => {
            let variables = repeated(size, |n| format!("$v{n}: [[Int!]!] = [[{n}]] "));
            format!("query({variables}) {{ me {{ id }} }}")
        }
        8 => format!("{{ {} }}", repeated(size, |n| format!("u{n}: users(first: {n}) {{ totalCount }} "))),
        9 => {
            let set = repeated(size.min(200), |n| format!("... on User {{ x{}: id ", n % 7));
            format!("{{ me {{ {set} {} }} }}", "} ".repeat(size.min(200)))
        }
        10 => {
            // Every fragment holds the same fields: merging compares each with each.
            let count = size.min(150);
            let spreads = repeated(count, |n| format!("...G{n} "));
            let fields = repeated(20, |n| format!("f{n}: hotels(first: {}) {{ nodes {{ id }} }} ", numbers.below(3)));
            let fragments = repeated(count, |n| format!("fragment G{n} on User {{ {fields} }} "));
            format!("{{ me {{ {spreads} }} }} {fragments}")
        }
        11 => {
            let mut text = "{ __schema { types { ".to_owned();
            for _ in 0..size.min(60) {
                let _ =
                    write!(text, "{} {{ name ", numbers.one_of(&["fields", "type", "ofType", "possibleTypes", "args"]));
            }
            text + &"} ".repeat(size.min(60) + 3)
        }
        12 => format!("{{ users(filter: {{{}}}) {{ totalCount }} }}", "active: true, ".repeat(size)),
        _ => repeated(size, |_| format!("{} ", numbers.one_of(&TOKENS))),
    }
}

fn took(documents: &Documents, query: String) -> (bool, Duration) {
    let asked = Asked { query: Some(query), hash: None, operation_name: None, variables: serde_json::Map::new() };
    let began = Instant::now();
    let accepted = documents.find(&asked).and_then(|known| documents.ready(&known, asked)).is_ok();
    (accepted, began.elapsed())
}

#[test]
fn no_hostile_document_takes_much_longer_than_accepted_ones() {
    let _alone = ALONE.blocking_lock();
    let documents = Documents::new(&sdl(false), LIMITS, Trusted::default()).expect("the schema is valid");
    let mut numbers = Numbers(0x5eed);
    let (mut refused, mut accepted) = ((Duration::ZERO, String::new()), (Duration::ZERO, String::new()));
    let (mut all_refused, mut all_accepted) = (0_u64, 0_u64);
    for _ in 0..DOCUMENTS {
        let query = hostile(&mut numbers);
        // The least of a few where it was long: what the machine does beside is not the document's.
        let (fits, mut time) = took(&documents, query.clone());
        for _ in 0..3 {
            if !fits && time > accepted.0 {
                time = time.min(took(&documents, query.clone()).1);
            }
        }
        let (slowest, count) = if fits { (&mut accepted, &mut all_accepted) } else { (&mut refused, &mut all_refused) };
        *count += 1;
        if time > slowest.0 {
            *slowest = (time, query);
        }
    }
    println!(
        "{all_refused} documents refused, the slowest in {:?} ({:.60}...); {all_accepted} accepted, the slowest in {:?} \
         ({:.60}...): {:.2} times as long",
        refused.0,
        refused.1,
        accepted.0,
        accepted.1,
        refused.0.as_secs_f64() / accepted.0.as_secs_f64()
    );
    assert!(all_accepted > 1000 && all_refused > 50_000);
    assert!(refused.0 < accepted.0 * 10, "{:.300}", refused.1);
}

/// How often each kind of account is tried.
const TRIES: usize = 200;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_failed_sign_in_can_be_told_from_another() {
    let _alone = ALONE.lock().await;
    let mut setup = Setup::usual();
    (setup.settings.lockout.threshold, setup.settings.lockout.failures_per_address) = (100_000, 1_000_000);
    let app = TestApp::start_with(setup).await;
    for email in ["wrong@h.test", "locked@h.test", "inactive@h.test", "unverified@h.test"] {
        app.user(email).create().await;
    }
    app.sql("UPDATE users SET locked_until = now() + interval '1 hour' WHERE email = 'locked@h.test'").await;
    app.sql("UPDATE users SET active = false WHERE email = 'inactive@h.test'").await;
    app.sql("UPDATE users SET email_verified = false WHERE email = 'unverified@h.test'").await;
    let accounts = [
        ("unknown@h.test", PASSWORD),
        ("wrong@h.test", "another password"),
        ("locked@h.test", PASSWORD),
        ("inactive@h.test", PASSWORD),
        ("unverified@h.test", PASSWORD),
    ];
    let client = app.anonymous();
    let mut times = vec![Vec::with_capacity(TRIES); accounts.len()];
    let mut answers: Vec<Value> = Vec::new();
    // In turn, so that what the machine does beside is the same for all of them.
    for turn in 0..TRIES + 5 {
        for (times, (email, password)) in times.iter_mut().zip(accounts) {
            let began = Instant::now();
            let answer = client.try_sign_in(email, password).await;
            if turn >= 5 {
                times.push(began.elapsed());
            }
            answers.push(answer.body["data"].clone());
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    let medians: Vec<Duration> = times.into_iter().map(median).collect();
    for ((email, _), median) in accounts.iter().zip(&medians) {
        println!("{email:20} {median:?}");
    }
    let (least, most) = (medians.iter().min().expect("some"), medians.iter().max().expect("some"));
    let apart = most.as_secs_f64() / least.as_secs_f64() - 1.0;
    println!("medians of {TRIES} tries differ by {:.1} %", apart * 100.0);
    assert!(apart < 0.10, "{medians:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_not_honoured_take_as_long_as_each_other() {
    let _alone = ALONE.lock().await;
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut keys = vec![("nonsense", "nonsense".to_owned()), ("empty", String::new())];
    for (kind, change) in [
        ("revoked", "UPDATE api_keys SET active = false, revoked_at = now() WHERE revoked_at IS NULL"),
        ("expired", "UPDATE api_keys SET expires_at = now() - interval '1 hour' WHERE revoked_at IS NULL"),
    ] {
        let input = json!({ "name": kind, "serviceName": "x", "permissions": ["user:view"], "hotelScope": "ALL" });
        let made = admin.mutate("createApiKey", input, "secret").await;
        let key = made.data("/createApiKey/secret").as_str().expect("a key").to_owned();
        keys.push(("truncated", key[..30].to_owned()));
        keys.push(("unknown", format!("{}{}", &key[..49], if key.ends_with('a') { 'b' } else { 'a' })));
        keys.push((kind, key));
        app.sql(change).await;
    }
    let clients: Vec<_> = keys.iter().map(|(_, key)| app.anonymous().with_header("x-api-key", key)).collect();
    let mut times = vec![Vec::with_capacity(TRIES); keys.len()];
    for turn in 0..TRIES + 20 {
        for (times, client) in times.iter_mut().zip(&clients) {
            let began = Instant::now();
            let answer = client.query("{ viewer { __typename } }").await;
            if turn >= 20 {
                times.push(began.elapsed());
            }
            assert_eq!(answer.status, 401);
        }
    }
    let medians: Vec<Duration> = times.into_iter().map(median).collect();
    for ((kind, _), median) in keys.iter().zip(&medians) {
        println!("{kind:20} {median:?}");
    }
    let (least, most) = (medians.iter().min().expect("some"), medians.iter().max().expect("some"));
    let apart = most.as_secs_f64() / least.as_secs_f64() - 1.0;
    println!("medians of {TRIES} tries differ by {:.1} %", apart * 100.0);
    assert!(apart < 0.10, "{medians:?}");
}
