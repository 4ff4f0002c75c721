//! Text of people: the same however it is typed, and nothing that passes for something else.

use std::sync::Arc;

use argon2::password_hash::PasswordHasher;
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use voicehive_identity::store::migrations::{self, Wanted};
use voicehive_identity::store::{Database, Routes, text_keys};
use voicehive_identity::text::folding::search_key;

use super::support::{Client, PASSWORD, Setup, TestApp, TestDatabase, eventually, told_json, voicehive};

/// "Café" as macOS types it, and as everyone else does.
const TAKEN_APART: &str = "Cafe\u{301} am Markt";
const COMPOSED: &str = "Café am Markt";

async fn create(client: &Client, input: Value) -> Value {
    let answer = client.mutate("createUser", input, "user { id email firstName lastName }").await;
    answer.data("/createUser").clone()
}

async fn signs_in(app: &TestApp, email: &str, password: &str) -> bool {
    let answer = app.anonymous().try_sign_in(email, password).await;
    answer.data("/login/errors") == &json!([])
}

#[tokio::test]
async fn a_password_is_the_same_however_it_is_typed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (made, email) in [(TAKEN_APART, "apart@h.test"), (COMPOSED, "composed@h.test")] {
        let input = json!({ "email": email, "password": made, "emailVerified": true });
        assert_eq!(create(&admin, input).await["errors"], json!([]));
        for typed in [TAKEN_APART, COMPOSED, "Cafe\u{301}\u{a0}am\u{2003}Markt"] {
            assert!(signs_in(&app, email, typed).await, "{typed:?}, made as {made:?}");
        }
        // What only looks similar is another password.
        assert!(!signs_in(&app, email, "Cafe am Markt").await);
        assert!(!signs_in(&app, email, "Ｃafé am Markt").await);
    }
}

#[tokio::test]
async fn a_hash_of_the_bytes_as_they_were_typed_works_and_is_replaced() {
    let app = TestApp::start().await;
    let id = app.user("anna@h.test").create().await;
    let argon2 = argon2::Argon2::default();
    let hashes = [
        argon2.hash_password_with_salt(TAKEN_APART.as_bytes(), b"0123456789abcdef").expect("a hash").to_string(),
        bcrypt::hash(TAKEN_APART, 4).expect("a hash"),
    ];
    for hash in hashes {
        app.sql(&format!("UPDATE users SET password_hash = '{hash}' WHERE id = '{id}'")).await;
        assert!(!signs_in(&app, "anna@h.test", COMPOSED).await, "nobody knows yet how it was typed");
        assert!(signs_in(&app, "anna@h.test", TAKEN_APART).await);
        assert!(signs_in(&app, "anna@h.test", COMPOSED).await, "made anew by the sign-in before");
        assert!(signs_in(&app, "anna@h.test", TAKEN_APART).await);
    }
}

#[tokio::test]
async fn names_and_addresses_are_stored_in_one_form() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let input = json!({ "email": "O\u{308}zlem@ho\u{308}tel.example", "firstName": "O\u{308}zlem", "lastName": "A\u{30a}berg\u{a0}Öz",
        "password": PASSWORD, "emailVerified": true });
    let made = create(&admin, input).await;
    assert_eq!(made["user"]["email"], "özlem@hötel.example");
    assert_eq!((&made["user"]["firstName"], &made["user"]["lastName"]), (&json!("Özlem"), &json!("Åberg Öz")));
    for typed in ["özlem@hötel.example", "O\u{308}ZLEM@hötel.example", "ÖZLEM@xn--htel-5qa.example"] {
        assert!(signs_in(&app, typed, PASSWORD).await, "{typed:?}");
    }
    let again = create(&admin, json!({ "email": "o\u{308}zlem@hötel.example", "password": PASSWORD })).await;
    assert_eq!(again["errors"][0]["code"], "ALREADY_TAKEN");
}

