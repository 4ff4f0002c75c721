//! Takes connections and lets them finish: a cap on their number, in all and for one address, and a shutdown that ends.

mod activity;
mod connection;
mod places;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::Connections;
pub use self::connection::Encrypted;
use self::places::{Place, Places};
pub use self::tls::Certificate;

/// How long connections that wait to be taken are still taken after the server was told to stop.
const BACKLOG_TIMEOUT: Duration = Duration::from_secs(1);

/// How connections are treated.
#[derive(Clone)]
pub struct ServerSettings {
    /// How long a client may take to send a request's head, after connecting or once it has begun, and to agree on TLS.
    pub header_timeout: Duration,
    /// How long a connection may be open and do nothing: no request comes, and no more of an answer is taken.
    pub idle_timeout: Duration,
    /// Connections at once; more wait to be accepted.
    pub max_connections: usize,
    /// Connections at once from one address; more are closed.
    pub max_connections_per_address: usize,
    /// Peers that may hold any number of them.
    pub trusted_proxies: Vec<IpNet>,
    /// How long requests may go on after the server was told to stop.
    pub shutdown_timeout: Duration,
    /// None: connections are not encrypted.
    pub certificate: Option<Arc<Certificate>>,
}

/// Serves until `stop`, then takes no more connections, lets requests finish and returns.
pub async fn serve(listener: TcpListener, router: Router, settings: ServerSettings, stop: CancellationToken) {
    let shutdown_timeout = settings.shutdown_timeout;
    let places = Places::new(&settings);
    let open = TaskTracker::new();
    let finish = CancellationToken::new();
    let connections = Connections::new(router, settings, finish.clone());

    let take = |stream: TcpStream, peer: SocketAddr, place: Place| {
        // Answers are small and whole: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        if let Some(place) = place.at(peer.ip()) {
            open.spawn(connections.clone().serve(stream, peer, place));
        } else {
            tracing::debug!(%peer, "connection_refused_too_many");
        }
    };
    let next = async || {
        let place = places.next().await;
        (listener.accept().await, place)
    };
    loop {
        match tokio::select! { () = stop.cancelled() => break, next = next() => next } {
            (Ok((stream, peer)), Some(place)) => take(stream, peer, place),
            (Err(error), _) => {
                // Out of file descriptors, or the client is gone again: neither is a reason to stop serving.
                tracing::warn!(%error, "connection_not_accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (_, None) => break,
        }
    }
    // Clients whose connection was made but not yet taken are served, too.
    let until = Instant::now() + BACKLOG_TIMEOUT;
    while Instant::now() < until
        && let Ok((Ok((stream, peer)), Some(place))) = tokio::time::timeout(Duration::from_millis(20), next()).await
    {
        take(stream, peer, place);
    }
    drop(listener);
    finish.cancel();
    open.close();
    if tokio::time::timeout(shutdown_timeout, open.wait()).await.is_err() {
        tracing::warn!("shutdown_cut_connections_off");
    }
}
