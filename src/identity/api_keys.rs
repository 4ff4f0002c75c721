//! API keys: what back-end services sign their requests with. Made and revoked by people, never by keys.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::audit::{Happening, fields_of_api_key, key_gid};
use super::fields::{self, MAX_ROLES_OR_HOTELS, Problems};
use super::principals::{Kept, topics_of_api_key};
use super::users::{MAX_REASON, may_give_hotels};
use super::{
    Actor, Caller, Client, Error, Failure, Identity, Principal, Refusal, RefusalCode, Result, Who, api_key_text, rules,
};
use crate::store::api_keys::{self, ApiKey, KeyBy, KeyCursor};
use crate::store::page::{Page, PageRequest};
use crate::store::users::HotelScope;
use crate::store::{Scope, StatementCount, Writes, hotels};
use crate::telemetry::metrics;

const MAX_NAME: usize = 100;
/// How long a key is for that names no end.
const USUAL_LIFETIME: TimeDelta = TimeDelta::days(365);

/// A key to make.
pub struct NewApiKey {
    pub name: String,
    pub service_name: String,
    pub permissions: Vec<String>,
    pub hotel_scope: HotelScope,
    /// Ids of hotels; none under scope ALL.
    pub hotels: Vec<String>,
    /// None: a year from now.
    pub expires_at: Option<DateTime<Utc>>,
}

/// One line for every key that is not honoured, whatever it is not honoured for.
const INVALID_KEY: Error =
    Error::Unauthenticated("the API key is not valid, has expired or was revoked; ask an administrator for another");

impl Identity {
    /// Who holds this API key, sent by this client. Whatever is sent takes the same steps.
    pub async fn authenticate_key(&self, key: &str, client: &Client) -> Result<Principal> {
        self.throttle.may_send_key(client)?;
        let now = self.clock.now();
        let digest = api_key_text::digest(key);
        let kept = self.kept_api_key(&digest, now);
        metrics::principal_checked(kept.is_some());
        let kept = match kept {
            Some(kept) => Some(kept),
            None => self.read_api_key(digest, now).await?,
        };
        metrics::api_key_checked(kept.is_some());
        let Some(kept) = kept else {
            self.throttle.key_failed(client);
            return Err(INVALID_KEY);
        };
        if let Some(id) = kept.actor.api_key_id()
            && self.used_api_keys.note(id, kept.noted(), now)
        {
            kept.note(now);
        }
        Ok(Principal::Known(kept.actor.clone()))
    }

    async fn read_api_key(&self, digest: [u8; 32], now: DateTime<Utc>) -> Result<Option<Arc<Kept>>> {
        let mut owner = self.known_owner(&digest);
        loop {
            let version = self.database.changes().version(&topics_of_api_key(owner));
            let mut transaction = self.database.read(&Scope::system(), &StatementCount::default()).await?;
            let found = api_keys::access(&mut transaction, KeyBy::Digest(&digest), now).await?;
            let Some(access) = found.filter(rules::honours_key) else { return Ok(None) };
            let (ends_at, used) = (access.expires_at, access.last_used_at);
            let kept = Kept::new(Arc::new(Actor { who: Who::ApiKey(access), confined: false }), version, ends_at, used);
            if kept.actor.key_owner() == owner {
                self.keep_api_key(digest, kept.clone());
                return Ok(Some(kept));
            }
            // Whose changes to look out for is known only now, and has to be before it is read.
            owner = kept.actor.key_owner();
        }
    }

    /// The keys that the caller may see, revoked ones too, newest first.
    pub async fn api_key_page(&self, caller: &Caller, page: &PageRequest<KeyCursor>) -> Result<Page<ApiKey>> {
        rules::may_manage_api_keys(rules::ready(&caller.principal)?)?;
        Ok(api_keys::page(&mut *caller.read().await?, page).await?)
    }

    pub async fn api_key_count(&self, caller: &Caller, at_most: Option<i64>) -> Result<i64> {
        rules::may_manage_api_keys(rules::ready(&caller.principal)?)?;
        Ok(api_keys::count(&mut *caller.read().await?, at_most).await?)
    }

    /// The visible ones among these keys: a key sees itself.
    pub async fn api_keys_by_id(&self, caller: &Caller, ids: &[Uuid]) -> Result<Vec<ApiKey>> {
        Ok(api_keys::by_ids(&mut *caller.read().await?, ids).await?)
    }

    /// Makes a key; what is known of it, and the key itself, which is not to be had again.
    pub async fn create_api_key(
        &self,
        caller: &Caller,
        new: NewApiKey,
    ) -> Result<(ApiKey, Zeroizing<String>), Failure> {
        let outcome = self.try_create_api_key(caller, new).await;
        self.noting_refusals(caller, "create_api_key", None, outcome).await
    }