#[tokio::test]
async fn names_and_addresses_that_pass_for_others_are_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (field, odd) in [
        ("email", "ceo\u{3164}@h.test"),
        ("email", "c\u{435}o@h.test"),
        ("email", "\u{441}\u{435}\u{43e}@h.test"),
        ("email", "adm\u{131}n@h.test"),
        ("email", "ceo@h\u{43e}tel.test"),
        ("email", "ceo\u{1160}@h.test"),
        ("firstName", "Anna\u{3164}"),
        ("firstName", "An\u{ad}na"),
        ("lastName", "Berg\u{202e}"),
        ("lastName", "\u{e000}"),
        ("lastName", "Berg\u{200d}"),
    ] {
        let mut input = json!({ "email": "plain@h.test", "password": PASSWORD });
        input[field] = json!(odd);
        let refused = create(&admin, input).await;
        let (code, path) = (&refused["errors"][0]["code"], &refused["errors"][0]["path"]);
        assert_eq!((code, path), (&json!("INVALID_VALUE"), &json!(["input", field])), "{odd:?}");
    }
    for (first, last) in [("علی\u{200c}رضا", "李"), ("ΜΑΡΊΑ", "Łukasz"), ("สมชาย", "O’Brien"), ("김민수", "श्रीनिवास")]
    {
        let input = json!({ "email": format!("{}@h.test", last.len() * 100 + first.len()), "firstName": first, "lastName": last });
        let made = create(&admin, input).await;
        assert_eq!((&made["user"]["firstName"], &made["user"]["lastName"]), (&json!(first), &json!(last)));
    }
}

#[tokio::test]
async fn accounts_that_pass_for_others_are_listed() {
    let app = TestApp::start().await;
    let options = &app.database.options;
    let audit = |json: bool| {
        let arguments: &[&str] = if json { &["users", "audit-names", "--json"] } else { &["users", "audit-names"] };
        let output = voicehive(options, arguments).output().expect("runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    app.user("ceo@h.test").create().await;
    let (code, told) = audit(false);
    assert_eq!(
        (code, told.trim_end()),
        (Some(0), "0 of 4 users have a name or an address that would be refused today.")
    );

    // They sign in as before, so that nobody is locked out who did nothing wrong.
    for (email, last_name) in [
        ("ceo\u{3164}@h.test", "Berg"),
        ("\u{441}\u{435}\u{43e}@h.test", "Berg"),
        ("plain@h.test", "Be\u{200b}rg"),
        ("fine@h.test", "李"),
    ] {
        let id = app.user(email).create().await;
        app.sql(&format!("UPDATE users SET first_name = NULL, last_name = '{last_name}' WHERE id = '{id}'")).await;
        assert!(signs_in(&app, email, PASSWORD).await, "{email:?}");
    }
    let (code, told) = audit(true);
    assert_eq!(code, Some(1));
    let accounts: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let problems = |email: &str| {
        let account = accounts.iter().find(|account| account["email"] == email);
        account.map(|account| account["problems"].to_string()).unwrap_or_default()
    };
    assert_eq!(accounts.len(), 4, "{told}");
    assert!(problems("ceo\u{3164}@h.test").contains("U+3164"));
    assert!(problems("\u{441}\u{435}\u{43e}@h.test").contains("looks like ceo@h.test."));
    assert!(problems("ceo@h.test").contains("looks like"), "either can be taken for the other");
    assert!(problems("plain@h.test").contains("last_name"));
    let (_, told) = audit(false);
    assert!(
        told.contains("ceo\\u{3164}@h.test  email: ")
            && told.ends_with("4 of 8 users have a name or an address that would be refused today.\n"),
        "{told}"
    );
}

/// The ways in which databases are set up, of those that this machine has.
async fn locales() -> Vec<String> {
    let database = TestDatabase::create_empty().await;
    let has_en_us: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_collation WHERE collprovider = 'c' AND collname ILIKE 'en_US.utf%8')",
    )
    .fetch_one(&database.superuser)
    .await
    .expect("an answer");
    let mut locales = vec!["LOCALE 'C'".to_owned(), "LOCALE 'C.UTF-8'".to_owned()];
    locales.extend(["en-US", "tr-TR"].map(|locale| format!("LOCALE_PROVIDER icu ICU_LOCALE '{locale}' LOCALE 'C'")));
    locales.extend(has_en_us.then(|| "LOCALE 'en_US.UTF-8'".to_owned()));
    locales
}

