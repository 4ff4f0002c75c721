//! Users as other systems export them: `voicehive users import --from keycloak|auth0|firebase`.

use serde_json::{Value, json};

use super::support::{Setup, TestApp, TestDatabase, one_line, voicehive};
use super::user_files::{file, import};

const PASSWORD: &str = "harbour lamp";
const BCRYPT: &str = "$2y$04$F6xn3FfrEc.U672nm4u0..L4mMzhPIFT0MheBMaXalzdS2VnD7PJa";

/// A credential as Keycloak has kept it since version 8: two texts of JSON.
fn credential(algorithm: &str, rounds: u32, hash: &str, more: &Value) -> Value {
    json!({
        "id": "00000000-0000-4000-8000-0000000000c1", "type": "password", "userLabel": "mine", "createdDate": 1_700_000_000_000_i64,
        "secretData": json!({ "value": hash, "salt": "cGVwcGVyYW5kc2FsdDEyMw==", "additionalParameters": {} }).to_string(),
        "credentialData": json!({ "hashIterations": rounds, "algorithm": algorithm, "additionalParameters": more }).to_string(),
    })
}

const SHA256: &str = "EkLKOyOrVCqpx8xcvSFjPkWVdmhB0cVSsipAHTGpe2iOZGWcTae9z5pmuGW7t0wW5TE1EXe2N9VdFDWJLCliBA==";
const SHA512: &str = "B0REb2I6krGlN49dFxYrLA0QifV7ZCQcz9IqDH5gUMtaAujjL5NxDPDAQzFauRpMjwi2y9gZ0BNBOWrGfaanLA==";
const SHA1: &str = "UqB/YGAecAeRpOBPdwNIhunXHZX8nQCuJPIHmqHI+HPmVsotlPbbEY9LFQYOZVNH/rVE0u99BBde+07OWkRLvA==";
const ARGON2: &str = "AQTTM+eugKSCX9I7MbjzgXlGeUTY1ddeZhQD92dKHWY=";

