//! `voicehive audit verify`: whether the audit trail is as it was written, and if not, where.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use super::system;
use crate::config::Config;
use crate::identity::Verification;

/// What happens between two signs of progress, in events.
const PROGRESS_EVERY: u64 = 10_000;

pub async fn verify(config: Config, head: Option<String>, as_json: bool) -> anyhow::Result<ExitCode> {
    let shows_progress = std::io::stderr().is_terminal();
    let verification = system::with_identity(&config, async |identity| {
        let mut shown = 0;
        let progress = |events: u64| {
            if shows_progress && events >= shown + PROGRESS_EVERY {
                shown = events;
                let _ = write!(std::io::stderr(), "\r{events} events");
            }
        };
        Ok(identity.verify_audit_trail(head.as_deref(), progress).await?)
    })
    .await?;
    if shows_progress {
        let _ = write!(std::io::stderr(), "\r");
    }
    let told = if as_json { serde_json::to_string(&verification)? } else { in_words(&verification) };
    writeln!(std::io::stdout(), "{}", told.trim_end())?;
    Ok(if verification.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_words(verification: &Verification) -> String {
    let Verification { events, unsealed, seals, head, findings } = verification;
    let looked = format!("{events} sealed events in {seals} seals; {unsealed} more await their seal");
    if findings.is_empty() {
        return format!(
            "The audit trail is whole: {looked}.\nIts end is {head}; keep that elsewhere and verify with --head."
        );
    }
    let lines: String = findings.iter().map(|finding| format!("{} {}\n", finding.place, finding.problem)).collect();
    format!("{lines}The audit trail is NOT as it was written: {} findings; {looked}.", findings.len())
}
