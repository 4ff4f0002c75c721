//! `voicehive users export`.

use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use indicatif::ProgressBar;
use tokio::signal::unix::{SignalKind, signal};

use super::format::{Format, Writer};
use super::system;
use crate::cli::output::{Output, There};
use crate::config::Config;

/// Everyone, password hashes included.
pub async fn everyone(config: Config, file: Option<PathBuf>, format: Option<Format>) -> anyhow::Result<ExitCode> {
    let format = Format::of(format, file.as_deref());
    let (users, without_password) = system::with_identity(&config, async |identity| {
        into(file.as_deref(), async |output| {
            let mut writer = Writer::new(format, output)?;
            let progress = spinner();
            let mut without_password = 0_u64;
            let users = identity
                .export_users(|user| {
                    progress.inc(1);
                    without_password += u64::from(user.password_hash.is_none());
                    writer.write(&user)
                })
                .await?;
            progress.finish_and_clear();
            writer.finish()?;
            Ok(Some((users, without_password)))
        })
        .await
    })
    .await?
    .unwrap_or_default();
    eprintln!("{users} users exported, with their password hashes: keep the file as you keep the database.");
    if without_password > 0 {
        eprintln!("{without_password} of them have no password, or a hash that cannot be checked, which was left out.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything about one person.
pub async fn person(config: Config, user: String, file: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let things = system::with_identity(&config, async |identity| {
        into(file.as_deref(), async |output| {
            let give = |thing: crate::identity::Exported| anyhow::Ok(writeln!(output, "{}", thing.0)?);
            identity.export_person(&user, give).await
        })
        .await
    })
    .await?;
    let things = things.ok_or_else(|| anyhow!("nothing is kept about {user:?}: name a user by id or email address"))?;
    eprintln!("{things} things are kept about {user}; the audit trail tells that they were exported.");
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output, or to a file that nobody else may read and that is there only when it is whole. Where there
/// is nothing to write the file stays as it is.
async fn into<T>(
    file: Option<&Path>,
    write: impl AsyncFnOnce(&mut dyn Write) -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    let Some(file) = file.filter(|file| *file != Path::new("-")) else {
        let mut output = BufWriter::with_capacity(1024 * 1024, std::io::stdout());
        let done = write(&mut output).await?;
        output.flush()?;
        return Ok(done);
    };
    let mut output = Output::begin(file, There::Replaced)?;
    let mut buffer = BufWriter::with_capacity(1024 * 1024, output.file());
    let written = tokio::select! {
        written = write(&mut buffer) => written?,
        // The unfinished file goes too.
        () = interrupted() => bail!("stopped before the end; {} is as it was", file.display()),
    };
    buffer.flush().with_context(|| format!("cannot write {}", file.display()))?;
    drop(buffer);
    if written.is_some() {
        output.finish()?;
    }
    Ok(written)
}

/// Waits until somebody wants this process to end.
async fn interrupted() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

fn spinner() -> ProgressBar {
    // Not where the users themselves go to the terminal.
    if std::io::stdout().is_terminal() { ProgressBar::hidden() } else { ProgressBar::new_spinner() }
}
