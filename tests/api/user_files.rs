//! Users out to a file and in from one: `voicehive users export|import|count`.

use std::path::PathBuf;

use serde_json::{Value, json};
use sqlx::Executor;

use super::support::{Setup, TestApp, TestDatabase, cluster_folder, told, voicehive};

pub fn file(database: &TestDatabase, name: &str, text: &str) -> PathBuf {
    let path = cluster_folder().join(format!("{}-{name}", database.options.get_database().expect("a name")));
    std::fs::write(&path, text).expect("a file");
    path
}

/// Runs an import: its outcome, and what it said of wrong rows, each as `line: why`.
pub fn import(database: &TestDatabase, path: &std::path::Path, arguments: &[&str]) -> (Value, Vec<String>) {
    let path = path.to_str().expect("a path");
    let output = voicehive(&database.options, &[&["users", "import", path, "--json"], arguments].concat())
        .output()
        .expect("runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let wrong: Vec<_> =
        told.lines().filter_map(|line| line.strip_prefix(path)?.strip_prefix(':')).map(str::to_owned).collect();
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(output.status.success(), outcome["wrong"] == json!(0), "{output:?}");
    (outcome, wrong)
}

async fn counts(database: &TestDatabase) -> (i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM user_roles), (SELECT count(*) FROM user_hotels)",
    )
    .fetch_one(&database.superuser)
    .await
    .expect("counts")
}

#[tokio::test]
async fn hashes_of_other_systems_sign_in() {
    let database = TestDatabase::create().await;
    let bcrypt = bcrypt::hash("night shift 44", 4).expect("a hash");
    let lines = [
        json!({ "email": "Bea@H.test", "password_hash": bcrypt, "email_verified": true, "roles": ["HOTEL_STAFF"],
                "hotels": ["hotel-001"], "first_name": " Bea ", "created_at": "2020-02-02T02:02:02Z" }),
        json!({ "email": "nobody-yet@h.test" }),
    ];
    let text = lines.map(|line| line.to_string()).join("\n");
    let path = file(&database, "users.jsonl", &text);
    let (outcome, wrong) = import(&database, &path, &[]);
    assert_eq!(
        (outcome, wrong),
        (
            json!({ "added": 2, "there_already": 0, "wrong": 0, "without_password": 1, "unknown_hash": 0, "kept": true }),
            vec![]
        )
    );
    assert_eq!(import(&database, &path, &[]).0["there_already"], json!(2));

    let app = TestApp::start_on(database.into(), Setup::usual()).await;
    let bea = app.anonymous().sign_in("bea@h.test", "night shift 44").await;
    let me = bea.query("{ me { firstName hotelScope roles { name } createdAt } }").await;
    let expected = json!({ "firstName": "Bea", "hotelScope": "ASSIGNED", "roles": [{ "name": "HOTEL_STAFF" }],
                           "createdAt": "2020-02-02T02:02:02Z" });
    assert_eq!(me.data("/me"), &expected);
    let hash = app.text("SELECT password_hash FROM users WHERE email = 'bea@h.test'").await.expect("a hash");
    assert!(hash.starts_with("$argon2id$"), "renewed in the sign-in");
    // The file is old by now: brought in once more, it does not bring the old hash back.
    assert_eq!(import(&app.database, &path, &[]).0["there_already"], json!(2));
    assert_eq!(app.text("SELECT password_hash FROM users WHERE email = 'bea@h.test'").await, Some(hash));
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'users_imported'").await, 1);
}

