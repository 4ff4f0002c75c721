//! Why the configuration cannot be used: one line with the key, the place it was set in, and what is wrong there.

use std::fmt::{self, Display};

use serde::de;

/// Why the configuration cannot be used. Its text is one line and never holds a secret.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    /// Full dotted path; empty where a whole file is meant.
    key: String,
    /// The file or the variable; None while a single value is being read.
    place: Option<String>,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    /// What would have been right; whoever knows the place adds what was found there.
    Expected(String),
    Said(String),
}

impl Error {
    pub(super) fn new(key: &str, place: impl Display, problem: impl Into<String>) -> Self {
        Self::said(key, problem).placed(place)
    }

    pub(super) fn expected(what: impl Display) -> Self {
        Self { key: String::new(), place: None, problem: Problem::Expected(what.to_string()) }
    }

    /// The same error seen from one section further up, where `name` is the key that led to it.
    pub(super) fn under(mut self, name: &str, place: impl Display, found: impl Display) -> Self {
        self.key = if self.key.is_empty() { name.to_owned() } else { format!("{name}.{}", self.key) };
        if self.place.is_none() {
            self.place = Some(place.to_string());
            if let Problem::Expected(what) = self.problem {
                self.problem = Problem::Said(format!("found {found}, expected {what}"));
            }
        }
        self
    }

    /// About a key whose place only the caller knows; see [`Error::placed`].
    pub(super) fn said(key: &str, problem: impl Into<String>) -> Self {
        Self { key: key.to_owned(), place: None, problem: Problem::Said(problem.into()) }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn placed(mut self, place: impl Display) -> Self {
        self.place = Some(place.to_string());
        self
    }
}

impl Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match &self.problem {
            Problem::Expected(what) => format!("expected {what}"),
            Problem::Said(problem) => problem.clone(),
        };
        let line = match (self.key.as_str(), &self.place) {
            ("", None) => problem,
            ("", Some(place)) => format!("{place}: {problem}"),
            (key, None) => format!("{key}: {problem}"),
            (key, Some(place)) => format!("{key} in {place}: {problem}"),
        };
        // Keys and paths are free text and may hold anything, but a line stays a line.
        formatter.write_str(&line.replace(char::is_control, " "))
    }
}

impl de::Error for Error {
    fn custom<T: Display>(what: T) -> Self {
        Self::expected(what)
    }

    // The standard texts quote the value, which may be a secret.
    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(expected)
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::expected(format!("one of {}", expected.join(", ")))
    }

    // Whoever reads the key puts its name in front.
    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::said("", format!("unknown key, expected one of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::said(field, "found nothing, expected a value")
    }
}
