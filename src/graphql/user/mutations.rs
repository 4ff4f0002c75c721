//! Changing users.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use uuid::Uuid;

use super::{HotelScope, User, load_user};
use crate::graphql::context::RequestContext;
use crate::graphql::errors::Result;
use crate::graphql::ids::{self, GlobalId};
use crate::graphql::loaders::UserById;
use crate::graphql::payload::{MutationError, edit, settled};
use crate::graphql::scalars::DateTime;
use crate::identity::{Assignment, Failure, NewUser, PasswordSet, UserUpdate};

/// A user to add.
#[derive(InputObject)]
pub struct CreateUserInput {
    /// Unique; stored trimmed and in lower case.
    email: String,
    /// Left out: a random one is made and returned once. Either is temporary: it must be changed at the first sign-in, and within
    /// 24 hours. An API key gives none, and whom it adds has none until a person resets it.
    #[graphql(secret)]
    password: Option<String>,
    /// Given name, at most 100 characters.
    first_name: Option<String>,
    /// Family name, at most 100 characters.
    last_name: Option<String>,
    /// Without a verified email address a user cannot sign in.
    #[graphql(default = false)]
    email_verified: bool,
    /// ALL takes a caller who reaches every hotel.
    #[graphql(default_with = "HotelScope::Assigned")]
    hotel_scope: HotelScope,
    /// Ids, each once. Of roles that grant nothing which the caller does not hold.
    #[graphql(default)]
    roles: Vec<ID>,
    /// Ids, each once. Of hotels that the caller reaches; a caller who does not reach every hotel names at least one.
    #[graphql(default)]
    hotels: Vec<ID>,
}

