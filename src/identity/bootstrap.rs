//! What a new system begins with: the demo hotel and its users, and the first administrator of a production system. Put
//! in once; what was deleted since does not come back.

use chrono::{DateTime, Utc};

use super::audit::{Happening, fields_of_hotel, fields_of_user};
use super::fields::stored_email;
use super::password_rules::Owner;
use super::{Error, Identity};
use crate::store::seeds::{self, SeedUser};
use crate::store::users::HotelScope;
use crate::store::users::changes;
use crate::store::{self, Transaction, hotels};

const DEMO_SEED: &str = "demo";
/// Stands where the demo users were declined.
const NO_DEMO_SEED: &str = "demo declined";
const DEMO_HOTEL: (&str, &str) = ("hotel-001", "VoiceHive Demo Hotel Berlin");

/// Email, password, first and last name, role, hotel scope, hotels.
type DemoUser =
    (&'static str, &'static str, &'static str, &'static str, &'static str, HotelScope, &'static [&'static str]);
const DEMO_USERS: [DemoUser; 3] = [
    ("admin@voicehive-hotels.eu", "admin123", "Demo", "Administrator", "SYSTEM_ADMIN", HotelScope::All, &[]),
    ("operator@voicehive-hotels.eu", "operator123", "Demo", "Operator", "HOTEL_ADMIN", HotelScope::All, &[]),
    ("manager@hotel1.com", "manager123", "Demo", "Manager", "HOTEL_STAFF", HotelScope::Assigned, &["hotel-001"]),
];

/// The first administrator of a system.
pub struct Administrator<'a> {
    pub email: &'a str,
    pub password: &'a str,
}

/// What to put in, where it has not been put in before.
pub struct Seeds<'a> {
    pub demo_users: bool,
    pub administrator: Option<Administrator<'a>>,
}

/// Why a new system could not be given what it begins with.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Identity(#[from] Error),
    #[error("bootstrap.administrator.email: {0:?} is no email address")]
    Email(String),
    #[error("bootstrap.administrator.password: {0}")]
    Password(String),
}

impl Identity {
    /// Puts in what is wanted and not there yet, each in one transaction. Servers that start together do it once.
    pub async fn bootstrap(&self, wanted: &Seeds<'_>) -> Result<(), BootstrapError> {
        if wanted.demo_users {
            self.seed_demo().await?;
        }
        if let Some(administrator) = &wanted.administrator {
            self.seed_administrator(administrator).await?;
        }
        Ok(())
    }

    /// How many users, roles and hotels there are.
    pub async fn size(&self) -> store::Result<(i64, i64, i64)> {
        seeds::size(&mut self.database.background().await?).await
    }

    /// Keeps the demo users out of this database, also at the next start of a server; or lets them in again.
    pub async fn decline_demo_users(&self, declined: bool) -> store::Result<()> {
        let mut transaction = self.database.background().await?;
        if declined {
            seeds::claim(&mut transaction, NO_DEMO_SEED).await?;
        } else {
            seeds::release(&mut transaction, NO_DEMO_SEED).await?;
        }
        transaction.commit().await
    }

    async fn seed_demo(&self) -> Result<(), BootstrapError> {
        let mut transaction = self.database.background().await?;
        for seed in [DEMO_SEED, NO_DEMO_SEED] {
            if seeds::is_applied(&mut transaction, seed).await? {
                return Ok(());
            }
        }
        drop(transaction);
        let mut hashes = Vec::new();
        for (_, password, ..) in DEMO_USERS {
            hashes.push(self.hasher.hash(password).await?);
        }
        let now = self.clock.now();
        let mut transaction = self.database.background().await?;
        if !seeds::claim(&mut transaction, DEMO_SEED).await? {
            return Ok(());
        }
        seeds::insert_hotel(&mut transaction, DEMO_HOTEL.0, DEMO_HOTEL.1, now).await?;
        if let Some(hotel) = hotels::lock(&mut transaction, DEMO_HOTEL.0).await? {
            let happening =
                Happening::new("hotel_created").at_hotel(&hotel.id).with_changes(&[], &fields_of_hotel(&hotel));
            self.record_own(&mut transaction, happening, now).await?;
        }
        for ((email, _, first_name, last_name, role, hotel_scope, hotels), hash) in DEMO_USERS.into_iter().zip(&hashes)
        {
            let user = SeedUser {
                id: self.clock.new_id(),
                email,
                password_hash: hash,
                first_name: Some(first_name),
                last_name: Some(last_name),
                role,
                hotel_scope,
                hotels,
                must_change_password: true,
            };
            self.insert_seed(&mut transaction, &user, now).await?;
        }
        transaction.commit().await?;
        tracing::info!(users = DEMO_USERS.len(), hotel = DEMO_HOTEL.0, "mock_user_migration_completed");
        Ok(())
    }

    async fn seed_administrator(&self, administrator: &Administrator<'_>) -> Result<(), BootstrapError> {
        let email =
            stored_email(administrator.email).ok_or_else(|| BootstrapError::Email(administrator.email.to_owned()))?;
        let name = format!("administrator {email}");
        if seeds::is_applied(&mut self.database.background().await?, &name).await? {
            return Ok(());
        }
        let owner = Owner { email: &email, first_name: None, last_name: None };
        self.password_rules
            .check(administrator.password, owner, "password")
            .map_err(|refusal| BootstrapError::Password(refusal.message))?;
        let hash = self.hasher.hash(administrator.password).await?;
        let mut transaction: Transaction = self.database.background().await?;
        if !seeds::claim(&mut transaction, &name).await? {
            return Ok(());
        }
        let user = SeedUser {
            id: self.clock.new_id(),
            email: &email,
            password_hash: &hash,
            first_name: None,
            last_name: None,
            role: "SYSTEM_ADMIN",
            hotel_scope: HotelScope::All,
            hotels: &[],
            must_change_password: false,
        };
        let made = self.insert_seed(&mut transaction, &user, self.clock.now()).await?;
        transaction.commit().await?;
        tracing::info!(made, "administrator_bootstrapped");
        Ok(())
    }

    /// Makes an account, unless the email address is taken; whether it was made. The audit trail begins with it.
    async fn insert_seed(
        &self,
        transaction: &mut Transaction,
        user: &SeedUser<'_>,
        now: DateTime<Utc>,
    ) -> Result<bool, BootstrapError> {
        if !seeds::insert_user(transaction, user, now).await? {
            return Ok(false);
        }
        for made in changes::states(transaction, &[user.id]).await? {
            let happening =
                Happening::new("user_created").about((&made).into()).with_changes(&[], &fields_of_user(&made));
            self.record_own(transaction, happening, now).await?;
        }
        Ok(true)
    }
}
