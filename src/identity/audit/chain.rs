//! The proof that nothing in the trail was changed or removed.
//!
//! A background job seals events shortly after they were written: each seal holds the hashes of some events and the hash
//! of the seal before it, under HMAC-SHA256 with a key that stands in a file and never in the database. Whoever can write to
//! the database but has not got the key cannot mend the chain after changing an event.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Happening;
use crate::identity::keys::{hex, key_id, read_or_make_secret, read_secret};
use crate::identity::{Identity, KeyError};
use crate::store::audit::chain::{self, Part, Seal, StoredEvent};
use crate::store::audit::partitions;
use crate::store::{self, Scope, StatementCount, Transaction};

/// The most events in one seal.
const SEAL_EVENTS: i64 = 1000;
/// The most transactions of one run: other work in the background, and the end of the server, do not wait for a backlog.
const SEAL_RUNS: usize = 10;
/// Months for which partitions are made ahead, the current one included.
const MONTHS_AHEAD: i32 = 3;
/// The most findings that a verification tells.
const MAX_FINDINGS: usize = 100;

const WHOSE: &str = "the audit trail";

/// The keys of the chain: the first one seals, all of them verify.
pub(in crate::identity) struct ChainKeys(Vec<(String, hmac::Key)>);

impl ChainKeys {
    /// Reads the keys; the first is made if its file is not there.
    pub fn load(file: &Path, previous: &[PathBuf]) -> Result<Self, KeyError> {
        let mut keys = vec![named(&read_or_make_secret(file, WHOSE)?)];
        for file in previous {
            keys.push(named(&read_secret(file, WHOSE)?));
        }
        Ok(Self(keys))
    }

    fn signing(&self) -> Option<&(String, hmac::Key)> {
        self.0.first()
    }

    fn named(&self, id: &str) -> Option<&hmac::Key> {
        self.0.iter().find(|(known, _)| known == id).map(|(_, key)| key)
    }
}

/// A key and the id that seals name it by.
fn named(key: &[u8]) -> (String, hmac::Key) {
    (key_id("voicehive audit key ", key), hmac::Key::new(hmac::HMAC_SHA256, key))
}

/// What a seal's hash is made of, but for the key.
fn sealed_content(seal: &Seal) -> Vec<u8> {
    let text = format!(
        "voicehive audit seal 1|{}|{}|{}|{}|{}|{}|{}|{}",
        seal.number,
        seal.month,
        seal.first_occurred_at.timestamp_micros(),
        seal.last_occurred_at.timestamp_micros(),
        seal.events,
        hex(&seal.events_hash),
        hex(&seal.previous_hash),
        seal.sealed_at.timestamp_micros()
    );
    text.into_bytes()
}

fn events_hash(ids: &[Uuid], hashes: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id.as_bytes());
    }
    hash.update(hashes);
    hash.finalize().to_vec()
}

fn month_of(time: DateTime<Utc>) -> NaiveDate {
    time.date_naive().with_day(1).unwrap_or_default()
}

/// A place in the chain, to be compared with later: `number:hash`.
fn place(number: i64, hash: &[u8]) -> String {
    format!("{number}:{}", hex(hash))
}

impl Identity {
    /// Seals what was written since the last time, up to 10,000 events; how many. Nothing where another server is at it.
    pub async fn seal_audit_events(&self) -> store::Result<usize> {
        let mut sealed = 0;
        for _ in 0..SEAL_RUNS {
            let mut transaction = self.database.background().await?;
            if !chain::try_lock(&mut transaction).await? {
                return Ok(sealed);
            }
            let events = chain::unsealed(&mut transaction, SEAL_EVENTS).await?;
            let (mut number, mut previous) = chain::head(&mut transaction).await?.unwrap_or_else(|| (0, vec![0; 32]));
            // Months do not mix, so that one can be dropped whole.
            for events in events.chunk_by(|one, next| month_of(one.occurred_at) == month_of(next.occurred_at)) {
                let Some(seal) = self.seal(number + 1, previous.clone(), events) else { continue };
                chain::seal(&mut transaction, &seal).await?;
                (number, previous) = (seal.number, seal.hash);
            }
            transaction.commit().await?;
            sealed += events.len();
            if events.is_empty() {
                return Ok(sealed);
            }
            // Told elsewhere too: whoever cuts off the end of the chain does not reach this.
            tracing::info!(events = events.len(), head = place(number, &previous), "audit_events_sealed");
            if events.len() < usize::try_from(SEAL_EVENTS).unwrap_or(usize::MAX) {
                return Ok(sealed);
            }
        }
        Ok(sealed)
    }