async fn app_in(locale: &str) -> TestApp {
    let database = TestDatabase::create_empty_in(locale).await;
    told_json(voicehive(&database.options, &["database", "init", "--json"]));
    let sql = "UPDATE users SET must_change_password = false";
    database.superuser.execute(sql).await.expect(sql);
    TestApp::start_on(Arc::new(database), Setup::usual()).await
}

async fn found(client: &Client, search: &str) -> Vec<String> {
    let query = "query($search: String) { users(first: 50, filter: { search: $search }, orderBy: { field: EMAIL, direction: ASC }) {
        nodes { email } totalCount } }";
    let answer = client.graphql(query, json!({ "search": search })).await;
    let nodes = answer.data("/users/nodes").as_array().expect("users").clone();
    assert_eq!(answer.data("/users/totalCount"), &json!(nodes.len()), "{search}");
    nodes.iter().map(|user| user["email"].as_str().expect("an address").to_owned()).collect()
}

/// Name, and what of it is looked for.
const PEOPLE: [(&str, &str, &[&str]); 12] = [
    (
        "Özlem",
        "Åberg",
        &["Özlem Åberg", "Åberg, Özlem", "ÖZLEM", "ozlem", "O\u{308}zlem", "Åberg Özlem", "aberg oz", "ÅB"],
    ),
    ("ΜΑΡΊΑ", "Παππάς", &["ΜΑΡΊΑ", "μαρία", "Μαρια", "ΠΑΠΠΑΣ", "παππάς μαρ"]),
    ("Łukasz", "Żółć", &["Łukasz", "łukasz", "LUKASZ", "zolc", "ŻÓŁĆ łuk"]),
    ("İrem", "Işık", &["İrem", "irem", "IREM", "ışık", "IŞIK", "isik"]),
    ("Jörg", "Strauß", &["STRAUSS", "Strauß", "STRAUẞ", "jorg strauss"]),
    ("Đặng", "Ngọc", &["Đặng", "dang", "ĐẶNG", "ngoc đặng"]),
    ("Søren", "Ægidius", &["Søren", "soren", "SØREN", "aegidius", "ægi"]),
    ("明", "李", &["李", "明", "明 李", "李 明"]),
    ("민수", "김", &["김", "민수", "김 민수", "\u{1100}\u{1175}\u{11b7}"]),
    ("สมชาย", "ใจดี", &["สมชาย", "ใจดี", "ชาย"]),
    ("Zoë", "O’Brien", &["zoe", "o'brien", "O’BRIEN", "ZOË"]),
    ("Plain", "Capital", &["PLAIN", "capital", "CaPiTaL pLaIn"]),
];

#[tokio::test]
async fn people_are_found_however_their_names_are_typed() {
    for locale in locales().await {
        let app = app_in(&locale).await;
        let admin = app.admin().await;
        for (number, (first, last, _)) in PEOPLE.iter().enumerate() {
            let id = app.user(&format!("p{number}@h.test")).create().await;
            // By SQL, as whoever else writes to the table does.
            sqlx::query("UPDATE users SET first_name = $2, last_name = $3 WHERE id = $1")
                .bind(id)
                .bind(first)
                .bind(last)
                .execute(&app.database.superuser)
                .await
                .expect("a name");
        }
        for (number, (first, _, searches)) in PEOPLE.iter().enumerate() {
            for search in *searches {
                assert_eq!(
                    found(&admin, search).await,
                    [format!("p{number}@h.test")],
                    "{first} by {search:?}, {locale}"
                );
            }
        }
        for nobody in [
            "Ozlem Lukasz",
            "100%",
            "u00",
            "\u{301}\u{301}",
            "U674e",
            "674e",
            "674",
            "UGHEO",
            "GHEO",
            "ae40",
            "03b",
            "ed",
        ] {
            assert_eq!(found(&admin, nobody).await, Vec::<String>::new(), "{nobody:?}, {locale}");
        }
        // By the colleagues of one hotel, and through the command line, alike.
        let options = &app.database.options;
        let told = super::support::told(voicehive(options, &["users", "list", "--search", "łUKASZ"]));
        assert!(told.contains("p2@h.test") && told.lines().count() == 1, "{told}");
        let few = "query($search: String) { users(first: 1, filter: { search: $search }) { nodes { email } } }";
        assert_eq!(admin.graphql(few, json!({ "search": "x" })).await.code(), "BAD_USER_INPUT");
        app.stop().await;
    }
}

