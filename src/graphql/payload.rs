//! What every mutation's payload has in common.

use std::time::Duration;

use async_graphql::{Context, Enum, MaybeUndefined, SimpleObject};

use super::context::RequestContext;
use super::errors::{GraphqlError, Result};
use crate::identity::{Edit, Failure, Refusal, RefusalCode};

/// Something the person at the screen can put right.
#[derive(SimpleObject)]
pub struct MutationError {
    /// What kind of thing it is.
    code: MutationErrorCode,
    /// One sentence for people.
    message: String,
    /// Path of the offending input field, e.g. ["input", "email"].
    path: Vec<String>,
}

/// What the person at the screen can put right.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum MutationErrorCode {
    /// Email or password is wrong, or the account cannot sign in: which of them is never told.
    InvalidCredentials,
    /// Too many failed sign-ins: wait, or ask an administrator to unlock the account.
    AccountLocked,
    /// The refresh token is not valid, has expired or was used before: sign in again.
    InvalidToken,
    /// The field holds something that it cannot hold.
    InvalidValue,
    /// The password is too short, too common or too close to its owner.
    WeakPassword,
    /// Somebody or something else has it already.
    AlreadyTaken,
    /// There is no such thing that the caller may see.
    NotFound,
    /// The caller may not grant what they do not hold themselves.
    PrivilegeEscalation,
    /// The change would leave nobody able to administer the system, or lock the caller out.
    LastAdministrator,
    /// Built-in roles stay as they are.
    SystemRole,
    /// Something else still depends on it.
    StillInUse,
}

impl From<&Refusal> for MutationError {
    fn from(refusal: &Refusal) -> Self {
        let code = match refusal.code {
            RefusalCode::InvalidCredentials => MutationErrorCode::InvalidCredentials,
            RefusalCode::AccountLocked => MutationErrorCode::AccountLocked,
            RefusalCode::InvalidToken => MutationErrorCode::InvalidToken,
            RefusalCode::InvalidValue => MutationErrorCode::InvalidValue,
            RefusalCode::WeakPassword => MutationErrorCode::WeakPassword,
            RefusalCode::AlreadyTaken => MutationErrorCode::AlreadyTaken,
            RefusalCode::NotFound => MutationErrorCode::NotFound,
            RefusalCode::PrivilegeEscalation => MutationErrorCode::PrivilegeEscalation,
            RefusalCode::LastAdministrator => MutationErrorCode::LastAdministrator,
            RefusalCode::SystemRole => MutationErrorCode::SystemRole,
            RefusalCode::StillInUse => MutationErrorCode::StillInUse,
        };
        let path = ["input"].into_iter().chain(refusal.field).map(str::to_owned).collect();
        Self { code, message: refusal.message.clone(), path }
    }
}

/// Why a mutation changed nothing, for the person who asked.
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    pub fn told(&self) -> Vec<MutationError> {
        self.0.iter().map(MutationError::from).collect()
    }

    /// When another attempt can succeed, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.iter().find_map(|refusal| refusal.retry_after)
    }
}

/// A mutation's outcome: what it made, or what the person must put right first.
pub fn refused<T>(outcome: Result<T, Failure>) -> Result<Result<T, Refusals>> {
    match outcome {
        Ok(done) => Ok(Ok(done)),
        Err(Failure::Refused(refusals)) => Ok(Err(Refusals(refusals))),
        Err(Failure::Error(error)) => Err(GraphqlError::from(error)),
    }
}

/// A mutation's outcome as two halves of its payload, one of them empty. What was loaded before it is forgotten.
pub fn settled<T: Default>(context: &Context<'_>, outcome: Result<T, Failure>) -> Result<(T, Vec<MutationError>)> {
    context.forget_loaded();
    Ok(match refused(outcome)? {
        Ok(done) => (done, Vec::new()),
        Err(refusals) => (T::default(), refusals.told()),
    })
}

/// A field of an input as an update takes it: left out, cleared, or given.
pub fn edit<T, U: From<T>>(field: MaybeUndefined<T>) -> Edit<U> {
    match field {
        MaybeUndefined::Undefined => Edit::Keep,
        MaybeUndefined::Null => Edit::Clear,
        MaybeUndefined::Value(value) => Edit::Set(value.into()),
    }
}
