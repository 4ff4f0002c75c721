//! Users in CSV files, as spreadsheets and accidents leave them.

use serde_json::json;
use sqlx::Executor;

use super::support::{TestDatabase, one_line, told, voicehive};
use super::user_files::{file, import};

#[tokio::test]
async fn csv_as_spreadsheets_and_accidents_leave_it() {
    let database = TestDatabase::create().await;
    database
        .superuser
        .execute(
            r"INSERT INTO hotels (id, name, pms_type) VALUES ('A;B', 'semicolon', 'mews'), ('C\', 'backslash', 'mews')",
        )
        .await
        .expect("hotels");
    let text = "\u{feff}email,active,first_name,hotels\r\none@h.test,TRUE,\"Line\nbreak\",A\\;B;C\\\\\r\n\
                two@h.test,FALSE,,\r\nthree@h.test,maybe,,\r\n";
    let path = file(&database, "sheet.csv", text);
    let (outcome, wrong) = import(&database, &path, &[]);
    assert_eq!((&outcome["added"], &outcome["wrong"]), (&json!(1), &json!(2)), "{wrong:#?}");
    assert!(wrong[0].contains("first_name") && wrong[1].contains("neither true nor false"), "{wrong:#?}");
    let text = text.replace("\"Line\nbreak\"", "One");
    let path = file(&database, "sheet.csv", &text);
    assert_eq!(import(&database, &path, &[]).0["added"], json!(1));
    let hotels: Vec<String> = sqlx::query_scalar(
        "SELECT hotel_id FROM user_hotels JOIN users ON id = user_id WHERE email = 'one@h.test' ORDER BY 1",
    )
    .fetch_all(&database.superuser)
    .await
    .expect("hotels");
    assert_eq!(hotels, ["A;B", r"C\"]);
    let again = file(&database, "again.csv", "");
    told(voicehive(&database.options, &["users", "export", "--output", again.to_str().expect("a path")]));
    assert_eq!(import(&database, &again, &[]).0["there_already"], json!(5));

    let open: String = (0..30_000).map(|n| format!("open{n}@h.test,\n")).collect();
    let path = file(&database, "open.csv", &format!("email,first_name\nx@h.test,\"never closed\n{open}"));
    let output =
        voicehive(&database.options, &["users", "import", path.to_str().expect("a path")]).output().expect("runs");
    let line = one_line(&output);
    assert!(line.contains("line 2: the row is longer than"), "{line}");

    let marked = file(&database, "marked.jsonl", "\u{feff}{\"email\": \"marked@h.test\"}\n");
    assert_eq!(import(&database, &marked, &[]).0["added"], json!(1));
}

#[tokio::test]
async fn truth_has_several_names_and_other_separators_are_taken() {
    let database = TestDatabase::create().await;
    let words = [
        ("TRUE", true),
        ("FALSE", false),
        ("True", true),
        ("f", false),
        (" yes ", true),
        ("No", false),
        ("1", true),
        ("0", false),
        ("", true),
        ("t", true),
    ];
    for separator in [",", ";", "\t"] {
        let line = |(number, (word, _)): (usize, &(&str, bool))| {
            let name = format!("u{number}-{}@h.test", separator.as_bytes()[0]);
            [name.as_str(), word, "\"HOTEL_STAFF;GUEST_USER\"", "Łukasz"].join(separator)
        };
        let header = ["Email", " active ", "roles", "FIRST_NAME"].join(separator);
        let rows: Vec<_> = words.iter().enumerate().map(line).collect();
        let path = file(&database, "words.csv", &format!("{header}\r\n{}\r\n", rows.join("\r\n")));
        let (outcome, wrong) = import(&database, &path, &[]);
        assert_eq!((&outcome["added"], wrong.len()), (&json!(words.len()), 0), "{separator:?}: {wrong:#?}");
        for (number, (word, truth)) in words.iter().enumerate() {
            let (active, roles, name): (bool, i64, String) = sqlx::query_as(
                "SELECT active, (SELECT count(*) FROM user_roles WHERE user_id = u.id), first_name FROM users u WHERE email = $1",
            )
            .bind(format!("u{number}-{}@h.test", separator.as_bytes()[0]))
            .fetch_one(&database.superuser)
            .await
            .expect("the user");
            assert_eq!((active, roles, name.as_str()), (*truth, 2, "Łukasz"), "{separator:?} {word:?}");
        }
    }
}

#[tokio::test]
async fn a_file_without_its_header_loses_nobody() {
    let database = TestDatabase::create().await;
    for (text, told) in [
        (
            "anna@h.test,$2b$04$OuVWiPGSI7AkMawA0osIYuzwGQqkLcVrWZJxQYjeJu5LStCg3QqLu\n",
            "line 1 does not name the columns",
        ),
        ("anna@h.test\n", "line 1 does not name the columns"),
        ("anna@h.test;TRUE\nbea@h.test;TRUE\n", "line 1 does not name the columns"),
        ("first_name,last_name\nAnna,Özlem\n", "line 1 does not name the columns"),
        ("email,phone\nanna@h.test,1\n", "line 1: there is no column \"phone\""),
        ("email,Email\nanna@h.test,bea@h.test\n", "line 1 names the column email twice"),
    ] {
        let path = file(&database, "headless.csv", text);
        let arguments = ["users", "import", path.to_str().expect("a path")];
        let line = one_line(&voicehive(&database.options, &arguments).output().expect("runs"));
        assert!(line.contains(told), "{text:?}: {line}");
        assert!(!line.contains("OuVWiPGSI7"), "{line}");
    }
    let utf16: Vec<u8> = "\u{feff}email\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let path = file(&database, "wide.csv", "");
    std::fs::write(&path, utf16).expect("a file");
    let arguments = ["users", "import", path.to_str().expect("a path")];
    let line = one_line(&voicehive(&database.options, &arguments).output().expect("runs"));
    assert!(line.contains("line 1: found bytes that are no text, expected UTF-8"), "{line}");
    assert_eq!(import(&database, &file(&database, "empty.csv", ""), &[]).0["added"], json!(0));
}

#[tokio::test]
async fn every_odd_value_names_its_row_and_leaves_the_rest() {
    let database = TestDatabase::create().await;
    let header = "email,id,first_name,active,email_verified,must_change_password,hotel_scope,roles,hotels,created_at,password_changed_at,last_login_at";
    let columns: Vec<&str> = header.split(',').collect();
    let odd = [
        ("email", "", "is no email address"),
        ("email", "no address", "is no email address"),
        ("id", "7", "id is no UUID"),
        ("first_name", "a\u{0}b", "first_name: "),
        ("active", "maybe", "active is neither true nor false"),
        ("email_verified", "WAHR", "email_verified is neither"),
        ("must_change_password", "2", "must_change_password is neither"),
        ("hotel_scope", "all", "hotel_scope \"all\" is neither ALL nor ASSIGNED"),
        ("roles", "CHEF", "there is no role \"CHEF\""),
        ("hotels", "hotel-404", "there is no hotel"),
        ("created_at", "-0044-03-15T00:00:00Z", "created_at is not in the years 1 to 9999"),
        ("created_at", "0044-03-15 BC", "created_at is no time such as"),
        ("password_changed_at", "infinity", "password_changed_at is no time"),
        ("last_login_at", "+262142-01-01T00:00:00Z", "last_login_at is not in the years"),
        ("last_login_at", "43521.5", "last_login_at is no time"),
    ];
    let mut text = format!("{header}\n");
    for (number, (column, value, _)) in odd.iter().enumerate() {
        let cells = columns.iter().map(|name| match *name {
            name if name == *column => (*value).to_owned(),
            "email" => format!("odd{number}@h.test"),
            _ => String::new(),
        });
        let (cells, rest) = (cells.collect::<Vec<_>>().join(","), ",".repeat(columns.len() - 1));
        text += &[&cells, "\n", &format!("good{number}@h.test{rest}\n")].concat();
    }
    let path = file(&database, "odd.csv", &text);
    let (outcome, wrong) = import(&database, &path, &[]);
    assert_eq!((&outcome["added"], &outcome["wrong"]), (&json!(odd.len()), &json!(odd.len())), "{wrong:#?}");
    for (number, (column, value, why)) in odd.iter().enumerate() {
        let line = number * 2 + 2;
        assert!(
            wrong[number].starts_with(&format!("{line}: ")) && wrong[number].contains(why),
            "{column} {value:?}: {}",
            wrong[number]
        );
    }
}

#[tokio::test]
async fn formulas_go_out_as_text_and_come_back_as_they_were() {
    let here = TestDatabase::create().await;
    let texts = [
        "=HYPERLINK(\"http://x\",\"y\")",
        "+1+1",
        "-2+3",
        "@SUM(A1:A9)",
        "\t=1",
        "＝1+1",
        "'=1",
        "''",
        "'t Hart",
        "Ann;=1+1",
        "Ann;'=1",
        " =1",
        "a\n=1",
        "Özlem",
    ];
    for (number, text) in texts.iter().enumerate() {
        sqlx::query(
            "INSERT INTO users (id, email, password_hash, first_name, last_name)
             VALUES (gen_random_uuid(), $1, $2, $3, $3)",
        )
        .bind(format!("={number}+1@h.test"))
        .bind("$2b$04$OuVWiPGSI7AkMawA0osIYuzwGQqkLcVrWZJxQYjeJu5LStCg3QqLu")
        .bind(text)
        .execute(&here.superuser)
        .await
        .expect("a user");
    }
    let hotels = r"INSERT INTO hotels (id, name, pms_type) VALUES ('=1+1', 'One', 'mews'), ('@A;=B', 'Two', 'mews')";
    here.superuser.execute(hotels).await.expect("hotels");
    let all =
        "INSERT INTO user_hotels (user_id, hotel_id) SELECT u.id, h.id FROM users u, hotels h ON CONFLICT DO NOTHING";
    here.superuser.execute(all).await.expect("assigned");
    let path = file(&here, "formulas.csv", "");
    told(voicehive(&here.options, &["users", "export", "--output", path.to_str().expect("a path")]));
    let text = std::fs::read_to_string(&path).expect("read");
    for separator in [b',', b';', b'\t'] {
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
        for cell in reader.records().flat_map(|row| row.expect("a row").iter().map(str::to_owned).collect::<Vec<_>>()) {
            let cell = cell.trim_start_matches(' ');
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '＝']), "{cell:?} where {separator} separates cells");
        }
    }
    let there = TestDatabase::create().await;
    there.superuser.execute("DELETE FROM users").await.expect("nobody");
    there.superuser.execute(hotels).await.expect("hotels");
    let (outcome, wrong) = import(&there, &path, &[]);
    // What no name may hold is told as what it is, not as what stands in the file.
    assert_eq!((&outcome["added"], wrong.len()), (&json!(texts.len() + 3 - 1), 1), "{wrong:#?}");
    let all = "SELECT email, last_name, (SELECT string_agg(hotel_id, '|' ORDER BY hotel_id) FROM user_hotels WHERE user_id = u.id)
                 FROM users u WHERE last_name !~ E'\\n' ORDER BY email";
    let rows = async |database: &TestDatabase| -> Vec<(String, Option<String>, Option<String>)> {
        sqlx::query_as(all).fetch_all(&database.superuser).await.expect("users")
    };
    let (mut expected, found) = (rows(&here).await, rows(&there).await);
    // Names are kept without spaces around them.
    for (_, name, _) in &mut expected {
        *name = name.as_deref().map(str::trim).map(str::to_owned);
    }
    assert_eq!(found, expected);
}
