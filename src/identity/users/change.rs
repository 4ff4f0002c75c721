//! What every change of users has in common: one transaction that locks, looks as the system, asks the rules, and then
//! writes as the caller, with an audit event for each user that it changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::identity::audit::{Happening, fields_of_user};
use crate::identity::rules::{self, UserAction};
use crate::identity::{Actor, Caller, Error, Failure, Identity, Refusal, RefusalCode, Who};
use crate::store::api_keys::{self, KeyBy};
use crate::store::sessions;
use crate::store::users::changes::{self, NewPassword, Pairs, UserState};
use crate::store::{self, Scope, Transaction, Writes, access};

/// How far ahead another server's clock can have been.
const FURTHEST_AHEAD: TimeDelta = TimeDelta::days(1);

/// Users under change.
pub(in crate::identity) struct UserChange {
    pub transaction: Transaction,
    /// The caller, as of now and not as of the request's beginning.
    pub actor: Actor,
    /// The users as they stand, locked, by id.
    pub users: Vec<UserState>,
    /// Later than every change of these users before.
    pub now: DateTime<Utc>,
    field: &'static str,
}

/// What may come with a change of users.
#[derive(Default)]
pub(in crate::identity) struct Consequences {
    /// All their sessions end, for this reason.
    pub end_sessions: Option<&'static str>,
    /// Why, in the caller's words.
    pub reason: Option<String>,
    /// They get a new password, which they must change.
    pub password: Option<NewPassword>,
    /// What the roles that they are given grant.
    pub granted: Vec<String>,
    /// Something was changed beside the users themselves, which is kept and told in any case.
    pub beside: bool,
}

impl Identity {
    /// A transaction of the system in which a change begins. It takes its locks in the order that `store` asks for.
    pub(in crate::identity) async fn begin_change(&self, caller: &Caller) -> Result<Transaction, Failure> {
        caller.end_reads().await;
        let mut transaction = self.database.write(&Scope::system(), &caller.statements).await?;
        self.claim_key(&mut transaction, caller).await?;
        Ok(transaction)
    }

    /// Who makes the change, read anew: rights that were taken while it waited for its locks are gone.
    pub(in crate::identity) async fn actor(
        &self,
        transaction: &mut Transaction,
        caller: &Caller,
    ) -> Result<Actor, Failure> {
        rules::ready(&caller.principal)?;
        let actor = self.present_actor(transaction, caller).await?;
        if actor.confined { Err(Error::PasswordChangeRequired.into()) } else { Ok(actor) }
    }

    /// The same, also of one who can do nothing but change the password.
    pub(in crate::identity) async fn present_actor(
        &self,
        transaction: &mut Transaction,
        caller: &Caller,
    ) -> Result<Actor, Failure> {
        let before = rules::known(&caller.principal)?;
        let now = self.clock.now();
        Ok(match &before.who {
            Who::User(access) => {
                let access =
                    access::of_session(transaction, access.session_id, self.settings.session_lifetimes, now).await?;
                let ended = || Error::Unauthenticated("the session has just ended; sign in again");
                self.in_session(access.ok_or_else(ended)?)
            }
            Who::ApiKey(key) => {
                let key = api_keys::access(transaction, KeyBy::Id(key.id), now).await?;
                let ended = || Error::Unauthenticated("the API key has just been revoked or has expired");
                Actor { who: Who::ApiKey(key.filter(rules::honours_key).ok_or_else(ended)?), confined: false }
            }
            Who::Operator => Actor::clone(before),
        })
    }

    /// Locks users for an action of the caller's that the rules allow on each of them. `field` names them in the input.
    pub(in crate::identity) async fn begin_user_change(
        &self,
        mut transaction: Transaction,
        caller: &Caller,
        action: UserAction,
        ids: &[Uuid],
        field: &'static str,
    ) -> Result<UserChange, Failure> {
        changes::lock(&mut transaction, ids).await?;
        let users = changes::states(&mut transaction, ids).await?;
        let actor = self.actor(&mut transaction, caller).await?;
        for id in ids {
            let target = users.iter().find(|user| user.id == *id).ok_or_else(|| rules::no_such("user", field))?;
            rules::may_begin(&actor, action, actor.user_id() == Some(*id))?;
            rules::on_user(&actor, action, target, field)?;
        }
        let now = users.iter().fold(self.clock.now(), |now, user| later_than(user.updated_at, now));
        Ok(UserChange { transaction, actor, users, now, field })
    }

