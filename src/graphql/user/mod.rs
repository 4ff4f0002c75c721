//! Users: the type, its look-ups and its lists. Changing them is in [`mutations`], what of them is written at once in [`at_hand`].

mod at_hand;
pub mod mutations;

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, ID, InputObject, Object, OneofObject};

use crate::graphql::connection::{
    PageArguments, TotalCount, connection, read_session_cursor, read_text_cursor, read_user_cursor, user_cursor,
};
use crate::graphql::context::RequestContext;
use crate::graphql::errors::{GraphqlError, Result};
use crate::graphql::hotel::{HotelConnection, hotel_connection};
use crate::graphql::ids::{self, GlobalId};
use crate::graphql::loaders::{
    HotelCount, HotelPage, RolesOf, SessionCount, SessionPage, UserById, UserCount, UserList, UserPage,
};
use crate::graphql::role::Role;
use crate::graphql::scalars::DateTime;
use crate::graphql::session::{SessionConnection, SessionFilter, session_connection};
use crate::graphql::written::{Selections, Written};
use crate::identity::{Caller, require_ready, sign_ins_are_visible};
use crate::store::hotels::{Holder, HotelsOf};
use crate::store::roles;
use crate::store::sessions::SessionsOf;
use crate::store::users::{self, UserOrderField as Field, UsersOf, With};
use crate::text::may_be_a_word;

/// Whether a user or an API key reaches every hotel, or only those assigned.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "users::HotelScope")]
pub enum HotelScope {
    /// Every hotel, those to come included.
    All,
    /// The hotels assigned, and no other.
    Assigned,
}

pub struct User {
    user: Arc<users::User>,
    /// As the principal was found: what changes with every sign-in may have changed since.
    is_of_principal: bool,
}

impl From<Arc<users::User>> for User {
    fn from(user: Arc<users::User>) -> Self {
        Self { user, is_of_principal: false }
    }
}

impl User {
    /// The user who makes the request.
    pub fn of_principal(user: Arc<users::User>) -> Self {
        Self { user, is_of_principal: true }
    }

    /// The user, where what sign-ins change is as of this request.
    fn as_read(&self) -> Option<&users::User> {
        (!self.is_of_principal).then_some(&*self.user)
    }

    /// The user as of this request, for what sign-ins change.
    async fn as_of_now(&self, context: &Context<'_>) -> Result<Arc<users::User>> {
        let read = if self.is_of_principal { context.load(UserById(self.user.id)).await? } else { None };
        Ok(read.unwrap_or_else(|| self.user.clone()))
    }

    /// Whether the caller may see how and when the user signs in.
    fn tells_of_sign_ins(&self, caller: &Caller) -> bool {
        self.is_of_principal || sign_ins_are_visible(&caller.principal, self.user.id)
    }

    /// The user as of this request, where the caller may see how and when they sign in.
    async fn as_seen_now(&self, context: &Context<'_>) -> Result<Option<Arc<users::User>>> {
        if self.tells_of_sign_ins(&context.caller()) { self.as_of_now(context).await.map(Some) } else { Ok(None) }
    }

    fn name_to_display(&self) -> String {
        let names = [&self.user.first_name, &self.user.last_name].into_iter().flatten();
        let names: Vec<&str> = names.map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
        if names.is_empty() { self.user.email.clone() } else { names.join(" ") }
    }

    async fn held_roles(&self, context: &Context<'_>) -> Result<Vec<Arc<roles::Role>>> {
        match context.identity().roles_at_hand(&self.user) {
            Some(roles) => Ok(roles),
            None => Ok(context.load(RolesOf(self.user.id)).await?.unwrap_or_default()),
        }
    }
}

/// A person who can sign in.
///
/// Visible to themself, to the people of the same hotels, and to callers with user:view and hotel scope ALL.
#[Object]
impl User {
    /// user:<uuid>
    pub async fn id(&self) -> ID {
        GlobalId::User(self.user.id).to_id()
    }

    /// Unique, stored trimmed and in lower case.
    async fn email(&self) -> &str {
        &self.user.email
    }

    /// Given name.
    async fn first_name(&self) -> Option<&str> {
        self.user.first_name.as_deref()
    }

