//! Environment variables: which are ours, and the key that each one sets.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::Error;

/// Names the file instead of a key.
pub(super) const CONFIG_FILE: &str = "VOICEHIVE_CONFIG";

const PREFIX: &str = "VOICEHIVE_";

/// The names that database tools share.
const DATABASE: [(&str, &str); 9] = [
    ("DATABASE_URL", "url"),
    ("DATABASE_HOST", "host"),
    ("DATABASE_PORT", "port"),
    ("DATABASE_NAME", "database"),
    ("DATABASE_USER", "username"),
    ("DATABASE_PASSWORD", "password"),
    ("DATABASE_SSL_MODE", "ssl_mode"),
    ("DATABASE_POOL_SIZE", "pool_size"),
    ("DATABASE_MAX_OVERFLOW", "max_overflow"),
];

/// Our variables in the environment of this process.
pub(super) fn of_this_process() -> Result<BTreeMap<String, String>, Error> {
    std::env::vars_os().filter_map(|(name, value)| ours(&name, value)).collect()
}

/// A variable with its value if it is one of ours.
pub(super) fn ours(name: &OsString, value: OsString) -> Option<Result<(String, String), Error>> {
    let readable = name.to_string_lossy().into_owned();
    let is_ours = readable.starts_with(PREFIX) || DATABASE.iter().any(|(variable, _)| *variable == readable);
    let not_unicode = || Error::new("", &readable, "found bytes that are no text, expected UTF-8");
    is_ours.then(|| {
        let value = value.into_string().map_err(|_| not_unicode())?;
        if name.to_str().is_none() { Err(not_unicode()) } else { Ok((readable.clone(), value)) }
    })
}

/// The path of the key that a variable sets; None for one that is not ours or sets no key.
pub(super) fn key_path(variable: &str) -> Option<Vec<String>> {
    if let Some((_, key)) = DATABASE.iter().find(|(name, _)| *name == variable) {
        return Some(vec!["database".to_owned(), (*key).to_owned()]);
    }
    let key = variable.strip_prefix(PREFIX).filter(|_| variable != CONFIG_FILE)?;
    // Only upper case is ours; anything else stays as it is and is told as an unknown key.
    let is_upper_case = !key.contains(char::is_lowercase);
    Some(if is_upper_case { key.split("__").map(str::to_lowercase).collect() } else { vec![key.to_owned()] })
}
