//! Users as CSV: one column a field, lists separated by ";", and no cell that a spreadsheet takes for a formula.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Cursor, Error, ErrorKind, Read, Result, Write};
use std::rc::Rc;

use chrono::{DateTime, SecondsFormat, Utc};
use csv::{ErrorKind as Problem, Position, QuoteStyle, StringRecord};

use super::format::{BYTE_ORDER_MARK, LONGEST_LINE, Row};
use crate::identity::UserRecord;

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
/// What separates cells, by where and with what a file was written. No column's name has any of them.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
/// What makes spreadsheets calculate where a cell begins with it.
const FORMULAS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Reads row after row, whatever is wrong with one, until `take` wants no more.
pub fn read(input: impl Read, mut take: impl FnMut(Row) -> bool) -> Result<()> {
    let since = Rc::new(Cell::new(0));
    let mut input = BufReader::new(Bounded { input, since: since.clone() });
    let mut first = Vec::new();
    input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut first)?;
    if first.starts_with(BYTE_ORDER_MARK) {
        first.drain(..BYTE_ORDER_MARK.len());
    }
    let separator = SEPARATORS.into_iter().find(|separator| first.contains(separator)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(Cursor::new(first).chain(input));
    let headers = reader.headers().map_err(|error| invalid(format!("line 1: {}", in_words(&error))))?;
    if headers.is_empty() {
        return Ok(());
    }
    let columns = columns(headers).map_err(invalid)?;
    let mut cells = StringRecord::new();
    loop {
        let line = reader.position().line();
        since.set(0);
        let row = match reader.read_record(&mut cells) {
            Ok(false) => return Ok(()),
            Ok(true) => record(&columns, &cells),
            Err(error) if error.is_io_error() => {
                let error = Error::from(error);
                return Err(Error::new(error.kind(), format!("line {line}: {error}")));
            }
            Err(error) => Err(in_words(&error)),
        };
        if !take((cells.position().map_or(line, Position::line), row)) {
            return Ok(());
        }
    }
}

fn invalid(problem: String) -> Error {
    Error::new(ErrorKind::InvalidData, problem)
}

/// Ends a file in which a row has no end: a quotation mark that nothing closes would make one row, in memory, of all that
/// comes after it.
struct Bounded<R> {
    input: R,
    /// Bytes read since the row began, but for what was read ahead then.
    since: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.since.get() > LONGEST_LINE {
            return Err(invalid(format!(
                "the row is longer than {LONGEST_LINE} bytes; a quotation mark may be left open in it"
            )));
        }
        let read = self.input.read(buffer)?;
        self.since.set(self.since.get().saturating_add(read as u64));
        Ok(read)
    }
}

/// The columns in the file's order. A first line that names none is somebody's row, who would be lost; it is not quoted,
/// because it may hold a hash.
fn columns(headers: &StringRecord) -> std::result::Result<Vec<&'static str>, String> {
    let known = COLUMNS.join(", ");
    let named = |header: &str| COLUMNS.into_iter().find(|column| header.trim().eq_ignore_ascii_case(column));
    if !headers.iter().any(|header| named(header) == Some("email")) {
        return Err(format!("line 1 does not name the columns: it must have email, and may have others of {known}"));
    }
    let mut columns = Vec::new();
    for header in headers {
        match named(header) {
            None => return Err(format!("line 1: there is no column {:?}, only {known}", header.trim())),
            Some(column) if columns.contains(&column) => return Err(format!("line 1 names the column {column} twice")),
            Some(column) => columns.push(column),
        }
    }
    Ok(columns)
}

fn record(columns: &[&str], cells: &StringRecord) -> std::result::Result<UserRecord, String> {
    let text = |wanted: &str| {
        let place = columns.iter().position(|column| *column == wanted)?;
        cells.get(place).map(original).filter(|text| !text.is_empty())
    };
    let truth = |column: &str, otherwise: bool| match text(column).as_deref().map(str::trim) {
        None | Some("") => Ok(otherwise),
        // As spreadsheets, databases and people write it.
        Some(word) => match word.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "0" => Ok(false),
            _ => Err(format!("{column} is neither true nor false")),
        },
    };
    let time = |column: &str| match text(column).as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some(time) => {
            let time = time.parse::<DateTime<Utc>>();
            time.map(Some).map_err(|_| format!("{column} is no time such as 2026-03-02T08:15:00Z"))
        }
    };
    let id = match text("id") {
        None => None,
        Some(id) => Some(id.trim().parse().map_err(|_| "id is no UUID; leave it out for a new one".to_owned())?),
    };
    let list = |column: &str| text(column).map(|names| list(&names)).unwrap_or_default();
    Ok(UserRecord {
        id,
        email: text("email").unwrap_or_default(),
        password_hash: text("password_hash"),
        first_name: text("first_name"),
        last_name: text("last_name"),
        active: truth("active", true)?,
        email_verified: truth("email_verified", false)?,
        must_change_password: truth("must_change_password", false)?,
        hotel_scope: text("hotel_scope").unwrap_or_else(|| "ASSIGNED".to_owned()),
        roles: list("roles"),
        hotels: list("hotels"),
        created_at: time("created_at")?,
        password_changed_at: time("password_changed_at")?,
        last_login_at: time("last_login_at")?,
    })
}

