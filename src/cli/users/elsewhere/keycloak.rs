//! A user in a Keycloak realm's export: `users` of the realm's file, or of its `<realm>-users-<n>.json`.

use serde_json::Value;

use super::{Fields, UNKNOWN_HASH};
use crate::identity::UserRecord;

pub fn user(fields: &Fields) -> Result<UserRecord, String> {
    if fields.get("serviceAccountClientId").is_some() {
        return Err("is a client's service account; make an API key for it instead".to_owned());
    }
    // Many realms use the address as the name.
    let name = fields.text("username")?.filter(|name| name.contains('@'));
    let email = fields.text("email")?.or(name).ok_or("has no email address")?;
    let password = password(fields)?;
    let actions = fields.get("requiredActions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(UserRecord {
        id: fields.text("id")?.and_then(|id| id.parse().ok()),
        first_name: fields.text("firstName")?.map(str::to_owned),
        last_name: fields.text("lastName")?.map(str::to_owned),
        active: fields.truth("enabled")?.unwrap_or(true),
        email_verified: fields.truth("emailVerified")?.unwrap_or(false),
        must_change_password: actions.iter().any(|action| action == "UPDATE_PASSWORD")
            || password.as_ref().is_some_and(|password| password.get("temporary") == Some(&Value::Bool(true))),
        created_at: fields.milliseconds("createdTimestamp")?,
        password_changed_at: password.as_ref().map_or(Ok(None), |password| password.milliseconds("createdDate"))?,
        password_hash: password.map(|password| hash(&password).unwrap_or_else(|| UNKNOWN_HASH.to_owned())),
        ..super::user(email)
    })
}

/// The credential that is a password.
fn password(fields: &Fields) -> Result<Option<Fields>, String> {
    let credentials = fields.get("credentials").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let password = credentials.iter().find(|credential| credential.get("type").is_some_and(|kind| kind == "password"));
    password.map(|password| Fields::of(password.clone())).transpose()
}

/// The hash in a text form that is known. Keycloak keeps it as two texts of JSON, and before version 8 as fields.
fn hash(credential: &Fields) -> Option<String> {
    let inner = |name| Fields::parse(credential.text(name).ok()??.as_bytes()).ok();
    let (salt, value, how) = match (inner("secretData"), inner("credentialData")) {
        (Some(secret), Some(how)) => {
            (secret.text("salt").ok()??.to_owned(), secret.text("value").ok()??.to_owned(), how)
        }
        _ => (
            credential.text("salt").ok()??.to_owned(),
            credential.text("hashedSaltedValue").ok()??.to_owned(),
            Fields(credential.0.clone()),
        ),
    };
    let rounds = how.get("hashIterations")?.as_u64()?;
    let (salt, value) = (salt.trim_end_matches('='), value.trim_end_matches('='));
    match how.text("algorithm").ok()?? {
        scheme @ ("pbkdf2" | "pbkdf2-sha256" | "pbkdf2-sha512") => Some(format!("${scheme}$i={rounds}${salt}${value}")),
        "argon2" => {
            let parameters = how.object("additionalParameters").ok()?;
            let parameter = |name: &str| parameters.get(name)?.get(0)?.as_str();
            let version = match parameter("version")? {
                "1.3" => 19,
                "1.0" => 16,
                _ => return None,
            };
            let (kind, memory, lanes) = (parameter("type")?, parameter("memory")?, parameter("parallelism")?);
            Some(format!("$argon2{kind}$v={version}$m={memory},t={rounds},p={lanes}${salt}${value}"))
        }
        _ => None,
    }
}
