//! Sign-in, refresh, sign-out and changing one's password, and what every mutation's payload has in common.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use super::context::RequestContext;
use super::errors::{GraphqlError, Result};
use super::ids;
use super::loaders::{SessionById, UserById};
use super::session::Session;
use super::user::User;
use crate::identity::{Failure, IssuedTokens, PasswordChange, Refusal, RefusalCode, SignIn, SignOut, SignedIn};

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

impl From<Refusal> for MutationError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.code {
            RefusalCode::InvalidCredentials => MutationErrorCode::InvalidCredentials,
            RefusalCode::AccountLocked => MutationErrorCode::AccountLocked,
            RefusalCode::InvalidToken => MutationErrorCode::InvalidToken,
            RefusalCode::InvalidValue => MutationErrorCode::InvalidValue,
            RefusalCode::WeakPassword => MutationErrorCode::WeakPassword,
            RefusalCode::NotFound => MutationErrorCode::NotFound,
        };
        let path = ["input"].into_iter().chain(refusal.field).map(str::to_owned).collect();
        Self { code, message: refusal.message, path }
    }
}

/// A mutation's outcome: what it made, or why the person must put something right first.
fn refused<T>(outcome: Result<T, Failure>) -> Result<Result<T, Refusal>> {
    match outcome {
        Ok(done) => Ok(Ok(done)),
        Err(Failure::Refused(refusal)) => Ok(Err(refusal)),
        Err(Failure::Error(error)) => Err(GraphqlError::from(error)),
    }
}

/// Email and password.
#[derive(InputObject)]
pub struct LoginInput {
    /// However it is written: upper or lower case, spaces around it.
    email: String,
    /// At most 1,024 bytes.
    #[graphql(secret)]
    password: String,
    /// Keeps the session for the long lifetime instead of the normal one.
    #[graphql(default = false)]
    remember_me: bool,
}

/// The signed-in user's tokens. `expiresIn` is seconds.
#[derive(Clone, SimpleObject)]
pub struct Tokens {
    /// A JWT; send it as `Authorization: Bearer <token>`.
    access_token: String,
    /// Give it to `refresh` for the next pair; each is good for one use.
    refresh_token: String,
    /// Always `bearer`.
    token_type: String,
    /// Seconds until the access token expires.
    expires_in: i32,
}

impl From<&IssuedTokens> for Tokens {
    fn from(tokens: &IssuedTokens) -> Self {
        Self {
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            token_type: "bearer".to_owned(),
            expires_in: i32::try_from(tokens.expires_in.as_secs()).unwrap_or(i32::MAX),
        }
    }
}

pub struct LoginPayload(Result<SignedIn, Refusal>);

/// The session that just began, or why none did.
#[Object]
impl LoginPayload {
    /// The tokens; null where there are errors.
    async fn tokens(&self) -> Option<Tokens> {
        self.0.as_ref().ok().map(|signed_in| Tokens::from(&signed_in.tokens))
    }

    /// The session; null where there are errors.
    async fn session(&self, context: &Context<'_>) -> Result<Option<Session>> {
        session_of(context, self.0.as_ref().ok()).await
    }

    /// The user; null where there are errors.
    async fn user(&self, context: &Context<'_>) -> Result<Option<User>> {
        let Ok(signed_in) = &self.0 else { return Ok(None) };
        Ok(context.loader().load_one(UserById(signed_in.principal.access.user_id)).await?.map(User))
    }

    /// Seconds until another attempt can succeed, with ACCOUNT_LOCKED.
    async fn retry_after(&self) -> Option<i32> {
        let retry_after = self.0.as_ref().err()?.retry_after?;
        Some(i32::try_from(retry_after.as_secs()).unwrap_or(i32::MAX))
    }

    /// What the person must put right; empty where it worked.
    async fn errors(&self) -> Vec<MutationError> {
        self.0.as_ref().err().cloned().map(MutationError::from).into_iter().collect()
    }
}

async fn session_of(context: &Context<'_>, signed_in: Option<&SignedIn>) -> Result<Option<Session>> {
    let Some(signed_in) = signed_in else { return Ok(None) };
    Ok(context.loader().load_one(SessionById(signed_in.principal.access.session_id)).await?.map(Session))
}

/// A refresh token.
#[derive(InputObject)]
pub struct RefreshInput {
    /// The one from the last login or refresh.
    #[graphql(secret)]
    refresh_token: String,
}

pub struct RefreshPayload(Result<SignedIn, Refusal>);