#[tokio::test]
async fn a_keycloak_realm_comes_in_with_its_passwords() {
    let database = TestDatabase::create().await;
    let argon2 =
        json!({ "hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"] });
    let user = |name: &str, more: Value| {
        let mut user = json!({ "id": format!("f{name:0>7}-0000-4000-8000-000000000001"), "username": name, "email": format!("{name}@H.test"),
            "firstName": "Łukasz", "lastName": "Özlem", "emailVerified": true, "enabled": true, "createdTimestamp": 1_600_000_000_000_i64,
            "totp": false, "disableableCredentialTypes": [], "requiredActions": [], "realmRoles": ["default-roles-hotels"], "groups": ["/x"],
            "notBefore": 0 });
        user.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        user
    };
    let with = |credential: Value| json!({ "credentials": [credential] });
    let realm = json!({
        "realm": "hotels", "clients": [{ "secret": "s", "users": ["none of these"] }],
        "users": [
            user("a1", with(credential("pbkdf2-sha256", 1200, SHA256, &json!({})))),
            user("a2", with(credential("pbkdf2-sha512", 1200, SHA512, &json!({})))),
            user("a3", with(credential("argon2", 5, ARGON2, &argon2))),
            user("a4", with(json!({ "type": "password", "hashedSaltedValue": SHA1, "salt": "cGVwcGVyYW5kc2FsdDEyMw==",
                                    "hashIterations": 1200, "algorithm": "pbkdf2" }))),
            user("a5", json!({ "requiredActions": ["UPDATE_PASSWORD"], "enabled": false })),
            user("a6", with(credential("bcrypt-of-a-plugin", 10, BCRYPT, &json!({})))),
            user("a7", with(credential("pbkdf2-sha256", 2_000_000_000, SHA256, &json!({})))),
            user("a8", with(json!({ "type": "password", "value": "in plain text", "temporary": true }))),
            { "username": "someone@h.test", "enabled": true },
            { "username": "no-address" },
            { "username": "service-account-x", "serviceAccountClientId": "x" },
            user("b1", json!({ "enabled": "yes" })),
            user("b2", json!({ "createdTimestamp": -99_999_999_999_999_i64 })),
            "no object",
            user("a9", json!({ "createdTimestamp": "1600000000000", "credentials": [] })),
        ],
        "keycloakVersion": "26.0.0",
    });
    let text = serde_json::to_string_pretty(&realm).expect("JSON");
    let path = file(&database, "realm.json", &text);
    let (outcome, wrong) = import(&database, &path, &["--from", "keycloak"]);
    let expected =
        json!({ "added": 10, "there_already": 0, "wrong": 5, "without_password": 6, "unknown_hash": 3, "kept": true });
    assert_eq!(outcome, expected, "{wrong:#?}");
    let line = |what: &str| text.lines().position(|line| line.contains(what)).expect(what);
    let begins = |what: &str| {
        text.lines().take(line(what)).enumerate().filter(|(_, line)| *line == "    {").last().expect(what).0 + 1
    };
    let told = [
        format!("{}: has no email address", begins("\"no-address\"")),
        format!("{}: is a client's service account", begins("service-account-x")),
        format!("{}: enabled is neither true nor false", begins("b1@H.test")),
        format!("{}: created_at is not in the years", begins("b2@H.test")),
        format!("{}: is no object", line("no object") + 1),
    ];
    let mut told: Vec<_> = told.into();
    told.sort_by_key(|line| line.split(':').next().and_then(|line| line.parse::<u32>().ok()));
    for (wrong, told) in wrong.iter().zip(&told) {
        let (line, why) = told.split_once(": ").expect("a line and why");
        assert!(wrong.starts_with(&format!("{line}: ")) && wrong.contains(why), "{wrong}, not {told}");
    }
    assert!(wrong.iter().any(|line| line.contains("user \"service-account-x\" is a client's")), "{wrong:#?}");
    assert_eq!(import(&database, &path, &["--from", "keycloak"]).0["there_already"], json!(10));

    let app = TestApp::start_on(database.into(), Setup::usual()).await;
    for name in ["a1", "a2", "a3", "a4"] {
        let email = format!("{name}@h.test");
        assert_eq!(
            app.anonymous().try_sign_in(&email, "harbour lamps").await.refusals("login"),
            ["INVALID_CREDENTIALS"]
        );
        let me = app
            .anonymous()
            .sign_in(&email, PASSWORD)
            .await
            .query("{ me { id firstName lastName createdAt hotelScope } }")
            .await;
        let expected = json!({ "id": format!("user:f{name:0>7}-0000-4000-8000-000000000001"), "firstName": "Łukasz", "lastName": "Özlem",
                               "createdAt": "2020-09-13T12:26:40Z", "hotelScope": "ASSIGNED" });
        assert_eq!(me.data("/me"), &expected, "{name}");
    }
    for (name, password) in [("a7", PASSWORD), ("a8", "in plain text"), ("a9", "")] {
        let answer = app.anonymous().try_sign_in(&format!("{name}@h.test"), password).await;
        assert_eq!(answer.refusals("login"), ["INVALID_CREDENTIALS"], "{name}");
    }
    let flags =
        "SELECT string_agg(email || ' ' || active || ' ' || must_change_password, ', ' ORDER BY email) FROM users
                  WHERE email IN ('a5@h.test', 'a8@h.test', 'a9@h.test')";
    assert_eq!(
        app.text(flags).await.as_deref(),
        Some("a5@h.test false true, a8@h.test true true, a9@h.test true false")
    );
    assert_eq!(
        app.count("SELECT count(*) FROM user_roles JOIN users ON id = user_id WHERE email LIKE 'a%@h.test'").await,
        0
    );
}

