//! Secrets in a hotel's PMS settings: shown as a mask, and kept where a mask comes back.

use serde_json::Value;

use super::{Refusal, RefusalCode};

/// What a masked value reads.
const MASK: &str = "********";
/// A key that holds one of these is taken to hold a secret.
const SECRET_WORDS: [&str; 9] =
    ["password", "passwd", "secret", "token", "apikey", "credential", "private", "auth", "signature"];

/// The same value with every secret masked.
pub(super) fn masked(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let shown = |(key, value): (&String, &Value)| {
                let value = if looks_secret(key) && !value.is_null() { MASK.into() } else { masked(value) };
                (key.clone(), value)
            };
            Value::Object(fields.iter().map(shown).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(masked).collect()),
        other => other.clone(),
    }
}

fn looks_secret(key: &str) -> bool {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    plain == "key" || plain == "pin" || SECRET_WORDS.iter().any(|word| plain.contains(word))
}

/// `new` with what was masked in `stored` put back: a client that read settings and sends them back changes no secret.
/// Refuses a mask behind which there is nothing.
pub(super) fn unmasked(new: &Value, stored: Option<&Value>, field: &'static str) -> Result<Value, Refusal> {
    match new {
        Value::Object(fields) => {
            let mut whole = serde_json::Map::new();
            for (key, value) in fields {
                let before = stored.and_then(|stored| stored.get(key));
                let value = if looks_secret(key) && value == MASK {
                    before.filter(|before| !before.is_null()).cloned().ok_or_else(|| nothing_behind(key, field))?
                } else {
                    unmasked(value, before, field)?
                };
                whole.insert(key.clone(), value);
            }
            Ok(Value::Object(whole))
        }
        // An item is told apart from its neighbours by its place and all that can be seen of it.
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(place, item)| {
                let before = stored.and_then(|stored| stored.get(place)).filter(|before| masked(before) == *item);
                unmasked(item, before, field)
            })
            .collect(),
        other => Ok(other.clone()),
    }
}

fn nothing_behind(key: &str, field: &'static str) -> Refusal {
    let message =
        format!("`{key}` holds the mask {MASK}, and there is no stored value behind it: give the value itself.");
    Refusal::new(RefusalCode::InvalidValue, field, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_masked_and_masks_lifted() {
        let stored = json!({
            "url": "https://pms.example", "client_secret": "s", "API-Key": "k", "empty_token": null, "key": 7,
            "nested": [{"accessToken": "t1", "property": "B1"}, {"accessToken": "t2", "property": "B2"}],
            "oauth": {"id": "x"}, "monkey": "stays"
        });
        let shown = json!({
            "url": "https://pms.example", "client_secret": MASK, "API-Key": MASK, "empty_token": null, "key": MASK,
            "nested": [{"accessToken": MASK, "property": "B1"}, {"accessToken": MASK, "property": "B2"}],
            "oauth": MASK, "monkey": "stays"
        });
        assert_eq!(masked(&stored), shown);
        assert_eq!(unmasked(&shown, Some(&stored), "pmsConfig").unwrap(), stored, "what was read can be sent back");

        // sent, what is stored then
        let table = [
            (json!({"client_secret": "new", "url": "u"}), Some(json!({"client_secret": "new", "url": "u"}))),
            (json!({"client_secret": MASK}), Some(json!({"client_secret": "s"}))),
            (json!({"monkey": MASK}), Some(json!({"monkey": MASK}))),
            (json!({"other_secret": MASK}), None),
            (json!({"empty_token": MASK}), None),
            // Items that changed places or looks keep no secret of another.
            (json!({"nested": [{"accessToken": MASK, "property": "B2"}]}), None),
            (
                json!({"nested": [{"accessToken": "t9", "property": "B2"}]}),
                Some(json!({"nested": [{"accessToken": "t9", "property": "B2"}]})),
            ),
        ];
        for (sent, expected) in table {
            assert_eq!(unmasked(&sent, Some(&stored), "pmsConfig").ok(), expected, "{sent}");
        }
        assert!(unmasked(&shown, None, "pmsConfig").is_err());
    }
}