/// The session's next tokens, or why there are none.
#[Object]
impl RefreshPayload {
    /// The tokens; null where there are errors.
    async fn tokens(&self) -> Option<Tokens> {
        self.0.as_ref().ok().map(|signed_in| Tokens::from(&signed_in.tokens))
    }

    /// The session; null where there are errors.
    async fn session(&self, context: &Context<'_>) -> Result<Option<Session>> {
        session_of(context, self.0.as_ref().ok()).await
    }

    /// What the person must put right; empty where it worked.
    async fn errors(&self) -> Vec<MutationError> {
        self.0.as_ref().err().cloned().map(MutationError::from).into_iter().collect()
    }
}

/// Which of the caller's sessions to end.
#[derive(Default, InputObject)]
pub struct LogoutInput {
    /// Another session of the caller's; left out: the current one.
    session: Option<ID>,
    /// Every session of the caller's, the current one included.
    #[graphql(default = false)]
    all_sessions: bool,
}

/// How many sessions ended.
#[derive(SimpleObject)]
pub struct LogoutPayload {
    /// Sessions that were going and are not any more.
    revoked_sessions: i32,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// The current password and the new one.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// As a proof that it is the user who asks.
    #[graphql(secret)]
    current_password: String,
    /// At least 8 characters, at most 1,024 bytes; no common one, and not the user's own name or email address.
    #[graphql(secret)]
    new_password: String,
    /// Ends the caller's other sessions.
    #[graphql(default = true)]
    revoke_other_sessions: bool,
}

pub struct ChangePasswordPayload(Result<uuid::Uuid, Refusal>);

/// The user whose password was changed.
#[Object]
impl ChangePasswordPayload {
    /// The user; null where there are errors.
    async fn user(&self, context: &Context<'_>) -> Result<Option<User>> {
        let Ok(id) = &self.0 else { return Ok(None) };
        Ok(context.loader().load_one(UserById(*id)).await?.map(User))
    }

    /// What the person must put right; empty where it worked.
    async fn errors(&self) -> Vec<MutationError> {
        self.0.as_ref().err().cloned().map(MutationError::from).into_iter().collect()
    }
}

#[derive(Default)]
pub struct SignInMutations;

#[Object]
impl SignInMutations {
    /// Begins a session. Needs no token; one that is sent along is not looked at.
    async fn login(&self, context: &Context<'_>, input: LoginInput) -> Result<LoginPayload> {
        let sign_in = SignIn { email: &input.email, password: &input.password, remember_me: input.remember_me };
        let outcome = refused(context.identity().sign_in(&context.caller(), sign_in).await)?;
        if let Ok(signed_in) = &outcome {
            context.go_on_as(&signed_in.principal);
        }
        Ok(LoginPayload(outcome))
    }

    /// Exchanges a refresh token for the next pair. Needs no access token; an expired one that is sent along is not
    /// looked at. The refresh token before the current one is answered with the current pair for 30 seconds (a second
    /// tab, a lost answer); an older one ends the session.
    async fn refresh(&self, context: &Context<'_>, input: RefreshInput) -> Result<RefreshPayload> {
        let outcome = refused(context.identity().refresh(&context.caller(), &input.refresh_token).await)?;
        if let Ok(signed_in) = &outcome {
            context.go_on_as(&signed_in.principal);
        }
        Ok(RefreshPayload(outcome))
    }

    /// Ends the current session, another one of the caller's, or all of them, at once.
    async fn logout(&self, context: &Context<'_>, input: Option<LogoutInput>) -> Result<LogoutPayload> {
        let input = input.unwrap_or_default();
        let which = match (&input.session, input.all_sessions) {
            (_, true) => SignOut::All,
            (Some(id), false) => SignOut::Session(ids::session_id(id, "input.session")?),
            (None, false) => SignOut::Current,
        };
        let outcome = refused(context.identity().sign_out(&context.caller(), which).await)?;
        let revoked_sessions = i32::try_from(*outcome.as_ref().unwrap_or(&0)).unwrap_or(i32::MAX);
        Ok(LogoutPayload { revoked_sessions, errors: outcome.err().map(MutationError::from).into_iter().collect() })
    }

    /// Sets a new password for the caller.
    async fn change_password(
        &self,
        context: &Context<'_>,
        input: ChangePasswordInput,
    ) -> Result<ChangePasswordPayload> {
        let change = PasswordChange {
            current: &input.current_password,
            new: &input.new_password,
            end_other_sessions: input.revoke_other_sessions,
        };
        Ok(ChangePasswordPayload(refused(context.identity().change_password(&context.caller(), change).await)?))
    }
}
