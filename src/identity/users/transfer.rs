//! Users in bulk: everyone out to a file, and in from one. Who is there already stays as they are, so that the same file
//! can be brought in again, also after it was cut off half-way.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::PoisonError;

use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::create::MAX_NAME;
use super::record::UserRecord;
use crate::identity::Identity;
use crate::identity::audit::{Happening, fields_of_hotel};
use crate::identity::fields::{self, MAX_ROLES_OR_HOTELS, stored_email};
use crate::identity::lookalikes::odd_in_email;
use crate::store::users::HotelScope;
use crate::store::users::changes::Pairs;
use crate::store::users::transfer::{self, UserRow};
use crate::store::{self, Scope, StatementCount, Transaction, hotels, seeds};

/// What of an import is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Each batch as it is done; rows that are wrong stay out.
    EachBatch,
    /// Everything, or nothing where any row is wrong.
    AllOrNothing,
    /// Nothing: only what would be wrong is told.
    Nothing,
}

/// How many users an import has dealt with, by what became of them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Imported {
    pub added: u64,
    pub there_already: u64,
    pub wrong: u64,
    /// Of those added, who cannot sign in until a password is set: no hash came with them, or one that cannot be checked.
    pub without_password: u64,
    /// Of those, with whom one came.
    pub unknown_hash: u64,
}

impl Imported {
    fn count(&mut self, added: &Given) {
        self.added += 1;
        self.without_password += u64::from(added.hash != GivenHash::Known);
        self.unknown_hash += u64::from(added.hash == GivenHash::Unknown);
    }
}

/// The years of RFC 3339, in which answers tell times.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// A row that was not taken in: its line, and why.
pub type Wrong = (u64, String);

/// An import under way.
pub struct Import<'a> {
    identity: &'a Identity,
    keep: Keep,
    /// Open from batch to batch unless each is kept.
    transaction: Mutex<Option<Transaction>>,
    roles: HashSet<String>,
    hotels: HashSet<String>,
    imported: std::sync::Mutex<Imported>,
    /// Of two rows with one email address the first must win, whatever else is under way.
    adding: Turns,
    /// What is there after an end half-way is the file up to some batch.
    committing: Turns,
}

/// Lets batches pass a point one after the other, in the order of the file.
struct Turns(watch::Sender<usize>);

impl Turns {
    fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    async fn wait_for(&self, batch: usize) {
        // The sender is our own and does not go away.
        let _ = self.0.subscribe().wait_for(|next| *next == batch).await;
    }

    fn pass(&self) {
        self.0.send_modify(|next| *next += 1);
    }
}

impl Identity {
    /// Hands every user to `give`, password hashes included, but for those that no password can be right for: whoever reads
    /// them could do no more with them than sign-in does. How many users. The trail tells of it.
    pub async fn export_users<E: From<store::Error>>(
        &self,
        mut give: impl FnMut(UserRecord) -> Result<(), E>,
    ) -> Result<u64, E> {
        // Told before the first one is given: whoever breaks off half-way has half of the hashes.
        let mut telling = self.database.background().await?;
        self.record_own(&mut telling, Happening::new("users_exported"), self.clock.now()).await?;
        telling.commit().await?;
        let mut transaction = self.database.read(&Scope::system(), &StatementCount::default()).await?;
        transaction.take_time().await?;
        let mut given = 0;
        transfer::each(&mut transaction, |row| {
            given += 1;
            let mut record = UserRecord::from(row);
            record.password_hash = record.password_hash.filter(|hash| self.hasher.can_check(hash));
            give(record)
        })
        .await?;
        Ok(given)
    }

    /// A hash for a password that a file brings along in plain text.
    pub async fn hash_password(&self, password: &str) -> crate::identity::Result<String> {
        self.hasher.hash(password).await
    }