    /// Family name.
    async fn last_name(&self) -> Option<&str> {
        self.user.last_name.as_deref()
    }

    /// First and last name, or the email address where both are missing.
    async fn display_name(&self) -> String {
        self.name_to_display()
    }

    /// False once deactivated: such a user cannot sign in.
    async fn active(&self) -> bool {
        self.user.active
    }

    /// Without a verified email address a user cannot sign in.
    async fn email_verified(&self) -> bool {
        self.user.email_verified
    }

    /// True while `lockedUntil` lies in the future. Of others with user:view; else false.
    async fn locked(&self, context: &Context<'_>) -> Result<bool> {
        let until = self.as_seen_now(context).await?.and_then(|user| user.locked_until);
        Ok(until.is_some_and(|until| until > context.identity().clock().now()))
    }

    /// Until when sign-ins are refused after too many failures. Of others with user:view; else null.
    async fn locked_until(&self, context: &Context<'_>) -> Result<Option<DateTime>> {
        Ok(self.as_seen_now(context).await?.and_then(|user| user.locked_until).map(DateTime))
    }

    /// Failed sign-ins since the last successful one. Of others with user:view; else 0.
    async fn failed_login_attempts(&self, context: &Context<'_>) -> Result<i32> {
        Ok(self.as_seen_now(context).await?.map_or(0, |user| user.failed_login_attempts))
    }

    /// When the user last signed in; null if never. Of others with user:view; else null.
    async fn last_login_at(&self, context: &Context<'_>) -> Result<Option<DateTime>> {
        Ok(self.as_seen_now(context).await?.and_then(|user| user.last_login_at).map(DateTime))
    }

    /// When the password was last set. Of others with user:view; else null.
    async fn password_changed_at(&self, context: &Context<'_>) -> Option<DateTime> {
        self.user.password_changed_at.filter(|_| self.tells_of_sign_ins(&context.caller())).map(DateTime)
    }

    /// The user must set a new password before doing anything else (demo accounts, passwords that others have set). Of others
    /// with user:view; else false.
    async fn must_change_password(&self, context: &Context<'_>) -> bool {
        self.user.must_change_password && self.tells_of_sign_ins(&context.caller())
    }

    /// Whether sign-in asks for a second factor. Of others with user:view; else false.
    async fn mfa_enabled(&self, context: &Context<'_>) -> bool {
        self.user.mfa_enabled && self.tells_of_sign_ins(&context.caller())
    }

    /// Whether the user reaches every hotel, or only those assigned.
    async fn hotel_scope(&self) -> HotelScope {
        self.user.hotel_scope.into()
    }

    /// Roles held, by name. A user holds few, so this is a plain list.
    async fn roles(&self, context: &Context<'_>) -> Result<Vec<Role>> {
        Ok(self.held_roles(context).await?.into_iter().map(Role).collect())
    }

    /// Union of the permissions of the user's active roles, sorted.
    async fn permissions(&self, context: &Context<'_>) -> Result<Vec<String>> {
        let roles = self.held_roles(context).await?;
        Ok(permissions_of(&roles).into_iter().cloned().collect())
    }