#[tokio::test]
async fn exports_that_are_cut_off_or_lack_their_users_are_refused() {
    let database = TestDatabase::create().await;
    let large = json!({ "users": [{ "email": "a@h.test", "x": "y".repeat(300_000) }] }).to_string();
    for (text, told) in [
        ("{\"realm\": \"hotels\"}", "it has no list \"users\""),
        ("[{\"realm\": \"a\", \"users\": []}]", "export one with --realm NAME"),
        ("{\"users\": 7}", "expected a list of users"),
        ("{\"users\": [{\"email\": \"a@h.test\"},\n", "EOF while parsing"),
        ("", "EOF while parsing"),
        (large.as_str(), "line 1: a user has more than 262144 bytes"),
    ] {
        let path = file(&database, "cut.json", text);
        let arguments = ["users", "import", "--from", "keycloak", path.to_str().expect("a path"), "--all-or-nothing"];
        let line = one_line(&voicehive(&database.options, &arguments).output().expect("runs"));
        assert!(line.contains(told), "{text:.40}: {line}");
    }
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE email LIKE '%@h.test'")
        .fetch_one(&database.superuser)
        .await
        .expect("counted");
    assert_eq!(users, 0);

    // Without --all-or-nothing, what came before is kept and counted.
    let path = file(&database, "cut.json", "{\"users\": [{\"email\": \"łukasz@h.test\"},\n");
    let arguments = ["users", "import", "--from", "keycloak", path.to_str().expect("a path")];
    let output = voicehive(&database.options, &arguments).output().expect("runs");
    let counts = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && counts.starts_with("1 users added;"), "{counts}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("EOF while parsing"), "{output:?}");
}

#[tokio::test]
async fn auth0s_lines_come_in_with_their_passwords() {
    let database = TestDatabase::create().await;
    let lines = [
        // Of an export of password hashes.
        json!({ "_id": { "$oid": "5f0000000000000000000001" }, "email_verified": true, "email": "Hash@h.test", "passwordHash": BCRYPT,
                "password_set_date": { "$date": "2024-05-06T07:08:09.010Z" }, "tenant": "t", "connection": "c", "_tmp_is_unique": true }),
        // Of an export job.
        json!({ "user_id": "auth0|5f0000000000000000000002", "email": "job@h.test", "email_verified": true, "name": "Łukasz de Vries",
                "nickname": "l", "created_at": "2020-01-02T03:04:05.678Z", "last_login": "2021-01-02T03:04:05Z", "logins_count": 7,
                "identities": [{ "provider": "auth0" }], "user_metadata": {} }),
        json!({ "email": "custom@h.test", "email_verified": true, "given_name": "Özlem", "family_name": "Åberg", "blocked": true,
                "custom_password_hash": { "algorithm": "ldap", "hash": { "value": "{SSHA}p+1xXwFKLDiBH/uZ/9I54aLSZMtXilEq", "encoding": "utf8" } } }),
        json!({ "email": "md5@h.test", "custom_password_hash": { "algorithm": "md5", "hash": { "value": "5f4dcc3b5aa765d61d8327deb882cf99" } } }),
        json!({ "email": "late@h.test", "created_at": "yesterday" }),
        json!({ "phone_number": "+49 30 1" }),
        json!({ "email": "number@h.test", "given_name": 7 }),
        json!(["no", "object"]),
    ];
    let text: Vec<_> = lines.iter().map(Value::to_string).collect();
    let path = file(&database, "auth0.json", &text.join("\n"));
    let (outcome, wrong) = import(&database, &path, &["--from", "auth0"]);
    let expected =
        json!({ "added": 4, "there_already": 0, "wrong": 4, "without_password": 2, "unknown_hash": 1, "kept": true });
    assert_eq!(outcome, expected, "{wrong:#?}");
    let told = ["5: created_at is no time", "6: has no email address", "7: given_name is no text", "8: is no object"];
    assert!(wrong.iter().zip(told).all(|(wrong, told)| wrong.starts_with(told)), "{wrong:#?}");

    let app = TestApp::start_on(database.into(), Setup::usual()).await;
    app.anonymous().sign_in("hash@h.test", PASSWORD).await;
    let all = "SELECT string_agg(concat_ws('|', email, first_name, last_name, active, email_verified, created_at AT TIME ZONE 'UTC' < '2020-02-01'), ' ' ORDER BY email)
                 FROM users WHERE email IN ('custom@h.test', 'job@h.test')";
    assert_eq!(
        app.text(all).await.as_deref(),
        Some("custom@h.test|Özlem|Åberg|f|t|f job@h.test|Łukasz de|Vries|t|t|t")
    );
    let changed = "SELECT password_changed_at = '2024-05-06T07:08:09.01Z' FROM users WHERE email = 'job@h.test' OR email = 'hash@h.test' ORDER BY email LIMIT 1";
    let changed: Option<bool> = sqlx::query_scalar(changed).fetch_one(&app.database.superuser).await.expect("a time");
    assert!(changed.is_some());
}