#[tokio::test]
async fn hotels_and_roles_are_found_alike() {
    let app = app_in("LOCALE 'C'").await;
    let admin = app.admin().await;
    app.sql("INSERT INTO hotels (id, name, brand, city, pms_type) VALUES ('h-x', 'Grand Hôtel Łódź', 'Ázur', '京都', 'mews')").await;
    app.sql("INSERT INTO roles (id, name, display_name, description) VALUES (gen_random_uuid(), 'EMPFANG', 'Empfänger', 'ΌΛΟΙ')").await;
    for search in ["ŁÓDŹ", "lodz hotel", "HÔTEL gr", "AZUR", "京", "H-X"] {
        let query = "query($search: String) { hotels(first: 5, filter: { search: $search }) { nodes { pmsHotelId } } }";
        let answer = admin.graphql(query, json!({ "search": search })).await;
        assert_eq!(answer.data("/hotels/nodes"), &json!([{ "pmsHotelId": "h-x" }]), "{search}");
    }
    let brand = "{ hotels(first: 5, filter: { brand: \"A\u{301}zur\" }) { nodes { pmsHotelId } } }";
    assert_eq!(admin.query(brand).await.data("/hotels/nodes"), &json!([{ "pmsHotelId": "h-x" }]));
    for search in ["EMPFÄNGER", "empfanger", "όλοι", "ΟΛΟΙ empf"] {
        let query = "query($search: String) { roles(first: 5, filter: { search: $search }) { nodes { name } } }";
        let answer = admin.graphql(query, json!({ "search": search })).await;
        assert_eq!(answer.data("/roles/nodes"), &json!([{ "name": "EMPFANG" }]), "{search}");
    }
}

