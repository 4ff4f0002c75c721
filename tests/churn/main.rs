//! Many administrators at once, for half a minute: no deadlock reaches anybody, nothing is lost, and the audit trail,
//! replayed from the start, ends exactly where the tables do. On its own, because it keeps the machine busy.

#[path = "../api/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other black-box tests, which use all of it")]
mod support;

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::Row;
use support::{Client, TestApp, cluster_folder};

const HOW_LONG: Duration = Duration::from_secs(30);
const CLIENTS: u64 = 8;
const USERS: usize = 20;
const ROLES: [&str; 3] = [
    "role:01900000-0000-7000-8000-000000000001",
    "role:01900000-0000-7000-8000-000000000002",
    "role:01900000-0000-7000-8000-000000000003",
];
const HOTELS: [&str; 3] = ["hotel:hotel-001", "hotel:hotel-002", "hotel:hotel-003"];
const PASSWORD: &str = "harbour lamp nine";

/// Numbers that look random and are the same for the same seed (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn some<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        let from = self.roll(of.len());
        let count = 1 + self.roll(5.min(of.len() - from));
        // Not in the order of their ids, on purpose.
        of[from..from + count].iter().rev().cloned().collect()
    }
}

/// One change, picked at random: the mutation and its input.
fn change(dice: &mut Dice, users: &[String], custom_role: &str, number: u64) -> (&'static str, Value) {
    let user = users[dice.roll(users.len())].clone();
    let role = if dice.roll(4) == 0 { custom_role } else { ROLES[dice.roll(3)] };
    let hotels = dice.some(&HOTELS);
    match dice.roll(16) {
        0 => ("updateUser", json!({ "id": user, "firstName": format!("Name {number}"), "lastName": null })),
        1 => (
            "updateUser",
            json!({ "id": user, "email": format!("mail-{}@h.test", dice.roll(30)), "emailVerified": dice.roll(3) > 0 }),
        ),
        2 => ("updateUser", json!({ "id": user, "hotelScope": if dice.roll(2) == 0 { "ALL" } else { "ASSIGNED" } })),
        3 => ("deactivateUser", json!({ "id": user, "reason": format!("reason {number}") })),
        4 | 5 => ("reactivateUser", json!({ "id": user })),
        6 => ("unlockUser", json!({ "id": user })),
        7 => ("resetUserPassword", json!({ "id": user, "newPassword": PASSWORD })),
        8 => ("revokeUserSessions", json!({ "user": user })),
        9 | 10 => ("assignRoles", json!({ "users": dice.some(users), "roles": [role] })),
        11 => ("unassignRoles", json!({ "users": dice.some(users), "roles": [role] })),
        12 => ("assignHotels", json!({ "users": dice.some(users), "hotels": hotels })),
        13 => ("unassignHotels", json!({ "users": dice.some(users), "hotels": hotels })),
        14 => (
            "updateRole",
            json!({ "id": custom_role, "description": format!("{number}"), "active": dice.roll(2) == 0 }),
        ),
        _ => (
            "updateHotel",
            json!({ "id": HOTELS[dice.roll(3)], "city": format!("City {number}"), "pmsConfig": { "secret": number } }),
        ),
    }
}

