//! How much of something one client may have at once, so that a single one cannot take it all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use crate::identity::network_of;

/// What each client has.
pub struct Shares {
    taken: Mutex<HashMap<IpAddr, usize>>,
    allowed: usize,
    /// Those that may have any number.
    exempt: Vec<IpNet>,
}

/// A number of them, until it is dropped.
pub struct Share {
    shares: Arc<Shares>,
    /// None for those that may have any number.
    address: Option<IpAddr>,
    number: usize,
}

impl Shares {
    pub fn new(allowed: usize, exempt: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), allowed, exempt })
    }

    /// None where this client would have more than it may have.
    pub fn take(self: &Arc<Self>, address: IpAddr, number: usize) -> Option<Share> {
        let address = address.to_canonical();
        let address = (!self.exempt.iter().any(|network| network.contains(&address))).then(|| network_of(address));
        let mut share = Share { shares: self.clone(), address, number: 0 };
        share.grow(number).then_some(share)
    }
}

impl Share {
    /// Whether the client may have so many more, and now has.
    pub fn grow(&mut self, more: usize) -> bool {
        let Some(address) = self.address else { return true };
        let mut taken = self.shares.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&address).copied().unwrap_or_default().saturating_add(more);
        if count > self.shares.allowed {
            return false;
        }
        taken.insert(address, count);
        self.number += more;
        true
    }

    /// Gives so many back.
    pub fn shrink(&mut self, fewer: usize) {
        let fewer = fewer.min(self.number);
        self.number -= fewer;
        drop(Self { shares: self.shares.clone(), address: self.address, number: fewer });
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut taken = self.shares.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&address) {
            *count = count.saturating_sub(self.number);
            if *count == 0 {
                taken.remove(&address);
            }
        }
    }
}
