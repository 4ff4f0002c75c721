//! The list `users` of one large JSON object, read user after user: a realm's export may have gigabytes.

use std::cell::Cell;
use std::fmt;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::Fields;
use crate::cli::users::format::{BYTE_ORDER_MARK, LONGEST_LINE, Row};
use crate::identity::UserRecord;

type User<'a> = &'a dyn Fn(&Fields) -> std::result::Result<UserRecord, String>;

pub fn read(input: impl Read, user: User<'_>, take: &mut dyn FnMut(Row) -> bool) -> Result<()> {
    let mut input = BufReader::with_capacity(1024 * 1024, input);
    if input.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        input.consume(BYTE_ORDER_MARK.len());
    }
    let place = Rc::new(Place::default());
    let mut json = serde_json::Deserializer::from_reader(Counted { input, place: place.clone() });
    let mut reading = Reading { place, user, take, found: false, stopped: false };
    let outcome = json.deserialize_map(&mut reading).and_then(|()| json.end());
    let line = reading.place.line.get() + 1;
    match outcome {
        _ if reading.stopped => Ok(()),
        Err(error) if error.is_io() => {
            let error = Error::from(error);
            Err(Error::new(error.kind(), format!("line {line}: {error}")))
        }
        Err(error) => Err(Error::new(ErrorKind::InvalidData, error.to_string())),
        Ok(()) if !reading.found => {
            let problem =
                "it has no list \"users\"; where an export has several files, name those with users one by one";
            Err(Error::new(ErrorKind::InvalidData, problem))
        }
        Ok(()) => Ok(()),
    }
}

#[derive(Default)]
struct Place {
    /// Line breaks so far.
    line: Cell<u64>,
    /// Bytes since the user began, where there is one.
    since: Cell<u64>,
    in_user: Cell<bool>,
}

/// Counts what is read; the parser asks for one byte after the other.
struct Counted<R> {
    input: R,
    place: Rc<Place>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.place.in_user.get() && self.place.since.get() > LONGEST_LINE {
            return Err(Error::new(ErrorKind::InvalidData, format!("a user has more than {LONGEST_LINE} bytes")));
        }
        let read = self.input.read(buffer)?;
        let breaks = buffer.iter().take(read).filter(|byte| **byte == b'\n').count();
        self.place.line.set(self.place.line.get() + breaks as u64);
        self.place.since.set(self.place.since.get() + read as u64);
        Ok(read)
    }
}

struct Reading<'a> {
    place: Rc<Place>,
    user: User<'a>,
    take: &'a mut dyn FnMut(Row) -> bool,
    found: bool,
    stopped: bool,
}

/// The export.
impl<'de> Visitor<'de> for &mut Reading<'_> {
    type Value = ();

    fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str(
            "an object with a list \"users\"; of an export with several realms, export one with --realm NAME",
        )
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<(), M::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "users" {
                self.found = true;
                map.next_value_seed(Users(self))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Users<'a, 'b>(&'a mut Reading<'b>);

impl<'de> DeserializeSeed<'de> for Users<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Users<'_, '_> {
    type Value = ();

    fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str("a list of users")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut users: S) -> std::result::Result<(), S::Error> {
        while users.next_element_seed(One(self.0))?.is_some() {}
        Ok(())
    }
}

struct One<'a, 'b>(&'a mut Reading<'b>);

impl<'de> DeserializeSeed<'de> for One<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        let Reading { place, user, take, stopped, .. } = self.0;
        // The parser has looked at the first byte of it.
        let line = place.line.get() + 1;
        place.since.set(0);
        place.in_user.set(true);
        let value = Value::deserialize(deserializer)?;
        place.in_user.set(false);
        let row = Fields::of(value).and_then(|fields| {
            // Such a file may be one line.
            let name = ["username", "localId"].iter().find_map(|name| fields.text(name).ok()?);
            user(&fields).map_err(|why| name.map_or_else(|| why.clone(), |name| format!("user {name:?} {why}")))
        });
        if take((line, row)) {
            return Ok(());
        }
        *stopped = true;
        Err(D::Error::custom("no more is wanted"))
    }
}