    fn seal(&self, number: i64, previous_hash: Vec<u8>, events: &[StoredEvent]) -> Option<Seal> {
        let (key_id, key) = self.chain_keys.signing()?;
        let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
        let hashes: Vec<u8> = events.iter().flat_map(StoredEvent::hash).collect();
        let mut seal = Seal {
            number,
            month: month_of(events.first()?.occurred_at),
            first_occurred_at: events.first()?.occurred_at,
            last_occurred_at: events.last()?.occurred_at,
            events: i32::try_from(ids.len()).ok()?,
            events_hash: events_hash(&ids, &hashes),
            event_ids: Some(ids),
            event_hashes: Some(hashes),
            previous_hash,
            hash: Vec::new(),
            key_id: key_id.clone(),
            sealed_at: self.clock.now(),
        };
        seal.hash = hmac::sign(key, &sealed_content(&seal)).as_ref().to_vec();
        Some(seal)
    }

    /// Makes the months ahead, and drops those that have been kept long enough. Nothing where another server is at it.
    pub async fn keep_audit_partitions(&self) -> store::Result<()> {
        let now = self.clock.now();
        let mut transaction = self.database.background().await?;
        if !partitions::try_lock(&mut transaction).await? {
            return Ok(());
        }
        let made = partitions::prepare(&mut transaction, month_of(now), MONTHS_AHEAD).await?;
        let dropped = match self.settings.audit_retention {
            Some(retention) => partitions::drop_before(&mut transaction, now - retention).await?,
            None => Vec::new(),
        };
        if !dropped.is_empty() {
            let happening = Happening::new("audit_events_expired").with("months", dropped.clone());
            self.record_own(&mut transaction, happening, now).await?;
        }
        transaction.commit().await?;
        if made > 0 {
            tracing::info!(partitions = made, "audit_partitions_made");
        }
        if !dropped.is_empty() {
            tracing::info!(months = ?dropped, "audit_events_expired");
        }
        Ok(())
    }

    /// Goes over the whole trail and says what is not as it was written. `head` is a place in the chain that was told
    /// before, as `number:hash`; `progress` hears how many events have been looked at.
    pub async fn verify_audit_trail(
        &self,
        head: Option<&str>,
        mut progress: impl FnMut(u64),
    ) -> store::Result<Verification> {
        // One moment, however long it takes.
        let mut transaction = self.database.read(&Scope::system(), &StatementCount::default()).await?;
        transaction.take_time().await?;
        let mut check = Check::default();
        loop {
            let seals = chain::seals_after(&mut transaction, check.number, 10).await?;
            if seals.is_empty() {
                break;
            }
            for seal in seals {
                self.verify_link(&seal, &mut check);
                check_events(&mut transaction, &seal, &mut check).await?;
                progress(check.events);
            }
        }
        for id in chain::lost(&mut transaction, 100).await? {
            let problem = "is missing; it awaited its seal".to_owned();
            check.find(Finding { place: format!("audit:{id}"), problem });
        }
        let (stored, unsealed) = chain::counts(&mut transaction).await?;
        let sealed_and_there = i64::try_from(check.events).unwrap_or(i64::MAX);
        if stored != sealed_and_there + unsealed {
            for id in chain::strays(&mut transaction, 100).await? {
                let problem = "was put in by other means: no seal holds it, and it awaits none".to_owned();
                check.find(Finding { place: format!("audit:{id}"), problem });
            }
        }
        for person in check.erased.difference(&check.deleted).copied().collect::<Vec<_>>() {
            let problem = "personal data is gone from events, and no event says that the person was deleted";
            check.find(Finding { place: super::user_gid(person), problem: problem.to_owned() });
        }
        for (place, month) in std::mem::take(&mut check.emptied) {
            if !self.is_past_retention(month) && !check.expired.contains(&month.format("%Y-%m").to_string()) {
                check.find(Finding { place, problem: "has lost the list of its events".to_owned() });
            }
        }
        if let Some(head) = head.filter(|head| !check.places.contains(*head)) {
            let problem = "is not in the chain any more: the end of the trail was cut off, or it was begun anew";
            check.find(Finding { place: head.to_owned(), problem: problem.to_owned() });
        }
        Ok(Verification {
            events: check.events,
            unsealed: u64::try_from(unsealed).unwrap_or(0),
            seals: u64::try_from(check.number).unwrap_or(0),
            head: place(check.number, &check.previous),
            findings: check.findings,
        })
    }

    /// Whether all of this month has been kept long enough.
    fn is_past_retention(&self, month: NaiveDate) -> bool {
        let end = month.checked_add_months(chrono::Months::new(1)).unwrap_or(month);
        self.settings.audit_retention.is_some_and(|retention| end <= (self.clock.now() - retention).date_naive())
    }

