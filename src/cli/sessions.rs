//! `voicehive sessions cleanup|revoke`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use indicatif::ProgressBar;
use serde_json::json;

use super::users::find;
use super::{system, tell};
use crate::config::Config;
use crate::identity::{Caller, Identity, Swept};

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
    let bar = ProgressBar::new_spinner();
    system::with_identity(&config, async |identity| match command {
        Command::Cleanup { json } => {
            let mut done = Swept::default();
            let swept = identity.sweep_sessions(|swept| {
                done = swept;
                bar.set_message(format!("{} expired, {} deleted", swept.expired, swept.deleted));
                bar.tick();
            });
            let swept = swept.await.with_context(|| {
                format!(
                    "stopped half-way, after {} sessions had been marked as expired and {} deleted; run it again to go on",
                    done.expired, done.deleted
                )
            })?;
            bar.finish_and_clear();
            tell(json, &json!({ "expired": swept.expired, "deleted": swept.deleted }), || {
                format!("{} sessions had expired; {} that ended long ago were deleted.", swept.expired, swept.deleted)
            })
        }
        Command::Revoke { user, reason, json, .. } => {
            let caller = identity.operator();
            let revoked = match user {
                Some(name) => {
                    let user = find(&identity, &caller, &name).await?;
                    identity.revoke_user_sessions(&caller, user.id, reason.as_deref(), true).await?
                }
                None => everyone(&identity, &caller, reason.as_deref(), &bar).await?,
            };
            bar.finish_and_clear();
            tell(json, &json!({ "revoked": revoked }), || format!("{revoked} sessions were ended."))
        }
    })
    .await
}

async fn everyone(
    identity: &Identity,
    caller: &Caller,
    reason: Option<&str>,
    bar: &ProgressBar,
) -> anyhow::Result<u64> {
    let mut done = None;
    let revoked = identity.revoke_all_sessions(caller, reason, |ended| {
        done = Some(ended);
        bar.set_message(format!("{ended} sessions ended"));
        bar.tick();
    });
    let revoked = revoked.await;
    match done {
        Some(ended) => revoked.with_context(|| {
            format!(
                "stopped half-way: everyone is signed out, and {ended} sessions are marked as ended; a server marks the others, \
                 or run it again"
            )
        }),
        None => revoked.context("nobody was signed out"),
    }
}