    /// Hotels the user may access: all active hotels under scope ALL, else those assigned. By id; of others' hotels only
    /// those that the caller reaches too.
    async fn hotels(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<HotelConnection> {
        let page = PageArguments { first, after, last, before }.request(|cursor| read_text_cursor("hotel", cursor))?;
        let every = self.user.hotel_scope == users::HotelScope::All;
        let of = HotelsOf { holder: Holder::User, id: self.user.id, every, only_active: false };
        let counted = TotalCount::HotelsOf(HotelCount { of, at_most: None });
        if let Some((hotels, count)) = context.identity().hotels_at_hand(&context.caller(), &self.user, &page) {
            return Ok(hotel_connection(Some(hotels), count.map_or(counted, TotalCount::Known)));
        }
        Ok(hotel_connection(context.load(HotelPage { of, page }).await?, counted))
    }

    /// Newest first. One's own; those of others with user:view.
    async fn sessions(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<SessionFilter>,
    ) -> Result<SessionConnection> {
        let page = PageArguments { first, after, last, before }.request(read_session_cursor)?;
        let parent = SessionsOf::User(self.user.id);
        let filter = Arc::new(filter.unwrap_or_default().into_store(context)?);
        let sessions = context.load(SessionPage { parent, filter: filter.clone(), page }).await?;
        Ok(session_connection(sessions, TotalCount::Sessions(SessionCount { parent, filter, at_most: None })))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.user.created_at.into()
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        self.user.updated_at.into()
    }

    /// Who made the account, where the caller may see them; null for the system itself.
    async fn created_by(&self, context: &Context<'_>) -> Result<Option<User>> {
        load_user(context, self.user.created_by).await
    }

    /// Who last changed the account, where the caller may see them; null for the system itself.
    async fn updated_by(&self, context: &Context<'_>) -> Result<Option<User>> {
        load_user(context, self.user.updated_by).await
    }
}

fn permissions_of(roles: &[Arc<roles::Role>]) -> Vec<&String> {
    let granting = roles.iter().filter(|role| role.active);
    let mut permissions: Vec<_> = granting.flat_map(|role| &role.permissions).collect();
    permissions.sort_unstable();
    permissions.dedup();
    permissions
}

pub async fn load_user(context: &Context<'_>, id: Option<uuid::Uuid>) -> Result<Option<User>> {
    let Some(id) = id else { return Ok(None) };
    Ok(context.load(UserById(id)).await?.map(User::from))
}

pub type UserConnection = Connection<String, Written<User>, TotalCount>;

/// Names one user, by id or by email address.
#[derive(OneofObject)]
pub enum UserBy {
    /// user:<uuid>
    Id(ID),
    /// However it is written: upper or lower case, spaces around it.
    Email(String),
}

/// Narrows a list of users; what is left out does not.
#[derive(Default, InputObject)]
pub struct UserFilter {
    /// Case-insensitive, and accents do not matter; each word matches anywhere in email, first or last name. At least 2
    /// characters, or one that is a word, such as 李.
    search: Option<String>,
    /// Can sign in, or was deactivated.
    active: Option<bool>,
    /// Locked at this moment, or not. Needs user:view.
    locked: Option<bool>,
    /// Whether the email address is verified.
    email_verified: Option<bool>,
    /// Reaches every hotel, or only those assigned.
    hotel_scope: Option<HotelScope>,
    /// Holds any of these roles.
    roles: Option<Vec<ID>>,
    /// May access any of these hotels.
    hotels: Option<Vec<ID>>,
    /// Has this permission through an active role.
    permission: Option<String>,
    /// At this instant or later.
    created_after: Option<DateTime>,
    /// Before this instant.
    created_before: Option<DateTime>,
    /// At this instant or later. Needs user:view.
    last_login_after: Option<DateTime>,
    /// Before this instant; who never signed in is not meant. Needs user:view.
    last_login_before: Option<DateTime>,
}

const MAX_IDS_IN_FILTER: usize = 100;

/// A search text, or the reason why it is none.
pub fn search_text(search: Option<String>) -> Result<Option<String>> {
    let Some(search) = search else { return Ok(None) };
    let length = search.trim().chars().count();
    let is_a_word = length == 1 && search.trim().chars().all(may_be_a_word);
    if !(2..=100).contains(&length) && !is_a_word {
        return Err(GraphqlError::bad_input(
            "filter.search",
            "has 2 to 100 characters, or one that is a word, such as 李",
        ));
    }
    Ok(Some(search.trim().to_owned()))
}

impl UserFilter {
    fn into_store(self, context: &Context<'_>) -> Result<users::UserFilter> {
        let parse_all = |ids: &[ID], argument: &str| {
            if ids.len() > MAX_IDS_IN_FILTER {
                return Err(GraphqlError::bad_input(argument, "holds at most 100 ids"));
            }
            Ok(())
        };
        let roles = self.roles.map(|ids| {
            parse_all(&ids, "filter.roles")?;
            ids.iter().map(|id| ids::role_id(id, "filter.roles")).collect::<Result<Vec<_>>>()
        });
        let hotels = self.hotels.map(|ids| {
            parse_all(&ids, "filter.hotels")?;
            ids.iter().map(|id| ids::hotel_id(id, "filter.hotels")).collect::<Result<Vec<_>>>()
        });
        let now = context.now();
        Ok(users::UserFilter {
            search: search_text(self.search)?,
            active: self.active,
            locked: self.locked.map(|locked| (locked, now)),
            email_verified: self.email_verified,
            hotel_scope: self.hotel_scope.map(Into::into),
            roles: roles.transpose()?,
            hotels: hotels.transpose()?,
            permission: self.permission,
            created_after: self.created_after.map(|time| time.0),
            created_before: self.created_before.map(|time| time.0),
            last_login_after: self.last_login_after.map(|time| time.0),
            last_login_before: self.last_login_before.map(|time| time.0),
        })
    }
}

/// How a list of users is sorted; users alike in the field by their ids.
#[derive(InputObject)]
pub struct UserOrder {
    /// What to sort by.
    field: UserOrderField,
    /// Which way.
    #[graphql(default_with = "OrderDirection::Asc")]
    direction: OrderDirection,
}

/// What users can be sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Field")]
pub enum UserOrderField {
    /// When the account was made.
    CreatedAt,
    /// Email address.
    Email,
    /// As Unicode's root collation sorts: upper and lower case alike, accents only between names that are the same without.
    /// Without a last name first.
    LastName,
    /// Who never signed in first. Needs user:view.
    LastLoginAt,
}

/// Which way a list is sorted.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum OrderDirection {
    /// Smallest, earliest or first in the alphabet first.
    Asc,
    /// The other way round.
    Desc,
}