/// What is wrong, without the place, which stands before it.
fn in_words(error: &csv::Error) -> String {
    match error.kind() {
        Problem::UnequalLengths { expected_len, len, .. } => {
            format!("found {len} fields, expected {expected_len}, as in the first line")
        }
        Problem::Utf8 { .. } => "found bytes that are no text, expected UTF-8".to_owned(),
        _ => error.to_string(),
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

fn is_formula(text: &str) -> bool {
    let is_space = |character: char| character.is_whitespace() && !FORMULAS.contains(&character);
    text.trim_start_matches(is_space).starts_with(FORMULAS)
}

/// Whether the apostrophe that this begins with was put there by [`inert`].
fn is_marked(text: &str) -> bool {
    text.strip_prefix('\'').is_some_and(|rest| rest.starts_with('\'') || is_formula(rest))
}

/// Whether a cell may begin after this one, in a program that separates cells by it.
fn separates(character: char) -> bool {
    matches!(character, ';' | '\t' | '\r' | '\n')
}

/// The text with an apostrophe before whatever a spreadsheet would calculate, wherever it begins a cell; and before what
/// looks as if that had been done, so that [`original`] gives every text back.
fn inert(text: &str) -> String {
    let (mut marked, mut begins) = (String::with_capacity(text.len()), true);
    for (place, character) in text.char_indices() {
        let rest = text.get(place..).unwrap_or_default();
        if begins && (is_formula(rest) || is_marked(rest)) {
            marked.push('\'');
        }
        marked.push(character);
        begins = separates(character);
    }
    marked
}

/// The text that [`inert`] was given.
fn original(text: &str) -> String {
    let (mut original, mut begins) = (String::with_capacity(text.len()), true);
    for (place, character) in text.char_indices() {
        if begins && is_marked(text.get(place..).unwrap_or_default()) {
            begins = false;
            continue;
        }
        original.push(character);
        begins = separates(character);
    }
    original
}

/// Writes one user after the other.
pub struct Writer<W: Write>(Box<csv::Writer<W>>);

impl<W: Write> Writer<W> {
    pub fn new(output: W) -> anyhow::Result<Self> {
        // Cells that are quoted stay whole in programs that separate them by something else.
        let mut writer = csv::WriterBuilder::new().quote_style(QuoteStyle::Always).from_writer(output);
        writer.write_record(COLUMNS)?;
        Ok(Self(Box::new(writer)))
    }

    pub fn write(&mut self, user: &UserRecord) -> anyhow::Result<()> {
        let time = |time: Option<DateTime<Utc>>| time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true));
        let cells = [
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
        ];
        Ok(self.0.write_record(cells.map(|cell| inert(&cell)))?)
    }

    pub fn finish(self) -> anyhow::Result<W> {
        self.0.into_inner().map_err(|error| anyhow::anyhow!(error.error().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_calculated_and_every_text_comes_back() {
        let mut texts = vec![String::new()];
        let mut begin = 0;
        for _ in 0..5 {
            let end = texts.len();
            for number in begin..end {
                let more = ["'", "=", " ", "\t", ";", "a", "\n"].map(|last| format!("{}{last}", texts[number]));
                texts.extend(more);
            }
            begin = end;
        }
        texts.extend(
            ["=HYPERLINK(\"x\")", "+1+1", "-1", "@SUM(A1)", "＝1", "\u{a0}=1", "x;=1", "'t Hart"].map(str::to_owned),
        );
        for text in &texts {
            let cell = inert(text);
            assert_eq!(original(&cell), *text, "{cell:?}");
            let formula = cell.split(separates).find(|part| part.trim_start().starts_with(['=', '+', '-', '@', '＝']));
            assert_eq!(formula, None, "{text:?} as {cell:?}");
        }
        assert_eq!(inert("'t Hart"), "'t Hart");
        assert_eq!(inert("x;=1"), "x;'=1");
    }
}