    /// Begins to take in users.
    pub async fn begin_import(&self, keep: Keep) -> store::Result<Import<'_>> {
        let mut transaction = self.database.background().await?;
        let (roles, hotels) = transfer::roles_and_hotels(&mut transaction).await?;
        transaction.take_time().await?;
        Ok(Import {
            identity: self,
            keep,
            transaction: Mutex::new((keep != Keep::EachBatch).then_some(transaction)),
            roles: roles.into_iter().collect(),
            hotels: hotels.into_iter().collect(),
            imported: std::sync::Mutex::default(),
            adding: Turns::new(),
            committing: Turns::new(),
        })
    }
}

impl Import<'_> {
    /// Takes in some users, each with its line; those that were not. Batches are numbered from 0 without a gap; several can
    /// be under way, and end as if they came one after the other.
    pub async fn add(&self, batch: usize, records: Vec<(u64, UserRecord)>) -> store::Result<Vec<Wrong>> {
        let now = self.identity.clock.now();
        let (mut wrong, mut rows, mut there_already) = (Vec::new(), Vec::with_capacity(records.len()), 0);
        let lines = (records.first().map(|(line, _)| *line), records.last().map(|(line, _)| *line));
        for (line, record) in records {
            let id = record.id;
            match self.checked(record, now) {
                Ok((row, hash)) => rows.push(Given { line, id, row, hash }),
                Err(why) => wrong.push((line, why)),
            }
        }
        // Before a connection is taken: the batch whose turn it is must be able to have one.
        self.adding.wait_for(batch).await;
        // Held while it is used: where everything is one transaction, batches follow each other.
        let mut whole = if self.keep == Keep::EachBatch { None } else { Some(self.transaction.lock().await) };
        let mut own = None;
        let transaction = match whole.as_mut().and_then(|whole| whole.as_mut()) {
            Some(transaction) => transaction,
            None => own.insert(self.identity.database.background().await?),
        };
        let (mut added, mut done) = (Vec::new(), Imported::default());
        // Who stands in the file twice comes after whom they stand behind.
        while !rows.is_empty() {
            let (mut first, later) = without_repeated(rows);
            // In one order, so that two imports at once wait for each other and never in a circle.
            first.sort_by(|one, other| one.row.email.cmp(&other.row.email));
            let users: Vec<&UserRow> = first.iter().map(|given| &given.row).collect();
            let new = transfer::insert_new(transaction, &users, now).await?;
            let erased = transfer::take_back_erased(transaction, &new).await?;
            let new: HashSet<Uuid> = new.into_iter().collect();
            let (mut new, mut passed): (Vec<Given>, Vec<Given>) =
                first.into_iter().partition(|given| new.contains(&given.row.id));
            for given in new.extract_if(.., |given| erased.contains(&given.row.id)) {
                let id = given.row.id;
                wrong.push((
                    given.line,
                    format!("user {id} was deleted and is still being erased; import it again afterwards"),
                ));
            }
            for given in &new {
                done.count(given);
            }
            added.extend(new.into_iter().map(|given| given.row));
            passed.extend(later);
            rows = Vec::new();
            for (given, standing) in standing(transaction, passed).await? {
                match standing {
                    Standing::ThereAlready => there_already += 1,
                    Standing::TakenBy(why) => wrong.push((given.line, why)),
                    Standing::New => rows.push(given),
                }
            }
        }
        // Whose email address or id is in this batch waits for its end inside the database.
        self.adding.pass();
        give_roles_and_hotels(transaction, &added, now).await?;

        if !added.is_empty() {
            let happening = Happening::new("users_imported")
                .with("users", added.len() as u64)
                .with("first_line", lines.0)
                .with("last_line", lines.1);
            self.identity.record_own(transaction, happening, now).await?;
        }
        self.committing.wait_for(batch).await;
        if let Some(own) = own {
            own.commit().await?;
        }
        self.committing.pass();
        let mut imported = self.imported.lock().unwrap_or_else(PoisonError::into_inner);
        imported.added += done.added;
        imported.without_password += done.without_password;
        imported.unknown_hash += done.unknown_hash;
        imported.there_already += there_already;
        imported.wrong += wrong.len() as u64;
        wrong.sort_unstable();
        Ok(wrong)
    }

    /// Makes those of these hotels that are not there, with their ids for names; which. Only in an import that is kept as
    /// a whole.
    pub async fn make_hotels(&mut self, ids: &[String]) -> store::Result<Vec<String>> {
        let now = self.identity.clock.now();
        let fits = |id: &&String| fields::pms_hotel_id("hotels", id).is_ok() && !self.hotels.contains(*id);
        let missing: BTreeSet<String> = ids.iter().filter(fits).cloned().collect();
        let Some(transaction) = self.transaction.get_mut() else { return Ok(Vec::new()) };
        for id in &missing {
            seeds::insert_unknown_hotel(transaction, id, now).await?;
            if let Some(hotel) = hotels::lock(transaction, id).await? {
                let happening =
                    Happening::new("hotel_created").at_hotel(id).with_changes(&[], &fields_of_hotel(&hotel));
                self.identity.record_own(transaction, happening, now).await?;
            }
        }
        self.hotels.extend(missing.iter().cloned());
        Ok(missing.into_iter().collect())
    }

    /// Counts rows that could not even be read.
    pub fn note_unreadable(&self, rows: u64) {
        self.imported.lock().unwrap_or_else(PoisonError::into_inner).wrong += rows;
    }

    /// Ends it, and keeps what is to be kept; whether anything was.
    pub async fn finish(self) -> store::Result<(Imported, bool)> {
        let imported = self.imported();
        let kept = match self.keep {
            Keep::EachBatch => true,
            Keep::AllOrNothing => imported.wrong == 0,
            Keep::Nothing => false,
        };
        if let Some(transaction) = self.transaction.into_inner().filter(|_| kept) {
            transaction.commit().await?;
        }
        Ok((imported, kept))
    }

    /// How far it is.
    pub fn imported(&self) -> Imported {
        *self.imported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checked(&self, record: UserRecord, now: DateTime<Utc>) -> Result<(UserRow, GivenHash), String> {
        let email =
            stored_email(&record.email).ok_or_else(|| format!("email {:?} is no email address", record.email))?;
        if let Some(odd) = odd_in_email(&email) {
            return Err(format!("email {email:?}: {odd}"));
        }
        let name = |field, given: Option<&str>| {
            fields::optional(field, given, MAX_NAME).map_err(|refusal| format!("{field}: {}", refusal.message))
        };
        let (first_name, last_name) =
            (name("first_name", record.first_name.as_deref())?, name("last_name", record.last_name.as_deref())?);
        let nobodys = || self.identity.hasher.nobodys_hash().to_owned();
        let (password_hash, hash) = match record.password_hash.filter(|hash| !hash.is_empty()) {
            None => (nobodys(), GivenHash::None),
            Some(hash) if self.identity.hasher.can_check(&hash) => (hash, GivenHash::Known),
            // It is not kept: for all we know it is the password itself.
            Some(_) => (nobodys(), GivenHash::Unknown),
        };
        for (field, time) in [
            ("created_at", record.created_at),
            ("password_changed_at", record.password_changed_at),
            ("last_login_at", record.last_login_at),
        ] {
            if time.is_some_and(|time| !YEARS.contains(&time.year())) {
                return Err(format!("{field} is not in the years {} to {}", YEARS.start(), YEARS.end()));
            }
        }
        let hotel_scope = match record.hotel_scope.as_str() {
            "ALL" => HotelScope::All,
            "ASSIGNED" => HotelScope::Assigned,
            other => return Err(format!("hotel_scope {other:?} is neither ALL nor ASSIGNED")),
        };
        let row = UserRow {
            id: record.id.unwrap_or_else(|| self.identity.clock.new_id()),
            email,
            password_hash,
            first_name,
            last_name,
            active: record.active,
            email_verified: record.email_verified,
            must_change_password: record.must_change_password,
            hotel_scope,
            roles: known(record.roles, &self.roles, "role")?,
            hotels: known(record.hotels, &self.hotels, "hotel")?,
            created_at: record.created_at.unwrap_or(now),
            password_changed_at: record.password_changed_at,
            last_login_at: record.last_login_at,
        };
        Ok((row, hash))
    }
}

