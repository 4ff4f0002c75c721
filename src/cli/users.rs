//! `voicehive users export`: everything that is kept about one person, one JSON object a line.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::anyhow;

use super::system;
use crate::config::Config;

pub async fn export(config: Config, user: String) -> anyhow::Result<ExitCode> {
    let things = system::with_identity(&config, async |identity| {
        let mut out = BufWriter::new(std::io::stdout());
        let things = identity.export_person(&user, |thing| anyhow::Ok(writeln!(out, "{}", thing.0)?)).await?;
        out.flush()?;
        Ok(things)
    })
    .await?;
    let things = things.ok_or_else(|| anyhow!("nothing is kept about {user:?}: name a user by id or email address"))?;
    eprintln!("{things} things are kept about {user}; the audit trail tells that they were exported.");
    Ok(ExitCode::SUCCESS)
}
