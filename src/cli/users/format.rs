//! The two forms of a file of users: JSON Lines, and CSV with the same fields.

use std::io::{BufRead, Read, Write};
use std::path::Path;

use clap::ValueEnum;

use super::csv;
use crate::identity::UserRecord;

/// The longest line of a JSON Lines file or row of a CSV file, in bytes: a hundred roles and hotels fit many times.
pub const LONGEST_LINE: u64 = 256 * 1024;
/// Some editors begin a file with this mark of UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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
pub fn read(format: Format, input: impl Read, take: impl FnMut(Row) -> bool) -> std::io::Result<()> {
    match format {
        Format::Jsonl => {
            read_lines(input, |line| serde_json::from_slice(line).map_err(|error| place_in_line(&error)), take)
        }
        Format::Csv => csv::read(input, take),
    }
}

/// What is wrong with a line, and where in it; the line itself may hold a hash.
pub fn place_in_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column", ", at column")
}

/// Reads JSON Lines.
pub fn read_lines(
    input: impl Read,
    user: impl Fn(&[u8]) -> Result<UserRecord, String>,
    mut take: impl FnMut(Row) -> bool,
) -> std::io::Result<()> {
    let mut input = std::io::BufReader::with_capacity(1024 * 1024, input);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if line == 1 && text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        let row = if text.len() as u64 == LONGEST_LINE && text.last() != Some(&b'\n') {
            input.skip_until(b'\n')?;
            Err(format!("the line is longer than {LONGEST_LINE} bytes"))
        } else if text.trim_ascii().is_empty() {
            continue;
        } else {
            user(&text)
        };
        if !take((line, row)) {
            break;
        }
    }
    Ok(())
}

/// Writes one user after the other.
pub enum Writer<W: Write> {
    Jsonl(W),
    Csv(csv::Writer<W>),
}

impl<W: Write> Writer<W> {
    pub fn new(format: Format, output: W) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Jsonl(output),
            Format::Csv => Self::Csv(csv::Writer::new(output)?),
        })
    }

    pub fn write(&mut self, user: &UserRecord) -> anyhow::Result<()> {
        match self {
            Self::Jsonl(output) => {
                serde_json::to_writer(&mut *output, user)?;
                output.write_all(b"\n")?;
            }
            Self::Csv(writer) => writer.write(user)?,
        }
        Ok(())
    }

    pub fn finish(self) -> anyhow::Result<W> {
        match self {
            Self::Jsonl(output) => Ok(output),
            Self::Csv(writer) => writer.finish(),
        }
    }
}