/// The user that was added.
#[derive(SimpleObject)]
pub struct CreateUserPayload {
    /// The user; null where there are errors.
    user: Option<User>,
    /// The password that was made, shown this once.
    temporary_password: Option<String>,
    /// From when on the password opens nothing, unless it has been changed.
    temporary_password_expires_at: Option<DateTime>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// Fields left out stay as they are; null clears where the field may be null.
#[derive(InputObject)]
pub struct UpdateUserInput {
    /// user:<uuid>
    id: ID,
    /// Unique; stored trimmed and in lower case. Needs user:update, also one's own. A new address is not verified, and ends the
    /// user's sessions, unless `emailVerified: true` stands beside it.
    email: MaybeUndefined<String>,
    /// Given name, at most 100 characters.
    first_name: MaybeUndefined<String>,
    /// Family name, at most 100 characters.
    last_name: MaybeUndefined<String>,
    /// Without a verified email address a user cannot sign in: `false` ends all sessions. Needs user:update; `true` takes a person,
    /// and of one's own address system:admin with hotel scope ALL.
    email_verified: MaybeUndefined<bool>,
    /// ALL takes a caller who reaches every hotel. Needs user:update.
    hotel_scope: MaybeUndefined<HotelScope>,
}

/// The user that was changed.
#[derive(SimpleObject)]
pub struct UpdateUserPayload {
    /// The user as it is now; null where there are errors.
    user: Option<User>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// A user to deactivate.
#[derive(InputObject)]
pub struct DeactivateUserInput {
    /// user:<uuid>
    id: ID,
    /// For the audit trail; at most 500 characters.
    reason: Option<String>,
}

/// The user that was deactivated.
#[derive(SimpleObject)]
pub struct DeactivateUserPayload {
    /// The user as it is now; null where there are errors.
    user: Option<User>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// A user to reactivate.
#[derive(InputObject)]
pub struct ReactivateUserInput {
    /// user:<uuid>
    id: ID,
}

/// The user that was reactivated.
#[derive(SimpleObject)]
pub struct ReactivateUserPayload {
    /// The user as it is now; null where there are errors.
    user: Option<User>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// A user to erase.
#[derive(InputObject)]
pub struct DeleteUserInput {
    /// user:<uuid>
    id: ID,
}

/// The user that was erased.
#[derive(SimpleObject)]
pub struct DeleteUserPayload {
    /// The id that was the user's; null where there are errors.
    deleted_id: Option<ID>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// A user to unlock.
#[derive(InputObject)]
pub struct UnlockUserInput {
    /// user:<uuid>
    id: ID,
}

/// The user that was unlocked.
#[derive(SimpleObject)]
pub struct UnlockUserPayload {
    /// The user as it is now; null where there are errors.
    user: Option<User>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// Whose password to set.
#[derive(InputObject)]
pub struct ResetUserPasswordInput {
    /// user:<uuid>
    id: ID,
    /// Left out: a random one is made and returned once.
    #[graphql(secret)]
    new_password: Option<String>,
}

/// The user whose password was set.
#[derive(SimpleObject)]
pub struct ResetUserPasswordPayload {
    /// The user as it is now; null where there are errors.
    user: Option<User>,
    /// The password that was made, shown this once.
    temporary_password: Option<String>,
    /// From when on the password opens nothing, unless it has been changed.
    temporary_password_expires_at: Option<DateTime>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// Adds every role to every user; what is already so stays so. All or nothing.
#[derive(InputObject)]
pub struct AssignRolesInput {
    /// Ids, each once, at most 1,000.
    users: Vec<ID>,
    /// Ids, each once, at most 100. Of roles that grant nothing which the caller does not hold.
    roles: Vec<ID>,
}

/// The users as they are now.
#[derive(SimpleObject)]
pub struct AssignRolesPayload {
    /// In the order given, as far as the caller may see them; empty where there are errors.
    users: Vec<User>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// Takes every role from every user; what is already so stays so. All or nothing.
#[derive(InputObject)]
pub struct UnassignRolesInput {
    /// Ids, each once, at most 1,000.
    users: Vec<ID>,
    /// Ids, each once, at most 100.
    roles: Vec<ID>,
}

/// The users as they are now.
#[derive(SimpleObject)]
pub struct UnassignRolesPayload {
    /// In the order given, as far as the caller may see them; empty where there are errors.
    users: Vec<User>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// Assigns every hotel to every user; what is already so stays so. All or nothing.
#[derive(InputObject)]
pub struct AssignHotelsInput {
    /// Ids, each once, at most 1,000.
    users: Vec<ID>,
    /// Ids, each once, at most 100. Of hotels that the caller reaches.
    hotels: Vec<ID>,
}

/// The users as they are now.
#[derive(SimpleObject)]
pub struct AssignHotelsPayload {
    /// In the order given, as far as the caller may see them; empty where there are errors.
    users: Vec<User>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// Takes every hotel from every user; what is already so stays so. All or nothing.
#[derive(InputObject)]
pub struct UnassignHotelsInput {
    /// Ids, each once, at most 1,000.
    users: Vec<ID>,
    /// Ids, each once, at most 100. Of hotels that the caller reaches.
    hotels: Vec<ID>,
}

/// The users as they are now.
#[derive(SimpleObject)]
pub struct UnassignHotelsPayload {
    /// In the order given, as far as the caller may see them: without one's last shared hotel, they may not. Empty where there
    /// are errors.
    users: Vec<User>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

#[derive(Default)]
pub struct UserMutations;

#[Object]
impl UserMutations {
    /// Adds a user. Needs user:create, and for what the user is given, that the caller holds it.
    async fn create_user(&self, context: &Context<'_>, input: CreateUserInput) -> Result<CreateUserPayload> {
        let new = NewUser {
            email: input.email,
            password: input.password,
            first_name: input.first_name,
            last_name: input.last_name,
            email_verified: input.email_verified,
            hotel_scope: input.hotel_scope.into(),
            roles: parse(&input.roles, "input.roles", ids::role_id)?,
            hotels: parse(&input.hotels, "input.hotels", ids::hotel_id)?,
        };
        let outcome = context.identity().create_user(&context.caller(), new).await;
        let (made, errors) = settled(context, outcome.map(Some))?;
        let (id, set) = made.unzip();
        let PasswordSet { made: temporary_password, expires_at } = set.unwrap_or_default();
        let temporary_password_expires_at = expires_at.map(DateTime);
        let user = load_user(context, id).await?;
        Ok(CreateUserPayload { user, temporary_password, temporary_password_expires_at, errors })
    }