/// Hashes of the password `harbour lamp`, as other systems' own programs wrote them at a low cost.
const FOREIGN: [&str; 20] = [
    "$P$6qXH4M7hxbryCKfHWpi6vkLz643iGY/",
    "$wp$2y$04$Igp86rjs/XM3fYpgfxP.ruq67WsdqNDW002/iRDIGDvv1pZQFiknC",
    "$5$rounds=1200$Wbvf5SYLZtJUAxzO$xRmzgI0bXr2gKtpZqcDd7kb6ZyYpH.ua7mwU3RGrOOB",
    "$6$pepperandsalt$yUUmAkQGFe.1ZKdc1WWe3vREP1UIm/B6pGLB2aQs20yTEo9f4sVI3WwTNAnq29wL/5jNGOdYsD1R/ZoVRppN81",
    "{SSHA}p+1xXwFKLDiBH/uZ/9I54aLSZMtXilEq",
    "scrypt:1024:8:1$AKfjJQniST7LtwJr$cd2c55b2215d37a7f269c3bf980cddc4471e823da941d63367797e6c9fdcd993288325d93ef6c8f35d08295f7e174a6a73a6f58cc411378c5649954b1748abed",
    "scrypt$1024$pepperandsalt$8$5$9j58WPf8Ko7IKjzO5gDHXIj8aXZAGbs5HHxhBUBTmieFebzP+zwhaH3qm9AbYGFmUKXFwqE/N858Ltn1dNIlhA==",
    "bcrypt_sha256$$2b$04$eELvba7fF3B9dsQ1qXJQg.hMkqCdKCT7es1no7u5Rrekl8XhISEJC",
    "$bcrypt-sha256$v=2,t=2b,r=4$UhY98wvBMkFDj5.pwnNcOe$dz3NJ3dtjFu9mk88NCpYPYpExgOSH.S",
    "$scrypt$ln=4,r=8,p=1$xRiDcO49J4SQ8n5PiREipA$BZJ3+DdOqYwUy01Rf6HwaQRkH3wrElyJBkhLgb90poI",
    "$firebase-scrypt$ln=4,r=8,p=1$c2FsdGFuZHBlcHBlcgc$dJo1XlA35LeIBqrpMhu63en4C6U/6AKX61gl7flqBjY",
    "$pbkdf2-sha256$1200$yjkHgFAqpbSWkjIGoBQipA$7P4BsM3hWO2RkeA5ls0bGiGtBF4.t68ZuXIC.GAxGpE",
    "$pbkdf2$1200$bq2VkrK2dk7p/b83BiCkdA$GQn3WmfZUq/KcpxJ1QsmvmykZI8",
    "$pbkdf2-sha512$1200$UWrt/X8vJWTs/X9Pac3Z2w$rQP/LbMvgAP.qNlyBMm4FnsN3ROFHSplAmkg8uqU4heucrytzV2oAZFCoR1AOfIEtcc13rLKaO6cph7nMyJ4mA",
    "pbkdf2_sha256$1200$pepperandsalt$yQY+FJmY9DBjSQlDXwpVm7xLoj5SGrrg+2RhbTK98SM=",
    "pbkdf2_sha1$1200$pepperandsalt$Xh9PSXPtdJJgHZ5Djx4B5R2fQ1s=",
    "pbkdf2:sha256:1200$WCAhlPRgPOHOPUFE$f9dbf8b2be6302a1563434518dee7d563c1069dc39f928b38b64cd61e3f10acd",
    "argon2$argon2id$v=19$m=1024,t=1,p=1$cGVwcGVyYW5kc2FsdHBlcHBlcg$zAMialWFiEoD7LqLJLKfKGsIbN+6/RwPuHcyP43hWa0",
    "$argon2id$v=19$m=1024,t=1,p=1$Lnb1YIyQv6+1uMNDgIp84Q$FXEm3vPVIUkPyD3b5vdDjhN9vOotxF18SWvek9ByUL4",
    "$2b$04$OuVWiPGSI7AkMawA0osIYuzwGQqkLcVrWZJxQYjeJu5LStCg3QqLu",
];

#[tokio::test]
async fn hashes_that_other_programs_wrote_sign_in_once_and_are_renewed() {
    let database = TestDatabase::create().await;
    let row = |(number, hash): (usize, &&str)| {
        json!({ "email": format!("u{number}@h.test"), "password_hash": hash, "email_verified": true }).to_string()
    };
    let rows: Vec<String> = FOREIGN.iter().enumerate().map(row).collect();
    let path = file(&database, "foreign.jsonl", &rows.join("\n"));
    assert_eq!(import(&database, &path, &[]).0["added"], json!(FOREIGN.len()));
    let app = TestApp::start_on(database.into(), Setup::usual()).await;
    for (number, hash) in FOREIGN.iter().enumerate() {
        let email = format!("u{number}@h.test");
        let wrong = app.anonymous().try_sign_in(&email, "harbour lamps").await;
        assert_eq!(wrong.refusals("login"), ["INVALID_CREDENTIALS"], "{hash}");
        app.anonymous().sign_in(&email, "harbour lamp").await;
    }
    let renewed =
        "SELECT count(*) FROM users WHERE password_hash LIKE '$argon2id$v=19$m=19456,t=2,p=1$%' AND email LIKE 'u%'";
    assert_eq!(app.count(renewed).await, i64::try_from(FOREIGN.len()).expect("few"));
}