    /// Writes what `edit` makes of each user, and the events that tell of it; users that it leaves alone are left alone.
    /// Where somebody may stop being an administrator, the administrators' lock must have been taken.
    pub(in crate::identity) async fn finish_user_change(
        &self,
        caller: &Caller,
        change: UserChange,
        event_type: &'static str,
        consequences: Consequences,
        edit: impl Fn(&mut UserState),
    ) -> Result<(), Failure> {
        let UserChange { mut transaction, actor, users, now, field } = change;
        let mut changed = Vec::new();
        for before in users {
            let mut after = before.clone();
            edit(&mut after);
            if after != before || consequences.password.is_some() || consequences.beside {
                after.updated_at = now;
                changed.push((before, after));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let lost: Vec<Uuid> = changed
            .iter()
            .filter(|(before, after)| rules::administers(before) && !rules::administers(after))
            .map(|(before, _)| before.id)
            .collect();
        if !lost.is_empty() {
            let others = changes::administrators_besides(&mut transaction, &lost, rules::ADMINISTRATOR).await?;
            rules::keeps_an_administrator(others, field)?;
        }
        let by = actor.id();
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Users).await?;
        let ended = end_sessions(&mut transaction, &changed, &consequences, now).await?;
        let mut happenings = Vec::new();
        for (before, after) in &changed {
            let mut happening = Happening::new(event_type)
                .by(&actor)
                .about(after.into())
                .about(before.into())
                .with_changes(&fields_of_user(before), &fields_of_user(after))
                .with_personal("reason", consequences.reason.as_deref());
            if let Some(ended) = ended.get(&before.id) {
                happening = happening.with("sessions_ended", *ended);
            }
            if let Some(password) = &consequences.password {
                as_allowed(changes::set_password(&mut transaction, before.id, password, now).await?, 1)?;
            }
            happenings.push(happening);
        }
        write(&mut transaction, &changed, by, now).await?;
        self.record(&mut transaction, caller, happenings, now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, users = changed.len(), event_type, "users_changed");
        Ok(())
    }
}

/// Ends the sessions of those whom the change is to sign out, in one statement for each reason; how many of each of them.
async fn end_sessions(
    transaction: &mut Transaction,
    changed: &[(UserState, UserState)],
    consequences: &Consequences,
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, u64>, Failure> {
    let mut by_reason: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
    for (before, after) in changed {
        let reason = consequences.end_sessions.or_else(|| reason_to_end(before, after, &consequences.granted));
        if let Some(reason) = reason {
            by_reason.entry(reason).or_default().push(before.id);
        }
    }
    let mut ended = HashMap::new();
    for (reason, users) in by_reason {
        let counts = sessions::end_all_of(transaction, &users, reason, now).await?;
        ended.extend(users.into_iter().map(|id| (id, counts.get(&id).copied().unwrap_or_default())));
    }
    Ok(ended)
}

/// Why a change by itself ends a user's sessions.
fn reason_to_end(before: &UserState, after: &UserState, granted: &[String]) -> Option<&'static str> {
    if rules::can_sign_in(before) && !rules::can_sign_in(after) {
        return Some("may_not_sign_in");
    }
    rules::raises_rights(before, after, granted).then_some("rights_raised")
}

/// Writes the differences, in as many statements however many users there are.
async fn write(
    transaction: &mut Transaction,
    changed: &[(UserState, UserState)],
    by: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let after: Vec<UserState> = changed.iter().map(|(_, after)| after.clone()).collect();
    let taken = |error| match error {
        store::Error::Taken(_) => email_taken(),
        other => Failure::from(other),
    };
    as_allowed(changes::update(transaction, &after, by).await.map_err(taken)?, after.len() as u64)?;
    let roles = Difference::of(changed, |user| &user.roles);
    let hotels = Difference::of(changed, |user| &user.hotels);
    if !roles.removed.is_empty() {
        as_allowed(changes::remove_roles(transaction, &roles.removed).await?, roles.removed.len())?;
    }
    if !roles.added.is_empty() {
        as_allowed(changes::add_roles(transaction, &roles.added, now, by).await?, roles.added.len())?;
    }
    if !hotels.added.is_empty() {
        as_allowed(changes::add_hotels(transaction, &hotels.added, now, by).await?, hotels.added.len())?;
    }
    // Last: whoever loses the hotels that the caller shares goes out of the caller's sight.
    if !hotels.removed.is_empty() {
        as_allowed(changes::remove_hotels(transaction, &hotels.removed).await?, hotels.removed.len())?;
    }
    Ok(())
}

pub(in crate::identity) fn email_taken() -> Failure {
    let message = "Somebody has this email address already.";
    Refusal::new(RefusalCode::AlreadyTaken, "email", message).into()
}

/// Now, but after the change before, whatever another server's clock said then: replayed in the order of time, changes end
/// as they did. What lies further ahead than any server's clock was put there by other means, and is not followed.
pub(in crate::identity) fn later_than(last_change: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    let next = last_change + TimeDelta::microseconds(1);
    if next > now + FURTHEST_AHEAD { now } else { now.max(next) }
}

/// What the rules have allowed, row-level security must allow as well: nothing is half done in silence.
pub(in crate::identity) fn as_allowed(rows: u64, expected: u64) -> Result<(), Failure> {
    if rows == expected {
        return Ok(());
    }
    Err(Error::Internal(format!("row-level security let {rows} rows of {expected} be changed")).into())
}

/// Which of a list each user gains and loses.
struct Difference {
    added: Pairs,
    removed: Pairs,
}

impl Difference {
    fn of(changed: &[(UserState, UserState)], list: impl Fn(&UserState) -> &Vec<String>) -> Self {
        let mut difference = Self { added: Pairs::default(), removed: Pairs::default() };
        for (before, after) in changed {
            let (old, new): (BTreeSet<_>, BTreeSet<_>) = (list(before).iter().collect(), list(after).iter().collect());
            new.difference(&old).for_each(|item| difference.added.push(before.id, item));
            old.difference(&new).for_each(|item| difference.removed.push(before.id, item));
        }
        difference
    }
}

/// A sorted list with these added.
pub(super) fn with(list: &[String], added: &[String]) -> Vec<String> {
    list.iter().chain(added).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// A sorted list without these.
pub(super) fn without(list: &[String], removed: &[String]) -> Vec<String> {
    list.iter().filter(|item| !removed.contains(item)).cloned().collect()
}
