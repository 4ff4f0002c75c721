//! `voicehive users export`.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use indicatif::ProgressBar;

use super::format::{Format, Writer};
use super::system;
use crate::config::Config;

/// Everyone, password hashes included.
pub async fn everyone(config: Config, file: Option<PathBuf>, format: Option<Format>) -> anyhow::Result<ExitCode> {
    let format = Format::of(format, file.as_deref());
    let users = system::with_identity(&config, async |identity| {
        into(file.as_deref(), async |output| {
            let mut writer = Writer::new(format, output)?;
            let progress = spinner();
            let users = identity
                .export_users(|user| {
                    progress.inc(1);
                    writer.write(&user)
                })
                .await?;
            progress.finish_and_clear();
            writer.finish()?;
            Ok(Some(users))
        })
        .await
    })
    .await?
    .unwrap_or_default();
    eprintln!("{users} users exported, with their password hashes: keep the file as you keep the database.");
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
    let Some(file) = file else {
        let mut output = BufWriter::with_capacity(1024 * 1024, std::io::stdout());
        let done = write(&mut output).await?;
        output.flush()?;
        return Ok(done);
    };
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    // What an earlier run left there may be for others to read, or lead elsewhere.
    let cleared = fs::remove_file(&part).or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    let open = cleared.and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part));
    let open = open.with_context(|| format!("cannot write {}", part.display()))?;
    let written = write_whole(BufWriter::with_capacity(1024 * 1024, open), write).await;
    if !matches!(written, Ok(Some(_))) {
        let _ = fs::remove_file(&part);
        return written;
    }
    fs::rename(&part, file).with_context(|| format!("cannot write {}", file.display()))?;
    written
}

async fn write_whole<T>(
    mut output: BufWriter<fs::File>,
    write: impl AsyncFnOnce(&mut dyn Write) -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    let done = write(&mut output).await?;
    output.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(done)
}

fn spinner() -> ProgressBar {
    // Not where the users themselves go to the terminal.
    if std::io::stdout().is_terminal() { ProgressBar::hidden() } else { ProgressBar::new_spinner() }
}
