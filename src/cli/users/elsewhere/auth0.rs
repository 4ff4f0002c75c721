//! A line of what Auth0 exports: a user of an export job, or the hash of a password with whose it is.

use super::{Fields, UNKNOWN_HASH, names};
use crate::identity::UserRecord;

pub fn user(fields: &Fields) -> Result<UserRecord, String> {
    let email = fields.text("email")?.ok_or("has no email address")?;
    let whole = fields.text("name")?.filter(|name| !name.contains('@')).map(names).unwrap_or_default();
    let changed = fields.time("password_set_date")?;
    Ok(UserRecord {
        first_name: fields.text("given_name")?.map(str::to_owned).or(whole.0),
        last_name: fields.text("family_name")?.map(str::to_owned).or(whole.1),
        active: !fields.truth("blocked")?.unwrap_or(false),
        email_verified: fields.truth("email_verified")?.unwrap_or(false),
        created_at: fields.time("created_at")?,
        password_changed_at: changed.or(fields.time("last_password_reset")?),
        last_login_at: fields.time("last_login")?,
        password_hash: hash(fields)?,
        ..super::user(email)
    })
}

/// Of Auth0's own, or of the system before it.
fn hash(fields: &Fields) -> Result<Option<String>, String> {
    if let Some(hash) = fields.text("passwordHash")?.or(fields.text("password_hash")?) {
        return Ok(Some(hash.to_owned()));
    }
    let custom = fields.object("custom_password_hash")?;
    let Some(algorithm) = custom.text("algorithm")? else { return Ok(None) };
    let value = custom.object("hash")?;
    // These have all it takes to check them in their text; the others need a salt, an order and an encoding.
    let whole = matches!(algorithm, "argon2" | "bcrypt" | "ldap" | "pbkdf2");
    Ok(Some(value.text("value")?.filter(|_| whole).unwrap_or(UNKNOWN_HASH).to_owned()))
}
