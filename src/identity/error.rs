//! The two ways in which an operation ends badly.
//!
//! A [`Refusal`] is something the person at the screen can put right, and becomes an entry of a payload's `errors`. An
//! [`Error`] is for whoever wrote the client or runs the server. A mutation can meet both: [`Failure`].

use std::time::Duration;

use crate::clock::whole_seconds;
use crate::store;

/// The result of a read.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What only a developer or an operator can put right. Texts are for the client, but for `Internal`'s, which is logged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Unauthenticated(&'static str),
    #[error("the password must be changed before anything else: call changePassword")]
    PasswordChangeRequired,
    #[error("this needs {0}, which you do not hold; ask an administrator")]
    Forbidden(&'static str),
    #[error("`{argument}`: {problem}")]
    BadInput { argument: String, problem: String },
    #[error("too many attempts; try again in {} seconds", whole_seconds(*retry_after))]
    RateLimited { retry_after: Duration },
    #[error("the service cannot answer at the moment; try again in a few seconds")]
    Unavailable(#[source] Option<store::Error>),
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    pub fn bad_input(argument: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::BadInput { argument: argument.into(), problem: problem.into() }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(_) => Self::Unavailable(Some(error)),
            store::Error::Taken(_) | store::Error::Refused(_) => Self::Internal(error.to_string()),
        }
    }
}

/// What kind of thing a person can put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    InvalidCredentials,
    AccountLocked,
    InvalidToken,
    InvalidValue,
    WeakPassword,
    AlreadyTaken,
    NotFound,
    PrivilegeEscalation,
    LastAdministrator,
    SystemRole,
    StillInUse,
}

/// Why nothing was changed, for the person who asked.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub code: RefusalCode,
    /// One sentence.
    pub message: String,
    /// The field of the input that was wrong; the whole input where there is no single one.
    pub field: Option<&'static str>,
    /// With `AccountLocked`: when another attempt can succeed.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub fn new(code: RefusalCode, field: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: Some(field), retry_after: None }
    }

    /// The one answer to every sign-in that fails, whatever it failed for.
    pub fn invalid_credentials() -> Self {
        Self {
            code: RefusalCode::InvalidCredentials,
            message: "Email or password is wrong.".to_owned(),
            field: None,
            retry_after: None,
        }
    }

    pub fn locked(retry_after: Duration) -> Self {
        Self {
            code: RefusalCode::AccountLocked,
            message: format!("Too many failed sign-ins. Try again in {} seconds.", whole_seconds(retry_after)),
            field: None,
            retry_after: Some(retry_after),
        }
    }
}

/// How a mutation ends badly.
#[derive(Debug)]
pub enum Failure {
    /// Everything that was found wrong at once; at least one.
    Refused(Vec<Refusal>),
    Error(Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let refusals = match self {
            Self::Refused(refusals) => refusals,
            Self::Error(error) => return error.fmt(formatter),
        };
        for (place, refusal) in refusals.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            match refusal.field {
                Some(field) => write!(formatter, "{gap}{field}: {}", refusal.message)?,
                None => write!(formatter, "{gap}{}", refusal.message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Error(error) => error.source(),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Error(error.into())
    }
}
