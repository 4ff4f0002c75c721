//! Lockout: how failed sign-ins are counted, and when one is refused unheard.
//!
//! What is answered depends on what was counted alone, and that is counted by email address, whether or not an account
//! has it: so no answer tells which addresses have one. A device that has signed in before has a counter of its own,
//! so that a stranger's failures keep nobody out of their own account, and neither do those of whoever shares the client
//! address. Addresses are counted by network: whoever has an IPv6 address has 2^64 of them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Client;
use super::server_key::{Purpose, ServerKey};
use crate::store::sign_in_failures::{Count, CountedFor, Counter, Threshold};

/// After how many failures, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Lockout {
    /// Failures within `duration` that lock an account.
    pub threshold: u32,
    pub duration: Duration,
    /// Failures within `duration` from one client address that shut it out.
    pub failures_per_address: u32,
}

impl Lockout {
    pub(super) fn of_account(self) -> Threshold {
        Threshold { failures: i32::try_from(self.threshold).unwrap_or(i32::MAX), duration: self.duration }
    }

    pub(super) fn of_address(self) -> Threshold {
        Threshold { failures: i32::try_from(self.failures_per_address).unwrap_or(i32::MAX), duration: self.duration }
    }
}

/// The counters that one sign-in concerns.
pub(super) struct Counters {
    pub email: Counter,
    pub device: Counter,
    pub address: Counter,
}

impl Counters {
    /// Under the server key: people type passwords where an email address is asked for, and what is counted is also of
    /// addresses that have no account.
    pub fn of(key: &ServerKey, email: &str, client: &Client) -> Self {
        let address = client.network().unwrap_or_default();
        let device = client.device_fingerprint.as_deref().unwrap_or_default();
        Self {
            email: counter(key, CountedFor::Email, &[email]),
            device: counter(key, CountedFor::Device, &[email, device, &address]),
            address: of_address(key, client),
        }
    }
}

/// What fails from this client's network, for whatever accounts.
pub(super) fn of_address(key: &ServerKey, client: &Client) -> Counter {
    counter(key, CountedFor::Address, &[&client.network().unwrap_or_default()])
}

/// Wrong passwords of a user who is signed in, whatever device or session they are sent from.
pub(super) fn of_proofs(key: &ServerKey, user_id: Uuid) -> Counter {
    counter(key, CountedFor::Proof, &["proof", &user_id.to_string()])
}

fn counter(key: &ServerKey, counted_for: CountedFor, parts: &[&str]) -> Counter {
    let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
    Counter { counted_for, subject: key.derive(Purpose::Failures, &parts) }
}

/// An account's `locked_until`.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccountLock(pub Option<DateTime<Utc>>);

/// What is known when a sign-in begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub email: Count,
    /// The device's own counter, if it has signed in to this account before.
    pub known_device: Option<Count>,
    pub address: Count,
    /// If there is an account.
    pub account: Option<AccountLock>,
}

/// Whether a sign-in may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// Locked by what was counted: said plainly, to known and unknown addresses alike.
    Locked(DateTime<Utc>),
    /// Too many failures from this client address, for whatever accounts.
    AddressShut(DateTime<Utc>),
    /// `locked_until` was set by other means. Answered like a wrong password, because an unknown email address never
    /// gets that far without failures.
    Barred,
}

pub(super) fn gate(standing: &Standing, now: DateTime<Utc>) -> Gate {
    let ahead = |time: Option<DateTime<Utc>>| time.filter(|time| *time > now);
    // A known device has a counter of its own: what others behind the same address guess keeps it from nothing.
    if standing.known_device.is_none()
        && let Some(until) = ahead(standing.address.locked_until)
    {
        return Gate::AddressShut(until);
    }
    let counted = ahead(standing.email.locked_until);
    match (standing.account, counted) {
        (Some(AccountLock(account)), None) if ahead(account).is_some() => return Gate::Barred,
        // Counted as locked, yet the account is not: an operator has unlocked it.
        (Some(AccountLock(account)), Some(_)) if ahead(account).is_none() => return Gate::Open,
        _ => {}
    }
    let lock = match standing.known_device {
        Some(device) => ahead(device.locked_until),
        None => counted,
    };
    lock.map_or(Gate::Open, Gate::Locked)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn who_is_let_through() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let later = now + TimeDelta::minutes(15);
        let earlier = now - TimeDelta::seconds(1);
        let free = Count::default();
        let locked = Count { failures: 5, locked_until: Some(later) };
        let over = Count { failures: 5, locked_until: Some(earlier) };
        let (unknown, unlocked, barred) = (None, Some(AccountLock(None)), Some(AccountLock(Some(later))));
        // email counter, known device's, address's, account -> gate
        let table = [
            (free, None, free, unknown, Gate::Open),
            (free, None, free, unlocked, Gate::Open),
            (over, None, over, Some(AccountLock(Some(earlier))), Gate::Open),
            (locked, None, free, unknown, Gate::Locked(later)),
            (locked, None, free, barred, Gate::Locked(later)),
            (locked, None, free, unlocked, Gate::Open),
            (locked, Some(free), free, barred, Gate::Open),
            (locked, Some(locked), free, barred, Gate::Locked(later)),
            (free, Some(locked), free, unlocked, Gate::Locked(later)),
            (free, None, free, barred, Gate::Barred),
            (free, Some(free), free, barred, Gate::Barred),
            (free, None, locked, unlocked, Gate::AddressShut(later)),
            (free, Some(free), locked, unlocked, Gate::Open),
            (locked, Some(free), locked, barred, Gate::Open),
            (free, Some(locked), locked, unlocked, Gate::Locked(later)),
            (free, Some(free), locked, barred, Gate::Barred),
        ];
        for (email, known_device, address, account, expected) in table {
            let standing = Standing { email, known_device, address, account };
            assert_eq!(gate(&standing, now), expected, "{standing:?}");
        }
    }

    #[test]
    fn counters_keep_people_devices_and_addresses_apart() {
        let client = |address: &str, device: &str| Client {
            ip_address: Some(address.to_owned()),
            device_fingerprint: Some(device.to_owned()),
            ..Client::default()
        };
        let key = ServerKey::for_tests(1);
        let one = Counters::of(&key, "a@b.c", &client("10.0.0.1", "d"));
        let elsewhere = Counters::of(&key, "a@b.c", &client("10.0.0.2", "d"));
        assert_eq!(one.email.subject, elsewhere.email.subject);
        assert_ne!(one.device.subject, elsewhere.device.subject);
        assert_ne!(one.address.subject, elsewhere.address.subject);
        assert_ne!(
            one.email.subject,
            Counters::of(&ServerKey::for_tests(2), "a@b.c", &client("10.0.0.1", "d")).email.subject
        );
    }

    #[test]
    fn an_address_is_counted_by_its_network() {
        let counters = |address: &str| {
            let client = Client { ip_address: Some(address.to_owned()), ..Client::default() };
            let Counters { device, address, .. } = Counters::of(&ServerKey::for_tests(1), "a@b.c", &client);
            (device.subject, address.subject)
        };
        // one address, another, whether they are counted together
        let table = [
            ("2001:db8::1", "2001:db8::2", true),
            ("2001:db8::1", "2001:db8:0:0:ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("198.51.100.7", "::ffff:198.51.100.7", true),
            ("198.51.100.7", "198.51.100.8", false),
        ];
        for (one, other, together) in table {
            let (one_device, one_address) = counters(one);
            let (other_device, other_address) = counters(other);
            assert_eq!(
                (one_device == other_device, one_address == other_address),
                (together, together),
                "{one} {other}"
            );
        }
    }
}
