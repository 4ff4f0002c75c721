//! Secrets in a hotel's PMS settings. What a setting holds is shown where its name is on a list and it looks harmless; all
//! else is shown as a mask, and nobody reads it again.

use serde_json::Value;

use super::{Refusal, RefusalCode};

/// What a masked value reads.
const MASK: &str = "********";
/// The settings that are shown, without capitals, dashes and the like.
const SHOWN: [&str; 28] = [
    "url",
    "baseurl",
    "apiurl",
    "endpoint",
    "host",
    "hostname",
    "port",
    "property",
    "propertyid",
    "propertycode",
    "hotelid",
    "hotelcode",
    "chaincode",
    "region",
    "country",
    "environment",
    "timezone",
    "currency",
    "language",
    "locale",
    "version",
    "apiversion",
    "timeout",
    "timeoutseconds",
    "retries",
    "pagesize",
    "interval",
    "rooms",
];
/// The longest text that is shown, in characters.
const LONGEST_SHOWN: usize = 200;
/// Letters and digits in one, from this many on, are taken for a key.
const LOOKS_LIKE_A_KEY: usize = 20;

/// The same value with everything masked that is not for showing.
pub(super) fn masked(value: &Value) -> Value {
    shown_under("", value)
}

/// Whether [`masked`] leaves something out.
pub(super) fn hides_something(value: &Value) -> bool {
    masked(value) != *value
}

fn shown_under(key: &str, value: &Value) -> Value {
    match value {
        // Whether something is on tells nobody how to get in.
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), shown_under(key, value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| shown_under(key, item)).collect()),
        Value::Number(_) if is_shown(key) => value.clone(),
        Value::String(text) if is_shown(key) && is_harmless(text) => value.clone(),
        Value::Number(_) | Value::String(_) => MASK.into(),
    }
}

fn is_shown(key: &str) -> bool {
    // A word of another script beside a listed one may say what it is of.
    if !key.is_ascii() {
        return false;
    }
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    SHOWN.contains(&plain.as_str())
}

/// Not one of the places where addresses carry a password (`https://user:password@...`, `?key=...`), nor a key by the look of it.
fn is_harmless(text: &str) -> bool {
    let is_part_of_a_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+');
    let looks_like_a_key = |run: &str| {
        run.len() >= LOOKS_LIKE_A_KEY
            && run.contains(|c: char| c.is_ascii_digit())
            && run.contains(|c: char| c.is_ascii_alphabetic())
    };
    text.chars().count() <= LONGEST_SHOWN
        && !text.contains(['@', '?', '#', '=', '&', ';', '%', '\\'])
        && !text.split(|c| !is_part_of_a_key(c)).any(looks_like_a_key)
}

/// What is to be stored where `new` is given: the stored settings, where it is all that is shown of them, else `new` itself.
/// Secrets are never put back beside something that has changed: whoever changes an address would have them sent there.
pub(super) fn settled(new: &Value, stored: Option<&Value>, field: &'static str) -> Result<Value, Refusal> {
    if let Some(stored) = stored.filter(|stored| masked(stored) == *new) {
        return Ok(stored.clone());
    }
    match masked_setting(new) {
        None => Ok(new.clone()),
        Some(setting) => {
            let message = format!(
                "`{setting}` holds the mask {MASK}: settings are kept as they are stored only where all are sent back as they \
                 were shown. Give every secret anew."
            );
            Err(Refusal::new(RefusalCode::InvalidValue, field, message))
        }
    }
}

/// Whether all of it is given, and nothing reads as it was masked.
pub(super) fn is_whole(new: &Value) -> bool {
    masked_setting(new).is_none()
}