#[tokio::test]
async fn last_names_are_in_the_root_order_whatever_the_database() {
    const NAMES: &str = "Zorn,Çelik,Čapek,Capek,CAPEK,Łukasz,Lukas,Lund,Åberg,Aberg,Abert,Ækær,Aebi,Özlem,Ozlem,Ozma,þór,Zz,Ωμέγα,ΜΑΡΊΑ,\
        Єва,Ева,Ёлкин,Жук,Євген,Ґудзь,Гудзь,Іван,Иван,O'Brien,OBrien,O-Brien,Ћирић,Șerban,Šimić,Straße,Strasse,Strassf,Đặng,Dang,\
        Øre,Ore,დავით,Արամ,שלום,شیما,پارسا,ببا,राम,สมชาย,เอก,ใจดี,กมล,김,박,たなか,山田,李,de Vries,Dewit,3rd";
    for locale in locales().await {
        let app = app_in(&locale).await;
        let admin = app.admin().await;
        app.sql("DELETE FROM users WHERE email <> 'admin@voicehive-hotels.eu'").await;
        app.sql(&format!(
            "INSERT INTO users (id, email, password_hash, last_name)
             SELECT gen_random_uuid(), 'p' || n || '@h.test', 'x', name
               FROM unnest(string_to_array('{}', ',')) WITH ORDINALITY AS names(name, n)",
            NAMES.replace('\'', "''")
        ))
        .await;
        let all = NAMES.split(',').count() + 1;
        let query = "query($first: Int, $after: String, $last: Int, $before: String, $direction: OrderDirection!) {
            users(first: $first, after: $after, last: $last, before: $before, orderBy: { field: LAST_NAME, direction: $direction }) {
                nodes { id lastName } pageInfo { endCursor startCursor hasNextPage hasPreviousPage } } }";
        let whole =
            admin.graphql(query, json!({ "first": 100, "direction": "ASC" })).await.data("/users/nodes").clone();
        let whole = whole.as_array().expect("users").clone();
        assert_eq!(whole.len(), all);
        // PostgreSQL with ICU knows the root order; only the letters count, and marks between names alike in them.
        let names: Vec<String> =
            whole.iter().map(|user| user["lastName"].as_str().unwrap_or_default().to_owned()).collect();
        app.sql("CREATE COLLATION letters (provider = icu, locale = 'und-u-ks-level1', deterministic = false)").await;
        let wrong: Vec<String> = sqlx::query_scalar(
            "SELECT name || ' before ' || next FROM (SELECT name, lead(name) OVER (ORDER BY n) AS next
               FROM unnest($1::text[]) WITH ORDINALITY AS names(name, n)) pairs WHERE name > next COLLATE letters",
        )
        .bind(&names)
        .fetch_all(&app.database.superuser)
        .await
        .expect("compared");
        assert_eq!(wrong, Vec::<String>::new(), "{locale}: {names:?}");
        let place = |name: &str| names.iter().position(|other| other == name).expect(name);
        assert!(
            place("Capek") < place("Čapek") && place("CAPEK") < place("Čapek") && place("Aberg") < place("Åberg"),
            "{names:?}"
        );

        // Pages of three, forwards and backwards, in both directions: everyone once, in the same order.
        for (direction, backward) in [("ASC", false), ("ASC", true), ("DESC", false), ("DESC", true)] {
            let (mut read, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let variables = if backward {
                    json!({ "last": 3, "before": cursor, "direction": direction })
                } else {
                    json!({ "first": 3, "after": cursor, "direction": direction })
                };
                let answer = admin.graphql(query, variables).await;
                let mut page = answer.data("/users/nodes").as_array().expect("users").clone();
                if backward {
                    page.reverse();
                }
                read.extend(page);
                let (more, next) =
                    if backward { ("hasPreviousPage", "startCursor") } else { ("hasNextPage", "endCursor") };
                if answer.data(&format!("/users/pageInfo/{more}")) != &json!(true) {
                    break;
                }
                cursor = answer.data(&format!("/users/pageInfo/{next}")).clone();
            }
            if (direction == "DESC") != backward {
                read.reverse();
            }
            assert_eq!(read, whole, "{direction}, backward: {backward}, {locale}");
        }
        app.stop().await;
    }
}

#[tokio::test]
async fn the_program_and_the_database_fold_every_character_alike() {
    const BLOCK: u32 = 4096;
    // Planes without a single character are left out.
    for locale in ["LOCALE 'C'", "LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C'"] {
        let app = app_in(locale).await;
        for start in (0..0x4_0000).step_by(BLOCK as usize).chain((0xe_0000..0xe_1000).step_by(BLOCK as usize)) {
            let characters: Vec<String> = (start.max(1)..start + BLOCK)
                .filter_map(char::from_u32)
                .map(|character| format!("a{character}B"))
                .collect();
            let folded: Vec<String> = sqlx::query_scalar(
                "SELECT search_key(given) FROM unnest($1::text[]) WITH ORDINALITY AS texts(given, n) ORDER BY n",
            )
            .bind(&characters)
            .fetch_all(&app.database.superuser)
            .await
            .expect("folded");
            for (given, folded) in characters.iter().zip(folded) {
                assert_eq!(search_key(given), folded, "{}, {locale}", given.escape_unicode());
            }
        }
    }
}