    /// Changes a user's particulars. One's own names are one's own; all else needs user:update, and that the caller reaches
    /// every hotel and holds every permission of the user.
    async fn update_user(&self, context: &Context<'_>, input: UpdateUserInput) -> Result<UpdateUserPayload> {
        let id = ids::user_id(&input.id, "input.id")?;
        let update = UserUpdate {
            email: edit(input.email),
            first_name: edit(input.first_name),
            last_name: edit(input.last_name),
            email_verified: edit(input.email_verified),
            hotel_scope: edit(input.hotel_scope),
        };
        let outcome = context.identity().update_user(&context.caller(), id, update).await;
        let (user, errors) = changed(context, id, outcome).await?;
        Ok(UpdateUserPayload { user, errors })
    }

    /// Soft delete: the account stays, cannot sign in, and its sessions end at once. Needs user:update, and that the caller
    /// reaches every hotel and holds every permission of the user. Not oneself.
    async fn deactivate_user(
        &self,
        context: &Context<'_>,
        input: DeactivateUserInput,
    ) -> Result<DeactivateUserPayload> {
        let id = ids::user_id(&input.id, "input.id")?;
        let outcome = context.identity().deactivate_user(&context.caller(), id, input.reason.as_deref()).await;
        let (user, errors) = changed(context, id, outcome).await?;
        Ok(DeactivateUserPayload { user, errors })
    }

    /// Lets a deactivated user sign in again. Needs what deactivateUser needs.
    async fn reactivate_user(
        &self,
        context: &Context<'_>,
        input: ReactivateUserInput,
    ) -> Result<ReactivateUserPayload> {
        let id = ids::user_id(&input.id, "input.id")?;
        let outcome = context.identity().reactivate_user(&context.caller(), id).await;
        let (user, errors) = changed(context, id, outcome).await?;
        Ok(ReactivateUserPayload { user, errors })
    }

    /// Erases the person's data for good; audit events keep only the id. Needs user:delete, and that the caller reaches every
    /// hotel and holds every permission of the user. Not oneself.
    async fn delete_user(&self, context: &Context<'_>, input: DeleteUserInput) -> Result<DeleteUserPayload> {
        let id = ids::user_id(&input.id, "input.id")?;
        let outcome = context.identity().delete_user(&context.caller(), id).await;
        let (deleted_id, errors) = settled(context, outcome.map(|()| Some(GlobalId::User(id).to_id())))?;
        Ok(DeleteUserPayload { deleted_id, errors })
    }

    /// Lifts the lock that failed sign-ins brought about. Needs what deactivateUser needs.
    async fn unlock_user(&self, context: &Context<'_>, input: UnlockUserInput) -> Result<UnlockUserPayload> {
        let id = ids::user_id(&input.id, "input.id")?;
        let outcome = context.identity().unlock_user(&context.caller(), id).await;
        let (user, errors) = changed(context, id, outcome).await?;
        Ok(UnlockUserPayload { user, errors })
    }

    /// An administrator sets a temporary password; the user must change it at the next sign-in and all sessions end. A lock is
    /// lifted. Needs what deactivateUser needs, of a person and not of an API key; one's own password one changes with
    /// changePassword.
    async fn reset_user_password(
        &self,
        context: &Context<'_>,
        input: ResetUserPasswordInput,
    ) -> Result<ResetUserPasswordPayload> {
        let id = ids::user_id(&input.id, "input.id")?;
        let outcome = context.identity().reset_password(&context.caller(), id, input.new_password.as_deref()).await;
        let (done, errors) = settled(context, outcome.map(Some))?;
        let user = load_user(context, done.as_ref().map(|_| id)).await?;
        let set = done.unwrap_or_default();
        let temporary_password_expires_at = set.expires_at.map(DateTime);
        Ok(ResetUserPasswordPayload { user, temporary_password: set.made, temporary_password_expires_at, errors })
    }

