//! How many connections there may be at once: in all, so that memory is bounded, and for one address, so that a single
//! client cannot take every place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ServerSettings;
use crate::identity::network_of;

pub(super) struct Places {
    all: Arc<Semaphore>,
    by_address: Arc<ByAddress>,
}

struct ByAddress {
    taken: Mutex<HashMap<IpAddr, usize>>,
    allowed: usize,
    exempt: Vec<IpNet>,
}

/// A place that no address has taken yet.
pub(super) struct Place {
    place: OwnedSemaphorePermit,
    by_address: Arc<ByAddress>,
}

/// A place until it is dropped.
pub(super) struct TakenPlace {
    _place: OwnedSemaphorePermit,
    by_address: Arc<ByAddress>,
    /// None for those that may have any number.
    address: Option<IpAddr>,
}

impl Places {
    pub fn new(settings: &ServerSettings) -> Self {
        let by_address = ByAddress {
            taken: Mutex::default(),
            allowed: settings.max_connections_per_address,
            exempt: settings.trusted_proxies.clone(),
        };
        Self { all: Arc::new(Semaphore::new(settings.max_connections)), by_address: Arc::new(by_address) }
    }

    /// Waits until there is one.
    pub async fn next(&self) -> Option<Place> {
        let place = self.all.clone().acquire_owned().await.ok()?;
        Some(Place { place, by_address: self.by_address.clone() })
    }
}

impl Place {
    /// None where this address has as many as it may have.
    pub fn at(self, peer: IpAddr) -> Option<TakenPlace> {
        let peer = peer.to_canonical();
        let address = (!self.by_address.exempt.iter().any(|network| network.contains(&peer))).then(|| network_of(peer));
        if let Some(address) = address {
            let mut taken = self.by_address.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let count = taken.entry(address).or_default();
            if *count >= self.by_address.allowed {
                return None;
            }
            *count += 1;
        }
        Some(TakenPlace { _place: self.place, by_address: self.by_address, address })
    }
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut taken = self.by_address.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&address);
            }
        }
    }
}
