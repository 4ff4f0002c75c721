//! `voicehive import mock-users`: the dictionary in which the old service kept its users, as JSON or YAML.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use config::{FileFormat, Format, Map};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::system;
use crate::config::Config;
use crate::identity::{Identity, Keep, UserRecord};

/// Ids that are no UUIDs become ones under this name, always the same: made for this purpose, of no other meaning.
const OLD_IDS: Uuid = Uuid::from_u128(0x7669_6f69_6365_4869_8076_6548_6f74_656c);

/// One of the old service's users.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MockUser {
    user_id: String,
    email: String,
    password: Option<String>,
    password_hash: Option<String>,
    roles: Vec<String>,
    /// None reaches every hotel; but that must be said.
    #[serde(deserialize_with = "Option::deserialize")]
    hotel_ids: Option<Vec<String>>,
    active: bool,
}

pub async fn run(config: Config, file: PathBuf, dry_run: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    // JSON is YAML too. The parser's own words could quote a password.
    let users: Map<String, config::Value> = FileFormat::Yaml
        .parse(None, &text)
        .map_err(|_| anyhow!("{} is neither JSON nor YAML with an object of users by email address", file.display()))?;
    system::with_identity(&config, async |identity| {
        let (mut records, mut wrong, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let mut sorted: Vec<_> = users.into_iter().collect();
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, value) in sorted {
            match record(&identity, &name, value).await {
                Ok(record) => records.push(record),
                Err(why) => wrong.push(format!("{name}: {why}")),
            }
            names.push(name);
        }
        let hotels: Vec<String> = records.iter().flat_map(|record| record.hotels.clone()).collect();
        // Nobody is taken in by halves: the old service's list is short, and to be put right as a whole.
        let keep = if dry_run { Keep::Nothing } else { Keep::AllOrNothing };
        let mut import = identity.begin_import(keep).await?;
        let made = import.make_hotels(&hotels).await?;
        import.note_unreadable(wrong.len() as u64);
        let emails: Vec<_> = records.iter().map(|record| record.email.clone()).collect();
        for (number, why) in import.add(0, (0..).zip(records).collect()).await? {
            let email = usize::try_from(number).ok().and_then(|number| emails.get(number)).cloned();
            wrong.push(format!("{}: {why}", email.unwrap_or_default()));
        }
        let (imported, kept) = import.finish().await?;
        for line in &wrong {
            eprintln!("{line}");
        }
        if wrong.iter().any(|line| line.contains("of another user")) {
            eprintln!(
                "Where the demo accounts are in the way: begin with `voicehive database init --skip-users`, which makes none."
            );
        }
        if kept {
            tracing::info!(users = imported.added, hotels = made.len(), "mock_user_migration_completed");
        }
        let told = if as_json {
            json!({ "added": imported.added, "there_already": imported.there_already, "wrong": imported.wrong,
                    "without_password": imported.without_password, "hotels_made": made, "kept": kept })
            .to_string()
        } else {
            format!(
                "{} users {}; {} were there already; {} are wrong; {} have a hash that no password can be checked against. Hotels made, with their id for a name: {}.",
                imported.added,
                if kept { "added" } else { "would be added; nothing was changed" },
                imported.there_already,
                imported.wrong,
                imported.without_password,
                if made.is_empty() { "none".to_owned() } else { made.join(", ") }
            )
        };
        writeln!(std::io::stdout(), "{told}")?;
        Ok(if imported.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
    .await
}

async fn record(identity: &Identity, name: &str, value: config::Value) -> Result<UserRecord, String> {
    // The parser's own words could quote a password.
    let user: MockUser = value.try_deserialize().map_err(|error| match error {
        config::ConfigError::Message(message) => message,
        config::ConfigError::NotFound(field) => format!("has no {field}"),
        _ => "has a field of the wrong kind".to_owned(),
    })?;
    if user.email.trim().to_lowercase() != name.trim().to_lowercase() {
        return Err(format!("its email is {:?}, another one than its key", user.email));
    }
    let password_hash = match (&user.password, user.password_hash) {
        (Some(password), None) => Some(identity.hash_password(password).await.map_err(|error| error.to_string())?),
        (None, Some(hash)) => Some(hash),
        (Some(_), Some(_)) => return Err("has both password and password_hash; one of them is right".to_owned()),
        (None, None) => return Err("has neither password nor password_hash".to_owned()),
    };
    Ok(UserRecord {
        id: Some(user.user_id.parse().unwrap_or_else(|_| Uuid::new_v5(&OLD_IDS, user.user_id.as_bytes()))),
        email: user.email,
        password_hash,
        first_name: None,
        last_name: None,
        active: user.active,
        // The old service asked for no proof.
        email_verified: true,
        // It stood in a file for anyone to read.
        must_change_password: user.password.is_some(),
        hotel_scope: if user.hotel_ids.is_none() { "ALL" } else { "ASSIGNED" }.to_owned(),
        roles: user.roles.iter().map(|role| role_name(role)).collect(),
        hotels: user.hotel_ids.unwrap_or_default(),
        created_at: None,
        password_changed_at: None,
        last_login_at: None,
    })
}

/// The role of today; names of the first release are those of its three accounts.
fn role_name(old: &str) -> String {
    match old.trim().to_uppercase().as_str() {
        "ADMIN" => "SYSTEM_ADMIN".to_owned(),
        "OPERATOR" => "HOTEL_ADMIN".to_owned(),
        "HOTEL_MANAGER" => "HOTEL_STAFF".to_owned(),
        other => other.to_owned(),
    }
}