    fn verify_link(&self, seal: &Seal, check: &mut Check) {
        let problem = match self.chain_keys.named(&seal.key_id) {
            None => Some("was made with a key that is not here: name its file in audit.previous_key_files"),
            Some(key) if hmac::verify(key, &sealed_content(seal), &seal.hash).is_err() => Some("was changed"),
            Some(_) if seal.number != check.number + 1 => Some("does not follow the one before: seals were removed"),
            Some(_) if seal.previous_hash != check.previous => Some("does not hold the hash of the one before"),
            Some(_) => None,
        };
        let name = format!("seal {} of {}", seal.number, seal.sealed_at);
        let problem = problem.or_else(|| match (&seal.event_ids, &seal.event_hashes) {
            (Some(ids), Some(hashes))
                if hashes.len() == ids.len() * 32 && events_hash(ids, hashes) == seal.events_hash =>
            {
                None
            }
            (None, None) => {
                check.emptied.push((name.clone(), seal.month));
                None
            }
            _ => Some("holds a list of events that was changed"),
        });
        if let Some(problem) = problem {
            check.find(Finding { place: name, problem: problem.to_owned() });
        }
        check.number = seal.number;
        check.previous.clone_from(&seal.hash);
        check.places.insert(place(seal.number, &seal.hash));
    }
}

/// What a verification has come to know so far.
struct Check {
    number: i64,
    previous: Vec<u8>,
    /// Sealed events that are there.
    events: u64,
    findings: Vec<Finding>,
    /// Users whose personal data is missing somewhere, and users who were deleted.
    erased: HashSet<Uuid>,
    deleted: HashSet<Uuid>,
    /// Seals without their lists, by month; and the months that were dropped as they should be.
    emptied: Vec<(String, NaiveDate)>,
    expired: HashSet<String>,
    places: HashSet<String>,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            number: 0,
            previous: vec![0; 32],
            events: 0,
            findings: Vec::new(),
            erased: HashSet::new(),
            deleted: HashSet::new(),
            emptied: Vec::new(),
            expired: HashSet::new(),
            places: HashSet::from([place(0, &[0; 32])]),
        }
    }
}

impl Check {
    /// What is wrong with an event whose hash is right: the parts that may be erased have digests of their own.
    fn look_at(&mut self, event: &StoredEvent) -> Option<&'static str> {
        let actor = event.actor.as_deref().and_then(|actor| actor.strip_prefix("user:")?.parse().ok());
        match event.event_type.as_str() {
            "user_deleted" => self.deleted.extend(event.about),
            "audit_events_expired" => self.expired.extend(event.expired_months()),
            _ => {}
        }
        for (part, whose) in [(event.origin(), actor.or(event.about)), (event.personal(), event.about)] {
            match part {
                Part::Whole => {}
                Part::Changed => return Some("holds personal data, or an address, that was changed"),
                Part::Erased => self.erased.extend(whose),
            }
        }
        None
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

async fn check_events(transaction: &mut Transaction, seal: &Seal, check: &mut Check) -> store::Result<()> {
    let (Some(ids), Some(hashes)) = (&seal.event_ids, &seal.event_hashes) else { return Ok(()) };
    let mut found: HashMap<Uuid, Vec<StoredEvent>> = HashMap::new();
    for event in chain::events_of(transaction, seal).await? {
        found.entry(event.id).or_default().push(event);
    }
    for (id, hash) in ids.iter().zip(hashes.chunks(32)) {
        let events = found.remove(id).unwrap_or_default();
        check.events += events.len() as u64;
        let problem = match events.as_slice() {
            [] => Some(format!("is missing; it was one of {} to {}", seal.first_occurred_at, seal.last_occurred_at)),
            [event] if event.hash() == hash => check.look_at(event).map(str::to_owned),
            [event] => Some(format!("was changed; it says {} at {}", event.event_type, event.occurred_at)),
            [..] => Some("is there more than once".to_owned()),
        };
        if let Some(problem) = problem {
            check.find(Finding { place: format!("audit:{id}"), problem });
        }
    }
    Ok(())
}

/// What a verification found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Sealed events that are there.
    pub events: u64,
    /// Events that await their seal: these cannot be proved yet.
    pub unsealed: u64,
    pub seals: u64,
    /// The end of the chain, as `number:hash`: keep it elsewhere, and ask for it the next time.
    pub head: String,
    /// What is not as it was written; empty where all is well.
    pub findings: Vec<Finding>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The event, as `audit:<uuid>`, or the seal.
    pub place: String,
    pub problem: String,
}
