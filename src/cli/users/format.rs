//! The two forms of a file of users: JSON Lines, and CSV with the same fields, lists separated by ";".

use std::cell::Cell;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::path::Path;
use std::rc::Rc;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::identity::UserRecord;

/// The longest line of a JSON Lines file, in bytes: a hundred roles and hotels fit many times.
const LONGEST_LINE: u64 = 256 * 1024;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    Jsonl,
    Csv,
}

impl Format {
    /// The one that was asked for, or the one that the file's name tells.
    pub fn of(asked: Option<Self>, file: Option<&Path>) -> Self {
        let is_csv = |file: &Path| file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        asked.unwrap_or(if file.is_some_and(is_csv) { Self::Csv } else { Self::Jsonl })
    }
}

/// A row with its line: a user, or what is wrong with it.
pub type Row = (u64, Result<UserRecord, String>);

/// Reads row after row, whatever is wrong with one, until `take` wants no more.
pub fn read(format: Format, input: impl Read, mut take: impl FnMut(Row) -> bool) -> std::io::Result<()> {
    match format {
        Format::Jsonl => read_lines(input, take),
        Format::Csv => {
            let since = Rc::new(Cell::new(0));
            let mut reader = csv::ReaderBuilder::new().from_reader(Bounded { input, since: since.clone() });
            let headers = reader.headers()?.clone();
            let mut record = csv::StringRecord::new();
            loop {
                let line = reader.position().line();
                since.set(0);
                let row = match reader.read_record(&mut record) {
                    Ok(false) => return Ok(()),
                    Ok(true) => record.deserialize::<CsvRecord>(Some(&headers)).map_err(|error| in_words(&error)),
                    Err(error) if error.is_io_error() => {
                        let error = std::io::Error::from(error);
                        return Err(std::io::Error::new(error.kind(), format!("line {line}: {error}")));
                    }
                    Err(error) => Err(in_words(&error)),
                };
                let line = record.position().map_or(line, csv::Position::line);
                if !take((line, row.map(UserRecord::from))) {
                    return Ok(());
                }
            }
        }
    }
}

/// Ends a file in which a row has no end: a quotation mark that nothing closes would make one row, in memory, of all that
/// comes after it.
struct Bounded<R> {
    input: R,
    /// Bytes read since the row began, but for what was read ahead then.
    since: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.since.get() > LONGEST_LINE {
            let problem =
                format!("the row is longer than {LONGEST_LINE} bytes; a quotation mark may be left open in it");
            return Err(std::io::Error::new(ErrorKind::InvalidData, problem));
        }
        let read = self.input.read(buffer)?;
        self.since.set(self.since.get().saturating_add(read as u64));
        Ok(read)
    }
}

fn read_lines(input: impl Read, mut take: impl FnMut(Row) -> bool) -> std::io::Result<()> {
    let mut input = std::io::BufReader::with_capacity(1024 * 1024, input);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        // Some editors begin a file with this mark of UTF-8.
        if line == 1 && text.starts_with("\u{feff}".as_bytes()) {
            text.drain(.."\u{feff}".len());
        }
        let row = if text.len() as u64 == LONGEST_LINE && text.last() != Some(&b'\n') {
            input.skip_until(b'\n')?;
            Err(format!("the line is longer than {LONGEST_LINE} bytes"))
        } else if text.trim_ascii().is_empty() {
            continue;
        } else {
            // Where in the line; the line itself may hold a hash.
            serde_json::from_slice(&text).map_err(|error| error.to_string().replace(" at line 1 column", ", at column"))
        };
        if !take((line, row)) {
            break;
        }
    }
    Ok(())
}