async fn set_up(app: &TestApp) -> (Vec<String>, String) {
    let admin = app.admin().await;
    for id in ["hotel-002", "hotel-003"] {
        let input = json!({ "pmsHotelId": id, "name": id, "pmsType": "mews" });
        assert!(admin.mutate("createHotel", input, "").await.refusals("createHotel").is_empty());
    }
    let input = json!({ "name": "CUSTOM", "displayName": "Custom", "permissions": ["call:view"] });
    let answer = admin.mutate("createRole", input, "role { id }").await;
    let role = answer.data("/createRole/role/id").as_str().expect("an id").to_owned();
    let mut users = Vec::new();
    for number in 0..USERS {
        let input = json!({
            "email": format!("user-{number}@h.test"), "password": PASSWORD, "emailVerified": true,
            "roles": [ROLES[number % 3]], "hotels": [HOTELS[number % 3]]
        });
        let answer = admin.mutate("createUser", input, "user { id }").await;
        users.push(answer.data("/createUser/user/id").as_str().expect("an id").to_owned());
    }
    (users, role)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_administrators_at_once() {
    let app = TestApp::start().await;
    let (users, role) = set_up(&app).await;
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let (done, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let until = Instant::now() + HOW_LONG;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let actor = if number % 4 == 3 { "operator@voicehive-hotels.eu" } else { "admin@voicehive-hotels.eu" };
        let client = app.signed_in(actor).await;
        let (users, role, done, refused) = (users.clone(), role.clone(), done.clone(), refused.clone());
        clients.spawn(async move {
            let mut dice = Dice(seed * 31 + number);
            let mut count = 0;
            while Instant::now() < until {
                count += 1;
                if dice.roll(12) == 0 {
                    // People sign in meanwhile, rightly and wrongly, and are locked out.
                    let email = format!("user-{}@h.test", dice.roll(USERS));
                    let password = if dice.roll(2) == 0 { PASSWORD } else { "wrong password" };
                    assert_fine(&client.try_sign_in(&email, password).await);
                    continue;
                }
                let (mutation, input) = change(&mut dice, &users, &role, number * 1_000_000 + count);
                let answer = client.mutate(mutation, input.clone(), "").await;
                assert_fine(&answer);
                let forbidden = answer.body.get("errors").is_some();
                let counted = if forbidden || !answer.refusals(mutation).is_empty() { &refused } else { &done };
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // What servers do in the background, meanwhile.
    while !clients.is_empty() {
        app.identity.seal_audit_events().await.expect("sealed");
        app.identity.sweep().await.expect("swept");
        app.identity.write_last_uses().await.expect("written");
        while let Some(ended) = clients.try_join_next() {
            ended.expect("a client had nothing but good answers");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("{} changes, {} refused by a rule", done.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    assert!(done.load(Ordering::Relaxed) > 100, "a machine this slow proves nothing");
    let deadlocks = app.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await;
    assert_eq!(deadlocks, 0);
    assert!(app.count("SELECT count(*) FROM users u WHERE active AND email_verified AND hotel_scope = 'ALL' AND EXISTS (SELECT FROM user_roles h JOIN roles r ON r.id = h.role_id WHERE h.user_id = u.id AND r.name = 'SYSTEM_ADMIN')").await >= 1);

    let replayed = replay(&app.admin().await).await;
    let stored = stored(&app).await;
    assert_eq!(replayed.len(), USERS + 3);
    for (subject, fields) in &replayed {
        assert_eq!(Some(fields), stored.get(subject), "{subject}");
    }
    prove(&app).await;
}

/// No answer that tells of a deadlock, a lost connection or a defect.
fn assert_fine(answer: &support::Answer) {
    assert!(matches!(answer.code(), "" | "FORBIDDEN"), "{}", answer.body);
}

/// The state of everything that the trail tells the making of, from its events alone.
async fn replay(admin: &Client) -> BTreeMap<String, BTreeMap<String, Value>> {
    let document = "query($before: String) { auditEvents(last: 100, before: $before) {
        pageInfo { hasPreviousPage startCursor } nodes { type outcome actorId subjectId detail } } }";
    let (mut state, mut before) = (BTreeMap::<String, BTreeMap<String, Value>>::new(), Value::Null);
    loop {
        let answer = admin.graphql(document, json!({ "before": before })).await;
        let page = answer.data("/auditEvents");
        for event in page["nodes"].as_array().expect("events").iter().rev() {
            let Some(changes) = event["detail"]["changes"].as_object() else { continue };
            let subject = event["subjectId"].as_str().expect("a subject").to_owned();
            // Not the demo users, whom the tests' own set-up changes in SQL.
            let made = event["type"].as_str().expect("a type").ends_with("_created") && !event["actorId"].is_null();
            if !made && !state.contains_key(&subject) {
                continue;
            }
            let fields = state.entry(subject.clone()).or_default();
            for (field, change) in changes {
                if made {
                    fields.insert(field.clone(), Value::Null);
                }
                let known = fields.entry(field.clone()).or_default();
                if !untold(field) {
                    assert_eq!(*known, change["before"], "{field} of {subject} is told to have been something else");
                }
                *known = change["after"].clone();
            }
        }
        if page["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
        before = page["pageInfo"]["startCursor"].clone();
    }
    for fields in state.values_mut() {
        // What was never anything is not told of.
        fields.retain(|field, value| !untold(field) && !value.is_null());
    }
    state
}

/// Fields that sign-ins change as well, without an event for every step.
fn untold(field: &str) -> bool {
    matches!(field, "failed_login_attempts" | "locked_until")
}

async fn stored(app: &TestApp) -> BTreeMap<String, BTreeMap<String, Value>> {
    let rows = sqlx::query(
        "SELECT 'user:' || u.id AS id, jsonb_build_object('email', email, 'first_name', first_name, 'last_name', last_name,
                'active', active, 'email_verified', email_verified, 'must_change_password', must_change_password,
                'hotel_scope', hotel_scope,
                'roles', ARRAY(SELECT r.name FROM user_roles h JOIN roles r ON r.id = h.role_id WHERE h.user_id = u.id ORDER BY r.name),
                'hotels', ARRAY(SELECT hotel_id FROM user_hotels h WHERE h.user_id = u.id ORDER BY hotel_id)) AS fields
           FROM users u
         UNION ALL
         SELECT 'role:' || id, jsonb_build_object('name', name, 'display_name', display_name, 'description', description,
                'permissions', permissions, 'active', active) FROM roles
         UNION ALL
         SELECT 'hotel:' || id, jsonb_build_object('name', name, 'brand', brand, 'country', country, 'city', city,
                'address', address, 'pms_type', pms_type, 'active', active) FROM hotels",
    )
    .fetch_all(&app.database.superuser)
    .await
    .expect("what is stored");
    let fields = |value: Value| {
        value.as_object().expect("fields").clone().into_iter().filter(|(_, value)| !value.is_null()).collect()
    };
    rows.into_iter().map(|row| (row.get("id"), fields(row.get("fields")))).collect()
}

fn verify(app: &TestApp) -> Output {
    let options = &app.database.options;
    let socket = options.get_socket().expect("a socket").display().to_string();
    Command::new(env!("CARGO_BIN_EXE_voicehive"))
        .args(["audit", "verify"])
        .env_clear()
        .env("DATABASE_HOST", socket)
        .env("DATABASE_PORT", options.get_port().to_string())
        .env("DATABASE_NAME", options.get_database().expect("a database"))
        .env("DATABASE_USER", options.get_username())
        .env("VOICEHIVE_JWT__SIGNING_KEY_FILE", cluster_folder().join("keys/signing.pem"))
        .env("VOICEHIVE_AUDIT__KEY_FILE", cluster_folder().join("keys/audit.key"))
        .output()
        .expect("runs")
}

/// The command proves the trail whole, and names the one row that somebody changed.
async fn prove(app: &TestApp) {
    app.identity.seal_audit_events().await.expect("sealed");
    let whole = verify(app);
    let told = String::from_utf8_lossy(&whole.stdout).into_owned();
    assert!(whole.status.success() && told.starts_with("The audit trail is whole: "), "{whole:?}");
    println!("{}", told.lines().next().unwrap_or_default());
    let victim = app
        .text("SELECT id::text FROM audit_events WHERE type = 'roles_assigned' ORDER BY occurred_at LIMIT 1 OFFSET 5")
        .await
        .expect("an event");
    app.sql(&format!("UPDATE audit_events SET actor = 'user:{}' WHERE id = '{victim}'", uuid::Uuid::nil())).await;
    let altered = verify(app);
    let told = String::from_utf8_lossy(&altered.stdout).into_owned();
    assert_eq!(altered.status.code(), Some(1), "{altered:?}");
    assert!(told.contains(&format!("audit:{victim} was changed")), "{told}");
    assert!(told.contains("1 findings"), "{told}");
}
