//! `voicehive sessions cleanup|revoke`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::users::find;
use super::{system, tell};
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// End what has expired and delete what was kept long enough, as a server does it every minute.
    Cleanup {
        /// The outcome as one JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
    /// End all sessions of a user, or of everyone: at once, on every server.
    Revoke {
        /// user:<uuid>, the bare uuid, or the email address.
        #[arg(required_unless_present = "everyone")]
        user: Option<String>,
        /// Sign everyone out.
        #[arg(long, conflicts_with = "user")]
        everyone: bool,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: Option<String>,
        /// The outcome as one JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    system::with_identity(&config, async |identity| match command {
        Command::Cleanup { json } => {
            let (expired, deleted) = identity.sweep().await?;
            tell(json, &json!({ "expired": expired, "deleted": deleted }), || {
                format!("{expired} sessions had expired; {deleted} that ended long ago were deleted.")
            })
        }
        Command::Revoke { user, reason, json, .. } => {
            let caller = identity.operator();
            let revoked = match user {
                Some(name) => {
                    let user = find(&identity, &caller, &name).await?;
                    identity.revoke_user_sessions(&caller, user.id, reason.as_deref(), true).await?
                }
                None => identity.revoke_all_sessions(&caller, reason.as_deref()).await?,
            };
            tell(json, &json!({ "revoked": revoked }), || format!("{revoked} sessions were ended."))
        }
    })
    .await
}
