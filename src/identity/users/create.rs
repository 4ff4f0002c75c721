//! Adding a user.

use uuid::Uuid;

use super::change::{as_allowed, email_taken};
use super::standing::PasswordSet;
use crate::identity::audit::{Happening, fields_of_user};
use crate::identity::fields::{self, MAX_ROLES_OR_HOTELS, Problems};
use crate::identity::password_rules::Owner;
use crate::identity::{Actor, Caller, Failure, Identity, Refusal, RefusalCode, rules};
use crate::store::users::HotelScope;
use crate::store::users::changes::{self, NewPassword, Pairs, UserState};
use crate::store::{Transaction, Writes, hotels, roles};

/// A user to add.
pub struct NewUser {
    pub email: String,
    /// None: one is made.
    pub password: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email_verified: bool,
    pub hotel_scope: HotelScope,
    pub roles: Vec<Uuid>,
    pub hotels: Vec<String>,
}

/// The longest first or last name, in characters.
pub(super) const MAX_NAME: usize = 100;

impl Identity {
    /// Adds a user; the id, and the password that they have until they change it.
    pub async fn create_user(&self, caller: &Caller, new: NewUser) -> Result<(Uuid, PasswordSet), Failure> {
        let outcome = self.try_create_user(caller, new).await;
        self.noting_refusals(caller, "create_user", None, outcome).await
    }

    async fn try_create_user(&self, caller: &Caller, new: NewUser) -> Result<(Uuid, PasswordSet), Failure> {
        let maker = rules::ready(&caller.principal)?;
        rules::may_add_users(maker)?;
        let mut problems = Problems::default();
        let email = problems.check(fields::email("email", &new.email));
        let first_name = problems.check(fields::optional("firstName", new.first_name.as_deref(), MAX_NAME));
        let last_name = problems.check(fields::optional("lastName", new.last_name.as_deref(), MAX_NAME));
        let role_ids = problems.check(fields::distinct("roles", &new.roles, MAX_ROLES_OR_HOTELS, true));
        let hotel_ids = problems.check(fields::distinct("hotels", &new.hotels, MAX_ROLES_OR_HOTELS, true));
        let has_password = rules::may_choose_password(maker);
        if let Some(password) = &new.password {
            problems.check(has_password.clone());
            let owner = Owner { email: &email, first_name: first_name.as_deref(), last_name: last_name.as_deref() };
            problems.check(self.password_rules.check(password, owner, "password"));
        }
        problems.settle()?;
        // Whom an API key adds has no password until a person resets it.
        let (password, set) = if has_password.is_ok() {
            self.temporary_password(caller, new.password.as_deref()).await?
        } else {
            let nobodys = NewPassword { hash: self.hasher.nobodys_hash().to_owned(), expires_at: None };
            (nobodys, PasswordSet::default())
        };

        let mut transaction = self.begin_change(caller).await?;
        let role_names = self.roles_to_give(&mut transaction, &role_ids).await?;
        let hotels_found = hotels::lock_shared(&mut transaction, &hotel_ids).await?;
        let actor = self.actor(&mut transaction, caller).await?;
        rules::may_add_users(&actor)?;
        role_names.allowed_to(&actor)?;
        may_give_hotels(&actor, &hotel_ids, &hotels_found)?;
        if !rules::may_give_scope(&actor, new.hotel_scope) {
            let message = "You do not reach every hotel yourself.";
            return Err(Refusal::new(RefusalCode::PrivilegeEscalation, "hotelScope", message).into());
        }
        if !rules::may_give_scope(&actor, HotelScope::All) && hotel_ids.is_empty() {
            let message = "Name at least one of your hotels: you would not see this user yourself.";
            return Err(Refusal::new(RefusalCode::InvalidValue, "hotels", message).into());
        }
        let now = self.clock.now();
        let user = UserState {
            id: self.clock.new_id(),
            email,
            first_name,
            last_name,
            active: true,
            email_verified: new.email_verified,
            must_change_password: true,
            failed_login_attempts: 0,
            locked_until: None,
            hotel_scope: new.hotel_scope,
            roles: role_names.sorted(),
            permissions: Vec::new(),
            held_permissions: Vec::new(),
            hotels: hotels_found,
            updated_at: now,
        };
        let by = actor.id();
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Users).await?;
        if !changes::insert(&mut transaction, &user, &password, by).await? {
            return Err(email_taken());
        }
        let (mut role_pairs, mut hotel_pairs) = (Pairs::default(), Pairs::default());
        user.hotels.iter().for_each(|hotel| hotel_pairs.push(user.id, hotel));
        user.roles.iter().for_each(|role| role_pairs.push(user.id, role));
        if !hotel_pairs.is_empty() {
            as_allowed(changes::add_hotels(&mut transaction, &hotel_pairs, now, by).await?, hotel_pairs.len())?;
        }
        if !role_pairs.is_empty() {
            as_allowed(changes::add_roles(&mut transaction, &role_pairs, now, by).await?, role_pairs.len())?;
        }
        let happening =
            Happening::new("user_created").by(&actor).about((&user).into()).with_changes(&[], &fields_of_user(&user));
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, user_id = %user.id, "user_created");
        Ok((user.id, set))
    }

    /// Roles that somebody is to be given, locked so that none is deleted meanwhile.
    pub(super) async fn roles_to_give(
        &self,
        transaction: &mut Transaction,
        ids: &[Uuid],
    ) -> Result<RolesToGive, Failure> {
        let found = roles::lock_shared(transaction, ids).await?;
        if found.len() < ids.len() {
            return Err(rules::no_such("role", "roles").into());
        }
        Ok(RolesToGive(found))
    }
}

pub(super) struct RolesToGive(Vec<roles::Role>);

impl RolesToGive {
    pub fn sorted(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.iter().map(|role| role.name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// What the active ones among them grant.
    pub fn granted(&self) -> Vec<String> {
        self.0.iter().filter(|role| role.active).flat_map(|role| role.permissions.clone()).collect()
    }

    pub fn allowed_to(&self, actor: &Actor) -> Result<(), Failure> {
        match self.0.iter().find(|role| !rules::may_give_role(actor, role)) {
            None => Ok(()),
            Some(role) => {
                let message = format!("{} grants permissions that you do not hold yourself.", role.name);
                Err(Refusal::new(RefusalCode::PrivilegeEscalation, "roles", message).into())
            }
        }
    }
}

/// A hotel out of reach is one that does not exist.
pub(in crate::identity) fn may_give_hotels(actor: &Actor, asked: &[String], found: &[String]) -> Result<(), Failure> {
    let there = |id: &String| found.contains(id) && rules::reaches(actor, id);
    if asked.iter().all(there) { Ok(()) } else { Err(rules::no_such("hotel", "hotels").into()) }
}
