//! How many connections there may be at once: in all, so that memory is bounded, and for one address.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ServerSettings;
use crate::http::shares::{Share, Shares};

pub(super) struct Places {
    all: Arc<Semaphore>,
    by_address: Arc<Shares>,
}

/// A place that no address has taken yet.
pub(super) struct Place {
    place: OwnedSemaphorePermit,
    by_address: Arc<Shares>,
}

/// A place until it is dropped.
pub(super) struct TakenPlace {
    _place: OwnedSemaphorePermit,
    _share: Share,
}

impl Places {
    pub fn new(settings: &ServerSettings) -> Self {
        let by_address = Shares::new(settings.max_connections_per_address, settings.trusted_proxies.clone());
        Self { all: Arc::new(Semaphore::new(settings.max_connections)), by_address }
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
        let share = self.by_address.take(peer, 1)?;
        Some(TakenPlace { _place: self.place, _share: share })
    }
}