/// What is wrong, without the place, which stands before it.
fn in_words(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("found {len} fields, expected {expected_len}, as in the first line")
        }
        csv::ErrorKind::Utf8 { .. } => "found bytes that are no text, expected UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvRecord {
    #[serde(default)]
    id: Option<Uuid>,
    email: String,
    #[serde(default)]
    password_hash: Option<String>,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    active: Option<bool>,
    #[serde(default, deserialize_with = "truth")]
    email_verified: Option<bool>,
    #[serde(default, deserialize_with = "truth")]
    must_change_password: Option<bool>,
    #[serde(default)]
    hotel_scope: Option<String>,
    #[serde(default)]
    roles: String,
    #[serde(default)]
    hotels: String,
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    password_changed_at: Option<DateTime<Utc>>,
    #[serde(default)]
    last_login_at: Option<DateTime<Utc>>,
}

/// As spreadsheets write it, too: TRUE.
fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match String::deserialize(deserializer)?.to_lowercase().as_str() {
        "" => Ok(None),
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(serde::de::Error::custom("found neither true nor false")),
    }
}

/// A list in one field. A hotel's id may hold the separator, which then has a backslash before it.
fn list(text: &str) -> Vec<String> {
    let (mut names, mut name, mut escaped) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '\\' if !escaped => escaped = true,
            ';' if !escaped => names.push(std::mem::take(&mut name)),
            _ => {
                name.push(character);
                escaped = false;
            }
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

fn in_one_field(names: &[String]) -> String {
    let escaped: Vec<_> = names.iter().map(|name| name.replace('\\', "\\\\").replace(';', "\\;")).collect();
    escaped.join(";")
}

impl From<CsvRecord> for UserRecord {
    fn from(row: CsvRecord) -> Self {
        Self {
            id: row.id,
            email: row.email,
            password_hash: row.password_hash,
            first_name: row.first_name,
            last_name: row.last_name,
            active: row.active.unwrap_or(true),
            email_verified: row.email_verified.unwrap_or(false),
            must_change_password: row.must_change_password.unwrap_or(false),
            hotel_scope: row.hotel_scope.unwrap_or_else(|| "ASSIGNED".to_owned()),
            roles: list(&row.roles),
            hotels: list(&row.hotels),
            created_at: row.created_at,
            password_changed_at: row.password_changed_at,
            last_login_at: row.last_login_at,
        }
    }
}

/// Writes one user after the other.
pub enum Writer<W: Write> {
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Writer<W> {
    pub fn new(format: Format, output: W) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Jsonl(output),
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(output);
                writer.write_record(COLUMNS)?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    pub fn write(&mut self, user: &UserRecord) -> anyhow::Result<()> {
        match self {
            Self::Jsonl(output) => {
                serde_json::to_writer(&mut *output, user)?;
                output.write_all(b"\n")?;
            }
            Self::Csv(writer) => {
                let time =
                    |time: Option<DateTime<Utc>>| time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true));
                writer.write_record([
                    user.id.map(|id| id.to_string()).unwrap_or_default(),
                    user.email.clone(),
                    user.password_hash.clone().unwrap_or_default(),
                    user.first_name.clone().unwrap_or_default(),
                    user.last_name.clone().unwrap_or_default(),
                    user.active.to_string(),
                    user.email_verified.to_string(),
                    user.must_change_password.to_string(),
                    user.hotel_scope.clone(),
                    in_one_field(&user.roles),
                    in_one_field(&user.hotels),
                    time(user.created_at).unwrap_or_default(),
                    time(user.password_changed_at).unwrap_or_default(),
                    time(user.last_login_at).unwrap_or_default(),
                ])?;
            }
        }
        Ok(())
    }

    pub fn finish(self) -> anyhow::Result<W> {
        match self {
            Self::Jsonl(output) => Ok(output),
            Self::Csv(writer) => writer.into_inner().map_err(|error| anyhow::anyhow!(error.error().to_string())),
        }
    }
}

const COLUMNS: [&str; 14] = [
    "id",
    "email",
    "password_hash",
    "first_name",
    "last_name",
    "active",
    "email_verified",
    "must_change_password",
    "hotel_scope",
    "roles",
    "hotels",
    "created_at",
    "password_changed_at",
    "last_login_at",
];