/// Where the first mask stands, as `oauth.clientSecret`; None where there is none.
fn masked_setting(value: &Value) -> Option<String> {
    let within = |key: String, value: &Value| {
        let inner = masked_setting(value)?;
        Some(if inner.is_empty() { key } else { format!("{key}.{inner}") })
    };
    match value {
        Value::String(text) => text.contains(MASK).then(String::new),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| within(key.clone(), value)),
        Value::Array(items) => items.iter().enumerate().find_map(|(place, item)| within(place.to_string(), item)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_on_the_list_is_masked() {
        // name and value -> whether it is shown
        for (name, value, shown) in [
            ("url", json!("https://pms.example/api/v2"), true),
            ("Base-URL", json!("https://pms.example:8443"), true),
            ("пароль_url", json!("https://pms.example:8443"), false),
            ("密码 host", json!("hunter2"), false),
            ("url", json!("https://u:p@pms.example"), false),
            ("url", json!("https://u%40:p@pms.example"), false),
            ("url", json!("u:p@pms.example"), false),
            ("url", json!("https://pms.example/?key=k"), false),
            ("url", json!("https://pms.example/#k"), false),
            ("url", json!("https://pms.example/hooks/T0B0abcdefghijklmnop"), false),
            ("host", json!("x".repeat(201)), false),
            ("port", json!(443), true),
            ("property_code", json!("MUC"), true),
            ("propertyId", json!("9f1c2f0a-77aa-4a0e-9a39-0c0ffee00000"), false),
            ("sandbox", json!(true), true),
            ("anything", json!(null), true),
            ("rooms", json!(["101", "102"]), true),
            ("appKey", json!("k"), false),
            ("accessKey", json!("k"), false),
            ("pwd", json!("p"), false),
            ("pass", json!("p"), false),
            ("client_secret", json!("s"), false),
            ("API-Key", json!("k"), false),
            ("pin", json!(1234), false),
            ("user", json!("łukasz"), false),
            ("connection", json!("Server=x;Pwd=y"), false),
            ("schlüssel", json!("s"), false),
            ("", json!("s"), false),
        ] {
            let seen = masked(&json!({ name: value }));
            let expected = if shown { json!({ name: value }) } else { json!({ name: MASK }) };
            assert_eq!(seen, expected, "{name}");
            assert_eq!(hides_something(&json!({ name: value })), !shown, "{name}");
        }
        let stored = json!({ "url": "https://pms.example", "oauth": { "id": "x", "host": "id.example" },
                             "rooms": [{ "accessToken": "t", "hotelCode": "A" }], "keys": ["k1", "k2"] });
        let shown = json!({ "url": "https://pms.example", "oauth": { "id": MASK, "host": "id.example" },
                            "rooms": [{ "accessToken": MASK, "hotelCode": "A" }], "keys": [MASK, MASK] });
        assert_eq!(masked(&stored), shown);
    }

    #[test]
    fn a_mask_is_lifted_only_where_nothing_has_changed() {
        let stored = json!({ "url": "https://pms.example", "client_secret": "s", "nested": [{ "accessToken": "t", "port": 1 }] });
        let shown = masked(&stored);
        assert_eq!(settled(&shown, Some(&stored), "pmsConfig").unwrap(), stored, "what was read can be sent back");
        let with = |pointer: &str, value: Value| {
            let mut sent = shown.clone();
            *sent.pointer_mut(pointer).unwrap() = value;
            sent
        };
        for refused in [
            with("/url", json!("https://elsewhere.example")),
            with("/client_secret", json!("new")),
            with("/nested/0/accessToken", json!("new")),
            with("/nested/0/port", json!(2)),
            with("/nested", json!([])),
            json!({ "client_secret": MASK }),
            json!({ "hook": "https://elsewhere.example", "client_secret": MASK }),
            json!({ "url": format!("https://elsewhere.example/{MASK}") }),
        ] {
            assert!(settled(&refused, Some(&stored), "pmsConfig").is_err(), "{refused}");
            assert!(!is_whole(&refused));
        }
        let refused = settled(&with("/url", json!("x")), Some(&stored), "pmsConfig").unwrap_err();
        assert!(refused.message.contains("`client_secret`"), "{}", refused.message);
        let whole = json!({ "url": "https://elsewhere.example", "client_secret": "s2" });
        assert_eq!(settled(&whole, Some(&stored), "pmsConfig").unwrap(), whole);
        assert!(settled(&shown, None, "pmsConfig").is_err(), "there is nothing behind it");
    }
}