#[tokio::test]
async fn a_person_who_stands_in_a_file_twice_is_one() {
    let database = TestDatabase::create().await;
    let id = |n: u8| format!("00000000-0000-7000-8000-0000000000{n:02x}");
    let row = |n: u8, email: &str, role: &str| {
        json!({ "id": id(n), "email": email, "roles": [role], "hotels": ["hotel-001"] }).to_string()
    };
    let rows = [
        row(1, "b@h.test", "HOTEL_STAFF"),
        row(1, "b@h.test", "HOTEL_STAFF"),
        row(1, "a@h.test", "SYSTEM_ADMIN"),
        row(2, "b@h.test", "SYSTEM_ADMIN"),
        r#"{"email": "admin@voicehive-hotels.eu", "id": "00000000-0000-7000-8000-000000000003"}"#.to_owned(),
        row(3, "c@h.test", "HOTEL_STAFF"),
    ];
    let path = file(&database, "twice.jsonl", &rows.join("\n"));
    let (outcome, wrong) = import(&database, &path, &[]);
    let expected =
        json!({ "added": 2, "there_already": 1, "wrong": 3, "without_password": 2, "unknown_hash": 0, "kept": true });
    assert_eq!(outcome, expected, "{wrong:#?}");
    assert_eq!(wrong[0], format!("3: {} is the id of another user, b@h.test", id(1)));
    assert_eq!(wrong[1], format!("4: b@h.test is the email address of another user, {}", id(1)));
    assert!(wrong[2].starts_with("5: admin@voicehive-hotels.eu is the email address of another user"));
    let roles: Vec<(String, String)> = sqlx::query_as(
        "SELECT u.email, r.name FROM users u JOIN user_roles ON user_id = u.id JOIN roles r ON r.id = role_id
          WHERE u.email LIKE '%@h.test' ORDER BY 1",
    )
    .fetch_all(&database.superuser)
    .await
    .expect("roles");
    assert_eq!(roles, [("b@h.test".into(), "HOTEL_STAFF".into()), ("c@h.test".into(), "HOTEL_STAFF".into())]);
}

