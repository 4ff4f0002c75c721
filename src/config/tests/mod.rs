//! Tables of what is taken and what is refused: here what a file and its example say, [`variables`] of the environment,
//! [`refusals`] of what cannot be right.

mod refusals;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use tempfile::NamedTempFile;

use super::defaults::days;
use super::*;

const EXAMPLE: &str = include_str!("../../../voicehive.example.yaml");

const ADMINISTRATOR_EMAIL: (&str, &str) = ("VOICEHIVE_BOOTSTRAP__ADMINISTRATOR__EMAIL", "a@b");
const ADMINISTRATOR_PASSWORD: (&str, &str) = ("VOICEHIVE_BOOTSTRAP__ADMINISTRATOR__PASSWORD", "p");

fn file(yaml: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    file
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(yaml: &str, environment: &[(&str, &str)]) -> Result<Config, Error> {
    Config::from_parts(Some(file(yaml).path()), variables(environment))
}

/// The one line of the refusal, with the file's own path as FILE.
fn refusal(yaml: &str, environment: &[(&str, &str)]) -> String {
    let file = file(yaml);
    let line = match Config::from_parts(Some(file.path()), variables(environment)) {
        Ok(_) => panic!("taken: {yaml:?} {environment:?}"),
        Err(error) => error.to_string(),
    };
    assert!(!line.contains('\n'), "{line}");
    line.replace(&file.path().display().to_string(), "FILE")
}

/// Every key in dotted form, and the sections, as the structs themselves tell them in their refusals.
fn known(section: &str, keys: &mut BTreeSet<String>, sections: &mut BTreeSet<String>) {
    let dotted = |name: &str| if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
    let probe = format!("VOICEHIVE_{}", dotted("zz").to_uppercase().replace('.', "__"));
    let line = refusal("", &[(&probe, "1")]);
    let Some((_, names)) = line.split_once("unknown key, expected one of ") else {
        keys.insert(section.to_owned());
        return;
    };
    sections.insert(section.to_owned());
    for name in names.split(", ") {
        known(&dotted(name), keys, sections);
    }
}

fn known_keys() -> BTreeSet<String> {
    let (mut keys, mut sections) = (BTreeSet::new(), BTreeSet::new());
    known("", &mut keys, &mut sections);
    keys
}

#[test]
fn nothing_given_is_the_defaults() {
    let nothing = Config::from_parts(None, []).unwrap();
    assert_eq!(format!("{nothing:?}"), format!("{:?}", Config::default()));
    assert!(!nothing.is_external());
    for yaml in ["", "# only a comment\n", "---\n", "database:\nauth:\n  lockout:\nbootstrap:\n  administrator:\n"] {
        assert_eq!(format!("{:?}", read(yaml, &[]).unwrap()), format!("{nothing:?}"), "{yaml:?}");
    }
}

#[test]
fn environment_goes_over_file_and_file_over_default() {
    let yaml = "auth:\n  lockout:\n    threshold: 7\n    duration: 1h\nhttp:\n  trusted_proxies: [10.0.0.0/8, '::1']\n";
    let from_file = read(yaml, &[("VOICEHIVE_AUTH__LOCKOUT__THRESHOLD", "")]).unwrap();
    assert_eq!(from_file.auth.lockout.threshold, 7);
    assert_eq!(from_file.auth.lockout.duration, Duration::from_hours(1));
    assert_eq!(from_file.auth.session_lifetime, days(7));
    assert_eq!(from_file.http.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse::<IpNet>().unwrap()]);

    let environment =
        [("VOICEHIVE_AUTH__LOCKOUT__THRESHOLD", "9"), ("VOICEHIVE_HTTP__TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")];
    let from_environment = read(yaml, &environment).unwrap();
    assert_eq!(from_environment.auth.lockout.threshold, 9);
    assert_eq!(from_environment.auth.lockout.duration, Duration::from_hours(1));
    assert_eq!(
        from_environment.http.trusted_proxies,
        ["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse::<IpNet>().unwrap()]
    );
}

#[test]
fn external_is_a_host_or_a_url() {
    assert!(read("database: {host: db}", &[]).unwrap().is_external());
    assert!(read("", &[("DATABASE_URL", "postgres://h/d")]).unwrap().is_external());
    assert!(!read("database: {port: 1}", &[("DATABASE_HOST", "")]).unwrap().is_external());
}

#[test]
fn durations() {
    for (text, seconds) in
        [("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("45", 45), ("3650d", 315_360_000)]
    {
        let yaml = format!("auth: {{session_retention: {text}}}");
        assert_eq!(read(&yaml, &[]).unwrap().auth.session_retention.as_secs(), seconds, "{text}");
    }
    for text in ["0", "0m", "-5s", "+5s", "5w", "s", "1.5h", "5 m", "15ss", "3651d", "99999999999999999999d", "1h30m"] {
        let line = refusal("", &[("VOICEHIVE_AUTH__SESSION_RETENTION", text)]);
        assert!(line.contains("90s, 15m, 12h, 7d or a bare number of seconds"), "{line}");
    }
}

#[test]
fn numbers_and_booleans_are_texts_where_a_text_is_wanted_and_nothing_is_lost() {
    for (scalar, expected) in [("12345", "12345"), ("1.5", "1.5"), ("true", "true"), ("no", "no"), ("'007'", "007")] {
        let yaml = format!("database:\n  database: {scalar}\n  password: {scalar} # a comment\n");
        let database = read(&yaml, &[]).unwrap().database;
        assert_eq!(database.database, expected);
        assert_eq!(database.password.unwrap().expose(), expected);
    }
    for scalar in ["007", "0x1F", "1.50", "True", "12e3", "[7]", "{seven: 7}"] {
        let line = refusal(&format!("database:\n  password: {scalar}\n"), &[]);
        assert!(line.starts_with("database.password in FILE: found "), "{line}");
        assert!(line.contains("expected a text") && !line.contains('7'), "{line}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let yaml =
        "database:\n  password: hunter2\n  port: abc\nbootstrap: {administrator: {email: a@b, password: hunter2}}\n";
    assert!(!refusal(yaml, &[]).contains("hunter2"));
    let config = read(&yaml.replace("abc", "1"), &[("DATABASE_URL", "postgres://u:hunter2@h/d")]).unwrap();
    let shown = format!("{config:?} {config:#?}");
    assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_administrators_password_comes_from_either_place() {
    for (text, password) in [("secret\n", "secret"), ("secret\r\n", "secret"), ("two\n\n", "two\n"), (" a ", " a ")] {
        let secret = file(text);
        let path = secret.path().display();
        let yaml = format!("bootstrap: {{administrator: {{email: a@b, password_file: {path}}}}}");
        let administrator = read(&yaml, &[]).unwrap().bootstrap.administrator.unwrap();
        assert_eq!(administrator.password().unwrap().expose(), password);
    }
    let administrator = read("", &[ADMINISTRATOR_EMAIL, ADMINISTRATOR_PASSWORD]).unwrap().bootstrap.administrator;
    assert_eq!(administrator.unwrap().password().unwrap().expose(), "p");
}

#[test]
fn an_unreadable_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let binary = NamedTempFile::new().unwrap();
    std::fs::write(binary.path(), b"listen: \xff").unwrap();
    for path in [folder.path(), &folder.path().join("none.yaml"), binary.path()] {
        let line = Config::from_parts(Some(path), []).unwrap_err().to_string();
        assert!(line.starts_with(&format!("{}: cannot be read", path.display())), "{line}");
        assert!(line.contains("VOICEHIVE_CONFIG") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn the_example_is_the_defaults() {
    assert_eq!(format!("{:?}", read(EXAMPLE, &[]).unwrap()), format!("{:?}", Config::default()));
}

#[test]
fn the_example_names_every_key_and_explains_it() {
    // A setting in a comment follows its "#" at once; a sentence stands off.
    let set: Vec<(String, &str)> = EXAMPLE
        .lines()
        .map(|line| {
            let text = line.trim_start();
            match text.strip_prefix('#') {
                Some(setting) if setting.starts_with(char::is_alphabetic) => (line.replacen('#', "", 1), setting),
                _ => (line.to_owned(), text),
            }
        })
        .collect();
    let yaml = set.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n");
    let tree: BTreeMap<String, config::Value> =
        config::Format::parse(&config::FileFormat::Yaml, None, &yaml).unwrap().into_iter().collect();
    let mut named = BTreeSet::new();
    for (name, value) in tree {
        leaves(&name, value, &mut named);
    }
    assert_eq!(named, known_keys());

    let is_key = |text: &str| !text.is_empty() && !text.starts_with('#');
    for pair in set.windows(2).filter(|pair| is_key(pair[1].1)) {
        assert!(pair[0].1.starts_with("# "), "not explained: {}", pair[1].0);
    }
}

fn leaves(key: &str, value: config::Value, named: &mut BTreeSet<String>) {
    match value.kind {
        config::ValueKind::Table(table) => {
            for (name, value) in table {
                leaves(&format!("{key}.{name}"), value, named);
            }
        }
        _ => assert!(named.insert(key.to_owned())),
    }
}
