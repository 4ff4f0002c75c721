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

/// One, until it is dropped.
pub struct Share {
    shares: Arc<Shares>,
    /// None for those that may have any number.
    address: Option<IpAddr>,
}

impl Shares {
    pub fn new(allowed: usize, exempt: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), allowed, exempt })
    }

    /// None where this client has as many as it may have.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        let address = address.to_canonical();
        let address = (!self.exempt.iter().any(|network| network.contains(&address))).then(|| network_of(address));
        if let Some(address) = address {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let count = taken.entry(address).or_default();
            if *count >= self.allowed {
                return None;
            }
            *count += 1;
        }
        Some(Share { shares: self.clone(), address })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut taken = self.shares.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&address);
            }
        }
    }
}