    /// Gives roles, and ends the sessions of users who hold more by it. Needs user:update, and that the caller reaches every hotel and holds every permission of each user.
    async fn assign_roles(&self, context: &Context<'_>, input: AssignRolesInput) -> Result<AssignRolesPayload> {
        let (users, errors) = assign_roles(context, Assignment::Give, &input.users, &input.roles).await?;
        Ok(AssignRolesPayload { users, errors })
    }

    /// Takes roles. Needs what assignRoles needs.
    async fn unassign_roles(&self, context: &Context<'_>, input: UnassignRolesInput) -> Result<UnassignRolesPayload> {
        let (users, errors) = assign_roles(context, Assignment::Take, &input.users, &input.roles).await?;
        Ok(UnassignRolesPayload { users, errors })
    }

    /// Gives hotels, and ends the sessions of users who reach more by it. Needs user:update, and that the caller reaches every hotel and holds every permission of each user.
    async fn assign_hotels(&self, context: &Context<'_>, input: AssignHotelsInput) -> Result<AssignHotelsPayload> {
        let (users, errors) = assign_hotels(context, Assignment::Give, &input.users, &input.hotels).await?;
        Ok(AssignHotelsPayload { users, errors })
    }

    /// Takes hotels. Needs what assignHotels needs.
    async fn unassign_hotels(
        &self,
        context: &Context<'_>,
        input: UnassignHotelsInput,
    ) -> Result<UnassignHotelsPayload> {
        let (users, errors) = assign_hotels(context, Assignment::Take, &input.users, &input.hotels).await?;
        Ok(UnassignHotelsPayload { users, errors })
    }
}

fn parse<T>(given: &[ID], argument: &str, read: fn(&ID, &str) -> Result<T>) -> Result<Vec<T>> {
    given.iter().map(|id| read(id, argument)).collect()
}

/// The user after a change, or why there was none.
async fn changed(
    context: &Context<'_>,
    id: Uuid,
    outcome: Result<(), Failure>,
) -> Result<(Option<User>, Vec<MutationError>)> {
    let (id, errors) = settled(context, outcome.map(|()| Some(id)))?;
    Ok((load_user(context, id).await?, errors))
}

async fn assign_roles(
    context: &Context<'_>,
    assignment: Assignment,
    users: &[ID],
    roles: &[ID],
) -> Result<(Vec<User>, Vec<MutationError>)> {
    let users = parse(users, "input.users", ids::user_id)?;
    let roles = parse(roles, "input.roles", ids::role_id)?;
    let outcome = context.identity().assign_roles(&context.caller(), assignment, &users, &roles).await;
    all_changed(context, users, outcome).await
}

async fn assign_hotels(
    context: &Context<'_>,
    assignment: Assignment,
    users: &[ID],
    hotels: &[ID],
) -> Result<(Vec<User>, Vec<MutationError>)> {
    let users = parse(users, "input.users", ids::user_id)?;
    let hotels = parse(hotels, "input.hotels", ids::hotel_id)?;
    let outcome = context.identity().assign_hotels(&context.caller(), assignment, &users, &hotels).await;
    all_changed(context, users, outcome).await
}

async fn all_changed(
    context: &Context<'_>,
    users: Vec<Uuid>,
    outcome: Result<(), Failure>,
) -> Result<(Vec<User>, Vec<MutationError>)> {
    let (ids, errors) = settled(context, outcome.map(|()| users))?;
    let mut loaded = context.loader().load_many(ids.iter().map(|id| UserById(*id))).await?;
    Ok((ids.iter().filter_map(|id| loaded.remove(&UserById(*id))).map(User::from).collect(), errors))
}