fn known(mut given: Vec<String>, known: &HashSet<String>, what: &str) -> Result<Vec<String>, String> {
    given.sort_unstable();
    given.dedup();
    if given.len() > MAX_ROLES_OR_HOTELS {
        return Err(format!("{} {what}s are more than {MAX_ROLES_OR_HOTELS}", given.len()));
    }
    match given.iter().find(|name| !known.contains(*name)) {
        Some(unknown) => Err(format!("there is no {what} {unknown:?}; make it first")),
        None => Ok(given),
    }
}

async fn give_roles_and_hotels(
    transaction: &mut Transaction,
    users: &[UserRow],
    now: DateTime<Utc>,
) -> store::Result<()> {
    let (mut roles, mut hotels) = (Pairs::default(), Pairs::default());
    for user in users {
        user.roles.iter().for_each(|role| roles.push(user.id, role));
        user.hotels.iter().for_each(|hotel| hotels.push(user.id, hotel));
    }
    if !roles.is_empty() {
        transfer::insert_roles(transaction, &roles, now).await?;
    }
    if !hotels.is_empty() {
        transfer::insert_hotels(transaction, &hotels, now).await?;
    }
    Ok(())
}

/// A row of the file.
struct Given {
    line: u64,
    /// The one that stands in the file.
    id: Option<Uuid>,
    row: UserRow,
    hash: GivenHash,
}