#[tokio::test]
async fn firebases_users_come_in_with_their_passwords() {
    let database = TestDatabase::create().await;
    let key = "g/AoXlxrahGTWJAHak6rcQE7oXBP343lmM19gTE3E0ErP14ZuI+u/XTzTn6tH+bjLHqnV9GNeLkn2tuDg3wltQ==";
    // By firebase-scrypt 2.2.0 of npm.
    let hash = "92odAAxcjqYbXjruWFURrOjDqtVwN49yc5VYbMhdFXfPlkLcgXUB6vqkE5ada0PnaudWlzw6P9vRp4JC/rhImQ==";
    let export = json!({ "users": [
        { "localId": "u1", "email": "one@h.test", "emailVerified": true, "passwordHash": hash, "salt": "c2FsdGFuZHBlcHBlcg==",
          "displayName": "ΜΑΡΊΑ Παπαδοπούλου", "lastSignedInAt": "1700000000000", "createdAt": "1600000000000", "disabled": false, "providerUserInfo": [] },
        { "localId": "u2", "email": "google@h.test", "emailVerified": true, "createdAt": "1600000000000", "disabled": true,
          "providerUserInfo": [{ "providerId": "google.com", "rawId": "1", "email": "google@h.test" }] },
        // What is exported in the place of hashes to whoever may not see them.
        { "localId": "u3", "email": "hidden@h.test", "passwordHash": "UkVEQUNURUQ=", "salt": "c2FsdA==" },
        { "localId": "u4", "phoneNumber": "+49301" },
    ] });
    let path = file(&database, "firebase.json", &serde_json::to_string_pretty(&export).expect("JSON"));
    let config = format!(
        "hash_config {{\n  algorithm: SCRYPT,\n  base64_signer_key: {key},\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 4,\n}}\n"
    );
    let config = file(&database, "hash-config", &config);
    let arguments = ["users", "import", path.to_str().expect("a path"), "--from", "firebase"];
    let output = voicehive(&database.options, &arguments).output().expect("runs");
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--firebase-hash-config"),
        "{output:?}"
    );
    let spoilt = file(&database, "no-config", &format!("base64_signer_key: {key}\n"));
    let output = voicehive(
        &database.options,
        &[&arguments[..], &["--firebase-hash-config", spoilt.to_str().expect("a path")]].concat(),
    );
    let line = one_line(&{ output }.output().expect("runs"));
    assert!(line.contains("it has no base64_salt_separator") && !line.contains(key), "{line}");

    let (outcome, wrong) =
        import(&database, &path, &["--from", "firebase", "--firebase-hash-config", config.to_str().expect("a path")]);
    let expected =
        json!({ "added": 3, "there_already": 0, "wrong": 1, "without_password": 2, "unknown_hash": 1, "kept": true });
    assert_eq!(outcome, expected, "{wrong:#?}");
    assert!(wrong[0].contains("has no email address"), "{wrong:#?}");
    let stored: Vec<String> =
        sqlx::query_scalar("SELECT password_hash FROM users").fetch_all(&database.superuser).await.expect("hashes");
    assert!(
        stored.iter().all(|stored| !stored.contains(&key[..20]) && !stored.contains(&hash[..20])),
        "the project's secret is kept nowhere"
    );

    let app = TestApp::start_on(database.into(), Setup::usual()).await;
    assert_eq!(
        app.anonymous().try_sign_in("one@h.test", "harbour lamps").await.refusals("login"),
        ["INVALID_CREDENTIALS"]
    );
    let me =
        app.anonymous().sign_in("one@h.test", PASSWORD).await.query("{ me { firstName lastName createdAt } }").await;
    assert_eq!(
        me.data("/me"),
        &json!({ "firstName": "ΜΑΡΊΑ", "lastName": "Παπαδοπούλου", "createdAt": "2020-09-13T12:26:40Z" })
    );
    let renewed = app.text("SELECT password_hash FROM users WHERE email = 'one@h.test'").await.expect("a hash");
    assert!(renewed.starts_with("$argon2id$"), "{renewed}");
}