#[tokio::test]
async fn pages_by_last_name_lose_nobody_while_keys_are_filled_in() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let query =
        "query($after: String) { users(first: 4, after: $after, orderBy: { field: LAST_NAME, direction: ASC }) {
        nodes { email } pageInfo { endCursor hasNextPage } } }";
    let store = store(&app.database);
    for fill_after in [None, Some(0), Some(2)] {
        // Past the triggers, as a migration leaves them where there are many; the later half comes first by name.
        app.sql(
            "DELETE FROM users WHERE email LIKE '%@h.test'; SET session_replication_role = replica;
             INSERT INTO users (id, email, password_hash, last_name)
             SELECT gen_random_uuid(), 'p' || n || '@h.test', 'x', chr(96 + 21 - n) || 'ż' FROM generate_series(1, 20) n;
             SET session_replication_role = DEFAULT;
             UPDATE users SET last_name = last_name WHERE email LIKE 'p1%@h.test'",
        )
        .await;
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        for page in 0.. {
            let answer = admin.graphql(query, json!({ "after": cursor })).await;
            seen.extend(
                answer.data("/users/nodes").as_array().expect("users").iter().map(|user| user["email"].to_string()),
            );
            if fill_after == Some(page) {
                assert!(text_keys::fill_in(&store).await.expect("filled in") > 0);
            }
            if answer.data("/users/pageInfo/hasNextPage") != &json!(true) {
                break;
            }
            cursor = answer.data("/users/pageInfo/endCursor").clone();
        }
        let read = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 23, "everyone, filled in after {fill_after:?}");
        assert!(fill_after.is_some() || read == 23, "and once, where nothing moves");
    }
    store.close().await;
}

/// A database as the release before this one leaves it.
async fn before_text_keys() -> TestDatabase {
    let database = TestDatabase::create_empty_in("LOCALE 'C'").await;
    let all: Migrator = sqlx::migrate!("./migrations");
    let old = Migrator::with_migrations(all.iter().filter(|migration| migration.version < 12).cloned().collect());
    let owner = PgPool::connect_lazy_with(database.options.clone());
    old.run(&owner).await.expect("the old migrations apply");
    owner.close().await;
    database
}

fn store(database: &TestDatabase) -> Database {
    Database::new(database.options.clone(), super::support::pool_settings(), Routes::default())
}

async fn one<T>(database: &TestDatabase, sql: &str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&database.superuser).await.expect(sql)
}

