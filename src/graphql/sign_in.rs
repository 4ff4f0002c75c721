//! Sign-in, refresh, sign-out and changing one's password.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::context::{Kept, RequestContext};
use super::errors::Result;
use super::ids;
use super::loaders::{SessionById, UserById};
use super::payload::{MutationError, Refusals, refused};
use super::session::Session;
use super::user::User;
use crate::identity::{IssuedTokens, PasswordChange, SignIn, SignOut, SignedIn};

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
    /// Give it to `refresh` for the next pair; each is good for one use. Empty where a cookie keeps it.
    refresh_token: String,
    /// Always `bearer`.
    token_type: String,
    /// Seconds until the access token expires.
    expires_in: i32,
}

impl Tokens {
    /// Has the refresh token kept where there is a keeper, and shown where there is none.
    fn given(context: &Context<'_>, tokens: &IssuedTokens) -> Self {
        let kept = context.keep_token(Kept::Token(tokens.refresh_token.clone()));
        Self {
            access_token: tokens.access_token.clone(),
            refresh_token: if kept { String::new() } else { tokens.refresh_token.clone() },
            token_type: "bearer".to_owned(),
            expires_in: i32::try_from(tokens.expires_in.as_secs()).unwrap_or(i32::MAX),
        }
    }
}

pub struct LoginPayload(Result<SignedIn, Refusals>, Option<Tokens>);

/// The session that just began, or why none did.
#[Object]
impl LoginPayload {
    /// The tokens; null where there are errors.
    async fn tokens(&self) -> Option<Tokens> {
        self.1.clone()
    }

    /// The session; null where there are errors.
    async fn session(&self, context: &Context<'_>) -> Result<Option<Session>> {
        session_of(context, self.0.as_ref().ok()).await
    }

    /// The user; null where there are errors.
    async fn user(&self, context: &Context<'_>) -> Result<Option<User>> {
        let Ok(signed_in) = &self.0 else { return Ok(None) };
        Ok(context.load(UserById(signed_in.access.user_id)).await?.map(User::from))
    }

    /// Seconds until another attempt can succeed, with ACCOUNT_LOCKED.
    async fn retry_after(&self) -> Option<i32> {
        let retry_after = self.0.as_ref().err()?.retry_after()?;
        Some(i32::try_from(retry_after.as_secs()).unwrap_or(i32::MAX))
    }

    /// What the person must put right; empty where it worked.
    async fn errors(&self) -> Vec<MutationError> {
        self.0.as_ref().err().map(Refusals::told).unwrap_or_default()
    }
}

async fn session_of(context: &Context<'_>, signed_in: Option<&SignedIn>) -> Result<Option<Session>> {
    let Some(signed_in) = signed_in else { return Ok(None) };
    Ok(context.load(SessionById(signed_in.access.session_id)).await?.map(Session))
}

/// A refresh token.
#[derive(InputObject)]
pub struct RefreshInput {
    /// The one from the last login or refresh; empty where a cookie keeps it.
    #[graphql(secret)]
    refresh_token: String,
}

pub struct RefreshPayload(Result<SignedIn, Refusals>, Option<Tokens>);

/// The session's next tokens, or why there are none.
#[Object]
impl RefreshPayload {
    /// The tokens; null where there are errors.
    async fn tokens(&self) -> Option<Tokens> {
        self.1.clone()
    }

    /// The session; null where there are errors.
    async fn session(&self, context: &Context<'_>) -> Result<Option<Session>> {
        session_of(context, self.0.as_ref().ok()).await
    }

    /// What the person must put right; empty where it worked.
    async fn errors(&self) -> Vec<MutationError> {
        self.0.as_ref().err().map(Refusals::told).unwrap_or_default()
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
    /// Whose session is the current one, where the access token has expired; left out where a cookie keeps it.
    #[graphql(secret)]
    refresh_token: Option<String>,
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

pub struct ChangePasswordPayload(Result<uuid::Uuid, Refusals>);

/// The user whose password was changed.
#[Object]
impl ChangePasswordPayload {
    /// The user; null where there are errors.
    async fn user(&self, context: &Context<'_>) -> Result<Option<User>> {
        let Ok(id) = &self.0 else { return Ok(None) };
        Ok(context.load(UserById(*id)).await?.map(User::from))
    }

    /// What the person must put right; empty where it worked.
    async fn errors(&self) -> Vec<MutationError> {
        self.0.as_ref().err().map(Refusals::told).unwrap_or_default()
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
            context.go_on_as(&signed_in.access);
        }
        // Kept whether the payload's tokens are asked for or not.
        let tokens = outcome.as_ref().ok().map(|signed_in| Tokens::given(context, &signed_in.tokens));
        Ok(LoginPayload(outcome, tokens))
    }

    /// Exchanges a refresh token for the next pair. Needs no access token; an expired one that is sent along is not
    /// looked at. The refresh token before the current one is answered with the current pair for 30 seconds (a second
    /// tab, a lost answer); an older one ends the session.
    async fn refresh(&self, context: &Context<'_>, input: RefreshInput) -> Result<RefreshPayload> {
        let token = if input.refresh_token.is_empty() { context.kept_token() } else { &input.refresh_token };
        let outcome = refused(context.identity().refresh(&context.caller(), token).await)?;
        if let Ok(signed_in) = &outcome {
            context.go_on_as(&signed_in.access);
        }
        let tokens = outcome.as_ref().ok().map(|signed_in| Tokens::given(context, &signed_in.tokens));
        Ok(RefreshPayload(outcome, tokens))
    }

    /// Ends the current session, another one of the caller's, or all of them, at once. Where the access token has expired, or none
    /// is sent along, the refresh token tells who asks.
    async fn logout(&self, context: &Context<'_>, input: Option<LogoutInput>) -> Result<LogoutPayload> {
        let input = input.unwrap_or_default();
        let which = match (&input.session, input.all_sessions) {
            (_, true) => SignOut::All,
            (Some(id), false) => SignOut::Session(ids::session_id(id, "input.session")?),
            (None, false) => SignOut::Current,
        };
        let (caller, identity) = (context.caller(), context.identity());
        let kept = Some(context.kept_token()).filter(|token| !token.is_empty());
        let refresh_token = input.refresh_token.as_deref().filter(|token| !token.is_empty()).or(kept);
        let outcome = identity.sign_out(&caller, which, refresh_token).await;
        if outcome.is_ok() || kept.is_some() {
            // If its session has ended, now or before.
            context.keep_token(Kept::Nothing);
        }
        let outcome = refused(outcome)?;
        let revoked_sessions = i32::try_from(*outcome.as_ref().unwrap_or(&0)).unwrap_or(i32::MAX);
        Ok(LogoutPayload {
            revoked_sessions,
            errors: outcome.err().map(|refusals| refusals.told()).unwrap_or_default(),
        })
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