    async fn try_create_api_key(
        &self,
        caller: &Caller,
        new: NewApiKey,
    ) -> Result<(ApiKey, Zeroizing<String>), Failure> {
        rules::may_manage_api_keys(rules::ready(&caller.principal)?)?;
        let now = self.clock.now();
        let mut problems = Problems::default();
        let name = problems.check(fields::required("name", &new.name, MAX_NAME));
        let service_name = problems.check(fields::required("serviceName", &new.service_name, MAX_NAME));
        let permissions = problems.check(fields::permissions("permissions", &new.permissions));
        let hotels = problems.check(fields::distinct("hotels", &new.hotels, MAX_ROLES_OR_HOTELS, true));
        problems.check(reach("hotels", new.hotel_scope, &hotels));
        problems.check(fields::future("expiresAt", new.expires_at, now));
        problems.settle()?;

        let mut transaction = self.begin_change(caller).await?;
        let found = hotels::lock_shared(&mut transaction, &hotels).await?;
        let actor = self.actor(&mut transaction, caller).await?;
        rules::may_manage_api_keys(&actor)?;
        rules::may_give_permissions(&actor, &permissions)?;
        if !rules::may_give_scope(&actor, new.hotel_scope) {
            let message = "You do not reach every hotel yourself.";
            return Err(Refusal::new(RefusalCode::PrivilegeEscalation, "hotelScope", message).into());
        }
        may_give_hotels(&actor, &hotels, &found)?;
        let secret = api_key_text::new()?;
        let key = ApiKey {
            id: self.clock.new_id(),
            name,
            service_name,
            prefix: api_key_text::prefix(&secret),
            permissions,
            hotel_scope: new.hotel_scope,
            created_at: now,
            created_by: actor.id(),
            last_used_at: None,
            expires_at: Some(new.expires_at.unwrap_or(now + USUAL_LIFETIME)),
            revoked_at: None,
            hotels: found,
        };
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::ApiKeys).await?;
        api_keys::insert(&mut transaction, &key, &api_key_text::digest(&secret)).await?;
        let happening = Happening::new("api_key_created")
            .by(&actor)
            .to(key_gid(key.id))
            .within(key.hotel_scope, &key.hotels)
            .with_changes(&[], &fields_of_api_key(&key));
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, api_key_id = %key.id, service = key.service_name, "api_key_created");
        Ok((key, secret))
    }

    /// Revokes a key, at once on every server. One that was revoked before stays as it was.
    pub async fn revoke_api_key(&self, caller: &Caller, id: Uuid, reason: Option<&str>) -> Result<(), Failure> {
        let outcome = self.try_revoke_api_key(caller, id, reason).await;
        self.noting_refusals(caller, "revoke_api_key", Some(key_gid(id)), outcome).await
    }

    async fn try_revoke_api_key(&self, caller: &Caller, id: Uuid, reason: Option<&str>) -> Result<(), Failure> {
        rules::may_manage_api_keys(rules::ready(&caller.principal)?)?;
        let mut problems = Problems::default();
        let reason = problems.check(fields::optional("reason", reason, MAX_REASON));
        problems.settle()?;
        let now = self.clock.now();
        let mut transaction = self.begin_change(caller).await?;
        let key = api_keys::by_ids(&mut transaction, &[id]).await?.pop();
        let actor = self.actor(&mut transaction, caller).await?;
        rules::may_manage_api_keys(&actor)?;
        let key =
            key.filter(|key| rules::reaches_api_key(&actor, key)).ok_or_else(|| rules::no_such("API key", "id"))?;
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::ApiKeys).await?;
        if api_keys::revoke(&mut transaction, id, reason.as_deref(), now).await? == 0 {
            return Ok(());
        }
        let happening = Happening::new("api_key_revoked")
            .by(&actor)
            .to(key_gid(id))
            .within(key.hotel_scope, &key.hotels)
            .with("reason", reason);
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, api_key_id = %id, service = key.service_name, "api_key_revoked");
        Ok(())
    }
}

/// Whether scope and hotels go together.
fn reach(field: &'static str, scope: HotelScope, hotels: &[String]) -> Result<(), Refusal> {
    let message = match (scope, hotels.is_empty()) {
        (HotelScope::All, false) => "Scope ALL covers every hotel: name none, or choose scope ASSIGNED.",
        (HotelScope::Assigned, true) => "Name the hotels that the key is for, or choose scope ALL.",
        _ => return Ok(()),
    };
    Err(Refusal::new(RefusalCode::InvalidValue, field, message))
}