/// A list of users of a parent, as its field was asked for it.
pub async fn list_users(
    context: &Context<'_>,
    parent: UsersOf,
    page: PageArguments,
    filter: Option<UserFilter>,
    order: Option<UserOrder>,
) -> Result<UserConnection> {
    let filter = Arc::new(filter.unwrap_or_default().into_store(context)?);
    let order = order.map_or(users::UserOrder { field: Field::CreatedAt, descending: false }, |order| {
        users::UserOrder { field: order.field.into(), descending: order.direction == OrderDirection::Desc }
    });
    let page = page.request(|cursor| read_user_cursor(order.field, cursor))?;
    let selection = context.look_ahead();
    let shown_by = [selection.field("nodes"), selection.field("edges").field("node")];
    let asks_for = |field: &str| shown_by.iter().any(|rows| rows.field(field).exists());
    let with = With { role_ids: asks_for("roles") || asks_for("permissions"), hotel_ids: asks_for("hotels") };
    let list = Arc::new(UserList { filter: filter.clone(), order, page, with });
    let users = context.load(UserPage { parent: parent.clone(), list }).await?;
    let total = TotalCount::Users(UserCount { parent, filter, at_most: None });
    let Some(users) = users else { return Ok(Connection::with_additional_fields(false, false, total)) };
    let users = Arc::unwrap_or_clone(users);
    let selections = Selections::of(context, &shown_by);
    let row = |user: Arc<users::User>| Written { object: User::from(user), selections: selections.clone() };
    Ok(connection(users, total, |user| user_cursor(order.field, &user.cursor(order.field)), row))
}

#[derive(Default)]
pub struct UserQueries;

#[Object]
impl UserQueries {
    /// One user; null where there is none that the caller may see.
    async fn user(&self, context: &Context<'_>, by: UserBy) -> Result<Option<Written<User>>> {
        require_ready(&context.caller())?;
        let user = match by {
            UserBy::Id(id) => load_user(context, Some(ids::user_id(&id, "by.id")?)).await?,
            UserBy::Email(email) => {
                context.identity().user_by_email(&context.caller(), &email).await?.map(Arc::new).map(User::from)
            }
        };
        Ok(user.map(|user| Written::alone(context, user)))
    }

    /// The users the caller may see; in the order they were made, unless asked for otherwise.
    #[allow(clippy::too_many_arguments, reason = "the contract's arguments")]
    async fn users(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<UserFilter>,
        order_by: Option<UserOrder>,
    ) -> Result<UserConnection> {
        list_users(context, UsersOf::Everyone, PageArguments { first, after, last, before }, filter, order_by).await
    }
}
