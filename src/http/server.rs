//! Takes connections and lets them finish: time limits on slow clients, a cap on their number, a shutdown that ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long connections that wait to be taken are still taken after the server was told to stop.
const BACKLOG_TIMEOUT: Duration = Duration::from_secs(1);

/// How connections are treated.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// How long a client may take to send a request's head.
    pub header_timeout: Duration,
    /// Connections at once; more wait to be accepted.
    pub max_connections: usize,
    /// How long requests may go on after the server was told to stop.
    pub shutdown_timeout: Duration,
}

/// Serves until `stop`, then takes no more connections, lets requests finish and returns.
pub async fn serve(listener: TcpListener, router: Router, settings: ServerSettings, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(settings.header_timeout).keep_alive(true);

    let take = |stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit| {
        // Answers are small and whole: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        let service = service_fn(move |request| answer(router.clone(), request, peer));
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A client that breaks off is its own business.
            let _ = connection.await;
            drop(place);
        });
    };
    let next = async || {
        let place = places.clone().acquire_owned().await;
        (listener.accept().await, place)
    };
    loop {
        match tokio::select! { () = stop.cancelled() => break, next = next() => next } {
            (Ok((stream, peer)), Ok(place)) => take(stream, peer, place),
            (Err(error), _) => {
                // Out of file descriptors, or the client is gone again: neither is a reason to stop serving.
                tracing::warn!(%error, "connection_not_accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (_, Err(_)) => break,
        }
    }
    // Clients whose connection was made but not yet taken are served, too.
    let until = Instant::now() + BACKLOG_TIMEOUT;
    while Instant::now() < until
        && let Ok((Ok((stream, peer)), Ok(place))) = tokio::time::timeout(Duration::from_millis(20), next()).await
    {
        take(stream, peer, place);
    }
    drop(listener);
    if tokio::time::timeout(settings.shutdown_timeout, connections.shutdown()).await.is_err() {
        tracing::warn!("shutdown_cut_connections_off");
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<axum::response::Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request).await
}