#[tokio::test]
async fn what_was_there_before_is_brought_into_one_form() {
    let database = before_text_keys().await;
    let add = "INSERT INTO users (id, email, password_hash, first_name, last_name, email_verified) VALUES
        ('00000000-0000-7000-8000-000000000001', E'o\\u0308zlem@h.test', 'x', E'O\\u0308zlem', E'A\\u030aberg', true),
        ('00000000-0000-7000-8000-000000000002', E'ö@h.test', 'x', 'Taken', NULL, true),
        ('00000000-0000-7000-8000-000000000003', E'o\\u0308@h.test', 'x', E'Twi\\u0308n', NULL, true),
        ('00000000-0000-7000-8000-000000000004', E'e\\u0323\\u0302@h.test', 'x', NULL, NULL, true),
        ('00000000-0000-7000-8000-000000000005', E'e\\u0302\\u0323@h.test', 'x', NULL, NULL, true);
        INSERT INTO hotels (id, name, pms_type) VALUES ('h-1', E'Ho\\u0302tel', 'mews')";
    database.superuser.execute(add).await.expect(add);
    migrations::run(&store(&database), Wanted::default()).await.expect("migrated");
    let emails: String = one(&database, "SELECT string_agg(email, ' ' ORDER BY id) FROM users").await;
    assert_eq!(
        emails, "özlem@h.test ö@h.test o\u{308}@h.test ệ@h.test e\u{302}\u{323}@h.test",
        "nobody takes another's"
    );
    let name: String = one(
        &database,
        "SELECT first_name || ' ' || last_name || ' ' || search_key FROM users WHERE email LIKE 'özlem%'",
    )
    .await;
    assert_eq!(name, "Özlem Åberg ozlem@h.test ozlem aberg");
    assert_eq!(one::<String>(&database, "SELECT name FROM hotels WHERE id = 'h-1'").await, "Hôtel");
    // Whoever is left can still be changed, and is told of.
    let rename = "UPDATE users SET email = email, last_name = 'Left' WHERE id = '00000000-0000-7000-8000-000000000003'";
    database.superuser.execute(rename).await.expect(rename);
    let listed = voicehive(&database.options, &["users", "audit-names"]).output().expect("runs");
    let told = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(told.contains("o\\u{308}@h.test") && told.contains("looks like \\u{f6}@h.test"), "{told}");
    let status = told_json(voicehive(&database.options, &["database", "status", "--json"]));
    assert_eq!(status["drift"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_users_are_filled_in_while_the_server_serves() {
    let database = Arc::new(before_text_keys().await);
    let add = "INSERT INTO users (id, email, password_hash, first_name, last_name, email_verified)
        SELECT gen_random_uuid(), 'user' || n || '@h.test', 'x', 'Łukasz', 'Żuk' || n, true FROM generate_series(1, 20001) n";
    database.superuser.execute(add).await.expect(add);
    let store = store(&database);
    migrations::run(&store, Wanted::default()).await.expect("migrated");
    let without = "SELECT count(*) FROM users WHERE search_key IS NULL";
    assert_eq!(one::<i64>(&database, without).await, 20_001, "the migration itself has touched nobody");
    told_json(voicehive(&database.options, &["database", "init", "--json"]));

    let app = TestApp::start_on(database.clone(), Setup::usual()).await;
    app.sql("UPDATE users SET must_change_password = false").await;
    let admin = app.admin().await;
    assert_eq!(found(&admin, "lukasz zuk20001").await, ["user20001@h.test"], "before it is filled in, too");
    // Somebody who is being changed holds nothing up, and gets a key by that.
    let mut busy = database.superuser.begin().await.expect("begun");
    busy.execute("SELECT FROM users WHERE email = 'user7@h.test' FOR UPDATE").await.expect("locked");
    let filling = tokio::spawn({
        let store = store.clone();
        async move { text_keys::fill_in(&store).await }
    });
    eventually("all but one are filled in", async || one::<i64>(&database, without).await == 1).await;
    assert_eq!(text_keys::fill_in(&store).await.expect("looks"), 0, "another one is at it");
    assert_eq!(found(&admin, "lukasz zuk20001").await, ["user20001@h.test"]);
    busy.execute("UPDATE users SET last_name = 'Li' WHERE email = 'user7@h.test'").await.expect("changed");
    busy.commit().await.expect("committed");
    assert_eq!(filling.await.expect("ends").expect("filled in"), 20_000);

    let status = told_json(voicehive(&database.options, &["database", "status", "--json"]));
    assert_eq!(status["drift"], json!([]), "every index is there");
    assert_eq!(found(&admin, "łukasz LI").await, ["user7@h.test"]);
    // What was loaded past the triggers is found at once, and filled in the next time; a broken index is made anew.
    database
        .superuser
        .execute(
            "SET session_replication_role = replica;
             INSERT INTO users (id, email, password_hash, last_name) VALUES (gen_random_uuid(), 'late@h.test', 'x', 'Ünal');
             SET session_replication_role = DEFAULT;
             UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_users_search_key'::regclass",
        )
        .await
        .expect("loaded");
    assert_eq!(found(&admin, "unal").await, ["late@h.test"]);
    assert_eq!(text_keys::fill_in(&store).await.expect("filled in"), 1);
    assert_eq!(one::<i64>(&database, without).await, 0);
    let status = told_json(voicehive(&database.options, &["database", "status", "--json"]));
    assert_eq!(status["drift"], json!([]));
    assert_eq!(text_keys::fill_in(&store).await.expect("looks"), 0, "nothing is left");
    store.close().await;
}