/// What came as a password's hash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GivenHash {
    None,
    Known,
    /// Of a scheme that is not known, broken, or too dear to be checked.
    Unknown,
}

/// How a row that was not added stands to the users who are there.
enum Standing {
    ThereAlready,
    /// Its id or email address is somebody else's.
    TakenBy(String),
    /// Nobody has its id or email address: it was only in the way of itself.
    New,
}

/// The rows with an id and an email address that none before them has, and the others, each in their order.
fn without_repeated(rows: Vec<Given>) -> (Vec<Given>, Vec<Given>) {
    let (mut ids, mut emails) = (HashSet::new(), HashSet::new());
    rows.into_iter().partition(|given| {
        let new_email = emails.insert(given.row.email.clone());
        given.id.is_none_or(|id| ids.insert(id)) && new_email
    })
}

async fn standing(transaction: &mut Transaction, passed: Vec<Given>) -> store::Result<Vec<(Given, Standing)>> {
    if passed.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = passed.iter().filter_map(|given| given.id).collect();
    let emails: Vec<_> = passed.iter().map(|given| given.row.email.clone()).collect();
    let holders = transfer::holders(transaction, &ids, &emails).await?;
    let by_email: HashMap<&str, Uuid> = holders.iter().map(|(id, email)| (email.as_str(), *id)).collect();
    let by_id: HashMap<Uuid, &str> = holders.iter().map(|(id, email)| (*id, email.as_str())).collect();
    let told = passed.into_iter().map(|given| {
        let email = &given.row.email;
        let standing = match (given.id, by_email.get(email.as_str())) {
            (None, Some(_)) => Standing::ThereAlready,
            (Some(id), Some(holder)) if id == *holder => Standing::ThereAlready,
            (Some(_), Some(holder)) => {
                Standing::TakenBy(format!("{email} is the email address of another user, {holder}"))
            }
            (id, None) => match id.and_then(|id| by_id.get(&id)) {
                Some(holder) => Standing::TakenBy(format!("{} is the id of another user, {holder}", given.row.id)),
                None => Standing::New,
            },
        };
        (given, standing)
    });
    Ok(told.collect())
}