#[tokio::test]
async fn rows_that_are_wrong_are_named_and_the_rest_goes_in() {
    let database = TestDatabase::create().await;
    let admin: String = sqlx::query_scalar("SELECT id::text FROM users WHERE email LIKE 'admin@%'")
        .fetch_one(&database.superuser)
        .await
        .expect("the administrator");
    let other = "00000000-0000-7000-8000-00000000000a";
    let rows = [
        r#"{"email": "one@h.test"}"#.to_owned(),
        "not JSON".to_owned(),
        r#"{"email": "two@h.test", "password": "plain"}"#.to_owned(),
        r#"{"email": "no address"}"#.to_owned(),
        r#"{"email": "three@h.test", "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}"#.to_owned(),
        r#"{"email": "four@h.test", "roles": ["CHEF"]}"#.to_owned(),
        r#"{"email": "five@h.test", "hotels": ["hotel-404"]}"#.to_owned(),
        r#"{"email": "six@h.test", "hotel_scope": "SOME"}"#.to_owned(),
        format!(r#"{{"email": "admin@voicehive-hotels.eu", "id": "{other}"}}"#),
        format!(r#"{{"email": "seven@h.test", "id": "{admin}"}}"#),
        format!(r#"{{"email": "admin@voicehive-hotels.eu", "id": "{admin}"}}"#),
        String::new(),
        format!(r#"{{"email": "eight@h.test", "first_name": "{}"}}"#, "x".repeat(101)),
        format!(r#"{{"email": "{}"}}"#, "y".repeat(300_000)),
        r#"{"email": "last@h.test"}"#.to_owned(),
        // Whatever a field holds, the row is named and the others go in.
        r#"{"email": "old@h.test", "created_at": "-0044-03-15T00:00:00Z"}"#.to_owned(),
        r#"{"email": "oldest@h.test", "last_login_at": "-262143-01-01T00:00:00Z"}"#.to_owned(),
        r#"{"email": "late@h.test", "password_changed_at": "+12026-01-01T00:00:00Z"}"#.to_owned(),
        r#"{"email": "never@h.test", "created_at": "infinity"}"#.to_owned(),
        r#"{"email": "words@h.test", "active": "TRUE"}"#.to_owned(),
        r#"{"email": "nul@h.test", "first_name": "a\u0000b"}"#.to_owned(),
        r#"{"email": "nul\u0000@h.test"}"#.to_owned(),
        r#"{"email": "half@h.test", "last_name": "\ud800"}"#.to_owned(),
        r#"{"email": "id@h.test", "id": "7"}"#.to_owned(),
        r#"{"email": "twice@h.test", "email": "again@h.test"}"#.to_owned(),
        r#"{"email": "list@h.test", "roles": "HOTEL_STAFF"}"#.to_owned(),
        r#"{"email": "none@h.test", "roles": [null]}"#.to_owned(),
        r#"["an", "array"]"#.to_owned(),
        r#"{"email": "nul-hash@h.test", "password_hash": "$2b$\u0000"}"#.to_owned(),
    ];
    let path = file(&database, "mixed.jsonl", &rows.join("\n"));
    let before = counts(&database).await;
    let expected = [
        "2: expected ident, at column 2",
        "3: unknown field `password`",
        "4: email \"no address\" is no email address",
        "6: there is no role \"CHEF\"; make it first",
        "7: there is no hotel \"hotel-404\"",
        "8: hotel_scope \"SOME\" is neither ALL nor ASSIGNED",
        "9: admin@voicehive-hotels.eu is the email address of another user",
        &format!("10: {admin} is the id of another user, admin@voicehive-hotels.eu"),
        "13: first_name: This is too long",
        "14: the line is longer than",
        "16: created_at is not in the years 1 to 9999",
        "17: last_login_at is not in the years",
        "18: password_changed_at is not in the years",
        "19: input contains invalid characters",
        "20: invalid type: string \"TRUE\", expected a boolean",
        "21: first_name: ",
        "22: email \"nul\\0@h.test\" is no email address",
        "23: ",
        "24: UUID parsing failed",
        "25: duplicate field `email`",
        "26: invalid type: string \"HOTEL_STAFF\", expected a sequence",
        "27: invalid type: null, expected a string",
        "28: ",
    ];
    for (arguments, kept, after) in
        [(&["--dry-run"][..], false, before.0), (&["--all-or-nothing"], false, before.0), (&[], true, before.0 + 4)]
    {
        let (outcome, wrong) = import(&database, &path, arguments);
        let told = json!({ "added": 4, "there_already": 1, "wrong": expected.len(), "without_password": 4,
                           "unknown_hash": 2, "kept": kept });
        assert_eq!(outcome, told, "{arguments:?}: {wrong:#?}");
        assert_eq!(wrong.len(), expected.len(), "{wrong:#?}");
        for (wrong, expected) in wrong.iter().zip(expected) {
            assert!(wrong.starts_with(expected), "{wrong}");
            assert!(!wrong.contains("5f4dcc3b"), "{wrong}");
        }
        assert_eq!(counts(&database).await.0, after, "{arguments:?}");
    }
    assert_eq!(told(voicehive(&database.options, &["users", "count"])).trim(), (before.0 + 4).to_string());
}

#[tokio::test]
async fn everyone_goes_out_and_comes_in_elsewhere_the_same() {
    let here = TestDatabase::create().await;
    let hash = bcrypt::hash("night shift 44", 4).expect("a hash");
    let world = format!(
            "INSERT INTO hotels (id, name, pms_type) VALUES ('hotel-002', 'Two', 'mews');
             INSERT INTO users (id, email, password_hash, first_name, last_name, active, hotel_scope, last_login_at)
             SELECT gen_random_uuid(), format('u%s@h.test', n), '{hash}', 'A;B', E'\"q\", n', n % 2 = 0,
                    CASE WHEN n % 5 = 0 THEN 'ALL' ELSE 'ASSIGNED' END, CASE WHEN n % 3 = 0 THEN now() END
               FROM generate_series(1, 4500) n;
             INSERT INTO user_hotels (user_id, hotel_id) SELECT u.id, h.id FROM users u, hotels h ON CONFLICT DO NOTHING;
             INSERT INTO user_roles (user_id, role_id) SELECT u.id, r.id FROM users u, roles r WHERE r.name LIKE 'HOTEL_%' ON CONFLICT DO NOTHING",
    );
    here.superuser.execute(sqlx::AssertSqlSafe(world)).await.expect("a world");
    for name in ["all.jsonl", "all.csv"] {
        let path = file(&here, name, "");
        let output = path.to_str().expect("a path");
        told(voicehive(&here.options, &["users", "export", "--output", output]));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("a file").permissions());
        assert_eq!(mode & 0o077, 0, "nobody else reads it");

        let there = TestDatabase::create().await;
        there
            .superuser
            .execute("DELETE FROM users; INSERT INTO hotels (id, name, pms_type) VALUES ('hotel-002', 'Two', 'mews')")
            .await
            .expect("an empty world");
        let (outcome, wrong) = import(&there, &path, &["--all-or-nothing"]);
        assert_eq!((&outcome["added"], wrong.len()), (&json!(4503), 0), "{wrong:#?}");
        assert_eq!(counts(&there).await, counts(&here).await);
        let again = file(&there, name, "");
        told(voicehive(&there.options, &["users", "export", "--output", again.to_str().expect("a path")]));
        assert!(std::fs::read(&path).expect("read") == std::fs::read(&again).expect("read"), "{name}: the same file");
        assert_eq!(import(&there, &path, &[]).0["there_already"], json!(4503));
    }
}

#[tokio::test]
async fn an_import_that_was_killed_is_ended_by_running_it_again() {
    let database = TestDatabase::create().await;
    let rows: String =
        (0..40_000).map(|n| format!("{{\"email\": \"u{n}@h.test\", \"roles\": [\"HOTEL_STAFF\"]}}\n")).collect();
    let path = file(&database, "many.jsonl", &rows);
    let (before, _, _) = counts(&database).await;
    let arguments = ["users", "import", path.to_str().expect("a path")];
    let mut there = before;
    // Somebody is about to take the last address, so that the import cannot come to its end.
    let mut other = database.superuser.begin().await.expect("begun");
    let last = "INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), 'u39999@h.test', 'x')";
    other.execute(last).await.expect("written");
    for signal in ["-KILL", "-INT"] {
        let mut process = voicehive(&database.options, &arguments)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("starts");
        super::support::eventually("more users are in", async || counts(&database).await.0 > there).await;
        let id = process.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().expect("sent").success());
        process.wait().expect("ended");
        let (now, roles, _) = counts(&database).await;
        assert!(now < before + 40_000, "{signal} came half-way");
        assert_eq!(now - before, roles - 3, "nobody is half in");
        let last = "SELECT coalesce(max(substring(email FROM '^u([0-9]+)@')::bigint), -1) + 1 FROM users";
        let last: i64 = sqlx::query_scalar(last).fetch_one(&database.superuser).await.expect("the last");
        assert_eq!(last, now - before, "the file is in up to one row");
        there = now;
    }
    other.rollback().await.expect("given up");
    let mut whole = voicehive(&database.options, &[&arguments[..], &["--all-or-nothing"]].concat())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    let writing = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                    AND query LIKE 'INSERT INTO users%' AND application_name = 'voicehive')";
    super::support::eventually("it writes", async || {
        sqlx::query_scalar(writing).fetch_one(&database.superuser).await.expect("activity")
    })
    .await;
    whole.kill().expect("killed");
    whole.wait().expect("ended");
    assert_eq!(counts(&database).await.0, there, "nothing of it is kept");
    let (outcome, _) = import(&database, &path, &[]);
    assert_eq!(outcome["wrong"], json!(0));
    assert_eq!(counts(&database).await, (before + 40_000, 3 + 40_000, 1));
}

#[tokio::test]
async fn of_rows_with_one_address_the_first_is_taken() {
    let database = TestDatabase::create().await;
    let rows: String =
        (0..20_000).map(|n| format!("{{\"email\": \"u{}@h.test\", \"first_name\": \"{n}\"}}\n", n % 7_000)).collect();
    let path = file(&database, "repeated.jsonl", &rows);
    let (outcome, _) = import(&database, &path, &[]);
    assert_eq!(
        outcome,
        json!({ "added": 7_000, "there_already": 13_000, "wrong": 0, "without_password": 7_000, "unknown_hash": 0,
                                "kept": true })
    );
    let others = "SELECT count(*) FROM users WHERE email LIKE 'u%' AND email <> format('u%s@h.test', first_name)";
    let others: i64 = sqlx::query_scalar(others).fetch_one(&database.superuser).await.expect("counted");
    assert_eq!(others, 0);
}

#[tokio::test]
async fn the_old_services_dictionary_is_taken_in_whole_or_not_at_all() {
    let database = TestDatabase::create_empty().await;
    told(voicehive(&database.options, &["database", "init", "--skip-users"]));
    let bcrypt = bcrypt::hash("night shift 44", 4).expect("a hash");
    let id = "00000000-0000-4000-8000-000000000009";
    let yaml = format!(
        "Admin@voicehive-hotels.eu: {{user_id: admin-001, email: admin@voicehive-hotels.eu, password: admin123, roles: [ADMIN], hotel_ids: null, active: true}}
operator@voicehive-hotels.eu: {{user_id: operator-001, email: operator@voicehive-hotels.eu, password: operator123, roles: [hotel_admin], hotel_ids: null, active: true}}
manager@hotel1.com: {{user_id: {id}, email: manager@hotel1.com, password_hash: {bcrypt}, roles: [HOTEL_MANAGER], hotel_ids: [hotel-001, hotel-002], active: true}}
gone@hotel1.com: {{user_id: gone-001, email: gone@hotel1.com, password: anything9, roles: [guest_user], hotel_ids: [], active: false}}
"
    );
    let import = |path: &std::path::Path, arguments: &[&str]| {
        let path = path.to_str().expect("a path");
        voicehive(&database.options, &[&["import", "mock-users", path, "--json"], arguments].concat())
            .output()
            .expect("runs")
    };
    for (spoilt, told) in [
        (yaml.replace("[guest_user]", "[chef]"), "gone@hotel1.com: there is no role \"CHEF\""),
        (yaml.replace("email: gone@", "email: back@"), "another one than its key"),
        (yaml.replace("password: anything9, ", ""), "gone@hotel1.com: has neither password nor password_hash"),
        (yaml.replace("active: false", "active: false, phone: 1"), "unknown field `phone`"),
        (yaml.replace("user_id: gone-001, ", ""), "gone@hotel1.com: has no user_id"),
        (yaml.replace("hotel_ids: [], ", ""), "gone@hotel1.com: has no hotel_ids"),
    ] {
        let output = import(&file(&database, "spoilt.yaml", &spoilt), &[]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(told), "{told}: {error}");
        assert!(!error.contains("admin123") && !error.contains("anything9"), "{error}");
        assert_eq!(counts(&database).await, (0, 0, 0));
    }
    let path = file(&database, "users.yaml", &yaml);
    let expected = json!({ "added": 4, "there_already": 0, "wrong": 0, "without_password": 0, "hotels_made": ["hotel-001", "hotel-002"] });
    for (arguments, kept, users) in [(&["--dry-run"][..], false, 0), (&[], true, 4)] {
        let output = import(&path, arguments);
        let mut outcome: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(outcome.as_object_mut().and_then(|outcome| outcome.remove("kept")), Some(json!(kept)));
        assert_eq!(outcome, expected, "{output:?}");
        assert_eq!(counts(&database).await.0, users);
    }
    let again: Value = serde_json::from_slice(&import(&path, &[]).stdout).expect("JSON");
    assert_eq!((&again["added"], &again["there_already"], &again["hotels_made"]), (&json!(0), &json!(4), &json!([])));

    let app = TestApp::start_on(database.into(), Setup::usual()).await;
    let me = "{ me { id hotelScope mustChangePassword roles { name } hotels { totalCount } } }";
    for (email, password, expected) in [
        ("admin@voicehive-hotels.eu", "admin123", json!(["ALL", true, "SYSTEM_ADMIN", 2])),
        ("operator@voicehive-hotels.eu", "operator123", json!(["ALL", true, "HOTEL_ADMIN", 2])),
        ("manager@hotel1.com", "night shift 44", json!(["ASSIGNED", false, "HOTEL_STAFF", 2])),
    ] {
        let answer = app.anonymous().sign_in(email, password).await.query(me).await;
        let me = answer.data("/me");
        let found =
            json!([me["hotelScope"], me["mustChangePassword"], me["roles"][0]["name"], me["hotels"]["totalCount"]]);
        assert_eq!(found, expected, "{email}");
        if email.starts_with("manager") {
            assert_eq!(me["id"], json!(format!("user:{id}")));
        }
    }
    assert_eq!(
        app.anonymous().try_sign_in("gone@hotel1.com", "anything9").await.refusals("login"),
        ["INVALID_CREDENTIALS"]
    );
}
