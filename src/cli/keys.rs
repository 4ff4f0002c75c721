//! `voicehive keys generate|rotate|list`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use chrono::SecondsFormat;
use clap::Subcommand;
use serde_json::json;

use super::output::{Output, There};
use super::{system, tell};
use crate::config::Config;
use crate::identity::{Algorithm, Rotation, new_signing_key};

#[derive(Subcommand)]
pub enum Command {
    /// Make a private key of the kind that jwt.algorithm asks for, in a new file, for jwt.signing_key_file: for whoever
    /// keeps keys out of the database.
    Generate {
        /// The file, which must not be there.
        file: PathBuf,
    },
    /// Make the next key in the database. It is published at once and signs ten minutes later, on every server; the key
    /// before it is honoured until the last token that it signed has expired.
    Rotate {
        /// Sign with it at once. Services that keep the published keys refuse its tokens until they fetch them again.
        #[arg(long)]
        now: bool,
        /// Sign with it at once, and honour no token of any other key: everybody signs in again. For a key that leaked.
        #[arg(long)]
        distrust: bool,
        /// The outcome as one JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
    /// List the keys whose tokens are honoured.
    List {
        /// One JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Generate { file } => generate(&config, &file),
        Command::Rotate { now, distrust, json } => {
            let how = match (distrust, now) {
                (true, _) => Rotation::Distrusting,
                (false, true) => Rotation::AtOnce,
                (false, false) => Rotation::PublishedAhead,
            };
            rotate(config, how, json).await
        }
        Command::List { json } => list(config, json).await,
    }
}

fn generate(config: &Config, file: &std::path::Path) -> anyhow::Result<ExitCode> {
    let key = new_signing_key(system::algorithm(config))?;
    let mut output = Output::begin(file, There::Kept)?;
    output.file().write_all(key.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
    output.finish()?;
    writeln!(std::io::stdout(), "{} holds a new private key; name it as jwt.signing_key_file.", file.display())?;
    Ok(ExitCode::SUCCESS)
}

async fn rotate(config: Config, how: Rotation, as_json: bool) -> anyhow::Result<ExitCode> {
    system::with_identity(&config, async |identity| {
        let (id, signs_from) = identity.rotate_keys(how).await?;
        let signs_from = signs_from.to_rfc3339_opts(SecondsFormat::Secs, true);
        tell(as_json, &json!({ "key_id": id, "signs_from": signs_from }), || {
            format!("The key {id} is published and signs from {signs_from}.")
        })
    })
    .await
}

async fn list(config: Config, as_json: bool) -> anyhow::Result<ExitCode> {
    system::with_identity(&config, async |identity| {
        let keys = identity.list_keys().await?;
        let time = |time: Option<chrono::DateTime<chrono::Utc>>| {
            time.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
        };
        let listed: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({
                    "key_id": key.id, "algorithm": name_of(key.algorithm), "signs": key.signs,
                    "signs_from": time(key.signs_from), "honoured_until": time(key.honoured_until),
                })
            })
            .collect();
        tell(as_json, &json!({ "keys": listed }), || {
            let mut text = String::new();
            for key in &keys {
                let state = if key.signs { "signs" } else { "honoured" };
                let _ = write!(text, "{}  {:<5}  {state:<8}", key.id, name_of(key.algorithm));
                if let Some(from) = time(key.signs_from) {
                    let _ = write!(text, "  from {from}");
                }
                if let Some(until) = time(key.honoured_until) {
                    let _ = write!(text, "  until {until}");
                }
                text.push('\n');
            }
            text.trim_end().to_owned()
        })
    })
    .await
}

/// As RFC 7518 and RFC 8037 name it.
fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::EdDsa => "EdDSA",
        Algorithm::Es256 => "ES256",
        Algorithm::Rs256 => "RS256",
    }
}
